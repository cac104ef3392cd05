"""`bnsl datasets`: the bundled data."""

from __future__ import annotations

import argparse
from typing import Any

from bnsl.cli import _text as report
from bnsl.cli._arguments import add_command
from bnsl.cli._output import write_json
from bnsl.curves.curve import Curve
from bnsl.curves.datasets import CATALOGUE, DESCRIPTIONS, load_curve, load_dataset
from bnsl.readers.files import STDIN

EXAMPLE = """examples:
  bnsl datasets
  bnsl datasets double_descent > curve.csv
"""


def add(commands: Any) -> None:
    """Add the command."""
    text = "list the data sets of the package, or write one as CSV"
    command = add_command(commands, "datasets", text, EXAMPLE, _run)
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("name", nargs="?", metavar="NAME", help="write this one to the standard output")
    choice.add_argument(
        "--json", action="store_const", const=STDIN, help="list them as JSON instead of a table"
    )


def _run(args: argparse.Namespace) -> None:
    if args.name is not None:
        data = load_dataset(args.name)
        text = report.curve_csv(data) if isinstance(data, Curve) else data.points.to_csv(index=False)
        print(text.removesuffix("\n"))
        return
    curves = [load_curve(name) for name in DESCRIPTIONS]
    if args.json != STDIN:
        print(report.datasets_text(curves, CATALOGUE))
    write_json(args.json, lambda: report.datasets_json(curves, CATALOGUE))
