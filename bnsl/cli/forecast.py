"""`bnsl forecast`: predictions at larger x, with intervals.

Examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl forecast curve.csv
  bnsl forecast curve.csv --train-until 736 --predict 1000 --plot forecast.png --json forecast.json
  bnsl datasets loss_surface > runs.csv
  bnsl forecast runs.csv --x params,tokens --where epochs=1 --predict params=2M,tokens=20M
  bnsl forecast runs.csv --x params,tokens --where epochs=1 --train-fraction 0.8 --plot two.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import bnsl
from bnsl._base.checks import check_choice, check_share
from bnsl._base.display import (
    FitWarning,
    aligned,
    counted,
    paragraphs,
    plain,
    quietly,
    records,
    warning_lines,
)
from bnsl._base.lazy import Axes, pd
from bnsl.cli import _arguments as arguments
from bnsl.cli._answers import AHEAD_OF_RUNS, Answer, predictions, put_out_answers
from bnsl.cli._given import points_asked_for, split_rule
from bnsl.cli._input import read_curves
from bnsl.cli._output import predictions_text, record_text
from bnsl.curves.curve import Curve
from bnsl.curves.metrics import rmse, rmsle
from bnsl.curves.scale import SCALES
from bnsl.evaluation.extrapolation import held_out_notes, parted
from bnsl.fitting.record import curve_record
from bnsl.forecasting.forecast import Forecast, forecast, shown_breaks
from bnsl.forecasting.surface import SurfaceForecast
from bnsl.plots.forecasts import AHEAD as DRAWN_AHEAD

AHEAD = (1.5, 2.0, 4.0, 10.0)  # predictions at these multiples of the last fitted x, if none are asked for
LEAST_WEIGHT = 0.0005  # of a law that the table shows: what does not round to 0.0 %


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    arguments.add_input(command)
    arguments.add_split(command)
    text = "predict y at X; repeatable (default: 1.5, 2, 4 and 10 times the last fitted x)"
    arguments.add_prediction(command, text)
    arguments.add_robust(command, "leave out outliers, found by a robust fit")
    arguments.add_level(command, "a new measurement inside the interval")
    arguments.add_outputs(command)
    text = f"scale of y: {', '.join(SCALES)} (default: %(default)s; linear if y is not positive, or grows)"
    arguments.option(command, "--scale", None, text, default="auto")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_share(args.level, "--level")
    wanted = points_asked_for(args)
    check_choice(args.scale, "--scale", SCALES)
    args.loss = "log" if args.scale == "log" else "linear"  # tells of rows that cannot be of that scale
    rule = split_rule(args)
    curves = read_curves(args)
    ahead = AHEAD if len(curves) == 1 else AHEAD_OF_RUNS
    parts = [parted(curve, rule) for curve in curves.values()]  # all, before one is forecast
    answers = {name: _answer(args, *both, wanted, ahead) for name, both in zip(curves, parts, strict=True)}
    put_out_answers(args, "forecast", answers, args.level)


class HeldOut(NamedTuple):
    """What was held out of a curve, predicted."""

    curve: Curve
    table: pd.DataFrame  # a row per point: x, y, predicted, lower, upper
    inside: int  # how many of these y lie in their interval
    rmsle: float
    rmsle_stderr: float
    rmse: float


def _held_out(found: Forecast | SurfaceForecast, curve: Curve, level: float) -> HeldOut:
    with quietly():  # these points are there, however far
        table = predictions(found, curve.x, level=level)
    table.insert(curve.inputs, "y", curve.y)
    inside = int(table["y"].between(table["lower"], table["upper"]).sum())
    predicted = table["predicted"].to_numpy()
    return HeldOut(curve, table, inside, *rmsle(predicted, curve.y), rmse(predicted, curve.y))


def _answer(
    args: argparse.Namespace,
    fitted: Curve,
    beyond: Curve | None,
    wanted: Sequence[Any],
    factors: Sequence[float],
) -> Answer:
    level = args.level
    found = forecast(fitted, robust=args.robust, scale=args.scale)
    held = None if beyond is None else _held_out(found, beyond, level)
    ahead = predictions(found, wanted, factors, level)
    notes, facts = found.warnings, {}
    if held is not None:
        notes = (*notes, *held_out_notes(held.inside, len(held.table), level))
        facts = {"held out": len(held.table), "inside": held.inside, "rmsle there": held.rmsle}
    said = predictions_text("forecasts", ahead, found.curve, level)
    return Answer(
        found.curve,
        ahead,
        facts,
        notes,
        lambda: paragraphs(_head(found.curve, held, level), _laws_text(found), said, warning_lines(notes)),
        lambda: _json(found, ahead, level, held, notes),
        lambda: _draw(found, beyond, wanted, level),
    )


def _draw(law: Any, held_out: Curve | None, wanted: Sequence[Any], level: float) -> Axes:
    """The figure, which of one input reaches the farthest prediction that was asked for."""
    if law.curve.inputs > 1:
        return bnsl.plot_forecast(law, held_out=held_out, levels=[level])
    last = law.curve.ahead((DRAWN_AHEAD,))[0] if held_out is None else held_out.x[-1]
    x_max = max(wanted) if wanted and max(wanted) > last else None
    return bnsl.plot_forecast(law, held_out=held_out, levels=sorted({0.5, level}), x_max=x_max)


def _head(curve: Curve, held: HeldOut | None, level: float) -> list[str]:
    """What the forecast rests on, and the held-out error."""
    lines = [f"forecast of {curve.name}", f"fitted   {curve.extent}"]
    if held is None:
        return lines
    points, known = counted(len(held.table), "point"), held.rmsle == held.rmsle
    error = f"rmsle    {held.rmsle:.6g} +- {held.rmsle_stderr:.3g}" if known else f"rmse     {held.rmse:.6g}"
    return [
        *lines,
        f"held out {points}, {held.curve.span}",
        f"{error} on the held-out points",
        f"inside   {held.inside} of {points} in the {100 * level:g} % interval",
    ]


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


def _json(
    found: Forecast | SurfaceForecast,
    ahead: pd.DataFrame,
    level: float,
    held: HeldOut | None,
    notes: Sequence[FitWarning],
) -> str:
    """The forecast for machines.

    `predictions` is a list of {x, predicted, lower, upper, level}, `laws` one of {law, weight, limit,
    end_slope, breaks} (of several inputs {law, weight, backtest_rmsle, rmsle, n_params, limit}), `warnings`
    one of [code, message], `held_out` an object with rmsle, rmsle_stderr, rmse, inside (how many points the
    interval holds), level and the points, or null. An unknown number is null.
    """
    laws = records(found.laws.reset_index())
    tested = None
    if held is not None:
        errors = {name: plain(getattr(held, name)) for name in ("rmsle", "rmsle_stderr", "rmse")}
        tested = {**errors, "inside": held.inside, "level": level, "points": records(held.table)}
    return record_text(
        "forecast",
        curve=curve_record(found.curve),
        predictions=[{**row, "level": level} for row in records(ahead)],
        laws=[row | ({"breaks": list(row["breaks"])} if "breaks" in row else {}) for row in laws],
        warnings=[list(warning) for warning in notes],
        held_out=tested,
    )
