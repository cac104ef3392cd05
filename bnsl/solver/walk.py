"""Bounded nonlinear least squares for many problems at once: every row has data of its own.

The same Levenberg-Marquardt as `bnsl._solve`, in rounds: a `Walk` holds where every row stands, `advance`
takes it some steps further, and between rounds the caller takes out rows that are done and puts in others.
No row waits for another, and none is ranked against another. Steps come from normal equations, solved by a
Cholesky factorisation written out for all rows together (batched LAPACK calls on matrices this small cost
several times as much), or by QR where half of the digits are not enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from bnsl._base.checks import Array
from bnsl.solver.lm import LAST_STEPS, MAX_DAMPING, TINY, least_squares_step

# Shapes: B rows, p coordinates, N points.
# thetas (B, p) -> weighted residuals (B, N), their derivatives (B, p, N), costs (B,).
Evaluate = Callable[[Array], tuple[Array, Array, Array]]
# thetas (B, p) -> lower and upper bounds (B, p).
Box = Callable[[Array], tuple[Array, Array]]

# In units of the rounding error: below it rounding in the products of the normal equations decides.
LEAST_DAMPING = 4500.0
LEAST_DAMPING_EXACT = 0.0045

PROMISE = 1e30  # a decrease that no step keeps


class Walk(NamedTuple):
    """Where each of B rows stands between two rounds; all arrays have the rows first.

    They are JAX's in a compiled program and NumPy's between two.
    """

    trial: Any  # (B, p) where to evaluate next
    decrease: Any  # (B,) what the linear model promises of it
    theta: Any  # (B, p) the best so far
    cost: Any  # (B,) its cost
    scale: Any  # (B, p)
    damping: Any  # (B,)
    growth: Any  # (B,)
    hidden: Any  # (B,) number of steps so small that rounding hides what they gain
    steps: Any  # (B,)
    converged: Any  # (B,) bool
    failed: Any  # (B,) bool: no finite cost at the start
    gram: Any  # (B, p, p) products of the derivatives at theta
    gradient: Any  # (B, p) half of the cost's

    @property
    def done(self) -> Any:
        """Rows (B,) that will not move any more."""
        return self.converged | self.failed


def begin(start: Array) -> Walk:
    """Rows that are about to be evaluated at `start` (B, p) for the first time."""
    batch, p = start.shape
    zeros = jnp.zeros(batch, start.dtype)
    return Walk(
        trial=start,
        decrease=zeros,
        theta=start,
        cost=jnp.full(batch, jnp.inf, start.dtype),
        scale=jnp.zeros_like(start),
        damping=jnp.full(batch, 1e-3, start.dtype),
        growth=jnp.full(batch, 2.0, start.dtype),
        hidden=jnp.zeros(batch, jnp.int32),
        steps=jnp.zeros(batch, jnp.int32),
        converged=jnp.zeros(batch, bool),
        failed=jnp.zeros(batch, bool),
        gram=jnp.zeros((batch, p, p), start.dtype),
        gradient=jnp.zeros_like(start),
    )


class _Linear(NamedTuple):
    """The linearised problem of every row: residuals with their derivatives for QR, else products only."""

    gram: Array  # (B, p, p)
    gradient: Array  # (B, p)
    full: tuple[Array, Array] | None  # derivatives (B, p, N), residuals (B, N)


def advance(
    walk: Walk,
    evaluate: Evaluate,
    box: Box,
    free: Array,
    *,
    rounds: int,
    tolerance: Array | float,
    exact: bool,
) -> Walk:
    """Take every row that is not done at most `rounds` steps further.

    Args:
        walk: where the rows stand.
        evaluate: residuals, derivatives and costs at one point a row.
        box: bounds at one point a row; those of one coordinate may depend on another.
        free: (B, p); coordinates that are not free stay where they are.
        rounds: how many steps.
        tolerance: a row has converged once the linear model promises less than its square times the cost.
        exact: steps by QR.
    """
    eps = float(jnp.finfo(walk.theta.dtype).eps)
    least = eps * (LEAST_DAMPING_EXACT if exact else LEAST_DAMPING)
    tiny = max(TINY, float(jnp.finfo(walk.theta.dtype).tiny))

    def linearise(theta: Array) -> tuple[_Linear, Array]:
        residual, jacobian, cost = evaluate(theta)
        both = jnp.concatenate([jacobian, residual[:, None]], axis=1)
        products = jnp.einsum("bpn,bqn->bpq", both, both)
        full = (jacobian, residual) if exact else None
        return _Linear(products[:, :-1, :-1], products[:, :-1, -1], full), cost

    def solve(model: _Linear, unit: Array, damping: Array) -> tuple[Array, Array]:
        if model.full is not None:
            return least_squares_step(model.full[0] * unit[:, :, None], model.full[1], damping)
        return cholesky_step(model.gram * unit[:, :, None] * unit[:, None], model.gradient * unit, damping)

    points = jax.eval_shape(evaluate, walk.theta)[0].shape[1]

    def body(state: tuple[Walk, _Linear, Array]) -> tuple[Walk, _Linear, Array]:
        now, model, step = state
        # 1. Evaluate the trial, keep it if it is better, and set the damping.
        candidate, cost = linearise(now.trial)
        finite = jnp.isfinite(cost) & jnp.all(jnp.isfinite(candidate.gradient), axis=1)
        active, first = ~now.done, now.steps == 0
        # Near the minimum rounding hides the decrease: a few last steps go on the linear model's word.
        rounding = 18.0 * eps * jnp.sqrt(points * now.cost)
        hidden = ~first & (now.decrease <= rounding) & (cost <= now.cost + rounding)
        better = active & finite & ((cost < now.cost) | hidden)
        worse = active & ~better & ~first
        gain = (now.cost - cost) / jnp.maximum(now.decrease, tiny)
        shrink = jnp.maximum(0.1, 1.0 - (2.0 * jnp.minimum(gain, 1.0) - 1.0) ** 3)
        shrink = jnp.where(first, 1.0, jnp.where(hidden, 0.1, shrink))
        damping = jnp.where(
            better, now.damping * shrink, jnp.where(worse, now.damping * now.growth, now.damping)
        )
        damping = jnp.maximum(damping, least)
        growth = jnp.where(better, 2.0, jnp.where(worse, now.growth * 2.0, now.growth))
        count = now.hidden + (active & hidden)
        small = ~first & (now.decrease <= tolerance**2 * now.cost) & (now.damping < 1e-2)
        settled = small | (count >= (LAST_STEPS if exact else 2)) | (finite & (cost == 0.0))
        stuck = damping > MAX_DAMPING
        converged = now.converged | (active & jnp.isfinite(now.cost) & (settled | stuck))
        converged = converged | (better & (cost == 0.0))
        failed = now.failed | (active & first & ~finite)
        theta = jnp.where(better[:, None], now.trial, now.theta)
        model = jax.tree.map(
            lambda new, old: jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old), candidate, model
        )
        cost = jnp.where(better, cost, now.cost)

        # 2. The next trial. A coordinate at a bound that the cost pushes against stays there.
        lower, upper = box(theta)
        blocked = ((theta <= lower) & (model.gradient > 0)) | ((theta >= upper) & (model.gradient < 0))
        moves = free & ~blocked
        norms = jnp.sqrt(jnp.diagonal(model.gram, axis1=1, axis2=2))
        scale = jnp.where(better[:, None], jnp.maximum(0.5 * now.scale, norms), now.scale)
        unit = jnp.where(moves, 1.0 / jnp.where(scale > 0, scale, 1.0), 0.0)
        move, decrease = solve(model, unit, damping)
        trial = theta + move * unit
        trial = jnp.where(moves, jnp.clip(trial, *box(trial)), theta)
        after = Walk(
            trial,
            decrease,
            theta,
            cost,
            scale,
            damping,
            growth,
            count,
            now.steps + active.astype(now.steps.dtype),
            converged,
            failed,
            model.gram,
            model.gradient,
        )
        return after, model, step + 1

    def more(state: tuple[Walk, _Linear, Array]) -> Array:
        return jnp.any(~state[0].done) & (state[2] < rounds)

    # A walk carries the products but not the derivatives, so that rows are cheap to move between rounds.
    model = linearise(walk.theta)[0] if exact else _Linear(walk.gram, walk.gradient, None)
    none: Array = jnp.zeros((), jnp.int32)
    return jax.lax.while_loop(more, body, (walk, model, none))[0]


def cholesky_step(gram: Array, gradient: Array, damping: Array) -> tuple[Array, Array]:
    """Solve (gram + damping) s = -gradient for a batch: s (B, p) and the decrease it promises (B,).

    Where the factorisation breaks down the step is zero and promises a large decrease, so that the caller
    finds it wanting and raises the damping. The loops over p are unrolled: p is the number of parameters.
    """
    p = gram.shape[1]
    factor: list[list[Array]] = [[] for _ in range(p)]
    inverse: list[Array] = []
    half: list[Array] = []
    usable = jnp.ones(gram.shape[0], bool)
    for j in range(p):
        square = gram[:, j, j] + damping
        for k in range(j):
            square = square - factor[j][k] ** 2
        usable = usable & (square > 0)
        inverse.append(jax.lax.rsqrt(jnp.where(square > 0, square, 1.0)))
        for i in range(j + 1, p):
            below = gram[:, i, j]
            for k in range(j):
                below = below - factor[i][k] * factor[j][k]
            factor[i].append(below * inverse[j])
        right = -gradient[:, j]
        for k in range(j):
            right = right - factor[j][k] * half[k]
        half.append(right * inverse[j])
    step: list[Array] = [half[0]] * p
    for j in reversed(range(p)):
        right = half[j]
        for i in range(j + 1, p):
            right = right - factor[i][j] * step[i]
        step[j] = right * inverse[j]
    move = jnp.stack(step, axis=1)
    usable = usable & jnp.all(jnp.isfinite(move), axis=1)
    decrease = sum(entry**2 for entry in half)
    return jnp.where(usable[:, None], move, 0.0), jnp.where(usable, decrease, PROMISE)
