"""Residuals of nearby runs, which predict how far a new run will be from a law.

No law is right, and what it leaves over is alike in runs that are alike. A Gaussian process of the residuals
(kriging; Rasmussen and Williams, 2006, chapter 2) carries them on to points near by, and fades with the
distance. Its smoothness, and the share of noise in the residuals, are those that make them likeliest; noise
alone is among the choices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LENGTHS = (0.5, 1.0, 2.0)  # of the correlation, in the logarithms of inputs,
NOISES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # variances of noise over that of the process
LOOKED_AT = 200  # points at most, taken evenly


class Nearby(NamedTuple):
    """What is carried on from the residuals of one law."""

    points: np.ndarray  # (m, k) logarithms of inputs
    weight: np.ndarray  # (m,)
    length: float

    def at(self, points: np.ndarray) -> np.ndarray:
        """By how much log y is off the law at points (M, k), as expected."""
        return np.asarray(_alike(points, self.points, self.length) @ self.weight)


def carried(points: np.ndarray, residuals: np.ndarray) -> list[Nearby]:
    """What residuals (L, N) of L laws at points (N, k) say of other points, for each law."""
    if len(points) > LOOKED_AT:
        some = np.unique(np.linspace(0, len(points) - 1, LOOKED_AT).astype(int))
        points, residuals = points[some], residuals[:, some]
    count = len(points)
    best = _unlikeliness(np.sum(residuals**2, axis=1), count)  # all of it is noise
    found = [Nearby(points, np.zeros(count), LENGTHS[0]) for _ in residuals]
    for length in LENGTHS:
        values, vectors = np.linalg.eigh(_alike(points, points, length))
        along = residuals @ vectors
        for noise in NOISES:
            spread = np.maximum(values, 0.0) + noise
            cost = _unlikeliness(np.sum(along**2 / spread, axis=1), count) + np.sum(np.log(spread))
            for i in np.flatnonzero(cost < best):
                best[i] = cost[i]
                found[i] = Nearby(points, vectors @ (along[i] / spread), length)
    return found


def _alike(one: np.ndarray, other: np.ndarray, length: float) -> np.ndarray:
    """Correlations (M, m) of the process at points (M, k) and (m, k)."""
    squares = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1) - 2.0 * one @ other.T
    return np.asarray(np.exp(-0.5 * np.maximum(squares, 0.0) / length**2))


def _unlikeliness(square: np.ndarray, count: int) -> np.ndarray:
    """-2 log likelihood of normal values whose sum of squares, in units of their scale, is this."""
    return np.asarray(count * np.log(np.maximum(square / count, 1e-300)))
