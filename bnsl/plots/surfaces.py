"""Figures of laws with several inputs: contours, isoFLOP curves, allocations, residuals, held-out runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_array, check_same_length
from bnsl._base.palette import ramp
from bnsl.planning.isoflop import INSIDE, IsoflopCurve, IsoflopFit
from bnsl.planning.optimum import columns_of
from bnsl.plots._drawing import (
    COLOURS,
    DASHES,
    FITTED,
    FORECAST,
    HELD_OUT,
    LAW,
    MARKERS,
    SIZE,
    WIDE,
    Frame,
    add_legend,
    axes_or_new,
    described,
    number_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORDS = {
    "params": "parameters",
    "tokens": "training tokens",
    "unique_tokens": "unique tokens",
    "flops": "training compute (FLOP)",
    "compute": "training compute (FLOP)",
}
MESH = 120  # values of each input at which contours are computed
LEVELS = 14
FEW = 12  # budgets that are drawn as points, too
EDGE: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.5}
SQUARE = (4.6, 4.4)  # inches


def plot_isoflop(result: IsoflopFit, *, ax: Axes | None = None) -> Axes:
    """Loss against size at every budget, with the parabolas about the minima.

    Red diamonds are minima inside their data; the dashed line joins those of the power law.

    Args:
        result: what `bnsl.isoflop_fit` returned.
        ax: the Axes to draw into; a new figure if not given.

    Raises:
        InputError: what is no isoFLOP fit.
    """
    if not isinstance(result, IsoflopFit):
        raise InputError(f"result must be what bnsl.isoflop_fit returns; got {described(result)}")
    ax = axes_or_new(ax, WIDE)
    curves = result.curves
    frame = Frame(ax, True, all((curve.y > 0).all() for curve in curves))
    for number, curve in enumerate(curves):
        colour = ramp(number, len(curves))["light"]
        x = _drawn(curve)
        frame.show_x(*curve.x)
        frame.show_y(curve.y)
        ax.plot(x, curve.predict(x), color=colour, linewidth=1.3, zorder=2)
        ax.plot(curve.x, curve.y, "o", color=colour, markersize=4.6, zorder=3, **EDGE)
        ax.plot([], [], "o-", color=colour, markersize=4.6, label=number_text(curve.budget))
    inside = [curve for curve in curves if curve.status == INSIDE]
    if inside:
        ax.plot(
            result.predict([curve.budget for curve in inside]),
            [curve.lowest for curve in inside],
            color=LAW,
            linestyle=DASHES[0],
            linewidth=1.1,
            zorder=2.5,
        )
        minima = [curve.minimum for curve in inside], [curve.lowest for curve in inside]
        ax.plot(*minima, "D", color=LAW, markersize=5.6, zorder=4, label="minimum", **EDGE)
    frame.close()
    _label(ax, result.x, result.y, f"best {_words(result.x)} $\\propto$ compute$^{{{result.exponent:.3g}}}$")
    add_legend(ax, outside=True, title=_words(result.budget).replace(" (", "\n("))
    return ax


def plot_contours(
    predict: Callable[[Mapping[str, np.ndarray]], ArrayLike],
    frame: Any,
    inputs: Sequence[str] = ("params", "tokens"),
    frontier: Any = None,
    *,
    y: str = "loss",
    ax: Axes | None = None,
) -> Axes:
    """Predicted loss over two inputs, the runs coloured by what was measured, and the compute-optimal line.

    A run that is predicted well has the colour of what it lies on.

    Args:
        predict: loss of a mapping from input to values (M,), such as the `predict` of a fit or a forecast.
        frame: a table with a row a run.
        inputs: the columns of the two axes.
        frontier: a table with the same inputs, in order of compute, if the line is to be drawn.
        y: the column of the measured loss.
        ax: the Axes to draw into; a new figure if not given.

    Raises:
        InputError: other than two inputs, or a column that is missing or not of positive numbers.
    """
    names = _two(inputs)
    first, second, measured = columns_of(frame, names, (y,))
    ax = axes_or_new(ax, SIZE)
    window = Frame(ax, True, True)
    window.show_x(*first)
    window.show_y(second)
    line = None if frontier is None else columns_of(frontier, names, ())
    window.close()
    mesh = np.meshgrid(*(np.geomspace(*limits, MESH) for limits in (ax.get_xlim(), ax.get_ylim())))
    flat = {name: values.ravel() for name, values in zip(names, mesh, strict=True)}
    surface = np.asarray(predict(flat), float).reshape(mesh[0].shape)
    levels = _levels(np.concatenate([measured, surface.ravel()]))
    shades: dict[str, Any] = {"cmap": "viridis_r", "vmin": levels[0], "vmax": levels[-1]}
    filled = ax.contourf(*mesh, surface, levels, **shades)
    ax.contour(*mesh, surface, levels, colors="white", linewidths=0.4, alpha=0.6)
    ax.scatter(first, second, c=measured, s=26, edgecolors="white", linewidths=0.7, zorder=3, **shades)
    if line is not None:
        ax.plot(*line, color="white", linewidth=3.2, zorder=3.5)
        ax.plot(*line, color="black", linewidth=1.4, zorder=4, label="compute-optimal")
        add_legend(ax, loc="lower right")
    bar = ax.figure.colorbar(filled, ax=ax, label=_words(y), ticks=levels[::2], format="%.3g", pad=0.02)
    bar.outline.set_visible(False)
    _label(ax, names[0], names[1], f"predicted {_words(y)}; dots: measured")
    return ax


def plot_allocation(
    table: Any, inputs: Sequence[str] = ("params", "tokens"), *, x: str = "compute", ax: Axes | None = None
) -> Axes:
    """The best inputs against compute, with their intervals.

    Args:
        table: with the compute, every input, and its ends `<input>_low` and `<input>_high`, if these are to
            be drawn; as `allocate` returns it.
        inputs: columns to draw.
        x: the column of compute.
        ax: the Axes to draw into; a new figure if not given.

    Raises:
        InputError: a column that is missing or not of positive numbers.
    """
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    columns = {name: _with_ends(table, x, name) for name in names}
    ax = axes_or_new(ax, SIZE)
    frame = Frame(ax, True, True)
    for number, (name, (compute, best, ends)) in enumerate(columns.items()):
        colour = (FORECAST, LAW, *COLOURS)[number]
        frame.show_x(*compute)
        frame.show_y(best)
        if ends is not None:
            frame.show_y(*ends)
            ax.fill_between(compute, *ends, color=colour, alpha=0.18, linewidth=0, zorder=1.5)
        style: dict[str, Any] = {"color": colour, "linewidth": 1.5, "markersize": 4.6, "zorder": 3}
        marker = MARKERS[number] if len(compute) <= FEW else ""
        ax.plot(compute, best, f"-{marker}", label=_words(name), **style, **EDGE)
    frame.close()
    _label(ax, x, ", ".join(map(_words, names)), "compute-optimal allocation")
    add_legend(ax, loc="upper left")
    return ax


def plot_input_residuals(
    residuals: ArrayLike,
    frame: Any,
    inputs: Sequence[str] = ("params", "tokens"),
    *,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Residuals of log y against each input, one panel an input.

    Args:
        residuals: log of measured over predicted, (N,).
        frame: the table that was fitted, rows in the same order.
        inputs: its columns, all positive.
        axes: one Axes an input; a new figure if not given.

    Raises:
        InputError: residuals and rows that differ in number, or a column that is missing or not positive.
    """
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    values, columns = as_array(residuals, "residuals"), columns_of(frame, names, ())
    check_same_length(values, columns[0], ("residuals", "frame"))
    if axes is None:
        import matplotlib.pyplot as plt

        size = (3.1 * len(names) + 0.8, 3.1)
        _, made = plt.subplots(1, len(names), figsize=size, sharey=True, layout="constrained", squeeze=False)
        axes = list(made[0])
    for name, column, ax in zip(names, columns, axes, strict=True):
        panel = Frame(axes_or_new(ax), True, False)
        panel.show_x(*column)
        panel.show_y(100 * values, np.zeros(1))
        ax.axhline(0.0, color="0.45", linestyle=(0, (4, 3)), linewidth=0.9, zorder=1)
        ax.plot(column, 100 * values, "o", color=FITTED, markersize=4.2, zorder=3, **EDGE)
        panel.close()
        ax.set_xlabel(_words(name))
    axes[0].set_ylabel("measured over predicted (%)")
    return list(axes)


def plot_held_out(
    predicted: ArrayLike, low: ArrayLike, high: ArrayLike, measured: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Held-out runs against what was predicted for them, with the predictions' intervals.

    Args:
        predicted: predictions, (M,).
        low: lower ends of their intervals, (M,).
        high: upper ends, (M,).
        measured: what was measured, (M,).
        ax: the Axes to draw into; a new figure if not given.

    Raises:
        InputError: arrays that differ in length or are not of finite numbers.
    """
    named = {"predicted": predicted, "low": low, "high": high, "measured": measured}
    arrays = {name: as_array(values, name) for name, values in named.items()}
    for name, values in arrays.items():
        check_same_length(arrays["predicted"], values, ("predicted", name))
    guess, lower, upper, found = arrays.values()
    ax = axes_or_new(ax, SQUARE)
    log = bool(min(values.min() for values in arrays.values()) > 0)
    frame = Frame(ax, log, log)
    frame.show_x(*lower, *upper, *found)
    frame.show_y(lower, upper, found)
    frame.close()
    ends = np.array(ax.get_xlim())
    ax.plot(ends, ends, color="0.45", linestyle=(0, (4, 3)), linewidth=0.9, zorder=1)
    inside = (lower <= found) & (found <= upper)
    bars: dict[str, Any] = {"fmt": "none", "ecolor": FORECAST, "elinewidth": 1.0, "alpha": 0.6, "zorder": 2}
    ax.errorbar(guess, found, xerr=np.abs([guess - lower, upper - guess]), **bars)
    for chosen, marker, colour, word in (
        (inside, "D", HELD_OUT, "inside"),
        (~inside, "X", LAW, "outside"),
    ):
        if chosen.any():
            label = f"{word} the interval ({chosen.sum()})"
            ax.plot(guess[chosen], found[chosen], marker, color=colour, label=label, zorder=3, **EDGE)
    ax.set(xlabel="predicted", ylabel="measured", xlim=ends, ylim=ends)
    ax.set_title(f"{len(found)} held-out runs", fontsize="medium")
    add_legend(ax, loc="upper left")
    return ax


def _drawn(curve: IsoflopCurve) -> np.ndarray:
    """Where a parabola's line is drawn: over the runs that it was fitted to."""
    taken = curve.x[curve.weights > 0]
    return np.geomspace(taken.min(), taken.max(), 120)


def _levels(values: np.ndarray) -> np.ndarray:
    """Levels of contours over the values, in even steps of their logarithms if all are positive."""
    low, high = (float(v) for v in np.quantile(values[np.isfinite(values)], [0.0, 1.0]))
    return np.geomspace(low, high, LEVELS) if low > 0 else np.linspace(low, high, LEVELS)


def _two(inputs: Sequence[str]) -> tuple[str, str]:
    names = list(inputs)
    if isinstance(inputs, str) or len(names) != 2:
        raise InputError(f"inputs = {inputs!r} must name two columns, one an axis")
    return names[0], names[1]


def _with_ends(
    table: Any, x: str, name: str
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
    """Compute, an input and the ends of its interval, by rising compute."""
    has_ends = all(f"{name}_{end}" in table for end in ("low", "high"))
    wanted = (x, name, f"{name}_low", f"{name}_high") if has_ends else (x, name)
    columns = columns_of(table, wanted, ())
    order = np.argsort(columns[0], kind="stable")
    compute, best, *ends = (column[order] for column in columns)
    return compute, best, (ends[0], ends[1]) if ends else None


def _words(name: str) -> str:
    return WORDS.get(name, name.replace("_", " "))


def _label(ax: Axes, x: str, y: str, title: str) -> None:
    ax.set_xlabel(_words(x))
    ax.set_ylabel(_words(y))
    ax.set_title(title, fontsize="medium")
