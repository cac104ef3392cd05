"""Evidence of fitted BNSLs, under the prior and the noise of the grid.

The grid is too coarse for a break that low noise pins down. The least-squares law finds it, and Laplace's
method gives its weight beside the other laws (Kass and Raftery, 1995, section 4.1). It is taken at the
least-squares law and not at the maximum of the posterior: a law that owes its fit to impossible slopes
counts for little. Coordinates are relative to the last point of the curve.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from bnsl._base.arrays import Array, expit, logsumexp, namespace
from bnsl.evidence.points import Points
from bnsl.evidence.prior import (
    LEARNT,
    NOISES,
    SHORTEST,
    VAGUE,
    Prior,
    limit_density,
    limit_weights,
    noise_weights,
    slope_prior,
)
from bnsl.forms.broken import BNSL

SHARPEST = 0.02  # the sharpest break that is believed
TAIL = 0.3  # how fast belief in places and widths ends
# A curve may end far steeper than the grid believes, and then data of low noise say so.
STEEP, STEEP_ODDS = 4.0, 0.03  # standard deviation of such end slopes, and their share
UNUSUAL = 3.0  # standard deviations from which on a slope counts as such
# Standard deviations of the white noise on log y: those of the grid, and on down to that of rounding.
LEVELS = np.exp(np.arange(np.log(NOISES[-1]), -34.5, -np.log(NOISES[1] / NOISES[0])))
WILDEST = 1e3  # slope beyond which a law is not looked at
SPARE = 3  # points more than parameters that a law needs
KEPT = 0.01  # share of the weight below which a kind or level of noise is passed over
JITTER = 1e-12  # of a Hessian of unit diagonal


class Fitted(NamedTuple):
    """A law with its uncertainty, one mixture component for each kind and level of noise that matters."""

    form: BNSL
    theta: np.ndarray  # (p,)
    log_evidence: float
    log_weight: np.ndarray  # (T,) posterior of the components
    kind: np.ndarray  # (T,) of the noise
    level: np.ndarray  # (T,) standard deviation of the white noise
    root: np.ndarray  # (T, p, p) square roots of the covariance of theta
    white: np.ndarray  # (R, N, 1 + p) whitened residual and Jacobian
    drift: float  # of the slope beyond the data
    points: Points

    @property
    def end_slope(self) -> float:
        """-d log|y - a| / d log x at the last point."""
        return float(end_slope(self.theta)[0])


class Laplace(NamedTuple):
    """Laplace's approximation about K laws; R kinds and S levels of noise."""

    log_weight: Array  # (K, R, S) log evidence; -inf where a law is too extreme for it
    white: Array  # (K, R, N, 1 + p) whitened residual and Jacobian
    scale: Array  # (K, R, S, p) square roots of the variances of theta, were there no correlations
    root: Array  # (K, R, S, p, p) Cholesky factors of the Hessian in their units


def fitted_law(form: BNSL, theta: np.ndarray, points: Points, prior: Prior = LEARNT) -> Fitted | None:
    """Laplace's approximation about theta (p,), fitted to `points`.

    None where it is too extreme for it.
    """
    found = laplace(form, theta[None], points, prior)
    log_weight, white = found.log_weight[0], found.white[0]
    total = float(logsumexp(log_weight))
    if not np.isfinite(total):
        return None
    r, s = np.nonzero(log_weight - total > np.log(KEPT))
    root = found.scale[0, r, s][:, :, None] * np.linalg.inv(found.root[0, r, s]).mT
    kept = log_weight[r, s] - logsumexp(log_weight[r, s])
    return Fitted(form, theta, total, kept, r, LEVELS[s], root, white, prior.drift, points)


def laplace(form: BNSL, theta: Array, points: Points, prior: Prior) -> Laplace:
    """Laplace's approximation about theta (K, p)."""
    xp = namespace(theta, points.u)
    white = whitened(form, theta, points)
    variance = xp.asarray(LEVELS) ** 2
    density = log_prior(theta, points, prior, rising=form.rising)
    precision = prior_precision(theta, points, prior, rising=form.rising)
    log_weight = of_noise(xp.sum(white[..., 0] ** 2, axis=-1), points, prior) + density[:, None, None]

    square = white[..., 1:].mT @ white[..., 1:]
    hessian = square[:, :, None] / variance[:, None, None] + precision[:, None, None]  # (K, R, S, p, p)
    diagonal = xp.linalg.diagonal(hessian)
    steepest = xp.max(xp.abs(xp.concat([theta[:, 2:3], theta[:, 3::3]], axis=1)), axis=1)
    fine = xp.all(xp.isfinite(hessian), axis=(1, 2, 3, 4)) & xp.all(diagonal > 0.0, axis=(1, 2, 3))
    fine = (fine & (steepest <= WILDEST))[:, None, None]
    scale = xp.where(fine[..., None], 1.0 / xp.sqrt(diagonal), 1.0)
    eye = xp.eye(theta.shape[1])
    unit = xp.where(fine[..., None, None], hessian * scale[..., :, None] * scale[..., None, :], eye)
    root = xp.linalg.cholesky(unit + JITTER * eye)
    half_log_det = xp.sum(xp.log(xp.linalg.diagonal(root)) - xp.log(scale), axis=-1)
    log_weight = log_weight - half_log_det + 0.5 * theta.shape[1] * xp.log(2.0 * xp.pi)
    return Laplace(xp.where(fine & xp.isfinite(log_weight), log_weight, -xp.inf), white, scale, root)


def whitened(form: BNSL, theta: Array, points: Points) -> Array:
    """Residuals and derivatives of laws theta (K, p), whitened for every kind of noise (K, R, N, 1 + p)."""
    xp = namespace(theta, points.u)
    law, jacobian = form.log_y_and_jacobian(theta, points.u)
    both = points.basis @ xp.concat([(points.log_y - law)[:, :, None], jacobian.mT], axis=2)
    return both[:, None] / xp.sqrt(points.variance)[..., None]


def of_noise(misfit: Array, points: Points, prior: Prior, levels: int = len(LEVELS)) -> Array:
    """Log of prior times likelihood (..., K, R, S) of kinds and levels of noise.

    misfit (..., K, R) is the sum of squares of whitened residuals; `levels` are looked at, from the largest.
    """
    xp = namespace(misfit)
    variance = xp.asarray(LEVELS[:levels]) ** 2
    count = points.count[..., None, None]
    volume = points.log_det[..., None] + count * xp.log(2.0 * xp.pi * variance)  # (..., R, S)
    odds = xp.asarray(_odds_of_noise(prior)[:, :levels]) - 0.5 * volume
    return odds[..., None, :, :] - 0.5 * misfit[..., None] / variance


@lru_cache(maxsize=64)
def _odds_of_noise(prior: Prior) -> np.ndarray:
    return noise_weights(prior, LEVELS)


@lru_cache(maxsize=64)
def _room_of_limits(prior: Prior) -> float:
    return float(logsumexp(limit_weights(prior)))


def limit_share(theta: Array, points: Points, *, rising: bool) -> Array:
    """The share (..., K) that the limit has of the smallest y, or the largest y of the limit."""
    xp = namespace(theta, points.u)
    limit = theta[..., 0]
    if rising:
        most = xp.exp(xp.max(points.log_y, axis=-1, keepdims=True))
        return xp.where(limit > 0, xp.clip(most / limit, 0.0, 0.999), 0.999)
    return xp.clip(limit / xp.exp(xp.min(points.log_y, axis=-1, keepdims=True)), 0.0, 0.999)


def log_prior(theta: Array, points: Points, prior: Prior, *, rising: bool) -> Array:
    """Log prior density (..., K) of the laws theta (..., K, p)."""
    xp = namespace(theta, points.u)
    n = theta.shape[-1] // 3 - 1
    change, log_d, log_f = theta[..., 3::3], theta[..., 4::3], theta[..., 5::3]
    span = span_of(points)[..., None]

    # The limit: as the grid on its nodes, with a density in between; and d share / d limit.
    share = limit_share(theta, points, rising=rising)
    density = limit_density(prior, share) + xp.log(_moves(share, points, rising=rising))
    density = density - _room_of_limits(prior)
    # The level at the last point.
    density = density + _normal(0.0, 0.0, VAGUE)
    # The slope there.
    end, _ = end_slope(theta)
    slope, slope_sd = slope_prior(prior, share)
    density = density + _usual_or_steep(_normal(end, slope, slope_sd), _normal(end, slope, STEEP))
    density = xp.where(end < 0.0, density + float(np.log(prior.climbing)), density)
    # Slope changes, places and widths of the breaks.
    each = _changes(change, prior)
    softest = softest_of(prior, span)
    each = each + _flat(log_d, -span, prior.beyond) + _flat(log_f, float(np.log(SHARPEST)), xp.log(softest))
    return density + xp.sum(each, axis=-1) + float(np.sum(np.log(np.arange(1, n + 1))))


def prior_precision(theta: Array, points: Points, prior: Prior, *, rising: bool) -> Array:
    """The precision (..., K, p, p) of the prior about laws theta (..., K, p)."""
    xp = namespace(theta, points.u)
    n = theta.shape[-1] // 3 - 1
    change, span = theta[..., 3::3], span_of(points)
    share = limit_share(theta, points, rising=rising)
    moves = _moves(share, points, rising=rising)
    end, turned = end_slope(theta)
    slope, slope_sd = slope_prior(prior, share)
    end_sd = xp.where(xp.abs(end - slope) > UNUSUAL * slope_sd, STEEP, slope_sd)
    change_sd = xp.where(xp.abs(change) > UNUSUAL * prior.change_large, prior.steep, prior.change_large)
    zero = xp.zeros_like(end)
    diagonal = [12.0 * moves**2, zero + VAGUE**-2.0, zero]
    room_d, room_f = span + prior.beyond, xp.log(softest_of(prior, span) / SHARPEST)
    apart = 2.0 / xp.maximum(change**2, 1e-12) if prior.moment else xp.zeros_like(change)
    for i in range(n):
        diagonal += [
            change_sd[..., i] ** -2.0 + apart[..., i],
            zero + 12.0 / room_d**2,
            zero + 12.0 / room_f**2,
        ]
    along = [zero, zero, zero + 1.0]
    for i in range(n):
        along += [turned[..., i], zero, zero]
    steep = xp.stack(along, axis=-1) / end_sd[..., None]
    precision = xp.stack(diagonal, axis=-1)[..., None] * xp.eye(theta.shape[-1])
    return precision + steep[..., :, None] * steep[..., None, :]


def span_of(points: Points) -> Array:
    """The range (..., 1) of log x."""
    xp = namespace(points.u)
    return xp.maximum(-xp.min(points.u, axis=-1, keepdims=True), xp.asarray(SHORTEST))


def _moves(share: Array, points: Points, *, rising: bool) -> Array:
    """d share / d limit (..., K)."""
    xp = namespace(share, points.u)
    if rising:
        return share**2 / xp.exp(xp.max(points.log_y, axis=-1, keepdims=True))
    return xp.ones_like(share) / xp.exp(xp.min(points.log_y, axis=-1, keepdims=True))


def end_slope(theta: Array) -> tuple[Array, Array]:
    """Downward slopes (...,) at the last point, and how much of each break is done by then (..., n)."""
    xp = namespace(theta)
    turned = expit(-theta[..., 4::3] / xp.exp(theta[..., 5::3]))
    return theta[..., 2] + xp.sum(turned * theta[..., 3::3], axis=-1), turned


def _normal(value: Array, mean: Any, sd: Any) -> Array:
    """Log density of a normal."""
    xp = namespace(value, mean, sd)
    return -0.5 * ((value - mean) / sd) ** 2 - xp.log(xp.asarray(sd)) - float(0.5 * np.log(2.0 * np.pi))


def softest_of(prior: Prior, span: Array) -> Array:
    """The widest break that is believed of data over a range of log x."""
    xp = namespace(span)
    return xp.minimum(xp.asarray(prior.softest), xp.maximum(prior.softest_share * span, 2.0 * SHARPEST))


def change_sizes(prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations of slope changes, small, large and steep, and their log odds."""
    usual = np.log((1.0 - prior.steep_odds) / 2.0)
    sizes = np.array([prior.change_small, prior.change_large, prior.steep])
    return sizes, np.array([usual, usual, np.log(prior.steep_odds)])


def _changes(change: Array, prior: Prior) -> Array:
    """Log density of slope changes."""
    xp = namespace(change)
    sizes, odds = change_sizes(prior)
    parts = []
    for size, odd in zip(sizes.tolist(), odds.tolist(), strict=True):
        part = _normal(change, 0.0, size) + odd
        parts.append(part + xp.log(xp.maximum(change**2, 1e-12) / size**2) if prior.moment else part)
    return logsumexp(xp.stack(parts), axis=0)


def _usual_or_steep(usual: Array, steep: Array) -> Array:
    """Log density of the mixture of two."""
    return namespace(usual).logaddexp(
        usual + float(np.log(1.0 - STEEP_ODDS)), steep + float(np.log(STEEP_ODDS))
    )


def _flat(value: Array, low: Any, high: Any) -> Array:
    """Log density that is even between low and high and falls like a normal of sd TAIL beyond."""
    xp = namespace(value)
    outside = xp.minimum(value - low, 0.0) + xp.maximum(value - high, 0.0)
    return -xp.log(xp.asarray(high - low)) - 0.5 * (outside / TAIL) ** 2
