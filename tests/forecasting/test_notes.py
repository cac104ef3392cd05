"""What forecasts say of themselves, what they leave out, and that they answer wherever they are asked."""

import numpy as np
import pytest

import bnsl

pytestmark = pytest.mark.filterwarnings("ignore::bnsl.ExtrapolationWarning")


def limited(seed=4, count=40):
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 3e3, count)
    return x, (0.4 + 2.0 * x**-0.4) * np.exp(0.01 * rng.standard_normal(count))


@pytest.mark.parametrize("robust", ["huber", "soft_l1"])
def test_an_outlier_is_named_and_left_out_where_asked(robust):
    x, y = limited()
    clean = bnsl.forecast(x, y)
    assert clean.warnings == ()
    y[-4] *= 2.0
    plain, without = bnsl.forecast(x, y), bnsl.forecast(x, y, robust=robust)
    for found in (plain, without):
        assert [code for code, _ in found.warnings] == ["outliers"]
        assert f"x = {x[-4]:.4g}" in found.warnings[0].message
    at = 10.0 * x[-1]
    assert without.predict(at) == pytest.approx(clean.predict(at), rel=5e-3)
    widths = [np.subtract(*made.interval(at)[::-1]) for made in (clean, without, plain)]
    assert widths[1] == pytest.approx(widths[0], rel=0.2)
    assert widths[2] > 2.0 * widths[1]
    again = bnsl.Forecast.from_json(without.to_json())
    assert again.warnings == without.warnings
    assert again.predict(at) == without.predict(at)
    with pytest.raises(bnsl.InputError, match="robust"):
        bnsl.forecast(x, y, robust="tukey")


def test_residuals_beside_points_without_scatter_are_many_times_it():
    x = np.repeat(np.arange(1.0, 17.0), 3) * 100
    y = 2 + 9 * x**-0.4
    y[2::3][7:] = 11.0  # one run of three alike diverged
    said = dict(bnsl.forecast(x, y, robust="huber").warnings)
    assert "residuals are many times the scatter" in said["misfit"]


def test_a_linear_scale_that_was_asked_for_is_no_news():
    x, y = limited(count=12)
    assert "linear_scale" not in [code for code, _ in bnsl.forecast(x, y, scale="linear").warnings]
    assert "linear_scale" in [code for code, _ in bnsl.forecast(x, y - 0.6).warnings]


def test_a_feature_that_no_law_follows_is_said():
    rng = np.random.default_rng(0)
    x = np.geomspace(1, 1e4, 60)
    wave = 0.4 * np.sign(np.sin(2.2 * np.log(x)))
    found = bnsl.forecast(x, 2.0 * x**-0.2 * np.exp(wave + 0.002 * rng.standard_normal(60)))
    assert "misfit" in [code for code, _ in found.warnings]


@pytest.mark.parametrize("place", [9.0, 25.0])
def test_a_forecast_that_was_made_answers_everywhere(place):
    x = np.geomspace(1, 2.5 * place, 40)
    y = 0.97 - 0.9 * x**-0.25 * (1 + (x / place) ** 12) ** 0.055
    assert y.min() > 0
    found = bnsl.forecast(x, y)
    asked = np.array([1e-3, 0.5, 2.0, 5.0, 100.0, 1e5, 1e9]) * x[-1]
    low, high = found.interval(asked)
    predicted = found.predict(asked)
    assert (predicted >= 0).all()
    assert np.isfinite(predicted[1:5]).all()
    assert (low <= predicted).all()
    assert (predicted <= high).all()
    assert found.sample(asked, 5).min() >= 0
    assert (bnsl.joint_draws(found, asked[:5], 5) >= 0).all()
    assert bnsl.reach(found, 0.5 * float(y[-1]), 50 * x[-1], 50).shape == (50,)
    assert "2x" in repr(found)
    assert found.summary()
    # What is said of a place does not depend on what else is asked.
    np.testing.assert_allclose(found.predict(asked[3]), predicted[3], rtol=1e-9)


def test_a_fall_ever_faster_is_forecast_as_one():
    rng = np.random.default_rng(2)
    x = np.geomspace(1, 100, 40)
    y = (1 - 0.6 * (x / 100) ** 1.5) * np.exp(0.01 * rng.standard_normal(40))
    found = bnsl.forecast(x, y)
    assert found.laws["weight"][[name.startswith("rising") for name in found.laws.index]].sum() > 0.5
    assert found.predict(108.0) == pytest.approx(1 - 0.6 * 1.08**1.5, rel=0.1)


def test_growing_power_laws_are_not_pulled_down():
    x, errors = np.geomspace(1, 500, 30), []
    for seed in range(8):
        # The same noise up and down: what it does to the slope cancels, and a bias is left.
        noise = (-1) ** seed * 0.05 * np.random.default_rng(seed // 2).standard_normal(30)
        found = bnsl.forecast(x, 2.0 * x**0.45 * np.exp(noise), scale="log")
        errors.append(np.log(found.predict(2e3) / (2.0 * 2e3**0.45)))
    assert abs(np.mean(errors)) < 0.05
    # So much noise leaves the scale open; points close to the law do not.
    clear = bnsl.forecast(x, 2.0 * x**0.45 * np.exp(0.01 * np.random.default_rng(0).standard_normal(30)))
    assert clear.scale.name == "log"
    assert clear.predict(2e3) == pytest.approx(2.0 * 2e3**0.45, rel=0.1)


def test_nothing_is_predicted_that_y_cannot_be():
    rng = np.random.default_rng(1)
    x = np.geomspace(1, 1e3, 20)
    y = np.minimum((0.6 + 0.05 * np.log(x)) * np.exp(0.05 * rng.standard_normal(20)), 1.0)
    curve = bnsl.Curve(x, y, within=(0, 1))
    at = np.array([1e4, 1e5, 1e6])
    found, fitted = bnsl.forecast(curve), bnsl.fit(curve, n_breaks=0)
    for law in (found, fitted, bnsl.FitResult.from_json(fitted.to_json())):
        assert law.interval(at)[1].max() == 1.0
        assert law.predict(at).max() <= 1.0
    assert found.sample(at, 50).max() == 1.0
    assert bnsl.joint_draws(found, at, 50).max() == 1.0
    assert (found.probability_below(at, 1.0) == 1.0).all()
    with pytest.raises(bnsl.InputError, match=r"not within 0 and 0\.7"):
        bnsl.Curve(x, y, within=(0, 0.7))


def test_a_constant_curve_is_told_as_fits_tell_it():
    x = np.geomspace(3, 500, 11)
    same = [note for note in bnsl.fit(x, np.full(11, 2.5)).warnings if note.code == "constant_y"]
    assert (
        [note for note in bnsl.forecast(x, np.full(11, 2.5)).warnings if note.code == "constant_y"]
        == same
        != []
    )
