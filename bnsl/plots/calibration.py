"""The figure of calibration: how often intervals contain later points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.palette import styles
from bnsl.evaluation.calibration import coverage
from bnsl.forms.registry import capitals
from bnsl.plots._drawing import EDGE, GUIDE, SQUARE, Panel, levels_of, look_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def plot_calibration(cases: Any, *, levels: Sequence[float] = LEVELS, ax: Axes | None = None) -> Axes:
    """The share of later points inside the intervals, against the level of the intervals.

    Exact intervals lie on the diagonal; below it, intervals are too narrow. Since errors on one curve are
    correlated, every curve or cut counts once; bars are one standard error over them.

    Args:
        cases: what `bnsl.backtest` or `bnsl.extrapolate` returns, a pair of a law and the Curve of later
            points, or a list of these. A mapping from names to such cases draws a line for each.
        levels: of the intervals, between 0 and 1.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes; both axes are linear, from 0 to 100 per cent.

    Raises:
        InputError: (a ValueError) no such cases, laws without intervals, or a bad level.
    """
    named: dict[str, Any] = (
        {str(name): case for name, case in cases.items()} if isinstance(cases, Mapping) else {"": cases}
    )
    asked = sorted(levels_of(levels, least=1))
    if not named or not asked:
        raise InputError("cases and levels must not be empty")
    shares = {name: coverage(case, asked) for name, case in named.items()}

    panel = Panel(ax, size=SQUARE)
    panel.ax.plot([0, 100], [0, 100], **GUIDE, label="ideal", zorder=1)
    looks = styles(named if "" not in named else ["forecast"])
    count = max(len(rows) for rows in shares.values())
    for name, rows in shares.items():
        style = looks[name or "forecast"]
        at, inside = 100 * np.array(asked), 100 * rows.mean(axis=0)
        if len(rows) > 1:
            error = 100 * rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
            bars: dict[str, Any] = {"fmt": "none", "elinewidth": 0.8, "capsize": 1.8, "zorder": 2}
            panel.ax.errorbar(at, inside, yerr=error, ecolor=style.colour["light"], **bars)
        look = look_of(style) | {"marker": style.marker.matplotlib, "markersize": 4.8, **EDGE}
        text = capitals(name) or "these intervals"
        panel.ax.plot(at, inside, linewidth=1.4, zorder=3, label=text, **look)
    panel.ax.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    title = f"calibration over {count} case{'' if count == 1 else 's'}"
    panel.label("level of the interval (%)", "later points inside (%)", title)
    panel.legend(loc="upper left")
    return panel.ax
