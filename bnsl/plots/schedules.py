"""Figures of learning-rate schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError, described
from bnsl.plots._drawing import COLOURS, DASHES, WIDE, add_legend, axes_or_new
from bnsl.schedules.schedule import Schedule

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
    named = schedules if isinstance(schedules, Mapping) else {"": schedules}
    for name, one in named.items():
        if not isinstance(one, Schedule):
            raise InputError(
                f"schedules[{name!r}] must be a schedule of bnsl.schedules; got {described(one)}"
            )
    ax = axes_or_new(ax, WIDE)
    for i, (name, one) in enumerate(named.items()):
        step = drawn_steps(one)
        style: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": "-" if len(named) == 1 else DASHES[i % len(DASHES)],
        }
        ax.plot(step, one.at(step), linewidth=1.6, label=name, **style)
    longest = max(one.steps for one in named.values())
    ax.set_xlim(-0.02 * longest, 1.02 * longest)
    ax.set_ylim(0.0, 1.08 * max(one.peak for one in named.values()))
    ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    ax.set_xlabel("step")
    ax.set_ylabel("learning rate")
    if len(named) > 1:
        add_legend(ax, outside=True)
    elif phases is not False:
        _name_phases(ax, next(iter(named.values())))
    return ax


def drawn_steps(schedule: Schedule) -> np.ndarray:
    """Steps that show every turn of a schedule."""
    corners = schedule.corners
    even = np.linspace(0, schedule.steps, min(SAMPLES, schedule.steps) + 1).round()
    places = np.concatenate([even, corners, corners - 1]).astype(int)
    return np.unique(places[places >= 0])


def _name_phases(ax: Axes, schedule: Schedule) -> None:
    """Lines where phases meet, and their names above those that are wide enough."""
    starts = schedule.starts
    for start in starts[1:]:
        ax.axvline(start, color="0.45", linestyle=(0, (4, 3)), linewidth=0.9, zorder=0.5)
    wide = [k for k, phase in enumerate(schedule.phases) if phase.steps > 0.08 * schedule.steps]
    middles = [float(starts[k]) + 0.5 * schedule.phases[k].steps for k in wide]
    top = ax.secondary_xaxis("top")
    top.set_xticks(middles, labels=[schedule.phases[k].name for k in wide], fontsize="small")
    top.tick_params(length=0.0, pad=1.5, labelcolor="0.25")
    top.spines["top"].set_visible(False)
