"""What all figures share: colours, points, frames and ticks, legends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base import palette as _palette
from bnsl._base.checks import InputError, check_share, described, told
from bnsl.curves.curve import Curve
from bnsl.evaluation.extrapolation import Extrapolation
from bnsl.fitting.result import FitResult
from bnsl.forms.form import Form
from bnsl.forms.registry import FORMS, capitals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

FITTED = _palette.FITTED["light"]
HELD_OUT = _palette.HELD_OUT["light"]
LAW = _palette.LAW["light"]
FORECAST = _palette.FORECAST["light"]
COLOURS = tuple(shade["light"] for shade in _palette.FORMS)
DASHES: tuple[Any, ...] = tuple((0, dash.pattern) for dash in _palette.DASHES)
MARKERS = tuple(marker.matplotlib for marker in _palette.MARKERS)
SIZE = (6.0, 4.0)  # inches, of a figure made here
WIDE = (7.6, 4.0)  # with a legend on the right
SAMPLES = 400  # points of a law's line, besides those around its breaks
MINUS = "\N{MINUS SIGN}"
PANEL = 4.6  # inches, the width of axes for which the density of ticks is chosen
MARGIN = 0.06  # free share of an axis beyond what is drawn
CROWDED = 600  # points from which on some are drawn, in grey, and lie under bands and lines
SHOWN = 400  # of so many points


def draw_points(ax: Axes, fitted: Curve, held_out: Curve | None, zorder: float = 3.0) -> None:
    """Black circles and green diamonds, with bars of one sigma; smaller where there are many.

    Of thousands, some hundred are drawn, evenly along the axis, paler and below everything else.
    """
    for whole, colour, marker, size, label in (
        (fitted, FITTED, "o", 4.8, "fitted points"),
        (held_out, HELD_OUT, "D", 5.2, "held-out points"),
    ):
        if whole is None:
            continue
        part = whole
        if len(whole) > CROWDED:
            part = whole.take(evenly(whole.x, SHOWN))
            colour, zorder = _palette.mixed(colour, 0.55), 0.5
            label += f" ({len(part)} of {len(whole):,} drawn)"
        size *= min(1.0, max(0.6, np.sqrt(80 / len(part))))
        if part.sigma is not None:
            bars: dict[str, Any] = {
                "fmt": "none",
                "ecolor": colour,
                "elinewidth": 1.0,
                "capsize": 1.8,
                "zorder": zorder - 0.5,
            }
            ax.errorbar(part.x, part.y, yerr=part.sigma, **bars)
        edge: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.5}
        if len(part) > 200:  # a band of points, on which the law's line lies
            edge = {"markeredgewidth": 0.0}
        ax.plot(part.x, part.y, marker, color=colour, markersize=size, zorder=zorder, label=label, **edge)


def evenly(x: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most `count` of the rising values x, about evenly on a log axis, both ends among them."""
    if len(x) <= count:
        return np.arange(len(x))
    wanted = np.geomspace(x[0], x[-1], count)
    after = np.searchsorted(x, wanted).clip(1, len(x) - 1)
    return np.unique(np.where(wanted**2 <= x[after - 1] * x[after], after - 1, after))


def mark_breaks(ax: Axes, positions: Sequence[float]) -> None:
    """A dashed line at every break in view, d_i above it; one name for breaks that lie side by side."""
    low, high = ax.get_xlim()
    log = ax.get_xscale() == "log"
    groups: list[list[tuple[int, float]]] = []  # number of the break, and its share of the axis
    for i, position in enumerate(positions, start=1):
        if not low < position < high:
            continue
        ax.axvline(position, color="0.45", linestyle=(0, (4, 3)), linewidth=0.9, zorder=1.5)
        share = np.log(position / low) / np.log(high / low) if log else (position - low) / (high - low)
        if not groups or share - groups[-1][-1][1] > 0.055:
            groups.append([])
        groups[-1].append((i, float(share)))
    if not groups:
        return
    middles = np.array([0.5 * (group[0][1] + group[-1][1]) for group in groups])
    names = [", ".join(f"$d_{{{i}}}$" for i, _ in group) for group in groups]
    top = ax.secondary_xaxis("top")  # a second axis, so that a title keeps clear of the names
    top.set_xticks(low * (high / low) ** middles if log else low + (high - low) * middles, labels=names)
    top.minorticks_off()
    top.tick_params(length=0.0, pad=1.5, labelcolor="0.25")
    top.spines["top"].set_visible(False)


def shade_held_out(ax: Axes, fitted: Curve, held_out: Curve | None, log: bool) -> None:
    """A grey area from half-way between the last fitted and the first held-out point, or from the last."""
    inner = float(fitted.x.max())
    outer = inner if held_out is None else max(float(held_out.x.min()), inner)
    start = np.sqrt(inner * outer) if log else 0.5 * (inner + outer)
    limits = ax.get_xlim()
    ax.axvspan(start, limits[1], color="0.93", linewidth=0, zorder=0)
    ax.set_xlim(limits)


def label_axes(ax: Axes, curve: Curve | None, title: str) -> None:
    ax.set_xlabel("x" if curve is None else curve.x_label)
    ax.set_ylabel("y" if curve is None else curve.y_label)
    ax.set_title(title, fontsize="medium")


def add_legend(ax: Axes, first: Sequence[str] = (), *, outside: bool = False, **options: Any) -> Any:
    """The legend, without a box, the entries of `first` before the others.

    `outside` puts it to the right of the axes, if the figure's layout makes room for it there.
    """
    if outside and ax.figure.get_layout_engine() is not None:
        options |= {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(
        range(len(labels)),
        key=lambda i: next((j for j, name in enumerate(first) if labels[i].startswith(name)), len(first)),
    )
    legend = ax.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        frameon=True,
        framealpha=0.85,
        edgecolor="none",
        fontsize="small",
        title_fontsize="small",
        alignment="left",
        handlelength=3.6,
        borderaxespad=0.6,
        **options,
    )
    for handle in legend.legend_handles:
        if handle is not None and hasattr(handle, "set_markersize"):
            handle.set_markersize(5.0)
    return legend


def axes_or_new(ax: Axes | None, size: tuple[float, float] = SIZE) -> Axes:
    """The Axes asked for, or those of a new figure, without the spines and ticks that say nothing."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=size, layout="constrained")
    elif not hasattr(ax, "get_xlim"):
        raise InputError(f"ax must be a matplotlib Axes; got {described(ax)}")
    _style(ax)
    return ax


def _style(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_linewidth(0.8)
    ax.tick_params(which="major", direction="out", length=4.0, width=0.8)
    ax.tick_params(which="minor", direction="out", length=2.2, width=0.6)


def within_reach(band: tuple[np.ndarray, np.ndarray], law: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A band that matplotlib can fill, also where it goes from 0 to infinity: far beyond any frame."""
    seen = law[np.isfinite(law) & (law > 0)]
    if not len(seen):
        return band
    lowest, highest = max(float(seen.min()) * 1e-9, 1e-300), min(float(seen.max()) * 1e9, 1e300)
    lower, upper = band
    return (
        np.where(lower == 0, lowest, np.where(lower == -np.inf, -highest, lower)),
        np.where(upper == np.inf, highest, upper),
    )


class Frame:
    """Limits and ticks: room for every point, and within reason for lines that leave the points behind."""

    def __init__(self, ax: Axes, log_x: bool, log_y: bool) -> None:
        self.ax, self.log = ax, {"x": log_x, "y": log_y}
        self.range: dict[str, tuple[float, float]] = {}  # on a log axis, of the logarithms
        sharing = {"x": ax.get_shared_x_axes(), "y": ax.get_shared_y_axes()}
        limits = {"x": ax.get_xlim(), "y": ax.get_ylim()}
        ax.set_xscale("log" if log_x else "linear")
        ax.set_yscale("log" if log_y else "linear")
        for which, group in sharing.items():  # what is there, or on axes that share this one, stays in view
            if any(other.has_data() for other in group.get_siblings(ax)):
                self._widen(which, np.array(limits[which]), np.inf)

    def show_x(self, *values: float) -> None:
        self._widen("x", np.array(values, dtype=float), np.inf)

    def show_y(self, *arrays: np.ndarray) -> None:
        self._widen("y", np.concatenate([np.ravel(array) for array in arrays]), np.inf)

    def reach_y(self, times: float, *arrays: np.ndarray) -> None:
        """Widen y towards these values, on each side by at most so many times the range so far."""
        self._widen("y", np.concatenate([np.ravel(array) for array in arrays]), times)

    def _widen(self, which: str, values: np.ndarray, times: float) -> None:
        values = values[np.isfinite(values) & ((values > 0) | (not self.log[which]))]
        if len(values) == 0:
            return
        low, high = self._to(which, np.array([values.min(), values.max()]))
        if which in self.range:
            old_low, old_high = self.range[which]
            size = max(old_high - old_low, self._least(which, old_high))
            if np.isfinite(times):
                low, high = max(low, old_low - times * size), min(high, old_high + times * size)
            low, high = min(low, old_low), max(high, old_high)
        self.range[which] = (float(low), float(high))

    def close(self) -> None:
        """Set limits and ticks."""
        for which, axis in (("x", self.ax.xaxis), ("y", self.ax.yaxis)):
            low, high = self.range[which]
            lacking = max(self._least(which, high) - (high - low), 0.0)
            margin = 0.5 * lacking + MARGIN * (high - low + lacking)
            limits = self._from(which, np.array([low - margin, high + margin]))
            (self.ax.set_xlim if which == "x" else self.ax.set_ylim)(*limits)
            if self.log[which]:
                log_ticks(axis, *limits)

    def _least(self, which: str, end: float) -> float:
        """The smallest range worth an axis: a few percent of the value."""
        return 0.05 if self.log[which] else 0.05 * abs(end) or 1e-12

    def _to(self, which: str, values: np.ndarray) -> np.ndarray:
        return np.log(values) if self.log[which] else values

    def _from(self, which: str, values: np.ndarray) -> np.ndarray:
        return np.exp(np.clip(values, -690.0, 700.0)) if self.log[which] else values


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks that can be read however few decades the axis spans; plain numbers where they are short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    decades = np.log10(high / low)
    plain = low >= 9e-4 and high < 1e5
    narrow = decades < 0.3
    if axis is axis.axes.xaxis:  # on a small panel labels of x need more room
        box = axis.axes.get_window_extent()
        decades *= max(1.0, PANEL * axis.axes.figure.dpi / max(box.width, 1.0))
    if narrow:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    elif plain and decades < 1.25:
        axis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0), numticks=15))
    elif decades < 0.7:  # labels with powers of ten are long
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0), numticks=15))
    elif plain and high >= 1e4 and 1.4 < decades < 2.8:  # five digits are long, too
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=15))
    elif decades < (2.6 if plain else 1.7):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=15))
    else:
        axis.set_major_locator(LogLocator(numticks=9))
    subs = tuple(np.arange(1.0, 10.0))
    axis.set_minor_locator(NullLocator() if narrow or decades > 14 else LogLocator(subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number_text(value, plain)))
    axis.set_minor_formatter(NullFormatter())


def number_text(value: float, plain: bool | None = None) -> str:
    """A number for a label: plain, or with a power of ten; by its size if not given."""
    if plain is None:
        plain = 9e-4 <= abs(value) < 1e5
    if plain or value <= 0:
        return f"{value:.6g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    power = f"10^{{{int(exponent)}}}"
    return f"${power}$" if float(mantissa) == 1 else f"${float(mantissa):g}\\times{power}$"


def fit_and_held_out(
    fit: Any, argument: str = "fit", also: str = "", *, several: bool = False
) -> tuple[FitResult, Curve | None]:
    """The fit and what was held out; refuses laws of several inputs unless these are drawn, too."""
    if isinstance(fit, Extrapolation):
        result, held_out = fit.result, fit.held_out
    elif isinstance(fit, FitResult):
        result, held_out = fit, None
    else:
        raise InputError(
            f"{argument} must be what bnsl.fit or bnsl.extrapolate returns{also}; got {described(fit)}"
        )
    if not several:
        check_one_input(result.curve)
    return result, held_out


def levels_of(levels: Any) -> list[float]:
    """Probabilities of intervals, each between 0 and 1."""
    if not isinstance(levels, list | tuple | np.ndarray):
        raise InputError(f"{told('levels', levels)} must be a list of probabilities, such as (0.5, 0.9)")
    return [check_share(level, f"levels[{i}]") for i, level in enumerate(levels)]


def check_one_input(curve: Curve) -> None:
    if curve.x.ndim != 1:
        raise InputError(
            f"this law has {curve.x.shape[1]} inputs, and the figure is for one; use plot_fit or "
            "plot_input_residuals"
        )


def x_range(parts: Sequence[Curve]) -> tuple[float, float]:
    return min(float(part.x.min()) for part in parts), max(float(part.x.max()) for part in parts)


def break_positions(params: Mapping[str, float]) -> list[float]:
    return sorted(float(value) for name, value in params.items() if name[0] == "d" and name[1:].isdigit())


def line_x(params: Mapping[str, float], first: float, last: float, log: bool) -> np.ndarray:
    """Where a law's line is drawn: evenly on the axis, and densely around every break, however sharp."""
    x: list[Any] = [np.geomspace(first, last, SAMPLES), [] if log else np.linspace(first, last, SAMPLES)]
    turn = np.linspace(-6.0, 6.0, 61)
    for name, position in params.items():
        width = params.get(f"f{name[1:]}")
        if name[0] == "d" and name[1:].isdigit() and width is not None:
            x.append(position * np.exp(np.clip(width * turn, -50.0, 50.0)))
    together = np.unique(np.concatenate([np.asarray(part, dtype=float) for part in x]))
    return together[(together >= first) & (together <= last)]


def law_colour(form: Form) -> str:
    """The colour of a form's law: its own, or the red of a BNSL."""
    kind = _palette.styles([form.name])[form.name]
    return kind.colour["light"] if form.name in FORMS else LAW


def display_name(form: Form) -> str:
    return capitals(form.label)


def title_of(curve: Curve | None, text: str) -> str:
    return f"{curve.name.replace('_', ' ')}: {text}" if curve is not None and curve.name else text
