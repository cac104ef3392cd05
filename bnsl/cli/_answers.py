"""What a fit or a forecast says of the curve in FILE, or in short of each of several runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bnsl._base.display import FitWarning, paragraphs, records
from bnsl._base.lazy import Axes, pd
from bnsl.cli._arguments import LEVEL
from bnsl.cli._output import predictions_text, put_out, record_text
from bnsl.curves.curve import Curve

if TYPE_CHECKING:
    from bnsl.fitting.result import FitResult
    from bnsl.forecasting.forecast import Forecast
    from bnsl.forecasting.surface import SurfaceForecast

AHEAD_OF_RUNS = (2.0,)  # predictions at these multiples of a run's last x, if none are asked for


class Answer(NamedTuple):
    """What there is to say of one curve."""

    curve: Curve  # that was fitted
    ahead: pd.DataFrame  # a row per prediction: x, predicted, lower, upper
    facts: Mapping[str, Any]  # of it in a table of several runs
    warnings: Sequence[FitWarning]
    text: Callable[[], str]
    json: Callable[[], str]
    draw: Callable[[], Axes]


def predictions(
    law: FitResult | Forecast | SurfaceForecast,
    points: Sequence[Any] | np.ndarray,
    ahead: Sequence[float] = (),
    level: float = LEVEL,
) -> pd.DataFrame:
    """Predictions at the points asked for, or at these multiples of the last fitted x.

    Of several inputs points are rows, and the multiples are of the compute of the run that has most.
    """
    x = np.asarray(points, float) if len(points) else law.curve.beyond(ahead)
    lower, upper = law.interval(x, level)
    columns = {"x": x} if x.ndim == 1 else dict(zip(law.curve.input_names, x.T, strict=True))
    return pd.DataFrame({**columns, "predicted": law.predict(x), "lower": lower, "upper": upper})


def put_out_answers(args: argparse.Namespace, what: str, answers: Mapping[str, Answer], level: float) -> None:
    """The whole answer for one curve; or of every run, by its name, one row per prediction of its `what`."""
    first = next(iter(answers.values()))
    if len(answers) == 1:
        put_out(args, first.text, first.json, first.draw)
        return

    def text() -> str:
        rows = pd.DataFrame([row for name, answer in answers.items() for row in _rows(name, answer)])
        head, more = f"{what}s of {len(answers)} runs", "; --where takes one run and says more of it"
        return paragraphs(predictions_text(head, rows, first.curve, level, more))

    def record() -> str:
        return record_text(f"{what}s", runs={name: json.loads(a.json()) for name, a in answers.items()})

    put_out(args, text, record, None)


def _rows(name: str, answer: Answer) -> list[dict[str, Any]]:
    """What there is to say of a run, one row per prediction."""
    codes = ", ".join(dict.fromkeys(warning.code for warning in answer.warnings))
    said = {"run": name, "points": len(answer.curve), **answer.facts}
    return [said | point | {"warnings": codes} for point in records(answer.ahead)]
