"""Joint draws of a forecast: one law along a draw, and the forecast's own distribution at every x."""

import numpy as np
import pytest
from samples import ADDITION

import bnsl
from bnsl.forecasting.joint import joint


@pytest.fixture(scope="module")
def forecast():
    return bnsl.forecast(ADDITION.x[:14], ADDITION.y[:14])


def test_joint_agrees_with_the_forecast_at_every_x(forecast):
    x = np.geomspace(740, 5000, 9)
    together, apart = joint(forecast, x), forecast._mixtures(x)[0]
    order, other = (np.lexsort([part.weight, part.mean[:, 0]]) for part in (together, apart))
    assert together.weight[order] == pytest.approx(apart.weight[other], abs=1e-12)
    assert together.mean[order] == pytest.approx(apart.mean[other], abs=1e-9)
    departure = np.sum(together.departure**2, axis=2)[together.kind]
    variance = np.sum(together.moved**2, axis=2) + together.bend**2 * np.sum(together.drift**2, axis=1)
    variance = variance + together.level[:, None] ** 2 * (1 + departure)
    assert np.sqrt(variance)[order] == pytest.approx(apart.sd[other], rel=1e-9)


def test_draws_have_the_moments_of_the_mixture(forecast):
    x = np.geomspace(800, 3000, 5)
    draws = np.log(bnsl.joint_draws(forecast, x, 20_000))
    expected = joint(forecast, x).covariance(noise=True)
    assert np.cov(draws.T) == pytest.approx(expected, abs=0.1 * expected.max())
    assert bnsl.joint_draws(forecast, [[900.0], [1000.0]], 3).shape == (3, 2, 1)
    laws = np.log(bnsl.joint_draws(forecast, [990.0, 1000.0], 2000, noise=False))
    apart = np.log(forecast.sample([990.0, 1000.0], 2000))
    assert np.corrcoef(laws.T)[0, 1] > 0.98 > np.corrcoef(apart.T)[0, 1]


def test_reaching_a_value(forecast):
    when = bnsl.reach(forecast, 0.7, 4000.0)
    assert np.all(when > ADDITION.x[13])
    inside = np.quantile(when, [0.05, 0.95])
    measured = np.interp(-0.7, -ADDITION.y, ADDITION.x)
    assert inside[0] < measured < inside[1]
    never = bnsl.reach(forecast, 1e-6, 1000.0)
    assert np.isinf(never).all()
    assert 0.4 < bnsl.probability_before(forecast, forecast, 0.7, 4000.0) < 0.6
    lower = bnsl.forecast(ADDITION.x[:14], 0.5 * ADDITION.y[:14])
    assert bnsl.probability_before(lower, forecast, 0.6, 4000.0) > 0.99
    with pytest.raises(bnsl.InputError, match="beyond the data"):
        bnsl.reach(forecast, 0.7, 500.0)


def test_at_the_end_of_the_data_the_law_has_not_drifted_yet(forecast):
    found = joint(forecast, [0.5 * ADDITION.x[13], ADDITION.x[13], 2.0 * ADDITION.x[13]])
    assert found.drift[:2] == pytest.approx(0.0)
    assert np.sum(found.drift[2] ** 2) == pytest.approx(np.log(2.0) ** 3 / 3.0)


def test_rising_laws_are_drawn_too():
    x = np.geomspace(1, 1e4, 30)
    rising = bnsl.BNSL(0, rising=True)
    law = {"a": 0.9, "b": -0.6, "c0": 0.3}
    y = rising.evaluate(law, x) * np.exp(0.002 * np.random.default_rng(0).normal(size=30))
    draws = bnsl.joint_draws(bnsl.forecast(x, y), [2e4, 5e4], 500, noise=False)
    assert np.median(draws, axis=0) == pytest.approx(rising.evaluate(law, np.array([2e4, 5e4])), rel=0.01)
