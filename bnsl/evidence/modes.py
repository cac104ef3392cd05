"""Laws at the maxima of their posterior, and the evidence of a form, sampled around these.

The least-squares law of several breaks may run away: to a break far beyond the data, to slopes that no
scaling curve has. What is weighed are the laws that the posterior likes best near it. At every step the
noise, of which kind and level are unknown, is averaged over, and so are the mixtures of the prior (Dempster,
Laird and Rubin, 1977, J. R. Statist. Soc. B 39, 1); what is left is a damped least-squares step.
Coordinates are relative to the last point of the curve.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import log_total_and_shares, softplus
from bnsl.evidence.density import STEEP, log_prior, log_prior_slope, traits
from bnsl.evidence.points import Points, each_of
from bnsl.evidence.prior import Prior
from bnsl.evidence.refined import LEVELS, of_noise
from bnsl.forms.broken import BNSL

# A law takes at most so many steps, and has arrived when a step promises less than PROMISE of log posterior.
STEPS, PROMISE = 30, 3e-3
EARLY, FAR = 6, 20.0  # After the step EARLY, laws whose log posterior is FAR below the best one's stay.
DAMPING, EASED, RAISED, MOST_DAMPED = 1e-2, 0.3, 4.0, 1e8
SAME = 1.0  # Two modes are the same below this squared distance, in standard deviations.
# One break more is tried at so many places, with widths that are these shares of the range. So many of these
# laws are followed.
PLACES, WIDTHS, GROWN = 12, (0.05, 0.2), 4
# Noise so much below what the best law leaves is out of the question: its likelihood is below rounding.
QUIETEST = 0.04


class Modes(NamedTuple):
    """Where B laws of some curves stand, or have climbed to; those of a curve follow one another."""

    curve: np.ndarray  # (B,) ascending
    theta: np.ndarray  # (B, p)
    height: np.ndarray  # (B,) log posterior, not normalised
    gradient: np.ndarray  # (B, p) of it, but for the prior of the limit
    precision: np.ndarray  # (B, p, p) of a normal distribution about the law

    def some(self, which: np.ndarray | slice) -> Modes:
        """Some of the laws."""
        return Modes(*(part[which] for part in self))

    def of(self, curve: int) -> Modes:
        """The laws of one curve."""
        return self.some(slice(*np.searchsorted(self.curve, [curve, curve + 1]).tolist()))


def modes(form: BNSL, theta: np.ndarray, curve: np.ndarray, points: Points, prior: Prior) -> Modes:
    """The different laws that laws theta (B, p) climb to in posterior, the best of each curve first.

    Args:
        form: the form.
        theta: coordinates.
        curve: (B,) the curves that the laws are of, ascending.
        points: of C curves.
        prior: of laws and noise.
    """
    now = _at(form, _allowed(form, theta), curve, points, prior)
    damping = np.full(len(theta), DAMPING)
    going = np.isfinite(now.height)
    eye = np.eye(theta.shape[1])
    for number in range(STEPS):
        rows = np.flatnonzero(going)
        if not len(rows):
            break
        here = now.some(rows)
        size = np.sqrt(np.linalg.diagonal(here.precision))
        unit = here.precision / (size[:, :, None] * size[:, None]) + damping[rows, None, None] * eye
        # A limit that is 0, and had better be less, stays.
        held = np.zeros(here.theta.shape, bool)
        held[:, 0] = (here.theta[:, 0] <= 0.0) & (here.gradient[:, 0] < 0.0) & (not form.rising)
        unit = np.where(held[:, :, None] | held[:, None], eye, unit)
        gradient = np.where(held, 0.0, here.gradient)
        move = np.linalg.solve(unit, (gradient / size)[..., None])[..., 0] / size
        there = _at(form, _allowed(form, here.theta + move), here.curve, points, prior)
        better = there.height > here.height
        for all_, some in zip(now, there, strict=True):
            all_[rows[better]] = some[better]
        damping[rows] *= np.where(better, EASED, RAISED)
        promise = 0.5 * np.sum(move * gradient, axis=1)
        going[rows] = (promise > PROMISE) & (damping[rows] < MOST_DAMPED)
        if number == EARLY:
            going &= now.height > _best_of(now) - FAR
    return _different(_at(form, in_order(now.theta), curve, points, prior))


def _best_of(now: Modes) -> np.ndarray:
    """The greatest height (B,) of the curve of each law."""
    _, first, inverse = np.unique(now.curve, return_index=True, return_inverse=True)
    return np.maximum.reduceat(now.height, first)[inverse]


def _different(now: Modes) -> Modes:
    """The laws that are not next to a better one of their curve, the best of each curve first."""
    now = now.some(np.lexsort([-now.height, now.curve]))
    kept: list[int] = []
    first, owner = 0, -1
    for i, curve in enumerate(now.curve.tolist()):
        if curve != owner:
            first, owner = len(kept), curve
        own = kept[first:]
        apart = now.theta[own] - now.theta[i]
        square = np.sum((apart[:, None] @ now.precision[own])[:, 0] * apart, axis=1)
        if np.isfinite(now.height[i]) and (square > SAME).all():
            kept.append(i)
    return now.some(np.array(kept, int))


def _allowed(form: BNSL, theta: np.ndarray) -> np.ndarray:
    """Laws (B, p) whose limit, if they fall to it, is not below 0."""
    least = -np.inf if form.rising else 0.0
    return np.concatenate([np.maximum(theta[:, :1], least), theta[:, 1:]], axis=1)


def _at(form: BNSL, theta: np.ndarray, curve: np.ndarray, points: Points, prior: Prior) -> Modes:
    """Laws theta (B, p) of some curves (B,) as they stand."""
    own = each_of(points, curve)
    law, jacobian = form.log_y_and_jacobian(theta, own.u)
    turned = np.concatenate([(own.log_y - law)[:, None], jacobian], axis=1)  # (B, 1 + p, N)
    _turn(turned, curve, points)
    total, stiff = over_noise(turned[:, :1], own, prior)
    mean = (turned * stiff) @ turned.mT
    laws = theta[:, None]
    seen = traits(laws, own, prior, rising=form.rising)
    pull, precision = log_prior_slope(laws, seen, prior)
    height = (total + log_prior(laws, seen, prior))[:, 0]
    gradient, precision = mean[:, 1:, 0] + pull[:, 0], mean[:, 1:, 1:] + precision[:, 0]
    fine = np.isfinite(height + gradient.sum(axis=1) + precision.sum(axis=(1, 2)))
    fine &= (np.linalg.diagonal(precision) > 0.0).all(axis=1)
    height[~fine], gradient[~fine], precision[~fine] = -np.inf, 0.0, np.eye(theta.shape[1])
    return Modes(curve.copy(), theta.copy(), height, gradient, precision)


def _turn(values: np.ndarray, curve: np.ndarray, points: Points) -> None:
    """Turn values (B, V, N) of some curves (B,), ascending, to the axes of the noise, in place."""
    ends = np.searchsorted(curve, np.arange(len(points.basis) + 1)).tolist()
    for basis, begin, end in zip(points.basis, ends, ends[1:], strict=False):
        rows = values[begin:end]
        rows[:] = (rows.reshape(-1, rows.shape[2]) @ basis.T).reshape(rows.shape)


def over_noise(turned: np.ndarray, points: Points, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """The likelihood of laws whose residuals along the axes of the noise are turned (C, K, N).

    Returns:
        Its logarithm (C, K), kinds and levels of the noise averaged over, and the mean precision of the noise
        along each axis (C, K, N).
    """
    precision = 1.0 / points.variance  # (C, R, N)
    misfit = turned**2 @ precision.mT
    least = np.sqrt(np.fmin.reduce(misfit / points.count[:, None, None], axis=None, initial=np.inf))
    levels = max(int(np.sum(QUIETEST * least < LEVELS)), 1)
    weight = of_noise(misfit, points, prior, levels)  # (C, K, R, S)
    total, shares = log_total_and_shares(weight, axis=(2, 3))
    return total, shares @ LEVELS[:levels] ** -2.0 @ precision


def grown(form: BNSL, theta: np.ndarray, points: Points) -> np.ndarray:
    """Laws theta (C, p) with one break more where their residuals ask for one most (C, GROWN, p + 3).

    The size of the break is that of the score test.
    """
    law, jacobian = form.log_y_and_jacobian(theta, points.u)
    span = points.span[:, None]
    places = -span * (np.arange(PLACES) + 0.5) / PLACES
    d = np.repeat(places, len(WIDTHS), axis=1)
    f = np.tile(span * np.array(WIDTHS), PLACES)
    seen = np.arange(points.u.shape[1]) < points.count[:, None]
    trial = f[..., None] * softplus((points.u[:, None] - d[..., None]) / f[..., None])  # (C, V, N)
    trial = np.where(seen[:, None], -jacobian[:, 1:2] * trial, 0.0)
    basis, _ = np.linalg.qr(np.where(seen[:, None], jacobian, 0.0).mT)
    rest = trial - trial @ basis @ basis.mT
    square = np.maximum(np.sum(rest**2, axis=2), 1e-12 * np.sum(trial**2, axis=2) + 1e-300)
    along = np.sum(rest * (points.log_y - law)[:, None], axis=2)
    best = np.argsort(-(along**2) / square, axis=1)[:, :GROWN]
    size, d, f = (np.take_along_axis(v, best, axis=1) for v in (along / square, d, f))
    more = np.stack([np.clip(size, -STEEP, STEEP), d, np.log(f)], axis=2)
    own = np.broadcast_to(theta[:, None], (*best.shape, theta.shape[1]))
    return in_order(np.concatenate([own, more], axis=2))


def in_order(theta: np.ndarray) -> np.ndarray:
    """Laws (..., p) with their breaks in order."""
    return np.take_along_axis(theta, BNSL().canonical_order(theta), axis=-1)
