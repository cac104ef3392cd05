"""`fit_runs`: from runs with their schedules to a law of the loss under any schedule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from bnsl._base.checks import InputError, check_choice
from bnsl.fitting.result import Status
from bnsl.runs.fitted import LawFit, fit_law, points_of, without_leading
from bnsl.runs.laws import AVERAGED, LAWS
from bnsl.runs.notes import notes, undetermined
from bnsl.runs.result import RunsResult
from bnsl.runs.run import Run, check_runs

FEWEST = 6  # A fit needs at least this many points, of all runs together.
WORSE = 3.0  # Laws whose error is more than this multiple of the smallest are left out of the average.


def fit_runs(runs: Run | Iterable[Run], law: str | None = None) -> RunsResult:
    """Fit the loss of runs under known learning-rate schedules, and predict it under others.

    Each law is L0 + A S1^-alpha, S1 the sum of all rates so far, and a sum over what the rate did:
    "annealing" (Tissue et al., arXiv 2408.11029), "multi_power" (Luo et al., 2503.12811, gamma = beta),
    "multi_power_free" (the same with both), "functional" (2509.19189). The default is the mean of annealing,
    multi_power and functional: a few runs do not determine their exponents, and the mean predicts better than
    any of them. No initial guess is needed: given the exponents the laws are linear.

    Points before the end of the first warm-up are left out, and those shortly after it that no law fits. The
    loss of relative errors is Huber's with a scale of 0.001, as in the papers.

    Args:
        runs: `bnsl.Run`s of one model and similar peak rates, preferably under two schedules or more.
        law: a law by its name, or None for the average.

    Raises:
        InputError: (a ValueError) no runs, an unknown law, or too few points.
    """
    found = check_runs(runs)
    if law is not None:
        check_choice(law, "law", ["average", *LAWS])
    chosen = [LAWS[name] for name in ([law] if law in LAWS else AVERAGED)]
    unit = max(run.whole.peak for run in found)
    parts = measured = [points_of(run, unit) for run in found]
    count = sum(len(part.step) for part in parts)
    if count < FEWEST:
        raise InputError(f"runs have {count} points after their warm-ups; a fit needs at least {FEWEST}")
    fits: list[LawFit] = []
    dropped = 0
    for one in chosen:
        fit = fit_law(one, parts)
        if not fits:
            parts, dropped = without_leading(parts, fit)
            fit = fit_law(one, parts) if dropped else fit
        fits.append(fit)
    reach = min(float(part.history.total[0]) for part in measured)
    fits, weights = _averaged([replace(fit, reach=reach) for fit in fits])
    names = tuple(dict.fromkeys(name for fit in fits for name in undetermined(fit, found)))
    return RunsResult(
        runs=tuple(found),
        fits=tuple(fits),
        weights=weights,
        status=Status.UNDERDETERMINED if names else Status.CONVERGED,
        warnings=tuple(notes(found, fits, dropped)),
        undetermined=names,
    )


def _averaged(fits: list[LawFit]) -> tuple[list[LawFit], tuple[float, ...]]:
    """The laws that fit about as well as the best, with equal weights."""
    best = min(fit.rms for fit in fits)
    kept = [fit for fit in fits if fit.rms <= WORSE * best]
    return kept, tuple(np.full(len(kept), 1.0 / len(kept)).tolist())
