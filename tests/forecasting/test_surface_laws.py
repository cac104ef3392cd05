"""Laws of several inputs that a forecast averages: outliers among the runs, and the cuts of the back-test."""

import numpy as np
import pytest

import bnsl
from bnsl.forecasting.surface_laws import cheaper, outliers

LAW = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
PAIR = {"input_labels": ("params", "tokens"), "axes": bnsl.get_form("chinchilla").inputs}


def grid(noise=0.004, seed=0):
    """Runs of six sizes by five data amounts: inputs and losses."""
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 6), np.geomspace(1e9, 1e11, 5)))
    y = bnsl.get_form("chinchilla").evaluate(LAW, np.column_stack([n, d]))
    return np.column_stack([n, d]), y * np.exp(noise * np.random.default_rng(seed).standard_normal(30))


@pytest.mark.parametrize(("row", "factor"), [(29, 20.0), (13, 1e-3), (7, 1.3)])
def test_a_run_that_went_wrong_is_an_outlier_wherever_it_is(row, factor):
    x, y = grid()
    assert not outliers(bnsl.Curve(x, y, **PAIR)).any()
    y[row] *= factor
    curve = bnsl.Curve(x, y, **PAIR)
    assert curve.rows[outliers(curve)].tolist() == [row]


def test_an_outlier_of_nine_runs():
    x, y = grid()
    x, y = x[[0, 2, 4, 10, 12, 14, 25, 27, 29]], y[[0, 2, 4, 10, 12, 14, 25, 27, 29]]
    assert not outliers(bnsl.Curve(x, y, **PAIR)).any()
    y[8] *= 3.0
    assert np.flatnonzero(outliers(bnsl.Curve(x, y, **PAIR))).tolist() == [8]


def test_many_runs_of_another_kind_are_none():
    x, y = grid()
    y[np.prod(x, axis=1) > 1e19] *= 1.5
    assert not outliers(bnsl.Curve(x, y, **PAIR)).any()


def test_a_forecast_leaves_outliers_out_and_names_them():
    x, y = grid()
    y[29] = 50.0
    frame = {"params": x[:, 0], "tokens": x[:, 1], "loss": y}
    forecast = bnsl.forecast(frame, inputs=["params", "tokens"], y="loss")
    (note,) = (warning for warning in forecast.warnings if warning.code == "outliers")
    assert "row 29 (params = 1e+09, tokens = 1e+11, loss = 50)" in note.message
    assert forecast.predict([[2e9, 2e11]])[0] == pytest.approx(2.05, rel=0.05)


@pytest.mark.parametrize("unit", [1.0, 1e-9, 1 / 3])
def test_runs_of_one_compute_are_on_one_side_of_a_cut_in_any_unit(unit):
    n, d = (v.ravel() for v in np.meshgrid(3.0 ** np.arange(6), 7e9 / 3.0 ** np.arange(6)))
    curve = bnsl.Curve(np.column_stack([n * unit, d * unit]), np.ones(36), **PAIR)
    for part in cheaper(curve):
        level = np.round(np.log(curve.effort) / np.log(3.0), 6)
        assert level[part].max() < level[~part].min()
