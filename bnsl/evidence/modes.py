"""Laws at the maxima of their posterior, and the evidence of a form by the laws about these.

The least-squares law of several breaks may run away: to a break far beyond the data, to slopes that no
scaling curve has. What is weighed are the laws that the posterior likes best near it. At every step the
noise, of which kind and level are unknown, is averaged over, and so are the mixtures of the prior (Dempster,
Laird and Rubin, 1977, J. R. Statist. Soc. B 39, 1); what is left is a damped least-squares step.
Coordinates are relative to the last point of the curve.
"""

from __future__ import annotations

from math import lgamma, log, pi
from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import logsumexp, softplus
from bnsl.evidence.points import Points
from bnsl.evidence.prior import SHORTEST, VAGUE, Prior, slope_prior
from bnsl.evidence.refined import (
    LEVELS,
    SHARPEST,
    STEEP,
    STEEP_ODDS,
    TAIL,
    change_sizes,
    end_slope,
    limit_share,
    log_prior,
    of_noise,
    prior_precision,
    softest_of,
    whitened,
)
from bnsl.forms.broken import BNSL

STEPS = 30  # most steps; a law has arrived when a step promises less than
PROMISE = 3e-3  # of log posterior
DAMPING, EASED, RAISED, MOST_DAMPED = 1e-2, 0.3, 4.0, 1e8
SAME = 1.0  # squared distance, in standard deviations, below which two modes are the same
DRAWS, FREEDOM = 512, 8.0  # laws drawn to weigh a form, and degrees of freedom of their distribution
AT_LEAST, EVEN = 8, 0.1  # of which so many, and so large a share of an even part, fall to each mode
ROUNDS, MISSED = 3, 1.0  # of draws; log posterior above the best mode that shows another
NEGLIGIBLE = 7.0  # log evidence below that of the best mode from which on modes are left out
PLACES, WIDTHS = 12, (0.05, 0.2)  # trial places of one break more, and widths as shares of the range,
GROWN = 4  # of which so many are followed


class Modes(NamedTuple):
    """Where laws stand, or have climbed to."""

    theta: np.ndarray  # (K, p)
    height: np.ndarray  # (K,) log posterior, not normalised
    gradient: np.ndarray  # (K, p) of it, but for the prior of the limit
    precision: np.ndarray  # (K, p, p) of a normal distribution about the law


def modes(form: BNSL, theta: np.ndarray, points: Points, prior: Prior) -> Modes:
    """The different laws that laws theta (K, p) climb to in posterior, the best first."""
    if not len(theta):
        return Modes(theta, np.zeros(0), theta, np.zeros((0, theta.shape[1], theta.shape[1])))
    now = _at(form, _allowed(form, theta), points, prior)
    damping = np.full(len(theta), DAMPING)
    going = np.isfinite(now.height)
    eye = np.eye(theta.shape[1])
    for _ in range(STEPS):
        rows = np.flatnonzero(going)
        if not len(rows):
            break
        here = Modes(*(part[rows] for part in now))
        size = np.sqrt(np.linalg.diagonal(here.precision))
        unit = here.precision / (size[:, :, None] * size[:, None]) + damping[rows, None, None] * eye
        # A limit that is 0, and had better be less, stays.
        held = np.zeros(here.theta.shape, bool)
        held[:, 0] = (here.theta[:, 0] <= 0.0) & (here.gradient[:, 0] < 0.0) & (not form.rising)
        unit = np.where(held[:, :, None] | held[:, None], eye, unit)
        gradient = np.where(held, 0.0, here.gradient)
        move = np.linalg.solve(unit, (gradient / size)[..., None])[..., 0] / size
        there = _at(form, _allowed(form, here.theta + move), points, prior)
        better = there.height > here.height
        for all_, some in zip(now, there, strict=True):
            all_[rows[better]] = some[better]
        damping[rows] *= np.where(better, EASED, RAISED)
        promise = 0.5 * np.sum(move * gradient, axis=1)
        going[rows] = (promise > PROMISE) & (damping[rows] < MOST_DAMPED)
    now = _at(form, in_order(now.theta), points, prior)
    kept: list[int] = []
    for i in np.argsort(-now.height).tolist():
        apart = now.theta[kept] - now.theta[i]
        square = np.einsum("ki,kij,kj->k", apart, now.precision[kept], apart)
        if np.isfinite(now.height[i]) and (square > SAME).all():
            kept.append(i)
    return Modes(*(part[kept] for part in now))


def _allowed(form: BNSL, theta: np.ndarray) -> np.ndarray:
    """Laws (K, p) whose limit, if they fall to it, is not below 0."""
    least = -np.inf if form.rising else 0.0
    return np.concatenate([np.maximum(theta[:, :1], least), theta[:, 1:]], axis=1)


def _at(form: BNSL, theta: np.ndarray, points: Points, prior: Prior) -> Modes:
    """Laws theta (K, p) as they stand."""
    white = whitened(form, theta, points)
    square = white.mT @ white
    weight = of_noise(square[:, :, 0, 0], points, prior)  # (K, R, S)
    total = logsumexp(weight, axis=(1, 2))
    stiff = np.exp(weight - total[:, None, None]) @ LEVELS**-2.0  # (K, R) mean precision of the noise
    mean = np.einsum("kr,krij->kij", stiff, square)
    density = log_prior(theta, points, prior, rising=form.rising)
    pull, precision = _pull(theta, points, prior, rising=form.rising)
    height, gradient, precision = total + density, mean[:, 1:, 0] + pull, mean[:, 1:, 1:] + precision
    fine = np.isfinite(height) & np.isfinite(gradient).all(axis=1) & np.isfinite(precision).all(axis=(1, 2))
    fine &= (np.linalg.diagonal(precision) > 0.0).all(axis=1)
    return Modes(
        theta.copy(),
        np.where(fine, height, -np.inf),
        np.where(fine[:, None], gradient, 0.0),
        np.where(fine[:, None, None], precision, np.eye(theta.shape[1])),
    )


def _pull(theta: np.ndarray, points: Points, prior: Prior, *, rising: bool) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (K, p) of the log prior, but for that of the limit, and its precision (K, p, p)."""
    count, p = theta.shape
    span = max(-float(points.u.min()), SHORTEST)
    gradient, diagonal = np.zeros((count, p)), np.zeros((count, p))
    diagonal[:, 1] = VAGUE**-2.0
    # Slope changes are a mixture, of which the part of every size is taken as it stands.
    change = theta[:, 3::3]
    stiff = _mean_precision(change, *change_sizes(prior), moment=prior.moment)
    gradient[:, 3::3], diagonal[:, 3::3] = -stiff * change, stiff
    if prior.moment:
        change = np.where(np.abs(change) > 1e-6, change, 1e-6)
        gradient[:, 3::3] += 2.0 / change
        diagonal[:, 3::3] += 2.0 / change**2
    softest = float(np.log(softest_of(prior, np.float64(span))))
    for column, low, high in ((4, -span, prior.beyond), (5, float(np.log(SHARPEST)), softest)):
        value = theta[:, column::3]
        outside = np.minimum(value - low, 0.0) + np.maximum(value - high, 0.0)
        gradient[:, column::3] = -outside / TAIL**2
        diagonal[:, column::3] = np.where(outside != 0, TAIL**-2.0, 0.0)
    # The slope at the end likewise; it is moved by the first slope and every change.
    end, turned = end_slope(theta)
    mean, sd = slope_prior(prior, limit_share(theta, points, rising=rising))
    sizes = np.stack([sd, np.full_like(sd, STEEP)], axis=-1)
    stiff = _mean_precision(end - mean, sizes, np.log([1.0 - STEEP_ODDS, STEEP_ODDS]))
    along = np.zeros((count, p))
    along[:, 2] = 1.0
    along[:, 3::3] = turned
    width = np.exp(theta[:, 5::3])
    by_place = -change * turned * (1.0 - turned) / width
    along[:, 4::3], along[:, 5::3] = by_place, -by_place * theta[:, 4::3]
    gradient -= (stiff * (end - mean))[:, None] * along
    precision = diagonal[:, :, None] * np.eye(p) + stiff[:, None, None] * along[:, :, None] * along[:, None]
    return gradient, precision


def _mean_precision(
    value: np.ndarray, sd: np.ndarray, log_odds: np.ndarray, *, moment: bool = False
) -> np.ndarray:
    """Mean of 1 / sd^2 over the normals about 0 of a mixture that `value` may come from."""
    log_weight = log_odds - (3.0 if moment else 1.0) * np.log(sd) - 0.5 * (value[..., None] / sd) ** 2
    share = np.exp(log_weight - logsumexp(log_weight, axis=-1)[..., None])
    return np.asarray(np.sum(share / sd**2, axis=-1))


def evidence_about(form: BNSL, found: Modes, points: Points, prior: Prior) -> float:
    """Log evidence of a form, by importance sampling about its modes.

    The posterior of a break at the edge of the data, or of one that may be anywhere, is no normal
    distribution about its mode. Student's t distributions about all modes together say where to look (Owen
    and Zhou, 2000, J. Am. Stat. Assoc. 95, 135); no law counts twice. The draws are the same for every curve.
    A draw that lies above all modes shows that one was missed, and is climbed from.
    """
    value = -np.inf
    for _ in range(ROUNDS):
        if not len(found.height):
            return value
        value, drawn, height = _sampled(form, found, points, prior)
        missed = np.argsort(-height)[:GROWN]
        missed = missed[height[missed] > found.height.max() + MISSED]
        if not len(missed):
            return value
        found = modes(form, np.concatenate([found.theta, drawn[missed]]), points, prior)
    return value


def _sampled(form: BNSL, found: Modes, points: Points, prior: Prior) -> tuple[float, np.ndarray, np.ndarray]:
    """The log evidence by one set of draws, the draws (M, p), and their log posterior (M,)."""
    p = found.theta.shape[1]
    # Where the data say nothing, the prior bounds limit, places and widths.
    wide = np.isin(np.arange(p), [0, *range(4, p, 3), *range(5, p, 3)])
    precision = prior_precision(found.theta, points, prior, rising=form.rising)
    precision = found.precision + np.linalg.diagonal(precision)[:, :, None] * (wide[:, None] * np.eye(p))
    fine = np.isfinite(precision).all(axis=(1, 2))
    size = np.where(fine[:, None], np.sqrt(np.linalg.diagonal(precision)), np.nan)
    unit = np.where(fine[:, None, None], precision / (size[:, :, None] * size[:, None]), np.eye(p))
    root = np.linalg.cholesky(unit + 1e-9 * np.eye(p))
    volume = -np.sum(np.log(np.linalg.diagonal(root)) + np.log(size), axis=1)
    rough = np.where(np.isfinite(volume), found.height + volume, -np.inf)
    if not np.isfinite(rough).any():
        return -np.inf, found.theta, found.height
    near = rough > rough.max() - NEGLIGIBLE
    theta, size, root, volume, rough = (part[near] for part in (found.theta, size, root, volume, rough))
    share = (np.exp(rough - logsumexp(rough)) + EVEN / len(rough)) / (1.0 + EVEN)
    counts = np.maximum(np.round(DRAWS * share).astype(int), AT_LEAST)
    owner = np.repeat(np.arange(len(theta)), counts)
    random = np.random.default_rng(p)
    stretch = np.sqrt(FREEDOM / random.chisquare(FREEDOM, len(owner)))
    moved = random.standard_normal((len(owner), p)) * stretch[:, None]
    drawn = theta[owner] + (np.linalg.inv(root).mT[owner] @ moved[..., None])[..., 0] / size[owner]
    height = log_posterior(form, drawn, points, prior)
    # Laws are counted with their breaks in order, and limits of what is positive are not negative.
    ordered = (np.diff(drawn[:, 4::3], axis=1) >= 0).all(axis=1)
    height = np.where(ordered & (drawn[:, 0] >= 0.0), height, -np.inf)
    away = np.einsum("kij,mkj->mki", root.mT, (drawn[:, None] - theta) * size)
    log_t = -0.5 * (FREEDOM + p) * np.log1p(np.sum(away**2, axis=2) / FREEDOM) - volume
    log_t = logsumexp(log_t + np.log(counts / counts.sum()), axis=1)
    constant = lgamma(0.5 * (FREEDOM + p)) - lgamma(0.5 * FREEDOM) - 0.5 * p * log(FREEDOM * pi)
    return float(logsumexp(height - log_t)) - log(len(owner)) - constant, drawn, height


def log_posterior(form: BNSL, theta: np.ndarray, points: Points, prior: Prior) -> np.ndarray:
    """Log of prior times likelihood (M,) of laws theta (M, p), the noise averaged over."""
    rest = points.log_y - form.log_y(theta, points.u)
    misfit = np.sum((rest @ points.whiten.mT) ** 2, axis=2).T
    density = log_prior(theta, points, prior, rising=form.rising)
    value = logsumexp(of_noise(misfit, points, prior), axis=(1, 2)) + density
    return np.where(np.isfinite(value), value, -np.inf)


def grown(form: BNSL, theta: np.ndarray, points: Points) -> np.ndarray:
    """The law theta (p,) with one break more where its residuals ask for one most (GROWN, p + 3).

    The size of the break is that of the score test.
    """
    law, jacobian = form.log_y_and_jacobian(theta, points.u)
    span = max(-float(points.u.min()), SHORTEST)
    places = -span * (np.arange(PLACES) + 0.5) / PLACES
    d, f = (v.ravel() for v in np.meshgrid(places, span * np.array(WIDTHS), indexing="ij"))
    trial = -jacobian[1][:, None] * f * softplus((points.u[:, None] - d) / f)
    basis, _ = np.linalg.qr(jacobian.T)
    rest = trial - basis @ (basis.T @ trial)
    square = np.maximum(np.sum(rest**2, axis=0), 1e-12 * np.sum(trial**2, axis=0) + 1e-300)
    along = rest.T @ (points.log_y - law)
    best = np.argsort(-(along**2) / square)[:GROWN]
    size = np.clip((along / square)[best], -STEEP, STEEP)
    more = np.stack([size, d[best], np.log(f[best])], axis=1)
    return in_order(np.concatenate([np.tile(theta, (len(best), 1)), more], axis=1))


def in_order(theta: np.ndarray) -> np.ndarray:
    """Laws (K, p) with their breaks in order."""
    breaks = theta[:, 3:].reshape(len(theta), -1, 3)
    order = np.argsort(breaks[:, :, 1], axis=1)[..., None]
    ordered = np.take_along_axis(breaks, order, axis=1).reshape(len(theta), -1)
    return np.concatenate([theta[:, :3], ordered], axis=1)
