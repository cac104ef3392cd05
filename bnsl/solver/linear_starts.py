"""Starting points from the data for many curves at once: those of `bnsl.starts` by matrix products.

With one break, all pairs of a limit and a trial break are scored by the products of the dictionary with
a few weighted columns; a start needs fewer digits than the orthogonal factors of `bnsl.starts` keep.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from bnsl._base.checks import Array
from bnsl.forms.form import Form
from bnsl.solver.starts import starting_points
from bnsl.solver.walk import cholesky_step

DEPENDENT = 1e-9  # share of a column's square outside the span of the others, below which it adds nothing
RIDGE = 1e-14


def linear_starts(form: Form, log_x: Array, y: Array, weight: Array, count: int) -> Array:
    """At most `count` starting coordinate vectors (K, p) of one curve, as `bnsl.starts.starting_points`.

    Args:
        form: the functional form.
        log_x: (N,), sorted, in normalised units; rows of weight 0 are padding.
        y: (N,) in normalised units.
        weight: (N,) square roots of the points' weights in log space.
        count: how many.
    """
    problem = form.separable(log_x, y, weight) if form.picks == 1 else None
    if problem is None:
        return starting_points(form, log_x, y, weight, count)
    square = jnp.where(weight > 0, weight * problem.weight, 0.0) ** 2  # (A, N)
    target = jnp.where(weight > 0, problem.target, 0.0)
    positions, shapes, points = problem.dictionary.shape
    trial, always = problem.dictionary.reshape(-1, points), problem.always
    # Products of the target and the q columns that are always there, with each other and with all trials.
    weighted = jnp.concatenate([(square * target)[:, None], square[:, None] * always], axis=1)  # (A, 1+q, N)
    among = jnp.einsum("akn,qn->akq", weighted, always)
    across = (trial @ weighted.reshape(-1, points).T).reshape(trial.shape[0], *among.shape[:2])  # (V, A, 1+q)
    length = (trial**2) @ square.T  # (V, A)
    # Take the span of the columns that are always there out of everything (Cholesky).
    gram, along_target = among[:, 1:], among[:, 0]
    ridge = RIDGE * jnp.trace(gram, axis1=1, axis2=2)[:, None, None] * jnp.eye(always.shape[0])
    factor = jnp.linalg.cholesky(gram + ridge, symmetrize_input=False)
    eye = jnp.broadcast_to(jnp.eye(always.shape[0]), factor.shape)
    inverse = jax.lax.linalg.triangular_solve(factor, eye, left_side=True, lower=True)
    target_part = jnp.einsum("aij,aj->ai", inverse, along_target)
    trial_part = jnp.einsum("aij,vaj->vai", inverse, across[..., 1:])
    room = length - jnp.sum(trial_part**2, axis=-1)
    along = across[..., 0] - jnp.einsum("vai,ai->va", trial_part, target_part)
    gain = jnp.where(room > DEPENDENT * length, along**2 / jnp.where(room > 0, room, 1.0), 0.0)
    left = jnp.sum(square * target**2, axis=1) - jnp.sum(target_part**2, axis=1)
    # The best limit and width at every position.
    table = (left - gain).reshape(positions, shapes, -1).transpose(0, 2, 1).reshape(positions, -1)
    which = jnp.argmin(table, axis=1)
    best = jax.lax.top_k(-jnp.min(table, axis=1), min(count, positions))[1]
    outer, shape = which[best] // shapes, which[best] % shapes
    picked = best * shapes + shape
    cross, own = across[picked, outer], length[picked, outer][:, None, None]
    top = jnp.concatenate([gram[outer], cross[:, 1:, None]], axis=2)
    normal = jnp.concatenate([top, jnp.concatenate([cross[:, None, 1:], own], axis=2)], axis=1)
    right = jnp.concatenate([along_target[outer], cross[:, :1]], axis=1)
    unit = 1.0 / jnp.sqrt(jnp.maximum(jnp.diagonal(normal, axis1=1, axis2=2), 1e-30))
    scaled = normal * unit[:, :, None] * unit[:, None]
    beta = cholesky_step(scaled, -right * unit, jnp.full(best.shape, 1e-12))[0] * unit
    chosen = problem.positions[best][:, None], problem.shapes[shape][:, None]
    return jax.vmap(form.assemble)(problem.outer[outer], *chosen, beta)
