"""Figures of laws with several inputs, as descriptions for Plotly."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnsl._base.palette import DASHES, FITTED, FORECAST, GROUND, HELD_OUT, LAW, Shade, ramp
from bnsl.curves.curve import Curve
from bnsl.web.analysis import quietly
from bnsl.web.drawing import FAINT, INK, Drawing, Series, digits, label, layout_of, number_format, ranges_of
from bnsl.web.figures import Figure
from bnsl.web.surfaces import FACTOR, SurfaceAnalysis
from bnsl.web.words import number

LEVELS = 9  # contours
SHADES = 101  # colours between the least and the greatest y
MESH = 60
WRITTEN = (0.6, 0.95)  # along a contour, from above: where its number may stand, off the optimal line
GROWTH = 0.5  # of an axis, in decades, beyond the runs


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
    mesh = np.stack(np.meshgrid(*axes), axis=-1)
    z = quietly(found.forecast.predict, mesh)
    low, high = (float(end(np.concatenate([z.ravel(), found.curve.y]))) for end in (np.min, np.max))

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
        said = f"{label(found.fitted.y_label)} {number(level)}"
        draw.data.append(_lines(said, x, y, shade(level)))
        notes.append(_written(number(level), _free_place(max(parts, key=len), np.log10(runs)), shade(level)))
    text = "Contours of the forecast"
    draw.series.append(
        _switch(draw, text, range(len(draw.data)), {"kind": "line", "color": shade(low), "dash": ""})
    )
    _runs(draw, "Fitted runs", found.fitted, found, shade, "circle")
    if found.held_out is not None:
        _runs(draw, "Held-out runs", found.held_out, found, shade, "diamond")
    best = found.allocation
    if best is not None:
        first, second = (best[name].to_numpy() for name in found.names)
        draw.data.append(_lines("Compute-optimal", first, second, INK, width=2.6, dash=DASHES[1].plotly))
        draw.series.append(
            _switch(
                draw,
                "Compute-optimal",
                [len(draw.data) - 1],
                {"kind": "line", "color": INK, "dash": DASHES[1].svg},
            )
        )
    ends = [(axis[0], axis[-1]) for axis in axes]
    return _closed(draw, ends, found.names, annotations=notes)


def allocation_figure(found: SurfaceAnalysis) -> Figure:
    """The best inputs against compute, with their intervals."""
    table, draw = found.allocation, Drawing()
    assert table is not None  # of two inputs
    compute, drawn = table["compute"].to_numpy(), []
    for i, name in enumerate(found.names):
        best, low, high = (table[f"{name}{end}"].to_numpy() for end in ("", "_low", "_high"))
        colour = (FORECAST, LAW)[i]
        trace = _lines(f"Best {label(name)}", compute, best, colour, dash=DASHES[i].plotly)
        trace |= {
            "mode": "lines+markers",
            "marker": {"color": colour, "size": 7, "symbol": ("circle", "square")[i]},
        }
        trace["error_y"] = _bars(high - best, best - low, colour)
        trace["customdata"] = [digits(np.array(ends)) for ends in zip(low, high, strict=True)]
        trace["hovertemplate"] = (
            "%{fullData.name} for %{x:.3g} FLOP: %{y:.3g}"
            "<br>%{customdata[0]:.3g} to %{customdata[1]:.3g}<extra></extra>"
        )
        draw.data.append(trace)
        draw.switch(trace["name"], {"kind": "line", "color": colour, "dash": DASHES[i].svg})
        drawn += [best, low, high]
    values = np.concatenate(drawn)
    values = values[np.isfinite(values) & (values > 0)]
    draw.beyond(float(FACTOR * found.fitted.effort.max()), float(compute.max()))
    ends = [(compute.min(), compute.max()), (values.min(), values.max())]
    return _closed(draw, ends, ("compute", " and ".join(found.names)))


def held_out_figure(found: SurfaceAnalysis) -> Figure:
    """Held-out runs: what was measured against what was predicted, with the predictions' intervals."""
    table, draw = found.checked, Drawing()
    assert table is not None  # there are held-out runs
    inside = table["y"].between(table["lower"], table["upper"])
    values = table[["y", "predicted", "lower", "upper"]].to_numpy()
    ends = float(values.min()), float(values.max())
    same = np.array([ends[0] / 10, ends[1] * 10])
    draw.data.append(_lines("as predicted", same, same, FAINT, dash="4px,4px"))
    for chosen, symbol, colour, word in (
        (inside, "diamond", HELD_OUT, "Inside the interval"),
        (~inside, "x", LAW, "Outside"),
    ):
        part = table[chosen]
        if part.empty:
            continue
        draw.data.append(
            {
                "type": "scatter",
                "name": word,
                "mode": "markers",
                "x": digits(part["predicted"].to_numpy()),
                "y": digits(part["y"].to_numpy()),
                "text": [_place(row, found.names) for row in part[list(found.names)].to_numpy()],
                "error_x": _bars(
                    part["upper"] - part["predicted"], part["predicted"] - part["lower"], colour
                ),
                "marker": {
                    "color": colour,
                    "size": 9,
                    "symbol": symbol,
                    "line": {"color": GROUND, "width": 0.7},
                },
                "hovertemplate": "%{text}<br>measured %{y:.5g}, predicted %{x:.5g}<extra></extra>",
            }
        )
        draw.switch(
            f"{word} ({len(part)})", {"kind": "diamond" if symbol == "diamond" else "circle", "color": colour}
        )
    return _closed(draw, [ends, ends], ("predicted", f"measured {found.fitted.y_label}"))


def residual_figure(found: SurfaceAnalysis, column: int, name: str) -> Figure:
    """Measured over predicted, in per cent, against one input."""
    x, off = found.fitted.x[:, column], 100.0 * np.expm1(found.residuals)
    ends = (float(x.min()), float(x.max()))
    draw = Drawing()
    draw.data.append(
        _lines("as predicted", np.array([ends[0] / 1e3, ends[1] * 1e3]), np.zeros(2), FAINT, dash="4px,4px")
    )
    draw.data.append(
        {
            "type": "scatter",
            "name": "Fitted runs",
            "mode": "markers",
            "x": digits(x),
            "y": digits(off),
            "text": [_place(row, found.names) for row in found.fitted.x],
            "marker": {"color": FITTED, "size": 7, "line": {"color": GROUND, "width": 0.7}},
            "hovertemplate": "%{text}<br>%{y:+.2f} %<extra></extra>",
        }
    )
    figure = _closed(draw, [ends, (1.0, 2.0)], (name, "measured over predicted (%)"))
    size = max(float(np.abs(off).max()), 1e-6) * 1.1
    figure.ranges["y"]["linear"] = [-size, size]
    figure.layout["yaxis"] |= {"type": "linear", "range": [-size, size], "tickformat": "", "nticks": 7}
    return figure


# --- parts ----------------------------------------------------------------------------------------


def _runs(draw: Drawing, text: str, curve: Curve, found: SurfaceAnalysis, shade: Any, symbol: str) -> None:
    """Runs where they are, in the colours of what was measured."""
    predicted = quietly(found.forecast.predict, curve.x)
    texts = [
        f"{_place(row, found.names)}<br>measured {number(y)}, forecast {number(p)}"
        for row, y, p in zip(curve.x, curve.y, predicted, strict=True)
    ]
    draw.data.append(
        {
            "type": "scatter",
            "name": text,
            "mode": "markers",
            "x": digits(curve.x[:, 0]),
            "y": digits(curve.x[:, 1]),
            "text": texts,
            "marker": {
                "color": [shade(value) for value in curve.y],
                "size": 9,
                "symbol": symbol,
                "line": {"color": INK, "width": 1.0},
            },
            "hovertemplate": "%{text}<extra></extra>",
        }
    )
    draw.switch(text, {"kind": symbol, "color": shade(float(np.median(curve.y)))})


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


def _lines(
    text: str, x: np.ndarray, y: np.ndarray, colour: Shade, *, width: float = 1.6, dash: str = "solid"
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": text,
        "x": digits(x),
        "y": digits(y),
        "mode": "lines",
        "line": {"color": colour, "width": width, "dash": dash},
        "hoverinfo": "name",
    }


def _written(text: str, place: np.ndarray, colour: Shade) -> dict[str, Any]:
    """A number on its contour; on log axes places are logarithms."""
    font = {"color": colour, "size": 12}
    return {
        "x": float(place[0]),
        "y": float(place[1]),
        "text": text,
        "showarrow": False,
        "bgcolor": GROUND,
        "font": font,
    }


def _bars(above: Any, below: Any, colour: Shade) -> dict[str, Any]:
    ends = {"array": digits(np.asarray(above, float)), "arrayminus": digits(np.asarray(below, float))}
    return {"type": "data", "symmetric": False, **ends, "color": colour, "thickness": 1.2, "width": 3}


def _switch(draw: Drawing, text: str, traces: Any, swatch: dict[str, Any]) -> Series:
    return Series(f"s{len(draw.series)}", text, tuple(traces), (), True, swatch)


def _closed(draw: Drawing, ends: Any, names: Any, **more: Any) -> Figure:
    """The figure on log axes that show these ends."""
    layout = layout_of(*map(label, names)) | {"hovermode": "closest", "shapes": draw.shapes, **more}
    ranges = {}
    for axis, (low, high) in zip("xy", ends, strict=True):
        ranges[axis] = ranges_of(float(low), float(high))
        layout[f"{axis}axis"] |= {
            "type": "log",
            "range": ranges[axis]["log"],
            **number_format(ranges[axis]["log"]),
        }
    return Figure(draw.data, layout, tuple(draw.series), ranges)
