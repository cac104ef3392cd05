"""Student's t, without SciPy, whose special functions take longer to import than a curve takes to fit."""

from __future__ import annotations

import functools
import math

import numpy as np

STEPS = 100  # of Newton's method, at most; levels that a double can tell from 1 take less than 60


@functools.lru_cache(maxsize=256)
def half_width(level: float, dof: int) -> float:
    """The end of the interval around 0 that holds Student's t with this probability.

    With t = sqrt(dof) tan(angle) that probability is a finite sum (Abramowitz and Stegun, 26.7.3 and 26.7.4),
    concave in the angle, so that Newton's method from 0 rises to the root and never passes it.

    Args:
        level: the probability, from 0 to below 1.
        dof: degrees of freedom, at least 1.
    """
    odd = dof % 2
    k = np.arange(1, (dof - odd) // 2)
    factors = np.cumprod(np.concatenate([[1.0], (2.0 * k - 1 + odd) / (2.0 * k + odd)]))
    peak = 2.0 / math.sqrt(math.pi) * math.exp(math.lgamma((dof + 1) / 2) - math.lgamma(dof / 2))
    angle = 0.0
    for _ in range(STEPS):
        sine, cosine = math.sin(angle), math.cos(angle)
        total = sine * float(np.sum(factors * cosine ** (2 * np.arange(len(factors)))))
        inside = total if not odd else 2.0 / math.pi * (angle + (total * cosine if dof > 1 else 0.0))
        step = (level - inside) / (peak * cosine ** (dof - 1))
        angle += step
        if step <= 1e-15 * angle:
            break
    return math.sqrt(dof) * math.tan(angle)
