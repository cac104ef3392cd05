"""Curves with values that are not positive, such as rewards: a forecast and one law on a linear scale.

Forms of positive y cannot be fitted to them, and their errors are none in per cent, so less is shown.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bnsl._base.display import ExtrapolationWarning
from bnsl._base.palette import FITTED, FORECAST, HELD_OUT, LAW, SOLID, Style, tint
from bnsl.curves.curve import Curve
from bnsl.fitting.fit import fit
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast, forecast
from bnsl.forms.registry import capitals
from bnsl.web.analysis import LEVEL
from bnsl.web.drawing import MARGIN, Drawing, label, layout_of, number_format, ranges_of
from bnsl.web.figures import Figure

SAID = "Shown are a forecast and one law, both on a linear scale"
REACH = 4.0  # the law is drawn up to this multiple of the last x
SAMPLES = 160


@dataclass(frozen=True, eq=False)
class Linear:
    """One law, the points that it has and has not seen, and their forecast."""

    law: FitResult
    held_out: Curve | None

    @cached_property
    def forecast(self) -> Forecast:
        """The forecast of the points that the law has seen."""
        return forecast(self.law.curve, scale="linear")

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The forecast and the ends of its interval."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)
            return self.forecast.predict(x), *self.forecast.interval(x, LEVEL)


def analyse_linear(curve: Curve, rule: dict[str, Any]) -> Linear:
    """The fit of the points that a hold-out rule leaves; raises InputError where there can be none."""
    fitted, held_out = curve.split(**rule)
    return Linear(fit(fitted, loss="linear"), held_out)


def linear_figure(found: Linear, x_type: str) -> Figure:
    """Points, law, and forecast with its interval; y is linear whatever is asked for."""
    fitted, held = found.law.curve, found.held_out
    first, last = float(fitted.x[0]), float((fitted if held is None else held).x[-1])
    x = np.union1d(np.geomspace(first, REACH * last, SAMPLES), np.linspace(first, REACH * last, SAMPLES))
    middle, low, high = found.at(x)
    draw = Drawing()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        law = found.law.predict(x)
    draw.band(f"{LEVEL:.0%} interval", x, low, high, tint(0.16))
    draw.line(capitals(found.law.form.label), x, law, Style(LAW, SOLID, None), shown=True)  # type: ignore[arg-type]
    draw.line("Forecast", x, middle, Style(FORECAST, SOLID, None), shown=True)  # type: ignore[arg-type]
    draw.points("Fitted points", fitted, FITTED, "circle")
    if held is not None:
        draw.points("Held-out points", held, HELD_OUT, "diamond")
    draw.beyond(float(fitted.x[-1]), REACH * last)
    points = np.concatenate([part.y for part in (fitted, held) if part is not None])
    size = max(float(np.ptp(points)), 1e-9 * float(np.abs(points).max()), 1e-300)
    lines = np.concatenate([points, middle, low, high])
    lines = lines[np.isfinite(lines) & (np.abs(lines - points.mean()) < 3.0 * size)]
    ends = [float(lines.min() - MARGIN * size), float(lines.max() + MARGIN * size)]
    ranges = {"x": ranges_of(first, REACH * last), "y": {"log": ends, "linear": ends}}
    layout = layout_of(label(fitted.x_label), label(fitted.y_label))
    layout["xaxis"] |= {"type": x_type, "range": ranges["x"][x_type], **number_format(ranges["x"]["log"])}
    layout["yaxis"] |= {"type": "linear", "range": ends}
    return Figure(draw.data, layout | {"shapes": draw.shapes}, tuple(draw.series), ranges)
