"""Figures of learning-rate schedules, of runs under them, and of continual pre-training."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np

from bnsl._base.checks import check_made_by
from bnsl._base.lazy import Axes
from bnsl.plots._drawing import COLOURS, DASHES, FITTED, GUIDE, MARKERS, WIDE, Panel
from bnsl.plots.places import risen, steps
from bnsl.runs.continual import ContinualResult
from bnsl.runs.result import RunsResult
from bnsl.schedules.schedule import Schedule, check_schedules

RATES = 2000  # steps at which a long schedule is drawn, besides those where it turns
SAMPLES = 300  # steps at which a law is drawn


def plot_schedule(
    schedules: Schedule | Mapping[str, Schedule], *, ax: Axes | None = None, phases: bool | None = None
) -> Axes:
    """The learning rate against the step.

    Args:
        schedules: one schedule, or several by name.
        ax: the Axes to draw into; a new figure if not given.
        phases: name the phases above the axes; if not given, where there is one schedule.

    Raises:
        InputError: (a ValueError) something else than schedules.
    """
    named = check_schedules(schedules, least=1)
    panel = Panel(ax, size=WIDE)
    dashes = ["-"] if len(named) == 1 else cycle(DASHES)
    for (name, one), colour, dash in zip(named.items(), cycle(COLOURS), dashes):
        step = steps(one, one.steps, min(RATES, one.steps) + 1)
        panel.ax.plot(step, one.at(step), linewidth=1.6, label=name, color=colour, linestyle=dash)
    longest = max(one.steps for one in named.values())
    panel.ax.set_xlim(-0.02 * longest, 1.02 * longest)
    panel.ax.set_ylim(0.0, 1.08 * max(one.peak for one in named.values()))
    panel.ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    if len(named) > 1:
        return panel.finish("step", "learning rate", "", outside=True)
    if phases is not False:
        _name_phases(panel, next(iter(named.values())))
    return panel.label("step", "learning rate", "")


def _name_phases(panel: Panel, schedule: Schedule) -> None:
    """Lines where phases meet, and their names above those that are wide enough."""
    starts = schedule.starts
    for start in starts[1:]:
        panel.ax.axvline(start, **GUIDE, zorder=0.5)
    wide = [k for k, phase in enumerate(schedule.phases) if phase.steps > 0.08 * schedule.steps]
    middles = [float(starts[k]) + 0.5 * schedule.phases[k].steps for k in wide]
    panel.names_above(middles, [schedule.phases[k].name for k in wide], fontsize="small")


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
    schedules = check_schedules(schedules)
    panel = Panel(ax, size=WIDE)
    look: dict[str, Any] = {"color": FITTED, "alpha": 0.35, "markersize": 2.2, "markeredgewidth": 0.0}
    labels: list[str | None] = [
        "fitted runs",
        f"{result.law.replace('_', ' ')}, fitted",
    ]  # once, beside the first run
    for run, marker in zip(result.runs, cycle(MARKERS)):
        panel.ax.plot(run.step + run.begins, run.loss, marker, label=labels[0], **look)
        step = risen(run.whole, run.begins + int(run.step[-1]), SAMPLES)
        law = result.predict(run.whole, step)
        panel.ax.plot(step, law, color="0.25", linewidth=1.0, label=labels[1])
        labels = [None, None]
    losses = np.concatenate([run.loss[len(run.loss) // 8 :] for run in result.runs])
    lowest = losses.min()
    for (name, schedule), colour, dash in zip(schedules.items(), cycle(COLOURS), cycle(DASHES)):
        step = risen(schedule, schedule.steps, SAMPLES)
        low, high = result.interval(schedule, step, level)
        lowest = min(lowest, low[-1])
        panel.ax.fill_between(step, low, high, color=colour, alpha=0.18, linewidth=0)
        panel.ax.plot(step, result.predict(schedule, step), color=colour, linestyle=dash, label=name)
    room = 0.06 * (losses.max() - lowest)
    panel.ax.set_ylim(lowest - room, losses.max() + room)
    return panel.finish("step", "loss", "", loc="upper right")


def plot_front(result: ContinualResult, *, ax: Axes | None = None, **options: Any) -> Axes:
    """The final loss of old data against that of new data, over shares of replay and peak rates.

    Args:
        result: what `bnsl.continual` returned.
        ax: the Axes to draw into; a new figure if not given.
        options: of `ContinualResult.front`.
    """
    check_made_by(result, ContinualResult, "result", "bnsl.continual")
    table = result.front(**options)
    panel = Panel(ax, size=WIDE)
    for (peak, rows), colour, marker in zip(table.groupby("peak"), cycle(COLOURS), cycle(MARKERS)):
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.0}
        panel.ax.plot(rows["new"], rows["old"], linewidth=1.2, label=f"peak {peak:g}", **look)
    beside: dict[str, Any] = {"xytext": (4, 4), "textcoords": "offset points", "fontsize": 7}
    for row in table[table["peak"] == table["peak"].min()].iloc[::2].itertuples():
        panel.ax.annotate(f"{row.replay:.3g}", (row.new, row.old), **beside)
    panel.ax.axhline(result.pretraining.final, **GUIDE, label="before")
    texts = "final loss on new data", "final loss on old data", ""
    return panel.finish(*texts, outside=True, title="replay beside the points")
