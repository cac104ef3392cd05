"""Smooth laws: `BREAKS` evenly spaced small breaks, a Gaussian process on the slope.

Given the kind of noise and the limit, the small breaks are turned into directions that are independent under
the prior and under the data. Level and slope at the last point are what is left, a 2 x 2 system for every
roughness and noise level.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import Array, log_softmax, logsumexp, namespace
from bnsl.evidence.design import ALWAYS, BREAKS, SMOOTH, Grams, Nodes, best
from bnsl.evidence.prior import NOISES, VAGUE, Prior

KEPT = 256  # nodes that predict; the rest hold a few percent of the weight
STEPS = 4  # of roughness
PLAIN = 0.005  # roughness of laws without slope changes


class Grid(NamedTuple):
    """Posterior of the smooth laws at every node (noise R, limit A, roughness Q, level S)."""

    weight: Array  # (R, A, Q, S) log prior times evidence
    always: Array  # (R, A, Q, S, 2) posterior mean of value and slope
    pair: Array  # (R, A, Q, S, 3) determinant and last row of the inverse covariance of these, times variance
    shrink: Array  # (R, A, Q, S, B) that of the directions, given value and slope, is variance * shrink
    basis: Array  # (R, A, B, B) the directions, as small breaks
    cross: Array  # (R, A, 2, B) their inner products with value and slope
    along: Array  # (R, A, B) and with the target


@lru_cache(maxsize=64)
def roughnesses(prior: Prior) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes of the slope changes per root log x (Q,), their log prior, and the factor of the slope's sd."""
    step = np.arange(STEPS)
    size = np.exp(prior.roughness + prior.roughness_step * (step - 1.5))
    odds = log_softmax(np.concatenate([[prior.plain], prior.roughness_tilt * step]))
    ratio = np.concatenate([[prior.slope_plain], prior.slope_step ** (step - 1.5)])
    return np.concatenate([[PLAIN], size]), odds, ratio


def smooth_grid(grams: Grams, span: Array, log_prior: Array, slope_sd: Array, prior: Prior) -> Grid:
    """log_prior of the limits and slope_sd of their laws are (A,)."""
    xp = namespace(grams.columns)
    size, odds, ratio = (xp.asarray(v) for v in roughnesses(prior))
    profile = xp.sqrt(span / BREAKS * ((xp.arange(BREAKS) + 0.5) / BREAKS + 0.02) ** prior.growth)
    small = grams.columns[:, :, ALWAYS:SMOOTH, ALWAYS:SMOOTH]
    value, vector = xp.linalg.eigh(profile[:, None] * small * profile)
    value = xp.maximum(value, 0.0)[:, :, None, None, :]
    basis = profile[:, None] * vector
    cross = grams.columns[:, :, :ALWAYS, ALWAYS:SMOOTH] @ basis
    along = (grams.along[:, :, None, ALWAYS:SMOOTH] @ basis)[:, :, 0]

    # The directions are eliminated, which leaves value and slope.
    level = xp.asarray(NOISES) ** 2
    ridge = level / size[:, None] ** 2
    shrink = 1.0 / (value + ridge[..., None])
    one, two = cross[:, :, 0], cross[:, :, 1]
    table = xp.stack([one * one, one * two, two * two, one * along, two * along, along * along], axis=-1)
    flat = xp.reshape(shrink, (*shrink.shape[:2], -1, BREAKS)) @ table
    less = xp.reshape(flat, (*shrink.shape[:-1], 6))
    known = level / VAGUE**2, level / (slope_sd[:, None, None] * ratio[:, None]) ** 2
    head = grams.columns[:, :, :ALWAYS, :ALWAYS][:, :, None, None]
    along_head = grams.along[:, :, None, None, :ALWAYS] - less[..., 3:5]
    # What is left of the inner products cannot be negative but for rounding.
    first = xp.maximum(head[..., 0, 0] - less[..., 0], 0.0) + known[0]
    mixed = head[..., 0, 1] - less[..., 1]
    second = xp.maximum(head[..., 1, 1] - less[..., 2], 0.0) + known[1]
    det = xp.maximum(first * second - mixed**2, known[0] * known[1])
    up, down = along_head[..., 0], along_head[..., 1]
    always = xp.stack([second * up - mixed * down, first * down - mixed * up], axis=-1) / det[..., None]

    explained = less[..., 5] + xp.sum(along_head * always, axis=-1)
    misfit = (grams.residual[:, :, None, None] - explained) / level
    volume = xp.sum(xp.log1p(value / ridge[..., None]), axis=-1) + xp.log(det / (known[0] * known[1]))
    weight = (
        grams.noise[:, None, None, :] + log_prior[:, None, None] + odds[:, None] - 0.5 * (misfit + volume)
    )
    return Grid(weight, always, xp.stack([det, mixed, second], axis=-1), shrink, basis, cross, along)


def mean_coefficients(grid: Grid) -> Array:
    """Posterior mean of the coefficients (SMOOTH,) over all nodes."""
    xp = namespace(grid.weight)
    share = xp.exp(grid.weight - logsumexp(grid.weight))[..., None]
    left = grid.along[:, :, None, None, :] - xp.sum(
        grid.always[..., None] * grid.cross[:, :, None, None], axis=-2
    )
    directions = xp.sum(share * grid.shrink * left, axis=(2, 3))
    changes = xp.sum(grid.basis @ directions[..., None], axis=(0, 1))[:, 0]
    return xp.concat([xp.sum(share * grid.always, axis=(0, 1, 2, 3)), changes])


def smooth_nodes(grid: Grid, slope: Array, prior: Prior) -> Nodes:
    """The nodes of largest weight; slope (A,) is the prior mean of their end slopes."""
    xp = namespace(grid.weight)
    top, (r, a, q, s) = best(grid.weight, KEPT)
    basis, cross, shrink, always = (
        grid.basis[r, a],
        grid.cross[r, a],
        grid.shrink[r, a, q, s],
        grid.always[r, a, q, s],
    )
    level = xp.asarray(NOISES)[s]
    # Given value and slope, the directions are independent.
    pull = shrink[:, None, :] * cross
    left = shrink * grid.along[r, a] - xp.sum(always[..., None] * pull, axis=1)
    mean = xp.concat([always, (basis @ left[..., None])[..., 0]], axis=1)
    # Root of the covariance of value and slope, and what the directions owe to these.
    det, mixed, second = (grid.pair[r, a, q, s, i] for i in range(3))
    zero = xp.zeros_like(det)
    lower = [xp.sqrt(second / det), zero, -mixed / xp.sqrt(second * det), 1.0 / xp.sqrt(second)]
    head = level[:, None, None] * xp.reshape(xp.stack(lower, axis=1), (-1, ALWAYS, ALWAYS))
    above = xp.concat([head, xp.zeros((*level.shape, ALWAYS, BREAKS))], axis=2)
    spread = level[:, None] * xp.sqrt(shrink)
    below = basis @ xp.concat([-pull.mT @ head, spread[..., None] * xp.eye(BREAKS)], axis=2)
    root = xp.concat([above, below], axis=1)
    columns = xp.broadcast_to(xp.arange(SMOOTH), (*level.shape, SMOOTH))
    drift = xp.exp(xp.asarray(prior.diffusion)) * xp.asarray(roughnesses(prior)[0])[q]
    return Nodes(top - logsumexp(top), r, a, s, columns, slope[a], mean, root, drift)
