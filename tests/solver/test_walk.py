"""The Levenberg-Marquardt step."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from normal_problems import U, noisy, problems
from scipy.optimize import least_squares

from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form, Parameter
from bnsl.solver import walk as walking
from bnsl.solver.follow import follow, refined
from bnsl.solver.problem import Method, Rows, evaluate, inward, rows_of, several
from bnsl.solver.walk import begin

TRUTH = np.array([0.3, -1.0, 0.2, 0.5, -3.0, 0.0])


@dataclass(frozen=True)
class Valley(Form):
    """Rosenbrock's valley, steeper than usual: two "points" at which y is 1e3 (b - a^2) and 1 - a."""

    name: ClassVar[str] = "valley"
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("a"), Parameter("b"))

    def y_and_jacobian(self, theta, log_x):
        a, b = theta[..., 0], theta[..., 1]
        one = np.ones_like(a)
        value = np.stack([1e3 * (b - a**2), 1.0 - a], axis=-1)
        by_a = np.stack([-2e3 * a, -one], axis=-1)
        return value, np.stack([by_a, np.stack([1e3 * one, 0.0 * one], axis=-1)], axis=-2)

    def y(self, theta, log_x):
        return self.y_and_jacobian(theta, log_x)[0]

    log_y = log_y_and_jacobian = y

    def rescale(self, theta, log_s, log_t):
        return theta

    def domain(self, log_x, y, weight):
        return np.full(2, -np.inf), np.full(2, np.inf)


def valley():
    """Its rows, of one problem without bounds."""
    two, one = np.zeros((1, 2)), np.ones((1, 1))
    free, box = np.ones((1, 2), bool), np.full((1, 2), np.inf)
    return Rows(two, two, two + 1.0, one, one, free, -box, box, np.full(1, 2.0))


def test_second_order_steps_follow_a_curved_valley_in_fewer_steps(monkeypatch):
    """From Rosenbrock's start to the minimum at (1, 1)."""
    method, start = Method(Valley(), "linear"), np.array([[-1.2, 1.0]])
    options = {"steps": 500, "tolerance": 1e-6, "exact": True}
    curved, walk = refined(method, valley(), np.zeros(1, int), start, **options)
    monkeypatch.setattr(walking, "_turn", lambda *_: 0.0)
    plain, straight = refined(method, valley(), np.zeros(1, int), start, **options)
    for solution in (curved, plain):
        np.testing.assert_allclose(solution, 1.0, rtol=1e-8)
    assert walk.steps[0] < straight.steps[0]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("robust", [None, "huber", "soft_l1"])
def test_a_row_ends_at_the_minimum_that_scipy_finds(robust, exact):
    y, scale = noisy(1)[0], 0.02
    y[20] *= 1.5 if robust else 1.0
    method = Method(BNSL(1), robust=robust)
    rows = rows_of(method, several(method.form, problems(y, 6, scale=scale)))
    group = np.zeros(1, int)
    theta, walk = refined(method, rows, group, TRUTH[None], steps=200, tolerance=1e-8, exact=exact)

    def residual(at):
        return np.log(BNSL(1).evaluate(at, np.exp(U)) / y)

    loss = {"loss": robust or "linear", "f_scale": scale if robust else 1.0}
    theirs = least_squares(residual, TRUTH, x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14, **loss)
    assert walk.converged.all()
    assert walk.cost[0] == pytest.approx(2 * theirs.cost, rel=1e-9)
    np.testing.assert_allclose(residual(theta[0]), residual(theirs.x), atol=1e-5)


def test_a_walk_begins_inside_its_bounds_and_keeps_what_is_held():
    method = Method(BNSL(1), straight=False)
    free, lower = np.array([True, True, False, True, True, True]), np.full(6, -np.inf)
    lower[0] = 0.25
    rows = rows_of(method, several(method.form, problems(noisy(2), 6, free=free, lower=lower)))
    start = np.array([[-9.0, -1.0, 0.77, 0.5, 99.0, 0.0], TRUTH])
    walk = begin(method, rows, start)
    assert walk.trial[0, 0] == 0.25
    assert walk.trial[0, 4] == rows.upper[0, 4]
    assert walk.trial[0, 2] == 0.77
    np.testing.assert_array_equal(walk.trial[1, 2:], TRUTH[2:])
    end = follow(method, rows, np.arange(2), walk, steps=50, tolerance=1e-6)
    assert (end.theta[:, 0] >= 0.25).all()
    assert end.theta[0, 2] == 0.77


def test_the_walk_of_working_coordinates_ends_where_that_of_the_forms_own_does():
    y = noisy(3)
    ends = []
    for straight in (False, True):
        method = Method(BNSL(1), straight=straight)
        rows = rows_of(method, several(method.form, problems(y, 6)))
        start = np.tile(TRUTH, (3, 1))
        theta, walk = refined(method, rows, np.arange(3), start, steps=200, tolerance=1e-7)
        law = inward(method, walk.theta)
        np.testing.assert_array_equal(law, theta)
        ends.append(evaluate(method._replace(straight=False), rows, theta)[2])
        np.testing.assert_allclose(walk.cost, ends[-1], rtol=1e-9)
    np.testing.assert_allclose(ends[0][::2], ends[1][::2], rtol=1e-6)
