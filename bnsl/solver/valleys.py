"""Laws of one break that stop along a flat valley of the cost, moved to its bottom.

There are three such valleys: a sharp break beside a point, one at its bound beyond the end of the data, and
one before them. In each the walk's coordinates bend with the valley, and others do not. Everything is for C
curves, in NumPy, since only a few of many curves end there.
"""

from __future__ import annotations

import numpy as np

from bnsl._base.arrays import Array, along, namespace
from bnsl.solver.effort import CRAWLING, EXACT_TOLERANCE, NEAR, PATIENCE, TOLERANCE, VALLEY
from bnsl.solver.follow import follow, refined
from bnsl.solver.losses import robust_cost_and_weight
from bnsl.solver.problem import Method, Problem, evaluate, inward, residuals, rows_of, taken
from bnsl.solver.walk import Walk, begin

BREAK = (4, 5)  # coordinates of its position and width
SHARP = 0.3  # a break narrower than this share of the distance between points may have its place at one
# A break before this share of the data is early; up to the second it may be, if the walk has not converged.
EARLY, HALFWAY = 0.15, 0.5
AT_BOUND = 1e-6  # distance of log d from its bound that counts as none
PLACED = 40  # steps of a law whose sharp break is held at a point
WRITABLE = 500.0  # largest log b of such a law; the numbers of a double end at 709


def leave_valleys(
    method: Method,
    problems: Problem,
    theta: np.ndarray,
    walk: Walk,
    known: np.ndarray | None = None,
    *,
    others: bool = False,
) -> None:
    """Go on from where C laws ended, in place, where that is better.

    Args:
        method: form and loss.
        problems: the C problems.
        theta: (C, p) coordinates.
        walk: where they stand; cost, convergence and steps are kept up to date.
        known: (C,) costs of other laws, by far above which a law need not be followed.
        others: go on by exact steps, too, from laws that have not converged elsewhere.
    """
    known = np.full(len(theta), np.inf) if known is None else known
    worth = np.isfinite(walk.cost) & (walk.cost < NEAR * known)
    mirror, at_bound = np.zeros((2, len(theta)), bool)
    if method.form.n_breaks == 1:
        # Seen from the other end of the data the limit is the same, and so are its bounds.
        bounded = any(np.isfinite(box[:, 1:]).any() for box in (problems.lower, problems.upper))
        if method.straight and problems.free.all() and not bounded:
            share = 1.0 - theta[:, 4] / problems.log_x[:, 0]
            mirror = (share < EARLY) | (~walk.converged & (share < HALFWAY))
            at_bound = ~walk.converged & (theta[:, 4] > rows_of(method, problems).upper[:, 4] - AT_BOUND)
        _place_at_points(method, problems, theta, walk, worth & ~mirror)
    rows = np.flatnonzero(worth & (mirror | at_bound | (others & ~walk.converged)))
    if len(rows):
        _go_on(method, taken(problems, rows), theta, walk, rows, mirror[rows], at_bound[rows], known[rows])
    if mirror.any():
        _place_at_points(method, problems, theta, walk, worth & mirror)


def crept(
    method: Method, problems: Problem, starts: np.ndarray, known: np.ndarray | None = None
) -> tuple[np.ndarray, Walk]:
    """Where exact steps from a start (B, p) of each of B problems lead, as long as they lower the cost.

    `known` (B,) are costs of other laws, by far above which a row need not be followed.
    """
    rows, on = rows_of(method, problems), np.arange(len(starts))
    walk = Walk(*map(np.array, begin(method, rows, starts, exact=True)))
    before = evaluate(method, rows, walk.theta)[2]
    rivals = np.full(len(starts), np.inf) if known is None else known
    for _ in range(VALLEY // PATIENCE):
        further = Walk(*(part[on] for part in walk))
        further = follow(method, rows, on, further, steps=PATIENCE, tolerance=EXACT_TOLERANCE, rivals=rivals)
        for whole, part in zip(walk, further, strict=True):
            whole[on] = part
        falls = before - walk.cost > CRAWLING * before
        before, on = walk.cost.copy(), np.flatnonzero(~walk.done & falls)
    return inward(method, walk.theta), walk


def _go_on(
    method: Method,
    part: Problem,
    theta: np.ndarray,
    walk: Walk,
    rows: np.ndarray,
    mirror: np.ndarray,
    at_bound: np.ndarray,
    known: np.ndarray,
) -> None:
    """Go on by exact steps from some of the laws, `rows` (B,) of them.

    A break before the data, or at their beginning, has a `mirror` (B,): seen from the other end of the data
    it lies beyond the end, where the valley that it leaves is straight in the walk's coordinates. In these
    the bound of a break beyond the data moves with its width, so that the walk creeps along it; in the form's
    own it does not.
    """
    first, wide = np.broadcast_to(part.log_x[:, 0], len(rows)), mirror[:, None]
    starts, seen = theta[rows], part
    if mirror.any():
        starts = np.where(wide, mirrored(starts, first), starts)
        back = np.where(part.weight > 0, first[:, None] - part.log_x, 0.0)
        seen = part._replace(log_x=np.where(wide, back, part.log_x))
    found, there = crept(method, seen, starts, known)
    again = (mirror | at_bound) & ~there.converged
    if mirror.any():
        near = _nearer(found, first)
        again |= mirror & (near != found).any(axis=1)  # other coordinates have other best values then
        found = np.where(wide, mirrored(near, first), found)
        there.cost[:] = np.where(mirror, _costs(method, part, found), there.cost)
    if again.any():
        on, converged = np.flatnonzero(again), there.converged.copy()
        plain = method._replace(straight=False)
        _keep_better(found, there, on, *crept(plain, taken(part, on), found[on], known[on]))
        there.converged[:] |= converged
    _keep_better(theta, walk, rows, found, there)


def _costs(method: Method, problems: Problem, theta: np.ndarray) -> np.ndarray:
    """Costs (B,) of a law (B, p) of each of B problems."""
    rows = rows_of(method, problems)
    square = (residuals(method, rows, theta)[0] / rows.scale) ** 2
    return rows.scale[:, 0] ** 2 * np.sum(robust_cost_and_weight(method.robust, square)[0], axis=1)


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


def _place_at_points(
    method: Method, problems: Problem, theta: np.ndarray, walk: Walk, worth: np.ndarray
) -> None:
    """Put sharp breaks that ended near a point at that point, where that is better.

    There the cost has a kink, along which the solver would creep; with the break held it does not.
    """
    starts, sharp = at_points(problems.log_x, problems.weight, theta)
    rows = np.flatnonzero(sharp & worth)
    if not len(rows):
        return
    held = taken(problems, rows)
    held = held._replace(free=held.free & ~np.isin(np.arange(theta.shape[1]), BREAK))
    part, group = rows_of(method, held), np.arange(len(rows))
    found = refined(method, part, group, starts[rows], steps=PLACED, tolerance=TOLERANCE)
    _keep_better(theta, walk, rows, *found)


def _keep_better(theta: np.ndarray, walk: Walk, rows: np.ndarray, found: np.ndarray, there: Walk) -> None:
    """Put what was found for some rows in the place of what stands there, where its cost is lower."""
    better = there.cost < walk.cost[rows]
    theta[rows[better]] = found[better]
    for name in ("cost", "converged", "steps"):
        getattr(walk, name)[rows[better]] = getattr(there, name)[better]


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
