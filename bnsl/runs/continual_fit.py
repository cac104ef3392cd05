"""The law of continual pre-training, and `continual`, which fits it to runs that go on from another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.display import FitWarning
from bnsl.runs.continual import ContinualResult
from bnsl.runs.fitted import fit_law, points_of
from bnsl.runs.history import History
from bnsl.runs.laws import Exponent, Law, annealing_sum
from bnsl.runs.notes import undetermined
from bnsl.runs.run import NEW, OLD, Run, check_runs, measured_share


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


def continual(pretraining: Run | Iterable[Run], runs: Iterable[Run]) -> ContinualResult:
    """Fit the law of continual pre-training to a pre-training run and runs that continued from it.

    The law is that of Wang et al. (arXiv 2505.07796, eq. 4): a power of the sum of all rates, annealing on
    both sides of the change of data, and a shift; replay enters through the logarithm of each data's share.

    Args:
        pretraining: the run that the others began with, measured on old data.
        runs: `bnsl.Run`s with that parent, `measured_on` "old" or "new" and their `replay`; some of each,
            with two shares of replay or more.

    Raises:
        InputError: (a ValueError) runs without the parent, without one of the losses, or too few points.
    """
    before = [run for run in check_runs(pretraining, "pretraining") if run.measured_on in ("", OLD)]
    if not before:
        raise InputError("pretraining has no run that is measured on 'old' data")
    first = before[0]
    found = check_runs(runs)
    for i, run in enumerate(found):
        _check_child(run, first, f"runs[{i}]" + (f" ({run.name})" if run.name else ""))
    unit = max(first.schedule.peak, max(run.schedule.peak for run in found))
    fits, notes = {}, []
    for side in (OLD, NEW):
        some = [run for run in found if run.measured_on == side]
        if not some:
            raise InputError(f"runs: no run is measured on {side!r} data")
        parts = [points_of(run, unit, measured_share(run.replay, side)) for run in some]
        parts = [points_of(first, unit), *parts] if side == OLD else parts
        fits[side] = fit_law(SIDES[side], parts)
        if len({run.replay for run in some}) < 2:
            text = "have a single replay share, so the effect of another is assumed"
            notes.append(FitWarning("one_replay", f"the curves of {side} data {text}"))
        if names := undetermined(fits[side]):
            text = f"these runs do not determine {', '.join(names)} of {side} data"
            notes.append(FitWarning("undetermined", text))
    return ContinualResult(first, tuple(found), fits[OLD], fits[NEW], tuple(notes))


def _check_child(run: Run, pretraining: Run, name: str) -> None:
    """Raise InputError for a run that began otherwise, or whose loss is of other data."""
    if run.parent is None:
        raise InputError(f"{name} has no parent; give Run(..., parent=pretraining)")
    if run.parent.end != pretraining.end:
        ends = f"its parent ends at step {run.parent.end}, the pre-training at {pretraining.end}"
        raise InputError(f"{name}: {ends}")
    if run.measured_on not in SIDES:
        raise InputError(f"{name}: measured_on = {run.measured_on!r} must be 'old' or 'new'")
