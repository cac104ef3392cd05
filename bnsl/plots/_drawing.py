"""What all figures share: colours, and axes with their points, lines, names and legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base import palette
from bnsl._base.checks import InputError, described
from bnsl._base.lazy import Axes
from bnsl.curves.curve import Curve
from bnsl.plots._ticks import log_ticks
from bnsl.plots.places import boundary
from bnsl.readers.smoothing import evenly

FITTED = palette.FITTED["light"]
HELD_OUT = palette.HELD_OUT["light"]
LAW = palette.LAW["light"]
FORECAST = palette.FORECAST["light"]
COLOURS = tuple(shade["light"] for shade in palette.FORMS)
DASHES: tuple[Any, ...] = tuple((0, dash.pattern) for dash in palette.DASHES)
MARKERS = tuple(marker.matplotlib for marker in palette.MARKERS)
GUIDE: dict[str, Any] = {"color": "0.45", "linestyle": (0, (4, 3)), "linewidth": 0.9}
EDGE: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.5}
SIZE = (6.0, 4.0)  # inches, of a figure made here
WIDE = (7.6, 4.0)  # with a legend on the right
SQUARE = (4.6, 4.4)
POINTS = ("fitted points", "held-out points")  # as the legend calls them
MARGIN = 0.06  # free share of an axis beyond what is drawn
CROWDED = 600  # points from which on some are drawn, in grey, and lie under bands and lines
SHOWN = 400  # of so many points
LEGEND: dict[str, Any] = {
    "frameon": True,
    "framealpha": 0.85,
    "edgecolor": "none",
    "fontsize": "small",
    "title_fontsize": "small",
    "alignment": "left",
    "handlelength": 3.6,
    "borderaxespad": 0.6,
}


def new_axes(count: int, size: tuple[float, float], **options: Any) -> list[Axes]:
    """The panels of a new figure, side by side."""
    import matplotlib.pyplot as plt

    options |= {"layout": "constrained", "squeeze": False}
    return list(plt.subplots(1, count, figsize=size, **options)[1][0])


def look_of(style: palette.Style) -> dict[str, Any]:
    """Colour and dashes of a form or a method, for a line."""
    dash = style.dash.pattern
    return {"color": style.colour["light"], "linestyle": (0, dash) if dash else "-"}


class Panel:
    """Axes without the spines and ticks that say nothing, and what every figure has in them.

    There is room for every point, and within reason for lines that leave the points behind.

    Args:
        ax: the Axes asked for; those of a new figure if not given.
        log_x, log_y: whether the axes are logarithmic.
        size: of a new figure, in inches.

    Raises:
        InputError: what is no Axes.
    """

    def __init__(
        self, ax: Axes | None, log_x: bool = False, log_y: bool = False, size: tuple[float, float] = SIZE
    ) -> None:
        if ax is not None and not hasattr(ax, "get_xlim"):
            raise InputError(f"ax must be a matplotlib Axes; got {described(ax)}")
        self.ax = ax = new_axes(1, size)[0] if ax is None else ax
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_linewidth(0.8)
        ax.tick_params(which="major", direction="out", length=4.0, width=0.8)
        ax.tick_params(which="minor", direction="out", length=2.2, width=0.6)
        self.log = {"x": log_x, "y": log_y}
        self.range: dict[str, tuple[float, float]] = {}  # on a log axis, of the logarithms
        limits = {"x": ax.get_xlim(), "y": ax.get_ylim()}
        for which, group in (("x", ax.get_shared_x_axes()), ("y", ax.get_shared_y_axes())):
            ax.set(**{f"{which}scale": "log" if self.log[which] else "linear"})
            # What is there, or on axes that share this one, stays in view.
            if any(other.has_data() for other in group.get_siblings(ax)):
                self.show(which, limits[which])

    def show(self, which: str, *parts: ArrayLike, times: float = np.inf) -> None:
        """Widen x or y towards these values, on each side by at most so many times the range so far."""
        values = np.concatenate([[], *(np.ravel(part) for part in parts)])
        values = values[np.isfinite(values) & ((values > 0) | (not self.log[which]))]
        if len(values) == 0:
            return
        low, high = self._place(which, np.array([values.min(), values.max()])).tolist()
        if which in self.range:
            first, last = self.range[which]
            room = times * max(last - first, self._least(which, last))
            low, high = min(max(low, first - room), first), max(min(high, last + room), last)
        self.range[which] = (low, high)

    def view(self, x: ArrayLike, *y: ArrayLike) -> None:
        """Keep these x and y in view."""
        self.show("x", x)
        self.show("y", *y)

    def close(self) -> None:
        """Set limits and ticks."""
        for which, axis in (("x", self.ax.xaxis), ("y", self.ax.yaxis)):
            low, high = self.range[which]
            lacking = max(self._least(which, high) - (high - low), 0.0)
            margin = 0.5 * lacking + MARGIN * (high - low + lacking)
            limits = np.array([low - margin, high + margin])
            if self.log[which]:
                limits = np.exp(np.clip(limits, -690.0, 700.0))
            self.ax.set(**{f"{which}lim": limits})
            if self.log[which]:
                log_ticks(axis, *limits)

    def _least(self, which: str, end: float) -> float:
        """The smallest range worth an axis: a few percent of the value."""
        return 0.05 if self.log[which] else 0.05 * abs(end) or 1e-12

    def _place(self, which: str, values: np.ndarray) -> np.ndarray:
        return np.log(values) if self.log[which] else values

    def points(self, fitted: Curve, held_out: Curve | None, zorder: float = 3.0) -> None:
        """Black circles and green diamonds, with bars of one sigma; smaller where there are many.

        Of thousands, some hundred are drawn, evenly along the axis, paler and below everything else.
        """
        self._points(fitted, POINTS[0], FITTED, zorder, marker="o", markersize=4.8)
        if held_out is not None:
            self._points(held_out, POINTS[1], HELD_OUT, zorder, marker="D", markersize=5.2)

    def _points(
        self, whole: Curve, label: str, colour: str, zorder: float, *, marker: str, markersize: float
    ) -> None:
        part = whole
        if len(whole) > CROWDED:
            part = whole.take(evenly(whole.x, SHOWN))
            colour, zorder = palette.mixed(colour, 0.55), 0.5
            label += f" ({len(part)} of {len(whole):,} drawn)"
        if part.sigma is not None:
            bars: dict[str, Any] = {"fmt": "none", "ecolor": colour, "elinewidth": 1.0, "capsize": 1.8}
            self.ax.errorbar(part.x, part.y, yerr=part.sigma, zorder=zorder - 0.5, **bars)
        edge = EDGE if len(part) <= 200 else {"markeredgewidth": 0.0}  # of a band, on which the line lies
        markersize *= min(1.0, max(0.6, np.sqrt(80 / len(part))))
        dots: dict[str, Any] = {"color": colour, "markersize": markersize, "zorder": zorder, "label": label}
        self.ax.plot(part.x, part.y, marker, **dots, **edge)

    def breaks(self, positions: Sequence[float]) -> None:
        """A dashed line at every break in view, d_i above it; one name for breaks that lie side by side."""
        low, high = self.ax.get_xlim()
        places = self._place("x", np.array([low, high, *positions]))
        shares = (places[2:] - places[0]) / (places[1] - places[0])
        groups: list[list[int]] = []
        for i, (position, share) in enumerate(zip(positions, shares, strict=True)):
            if not 0 < share < 1:
                continue
            self.ax.axvline(position, **GUIDE, zorder=1.5)
            if not groups or share - shares[groups[-1][-1]] > 0.055:
                groups.append([])
            groups[-1].append(i)
        middles = np.array([0.5 * (places[group[0] + 2] + places[group[-1] + 2]) for group in groups])
        names = [", ".join(f"$d_{{{i + 1}}}$" for i in group) for group in groups]
        self.names_above(np.exp(middles) if self.log["x"] else middles, names)

    def names_above(self, places: ArrayLike, names: Sequence[str], **options: Any) -> None:
        """Names on a second axis, so that a title keeps clear of them."""
        if not len(names):
            return
        top = self.ax.secondary_xaxis("top")
        top.set_xticks(places, labels=names, **options)
        top.minorticks_off()
        top.tick_params(length=0.0, pad=1.5, labelcolor="0.25")
        top.spines["top"].set_visible(False)

    def beyond(self, fitted: Curve, held_out: Curve | None) -> None:
        """A grey area beyond the fitted points."""
        limits = self.ax.get_xlim()
        start = boundary(fitted, held_out, self.log["x"])
        self.ax.axvspan(start, limits[1], color="0.93", linewidth=0, zorder=0)
        self.ax.set_xlim(limits)

    def label(self, x: str, y: str, text: str, curve: Curve | None = None) -> Axes:
        """Name both axes and the figure, which begins with the name of the curve; returns the Axes."""
        name = f"{curve.name.replace('_', ' ')}: " if curve is not None and curve.name else ""
        self.ax.set(xlabel=x, ylabel=y)
        self.ax.set_title(name + text, fontsize="medium")
        return self.ax

    def finish(self, *texts: Any, first: Sequence[str] = (), outside: bool = False, **options: Any) -> Axes:
        """Label the axes with these texts and add a legend, the entries of `first` before the others.

        `outside` puts it to the right of the axes, if the figure's layout makes room for it there.
        """
        self.label(*texts)
        if outside and self.ax.figure.get_layout_engine() is not None:
            options |= {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}

        def rank(entry: tuple[Any, str]) -> int:
            return next((j for j, name in enumerate(first) if entry[1].startswith(name)), len(first))

        entries = sorted(zip(*self.ax.get_legend_handles_labels(), strict=True), key=rank)
        handles, labels = [handle for handle, _ in entries], [label for _, label in entries]
        for handle in self.ax.legend(handles, labels, **LEGEND, **options).legend_handles:
            if handle is not None and hasattr(handle, "set_markersize"):
                handle.set_markersize(5.0)
        return self.ax
