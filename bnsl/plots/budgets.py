"""Figures of what to do with a budget: isoFLOP curves with their minima, allocations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError, check_made_by, check_name, check_names, described
from bnsl._base.palette import ramp
from bnsl.curves.data import is_table
from bnsl.planning.isoflop import INSIDE, IsoflopCurve, IsoflopFit
from bnsl.planning.optimum import columns_of
from bnsl.planning.run_suggestion import RunSuggestion
from bnsl.plots._drawing import (
    COLOURS,
    DASHES,
    FORECAST,
    LAW,
    MARKERS,
    SIZE,
    WIDE,
    Frame,
    add_legend,
    axes_or_new,
    number_text,
)
from bnsl.plots.surfaces import EDGE, label, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 12  # budgets that are drawn as points, too


def plot_isoflop(result: IsoflopFit, *, ax: Axes | None = None) -> Axes:
    """Loss against size at every budget, with the parabolas about the minima.

    Red diamonds are minima inside their data; the dashed line joins those of the power law.

    Args:
        result: what `bnsl.isoflop_fit` returned.
        ax: the Axes to draw into; a new figure if not given.

    Raises:
        InputError: what is no isoFLOP fit.
    """
    check_made_by(result, IsoflopFit, "result", "bnsl.isoflop_fit")
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
    label(ax, result.x, result.y, f"best {words(result.x)} $\\propto$ compute$^{{{result.exponent:.3g}}}$")
    add_legend(ax, outside=True, title=words(result.budget).replace(" (", "\n("))
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
    names, x = check_names(inputs, "inputs"), check_name(x, "x")
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
        ax.plot(compute, best, f"-{marker}", label=words(name), **style, **EDGE)
    frame.close()
    label(ax, x, ", ".join(map(words, names)), "compute-optimal allocation")
    add_legend(ax, loc="upper left")
    return ax


def draw_run_map(suggestion: RunSuggestion, ax: Axes | None) -> Axes:
    """Candidates of two inputs, coloured by how well the target would be known after each alone.

    Runs so far are grey, the target is a star, and the chosen runs have a ring and their number.
    """
    table, (first, second) = suggestion.table, suggestion.inputs
    ax = axes_or_new(ax, SIZE)
    frame = Frame(ax, True, True)
    for part in (table, suggestion.runs, suggestion.target):
        frame.show_x(*part[first])
        frame.show_y(part[second].to_numpy())
    frame.close()
    ax.plot(suggestion.runs[first], suggestion.runs[second], ".", color="0.6", zorder=2, label="runs so far")
    star: dict[str, Any] = {"color": FORECAST, "markersize": 12, "zorder": 3, **EDGE}
    ax.plot(suggestion.target[first], suggestion.target[second], "*", label="target", **star)
    shades = {"cmap": "viridis_r", "vmin": table["sd_with"].min(), "vmax": suggestion.sd_before}
    drawn = ax.scatter(table[first], table[second], c=table["sd_with"], s=46, zorder=4, **shades)
    picked = table[table["chosen"] > 0]
    if len(picked):
        ring: dict[str, Any] = {"color": LAW, "markersize": 11.0, "markeredgewidth": 1.6, "zorder": 5}
        name = "chosen, in this order"
        ax.plot(picked[first], picked[second], "o", markerfacecolor="none", label=name, **ring)
        for x, y, number in picked[[first, second, "chosen"]].itertuples(index=False):
            ax.annotate(f"{number:.0f}", (x, y), xytext=(0, 9), textcoords="offset points", ha="center")
    said = f"uncertainty of log {words(suggestion.y_label)}\nat the target, after this run"
    bar = ax.figure.colorbar(drawn, ax=ax, label=said, format="%.2g", pad=0.02)
    bar.outline.set_visible(False)
    ends = f"{suggestion.sd_before:.2g} now, {suggestion.sd_after:.2g} with all chosen runs"
    label(ax, first, second, f"uncertainty after one further run: {ends}")
    add_legend(ax, loc="best")
    return ax


def _drawn(curve: IsoflopCurve) -> np.ndarray:
    """Where a parabola's line is drawn: over the runs that it was fitted to."""
    taken = curve.x[curve.weights > 0]
    return np.geomspace(taken.min(), taken.max(), 120)


def _with_ends(
    table: Any, x: str, name: str
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
    """Compute, an input and the ends of its interval, by rising compute."""
    if not is_table(table):
        raise InputError(f"table must be a table, such as bnsl.allocate returns; got {described(table)}")
    has_ends = all(f"{name}_{end}" in table for end in ("low", "high"))
    wanted = (x, name, f"{name}_low", f"{name}_high") if has_ends else (x, name)
    columns = columns_of(table, wanted, ())
    order = np.argsort(columns[0], kind="stable")
    compute, best, *ends = (column[order] for column in columns)
    return compute, best, (ends[0], ends[1]) if ends else None
