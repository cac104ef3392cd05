"""Fewer, smoother points of runs: local lines, the lower envelope, thinning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def local_lines(x: np.ndarray, y: np.ndarray, factor: float) -> np.ndarray:
    """At each x the least-squares line through the points within a factor, in log x and log y.

    x is sorted and positive. Where some y is not positive, y itself is used. A line, unlike a mean, is not
    drawn aside by a slope where the points end or thin out.
    """
    u = np.log(x) - np.log(x).mean()
    positive = bool((y > 0).all())
    v = np.log(y) if positive else y
    origin = v.mean()
    reach = np.log(factor) * (1.0 + 1e-12)
    low, high = np.searchsorted(u, u - reach, "left"), np.searchsorted(u, u + reach, "right")

    def total(values: np.ndarray) -> np.ndarray:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        return np.asarray(sums[high] - sums[low])

    count = (high - low).astype(float)
    mean_u, mean_v = total(u) / count, total(v - origin) / count
    spread = total(u * u) / count - mean_u**2
    slope = np.zeros(len(u))
    apart = spread > 1e-12 * max(float(np.ptp(u)) ** 2, 1e-300)
    slope[apart] = ((total(u * (v - origin)) / count - mean_u * mean_v) / np.where(apart, spread, 1.0))[apart]
    smooth = origin + mean_v + slope * (u - mean_u)
    return np.exp(smooth) if positive else smooth


def lower_envelope(x: np.ndarray, y: np.ndarray, runs: Sequence[np.ndarray]) -> np.ndarray:
    """The rows of points that no run reaches for less, nor passes below between its points."""
    rows = np.concatenate(runs)
    owner = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    log_x = np.log(x[rows]) if (x[rows] > 0).all() else x[rows]
    value = np.log(y[rows]) if (y[rows] > 0).all() else y[rows]
    lowest = np.full(len(rows), np.inf)
    for i in range(len(runs)):
        mine = owner == i
        if mine.sum() > 1:
            order = np.argsort(log_x[mine], kind="stable")
            there = np.interp(log_x, log_x[mine][order], value[mine][order], left=np.inf, right=np.inf)
            lowest = np.where(mine, lowest, np.minimum(lowest, there))
    order = np.lexsort([value, log_x])
    before = np.concatenate([[np.inf], np.minimum.accumulate(value[order])[:-1]])
    on = np.zeros(len(rows), bool)
    on[order] = value[order] < before
    return rows[on & (value <= lowest)]


def evenly(x: np.ndarray, count: int) -> np.ndarray:
    """Places of at most `count` of the points, next to even steps in log x and with both ends."""
    if len(x) <= count:
        return np.arange(len(x))
    order = np.argsort(x, kind="stable")
    log_x = np.log(x[order])
    wanted = np.linspace(log_x[0], log_x[-1], count)
    after = np.clip(np.searchsorted(log_x, wanted), 1, len(log_x) - 1)
    nearer = np.where(wanted - log_x[after - 1] < log_x[after] - wanted, after - 1, after)
    return np.sort(order[np.unique(nearer)])
