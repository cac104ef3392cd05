"""Forecasts of several inputs: what they average, how sure they are, and what bad input gets."""

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl.forecasting.surface import SurfaceForecast

LAW = {"E": 1.6, "A": 300.0, "B": 1500.0, "alpha": 0.33, "beta": 0.36}


def runs(count=60, noise=0.005, seed=0):
    """Runs of a Chinchilla law with noise, the cheaper two thirds to fit."""
    rng = np.random.default_rng(seed)
    params = np.exp(rng.uniform(np.log(3e7), np.log(1e10), count))
    tokens = params * np.exp(rng.uniform(np.log(4), np.log(300), count))
    y = bnsl.get_form("chinchilla").evaluate(LAW, np.column_stack([params, tokens]))
    loss = y * np.exp(noise * rng.standard_normal(count))
    frame = pd.DataFrame({"params": params, "tokens": tokens, "loss": loss, "true": y})
    return frame.sort_values("params", key=lambda p: p * frame["tokens"][p.index], ignore_index=True)


@pytest.fixture(scope="module", name="made")
def _made():
    frame = runs()
    return frame, bnsl.forecast(frame[:40], inputs=["params", "tokens"], y="loss")


def test_dearer_runs_are_predicted_and_inside(made):
    frame, forecast = made
    ahead = frame[40:]
    error = np.log(forecast.predict(ahead) / ahead["true"])
    assert np.sqrt(np.mean(error**2)) < 0.01
    low, high = forecast.interval(ahead)
    assert np.mean((low < ahead["loss"]) & (ahead["loss"] < high)) >= 0.8
    assert (high / low < 1.2).all()


def test_points_as_frame_mapping_and_array(made):
    frame, forecast = made
    as_frame = forecast.predict(frame[["tokens", "params"]])
    np.testing.assert_array_equal(as_frame, forecast.predict(frame[["params", "tokens"]].to_numpy()))
    one = forecast.predict({"params": frame["params"][3], "tokens": frame["tokens"]})
    assert one.shape == (60,)
    assert one[3] == as_frame[3]
    with pytest.raises(bnsl.InputError, match=r"the input 'tokens' is missing.*Did you mean 'token'"):
        forecast.predict({"params": 1e9, "token": 1e10})


def test_weights_and_draws(made):
    _, forecast = made
    assert forecast.laws["weight"].sum() == pytest.approx(1.0)
    assert forecast.laws["weight"].is_monotonic_decreasing
    assert sum(len(theta) for _, theta in forecast.posterior(333)) == 333
    assert forecast.sample({"params": [1e9, 2e9], "tokens": 2e10}, 7).shape == (7, 2)
    assert "chinchilla" in forecast.summary()


def test_units_do_not_matter_to_laws_that_have_none(made):
    frame, forecast = made
    moved = frame.assign(loss=frame["loss"] * 3.0)
    again = bnsl.forecast(moved[:40], inputs=["params", "tokens"], y="loss")
    np.testing.assert_allclose(again.predict(frame), 3.0 * forecast.predict(frame), rtol=2e-3)


def test_json_there_and_back(made):
    frame, forecast = made
    back = SurfaceForecast.from_json(forecast.to_json())
    np.testing.assert_array_equal(back.predict(frame), forecast.predict(frame))
    assert back.warnings == forecast.warnings
    with pytest.raises(bnsl.InputError, match="not a saved bnsl surface_forecast"):
        SurfaceForecast.from_json("{}")


def test_three_inputs():
    rng = np.random.default_rng(4)
    x = np.exp(rng.uniform(0, 6, (50, 3)))
    y = 0.5 + 2.0 * x[:, 0] ** -0.3 * x[:, 1] ** -0.1 * x[:, 2] ** 0.05
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=y * np.exp(0.003 * rng.standard_normal(50)))
    forecast = bnsl.forecast(frame, inputs=["a", "b", "c"], y="y")
    np.testing.assert_allclose(forecast.predict(frame), y, rtol=0.01)


def test_what_is_wrong_is_told():
    frame = runs(30)
    with pytest.raises(bnsl.InputError, match="runs are too few for a law of 2 inputs; the simplest needs"):
        bnsl.forecast(frame[:5], inputs=["params", "tokens"], y="loss")
    bad = frame.copy()
    bad.loc[3, "tokens"] = -2.0
    with pytest.raises(bnsl.InputError, match=r"tokens\[3\] = -2 is not positive"):
        bnsl.forecast(bad, inputs=["params", "tokens"], y="loss")
    with pytest.raises(bnsl.InputError, match="'tokens' is named twice"):
        bnsl.forecast(frame, inputs=["tokens", "tokens"], y="loss")
    with pytest.raises(bnsl.InputError, match="robust is for curves of one input"):
        bnsl.forecast(frame, inputs=["params", "tokens"], y="loss", robust="huber")


def test_inputs_that_go_together_are_told():
    frame = runs(30)
    frame["tokens"] = 20.0 * frame["params"] * np.exp(0.01 * np.sin(np.arange(30)))
    result = bnsl.fit(frame, inputs=["params", "tokens"], y="loss", form="chinchilla_tied")
    assert "inputs_collinear" in [code for code, _ in result.warnings]
