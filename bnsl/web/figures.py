"""Figures of one curve: the forecast with its points and laws, the back-test."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np

from bnsl._base.display import quietly
from bnsl._base.palette import DASHES, FITTED, HELD_OUT, MARKERS, ramp, styles, tint
from bnsl.curves.curve import Curve
from bnsl.evaluation.backtest import Backtest
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast
from bnsl.forms.registry import capitals
from bnsl.plots.places import boundary, corners, line_x, turns
from bnsl.web.analysis import Analysis
from bnsl.web.drawing import FAINT, LEVELS, MANY, MARGIN, Axis, Drawing, Figure, label
from bnsl.web.words import number

AHEAD = 4.0  # the forecast is drawn up to this multiple of the last fitted x
SAMPLES = 120  # of a line, evenly in log x; half as many again in x
REACH = 3.0  # how far the forecast and its band may widen the y axis, in ranges of the points
ROOM = 0.4  # what is left free below the points of a figure that changes, likewise


def curve_figures(found: Analysis) -> dict[str, Figure]:
    """Every figure of the page by its name."""
    shown: dict[str, Any] = {"fits": found.comparison.results, "law": found.law, "shown": found.as_law}
    figures = {"curve": curve_figure(found.forecast, found.held_out, **shown)}
    return figures if found.backtest is None else figures | {"backtest": backtest_figure(found.backtest)}


def curve_figure(
    forecast: Forecast,
    held_out: Curve | None = None,
    fits: dict[str, FitResult] | None = None,
    *,
    law: FitResult | None = None,
    steady: bool = False,
    shown: Sequence[str] = (),
    x_type: str = "log",
    y_type: str = "log",
) -> Figure:
    """The points, the forecast with its intervals, every fitted form, and the breaks of one law.

    The forecast has not seen `held_out`. Of the fits, by label, those in `shown` are switched on at first;
    the breaks of `law` are marked. A figure that changes is `steady`: its axes stay where they are however
    the points are split, as far as the band allows. The types of the axes at first are "log" or "linear"; y
    is linear all the same where a value is not positive.
    """
    fits, fitted = fits or {}, forecast.curve
    parts = [fitted] if held_out is None else [fitted, held_out]
    first, end = float(fitted.x[0]), float(fitted.ahead((AHEAD,))[0])
    if held_out is not None:
        end = max(end, float(held_out.ahead((AHEAD if steady else 1.0,))[0]))
    near = corners(forecast.laws, 13) + [x for fit in fits.values() for x in turns(fit.params, 4.0, 13)]
    x = line_x(first, end, SAMPLES, SAMPLES // 2, near)  # one set for all lines: a look at one x finds all
    with quietly():
        middle = forecast.predict(x)
        bands = [forecast.interval(x, level) for level in LEVELS]

    draw = Drawing()
    for level, (low, high), shade in zip(LEVELS, bands, (0.2, 0.6), strict=True):
        draw.band(f"{level:.0%} interval", x, low, high, tint(shade))
    looks = styles(fits)
    for name, fit in fits.items():
        values = fit.curve.held(fit.form.evaluate(fit.theta, x))
        draw.line(capitals(name), x, values, looks[name], shown=name in shown, group="form")
    ends = np.stack([*bands[0], *bands[1]], axis=1)
    if len(fitted) <= MANY:
        draw.forecast(x, middle, ends)
    draw.points("Fitted points", fitted, FITTED, "circle")
    if held_out is not None:
        draw.points("Held-out points", held_out, HELD_OUT, "diamond")
    if len(fitted) > MANY:  # a band of points, on which the line is drawn
        draw.forecast(x, middle, ends)
    if law is not None and law.n_breaks:
        draw.breaks(law, first, end)
    draw.beyond(boundary(fitted, held_out), end)
    across = Axis.positive(fitted.x_label, first, end, x_type)
    across.more["unifiedhovertitle"] = {"text": f"{label(fitted.x_label)}: %{{x:.5~g}}"}
    along = _y_axis(parts, [middle, *bands[0]], y_type, room=steady)
    return draw.figure(across, along, hovermode="x unified")


def backtest_figure(tested: Backtest) -> Figure:
    """Errors of the back-test in per cent against the distance of the extrapolation, one line per cut."""
    draw = Drawing()
    table = tested.table[np.isfinite(tested.table["log_error"])]
    errors = 100.0 * np.expm1(table["log_error"])
    groups = list(tested.table.groupby("cut", sort=True))
    for i, ((cut, group), dash, marker) in enumerate(zip(groups, cycle(DASHES), cycle(MARKERS))):
        kept, shade = table.index.intersection(group.index), ramp(i, len(groups))
        name = f"{group['fitted'].iloc[0]} points, up to {number(float(str(cut)))}"
        look: dict[str, Any] = {"line": {"color": shade, "width": 1.6, "dash": dash.plotly}}
        look["marker"] = {"color": shade, "size": 7, "symbol": marker.plotly}
        hover = "%{x:.3g} times beyond: %{y:+.2f} %<extra>%{fullData.name}</extra>"
        mode = "lines+markers" if len(kept) <= 40 else "lines"
        draw.trace(name, table["distance"][kept], errors[kept], mode, **look, hovertemplate=hover)
        draw.switch(name, "line", shade, dash.svg)
    low, high = min(0.0, errors.min()), max(0.0, errors.max())
    margin = 0.1 * max(high - low, 1e-3)
    far = max(float(tested.table["distance"].max()), 1.05)
    return draw.figure(
        Axis.positive("distance from the last fitted point, as a factor of x", 1.0, far),
        Axis.linear(
            "error of the forecast (%)", low - margin, high + margin, zeroline=True, zerolinecolor=FAINT
        ),
    )


def _y_axis(parts: Sequence[Curve], lines: Sequence[np.ndarray], kind: str, *, room: bool) -> Axis:
    """All points, perhaps some room, and lines that do not dwarf these."""
    points, drawn = np.concatenate([part.y for part in parts]), np.concatenate(lines)
    positive = bool(points.min() > 0)
    if positive:
        points, drawn = np.log(points), np.log(drawn[drawn > 0])
    low, high = float(points.min()), float(points.max())
    size = max(high - low, 0.05 if positive else max(1e-9 * np.abs(points).max(), 1e-300))
    least, most = low - REACH * size, high + REACH * size
    if room and positive:  # axes that seldom move while the fitted range is dragged
        low, high = low - ROOM * size, high + 0.25 * ROOM * size
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn):
        low = min(low, max(float(drawn.min()), least))
        high = max(high, min(float(drawn.max()), most))
    if positive:
        return Axis.positive(parts[0].y_label, float(np.exp(low)), float(np.exp(high)), kind)
    return Axis.linear(parts[0].y_label, low - MARGIN * size, high + MARGIN * size)
