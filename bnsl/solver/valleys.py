"""Laws of one break that stop along a flat valley of the cost, moved to its bottom.

There are two such valleys: a break before the data, and a sharp break beside a point. Everything is for C
curves; `Refine` is whatever takes rows to their ends, in NumPy or compiled.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bnsl._base.arrays import Array, along, namespace
from bnsl.solver.problem import Method, Problem, taken
from bnsl.solver.walk import Walk

BREAK = (4, 5)  # coordinates of its position and width
SHARP = 0.3  # a break narrower than this share of the distance between points may have its place at one
# A break before this share of the data is early; up to the second it may be, if the walk has not converged.
EARLY, HALFWAY = 0.15, 0.5
WRITABLE = 500.0  # largest log b of such a law; the numbers of a double end at 709

# From problems and a start (B, p) of each, where they end (B, p) and the walk.
Refine = Callable[[Problem, np.ndarray], tuple[np.ndarray, Walk]]
# From problems and coordinates (B, p), their costs (B,).
Costs = Callable[[Problem, np.ndarray], np.ndarray]


def leave_valleys(
    method: Method, problems: Problem, theta: np.ndarray, walk: Walk, refine: Refine, costs: Costs
) -> None:
    """Go on from where C laws of one break ended, in place, where that is better.

    Args:
        method: form and loss.
        problems: the C problems.
        theta: (C, 6) coordinates.
        walk: where they stand.
        refine: takes problems from a start each to their ends.
        costs: of laws as they are.
    """
    bounded = np.isfinite(problems.lower).any() or np.isfinite(problems.upper).any()
    if method.straight and problems.free.all() and not bounded:
        _from_the_other_end(problems, theta, walk, refine, costs)
    _place_at_points(problems, theta, walk, refine)


def _from_the_other_end(
    problems: Problem, theta: np.ndarray, walk: Walk, refine: Refine, costs: Costs
) -> None:
    """Go on from laws whose break lies before the data or at their beginning, in place, where that is better.

    Seen from the other end of the data such a break lies beyond the end, where the valley that it leaves is
    straight in the walk's coordinates.
    """
    first = np.broadcast_to(problems.log_x[:, 0], len(theta))
    share = 1.0 - theta[:, 4] / first
    early = (share < EARLY) | (~walk.converged & (share < HALFWAY))
    rows = np.flatnonzero(early & np.isfinite(walk.cost))
    if not len(rows):
        return
    part = taken(problems, rows)
    first = first[rows]
    log_x = np.where(part.weight > 0, first[:, None] - part.log_x, 0.0)
    found, there = refine(part._replace(log_x=log_x), mirrored(theta[rows], first))
    near = _nearer(found, first)
    moved = np.flatnonzero((near != found).any(axis=1))
    found = mirrored(near, first)
    there = there._replace(cost=costs(part, found))
    if len(moved):  # with the break so near, the other coordinates have other best values
        after, end = refine(taken(part, moved), found[moved])
        better = end.cost < there.cost[moved]
        found[moved[better]], there.cost[moved[better]] = after[better], end.cost[better]
    _keep_better(theta, walk, rows, found, there)


def _nearer(theta: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Mirrored laws with breaks so near that their slopes can be written, at the same bend and width."""
    change, log_d, width = theta[:, 3], theta[:, 4], np.exp(theta[:, 5])
    depth = width * np.logaddexp(0.0, -log_d / width)
    deep = np.maximum(depth, np.abs(change * depth * (first - log_d)) / WRITABLE)
    moved = deep > depth
    out = theta.copy()
    out[moved, 3] = (change * depth / deep)[moved]
    out[moved, 4] = -(deep + width * np.log(-np.expm1(-deep / width)))[moved]
    return out


def mirrored(theta: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Laws of one break (B, 6) as functions of first - log x; twice that is what it was."""
    a, log_b, c0, c1, log_d, log_f = theta.T
    return np.stack([a, log_b + c1 * log_d - (c0 + c1) * first, -c0 - c1, c1, first - log_d, log_f], axis=1)


def _place_at_points(problems: Problem, theta: np.ndarray, walk: Walk, refine: Refine) -> None:
    """Put sharp breaks that ended near a point at that point, in place, where that is better.

    There the cost has a kink, along which the solver would creep; with the break held it does not.
    """
    starts, sharp = at_points(problems.log_x, problems.weight, theta)
    rows = np.flatnonzero(sharp & np.isfinite(walk.cost))
    if not len(rows):
        return
    held = taken(problems, rows)
    held = held._replace(free=held.free & ~np.isin(np.arange(theta.shape[1]), BREAK))
    _keep_better(theta, walk, rows, *refine(held, starts[rows]))


def _keep_better(theta: np.ndarray, walk: Walk, rows: np.ndarray, found: np.ndarray, there: Walk) -> None:
    """Put what was found for some rows in the place of what stands there, where its cost is lower."""
    better = there.cost < walk.cost[rows]
    theta[rows[better]] = found[better]
    for whole, part in zip(walk, there, strict=True):
        if whole.size:
            whole[rows[better]] = part[better]


def at_points(log_x: Array, weight: Array, theta: Array) -> tuple[Array, Array]:
    """Laws of one break (C, p) with it at the nearest point, and whether that may be its place."""
    xp = namespace(log_x, theta)
    log_x = xp.where(weight > 0, log_x, xp.inf)
    apart = xp.abs(log_x - theta[:, 4, None])
    nearest = xp.argmin(apart, axis=1, keepdims=True)
    place = along(xp.broadcast_to(log_x, apart.shape), nearest, 1)
    others = xp.abs(log_x - place)
    gap = xp.min(xp.where(others > 0, others, xp.inf), axis=1)
    close = along(apart, nearest, 1)[:, 0]
    sharp = (xp.exp(theta[:, 5]) < SHARP * gap) & (close < SHARP * gap) & xp.isfinite(gap)
    return xp.concat([theta[:, :4], place, theta[:, 5:]], axis=1), sharp
