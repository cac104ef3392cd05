"""`continual`: from a pre-training and runs that went on from it to a law of both losses."""

from __future__ import annotations

from collections.abc import Iterable

from bnsl._base.checks import InputError
from bnsl._base.display import FitWarning
from bnsl.runs.continual import ContinualResult
from bnsl.runs.fitted import fit_law
from bnsl.runs.notes import undetermined
from bnsl.runs.run import NEW, OLD, Run, check_runs
from bnsl.runs.shift import SIDES, points_on


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
        parts = [points_on(run, unit, side) for run in ([first, *some] if side == OLD else some)]
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
