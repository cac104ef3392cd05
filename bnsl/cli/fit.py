"""`bnsl fit`: a law fitted to a curve, and predictions with it."""

from __future__ import annotations

import argparse
from typing import Any

from bnsl.cli import _text as report
from bnsl.cli._arguments import add_command, add_input, add_json_option, add_law, add_plot_option
from bnsl.cli._input import fit_law, law_options, read_curve
from bnsl.cli._output import LEVEL, check_outputs, predictions, save_figure, write_json
from bnsl.cli._terminal import show
from bnsl.evaluation.extrapolation import Extrapolation
from bnsl.readers.files import STDIN

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl fit curve.csv
  bnsl fit curve.csv --x x --y y --train-until 736 --predict 1000 --plot curve.png --json curve.json
"""


def add(commands: Any) -> None:
    """Add the command."""
    command = add_command(commands, "fit", "fit a law to a curve and predict with it", EXAMPLE, _run)
    add_input(command)
    add_law(command)
    command.add_argument(
        "--predict",
        type=float,
        action="append",
        default=[],
        metavar="X",
        help="predict y at X, once or more often (default: 2 and 10 times the last fitted x)",
    )
    add_plot_option(command)
    add_json_option(command)


def _run(args: argparse.Namespace) -> None:
    check_outputs(args)
    options = law_options(args)
    law = fit_law(args, read_curve(args), options)
    extrapolation = law if isinstance(law, Extrapolation) else None
    result = law.result if isinstance(law, Extrapolation) else law
    shown = (result, predictions(result, args.predict), LEVEL, extrapolation)
    if args.json != STDIN:
        show(report.fit_text(*shown))
    write_json(args.json, lambda: report.fit_json(*shown))
    if args.plot:
        from bnsl.plots.laws import plot_fit

        save_figure(args.plot, lambda ax: plot_fit(law, ax=ax))
