"""The search for one curve."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from normal_problems import noisy, problems

import bnsl
from bnsl.forms.baselines import M2, M3
from bnsl.forms.broken import BNSL
from bnsl.solver import search as searching
from bnsl.solver.problem import Method, residuals, rows_of, several
from bnsl.solver.search import polish, quick_pools, search


def test_a_faint_sharp_break_without_noise_is_found():
    """A smooth law passes within 5e-4 of all points; only the true one passes through them."""
    x = np.exp(np.linspace(-9.0, 0.0, 20))
    theta = np.array([0.2, -1.3, 0.25, 0.019, -0.63, -3.76])
    result = bnsl.fit(x, bnsl.BNSL(1).evaluate(theta, x), n_breaks=1, bounds={"b": (0, None)})
    assert result.rmsle < 1e-10


def search_program():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "global_search.py"
    spec = importlib.util.spec_from_file_location("global_search", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["global_search"] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


# The errors reached from starts at sharp breaks; from wide ones alone they are .0165, .00595 and .0111.
@pytest.mark.parametrize(
    ("seed", "index", "error"), [(502, 374, 0.01532), (501, 640, 0.00581), (2026, 914, 0.00723)]
)
def test_a_break_sharper_than_the_spacing_of_the_points_is_found(seed, index, error):
    curve = search_program().simulate(np.random.default_rng([seed, index]))
    assert curve.form.n_breaks == 1
    assert bnsl.fit(curve.x, curve.y, n_breaks=1).rmsle < error


def test_the_pool_is_best_first_and_its_costs_are_those_of_its_laws():
    for form in (BNSL(0), BNSL(1), BNSL(2), M3()):
        method, problem = Method(form), problems(noisy(1)[0], len(form.parameters))
        pool = search(method, problem)
        assert (np.diff(pool.cost[np.isfinite(pool.cost)]) >= 0).all()
        misfit = residuals(method, rows_of(method, several(form, problem)), pool.theta[:1])[0]
        assert pool.cost[0] == pytest.approx(np.sum(misfit**2), rel=1e-9)
        assert pool.converged[0]


def test_a_quick_search_ends_near_where_a_whole_one_does():
    for n in (1, 2):
        p = 3 + 3 * n
        problem = problems(noisy(1)[0], p)
        quick, whole = (search(Method(BNSL(n)), problem, quick=quick) for quick in (True, False))
        assert quick.cost[0] < 1.05 * whole.cost[0]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_quick_searches_of_curves_of_different_lengths_side_by_side(n):
    form, y = BNSL(n), noisy(4)
    whole = problems(y[0], 3 + 3 * n)
    curves = [
        whole._replace(log_x=whole.log_x[-count:], y=row[-count:], weight=np.ones(count))
        for row, count in zip(y, (64, 40, 51, 28), strict=True)
    ]
    pools = quick_pools(Method(form), curves)
    for pool, problem in zip(pools, curves, strict=True):
        alone = quick_pools(Method(form), [problem])[0]
        assert pool.cost[0] == pytest.approx(alone.cost[0], rel=0.01)  # neither is finished
        misfit = residuals(Method(form), rows_of(Method(form), several(form, problem)), pool.theta[:1])[0]
        assert pool.cost[0] == pytest.approx(np.sum(misfit**2), rel=1e-9)
        assert pool.cost[0] < 1.05 * search(Method(form), problem).cost[0]


def test_starts_that_all_overflow_leave_a_law_that_hardly_depends_on_x(monkeypatch):
    def hopeless(method, problem, rows, count, **_):
        return np.full((1, 4, len(problem.held[0])), 1e6)

    monkeypatch.setattr(searching, "_starts", hopeless)
    pool = search(Method(M2()), problems(noisy(1)[0], 3))
    assert np.isfinite(pool.cost[0])


def test_a_polish_of_very_many_points_takes_a_near_solution_to_its_end():
    method, problem = Method(BNSL(1)), problems(noisy(1)[0], 6)
    best = search(method, problem)
    near = polish(method, problem, best.theta[:1] + 1e-3)
    assert near.cost[0] == pytest.approx(best.cost[0], rel=1e-8)
