"""The law of continual pre-training: annealing on both sides, and a shift of the distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnsl.runs.fitted import Points, points_of
from bnsl.runs.history import History
from bnsl.runs.laws import Exponent, Law, annealing_sum
from bnsl.runs.run import NEW, OLD, Run


def points_on(run: Run, unit: float, side: str) -> Points:
    """The points of a run measured on old or new data."""
    return points_of(run, unit, 1.0 if run.parent is None else measured_share(run.replay, side))


def measured_share(replay: float, side: str) -> float:
    """The share of every batch that is the data on which the loss is measured."""
    return replay if side == OLD else 1.0 - replay


def unseen(share: float, offset: float) -> float:
    """How little of its data a batch holds, on a log scale: 1 for none, 0 for nothing else."""
    return float(np.log((share + offset) / (1.0 + offset)) / np.log(offset / (1.0 + offset)))


def _shift(found: History, speed: float, beta: float) -> np.ndarray:
    """1 - (1 + E S1)^-b, S1 since other data began."""
    return 1.0 - (1.0 + speed * found.since) ** -beta


def _old_sums(found: History, given: Sequence[float]) -> np.ndarray:
    memory, speed, beta, offset = given
    before, after = found.sides
    sums = [-annealing_sum(before, memory), -annealing_sum(after, memory)]
    return np.stack([*sums, unseen(found.share, offset) * _shift(found, speed, beta)], axis=1)


def _new_sums(found: History, given: Sequence[float]) -> np.ndarray:
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
    OLD: Law(OLD, ("L0", "A", "C1", "C2", "B"), _EXPONENTS, _old_sums, _FORMULA, _SOURCE),
    NEW: Law(NEW, ("L0", "A", "C2", "B"), _EXPONENTS, _new_sums, _FORMULA, _SOURCE),
}
