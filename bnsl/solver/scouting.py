"""Scouting: a few cheap steps of all starts, and which of them are worth following to their ends."""

from __future__ import annotations

import numpy as np

from bnsl.solver.effort import DISTINCT, LEAST, LOOKS, MOST, NEAR, SCOUTING, TOLERANCE
from bnsl.solver.follow import Drive, follow
from bnsl.solver.problem import Method, Rows, taken
from bnsl.solver.walk import Walk, begin, some


def scouted(
    method: Method, rows: Rows, starts: np.ndarray, near: float = NEAR, drive: Drive = follow
) -> tuple[np.ndarray, Walk]:
    """The starts (C, K, p) that are worth following after a few steps: curve of each (B,), and the walk."""
    curves, count, p = starts.shape
    group = np.repeat(np.arange(curves), count)
    walk = begin(method, taken(rows, group), starts.reshape(-1, p))
    taken_steps = 0
    for look in LOOKS:
        walk = drive(method, rows, group, walk, steps=look.after - taken_steps, tolerance=TOLERANCE)
        out = ~worth_going_on(walk, curves, look.near * near, look.alike, count, look.least).ravel()
        walk = walk._replace(failed=walk.failed | out, cost=np.where(out, np.inf, walk.cost))
        taken_steps = look.after
    walk = drive(method, rows, group, walk, steps=SCOUTING - taken_steps, tolerance=TOLERANCE)
    chosen = np.flatnonzero(worth_going_on(walk, curves, near))
    return group[chosen], some(walk, chosen)


def worth_going_on(
    walk: Walk,
    curves: int,
    near: float = NEAR,
    distinct: float = DISTINCT,
    most: int = MOST,
    least: int = LEAST,
) -> np.ndarray:
    """Which starts (C, S) go on after scouting: the best of each curve that lead to different laws.

    The best are at least `least` and at most `most` whose cost is within the factor `near` of the least. Two
    laws are alike if their squared distance is below the share `distinct` of the cost.
    """
    theta, gram = (part.reshape(curves, -1, *part.shape[1:]) for part in (walk.theta, walk.gram))
    cost = np.where(np.isfinite(walk.cost), walk.cost, np.inf).reshape(curves, -1)
    order = np.argsort(cost, axis=1, kind="stable")
    each = np.arange(curves)
    if not distinct:
        place = np.empty_like(order)
        place[each[:, None], order] = np.arange(order.shape[1])
        close = np.isfinite(cost) & ((cost <= near * cost.min(axis=1, keepdims=True)) | (place < least))
        return (close & (place < most)) | (place == 0)
    chosen = np.zeros(cost.shape, bool)
    best = cost[each, order[:, 0]]
    number = np.zeros(curves, int)
    order = order[:, : max(int(np.isfinite(cost).sum(axis=1).max()), 1)]  # the others have left
    theta = np.take_along_axis(theta, order[..., None], axis=1)
    for rank, row in enumerate(order.T):
        own = cost[each, row]
        with np.errstate(invalid="ignore"):
            close = (own <= near * best) | (number < least)
            if rank and not close.any():
                break
            apart = theta[:, :rank] - theta[:, rank : rank + 1]
            square = np.sum((apart @ gram[each, row]) * apart, axis=2)
            before = np.take_along_axis(chosen, order[:, :rank], axis=1)
            alike = (before & (square <= distinct * own[:, None])).any(axis=1)
        ok = ~alike & close & (number < most) & (np.isfinite(own) | (rank == 0))
        chosen[each, row] = ok
        number += ok
    return chosen
