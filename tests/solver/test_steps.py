"""The linear algebra of a step, against least squares by SciPy, in NumPy and in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import lstsq

from bnsl.solver.steps import PROMISE, again, damped_step, triangular_step

DAMPING = np.array([1e-3, 0.1, 10.0])


@pytest.fixture(params=[np, jnp], ids=["numpy", "jax"], name="xp")
def _library(request):
    with jax.enable_x64(True):
        yield request.param


def systems(p):
    """Jacobians (3, p, 20) and residuals (3, 20), and what minimises |r + s J|^2 + damping |s|^2."""
    rng = np.random.default_rng(p)
    jacobian, residual = rng.normal(size=(3, p, 20)), rng.normal(size=(3, 20))
    steps = [
        lstsq(np.vstack([j.T, np.sqrt(d) * np.eye(p)]), -np.append(r, np.zeros(p)))[0]
        for j, r, d in zip(jacobian, residual, DAMPING, strict=True)
    ]
    return jacobian, residual, np.array(steps)


@pytest.mark.parametrize("p", [1, 2, 6])
def test_damped_steps_solve_the_normal_equations(p, xp):
    jacobian, residual, expected = systems(p)
    gram = np.matmul(jacobian, jacobian.transpose(0, 2, 1))
    gradient = np.matmul(jacobian, residual[..., None])[..., 0]
    step, promise = damped_step(*map(xp.asarray, (gram, gradient, DAMPING)))
    np.testing.assert_allclose(step, expected, rtol=1e-10)
    left = residual + np.matmul(expected[:, None], jacobian)[:, 0]
    lost = np.sum(residual**2, axis=1) - np.sum(left**2, axis=1) - DAMPING * np.sum(expected**2, axis=1)
    np.testing.assert_allclose(promise, lost, rtol=1e-9)


def test_a_system_that_breaks_down_takes_no_step_and_promises_more_than_any_step_can_keep(xp):
    gram = np.array([[[1.0, 2.0], [2.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]], [[np.nan, 0.0], [0.0, 1.0]]])
    gradient = np.array([[1.0, -1.0], [1.0, 1.0], [1.0, 1.0]])
    step, promise = damped_step(*map(xp.asarray, (gram, gradient, np.full(3, 1e-6))))
    np.testing.assert_array_equal(np.asarray(step)[[0, 2]], 0.0)
    np.testing.assert_array_equal(np.asarray(promise)[[0, 2]], PROMISE)
    np.testing.assert_allclose(step[1], -0.5, rtol=1e-5)  # the others are as they would be alone


@pytest.mark.parametrize("p", [1, 2, 6])
def test_steps_by_qr_keep_all_digits(p, xp):
    jacobian, residual, expected = systems(p)
    step, promise, triangle = triangular_step(*map(xp.asarray, (jacobian, residual, DAMPING)))
    np.testing.assert_allclose(step, expected, rtol=1e-12)
    gram = np.matmul(jacobian, jacobian.transpose(0, 2, 1)) + DAMPING[:, None, None] * np.eye(p)
    np.testing.assert_allclose(np.matmul(np.asarray(triangle).transpose(0, 2, 1), triangle), gram, rtol=1e-12)
    left = residual + np.matmul(expected[:, None], jacobian)[:, 0]
    lost = np.sum(residual**2, axis=1) - np.sum(left**2, axis=1) - DAMPING * np.sum(expected**2, axis=1)
    np.testing.assert_allclose(promise, lost, rtol=1e-10)
    other = np.random.default_rng(1).normal(size=residual.shape)
    expected = triangular_step(jacobian, other, DAMPING)[0]
    np.testing.assert_allclose(again(triangle, *map(xp.asarray, (jacobian, other))), expected, rtol=1e-10)


def test_nearly_parallel_columns_cost_qr_no_more_digits_than_they_must():
    """Normal equations would square a condition of 1e9, and find nothing."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=40)
    jacobian = np.stack([first, first + 1e-9 * rng.normal(size=40)])[None]
    truth = np.array([2.0, -1.0])
    residual = -np.matmul(truth, jacobian)
    step = triangular_step(jacobian, residual, np.full(1, 1e-30))[0]
    np.testing.assert_allclose(step[0], truth, rtol=1e-6)
