"""What a caller hands over, as a curve: arrays, Series, a Curve, or a table with the names of its columns."""

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl import InputError
from bnsl.curves.data import as_curve
from bnsl.curves.frame import long_table
from bnsl.forms.inputs import Input

COMPUTE = np.array([3.0, 7.0, 20.0, 55.0, 90.0, 210.0])
LOSS = np.array([2.1, 1.7, 1.32, 1.05, 0.97, 0.84])
SPREAD = np.linspace(0.01, 0.02, 6)
FRAME = pd.DataFrame({"compute": COMPUTE, "loss": LOSS, "spread": SPREAD, "tokens": 2.0 * COMPUTE})
TABLES = [FRAME, FRAME.to_dict("list"), {name: FRAME[name].to_numpy() for name in FRAME}]


@pytest.mark.parametrize("table", TABLES, ids=["pandas", "lists", "arrays"])
@pytest.mark.parametrize("by_place", [False, True])
def test_columns_of_a_table(table, by_place):
    given = ((table, "compute", "loss"), None, None) if by_place else ((table,), "compute", "loss")
    curve = as_curve(*given, "spread")
    np.testing.assert_array_equal(curve.x, COMPUTE)
    np.testing.assert_array_equal(curve.y, LOSS)
    np.testing.assert_array_equal(curve.sigma, SPREAD)
    assert (curve.x_label, curve.y_label) == ("compute", "loss")


def test_a_polars_frame():
    polars = pytest.importorskip("polars")
    curve = as_curve((polars.DataFrame(FRAME.to_dict("list")),), "tokens", "loss")
    np.testing.assert_array_equal(curve.x, 2.0 * COMPUTE)


def test_a_column_beside_values():
    curve = as_curve((FRAME,), "compute", 2.0 * LOSS, 0.5)
    np.testing.assert_array_equal(curve.y, 2.0 * LOSS)
    assert (curve.x_label, curve.y_label) == ("compute", "y")
    assert curve.sigma.tolist() == [0.5] * 6


def test_columns_for_a_form_of_several_inputs():
    curve = as_curve((FRAME,), ["compute", "tokens"], "loss", axes=(Input("N"), Input("D")))
    np.testing.assert_array_equal(curve.x, FRAME[["compute", "tokens"]])


def test_every_call_takes_a_table():
    named = {"x": "compute", "y": "loss"}
    fitted = bnsl.fit(FRAME, **named, form="m1")
    assert fitted.params == bnsl.fit(COMPUTE, LOSS, form="m1").params
    assert fitted.curve.x_label == "compute"
    assert bnsl.forecast(FRAME, **named).predict(400.0) == bnsl.forecast(COMPUTE, LOSS).predict(400.0)
    assert list(bnsl.compare(FRAME, **named, forms=["m1", "m2"]).table.index)
    assert len(bnsl.extrapolate(FRAME, **named, form="m1", train_count=4).held_out) == 2
    assert bnsl.backtest(FRAME, **named, form="m1", cuts=[90.0]).curve.y_label == "loss"


def test_names_by_keyword_stay():
    assert bnsl.fit(x=COMPUTE, y=LOSS, form="m1").params == bnsl.fit(COMPUTE, y=LOSS, form="m1").params


def test_runs_to_choose_from_are_a_table():
    law = bnsl.fit(FRAME, x="compute", y="loss", form="m1")
    runs = pd.DataFrame({"compute": [300.0, 500.0], "hours": [2.0, 9.0]})
    found = bnsl.suggest(law, runs, 2000.0, cost="hours")
    assert found.table.equals(bnsl.suggest(law, [300.0, 500.0], 2000.0, cost=[2.0, 9.0]).table)
    assert bnsl.suggest(law, runs.rename(columns={"compute": "flop"}), 2000.0, x="flop").chosen.tolist()
    with pytest.raises(ValueError, match="frame: there is no column 'compute'; the columns are 'hours'"):
        bnsl.suggest(law, runs[["hours"]], 2000.0)


# --- Series ---------------------------------------------------------------------------------------


def test_series_are_joined_by_their_index():
    mixed = FRAME["loss"].sample(frac=1.0, random_state=3)
    curve = as_curve((FRAME["compute"], mixed), sigma=FRAME["spread"].iloc[::-1])
    np.testing.assert_array_equal(curve.y, LOSS)
    np.testing.assert_array_equal(curve.sigma, SPREAD)


def test_equal_indexes_may_repeat_labels():
    frame = FRAME.set_axis([0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(as_curve((frame["compute"], frame["loss"])).y, LOSS)


@pytest.mark.parametrize(
    "loss",
    [
        FRAME["loss"].iloc[1:],
        FRAME["loss"].set_axis(range(1, 7)),
        FRAME["loss"].set_axis([0, 0, 1, 2, 3, 4]),
        pd.concat([FRAME["loss"]] * 2),
    ],
)
def test_series_of_different_indexes_are_refused(loss):
    with pytest.raises(ValueError, match="x and y are Series with different indexes"):
        as_curve((FRAME["compute"], loss))


def test_a_series_beside_an_array_goes_by_place():
    np.testing.assert_array_equal(as_curve((COMPUTE, FRAME["loss"].set_axis(range(9, 15)))).y, LOSS)


# --- what cannot be taken -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        ((), {}, "x and y are missing"),
        ((COMPUTE,), {}, "y is missing"),
        (
            (FRAME,),
            {},
            "column of x and y is missing; .* the table has 'compute', 'loss', 'spread', 'tokens'",
        ),
        ((FRAME,), {"x": "compute"}, "column of y is missing"),
        ((), {"x": FRAME}, "y is missing; .* the table has 'compute'"),
        ((FRAME,), {"x": "compute", "y": "los"}, "no column 'los'.*Did you mean 'loss'"),
        ((FRAME,), {"x": "loss", "y": "loss"}, "x and y are the same column, 'loss'"),
        ((FRAME, "compute"), {"x": "tokens", "y": "loss"}, "x was given twice"),
        ((COMPUTE, LOSS), {"y": LOSS}, "y was given twice"),
        ((COMPUTE, LOSS, SPREAD), {}, "3 arguments without a name are too many"),
        ((bnsl.Curve(COMPUTE, LOSS),), {"y": LOSS}, "y was given together with a Curve"),
    ],
)
def test_what_is_missing_or_given_twice(given, named, message):
    with pytest.raises(ValueError, match=message):
        as_curve(given, **named)


def test_a_bad_cell_is_told_with_its_row_and_column():
    frame = FRAME.assign(loss=LOSS.astype(object))
    frame.loc[3, "loss"] = "n/a"
    with pytest.raises(ValueError, match=r"y\[3\] = 'n/a' .*y is the column 'loss'"):
        bnsl.forecast(frame, x="compute", y="loss")


def test_columns_of_one_name_are_refused():
    frame = FRAME.set_axis(["compute", "loss", "loss", "tokens"], axis=1)
    with pytest.raises(ValueError, match="several columns 'loss'"):
        as_curve((frame,), "compute", "loss")


def test_a_curve_shows_what_it_is():
    assert (
        repr(bnsl.Curve(COMPUTE, LOSS, 0.1, "run 3"))
        == "<Curve run 3: 6 points, x from 3 to 210, with sigma>"
    )


def test_sizes_in_words_are_numbers_and_the_reading_is_told():
    sizes = [31e6, 120e6, 1.1e9, 5.5e9]
    frame = pd.DataFrame({"model": ["31M", "120M", "1.1B", "5.5B params"], "loss": [3.1, 2.7, 2.2, 2.0]})
    with pytest.warns(UserWarning, match="column 'model': '31M' is read as 31000000"):
        curve = as_curve([frame], x="model", y="loss")
    assert curve.x.tolist() == sizes
    with pytest.warns(UserWarning, match="'31M' is read as 31000000"):
        table = long_table(
            pd.concat([frame, frame]).assign(run=list("aaaabbbb")), "model", "loss", None, ["run"]
        )
    assert [table.curves[i].x.tolist() for i in range(2)] == [sizes, sizes]
    with pytest.raises(InputError, match=r"x\[0\] = '31M' is not a number"):
        as_curve([frame.replace("1.1B", "large")], x="model", y="loss")


def test_a_missing_cell_of_a_frame_names_the_way_out():
    frame = pd.DataFrame({"size": [10.0, None, 1e3, 4e3], "loss": [3.0, 2.0, np.nan, 1.0]})
    with pytest.raises(
        InputError, match=r"'size', row 1 is missing.*frame.dropna\(subset=\['size', 'loss'\]\)"
    ):
        as_curve([frame], x="size", y="loss")
    with pytest.raises(InputError, match=r"'loss', row 2 is missing"):
        as_curve([frame.assign(size=[1, 2, 3, 4])], x="size", y="loss")
    with pytest.raises(InputError, match=r"y\[2\] = nan is not a finite number.*keep = numpy.isfinite\(y\)"):
        as_curve([[1, 2, 3], [3.0, 2.0, np.nan]])


@pytest.mark.parametrize("blank", [None, np.nan])
def test_blank_rows_at_the_end_of_a_frame_are_left_out(blank):
    table = {"a": [2.0, 5.0, 9.0, blank, blank], "b": [7.0, 4.0, 2.0, blank, blank]}
    table |= {"sd": [0.1, 0.2, 0.3, blank, blank], "run": list("pqrst")}
    frame = pd.DataFrame(table)
    for data in (frame, table):
        with pytest.warns(UserWarning, match="left out 2 rows at the end, where x and y are blank"):
            curve = as_curve([data], x="a", y="b", sigma="sd", groups="run")
        assert curve.x.tolist() == [2.0, 5.0, 9.0]
        assert curve.sigma.tolist() == [0.1, 0.2, 0.3]
        assert list(curve.groups) == list("pqr")
    with pytest.warns(UserWarning, match="left out 1 row "):
        several = as_curve([frame[:4]], x=["a", "sd"], y="b", axes=(Input("N"), Input("D")))
    assert several.x.shape == (3, 2)
    with pytest.raises(InputError, match="'b', row 3 is missing"):
        as_curve([frame.assign(a=[2.0, 5.0, 9.0, 11.0, 13.0])], x="a", y="b")
    with pytest.raises(InputError, match="'a', row 0 is missing"):
        as_curve([frame[3:].reset_index(drop=True)], x="a", y="b")


@pytest.mark.parametrize("call", [bnsl.fit, bnsl.forecast])
@pytest.mark.parametrize("y", [[4e-310, 3e-310, 2.5e-310, 2.2e-310], [4.0, 3.0, 2.0, 5e-324]])
def test_y_below_the_range_of_a_double_is_refused(call, y):
    with pytest.raises(bnsl.InputError, match=r"is too small for a double; multiply y by|times smaller than"):
        call([1.0, 2.0, 4.0, 8.0], y)


@pytest.mark.parametrize("call", [bnsl.fit, bnsl.forecast])
@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1, 2, 3, 4, 5, 6], [1.1e308, 9e307, 8e307, 7.2e307, 6.6e307, 6.1e307]),
        ([2e-310, 1e-309, 1e-308, 1e-307], [4.0, 3.0, 2.5, 2.3]),
        ([1, 2, 4, 8, 16], [1.0, 1e-20, 1e-40, 1e-60, 1e-95]),
        ([1, 1 + 1e-15, 1 + 3e-15, 1.0000000002], [4.0, 3.0, 2.5, 2.1]),
    ],
)
def test_extreme_curves_do_not_depend_on_how_numpy_treats_overflow(call, x, y):
    usual = call(x, y)
    with np.errstate(all="raise"):
        found = call(x, y)
        there = [found.predict(2 * x[-1]), *found.interval(2 * x[-1])]
        found.summary()
    assert there == [usual.predict(2 * x[-1]), *usual.interval(2 * x[-1])]
    assert not np.isnan(there).any()


def test_an_index_of_pandas_is_an_array():
    y = [4.0, 3.0, 2.5, 2.0]
    assert bnsl.fit(pd.Index([1.0, 2.0, 3.0, 4.0]), y, n_breaks=0).curve.x.tolist() == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(bnsl.InputError, match="holds dates or durations"):
        bnsl.fit(pd.date_range("2020", periods=4), y)
