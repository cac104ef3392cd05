"""The evidence of a form by laws drawn about the maxima of their posterior.

Coordinates are relative to the last point of a curve.
"""

from __future__ import annotations

from functools import lru_cache
from math import lgamma, log, pi

import numpy as np

from bnsl._base.arrays import logsumexp
from bnsl.evidence.density import log_prior, prior_precision, traits
from bnsl.evidence.modes import Modes, modes, over_noise
from bnsl.evidence.points import Points, taken
from bnsl.evidence.prior import Prior
from bnsl.forms.broken import BNSL

DRAWS, FREEDOM = 512, 8.0  # laws drawn to weigh a form, and degrees of freedom of their distribution
AT_LEAST, EVEN = 8, 0.1  # of which so many, and so large a share of an even part, fall to each mode
ROUNDS, MISSED = 3, 1.0  # of draws; log posterior above the best mode that shows another,
CLIMBED = 4  # of which so many are climbed from
NEGLIGIBLE = 7.0  # log evidence below that of the best mode from which on modes are left out


def evidence_about(form: BNSL, found: Modes, points: Points, prior: Prior) -> np.ndarray:
    """Log evidence (C,) of a form for each of C curves, by importance sampling about its modes.

    The posterior of a break at the edge of the data, or of one that may be anywhere, is no normal
    distribution about its mode. Student's t distributions about all modes together say where to look (Owen
    and Zhou, 2000, J. Am. Stat. Assoc. 95, 135); no law counts twice. The draws are the same for every curve.
    A draw that lies above all modes shows that one was missed, and is climbed from.
    """
    value = np.full(len(points.u), -np.inf)
    for _ in range(ROUNDS):
        again, laws = [], []
        for curve in np.unique(found.curve).tolist():
            own = found.of(curve)
            value[curve], drawn, height = _sampled(form, own, taken(points, slice(curve, curve + 1)), prior)
            missed = np.argsort(-height)[:CLIMBED]
            missed = missed[height[missed] > own.height.max() + MISSED]
            if len(missed):
                laws.append(np.concatenate([own.theta, drawn[missed]]))
                again.append(np.full(len(laws[-1]), curve))
        if not again:
            break
        found = modes(form, np.concatenate(laws), np.concatenate(again), points, prior)
    return value


def _sampled(form: BNSL, found: Modes, points: Points, prior: Prior) -> tuple[float, np.ndarray, np.ndarray]:
    """The log evidence of one curve by one set of draws, the draws (M, p), and their log posterior (M,)."""
    p = found.theta.shape[1]
    # Where the data say nothing, the prior bounds limit, places and widths.
    wide = np.isin(np.arange(p), [0, *range(4, p, 3), *range(5, p, 3)])
    seen = traits(found.theta[None], points, prior, rising=form.rising)
    precision = prior_precision(found.theta[None], seen, prior)[0]
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
    each = np.split(_draws(p, int(counts.sum())), np.cumsum(counts)[:-1])
    spread = np.linalg.inv(root) / size[:, None]
    drawn = np.concatenate([law + own @ by for law, own, by in zip(theta, each, spread, strict=True)])
    height = log_posterior(form, drawn[None], points, prior)[0]
    # Laws are counted with their breaks in order, and limits of what is positive are not negative.
    ordered = (np.diff(drawn[:, 4::3], axis=1) >= 0).all(axis=1)
    height = np.where(ordered & (drawn[:, 0] >= 0.0), height, -np.inf)
    away = ((drawn - theta[:, None]) * size[:, None]) @ root  # (K, M, p)
    log_t = -0.5 * (FREEDOM + p) * np.log1p(np.sum(away**2, axis=2) / FREEDOM) - volume[:, None]
    log_t = logsumexp(log_t + np.log(counts / len(drawn))[:, None], axis=0)
    constant = lgamma(0.5 * (FREEDOM + p)) - lgamma(0.5 * FREEDOM) - 0.5 * p * log(FREEDOM * pi)
    return float(logsumexp(height - log_t)) - log(len(drawn)) - constant, drawn, height


@lru_cache(maxsize=256)
def _draws(p: int, count: int) -> np.ndarray:
    """Draws (count, p) of Student's t distribution, always the same."""
    random = np.random.default_rng(p)
    stretch = np.sqrt(FREEDOM / random.chisquare(FREEDOM, count))
    return random.standard_normal((count, p)) * stretch[:, None]


def log_posterior(form: BNSL, theta: np.ndarray, points: Points, prior: Prior) -> np.ndarray:
    """Log of prior times likelihood (C, M) of laws theta (C, M, p), the noise averaged over."""
    rest = points.log_y[:, None] - form.log_y(theta, points.u[:, None])
    likelihood, _ = over_noise(rest @ points.basis.mT, points, prior)
    value = likelihood + log_prior(theta, traits(theta, points, prior, rising=form.rising), prior)
    return np.where(np.isfinite(value), value, -np.inf)
