"""Several forms on one split, ranked."""

import numpy as np
import pytest
from conftest import noisy

import bnsl

COLUMNS = [
    *("n_params", "train_rmsle", "heldout_rmsle", "heldout_stderr", "aicc", "delta_aicc"),
    *("status", "warnings"),
]
COUNTS = {"m1": 2, "m2": 3, "m3": 4, "m4": 5, "bnsl": 6}


@pytest.fixture(scope="module")
def split():
    return bnsl.compare(*noisy(), train_count=24)


@pytest.fixture(scope="module")
def whole():
    return bnsl.compare(*noisy())


def test_all_forms_are_ranked_by_held_out_error(split):
    table = split.table
    assert sorted(table.columns) == sorted(COLUMNS)
    assert table.index.name == "form"
    assert dict(table["n_params"]) == COUNTS
    assert table["heldout_rmsle"].is_monotonic_increasing
    assert table["heldout_rmsle"].notna().all()
    assert split.best is split.results[table.index[0]]
    assert list(split.results) == ["m1", "m2", "m3", "m4", "bnsl"]


def test_rows_are_what_extrapolate_says(split):
    for form in ("m2", "bnsl"):
        held = bnsl.extrapolate(*noisy(), train_count=24, form=form)
        row = split.table.loc[form]
        assert row["heldout_rmsle"] == held.rmsle
        assert row["heldout_stderr"] == held.rmsle_stderr
        assert row["train_rmsle"] == held.result.rmsle
        assert row["aicc"] == held.result.aicc
        assert row["status"] == held.result.status.name.lower()
        assert row["warnings"] == ", ".join(dict.fromkeys(w.code for w in held.result.warnings))


def test_without_a_split_the_ranking_goes_by_aicc(whole):
    table = whole.table
    assert whole.held_out is None
    assert table["aicc"].is_monotonic_increasing
    assert table.index[0] == "bnsl"  # the curve was made from one
    assert table[["heldout_rmsle", "heldout_stderr"]].isna().all(axis=None)
    np.testing.assert_allclose(table["delta_aicc"], table["aicc"] - table["aicc"].min())
    assert table["delta_aicc"].iloc[0] == 0.0


def test_nested_forms_train_no_worse(whole):
    errors = whole.table["train_rmsle"]
    for small, large in [("m1", "m2"), ("m2", "m3"), ("m2", "m4"), ("m2", "bnsl")]:
        assert errors[large] <= errors[small] * (1 + 1e-7)


def test_numbers_of_breaks_are_told_apart():
    compared = bnsl.compare(*noisy(), forms=["BNSL", bnsl.BNSL(0), bnsl.BNSL(1)], train_count=24, n_breaks=0)
    assert list(compared.results) == ["bnsl", "bnsl, 0 breaks", "bnsl, 1 break"]
    assert compared.results["bnsl"].n_breaks == 0
    np.testing.assert_array_equal(compared.results["bnsl"].theta, compared.results["bnsl, 0 breaks"].theta)


def test_too_few_points_for_aicc_rank_last():
    x, y = noisy()
    table = bnsl.compare(x[:6], y[:6], forms=["bnsl", "m1"]).table
    assert list(table.index) == ["m1", "bnsl"]
    assert table.loc["bnsl", "aicc"] == np.inf
    assert table.loc["bnsl", "delta_aicc"] == np.inf


def test_loss_robust_and_sigma_reach_every_fit():
    x, y = noisy()
    compared = bnsl.compare(x, y, forms=["m1", "m2"], loss="linear", robust="huber", sigma=0.01 * y)
    for result in compared.results.values():
        assert (result.loss, result.robust) == ("linear", "huber")
        np.testing.assert_array_equal(result.curve.sigma, 0.01 * y)


@pytest.mark.parametrize(
    ("forms", "message"),
    [
        ([], r"forms = \[\] must be a list of at least one form"),
        ("bnsl", "forms = 'bnsl' must be a list"),
        (None, "forms = None must be a list"),
        (["m1", "M1"], "forms names 'm1' twice"),
        ([bnsl.BNSL(1), bnsl.BNSL(1)], "forms names 'bnsl, 1 break' twice"),
        (["m1", "m5"], "form = 'm5' is unknown"),
        (["m1", 3], "form = 3 must be a name"),
    ],
)
def test_bad_lists_of_forms(forms, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.compare([1, 2, 3], [3, 2, 1], forms=forms)
