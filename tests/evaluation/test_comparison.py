"""Several forms on one split, ranked."""

import dataclasses

import numpy as np
import pytest
from samples import noisy

import bnsl

COLUMNS = [
    *("n_breaks", "n_params", "train_rmsle", "heldout_rmsle", "heldout_stderr", "train_rmse", "heldout_rmse"),
    *("aicc", "delta_aicc"),
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


def test_several_numbers_of_breaks_have_a_row_each():
    compared = bnsl.compare(*noisy(), forms=["m1", "bnsl"], n_breaks=(0, 1, 2), train_count=24)
    assert list(compared.results) == ["m1", "bnsl, 0 breaks", "bnsl, 1 break", "bnsl, 2 breaks"]
    assert [result.n_breaks for result in compared.results.values()] == [0, 0, 1, 2]
    assert list(bnsl.compare(*noisy(), forms="bnsl", n_breaks=range(1)).results) == ["bnsl, 0 breaks"]


@pytest.mark.parametrize(
    ("n_breaks", "message"),
    [
        ((), r"n_breaks = \(\) must be a whole number or a list"),
        ((0, -1), "n_breaks = -1 must be a whole number >= 0"),
        ((1, 1), "forms names 'bnsl, 1 break' twice"),
        ("1,2", "n_breaks = '1,2' must be a whole number"),
        (1.5, r"n_breaks = 1.5 must be a whole number"),
    ],
)
def test_bad_numbers_of_breaks(n_breaks, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.compare(*noisy(), n_breaks=n_breaks)


def test_a_number_of_breaks_needs_a_bnsl():
    with pytest.raises(
        bnsl.InputError, match="n_breaks = 1 is only for 'bnsl', which is not among the forms"
    ):
        bnsl.compare(*noisy(), forms=["m1", bnsl.BNSL(1)], n_breaks=1)


@pytest.mark.parametrize("form", ["M1", bnsl.M1()])
def test_one_form_needs_no_list(form):
    assert list(bnsl.compare(*noisy(), forms=form).results) == ["m1"]


def test_nothing_held_out_is_told_with_the_range_of_x():
    for rule in ({"train_until": 1e9}, {"train_count": 30}):
        with pytest.raises(
            bnsl.InputError, match=r"nothing is held out of 30 points with x from 1 to 1e\+06"
        ):
            bnsl.compare(*noisy(), forms="m1", **rule)


def test_where_aicc_is_infinite_for_all_the_error_on_the_fitted_points_ranks():
    x, y = noisy()
    compared = bnsl.compare(x[:5], y[:5], forms=["m2", "m4", "bnsl"])
    assert (compared.table["aicc"] == np.inf).all()
    assert compared.ranked_by == "train_rmsle"
    assert compared.table["train_rmsle"].is_monotonic_increasing
    assert "too few points for AICc" in compared.ranking


def test_without_logarithms_the_ranking_goes_by_the_error_in_the_units_of_y():
    x = np.geomspace(1, 1e4, 12)
    y = 2.0 * x**-0.4 - 0.5
    compared = bnsl.compare(x, y, forms=["m2", "bnsl"], n_breaks=0, loss="linear", train_count=9)
    assert compared.table["heldout_rmsle"].isna().all()
    assert compared.ranked_by == "heldout_rmse"
    assert list(compared.table.index) == ["bnsl", "m2"]
    held = bnsl.Extrapolation(compared.results["m2"], compared.held_out)
    assert compared.table.loc["m2", "heldout_rmse"] == held.rmse
    assert compared.table.loc["m2", "train_rmse"] == compared.results["m2"].rmse


def test_repr_is_one_short_line(split, whole):
    best = split.table.iloc[0]
    assert repr(split) == f"<Comparison of 5 forms: best 'bnsl', heldout_rmsle={best['heldout_rmsle']:.4g}>"
    assert repr(whole).startswith("<Comparison of 5 forms: best 'bnsl', aicc=-")
    assert repr(bnsl.compare(*noisy(), forms="m1")).startswith("<Comparison of 1 form: best 'm1', aicc=-")


def test_html_has_the_table_and_escapes_names(split):
    curve = dataclasses.replace(split.fitted, x_label="<i>x</i>")
    page = dataclasses.replace(split, fitted=curve)._repr_html_()
    assert "<i>" not in page
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "by held-out error" in page
    assert page.count("<tr") > 5
    for label in split.results:
        assert f">{label}<" in page


def test_too_few_points_for_aicc_rank_last():
    x, y = noisy()
    table = bnsl.compare(x[:6], y[:6], forms=["bnsl", "m1"], n_breaks=1).table
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
        ([], r"forms = \[\] must be a form or a list of at least one"),
        ("m1,bnsl", "form = 'm1,bnsl' is unknown"),
        (None, "forms = None must be a form or a list"),
        (["m1", "M1"], "forms names 'm1' twice"),
        ([bnsl.BNSL(1), bnsl.BNSL(1)], "forms names 'bnsl, 1 break' twice"),
        (["m1", "m5"], "form = 'm5' is unknown"),
        (["m1", 3], "form = 3 must be a name"),
    ],
)
def test_bad_lists_of_forms(forms, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.compare([1, 2, 3], [3, 2, 1], forms=forms)


def test_parameters_are_held_and_bounded_in_the_forms_that_have_them():
    results = bnsl.compare(
        *noisy(), forms=["m1", "m2", "bnsl"], n_breaks=1, fixed={"e": 0.25}, bounds={"a": (0.1, 0.2)}
    ).results
    assert results["m2"].params["e"] == 0.25
    assert 0.1 <= results["bnsl"].params["a"] <= 0.2
    assert results["m1"].fixed == ()
    with pytest.raises(bnsl.InputError, match="fixed: no form has a parameter 'alpha'"):
        bnsl.compare(*noisy(), forms=["m1", "m2"], fixed={"alpha": 1})
