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

from bnsl._palette import DASHES, FITTED, FORMS, GROUND, HELD_OUT, LAW, MARKERS, Shade, both, ramp, tint
from bnsl.backtesting import Backtest
from bnsl.curve import Curve
from bnsl.forecasting import Forecast
from bnsl.forms import BNSL
from bnsl.html_report.words import capitals, number, rows
from bnsl.result import ExtrapolationWarning, FitResult

AHEAD = 4.0  # the forecast is drawn up to this multiple of the last fitted x
LEVELS = (0.9, 0.5)  # of the bands, the wide one first
SAMPLES = 120  # of a line, evenly in log x; half as many again in x
EVERY = 2  # of these x has the ends of the bands worked out, which are smooth and take the most time
DRAWN_WEIGHT = 0.01  # breaks of laws that weigh less in the forecast leave no corner in it
MARGIN = 0.05  # free share of an axis beyond what is drawn
REACH = 0.8  # how far a line or band may widen the y axis, in ranges of the points
MANY = 200  # points, above which they are drawn as a band
LONGEST = 60  # characters of a label


INK = both("#1A1C20", "#E8EAED")
FAINT = both("#5B616B", "#A4ABB6")
GRID = both("#E3E5E8", "#2B3038")
BEYOND = both("#F3F4F6", "#1B1F26")
PANEL = both("#FFFFFF", "#20252D")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Series:
    """What one switch beside a figure turns on and off.

    Attributes:
        key: a short name, unique in the figure.
        text: what it is, for people.
        traces: indices of its traces.
        shapes: indices of its shapes.
        shown: whether it is on at first.
        swatch: colour, dash and kind ("line", "band" or the marker) of its sample.
        group: "form" for the fitted forms, else "".
    """

    key: str
    text: str
    traces: tuple[int, ...]
    shapes: tuple[int, ...]
    shown: bool
    swatch: dict[str, Any]
    group: str = ""


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
        shown: labels of the fits that are switched on at first.
        x_type: "log" or "linear", the type of the x axis at first.
        y_type: likewise of the y axis.
    """
    fits = fits or {}
    fitted = forecast.curve
    first, last = float(fitted.x[0]), float(fitted.x[-1])
    end = max(AHEAD * last, 0.0 if held_out is None else float(held_out.x[-1]))
    x = _line_x(forecast, fits, first, end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        middle = forecast.predict(x)
        bands = [_ends(forecast, x, level) for level in LEVELS]

    draw = _Drawing()
    for level, (low, high), shade in zip(LEVELS, bands, (0.2, 0.42), strict=True):
        draw.band(f"{level:.0%} interval", x, low, high, tint(shade))
    for i, (name, fit) in enumerate(fits.items()):
        values = fit.form.evaluate(fit.theta, x)
        draw.line(capitals(name), x, values, FORMS[i % len(FORMS)], i, shown=name in shown)
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
    ranges = {"x": _ranges(first, end), "y": _ranges(*_extent(parts, [middle, *bands[0]]))}
    layout = _layout(label(fitted.x_label), label(fitted.y_label))
    for axis, kind in (("x", x_type), ("y", y_type)):
        layout[f"{axis}axis"] |= {"type": kind, "range": ranges[axis][kind], **_numbers(ranges[axis]["log"])}
    layout["xaxis"]["unifiedhovertitle"] = {"text": f"{label(fitted.x_label)}: %{{x:.5~g}}"}
    return Figure(draw.data, layout | {"shapes": draw.shapes}, tuple(draw.series), ranges)


def backtest_figure(tested: Backtest) -> Figure:
    """Errors of the back-test in per cent against the distance of the extrapolation, one line a cut."""
    draw = _Drawing()
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
                "x": _digits(distance),
                "y": _digits(error),
                "mode": "lines+markers" if len(error) <= 40 else "lines",
                "line": {"color": shade, "width": 1.6, "dash": DASHES[i % len(DASHES)].plotly},
                "marker": {"color": shade, "size": 7, "symbol": MARKERS[i % len(MARKERS)].plotly},
                "hovertemplate": "%{x:.3g} times beyond: %{y:+.2f} %<extra>%{fullData.name}</extra>",
            }
        )
        draw.switch(name, _kind(draw.data[-1], i))
    farthest = max(float(tested.table["distance"].max()), 1.05)
    high = max([1e-3, *(float(np.abs(value).max()) for value in values if len(value))])
    ranges = {
        "x": _ranges(1.0, farthest),
        "y": {"linear": [-1.1 * high, 1.1 * high], "log": [0.0, 1.0]},
    }
    layout = _layout("x over the last fitted x", "error of the forecast (%)")
    layout["xaxis"] |= {"type": "log", "range": ranges["x"]["log"], **_numbers(ranges["x"]["log"])}
    layout["yaxis"] |= {"range": ranges["y"]["linear"], "zeroline": True, "zerolinecolor": FAINT}
    layout["hovermode"] = "closest"
    return Figure(draw.data, layout, tuple(draw.series), ranges)


def label(text: str) -> str:
    """What a user wrote, as plain text for Plotly: no tags, no templates, one line, not too long."""
    line = " ".join(text.split())
    line = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
    for mark, harmless in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("%{", "%\N{ZERO WIDTH SPACE}{")):
        line = line.replace(mark, harmless)
    return line


# --- what is drawn --------------------------------------------------------------------------------


class _Drawing:
    """Traces, shapes and switches, as they are added."""

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []
        self.shapes: list[dict[str, Any]] = []
        self.series: list[Series] = []

    def switch(self, text: str, swatch: dict[str, Any], *, shown: bool = True, group: str = "") -> None:
        """A switch for the last trace."""
        self.data[-1]["visible"] = shown
        index = len(self.data) - 1
        self.series.append(Series(f"s{len(self.series)}", text, (index,), (), shown, swatch, group))

    def band(self, text: str, x: np.ndarray, low: np.ndarray, high: np.ndarray, shade: Shade) -> None:
        self.data.append(
            {
                "type": "scatter",
                "name": text,
                "x": _digits(np.concatenate([x, x[::-1]])),
                "y": _digits(np.concatenate([high, low[::-1]])),
                "mode": "lines",
                "fill": "toself",
                "fillcolor": shade,
                "line": {"width": 0},
                "hoverinfo": "skip",
            }
        )
        self.switch(text, {"kind": "band", "color": shade})

    def line(
        self, text: str, x: np.ndarray, y: np.ndarray, shade: Shade, number: int, *, shown: bool
    ) -> None:
        dash = DASHES[number % len(DASHES)]
        self.data.append(
            {
                "type": "scatter",
                "name": label(text),
                "x": _digits(x),
                "y": _digits(y),
                "mode": "lines",
                "line": {"color": shade, "width": 2, "dash": dash.plotly},
                "hovertemplate": "%{fullData.name}: %{y:.4g}<extra></extra>",
            }
        )
        self.switch(text, {"kind": "line", "color": shade, "dash": dash.svg}, shown=shown, group="form")

    def forecast(self, x: np.ndarray, middle: np.ndarray, ends: np.ndarray) -> None:
        texts = f"{LEVELS[0]:.0%} interval: %{{customdata[0]:.3g}} to %{{customdata[1]:.3g}}"
        self.data.append(
            {
                "type": "scatter",
                "name": "Forecast",
                "x": _digits(x),
                "y": _digits(middle),
                "customdata": [_digits(row) for row in ends],
                "mode": "lines",
                "line": {"color": LAW, "width": 2.4},
                "hovertemplate": f"<b>Forecast: %{{y:.4g}}</b><br>{texts}<extra></extra>",
            }
        )
        self.switch("Forecast", {"kind": "line", "color": LAW, "dash": ""})

    def points(self, text: str, curve: Curve, shade: Shade, symbol: str) -> None:
        size = 8.0 * min(1.0, max(0.5, float(np.sqrt(60 / len(curve)))))
        edge = 0.7 if len(curve) <= MANY else 0.0
        trace: dict[str, Any] = {
            "type": "scatter",
            "name": text,
            "x": curve.x.tolist(),
            "y": curve.y.tolist(),
            "mode": "markers",
            "marker": {
                "color": shade,
                "size": size,
                "symbol": symbol,
                "line": {"color": GROUND, "width": edge},
            },
            "hovertemplate": f"{text[:-1]}: (%{{x:.6g}}, %{{y:.6g}})<extra></extra>",
        }
        if curve.sigma is not None:
            trace["error_y"] = {
                "type": "data",
                "array": curve.sigma.tolist(),
                "color": shade,
                "thickness": 1,
                "width": 2,
            }
        self.data.append(trace)
        self.switch(text, {"kind": symbol, "color": shade})

    def breaks(self, fit: FitResult, first: float, end: float) -> None:
        """A dashed line and an open square at every break in view."""
        table = fit.breaks[(fit.breaks["position"] > first) & (fit.breaks["position"] < end)]
        if table.empty:
            return
        x = table["position"].to_numpy()
        texts = [
            f"Break {name}: slope {number(row.slope_before)} to {number(row.slope_after)}"
            for name, row in zip(table.index, rows(table), strict=True)
        ]
        self.data.append(
            {
                "type": "scatter",
                "name": "Breaks",
                "x": _digits(x),
                "y": _digits(fit.form.evaluate(fit.theta, x)),
                "text": texts,
                "mode": "markers",
                "marker": {
                    "color": GROUND,
                    "size": 10,
                    "symbol": "square",
                    "line": {"color": FAINT, "width": 2},
                },
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
        self.switch("Breaks", {"kind": "break", "color": FAINT, "dash": "5 4"})
        start = len(self.shapes)
        for name, position in zip(table.index, x, strict=True):
            text = {"text": f"d<sub>{name}</sub>", "textposition": "end", "textangle": 0, "xanchor": "left"}
            self.shapes.append(
                {
                    "type": "line",
                    "yref": "paper",
                    "y0": 0,
                    "y1": 1,
                    "x0": float(position),
                    "x1": float(position),
                    "line": {"color": FAINT, "width": 1, "dash": "5px,4px"},
                    "layer": "below",
                    "label": text | {"font": {"color": FAINT, "size": 13}},
                }
            )
        last = self.series.pop()
        shapes = tuple(range(start, len(self.shapes)))
        self.series.append(Series(last.key, last.text, last.traces, shapes, True, last.swatch))

    def beyond(self, start: float, end: float) -> None:
        """The ground beyond the fitted points."""
        self.shapes.append(
            {
                "type": "rect",
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "x0": start,
                "x1": 100.0 * end,
                "fillcolor": BEYOND,
                "line": {"width": 0},
                "layer": "below",
            }
        )


def _kind(trace: dict[str, Any], number: int) -> dict[str, Any]:
    dash = DASHES[number % len(DASHES)].svg
    return {"kind": "line", "color": trace["line"]["color"], "dash": dash}


def _layout(x_label: str, y_label: str) -> dict[str, Any]:
    axis = {
        "gridcolor": GRID,
        "linecolor": FAINT,
        "tickcolor": FAINT,
        "ticks": "outside",
        "showline": True,
        "zeroline": False,
        "exponentformat": "power",
        "minexponent": 4,
        "automargin": True,
    }
    return {
        "autosize": True,
        "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
        "paper_bgcolor": GROUND,
        "plot_bgcolor": GROUND,
        "font": {"color": INK, "family": FONT, "size": 13},
        "hoverlabel": {"bgcolor": PANEL, "bordercolor": GRID, "font": {"color": INK, "size": 13}},
        "hovermode": "x unified",
        "hoverdistance": 24,
        "showlegend": False,
        "xaxis": axis | {"title": {"text": x_label}},
        "yaxis": axis | {"title": {"text": y_label}},
    }


# --- where --------------------------------------------------------------------------------------


def _line_x(forecast: Forecast, fits: dict[str, FitResult], first: float, end: float) -> np.ndarray:
    """One set of x for all lines, so that a look at one x finds them all: even, and dense around breaks."""
    near = np.exp(np.linspace(-0.3, 0.3, 13))
    turn = np.linspace(-4.0, 4.0, 13)
    laws = forecast.laws
    x: list[np.ndarray] = [np.geomspace(first, end, SAMPLES), np.linspace(first, end, SAMPLES // 2)]
    x += [np.outer(d, near).ravel() for d in laws.loc[laws["weight"] > DRAWN_WEIGHT, "breaks"]]
    for fit in fits.values():
        if isinstance(fit.form, BNSL):
            for i in range(1, fit.n_breaks + 1):
                position, width = fit.params[f"d{i}"], fit.params[f"f{i}"]
                x.append(position * np.exp(np.clip(width * turn, -50.0, 50.0)))
    together = np.unique(np.concatenate(x))
    return together[(together >= first) & (together <= end)]


def _ends(forecast: Forecast, x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the interval at x, some of them between their neighbours on log axes."""
    at = np.append(x[:-1:EVERY], x[-1])
    ends = forecast.interval(at, level)
    low, high = (np.exp(np.interp(np.log(x), np.log(at), np.log(end))) for end in ends)
    return low, high


def _middle(last: float, held_out: Curve | None) -> float:
    """Where the ground beyond the fitted points starts."""
    return last if held_out is None else float(np.sqrt(last * max(float(held_out.x[0]), last)))


def _extent(parts: Sequence[Curve], lines: Sequence[np.ndarray]) -> tuple[float, float]:
    """Lower and upper end of y: all points, and lines as far as they do not dwarf these."""
    values = np.log(np.concatenate([part.y for part in parts]))
    low, high = float(values.min()), float(values.max())
    size = max(high - low, 0.05)
    drawn = np.concatenate(lines)
    drawn = np.log(drawn[np.isfinite(drawn) & (drawn > 0)])
    if len(drawn):
        low = min(low, max(float(drawn.min()), low - REACH * size))
        high = max(high, min(float(drawn.max()), high + REACH * size))
    return float(np.exp(low)), float(np.exp(high))


def _ranges(low: float, high: float) -> dict[str, list[float]]:
    """The ranges of a log and of a linear axis that shows these positive values."""
    a, b = np.log10(low), np.log10(high)
    lacking = max(0.04 - (b - a), 0.0)
    margin = 0.5 * lacking + MARGIN * (b - a + lacking)
    size = max(high - low, 0.05 * high)
    return {
        "log": [float(a - margin), float(b + margin)],
        "linear": [float(low - MARGIN * size), float(high + MARGIN * size)],
    }


def _numbers(log_range: list[float]) -> dict[str, Any]:
    """Plain numbers on an axis where they are short, powers of ten elsewhere."""
    plain = log_range[0] > -3.1 and log_range[1] < 5.1
    options: dict[str, Any] = {"hoverformat": ".5~g"}
    if plain:
        options |= {"tickformat": "~g", "tickangle": 0}
    decades = log_range[1] - log_range[0]
    if 1.0 <= decades < 2.4:  # else Plotly writes all of 1, 2, ..., 9
        options["nticks"] = int(decades / 0.31)
    return options


def _digits(values: np.ndarray) -> list[float | None]:
    """Six digits, enough for a line; null for what is no number."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]
