"""The search for the best law of each of many curves, all starts of all curves together.

Every start is scouted for a few steps, and those go on that are near the best of their curve and lead to
different laws. On a CPU they ride the conveyor of `bnsl.many`; on a GPU, where rows cost little and moving
them a lot, all of them take their steps where they are, in a few passes over fewer and fewer rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.checks import Array
from bnsl._base.precision import precision
from bnsl._base.programs import program
from bnsl.forms.form import Form
from bnsl.solver.conveyor import (
    ANYWHERE,
    COMPILE,
    MAX_STEPS,
    TOLERANCE,
    Pieces,
    Placement,
    Refined,
    batched,
    convey,
    on_host,
    pieces_of,
    taken,
)
from bnsl.solver.linear_starts import linear_starts
from bnsl.solver.search import Method, Problem, has_break
from bnsl.solver.search import _box as box_of
from bnsl.solver.sharp_starts import plateau_starts, sharp_starts
from bnsl.solver.valleys import BREAK, at_point, leave_valleys
from bnsl.solver.walk import Walk, advance, begin

# Chosen on simulated curves of one break with 64 points, of which `benchmarks/many_curves.py` draws others.
STARTS = 8  # starts with breaks of every width,
SHARP_STARTS = 16  # and with sharp ones, for forms that have breaks
PLATEAU_STARTS = 4  # and that end at a limit amid the points;
SCOUTED = 512  # starts of several curves at a time
SCOUT_DTYPE = "float32"
SCOUTING = 12  # steps that every start is given;
NEAR = 1.3  # then those go on whose cost is within this factor of the curve's best:
LEAST, MOST = 2, 12  # at least and at most so many,
ALIKE = 0.05  # and no two whose squared distance, as a share of the cost, is less than this

PLACED = 40  # steps of a law whose sharp break is held at a point

# On a GPU: curves at a time, and how many rows of each go on for how many steps.
TOGETHER = 16_384
PASSES = ((6, 18), (3, 36), (1, 186))


Search = Callable[[np.ndarray | None], Refined]


def begin_search(
    method: Method,
    problems: Problem,
    *,
    report: Callable[[int], object] = lambda count: None,
    placement: Placement = ANYWHERE,
) -> Search:
    """Begin to search the best fit of each of C problems, from starts of its own; of one break at most.

    Args:
        method: form and loss.
        problems: as in `bnsl.many.refine_many`; `y` has a row a problem.
        report: told how many more curves were scouted, which is about half of the work.
        placement: the devices to use.

    Returns:
        A function that gives what was found, of the costs (C,) of other laws, by far above which a fit need
        not be followed to its end, or None. A GPU is at work already; a CPU begins when it is called.
    """
    total = len(problems.y)
    problems = problems._replace(free=np.broadcast_to(problems.free, (total, np.shape(problems.free)[-1])))
    if placement.wide:
        launched = _march(method, problems, placement)
        return lambda rivals: _fetched(launched, report)

    def search(rivals: np.ndarray | None) -> Refined:
        known = np.full(total, np.inf) if rivals is None else rivals
        theta, walk = _ride(method, problems, known, report, placement)
        if has_break(method.form):
            leave_valleys(method, problems, theta, walk, placement)
        cost = np.where(np.isfinite(walk.cost), walk.cost, np.inf)
        return Refined(theta, cost, walk.converged & np.isfinite(cost), walk.steps)

    return search


def _ride(
    method: Method,
    problems: Problem,
    known: np.ndarray,
    report: Callable[[int], object],
    placement: Placement,
) -> tuple[np.ndarray, Walk]:
    """The best row of every problem by the conveyor: coordinates (C, p) and the walk."""
    starts = start_count(method.form)
    total, size = len(problems.y), max(SCOUTED // starts, 1) * placement.factor
    owner, walks = [], []
    for rows, count in pieces_of(total, size):
        with precision(SCOUT_DTYPE):  # scouts need not be exact, and take half of the time
            walk = _scout(method, SCOUTING, placement.put(taken(method, problems, rows), size))
            chosen = np.flatnonzero(_worth_going_on(walk, size)[:count])
            owner.append(rows[chosen // (len(walk.cost) // size)])
            walks.append(on_host(walk, chosen))
        report(count)
    group = np.concatenate(owner)
    walk = _afresh(Walk(*map(np.concatenate, zip(*walks, strict=True))), problems.y.dtype)
    options = (MAX_STEPS, False, TOLERANCE, placement.chunks, placement)
    theta, walk = convey(method, problems, group, walk, known, *options)
    cost = np.where(np.isfinite(walk.cost), walk.cost, np.inf)
    order = np.lexsort([cost, group])
    best = order[np.searchsorted(group[order], np.arange(total))]
    theta, walk = theta[best], on_host(walk, best)
    crawling = np.flatnonzero(~walk.done & (cost[best] < known))
    if len(crawling):  # the best of their curves after all: they are given the steps that they need
        begun_walk = on_host(walk, crawling)
        theta[crawling], longer = convey(method, problems, crawling, begun_walk, None, *options)
        for whole, part in zip(walk, longer, strict=True):
            whole[crawling] = part
    return theta, walk


def _afresh(walk: Walk, dtype: np.dtype) -> Walk:
    """Rows that go on in another precision: they are evaluated again, and keep their damping."""
    walk = Walk(*(part.astype(dtype) if part.dtype.kind == "f" else part for part in walk))
    start = begin(walk.theta)
    return Walk(*map(np.array, start))._replace(damping=walk.damping, failed=walk.failed)


# --- on a GPU -------------------------------------------------------------------------------------


Launched = list[tuple[int, tuple[Array, ...]]]


def _march(method: Method, problems: Problem, placement: Placement) -> Launched:
    """Send all problems on their way, all rows in step: how many there are in a chunk, and its results."""
    total, size = len(problems.y), TOGETHER * len(placement.devices)
    launched = []
    for rows, count in pieces_of(total, size):
        part = placement.put(taken(method, problems, rows), size)
        walk = _scout(method, SCOUTING, part)
        for keep, steps in PASSES:
            walk = _pass(method, keep, steps, part, walk)
        launched.append((count, _ended(method, part, walk)))
    return launched


def _fetched(launched: Launched, report: Callable[[int], object]) -> Refined:
    """Wait for the results."""
    ended = []
    for count, results in launched:
        ended.append([np.asarray(part)[:count] for part in results])
        report(count)
    theta, cost, converged, steps = (np.concatenate(column) for column in zip(*ended, strict=True))
    cost = np.where(np.isfinite(cost), cost, np.inf)
    return Refined(theta, cost, converged & np.isfinite(cost), steps)


@partial(program, static_argnums=(0, 1, 2), compiler_options=COMPILE)
def _pass(method: Method, keep: int, steps: int, problems: Problem, walk: Walk) -> Walk:
    """Take the best rows (C keep) of every problem some steps further, those that lead to different laws."""
    curves = problems.y.shape[0]
    walk = Walk(*(part.reshape(curves, -1, *part.shape[1:]) for part in walk))
    cost = jnp.where(jnp.isfinite(walk.cost), walk.cost, jnp.inf)
    order = jnp.argsort(cost, axis=1)
    walk = jax.vmap(lambda one, index: jax.tree.map(lambda v: v[index], one))(walk, order)
    cost = jnp.take_along_axis(cost, order, axis=1)
    apart = walk.theta[:, :, None] - walk.theta[:, None]  # (C, S, S, p)
    square = jnp.einsum("crsp,crpq,crsq->crs", apart, walk.gram, apart)
    alike = square <= ALIKE * cost[:, :, None]
    near = cost <= NEAR * cost[:, :1]
    chosen = jnp.zeros(cost.shape, bool).at[:, 0].set(True)
    for rank in range(1, cost.shape[1]):
        other = ~jnp.any(chosen & alike[:, rank], axis=1)
        chosen = chosen.at[:, rank].set(
            other & (near[:, rank] | (rank < LEAST)) & jnp.isfinite(cost[:, rank])
        )
    first = jnp.argsort(~chosen, axis=1)[:, :keep]
    walk = jax.vmap(lambda one, index: jax.tree.map(lambda v: v[index], one))(walk, first)
    left_out = ~jnp.take_along_axis(chosen, first, axis=1)
    walk = walk._replace(failed=walk.failed | left_out)
    walk = Walk(*(part.reshape(curves * keep, *part.shape[2:]) for part in walk))
    pieces = Pieces(method, problems, curves, keep)
    return advance(
        walk, pieces.evaluate, pieces.box, pieces.free, rounds=steps, tolerance=TOLERANCE, exact=False
    )


@partial(program, static_argnums=0, compiler_options=COMPILE)
def _ended(method: Method, problems: Problem, walk: Walk) -> tuple[Array, ...]:
    """Coordinates (C, p), costs, convergence and steps; sharp breaks are at points where that is better."""
    pieces = Pieces(method, problems, problems.y.shape[0], 1)
    theta = jax.vmap(pieces.inward)(walk.theta)
    if not has_break(method.form):
        return theta, walk.cost, walk.converged, walk.steps
    starts, sharp = jax.vmap(at_point)(problems.log_x, problems.weight, theta)
    free: Any = jnp.broadcast_to(problems.free, theta.shape) & ~np.isin(np.arange(theta.shape[1]), BREAK)
    pieces = Pieces(method, problems._replace(free=free), problems.y.shape[0], 1)
    other = pieces.begin(starts)
    other = advance(
        other._replace(failed=~sharp), pieces.evaluate, pieces.box, pieces.free,
        rounds=PLACED, tolerance=TOLERANCE, exact=False,
    )  # fmt: skip
    better = other.cost < walk.cost
    theta = jnp.where(better[:, None], jax.vmap(pieces.inward)(other.theta), theta)
    pairs = ((other.cost, walk.cost), (other.converged, walk.converged), (other.steps, walk.steps))
    return theta, *(jnp.where(better, new, old) for new, old in pairs)


# --- both -----------------------------------------------------------------------------------------


def start_count(form: Form) -> int:
    """How many starts a curve has at most."""
    return STARTS + (SHARP_STARTS + PLATEAU_STARTS if has_break(form) else 0)


def _worth_going_on(walk: Walk, curves: int) -> np.ndarray:
    """Which starts (C, S) go on after scouting: the best of each curve that lead to different laws."""
    theta, gram = (np.asarray(part).reshape(curves, -1, *part.shape[1:]) for part in (walk.theta, walk.gram))
    cost = np.asarray(walk.cost).reshape(curves, -1)
    cost = np.where(np.isfinite(cost), cost, np.inf)
    order = np.argsort(cost, axis=1, kind="stable")
    each = np.arange(curves)
    chosen = np.zeros(cost.shape, bool)
    best = cost[each, order[:, 0]]
    number = np.zeros(curves, int)
    for rank in range(cost.shape[1]):
        row = order[:, rank]
        own = cost[each, row]
        with np.errstate(invalid="ignore"):
            near = (own <= NEAR * best) | (number < LEAST)
            if rank and not near.any():
                break
            apart = theta - theta[each, row][:, None]
            square = np.sum((apart @ gram[each, row]) * apart, axis=2)
            alike = (chosen & (square <= ALIKE * own[:, None])).any(axis=1)
        ok = ~alike & near & (number < MOST) & (np.isfinite(own) | (rank == 0))
        chosen[each, row] = ok
        number += ok
    return chosen


@partial(program, static_argnums=(0, 1), compiler_options=COMPILE)
def _scout(method: Method, steps: int, problems: Problem) -> Walk:
    """The walk of the starts from the data, (C S) rows, after some steps."""
    form = method.form
    axes = batched(form, problems)

    def starts_of(problem: Problem) -> Array:
        theta = linear_starts(form, problem.log_x, problem.y, problem.weight, STARTS)
        if has_break(form):
            sharp = sharp_starts(form, problem.log_x, problem.y, problem.weight, SHARP_STARTS)
            plateau = plateau_starts(form, problem.log_x, problem.y, problem.weight, PLATEAU_STARTS)
            theta = jnp.concatenate([theta, sharp, plateau])
        return jnp.where(problem.free, jnp.clip(theta, *box_of(form, problem)), problem.held)

    starts = jax.vmap(starts_of, (axes,))(problems)
    curves, found, p = starts.shape
    pieces = Pieces(method, problems, curves, found)
    walk = pieces.begin(starts.reshape(curves * found, p))
    return advance(
        walk, pieces.evaluate, pieces.box, pieces.free, rounds=steps, tolerance=TOLERANCE, exact=False
    )
