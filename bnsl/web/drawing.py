"""What figures are made of: traces, shapes and switches for Plotly, and the look of the axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bnsl._base.palette import FORECAST, GROUND, Shade, Style, both
from bnsl.curves.curve import Curve
from bnsl.fitting.result import FitResult
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


def label(text: str) -> str:
    """What a user wrote, as plain text for Plotly: no tags, no templates, one line, not too long."""
    line = " ".join(text.split())
    line = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
    for mark, harmless in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("%{", "%\N{ZERO WIDTH SPACE}{")):
        line = line.replace(mark, harmless)
    return line


class Drawing:
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
        """The area between two lines."""
        self.data.append(
            {
                "type": "scatter",
                "name": text,
                "x": digits(np.concatenate([x, x[::-1]])),
                "y": digits(np.concatenate([high, low[::-1]])),
                "mode": "lines",
                "fill": "toself",
                "fillcolor": shade,
                "line": {"width": 0},
                "hoverinfo": "skip",
            }
        )
        self.switch(text, {"kind": "band", "color": shade})

    def line(self, text: str, x: np.ndarray, y: np.ndarray, style: Style, *, shown: bool) -> None:
        """The line of a form."""
        shade, dash = style.colour, style.dash
        self.data.append(
            {
                "type": "scatter",
                "name": label(text),
                "x": digits(x),
                "y": digits(y),
                "mode": "lines",
                "line": {"color": shade, "width": 2, "dash": dash.plotly},
                "hovertemplate": "%{fullData.name}: %{y:.4g}<extra></extra>",
            }
        )
        self.switch(text, {"kind": "line", "color": shade, "dash": dash.svg}, shown=shown, group="form")

    def forecast(self, x: np.ndarray, middle: np.ndarray, ends: np.ndarray) -> None:
        """The line of the forecast, which tells the ends of its interval when it is hovered over."""
        texts = f"{LEVELS[0]:.0%} interval: %{{customdata[0]:.3g}} to %{{customdata[1]:.3g}}"
        self.data.append(
            {
                "type": "scatter",
                "name": "Forecast",
                "x": digits(x),
                "y": digits(middle),
                "customdata": [digits(row) for row in ends],
                "mode": "lines",
                "line": {"color": FORECAST, "width": 2.4},
                "hovertemplate": f"<b>Forecast: %{{y:.4g}}</b><br>{texts}<extra></extra>",
            }
        )
        self.switch("Forecast", {"kind": "line", "color": FORECAST, "dash": ""})

    def points(self, text: str, curve: Curve, shade: Shade, symbol: str) -> None:
        """Measured points; of very many, some."""
        count, name = len(curve), text.removesuffix("s")
        if count > MOST:  # evenly in log x, always with the first and the last
            at = np.geomspace(curve.x[0], curve.x[-1], MOST)
            curve = curve.take(
                np.unique(np.append(np.searchsorted(curve.x, at), count - 1).clip(0, count - 1))
            )
            text = f"{text} ({len(curve)} of {count} drawn)"
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
            "hovertemplate": f"{name}: (%{{x:.6g}}, %{{y:.6g}})<extra></extra>",
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
                "x": digits(x),
                "y": digits(fit.form.evaluate(fit.theta, x)),
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
        """The area beyond the fitted points."""
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


def layout_of(x_label: str, y_label: str) -> dict[str, Any]:
    """The layout that figures share."""
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


def ranges_of(low: float, high: float) -> dict[str, list[float]]:
    """The ranges of a log and of a linear axis that shows these positive values."""
    a, b = np.log10(low), np.log10(high)
    lacking = max(0.04 - (b - a), 0.0)
    margin = 0.5 * lacking + MARGIN * (b - a + lacking)
    size = max(high - low, 0.05 * high)
    return {
        "log": [float(a - margin), float(b + margin)],
        "linear": [float(low - MARGIN * size), float(high + MARGIN * size)],
    }


def number_format(log_range: list[float]) -> dict[str, Any]:
    """Plain numbers on an axis where they are short, powers of ten elsewhere."""
    plain = log_range[0] > -3.1 and log_range[1] < 5.1
    options: dict[str, Any] = {"hoverformat": ".5~g"}
    if plain:
        options |= {"tickformat": "~g", "tickangle": 0}
    decades = log_range[1] - log_range[0]
    if 1.0 <= decades < 2.4:  # else Plotly writes all of 1, 2, ..., 9
        options["nticks"] = int(decades / 0.31)
    return options


def digits(values: np.ndarray) -> list[float | None]:
    """Six digits, enough for a line; null for what is no number."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]
