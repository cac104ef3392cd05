"""Laws of the last points: when they count, and that nothing jumps where they begin."""

import numpy as np
import pytest

import bnsl
from bnsl.evidence.points import Data
from bnsl.forecasting.tail import LEAST, last_points, odds_of_tail

X = np.geomspace(10, 1000, 36)


def settled(seed):
    """A noisy plateau, a cliff, and an end that is level but for a thousandth."""
    rng = np.random.default_rng(seed)
    early = X < 100
    return np.where(early, 3.0 * np.exp(0.1 * rng.normal(size=36)), 0.5 * np.exp(1e-3 * rng.normal(size=36)))


def of_tail(forecast):
    return forecast.laws.index.str.startswith("last points, ")


def test_the_last_third_counts_and_never_few_points():
    def data(n):
        return Data(np.arange(n) * 1.0, np.zeros(n), np.ones(n))

    assert [len(last_points(data(n)).log_x) for n in (7, 15, 30)] == [LEAST, LEAST, 10]
    assert last_points(data(LEAST)) is None
    assert last_points(Data(np.repeat(np.arange(5.0), 4), np.zeros(20), np.ones(20))) is None


def test_the_last_points_count_for_more_the_less_they_leave_open():
    odds = [odds_of_tail(1.0, end, 12) for end in (0.1, 1.0, 10.0)]
    assert odds[0] > 0 > odds[1] > odds[2]
    assert odds_of_tail(1.0, 0.5, 40) > odds_of_tail(1.0, 0.5, 6)


@pytest.mark.parametrize("seed", range(2))
def test_an_end_of_another_regime_speaks_for_itself(seed):
    forecast = bnsl.forecast(X, settled(seed))
    assert forecast.predict(2000.0) == pytest.approx(0.5, rel=0.02)
    low, high = forecast.interval(1200.0)
    assert low < 0.5 < high
    assert high / low < 1.1
    laws = forecast.laws
    assert laws.weight.sum() == pytest.approx(1.0, abs=1e-6)
    assert laws.weight[of_tail(forecast)].sum() > 0.9
    assert laws.index.is_unique


def test_one_law_all_along_keeps_its_early_points():
    noise = np.exp(0.02 * np.random.default_rng(3).normal(size=36))
    forecast = bnsl.forecast(X, (0.3 + 5 * X**-0.5) * noise)
    assert forecast.laws.weight[of_tail(forecast)].sum() < 0.2


def test_nothing_jumps_where_the_last_points_begin():
    forecast = bnsl.forecast(X, settled(0))
    first = np.exp(forecast.averages[-1].state.points.origin[0] + forecast.averages[-1].state.points.u[0])
    around = first * np.array([1 - 1e-7, 1 + 1e-7])
    before, after = forecast.predict(around)
    assert before == pytest.approx(after, rel=1e-4)
    assert np.ptp(np.log(forecast.interval(around)[0])) < 1e-4


def test_units_do_not_matter():
    y = settled(1)
    expected = bnsl.forecast(X, y).predict([1500.0, 4000.0])
    other = bnsl.forecast(1e6 * X, 1e-4 * y).predict([1.5e9, 4e9])
    assert other == pytest.approx(1e-4 * expected, rel=1e-5)
