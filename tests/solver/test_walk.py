"""The Levenberg-Marquardt step, and which rows go on."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from normal_problems import U, noisy, problems
from scipy.optimize import least_squares

from bnsl.forms.baselines import M3
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form, Parameter
from bnsl.solver import walk as walking
from bnsl.solver.problem import Method, Rows, evaluate, inward, rows_of, several
from bnsl.solver.walk import Best, begin, follow, fresh, refined, worth_going_on

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


def test_rows_that_leave_make_room_for_others(monkeypatch):
    """With room for few rows at a time each ends where it does among many."""
    method, y = (
        Method(M3()),
        0.2 + np.exp(-0.3 * U) * np.exp(0.01 * np.random.default_rng(0).normal(size=(30, 64))),
    )
    rows = rows_of(method, several(method.form, problems(y, 4)))
    start = np.tile([0.0, 0.5, 0.5, 0.1], (30, 1)) * np.linspace(0.5, 1.5, 30)[:, None]
    options = {"steps": 100, "tolerance": 1e-6}
    whole = refined(method, rows, np.arange(30), start, **options)
    monkeypatch.setattr(walking, "AT_ONCE", 5 * 64)
    few = refined(method, rows, np.arange(30), start, **options)
    np.testing.assert_allclose(few[0], whole[0], rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(few[1].steps, whole[1].steps)
    assert len(set(whole[1].steps.tolist())) > 1


def test_steps_run_out_and_a_walk_goes_on_where_it_stopped():
    method = Method(BNSL(1))
    rows = rows_of(method, several(method.form, problems(noisy(1), 6)))
    walk = begin(method, rows, TRUTH[None] + 0.3)
    options = {"tolerance": 1e-6}
    part = follow(method, rows, np.zeros(1, int), walk, steps=4, **options)
    rest = follow(method, rows, np.zeros(1, int), part, steps=200, **options)
    whole = follow(method, rows, np.zeros(1, int), walk, steps=204, **options)
    assert part.steps[0] == 4
    assert not part.converged[0]
    assert rest.converged[0]
    assert rest.steps[0] == whole.steps[0]
    np.testing.assert_array_equal(rest.theta, whole.theta)


# --- which rows go on -------------------------------------------------------------------------------


def stood(theta, cost, steps, gram=None):
    """Rows that stand somewhere."""
    walk = fresh(np.asarray(theta, float)[:, None])
    gram = np.ones((len(cost), 1, 1)) if gram is None else gram
    return walk._replace(cost=np.asarray(cost), steps=np.asarray(steps), gram=gram)


def test_rows_leave_whose_cost_or_law_is_no_rival_to_the_best():
    best = Best(np.full(2, np.inf), 1)
    group = np.array([0, 0, 0, 0, 1])
    # The best, one far behind, one alike, one another and near; and another problem's only row.
    walk = stood([0.0, 5.0, 1e-3, 1.0, 0.0], [1.0, 1.2, 1.001, 1.04, 90.0], [6] * 5)
    best.see(group, walk)
    assert best.cost.tolist() == [1.0, 90.0]
    before = np.full(5, np.inf)
    options = {"exact": False, "floor": np.zeros(5)}
    assert best.hopeless(group, walk, before, **options).tolist() == [False, True, True, False, False]
    later = walk._replace(steps=np.full(5, 60))  # by then 4 % are too much
    assert best.hopeless(group, later, before, **options).tolist() == [False, True, True, True, False]
    stuck = walk._replace(steps=np.full(5, 36))
    assert best.hopeless(group, stuck, stuck.cost, **options).all()
    patient = Best(np.full(2, np.inf), 1, within=0.3)
    patient.see(group, walk)
    assert patient.hopeless(group, later, before, **options).tolist() == [False, False, True, False, False]


def test_exact_rows_are_followed_to_their_end_but_for_those_behind_a_perfect_one():
    best, group = Best(np.full(1, np.inf), 1), np.zeros(2, int)
    walk = stood([0.0, 1.0], [1e-32, 1e-31], [36, 36])
    best.see(group, walk)
    options = {"exact": True, "floor": np.full(2, 1e-30)}
    assert best.hopeless(group, walk, walk.cost, **options).tolist() == [False, True]
    best = Best(np.full(1, np.inf), 1)
    walk = stood([0.0, 1.0], [1.0, 1.0 + 1e-9], [36, 36])
    best.see(group, walk)
    assert best.hopeless(group, walk, walk.cost, **options).tolist() == [False, True]


def test_the_best_starts_that_lead_to_different_laws_go_on():
    theta = [0.0, 0.1, 1.0, 2.0, 3.0, 0.0, 9.0, 9.0, 9.0, 9.0]
    cost = [1.0, 1.1, 1.2, 2.0, np.nan, np.inf, np.nan, np.inf, np.inf, np.nan]
    chosen = worth_going_on(stood(theta, cost, [12] * 10), 2)
    # The second is alike, the fourth too far behind; of a curve without a cost the first goes on.
    assert chosen[0].tolist() == [True, False, True, False, False]
    assert chosen[1].sum() == 1
    lonely = worth_going_on(stood([0.0, 10.0, 20.0], [1.0, 50.0, 60.0], [12] * 3), 1)
    assert lonely.tolist() == [[True, True, False]]  # two at least
    many = worth_going_on(stood(np.arange(40.0), np.full(40, 1.0), [12] * 40), 1)
    assert many.sum() == walking.MOST
