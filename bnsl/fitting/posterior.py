"""Laws drawn from what a fit leaves open: for statements about any function of its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bnsl.fitting.result import FitResult

ROUNDS = 50  # of new draws for those outside the bounds


def draws(result: FitResult, count: int, seed: int = 0) -> np.ndarray:
    """Coordinates (count, p) of laws as likely as the data leave them, to first order.

    From the normal distribution with the covariance of the estimate. Draws outside bounds are drawn
    again (a limit below 0, say), and at last moved to the bound.
    """
    rng = np.random.default_rng([seed, 2])
    root = np.nan_to_num(result.covariance_root, nan=0.0, posinf=0.0, neginf=0.0)
    lower = np.array(
        [
            _end(result, name, q.lower, 1)
            for name, q in zip(result.form.names, result.form.parameters, strict=True)
        ]
    )
    upper = np.array(
        [
            _end(result, name, q.upper, 2)
            for name, q in zip(result.form.names, result.form.parameters, strict=True)
        ]
    )
    theta = result.theta + rng.standard_normal((count, root.shape[1])) @ root.T
    for _ in range(ROUNDS):
        out = ((theta < lower) | (theta > upper)).any(axis=1)
        if not out.any():
            break
        theta[out] = result.theta + rng.standard_normal((int(out.sum()), root.shape[1])) @ root.T
    return np.clip(theta, lower, upper)


def _end(result: FitResult, name: str, own: float, place: int) -> float:
    """A bound of a coordinate: the user's, or that of the parameter where the coordinate is its value."""
    parameter = next(q for q in result.form.parameters if q.name == name)
    given = next((pair[place] for pair in result.bounds if pair[0] == name), np.nan)
    if np.isfinite(given):
        return float(given)
    free = -np.inf if place == 1 else np.inf
    return free if parameter.log else own
