"""Mixtures of normals: the distribution of log y at every x, its quantiles and its density."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import logsumexp
from bnsl._base.normal import ndtr

AT_ONCE = 128  # points predicted together, which bounds the memory
TOGETHER = 16  # points up to which both ends of intervals are sought at once: NumPy's calls cost more then
ITERATIONS = 100  # of the root search at most; some ten are usual
CLOSE = 1e-9  # step, in standard deviations, after which Newton's next one is below rounding
NEAR = 1e-2  # step, in standard deviations, after which all laws are taken
MAIN, MANY = 0.02, 200  # weight, by the tail, of the laws that lead there; with fewer laws it does not pay

QUARTILES = (0.25, 0.75)


class Mixture(NamedTuple):
    """Predictive distribution of log y at M points: normal components of T laws."""

    weight: np.ndarray  # (T,), adding up to 1; or (T, M) where some are no laws at some points
    mean: np.ndarray  # (T, M)
    sd: np.ndarray  # (T, M)
    central: np.ndarray | None = None  # (T,) those whose mean is predicted, if not all


def chunks(values: np.ndarray) -> list[np.ndarray]:
    """`values` (M,) in pieces of AT_ONCE."""
    return [values[i : i + AT_ONCE] for i in range(0, max(len(values), 1), AT_ONCE)]


@np.errstate(all="ignore")
def cdf(mixture: Mixture, log_y: np.ndarray) -> np.ndarray:
    """Probability (M,) of a smaller measurement than log y (M,)."""
    return _averaged(mixture.weight, ndtr((log_y - mixture.mean) / mixture.sd))


@np.errstate(all="ignore")
def centre(mixture: Mixture) -> np.ndarray:
    """Mean (M,) of log y of the central laws, or where it lies outside of them the nearer quartile of all."""
    weight, each = mixture.weight, mixture.mean
    if mixture.central is not None:
        weight, each = weight[mixture.central], each[mixture.central]
    mean = _averaged(weight / weight.sum(axis=0), each)
    low, high = QUARTILES
    # A few laws tell of most places that they are inside, whatever the others say.
    main = _largest(mixture.weight) > MAIN**2
    share = cdf(Mixture(*(part[main] for part in mixture[:3])), mean)
    unclear = (share <= low) | (share + 1.0 - mixture.weight[main].sum(axis=0) >= high)
    if unclear.any():
        share[unclear] = cdf(_at(mixture, unclear), mean[unclear])
        for p, outside in zip(QUARTILES, (share < low, unclear & (share > high)), strict=True):
            if outside.any():
                mean[outside] = quantile(_at(mixture, outside), p)
    return np.asarray(mean)


@np.errstate(all="ignore")
def quantile(mixture: Mixture, p: float | np.ndarray) -> np.ndarray:
    """log y (M,) below which a measurement falls with probability p, or p (M,) at every point.

    Newton's method on the distribution function, inside a bracket that is halved wherever a step leaves it or
    falls behind (Press et al., Numerical Recipes, section 9.4).
    """
    p = np.broadcast_to(p, mixture.mean.shape[1:])
    least = np.minimum(p, 1.0 - p).min(initial=1.0)
    heavy = _largest(mixture.weight) > 1e-6 * least / len(mixture.weight)
    mean, sd = mixture.mean[heavy], mixture.sd[heavy]
    weight = mixture.weight[heavy] / mixture.weight[heavy].sum(axis=0)
    bracket = (mean - 12.0 * sd).min(axis=0), (mean + 12.0 * sd).max(axis=0)
    place = 0.5 * (bracket[0] + bracket[1])
    # Most steps are spent on coming near, for which few of thousands of laws are enough.
    main = _largest(weight) > MAIN * least
    if len(mean) > MANY and weight[main].sum(axis=0).min(initial=1.0) > 0.5:
        few = weight[main] / weight[main].sum(axis=0)
        place = _quantile(few, mean[main], sd[main], p, place, bracket, NEAR)
    return _quantile(weight, mean, sd, p, place, bracket, CLOSE)


def ends(mixture: Mixture, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """log y (M,) below and above which a measurement falls with probability `tail`."""
    points = mixture.mean.shape[1]
    if points > TOGETHER:
        return quantile(mixture, tail), quantile(mixture, 1.0 - tail)
    twice = _at(mixture, np.tile(np.arange(points), 2))
    low, high = np.split(quantile(twice, np.repeat([tail, 1.0 - tail], points)), 2)
    return low, high


def _quantile(
    weight: np.ndarray,
    mean: np.ndarray,
    sd: np.ndarray,
    p: np.ndarray,
    place: np.ndarray,
    bracket: tuple[np.ndarray, np.ndarray],
    close: float,
) -> np.ndarray:
    """The quantile (M,) inside a bracket, from a first place (M,), to `close` of the smallest sd."""
    low, high = bracket
    tolerance, step = close * sd.min(axis=0), high - low
    found, at = place.copy(), np.arange(len(place))
    for _ in range(ITERATIONS):
        z = (place - mean) / sd
        excess = _averaged(weight, ndtr(z)) - p
        density = _averaged(weight, np.exp(-0.5 * z * z) / sd) / np.sqrt(2.0 * np.pi)
        low, high = np.where(excess < 0, place, low), np.where(excess < 0, high, place)
        newton = place - excess / np.where(density > 0, density, 1.0)  # an infinite step leaves the bracket
        size = np.abs(newton - place)
        good = (density > 0) & (newton >= low) & (newton <= high)
        good &= (size < 0.5 * np.abs(step)) | (size <= tolerance)
        new = np.where(good, newton, 0.5 * (low + high))
        found[at], step, place = new, new - place, new
        left = ~(np.abs(step) <= tolerance)
        if not left.any():
            break
        if not left.all():
            each = (at, place, step, low, high, tolerance, p)
            at, place, step, low, high, tolerance, p = (v[left] for v in each)
            mean, sd = mean[:, left], sd[:, left]
            weight = weight if weight.ndim == 1 else weight[:, left]
    return found


@np.errstate(all="ignore")
def log_density_of_mixture(
    weight: np.ndarray, mean: np.ndarray, sd: np.ndarray, measured: np.ndarray
) -> np.ndarray:
    """Log density (M,) of mixtures of normals: weight (T,), mean and sd (T, M), measured (M,)."""
    normal = -0.5 * ((measured - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2.0 * np.pi)
    return np.asarray(logsumexp(normal + np.log(weight).reshape(len(weight), -1), axis=0))


def draws(mixture: Mixture, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (count, M) of log y, independent from one point to the next."""
    size, m = len(mixture.weight), mixture.mean.shape[1]
    if mixture.weight.ndim == 1:
        law = rng.choice(size, size=(count, m), p=mixture.weight)
    else:
        law = np.stack([rng.choice(size, size=count, p=weight) for weight in mixture.weight.T], axis=1)
    at = np.arange(m)
    return np.asarray(mixture.mean[law, at] + mixture.sd[law, at] * rng.standard_normal((count, m)))


def _at(mixture: Mixture, which: np.ndarray) -> Mixture:
    """The mixture at some of the points (M,)."""
    weight = mixture.weight if mixture.weight.ndim == 1 else mixture.weight[:, which]
    return Mixture(weight, mixture.mean[:, which], mixture.sd[:, which])


def _largest(weight: np.ndarray) -> np.ndarray:
    """Weights (T,), the largest of each law where they differ from place to place."""
    return weight if weight.ndim == 1 else weight.max(axis=1)


def _averaged(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted sums (M,) of values (T, M)."""
    return np.asarray(weight @ values if weight.ndim == 1 else np.sum(weight * values, axis=0))
