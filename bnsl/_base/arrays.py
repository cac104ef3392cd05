"""Which library an array belongs to, and the few functions that the array API standard lacks.

The mathematics of the package is written once, on arrays of the Python array API standard with the batch axes
written out. NumPy runs it for one curve or a few, JAX compiles it for many.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# An array of NumPy or of JAX, whichever the caller has.
Array = Any

# Once glibc has freed a large array, it keeps the memory of smaller ones for the next; else it gives that
# back to the kernel, from which it comes again page by page: half of the time of a forecast.
np.empty(1 << 21)


def namespace(*arrays: Any) -> Any:
    """The library of some arrays: NumPy, unless one of them belongs to another."""
    for array in arrays:
        kind = type(array)
        if kind is np.ndarray or kind is float:  # nearly always, and asked for many times a step
            continue
        if not isinstance(array, np.ndarray | np.generic | float | int | complex):
            return array.__array_namespace__()
    return np


# artanh(s) / s in powers of s^2; for s up to 1/3 the terms left out are below rounding.
_ARTANH = tuple(1.0 / (2 * k + 1) for k in range(17))


def log1p_of_share(share: Array) -> Array:
    """log(1 + share) for 0 <= share <= 1; NaN stays NaN.

    XLA's own log1p, which serves every argument, takes several times as long as 2 artanh(share / (2 + share))
    in powers, and compiled laws spend most of their time there. In NumPy one call beats many.
    """
    if isinstance(share, np.ndarray):
        return np.log1p(share)
    s = share / (2.0 + share)
    square = s * s
    value = _ARTANH[-1]
    for coefficient in _ARTANH[-2::-1]:
        value = value * square + coefficient
    return 2.0 * s * value


def softplus(z: Array) -> Array:
    """log(1 + exp(z)) without overflow."""
    xp = namespace(z)
    return xp.maximum(z, 0.0) + log1p_of_share(xp.exp(-xp.abs(z)))


def expit(z: Array) -> Array:
    """1 / (1 + exp(-z)) without overflow."""
    xp = namespace(z)
    decay = xp.exp(-xp.abs(z))
    return xp.where(z >= 0, 1.0, decay) / (1.0 + decay)


def log_expit(z: Array) -> Array:
    """log(1 / (1 + exp(-z))) without overflow."""
    return -softplus(-z)


def logsumexp(values: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """log(sum(exp(values))) along an axis, or over all; -inf where all are."""
    xp = namespace(values)
    top = xp.max(values, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    total = xp.sum(xp.exp(values - top), axis=axis)
    total = xp.where(total > 0, xp.log(xp.where(total > 0, total, 1.0)), -xp.inf)
    return total + xp.reshape(top, total.shape)


def log_total_and_shares(values: Array, axis: int | tuple[int, ...]) -> tuple[Array, Array]:
    """`logsumexp` along some axes, and the share that every entry has of the sum; 0 where all are -inf."""
    xp = namespace(values)
    top = xp.max(values, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    parts = xp.exp(values - top)
    total = xp.sum(parts, axis=axis, keepdims=True)
    shares = parts / xp.where(total > 0, total, 1.0)
    return xp.squeeze(xp.log(total) + top, axis=axis), shares


def log_softmax(values: Array, axis: int = -1) -> Array:
    """values - logsumexp(values) along an axis."""
    xp = namespace(values)
    return values - xp.expand_dims(logsumexp(values, axis=axis), axis=axis)


def along(values: Array, index: Array, axis: int) -> Array:
    """Entries of `values` at an index along one axis, as NumPy's `take_along_axis`."""
    return namespace(values).take_along_axis(values, index, axis=axis)


def once(*arrays: Array) -> tuple[Array, ...]:
    """The arrays as they are, and a hint to a compiler to compute each of them only once.

    XLA would else compute an exponential again in every row of a Jacobian that it enters.
    """
    if isinstance(arrays[0], np.ndarray | np.generic):
        return arrays
    import jax

    return tuple(jax.lax.optimization_barrier(arrays))


def lengths(columns: np.ndarray) -> np.ndarray:
    """Euclidean norms (p,) of the columns (N, p), whose squares may be beyond the range of a double."""
    largest = np.abs(columns).max(axis=0)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return unit * np.linalg.norm(columns / unit, axis=0)
