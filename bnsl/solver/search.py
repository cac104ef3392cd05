"""The search for the best law of each of C curves, from starts of its own: the one engine, run by NumPy.

All starts are scouted for a few cheap steps; those go on that are near the best of their curve and lead to
different laws; what ends along a valley is taken to its bottom; and the best are refined by exact steps. With
two breaks or more there are many local minima, and `bnsl.solver.hops` finds where to refine.
`bnsl.solver.compiled` compiles the same pieces for very many curves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bnsl.forms.autodiff import runnable
from bnsl.solver.effort import (
    ALMOST,
    AT_ONCE,
    CREEPING,
    CROWDED,
    EXACT_STEPS,
    EXACT_TOLERANCE,
    FAINT,
    FURTHER,
    LOOKS,
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
    SCOUTED_TOGETHER,
    SCOUTING,
    SHARP_STARTS,
    SHARPENING,
    STARTS,
    TOLERANCE,
    Effort,
    effort_for,
)
from bnsl.solver.hops import Hops, trial_breaks
from bnsl.solver.picks import picked_starts
from bnsl.solver.pool import Pool, distinct, joined, pool_of
from bnsl.solver.problem import (
    Method,
    Problem,
    Rows,
    beside,
    crosses_zero,
    ends_of,
    placed,
    residuals,
    rows_of,
    several,
    taken,
    trimmed,
)
from bnsl.solver.starts import starts_of
from bnsl.solver.valleys import crept, leave_valleys
from bnsl.solver.walk import Drive, Walk, _some, begin, follow, fresh, refined, worth_going_on


class Refined(NamedTuple):
    """Where each of B fits ended."""

    theta: np.ndarray  # (B, p) coordinates
    cost: np.ndarray  # (B,) infinite where the start has no finite cost
    converged: np.ndarray  # (B,) bool
    steps: np.ndarray  # (B,) steps taken


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
        theta = _inward(method, walk)
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
    group, walk = _scouted(method, rows, starts, QUICK_NEAR)
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
        theta = _inward(method, walk)
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
    group, walk = _scouted(method, rows, starts, near, drive)
    steps = QUICK_STEPS if quick else MAX_STEPS
    options: dict[str, Any] = {"steps": steps, "tolerance": TOLERANCE, "rivals": rivals, "within": ALMOST}
    walk = drive(method, rows, group, walk, **options)
    pool = pool_of(_inward(method, walk), walk.cost, walk.converged)
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
    leave_valleys(method, one, theta, walk, np.ones(1, bool))
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


def _scouted(
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
    return group[chosen], Walk(*(part[chosen] for part in walk))


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
        return crosses_zero(method.form, method.loss, _inward(method, _some(walk, rows)), *ends)

    best = least()
    for curve in np.flatnonzero(bad(best)).tolist():
        rows = np.flatnonzero((group == curve) & np.isfinite(cost))
        crossing = bad(rows)
        if not crossing.all():
            cost[rows[crossing]] = np.inf
            best = least()
    walk = Walk(*(np.array(part[best]) for part in walk))
    return _inward(method, walk), walk


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
            for some in blocks(len(which), points, each):
                part = trimmed(taken(whole, which[some]))
                starts.append(starts_of(method, part, rows_of(method, part)))
            group, walk = _scouted(method, taken(rows, which), np.concatenate(starts))
            groups.append(which[group])
            walks.append(walk)
            report(len(which))
        group = np.concatenate(groups)
        walk = Walk(*map(np.concatenate, zip(*walks, strict=True)))
        walk = follow(method, rows, group, walk, steps=CROWDED, tolerance=TOLERANCE, rivals=known)
        theta, walk = best_of(method, whole, group, walk)
        if method.form.n_breaks == 1:
            leave_valleys(method, whole, theta, walk, walk.cost < NEAR * known)
        return settled(method, whole, theta, walk, known)


def settled(method: Method, problems: Problem, theta: np.ndarray, walk: Walk, known: np.ndarray) -> Refined:
    """The best laws (C, p) of C curves, taken to their ends by exact steps where cheap ones did not do."""
    cost, converged, steps = walk.cost.astype(float), walk.converged.copy(), walk.steps.copy()
    theta = theta.astype(float)
    worth = np.isfinite(cost) & (cost < NEAR * known)
    for which, drive in ((worth & converged, _sharpened), (worth & ~converged, crept)):
        which = np.flatnonzero(which)
        if not len(which):
            continue
        found, there = drive(method, taken(problems, which), theta[which], known[which])
        better = there.cost <= cost[which]
        theta[which[better]], cost[which[better]] = found[better], there.cost[better]
        converged[which] |= there.converged & better
        steps[which] += there.steps
    return Refined(theta, cost, converged & np.isfinite(cost), steps)


def _sharpened(
    method: Method, problems: Problem, theta: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, Walk]:
    """A few steps more: so near the minimum these give digits that do not depend on the way there."""
    rows, group = rows_of(method, problems), np.arange(len(theta))
    return refined(method, rows, group, theta, steps=SHARPENING, tolerance=EXACT_TOLERANCE)


def _inward(method: Method, walk: Walk) -> np.ndarray:
    return method.form.from_working(walk.theta) if method.straight else walk.theta


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
