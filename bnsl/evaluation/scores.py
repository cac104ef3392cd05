"""How good are intervals? Coverage and proper scores of predictive distributions.

A predictive distribution of log y is a mixture of normals, or a sample. Lower CRPS and interval score and
higher log density are better; an honest distribution has the best expected score of all (Gneiting and
Raftery, 2007, J. Am. Stat. Assoc. 102, 359).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp, ndtr

from bnsl._base.checks import InputError, check_share

NEGLIGIBLE = 1e-6  # of the weight


def coverage(low: ArrayLike, high: ArrayLike, measured: ArrayLike) -> float:
    """Share of measured values inside their intervals, ends included; NaN of none."""
    a, b, y = _three(low, high, measured)
    return float(np.mean((a <= y) & (y <= b))) if y.size else float("nan")


def interval_score(low: ArrayLike, high: ArrayLike, measured: ArrayLike, level: float) -> np.ndarray:
    """Winkler's score of each interval: width + (2 / (1 - level)) times what a value is outside by.

    Args:
        low: lower ends of the intervals, of any shape; infinite ends score infinity.
        high: upper ends, of the same shape.
        measured: values, of the same shape.
        level: probability that the intervals claim, between 0 and 1.

    Returns:
        Scores in the units of the values, lower is better (Gneiting and Raftery, 2007, equation 43).
    """
    share = check_share(level, "level")
    a, b, y = _three(low, high, measured)
    outside = np.maximum(a - y, 0.0) + np.maximum(y - b, 0.0)
    return np.asarray(b - a + 2.0 / (1.0 - share) * outside)


def crps_of_mixture(weight: np.ndarray, mean: np.ndarray, sd: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """CRPS (M,) of mixtures of T normals at M points, in closed form.

    E|X - y| - E|X - X'| / 2, with E|N(m, s^2)| = 2 s phi(m / s) + m (2 Phi(m / s) - 1) (Grimit et al., 2006,
    Q. J. R. Meteorol. Soc. 132, 2925). The lightest components, of 1e-6 of the weight together, are left out:
    the time goes with the square of their number.

    Args:
        weight: (T,), adding up to 1.
        mean: (T, M).
        sd: (T, M).
        measured: (M,).
    """
    heavy = np.argsort(weight)[::-1]
    heavy = heavy[: int(np.searchsorted(np.cumsum(weight[heavy]), 1.0 - NEGLIGIBLE)) + 1]
    weight, mean, sd = weight[heavy] / weight[heavy].sum(), mean[heavy], sd[heavy]
    first = np.einsum("t,tm->m", weight, _absolute(measured - mean, sd))
    second = np.zeros(mean.shape[1])
    for w, m, s in zip(weight, mean, sd, strict=True):  # T rows at a time: T^2 M numbers may be many
        second += w * np.einsum("t,tm->m", weight, _absolute(m - mean, np.hypot(s, sd)))
    return np.asarray(first - 0.5 * second)


def crps_of_sample(sample: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """CRPS (M,) of samples (S, M), exactly that of their empirical distributions."""
    ordered = np.sort(sample, axis=0)
    count = len(ordered)
    rank = 2.0 * np.arange(1, count + 1)[:, None] - count - 1.0
    spread = 2.0 * np.sum(rank * ordered, axis=0) / count**2  # E|X - X'|
    return np.asarray(np.mean(np.abs(ordered - measured), axis=0) - 0.5 * spread)


def log_density_of_mixture(
    weight: np.ndarray, mean: np.ndarray, sd: np.ndarray, measured: np.ndarray
) -> np.ndarray:
    """Log density (M,) of mixtures of normals: weight (T,), mean and sd (T, M), measured (M,)."""
    normal = -0.5 * ((measured - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2.0 * np.pi)
    with np.errstate(divide="ignore"):
        return np.asarray(logsumexp(normal + np.log(weight)[:, None], axis=0))


def _absolute(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """E|X| of normals, also of sd 0."""
    z = mean / np.where(sd > 0, sd, 1.0)
    normal = 2.0 * sd * np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi) + mean * (2.0 * ndtr(z) - 1.0)
    return np.asarray(np.where(sd > 0, normal, np.abs(mean)))


def _three(low: ArrayLike, high: ArrayLike, measured: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b, y = (np.asarray(v, float) for v in (low, high, measured))
    if not a.shape == b.shape == y.shape:
        raise InputError(
            f"low, high and measured have shapes {a.shape}, {b.shape}, {y.shape}; give one shape"
        )
    return a, b, y
