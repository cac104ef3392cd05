"""The engine compiled by JAX: rows on the conveyor, rows in step, precision and devices."""

import jax
import numpy as np
import pytest
from normal_problems import U, noisy, problems

from bnsl.forms.baselines import M3
from bnsl.forms.broken import BNSL
from bnsl.solver import compiled
from bnsl.solver.compiled import ANYWHERE, Placement, begin_search, convey, pieces_of, running
from bnsl.solver.problem import Method, rows_of, several
from bnsl.solver.search import search_many
from bnsl.solver.walk import follow, refined

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
    monkeypatch.setattr(compiled, "CHUNKS", (16, 4))


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
    monkeypatch.setattr(compiled, "CHUNKS", (64,))
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
    monkeypatch.setattr(compiled, "TOGETHER", 8)
    problem = problems(noisy(12), 6)
    ride = begin_search(METHOD, problem)(None)
    wide = Placement((jax.devices("cpu")[0],), wide=True)
    told = []
    march = begin_search(METHOD, problem, placement=wide, report=told.append)(None)
    np.testing.assert_allclose(march.cost, ride.cost, rtol=1e-6)
    law = BNSL(1).evaluate
    np.testing.assert_allclose(law(march.theta, [1.0]), law(ride.theta, [1.0]), rtol=1e-6)
    assert told == [8, 4]


def test_other_forms_in_step(monkeypatch):
    monkeypatch.setattr(compiled, "TOGETHER", 8)
    y = (0.2 + np.exp(-0.3 * U)) * np.exp(0.01 * np.random.default_rng(1).normal(size=(3, 64)))
    wide = Placement((jax.devices("cpu")[0],), wide=True)
    march = begin_search(Method(M3()), problems(y, 4), placement=wide)(None)
    here = search_many(Method(M3()), problems(y, 4))
    np.testing.assert_allclose(march.cost, here.cost, rtol=1e-4)


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


def test_the_callers_jax_configuration_is_left_alone():
    assert not jax.config.jax_enable_x64
    with running("float64", ANYWHERE):
        assert jax.numpy.asarray(1.0).dtype == "float64"
    with running("float32", Placement((jax.devices("cpu")[0],))):
        assert jax.numpy.asarray(1.0).dtype == "float32"
    assert not jax.config.jax_enable_x64


def test_work_is_cut_into_pieces_of_one_size():
    many = several(METHOD.form, problems(smooth(10), 6))
    pieces = list(pieces_of(many, 4))
    assert [rows.tolist() for _, rows, _ in pieces] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 9, 9]]
    assert [count for _, _, count in pieces] == [4, 4, 2]
    np.testing.assert_array_equal(pieces[2][0].y, many.y[[8, 9, 9, 9]])


def test_a_lone_problem_fills_a_piece_of_the_same_shape():
    (lone, _, count), *_ = pieces_of(several(METHOD.form, problems(smooth(1), 6)), 4)
    assert (lone.y.shape, count) == ((4, 64), 1)


def test_rows_are_shared_out_and_what_they_share_is_on_every_device():
    devices = tuple(jax.devices("cpu"))
    placement = Placement(devices)
    assert placement.chunks == tuple(size * len(devices) for size in compiled.CHUNKS)
    size = 4 * len(devices)
    rows, shared = placement.put((np.zeros((size, 3)), np.zeros((1, 3))), size)
    assert {shard.data.shape for shard in rows.addressable_shards} == {(4, 3)}
    assert {shard.data.shape for shard in shared.addressable_shards} == {(1, 3)}
    tree = (np.zeros(2),)
    assert ANYWHERE.put(tree, 2) is tree
