"""Whether the end of a run went wrong."""

import numpy as np
import pytest

import bnsl
from bnsl.curves.divergence import diverged_after

X = np.arange(1.0, 41.0) * 50
WELL = 1.8 + 30 * X**-0.6


def test_the_last_x_before_an_explosion_is_found():
    assert diverged_after(X, np.r_[WELL[:35], 7.0, 30, 90, 400, 5e3]) == X[34]
    assert diverged_after(X, np.r_[WELL[:35], [9.0] * 5]) == X[34]  # a jump that stays


@pytest.mark.parametrize(
    "y",
    [
        WELL,
        np.r_[WELL[:35], 7.0, WELL[36:]],  # a single point that is wrong
        np.r_[WELL[:20], WELL[20] * (X[20:] / X[20]) ** 1.5],  # a slow rise, as in double descent
        WELL[::-1],
        WELL * np.exp(np.random.default_rng(4).normal(0, 0.4, 40)),  # noise alone
        -WELL,
    ],
)
def test_other_curves_have_not_diverged(y):
    assert diverged_after(X, y) is None


def test_a_forecast_warns_of_it_by_name_and_place():
    notes = dict(bnsl.forecast(X, np.r_[WELL[:35], 7.0, 30, 90, 400, 5e3]).warnings)
    assert "train_until=1750" in notes["diverged"]
