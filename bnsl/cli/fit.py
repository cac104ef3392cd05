"""`bnsl fit`: a law fitted to a curve, and predictions with it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

import bnsl
from bnsl._base.display import paragraphs, plain, records
from bnsl.cli._arguments import add_input, add_json_option, add_law, add_plot_option, add_prediction
from bnsl.cli._input import fit_law, form_of, law_options, loss_of, points_asked_for, read_curves
from bnsl.cli._output import AHEAD, LEVEL, check_outputs, predictions, put_out
from bnsl.cli._runs import AHEAD as RUNS_AHEAD
from bnsl.cli._runs import check_one_figure, put_out_runs, row
from bnsl.cli._surfaces import draw_panels
from bnsl.cli._text import json_text, of_error, rows_text, with_accuracies
from bnsl.curves.curve import Curve
from bnsl.evaluation.extrapolation import Extrapolation
from bnsl.fitting.result import FitResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl fit curve.csv
  bnsl fit curve.csv --x x --y y --train-until 736 --predict 1000 --plot curve.png --json curve.json
  bnsl datasets loss_surface > runs.csv
  bnsl fit runs.csv --x params,tokens --y loss --form chinchilla --robust huber --robust-scale 1e-3
  bnsl fit runs.csv --x params,tokens --form chinchilla --predict params=2M,tokens=20M --plot contours.png
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_input(command)
    add_law(command)
    add_prediction(command, "predict y at X; repeatable (default: 2 and 10 times the last fitted x)")
    add_plot_option(command)
    add_json_option(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    options = law_options(args)
    wanted = points_asked_for(args)
    curves = read_curves(args, form_of(args))
    check_one_figure(args, curves)
    options |= loss_of(args)
    laws = {name: fit_law(args, curve, options) for name, curve in curves.items()}
    factors = AHEAD if len(curves) == 1 else RUNS_AHEAD
    points = {name: predictions(_fit_of(law), wanted, factors) for name, law in laws.items()}
    if len(curves) > 1:
        _put_out_runs(args, curves, laws, points)
        return
    law, ahead = laws[""], points[""]
    put_out(
        args,
        lambda: _text(law, ahead),
        lambda: _json(law, ahead),
        lambda ax: _draw(law, ax),
    )


def _draw(law: FitResult | Extrapolation, ax: Axes) -> Axes:
    if _fit_of(law).curve.inputs > 1:
        return draw_panels(_fit_of(law), law.held_out if isinstance(law, Extrapolation) else None, ax)
    return bnsl.plot_fit(law, ax=ax)


def _fit_of(law: FitResult | Extrapolation) -> FitResult:
    return law.result if isinstance(law, Extrapolation) else law


def _error(law: FitResult | Extrapolation, where: str) -> dict[str, float]:
    return {f"rmse{where}": law.rmse} if np.isnan(law.rmsle) else {f"rmsle{where}": law.rmsle}


def _put_out_runs(
    args: argparse.Namespace,
    curves: dict[str, Curve],
    laws: Mapping[str, FitResult | Extrapolation],
    points: Mapping[str, pd.DataFrame],
) -> None:
    """One row per run, with the law and its error."""
    rows = []
    for name, law in laws.items():
        found = _fit_of(law)
        facts = {"law": found.form.label, **_error(found, "")}
        if isinstance(law, Extrapolation):
            facts |= {"held out": len(law.held_out), **_error(law, " there")}
        rows += row(name, found.curve, facts, points[name], law.warnings)
    args.level = LEVEL
    put_out_runs(args, "fit", curves, rows, lambda name: _json(laws[name], points[name]))


def _text(law: FitResult | Extrapolation, ahead: pd.DataFrame) -> str:
    """The summary, with the held-out error if there is one, and predictions."""
    curve = _fit_of(law).curve
    what = f"predictions{of_error(curve.y_label)}"
    head = f"{what}, with {100 * LEVEL:g} % intervals for a new measurement if this form is right"
    table = with_accuracies(ahead, curve.y_label).rename(columns={"x": curve.x_label})
    return paragraphs(law.summary(), [head, rows_text(table)])


def _json(law: FitResult | Extrapolation, ahead: pd.DataFrame) -> str:
    """The record that `FitResult.from_json` reads, with two entries more.

    `predictions` is a list of {x, predicted, lower, upper, level}, `held_out` an object with rmsle,
    rmsle_stderr, rmse and the points, or null. An unknown number is null in both.
    """
    tested = law if isinstance(law, Extrapolation) else None
    record = json.loads(_fit_of(law).to_json())
    record["predictions"] = [{**row, "level": LEVEL} for row in records(ahead)]
    record["held_out"] = None
    if tested is not None:
        errors = {name: plain(getattr(tested, name)) for name in ("rmsle", "rmsle_stderr", "rmse")}
        record["held_out"] = {**errors, "inside": tested.inside, "points": records(tested.errors)}
    return json_text(record)
