"""The search for many curves side by side, and refinement of many from a start each."""

from dataclasses import replace

import numpy as np
import pytest
from normal_problems import noisy, problems

import bnsl
from bnsl.forms.baselines import M2, M3
from bnsl.forms.broken import BNSL
from bnsl.solver.crowd import refine_many, search_many
from bnsl.solver.problem import Method
from bnsl.solver.search import search


@pytest.mark.parametrize("form", [BNSL(0), BNSL(1), M3()], ids=lambda form: form.label)
def test_many_curves_have_the_laws_that_each_has_alone(form):
    y, p = noisy(6), len(form.parameters)
    many = search_many(Method(form), problems(y, p))
    alone = [search(Method(form), problems(row, p)).cost[0] for row in y]
    assert many.converged.all()
    np.testing.assert_allclose(many.cost, alone, rtol=1e-4)


def test_curves_with_bounds_and_held_parameters_of_their_own():
    y = noisy(3)
    free, upper = np.ones((3, 6), bool), np.full((3, 6), np.inf)
    free[0, 0], upper[1, 0] = False, 0.15
    many = search_many(Method(BNSL(1)), problems(y, 6, free=free, held=np.full((3, 6), 0.25), upper=upper))
    assert many.theta[0, 0] == 0.25
    assert many.theta[1, 0] <= 0.15
    plain = search_many(Method(BNSL(1)), problems(y, 6))
    np.testing.assert_allclose(many.cost[2], plain.cost[2], rtol=1e-9)
    assert (many.cost[:2] >= plain.cost[:2] * (1 - 1e-9)).all()


def test_costs_of_rivals_cut_a_search_short():
    y = noisy(4)
    free = search_many(Method(BNSL(1)), problems(y, 6))
    rising = Method(replace(BNSL(1), rising=True))
    alone, cut = (search_many(rising, problems(y, 6), known=rivals) for rivals in (None, 1e-3 * free.cost))
    assert cut.steps.sum() < alone.steps.sum()
    assert (cut.cost > free.cost).all()


def test_progress_is_told_curve_by_curve():
    told = []
    search_many(Method(BNSL(0)), problems(np.tile(noisy(6), (100, 1)), 3), report=told.append)
    assert sum(told) == 600
    assert len(told) > 1


X = np.geomspace(1, 1e4, 40)
LAW = {"a": 0.2, "b": 2.0, "c0": 0.15, "c1": 0.4, "d1": 200.0, "f1": 0.4}


def replicates(count, noise=0.03, seed=0):
    rng = np.random.default_rng(seed)
    return BNSL(1).evaluate(LAW, X) * np.exp(noise * rng.normal(size=(count, len(X))))


def padded(form, y, **changes):
    """Padded problems in normalised units that share x; the last log x is 0."""
    extra = 48 - len(X)
    log_x = np.concatenate([np.log(X / X[-1]), np.zeros(extra)])
    whole = np.concatenate([y, np.ones((len(y), extra))], axis=1)
    weight = np.concatenate([np.ones(len(X)), np.zeros(extra)])
    return problems(whole, len(form.parameters), **{"log_x": log_x, "weight": weight, **changes})


def truth(form=None):
    form = form or BNSL(1)
    return form.rescale(form.from_params(LAW), -np.log(X[-1]), 0.0)


def refined(form, y, start, changes=None, **options):
    start = np.tile(start, (len(y), 1)) if start.ndim == 1 else start
    return refine_many(Method(form), padded(form, y, **(changes or {})), start, **options)


@pytest.mark.parametrize("exact", [False, True])
def test_each_row_ends_where_fit_ends(exact):
    y = replicates(6)
    many = refined(BNSL(1), y, truth(), exact=exact)
    alone = [bnsl.fit(X, row, n_breaks=1) for row in y]
    assert many.converged.all()
    np.testing.assert_allclose(many.cost, [len(X) * fit.rmsle**2 for fit in alone], rtol=1e-7)


def test_a_row_does_not_depend_on_its_neighbours():
    y = replicates(41)
    many = refined(BNSL(1), y, truth())
    alone = refined(BNSL(1), y[17:18], truth())
    backwards = refined(BNSL(1), y[::-1], truth())
    np.testing.assert_allclose(many.theta[17], alone.theta[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(many.cost, backwards.cost[::-1], rtol=1e-9)
    assert (many.steps[17], alone.steps[0]) == (alone.steps[0], backwards.steps[::-1][17])


def test_a_row_that_cannot_be_evaluated_fails_alone():
    start = np.tile(truth(), (5, 1))
    start[2, 1] = np.nan
    many = refined(BNSL(1), replicates(5), start)
    assert many.cost[2] == np.inf
    assert many.converged.tolist() == [True, True, False, True, True]
    assert np.isfinite(many.theta[[0, 1, 3, 4]]).all()
    np.testing.assert_array_equal(many.theta[2], start[2])


def test_steps_run_out_without_convergence():
    many = refined(BNSL(1), replicates(3), truth() + 0.3, max_steps=6)
    assert not many.converged.any()
    assert np.isfinite(many.cost).all()
    assert (many.steps == 6).all()


def test_bounds_and_fixed_parameters_hold_row_by_row():
    free = np.ones((3, 6), bool)
    free[0, 0] = False
    upper = np.full((3, 6), np.inf)
    upper[1, 0] = 0.15
    many = refined(BNSL(1), replicates(3), truth(), {"free": free, "upper": upper})
    assert many.theta[0, 0] == truth()[0]
    assert many.theta[1, 0] <= 0.15
    assert many.converged.all()


def test_exact_steps_reach_rounding_on_noiseless_rows():
    exact = refined(BNSL(1), replicates(2, noise=0.0), truth() + 0.01, exact=True, tolerance=1e-12)
    assert exact.cost.max() < 1e-26


def test_other_forms_and_x_of_their_own():
    rng = np.random.default_rng(3)
    x = np.sort(10 ** rng.uniform(0, 4, (4, len(X))), axis=1)
    y = (0.1 + 2.0 * x**-0.3) * np.exp(0.01 * rng.normal(size=x.shape))
    form = M2()
    log_x = np.pad(np.log(x / x[:, -1:]), ((0, 0), (0, 8)))
    start = np.stack(
        [form.rescale(form.from_params({"b": 2.0, "c": 0.3, "e": 0.1}), -s, 0.0) for s in np.log(x[:, -1])]
    )
    many = refined(form, y, start, {"log_x": log_x})
    expected = [len(X) * bnsl.fit(*pair, form="m2").rmsle ** 2 for pair in zip(x, y, strict=True)]
    np.testing.assert_allclose(many.cost, expected, rtol=1e-8)


def test_no_row_at_all():
    many = refine_many(Method(BNSL(1)), problems(noisy(1), 6), np.zeros((0, 6)))
    assert many.theta.shape == (0, 6)
    assert len(many.cost) == len(many.converged) == len(many.steps) == 0
