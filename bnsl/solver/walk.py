"""The one Levenberg-Marquardt step, for all rows, and the driver that takes it in NumPy.

Levenberg-Marquardt with MINPACK's column scaling (Moré, 1978), Nielsen's damping schedule (1999), and bounds
by projection. Steps come from normal equations, or by Householder QR where half of the digits are not enough;
these are corrected to second order along curved valleys with one more evaluation (Fan 2012, the modified
Levenberg-Marquardt method; close to the geodesic acceleration of Transtrum and Sethna 2012).

A `Walk` holds where every row stands, and `step` takes all rows one step further, in NumPy or traced by JAX.
`bnsl.solver.follow` repeats it in NumPy, `bnsl.solver.conveyor` compiled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.solver.effort import (
    CLEAN,
    LAST_STEPS,
    LEAST_DAMPING,
    LEAST_DAMPING_EXACT,
    MAX_DAMPING,
    MOST_CURVED,
    ROUNDING,
)
from bnsl.solver.problem import Method, Rows, bounds, evaluate, misfits, outward
from bnsl.solver.steps import again, damped_step, triangular_step

TINY = 1e-300


class Walk(NamedTuple):
    """Where each of B rows stands; all arrays have the rows first."""

    trial: Array  # (B, p) where to evaluate next
    decrease: Array  # (B,) what the linear model promises of it
    theta: Array  # (B, p) the best so far, in the coordinates of the walk
    cost: Array  # (B,) its cost
    scale: Array  # (B, p)
    damping: Array  # (B,)
    growth: Array  # (B,)
    hidden: Array  # (B,) number of steps so small that rounding hides what they gain
    steps: Array  # (B,)
    converged: Array  # (B,) bool
    failed: Array  # (B,) bool: no finite cost at the start
    gram: Array  # (B, p, p) products of the derivatives at theta
    gradient: Array  # (B, p) half of the cost's
    jacobian: Array  # (B, p, N) where steps are exact, else (B, 0, 0)
    residual: Array  # (B, N) likewise, else (B, 0)

    @property
    def done(self) -> Array:
        """Rows (B,) that will not move any more."""
        return self.converged | self.failed


def begin(method: Method, rows: Rows, starts: Array, *, exact: bool = False) -> Walk:
    """The walk of rows about to be evaluated for the first time, at coordinates (B, p) of the form."""
    xp = namespace(starts)
    inside = xp.where(rows.free, xp.clip(starts, rows.lower, rows.upper), starts)
    first = outward(method, inside)
    first = xp.where(rows.free, xp.clip(first, *bounds(method, rows, first)), first)
    return fresh(first, rows.data.shape[-1] if exact else 0)


def fresh(first: Array, points: int = 0) -> Walk:
    """The walk of rows at coordinates (B, p) of the walk; `points` of each where steps are exact."""
    xp = namespace(first)
    batch, p = first.shape
    dtype = first.dtype
    zeros = xp.zeros(batch, dtype=dtype)
    count = xp.zeros(batch, dtype=xp.int32)
    no = xp.zeros(batch, dtype=xp.bool)
    return Walk(
        trial=first,
        decrease=zeros,
        theta=first,
        cost=xp.full(batch, xp.inf, dtype=dtype),
        scale=xp.zeros_like(first),
        damping=xp.full(batch, 1e-3, dtype=dtype),
        growth=xp.full(batch, 2.0, dtype=dtype),
        hidden=count,
        steps=count,
        converged=no,
        failed=no,
        gram=xp.zeros((batch, p, p), dtype=dtype),
        gradient=xp.zeros_like(first),
        jacobian=xp.zeros((batch, p if points else 0, points), dtype=dtype),
        residual=xp.zeros((batch, points), dtype=dtype),
    )


def continued(walk: Walk, dtype: str) -> Walk:
    """The walk of rows that go on in another precision: they are evaluated again, and keep their damping."""
    return fresh(walk.theta.astype(dtype))._replace(damping=walk.damping.astype(dtype), failed=walk.failed)


@lru_cache(maxsize=8)
def _precision(dtype: np.dtype) -> tuple[float, float]:
    """The rounding error of a precision, and what is as good as 0 in it."""
    return float(np.finfo(dtype).eps), max(TINY, float(np.finfo(dtype).smallest_normal))


def some(walk: Walk, which: np.ndarray) -> Walk:
    """Some rows of a walk."""
    return Walk(*(part[which] for part in walk))


def step(method: Method, rows: Rows, now: Walk, tolerance: float) -> Walk:
    """Take every row that is not done one step further.

    The trial is evaluated and kept if it is better, which sets the damping; then the next trial is found.

    Args:
        method: what is minimised.
        rows: the problems, one a row.
        now: where the rows stand; steps are by QR if it carries derivatives.
        tolerance: a row has converged once the linear model promises less than its square times the cost.
    """
    xp = namespace(now.theta)
    exact = now.residual.shape[-1] > 0
    eps, tiny = _precision(now.theta.dtype)
    least = eps * (LEAST_DAMPING_EXACT if exact else LEAST_DAMPING)

    # 1. Evaluate the trial, keep it if it is better, and set the damping.
    residual, jacobian, cost = evaluate(method, rows, now.trial)
    gram = xp.matmul(jacobian, jacobian.mT)
    gradient = xp.matmul(jacobian, residual[..., None])[..., 0]
    finite = xp.isfinite(cost) & xp.isfinite(xp.sum(gradient, axis=1))
    active, later = ~now.done, now.steps > 0
    # Near the minimum rounding hides the decrease: a few last steps go on the linear model's word.
    rounding = 18.0 * eps * xp.sqrt(rows.points * now.cost)
    hidden = later & (now.decrease <= rounding) & (cost <= now.cost + rounding)
    better = active & finite & ((cost < now.cost) | hidden)
    worse = active & later & ~better
    gain = (now.cost - cost) / xp.maximum(now.decrease, tiny)
    trust = 2.0 * xp.minimum(gain, 1.0) - 1.0
    shrink = xp.maximum(1.0 - trust * trust * trust, 0.1)
    if exact:
        # Without noise there is more to gain in directions that damping has kept still so far.
        clean = now.cost <= CLEAN * ROUNDING * rows.points
        damped = now.damping > xp.where(clean, 1e3 * least, 1e-4)
        count = now.hidden + (active & hidden & ~(clean & damped))
        shrink = xp.where(hidden, xp.where(clean, 1e-3, 0.1), shrink)
        out = count >= LAST_STEPS
    else:
        damped = now.damping >= 1e-2
        count = now.hidden + (active & hidden)
        shrink = xp.where(hidden, 0.1, shrink)
        out = count >= 2
    damping = now.damping * xp.where(better & later, shrink, xp.where(worse, now.growth, 1.0))
    damping = xp.maximum(damping, least)
    growth = xp.where(better, 2.0, xp.where(worse, now.growth * 2.0, now.growth))
    small = later & (now.decrease <= tolerance**2 * now.cost) & ~damped
    settled = small | out | (damping > MAX_DAMPING)
    cost = xp.where(better, cost, now.cost)
    converged = now.converged | (active & xp.isfinite(cost) & settled) | (better & (cost == 0.0))
    failed = now.failed | (active & ~(later | finite))
    wide, deep = better[:, None], better[:, None, None]
    theta = xp.where(wide, now.trial, now.theta)
    gram, gradient = xp.where(deep, gram, now.gram), xp.where(wide, gradient, now.gradient)
    if exact:
        jacobian, residual = xp.where(deep, jacobian, now.jacobian), xp.where(wide, residual, now.residual)

    # 2. The next trial. A coordinate at a bound that the cost pushes against stays there. Bounds of a walk
    # may depend a little on where it stands; those of the last place do for the next.
    lower, upper = bounds(method, rows, theta)
    blocked = xp.where(gradient > 0, theta <= lower, theta >= upper) & (gradient != 0)
    moves = rows.free & ~blocked
    norms = xp.sqrt(xp.linalg.diagonal(gram))
    scale = xp.where(wide, xp.maximum(0.5 * now.scale, norms), now.scale)
    unit = xp.where(moves, 1.0 / xp.where(scale > 0, scale, 1.0), 0.0)
    if exact:
        columns = jacobian * unit[:, :, None]
        move, decrease, triangle = triangular_step(columns, residual, damping)
    else:
        move, decrease = damped_step(gram * (unit[:, :, None] * unit[:, None]), gradient * unit, damping)
    trial = theta + move * unit
    if exact:
        there = xp.minimum(xp.maximum(trial, lower), upper)
        trial = trial + _turn(method, rows, there, move, columns, residual, triangle) * unit
    else:
        jacobian, residual = now.jacobian, now.residual
    trial = xp.where(moves, xp.minimum(xp.maximum(trial, lower), upper), theta)
    return Walk(
        trial,
        decrease,
        theta,
        cost,
        scale,
        damping,
        growth,
        count,
        now.steps + active,
        converged,
        failed,
        gram,
        gradient,
        jacobian,
        residual,
    )


def _turn(
    method: Method, rows: Rows, there: Array, move: Array, columns: Array, residual: Array, triangle: Array
) -> Array:
    """The second-order correction of a step (B, p) that leads `there`; 0 where it is no small part of it."""
    xp = namespace(there)
    missed = misfits(method, rows, there) - residual - xp.matmul(move[:, None], columns)[:, 0]
    finite = xp.all(xp.isfinite(missed), axis=1)
    turn = again(triangle, columns, xp.where(finite[:, None], missed, 0.0))
    small = xp.sum(turn**2, axis=1) < MOST_CURVED**2 * xp.sum(move**2, axis=1)
    return xp.where((small & finite)[:, None], turn, 0.0)
