import numpy as np
import pandas as pd
import pytest
from surfaces import EVEN

import bnsl
from bnsl.planning.envelope import lowest_inside

SIZES = np.geomspace(1e7, 1e10, 25)


def curves(sizes=SIZES, points=60, noise=0.0, seed=0):
    """Loss against compute of models that differ in size, each run past the budget for which it is best."""
    frames = []
    for number, params in enumerate(sizes):
        tokens = np.geomspace(1e-2, 1e2, points) * 20 * params
        frames.append(pd.DataFrame({"params": params, "tokens": tokens, "run": f"run {number}"}))
    runs = pd.concat(frames, ignore_index=True)
    rng = np.random.default_rng(seed)
    values = EVEN.loss(runs["params"], runs["tokens"]) * np.exp(noise * rng.standard_normal(len(runs)))
    return runs.assign(flops=6 * runs["params"] * runs["tokens"], loss=values)


@pytest.mark.parametrize("groups", [None, "run"])
def test_a_known_optimum_is_found(groups):
    result = bnsl.lower_envelope(curves(), groups=groups)
    assert result.exponent == pytest.approx(EVEN.exponent, abs=0.01)
    np.testing.assert_allclose(result.predict([1e20, 1e22]), EVEN.best_params([1e20, 1e22]), rtol=0.1)
    low, high = result.exponent_interval()
    assert low < EVEN.exponent < high
    assert high - low < 0.1
    assert result.warnings == ()


def test_the_smallest_and_the_largest_size_take_no_part():
    result = bnsl.lower_envelope(curves())
    assert result.table["params"].min() > SIZES[0]
    assert result.table["params"].max() < SIZES[-1]
    assert (result.table["flops_first"] <= result.table["flops_last"]).all()
    assert (np.diff(result.table["flops_first"]) > 0).all()


def test_lowest_inside():
    inf = np.inf
    values = np.array([[1.0, 3, 3, inf, 3], [2, 2, 2, 2, inf], [3, 1, 3, 3, 2]])
    np.testing.assert_array_equal(lowest_inside(values, np.array([10.0, 20, 30])), [-1, -1, 1, -1, -1])


def test_few_sizes_on_the_envelope_are_told():
    runs = curves(SIZES[[8, 12, 16]])
    result = bnsl.lower_envelope(runs)
    assert [note.code for note in result.warnings] == ["few_sizes"]
    assert "1 params on the envelope" in result.warnings[0].message
    assert "few_sizes" in repr(result)


def test_no_size_inside_gives_nan_and_a_warning():
    runs = curves()
    runs["loss"] = 1 / runs["params"]  # the largest is always best
    result = bnsl.lower_envelope(runs)
    assert np.isnan(result.exponent)
    assert np.isnan(result.predict(1e20))
    assert [note.code for note in result.warnings] == ["few_sizes"]
    assert "not known" in result.summary()


def test_points_of_one_budget_are_averaged():
    runs = curves()
    twice = pd.concat([runs.assign(loss=runs["loss"] * factor) for factor in (0.9, 1.1)])
    np.testing.assert_allclose(bnsl.lower_envelope(twice).points, bnsl.lower_envelope(runs).points)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bnsl.lower_envelope(curves(SIZES[:2])), "an envelope needs curves of 3 params or more"),
        (lambda: bnsl.lower_envelope(curves().assign(run="a"), groups="run"), "curve 'a' has several params"),
        (lambda: bnsl.lower_envelope(curves(), groups="rn"), "no column 'rn'.*Did you mean 'run'"),
        (lambda: bnsl.lower_envelope(curves(), x="flops"), "x = 'flops' .* budget = 'flops' names it, too"),
        (lambda: bnsl.lower_envelope(curves(), level=0), "level = 0 must lie strictly between 0 and 1"),
        (lambda: bnsl.lower_envelope(curves().assign(flops=-1.0)), r"flops\[0\] = -1 is not positive"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(bnsl.InputError, match=message):
        call()
