"""Accuracies declared where a curve is handed over."""

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl.curves.data import as_curve

X = np.geomspace(10, 1e4, 16)
ERROR = 0.08 + 2.0 * X**-0.5
FRAME = pd.DataFrame({"images": X, "top1": 100 * (1 - ERROR)})


def test_every_call_takes_the_same_keyword():
    by_hand = bnsl.Curve(X, ERROR, within=(0, 1))
    options = {"x": "images", "y": "top1", "accuracy": "percent"}
    curve = as_curve([FRAME], **options)
    assert (curve.y_label, curve.within) == ("1 - top1 / 100", (0.0, 1.0))
    np.testing.assert_allclose(curve.y, ERROR, rtol=1e-12)
    at = 3e4
    assert bnsl.fit(FRAME, **options).predict(at) == pytest.approx(bnsl.fit(by_hand).predict(at), rel=1e-6)
    forecast = bnsl.forecast(FRAME, **options)
    assert forecast.predict(at) == pytest.approx(bnsl.forecast(by_hand).predict(at), rel=1e-6)
    held = bnsl.extrapolate(FRAME, **options, train_count=12, form="m2")
    assert held.rmsle < 1e-6
    assert bnsl.compare(FRAME, **options, forms="m2").best.curve.within == (0.0, 1.0)
    assert bnsl.backtest(X, 1 - ERROR, accuracy="share", form="m2", cuts=1).rmsle < 1e-6


def test_nothing_beyond_an_accuracy_is_predicted():
    error = np.minimum(1.2 * X**-0.05, 0.999)
    result = bnsl.fit(X, 1 - error, accuracy="share", n_breaks=0)
    assert result.predict(1.5) <= 1.0
    assert max(result.interval(1.5)) <= 1.0
    line = result.plot().get_lines()
    assert max(float(np.max(drawn.get_ydata())) for drawn in line) <= 1.0


def test_what_is_no_accuracy_and_a_perfect_one_are_told():
    with pytest.raises(bnsl.InputError, match=r"y\[3\] = 64.* is above 1.*accuracy='percent'"):
        as_curve([X[:4], [0.5, 0.6, 0.61, 64.0]], accuracy="share")
    with pytest.raises(bnsl.InputError, match=r"y\[0\] = -1 is below 0"):
        as_curve([X[:3], [-1.0, 2, 3]], accuracy="percent")
    with pytest.raises(bnsl.InputError, match="accuracy = 'percents' is unknown"):
        bnsl.forecast(X, ERROR, accuracy="percents")
    with pytest.raises(bnsl.InputError, match="resolution is that of an accuracy"):
        bnsl.fit(X, ERROR, resolution=0.1)
    y = np.append(100 * (1 - ERROR[:-1]), 100.0)
    with pytest.raises(bnsl.InputError, match=r"y\[15\] = 0 is a perfect accuracy.*resolution="):
        bnsl.fit(X, y, accuracy="percent")
    clipped = as_curve([X, np.append(y[:-1], 0.0)[::-1]], accuracy="percent", resolution=0.2)
    assert clipped.y.max() == pytest.approx(0.999)
    assert bnsl.forecast(X, y, accuracy="percent", resolution=0.2).curve.y[-1] == pytest.approx(0.001)
