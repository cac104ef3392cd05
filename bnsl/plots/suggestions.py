"""Figures of further runs: how well the target would be known after each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnsl._base.checks import check_made_by
from bnsl.planning.suggested import RunSuggestion, Suggestion
from bnsl.plots._drawing import COLOURS, EDGE, FORECAST, GUIDE, HELD_OUT, LAW, Panel
from bnsl.plots._ticks import number_text
from bnsl.plots.surfaces import words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_suggestion(suggestion: Suggestion | RunSuggestion, *, ax: Axes | None = None) -> Axes:
    """Uncertainty of the prediction after each candidate run; the chosen runs are numbered.

    With two inputs, these span the axes and the colours show the uncertainty; with more, x is the cost.

    Raises InputError for what is no suggestion.
    """
    check_made_by(suggestion, (Suggestion, RunSuggestion), "suggestion", "bnsl.suggest")
    if isinstance(suggestion, RunSuggestion):
        if len(suggestion.inputs) == 2:
            return _draw_map(suggestion, ax)
        column, what, target = "cost", "cost", "the target"
    else:
        column, what = "x", suggestion.x_label
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
    panel.label(
        f"{what} of the further run",
        f"uncertainty of log {suggestion.y_label}\nat {target}",
        "uncertainty after one further run (one standard deviation)",
    )
    panel.legend(loc="best")
    return panel.ax


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
    panel.label(words(first), words(second), f"uncertainty after one further run: {ends}")
    panel.legend(loc="best")
    return ax


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
