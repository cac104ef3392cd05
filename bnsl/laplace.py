"""Evidence and predictive distribution of one fitted BNSL, under the prior and the noise of `bayes`.

The grid of `bayes` is too coarse for a break that low noise pins down; the least-squares fit finds it, and
Laplace's method gives its weight beside the other laws (Kass and Raftery, 1995, section 4.1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_softmax, logsumexp

from bnsl import bayes

SHARPEST, SOFTEST = 0.02, 2.4  # widths that are believed of a break, and how fast belief ends beyond
TAIL = 0.3
# A break may be far steeper than the prior of `bayes` believes, and then data of low noise say so.
STEEP = 4.0  # standard deviation of such slopes
ODDS = np.log([0.97, 0.03])  # of the usual and of such
KEPT = 0.01  # share of the weight below which a kind or level of noise is passed over


class Fitted(NamedTuple):
    """A law with its uncertainty, one mixture component for each kind and level of noise that matters."""

    theta: np.ndarray  # (p,)
    log_evidence: float
    log_weight: np.ndarray  # (T,) posterior of the components
    kind: np.ndarray  # (T,) of the noise
    variance: np.ndarray  # (T,) of the white noise
    root: np.ndarray  # (T, p, p) square roots of the covariance of theta
    krige: np.ndarray  # (R, N, 1 + p) inverse noise covariance times residual and Jacobian
    whiten: np.ndarray  # (R, N, N)
    log_x: np.ndarray  # (N,)
    prior: bayes.Prior


def fitted_law(theta: np.ndarray, data: bayes.Data, whiten: np.ndarray, prior: bayes.Prior) -> Fitted:
    """Laplace's approximation about a falling BNSL fitted to `data`.

    Args:
        theta: its coordinates (p,).
        data: the curve.
        whiten: (R, N, N) as in the curve's `bayes.Posterior`.
        prior: of the law and the noise.
    """
    seen = data.weight > 0
    log_x, log_y = data.log_x[seen], data.log_y[seen]
    whiten = whiten[:, : len(log_x), : len(log_x)]
    law, jacobian = _law_and_jacobian(theta, log_x)
    both = np.concatenate([(log_y - law)[:, None], jacobian.T], axis=1)
    white = whiten @ both
    log_det = -2.0 * np.log(np.diagonal(whiten, axis1=1, axis2=2)).sum(axis=1)
    log_prior, precision = _prior(theta, log_x, np.exp(log_y.min()), prior)

    variance = bayes.NOISES**2
    square = np.einsum("rnp,rnq->rpq", white[:, :, 1:], white[:, :, 1:])
    hessian = square[:, None] / variance[:, None, None] + precision  # (R, S, p, p)
    scale = 1.0 / np.sqrt(np.diagonal(hessian, axis1=2, axis2=3))
    low = np.linalg.cholesky(hessian * scale[..., :, None] * scale[..., None, :] + 1e-12 * np.eye(len(theta)))
    half_log_det = np.log(np.diagonal(low, axis1=2, axis2=3)).sum(axis=-1) - np.log(scale).sum(axis=-1)
    misfit = np.sum(white[:, :, 0] ** 2, axis=1)[:, None] / variance
    level = log_softmax(-0.5 * ((np.log(bayes.NOISES) - prior.noise) / prior.noise_sd) ** 2)
    kind = log_softmax(prior.correlated_tilt * bayes.CORRELATED)
    volume = log_det[:, None] + len(log_x) * np.log(2.0 * np.pi * variance)
    log_weight = level + kind[:, None] - 0.5 * (misfit + volume) - half_log_det
    log_weight = log_weight + log_prior + 0.5 * len(theta) * np.log(2.0 * np.pi)
    total = float(logsumexp(log_weight))
    r, s = np.nonzero(log_weight - total > np.log(KEPT))
    inverse = np.linalg.inv(low[r, s])
    root = scale[r, s][:, :, None] * inverse.transpose(0, 2, 1)
    krige = whiten.transpose(0, 2, 1) @ white
    kept = log_weight[r, s] - logsumexp(log_weight[r, s])
    return Fitted(theta, total, kept, r, variance[s], root, krige, whiten, log_x, prior)


def end_slope(law: Fitted) -> float:
    """-d log(y - a) / d log x at the last point."""
    return _end_slope(law.theta, law.log_x[-1])[0]


def _end_slope(theta: np.ndarray, last: float) -> tuple[float, np.ndarray]:
    """The downward slope at log x = last, and how much of each break is done by then (n,)."""
    turned = expit((last - theta[4::3]) / np.exp(theta[5::3]))
    return float(theta[2] + turned @ theta[3::3]), turned


def _law_and_jacobian(theta: np.ndarray, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log y (M,) of a falling BNSL and its derivatives (p, M); `BNSL.log_y_and_jacobian` uncompiled."""
    change, log_d, width = theta[3::3, None], theta[4::3, None], np.exp(theta[5::3, None])
    z = (log_x - log_d) / width
    soft, step = width * np.logaddexp(0.0, z), expit(z)
    log_g = theta[1] - theta[2] * log_x - np.sum(change * soft, axis=0)
    with np.errstate(divide="ignore"):
        value = np.logaddexp(np.log(max(theta[0], 0.0)), log_g)
    share = np.exp(log_g - value)
    chain = np.stack([-soft, change * step, -change * (soft - width * z * step)], axis=1)
    rows = [np.exp(-value)[None], share[None], -share[None] * log_x, share * chain.reshape(-1, len(log_x))]
    return value, np.concatenate(rows)


def _prior(
    theta: np.ndarray, log_x: np.ndarray, least: float, prior: bayes.Prior
) -> tuple[float, np.ndarray]:
    """Log prior density of theta (p,), and its precision (p, p)."""
    n = len(theta) // 3 - 1
    slope, log_d, log_f = theta[3::3], theta[4::3], theta[5::3]
    span = max(log_x[-1] - log_x[0], bayes.SHORTEST)
    share = np.clip(theta[0] / least, 0.0, 0.999)
    limits = prior.limit_high * np.log1p(-bayes.LIMITS) + prior.limit_low * np.log(
        np.maximum(bayes.LIMITS, 0.03)
    )
    volume = logsumexp(limits + np.log(np.gradient(bayes.LIMITS)))
    total = (
        prior.limit_high * np.log1p(-share)
        + prior.limit_low * np.log(max(share, 0.03))
        - volume
        - np.log(least)
    )
    end, turned = _end_slope(theta, log_x[-1])
    total += _normal(0.0, 0.0, bayes.VAGUE)
    total += logsumexp(_normal(end, prior.slope, np.array([prior.slope_sd, STEEP])) + ODDS)
    usual = logsumexp(
        _normal(slope[:, None], 0.0, np.array([prior.change_small, prior.change_large])), axis=1
    )
    both = np.stack([usual - np.log(2.0), _normal(slope, 0.0, STEEP)], axis=1)
    changes = logsumexp(both + ODDS, axis=1)
    room = span + bayes.BEYOND[-1], np.log(SOFTEST / SHARPEST)
    places = _flat(log_d, log_x[-1] - span, log_x[-1] + bayes.BEYOND[-1])
    widths = _flat(log_f, np.log(SHARPEST), np.log(SOFTEST))
    total += float(np.sum(changes + places + widths)) + float(np.sum(np.log(np.arange(1, n + 1))))
    diagonal = [12.0 / least**2, bayes.VAGUE**-2.0, 0.0]
    for sd in np.where(np.abs(slope) > 3.0 * prior.change_large, STEEP, prior.change_large):
        diagonal += [sd**-2.0, 12.0 / room[0] ** 2, 12.0 / room[1] ** 2]
    end_sd = STEEP if abs(end - prior.slope) > 3.0 * prior.slope_sd else prior.slope_sd
    gradient = np.zeros(len(theta))
    gradient[2], gradient[3::3] = 1.0, turned
    precision = np.diag(diagonal) + np.outer(gradient, gradient) / end_sd**2
    return float(total), precision


def _normal(value: np.ndarray | float, mean: float, sd: np.ndarray | float) -> np.ndarray | float:
    return -0.5 * ((value - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2.0 * np.pi)


def _flat(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Log density that is even between low and high and falls like a normal of sd TAIL beyond."""
    outside = np.maximum(np.maximum(low - value, value - high), 0.0)
    return -np.log(high - low) - 0.5 * (outside / TAIL) ** 2


def predictive(law: Fitted, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (T, M) of log y at log x (M,), and standard deviation of a new measurement (T, M)."""
    value, jacobian = _law_and_jacobian(law.theta, log_x)
    unit = (law.prior.correlated * bayes.CORRELATED) ** 2
    kernel = unit[:, None, None] * np.exp(-np.abs(log_x[:, None] - law.log_x) / law.prior.length)
    krige = kernel @ law.krige  # (R, M, 1 + p)
    shrunk = np.sum((law.whiten @ kernel.transpose(0, 2, 1)) ** 2, axis=1)
    departure = np.maximum(unit[:, None] - shrunk, 0.0)[law.kind]  # (T, M)
    mean = value + krige[law.kind, :, 0]
    moved = (jacobian.T - krige[law.kind, :, 1:]) @ law.root
    beyond = np.maximum(log_x - law.log_x[-1], 0.0)
    drift = law.prior.drift**2 * beyond**3 / 3.0
    variance = law.variance[:, None] * (1.0 + departure)
    return mean, np.sqrt(np.sum(moved**2, axis=-1) + drift + variance)
