"""`bnsl fit`: a law fitted to a curve, and predictions with it.

Examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl fit curve.csv
  bnsl fit curve.csv --x x --y y --train-until 736 --predict 1000 --plot curve.png --json curve.json
  bnsl datasets loss_surface > runs.csv
  bnsl fit runs.csv --x params,tokens --y loss --form chinchilla --robust huber --robust-scale 1e-3
  bnsl fit runs.csv --x params,tokens --form chinchilla --predict params=2M,tokens=20M --plot contours.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

import bnsl
from bnsl._base.display import paragraphs, plain, records
from bnsl._base.lazy import pd
from bnsl.cli import _arguments as arguments
from bnsl.cli._answers import AHEAD_OF_RUNS, Answer, predictions, put_out_answers
from bnsl.cli._arguments import LEVEL
from bnsl.cli._given import form_of, law_options, points_asked_for, split_rule
from bnsl.cli._input import read_curves
from bnsl.cli._output import json_text, predictions_text
from bnsl.curves.curve import Curve
from bnsl.evaluation.extrapolation import Extrapolation, extrapolate
from bnsl.fitting.fit import fit
from bnsl.fitting.result import FitResult

AHEAD = (2.0, 10.0)  # predictions at these multiples of the last fitted x, if none are asked for


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    arguments.add_input(command)
    arguments.add_law(command)
    text = "predict y at X; repeatable (default: 2 and 10 times the last fitted x)"
    arguments.add_prediction(command, text)
    arguments.add_outputs(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    options, wanted = law_options(args), points_asked_for(args)
    curves = read_curves(args, form_of(args))
    ahead = AHEAD if len(curves) == 1 else AHEAD_OF_RUNS
    laws = {name: fit_law(args, curve, options) for name, curve in curves.items()}
    answers = {name: _answer(*law, wanted, ahead) for name, law in laws.items()}
    put_out_answers(args, "fit", answers, LEVEL)


def fit_law(
    args: argparse.Namespace, curve: Curve, options: dict[str, Any]
) -> tuple[FitResult, Extrapolation | None]:
    """The fit, and where a hold-out was asked for what became of the rest."""
    options, rule = options | {"loss": args.loss}, split_rule(args)
    if not rule:
        return fit(curve, **options), None
    tested = extrapolate(curve, **rule, **options)
    return tested.result, tested


def _answer(
    law: FitResult, tested: Extrapolation | None, wanted: Sequence[Any], factors: Sequence[float]
) -> Answer:
    ahead = predictions(law, wanted, factors)
    facts = {"law": law.form.label, **_error(law)}
    if tested is not None:
        facts |= {"held out": len(tested.held_out), **_error(tested, " there")}
    return Answer(
        law.curve,
        ahead,
        facts,
        (tested or law).warnings,
        lambda: _text(law, tested, ahead),
        lambda: _json(law, tested, ahead),
        lambda: bnsl.plot_fit(tested or law),
    )


def _error(law: FitResult | Extrapolation, where: str = "") -> dict[str, float]:
    return {f"rmse{where}": law.rmse} if np.isnan(law.rmsle) else {f"rmsle{where}": law.rmsle}


def _text(law: FitResult, tested: Extrapolation | None, ahead: pd.DataFrame) -> str:
    """The summary, with the held-out error if there is one, and predictions."""
    said = predictions_text("predictions", ahead, law.curve, LEVEL, " if this form is right")
    return paragraphs((tested or law).summary(), said)


def _json(law: FitResult, tested: Extrapolation | None, ahead: pd.DataFrame) -> str:
    """The record that `FitResult.from_json` reads, with two entries more.

    `predictions` is a list of {x, predicted, lower, upper, level}, `held_out` an object with rmsle,
    rmsle_stderr, rmse and the points, or null. An unknown number is null in both.
    """
    record = json.loads(law.to_json())
    record["predictions"] = [{**row, "level": LEVEL} for row in records(ahead)]
    record["held_out"] = None
    if tested is not None:
        errors = {name: plain(getattr(tested, name)) for name in ("rmsle", "rmsle_stderr", "rmse")}
        record["held_out"] = {**errors, "inside": tested.inside, "points": records(tested.errors)}
    return json_text(record)
