"""Outliers: points far from their neighbours and from a smooth law, distinguished from breaks."""

from __future__ import annotations

import numpy as np

from bnsl.evidence.points import MEDIAN, departures, noise_of

# A point is an outlier from so many standard deviations on, if its neighbours lie on a line up to so many
# once it is gone.
OUTLYING, CALM = 6.0, 4.0
RUN = 2  # At most so many outliers follow one another: more are a feature of the curve.
FEWEST = 8  # Below so many points there is no telling.
EXACT = 1e-12  # Less noise than this on log y is rounding.


def isolated(log_x: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    """Which points (N,) alone are off the lines through their neighbours, which fit together without them.

    A sharp break is no outlier: without its point, its neighbours still lie off the line through theirs. Of
    the two points at either end nothing can be said.
    """
    out = np.zeros(len(log_x), bool)
    if len(log_x) < FEWEST:
        return out
    off = departures(log_x, log_y)
    scale = max(noise_of(log_x, log_y), EXACT)
    for i in 2 + np.flatnonzero(np.abs(off[1:-1]) > OUTLYING * scale):
        others = np.delete(np.arange(len(log_x)), i)
        around = departures(log_x[others], log_y[others])[i - 2 : i]
        out[i] = (np.abs(around) <= CALM * scale).all()
    return out


def outlying(log_x: np.ndarray, log_y: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Which points (N,) are outliers, one or two in a row, by their residuals (N,) about a robust law.

    They must also lie off the line through the nearest other points: what a law misses and its neighbours
    share is a feature of the curve.
    """
    far = np.abs(residual) > OUTLYING * np.median(np.abs(residual)) / MEDIAN
    near = np.flatnonzero(~far)
    out = isolated(log_x, log_y)
    if len(log_x) < FEWEST or len(near) < FEWEST - RUN:
        return out
    scale = max(noise_of(log_x[near], log_y[near]), EXACT)
    for i in np.flatnonzero(far):
        after = np.searchsorted(near, i)
        if 0 < after < len(near) and near[after] - near[after - 1] <= RUN + 1:
            line = np.interp(log_x[i], log_x[near[[after - 1, after]]], log_y[near[[after - 1, after]]])
            out[i] |= abs(log_y[i] - line) > OUTLYING * scale
    return out
