"""The laws that are refined for a forecast, all in the same steps, against the same refined apart."""

import numpy as np
import pytest

import bnsl
from bnsl.evidence.breaks import problem_of
from bnsl.evidence.grid import as_bnsl, posterior
from bnsl.evidence.points import Data, data_of, points_of
from bnsl.evidence.prior import LEARNT
from bnsl.forecasting.refining import STARTS, best_laws
from bnsl.forms.broken import BNSL
from bnsl.solver.crowd import refine_many
from bnsl.solver.problem import Method
from bnsl.solver.search import quick_pools

LAW = {"a": 0.2, "b": 2.0, "c0": 0.1, "c1": 0.5, "d1": 200.0, "f1": 0.3}


def curves():
    """A curve, and some of its last points."""
    x, noise = np.geomspace(1, 1e4, 30), np.random.default_rng(3).normal(size=30)
    whole = data_of(bnsl.Curve(x, bnsl.BNSL(1).evaluate(LAW, x) * np.exp(0.01 * noise)))
    return [whole, Data(*(part[-8:] for part in whole))]


@pytest.mark.parametrize("rising", [False, True])
def test_laws_refined_together_are_as_good_as_those_refined_apart(rising):
    given = curves()
    with np.errstate(all="ignore"):
        states = [posterior(points_of(data, LEARNT), LEARNT) for data in given]
        found = best_laws(given, states, rising=rising)
        assert [sorted(laws) for laws in found] == [[0, 1, 2, 3], [0]]
        for data, state, laws in zip(given, states, found, strict=True):
            for n, theta in laws.items():
                form = BNSL(n, rising)
                method, problem = Method(form), problem_of(data, form)
                cost = np.sum((form.log_y(theta, problem.log_x) - np.log(problem.y)) ** 2)
                if n == 1 or rising:
                    alone = quick_pools(method, [problem])[0]
                    assert theta == pytest.approx(alone.theta[0], rel=1e-6, abs=1e-8)
                else:
                    starts = as_bnsl(state, n)[:STARTS]
                    assert cost <= 1.001 * refine_many(method, problem, starts, max_steps=30).cost.min()
