"""Figures of what to do with a budget: isoFLOP curves with their minima, allocations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError, check_made_by, check_name, check_names, described
from bnsl._base.palette import ramp
from bnsl.curves.data import is_table
from bnsl.planning.isoflop import INSIDE, IsoflopFit
from bnsl.planning.optimum import columns_of
from bnsl.plots._drawing import COLOURS, DASHES, EDGE, FORECAST, LAW, MARKERS, WIDE, Panel
from bnsl.plots._ticks import number_text
from bnsl.plots.surfaces import words

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
    curves = result.curves
    panel = Panel(ax, True, all((curve.y > 0).all() for curve in curves), WIDE)
    for number, curve in enumerate(curves):
        colour = ramp(number, len(curves))["light"]
        taken = curve.x[curve.weights > 0]
        x = np.geomspace(taken.min(), taken.max(), 120)
        panel.view(curve.x, curve.y)
        panel.ax.plot(x, curve.predict(x), color=colour, linewidth=1.3, zorder=2)
        panel.ax.plot(curve.x, curve.y, "o", color=colour, markersize=4.6, zorder=3, **EDGE)
        panel.ax.plot([], [], "o-", color=colour, markersize=4.6, label=number_text(curve.budget))
    inside = [curve for curve in curves if curve.status == INSIDE]
    if inside:
        lowest = [curve.lowest for curve in inside]
        look: dict[str, Any] = {"color": LAW, "linestyle": DASHES[0], "linewidth": 1.1, "zorder": 2.5}
        panel.ax.plot(result.predict([curve.budget for curve in inside]), lowest, **look)
        dots: dict[str, Any] = {"color": LAW, "markersize": 5.6, "zorder": 4, **EDGE}
        panel.ax.plot([curve.minimum for curve in inside], lowest, "D", label="minimum", **dots)
    panel.close()
    x_text = words(result.x)
    law = f"$\\propto$ compute$^{{{result.exponent:.3g}}}$"
    known = np.isfinite(result.exponent)  # not with fewer than two minima
    panel.label(
        x_text, words(result.y), f"best {x_text} {law}" if known else f"best {x_text} for each budget"
    )
    panel.legend(outside=True, title=words(result.budget).replace(" (", "\n("))
    return panel.ax


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
    names, x = check_names(inputs, "inputs", least=1), check_name(x, "x")
    columns = {name: _with_ends(table, x, name) for name in names}
    panel = Panel(ax, True, True)
    for number, (name, (compute, best, *ends)) in enumerate(columns.items()):
        look: dict[str, Any] = {"color": (FORECAST, LAW, *COLOURS)[number]}
        panel.view(compute, best, *ends)
        if ends:
            panel.ax.fill_between(compute, ends[0], ends[1], **look, alpha=0.18, linewidth=0, zorder=1.5)
        marker = MARKERS[number] if len(compute) <= FEW else ""
        look |= {"linewidth": 1.5, "markersize": 4.6, "zorder": 3, **EDGE}
        panel.ax.plot(compute, best, f"-{marker}", label=words(name), **look)
    panel.close()
    panel.label(words(x), ", ".join(map(words, names)), "compute-optimal allocation")
    panel.legend(loc="upper left")
    return panel.ax


def _with_ends(table: Any, x: str, name: str) -> list[np.ndarray]:
    """Compute, an input and the ends of its interval, if there are any, by rising compute."""
    if not is_table(table):
        raise InputError(f"table must be a table, such as bnsl.allocate returns; got {described(table)}")
    ends = (f"{name}_low", f"{name}_high")
    columns = columns_of(table, (x, name, *(ends if all(end in table for end in ends) else ())), ())
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]
