"""`bnsl datasets`: the data sets by name.

Examples:
  bnsl datasets
  bnsl datasets double_descent > curve.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bnsl._base.display import aligned
from bnsl._base.lazy import pd
from bnsl.cli._output import json_text, span_text
from bnsl.curves.benchmark import Benchmark
from bnsl.curves.curve import Curve
from bnsl.curves.datasets import COLLECTIONS, DESCRIPTIONS, TABLES, load_curve, load_dataset
from bnsl.readers.files import STDIN

OTHERS = {**COLLECTIONS, **TABLES}  # which are not one curve


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("name", nargs="?", metavar="NAME", help="write this one to the standard output")
    text = "list them as JSON instead of a table"
    choice.add_argument("--json", action="store_const", const=STDIN, help=text)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.name is not None:
        print(_csv(load_dataset(args.name)).removesuffix("\n"))
        return
    curves = [load_curve(name) for name in DESCRIPTIONS]
    print(_json(curves) if args.json == STDIN else _text(curves))


def _csv(data: Curve | Benchmark | pd.DataFrame) -> str:
    if isinstance(data, Curve):
        return curve_csv(data)
    return (data.points if isinstance(data, Benchmark) else data).to_csv(index=False)


def _text(curves: Sequence[Curve]) -> str:
    """One line per data set: name, number of points, ranges and what it is; less of the others."""
    rows = [("name", "points", "x", "y", "what it is")]
    for curve in curves:
        x, y = span_text(curve.x), span_text(curve.y)
        rows.append((curve.name, str(len(curve)), x, y, DESCRIPTIONS[curve.name]))
    rows += [(name, "", "", "", text) for name, text in OTHERS.items()]
    return aligned(rows, left=(0, 2, 3, 4))


def _json(curves: Sequence[Curve]) -> str:
    """The table for machines."""
    rows = [
        {
            "name": curve.name,
            "points": len(curve),
            "x": [float(curve.x.min()), float(curve.x.max())],
            "y": [float(curve.y.min()), float(curve.y.max())],
            "x_label": curve.x_label,
            "y_label": curve.y_label,
            "sigma": curve.sigma is not None,
            "description": DESCRIPTIONS[curve.name],
        }
        for curve in curves
    ]
    return json_text([*rows, *({"name": name, "description": text} for name, text in OTHERS.items())])


def curve_csv(curve: Curve) -> str:
    """A curve as CSV with the columns x, y and, if it has sigma, y_err; exact to the last bit."""
    columns = {"x": curve.x, "y": curve.y} | ({} if curve.sigma is None else {"y_err": curve.sigma})
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(repr(v).removesuffix(".0") for v in row) for row in rows)]
    return "\n".join(lines)
