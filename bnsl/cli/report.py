"""`bnsl report`: one curve, or runs with several inputs, as a page to mail to others."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl.cli._arguments import add_forms, add_input, add_prediction, add_split
from bnsl.cli._input import forms_asked_for, input_names, points_asked_for, read_curve, split_rule
from bnsl.cli._terminal import note
from bnsl.curves.curve import Curve
from bnsl.curves.datasets import DESCRIPTIONS
from bnsl.readers.files import STDIN
from bnsl.readers.formats import read_source
from bnsl.readers.reading import curve_from_source
from bnsl.web.analysis import CUTS
from bnsl.web.calls import Source
from bnsl.web.page import check_path, write_report

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl report curve.csv -o report.html
  bnsl report curve.csv --train-until 736 --predict 1000 --n-breaks 0,1 --title 'Addition' -o report.html
  bnsl datasets loss_surface > runs.csv
  bnsl report runs.csv --x params,tokens --where epochs=1 --train-fraction 0.8 -o runs.html
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_input(command)
    add_split(command)
    add_forms(command)
    text = "forecast y at X; repeatable (default: 1.5, 2, 4 and 10 times the last fitted x)"
    add_prediction(command, text)
    command.add_argument(
        "--cuts",
        type=int,
        default=CUTS,
        metavar="N",
        help="cut-offs of the back-test, at most (default: %(default)s)",
    )
    command.add_argument("--title", metavar="TEXT", help="title of the page (default: from FILE)")
    command.add_argument(
        "-o", "--output", default="report.html", metavar="OUT.html", help="the page (default: %(default)s)"
    )
    command.set_defaults(loss=None)  # rewards have a report, too


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_path(args.output)
    forms = forms_asked_for(args)
    predict = points_asked_for(args)
    page: dict[str, Any] = {"path": args.output, "title": args.title, "predict": predict, **split_rule(args)}
    if input_names(args):
        for option, given in (("forms", args.forms), ("n-breaks", args.n_breaks)):
            if given is not None:
                raise InputError(f"--{option} is for one input; of several the page shows a forecast's laws")
        curve = read_curve(args)
        # A copy of the runs is on the page, since it takes more than columns to read them.
        write_report(curve, source=Source(command=shlex.join(["bnsl", *args.argv])), **page)
    else:
        curve = read_curve(args)
        page |= {"forms": forms, "n_breaks": args.n_breaks, "cuts": args.cuts}
        write_report(curve, source=_source(args, curve), **page)
    note(f"wrote {args.output}")


def _source(args: argparse.Namespace, curve: Curve) -> Source:
    """The command, and FILE where its columns alone give this very curve."""
    command = shlex.join(["bnsl", *args.argv])
    if args.file in DESCRIPTIONS and not Path(args.file).exists():
        return Source(args.file, bundled=True, command=command)
    columns = {"x": curve.x_label, "y": curve.y_label, "sigma": args.sigma}
    try:
        again = None if args.file == STDIN else curve_from_source(read_source(args.file), **columns).curve
    except InputError:  # it took more than columns to read it
        again = None
    if again is None or not _same(again, curve):
        return Source(command=command)
    return Source(args.file, **columns, command=command)


def _same(first: Curve, second: Curve) -> bool:
    pairs = ((first.x, second.x), (first.y, second.y), (first.sigma, second.sigma))
    return all(a is b is None or np.array_equal(a, b) for a, b in pairs)  # type: ignore[arg-type]
