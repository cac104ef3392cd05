"""Whether the end of a run went wrong: the last x before y leaves its lowest values for good."""

from __future__ import annotations

import numpy as np

FACTOR = 2.0  # times y before, above which the end has left it
NEAR = 1.1  # times the lowest y, up to which a run still goes well
STEEP = 3.0  # exponent of x as which y climbs somewhere behind; in double descent it is 1 or 2


def diverged_after(x: np.ndarray, y: np.ndarray) -> float | None:
    """The last x of a run that goes well, where its y explodes behind; None where it does not.

    x (N,) are positive and do not fall, y (N,) finite.
    """
    if len(y) < 4 or y.min() <= 0 or x[0] <= 0:
        return None
    last = int(np.flatnonzero(y <= NEAR * y.min())[-1])
    before = y[max(0, min(last - len(y) // 4, last - 1)) : last + 1]
    if last in (0, len(y) - 1) or y[last] >= y[0] or y[-1] <= FACTOR * before.max():
        return None
    behind = x[last + 1 :] > x[last]
    rise = np.log(y[last + 1 :][behind] / y[last])
    steep = (rise > STEEP * np.log(x[last + 1 :][behind] / x[last])).any()
    return float(x[last]) if steep else None


def written(x: float) -> str:
    """An x in full, for a message that says where to cut."""
    return repr(float(x)).removesuffix(".0")
