"""Scales of y: which a curve may have, and the way to them and back."""

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl.curves.scale import LOG, grows, loss_of, scales_of

X = np.geomspace(1, 100, 12)
REWARDS = 10.0 - 30.0 * X**-0.5


def names(y, name="auto"):
    return [scale.name for scale in scales_of(bnsl.Curve(X, y), name)]


def test_what_falls_is_looked_at_by_its_logarithm_and_what_is_signed_as_it_is():
    assert names(X**-0.3) == ["log"]
    assert names(REWARDS) == ["linear"]
    assert names(X**-0.3, "linear") == ["linear"]


def test_what_grows_and_stays_high_may_be_of_either_scale_and_a_peak_is_no_growth():
    assert names(X**0.5) == ["log", "linear"]
    peak = 1.0 + 20.0 * np.exp(-((np.log(X) - 3.0) ** 2))
    assert names(peak) == ["log"]
    assert not grows(bnsl.Curve(X, np.where(np.arange(12) % 2, 3.0, 1.0)))


@pytest.mark.parametrize("y", [REWARDS, np.full(12, -3.0), np.zeros(12)])
def test_there_and_back(y):
    (scale,) = scales_of(bnsl.Curve(X, y))
    assert scale.measured(scale.values(y)) == pytest.approx(y)
    assert LOG.measured(LOG.values(X)) == pytest.approx(X)


def test_equal_errors_are_equal_weights_on_a_linear_scale():
    (scale,) = scales_of(bnsl.Curve(X, REWARDS))
    assert np.ptp(scale.log_precision(REWARDS, np.full(12, 0.5))) == 0.0
    assert scale.log_precision(REWARDS, np.full(12, 0.5))[0] == pytest.approx(2.0 * np.log(scale.unit / 0.5))


def test_a_sign_that_a_scale_cannot_have_is_named_with_its_row_and_the_way_out():
    with pytest.raises(bnsl.InputError, match=r"y\[0\] = -20 is not positive.*use scale='linear'"):
        scales_of(bnsl.Curve(X, REWARDS), "log")
    with pytest.raises(bnsl.InputError, match="scale"):
        scales_of(bnsl.Curve(X, REWARDS), "logit")


@pytest.mark.parametrize("below", [0, 1, 2, 5])
def test_a_signed_quantity_is_fitted_on_a_linear_scale_and_a_few_mistakes_are_refused(below):
    x = np.geomspace(10.0, 1e4, 24)
    y = 1.0 + x**-0.5
    y[:below] *= -1.0
    said = loss_of(y)
    assert said[0] == ("linear" if below == 5 else "log")
    assert [code for code, _ in said[1]] == ["linear_scale"] * (below == 5)
    assert loss_of(y, "log1p") == ("log1p", ())
    calls = (
        lambda: bnsl.compare(x, y, forms=["bnsl"], n_breaks=0).results["bnsl"],
        lambda: bnsl.backtest(x, y, n_breaks=0, cuts=1).laws[0],
    )
    if below in (0, 5):
        assert [call().loss for call in calls] == [said[0]] * 2
        assert set(said[1]) <= set(calls[0]().warnings)
        held = bnsl.compare(x, y, forms=["bnsl"], n_breaks=0, train_fraction=0.7)  # all positive
        assert held.error_column == ("heldout_rmse" if below else "heldout_rmsle")
    for call in calls if below in (1, 2) else ():
        with pytest.raises(bnsl.InputError, match=r"y\[0\] = .* or use loss='linear'"):
            call()


@pytest.mark.parametrize("below", [1, 5])
def test_a_fit_compares_logarithms_unless_told_otherwise(below):
    x = np.geomspace(10.0, 1e4, 24)
    y = 1.0 + x**-0.5
    y[:below] *= -1.0
    with pytest.raises(bnsl.InputError, match=r"y\[0\] = .* or use loss='linear'"):
        bnsl.fit(x, y, n_breaks=0)
    frame = pd.DataFrame({"x": x, "y": y, "run": "a"})
    assert bnsl.fit_many(frame, "x", "y", "run", n_breaks=0)["status"][0] == "invalid"
    assert bnsl.fit(x, y, n_breaks=0, loss="linear").loss == "linear"
