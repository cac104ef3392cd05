"""`bnsl columns`: what there is in a file."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import Any

from bnsl._base.checks import InputError
from bnsl.cli import _text as report
from bnsl.cli._arguments import add_command, add_file
from bnsl.cli._terminal import note, show
from bnsl.readers.formats import read_source
from bnsl.readers.reading import source_columns
from bnsl.readers.source import Source, some

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl columns curve.csv
"""


def add(commands: Any) -> None:
    """Add the command."""
    text = "list the columns, tags or metrics of a file, and the runs in it"
    add_file(add_command(commands, "columns", text, EXAMPLE, _run))


def _run(args: argparse.Namespace) -> None:
    source = read_source(args.file, format=args.format, pattern=args.pattern)
    roles = dict.fromkeys(source.aside, "set aside")
    if source.x is not None:
        roles[source.x] = "x, unless another is named"
    runs = [] if source.run is None else source.table[source.run].dropna().astype(str).unique().tolist()
    if source.run is not None:
        roles[source.run] = f"tells runs apart: {some(runs, 8)}"
    show(report.columns_text(source.table, source.kind, roles))
    note("next: " + " ".join(["bnsl forecast", shlex.quote(args.file), *_options(args, source, runs)]))


def _options(args: argparse.Namespace, source: Source, runs: Sequence[str]) -> list[str]:
    """What `bnsl forecast` has to be told of this file."""
    options = [f"--format {args.format}"] if args.format else []
    options += [f"--pattern {shlex.quote(args.pattern)}"] if args.pattern else []
    if runs:
        options.append("--where " + shlex.quote(f"{source.run}={runs[0]}"))
    try:
        source_columns(source)
    except InputError:
        options += ["--y COLUMN"] if source.x is not None else ["--x COLUMN", "--y COLUMN"]
    return options
