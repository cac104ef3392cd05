"""The search for the best law of each of very many curves, side by side in NumPy; of one break at most.

It takes the steps of `bnsl.solver.search`, all curves at a time: starts from the data are scouted in blocks
that fit into a processor's cache, the few that are worth it are followed, and the best law of each curve is
settled by exact steps.
`bnsl.solver.compiled` scouts and follows by compiled programs instead, and settles by the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bnsl.forms.autodiff import runnable
from bnsl.solver.effort import (
    AT_ONCE,
    CROWDED,
    EXACT_TOLERANCE,
    MAX_STEPS,
    NEAR,
    SCOUTED_TOGETHER,
    SHARP_STARTS,
    SHARPENING,
    STARTS,
    TOLERANCE,
)
from bnsl.solver.follow import follow, refined
from bnsl.solver.problem import (
    Method,
    Problem,
    crosses_zero,
    ends_of,
    inward,
    rows_of,
    several,
    taken,
    trimmed,
)
from bnsl.solver.scouting import scouted
from bnsl.solver.starts import starts_of
from bnsl.solver.valleys import leave_valleys
from bnsl.solver.walk import Walk, some


class Refined(NamedTuple):
    """Where each of B fits ended."""

    theta: np.ndarray  # (B, p) coordinates
    cost: np.ndarray  # (B,) infinite where the start has no finite cost
    converged: np.ndarray  # (B,) bool
    steps: np.ndarray  # (B,) steps taken


def search_many(
    method: Method,
    problems: Problem,
    *,
    known: np.ndarray | None = None,
    report: Callable[[int], object] = lambda count: None,
) -> Refined:
    """The best law of each of C curves, side by side; of one break at most.

    Args:
        method: form and loss.
        problems: arrays with C rows in front, or shared; `y` has C rows.
        known: (C,) costs of other laws, by far above which a fit need not be followed to its end.
        report: told how many more curves are done.
    """
    method = method._replace(form=runnable(method.form))
    whole = several(method.form, problems)
    total = len(whole.y)
    known = np.full(total, np.inf) if known is None else known
    groups, walks = [], []
    with np.errstate(all="ignore"):
        rows = rows_of(method, whole)
        points, each = whole.y.shape[-1], STARTS + SHARP_STARTS
        for which in blocks(total, points, each, SCOUTED_TOGETHER):
            starts = []
            for block in blocks(len(which), points, each):
                part = trimmed(taken(whole, which[block]))
                starts.append(starts_of(method, part, rows_of(method, part)))
            group, walk = scouted(method, taken(rows, which), np.concatenate(starts))
            groups.append(which[group])
            walks.append(walk)
            report(len(which))
        group = np.concatenate(groups)
        walk = Walk(*map(np.concatenate, zip(*walks, strict=True)))
        walk = follow(method, rows, group, walk, steps=CROWDED, tolerance=TOLERANCE, rivals=known)
        theta, walk = best_of(method, whole, group, walk)
        return settled(method, whole, theta, walk, known)


def best_of(method: Method, problems: Problem, group: np.ndarray, walk: Walk) -> tuple[np.ndarray, Walk]:
    """The row of least cost of each of C curves: its coordinates (C, p), and the walk.

    A law of a positive quantity that crosses 0 is taken where all laws of its curve do so only, as in `fit`.
    """
    curves = np.arange(len(problems.y))
    cost = np.where(np.isfinite(walk.cost), walk.cost, np.inf)

    def least() -> np.ndarray:
        order = np.lexsort([cost, group])
        return order[np.searchsorted(group[order], curves)]

    def bad(rows: np.ndarray) -> np.ndarray:
        ends = (end if len(end) == 1 else end[group[rows]] for end in ends_of(problems))
        return crosses_zero(method.form, method.loss, inward(method, some(walk, rows).theta), *ends)

    best = least()
    for curve in np.flatnonzero(bad(best)).tolist():
        rows = np.flatnonzero((group == curve) & np.isfinite(cost))
        crossing = bad(rows)
        if not crossing.all():
            cost[rows[crossing]] = np.inf
            best = least()
    walk = Walk(*(np.array(part[best]) for part in walk))
    return inward(method, walk.theta), walk


def settled(method: Method, problems: Problem, theta: np.ndarray, walk: Walk, known: np.ndarray) -> Refined:
    """The best laws (C, p) of C curves, taken to their ends where cheap steps did not do."""
    leave_valleys(method, problems, theta, walk, known, others=True)
    cost, converged, steps = walk.cost.astype(float), walk.converged, walk.steps
    which = np.flatnonzero(converged & (cost < NEAR * known))
    if len(which):  # so near the minimum a few steps more give digits that do not depend on the way there
        part, group = rows_of(method, taken(problems, which)), np.arange(len(which))
        options: dict[str, Any] = {"steps": SHARPENING, "tolerance": EXACT_TOLERANCE}
        found, there = refined(method, part, group, theta[which], **options)
        better = there.cost <= cost[which]
        theta[which[better]], cost[which[better]] = found[better], there.cost[better]
        steps[which] += there.steps
    return Refined(theta.astype(float), cost, converged & np.isfinite(cost), steps)


def refine_many(
    method: Method,
    problems: Problem,
    starts: np.ndarray,
    *,
    max_steps: int = MAX_STEPS,
    exact: bool = False,
    tolerance: float = TOLERANCE,
) -> Refined:
    """Minimise every one of B problems from a start of its own.

    Args:
        method: form and loss, the same for all.
        problems: a `Problem` in normalised units (the last log x is 0); an array has B rows in front, or none
            where all problems share it: `log_x` (B, N) or (N,), `free` (B, p) or (p,), and so on.
        starts: (B, p) coordinates.
        max_steps: most steps a row is given.
        exact: steps by QR, which cost some ten times as much and keep all digits: for curves that are all
            but noiseless.
        tolerance: a row has converged once a step promises less than its square times the cost.

    Returns:
        What came of each row, in the order of `starts`.
    """
    method = method._replace(form=runnable(method.form))
    starts = np.asarray(starts, float)
    whole = several(method.form, problems)
    parts = []
    with np.errstate(all="ignore"):
        for rows in blocks(len(starts), whole.y.shape[-1]):
            part = rows_of(method, taken(whole, rows))
            group = np.arange(len(rows))
            options: dict[str, Any] = {"steps": max_steps, "tolerance": tolerance, "exact": exact}
            theta, walk = refined(method, part, group, starts[rows], **options)
            failed = ~np.isfinite(walk.cost)
            theta = np.where(failed[:, None], starts[rows], theta)
            parts.append((theta, walk.cost, walk.converged & ~failed, walk.steps))
    if not parts:
        return Refined(starts, np.zeros(0), np.zeros(0, bool), np.zeros(0, int))
    return Refined(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def blocks(count: int, points: int, rows: int = 1, times: int = 1) -> list[np.ndarray]:
    """Indices of `count` problems in blocks, `times` those of which a step's numbers stay in a cache."""
    size = max(times * AT_ONCE // max(points * rows, 1), 1)
    return [np.arange(first, min(first + size, count)) for first in range(0, count, size)]
