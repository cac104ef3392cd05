"""`bnsl columns`: what there is in a file."""

from __future__ import annotations

import argparse
from typing import Any

from bnsl import report
from bnsl.cli._arguments import add_command, add_file
from bnsl.cli._terminal import note, show
from bnsl.readers import read_source

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
    if source.run is not None:
        roles[source.run] = "tells runs apart"
    show(report.columns_text(source.table, source.kind, roles))
    note(f"next: bnsl forecast {args.file} --x COLUMN --y COLUMN")
