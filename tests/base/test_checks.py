"""Bad input gets one clear error before any work; odd input gets an answer; nothing gets a NaN."""

import re
import warnings

import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from samples import noisy

import bnsl

X = [1.0, 2.0, 4.0, 8.0]
Y = [1.0, 0.8, 0.7, 0.65]


def changed(values, row, value):
    return [value if i == row else v for i, v in enumerate(values)]


# arguments, and what the message says: argument, row and value where there is one, and the way out.
BAD = {
    "lengths": ((X, Y[:3]), {}, "x has 4 rows and y has 3"),
    "empty": (([], []), {}, "x is empty"),
    "two points": ((X[:2], Y[:2]), {}, "x has 2 distinct values; a fit needs at least three"),
    "two distinct x": (([1, 1, 2, 2], Y), {}, "x has 2 distinct values"),
    "one distinct x": (([1, 1, 1, 1], Y), {}, "x has 1 distinct value;"),
    "nan in x": ((changed(X, 2, np.nan), Y), {}, "x[2] = nan is not a finite number"),
    "nan in y": ((X, changed(Y, 1, np.nan)), {}, "y[1] = nan is not a finite number"),
    "infinity in x": ((changed(X, 3, np.inf), Y), {}, "x[3] = inf is not a finite number"),
    "infinity in y": ((X, changed(Y, 0, -np.inf)), {}, "y[0] = -inf is not a finite number"),
    "y out of range": (
        (X, changed(Y, 2, 1e-200)),
        {},
        "y[2] = 1e-200 is 10^200 times smaller than y[0] = 1; drop the wrong one",
    ),
    "several": ((X, [np.nan, 1, np.nan, np.nan]), {}, "y[0] = nan is not a finite number; drop or repair"),
    "x = 0": (
        (changed(X, 0, 0.0), Y),
        {},
        "x[0] = 0 is not positive; scaling laws are defined for x > 0 (drop step 0",
    ),
    "x < 0": ((changed(X, 1, -2.0), Y), {}, "x[1] = -2 is not positive"),
    "y = 0": ((X, changed(Y, 3, 0.0)), {}, "y[3] = 0 is not positive, and loss='log'"),
    "y < 0, unsorted": ((X[::-1], changed(Y, 1, -1.5)), {}, "y[1] = -1.5 is not positive, and loss='log'"),
    "y < 0, way out": ((X, changed(Y, 1, -1.5)), {}, "or use loss='linear'"),
    "y < 0 under log1p": ((X, changed(Y, 1, -0.5)), {"loss": "log1p"}, "y[1] = -0.5 is negative"),
    "text in x": ((changed(X, 1, "2k"), Y), {}, "x[1] = '2k' is not a number"),
    "numbers as text": ((X, [str(v) for v in Y]), {}, "y[0] = '1.0' is not a number"),
    "text column": ((X, pd.Series(["a", "b", "c", "d"])), {}, "y[0] = 'a' is not a number"),
    "text among numbers": ((X, pd.Series([1.0, "0.8", 0.7, 0.6])), {}, "y[1] = '0.8' is not a number"),
    "none": ((X, changed(Y, 2, None)), {}, "y[2] = None is not a number"),
    "pandas NA": ((X, pd.array([3, 2, None, 1])), {}, "y[2] = nan is not a finite number"),
    "huge integer": ((changed(X, 3, 10**400), Y), {}, "x[3] = 1000"),
    "ragged": (([[1, 2], [3], [4], [5]], Y), {}, "x must hold numbers only and be rectangular"),
    "complex": ((X, [1j, 2, 3, 4]), {}, "y holds complex numbers"),
    "dates": ((pd.date_range("2020-01-01", periods=4), Y), {}, "x holds dates"),
    "masked": ((np.ma.array(X, mask=[0, 0, 1, 0]), Y), {}, "x[2] is masked"),
    "two-dimensional": ((np.ones((4, 2)), Y), {}, "x must be one-dimensional; its shape is (4, 2)"),
    "a scalar": ((3.0, 4.0), {}, "x must be one-dimensional"),
    "a set": (({1.0, 2.0, 3.0}, Y), {}, "x must hold numbers only"),
    "y missing": ((X,), {}, "y is missing; give x and y, a Curve, or a table"),
    "y twice": ((bnsl.Curve(X, Y), Y), {}, "y was given together with a Curve"),
    "sigma < 0": ((X, Y), {"sigma": [0.1, -0.1, 0.1, 0.1]}, "sigma[1] = -0.1 must be a positive"),
    "sigma = 0": ((X, Y), {"sigma": [0.1, 0.1, 0.0, 0.1]}, "sigma[2] = 0 must be a positive"),
    "sigma nan": ((X, Y), {"sigma": [0.1, 0.1, 0.1, np.nan]}, "sigma[3] = nan is not a finite number"),
    "sigma short": ((X, Y), {"sigma": [0.1, 0.1]}, "sigma has 2 rows and y has 4"),
    "one sigma < 0": ((X, Y), {"sigma": -0.1}, "sigma = -0.1 must be a positive standard deviation"),
    "one sigma 0": ((X, Y), {"sigma": 0}, "sigma = 0 must be a positive standard deviation"),
    "one sigma nan": ((X, Y), {"sigma": np.nan}, "sigma = nan is not a usable number"),
    "one sigma text": ((X, Y), {"sigma": "0.1"}, "sigma = '0.1' is not a number"),
    "form": ((X, Y), {"form": "bnls"}, "form = 'bnls' is unknown; choose one of"),
    "form hint": ((X, Y), {"form": "bnls"}, "Did you mean 'bnsl'?"),
    "form type": ((X, Y), {"form": 3}, "form = 3 must be a name"),
    "loss": ((X, Y), {"loss": "logg"}, "loss = 'logg' is unknown; choose one of 'log', 'log1p', 'linear'"),
    "loss type": ((X, Y), {"loss": ["log"]}, "loss = ['log'] is unknown"),
    "robust": ((X, Y), {"robust": "hubert"}, "robust = 'hubert' is unknown"),
    "robust scale": ((X, Y), {"robust": "huber", "robust_scale": -1.0}, "robust_scale = -1"),
    "robust scale alone": ((X, Y), {"robust_scale": 1.0}, "robust_scale needs a robust loss"),
    "breaks < 0": ((X, Y), {"n_breaks": -1}, "n_breaks = -1 must be a whole number >= 0"),
    "breaks a float": ((X, Y), {"n_breaks": 1.5}, "n_breaks = 1.5 must be a whole number >= 0"),
    "breaks of m1": ((X, Y), {"form": "m1", "n_breaks": 1}, "n_breaks = 1 is only for form='bnsl'"),
    "fixed unknown": ((X, Y), {"fixed": {"d7": 1.0}}, "fixed: form 'bnsl' has no parameter 'd7'"),
    "fixed impossible": ((X, Y), {"fixed": {"d1": -1.0}}, "fixed['d1'] = -1 is impossible"),
    "fixed zero": ((X, Y), {"fixed": {"f1": 0.0}}, "fixed['f1'] = 0 is impossible"),
    "fixed nan": ((X, Y), {"fixed": {"a": np.nan}}, "fixed['a'] = nan is impossible"),
    "fixed text": ((X, Y), {"fixed": {"a": "low"}}, "fixed['a'] = 'low' is not a number"),
    "fixed negative limit": ((X, Y), {"fixed": {"a": -1.0}}, "fixed['a']"),
    "fixed limit of m2": ((X, Y), {"form": "m2", "fixed": {"e": -1.0}}, "fixed['e'] = -1 is impossible"),
    "fixed a list": ((X, Y), {"fixed": ["a"]}, "fixed must be a mapping"),
    "fixed b text": ((X, Y), {"fixed": {"b": "low"}}, "fixed['b'] = 'low' is not a number"),
    "bounds of b single": ((X, Y), {"bounds": {"b": 1.0}}, "bounds['b'] = 1.0 must be a pair"),
    "bounds text": ((X, Y), {"bounds": {"b": (None, "high")}}, "bounds['b'] = 'high' is not a number"),
    "bounds a list": ((X, Y), {"bounds": ["a"]}, "bounds must be a mapping"),
    "bounds crossed": ((X, Y), {"bounds": {"a": (2, 1)}}, "the lower bound must be below the upper one"),
    "bounds single": ((X, Y), {"bounds": {"a": 1.0}}, "bounds['a'] = 1.0 must be a pair"),
    "bounds and fixed": ((X, Y), {"bounds": {"a": (0, 1)}, "fixed": {"a": 0.5}}, "is in fixed and in bounds"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_error_that_names_it(name):
    arguments, options, message = BAD[name]
    with pytest.raises(bnsl.InputError, match=re.escape(message)) as caught:
        bnsl.fit(*arguments, **options)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_the_other_rows_are_counted():
    with pytest.raises(bnsl.InputError, match=r"x\[1\] = -1 is not positive.*\(2 more rows likewise\)"):
        bnsl.fit([1.0, -1.0, -2.0, -3.0], Y)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, "far", None])
@pytest.mark.parametrize("method", ["predict", "interval", "slope"])
def test_bad_x_of_a_prediction(fitted, method, bad):
    with pytest.raises(bnsl.InputError, match="x"):
        getattr(fitted, method)([1.0, bad])


@pytest.mark.parametrize("level", [0, 1, 90, -0.1, np.nan, "high"])
def test_bad_level(fitted, level):
    with pytest.raises(bnsl.InputError, match="level"):
        fitted.interval([1.0], level=level)


def test_unknown_dataset():
    with pytest.raises(bnsl.InputError, match=r"name = 'adition' is unknown.*'four_digit_addition'"):
        bnsl.load_dataset("adition")


# --- odd but good ---------------------------------------------------------------------------------

COUNT = 30
PLAIN_X, PLAIN_Y = np.arange(1, COUNT + 1), np.arange(2 * COUNT, COUNT, -1)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (PLAIN_X.tolist(), PLAIN_Y.tolist()),
        (tuple(PLAIN_X), range(2 * COUNT, COUNT, -1)),
        (PLAIN_X.astype(np.int8), PLAIN_Y.astype(np.uint16)),
        (PLAIN_X.astype(np.float32), PLAIN_Y.astype(np.float16)),
        (PLAIN_X.astype(np.longdouble), PLAIN_Y.astype(object)),
        (PLAIN_X.astype(">f8"), PLAIN_Y.astype("<i2")),
        (jnp.asarray(PLAIN_X), jnp.asarray(PLAIN_Y)),
        (pd.Series(PLAIN_X, index=PLAIN_X[::-1]), pd.Series(PLAIN_Y, index=PLAIN_X[::-1])),
        (pd.Series(PLAIN_X, dtype="Int64"), pd.array(PLAIN_Y, dtype="Float64")),
        (np.ma.array(PLAIN_X), np.ma.array(PLAIN_Y, mask=np.zeros(COUNT, bool))),
        (np.repeat(PLAIN_X, 2)[::2], np.asfortranarray(PLAIN_Y)),
    ],
    ids=["list", "tuple", "ints", "floats", "object", "endian", "jax", "pandas", "null", "masked", "strided"],
)
def test_any_container_of_the_same_numbers_gives_the_same_fit(x, y):
    result = bnsl.fit(x, y, n_breaks=0)
    plain = bnsl.fit(PLAIN_X.astype(float), PLAIN_Y.astype(float), n_breaks=0)
    np.testing.assert_array_equal(result.theta, plain.theta)


def test_names_come_along_from_pandas():
    x, y = noisy()
    curve = bnsl.fit(pd.Series(x, name="tokens"), pd.Series(y, name="loss")).curve
    assert (curve.x_label, curve.y_label) == ("tokens", "loss")


@pytest.mark.parametrize(
    "x",
    [
        [True, 2.0, 4.0, 8.0],
        (np.True_, 2, 4, 8),
        [True, True, False, True],
        np.array([True, False, True, True]),
        pd.Series([True, False, True, True]),
        np.array([True, 2.0, 4.0, 8.0], dtype=object),
    ],
)
def test_truth_values_are_no_numbers(x):
    with pytest.raises(bnsl.InputError, match=r"x\[0\] = (np\.)?True_? is not a number"):
        bnsl.fit(x, Y)


@pytest.mark.parametrize("options", [{"train_until": True}, {"train_fraction": np.True_}, {"sigma": True}])
def test_a_truth_value_is_no_option_either(options):
    with pytest.raises(bnsl.InputError, match=rf"{next(iter(options))} = (np\.)?True_? is not a number"):
        bnsl.extrapolate(X, Y, **{"train_until": 4, **options} if "sigma" in options else options)


def test_one_sigma_stands_for_all_points():
    one, each = (bnsl.fit(X, Y, n_breaks=0, sigma=sigma) for sigma in (0.1, np.full(4, 0.1)))
    np.testing.assert_array_equal(one.curve.sigma, each.curve.sigma)
    np.testing.assert_array_equal(one.theta, each.theta)
    assert bnsl.extrapolate(X, Y, sigma=0.1, train_count=3, form="m1").held_out.sigma.tolist() == [0.1]
    assert bnsl.compare(X, Y, sigma=np.float32(0.5), forms=["m1"]).fitted.sigma.tolist() == [0.5] * 4


# --- fuzz -----------------------------------------------------------------------------------------

# At most 16 points: one padded length, so that every example runs the same compiled programs.
NUMBERS = st.one_of(
    st.floats(1e-3, 1e3),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, -1.0, 1e300, 1e-300, 5e-324, 1.7e308, 1.0, 2.0]),
    st.integers(-3, 10**20),
    st.booleans(),
)
ENTRIES = st.one_of(NUMBERS, st.sampled_from([None, "3", "", b"1", 1j, pd.NA, pd.NaT, [1.0], 10**400]))
POSITIVE = st.one_of(
    st.floats(1e-300, 1e300), st.floats(0.5, 2.0), st.sampled_from([1e300, 1e-300, 1.0, 2.0, 3.0])
)
CONTAINERS = st.sampled_from(
    [
        list,
        tuple,
        np.array,
        pd.Series,
        lambda v: pd.Series(v, index=range(5, 5 + len(v))),
        lambda v: np.array(v, dtype=object),
        lambda v: np.ma.masked_invalid(np.array(v, dtype=float)),
        lambda v: np.array(v).astype(np.float32),
        lambda v: np.array(v).astype(np.int64),
        lambda v: np.array(v).astype(bool),
        lambda v: jnp.asarray(v),
    ]
)
OPTIONS = st.sampled_from(
    [
        {},
        {},
        {"n_breaks": 0},
        {"loss": "linear"},
        {"loss": "log1p"},
        {"form": "m2"},
        {"form": "m3"},
        {"form": "m4"},
        {"robust": "huber"},
        {"fixed": {"a": 0.0}},
    ]
)


def assert_error_or_sane(x, y, **options):
    """An InputError, or a result with a status and finite predictions; no other exception or warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = bnsl.fit(x, y, **options)
        except bnsl.InputError:
            return
        assert isinstance(result.status, bnsl.Status)
        assert np.isfinite(result.predict(result.curve.x)).all()
        assert all(isinstance(value, float) and not np.isnan(value) for value in result.params.values())
        result.summary()
        result._repr_html_()
        lower, upper = result.interval(result.curve.x)
        assert not (lower > upper).any()
        assert bnsl.FitResult.from_json(result.to_json()).to_json() == result.to_json()


@settings(max_examples=60)
@given(data=st.data())
def test_fuzz_of_positive_numbers_of_any_size(data):
    count = data.draw(st.integers(3, 16))
    values = st.lists(POSITIVE, min_size=count, max_size=count)
    assert_error_or_sane(data.draw(values), data.draw(values), **data.draw(OPTIONS))


@settings(max_examples=80)
@given(data=st.data())
@example(data=None)
def test_fuzz_of_anything(data):
    if data is None:
        assert_error_or_sane([1e-300, 1.0, 1e300], [1e300, 1.0, 1e-300])
        return
    count = data.draw(st.integers(0, 16))
    other = data.draw(st.sampled_from([count, count, count, max(count - 1, 0)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's own, about the casts below
        try:
            kinds = st.sampled_from([POSITIVE, POSITIVE, st.integers(1, 127), NUMBERS, ENTRIES])
            xs = st.lists(data.draw(kinds), min_size=count, max_size=count)
            ys = st.lists(data.draw(kinds), min_size=other, max_size=other)
            x, y = data.draw(CONTAINERS)(data.draw(xs)), data.draw(CONTAINERS)(data.draw(ys))
        except (TypeError, ValueError, OverflowError):
            return  # no such container of these entries
    assert_error_or_sane(x, y, **data.draw(OPTIONS))


@settings(max_examples=30)
@given(
    y=st.lists(st.one_of(st.floats(-1e3, 1e3), st.sampled_from([0.0, 1.0])), min_size=3, max_size=16),
    loss=st.sampled_from(["linear", "log1p"]),
)
def test_fuzz_of_curves_that_touch_or_cross_zero(y, loss):
    assert_error_or_sane(np.arange(1.0, len(y) + 1), y, loss=loss)
