"""Batched bounded nonlinear least squares on arrays: many starts of one problem at once.

Levenberg-Marquardt with MINPACK's column scaling (Moré, 1978), Nielsen's damping schedule (1999), and
bounds by projection. Each step solves the damped linear problem by Householder QR of the augmented
Jacobian: normal equations would lose half of the digits.

Along curved valleys exact steps are corrected to second order with one more evaluation (Fan 2012, the
modified Levenberg-Marquardt method; close to the geodesic acceleration of Transtrum and Sethna 2012).

`optimistix.LevenbergMarquardt` under `vmap` is as fast: `benchmarks/solver.py` compares the time to an equal
cost from the same 16 starts of ten curves. Ours took 0.8 to 1.15 times as long on five and a fifth of the
time on one, and was alone to reach the lowest cost on one; on three only optimistix reached it. So speed is
no reason for a solver of our own. What the other has not, and the package needs, are bounds, parameters held
fixed, robust losses and the early retirement of poor starts (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from bnsl._base.checks import Array

# theta (p,) -> residuals (N,), their derivatives (p, N), and the cost (the residuals' sum of squares,
# or the robust loss of which those, weighted, give the Gauss-Newton step).
Problem = Callable[[Array], tuple[Array, Array, Array]]
# theta (p,) -> its lower and upper bounds (p,); those of one parameter may depend on another.
Box = Callable[[Array], tuple[Array, Array]]

TINY = 1e-300
MAX_DAMPING = 1e16
LAST_STEPS = 6
MOST_CURVED = 0.5  # length of the second-order correction, relative to the step
CLEAN = 1e22


class Solution(NamedTuple):
    """Where each of the B starts ended."""

    theta: Array  # (B, p)
    cost: Array  # (B,)
    converged: Array  # (B,) bool: a further step would lower the cost by less than rounding shows
    steps: Array  # () number of steps of the slowest start


class _State(NamedTuple):
    trial: Array  # where to evaluate next
    decrease: Array  # what the linear model promises of it
    theta: Array  # the best so far, with its residual, Jacobian and cost
    residual: Array
    jacobian: Array
    cost: Array
    scale: Array
    damping: Array
    growth: Array
    done: Array
    last_steps: Array  # number of steps so small that rounding hides what they gain
    step: Array


class _Factored(NamedTuple):
    """A damped least-squares step, and the triangle R with which to take another."""

    step: Array  # (B, p)
    decrease: Array  # (B,) of the minimised sum
    triangle: Array  # (B, p, p) upper, R^T R = J J^T + damping


def least_squares_step(jacobian: Array, residual: Array, damping: Array) -> tuple[Array, Array]:
    """Minimise |residual + s J|^2 + damping |s|^2 for a batch, by QR.

    Args:
        jacobian: (B, p, N), one row a parameter.
        residual: (B, N).
        damping: (B,).

    Returns:
        s (B, p), and the decrease of the minimised sum (B,).
    """
    step, decrease, _ = _by_qr(jacobian, residual, damping)
    return step, decrease


def _by_qr(jacobian: Array, residual: Array, damping: Array) -> _Factored:
    batch, p, _ = jacobian.shape
    ridge = jnp.sqrt(damping)[:, None, None] * jnp.eye(p, dtype=jacobian.dtype)
    columns = jnp.concatenate([jacobian, ridge], axis=2)
    right = jnp.concatenate([-residual, jnp.zeros((batch, p), residual.dtype)], axis=1)
    both = jnp.concatenate([columns, right[:, None]], axis=1)
    # With the right-hand side as the last column, R holds Q^T b too, and Q is never formed.
    triangle = jnp.linalg.qr(both.transpose(0, 2, 1), mode="r")
    projection = triangle[:, :p, p]
    solution = jax.lax.linalg.triangular_solve(
        triangle[:, :p, :p], projection[:, :, None], left_side=True, lower=False
    )
    return _Factored(solution[:, :, 0], jnp.sum(projection**2, axis=1), triangle[:, :p, :p])


def normal_equations_step(jacobian: Array, residual: Array, damping: Array) -> tuple[Array, Array]:
    """`least_squares_step` by Cholesky of the damped normal equations: faster, with half of the digits.

    Where the factorisation breaks down the step is zero and promises a large decrease, so that the caller
    finds it wanting and raises the damping.
    """
    step, decrease, _ = _by_cholesky(jacobian, residual, damping)
    return step, decrease


def _by_cholesky(jacobian: Array, residual: Array, damping: Array) -> _Factored:
    square = jnp.einsum("bpn,bqn->bpq", jacobian, jacobian)
    square = square + damping[:, None, None] * jnp.eye(jacobian.shape[1], dtype=jacobian.dtype)
    gradient = jnp.sum(jacobian * residual[:, None, :], axis=-1)
    factor = jnp.linalg.cholesky(square, symmetrize_input=False)
    half = jax.lax.linalg.triangular_solve(factor, -gradient[:, :, None], left_side=True, lower=True)
    step = jax.lax.linalg.triangular_solve(factor, half, left_side=True, lower=True, transpose_a=True)
    usable = jnp.all(jnp.isfinite(step), axis=(1, 2))
    decrease = jnp.where(usable, jnp.sum(half**2, axis=(1, 2)), 1e150)
    step = jnp.where(usable[:, None], step[:, :, 0], 0.0)
    return _Factored(step, decrease, factor.transpose(0, 2, 1))


def _again(triangle: Array, jacobian: Array, residual: Array) -> Array:
    """The damped step (B, p) for another residual (B, N), by the triangle of the first."""
    gradient = -jnp.sum(jacobian * residual[:, None, :], axis=-1)[:, :, None]
    half = jax.lax.linalg.triangular_solve(triangle, gradient, left_side=True, lower=False, transpose_a=True)
    return jax.lax.linalg.triangular_solve(triangle, half, left_side=True, lower=False)[:, :, 0]


def _ranks(values: Array) -> Array:
    """The place of every value (B,) in their order; of equals the first goes first, and NaN last.

    Comparing all pairs compiles in a fraction of the time of a sort.
    """
    index = jnp.arange(values.shape[0])
    values = jnp.where(jnp.isnan(values), jnp.inf, values)
    less = values[None, :] < values[:, None]
    tied = (values[None, :] == values[:, None]) & (index[None, :] < index[:, None])
    return jnp.sum(less | tied, axis=1)


def levenberg_marquardt(
    problem: Problem,
    start: Array,
    box: Box,
    free: Array,
    *,
    max_steps: Array | int,
    scouting: int,
    keep: int,
    tolerance: float = 1e-10,
    floor: Array | float = 0.0,
    exact: bool = True,
    curved: bool = False,
) -> Solution:
    """Minimise `problem` from every row of `start` (B, p), inside `box`.

    Parameters whose `free` (p,) is False stay where they start. A start at which the cost is not finite
    is returned as it is, with infinite cost. After `scouting` steps only the best `keep` starts go on,
    after four times as many the best third of them, and once one has reached the cost `floor`, only that one.
    Without `exact` the steps come from normal equations, for a search whose finds are refined later. With
    `curved` every step is corrected to second order. Costs up to CLEAN times `floor` count as free of noise:
    there damping falls until the least determined directions can move, before a start counts as converged.
    """
    evaluate = jax.vmap(problem)
    batch, p = start.shape
    points = jax.eval_shape(evaluate, start)[0].shape[1]
    bounds = jax.vmap(box)
    solve, least_damping = (_by_qr, 1e-26) if exact else (_by_cholesky, 1e-12)
    inside = jnp.where(free, jnp.clip(start, *bounds(start)), start)

    def body(state: _State) -> _State:
        # 1. Evaluate the trial, keep it if it is better, and set the damping.
        residual, jacobian, cost = evaluate(state.trial)
        finite = jnp.isfinite(cost) & jnp.all(jnp.isfinite(jacobian), axis=(1, 2))
        first = state.step == 0
        # Near the minimum rounding hides the decrease: a few last steps are taken on the linear model's word.
        rounding = 4e-15 * jnp.sqrt(points * state.cost)
        hidden = ~first & (state.decrease <= rounding) & (cost <= state.cost + rounding)
        # Without noise there is more to gain in directions that damping has kept still so far.
        clean = state.cost <= CLEAN * floor
        damped = state.damping > jnp.where(clean, 1e3 * least_damping, 1e-4)
        last_steps = state.last_steps + (hidden & ~(clean & damped))
        better = finite & ((cost < state.cost) | hidden) & ~state.done
        worse = ~better & ~state.done & ~first
        gain = (state.cost - cost) / jnp.maximum(state.decrease, TINY)
        shrink = jnp.maximum(0.1, 1.0 - (2.0 * jnp.minimum(gain, 1.0) - 1.0) ** 3)
        shrink = jnp.where(first, 1.0, jnp.where(hidden, jnp.where(clean, 1e-3, 0.1), shrink))
        damping = jnp.where(better, state.damping * shrink, state.damping)
        damping = jnp.maximum(jnp.where(worse, damping * state.growth, damping), least_damping)
        growth = jnp.where(better, 2.0, jnp.where(worse, state.growth * 2.0, state.growth))
        settled = ~first & (state.decrease <= tolerance**2 * state.cost) & ~damped
        failed = first & ~finite
        settled = settled | (last_steps >= LAST_STEPS)
        done = state.done | settled | failed | (damping > MAX_DAMPING) | (finite & (cost == 0.0))
        now = jnp.where(better, cost, state.cost)
        rank = _ranks(now)
        done = done | ((state.step == scouting) & (rank >= keep))
        done = done | ((state.step == 4 * scouting) & (rank >= max(keep // 3, 2)))
        done = done | ((jnp.min(now) <= floor) & (rank > 0))
        theta = jnp.where(better[:, None], state.trial, state.theta)
        residual = jnp.where(better[:, None], residual, state.residual)
        jacobian = jnp.where(better[:, None, None], jacobian, state.jacobian)
        cost = now

        # 2. The next trial. A parameter at a bound that the cost pushes against stays there.
        gradient = jnp.sum(jacobian * residual[:, None, :], axis=-1)
        lower, upper = bounds(theta)
        blocked = ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
        moves = free & ~blocked
        norms = jnp.sqrt(jnp.sum(jacobian**2, axis=-1))
        scale = jnp.where(better[:, None], jnp.maximum(0.5 * state.scale, norms), state.scale)
        unit = jnp.where(moves, 1.0 / jnp.where(scale > 0, scale, 1.0), 0.0)
        columns = jacobian * unit[:, :, None]
        step, decrease, triangle = solve(columns, residual, damping)
        if curved:
            there = evaluate(jnp.clip(theta + step * unit, *bounds(theta)))[0]
            missed = there - residual - jnp.sum(step[:, :, None] * columns, axis=1)
            turn = _again(triangle, columns, missed)
            small = jnp.sum(turn**2, axis=1) < MOST_CURVED**2 * jnp.sum(step**2, axis=1)
            step = step + jnp.where((small & jnp.all(jnp.isfinite(turn), axis=1))[:, None], turn, 0.0)
        trial = theta + step * unit
        trial = jnp.where(moves, jnp.clip(trial, *bounds(trial)), theta)
        return _State(
            trial,
            decrease,
            theta,
            residual,
            jacobian,
            cost,
            scale,
            damping,
            growth,
            done,
            last_steps,
            state.step + 1,
        )

    begin = _State(
        trial=inside,
        decrease=jnp.zeros(batch, inside.dtype),
        theta=inside,
        residual=jnp.zeros((batch, points), inside.dtype),
        jacobian=jnp.zeros((batch, p, points), inside.dtype),
        cost=jnp.full(batch, jnp.inf, inside.dtype),
        scale=jnp.zeros_like(inside),
        damping=jnp.full(batch, 1e-3, inside.dtype),
        growth=jnp.full(batch, 2.0, inside.dtype),
        done=jnp.zeros(batch, bool),
        last_steps=jnp.zeros(batch, int),
        step=jnp.zeros((), int),
    )
    last = jax.lax.while_loop(lambda state: jnp.any(~state.done) & (state.step < max_steps), body, begin)
    return Solution(last.theta, last.cost, last.done & jnp.isfinite(last.cost), last.step)
