"""The prior density of laws, and its slope and curvature about them.

Coordinates (..., K, p) are relative to the last point of a curve. Of several curves, all that belongs to
`Points` has an axis of curves in front, and so do the laws.
"""

from __future__ import annotations

from functools import lru_cache
from math import lgamma
from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import Array, expit, log_total_and_shares, logsumexp, namespace
from bnsl.evidence.points import Points
from bnsl.evidence.prior import VAGUE, Prior, limit_density, limit_weights, slope_prior

SHARPEST = 0.02  # the sharpest break that is believed
TAIL = 0.3  # how fast belief in places and widths ends
# A curve may end far steeper than the grid believes, and then data of low noise say so.
STEEP, STEEP_ODDS = 4.0, 0.03  # standard deviation of such end slopes, and their share
UNUSUAL = 3.0  # standard deviations from which on a slope counts as such
LARGEST_SHARE = 0.999  # of a limit
LOG_ROOT = 0.5 * float(np.log(2.0 * np.pi))


class Mixed(NamedTuple):
    """Values under a mixture of normals."""

    log_density: Array
    precision: Array  # mean of 1 / sd^2 over the normals that a value may come from


class Traits(NamedTuple):
    """What the prior judges of laws (..., K) with n breaks."""

    share: Array  # that the limit has of the smallest y, or the largest y of the limit
    moves: Array  # d share / d limit
    turned: Array  # (..., K, n) how much of each break is done by the last point
    width: Array  # (..., K, n) of the breaks
    end: Array  # downward slope at the last point
    off: Array  # that less its prior mean
    usual: Array  # prior standard deviation of it, if it is not steep
    slope: Mixed  # `off`
    change: Mixed  # (..., K, n) slope changes
    outside: Array  # (..., K, n, 2) how far log d and log f lie outside of where all are equally likely
    room: Array  # (..., 1, 1, 2) how large that is


def traits(theta: Array, points: Points, prior: Prior, *, rising: bool) -> Traits:
    """The traits of laws theta (..., K, p)."""
    xp = namespace(theta, points.u)
    share, moves = limit_share(theta[..., 0], points, rising=rising)
    end, turned = end_slope(theta)
    mean, sd = slope_prior(prior, share)
    sds = xp.stack([sd, xp.full_like(sd, STEEP)], axis=-1)
    odds = xp.asarray(np.log([1.0 - STEEP_ODDS, STEEP_ODDS])) - xp.log(sds)
    span = points.span[..., None, None, None]
    low = xp.concat([-span, xp.full_like(span, np.log(SHARPEST))], axis=-1)
    high = xp.concat([xp.full_like(span, prior.beyond), xp.log(softest_of(prior, span))], axis=-1)
    breaks = (*theta.shape[:-1], theta.shape[-1] // 3 - 1, 3)
    place = xp.reshape(theta[..., 3:], breaks)[..., 1:]  # log d and log f of every break
    return Traits(
        share,
        moves,
        turned,
        xp.exp(theta[..., 5::3]),
        end,
        end - mean,
        sd,
        _mixed(end - mean, sds, odds),
        _mixed(theta[..., 3::3], *(xp.asarray(part) for part in _change_sizes(prior))),
        xp.minimum(place - low, 0.0) + xp.maximum(place - high, 0.0),
        high - low,
    )


def _mixed(value: Array, sd: Array, log_odds: Array) -> Mixed:
    """Values (...,) under normals of sd (..., S), by which the log odds (..., S) are divided already."""
    xp = namespace(value)
    total, shares = log_total_and_shares(log_odds - 0.5 * (value[..., None] / sd) ** 2, axis=-1)
    return Mixed(total - LOG_ROOT, xp.sum(shares / sd**2, axis=-1))


@lru_cache(maxsize=64)
def _change_sizes(prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations (S,) of slope changes, small, large and steep, and their log odds over these.

    With `moment` every normal is one times change^2 / sd^2; `log_prior` has the change^2.
    """
    usual = np.log((1.0 - prior.steep_odds) / 2.0)
    sizes = np.array([prior.change_small, prior.change_large, prior.steep])
    odds = np.array([usual, usual, np.log(prior.steep_odds)])
    return sizes, odds - (3.0 if prior.moment else 1.0) * np.log(sizes)


@lru_cache(maxsize=64)
def _room_of_limits(prior: Prior) -> float:
    return float(logsumexp(limit_weights(prior)))


def limit_share(limit: Array, points: Points, *, rising: bool) -> tuple[Array, Array]:
    """The share that limits (..., K) have of the smallest y, or the largest y of them; d share / d limit."""
    xp = namespace(limit, points.u)
    if rising:
        most = points.most[..., None]
        share = xp.where(limit > 0, xp.clip(most / limit, 0.0, LARGEST_SHARE), LARGEST_SHARE)
        return share, share**2 / most
    share = xp.clip(limit / points.least[..., None], 0.0, LARGEST_SHARE)
    return share, xp.ones_like(share) / points.least[..., None]


def end_slope(theta: Array) -> tuple[Array, Array]:
    """Downward slopes (...,) at the last point, and how much of each break is done by then (..., n)."""
    xp = namespace(theta)
    turned = expit(-theta[..., 4::3] / xp.exp(theta[..., 5::3]))
    return theta[..., 2] + xp.sum(turned * theta[..., 3::3], axis=-1), turned


def softest_of(prior: Prior, span: Array) -> Array:
    """The widest break that is believed of data over a range of log x."""
    xp = namespace(span)
    return xp.minimum(xp.asarray(prior.softest), xp.maximum(prior.softest_share * span, 2.0 * SHARPEST))


def log_prior(theta: Array, seen: Traits, prior: Prior) -> Array:
    """Log prior density (..., K) of laws theta (..., K, p) of some traits.

    Limits have the density of which the grid has nodes; places and widths are equally likely up to where
    belief falls off like a normal; breaks have no order.
    """
    xp = namespace(theta)
    change = theta[..., 3::3]
    density = limit_density(prior, seen.share) + xp.log(seen.moves) - _room_of_limits(prior)
    density = density + seen.slope.log_density - (LOG_ROOT + float(np.log(VAGUE)))
    density = xp.where(seen.end < 0.0, density + float(np.log(prior.climbing)), density)
    breaks = seen.change.log_density - xp.sum(xp.log(seen.room), axis=-1)
    breaks = breaks - 0.5 * xp.sum((seen.outside / TAIL) ** 2, axis=-1)
    if prior.moment:
        breaks = breaks + xp.log(xp.maximum(change**2, 1e-12))
    return density + xp.sum(breaks, axis=-1) + lgamma(change.shape[-1] + 1.0)


def log_prior_slope(theta: np.ndarray, seen: Traits, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (..., K, p) of `log_prior`, but for that of the limit, and its precision (..., K, p, p).

    Of a mixture the part of every normal is taken as it stands.
    """
    change, stiff = theta[..., 3::3], seen.change.precision
    gradient, diagonal = np.zeros(theta.shape), np.zeros(theta.shape)
    diagonal[..., 1] = VAGUE**-2.0
    gradient[..., 3::3], diagonal[..., 3::3] = -stiff * change, stiff
    if prior.moment:
        change = np.where(np.abs(change) > 1e-6, change, 1e-6)
        gradient[..., 3::3] += 2.0 / change
        diagonal[..., 3::3] += 2.0 / change**2
    for k in range(2):
        outside = seen.outside[..., k]
        gradient[..., 4 + k :: 3] = -outside / TAIL**2
        diagonal[..., 4 + k :: 3] = np.where(outside != 0, TAIL**-2.0, 0.0)
    # The slope at the end is moved by the first slope and by every break.
    along = np.zeros(theta.shape)
    along[..., 2], along[..., 3::3] = 1.0, seen.turned
    by_place = -change * seen.turned * (1.0 - seen.turned) / seen.width
    along[..., 4::3], along[..., 5::3] = by_place, -by_place * theta[..., 4::3]
    gradient -= (seen.slope.precision * seen.off)[..., None] * along
    precision = (seen.slope.precision[..., None] * along)[..., :, None] * along[..., None, :]
    precision.reshape(*gradient.shape[:-1], theta.shape[-1] ** 2)[..., :: theta.shape[-1] + 1] += diagonal
    return gradient, precision


def prior_precision(theta: Array, seen: Traits, prior: Prior) -> Array:
    """The precision (..., K, p, p) of the prior about laws theta (..., K, p), as of one normal distribution.

    Slopes are usual or steep. What is equally likely has the variance of that.
    """
    xp = namespace(theta)
    change = theta[..., 3::3]
    change_sd = xp.where(xp.abs(change) > UNUSUAL * prior.change_large, prior.steep, prior.change_large)
    stiff = change_sd**-2.0 + (2.0 / xp.maximum(change**2, 1e-12) if prior.moment else 0.0)
    zero = xp.zeros_like(seen.share)
    diagonal = [12.0 * seen.moves**2, zero + VAGUE**-2.0, zero]
    along = [zero, zero, zero + 1.0]
    room = 12.0 / seen.room[..., 0, :] ** 2
    for i in range(change.shape[-1]):
        diagonal += [stiff[..., i], zero + room[..., 0], zero + room[..., 1]]
        along += [seen.turned[..., i], zero, zero]
    end_sd = xp.where(xp.abs(seen.off) > UNUSUAL * seen.usual, STEEP, seen.usual)
    steep = xp.stack(along, axis=-1) / end_sd[..., None]
    precision = xp.stack(diagonal, axis=-1)[..., None] * xp.eye(theta.shape[-1])
    return precision + steep[..., :, None] * steep[..., None, :]
