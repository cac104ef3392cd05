"""The search for the best fit of one form to one curve: starts, then refinement, as compiled programs."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnsl import losses
from bnsl._arrays import Array
from bnsl._solve import Solution, levenberg_marquardt
from bnsl.forms import Form
from bnsl.starts import starting_points

SCOUTING = 30  # steps that every start is given
MAX_STEPS = 400  # steps that the best of them are given
STARTS = (10, 16, 32, 64)  # number of starts for 0, 1, 2, 3 and more breaks
KEEP = (4, 6, 12, 24)

# These halve XLA's compile time on the CPU and cost nothing measurable in these small programs.
FAST_COMPILE: dict[str, Any] = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1}


class Problem(NamedTuple):
    """One fit in normalised units, padded: rows of weight 0 do not count."""

    log_x: np.ndarray  # (N,) or (N, k), sorted
    y: np.ndarray  # (N,)
    weight: np.ndarray  # (N,) one over sigma in residual space; 0 for padding
    unit: float  # what one normalised unit of y is in the user's units
    scale: float  # residual at which a robust loss bends; 1 without one
    free: np.ndarray  # (p,) bool
    held: np.ndarray  # (p,) values of the parameters that are not free
    lower: np.ndarray  # (p,) further bounds of the user's; -inf and inf without
    upper: np.ndarray


class Method(NamedTuple):
    """What is minimised; a static argument of the compiled programs."""

    form: Form
    loss: str = "log"
    robust: str | None = None
    straight: bool = True  # walk in the form's working coordinates; not if breaks are constrained


class Pool(NamedTuple):
    """Where the search ended, best first."""

    theta: np.ndarray  # (M, p)
    cost: np.ndarray  # (M,) infinite where a start failed
    converged: np.ndarray  # (M,)


def search(method: Method, problem: Problem, first: np.ndarray | None = None) -> Pool:
    """The local minima that the starts lead to, best first.

    Args:
        method: form and loss.
        problem: the data in normalised units.
        first: starting coordinates (M, p) to use in the place of those from the data.
    """
    level = min(method.form.picks, len(STARTS) - 1)
    if first is None:
        first = np.asarray(_starts(method.form, STARTS[level], problem))
    solution = _refine(method, KEEP[level], problem, first)
    cost = np.where(np.isfinite(solution.cost), solution.cost, np.inf)
    order = np.argsort(cost, kind="stable")
    return Pool(np.asarray(solution.theta)[order], cost[order], np.asarray(solution.converged)[order])


class Linearised(NamedTuple):
    """The fit near a solution, in the form's own coordinates and normalised units."""

    residual: np.ndarray  # (N,) weighted
    jacobian: np.ndarray  # (N, p) of the weighted residuals
    lower: np.ndarray  # (p,) bounds that held
    upper: np.ndarray


def linearised(method: Method, problem: Problem, theta: np.ndarray) -> Linearised:
    """Weighted residuals with their derivatives at theta (p,), and the box it was sought in."""
    residual, jacobian, lower, upper = (np.asarray(v) for v in _linearised(method, problem, theta))
    return Linearised(residual, jacobian.T, lower, upper)


def _box(form: Form, problem: Problem) -> tuple[Array, Array]:
    lower, upper = form.domain(problem.log_x, problem.y, problem.weight)
    return jnp.maximum(lower, problem.lower), jnp.minimum(upper, problem.upper)


def _residuals(method: Method, problem: Problem, theta: Array) -> tuple[Array, Array]:
    data = losses.transform(method.loss, problem.y, problem.unit)
    law, jacobian = losses.model_and_jacobian(method.form, method.loss, theta, problem.log_x, problem.unit)
    seen = problem.weight > 0
    return (
        jnp.where(seen, problem.weight * (law - data), 0.0),
        jnp.where(seen, problem.weight * jacobian, 0.0),
    )


@partial(jax.jit, static_argnums=(0, 1), compiler_options=FAST_COMPILE)
def _starts(form: Form, count: int, problem: Problem) -> Array:
    theta = starting_points(form, problem.log_x, problem.y, problem.weight, count)
    theta = jnp.clip(theta, *_box(form, problem))
    return jnp.where(problem.free, theta, problem.held)


@partial(jax.jit, static_argnums=(0, 1), compiler_options=FAST_COMPILE)
def _refine(method: Method, keep: int, problem: Problem, start: Array) -> Solution:
    form = method.form
    lower, upper = _box(form, problem)
    inward = form.from_working if method.straight else _same
    outward = form.to_working if method.straight else _same

    def cost_of(working: Array) -> tuple[Array, Array, Array]:
        residual, jacobian = _residuals(method, problem, inward(working))
        if method.straight:
            jacobian = jax.jacfwd(inward)(working).T @ jacobian
        rho, slope = losses.robust_cost_and_weight(method.robust, (residual / problem.scale) ** 2)
        root = jnp.sqrt(slope)
        return root * residual, root * jacobian, problem.scale**2 * jnp.sum(rho)

    def box(working: Array) -> tuple[Array, Array]:
        return form.working_box(working, lower, upper) if method.straight else (lower, upper)

    solution = levenberg_marquardt(
        cost_of,
        jax.vmap(outward)(start),
        box,
        problem.free,
        max_steps=MAX_STEPS,
        scouting=SCOUTING,
        keep=keep,
    )
    return solution._replace(theta=jax.vmap(inward)(solution.theta))


@partial(jax.jit, static_argnums=0, compiler_options=FAST_COMPILE)
def _linearised(method: Method, problem: Problem, theta: Array) -> tuple[Array, ...]:
    return *_residuals(method, problem, theta), *_box(method.form, problem)


def _same(theta: Array) -> Array:
    return theta
