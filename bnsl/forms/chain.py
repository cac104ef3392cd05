"""The chain of power laws of a BNSL, joined smoothly at its breaks, on arrays with any batch axes in front.

Breaks have an axis (..., n) before that of the points: c, log d and log f of break i are its coordinates.
"""

from __future__ import annotations

import numpy as np

from bnsl._base.arrays import Array, along, log1p_of_share, namespace, once, softplus
from bnsl.forms.pieces import data_range

# Trial breaks: 24 positions and 5 widths (as shares of the range of log x) were enough for the global
# search of `benchmarks/global_search.py`; twice as many found nothing more.
POSITIONS = 24
WIDTHS = (0.01, 0.03, 0.08, 0.2, 0.5)


def log_power_chain(theta: Array, log_x: Array) -> Array:
    """log g = log b - c0 log x - sum_i c_i f_i softplus((log x - log d_i) / f_i); y = a +- g (eq. 1)."""
    xp = namespace(theta, log_x)
    log_g = theta[..., 1, None] - theta[..., 2, None] * log_x
    if theta.shape[-1] == 3:
        return log_g
    change, log_d, width = theta[..., 3::3, None], theta[..., 4::3, None], xp.exp(theta[..., 5::3, None])
    return log_g - xp.sum(change * width * softplus((log_x[..., None, :] - log_d) / width), axis=-2)


def depth_of(log_d: Array, width: Array) -> Array:
    """How far the data reach past breaks: f softplus(-log d / f)."""
    return width * softplus(-log_d / width)


def tail_of(depth: Array, width: Array) -> Array:
    """What the place of a break of this depth is short of -depth: log d = -depth - tail."""
    xp = namespace(depth, width)
    return width * xp.log(-xp.expm1(-depth / width))


def with_breaks(head: Array, change: Array, log_d: Array, log_f: Array) -> Array:
    """Coordinates (..., k + 3 n): those of `head` (..., k), then the three of every break (..., n)."""
    xp = namespace(head, change)
    if change.shape[-1] == 1:
        return xp.concat([head, change, log_d, log_f], axis=-1)
    breaks = xp.concat([change[..., None], log_d[..., None], log_f[..., None]], axis=-1)
    return xp.concat([head, xp.reshape(breaks, (*breaks.shape[:-2], -1))], axis=-1)


def with_depths(ends: Array, depth: Array) -> Array:
    """Coordinates (..., p), which may be shared by laws, with depths (..., n) of their own."""
    shape = (*depth.shape[:-1], ends.shape[-1])
    if isinstance(depth, np.ndarray):
        out = np.empty(shape, depth.dtype)
        out[:] = ends
        out[..., 4::3] = depth
        return out
    ends = namespace(depth).broadcast_to(ends, shape)
    return with_breaks(ends[..., :3], ends[..., 3::3], depth, ends[..., 5::3])


def bends_of(log_d: Array, width: Array, log_x: Array) -> tuple[Array, Array, Array]:
    """f softplus(z), its derivative by log x, and that by log f (..., n, N) at z = (log x - log d) / f."""
    xp = namespace(width, log_x)
    z = (log_x[..., None, :] - log_d) / width
    size = xp.abs(z)
    decay = xp.exp(-size)
    bend = log1p_of_share(decay)
    whole = 1.0 / (1.0 + decay)
    soft = width * (xp.maximum(z, 0.0) + bend)
    left = decay * whole
    step = xp.where(z >= 0, whole, left)
    # soft - width z step, whose terms would cancel beyond the break.
    return once(soft, step, width * (bend + size * left))


def over_breaks(parts: Array) -> Array:
    """Sums (..., N) over breaks (..., n, N)."""
    return parts[..., 0, :] if parts.shape[-2] == 1 else namespace(parts).sum(parts, axis=-2)


def jacobian_of(by_limit: Array, share: Array, log_x: Array, chain: tuple[Array, ...]) -> Array:
    """The Jacobian (..., p, N) from the derivatives by a and log g, and those of log g by each break."""
    if isinstance(share, np.ndarray):
        p = 3 + sum(part.shape[-2] for part in chain)
        out = np.empty((*share.shape[:-1], p, share.shape[-1]), share.dtype)
        out[..., 0, :], out[..., 1, :] = by_limit, share
        np.multiply(share, -log_x, out=out[..., 2, :])
        for k, part in enumerate(chain, 3):
            np.multiply(share[..., None, :], part, out=out[..., k::3, :])
        return out
    xp = namespace(share)
    rows = [by_limit[..., None, :], share[..., None, :], (-share * log_x)[..., None, :]]
    chain = tuple(share[..., None, :] * part for part in chain)
    for i in range(chain[0].shape[-2] if chain else 0):
        rows += [part[..., i : i + 1, :] for part in chain]
    return xp.concat(rows, axis=-2)


def trial(position: Array, shape: Array, log_x: Array) -> Array:
    """What breaks at log d = position of width f = shape add to log g, for c = 1: (..., N)."""
    return -shape[..., None] * softplus((log_x - position[..., None]) / shape[..., None])


def trial_grid(log_x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Positions (..., D) and widths (..., F) of trial breaks, and what they add to log g (..., D, F, N)."""
    xp = namespace(log_x)
    low, high = data_range(log_x, weight)
    low, span = low[..., None], xp.maximum(high - low, 1e-6)[..., None]
    share = xp.asarray(np.linspace(0.0, 1.0, POSITIONS), dtype=log_x.dtype)
    rank = share * (xp.sum(xp.astype(weight > 0, log_x.dtype), axis=-1, keepdims=True) - 1.0)
    left = xp.clip(xp.floor(rank), 0.0, log_x.shape[-1] - 2.0)
    index = xp.astype(left, xp.int64 if xp is np else xp.int32)
    before = along(log_x, index, -1)
    # Half-way between even spacing in log x and even spacing in points: neither misses a cluster.
    quantile = before + (rank - left) * (along(log_x, index + 1, -1) - before)
    positions = 0.5 * (quantile + low + share * span) + share * 0.1 * span
    shapes = span * xp.asarray(WIDTHS, dtype=log_x.dtype)
    places, widths = positions[..., :, None], shapes[..., None, :]
    return positions, shapes, trial(places, widths, log_x[..., None, None, :])
