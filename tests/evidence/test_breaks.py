"""Numbers of breaks by their evidence."""

import numpy as np
import pytest

import bnsl
from bnsl.evidence.breaks import MOST, enough_points, least_squares, problem_of, weigh_breaks
from bnsl.evidence.points import data_of

LAWS = (
    {"a": 0.1, "b": 1.5, "c0": 0.25},
    {"a": 0.1, "b": 1.5, "c0": 0.05, "c1": 0.5, "d1": 200.0, "f1": 0.15},
    {"a": 0.1, "b": 1.0, "c0": 0.4, "c1": -0.8, "d1": 30.0, "f1": 0.2, "c2": 0.9, "d2": 900.0, "f2": 0.2},
)


def curve(n, count=36, noise=0.004):
    x = np.geomspace(1, 1e4, count)
    rng = np.random.default_rng(10 + n)
    return bnsl.Curve(x, bnsl.BNSL(n).evaluate(LAWS[n], x) * np.exp(noise * rng.normal(size=count)))


@pytest.mark.parametrize("n", range(3))
def test_the_number_that_made_the_curve_is_likeliest(n):
    weighed = weigh_breaks(curve(n))
    assert max(weighed, key=lambda each: each.probability).n_breaks == n
    assert sum(each.probability for each in weighed) == pytest.approx(1.0)
    assert [each.n_breaks for each in weighed] == sorted(each.n_breaks for each in weighed)


def test_too_few_points_leave_the_number_open():
    (only,) = weigh_breaks(bnsl.Curve([1.0, 2.0, 4.0, 8.0], [1.0, 0.8, 0.7, 0.65]))
    assert (only.n_breaks, only.probability) == (0, 1.0)
    assert np.isnan(only.log_evidence)


def test_breaks_that_must_be_there_are():
    weighed = weigh_breaks(curve(0), fewest=2)
    assert min(each.n_breaks for each in weighed) == 2


def test_no_number_is_weighed_that_the_points_are_too_few_for():
    few = curve(0, count=10)
    assert [enough_points(n, data_of(few)) for n in range(MOST + 1)] == [True, True, False, False]
    assert max(each.n_breaks for each in weigh_breaks(few)) <= 1


def test_rising_and_falling_laws_are_both_tried_where_a_curve_climbs():
    x = np.geomspace(1, 1e4, 30)
    y = (0.9 - 0.6 * x**-0.3) * np.exp(0.002 * np.random.default_rng(0).normal(size=30))
    climbing = bnsl.Curve(x, y)
    assert climbing.climbs
    assert max(weigh_breaks(climbing), key=lambda each: each.probability).n_breaks == 0


def test_least_squares_laws_are_distinct_and_best_first():
    data = data_of(curve(1))
    form = bnsl.BNSL(1)
    laws = least_squares(form, data)
    problem = problem_of(data, form)
    residual = form.log_y(laws, problem.log_x) - np.log(problem.y)
    cost = np.sum(residual**2, axis=1)
    assert (np.diff(cost) > 0).all()
    assert cost[0] == pytest.approx(36 * 0.004**2, rel=0.5)
    assert cost[-1] <= 2.0 * cost[0] * (1 + 1e-9)
