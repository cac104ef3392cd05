"""The driver in NumPy: which rows go on, and that the others make room."""

import numpy as np
from normal_problems import U, noisy, problems, stood

from bnsl.forms.baselines import M3
from bnsl.forms.broken import BNSL
from bnsl.solver import follow as following
from bnsl.solver.follow import Best, follow, refined
from bnsl.solver.problem import Method, rows_of, several
from bnsl.solver.walk import begin

TRUTH = np.array([0.3, -1.0, 0.2, 0.5, -3.0, 0.0])


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
    monkeypatch.setattr(following, "AT_ONCE", 5 * 64)
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
