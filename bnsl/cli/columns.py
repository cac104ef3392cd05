"""`bnsl columns`: what there is in a file."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bnsl._base.checks import InputError
from bnsl._base.display import aligned
from bnsl.cli._arguments import add_file
from bnsl.cli._terminal import note, show
from bnsl.cli._text import span_text
from bnsl.readers.formats import read_source
from bnsl.readers.reading import source_columns
from bnsl.readers.source import Source, some

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl columns curve.csv
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_file(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    source = read_source(args.file, format=args.format, pattern=args.pattern)
    roles = dict.fromkeys(source.aside, "set aside")
    if source.x is not None:
        roles[source.x] = "x, unless another is named"
    runs = [] if source.run is None else source.table[source.run].dropna().astype(str).unique().tolist()
    if source.run is not None:
        roles[source.run] = f"tells runs apart: {some(runs, 8)}"
    show(_text(source.table, source.kind, roles))
    note("next: " + " ".join(["bnsl forecast", shlex.quote(args.file), *_options(args, source, runs)]))


def _text(table: pd.DataFrame, kind: str, roles: Mapping[str, str]) -> str:
    """One line a column with how many values, the range and the role, if it has one."""
    rows = [("column", "values", "range", "role")]
    for name in table.columns:
        cells = table[name].dropna()
        if cells.dtype.kind == "f" and len(cells):
            span = span_text(cells.to_numpy())
        else:
            span = f"{cells.astype(str).nunique()} different, no numbers"
        rows.append((str(name), str(len(cells)), span, roles.get(name, "")))
    return f"{len(table)} rows, read as {kind}\n\n" + aligned(rows, left=(0, 2, 3))


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
