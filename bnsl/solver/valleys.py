"""Laws of one break that end somewhere along a valley, in which the solver creeps, taken to its bottom.

There are two such valleys: a break before the data, and a sharp break beside a point.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.checks import Array
from bnsl._base.programs import program
from bnsl.solver.conveyor import (
    COMPILE,
    MAX_STEPS,
    TOLERANCE,
    Placement,
    batched,
    begun,
    convey,
    pieces_of,
    taken,
)
from bnsl.solver.search import Method, Problem
from bnsl.solver.search import _residuals as residuals_of
from bnsl.solver.walk import Walk

BREAK = (4, 5)  # coordinates of its position and width
SHARP = 0.3  # a break narrower than this share of the distance between points may have its place at one
# A break before this share of the data is early; up to the second it may be, if the walk has not converged.
EARLY, HALFWAY = 0.15, 0.5
WRITABLE = 500.0  # largest log b of such a law; the numbers of a double end at 709


def leave_valleys(
    method: Method, problems: Problem, theta: np.ndarray, walk: Walk, placement: Placement
) -> None:
    """Go on from where C laws of one break ended, in place, where that is better.

    Args:
        method: form and loss.
        problems: the problems.
        theta: (C, 6) coordinates.
        walk: where they stand.
        placement: the devices to use.
    """
    bounded = np.isfinite(problems.lower).any() or np.isfinite(problems.upper).any()
    if method.straight and problems.free.all() and not bounded:
        _from_the_other_end(method, problems, theta, walk, placement)
    _place_at_points(method, problems, theta, walk, placement)


def _from_the_other_end(
    method: Method, problems: Problem, theta: np.ndarray, walk: Walk, placement: Placement
) -> None:
    """Go on from laws whose break lies before the data or at their beginning, in place, where that is better.

    Seen from the other end of the data such a break lies beyond the end, where the valley that it leaves is
    straight in the walk's coordinates.
    """
    first = problems.log_x[:, 0]
    share = 1.0 - theta[:, 4] / first
    early = (share < EARLY) | (~walk.converged & (share < HALFWAY))
    rows = np.flatnonzero(early & np.isfinite(walk.cost))
    if not len(rows):
        return
    part = taken(method, problems, rows)
    part = part._replace(log_x=np.where(part.weight > 0, first[rows, None] - part.log_x, 0.0))
    found, there = _refined(method, part, mirrored(theta[rows], first[rows]), placement)
    found = mirrored(_nearer(found, first[rows]), first[rows])
    cost = np.empty(len(rows))
    for some, _ in pieces_of(len(rows), placement.chunks[0]):
        cost[some] = np.asarray(_costs(method, taken(method, problems, rows[some]), found[some]))
    _keep_better(theta, walk, rows, found, there._replace(cost=cost))


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


@partial(program, static_argnums=0, compiler_options=COMPILE)
def _costs(method: Method, problems: Problem, theta: Array) -> Array:
    axes = batched(method.form, problems)
    residual = jax.vmap(lambda problem, at: residuals_of(method, problem, at)[0], (axes, 0))(problems, theta)
    return jnp.sum(residual**2, axis=1)


def mirrored(theta: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Laws of one break (B, 6) as functions of first - log x; twice that is what it was."""
    a, log_b, c0, c1, log_d, log_f = theta.T
    return np.stack([a, log_b + c1 * log_d - (c0 + c1) * first, -c0 - c1, c1, first - log_d, log_f], axis=1)


def _place_at_points(
    method: Method, problems: Problem, theta: np.ndarray, walk: Walk, placement: Placement
) -> None:
    """Put sharp breaks that ended near a point at that point, in place, where that is better.

    There the cost has a kink, along which the solver would creep; with the break held it does not.
    """
    starts, sharp = np.empty_like(theta), np.zeros(len(theta), bool)
    for rows, _ in pieces_of(len(theta), placement.chunks[0]):
        moved, near = _at_points(problems.log_x[rows], problems.weight[rows], theta[rows])
        starts[rows], sharp[rows] = np.asarray(moved), np.asarray(near)
    rows = np.flatnonzero(sharp & np.isfinite(walk.cost))
    if not len(rows):
        return
    held = taken(method, problems, rows)
    held = held._replace(free=held.free & ~np.isin(np.arange(theta.shape[1]), BREAK))
    _keep_better(theta, walk, rows, *_refined(method, held, starts[rows], placement))


def _refined(
    method: Method, problems: Problem, starts: np.ndarray, placement: Placement
) -> tuple[np.ndarray, Walk]:
    """Every problem followed from its start (B, p) to the end."""
    walk = begun(method, problems, starts, placement.chunks[0])
    options = (None, MAX_STEPS, False, TOLERANCE, placement.chunks, placement)
    return convey(method, problems, np.arange(len(starts)), walk, *options)


def _keep_better(theta: np.ndarray, walk: Walk, rows: np.ndarray, found: np.ndarray, there: Walk) -> None:
    """Put what was found for some rows in the place of what stands there, where its cost is lower."""
    better = there.cost < walk.cost[rows]
    theta[rows[better]] = found[better]
    for whole, part in zip(walk, there, strict=True):
        whole[rows[better]] = part[better]


@partial(program, compiler_options=COMPILE)
def _at_points(log_x: Array, weight: Array, theta: Array) -> tuple[Array, Array]:
    return jax.vmap(at_point)(log_x, weight, theta)


def at_point(log_x: Array, weight: Array, theta: Array) -> tuple[Array, Array]:
    """A law of one break (p,) with its break at the nearest point, and whether that may be its place."""
    log_x = jnp.where(weight > 0, log_x, jnp.inf)
    apart = jnp.abs(log_x - theta[4])
    nearest = jnp.argmin(apart)
    place = log_x[nearest]
    others = jnp.abs(log_x - place)
    gap = jnp.min(jnp.where(others > 0, others, jnp.inf))
    sharp = (jnp.exp(theta[5]) < SHARP * gap) & (apart[nearest] < SHARP * gap) & jnp.isfinite(gap)
    return jnp.asarray(theta).at[4].set(place), sharp
