"""Parabolas through the points about a minimum, for many replicates of the same points at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NEAREST = 5  # distinct places in a window at least, where there are so many
ROUNDS = 40  # of putting the window about the minimum


class Parabolas(NamedTuple):
    """k0 + k1 u + k2 u^2 with u = log_x - centre, each about its own minimum.

    Attributes:
        coefficients: k0, k1, k2; (R, 3).
        centre: of the windows, (R,).
        weights: of the points, (R, n); 0 outside the window.
    """

    coefficients: np.ndarray
    centre: np.ndarray
    weights: np.ndarray


def local_parabolas(log_x: np.ndarray, y: np.ndarray, reach: float) -> Parabolas:
    """Parabolas of y (R, n) over log_x (n,), which has three distinct values or more.

    The window starts about the lowest y and follows the parabola's minimum. Weights are tricubes of the
    distance from its centre, 0 beyond `reach`, or beyond the five nearest places.
    """
    places = np.unique(log_x)
    count = min(NEAREST, len(places))
    centre = log_x[np.argmin(y, axis=1)]
    for turn in range(ROUNDS):
        half = np.sort(np.abs(places - centre[:, None]), axis=1)[:, count - 1]
        half = np.maximum(reach, 1.1 * half)[:, None]
        u = (log_x - centre[:, None]) / half
        weights = np.clip(1.0 - np.abs(u) ** 3, 0.0, None) ** 3
        found = Parabolas(_weighted(u, y, weights) / half ** np.arange(3), centre, weights)
        place, _ = vertices(found.coefficients)
        moved = np.clip(centre + np.where(np.isnan(place), 0.0, place), places[0], places[-1])
        if np.max(np.abs(moved - centre)) < 1e-9:
            break
        centre = moved if turn < ROUNDS // 2 else 0.5 * (centre + moved)  # a point may go in and out
    return found


def vertices(coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where parabolas are lowest, from their centres, and the values there; NaN for what opens downwards."""
    k0, k1, k2 = np.moveaxis(coefficients, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        place = np.where(k2 > 0, -0.5 * k1 / k2, np.nan)
    return place, k0 + 0.5 * place * k1


def _weighted(u: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least squares of a parabola for every row, (R, 3)."""
    design = np.stack([np.ones_like(u), u, u * u], axis=-1)
    weighted = np.swapaxes(design * weights[..., None], -1, -2)
    level = y.mean(axis=1, keepdims=True)  # taken off, so that no digits are lost
    k = np.linalg.solve(weighted @ design, weighted @ (y - level)[..., None])[..., 0]
    return k + np.where(np.arange(3) == 0, level, 0.0)
