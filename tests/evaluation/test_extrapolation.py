"""Splits, held-out errors and their standard error."""

import numpy as np
import pandas as pd
import pytest
from samples import noisy

import bnsl
from bnsl.curves.metrics import rmsle

X, Y = np.array([8.0, 1, 2, 4, 16, 16, 32]), np.array([0.5, 1, 0.8, 0.6, 0.4, 0.45, 0.3])
CURVE = bnsl.Curve(X, Y, 0.1 * Y, "curve", "size", "loss")


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ({"train_until": 4}, 3),
        ({"train_until": 7.99}, 3),
        ({"train_until": 8}, 4),
        ({"train_until": 16}, 6),
        ({"train_count": 1}, 1),
        ({"train_count": 5}, 5),
        ({"train_fraction": 0.5}, 4),
        ({"train_fraction": 0.6}, 4),
        ({"train_fraction": 0.1}, 1),
        ({"train_until": 1e9}, 7),
        ({"train_count": 100}, 7),
        ({}, 7),
    ],
)
def test_split_takes_the_smallest_x(rule, count):
    fitted, held = CURVE.split(**rule)
    order = np.lexsort((Y, X))
    np.testing.assert_array_equal(fitted.x, X[order][:count])
    np.testing.assert_array_equal(fitted.y, Y[order][:count])
    np.testing.assert_array_equal(fitted.sigma, 0.1 * Y[order][:count])
    if count == len(X):
        assert held is None
    else:
        np.testing.assert_array_equal(held.x, X[order][count:])
        assert (held.name, held.x_label, held.y_label) == ("curve", "size", "loss")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"train_until": 0.5}, "train_until = 0.5 leaves nothing to fit; x runs from 1 to 32"),
        ({"train_until": np.nan}, "train_until = nan is not a usable number"),
        ({"train_until": "end"}, "train_until = 'end' is not a number"),
        ({"train_count": 0}, "train_count = 0 must be a whole number >= 1"),
        ({"train_count": 2.5}, "train_count = 2.5 must be a whole number >= 1"),
        ({"train_count": True}, "train_count = True must be a whole number >= 1"),
        ({"train_fraction": 0.0}, "train_fraction = 0 must lie strictly between 0 and 1"),
        ({"train_fraction": 80}, "train_fraction = 80 must lie strictly between 0 and 1"),
        ({"train_fraction": 0.01}, "train_fraction = 0.01 leaves nothing to fit"),
        ({"train_count": 3, "train_until": 4}, "train_until and train_count are alternatives"),
    ],
)
def test_impossible_splits(rule, message):
    with pytest.raises(bnsl.InputError, match=message):
        CURVE.split(**rule)


@pytest.mark.parametrize("rule", [{}, {"train_until": 32}, {"train_count": 7}])
def test_nothing_held_out(rule):
    with pytest.raises(bnsl.InputError, match="nothing is held out"):
        bnsl.extrapolate(CURVE, **rule)


def test_too_little_left_to_fit():
    with pytest.raises(bnsl.InputError, match="x has 2 distinct values; a fit needs at least three"):
        bnsl.extrapolate(CURVE, train_count=2)


def test_extrapolation_is_a_fit_of_the_first_part():
    x, y = noisy()
    held = bnsl.extrapolate(x, y, train_count=24, n_breaks=1)
    plain = bnsl.fit(x[:24], y[:24], n_breaks=1)
    np.testing.assert_array_equal(held.result.theta, plain.theta)
    np.testing.assert_array_equal(held.predicted, plain.form.evaluate(plain.theta, x[24:]))
    errors = held.errors
    assert list(errors) == ["x", "y", "predicted", "log_error", "beyond"]
    np.testing.assert_array_equal(errors[["x", "y"]], np.column_stack([x[24:], y[24:]]))
    np.testing.assert_allclose(errors["log_error"], np.log(held.predicted / y[24:]), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(errors["beyond"], x[24:] / x[23], rtol=1e-14)
    assert held.rmsle == pytest.approx(np.sqrt(np.mean(errors["log_error"] ** 2)), rel=1e-9)


def test_the_held_out_part_is_not_seen():
    x, y = noisy()
    changed = y.copy()
    changed[24:] *= 3
    once, other = (bnsl.extrapolate(x, v, train_count=24) for v in (y, changed))
    np.testing.assert_array_equal(once.result.theta, other.result.theta)
    assert other.rmsle > once.rmsle


def test_options_and_sigma_reach_the_fit():
    x, y = noisy()
    sigma = np.linspace(0.01, 0.02, len(x))
    held = bnsl.extrapolate(
        x, y, sigma=sigma, train_fraction=0.8, form="m2", loss="linear", robust="huber", fixed={"e": 0.2}
    )
    assert (held.result.form.name, held.result.loss, held.result.robust) == ("m2", "linear", "huber")
    assert held.result.params["e"] == 0.2
    np.testing.assert_array_equal(held.result.curve.sigma, sigma[:24])
    np.testing.assert_array_equal(held.held_out.sigma, sigma[24:])


def test_rmsle_and_its_standard_error_by_their_definition():
    """sqrt(m) and sqrt(m + s / sqrt(n)) - sqrt(m), with mean and deviation of the squared log errors."""
    predicted, measured = np.exp([0.1, -0.2, 0.4, 0.0]), np.ones(4)
    squares = [0.01, 0.04, 0.16, 0.0]
    m = sum(squares) / 4
    s = np.sqrt(sum((v - m) ** 2 for v in squares) / 4)
    value, stderr = rmsle(predicted, measured)
    assert value == pytest.approx(np.sqrt(m), rel=1e-12)
    assert stderr == pytest.approx(np.sqrt(m + s / 2) - np.sqrt(m), rel=1e-12)


def test_rmsle_is_nan_where_a_logarithm_is():
    for predicted, measured in [([1.0, -1.0], [1.0, 1.0]), ([1.0, 1.0], [1.0, 0.0]), ([], [])]:
        assert np.isnan(rmsle(np.array(predicted), np.array(measured))).all()
    assert rmsle(np.array([2.0]), np.array([2.0])) == (0.0, 0.0)


def test_held_out_points_below_zero_have_no_log_error():
    x = np.geomspace(1, 1e4, 30)
    held = bnsl.extrapolate(x, 3.0 * x**-0.3 - 0.5, train_count=20, n_breaks=0, loss="linear")
    assert held.held_out.y.min() < 0
    assert np.isnan(held.rmsle)
    assert np.isnan(held.rmsle_stderr)
    assert pd.isna(held.errors["log_error"].iloc[-1])
    np.testing.assert_allclose(held.predicted, held.held_out.y, atol=1e-8)


def test_nothing_held_out_is_told_with_the_range_of_x():
    with pytest.raises(bnsl.InputError, match="nothing is held out of 7 points with x from 1 to 32"):
        bnsl.extrapolate(CURVE, train_until=1e9)


def test_rmse_is_in_the_units_of_y():
    held = bnsl.extrapolate(CURVE, train_count=4, form="m1")
    assert held.rmse == pytest.approx(np.sqrt(np.mean((held.predicted - held.held_out.y) ** 2)), rel=1e-12)


def test_text_of_an_extrapolation():
    held = bnsl.extrapolate(CURVE, train_count=4, form="m1")
    text = held.summary()
    assert text.startswith(held.result.summary())
    error = f"rmsle    {held.rmsle:.6g} +- {held.rmsle_stderr:.3g} on the held-out points"
    inside = f"inside   {held.inside} of 3 held-out points in the 90% interval of this law"
    assert text.endswith(f"held out 3 points, size from 16 to 32\n{error}\n{inside}")
    short = f"<Extrapolation m1: 4 points fitted, 3 held out; held-out rmsle={held.rmsle:.4g}, converged>"
    assert repr(held) == short
    page = held._repr_html_()
    assert page.startswith(held.result._repr_html_())
    assert "<td>held out</td><td>3 points, size from 16 to 32</td>" in page


def test_text_without_logarithms_has_the_error_in_the_units_of_y():
    held = bnsl.extrapolate(X, Y - 0.5, train_count=5, n_breaks=0, loss="linear")
    assert f"rmse     {held.rmse:.6g} (in the units of y) on the held-out points" in held.summary()
    assert f"held-out rmse={held.rmse:.4g}" in repr(held)


def test_a_curve_is_sorted_frozen_and_copied():
    source = X.copy()
    curve = bnsl.Curve(source, Y)
    source[:] = 1
    np.testing.assert_array_equal(curve.x, np.sort(X))
    assert len(curve) == 7
    for array in (curve.x, curve.y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
