"""Laws of one break that end along a valley are taken to its bottom, by either engine."""

import numpy as np
import pytest
from normal_problems import U, engine, noisy, problems

import bnsl
from bnsl.forms.broken import BNSL
from bnsl.solver import valleys
from bnsl.solver.problem import Method
from bnsl.solver.valleys import _nearer, at_points, mirrored


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


def test_only_a_sharp_break_near_a_point_belongs_at_it():
    log_x = np.array([[-3.0, -2.0, -1.0, 0.0]])
    weight = np.array([[1.0, 1.0, 1.0, 0.0]])
    law = np.array([0.0, 0.0, 0.0, 1.0])
    breaks = [(-1.9, -5.0, True), (-1.5, -5.0, False), (-1.9, 0.0, False), (-0.05, -5.0, False)]
    for place, log_width, expected in breaks:
        moved, sharp = at_points(log_x, weight, np.array([[*law, place, log_width]]))
        assert sharp[0] == expected, place
        if expected:
            np.testing.assert_array_equal(moved[0], [*law, -2.0, log_width])


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_a_break_before_the_data_is_followed_down_its_valley(monkeypatch, backend):
    rng = np.random.default_rng(6)
    law = BNSL(1).evaluate(np.array([0.3, 17.0, -1.2, 2.0, -8.5, np.log(1.2)]), np.exp(U))
    y = law * np.exp(0.01 * rng.normal(size=(12, 64)))
    y = y / np.exp(np.log(y).mean(axis=1, keepdims=True))
    alone = np.array([64 * bnsl.fit(np.exp(U), row, n_breaks=1).rmsle ** 2 for row in y])
    found = engine(backend)(Method(BNSL(1)), problems(y, 6))
    assert (found.cost <= 1.0001 * alone).all()
    assert found.converged.all()
    residual = np.log(np.array([BNSL(1).evaluate(t, np.exp(U)) for t in found.theta]) / y)
    np.testing.assert_allclose(np.sum(residual**2, axis=1), found.cost, rtol=1e-6)
    monkeypatch.setattr(valleys, "_go_on", lambda *arguments: None)
    left = engine(backend)(Method(BNSL(1)), problems(y, 6))
    assert (left.cost > 1.0002 * found.cost).sum() >= 2


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_a_sharp_break_at_a_point_is_put_there(backend):
    y = noisy(6)[1::2]
    found = engine(backend)(Method(BNSL(1)), problems(y, 6))
    alone = [64 * bnsl.fit(np.exp(U), row, n_breaks=1).rmsle ** 2 for row in y]
    assert (found.cost <= 1.001 * np.array(alone)).all()
    assert found.converged.all()
