from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from surfaces import EVEN, LOPSIDED

import bnsl
from bnsl.planning.isoflop import ABOVE, BELOW, INSIDE, NONE, grouped

BUDGETS = np.geomspace(1e18, 1e21, 7)
# Exponents of the best N in table 1 of Porian et al. (2024), by condition in the order of the file.
PUBLISHED = [0.8338, 0.7009, 0.6035, 0.5714, 0.4970]
CONDITION = ["hparams", "warmup", "decay", "param_count", "val"]


def test_a_known_optimum_is_found():
    result = bnsl.isoflop_fit(EVEN.runs(BUDGETS))
    assert result.exponent == pytest.approx(EVEN.exponent, abs=2e-4)
    np.testing.assert_allclose(result.table["params"], EVEN.best_params(BUDGETS), rtol=0.03)
    np.testing.assert_allclose(result.predict([1e18, 1e24]), EVEN.best_params([1e18, 1e24]), rtol=0.03)
    best = EVEN.best_params(BUDGETS)
    np.testing.assert_allclose(result.table["loss"], EVEN.loss(best, BUDGETS / 6 / best), rtol=1e-3)
    assert set(result.table["status"]) == {INSIDE}
    assert result.warnings == ()


@pytest.mark.parametrize("shift", [0.4, 2.5])
def test_lopsided_wide_grids_move_the_exponent_little(shift):
    runs = LOPSIDED.runs(BUDGETS, spread=30, count=13, shift=shift)
    whole = [np.polyfit(np.log(r["params"]), r["loss"], 2) for _, r in runs.groupby("flops")]
    vertices = np.array([-k[1] / 2 / k[0] for k in whole])
    found, best = bnsl.isoflop_fit(runs), np.log(LOPSIDED.best_params(BUDGETS))
    off = np.abs(np.log(found.table["params"]) - best)
    assert off.max() < 0.4 * np.abs(vertices - best).max()
    assert found.exponent == pytest.approx(LOPSIDED.exponent, abs=0.005)


def test_intervals_hold_the_truth_as_often_as_they_say():
    hits = np.zeros(2)
    for seed in range(25):
        result = bnsl.isoflop_fit(EVEN.runs(BUDGETS, noise=0.005, seed=seed), replicates=60, seed=seed)
        low, high = result.exponent_interval(0.9)
        ends = result.interval(1e23)
        hits += [low < EVEN.exponent < high, ends[0] < EVEN.best_params(1e23) < ends[1]]
    assert (hits >= 19).all()  # 90 % of 25, less two standard deviations


def test_more_noise_gives_wider_intervals():
    widths = [
        np.diff(bnsl.isoflop_fit(EVEN.runs(BUDGETS, noise=noise)).exponent_interval())[0]
        for noise in (0.001, 0.01)
    ]
    assert widths[1] > 3 * widths[0] > 0


def test_minima_outside_the_data_are_left_out_and_named():
    low, high = EVEN.runs([1e18], shift=1e-3), EVEN.runs([1e21], shift=1e3)
    result = bnsl.isoflop_fit(pd.concat([low, EVEN.runs(np.geomspace(1e19, 1e20, 5)), high]))
    assert result.table["status"].tolist() == [ABOVE, *[INSIDE] * 5, BELOW]
    assert result.exponent == pytest.approx(EVEN.exponent, abs=1e-3)
    messages = [note.message for note in result.warnings if note.code == "minimum_outside_data"]
    assert any("flops = 1e+18 left out: their best params lies above the largest" in m for m in messages)
    assert any("flops = 1e+21 left out: their best params lies below the smallest" in m for m in messages)


def test_what_bends_downwards_has_no_minimum():
    runs = EVEN.runs(BUDGETS)
    hill = runs["flops"] == BUDGETS[0]
    runs.loc[hill, "loss"] = 5.0 - np.log(runs["params"][hill] / EVEN.best_params(BUDGETS[0])) ** 2
    result = bnsl.isoflop_fit(runs)
    assert result.table["status"].tolist() == [NONE, *[INSIDE] * 6]
    assert np.isnan(result.table["params"][0])
    assert [note.code for note in result.warnings] == ["no_minimum"]


def test_three_sizes_a_budget_give_minima_but_no_noise():
    result = bnsl.isoflop_fit(EVEN.runs(BUDGETS, count=3, spread=3))
    assert result.exponent == pytest.approx(EVEN.exponent, abs=0.01)
    assert np.isnan(result.table["params_low"]).all()
    assert np.isfinite(result.exponent_interval()).all()  # from how the minima scatter about the line
    assert [note.code for note in result.warnings] == ["noise_unknown"]


@pytest.mark.parametrize(("count", "known"), [(1, False), (2, True)])
def test_few_budgets(count, known):
    result = bnsl.isoflop_fit(EVEN.runs(BUDGETS[:count], noise=0.001))
    assert np.isfinite(result.exponent) == known
    assert np.isfinite(result.predict(1e20)) == known
    assert [note.code for note in result.warnings] == ["few_budgets"]
    assert "exponent" in result.summary()


def test_few_sizes_at_a_budget_are_told():
    runs = pd.concat([EVEN.runs(BUDGETS), EVEN.runs([1e17], count=2)])
    result = bnsl.isoflop_fit(runs)
    assert len(result.table) == 7
    assert [note.code for note in result.warnings] == ["few_sizes"]
    assert "1 of 8 values of flops have runs with fewer than 3 different params" in result.warnings[0].message


def test_budgets_that_are_nearly_the_same_are_one():
    budgets = np.array([1.0, 1.03, 1.049, 1.06, 2.0, 2.09])
    assert [rows.tolist() for rows in grouped(budgets, 0.05)] == [[0, 1, 2], [3], [4, 5]]
    assert [rows.tolist() for rows in grouped(budgets[::-1], 0.0)] == [[5], [4], [3], [2], [1], [0]]
    runs = EVEN.runs(BUDGETS)
    runs["flops"] *= 1 + 0.03 * np.random.default_rng(0).random(len(runs))
    assert len(bnsl.isoflop_fit(runs).table) == 7


def test_units_rows_and_names_do_not_matter():
    runs = EVEN.runs(BUDGETS, noise=0.002)
    first = bnsl.isoflop_fit(runs)
    scaled = runs.assign(params=runs["params"] / 1e9, flops=runs["flops"] / 1e18, loss=runs["loss"] * 7 - 20)
    other = bnsl.isoflop_fit(
        scaled.rename(columns={"params": "N", "loss": "L", "flops": "C"})[::-1], "N", "L", "C"
    )
    assert other.exponent == pytest.approx(first.exponent, abs=1e-7)
    np.testing.assert_allclose(other.table["N"] * 1e9, first.table["params"], rtol=1e-6)
    mapping = bnsl.isoflop_fit({name: runs[name].to_numpy() for name in runs})
    assert mapping.exponent == first.exponent
    assert mapping.exponent_interval() == first.exponent_interval()


def test_intervals_have_the_shape_of_the_budgets():
    result = bnsl.isoflop_fit(EVEN.runs(BUDGETS, noise=0.002))
    low, high = result.interval([[1e20, 1e22], [1e24, 1e25]], level=0.5)
    assert low.shape == high.shape == (2, 2)
    assert (np.diff(high / low, axis=1) > 0).all()  # further from the data less is known
    wide = result.interval(1e22, 0.99)
    assert wide[0] < low[0, 1] < result.predict(1e22) < high[0, 1] < wide[1]


def test_what_is_shown():
    result = bnsl.isoflop_fit(EVEN.runs(BUDGETS, shift=1.1))
    assert repr(result).startswith("<IsoflopFit: params = ")
    text = result.summary()
    assert "best params against flops" in text
    assert "90% from" in text
    assert "status" in text
    assert "<table" in result._repr_html_()


RUNS = EVEN.runs(BUDGETS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bnsl.isoflop_fit(RUNS, x="parms"), "no column 'parms'.*Did you mean 'params'"),
        (lambda: bnsl.isoflop_fit([1, 2]), "frame must be a table with one row per run; got list"),
        (lambda: bnsl.isoflop_fit(RUNS.assign(params=-RUNS["params"])), r"params\[0\] = .* is not positive"),
        (lambda: bnsl.isoflop_fit(RUNS.assign(flops=0.0)), r"flops\[0\] = 0 is not positive"),
        (lambda: bnsl.isoflop_fit(RUNS.assign(loss="?")), "loss"),
        (lambda: bnsl.isoflop_fit(RUNS.assign(loss=np.nan)), r"loss\[0\] = nan is not a finite number"),
        (lambda: bnsl.isoflop_fit(RUNS.assign(params=1e9)), "no flops has runs of 3 or more params"),
        (lambda: bnsl.isoflop_fit(RUNS, tolerance=1.5), "tolerance = 1.5"),
        (lambda: bnsl.isoflop_fit(RUNS, window=1.0), "window = 1"),
        (lambda: bnsl.isoflop_fit(RUNS, level=1.0), "level = 1 must lie strictly between 0 and 1"),
        (lambda: bnsl.isoflop_fit(RUNS, replicates=0), "replicates = 0 must be a whole number >= 1"),
        (lambda: bnsl.isoflop_fit(RUNS).predict(-1.0), "budget = -1.0 must be positive and finite"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(bnsl.InputError, match=message):
        call()


@pytest.mark.parametrize("condition", range(5))
def test_the_published_exponents_of_porian_et_al(condition, benchmark_folder):
    path = Path(benchmark_folder) / "inputs" / "porian_isoflop_580.csv"
    if not path.exists():
        pytest.skip("porian_isoflop_580.csv is not at hand")
    runs = pd.read_csv(path).dropna(subset=["loss"])
    _, mine = list(runs.groupby(CONDITION, sort=False))[condition]
    result = bnsl.isoflop_fit(mine, x="N")
    assert result.exponent == pytest.approx(PUBLISHED[condition], abs=0.03)
    low, high = result.exponent_interval(0.9)
    assert low < PUBLISHED[condition] < high
    assert bnsl.lower_envelope(mine, x="N").exponent == pytest.approx(PUBLISHED[condition], abs=0.025)
