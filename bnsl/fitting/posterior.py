"""Laws drawn from the uncertainty of a fit, for statements about any function of its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bnsl._base.arrays import lengths
from bnsl.forms.autodiff import runnable
from bnsl.solver import losses

if TYPE_CHECKING:
    from bnsl.fitting.result import FitResult

ROUNDS = 50  # Draws outside the bounds are replaced so many times.
# A draw may change the law at the points SLACK times as much as its derivatives say. Draws that change it
# more are shortened by these shares, one after the other; at most LOOKED_AT points are looked at.
SLACK, SHARES, LOOKED_AT = 1.5, (*[0.7] * 12, 0.0), 256


def draws(result: FitResult, count: int, seed: int = 0) -> np.ndarray:
    """Coordinates (count, p) of laws as likely as the data leave them, to first order.

    From the normal distribution with the covariance of the estimate. Draws outside bounds are drawn
    again (a limit below 0, say), and at last shortened to end at the bound. What is hardly determined is
    spread so far that a straight line leaves the laws that fit; such draws are shortened, too, until the law
    at the points moves no further than the data allow.
    """
    rng = np.random.default_rng([seed, 2])
    root = np.nan_to_num(result.covariance_root, nan=0.0, posinf=0.0, neginf=0.0)
    lower, upper = _bounds(result)
    moves = rng.standard_normal((count, root.shape[1])) @ root.T
    for _ in range(ROUNDS):
        out = ((result.theta + moves < lower) | (result.theta + moves > upper)).any(axis=1)
        if not out.any():
            break
        moves[out] = rng.standard_normal((int(out.sum()), root.shape[1])) @ root.T
    share = _inside(result.theta, moves, lower, upper)
    return np.clip(result.theta + _shares(result, moves, share)[:, None] * moves, lower, upper)


def _inside(theta: np.ndarray, moves: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """The share (count,) of every move (count, p) from theta (p,) that stays within the bounds."""
    with np.errstate(all="ignore"):
        room = np.where(moves < 0, lower - theta, upper - theta) / moves
    return np.clip(np.where(moves == 0, 1.0, room).min(axis=1), 0.0, 1.0)


def _shares(result: FitResult, moves: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The shares (count,), made so small that the law at the points moves about as far as it should."""
    form, points = result.form, result.form.seen(result.curve.x)
    points = points[np.unique(np.linspace(0, len(points) - 1, LOOKED_AT).astype(int))]
    with np.errstate(all="ignore"):
        centre, slopes = losses.law_and_jacobian(form, result.loss, result.theta, points)
        allowed = SLACK * lengths((moves @ slopes).T)
        far = np.arange(len(moves))
        for less in SHARES:
            trial = result.theta + share[far, None] * moves[far]
            there = losses.model(runnable(form), result.loss, trial, points, 1.0)
            far = far[~(lengths((there - centre).T) <= allowed[far])]
            if not len(far):
                break
            share[far] *= less
    return share


def _bounds(result: FitResult) -> np.ndarray:
    """Bounds (2, p) of coordinates: the user's, or of a coordinate that is its parameter the parameter's."""
    given = {name: ends for name, *ends in result.bounds}
    own = [(-np.inf, np.inf) if q.log else (q.lower, q.upper) for q in result.form.parameters]
    ends = np.array([given.get(name, pair) for name, pair in zip(result.form.names, own, strict=True)])
    return np.where(np.isfinite(ends), ends, own).T
