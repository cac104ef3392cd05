"""`bnsl report`: one curve, or runs with several inputs, as a page to mail to others.

Examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl report curve.csv -o report.html
  bnsl report curve.csv --train-until 736 --predict 1000 --n-breaks 0,1 --title 'Addition' -o report.html
  bnsl datasets loss_surface > runs.csv
  bnsl report runs.csv --x params,tokens --where epochs=1 --train-fraction 0.8 -o runs.html
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, check_count
from bnsl.cli import _arguments as arguments
from bnsl.cli._given import input_names, points_asked_for, split_rule
from bnsl.cli._input import read_curve
from bnsl.cli._output import command_line
from bnsl.cli._terminal import note
from bnsl.cli._words import dashed
from bnsl.cli.compare import forms_asked_for
from bnsl.curves.curve import Curve
from bnsl.curves.datasets import DESCRIPTIONS
from bnsl.readers.files import STDIN
from bnsl.readers.formats import read_source
from bnsl.readers.reading import curve_from_source
from bnsl.web.analysis import CUTS
from bnsl.web.calls import Source
from bnsl.web.page import check_path, write_report


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    arguments.add_input(command)
    arguments.add_split(command)
    arguments.add_forms(command)
    text = "forecast y at X; repeatable (default: 1.5, 2, 4 and 10 times the last fitted x)"
    arguments.add_prediction(command, text)
    text = "cut-offs of the back-test, at most (default: %(default)s)"
    arguments.option(command, "--cuts", "N", text, int, default=CUTS)
    arguments.add_factor(command)
    arguments.option(command, "--title", "TEXT", "title of the page (default: from FILE)")
    text = "the page (default: %(default)s)"
    command.add_argument("-o", "--output", default="report.html", metavar="OUT.html", help=text)
    command.set_defaults(loss=None)  # rewards have a report, too


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_path(args.output)
    check_count(args.cuts, "--cuts", 0)
    forms, _ = forms_asked_for(args)
    predict = points_asked_for(args)
    page: dict[str, Any] = {"path": args.output, "title": args.title, "predict": predict, **split_rule(args)}
    several = bool(input_names(args))
    for option in ("forms", "n_breaks") if several else ():
        if getattr(args, option) is not None:
            raise InputError(
                f"{dashed(option)} is for one input; of several the page shows a forecast's laws"
            )
    curve = read_curve(args)
    if args.factor is not None:
        page["factor"] = args.factor
    if not several:
        page |= {"forms": forms, "n_breaks": args.n_breaks, "cuts": args.cuts}
    write_report(curve, source=_source(args, curve), **page)
    note(f"wrote {args.output}")


def _source(args: argparse.Namespace, curve: Curve) -> Source:
    """The command, and FILE where its columns alone give this very curve; else a copy is on the page."""
    command = command_line(args)
    if args.file in DESCRIPTIONS and not Path(args.file).exists():
        return Source(args.file, bundled=True, command=command)
    if args.file == STDIN or curve.inputs > 1:
        return Source(command=command)
    columns = {"x": curve.x_label, "y": curve.y_label, "sigma": args.sigma}
    try:
        again = curve_from_source(read_source(args.file), **columns).curve
    except InputError:  # it took more than columns to read it
        return Source(command=command)
    pairs = ((again.x, curve.x), (again.y, curve.y), (again.sigma, curve.sigma))
    same = all(a is b is None or np.array_equal(a, b) for a, b in pairs)  # type: ignore[arg-type]
    return Source(args.file, **columns, command=command) if same else Source(command=command)
