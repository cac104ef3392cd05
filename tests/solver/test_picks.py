"""The best sets of trial breaks, against trying them all."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from normal_problems import U, problems

from bnsl.forms.broken import BNSL
from bnsl.solver.picks import Trials, best_sets, picked_starts, regrown_points, sprouting_points
from bnsl.solver.problem import Method, residuals, rows_of, several

TWO = np.array([0.1, -0.5, 0.1, 0.5, -5.0, -1.0, -0.4, -2.0, -1.5])


def noisy_law(theta, noise=0.003):
    rng = np.random.default_rng(0)
    return BNSL(len(theta) // 3 - 1).evaluate(theta, np.exp(U)) * np.exp(noise * rng.normal(size=len(U)))


@pytest.mark.parametrize("picks", [1, 2, 3])
def test_the_best_set_is_that_of_least_squares_over_all(picks):
    rng = np.random.default_rng(picks)
    dictionary = rng.normal(size=(5, 2, 12))  # 5 places, 2 shapes
    always, target = rng.normal(size=(2, 1, 12)), rng.normal(size=(2, 12))
    scale = rng.uniform(0.5, 2.0, (2, 12))
    outer, picked = best_sets(dictionary, always, target, scale, picks, 6)
    columns = dictionary.reshape(10, 12)

    def left(node, chosen):
        basis = np.concatenate([always[node], columns[list(chosen)] * scale[node]])
        return np.sum((target[node] - np.linalg.lstsq(basis.T, target[node], rcond=None)[0] @ basis) ** 2)

    found = [left(*pair) for pair in zip(outer, picked.tolist(), strict=True)]
    every = [
        left(node, chosen) for node in range(2) for chosen in combinations_with_replacement(range(10), picks)
    ]
    # All pairs are tried; of three, only extensions of the best pair at every two places.
    assert found[0] == pytest.approx(min(every), rel=1e-9 if picks < 3 else 0.05)
    assert (np.diff(found) >= -1e-9).all()
    assert len({tuple(sorted(chosen)) for chosen in picked.tolist()}) == len(picked)


@pytest.mark.parametrize("theta", [TWO, np.append(TWO, [0.6, -0.8, -2.0])], ids=["two", "three"])
def test_starts_from_the_data_are_near_the_law_and_best_first(theta):
    form = BNSL(len(theta) // 3 - 1)
    y, weight = noisy_law(theta), np.ones(len(U))
    starts = picked_starts(form, form.separable(U, y, weight), weight, 16)
    misfit = np.sqrt(np.mean((form.log_y(starts, U) - np.log(y)) ** 2, axis=1))
    assert starts.shape == (16, len(theta))
    assert misfit[0] < 0.02
    assert np.nanmin(misfit) > 0.5 * misfit[0]


def test_a_break_that_is_wrong_is_replaced():
    form, y, weight = BNSL(2), noisy_law(TWO, 1e-4), np.ones(len(U))
    wrong = TWO.copy()
    wrong[[6, 7, 8]] = 0.9, -6.5, -2.0
    places = np.linspace(-6.0, -0.5, 12)  # one of them at the break's place
    trials = Trials(wrong[None], np.array([-1.0]), places, np.full((12, 1), np.exp(-1.5)))
    separable = form.separable(U, y, weight)
    laws = regrown_points(form, separable, U, y, weight, trials, 1, 8)
    misfit = np.sqrt(np.mean((form.log_y(laws, U) - np.log(y)) ** 2, axis=1))
    assert misfit[0] < 1e-3
    assert sorted(laws[0, 4::3]) == pytest.approx([-5.0, -2.0], abs=1e-9)
    assert laws[0, 0] == wrong[0]  # it stays where it is


def test_a_regrown_law_may_have_another_limit():
    form, y, weight = BNSL(2), noisy_law(TWO, 1e-4), np.ones(len(U))
    parents = np.tile(TWO, (2, 1))
    trials = Trials(parents, np.array([-1.0, 0.0]), np.linspace(-6, -0.5, 12), np.full((12, 1), 0.3))
    separable = form.separable(U, y, weight)
    laws = regrown_points(form, separable, U, y, weight, trials, 2, 40)
    assert set(np.unique(laws[:, 0])) == {TWO[0], separable.outer[0]}


def test_a_break_sprouts_where_it_lowers_the_cost_most():
    form, y = BNSL(2), noisy_law(TWO, 1e-4)
    one = TWO.copy()
    one[6] = 0.0  # the second break is not there yet
    method = Method(form)
    rows = rows_of(method, several(form, problems(y, 9)))
    residual, jacobian = residuals(method, rows, one[None])
    places = np.linspace(-6.0, -0.5, 12)
    laws = sprouting_points(
        form, U, one[None], residual, jacobian, places, np.full((12, 1), np.exp(-1.5)), 1, 4
    )
    assert laws[0, 7] == pytest.approx(-2.0, abs=0.51)
    assert (laws[:, 6] == 0).all()  # a start is as good as the law that it sprouts from
    np.testing.assert_array_equal(laws[:, :6], np.tile(one[:6], (4, 1)))
