import jax
import numpy as np
import pytest

import bnsl
from bnsl.forms.baselines import M2
from bnsl.forms.broken import BNSL
from bnsl.solver.conveyor import refine_many
from bnsl.solver.search import Method, Problem

X = np.geomspace(1, 1e4, 40)
LAW = {"a": 0.2, "b": 2.0, "c0": 0.15, "c1": 0.4, "d1": 200.0, "f1": 0.4}


def replicates(count, noise=0.03, seed=0):
    rng = np.random.default_rng(seed)
    return BNSL(1).evaluate(LAW, X) * np.exp(noise * rng.normal(size=(count, len(X))))


def problems(form, y, **changes):
    """Padded problems in normalised units that share x; the last log x is 0."""
    p, extra = len(form.parameters), 48 - len(X)
    log_x = np.concatenate([np.log(X / X[-1]), np.zeros(extra)])
    padded = np.concatenate([y, np.ones((len(y), extra))], axis=1)
    weight = np.concatenate([np.ones(len(X)), np.zeros(extra)])
    inf = np.full(p, np.inf)
    problem = Problem(log_x, padded, weight, 1.0, 1.0, np.ones(p, bool), np.zeros(p), -inf, inf)
    return problem._replace(**changes)


def truth(form=None):
    form = form or BNSL(1)
    return form.rescale(form.from_params(LAW), -np.log(X[-1]), 0.0)


def refined(form, y, start, changes=None, **options):
    with jax.enable_x64(True):
        return refine_many(
            Method(form), problems(form, y, **(changes or {})), np.tile(start, (len(y), 1)), **options
        )


@pytest.mark.parametrize("exact", [False, True])
def test_each_row_ends_where_fit_ends(exact):
    y = replicates(6)
    many = refined(BNSL(1), y, truth(), exact=exact, chunks=(16, 4))
    alone = [bnsl.fit(X, row, n_breaks=1) for row in y]
    assert many.converged.all()
    np.testing.assert_allclose(many.cost, [len(X) * fit.rmsle**2 for fit in alone], rtol=1e-7)


def test_a_row_does_not_depend_on_its_neighbours_or_the_chunks():
    y = replicates(41)
    conveyor = refined(BNSL(1), y, truth(), chunks=(16, 4))
    alone = refined(BNSL(1), y[17:18], truth(), chunks=(4,))
    together = refined(BNSL(1), y[::-1], truth(), chunks=(64,))
    np.testing.assert_allclose(conveyor.theta[17], alone.theta[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(conveyor.cost, together.cost[::-1], rtol=1e-9)
    assert (conveyor.steps[17], alone.steps[0]) == (alone.steps[0], together.steps[::-1][17])


def test_a_row_that_cannot_be_evaluated_fails_alone():
    y = replicates(5)
    start = np.tile(truth(), (5, 1))
    start[2, 1] = np.nan
    with jax.enable_x64(True):
        many = refine_many(Method(BNSL(1)), problems(BNSL(1), y), start, chunks=(8,))
    assert many.cost[2] == np.inf
    assert many.converged.tolist() == [True, True, False, True, True]
    assert np.isfinite(many.theta[[0, 1, 3, 4]]).all()


def test_steps_run_out_without_convergence():
    many = refined(BNSL(1), replicates(3), truth() + 0.3, max_steps=6, chunks=(4,))
    assert not many.converged.any()
    assert np.isfinite(many.cost).all()


def test_bounds_and_fixed_parameters_hold_row_by_row():
    y = replicates(3)
    form = BNSL(1)
    free = np.ones((3, 6), bool)
    free[0, 0] = False
    upper = np.full((3, 6), np.inf)
    upper[1, 0] = 0.15
    many = refined(form, y, truth(), {"free": free, "upper": upper}, chunks=(4,))
    assert many.theta[0, 0] == truth()[0]
    assert many.theta[1, 0] <= 0.15
    assert many.converged.all()


def test_exact_steps_reach_rounding_on_noiseless_rows():
    y = replicates(2, noise=0.0)
    exact = refined(BNSL(1), y, truth() + 0.01, exact=True, chunks=(4,), tolerance=1e-12)
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
    with jax.enable_x64(True):
        many = refine_many(Method(form), problems(form, y, log_x=log_x), start, chunks=(4,))
    expected = [len(X) * bnsl.fit(*pair, form="m2").rmsle ** 2 for pair in zip(x, y, strict=True)]
    np.testing.assert_allclose(many.cost, expected, rtol=1e-8)
