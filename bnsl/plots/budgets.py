"""Figures of what to do next: isoFLOP curves with their minima, allocations, further runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, check_made_by, check_name, check_names, described
from bnsl._base.lazy import Axes, pd
from bnsl._base.palette import ramp
from bnsl.curves.data import is_table
from bnsl.planning.isoflop import INSIDE, IsoflopFit
from bnsl.planning.optimum import columns_of
from bnsl.planning.suggested import RunSuggestion, Suggestion
from bnsl.plots._drawing import COLOURS, DASHES, EDGE, FORECAST, GUIDE, HELD_OUT, LAW, MARKERS, WIDE, Panel
from bnsl.plots._ticks import number_text
from bnsl.plots.surfaces import words

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
    text = f"best {x_text} {law}" if known else f"best {x_text} for each budget"
    budget = words(result.budget).replace(" (", "\n(")
    return panel.finish(x_text, words(result.y), text, outside=True, title=budget)


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
    text = "compute-optimal allocation"
    return panel.finish(words(x), ", ".join(map(words, names)), text, loc="upper left")


def _with_ends(table: Any, x: str, name: str) -> list[np.ndarray]:
    """Compute, an input and the ends of its interval, if there are any, by rising compute."""
    if not is_table(table):
        raise InputError(f"table must be a table, such as bnsl.allocate returns; got {described(table)}")
    ends = (f"{name}_low", f"{name}_high")
    columns = columns_of(table, (x, name, *(ends if all(end in table for end in ends) else ())), ())
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]


def plot_suggestion(suggestion: Suggestion | RunSuggestion, *, ax: Axes | None = None) -> Axes:
    """Uncertainty of the prediction after each candidate run; the chosen runs are numbered.

    With two inputs, these span the axes and the colours show the uncertainty; with more, x is the cost.

    Raises InputError for what is no suggestion.
    """
    check_made_by(suggestion, (Suggestion, RunSuggestion), "suggestion", "bnsl.suggest")
    if isinstance(suggestion, RunSuggestion):
        if len(suggestion.inputs) == 2:
            return _draw_map(suggestion, ax)
        column, what, target, of = "cost", "cost", "the target", "log y"
    else:
        column, what, of = "x", suggestion.x_label, suggestion.of
        target = f"{what} = {', '.join(map(number_text, suggestion.target.tolist()))}"
    table = suggestion.table.sort_values(column)
    x, after = table[column], table["sd_with"]
    panel = Panel(ax, True, True)
    panel.ax.axhline(suggestion.sd_before, **GUIDE | {"linewidth": 1.0}, label="now")
    look: dict[str, Any] = {"color": COLOURS[0], "linewidth": 1.2, "markersize": 4.8}
    panel.ax.plot(x, after, "o-", label="after this run alone", **look)
    if _number_chosen(panel.ax, table, column, "sd_with", fontsize="small", markersize=8.0):
        panel.ax.axhline(suggestion.sd_after, color=HELD_OUT, linewidth=1.4, label="after all chosen runs")
    panel.view(x, after, suggestion.sd_before, suggestion.sd_after)
    panel.close()
    return panel.finish(
        f"{what} of the further run",
        f"uncertainty of {of.removesuffix('y')}{suggestion.y_label}\nat {target}",
        "uncertainty after one further run (one standard deviation)",
        loc="best",
    )


def _draw_map(suggestion: RunSuggestion, ax: Axes | None) -> Axes:
    """Candidates of two inputs, coloured by how well the target would be known after each alone.

    Runs so far are grey, the target is a star, and the chosen runs have a ring and their number.
    """
    table, (first, second) = suggestion.table, suggestion.inputs
    panel = Panel(ax, True, True)
    for part in (table, suggestion.runs, suggestion.target):
        panel.view(part[first], part[second])
    panel.close()
    ax = panel.ax
    ax.plot(suggestion.runs[first], suggestion.runs[second], ".", color="0.6", zorder=2, label="runs so far")
    star: dict[str, Any] = {"color": FORECAST, "markersize": 12, "zorder": 3, **EDGE}
    ax.plot(suggestion.target[first], suggestion.target[second], "*", label="target", **star)
    shades: dict[str, Any] = {
        "cmap": "viridis_r",
        "vmin": table["sd_with"].min(),
        "vmax": suggestion.sd_before,
    }
    drawn = ax.scatter(table[first], table[second], c=table["sd_with"], s=46, zorder=4, **shades)
    ring: dict[str, Any] = {
        "markerfacecolor": "none",
        "markersize": 11.0,
        "markeredgewidth": 1.6,
        "zorder": 5,
    }
    _number_chosen(ax, table, first, second, **ring)
    said = f"uncertainty of log {words(suggestion.y_label)}\nat the target, after this run"
    bar = ax.figure.colorbar(drawn, ax=ax, label=said, format="%.2g", pad=0.02)
    bar.outline.set_visible(False)
    ends = f"{suggestion.sd_before:.2g} now, {suggestion.sd_after:.2g} with all chosen runs"
    text = f"uncertainty after one further run: {ends}"
    return panel.finish(words(first), words(second), text, loc="best")


def _number_chosen(
    ax: Axes, table: pd.DataFrame, x: str, y: str, fontsize: str = "medium", **look: Any
) -> bool:
    """Mark the chosen runs and number them in their order; False if there are none."""
    picked = table[table["chosen"] > 0]
    if picked.empty:
        return False
    ring: dict[str, Any] = {"color": LAW, "zorder": 3, "label": "chosen, in this order"} | look
    ax.plot(picked[x], picked[y], "o", **ring)
    above: dict[str, Any] = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center"}
    for across, along, number in picked[[x, y, "chosen"]].itertuples(index=False):
        ax.annotate(f"{number:.0f}", (across, along), fontsize=fontsize, **above)
    return True
