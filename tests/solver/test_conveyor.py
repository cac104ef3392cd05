"""The conveyor of rows, compiled by JAX, against the driver in NumPy."""

import numpy as np
import pytest
from normal_problems import U, problems

from bnsl.forms.broken import BNSL
from bnsl.solver import traced
from bnsl.solver.conveyor import convey
from bnsl.solver.follow import follow, refined
from bnsl.solver.problem import Method, rows_of, several
from bnsl.solver.traced import ANYWHERE, running

TRUTH = np.array([0.3, -1.0, 0.2, 0.5, -3.0, 0.0])
METHOD = Method(BNSL(1))


def smooth(count, seed=0):
    """Noisy curves (C, 64) of one smooth law."""
    rng = np.random.default_rng(seed)
    return BNSL(1).evaluate(TRUTH, np.exp(U)) * np.exp(0.02 * rng.normal(size=(count, 64)))


def ends(y, drive, start=TRUTH, steps=200, **changes):
    """Where rows end from a start each, by the conveyor or by NumPy."""
    rows = rows_of(METHOD, several(METHOD.form, problems(y, 6, **changes)))
    start = np.tile(start, (len(y), 1)) if start.ndim == 1 else start
    group, options = np.arange(len(y)), {"steps": steps, "tolerance": 1e-6, "drive": drive}
    with running("float64", ANYWHERE):
        return refined(METHOD, rows, group, start, **options)


@pytest.fixture
def narrow(monkeypatch):
    """A conveyor of few rows, so that many wait."""
    monkeypatch.setattr(traced, "CHUNKS", (16, 4))


def test_rows_on_the_conveyor_end_where_numpy_takes_them(narrow):
    y = smooth(41)
    theta, walk = ends(y, convey)
    here, plain = ends(y, follow)
    assert walk.converged.all()
    np.testing.assert_allclose(walk.cost, plain.cost, rtol=1e-9)
    np.testing.assert_allclose(theta, here, rtol=1e-4, atol=1e-6)
    assert isinstance(walk.theta, np.ndarray)


def test_a_row_does_not_depend_on_its_neighbours_or_the_chunks(narrow, monkeypatch):
    y = smooth(41)
    conveyor = ends(y, convey)[1]
    alone = ends(y[17:18], convey)[1]
    monkeypatch.setattr(traced, "CHUNKS", (64,))
    together = ends(y[::-1], convey)[1]
    np.testing.assert_allclose(conveyor.theta[17], alone.theta[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(conveyor.cost, together.cost[::-1], rtol=1e-9)
    assert (conveyor.steps[17], alone.steps[0]) == (alone.steps[0], together.steps[::-1][17])


def test_a_row_that_cannot_be_evaluated_fails_alone(narrow):
    start = np.tile(TRUTH, (5, 1))
    start[2, 1] = np.nan
    _, walk = ends(smooth(5), convey, start)
    assert walk.failed.tolist() == [False, False, True, False, False]
    assert walk.converged.tolist() == [True, True, False, True, True]


def test_steps_run_out_without_convergence(narrow):
    _, walk = ends(smooth(3), convey, TRUTH + 0.3, steps=4)
    assert not walk.converged.any()
    assert np.isfinite(walk.cost).all()


def test_bounds_and_fixed_parameters_hold_row_by_row(narrow):
    free = np.ones((3, 6), bool)
    free[0, 0] = False
    upper = np.full((3, 6), np.inf)
    upper[1, 0] = 0.15
    theta, walk = ends(smooth(3), convey, free=free, upper=upper)
    assert theta[0, 0] == TRUTH[0]
    assert theta[1, 0] <= 0.15
    assert walk.converged.all()


def test_rivals_that_are_not_worth_it_leave_the_conveyor(narrow):
    y = smooth(2)
    rows = rows_of(METHOD, several(METHOD.form, problems(y, 6)))
    rng = np.random.default_rng(0)
    starts, group = TRUTH + 0.3 * rng.normal(size=(24, 6)), np.repeat([0, 1], 12)
    options = {"steps": 200, "tolerance": 1e-6, "drive": convey}
    with running("float64", ANYWHERE):
        _, whole = refined(METHOD, rows, group, starts, **options)
        _, pruned = refined(METHOD, rows, group, starts, rivals=np.full(2, np.inf), **options)
    assert pruned.steps.sum() < whole.steps.sum()
    for curve in (0, 1):
        own = group == curve
        assert pruned.cost[own].min() == pytest.approx(whole.cost[own].min(), rel=1e-9)
