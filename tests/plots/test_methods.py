"""Results draw themselves, by the functions that are there for it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import bnsl

X = np.geomspace(3.0, 400.0, 10)
Y = 1.9 * X**-0.37 + 0.21 + 1e-3 * np.sin(X)


@pytest.fixture(scope="module")
def law():
    return bnsl.fit(X, Y, n_breaks=0)


CALLS = {
    "fit": lambda law: law,
    "forecast": lambda law: bnsl.forecast(X, Y),
    "extrapolation": lambda law: bnsl.extrapolate(X, Y, form="m2", train_count=7),
    "comparison": lambda law: bnsl.compare(X, Y, forms=["m1", "m2"]),
    "backtest": lambda law: bnsl.backtest(X, Y, form="m1", cuts=2),
    "suggestion": lambda law: bnsl.suggest(law, [500.0, 800.0], 2000.0),
    "profile": lambda law: bnsl.profile(law, "c0", points=5),
    "horizon": lambda law: bnsl.horizon(law, X, 0.01, 2000.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_result_draws_itself(name, law):
    ax = plt.figure().add_subplot()
    assert CALLS[name](law).plot(ax=ax) is ax
    assert ax.has_data()
    plt.close("all")


def test_options_go_to_the_function(law):
    assert law.plot(log=False).get_xscale() == "linear"
    plt.close("all")
