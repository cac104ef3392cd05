"""Evidence of fitted BNSLs, under the prior and the noise of the grid.

The grid is too coarse for a break that low noise pins down. The least-squares law finds it, and Laplace's
method gives its weight beside the other laws (Kass and Raftery, 1995, section 4.1). It is taken at the
least-squares law and not at the maximum of the posterior: a law that owes its fit to impossible slopes
counts for little. Coordinates are relative to the last point of the curve.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import Array, logsumexp, namespace
from bnsl.evidence.density import end_slope, log_prior, prior_precision, traits
from bnsl.evidence.points import Points
from bnsl.evidence.prior import LEARNT, NOISES, Prior, noise_weights
from bnsl.forms.broken import BNSL

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
    seen = traits(theta, points, prior, rising=form.rising)
    density, precision = log_prior(theta, seen, prior), prior_precision(theta, seen, prior)
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
