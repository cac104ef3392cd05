"""The law of continual pre-training: annealing on both sides, and a shift of the distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from bnsl.runs.fitted import Points, points_of
from bnsl.runs.history import History, history
from bnsl.runs.laws import Exponent, Law, annealing_sum
from bnsl.runs.run import NEW, OLD, Run
from bnsl.schedules.schedule import Schedule


@dataclass(frozen=True)
class Continued(History):
    """A history with a point at which other data begin.

    Attributes:
        begins: the step at which they do.
        share: of every batch from there on, that is the data on which the loss is measured.
        total_before: S1 at that step.
    """

    begins: int = 0
    share: float = 1.0
    total_before: float = 0.0

    @cached_property
    def since(self) -> np.ndarray:
        """S1 since other data began (N,)."""
        return np.maximum(self.total - self.total_before, 0.0)

    def side(self, after: bool) -> History:
        """The same with the falls of the rate on one side of that step alone."""
        inside = (self.last >= self.begins) == after
        plain = {field.name: getattr(self, field.name) for field in fields(History)}
        return replace(History(**plain), fall=np.where(inside, self.fall, 0.0))

    @cached_property
    def sides(self) -> tuple[History, History]:
        """Before and after."""
        return self.side(False), self.side(True)


def continued(schedule: Schedule, step: np.ndarray, unit: float, begins: int, share: float) -> Continued:
    """A history whose data change at a step."""
    plain = history(schedule, step, unit)
    known = {field.name: getattr(plain, field.name) for field in fields(History)}
    before = float(np.sum(schedule.rates()[: begins + 1])) / unit if begins else 0.0
    return Continued(**known, begins=begins, share=share, total_before=before)


@dataclass(frozen=True)
class ContinuedPoints(Points):
    """The points of a run whose data change where it begins."""

    begins: int = 0
    share: float = 1.0

    @cached_property
    def history(self) -> Continued:
        """The sums up to each step."""
        return continued(self.schedule, self.step, self.unit, self.begins, self.share)


def points_on(run: Run, unit: float, side: str) -> ContinuedPoints:
    """The points of a run measured on old or new data."""
    found = points_of(run, unit)
    first = run.parent is None
    share = measured_share(run.replay, side)
    return ContinuedPoints(
        found.schedule,
        found.step,
        found.loss,
        unit,
        run.end + 1 if first else run.begins,
        1.0 if first else share,
    )


def measured_share(replay: float, side: str) -> float:
    """The share of every batch that is the data on which the loss is measured."""
    return replay if side == OLD else 1.0 - replay


def unseen(share: float, offset: float) -> float:
    """How little of its data a batch holds, on a log scale: 1 for none, 0 for nothing else."""
    return float(np.log((share + offset) / (1.0 + offset)) / np.log(offset / (1.0 + offset)))


def _shift(found: Continued, speed: float, beta: float) -> np.ndarray:
    """1 - (1 + E S1)^-b, S1 since other data began."""
    return 1.0 - (1.0 + speed * found.since) ** -beta


def _old_sums(found: Continued, given: Sequence[float]) -> np.ndarray:
    memory, speed, beta, offset = given
    before, after = found.sides
    sums = [-annealing_sum(before, memory), -annealing_sum(after, memory)]
    return np.stack([*sums, unseen(found.share, offset) * _shift(found, speed, beta)], axis=1)


def _new_sums(found: Continued, given: Sequence[float]) -> np.ndarray:
    memory, speed, beta, offset = given
    seen = 1.0 - unseen(found.share, offset)
    return np.stack([-annealing_sum(found.sides[1], memory), -seen * _shift(found, speed, beta)], axis=1)


_EXPONENTS = (
    Exponent("alpha", 0.05, 2.0, 4),
    Exponent("memory", 4.0, 3e4, 4),
    Exponent("E", 1e-3, 30.0, 5),
    Exponent("b", 0.03, 3.0, 3),
    Exponent("eps", 1e-4, 0.3, 4),
)
_FORMULA = "L0 + A S1^-alpha - C1 S2 before - C2 S2 after +- B u(share) (1 - (1 + E S1 after)^-b)"
_SOURCE = "arXiv 2505.07796, eq. 4; replay by the log of the share"
SIDES = {
    OLD: Law(OLD, ("L0", "A", "C1", "C2", "B"), _EXPONENTS, _old_sums, _FORMULA, _SOURCE),  # type: ignore[arg-type]
    NEW: Law(NEW, ("L0", "A", "C2", "B"), _EXPONENTS, _new_sums, _FORMULA, _SOURCE),  # type: ignore[arg-type]
}
