"""Mixtures of normals: the distribution of log y at every x, its quantiles and proper scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, ndtr

AT_ONCE = 64  # points predicted together, which bounds the memory
ITERATIONS = 100  # of the root search at most; some ten are usual
CLOSE = 1e-9  # step, in standard deviations, after which Newton's next one is below rounding
LIGHT = 1e-6  # of the weight that scores leave out

QUARTILES = (0.25, 0.75)


class Mixture(NamedTuple):
    """Predictive distribution of log y at M points: normal components of T laws."""

    weight: np.ndarray  # (T,), adding up to 1
    mean: np.ndarray  # (T, M)
    sd: np.ndarray  # (T, M)


def chunks(values: np.ndarray) -> list[np.ndarray]:
    """`values` (M,) in pieces of AT_ONCE."""
    return [values[i : i + AT_ONCE] for i in range(0, max(len(values), 1), AT_ONCE)]


def cdf(mixture: Mixture, log_y: np.ndarray) -> np.ndarray:
    """Probability (M,) of a smaller measurement than log y (M,)."""
    return np.asarray(mixture.weight @ ndtr((log_y - mixture.mean) / mixture.sd))


def centre(mixture: Mixture) -> np.ndarray:
    """Mean (M,) of log y, or where it lies outside of them the nearer quartile."""
    mean = mixture.weight @ mixture.mean
    share = cdf(mixture, mean)
    for p, outside in zip(QUARTILES, (share < QUARTILES[0], share > QUARTILES[1]), strict=True):
        if outside.any():
            mean[outside] = quantile(Mixture(mixture.weight, *(v[:, outside] for v in mixture[1:])), p)
    return np.asarray(mean)


def quantile(mixture: Mixture, p: float) -> np.ndarray:
    """log y (M,) below which a measurement falls with probability p.

    Newton's method on the distribution function, inside a bracket that is halved wherever a step leaves it or
    falls behind (Press et al., Numerical Recipes, section 9.4).
    """
    heavy = mixture.weight > 1e-6 * min(p, 1.0 - p) / len(mixture.weight)
    mean, sd = mixture.mean[heavy], mixture.sd[heavy]
    weight = mixture.weight[heavy] / mixture.weight[heavy].sum()
    low, high = (mean - 12.0 * sd).min(axis=0), (mean + 12.0 * sd).max(axis=0)
    tolerance = CLOSE * sd.min(axis=0)
    place, step = 0.5 * (low + high), high - low
    for _ in range(ITERATIONS):
        z = (place - mean) / sd
        excess = weight @ ndtr(z) - p
        density = weight @ (np.exp(-0.5 * z * z) / sd) / np.sqrt(2.0 * np.pi)
        low, high = np.where(excess < 0, place, low), np.where(excess < 0, high, place)
        newton = place - excess / np.where(density > 0, density, 1.0)
        good = (density > 0) & (newton >= low) & (newton <= high) & (np.abs(newton - place) < 0.5 * np.abs(step))
        new = np.where(good, newton, 0.5 * (low + high))
        place, step = new, new - place
        if (np.abs(step) <= tolerance).all():
            break
    return np.asarray(place)


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
    heavy = heavy[: int(np.searchsorted(np.cumsum(weight[heavy]), 1.0 - LIGHT)) + 1]
    weight, mean, sd = weight[heavy] / weight[heavy].sum(), mean[heavy], sd[heavy]
    first = weight @ _absolute(measured - mean, sd)
    second = np.zeros(mean.shape[1])
    for w, m, s in zip(weight, mean, sd, strict=True):  # T rows at a time: T^2 M numbers may be many
        second += w * (weight @ _absolute(m - mean, np.hypot(s, sd)))
    return np.asarray(first - 0.5 * second)


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
