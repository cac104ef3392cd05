"""The laws of several inputs that a forecast averages, and the error of each on more expensive runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnsl.curves.curve import Curve
from bnsl.evidence.points import MEDIAN
from bnsl.fitting.fit import fit
from bnsl.fitting.result import FitResult
from bnsl.forecasting.nearby import carried
from bnsl.forms.form import Form
from bnsl.forms.hyperbreaks import HyperBNSL
from bnsl.forms.registry import get_form

OF_TWO = ("chinchilla_tied", "chinchilla", "skaling", "interaction", "bilinear")
CUTS = (0.6, 0.8)  # shares of the runs, the cheapest first, from which the others are predicted
OUTLYING, OFF_BY = 10.0, 0.2  # standard deviations, and log y, from which on a run is an outlier;
FEWEST, MOST = 8, 0.05  # of so many runs, and at most this share of them
ROUNDING = 1e-9  # by which products of the same compute may differ
Candidate = tuple[str, Form, dict[str, float]]  # label, form and held parameters


def laws_of(curve: Curve) -> list[Candidate]:
    """Label, form and held parameters of every law that is averaged."""
    names = curve.input_names
    out: list[Candidate] = []
    if len(names) == 2:
        out = [(name, get_form(name), {}) for name in OF_TWO]
    for breaks in (0, 1) if len(names) == 2 else (0, 1, 2):
        form = HyperBNSL(names, breaks)
        out.append((form.label, form, {}))
    # A break along one input alone; of parameters and tokens, along tokens.
    for i, name in enumerate(names):
        if len(names) == 2 and i == 0:
            continue
        others = {f"w1_{other}": 0.0 for other in names[:i] + names[i + 1 :]}
        out.append((f"bnsl, a break in {name}", HyperBNSL(names, 1), others))
    return out


def enough(form: Form, held: dict[str, float], curve: Curve) -> bool:
    """Whether there are more runs than parameters to fit, with two to spare."""
    return len(curve) >= len(form.names) - len(held) + 2


def needed(curve: Curve) -> int:
    """How many runs the simplest law takes."""
    return min(len(form.names) - len(held) for _, form, held in laws_of(curve)) + 2


def outliers(curve: Curve) -> np.ndarray:
    """Which runs (N,) lie far off what all others say by the stiffest law; none if these are many.

    Rich laws follow a run that went wrong at the edge of the data wherever it leads.
    """
    _, form, held = laws_of(curve)[0]
    none = np.zeros(len(curve), bool)
    if len(curve) < FEWEST or np.abs(fit(curve, form=form, fixed=held).residuals).max() < OFF_BY:
        return none
    off = np.abs(fit(curve, form=form, fixed=held, robust="huber").residuals)
    out = off > max(OUTLYING * np.median(off) / MEDIAN, OFF_BY)
    return out if out.sum() <= max(1, MOST * len(curve)) else none


def cheaper(curve: Curve) -> list[np.ndarray]:
    """Which runs (N,) are the cheaper ones from which the others are predicted, for every cut."""
    effort = curve.effort
    parts = [effort <= np.quantile(effort, share) * (1.0 + ROUNDING) for share in CUTS]
    return [part for part in parts if not part.all()]


def backtest(curve: Curve, laws: Sequence[tuple[str, Form, dict[str, float], FitResult]]) -> np.ndarray:
    """Root mean square log errors on more expensive runs, one row per cut; NaN if there are too few."""
    parts = cheaper(curve)
    errors = np.full((max(len(parts), 1), len(laws)), np.nan)
    for cut, cheap in enumerate(parts):
        part = curve.take(cheap)
        if len(np.unique(part.x, axis=0)) < 3:
            continue
        tested = [i for i, (_, form, held, _) in enumerate(laws) if enough(form, held, part)]
        again = [fit(part, form=laws[i][1], fixed=laws[i][2]) for i in tested]
        if not again:
            continue
        residuals = np.log(part.y) - np.array([log_y_of(law, part.x) for law in again])
        ahead, dearer = np.log(curve.x[~cheap]), curve.x[~cheap]
        for i, law, off in zip(tested, again, carried(np.log(part.x), residuals), strict=True):
            error = log_y_of(law, dearer) + off.at(ahead) - np.log(curve.y[~cheap])
            errors[cut, i] = np.sqrt(np.mean(error**2))
    return np.where(np.isfinite(errors), np.maximum(errors, 1e-12), np.nan)


def log_y_of(result: FitResult, points: np.ndarray) -> np.ndarray:
    """log y (M,) of a law at points (M, k)."""
    with np.errstate(all="ignore"):
        return np.asarray(result.form.log_y(result.theta, result.form.seen(points)))


def filled(errors: np.ndarray, scatter: np.ndarray) -> np.ndarray:
    """Errors (L,) in the back-test; a law not tested at every cut has twice the worst, or its scatter."""
    known = np.isfinite(errors)
    if known.any():
        return np.maximum(np.where(known, errors, 2.0 * np.max(errors[known])), 1e-12)
    return np.maximum(np.nan_to_num(scatter, nan=1.0), 1e-12)
