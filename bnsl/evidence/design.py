"""The laws of the grid as linear models: their columns, inner products and nodes.

A law is log y = log(a + exp eta(u)), u = log x less that of the last point, and eta is linear in its
coefficients once the places and widths of its breaks are given.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import Array, expit, namespace, softplus
from bnsl.evidence.points import Points
from bnsl.evidence.prior import BEYOND, NOISES, Prior, noise_weights

BREAKS = 16  # of a smooth law
PLACES = 10  # trial places of a sharp break within the data, closer towards the end
WIDTHS = np.array([0.1, 0.4, 1.2])

GROUPED = 24  # entries that are sorted together

ALWAYS = 2  # value and slope at the last point
SMOOTH = ALWAYS + BREAKS
TRIALS = (PLACES + len(BEYOND)) * len(WIDTHS)
COLUMNS = SMOOTH + TRIALS


class Nodes(NamedTuple):
    """Laws with their posterior, p coefficients each on columns of the design."""

    weight: Array  # (T,) log posterior weight within the kind
    noise: Array  # (T,) index into the kinds of noise
    limit: Array  # (T,) index into LIMITS
    level: Array  # (T,) index into NOISES
    columns: Array  # (T, p)
    slope: Array  # (T,) prior mean of the end slope; that of all other coefficients is 0
    mean: Array  # (T, p) less the prior mean
    root: Array  # (T, p, p) square root of the covariance
    drift: Array  # (T,) of the slope beyond the data


class Grams(NamedTuple):
    """Whitened inner products for every kind of noise and limit (R, A, ...)."""

    residual: Array  # (R, A) of the residual with itself
    along: Array  # (R, A, C) with the columns
    columns: Array  # (R, A, C, C)
    noise: Array  # (R, S) log prior of kind and level of the noise, with the Gaussian's normalisation


def trial_breaks(span: Array) -> tuple[Array, Array]:
    """Places (relative to the last log x) and widths (TRIALS,) of the trial breaks of sharp laws."""
    xp = namespace(span)
    within = -span * ((xp.arange(PLACES) + 0.5) / PLACES) ** 1.3
    places = xp.repeat(xp.concat([within, xp.asarray(BEYOND)]), len(WIDTHS))
    return places, xp.tile(xp.asarray(WIDTHS), PLACES + len(BEYOND))


def design(u: Array, span: Array) -> Array:
    """The columns (N, COLUMNS) of eta at u (N,): value, slope, small breaks, trial breaks.

    A break is f softplus((d - u) / f), the same law as f softplus((u - d) / f) up to its straight part.
    Those of sharp laws are shifted to have no value and no slope at u = 0, so that the second coefficient
    is the slope at the end of the data.
    """
    xp = namespace(u)
    places = -(xp.arange(BREAKS) + 0.5) * span / BREAKS
    width = 0.7 * span / BREAKS
    small = width * softplus((places - u[:, None]) / width)
    d, f = trial_breaks(span)
    trial = f * (softplus((d - u[:, None]) / f) - softplus(d / f)) + u[:, None] * expit(d / f)
    return xp.concat([xp.ones_like(u)[:, None], -u[:, None], small, trial], axis=1)


def inner_products(
    target: Array, weight: Array, columns: Array, points: Points, prior: Prior
) -> tuple[Grams, Array]:
    """Inner products, and the whitened target and columns (R, A, N, 1 + C).

    Args:
        target: (A, N), what the columns are to add up to for every limit.
        weight: (A, N), d log y / d eta there.
        columns: (N, C).
        points: with R kinds of noise.
        prior: of the noise.
    """
    xp = namespace(target)
    each = xp.broadcast_to(columns, (*target.shape, columns.shape[1]))
    both = xp.concat([target[:, :, None], each], axis=2) * weight[:, :, None]
    white = (points.basis @ both) / xp.sqrt(points.variance)[:, None, :, None]
    gram = white.mT @ white
    volume = points.log_det[:, None] + target.shape[1] * xp.log(2.0 * xp.pi * xp.asarray(NOISES) ** 2)
    noise = xp.asarray(noise_weights(prior, NOISES)) - 0.5 * volume
    return Grams(gram[:, :, 0, 0], gram[:, :, 0, 1:], gram[:, :, 1:, 1:], noise), white


def best(weight: Array, count: int) -> tuple[Array, tuple[Array, ...]]:
    """The `count` largest entries, largest first, and their indices along every axis.

    Of groups of entries they lie in the `count` whose largest entry is greatest, and to sort groups first is
    much faster.
    """
    xp = namespace(weight)
    size = math.prod(weight.shape)
    groups = xp.reshape(weight, (next(k for k in range(GROUPED, 0, -1) if size % k == 0), -1))
    chosen = xp.argsort(-xp.max(groups, axis=0))[:count]
    among = xp.reshape(groups[:, chosen], (-1,))
    first = xp.argsort(-among)[:count]
    flat = first // chosen.shape[0] * groups.shape[1] + chosen[first % chosen.shape[0]]
    index = []
    for length in weight.shape[::-1]:
        index.append(flat % length)
        flat = flat // length
    return among[first], tuple(index[::-1])
