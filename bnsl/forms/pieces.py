"""Pieces of formulas that forms share, on arrays with any batch axes in front."""

from __future__ import annotations

import numpy as np

from bnsl._base.arrays import Array, log1p_of_share, namespace
from bnsl.forms.form import Separable

# Distances of trial limits from the nearest point: shares of the smallest y below a falling curve, or of the
# spread where y may be negative; shares of the spread above a rising one.
BELOW = (1.0, 0.8, 0.6, 0.4, 0.25, 0.14, 0.07, 0.03, 0.01, 0.002)
BELOW_SIGNED = (10.0, 3.0, 1.0, 0.5, 0.25, 0.12, 0.06, 0.03, 0.01, 0.003)
ABOVE = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


def log_sum(limit: Array, log_g: Array) -> Array:
    """log(limit + exp(log_g)) for limit >= 0, without overflow and exact at limit = 0."""
    xp = namespace(limit, log_g)
    log_limit = xp.log(limit)
    larger = xp.maximum(log_limit, log_g)
    apart = xp.where(log_limit == log_g, 0.0, xp.abs(log_limit - log_g))  # both may be infinite
    return larger + log1p_of_share(xp.exp(-apart))


def log_difference(limit: Array, log_g: Array) -> Array:
    """log(limit - exp(log_g)); NaN where the difference is not positive."""
    xp = namespace(limit, log_g)
    log_limit = xp.log(limit)
    return log_limit + xp.log1p(-xp.exp(log_g - log_limit))


def data_range(values: Array, weight: Array) -> tuple[Array, Array]:
    """Smallest and largest value (...,) over the points (..., N) of positive weight."""
    xp = namespace(values, weight)
    seen = weight > 0
    low = xp.min(xp.where(seen, values, xp.inf), axis=-1)
    return low, xp.max(xp.where(seen, values, -xp.inf), axis=-1)


def box_of(*pairs: tuple[Array, Array]) -> tuple[Array, Array]:
    """Lower and upper bounds (..., p) from pairs of numbers or arrays (...,), one a coordinate."""
    arrays = [end for pair in pairs for end in pair if hasattr(end, "shape")]
    xp = namespace(*arrays)
    like = sum(0.0 * xp.where(xp.isfinite(end), end, 0.0) for end in arrays)
    lower, upper = zip(*pairs, strict=True)
    return xp.stack([v + like for v in lower], axis=-1), xp.stack([v + like for v in upper], axis=-1)


def limit_nodes(y: Array, weight: Array, rising: bool) -> tuple[Array, Array, Array]:
    """Trial limits of curves y (..., N): (..., A), and for each of them two arrays (..., A, N).

    These are log|y - limit|, and d log y / d log|y - limit| (without the logarithm of y where y is not
    positive throughout). A falling curve has its limit below all points, down to 0 where y is positive
    throughout; a rising one above them.
    """
    xp = namespace(y, weight)
    seen = weight > 0
    low, high = data_range(y, weight)
    low, high = low[..., None], high[..., None]
    if rising:
        spread = xp.maximum(high - low, 1e-3 * xp.abs(high))
        limits = high + xp.asarray(ABOVE, dtype=y.dtype) * xp.where(spread > 0, spread, 1.0)
        gap = limits[..., :, None] - y[..., None, :]
    else:
        spread = xp.where(high > low, high - low, 1.0)  # only a linear loss sees low <= 0
        below, signed = (xp.asarray(shares, dtype=y.dtype) for shares in (BELOW, BELOW_SIGNED))
        limits = low - xp.where(low > 0, below * low, signed * spread)
        gap = y[..., None, :] - limits[..., :, None]
    there = seen[..., None, :]
    gap = xp.where(there, gap, 1.0)
    magnitude = xp.where(low > 0, xp.abs(y), 1.0)
    return limits, xp.log(gap), gap / xp.where(there, magnitude[..., None, :], 1.0)


def line(log_x: Array) -> Array:
    """The basis (..., 2, N) of laws that are linear in (log b, c)."""
    xp = namespace(log_x)
    return xp.stack([xp.ones_like(log_x), -log_x], axis=-2)


def linear_given_limit(log_x: Array, outer: Array, target: Array, weight: Array, alike: int = 1) -> Separable:
    """The starting problem of a form that is linear in (log b, c) at every outer node, without picks."""
    xp = namespace(log_x)
    batch, points = log_x.shape[:-1], log_x.shape[-1]
    nothing = xp.zeros((*batch, 0, 0, points)), xp.zeros((*batch, 0)), xp.zeros((*batch, 0))
    return Separable(outer, target, weight, line(log_x), *nothing, alike)


def stacked(parts: list[Array]) -> Array:
    """Arrays (...,) that broadcast, stacked as the last axis."""
    xp = namespace(*parts)
    if xp is np:
        return np.stack(np.broadcast_arrays(*parts), axis=-1)
    return xp.stack(xp.broadcast_arrays(*parts), axis=-1)
