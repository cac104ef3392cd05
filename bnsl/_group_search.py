"""The search for the best law of each of many curves, all starts of all curves together.

Every start is scouted for a few steps, and those go on that are near the best of their curve and lead to
different laws. On a CPU they ride the conveyor of `bnsl.many`; on a GPU, where rows cost little and moving
them a lot, all of them take their steps where they are, in a few passes over fewer and fewer rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._arrays import Array
from bnsl._linear_starts import linear_starts
from bnsl._programs import program
from bnsl._rows import Walk, advance
from bnsl._sharp_starts import sharp_starts
from bnsl.forms import BNSL, Form
from bnsl.many import (
    ANYWHERE,
    CHUNKS,
    COMPILE,
    MAX_STEPS,
    TOLERANCE,
    Pieces,
    Placement,
    Refined,
    batched,
    convey,
    on_host,
    taken,
)
from bnsl.search import Method, Problem
from bnsl.search import _box as box_of

# Chosen on simulated curves of one break with 64 points, of which `benchmarks/many_curves.py` draws others.
STARTS = 12  # starts with breaks of every width,
SHARP_STARTS = 8  # and with sharp ones, for forms that have breaks
SCOUTING = 9  # steps that every start is given;
NEAR = 1.5  # then those go on whose cost is within this factor of the curve's best:
LEAST, MOST = 2, 12  # at least and at most so many,
ALIKE = 0.03  # and no two whose squared distance, as a share of the cost, is less than this

SHARP = 0.3  # a break narrower than this share of the distance between points may have its place at one


def search_many(
    method: Method,
    problems: Problem,
    *,
    rivals: np.ndarray | None = None,
    report: Callable[[int], object] = lambda count: None,
    placement: Placement = ANYWHERE,
) -> Refined:
    """The best fit found of each of C problems, from starts of its own; of one break at most.

    Args:
        method: form and loss.
        problems: as in `bnsl.many.refine_many`; `y` has a row a problem.
        rivals: (C,) costs of other laws, by far above which a fit need not be followed to its end.
        report: told how many more curves were scouted, which is about half of the work.
        placement: the devices to use.
    """
    total = len(problems.y)
    problems = problems._replace(free=np.broadcast_to(problems.free, (total, np.shape(problems.free)[-1])))
    known = np.full(total, np.inf) if rivals is None else rivals
    theta, walk = _ride(method, problems, known, report, placement)
    _place_at_points(method, problems, theta, walk, placement)
    cost = np.where(np.isfinite(walk.cost), walk.cost, np.inf)
    return Refined(theta, cost, walk.converged & np.isfinite(cost), walk.steps)


def _ride(
    method: Method,
    problems: Problem,
    known: np.ndarray,
    report: Callable[[int], object],
    placement: Placement,
) -> tuple[np.ndarray, Walk]:
    """The best row of every problem by the conveyor: coordinates (C, p) and the walk."""
    starts = start_count(method.form)
    total, size = len(problems.y), max(CHUNKS[0] // starts, 1) * placement.factor
    owner, walks = [], []
    for first in range(0, total, size):
        rows = np.resize(np.arange(first, min(first + size, total)), size)
        count = min(size, total - first)
        walk = _scout(method, SCOUTING, placement.put(taken(method, problems, rows), size))
        chosen = np.flatnonzero(_worth_going_on(walk, size)[:count])
        owner.append(first + chosen // (len(walk.cost) // size))
        walks.append(on_host(walk, chosen))
        report(count)
    group = np.concatenate(owner)
    walk = Walk(*map(np.concatenate, zip(*walks, strict=True)))
    chunks = tuple(chunk * placement.factor for chunk in CHUNKS)
    theta, walk = convey(method, problems, group, walk, known, MAX_STEPS, False, TOLERANCE, chunks, placement)
    cost = np.where(np.isfinite(walk.cost), walk.cost, np.inf)
    order = np.lexsort([cost, group])
    best = order[np.searchsorted(group[order], np.arange(total))]
    theta, walk = theta[best], on_host(walk, best)
    crawling = np.flatnonzero(~walk.done & (cost[best] < known))
    if len(crawling):  # the best of their curves after all: they are given the steps that they need
        options = (None, MAX_STEPS, False, TOLERANCE, chunks, placement)
        theta[crawling], longer = convey(method, problems, crawling, on_host(walk, crawling), *options)
        for whole, part in zip(walk, longer, strict=True):
            whole[crawling] = part
    return theta, walk


def _place_at_points(
    method: Method, problems: Problem, theta: np.ndarray, walk: Walk, placement: Placement
) -> None:
    """Put sharp breaks that ended near a point at that point, in place, where that is better.

    There the cost has a kink, along which the solver would creep; with the break held it does not.
    """
    form = method.form
    if not (isinstance(form, BNSL) and form.n_breaks == 1):
        return
    each = np.arange(len(theta))
    log_x = np.where(problems.weight > 0, problems.log_x, np.inf)
    apart = np.abs(log_x - theta[:, 4:5])
    nearest = np.argmin(apart, axis=1)
    place = log_x[each, nearest]
    gap = np.minimum(
        np.abs(place - log_x[each, np.maximum(nearest - 1, 0)]) + np.where(nearest == 0, np.inf, 0.0),
        np.abs(log_x[each, np.minimum(nearest + 1, log_x.shape[1] - 1)] - place)
        + np.where(nearest == log_x.shape[1] - 1, np.inf, 0.0),
    )
    with np.errstate(invalid="ignore", over="ignore"):
        sharp = (np.exp(theta[:, 5]) < SHARP * gap) & (apart[each, nearest] < SHARP * gap)
    rows = np.flatnonzero(sharp & np.isfinite(walk.cost))
    if not len(rows):
        return
    starts = theta[rows].copy()
    starts[:, 4] = place[rows]
    held = taken(method, problems, rows)
    free = np.asarray(held.free) & ~np.isin(np.arange(theta.shape[1]), [4, 5])
    held = held._replace(free=free)
    found, there = refine_rows(method, held, starts, placement)
    better = there.cost < walk.cost[rows]
    theta[rows[better]] = found[better]
    for whole, part in zip(walk, there, strict=True):
        whole[rows[better]] = part[better]


def refine_rows(
    method: Method, problems: Problem, starts: np.ndarray, placement: Placement
) -> tuple[np.ndarray, Walk]:
    """Refine one start a problem."""
    from bnsl.many import begun

    chunks = tuple(chunk * placement.factor for chunk in CHUNKS)
    walk = begun(method, problems, starts, chunks[0])
    each = np.arange(len(starts))
    return convey(method, problems, each, walk, None, MAX_STEPS, False, TOLERANCE, chunks, placement)


def start_count(form: Form) -> int:
    """How many starts a curve has at most."""
    return STARTS + (SHARP_STARTS if isinstance(form, BNSL) and form.n_breaks == 1 else 0)


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
        apart = theta - theta[each, row][:, None]
        square = np.einsum("csp,cpq,csq->cs", apart, gram[each, row], apart)
        with np.errstate(invalid="ignore"):
            alike = (chosen & (square <= ALIKE * own[:, None])).any(axis=1)
            near = (own <= NEAR * best) | (number < LEAST)
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
        if isinstance(form, BNSL) and form.n_breaks == 1:
            sharp = sharp_starts(form, problem.log_x, problem.y, problem.weight, SHARP_STARTS)
            theta = jnp.concatenate([theta, sharp])
        return jnp.where(problem.free, jnp.clip(theta, *box_of(form, problem)), problem.held)

    starts = jax.vmap(starts_of, (axes,))(problems)
    curves, found, p = starts.shape
    pieces = Pieces(method, problems, curves, found)
    walk = pieces.begin(starts.reshape(curves * found, p))
    return advance(
        walk, pieces.evaluate, pieces.box, pieces.free, rounds=steps, tolerance=TOLERANCE, exact=False
    )
