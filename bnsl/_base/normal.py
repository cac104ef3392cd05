"""The standard normal distribution function, for arrays of any library, and quantiles of Student's t.

SciPy has both, but takes longer to import than a curve to fit.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from bnsl._base.arrays import Array, namespace

_MIDDLE = 3.0  # x at which t = 0
_TERMS = 22  # of the polynomial; with them its error is that of rounding


def ndtr(z: Array) -> Array:
    """Probability that a standard normal is below z; to 1e-14 of itself, in the tails too.

    It is erfc(x) / 2 at x = -z / sqrt(2), and (1 + 2 x) exp(x^2) erfc(x) is nearly a polynomial of low degree
    in t = (x - 3) / (x + 3) (Schonfelder, 1978, Math. Comp. 32, 1232; Shepherd and Laframboise, 1981, 36,
    249).
    """
    xp = namespace(z)
    x = math.sqrt(0.5) * xp.abs(z)
    t = (x - _MIDDLE) / (x + _MIDDLE)
    scaled = _COEFFICIENTS[-1] * t
    for coefficient in _COEFFICIENTS[-2:0:-1]:
        scaled = (scaled + coefficient) * t
    tail = 0.5 * xp.exp(-x * x) * (scaled + _COEFFICIENTS[0]) / (1.0 + 2.0 * x)
    # Infinite x has no t.
    tail = xp.where(x < math.inf, tail, xp.where(xp.isnan(x), x, 0.0))
    return xp.where(z > 0, 1.0 - tail, tail)


@lru_cache(maxsize=256)
def students_t(level: float, dof: int) -> float:
    """The end of the interval around 0 that holds Student's t with this probability.

    With t = sqrt(dof) tan(angle), the probability is a finite sum of powers of cosines, concave in the angle
    (Abramowitz and Stegun, 1964, 26.7.3 and 26.7.4), so that Newton's method climbs to the root.
    """
    if not (dof >= 1 and 0.0 < level < 1.0):
        return math.inf if dof >= 1 and level == 1.0 else math.nan
    odd = dof % 2
    k = np.arange(2 + odd, dof - 1, 2)
    factors = np.cumprod(np.concatenate([[1.0], (k - 1) / k]))
    slope = (dof - 1) * float(factors[-1]) if dof > 1 else 1.0
    angle, step = 0.0, 1.0
    while step > 1e-9 * angle:  # its square, which is what is left, is below rounding
        sine, cosine = math.sin(angle), math.cos(angle)
        powers = np.cumprod(np.concatenate([[cosine**odd], np.full(len(k), cosine**2)]))
        share = sine * float(factors @ powers) if dof > 1 else 0.0
        last = slope * cosine ** (dof - 1)
        if odd:
            share, last = 2.0 / math.pi * (angle + share), 2.0 / math.pi * last
        step = (level - share) / last if last > 0 else 0.0
        angle += step
    return math.sqrt(dof) * math.tan(angle)


def _scaled_erfc(x: float) -> float:
    """exp(x^2) erfc(x), beyond 2 as a continued fraction."""
    if x < 2.0:
        return math.exp(x * x) * math.erfc(x)
    fraction = x
    for k in range(200, 0, -1):
        fraction = x + 0.5 * k / fraction
    return 1.0 / (fraction * math.sqrt(math.pi))


def _interpolated() -> tuple[float, ...]:
    """Coefficients of the polynomial in t that is exact at the zeros of a Chebyshev polynomial."""
    angle = np.pi * (np.arange(_TERMS) + 0.5) / _TERMS
    t = np.cos(angle)
    values = [(1.0 + 2.0 * x) * _scaled_erfc(x) for x in (_MIDDLE * (1.0 + t) / (1.0 - t)).tolist()]
    series = 2.0 / _TERMS * np.cos(np.outer(np.arange(_TERMS), angle)) @ np.array(values)
    series[0] *= 0.5
    # T_0 = 1, T_1 = t, T_k = 2 t T_(k-1) - T_(k-2)
    one, two = np.eye(_TERMS)[0], np.eye(_TERMS)[1]
    total = np.zeros(_TERMS)
    for factor in series:
        total += factor * one
        one, two = two, 2.0 * np.roll(two, 1) - one
    return tuple(total.tolist())


_COEFFICIENTS = _interpolated()
