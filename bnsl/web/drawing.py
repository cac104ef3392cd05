"""What figures are made of: traces, shapes and switches for Plotly, and the look of the axes.

A figure is plain lists and dictionaries. A colour is a `Shade`, one for a light and one for a dark ground,
which `for_theme` (and the page's own script) resolves. Whatever a user wrote is made harmless by `label`,
since Plotly reads a little HTML in titles and hover texts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.palette import FORECAST, GROUND, SOLID, Dash, Shade, Style, both
from bnsl.curves.curve import Curve
from bnsl.fitting.result import FitResult
from bnsl.readers.smoothing import evenly
from bnsl.web.words import number, rows

LEVELS = (0.9, 0.5)  # of the bands, the wide one first
MARGIN = 0.05  # free share of an axis beyond what is drawn
MOST = 2000  # points that are drawn; more would make the page slow
MANY = 200  # points, above which they are drawn as a band
LONGEST = 60  # characters of a label

INK = both("#1A1C20", "#E8EAED")
FAINT = both("#5B616B", "#A4ABB6")
GRID = both("#E3E5E8", "#2B3038")
BEYOND = both("#F3F4F6", "#1B1F26")
PANEL = both("#FFFFFF", "#20252D")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
LAYOUT: dict[str, Any] = {
    "autosize": True,
    "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
    "paper_bgcolor": GROUND,
    "plot_bgcolor": GROUND,
    "font": {"color": INK, "family": FONT, "size": 13},
    "hoverlabel": {"bgcolor": PANEL, "bordercolor": GRID, "font": {"color": INK, "size": 13}},
    "hovermode": "closest",
    "hoverdistance": 24,
    "showlegend": False,
}
AXIS: dict[str, Any] = {
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


@dataclass(frozen=True)
class Series:
    """What one switch beside a figure turns on and off.

    Attributes:
        key: a short name, unique in the figure.
        text: what it is, for people.
        traces: indices of its traces.
        swatch: colour, dash and kind ("line", "band" or the marker) of its sample.
        shapes: indices of its shapes.
        shown: whether it is on at first.
        group: "form" for the fitted forms, else "".
    """

    key: str
    text: str
    traces: tuple[int, ...]
    swatch: dict[str, Any]
    shapes: tuple[int, ...] = ()
    shown: bool = True
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


@dataclass(frozen=True)
class Axis:
    """An axis: its title, its type at first, the ranges of both types, and what else Plotly has for it."""

    title: str
    kind: str
    ranges: dict[str, list[float]]
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def positive(cls, title: str, low: float, high: float, kind: str = "log") -> Axis:
        """An axis with these positive values; plain numbers where they are short, else powers of ten."""
        a, b = np.log10(low), np.log10(high)
        lacking = max(0.04 - (b - a), 0.0)
        margin = 0.5 * lacking + MARGIN * (b - a + lacking)
        size = MARGIN * max(high - low, 0.05 * high)
        ranges = {
            "log": [float(a - margin), float(b + margin)],
            "linear": [float(low - size), float(high + size)],
        }
        more: dict[str, Any] = {"hoverformat": ".5~g"}
        if ranges["log"][0] > -3.1 and ranges["log"][1] < 5.1:
            more |= {"tickformat": "~g", "tickangle": 0}
        decades = ranges["log"][1] - ranges["log"][0]
        if 1.0 <= decades < 2.4:  # else Plotly writes all of 1, 2, ..., 9
            more["nticks"] = int(decades / 0.31)
        return cls(title, kind, ranges, more)

    @classmethod
    def linear(cls, title: str, low: float, high: float, **more: Any) -> Axis:
        """An axis from end to end, which is linear whatever is asked for."""
        ends = [float(low), float(high)]
        return cls(title, "linear", {"linear": ends, "log": ends}, more)


def label(text: str) -> str:
    """What a user wrote, as plain text for Plotly: no tags, no templates, one line, not too long."""
    line = " ".join(text.split())
    line = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
    for mark, harmless in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("%{", "%\N{ZERO WIDTH SPACE}{")):
        line = line.replace(mark, harmless)
    return line


def digits(values: ArrayLike) -> list[float | None]:
    """Six digits, enough for a line; null for what is no number."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in np.asarray(values).tolist()]


def dot(colour: Any, size: float, symbol: str = "circle", edge: float = 0.7, rim: Shade = GROUND) -> Any:
    """A marker with its rim."""
    return {"color": colour, "size": size, "symbol": symbol, "line": {"color": rim, "width": edge}}


def for_theme(value: Any, theme: str) -> Any:
    """A figure's part with every Shade replaced by its colour on the "light" or the "dark" ground."""
    if isinstance(value, dict):
        if value.keys() == {"light", "dark"}:
            return value[theme]
        return {key: for_theme(part, theme) for key, part in value.items()}
    return [for_theme(part, theme) for part in value] if isinstance(value, list) else value


class Drawing:
    """Traces, shapes and switches, as they are added."""

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []
        self.shapes: list[dict[str, Any]] = []
        self.series: list[Series] = []

    def trace(self, name: str, x: ArrayLike, y: ArrayLike, mode: str, **more: Any) -> None:
        """Lines or markers, or both; arrays are rounded, lists stay exact."""
        places = {k: v if isinstance(v, list) else digits(v) for k, v in (("x", x), ("y", y))}
        self.data.append({"type": "scatter", "name": label(name), **places, "mode": mode, **more})

    def switch(
        self, text: str, kind: str, colour: Shade, dash: str = "", since: int = -1, **more: Any
    ) -> None:
        """A switch for the traces from `since` on, the last one if not given; `more` is as for `Series`."""
        traces = tuple(range(len(self.data))[since:])
        swatch = {"kind": kind, "color": colour, "dash": dash}
        self.series.append(Series(f"s{len(self.series)}", text, traces, swatch, **more))
        for i in traces:
            self.data[i]["visible"] = self.series[-1].shown

    def band(self, text: str, x: np.ndarray, low: np.ndarray, high: np.ndarray, shade: Shade) -> None:
        """The area between two lines."""
        around = np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]])
        area: dict[str, Any] = {
            "fill": "toself",
            "fillcolor": shade,
            "line": {"width": 0},
            "hoverinfo": "skip",
        }
        self.trace(text, *around, "lines", **area)
        self.switch(text, "band", shade)

    def stroke(
        self,
        text: str,
        x: ArrayLike,
        y: ArrayLike,
        colour: Shade,
        dash: Dash = SOLID,
        *,
        width: float = 2.0,
        mode: str = "lines",
        **more: Any,
    ) -> None:
        """A line without a switch."""
        look = {"color": colour, "width": width, "dash": dash.plotly}
        self.trace(text, x, y, mode, line=look, **more)

    def line(self, text: str, x: ArrayLike, y: ArrayLike, style: Style, **switch: Any) -> None:
        """A line with its switch."""
        hover = "%{fullData.name}: %{y:.4g}<extra></extra>"
        self.stroke(text, x, y, style.colour, style.dash, hovertemplate=hover)
        self.switch(text, "line", style.colour, style.dash.svg, **switch)

    def forecast(self, x: np.ndarray, middle: np.ndarray, ends: np.ndarray) -> None:
        """The line of the forecast, which tells the ends of its interval when it is hovered over."""
        texts = f"{LEVELS[0]:.0%} interval: %{{customdata[0]:.3g}} to %{{customdata[1]:.3g}}"
        hover = f"<b>Forecast: %{{y:.4g}}</b><br>{texts}<extra></extra>"
        given = [digits(row) for row in ends]
        self.stroke("Forecast", x, middle, FORECAST, width=2.4, customdata=given, hovertemplate=hover)
        self.switch("Forecast", "line", FORECAST)

    def points(self, text: str, curve: Curve, shade: Shade, symbol: str) -> None:
        """Measured points; of very many, some."""
        count, name = len(curve), text.removesuffix("s")
        if count > MOST:
            curve = curve.take(evenly(curve.x, MOST))
            text = f"{text} ({len(curve)} of {count} drawn)"
        size = 8.0 * min(1.0, max(0.5, float(np.sqrt(60 / len(curve)))))
        more: dict[str, Any] = {"marker": dot(shade, size, symbol, 0.7 if len(curve) <= MANY else 0.0)}
        more["hovertemplate"] = f"{name}: (%{{x:.6g}}, %{{y:.6g}})<extra></extra>"
        if curve.sigma is not None:
            bars = {"type": "data", "array": curve.sigma.tolist(), "thickness": 1, "width": 2}
            more["error_y"] = bars | {"color": shade}
        self.trace(text, curve.x.tolist(), curve.y.tolist(), "markers", **more)
        self.switch(text, symbol, shade)

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
        square = dot(GROUND, 10, "square", 2, FAINT)
        y, hover = fit.form.evaluate(fit.theta, x), "%{text}<extra></extra>"
        self.trace("Breaks", x, y, "markers", marker=square, text=texts, hovertemplate=hover)
        start, line = len(self.shapes), {"color": FAINT, "width": 1, "dash": "5px,4px"}
        for name, position in zip(table.index, x.tolist(), strict=True):
            text = {"text": f"d<sub>{name}</sub>", "textposition": "end", "textangle": 0, "xanchor": "left"}
            text["font"] = {"color": FAINT, "size": 13}
            self.shape("line", position, position, line=line, label=text)
        shapes = tuple(range(start, len(self.shapes)))
        self.switch("Breaks", "break", FAINT, "5 4", shapes=shapes)

    def beyond(self, start: float, end: float) -> None:
        """The area beyond the fitted points."""
        self.shape("rect", start, 100.0 * end, fillcolor=BEYOND, line={"width": 0})

    def shape(self, kind: str, first: float, last: float, **more: Any) -> None:
        """A line or a rectangle as high as the figure, below all else."""
        across = {"type": kind, "yref": "paper", "y0": 0, "y1": 1, "x0": first, "x1": last}
        self.shapes.append({**across, "layer": "below", **more})

    def figure(self, x: Axis, y: Axis, **layout: Any) -> Figure:
        """The figure with these axes."""
        whole = LAYOUT | {"shapes": self.shapes} | layout
        for name, axis in (("xaxis", x), ("yaxis", y)):
            title, ends = {"text": label(axis.title)}, axis.ranges[axis.kind]
            whole[name] = {**AXIS, "title": title, "type": axis.kind, "range": ends, **axis.more}
        return Figure(self.data, whole, tuple(self.series), {"x": x.ranges, "y": y.ranges})
