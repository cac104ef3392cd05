"""Forecasts of values of any sign: rewards, scores, what is bounded."""

import numpy as np
import pytest

import bnsl

X = np.geomspace(10.0, 4000.0, 24)


def reward(x):
    return 140.0 - 900.0 * x**-0.4


@pytest.fixture(scope="module")
def made():
    noise = 6.0 * np.random.default_rng(3).standard_normal(len(X))
    return bnsl.forecast(bnsl.Curve(X, reward(X) + noise, name="run", y_label="reward"))


def test_a_reward_is_carried_on(made):
    ahead = np.array([6000.0, 12000.0])
    low, high = made.interval(ahead)
    assert made.predict(ahead) == pytest.approx(reward(ahead), abs=15.0)
    assert ((low < reward(ahead)) & (reward(ahead) < high)).all()
    assert "linear_scale" in [note.code for note in made.warnings]


def test_shift_and_unit_of_y_change_nothing(made):
    other = bnsl.forecast(X, 0.01 * made.curve.y - 7.0)
    assert other.predict(8e3) == pytest.approx(0.01 * made.predict(8e3) - 7.0, rel=1e-6)
    assert np.array(other.interval(8e3)) == pytest.approx(0.01 * np.array(made.interval(8e3)) - 7.0, rel=1e-6)


def test_probabilities_densities_and_draws_are_of_y(made):
    at = np.array([8000.0])
    median = made.quantile(at, 0.5)
    assert made.probability_below(at, median) == pytest.approx(0.5, abs=1e-6)
    grid = np.linspace(-200.0, 500.0, 351)
    density = np.exp([made.log_density(at, y)[0] for y in grid])
    assert np.sum(density) * (grid[1] - grid[0]) == pytest.approx(1.0, abs=0.01)
    assert np.median(made.sample(at, 4000)) == pytest.approx(median[0], abs=3.0)
    assert np.median(bnsl.joint_draws(made, at, 4000)) == pytest.approx(median[0], abs=3.0)
    reached = bnsl.reach(made, 120.0, 1e5)
    assert 0.2 < np.isfinite(reached).mean() <= 1.0


def test_records_and_suggestions_keep_the_scale(made):
    again = bnsl.Forecast.from_json(made.to_json())
    assert again.scale == made.scale
    assert again.predict(8e3) == made.predict(8e3)
    found = bnsl.suggest(made, [5e3, 8e3], 2e4)
    assert found.of == "y"
    assert 0.0 < found.sd_after < found.sd_before < 100.0
    assert "y at x = 20000" in found.summary()


def test_scores_that_grow_are_not_taken_to_grow_exponentially():
    x = np.geomspace(1, 1e3, 40)
    score = 5.0 + 700.0 / (1.0 + (60.0 / x) ** 2)
    y = score * np.exp(0.12 * np.random.default_rng(0).standard_normal(40))
    found = bnsl.forecast(x, y)
    assert found.scale.name == "linear"
    assert found.predict(3e3) < 1.3 * y.max()
    assert found.interval(1e4)[0] >= 0.0


def test_nothing_bounded_leaves_its_range():
    accuracy = 0.98 - 0.9 * X**-0.5
    found = bnsl.forecast(bnsl.Curve(X, accuracy, within=(0.0, 1.0)))
    for values in (found.predict(4e4), *found.interval(4e4, 0.99), found.sample(4e4, 500)):
        assert (np.asarray(values) >= 0.0).all()
        assert (np.asarray(values) <= 1.0).all()
