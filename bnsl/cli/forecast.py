"""`bnsl forecast`: predictions at larger x, with intervals."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import bnsl
from bnsl._base.checks import check_choice, check_share
from bnsl._base.display import (
    ExtrapolationWarning,
    FitWarning,
    aligned,
    paragraphs,
    plain,
    records,
    warning_lines,
)
from bnsl.cli._arguments import (
    add_input,
    add_json_option,
    add_plot_option,
    add_prediction,
    add_robust,
    add_split,
)
from bnsl.cli._input import points_asked_for, read_curves, split_rule
from bnsl.cli._output import LEVEL, check_outputs, predictions, put_out
from bnsl.cli._runs import AHEAD as RUNS_AHEAD
from bnsl.cli._runs import check_one_figure, put_out_runs, row
from bnsl.cli._surfaces import draw_panels
from bnsl.cli._text import json_text, of_error, rows_text, with_accuracies
from bnsl.curves.curve import Curve
from bnsl.curves.metrics import rmse, rmsle
from bnsl.curves.scale import SCALES
from bnsl.evaluation.extrapolation import held_out_notes, nothing_held_out
from bnsl.fitting.record import curve_record
from bnsl.forecasting.forecast import Forecast, forecast, shown_breaks
from bnsl.forecasting.surface import SurfaceForecast
from bnsl.readers.files import STDIN, called

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl forecast curve.csv
  bnsl forecast curve.csv --train-until 736 --predict 1000 --plot forecast.png --json forecast.json
  bnsl datasets loss_surface > runs.csv
  bnsl forecast runs.csv --x params,tokens --where epochs=1 --predict params=2M,tokens=20M
  bnsl forecast runs.csv --x params,tokens --where epochs=1 --train-fraction 0.8 --plot two.png
"""
AHEAD = (1.5, 2.0, 4.0, 10.0)  # predictions at these multiples of the last fitted x, if none are asked for
LEAST_WEIGHT = 0.0005  # of a law that the table shows: what does not round to 0.0 %


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_input(command)
    add_split(command)
    text = "predict y at X; repeatable (default: 1.5, 2, 4 and 10 times the last fitted x)"
    add_prediction(command, text)
    add_robust(command, "leave out outliers, found by a robust fit")
    command.add_argument(
        "--level",
        type=float,
        default=LEVEL,
        metavar="P",
        help="probability of a new measurement inside the interval (default: %(default)s)",
    )
    add_plot_option(command)
    add_json_option(command)
    command.add_argument(
        "--scale",
        default="auto",
        help=f"scale of y: {', '.join(SCALES)} (default: %(default)s; linear if y is not positive, or grows)",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    level = check_share(args.level, "--level")
    wanted = points_asked_for(args)
    check_choice(args.scale, "--scale", SCALES)
    args.loss = "log" if args.scale == "log" else "linear"  # tells of rows that cannot be of that scale
    rule = split_rule(args)
    curves = read_curves(args)
    check_one_figure(args, curves)
    ahead = AHEAD if len(curves) == 1 else RUNS_AHEAD
    parts = {name: curve.split(**rule) for name, curve in curves.items()}
    for curve, (_, held_out) in zip(curves.values(), parts.values(), strict=True):
        if rule and held_out is None:
            raise nothing_held_out(curve)
    answers = {name: _answer(args, *both, wanted, ahead, level) for name, both in parts.items()}
    if len(curves) > 1:
        rows = [part for name, answer in answers.items() for part in _rows(name, answer)]
        put_out_runs(args, "forecast", curves, rows, lambda name: _json(answers[name]))
        return
    (answer,), ((_, held_out),) = answers.values(), parts.values()
    put_out(
        args,
        lambda: _text(answer),
        lambda: _json(answer),
        lambda ax: _draw(answer.found, held_out, wanted, level, ax),
    )


class _Answer(NamedTuple):
    """The text about a curve."""

    found: Forecast | SurfaceForecast
    ahead: pd.DataFrame  # a row per point: x, predicted, lower, upper
    level: float  # probability inside (lower, upper)
    held_out: pd.DataFrame | None  # a row per point that it has not seen: x, y, predicted, lower, upper

    @property
    def inside(self) -> int:
        """How many held-out values lie in their interval."""
        table = self.held_out
        return 0 if table is None else int(table["y"].between(table["lower"], table["upper"]).sum())

    @property
    def warnings(self) -> tuple[FitWarning, ...]:
        """Those of the forecast, and of what was held out."""
        count = 0 if self.held_out is None else len(self.held_out)
        return (*self.found.warnings, *held_out_notes(self.inside, count, self.level))


def _answer(
    args: argparse.Namespace,
    fitted: Curve,
    held_out: Curve | None,
    wanted: Sequence[Any],
    ahead: Sequence[float],
    level: float,
) -> _Answer:
    found = forecast(fitted, robust=args.robust, scale=args.scale)
    table = None
    if held_out is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)  # these points are there, however far
            table = predictions(found, held_out.x, level=level)
        table.insert(fitted.inputs, "y", held_out.y)
    return _Answer(found, predictions(found, wanted, ahead, level), level, table)


def _rows(name: str, answer: _Answer) -> list[dict[str, Any]]:
    facts: dict[str, Any] = {}
    if answer.held_out is not None:
        error = rmsle(answer.held_out["predicted"].to_numpy(), answer.held_out["y"].to_numpy())[0]
        facts = {"held out": len(answer.held_out), "inside": answer.inside, "rmsle there": error}
    return row(name, answer.found.curve, facts, answer.ahead, answer.warnings)


def _draw(law: Any, held_out: Curve | None, wanted: Sequence[Any], level: float, ax: Axes) -> Axes:
    """The figure, which of one input reaches the farthest prediction that was asked for."""
    if law.curve.inputs > 1:
        return draw_panels(law, held_out, ax, level=level)
    from bnsl.plots.forecasts import AHEAD as DRAWN_AHEAD

    last = law.curve.ahead((DRAWN_AHEAD,))[0] if held_out is None else held_out.x[-1]
    x_max = max(wanted) if wanted and max(wanted) > last else None
    return bnsl.plot_forecast(law, held_out=held_out, ax=ax, levels=sorted({0.5, level}), x_max=x_max)


def _text(answer: _Answer) -> str:
    """What it rests on, the held-out error, the laws averaged, predictions, warnings."""
    found, ahead, level, held_out = answer
    curve = found.curve
    lines = [f"forecast of {curve.name or called(STDIN)}", f"fitted   {curve.extent}"]
    if held_out is not None:
        both = held_out["predicted"].to_numpy(), held_out["y"].to_numpy()
        error, stderr = rmsle(*both)
        said = f"rmsle    {error:.6g} +- {stderr:.3g}" if error == error else f"rmse     {rmse(*both):.6g}"
        points = "1 point" if len(held_out) == 1 else f"{len(held_out)} points"
        columns = (held_out.iloc[:, i] for i in range(curve.inputs))
        spans = [
            f"{name} from {column.min():.6g} to {column.max():.6g}"
            for name, column in zip(curve.input_names, columns, strict=True)
        ]
        lines += [
            f"held out {points}, {', '.join(spans)}",
            f"{said} on the held-out points",
            f"inside   {answer.inside} of {points} in the {100 * level:g} % interval",
        ]
    ahead_head = f"forecasts{of_error(curve.y_label)}, with {100 * level:g} % intervals for a new measurement"
    return paragraphs(
        lines,
        _laws_text(found),
        [ahead_head, rows_text(with_accuracies(ahead, curve.y_label).rename(columns={"x": curve.x_label}))],
        warning_lines(answer.warnings),
    )


def _laws_text(found: Forecast | SurfaceForecast) -> list[str]:
    """What is averaged: a heading, and one row per law."""
    laws = found.laws.reset_index()
    laws = laws[laws["weight"] >= LEAST_WEIGHT]
    if isinstance(found, SurfaceForecast):
        rows = [("law", "weight", "error beyond", "rmsle", "limit")]
        columns = laws[["law", "weight", "backtest_rmsle", "rmsle", "limit"]]
        for law, weight, *numbers in columns.itertuples(index=False):
            rows.append((law, f"{100 * weight:.1f} %", *(f"{value:.4g}" for value in numbers)))
        head = "averaged laws, by their errors on the more expensive runs, fitted to the cheaper ones"
        return [head, aligned(rows, left=(0,))]
    rows = [("law", "weight", "limit", "end slope", "breaks")]
    for law, weight, limit, slope, breaks in laws.itertuples(index=False):
        places = shown_breaks(breaks, found.curve)
        rows.append((law, f"{100 * weight:.1f} %", f"{limit:.4g}", f"{slope:.3f}", places))
    head = "averaged laws, by posterior weight"
    if any("(" in row[4] for row in rows):
        head += "; breaks in brackets lie beyond the data, where they are assumed, not seen"
    return [head, aligned(rows, left=(0, 4))]


def _json(answer: _Answer) -> str:
    """The forecast for machines.

    `predictions` is a list of {x, predicted, lower, upper, level}, `laws` one of {law, weight, limit,
    end_slope, breaks} (of several inputs {law, weight, backtest_rmsle, rmsle, n_params, limit}), `warnings`
    one of [code, message], `held_out` an object with rmsle, rmsle_stderr, rmse, inside (how many points the
    interval holds), level and the points, or null. An unknown number is null.
    """
    found, ahead, level, held_out = answer
    laws = records(found.laws.reset_index())
    record: dict[str, Any] = {
        "bnsl": "forecast",
        "version": 1,
        "curve": curve_record(found.curve),
        "predictions": [{**row, "level": level} for row in records(ahead)],
        "laws": [row | ({"breaks": list(row["breaks"])} if "breaks" in row else {}) for row in laws],
        "warnings": [list(warning) for warning in answer.warnings],
        "held_out": None,
    }
    if held_out is not None:
        predicted, measured = held_out["predicted"].to_numpy(), held_out["y"].to_numpy()
        error, stderr = rmsle(predicted, measured)
        record["held_out"] = {
            "rmsle": plain(error),
            "rmsle_stderr": plain(stderr),
            "rmse": plain(rmse(predicted, measured)),
            "inside": answer.inside,
            "level": level,
            "points": records(held_out),
        }
    return json_text(record)
