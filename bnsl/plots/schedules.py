"""Figures of learning-rate schedules."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

from bnsl.plots._drawing import COLOURS, DASHES, GUIDE, WIDE, Panel
from bnsl.plots.places import steps
from bnsl.schedules.schedule import Schedule, check_schedules

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLES = 2000  # steps at which a long schedule is drawn, besides those where it turns


def plot_schedule(
    schedules: Schedule | Mapping[str, Schedule], *, ax: Axes | None = None, phases: bool | None = None
) -> Axes:
    """The learning rate against the step.

    Args:
        schedules: one schedule, or several by name.
        ax: the Axes to draw into; a new figure if not given.
        phases: name the phases above the axes; if not given, where there is one schedule.

    Returns:
        The Axes.

    Raises:
        InputError: (a ValueError) something else than schedules.
    """
    named = check_schedules(schedules, least=1)
    panel = Panel(ax, size=WIDE)
    dashes = ["-"] if len(named) == 1 else cycle(DASHES)
    for (name, one), colour, dash in zip(named.items(), cycle(COLOURS), dashes):
        step = steps(one, one.steps, min(SAMPLES, one.steps) + 1)
        panel.ax.plot(step, one.at(step), linewidth=1.6, label=name, color=colour, linestyle=dash)
    longest = max(one.steps for one in named.values())
    panel.ax.set_xlim(-0.02 * longest, 1.02 * longest)
    panel.ax.set_ylim(0.0, 1.08 * max(one.peak for one in named.values()))
    panel.ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    panel.label("step", "learning rate", "")
    if len(named) > 1:
        panel.legend(outside=True)
    elif phases is not False:
        _name_phases(panel, next(iter(named.values())))
    return panel.ax


def _name_phases(panel: Panel, schedule: Schedule) -> None:
    """Lines where phases meet, and their names above those that are wide enough."""
    starts = schedule.starts
    for start in starts[1:]:
        panel.ax.axvline(start, **GUIDE, zorder=0.5)
    wide = [k for k, phase in enumerate(schedule.phases) if phase.steps > 0.08 * schedule.steps]
    middles = [float(starts[k]) + 0.5 * schedule.phases[k].steps for k in wide]
    panel.names_above(middles, [schedule.phases[k].name for k in wide], fontsize="small")
