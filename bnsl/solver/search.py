"""The search for the best law of one curve, from starts of its own: the one engine, run by NumPy.

All starts are scouted for a few cheap steps; those go on that are near the best of the curve and lead to
different laws; what ends along a valley is taken to its bottom; and the best are refined by exact steps. With
two breaks or more there are many local minima, and `bnsl.solver.hops` finds where to refine.
`bnsl.solver.crowd` does the same for very many curves at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bnsl.forms.autodiff import runnable
from bnsl.solver.effort import (
    ALMOST,
    CREEPING,
    EXACT_STEPS,
    EXACT_TOLERANCE,
    FAINT,
    FURTHER,
    MAX_STEPS,
    MINIMUM,
    NEAR,
    NOISELESS,
    POLISH,
    POLISHING,
    QUICK_NEAR,
    QUICK_STARTS,
    QUICK_STEPS,
    ROUGH_STARTS,
    ROUGH_STEPS,
    ROUNDING,
    TOLERANCE,
    Effort,
    effort_for,
)
from bnsl.solver.follow import Drive, follow, refined
from bnsl.solver.hops import Hops, trial_breaks
from bnsl.solver.picks import picked_starts
from bnsl.solver.pool import Pool, distinct, joined, pool_of
from bnsl.solver.problem import (
    Method,
    Problem,
    Rows,
    beside,
    inward,
    placed,
    residuals,
    rows_of,
    several,
    taken,
)
from bnsl.solver.scouting import scouted
from bnsl.solver.starts import starts_of
from bnsl.solver.valleys import leave_valleys
from bnsl.solver.walk import Walk, fresh


def search(method: Method, problem: Problem, *, quick: bool = False, drive: Drive = follow) -> Pool:
    """The local minima that the starts of one curve lead to, best first.

    Args:
        method: form and loss.
        problem: the data in normalised units, without padding.
        quick: refine the starts from the data, and search no further.
        drive: what takes rows to their ends.
    """
    method = method._replace(form=runnable(method.form))
    with np.errstate(all="ignore"):
        return _search(method, problem, quick, drive)


def _search(method: Method, problem: Problem, quick: bool, drive: Drive) -> Pool:
    form, effort = method.form, effort_for(method.form)
    one = several(form, problem)
    rows = rows_of(method, one)
    if effort.kicks and not quick:
        pool = _exactly(method, rows, Hops(method, problem, effort, drive).best(), drive=drive)
    else:
        pool = _from_starts(method, one, rows, effort, quick, drive)
    if not np.isfinite(pool.cost[0]):  # all starts overflow: begin at a law that hardly depends on x
        pool = _exactly(method, rows, np.where(one.free, 0.0, one.held), drive=drive)
    faint = NOISELESS if quick else FAINT
    if form.n_breaks and problem.free.all() and _remains(pool, float(rows.points[0]), faint):
        pool = joined(pool, _hidden_breaks(method, problem, one, rows, effort, drive))
    for _ in range(FURTHER):
        if pool.converged[0] or not _remains(pool, float(rows.points[0]), NOISELESS):
            break
        pool = joined(_exactly(method, rows, pool.theta[: effort.keep], drive=drive), pool)
    return pool


def rough_pools(method: Method, problems: list[Problem], drive: Drive = follow) -> list[Pool]:
    """Laws near the local minima of each of C curves, side by side, for who refines them himself."""
    method = method._replace(form=runnable(method.form))
    with np.errstate(all="ignore"):
        group, walk, _ = _from_smooth_starts(method, problems, ROUGH_STARTS, ROUGH_STEPS, drive)
        theta = inward(method, walk.theta)
    return [
        pool_of(theta[group == curve], walk.cost[group == curve], walk.converged[group == curve])
        for curve in range(len(problems))
    ]


def _from_smooth_starts(
    method: Method, problems: list[Problem], count: int, steps: int, drive: Drive
) -> tuple[np.ndarray, Walk, Rows]:
    """Where cheap steps from smooth starts lead: curve of each row (B,), the walk, and the curves' rows."""
    whole = beside(method.form, problems)
    rows = rows_of(method, whole)
    starts = _starts(method, whole, rows, min(effort_for(method.form).starts, count), smooth=True)
    group, walk = scouted(method, rows, starts, QUICK_NEAR)
    return group, drive(method, rows, group, walk, steps=steps, tolerance=TOLERANCE), rows


def search_from(
    method: Method,
    problem: Problem,
    starts: np.ndarray,
    drive: Drive = follow,
    steps: int = EXACT_STEPS,
) -> Pool:
    """The local minima next to laws (K, p) of one curve, best first, by so many exact steps."""
    return pools_from(method, [problem], [starts], drive, steps)[0]


def pools_from(
    method: Method,
    problems: list[Problem],
    starts: list[np.ndarray],
    drive: Drive = follow,
    steps: int = EXACT_STEPS,
) -> list[Pool]:
    """`search_from` of several curves, side by side."""
    method = method._replace(form=runnable(method.form))
    with np.errstate(all="ignore"):
        inside = []
        for problem, laws in zip(problems, starts, strict=True):
            one = several(method.form, problem)
            inside.append(placed(one, rows_of(method, one), laws[None])[0])
        group = np.repeat(np.arange(len(problems)), [len(laws) for laws in inside])
        rows = rows_of(method, beside(method.form, problems))
        theta, walk = _to_their_ends(method, rows, group, np.concatenate(inside), steps, drive)
    return [
        pool_of(theta[group == curve], walk.cost[group == curve], walk.converged[group == curve])
        for curve in range(len(problems))
    ]


def quick_pools(method: Method, problems: list[Problem], drive: Drive = follow) -> list[Pool]:
    """The local minima that smooth starts of each of C curves lead to, side by side.

    `search` goes on from there; these are where laws may be that least squares would not choose.
    """
    method = method._replace(form=runnable(method.form))
    effort = effort_for(method.form)
    curves = len(problems)
    with np.errstate(all="ignore"):
        group, walk, rows = _from_smooth_starts(method, problems, QUICK_STARTS, QUICK_STEPS, drive)
        theta = inward(method, walk.theta)
        misfit = residuals(method, taken(rows, group), theta)[0]
        chosen = []
        for curve in range(curves):
            own = np.flatnonzero(group == curve)
            chosen += own[distinct(walk.cost[own], misfit[own], effort.keep, MINIMUM)].tolist()
        options: dict[str, Any] = {
            "steps": POLISH,
            "tolerance": EXACT_TOLERANCE,
            "exact": True,
            "drive": drive,
        }
        best = np.full(curves, np.inf)
        theta[chosen], ended = refined(method, rows, group[chosen], theta[chosen], rivals=best, **options)
        cost, converged = walk.cost.copy(), walk.converged.copy()
        cost[chosen], converged[chosen] = ended.cost, ended.converged
    pools = []
    for curve, problem in enumerate(problems):
        own = group == curve
        pool = pool_of(theta[own], cost[own], converged[own])
        if _remains(pool, float(len(problem.y)), NOISELESS) or not np.isfinite(pool.cost[0]):
            pool = search(method, problem, quick=True, drive=drive)
        pools.append(pool)
    return pools


def _from_starts(method: Method, one: Problem, rows: Rows, effort: Effort, quick: bool, drive: Drive) -> Pool:
    """Starts from the data, scouted, the best of them refined."""
    near, rivals = (QUICK_NEAR, None) if quick else (NEAR, np.full(1, np.inf))
    starts = _starts(method, one, rows, effort.starts, smooth=quick)
    group, walk = scouted(method, rows, starts, near, drive)
    steps = QUICK_STEPS if quick else MAX_STEPS
    options: dict[str, Any] = {"steps": steps, "tolerance": TOLERANCE, "rivals": rivals, "within": ALMOST}
    walk = drive(method, rows, group, walk, **options)
    pool = pool_of(inward(method, walk.theta), walk.cost, walk.converged)
    if method.form.n_breaks == 1 and not quick:
        pool = joined(pool, _bottom(method, one, pool))
    points = float(rows.points[0])
    quiet = _remains(pool, points, NOISELESS if quick else FAINT)
    sure = not quiet and (quick or bool(pool.converged[0]))
    keep = 1 if sure and not quick else effort.keep
    chosen = distinct(pool.cost, residuals(method, rows, pool.theta)[0], keep, MINIMUM)
    exact = _exactly(
        method,
        rows,
        pool.theta[chosen],
        POLISH if sure else CREEPING if method.form.n_breaks and not quiet else EXACT_STEPS,
        drive,
    )
    if keep == 1:  # a polished solution has converged if it had before
        exact = exact._replace(converged=exact.converged | pool.converged[chosen])
    rest = np.setdiff1d(np.arange(len(pool.cost)), chosen)
    return joined(exact, Pool(*(part[rest] for part in pool)))


def _bottom(method: Method, one: Problem, pool: Pool) -> Pool:
    """The best law of one break, taken to the bottom of its valley."""
    theta = pool.theta[:1].copy()
    walk = fresh(theta.copy())._replace(cost=pool.cost[:1].copy(), converged=pool.converged[:1].copy())
    leave_valleys(method, one, theta, walk)
    return pool_of(theta, walk.cost, walk.converged)


def _starts(method: Method, problems: Problem, rows: Rows, count: int, *, smooth: bool = False) -> np.ndarray:
    """Starts (C, K, p) from the data, `count` of them where there are several breaks."""
    form: Any = method.form
    if form.n_breaks <= 1:
        return starts_of(method, problems, rows, smooth=smooth)
    found = []
    for log_x, y, weight in zip(*_each(problems), strict=True):
        theta = picked_starts(form, form.separable(log_x, y, weight), weight, count)
        found.append(np.concatenate([theta, np.repeat(theta[:1], count - len(theta), axis=0)]))
    return placed(problems, rows, np.stack(found))


def _each(problems: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log x, y and weights (C, N)."""
    shape = problems.y.shape
    return np.broadcast_to(problems.log_x, shape), problems.y, np.broadcast_to(problems.weight, shape)


def _exactly(
    method: Method, rows: Rows, starts: np.ndarray, steps: int = EXACT_STEPS, drive: Drive = follow
) -> Pool:
    """Starts (K, p) of one curve taken to their ends by exact steps."""
    theta, walk = _to_their_ends(method, rows, np.zeros(len(starts), int), starts, steps, drive)
    return pool_of(theta, walk.cost, walk.converged)


def _to_their_ends(
    method: Method, rows: Rows, group: np.ndarray, starts: np.ndarray, steps: int, drive: Drive
) -> tuple[np.ndarray, Walk]:
    """Starts (B, p) of some curves (B,), rivals of one another, taken to their ends by exact steps."""
    options: dict[str, Any] = {"steps": steps, "tolerance": EXACT_TOLERANCE, "exact": True, "drive": drive}
    rivals = np.full(len(rows.data), np.inf)
    return refined(method, rows, group, starts, rivals=rivals, **options)


def _remains(pool: Pool, points: float, least: float) -> bool:
    """Whether the mean squared residual is below `least`, and rounding is not all that is left."""
    return bool(ROUNDING < pool.cost[0] / points < least)


def _hidden_breaks(
    method: Method, problem: Problem, one: Problem, rows: Rows, effort: Effort, drive: Drive
) -> Pool:
    """Fit without the last break, then start with a sharp one beyond the end of the data, or a faint one.

    A break beyond the end leaves a trace of relative size exp(-(log d - log x_last) / f) only, to which no
    start with a worse limit or slope leads. On noiseless data it determines the break all the same.
    """
    p = len(problem.free)
    fewer = rows._replace(free=(np.arange(p) < p - 3)[None])
    first = _starts(method, one, rows, effort.starts)[0]
    flat = first.copy()
    flat[:, -3:] = (0.0, -1.0, -1.0)
    base = _exactly(method, fewer, flat, drive=drive).theta[0]
    first_x, last_x = float(problem.log_x.min()), float(problem.log_x.max())
    span = last_x - first_x
    side = int(np.ceil(np.sqrt(effort.starts)))
    beyond, width = np.meshgrid(np.geomspace(0.02, 0.3, side), np.geomspace(0.004, 0.06, side))
    late = np.tile(base, (side * side, 1))
    late[:, -3] = 1.0
    late[:, -2] = last_x + span * beyond.ravel()
    late[:, -1] = np.log(span * width.ravel())
    pool = _exactly(method, rows, late, drive=drive)
    trials = trial_breaks(np.random.default_rng(0), problem.log_x)
    grown = Hops(method, problem, effort, drive).sprouts(base[None], 1, effort.starts, trials)
    return joined(pool, _exactly(method, rows, grown, drive=drive))


def polish(method: Method, problem: Problem, first: np.ndarray) -> Pool:
    """A few cheap steps from near solutions (M, p), for very many points."""
    method = method._replace(form=runnable(method.form))
    with np.errstate(all="ignore"):
        rows = rows_of(method, several(method.form, problem))
        group = np.zeros(len(first), int)
        theta, walk = refined(method, rows, group, first, steps=POLISHING, tolerance=EXACT_TOLERANCE)
        return pool_of(theta, walk.cost, walk.converged)
