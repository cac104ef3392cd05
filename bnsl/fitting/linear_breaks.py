"""The number of breaks where y has no logarithm: least squares on y, chosen by a corrected BIC.

Evidence is that of log y. Without it there are fits with ever more breaks, and Schwarz's criterion (1978,
Ann. Statist. 6, 461) with the small-sample term of Hurvich and Tsai (1989, Biometrika 76, 297). Neighbouring
residuals that are alike count as fewer points, n (1 - r) / (1 + r) of lag-one correlation r (Bartlett, 1935).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnsl._base.arrays import log_softmax
from bnsl.curves.curve import WIDEST, Curve
from bnsl.evidence.breaks import Candidate
from bnsl.fitting.result import FitResult
from bnsl.solver.losses import transform

MOST = 2  # breaks that are weighed
ALIKE = 0.95  # the correlation of neighbouring residuals that is believed, at most
EXACT = 1e-12  # of the largest y: what a law leaves is rounding


def weighable(curve: Curve) -> bool:
    """Whether evidence, which is that of log y, can weigh numbers of breaks."""
    return bool(curve.y.min() > 0 and np.log10(curve.y.max()) - np.log10(curve.y.min()) <= WIDEST)


def measure_of(results: Sequence[FitResult]) -> float:
    """The largest residual of fits of one curve, whose square no y overflows, or rounding where that is more.

    It is in units of sigma, or of the space of the loss where none was given.
    """
    first = results[0]
    size = np.abs(transform(first.loss, first.curve.y, 1.0) / first.sigma_of_residuals)
    left = [np.max(np.abs(result.residuals / result.sigma_of_residuals), initial=0.0) for result in results]
    return max(EXACT * float(np.max(size)), *map(float, left)) or 1.0


def weighed_by_bic(
    results: Sequence[FitResult], costs: Sequence[float], measure: float
) -> tuple[Candidate, ...]:
    """Fits with ever more breaks as candidates of log evidence -BIC / 2; costs in squares of `measure`."""
    count = len(results[0].curve)
    points = count * _independent(results[-1].residuals / results[-1].sigma_of_residuals / measure)
    size = transform(results[0].loss, results[0].curve.y, 1.0) / results[0].sigma_of_residuals / measure
    floor = max(float(np.sum((EXACT * size) ** 2)), np.finfo(float).tiny)
    k = np.array([result.n_params + 1.0 for result in results])
    bic = points * np.log(np.maximum(costs, floor) / count) + k * np.log(count)
    value = -0.5 * (bic + 2.0 * k * (k + 1.0) / np.maximum(count - k - 1.0, 0.5))
    share = np.exp(log_softmax(value))
    return tuple(Candidate(r.n_breaks, *map(float, v)) for r, *v in zip(results, value, share, strict=True))


def _independent(residual: np.ndarray) -> float:
    """The share of points that count as independent."""
    off = residual - np.mean(residual)
    square = float(np.sum(off**2))
    alike = float(np.sum(off[1:] * off[:-1])) / square if square > 0 else 0.0
    alike = min(max(alike, 0.0), ALIKE)
    return (1.0 - alike) / (1.0 + alike)
