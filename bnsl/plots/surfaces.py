"""Figures of laws with several inputs: contours, residuals, held-out runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_array, check_name, check_names, check_same_length, told
from bnsl._base.display import quietly
from bnsl._base.lazy import Axes
from bnsl.curves.curve import Curve
from bnsl.planning.decisions import runs_frame
from bnsl.planning.optimum import columns_of
from bnsl.plots._drawing import EDGE, FITTED, FORECAST, GUIDE, HELD_OUT, LAW, SIZE, SQUARE, Panel, new_axes

WORDS = {
    "params": "parameters",
    "tokens": "training tokens",
    "unique_tokens": "unique tokens",
    "flops": "training compute (FLOP)",
    "compute": "training compute (FLOP)",
}
MESH = 120  # values of each input at which contours are computed
LEVELS = 14
PANEL = 5.4  # inches by which a figure is wider for each further panel


def plot_contours(
    predict: Callable[[Mapping[str, np.ndarray]], ArrayLike],
    frame: Any,
    inputs: Sequence[str] = ("params", "tokens"),
    frontier: Any = None,
    *,
    best: Any = None,
    y: str = "loss",
    ax: Axes | None = None,
) -> Axes:
    """Predicted loss over two inputs, the runs coloured by what was measured, and the compute-optimal line.

    A run that is predicted well has the colour of its background.

    Args:
        predict: loss of a mapping from input to values (M,), such as the `predict` of a fit or a forecast.
        frame: a table with one row per run.
        inputs: the columns of the two axes.
        frontier: a table with the same inputs, in order of compute, to draw the frontier.
        best: the best inputs for some budgets, as `bnsl.allocate` returns them, to mark with their intervals.
        y: the column of the measured loss.
        ax: the Axes to draw into; a new figure if not given.

    Raises:
        InputError: other than two inputs, or a column that is missing or not of positive numbers.
    """
    if not callable(predict):
        raise InputError(f"{told('predict', predict)} must be a function, such as the predict of a fit")
    names, y = check_names(inputs, "inputs", least=1), check_name(y, "y")
    if len(names) != 2:
        raise InputError(f"{told('inputs', inputs)} must name two columns, one an axis")
    first, second, measured = columns_of(frame, names, (y,))
    lines = [] if frontier is None else [columns_of(frontier, names, ())]
    panel = Panel(ax, True, True)
    for across, along in ((first, second), *lines):
        panel.view(across, along)
    panel.close()
    _draw_surface(panel.ax, predict, names, (first, second, measured), y)
    for line in lines:
        panel.ax.plot(*line, color="white", linewidth=3.2, zorder=3.5)
        panel.ax.plot(*line, color="black", linewidth=1.4, zorder=4, label="compute-optimal")
    if best is not None:
        _mark_best(panel.ax, best, names)
    texts = words(names[0]), words(names[1]), f"predicted {words(y)}; dots: measured"
    return panel.finish(*texts, loc="best") if lines or best is not None else panel.label(*texts)


def plot_input_residuals(
    residuals: ArrayLike,
    frame: Any,
    inputs: Sequence[str] = ("params", "tokens"),
    *,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Residuals of log y against each input, one panel per input.

    Args:
        residuals: log of measured over predicted, (N,).
        frame: the table that was fitted, rows in the same order.
        inputs: its columns, all positive.
        axes: one Axes per input; a new figure if not given.

    Raises:
        InputError: residuals and rows that differ in number, or a column that is missing or not positive.
    """
    names = check_names(inputs, "inputs", least=1)
    values, columns = as_array(residuals, "residuals"), columns_of(frame, names, ())
    check_same_length(values, columns[0], ("residuals", "frame"))
    if axes is None:
        axes = new_axes(len(names), (3.1 * len(names) + 0.8, 3.1), sharey=True)
    elif not hasattr(axes, "__len__") or len(axes) != len(names):
        raise InputError(f"{told('axes', axes)} must be a list of {len(names)} matplotlib Axes")
    for name, column, ax in zip(names, columns, axes, strict=True):
        panel = Panel(ax, True, False)
        panel.view(column, 100 * values, 0.0)
        ax.axhline(0.0, **GUIDE, zorder=1)
        ax.plot(column, 100 * values, "o", color=FITTED, markersize=4.2, zorder=3, **EDGE)
        panel.close()
        ax.set_xlabel(words(name))
    axes[0].set_ylabel("measured over predicted (%)")
    return list(axes)


def plot_held_out(
    predicted: ArrayLike, low: ArrayLike, high: ArrayLike, measured: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Held-out runs against their predictions, with intervals.

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
    log = bool(min(values.min() for values in arrays.values()) > 0)
    panel = Panel(ax, log, log, SQUARE)
    for which in "xy":
        panel.show(which, lower, upper, found)
    panel.close()
    ends = panel.ax.get_xlim()
    panel.ax.plot(ends, ends, **GUIDE, zorder=1)
    inside = (lower <= found) & (found <= upper)
    bars: dict[str, Any] = {"fmt": "none", "ecolor": FORECAST, "elinewidth": 1.0, "alpha": 0.6, "zorder": 2}
    panel.ax.errorbar(guess, found, xerr=np.abs([guess - lower, upper - guess]), **bars)
    kinds = (inside, "D", HELD_OUT, "inside"), (~inside, "X", LAW, "outside")
    for chosen, marker, colour, word in kinds:
        if chosen.any():
            look: dict[str, Any] = {"color": colour, "zorder": 3, **EDGE}
            text = f"{word} the interval ({chosen.sum()})"
            panel.ax.plot(guess[chosen], found[chosen], marker, label=text, **look)
    panel.ax.set(xlim=ends, ylim=ends)
    return panel.finish("predicted", "measured", f"{len(found)} held-out runs", loc="best")


def draw_law(
    law: Any,
    held_out: Curve | None = None,
    *,
    axes: Sequence[Axes] | None = None,
    level: float = 0.9,
    frontier: Any = None,
    best: Any = None,
) -> Axes:
    """A law of several inputs: contours with its runs, and held-out runs against predictions.

    A law of other than two inputs has no contours; without held-out runs its residuals are drawn.

    Args:
        law: a fit, or a forecast.
        held_out: runs that it has not seen.
        axes: one Axes a panel, of which the first are drawn where they are fewer; a new figure if not given.
        level: of the intervals of held-out runs.
        frontier: the compute-optimal line, if it is to be drawn.
        best: the best inputs for some budgets, if they are to be marked.
    """
    names, kinds = law.curve.input_names, ["contours"] if law.curve.inputs == 2 else []
    kinds += ["held-out"] if held_out is not None else []
    kinds = kinds or ["residuals"] * len(names)
    if axes is None:
        axes = new_axes(len(kinds), (SIZE[0] + PANEL * (len(kinds) - 1), SIZE[1]))
    # The figure goes beyond the runs on purpose.
    with quietly():
        if kinds[0] == "contours":
            runs, y = runs_frame(law), law.curve.y_label
            plot_contours(law.predict, runs, names, frontier, best=best, y=y, ax=axes[0])
        elif kinds[0] == "residuals":
            off = np.log(law.curve.y / law.predict(law.curve.x))
            plot_input_residuals(off, runs_frame(law), names[: len(axes)], axes=axes)
        if held_out is not None and len(axes) >= len(kinds):
            low, high = law.interval(held_out.x, level)
            plot_held_out(law.predict(held_out.x), low, high, held_out.y, ax=axes[len(kinds) - 1])
    return axes[0]


def words(name: str) -> str:
    """The name of a column for an axis."""
    return WORDS.get(name, name.replace("_", " "))


def _draw_surface(ax: Axes, predict: Callable[[Any], ArrayLike], names: list[str], runs: Any, y: str) -> None:
    """Contours over the view, and the runs (inputs and what was measured) in the same colours."""
    first, second, measured = runs
    mesh = np.meshgrid(*(np.geomspace(*limits, MESH) for limits in (ax.get_xlim(), ax.get_ylim())))
    flat = {name: values.ravel() for name, values in zip(names, mesh, strict=True)}
    surface = np.asarray(predict(flat), float).reshape(mesh[0].shape)
    drawn = np.concatenate([measured, surface.ravel()])
    low, high = np.quantile(drawn[np.isfinite(drawn)], [0.0, 1.0]).tolist()
    levels = np.geomspace(low, high, LEVELS) if low > 0 else np.linspace(low, high, LEVELS)
    shades: dict[str, Any] = {"cmap": "viridis_r", "vmin": levels[0], "vmax": levels[-1]}
    filled = ax.contourf(*mesh, surface, levels, **shades)
    ax.contour(*mesh, surface, levels, colors="white", linewidths=0.4, alpha=0.6)
    ax.scatter(first, second, c=measured, s=26, edgecolors="white", linewidths=0.7, zorder=3, **shades)
    bar = ax.figure.colorbar(filled, ax=ax, label=words(y), ticks=levels[::2], format="%.3g", pad=0.02)
    bar.outline.set_visible(False)


def _mark_best(ax: Axes, best: Any, names: list[str]) -> None:
    """Diamonds at the best inputs, with their intervals where the table has these."""
    across, along = columns_of(best, names, ())
    ends: dict[str, Any] = {
        f"{axis}err": [best[name] - best[f"{name}_low"], best[f"{name}_high"] - best[name]]
        for axis, name in zip("xy", names, strict=True)
        if f"{name}_low" in best
    }
    look: dict[str, Any] = {"color": "black", "markerfacecolor": LAW, "markeredgecolor": "white", "zorder": 5}
    ax.errorbar(across, along, fmt="D", label="best for a budget", **ends, **look)
