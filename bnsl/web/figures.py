"""Figures as descriptions for Plotly: plain lists and dictionaries, on a light and on a dark ground.

A colour is a `Shade`, one for either ground, which `for_theme` (and the page's own script) resolves. Whatever
a user wrote is made harmless by `label`, since Plotly reads a little HTML in titles and hover texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnsl._base.display import ExtrapolationWarning
from bnsl._base.palette import DASHES, FITTED, HELD_OUT, MARKERS, ramp, styles, tint
from bnsl.curves.curve import Curve
from bnsl.evaluation.backtest import Backtest
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast
from bnsl.forms.registry import capitals
from bnsl.web.drawing import (
    FAINT,
    LEVELS,
    MANY,
    Drawing,
    Series,
    digits,
    label,
    layout_of,
    number_format,
    ranges_of,
)
from bnsl.web.words import number

AHEAD = 4.0  # the forecast is drawn up to this multiple of the last fitted x
SAMPLES = 120  # of a line, evenly in log x; half as many again in x
EVERY = 1  # of these x have the ends of the bands worked out, which bend where breaks may lie
DRAWN_WEIGHT = 0.01  # breaks of laws that weigh less in the forecast leave no corner in it
REACH = 3.0  # how far the forecast and its band may widen the y axis, in ranges of the points
ROOM = 0.4  # what is left free below the points of a figure that changes, likewise


@dataclass(frozen=True)
class Figure:
    """A figure for Plotly with its switches.

    Attributes:
        data: Plotly's traces.
        layout: Plotly's layout.
        series: the switches.
        ranges: range of every axis ("x", "y") of every type ("log", "linear"), as Plotly wants it.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    series: tuple[Series, ...]
    ranges: dict[str, dict[str, list[float]]]


def for_theme(value: Any, theme: str) -> Any:
    """A figure's part with every Shade replaced by its colour on the "light" or the "dark" ground."""
    if isinstance(value, dict):
        if value.keys() == {"light", "dark"}:
            return value[theme]
        return {key: for_theme(part, theme) for key, part in value.items()}
    return [for_theme(part, theme) for part in value] if isinstance(value, list) else value


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

    Args:
        forecast: the forecast of the fitted points.
        held_out: points that it has not seen.
        fits: fits of forms to the same points, by label.
        law: the fit whose breaks are marked, if any.
        steady: keep the axes where they are however the points are split, as far as the band allows, for a
            figure that changes.
        shown: labels of the fits that are switched on at first.
        x_type: "log" or "linear", the type of the x axis at first.
        y_type: likewise of the y axis.
    """
    fits = fits or {}
    fitted = forecast.curve
    first, last = float(fitted.x[0]), float(fitted.x[-1])
    end = float(fitted.ahead((AHEAD,))[0])
    if held_out is not None:
        end = max(end, float(held_out.ahead((AHEAD if steady else 1.0,))[0]))
    x = _line_x(forecast, fits, first, end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        middle = forecast.predict(x)
        bands = [_ends(forecast, x, level) for level in LEVELS]

    draw = Drawing()
    for level, (low, high), shade in zip(LEVELS, bands, (0.2, 0.6), strict=True):
        draw.band(f"{level:.0%} interval", x, low, high, tint(shade))
    looks = styles(fits)
    for name, fit in fits.items():
        values = fit.curve.held(fit.form.evaluate(fit.theta, x))
        draw.line(capitals(name), x, values, looks[name], shown=name in shown)
    ends = np.stack([*bands[0], *bands[1]], axis=1)
    many = len(fitted) > MANY  # a band of points, on which the line is drawn
    if not many:
        draw.forecast(x, middle, ends)
    draw.points("Fitted points", fitted, FITTED, "circle")
    if held_out is not None:
        draw.points("Held-out points", held_out, HELD_OUT, "diamond")
    if many:
        draw.forecast(x, middle, ends)
    if law is not None and law.n_breaks:
        draw.breaks(law, first, end)
    draw.beyond(_middle(last, held_out), end)

    parts = [fitted] if held_out is None else [fitted, held_out]
    ranges = {
        "x": ranges_of(first, end),
        "y": ranges_of(*_extent(parts, [middle, *bands[0]], room=steady)),
    }
    layout = layout_of(label(fitted.x_label), label(fitted.y_label))
    for axis, kind in (("x", x_type), ("y", y_type)):
        layout[f"{axis}axis"] |= {
            "type": kind,
            "range": ranges[axis][kind],
            **number_format(ranges[axis]["log"]),
        }
    layout["xaxis"]["unifiedhovertitle"] = {"text": f"{label(fitted.x_label)}: %{{x:.5~g}}"}
    return Figure(draw.data, layout | {"shapes": draw.shapes}, tuple(draw.series), ranges)


def backtest_figure(tested: Backtest) -> Figure:
    """Errors of the back-test in per cent against the distance of the extrapolation, one line per cut."""
    draw = Drawing()
    groups = list(tested.table.groupby("cut", sort=True))
    values = []
    for i, (cut, group) in enumerate(groups):
        kept = np.isfinite(group["log_error"].to_numpy())
        distance = group["distance"].to_numpy()[kept]
        error = 100.0 * np.expm1(group["log_error"].to_numpy()[kept])
        values.append(error)
        name = f"{group['fitted'].iloc[0]} points, up to {number(float(str(cut)))}"
        shade = ramp(i, len(groups))
        draw.data.append(
            {
                "type": "scatter",
                "name": name,
                "x": digits(distance),
                "y": digits(error),
                "mode": "lines+markers" if len(error) <= 40 else "lines",
                "line": {"color": shade, "width": 1.6, "dash": DASHES[i % len(DASHES)].plotly},
                "marker": {"color": shade, "size": 7, "symbol": MARKERS[i % len(MARKERS)].plotly},
                "hovertemplate": "%{x:.3g} times beyond: %{y:+.2f} %<extra>%{fullData.name}</extra>",
            }
        )
        draw.switch(name, _kind(draw.data[-1], i))
    farthest = max(float(tested.table["distance"].max()), 1.05)
    shown = np.concatenate([np.zeros(1), *values])
    low, high = float(shown.min()), float(shown.max())
    margin = 0.1 * max(high - low, 1e-3)
    ranges = {
        "x": ranges_of(1.0, farthest),
        "y": {"linear": [low - margin, high + margin], "log": [0.0, 1.0]},
    }
    layout = layout_of("distance from the last fitted point, as a factor of x", "error of the forecast (%)")
    layout["xaxis"] |= {"type": "log", "range": ranges["x"]["log"], **number_format(ranges["x"]["log"])}
    layout["yaxis"] |= {"range": ranges["y"]["linear"], "zeroline": True, "zerolinecolor": FAINT}
    layout["hovermode"] = "closest"
    return Figure(draw.data, layout, tuple(draw.series), ranges)


# --- where ----------------------------------------------------------------------------------------


def _line_x(forecast: Forecast, fits: dict[str, FitResult], first: float, end: float) -> np.ndarray:
    """One set of x for all lines, so that a look at one x finds them all: even, and dense around breaks."""
    near = np.exp(np.linspace(-0.3, 0.3, 13))
    turn = np.linspace(-4.0, 4.0, 13)
    laws = forecast.laws
    x: list[np.ndarray] = [np.geomspace(first, end, SAMPLES), np.linspace(first, end, SAMPLES // 2)]
    x += [np.outer(d, near).ravel() for d in laws.loc[laws["weight"] > DRAWN_WEIGHT, "breaks"]]
    for fit in fits.values():
        for i in range(1, fit.n_breaks + 1):
            position, width = fit.params[f"d{i}"], fit.params[f"f{i}"]
            x.append(position * np.exp(np.clip(width * turn, -50.0, 50.0)))
    together = np.unique(np.concatenate(x))
    return together[(together >= first) & (together <= end)]


def _ends(forecast: Forecast, x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the interval at x, some of them between their neighbours on log axes."""
    at = np.append(x[:-1:EVERY], x[-1])
    ends = forecast.interval(at, level)
    low, high = (
        np.exp(np.interp(np.log(x), np.log(at), np.log(end)))
        if (end > 0).all()
        else np.interp(np.log(x), np.log(at), end)  # on a linear scale they may reach 0
        for end in ends
    )
    return low, high


def _middle(last: float, held_out: Curve | None) -> float:
    """Where the area beyond the fitted points starts."""
    return last if held_out is None else float(np.sqrt(last * max(float(held_out.x[0]), last)))


def _extent(
    parts: Sequence[Curve], lines: Sequence[np.ndarray], *, room: bool = False
) -> tuple[float, float]:
    """Lower and upper end of y: all points, perhaps some room, and lines that do not dwarf these."""
    values = np.log(np.concatenate([part.y for part in parts]))
    low, high = float(values.min()), float(values.max())
    size = max(high - low, 0.05)
    least, most = low - REACH * size, high + REACH * size
    if room:  # axes that seldom move while the fitted range is dragged
        low, high = low - ROOM * size, high + 0.25 * ROOM * size
    drawn = np.concatenate(lines)
    drawn = np.log(drawn[np.isfinite(drawn) & (drawn > 0)])
    if len(drawn):
        low = min(low, max(float(drawn.min()), least))
        high = max(high, min(float(drawn.max()), most))
    return float(np.exp(low)), float(np.exp(high))


def _kind(trace: dict[str, Any], number: int) -> dict[str, Any]:
    dash = DASHES[number % len(DASHES)].svg
    return {"kind": "line", "color": trace["line"]["color"], "dash": dash}
