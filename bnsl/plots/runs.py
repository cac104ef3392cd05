"""Figures of runs under schedules, and of continual pre-training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import check_made_by, check_mapping
from bnsl.plots._drawing import COLOURS, DASHES, FITTED, MARKERS, WIDE, add_legend, axes_or_new
from bnsl.runs.continual import ContinualResult
from bnsl.runs.result import RunsResult
from bnsl.schedules.schedule import Schedule

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLES = 300  # steps at which a law is drawn


def plot_runs(
    result: RunsResult,
    schedules: Mapping[str, Schedule] | None = None,
    *,
    ax: Axes | None = None,
    level: float = 0.9,
) -> Axes:
    """Draw fitted runs in grey, their law, and predictions for other schedules with intervals.

    Args:
        result: what `bnsl.fit_runs` returned.
        schedules: other schedules by name.
        ax: the Axes to draw into; a new figure if not given.
        level: probability of the intervals, between 0 and 1.
    """
    check_made_by(result, RunsResult, "result", "bnsl.fit_runs")
    schedules = check_mapping(schedules, "schedules", "from names to schedules")
    ax = axes_or_new(ax, WIDE)
    for i, run in enumerate(result.runs):
        style: dict[str, Any] = {"color": FITTED, "alpha": 0.35, "markersize": 2.2, "markeredgewidth": 0.0}
        ax.plot(
            run.step + run.begins,
            run.loss,
            MARKERS[i % len(MARKERS)],
            label="fitted runs" if i == 0 else None,
            **style,
        )
        step = _steps(run.whole, run.begins + int(run.step[-1]))
        label = f"{result.law.replace('_', ' ')}, fitted" if i == 0 else None
        ax.plot(step, result.predict(run.whole, step), color="0.25", linewidth=1.0, label=label)
    losses = np.concatenate([run.loss[len(run.loss) // 8 :] for run in result.runs])
    lowest = losses.min()
    for i, (name, schedule) in enumerate(schedules.items()):
        step = _steps(schedule, schedule.steps)
        colour = COLOURS[i % len(COLOURS)]
        low, high = result.interval(schedule, step, level)
        lowest = min(lowest, low[-1])
        ax.fill_between(step, low, high, color=colour, alpha=0.18, linewidth=0)
        ax.plot(
            step, result.predict(schedule, step), color=colour, linestyle=DASHES[i % len(DASHES)], label=name
        )
    room = losses.max() - lowest
    ax.set_ylim(lowest - 0.06 * room, losses.max() + 0.06 * room)
    ax.set_xlabel("step")
    ax.set_ylabel("loss")
    add_legend(ax, loc="upper right")
    return ax


def plot_front(result: ContinualResult, *, ax: Axes | None = None, **options: Any) -> Axes:
    """The final loss of old data against that of new data, over shares of replay and peak rates.

    Args:
        result: what `bnsl.continual` returned.
        ax: the Axes to draw into; a new figure if not given.
        options: of `ContinualResult.front`.
    """
    check_made_by(result, ContinualResult, "result", "bnsl.continual")
    table = result.front(**options)
    ax = axes_or_new(ax, WIDE)
    for i, (peak, rows) in enumerate(table.groupby("peak")):
        style: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "markersize": 4.0,
        }
        ax.plot(rows["new"], rows["old"], linewidth=1.2, label=f"peak {peak:g}", **style)
        if i == 0:
            for row in list(rows.itertuples())[::2]:
                ax.annotate(
                    f"{row.replay:.3g}", (row.new, row.old), (4, 4), textcoords="offset points", fontsize=7
                )
    ax.axhline(result.pretraining.final, color="0.45", linestyle=(0, (4, 3)), linewidth=0.9, label="before")
    ax.set_xlabel("final loss on new data")
    ax.set_ylabel("final loss on old data")
    add_legend(ax, outside=True, title="replay beside the points")
    return ax


def _steps(schedule: Schedule, last: int) -> np.ndarray:
    """Steps at which a law is drawn, from the end of the first rise on."""
    first = max(int(np.argmax(schedule.rates())), last // 100, 1)
    corners = schedule.corners
    places = (
        np.concatenate([np.linspace(min(first, last), last, SAMPLES), corners, corners - 1])
        .round()
        .astype(int)
    )
    return np.unique(places[(places >= min(first, last)) & (places <= last)])
