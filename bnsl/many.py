"""Refinement of many fits at once, each from one start, in chunks of one shape.

A chunk is a conveyor: after every round of steps the rows that are done leave, and the next problems take
their places. So no fit waits for a slower one, memory is bounded, and there is one compiled program however
many problems there are.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnsl import losses
from bnsl._arrays import Array
from bnsl._rows import Walk, advance, begin
from bnsl.forms import Form
from bnsl.search import FAST_COMPILE, Method, Problem
from bnsl.search import _box as box_of
from bnsl.search import _residuals as residuals_of

CHUNKS = (256, 32)  # rows at work at a time, many and few: one step's numbers stay in the processor's cache
ROUND = 6  # steps between two looks at which rows are done
MAX_STEPS = 200
TOLERANCE = 1e-6  # square root of the share of the cost that a last step may still have promised


class Refined(NamedTuple):
    """Where each of B fits ended."""

    theta: np.ndarray  # (B, p) coordinates
    cost: np.ndarray  # (B,) infinite where the start has no finite cost
    converged: np.ndarray  # (B,) bool
    steps: np.ndarray  # (B,) steps taken


def refine_many(
    method: Method,
    problems: Problem,
    starts: np.ndarray,
    *,
    max_steps: int = MAX_STEPS,
    exact: bool = False,
    tolerance: float = TOLERANCE,
    chunks: tuple[int, ...] = CHUNKS,
) -> Refined:
    """Minimise every one of B problems from a start of its own.

    Call it inside `bnsl._arrays.double_precision()`.

    Args:
        method: form and loss, the same for all.
        problems: a `Problem` in normalised units (the last log x is 0), padded; an array has B rows in front,
            or none where all problems share it: `log_x` (B, N) or (N,), `free` (B, p) or (p,), and so on.
        starts: (B, p) coordinates.
        max_steps: most steps a row is given, rounded up to whole rounds.
        exact: steps by QR, which cost some ten times as much and keep all digits: for curves that are all
            but noiseless.
        tolerance: a row has converged once a step promises less than its square times the cost.
        chunks: rows at work at a time, descending; the last ones of a batch move to a smaller chunk.

    Returns:
        What came of each row, in the order of `starts`.
    """
    starts = np.asarray(starts, dtype=float)
    total = len(starts)
    theta, cost = starts.copy(), np.full(total, np.inf)
    converged, steps = np.zeros(total, bool), np.zeros(total, int)
    sizes = [size for size in chunks if size // 2 < total] or [chunks[-1]]
    size = sizes.pop(0)
    rows = np.arange(size) % max(total, 1)  # which problem each row of the chunk works on
    owned = fresh = np.arange(size) < total  # the others repeat a problem, and nobody looks at them
    waiting = min(size, total)  # the next problem to come
    walk = jax.tree.map(lambda v: np.zeros(v.shape, v.dtype), jax.eval_shape(begin, starts[rows]))
    part = _take(method, problems, rows)
    while owned.any():
        walk, inward = _advance(method, ROUND, exact, part, starts[rows], fresh, walk, tolerance)
        walk = Walk(*map(np.asarray, walk))
        leaving = np.flatnonzero((walk.done | (walk.steps >= max_steps)) & owned)
        finished = rows[leaving]
        theta[finished] = np.asarray(inward)[leaving]
        cost[finished], converged[finished] = walk.cost[leaving], walk.converged[leaving]
        steps[finished] = walk.steps[leaving]
        coming = leaving[: max(total - waiting, 0)]
        owned, fresh, rows = owned.copy(), np.zeros(size, bool), rows.copy()
        owned[leaving] = False
        owned[coming] = fresh[coming] = True
        rows[coming] = np.arange(waiting, waiting + len(coming))
        waiting += len(coming)
        if sizes and np.count_nonzero(owned) <= sizes[0]:
            size = sizes.pop(0)
            chosen = np.argsort(~owned, kind="stable")[:size]
            rows, owned, fresh = rows[chosen], owned[chosen], fresh[chosen]
            walk = Walk(*(part[chosen] for part in walk))
            part = _take(method, problems, rows)
        elif len(coming):
            part = _take(method, problems, rows)
    failed = ~np.isfinite(cost)
    theta[failed] = starts[failed]
    return Refined(theta, cost, converged & ~failed, steps)


def _batched(form: Form, problems: Problem) -> Any:
    """For every array of a batch of problems, 0 if it has a row a problem and None if they share it."""
    points = 1 if len(form.inputs) == 1 else 2
    ranks = (points, 1, 1, 0, 0, 1, 1, 1, 1)
    values: tuple[Any, ...] = problems
    axes: list[Any] = [
        0 if np.ndim(value) > rank else None for value, rank in zip(values, ranks, strict=True)
    ]
    return Problem(*axes)


def _take(method: Method, problems: Problem, rows: np.ndarray) -> Problem:
    """The problems of some rows."""
    axes = _batched(method.form, problems)
    values: list[Any] = [
        value if axis is None else np.asarray(value)[rows] for value, axis in zip(problems, axes, strict=True)
    ]
    return Problem(*values)


@partial(jax.jit, static_argnums=(0, 1, 2), compiler_options=FAST_COMPILE)
def _advance(
    method: Method,
    rounds: int,
    exact: bool,
    problems: Problem,
    starts: Array,
    fresh: Array,
    walk: Walk,
    tolerance: Array,
) -> tuple[Walk, Array]:
    """Put `starts` into the rows that are `fresh`, and take all rows some steps further.

    Returns the walk, in the coordinates in which it goes, and where it stands in the form's own (B, p).
    """
    form = method.form
    axes = _batched(form, problems)
    batch = starts.shape[0]
    lower, upper = jax.vmap(lambda problem, _: box_of(form, problem), (axes, 0))(problems, starts)
    free = jnp.broadcast_to(problems.free, starts.shape)

    def inward(walker: Array) -> Array:
        return form.from_working(walker) if method.straight else walker

    def box(walkers: Array) -> tuple[Array, Array]:
        return jax.vmap(form.working_box)(walkers, lower, upper) if method.straight else (lower, upper)

    def one(problem: Problem, walker: Array) -> tuple[Array, Array, Array]:
        residual, jacobian = residuals_of(method, problem, inward(walker))
        if method.straight:
            jacobian = jax.jacfwd(inward)(walker).T @ jacobian
        rho, slope = losses.robust_cost_and_weight(method.robust, (residual / problem.scale) ** 2)
        root = jnp.sqrt(slope)
        return root * residual, root * jacobian, problem.scale**2 * jnp.sum(rho)

    def evaluate(walkers: Array) -> tuple[Array, Array, Array]:
        return jax.vmap(one, (axes, 0))(problems, walkers)

    begun: Array = jnp.where(free, jnp.clip(starts, lower, upper), starts)
    begun = jax.vmap(form.to_working)(begun) if method.straight else begun
    begun = jnp.where(free, jnp.clip(begun, *box(begun)), begun)

    def either(new: Array, old: Array) -> Array:
        return jnp.where(fresh.reshape(batch, *[1] * (new.ndim - 1)), new, old)

    walk = jax.tree.map(either, begin(begun), walk)
    walk = advance(walk, evaluate, box, free, rounds=rounds, tolerance=tolerance, exact=exact)
    return walk, jax.vmap(inward)(walk.theta)
