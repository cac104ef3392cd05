"""Evidence and predictive distribution of one fitted BNSL, under the prior and the noise of `bayes`.

The grid of `bayes` is too coarse for a break that low noise pins down. The least-squares law finds it, and
Laplace's method gives its weight beside the other laws (Kass and Raftery, 1995, section 4.1). It is taken at
the least-squares law and not at the maximum of the posterior: a law that owes its fit to impossible slopes
counts for little. Coordinates are relative to the last point of the curve.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_softmax, logsumexp

from bnsl.evidence import grid as bayes

SHARPEST, SOFTEST = 0.02, 2.4  # widths that are believed of a break, and how fast belief ends beyond
TAIL = 0.3
# A break may be far steeper than the prior of `bayes` believes, and then data of low noise say so.
STEEP = 4.0  # standard deviation of such slopes
ODDS = np.log([0.97, 0.03])  # of the usual and of such
UNUSUAL = 3.0  # standard deviations from which on a slope counts as such
# Standard deviations of the white noise on log y: those of `bayes`, and on down to that of rounding.
LEVELS = np.exp(np.arange(np.log(bayes.NOISES[-1]), -34.5, -np.log(bayes.NOISES[1] / bayes.NOISES[0])))
WILDEST = 1e3  # slope beyond which a law is not looked at
SPARE = 3  # points more than parameters that a law needs
KEPT = 0.01  # share of the weight below which a kind or level of noise is passed over


class Evidence(NamedTuple):
    """The curve that laws are judged by."""

    u: np.ndarray  # (N,) log x less that of the last point
    log_y: np.ndarray  # (N,) likewise
    whiten: np.ndarray  # (R, N, N) inverse Cholesky factors of the noise covariance
    origin: np.ndarray  # (2,) log x and log y of the last point
    prior: bayes.Prior
    rising: bool  # laws a - g in the place of a + g


class Fitted(NamedTuple):
    """A law with its uncertainty, one mixture component for each kind and level of noise that matters."""

    theta: np.ndarray  # (p,)
    log_evidence: float
    log_weight: np.ndarray  # (T,) posterior of the components
    kind: np.ndarray  # (T,) of the noise
    variance: np.ndarray  # (T,) of the white noise
    root: np.ndarray  # (T, p, p) square roots of the covariance of theta
    krige: np.ndarray  # (R, N, 1 + p) inverse noise covariance times residual and Jacobian
    curve: Evidence


class _Belief(NamedTuple):
    """The prior at one theta."""

    log_density: float
    precision: np.ndarray  # (p, p)


class _Fit(NamedTuple):
    """Everything at one theta; R kinds and S levels of noise."""

    log_weight: np.ndarray  # (R, S) log prior times likelihood, the coefficients at theta
    white: np.ndarray  # (R, N, 1 + p) whitened residual and Jacobian
    belief: _Belief


def evidence_of(data: bayes.Data, prior: bayes.Prior, *, rising: bool) -> Evidence:
    """What `fitted_law` needs of a curve, computed once."""
    seen = data.weight > 0
    origin = np.array([data.log_x[seen][-1], data.log_y[seen][-1]])
    u = data.log_x[seen] - origin[0]
    unit = (prior.correlated * bayes.CORRELATED) ** 2
    kernel = np.exp(-np.abs(u[:, None] - u) / prior.length)
    factor = np.linalg.cholesky(np.diag(1.0 / data.weight[seen]) + unit[:, None, None] * kernel)
    return Evidence(u, data.log_y[seen] - origin[1], np.linalg.inv(factor), origin, prior, rising)


def fitted_law(theta: np.ndarray, curve: Evidence) -> Fitted | None:
    """Laplace's approximation about theta (p,), the coordinates of a BNSL fitted to `curve`.

    None where they are too extreme for it.
    """
    if np.abs([theta[2], *theta[3::3]]).max() > WILDEST:
        return None
    fit = _fit(theta, curve)
    variance = LEVELS**2
    jacobian = fit.white[:, :, 1:]
    with np.errstate(all="ignore"):
        square = jacobian.transpose(0, 2, 1) @ jacobian
        hessian = square[:, None] / variance[:, None, None] + fit.belief.precision  # (R, S, p, p)
    diagonal = np.diagonal(hessian, axis1=2, axis2=3)
    if not np.isfinite(hessian).all() or diagonal.min() <= 0.0 or np.isneginf(fit.log_weight).all():
        return None
    scale = 1.0 / np.sqrt(diagonal)
    eye = np.eye(len(theta))
    low = np.linalg.cholesky(hessian * scale[..., :, None] * scale[..., None, :] + 1e-12 * eye)
    half_log_det = np.log(np.diagonal(low, axis1=2, axis2=3)).sum(axis=-1) - np.log(scale).sum(axis=-1)
    log_weight = fit.log_weight - half_log_det + 0.5 * len(theta) * np.log(2.0 * np.pi)
    total = float(logsumexp(log_weight))
    r, s = np.nonzero(log_weight - total > np.log(KEPT))
    root = scale[r, s][:, :, None] * np.linalg.inv(low[r, s]).transpose(0, 2, 1)
    krige = curve.whiten.transpose(0, 2, 1) @ fit.white
    kept = log_weight[r, s] - logsumexp(log_weight[r, s])
    return Fitted(theta, total, kept, r, variance[s], root, krige, curve)


def _fit(theta: np.ndarray, curve: Evidence) -> _Fit:
    law, jacobian = law_and_jacobian(theta, curve.u, rising=curve.rising)
    with np.errstate(all="ignore"):
        white = curve.whiten @ np.concatenate([(curve.log_y - law)[:, None], jacobian.T], axis=1)
        misfit = np.sum(white[:, :, 0] ** 2, axis=1)[:, None] / LEVELS**2
    log_det = -2.0 * np.log(np.diagonal(curve.whiten, axis1=1, axis2=2)).sum(axis=1)
    prior = curve.prior
    level = log_softmax(-0.5 * ((np.log(LEVELS) - prior.noise) / prior.noise_sd) ** 2)
    kind = log_softmax(prior.correlated_tilt * bayes.CORRELATED)
    volume = log_det[:, None] + len(curve.u) * np.log(2.0 * np.pi * LEVELS**2)
    belief = _belief(theta, curve)
    log_weight = level + kind[:, None] - 0.5 * (misfit + volume) + belief.log_density
    return _Fit(np.where(np.isfinite(log_weight), log_weight, -np.inf), white, belief)


def _belief(theta: np.ndarray, curve: Evidence) -> _Belief:
    prior, n = curve.prior, len(theta) // 3 - 1
    change, log_d, log_f = theta[3::3], theta[4::3], theta[5::3]
    span = max(-float(curve.u.min()), bayes.SHORTEST)
    precision = np.zeros((len(theta), len(theta)))

    # The limit: as `bayes` on its nodes, with a density in between.
    nodes = bayes.limit_density(prior, bayes.LIMITS)
    volume = logsumexp(nodes + np.log(np.gradient(bayes.LIMITS)))
    # Its share of the smallest y, or that of the largest y of it; and d share / d limit.
    if curve.rising:
        most = float(np.exp(curve.log_y.max()))
        share = float(np.clip(most / theta[0], 0.0, 0.999)) if theta[0] > 0 else 0.999
        moves = share**2 / most
    else:
        least = float(np.exp(curve.log_y.min()))
        share, moves = float(np.clip(theta[0] / least, 0.0, 0.999)), 1.0 / least
    total = float(bayes.limit_density(prior, np.asarray(share))) + np.log(moves) - volume
    precision[0, 0] = 12.0 * moves**2
    # The level at the last point.
    precision[1, 1] = bayes.VAGUE**-2.0
    total += _normal(0.0, 0.0, bayes.VAGUE)
    # The slope at the last point.
    end, turned = _end_slope(theta)
    slope, slope_sd = bayes.slope_prior(prior, share)
    total += float(logsumexp(_normal(end, slope, np.array([slope_sd, STEEP])) + ODDS))
    if end < 0.0:
        total += float(np.log(prior.climbing))
    end_sd = STEEP if abs(end - slope) > UNUSUAL * slope_sd else slope_sd
    along = np.zeros(len(theta))
    along[2], along[3::3] = 1.0, turned
    precision += np.outer(along, along) / end_sd**2
    # Slope changes, places and widths of the breaks.
    usual = np.array([prior.change_small, prior.change_large])
    narrow = logsumexp(_normal(change[:, None], 0.0, usual), axis=1) - np.log(2.0)
    changes = logsumexp(np.stack([narrow, _normal(change, 0.0, STEEP)], axis=1) + ODDS, axis=1)
    sd = np.where(np.abs(change) > UNUSUAL * prior.change_large, STEEP, prior.change_large)
    places = _flat(log_d, -span, bayes.BEYOND[-1])
    widths = _flat(log_f, np.log(SHARPEST), np.log(SOFTEST))
    total += float(np.sum(changes + places + widths)) + float(np.sum(np.log(np.arange(1, n + 1))))
    room_d, room_f = span + bayes.BEYOND[-1], np.log(SOFTEST / SHARPEST)
    for i in range(n):
        at = 3 * i + 3
        precision[at, at] += sd[i] ** -2.0
        precision[at + 1, at + 1] = 12.0 / room_d**2
        precision[at + 2, at + 2] = 12.0 / room_f**2
    return _Belief(float(total), precision)


def _normal(value: np.ndarray | float, mean: float, sd: np.ndarray | float) -> np.ndarray | float:
    return -0.5 * ((value - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2.0 * np.pi)


def _flat(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Log density that is even between low and high and falls like a normal of sd TAIL beyond."""
    outside = np.minimum(value - low, 0.0) + np.maximum(value - high, 0.0)
    return np.asarray(-np.log(high - low) - 0.5 * (outside / TAIL) ** 2)


def misfit(law: Fitted) -> float:
    """Root mean square of its residuals on log y."""
    found = law_and_jacobian(law.theta, law.curve.u, rising=law.curve.rising)[0]
    return float(np.sqrt(np.mean((law.curve.log_y - found) ** 2)))


def end_slope(law: Fitted) -> float:
    """-d log(y - a) / d log x at the last point."""
    return _end_slope(law.theta)[0]


def _end_slope(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """The downward slope at the last point, and how much of each break is done by then (n,)."""
    turned = expit(-theta[4::3] / np.exp(theta[5::3]))
    return float(theta[2] + turned @ theta[3::3]), turned


def law_and_jacobian(
    theta: np.ndarray, log_x: np.ndarray, *, rising: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """log y (M,) of a BNSL and its derivatives (p, M): `BNSL.log_y_and_jacobian` uncompiled."""
    change, log_d, width = theta[3::3, None], theta[4::3, None], np.exp(theta[5::3, None])
    with np.errstate(all="ignore"):
        z = (log_x - log_d) / width
        soft, step = width * np.logaddexp(0.0, z), expit(z)
        log_g = theta[1] - theta[2] * log_x - np.sum(change * soft, axis=0)
        log_a = np.log(max(theta[0], 0.0))
        value = log_a + np.log1p(-np.exp(log_g - log_a)) if rising else np.logaddexp(log_a, log_g)
        share = (-1.0 if rising else 1.0) * np.exp(log_g - value)
        chain = np.stack([-soft, change * step, -change * (soft - width * z * step)], axis=1)
        rows = [np.exp(-value)[None], share[None], -share[None] * log_x]
        return value, np.concatenate([*rows, share * chain.reshape(len(theta) - 3, len(log_x))])


def predictive(law: Fitted, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (T, M) of log y at log x (M,), and standard deviation of a new measurement (T, M)."""
    curve = law.curve
    u = log_x - curve.origin[0]
    value, jacobian = law_and_jacobian(law.theta, u, rising=curve.rising)
    unit = (curve.prior.correlated * bayes.CORRELATED) ** 2
    kernel = unit[:, None, None] * np.exp(-np.abs(u[:, None] - curve.u) / curve.prior.length)
    krige = kernel @ law.krige  # (R, M, 1 + p)
    shrunk = np.sum((curve.whiten @ kernel.transpose(0, 2, 1)) ** 2, axis=1)
    departure = np.maximum(unit[:, None] - shrunk, 0.0)[law.kind]  # (T, M)
    mean = curve.origin[1] + value + krige[law.kind, :, 0]
    moved = (jacobian.T - krige[law.kind, :, 1:]) @ law.root
    drift = curve.prior.drift**2 * np.maximum(u, 0.0) ** 3 / 3.0
    variance = law.variance[:, None] * (1.0 + departure)
    return mean, np.sqrt(np.sum(moved**2, axis=-1) + drift + variance)
