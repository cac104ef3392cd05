"""The search compiled by JAX: on the conveyor and in step."""

import jax
import numpy as np
import pytest
from normal_problems import U, noisy, problems

from bnsl.forms.baselines import M3
from bnsl.forms.broken import BNSL
from bnsl.solver import march
from bnsl.solver.compiled import begin_search
from bnsl.solver.crowd import search_many
from bnsl.solver.problem import Method
from bnsl.solver.traced import Placement

TRUTH = np.array([0.3, -1.0, 0.2, 0.5, -3.0, 0.0])
METHOD = Method(BNSL(1))


def smooth(count, seed=0):
    """Noisy curves (C, 64) of one smooth law."""
    rng = np.random.default_rng(seed)
    return BNSL(1).evaluate(TRUTH, np.exp(U)) * np.exp(0.02 * rng.normal(size=(count, 64)))


# --- searches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [BNSL(1), M3()], ids=lambda form: form.label)
def test_the_compiled_search_finds_what_numpy_finds(form):
    problem = problems(noisy(12), len(form.parameters))
    there = begin_search(Method(form), problem)(None)
    here = search_many(Method(form), problem)
    np.testing.assert_allclose(there.cost, here.cost, rtol=1e-6)
    assert there.converged.all()
    law = form.evaluate
    np.testing.assert_allclose(law(there.theta, [1.0]), law(here.theta, [1.0]), rtol=1e-6)


def test_rows_in_step_find_what_the_conveyor_finds(monkeypatch):
    monkeypatch.setattr(march, "TOGETHER", 8)
    problem = problems(noisy(12), 6)
    ride = begin_search(METHOD, problem)(None)
    wide = Placement((jax.devices("cpu")[0],), wide=True)
    told = []
    in_step = begin_search(METHOD, problem, placement=wide, report=told.append)(None)
    np.testing.assert_allclose(in_step.cost, ride.cost, rtol=1e-6)
    law = BNSL(1).evaluate
    np.testing.assert_allclose(law(in_step.theta, [1.0]), law(ride.theta, [1.0]), rtol=1e-6)
    assert told == [8, 4]


def test_other_forms_in_step(monkeypatch):
    monkeypatch.setattr(march, "TOGETHER", 8)
    y = (0.2 + np.exp(-0.3 * U)) * np.exp(0.01 * np.random.default_rng(1).normal(size=(3, 64)))
    wide = Placement((jax.devices("cpu")[0],), wide=True)
    in_step = begin_search(Method(M3()), problems(y, 4), placement=wide)(None)
    here = search_many(Method(M3()), problems(y, 4))
    np.testing.assert_allclose(in_step.cost, here.cost, rtol=1e-4)


def test_costs_of_rivals_cut_a_search_short():
    problem = problems(noisy(4), 6)
    alone = begin_search(METHOD, problem)(None)
    cut = begin_search(METHOD, problem)(1e-3 * alone.cost)  # as if another form were far better
    assert cut.steps.sum() < alone.steps.sum()
    assert (cut.cost >= alone.cost * (1 - 1e-9)).all()


def test_single_precision_is_near(one_chunk):
    problem = problems(noisy(6), 6)
    wide = begin_search(METHOD, problem)(None)
    single = begin_search(METHOD, problem, dtype="float32")(None)
    np.testing.assert_allclose(single.cost, wide.cost, rtol=1e-3)
    assert single.converged.all()
