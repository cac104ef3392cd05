"""Breaks that least squares puts outside the data, where the evidence sees them inside.

Along a valley of the cost a break may run far before the first or beyond the last point, where it is no
break of these points. Where their number was chosen because breaks among the points are likely, the law
that is reported has them there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from bnsl._base.display import FitWarning
from bnsl.curves.curve import Curve
from bnsl.evidence.breaks import Weighed
from bnsl.fitting.result import FitResult
from bnsl.forms.broken import BNSL

DEARER = 3.0  # times the rmsle of least squares, at most, that breaks inside may cost

Refit = Callable[[BNSL, np.ndarray, Mapping[str, float]], FitResult]


def kept_inside(best: FitResult, weighed: Weighed, refit: Refit) -> FitResult:
    """The law of least squares with its breaks among the points, and a warning; `best` where they are.

    `refit` fits a form next to laws (K, p), in the units of the curve, with parameters held.
    """
    if not outside(best.curve, places_of(best)).any():
        return best
    up = best.form.mirrored() is None
    for rising in (up, not up):  # laws of the same orientation first
        form = BNSL(best.n_breaks, rising)
        likely = weighed.likely(form)
        if likely is None:
            continue
        places = np.exp(likely[0, 4::3])
        if outside(best.curve, places).any():
            continue
        left = outside(best.curve, places_of(best)) if rising == up else np.ones(len(places), bool)
        held = {f"d{i + 1}": float(places[i]) for i in np.flatnonzero(left)}
        law = refit(form, likely, held)
        if law.rmsle <= DEARER * best.rmsle and not outside(law.curve, places_of(law)).any():
            return replace(law, warnings=(_note(law, best, held), *law.warnings))
    return best


def places_of(result: FitResult) -> np.ndarray:
    """Positions of the breaks (n,)."""
    return np.array([result.params[f"d{i + 1}"] for i in range(result.n_breaks)])


def outside(curve: Curve, places: np.ndarray) -> np.ndarray:
    """Which places (n,) lie before the first or beyond the last point."""
    return (places < curve.x.min()) | (places > curve.x.max())


def _note(law: FitResult, best: FitResult, held: Mapping[str, float]) -> FitWarning:
    places = places_of(best)
    lost = places[outside(best.curve, places)]
    far, at = (" and ".join(f"{place:.4g}" for place in some) for some in (lost, held.values()))
    text = (
        f"least squares puts a break at {far}, outside the data, but the evidence is for one inside: "
        f"it is fixed at {at}, its most likely position (rmsle {law.rmsle:.3g} instead of {best.rmsle:.3g})"
    )
    return FitWarning("break_kept_inside", text)
