"""The driver in NumPy: it repeats the step, and rows that are done, or no longer worth it, leave.

Rows that start from different places of one problem are rivals. `Best` remembers the best of each problem,
and says which others can no longer overtake it or only lead to the same law.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bnsl.solver.effort import ALIKE, AT_ONCE, BEHIND, PATIENCE, ROUND, ROUNDING, SETTLING, STALLED
from bnsl.solver.problem import Method, Rows, inward, taken, trimmed
from bnsl.solver.walk import Walk, begin, some, step

Drive = Callable[..., Walk]  # `follow`, or what takes rows to their ends as it does


def follow(
    method: Method,
    rows: Rows,
    group: np.ndarray,
    walk: Walk,
    *,
    steps: int,
    tolerance: float,
    rivals: np.ndarray | None = None,
    within: float = 0.0,
) -> Walk:
    """Take every row to its end, or `steps` steps further, in NumPy; as many at a time as fit in a cache.

    Args:
        method: what is minimised.
        rows: C problems.
        group: (B,) the problem of each row.
        walk: where the rows stand.
        steps: most steps a row is given.
        tolerance: see `step`.
        rivals: (C,) the lowest cost known of each problem, if its rows are rivals, of which those leave that
            the best of their problem makes not worth going on with; None if every row is to be finished.
        within: share above the best cost within which rivals are never left for their cost.

    Returns:
        The walk at the end.
    """
    whole, exact = Walk(*map(np.array, walk)), walk.residual.shape[-1] > 0
    best = None if rivals is None else Best(rivals, walk.theta.shape[1], within)
    waiting = np.flatnonzero(~walk.done)
    room = max(AT_ONCE // rows.data.shape[-1], 1)
    index, waiting = waiting[:room], waiting[room:]
    now, part = some(whole, index), _at_work(rows, group[index], exact)
    alike = all(len(value) == 1 for value in rows)  # starts of a single problem
    before, begun = now.cost, now.steps
    # Moving rows about costs more than a step of a few.
    patient = 1 if len(index) <= 64 else min(ROUND // 2, steps)
    number = 0
    while len(index):
        now = step(method, part, now, tolerance)
        number += 1
        leaving = now.done | (now.steps - begun >= steps)
        if best is not None and number % ROUND == 0:
            best.see(group[index], now)
            floor = ROUNDING * part.points
            leaving = leaving | best.hopeless(group[index], now, before, exact=exact, floor=floor)
            before = now.cost
        if number % patient or not leaving.any():
            continue
        gone, stay = np.flatnonzero(leaving), np.flatnonzero(~leaving)
        which = index[gone]
        for all_, one in zip(whole, now, strict=True):
            if one.size:  # derivatives are carried by exact steps alone
                all_[which] = one[gone]
        coming, waiting = waiting[: room - len(stay)], waiting[room - len(stay) :]
        index, now = index[stay], some(now, stay)
        before, begun = before[stay], begun[stay]
        if len(coming):
            more = some(whole, coming)
            index = np.concatenate([index, coming])
            now = Walk(*map(np.concatenate, zip(now, more, strict=True)))
            before, begun = np.concatenate([before, more.cost]), np.concatenate([begun, more.steps])
        if not alike:
            part = _at_work(rows, group[index], exact)
    return whole


def _at_work(rows: Rows, which: np.ndarray, exact: bool) -> Rows:
    """The problems of some rows, without the padding that all of them have; what is exact has its length."""
    part = taken(rows, which)
    return part if exact else trimmed(part)


def refined(
    method: Method,
    rows: Rows,
    group: np.ndarray,
    starts: np.ndarray,
    *,
    steps: int,
    tolerance: float,
    exact: bool = False,
    rivals: np.ndarray | None = None,
    drive: Drive = follow,
) -> tuple[np.ndarray, Walk]:
    """`follow`, or another driver, from coordinates (B, p) of the form: where rows end, and the walk."""
    walk = begin(method, taken(rows, group), starts, exact=exact)
    walk = drive(method, rows, group, walk, steps=steps, tolerance=tolerance, rivals=rivals)
    return inward(method, walk.theta), walk


class Best:
    """The best row seen of each of C problems."""

    def __init__(self, cost: np.ndarray, p: int, within: float = 0.0) -> None:
        """The costs (C,) known of C problems, and the share above the best within which rows always go on."""
        self.cost, self.within = cost.copy(), within
        self.theta = np.full((len(cost), p), np.nan)  # unknown: nothing is close to it
        self.gram = np.zeros((len(cost), p, p))

    def see(self, group: np.ndarray, walk: Walk, owned: np.ndarray | bool = True) -> None:
        """Take notice of rows that some problems (B,) own."""
        cost = np.where(owned & np.isfinite(walk.cost), walk.cost, np.inf)
        order = np.lexsort([cost, group])
        first = order[np.unique(group[order], return_index=True)[1]]
        first = first[cost[first] < self.cost[group[first]]]
        which = group[first]
        self.cost[which] = cost[first]
        self.theta[which] = walk.theta[first]
        self.gram[which] = walk.gram[first]

    def hopeless(
        self, group: np.ndarray, now: Walk, before: np.ndarray, *, exact: bool, floor: np.ndarray
    ) -> np.ndarray:
        """Rows (B,) that the best of their problem makes not worth going on with.

        `before` is the cost (B,) a round ago. Where steps are exact the best row is followed to its end, and
        alone once its cost is at the `floor` (B,), where rounding is all that is left.
        """
        lowest = self.cost[group]
        excess = now.cost - lowest
        apart = now.theta - self.theta[group]
        square = np.sum(np.matmul(apart[:, None], self.gram[group])[:, 0] * apart, axis=1)
        close = square <= ALIKE * lowest
        out = (excess > 0) & close & (now.steps >= SETTLING)
        for steps, share in BEHIND:
            out |= (now.steps >= steps) & (excess > max(share, self.within) * lowest)
        out |= (before - now.cost < STALLED * now.cost) & (now.steps >= PATIENCE)
        return (out | (lowest <= floor)) & (excess > 0) if exact else out
