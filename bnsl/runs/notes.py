"""Warnings of fitted runs: what is not determined, what does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bnsl._base.display import FitWarning, counted
from bnsl.runs.fitted import LawFit
from bnsl.runs.run import Run

UNKNOWN = 0.7  # An exponent whose logarithm has a larger standard deviation than this is called undetermined.
POOR = 0.01  # A fit with a larger relative error than this is called a misfit.
NEAR = 0.03  # Schedules whose rates differ by less than this share are one, as no law can tell them apart.


def undetermined(fit: LawFit, runs: Sequence[Run] = ()) -> tuple[str, ...]:
    """The parameters of a law that the runs do not determine.

    An exponent is one of them where its error is as large as itself, where it lies at the end of what is
    looked at, or where the amount that it belongs to is 0. Where two of three exponents of a sum are not
    determined, the third means nothing without them. Under one schedule alone the errors of the law itself,
    which are larger than the noise, decide what the rate does: then none of these exponents is determined.
    """
    law = fit.law
    names = [one.name for one in law.exponents]
    idle = fit.amounts[2:].max(initial=0.0) == 0.0
    open_ = [bool(fit.spread[i] > UNKNOWN or fit.at_bound[i] or (i and idle)) for i in range(len(names))]
    if any(open_[1:]) or (runs and _one_shape(runs)):
        open_[1:] = [True] * (len(names) - 1)
    found = [law.shown.get(name, (name,)) for name, is_open in zip(names, open_, strict=True) if is_open]
    amounts = [law.amounts[i] for i in range(2, len(law.amounts)) if open_[1:] and all(open_[1:]) and idle]
    return (*amounts, *(name for several in found for name in several))


def notes(runs: Sequence[Run], fits: Sequence[LawFit], dropped: int) -> Iterator[FitWarning]:
    """Every warning of a fit."""
    for fit in fits:
        if names := undetermined(fit, runs):
            text = f"these runs do not determine {', '.join(names)} of {fit.law.name}"
            yield FitWarning("undetermined", text)
    worst = min(fit.rms for fit in fits)
    if worst > POOR:
        text = f"the relative error of the fitted points is {100 * worst:.2g} %: no law fits all runs"
        yield FitWarning("misfit", text)
    models = sorted({run.model for run in runs if run.model})
    if len(models) > 1:
        said = f"the runs are of several models ({', '.join(models)})"
        yield FitWarning("several_models", f"{said}; a law holds for one model: fit each separately")
    peaks = [run.whole.peak for run in runs]
    if max(peaks) >= 1.5 * min(peaks):
        text = f"the runs have peak rates from {min(peaks):g} to {max(peaks):g}; these laws hold for one peak"
        yield FitWarning("several_peaks", text)
    if _one_shape(runs):
        text = "all runs have the same schedule, so the effect of another is assumed; add a run with another"
        yield FitWarning("one_schedule", text)
    if dropped:
        left_out = counted(dropped, "point")
        text = f"left out {left_out} at the beginning of the runs, where the laws do not hold yet"
        yield FitWarning("early_points", text)
    few = min(len(run.step) for run in runs)
    if few < 8:
        yield FitWarning("few_points", f"a run has only {few} points")


def _one_shape(runs: Sequence[Run]) -> bool:
    """Whether all schedules agree, as far as they reach."""
    rates = [run.whole.rates() for run in runs]
    longest = max(rates, key=len)
    return all(np.allclose(one, longest[: len(one)], rtol=NEAR, atol=0.01 * longest.max()) for one in rates)
