"""The compiled driver of a GPU: all rows in step.

There rows cost little and moving them a lot, so that all take their steps where they are, in a few passes
over fewer and fewer rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.arrays import Array
from bnsl.solver.crowd import Refined
from bnsl.solver.effort import DISTINCT, LEAST, NEAR
from bnsl.solver.problem import Method, Problem, inward, rows_of
from bnsl.solver.traced import Placement, pieces_of, repeated, scout, stepped
from bnsl.solver.valleys import BREAK, PLACED, at_points
from bnsl.solver.walk import Walk, begin

# Curves at a time, and how many rows of each go on for how many steps.
TOGETHER = 16_384
PASSES = ((6, 18), (3, 36), (1, 186))

Launched = list[tuple[int, tuple[Array, ...]]]


def march(method: Method, problems: Problem, placement: Placement) -> Launched:
    """Send all problems on their way, all rows in step: how many there are in a chunk, and its results."""
    size = TOGETHER * len(placement.devices)
    launched = []
    for piece, _, count in pieces_of(problems, size):
        part = placement.put(piece, size)
        walk = scout(method, part)
        for keep, steps in PASSES:
            walk = _pass(method, keep, steps, part, walk)
        launched.append((count, _ended(method, part, walk)))
    return launched


def fetched(launched: Launched, report: Callable[[int], object]) -> Refined:
    """Wait for the results."""
    ended = []
    for count, results in launched:
        ended.append([np.asarray(part)[:count] for part in results])
        report(count)
    theta, cost, converged, steps = (np.concatenate(column) for column in zip(*ended, strict=True))
    cost = np.where(np.isfinite(cost), cost, np.inf)
    return Refined(theta, cost, converged & np.isfinite(cost), steps)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _pass(method: Method, keep: int, steps: int, problems: Problem, walk: Walk) -> Walk:
    """Take the best rows (C keep) of every problem some steps further, those that lead to different laws."""
    curves = problems.y.shape[0]
    each = walk.cost.shape[0] // curves
    walk = Walk(*(jnp.reshape(part, (curves, each, *part.shape[1:])) for part in walk))
    cost = jnp.where(jnp.isfinite(walk.cost), walk.cost, jnp.inf)
    order = jnp.argsort(cost, axis=1)
    walk = jax.vmap(lambda one, index: jax.tree.map(lambda v: v[index], one))(walk, order)
    cost = jnp.take_along_axis(cost, order, axis=1)
    apart = walk.theta[:, :, None] - walk.theta[:, None]  # (C, S, S, p)
    square = jnp.einsum("crsp,crpq,crsq->crs", apart, walk.gram, apart)
    alike = square <= DISTINCT * cost[:, :, None]
    near = cost <= NEAR * cost[:, :1]
    chosen = jnp.zeros(cost.shape, bool).at[:, 0].set(True)
    for rank in range(1, cost.shape[1]):
        other = ~jnp.any(chosen & alike[:, rank], axis=1)
        good = other & (near[:, rank] | (rank < LEAST)) & jnp.isfinite(cost[:, rank])
        chosen = chosen.at[:, rank].set(good)
    first = jnp.argsort(~chosen, axis=1)[:, :keep]
    walk = jax.vmap(lambda one, index: jax.tree.map(lambda v: v[index], one))(walk, first)
    left_out = ~jnp.take_along_axis(chosen, first, axis=1)
    walk = walk._replace(failed=walk.failed | left_out)
    walk = Walk(*(jnp.reshape(part, (curves * keep, *part.shape[2:])) for part in walk))
    return stepped(method, repeated(rows_of(method, problems), keep), walk, steps)


@partial(jax.jit, static_argnums=0)
def _ended(method: Method, problems: Problem, walk: Walk) -> tuple[Array, ...]:
    """Coordinates (C, p), costs, convergence and steps; sharp breaks are at points where that is better."""
    theta = inward(method, walk.theta)
    if method.form.n_breaks != 1:
        return theta, walk.cost, walk.converged, walk.steps
    starts, sharp = at_points(problems.log_x, problems.weight, theta)
    free = problems.free & ~np.isin(np.arange(theta.shape[1]), BREAK)
    rows = rows_of(method, problems._replace(free=free))
    other = begin(method, rows, starts)
    other = stepped(method, rows, other._replace(failed=~sharp), PLACED)
    better = other.cost < walk.cost
    theta = jnp.where(better[:, None], inward(method, other.theta), theta)
    pairs = ((other.cost, walk.cost), (other.converged, walk.converged), (other.steps, walk.steps))
    return theta, *(jnp.where(better, new, old) for new, old in pairs)
