"""One run: its schedule and what was measured along it, perhaps after a parent run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import (
    InputError,
    as_array,
    as_number,
    check_same_length,
    check_text,
    reject,
    shown,
    told,
)
from bnsl.schedules.schedule import Schedule

OLD, NEW = "old", "new"
TEXTS = ("trained_on", "measured_on", "name", "model")  # the last fields of a run


@dataclass(frozen=True, eq=False)
class Run:
    """The losses of one run under one schedule.

    Attributes:
        schedule: the schedule of this run; of a run with a parent, from where the parent ends.
        step: the measured steps, ascending whole numbers within the schedule. With a parent they count from
            its end; steps that count on from the parent's are understood, and shifted.
        loss: the loss at each of them, above 0.
        parent: the run whose last weights this one began with, if any.
        replay: the share of every batch that is the parent's data, from 0 to 1.
        trained_on: what the rest of the batch is, such as "new".
        measured_on: what the loss is measured on, such as "old" or "new".
        name: what messages call it.
        model: what was trained; runs of two models are not fitted together.
    """

    schedule: Schedule
    step: np.ndarray = field(repr=False)
    loss: np.ndarray = field(repr=False)
    parent: Run | None = None
    replay: float = 0.0
    trained_on: str = ""
    measured_on: str = ""
    name: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            given = told("schedule", self.schedule)
            raise InputError(f"{self._who}{given} is not a schedule of bnsl.schedules")
        for text in TEXTS:
            check_text(getattr(self, text), text)
        step, loss = as_array(self.step, f"{self._who}step"), as_array(self.loss, f"{self._who}loss")
        check_same_length(step, loss, (f"{self._who}step", f"{self._who}loss"))
        reject(step, step < 0, f"{self._who}step", "is negative; steps count from 0")
        reject(step, step != np.round(step), f"{self._who}step", "is not a whole number")
        falls = np.append(False, np.diff(step) <= 0)
        reject(step, falls, f"{self._who}step", "does not ascend; sort the rows and drop doubles")
        reject(loss, loss <= 0, f"{self._who}loss", "is not positive")
        share = check_replay(self.replay, f"{self._who}replay")
        if self.parent is not None and not isinstance(self.parent, Run):
            raise InputError(f"{self._who}{told('parent', self.parent)} is not a Run")
        step = self._own_steps(step)
        for name, value in (("step", step.astype(int)), ("loss", loss)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "replay", share)
        if self.schedule.peak <= 0:
            raise InputError(f"{self._who}schedule has a peak of 0; a run needs a rate above 0")

    @property
    def _who(self) -> str:
        """The run, where it has a name, before the name of an argument."""
        return f"run {self.name!r}: " if self.name else ""

    def _own_steps(self, step: np.ndarray) -> np.ndarray:
        """The steps as counted from the end of the parent."""
        last = self.schedule.steps
        if step[-1] <= last:
            return step
        if self.parent is None:
            raise InputError(
                f"{self._who}step[{len(step) - 1}] = {step[-1]:g} lies beyond the schedule, which ends at "
                f"step {last}; make the schedule longer"
            )
        end = self.parent.end
        if step[0] < end or step[-1] - end > last:
            raise InputError(
                f"{self._who}parent ends at step {end}, but the steps of its child go from {step[0]:g} to "
                f"{step[-1]:g} with a schedule of {last}; count them from 0 or from the parent's end"
            )
        return step - end

    @property
    def whole(self) -> Schedule:
        """The schedule of the whole history, those of all parents included."""
        return self.schedule if self.parent is None else self.parent.whole.then(self.schedule)

    @property
    def begins(self) -> int:
        """The step of the whole history at which this run begins."""
        return 0 if self.parent is None else self.parent.end

    @property
    def end(self) -> int:
        """The step of the whole history at which its schedule ends."""
        return self.begins + self.schedule.steps

    @property
    def final(self) -> float:
        """The final loss: the mean of the last five points."""
        return float(self.loss[-5:].mean())


def check_runs(runs: Any, argument: str = "runs") -> list[Run]:
    """Runs as a list; one alone will do."""
    if not isinstance(runs, Run) and not hasattr(runs, "__iter__"):
        raise InputError(f"{told(argument, runs)} must be a list of bnsl.Run")
    found = [runs] if isinstance(runs, Run) else list(runs)
    if not found:
        raise InputError(f"{argument} is empty; give at least one bnsl.Run")
    for i, run in enumerate(found):
        if not isinstance(run, Run):
            raise InputError(f"{argument}[{i}] = {shown(run)} is not a bnsl.Run")
    return found


def check_replay(value: Any, argument: str = "replay") -> float:
    """A share of every batch, 0 and 1 included."""
    share = as_number(value, argument)
    if not 0 <= share <= 1:
        raise InputError(f"{argument} = {share:g} lies outside [0, 1]; it is a share of every batch")
    return share


def measured_share(replay: float, side: str) -> float:
    """The share of every batch that is the data on which the loss is measured."""
    return replay if side == OLD else 1.0 - replay


def own_steps(schedule: Any, step: ArrayLike | None) -> tuple[np.ndarray, tuple[int, ...]]:
    """The steps of a schedule that are asked for, or the last, flat and rounded; the shape of the answer."""
    if not isinstance(schedule, Schedule):
        raise InputError(f"{told('schedule', schedule)} is not a schedule of bnsl.schedules")
    flat, shape = schedule.checked(schedule.steps if step is None else step)
    if not flat.size:
        raise InputError("step is empty; ask for one step or more")
    return np.round(flat).astype(int), shape


def shaped(values: np.ndarray, shape: tuple[int, ...]) -> Any:
    """Flat values in the shape of what was asked for; a float for a single number."""
    return float(values[0]) if shape == () else values.reshape(shape)
