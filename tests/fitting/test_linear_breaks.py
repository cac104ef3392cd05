"""How many breaks rewards and other signed values have."""

import numpy as np
import pytest

import bnsl

X = np.geomspace(10, 1e4, 36)
SMOOTH = 0.8 - 4.0 * X**-0.35
BROKEN = np.where(X < 250, 0.1 * np.log(X), 0.1 * np.log(250) + 0.9 * np.log(X / 250)) - 2.0


@pytest.mark.parametrize(("y", "breaks"), [(SMOOTH, 0), (BROKEN, 1)])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_number_of_breaks_of_signed_values_is_chosen(y, breaks, seed):
    noise = 0.01 * np.ptp(y) * np.random.default_rng(seed).standard_normal(len(X))
    result = bnsl.fit(X, y + noise, loss="linear")
    assert result.n_breaks == breaks
    assert list(result.selection.index) == [0, 1, 2]
    assert result.selection.loc[breaks, "probability"] > 0.5
    assert "chosen by BIC; probability among these: 0 (" in result.summary()
    assert "breaks_not_weighed" in [note.code for note in result.warnings]
    again = bnsl.FitResult.from_json(result.to_json())
    assert again.summary() == result.summary()


def test_alike_noise_makes_no_break():
    rng = np.random.default_rng(4)
    wander = np.zeros(len(X))
    for i in range(1, len(X)):
        wander[i] = 0.8 * wander[i - 1] + 0.6 * rng.standard_normal()
    assert bnsl.fit(X, SMOOTH + 0.05 * wander, loss="linear").n_breaks == 0


def test_few_points_weigh_what_they_can():
    result = bnsl.fit(X[:5], SMOOTH[:5], loss="linear")
    assert result.n_breaks == 0
    assert "not considered: 7 points are needed" in result.summary()


def test_a_comparison_of_signed_values_lists_numbers_of_breaks():
    noise = 0.01 * np.ptp(BROKEN) * np.random.default_rng(1).standard_normal(len(X))
    table = bnsl.compare(X, BROKEN + noise, loss="linear").table
    assert {"bnsl, 0 breaks", "bnsl, 1 break", "bnsl, 2 breaks"} <= set(table.index)
    assert table.index[0] != "bnsl, 0 breaks"
    assert list(bnsl.compare(X[:5], SMOOTH[:5], loss="linear", n_breaks=0).table.index) == ["bnsl"]
