"""Problems, their rows, and what a fit is linearised to."""

import numpy as np
import pytest
from normal_problems import U, noisy, problems

from bnsl.forms.baselines import M2
from bnsl.forms.broken import BNSL
from bnsl.solver.problem import (
    Method,
    block_means,
    evaluate,
    linearised,
    misfits,
    placed,
    rows_of,
    several,
    taken,
)

THETA = np.array([0.3, -1.0, 0.2, 0.5, -3.0, 0.0])


def test_shared_arrays_stay_shared_and_a_problem_of_one_curve_has_one_row():
    whole = several(BNSL(1), problems(noisy(5), 6))
    assert {name: len(value) for name, value in whole._asdict().items()} == {
        name: 5 if name == "y" else 1 for name in whole._fields
    }
    part = taken(whole, np.array([3, 1]))
    np.testing.assert_array_equal(part.y, whole.y[[3, 1]])
    assert len(part.log_x) == 1
    assert several(BNSL(1), problems(noisy(1)[0], 6)).y.shape == (1, 64)


def test_rows_hold_the_tighter_of_the_forms_bounds_and_the_users():
    lower, upper = np.full(6, -np.inf), np.full((3, 6), np.inf)
    lower[0] = 0.1
    upper[1, 4] = -1.0
    rows = rows_of(Method(BNSL(1)), several(BNSL(1), problems(noisy(3), 6, lower=lower, upper=upper)))
    assert (rows.lower[:, 0] == 0.1).all()
    assert rows.upper[1, 4] == -1.0
    assert rows.upper[0, 4] == rows.upper[2, 4] == pytest.approx(7.0)  # a range of log x beyond the end
    problem = several(BNSL(1), problems(noisy(3), 6, free=np.arange(6) > 0, held=np.full(6, 0.77)))
    inside = placed(problem, rows, np.full((3, 2, 6), 9.0))
    assert (inside[..., 0] == 0.77).all()
    assert inside[1, 0, 4] == -1.0


def test_padding_is_no_point():
    weight = np.append(np.ones(50), np.zeros(14))
    rows = rows_of(Method(BNSL(1)), several(BNSL(1), problems(noisy(2), 6, weight=weight)))
    assert np.broadcast_to(rows.points, 2).tolist() == [50.0, 50.0]
    residual, jacobian, _ = evaluate(Method(BNSL(1)), rows, BNSL(1).to_working(np.tile(THETA, (2, 1))))
    assert (residual[:, 50:] == 0).all()
    assert (jacobian[..., 50:] == 0).all()


@pytest.mark.parametrize("loss", ["log", "log1p", "linear"])
@pytest.mark.parametrize("robust", [None, "huber", "soft_l1"])
def test_the_gradient_is_that_of_the_cost(loss, robust):
    """Of what is minimised, robust losses included, in the coordinates of the walk."""
    method = Method(BNSL(1), loss, robust)
    rows = rows_of(method, several(BNSL(1), problems(noisy(1), 6, scale=0.02, unit=3.0)))
    at = BNSL(1).to_working(THETA[None])
    residual, jacobian, _ = evaluate(method, rows, at)
    gradient = 2.0 * np.matmul(jacobian, residual[..., None])[0, :, 0]
    for i in range(6):
        h = 1e-5 * np.eye(6)[i]
        low, high = (evaluate(method, rows, at + step)[2][0] for step in (-h, h))
        assert gradient[i] == pytest.approx((high - low) / 2e-5, rel=1e-5, abs=1e-6), i
    np.testing.assert_allclose(misfits(method, rows, at), residual, rtol=1e-12, atol=1e-15)


def test_a_fit_is_linearised_in_the_forms_own_coordinates():
    method, problem = Method(M2()), problems(noisy(1)[0], 3)
    theta = np.array([-1.0, 0.3, 0.2])
    local = linearised(method, problem, theta)
    assert local.jacobian.shape == (64, 3)
    np.testing.assert_allclose(local.residual, M2().log_y(theta, U) - np.log(problem.y), atol=1e-14)
    step = np.array([1e-6, -2e-6, 1e-6])
    moved = linearised(method, problem, theta + step).residual
    np.testing.assert_allclose(moved - local.residual, local.jacobian @ step, rtol=1e-4, atol=1e-11)
    assert local.lower[2] == 0.0


def test_means_of_neighbours_stand_for_very_many_points():
    log_x = np.linspace(-7.0, 0.0, 1000)
    y, weight = np.exp(-0.3 * log_x), np.linspace(0.5, 1.5, 1000)
    problem = problems(y, 2)._replace(log_x=log_x, weight=weight)
    thin = block_means(problem, 50)
    assert thin.log_x.shape == thin.y.shape == thin.weight.shape == (50,)
    np.testing.assert_allclose(thin.y, np.exp(-0.3 * thin.log_x), rtol=1e-12)  # a power law stays one
    np.testing.assert_allclose(np.sum(thin.weight**2), np.sum(weight**2), rtol=1e-12)
    assert block_means(problem, 1000) is problem
    signed = block_means(problem._replace(y=y - 2.0), 50)
    np.testing.assert_allclose(np.sum(signed.weight**2 * signed.y), np.sum(weight**2 * (y - 2.0)), rtol=1e-12)
