"""Local minima: sorted, joined, and the distinct ones among them."""

import numpy as np

from bnsl.solver.pool import distinct, joined, pool_of


def test_distinct_solutions_differ_in_their_residuals_not_their_cost():
    fits = np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.005], [np.nan, 0.0]])
    cost = np.array([1.0, 1.0001, 1.01, np.inf])
    assert distinct(cost, fits, 4) == [0, 2]
    assert distinct(cost, fits, 1) == [0]
    assert distinct(cost, fits, 4, alike=1e-6) == [0, 1, 2]
    assert distinct(cost[3:], fits[3:], 2) == [0]


def test_pools_are_best_first_and_a_cost_that_is_none_comes_last():
    first = pool_of(np.arange(3.0)[:, None], np.array([2.0, np.nan, 1.0]), np.array([True, True, False]))
    assert first.theta.ravel().tolist() == [2.0, 0.0, 1.0]
    assert first.cost.tolist() == [1.0, 2.0, np.inf]
    assert first.converged.tolist() == [False, True, True]
    second = pool_of(np.array([[7.0]]), np.array([1.5]), np.array([True]))
    both = joined(first, second)
    assert both.theta.ravel().tolist() == [2.0, 7.0, 0.0, 1.0]
    assert both.converged.tolist() == [False, True, True, True]
