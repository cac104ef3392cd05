"""The last points of a curve, which are forecast by themselves as well, and how far that is believed.

Early points may be of another regime: a plateau, a cliff, a warm-up, the peak of a double descent. Laws that
have to explain them take for noise what they miss, and the last points alone say more of what comes. They are
believed as far as they leave less open soon after the data.
"""

from __future__ import annotations

import numpy as np

from bnsl.evidence.points import Data

SHARE = 1 / 3  # of the points
LEAST = 5  # points, and distinct x, at least
SOON = 1.2  # times the last x, where widths of intervals are compared
# Chosen on the learning set, where neighbouring values do about as well.
LOG_ODDS = -2.0  # of laws of the last points, where they leave as much open as those of all,
SURE = 4.0  # more for the log of the ratio of widths,
FEW = 10.0  # and less for few points
MOST = 25.0  # of them, which rounding bears


def last_points(data: Data) -> Data | None:
    """The last points of some; none where they are too few, or all."""
    count = max(int(np.ceil(SHARE * len(data.log_x))), LEAST)
    if count >= len(data.log_x):
        return None
    last = Data(*(part[-count:] for part in data))
    return last if len(np.unique(last.log_x)) >= LEAST else None


def odds_of_tail(whole: float, end: float, count: int) -> float:
    """Log odds of laws of the last points to laws of all.

    Args:
        whole: width of the interval that laws of all points give of log y, at SOON times the last x.
        end: that of the last points.
        count: how many these are.
    """
    return float(min(LOG_ODDS - SURE * np.log(end / whole) - FEW / count, MOST))
