"""`bnsl forecast`: what will be at larger x."""

from __future__ import annotations

import argparse
import warnings
from typing import TYPE_CHECKING, Any

from bnsl._base.checks import check_share, positive_inputs
from bnsl._base.display import ExtrapolationWarning
from bnsl.cli import _text as report
from bnsl.cli._arguments import add_command, add_input, add_json_option, add_plot_option, add_split
from bnsl.cli._input import read_curve, split_rule
from bnsl.cli._output import LEVEL, check_outputs, predictions, save_figure, write_json
from bnsl.cli._terminal import show
from bnsl.curves.curve import Curve
from bnsl.evaluation.extrapolation import nothing_held_out
from bnsl.forecasting.forecast import Forecast, forecast
from bnsl.readers.files import STDIN

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl forecast curve.csv
  bnsl forecast curve.csv --train-until 736 --predict 1000 --plot forecast.png --json forecast.json
"""
AHEAD = (1.5, 2.0, 4.0, 10.0)  # predictions at these multiples of the last fitted x, if none are asked for


def add(commands: Any) -> None:
    """Add the command."""
    text = "tell what will be at larger x: an average over laws, with intervals and nothing to set"
    command = add_command(commands, "forecast", text, EXAMPLE, _run)
    add_input(command)
    add_split(command)
    command.add_argument(
        "--predict",
        type=float,
        action="append",
        default=[],
        metavar="X",
        help="predict y at X, once or more often (default: 1.5, 2, 4 and 10 times the last fitted x)",
    )
    command.add_argument(
        "--level",
        type=float,
        default=LEVEL,
        metavar="P",
        help="probability of a new measurement inside the interval (default: %(default)s)",
    )
    add_plot_option(command)
    add_json_option(command)
    command.set_defaults(loss="log")


def _run(args: argparse.Namespace) -> None:
    check_outputs(args)
    level = check_share(args.level, "--level")
    if args.predict:
        positive_inputs(args.predict, 1)
    rule = split_rule(args)
    curve = read_curve(args)
    fitted, held_out = curve.split(**rule)
    if rule and held_out is None:
        raise nothing_held_out(curve)
    found = forecast(fitted)
    beyond = None if held_out is None else _held_out(found, held_out, level)
    shown = (found, predictions(found, args.predict, AHEAD, level), level, beyond)
    if args.json != STDIN:
        show(report.forecast_text(*shown))
    write_json(args.json, lambda: report.forecast_json(*shown))
    if args.plot:
        from bnsl.plots.forecasts import AHEAD as DRAWN_AHEAD
        from bnsl.plots.forecasts import plot_forecast

        end = float(curve.x[-1]) * (DRAWN_AHEAD if held_out is None else 1.0)
        farthest = max(args.predict, default=end)
        options: dict[str, Any] = {"levels": sorted({0.5, level})}
        options["x_max"] = farthest if farthest > end else None
        save_figure(args.plot, lambda ax: plot_forecast(found, held_out=held_out, ax=ax, **options))


def _held_out(law: Forecast, held_out: Curve, level: float) -> pd.DataFrame:
    """What a forecast says of points that it has not seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)  # these points are there, however far
        table = predictions(law, held_out.x.tolist(), level=level)
    table.insert(1, "y", held_out.y)
    return table
