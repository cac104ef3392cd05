"""Figures of laws with several inputs, as descriptions for Plotly."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnsl._base.display import quietly
from bnsl._base.palette import DASHES, FITTED, FORECAST, GROUND, HELD_OUT, LAW, Dash, Shade, ramp
from bnsl.curves.curve import Curve
from bnsl.web.drawing import FAINT, INK, Axis, Drawing, Figure, digits, dot, label
from bnsl.web.surfaces import SurfaceAnalysis
from bnsl.web.words import number

LEVELS = 9  # contours
SHADES = 101  # colours between the least and the greatest y
MESH = 60
WRITTEN = (0.6, 0.95)  # along a contour, from above: where its number may stand, off the optimal line
GROWTH = 0.5  # of an axis, in decades, beyond the runs
AS_PREDICTED = Dash((2, 2))
THIN: dict[str, Any] = {"width": 1.6, "hoverinfo": "name"}


def surface_figures(found: SurfaceAnalysis) -> dict[str, Figure]:
    """Every figure of the page by its name."""
    figures = {}
    if len(found.names) == 2:
        figures["contours"] = contour_figure(found)
        figures["allocation"] = allocation_figure(found)
    if found.held_out is not None:
        figures["held"] = held_out_figure(found)
    for i, name in enumerate(found.names):
        figures[f"residuals{i}"] = residual_figure(found, i, name)
    return figures


def contour_figure(found: SurfaceAnalysis) -> Figure:
    """Lines of equal forecast over two inputs, the runs in the colours of what was measured."""
    import contourpy

    runs = found.curve.x
    axes = [np.geomspace(v.min() / 10**GROWTH, v.max() * 10**GROWTH, MESH) for v in runs.T]
    with quietly():
        z = found.forecast.predict(np.stack(np.meshgrid(*axes), axis=-1))
    drawn = np.append(z, found.curve.y)
    low, high = float(drawn.min()), float(drawn.max())

    def shade(value: float) -> Shade:
        share = np.log(value / low) / max(np.log(high / low), 1e-9)
        return ramp(round((SHADES - 1) * (1.0 - float(share))), SHADES)

    draw, notes = Drawing(), []
    lines = contourpy.contour_generator(np.log10(axes[0]), np.log10(axes[1]), z)
    for level in np.geomspace(low, high, LEVELS + 2)[1:-1]:
        parts = [np.asarray(part) for part in lines.lines(level) if len(part) > 1]
        if not parts:
            continue
        x, y = (np.concatenate([np.append(10.0 ** part[:, i], np.nan) for part in parts]) for i in (0, 1))
        draw.stroke(f"{found.fitted.y_label} {number(level)}", x, y, shade(level), **THIN)
        # On log axes places are logarithms.
        place = _free_place(max(parts, key=len), np.log10(runs)).tolist()
        look = {"showarrow": False, "bgcolor": GROUND, "font": {"color": shade(level), "size": 12}}
        notes.append({"x": place[0], "y": place[1], "text": number(level), **look})
    draw.switch("Contours of the forecast", "line", shade(low), since=0)
    _runs(draw, "Fitted runs", found.fitted, found, shade, "circle")
    if found.held_out is not None:
        _runs(draw, "Held-out runs", found.held_out, found, shade, "diamond")
    if found.allocation is not None:
        first, second = (found.allocation[name] for name in found.names)
        wide: dict[str, Any] = {"width": 2.6, "hoverinfo": "name"}
        draw.stroke("Compute-optimal", first, second, INK, DASHES[1], **wide)
        draw.switch("Compute-optimal", "line", INK, DASHES[1].svg)
    both = (Axis.positive(n, axis[0], axis[-1]) for n, axis in zip(found.names, axes, strict=True))
    return draw.figure(*both, annotations=notes)


def allocation_figure(found: SurfaceAnalysis) -> Figure:
    """The best inputs against compute, with their intervals."""
    table, draw = found.allocation, Drawing()
    assert table is not None  # of two inputs
    compute = table["compute"]
    hover = "%{fullData.name} for %{x:.3g} FLOP: %{y:.3g}"
    hover += "<br>%{customdata[0]:.3g} to %{customdata[1]:.3g}<extra></extra>"
    looks = (FORECAST, DASHES[0], "circle"), (LAW, DASHES[1], "square")
    for name, (colour, dash, symbol) in zip(found.names, looks, strict=True):
        best, low, high = (table[f"{name}{end}"] for end in ("", "_low", "_high"))
        more: dict[str, Any] = {"error_y": _bars(high - best, best - low, colour), "mode": "lines+markers"}
        more["marker"] = {"color": colour, "size": 7, "symbol": symbol}
        more["customdata"] = [digits(ends) for ends in zip(low, high, strict=True)]
        draw.stroke(f"Best {name}", compute, best, colour, dash, **THIN, **more, hovertemplate=hover)
        draw.switch(draw.data[-1]["name"], "line", colour, dash.svg)
    values = table[[f"{name}{end}" for name in found.names for end in ("", "_low", "_high")]].to_numpy()
    values = values[np.isfinite(values) & (values > 0)]
    draw.beyond(float(found.factor * found.fitted.effort.max()), float(compute.max()))
    x = Axis.positive("compute", compute.min(), compute.max())
    return draw.figure(x, Axis.positive(" and ".join(found.names), values.min(), values.max()))


def held_out_figure(found: SurfaceAnalysis) -> Figure:
    """Held-out runs: what was measured against what was predicted, with the predictions' intervals."""
    held, draw = found.checked, Drawing()
    assert held is not None  # there are held-out runs
    assert held.measured is not None
    y, predicted, lower, upper = held.measured, held.predicted, held.lower, held.upper
    values = np.concatenate([y, predicted, lower, upper])
    ends = float(values.min()), float(values.max())
    same = np.array([ends[0] / 10, ends[1] * 10])
    draw.stroke("as predicted", same, same, FAINT, AS_PREDICTED, **THIN)
    kinds = (held.inside, "diamond", HELD_OUT, "Inside the interval"), (~held.inside, "x", LAW, "Outside")
    hover = "%{text}<br>measured %{y:.5g}, predicted %{x:.5g}<extra></extra>"
    for chosen, symbol, colour, word in kinds:
        if not chosen.any():
            continue
        bars = _bars((upper - predicted)[chosen], (predicted - lower)[chosen], colour)
        more: dict[str, Any] = {"marker": dot(colour, 9, symbol), "error_x": bars, "hovertemplate": hover}
        texts = [_place(row, found.names) for row in held.x[chosen]]
        draw.trace(word, predicted[chosen], y[chosen], "markers", text=texts, **more)
        kind = "diamond" if symbol == "diamond" else "circle"
        draw.switch(f"{word} ({chosen.sum()})", kind, colour)
    axes = (Axis.positive(name, *ends) for name in ("predicted", f"measured {found.fitted.y_label}"))
    return draw.figure(*axes)


def residual_figure(found: SurfaceAnalysis, column: int, name: str) -> Figure:
    """Measured over predicted, in per cent, against one input."""
    x, off, draw = found.fitted.x[:, column], 100.0 * np.expm1(found.residuals), Drawing()
    first, last = float(x.min()), float(x.max())
    across = np.array([first / 1e3, last * 1e3])
    draw.stroke("as predicted", across, np.zeros(2), FAINT, AS_PREDICTED, **THIN)
    texts = [_place(row, found.names) for row in found.fitted.x]
    hover = "%{text}<br>%{y:+.2f} %<extra></extra>"
    draw.trace("Fitted runs", x, off, "markers", text=texts, marker=dot(FITTED, 7), hovertemplate=hover)
    size = max(float(np.abs(off).max()), 1e-6) * 1.1
    y = Axis.linear("measured over predicted (%)", -size, size, nticks=7)
    return draw.figure(Axis.positive(name, first, last), y)


def _runs(draw: Drawing, text: str, curve: Curve, found: SurfaceAnalysis, shade: Any, symbol: str) -> None:
    """Runs where they are, in the colours of what was measured."""
    with quietly():
        predicted = found.forecast.predict(curve.x)
    texts = [
        f"{_place(row, found.names)}<br>measured {number(y)}, forecast {number(p)}"
        for row, y, p in zip(curve.x, curve.y, predicted, strict=True)
    ]
    marks = dot([shade(value) for value in curve.y], 9, symbol, 1.0, INK)
    first, second = curve.x.T
    hover = "%{text}<extra></extra>"
    draw.trace(text, first, second, "markers", marker=marks, text=texts, hovertemplate=hover)
    draw.switch(text, symbol, shade(float(np.median(curve.y))))


def _free_place(contour: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Where on a contour, (P, 2) logarithms, there is most room between runs for a number."""
    down = contour if contour[0, 1] > contour[-1, 1] else contour[::-1]
    first, last = (int(share * len(down)) for share in WRITTEN)
    possible = down[first : max(last, first + 1)]
    gaps = np.abs(possible[:, None] - runs) / np.ptp(runs, axis=0)
    room = np.max(gaps * np.array([1.0, 2.0]), axis=2).min(axis=1)  # numbers are wider than they are high
    return np.asarray(possible[np.argmax(room)])


def _place(row: np.ndarray, names: tuple[str, ...]) -> str:
    """'params 1e+08, tokens 2e+09'."""
    return ", ".join(f"{label(name)} {value:.4g}" for name, value in zip(names, row, strict=True))


def _bars(above: Any, below: Any, colour: Shade) -> dict[str, Any]:
    ends = {"array": digits(above), "arrayminus": digits(below)}
    return {"type": "data", "symmetric": False, **ends, "color": colour, "thickness": 1.2, "width": 3}
