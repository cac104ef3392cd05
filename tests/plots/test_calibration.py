"""The figure of calibration: shares of later points inside intervals."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import norm

import bnsl
from bnsl._base import palette
from bnsl.evaluation.calibration import coverage


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


class Honest:
    """Predicts 1 with a scatter of `sd` in y."""

    def __init__(self, sd):
        self.sd = sd

    def predict(self, x):
        return np.ones(len(x))

    def interval(self, x, level):
        half = norm.ppf(0.5 + level / 2) * self.sd
        return np.full(len(x), 1 - half), np.full(len(x), 1 + half)


@pytest.fixture(scope="module")
def later():
    random = np.random.default_rng(3)
    return [bnsl.Curve(np.arange(1.0, 401.0), 1 + 0.1 * random.standard_normal(400)) for _ in range(30)]


def test_honest_intervals_lie_on_the_diagonal_and_narrow_ones_below(later):
    levels = (0.2, 0.5, 0.9)
    ax = bnsl.plot_calibration(
        {name: [(Honest(sd), curve) for curve in later] for name, sd in {"honest": 0.1, "m2": 0.05}.items()},
        levels=levels,
    )
    lines = {each.get_label(): each for each in ax.lines}
    honest, narrow = (np.asarray(lines[name].get_ydata()) for name in ("honest", "M2"))
    assert honest == pytest.approx([20, 50, 90], abs=1.5)
    half = norm.ppf(0.5 + np.array(levels) / 2) * 0.5
    assert narrow == pytest.approx(100 * (2 * norm.cdf(half) - 1), abs=1.5)
    assert lines["M2"].get_color() == palette.FORMS[1]["light"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ideal", "honest", "M2"]
    assert ax.get_title() == "calibration over 30 cases"


@pytest.mark.filterwarnings("ignore::bnsl.ExtrapolationWarning")
def test_a_backtest_counts_every_cut_once():
    x = np.geomspace(4.0, 3e4, 24)
    y = (0.2 + 4.0 * x**-0.4) * np.exp(0.01 * np.random.default_rng(8).standard_normal(24))
    tested = bnsl.backtest(x, y, method=bnsl.forecast, cuts=3)
    shares = coverage(tested, (0.5, 0.99))
    assert shares.shape == (3, 2)
    law, cut = tested.laws[1], tested.cuts[1]
    low, high = law.interval(x[x > cut], 0.99)
    assert shares[1, 1] == np.mean((low <= y[x > cut]) & (y[x > cut] <= high))
    assert bnsl.plot_calibration(tested).get_title() == "calibration over 3 cases"


def test_an_extrapolation_and_a_list_of_them():
    x = np.geomspace(1.0, 1e3, 14)
    held = bnsl.extrapolate(x, 0.5 + x**-0.6 + 0.01 * np.cos(x), form="m2", train_count=9)
    assert coverage(held, (0.9,)).shape == (1, 1)
    assert coverage([held, held], (0.9,)).shape == (2, 1)


@pytest.mark.parametrize(
    ("cases", "levels", "message"),
    [
        ("forecast", (0.5,), "must be what bnsl.backtest or bnsl.extrapolate returns"),
        ([], (0.5,), "must be what bnsl.backtest"),
        ({}, (0.5,), "must not be empty"),
        ((Honest(1.0), bnsl.Curve([1.0, 2.0], [1.0, 1.0])), (1.5,), r"levels\[0\] = 1.5 must lie"),
        ((object(), bnsl.Curve([1.0, 2.0], [1.0, 1.0])), (0.5,), "has no interval"),
    ],
)
def test_what_cannot_be_counted_is_refused(cases, levels, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.plot_calibration(cases, levels=levels)
    assert not plt.get_fignums()
