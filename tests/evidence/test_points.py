"""Points relative to the last one, and the noise on them."""

import numpy as np
import pytest

import bnsl
from bnsl.evidence.grid import posterior
from bnsl.evidence.points import CLEAN, MOST_POINTS, WIDEST, data_of, inverted, noise_of, points_of, swing
from bnsl.evidence.prior import LEARNT

RNG = np.random.default_rng(3)


def curve(count, noise, sigma=None):
    x = np.geomspace(1, 1e4, count)
    return bnsl.Curve(x, 2.0 * x**-0.3 * np.exp(noise * RNG.normal(size=count)), sigma)


def test_short_curves_are_taken_as_they_are():
    short = curve(MOST_POINTS, 0.01)
    data = data_of(short)
    assert np.exp(data.log_x) == pytest.approx(short.x)
    assert np.exp(data.log_y) == pytest.approx(short.y)
    assert data.weight == pytest.approx(1.0)


def test_long_curves_become_means_over_even_bins():
    data = data_of(curve(10_000, 0.05))
    assert len(data.log_x) == MOST_POINTS
    assert data.weight.sum() == 10_000
    # On a straight line means lie on the line, with the noise of a mean.
    left = data.log_y - np.log(2.0) + 0.3 * data.log_x
    assert np.std(left * np.sqrt(data.weight)) == pytest.approx(0.05, rel=0.3)


def test_long_curves_without_noise_are_thinned_to_points_of_theirs():
    long = curve(10_000, 0.0)
    assert noise_of(np.log(long.x), np.log(long.y)) < CLEAN
    data = data_of(long)
    assert np.isin(data.log_x, np.log(long.x)).all()


def test_the_noise_is_seen_through_the_trend():
    x = np.linspace(0.0, 9.0, 4000)
    assert noise_of(x, np.sin(x) + 0.02 * RNG.normal(size=4000)) == pytest.approx(0.02, rel=0.1)


def test_weights_are_relative_precisions_of_log_y():
    sigma = np.geomspace(0.01, 0.1, 12)
    some = curve(12, 0.01, sigma)
    weight = data_of(some).weight
    assert weight / weight[0] == pytest.approx((some.y / sigma) ** 2 / (some.y[0] / sigma[0]) ** 2)


def test_weights_are_bounded_so_that_odd_sigmas_do_no_harm():
    some = curve(30, 0.01, np.exp(8.0 * RNG.normal(size=30)))
    weight = data_of(some).weight
    assert np.abs(np.log(weight)).max() == WIDEST
    state = posterior(points_of(data_of(some), LEARNT), LEARNT)
    assert np.isfinite(state.evidence).all()
    assert state.evidence.max() < 30 * 20.0  # no point can be known better than to e^-20


def test_the_covariance_is_white_plus_correlated_noise():
    sigma = 0.02 * RNG.uniform(1, 3, 9)
    data = data_of(curve(9, 0.01, sigma))
    points = points_of(data, LEARNT)
    for r, factor in enumerate(points.whiten):
        apart = np.abs(points.u[:, None] - points.u)
        unit = (LEARNT.correlated * r) ** 2
        expected = np.diag(1.0 / data.weight) + unit * np.exp(-apart / LEARNT.length)
        assert np.linalg.inv(factor.T @ factor) == pytest.approx(expected)
        assert points.log_det[r] == pytest.approx(np.linalg.slogdet(expected)[1])
    assert (points.u[-1], points.log_y[-1]) == (0.0, 0.0)


def test_a_power_law_has_no_swing_in_any_units():
    x = np.repeat(np.geomspace(3, 700, 11), 2)
    assert swing(data_of(bnsl.Curve(x, 5.0 * x**-0.3))) == pytest.approx(0.0, abs=1e-12)
    y = np.exp(np.cumsum(RNG.normal(size=22)))
    found = swing(data_of(bnsl.Curve(x, y)))
    assert found > 0.1
    assert swing(data_of(bnsl.Curve(7.0 * x, 0.01 * y))) == pytest.approx(found)


def test_swing_is_how_much_slopes_differ():
    # Of nine points the slopes over runs of three are 0 (three times), -1/2 twice by symmetry, and -1.
    x = np.exp(np.arange(9.0))
    y = np.exp(-np.maximum(np.log(x) - 4.0, 0.0))
    assert swing(data_of(bnsl.Curve(x, y))) == pytest.approx(np.std([0, 0, 0, -0.5, -1, -1, -1]))
    assert swing(data_of(bnsl.Curve(x[:3], y[:3]))) == 0.0


def test_inverted_points_are_those_of_one_over_y():
    some = curve(9, 0.01)
    found = inverted(points_of(data_of(some), LEARNT))
    expected = points_of(data_of(bnsl.Curve(some.x, 1.0 / some.y)), LEARNT)
    assert found.log_y == pytest.approx(expected.log_y)
    assert found.origin == pytest.approx(expected.origin)


def test_points_all_but_at_one_place_have_no_swing_of_their_own():
    noise = np.exp(0.01 * np.random.default_rng(5).normal(size=17))
    x = np.concatenate([np.geomspace(1.0, 1e3, 12), 1e3 + 1e-4 * np.arange(1.0, 6.0)])
    assert swing(data_of(bnsl.Curve(x, x**-0.3 * noise))) < 0.02
