from dataclasses import replace

import jax
import numpy as np
import pytest

import bnsl
from bnsl.curves.ragged import Curves, padded_length
from bnsl.forms.baselines import M3
from bnsl.forms.broken import BNSL
from bnsl.many import work as batch
from bnsl.many.columns import in_order
from bnsl.many.rows import Settings, rows_of, silent
from bnsl.solver import group_search as _group_search
from bnsl.solver import valleys as _one_break
from bnsl.solver.conveyor import Placement
from bnsl.solver.group_search import begin_search
from bnsl.solver.search import Method, Problem
from bnsl.solver.sharp_starts import plateau_starts, sharp_starts
from bnsl.solver.valleys import _nearer, mirrored

U = np.linspace(-7.0, 0.0, 64)
GAP = U[1] - U[0]


def problems(y, p):
    """Problems (C, 64) in normalised units that share x."""
    inf = np.full(p, np.inf)
    log_x, weight = np.tile(U, (len(y), 1)), np.ones(y.shape)
    return Problem(log_x, y, weight, 1.0, 1.0, np.ones(p, bool), np.zeros(p), -inf, inf)


def sharp_law(place, limit=0.4, form=None):
    """A law with a break at log x = place that is sharp on the scale of the points."""
    theta = np.array([limit, -1.0, 0.3, 0.6, place, np.log(1e-3)])
    return (form or BNSL(1)).evaluate(theta, np.exp(U))


@pytest.mark.parametrize("place", [U[20], U[20] + 0.5 * GAP, U[61]])
@pytest.mark.parametrize("rising", [False, True])
def test_sharp_starts_know_place_and_limit(place, rising):
    form = BNSL(1, rising=rising)
    limit = 2.0 if rising else 0.4
    y = sharp_law(place, limit, form)
    with jax.enable_x64(True):
        theta = np.asarray(sharp_starts(form, U, y, np.ones(64), 4))
    assert theta.shape == (4, 6)
    assert theta[0, 4] == pytest.approx(place, abs=1e-9)
    assert theta[0, 0] == pytest.approx(limit, rel=0.02)  # the nodes nearest to it are 10 % away
    assert np.exp(theta[0, 5]) == pytest.approx(0.15 * GAP)


def test_padding_does_not_change_sharp_starts():
    y = sharp_law(U[30])
    more = np.append(U, np.full(16, U[-1])), np.append(y, np.ones(16)), np.append(np.ones(64), np.zeros(16))
    with jax.enable_x64(True):
        short = sharp_starts(BNSL(1), U, y, np.ones(64), 3)
        long = sharp_starts(BNSL(1), *more, 3)
    np.testing.assert_allclose(short[0], long[0], rtol=1e-6)


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("padding", [0, 16])
def test_plateau_starts_know_a_cliff_down_to_a_limit_amid_the_points(rising, padding):
    form, rng = BNSL(1, rising=rising), np.random.default_rng(4)
    limit = 1.0
    y = form.evaluate(np.array([limit, -2.6, 0.3, 60.0, U[40] + 0.5 * GAP, np.log(0.1 * GAP)]), np.exp(U))
    y = y * np.exp(1e-3 * rng.normal(size=64))
    assert y[41:].min() < limit < y[41:].max()
    log_x, y = np.append(U, np.full(padding, U[-1])), np.append(y, np.ones(padding))
    weight = np.append(np.ones(64), np.zeros(padding))
    with jax.enable_x64(True):
        theta = np.asarray(plateau_starts(form, log_x, y, weight, 4))
    assert theta.shape == (4, 6)
    assert theta[0, 0] == pytest.approx(limit, rel=1e-3)
    assert U[40] < theta[0, 4] < U[41]
    assert theta[0, 1:3] == pytest.approx([-2.6, 0.3], abs=0.02)
    law = form.evaluate(theta[0], np.exp(U))
    assert np.abs(np.log(law / y[:64])).max() < 0.02


def test_a_mirrored_law_is_the_same_from_the_other_end():
    rng = np.random.default_rng(5)
    theta, first = rng.normal(size=(20, 6)), -rng.uniform(1, 9, 20)
    back = mirrored(theta, first)
    np.testing.assert_allclose(mirrored(back, first), theta, atol=1e-12)
    for law, other, begin in zip(theta, back, first, strict=True):
        log_x = np.linspace(begin, 0.0, 9)
        values = [BNSL(1).evaluate(*pair) for pair in ((law, np.exp(log_x)), (other, np.exp(begin - log_x)))]
        np.testing.assert_allclose(*values, rtol=1e-12)


def test_a_break_brought_nearer_keeps_its_width_and_bend_and_can_be_written():
    far = np.array([[0.0, 1.0, -0.5, 3e40, 40.0, np.log(0.4)], [0.0, 1.0, -0.5, 0.7, -2.0, np.log(0.4)]])
    near = _nearer(far, np.full(2, -5.0))
    np.testing.assert_array_equal(near[1], far[1])
    assert near[0, 5] == far[0, 5]
    assert near[0, 4] < far[0, 4]
    assert np.abs(mirrored(near, np.full(2, -5.0))).max() < 600

    def bend(row):
        return row[3] * np.exp(row[5]) * np.log1p(np.exp(-row[4] / np.exp(row[5])))

    assert bend(near[0]) == pytest.approx(bend(far[0]), rel=1e-6)


def test_a_break_before_the_data_is_followed_down_its_valley(monkeypatch):
    rng = np.random.default_rng(6)
    law = BNSL(1).evaluate(np.array([0.3, 17.0, -1.2, 2.0, -8.5, np.log(1.2)]), np.exp(U))
    y = law * np.exp(0.01 * rng.normal(size=(12, 64)))
    y = y / np.exp(np.log(y).mean(axis=1, keepdims=True))
    alone = np.array([64 * bnsl.fit(np.exp(U), row, n_breaks=1).rmsle ** 2 for row in y])
    with jax.enable_x64(True):
        found = begin_search(Method(BNSL(1)), problems(y, 6))(None)
    assert (found.cost <= 1.002 * alone).all()
    assert found.converged.all()
    residual = np.log(np.array([BNSL(1).evaluate(t, np.exp(U)) for t in found.theta]) / y)
    np.testing.assert_allclose(np.sum(residual**2, axis=1), found.cost, rtol=1e-6)
    monkeypatch.setattr(_one_break, "_from_the_other_end", lambda *arguments: None)
    with jax.enable_x64(True):
        left = begin_search(Method(BNSL(1)), problems(y, 6))(None)
    assert (left.cost > 1.002 * alone).sum() >= 2


def noisy(count, seed=0):
    """Curves (C, 64), every other one with a sharp break."""
    rng = np.random.default_rng(seed)
    smooth = BNSL(1).evaluate(np.array([0.3, -1.0, 0.2, 0.5, -3.0, 0.0]), np.exp(U))
    laws = [sharp_law(U[10 + i]) if i % 2 else smooth for i in range(count)]
    return np.array(laws) * np.exp(0.01 * rng.normal(size=(count, 64)))


def test_a_break_at_a_point_is_put_there():
    y = noisy(6)[1::2]
    with jax.enable_x64(True):
        found = begin_search(Method(BNSL(1)), problems(y, 6))(None)
    alone = [64 * bnsl.fit(np.exp(U), row, n_breaks=1).rmsle ** 2 for row in y]
    assert (found.cost <= 1.001 * np.array(alone)).all()
    assert found.converged.all()


def test_rows_in_step_find_what_the_conveyor_finds(monkeypatch):
    monkeypatch.setattr(_group_search, "TOGETHER", 8)
    y = noisy(12)
    problem = problems(y, 6)
    with jax.enable_x64(True):
        ride = begin_search(Method(BNSL(1)), problem)(None)
        wide = Placement((jax.devices("cpu")[0],), wide=True)
        march = begin_search(Method(BNSL(1)), problem, placement=wide)(None)
    np.testing.assert_allclose(march.cost, ride.cost, rtol=1e-6)
    law = BNSL(1).evaluate
    np.testing.assert_allclose(law(march.theta, [1.0]), law(ride.theta, [1.0]), rtol=1e-6)


def test_other_forms_in_step(monkeypatch):
    monkeypatch.setattr(_group_search, "TOGETHER", 8)
    y = (0.2 + np.exp(-0.3 * U)) * np.exp(0.01 * np.random.default_rng(1).normal(size=(3, 64)))
    form = M3()
    problem = problems(y, len(form.parameters))
    with jax.enable_x64(True):
        wide = Placement((jax.devices("cpu")[0],), wide=True)
        march = begin_search(Method(form), problem, placement=wide)(None)
    alone = [64 * bnsl.fit(np.exp(U), row, form="m3").rmsle ** 2 for row in y]
    np.testing.assert_allclose(march.cost, alone, rtol=1e-4)


def test_costs_of_rivals_cut_a_search_short():
    y = noisy(4)
    with jax.enable_x64(True):
        free = begin_search(Method(BNSL(1)), problems(y, 6))(None)
        rising = Method(replace(BNSL(1), rising=True))
        alone, cut = (begin_search(rising, problems(y, 6))(rivals) for rivals in (None, 1e-3 * free.cost))
    assert cut.steps.sum() < alone.steps.sum()
    assert (cut.cost > free.cost).all()


# --- curves in flat arrays ------------------------------------------------------------------------


def flat():
    x = [np.arange(1.0, n + 1) for n in (3, 5, 4)]
    starts = np.array([0, 3, 8, 12])
    return Curves(np.concatenate(x), 1.0 / np.concatenate(x), np.full(12, 0.1), starts)


@pytest.mark.parametrize("which", [[0, 1], [1], [2, 0], []])
def test_curves_are_taken(which):
    curves = flat()
    taken = curves.take(np.array(which, int))
    assert taken.lengths.tolist() == [curves.lengths[i] for i in which]
    for one, i in zip(taken, which, strict=True):
        np.testing.assert_array_equal(one.x, curves[i].x)
        np.testing.assert_array_equal(one.sigma, curves[i].sigma)


def test_curves_are_padded_with_their_last_point():
    x, y, sigma, seen = flat().padded(6)
    assert x[0].tolist() == [1, 2, 3, 3, 3, 3]
    assert y.shape == sigma.shape == (3, 6)
    assert seen.sum(axis=1).tolist() == [3, 5, 4]


def test_what_cannot_be_fitted_together():
    x = np.tile([1.0, 2.0, 3.0, 4.0], 7)
    y = np.tile([4.0, 3.0, 2.5, 2.2], 7)
    y[4 + 1], x[8 + 0], y[12 + 3], x[16:20], y[20] = np.nan, -1.0, 0.0, [1, 1, 1, 2], 1e100
    sigma = np.ones(28)
    sigma[25] = 0.0
    curves = Curves(x, y, sigma, np.arange(0, 29, 4))
    assert in_order(curves, 16).tolist() == [True, False, False, False, False, False, False]


def test_lengths_are_few():
    lengths = {padded_length(n) for n in range(1, 4097)}
    assert len(lengths) == 17
    assert all(padded_length(n) >= n for n in range(1, 4097))


def test_work_begun_ahead_gives_the_same_rows(monkeypatch):
    y = noisy(3)
    curves = Curves(np.tile(np.exp(U), 3), y.ravel(), None, np.arange(0, 193, 64))
    settings = Settings(BNSL(1), 1, {"loss": "log"}, (10.0,))
    whole = rows_of(curves, settings)
    ahead = batch._begun(curves, settings, silent)()
    np.testing.assert_allclose(ahead["rmsle"], whole["rmsle"], rtol=1e-12)

    def failing(*_):
        raise RuntimeError("no luck")

    monkeypatch.setattr(batch, "begin_rows", failing)
    again = batch._begun(curves, settings, silent)()
    np.testing.assert_allclose(again["rmsle"], whole["rmsle"], rtol=1e-12)
    monkeypatch.setattr(batch, "begin_rows", lambda *_: failing)
    again = batch._begun(curves, settings, silent)()
    np.testing.assert_allclose(again["rmsle"], whole["rmsle"], rtol=1e-12)
