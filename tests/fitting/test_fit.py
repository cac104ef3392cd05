"""`bnsl.fit` against published numbers, certified problems, SciPy, and what it promises of itself."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import LAW, noisy
from scipy.optimize import least_squares

import bnsl
from bnsl.curves.datasets import NOISELESS_LAW
from bnsl.forms.registry import get_form


def codes(result):
    return {warning.code for warning in result.warnings}


# --- published numbers ----------------------------------------------------------------------------


def test_four_digit_addition_has_the_parameters_of_the_released_script(addition):
    held = bnsl.extrapolate(addition, train_count=14, n_breaks=1, loss="log1p")
    published = {"a": 0.413885, "b": 2.277272, "c0": 0.0550774, "c1": 5.66291, "d1": 612.5837}
    published["f1"] = 0.0591931
    assert {k: f"{v:.4g}" for k, v in held.result.params.items()} == {
        k: f"{v:.4g}" for k, v in published.items()
    }
    assert held.rmsle == pytest.approx(0.0109, abs=1e-4)
    assert held.result.rmsle == pytest.approx(0.00059849, rel=1e-3)


def test_four_digit_addition_with_no_settings(addition):
    held = bnsl.extrapolate(addition, train_until=736)
    assert len(held.result.curve) == 14
    assert held.result.rmsle <= 0.000599
    assert held.rmsle <= 0.0115
    assert held.result.status is bnsl.Status.CONVERGED


@pytest.mark.parametrize(("split", "limit"), [(405, 1e-8), (390, 1e-4), (350, 1e-2), (300, 1e-2)])
def test_noiseless_simulation(split, limit):
    held = bnsl.extrapolate(bnsl.load_dataset("noiseless_simulation"), train_count=split)
    assert held.rmsle <= limit
    assert held.result.status is bnsl.Status.CONVERGED


def test_noiseless_simulation_is_recovered_whole():
    curve = bnsl.load_dataset("noiseless_simulation")
    assert dict(bnsl.fit(curve).params) == pytest.approx(NOISELESS_LAW, rel=1e-9)


def test_nist_danwood():
    """StRD DanWood, y = b1 x^b2: certified values and standard deviations, given to 11 digits."""
    x = [1.309, 1.471, 1.490, 1.565, 1.611, 1.680]
    y = [2.138, 3.421, 3.597, 4.340, 4.882, 5.660]
    result = bnsl.fit(x, y, form="m1", loss="linear")
    assert result.params["b"] == pytest.approx(7.6886226176e-01, rel=1e-9)
    assert -result.params["c"] == pytest.approx(3.8604055871e00, rel=1e-9)
    assert result.stderr["b"] == pytest.approx(1.8281973860e-02, rel=1e-8)
    assert result.stderr["c"] == pytest.approx(5.1726610913e-02, rel=1e-8)
    assert np.sum(result.residuals**2) == pytest.approx(4.3173084083e-03, rel=1e-10)
    assert result.residual_scale == pytest.approx(3.2853114039e-02, rel=1e-9)


# --- SciPy ----------------------------------------------------------------------------------------

RESIDUALS = {
    "log": (np.log, lambda y, s: s / y),
    "log1p": (np.log1p, lambda y, s: s / (1 + y)),
    "linear": (lambda y: y, lambda y, s: s),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", RESIDUALS)
def test_scipy_finds_no_lower_cost_from_our_solution_or_the_truth(loss, weighted):
    x, y = noisy(seed=3)
    sigma = y * np.random.default_rng(4).uniform(0.005, 0.05, len(y)) if weighted else None
    result = bnsl.fit(x, y, loss=loss, sigma=sigma)
    transform, propagate = RESIDUALS[loss]
    scale = propagate(y, sigma) if weighted else 1.0

    def residual(theta):
        return (transform(bnsl.BNSL(1).evaluate(theta, x)) - transform(y)) / scale

    ours = np.sum(residual(result.theta) ** 2)
    for start in (result.theta, bnsl.BNSL(1).from_params(LAW)):
        theirs = least_squares(residual, start, x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14)
        assert ours <= 2 * theirs.cost * (1 + 1e-7)


def test_sigma_counts_as_ratios_and_a_huge_one_takes_a_point_out():
    x, y = noisy(seed=3)
    sigma = np.full_like(y, 0.01)
    plain = bnsl.fit(x, y, loss="linear", sigma=sigma)
    np.testing.assert_allclose(
        bnsl.fit(x, y, loss="linear", sigma=1e6 * sigma).predict(x), plain.predict(x), rtol=1e-9
    )
    wrong = y.copy()
    wrong[7] *= 1.5
    sigma[7] = 1e9
    rest = np.arange(len(x)) != 7
    without = bnsl.fit(x[rest], y[rest], loss="linear")
    np.testing.assert_allclose(
        bnsl.fit(x, wrong, loss="linear", sigma=sigma).predict(x), without.predict(x), rtol=1e-7
    )


def baselines_program():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "baselines_vs_scipy.py"
    spec = importlib.util.spec_from_file_location("baselines_vs_scipy", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("form", ["m1", "m2", "m3", "m4"])
def test_baselines_reach_scipys_training_error_on_benchmark_curves(form, benchmark_folder):
    """Some of the curves that benchmarks/baselines_vs_scipy.py does all of.

    Two have long valleys in M4, others alpha = 0: a law that is cut off at e0.
    """
    program = baselines_program()
    wanted = [
        "IC / c_10 / BiT/50/1",
        "NMT / log_perplexity / 6 Enc, 6 Dec",
        "LM / val_loss / 4.53e+08",
        "BB / ('qa', '1-shot') / 262M",
    ]
    curves = {name: (x, y) for name, x, y in program.training_curves(benchmark_folder)}
    assert len(curves) == 92
    for name in wanted:
        x, y = curves[name]
        ours = bnsl.fit(x, y, form=form).rmsle
        assert program.no_worse(ours, program.scipy_rmsle(form, x, y, starts=10)), name


def test_m4_cut_off_at_its_first_points_is_found():
    """alpha = 0: the curve is flat up to where it meets a power law; no smooth sigmoid has such a corner."""
    x = np.geomspace(1, 1e4, 24)
    law = {"b": 2.0, "c": 0.3, "e": 0.2, "e0": 1.3, "alpha": 0.0}
    y = np.minimum(0.2 + 2.0 * x**-0.3, 1.3) * np.exp(0.002 * np.random.default_rng(0).normal(size=24))
    truth = np.sqrt(np.mean((np.log(get_form("m4").evaluate(law, x)) - np.log(y)) ** 2))
    assert bnsl.fit(x, y, form="m4").rmsle <= truth


# --- what a fit promises --------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["bnsl", "m3", "m4"])
@pytest.mark.parametrize(("s", "t"), [(1e-9, 1e6), (1e24, 1e-6), (3.0, 0.1)])
def test_units_do_not_matter(addition, form, s, t):
    x, y = addition.x, addition.y
    plain, moved = bnsl.fit(x, y, form=form), bnsl.fit(s * x, t * y, form=form)
    at = np.geomspace(100, 5000, 16)
    np.testing.assert_allclose(moved.predict(s * at), t * plain.predict(at), rtol=1e-8)
    assert moved.rmsle == pytest.approx(plain.rmsle, rel=1e-8)
    assert codes(moved) == codes(plain)


@pytest.mark.parametrize("weighted", [False, True])
def test_order_of_points_does_not_matter_to_the_last_bit(weighted):
    x, y = noisy()
    x[10:13] = x[10]  # ties too
    sigma = np.linspace(0.01, 0.02, len(x)) if weighted else None
    once = bnsl.fit(x, y, sigma=sigma)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(x))
        again = bnsl.fit(x[order], y[order], sigma=sigma[order] if weighted else None)
        assert again.to_json() == once.to_json()


def test_same_call_twice_has_the_same_bits(fitted):
    assert bnsl.fit(*noisy()).to_json() == fitted.to_json()


def test_the_callers_jax_configuration_is_left_alone():
    assert not jax.config.jax_enable_x64
    result = bnsl.fit(*noisy())
    result.interval(result.curve.x)
    result.slope(result.curve.x)
    assert not jax.config.jax_enable_x64
    assert jnp.asarray(1.0).dtype == jnp.float32


def test_the_callers_arrays_are_left_alone():
    x, y = (values[::-1].copy() for values in noisy())
    before = x.copy(), y.copy()
    result = bnsl.fit(x, y)
    np.testing.assert_array_equal((x, y), before)
    x[:] = 1.0
    assert result.curve.x.max() == 1e6


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixed", [{"a": 0.0}, {"a": 0.1}, {"c0": 0.1}, {"d1": 1e3, "f1": 0.3}, {"b": 2.0}])
def test_fixed_parameters_stay_where_they_are(fixed):
    x, y = noisy()
    result = bnsl.fit(x, y, fixed=fixed)
    for name, value in fixed.items():  # d, f and b are kept as logarithms, to the last bit or two
        assert result.params[name] == (value if name in ("a", "c0") else pytest.approx(value, rel=1e-15))
    assert {name for name, error in result.stderr.items() if error == 0.0} == set(fixed)
    assert result.n_params == 6 - len(fixed)


def test_fixed_at_the_truth_the_rest_is_found():
    x, y = noisy(noise=0.0)
    for name in LAW:
        result = bnsl.fit(x, y, fixed={name: LAW[name]})
        assert dict(result.params) == pytest.approx(LAW, rel=1e-7)


def test_a_fit_with_everything_fixed_is_the_law_itself():
    x, y = noisy()
    result = bnsl.fit(x, y, fixed=LAW)
    assert dict(result.params) == pytest.approx(LAW, rel=1e-15)
    np.testing.assert_allclose(result.predict(x), bnsl.BNSL(1).evaluate(LAW, x), rtol=1e-14)


@pytest.mark.parametrize(
    ("bounds", "name", "value"),
    [
        ({"a": (0.35, None)}, "a", 0.35),
        ({"c0": (None, 0.05)}, "c0", 0.05),
        ({"d1": (2e3, 1e4)}, "d1", 2e3),
        ({"b": (3.0, None)}, "b", 3.0),
    ],
)
def test_bounds_hold_and_are_reported_where_they_bind(bounds, name, value):
    x, y = noisy()
    result = bnsl.fit(x, y, bounds=bounds)
    assert result.params[name] == pytest.approx(value, rel=1e-9)
    assert "parameter_at_bound" in codes(result)
    assert any(name in warning.message for warning in result.warnings)


def test_bounds_that_do_not_bind_change_nothing(fitted):
    result = bnsl.fit(*noisy(), bounds={"a": (0, 10), "d1": (1.0, 1e6), "c0": (-5, 5)})
    np.testing.assert_allclose(result.predict(fitted.curve.x), fitted.fitted, rtol=1e-8)


@pytest.mark.parametrize("robust", ["huber", "soft_l1"])
def test_one_huge_outlier_barely_moves_a_robust_fit(robust):
    x, y = noisy()
    clean = bnsl.fit(x, y).predict(x)
    y[20] *= 100.0
    assert np.abs(bnsl.fit(x, y).predict(x) / clean - 1).max() > 0.2
    result = bnsl.fit(x, y, robust=robust)
    assert np.abs(result.predict(x) / clean - 1).max() < 0.01
    assert result.robust == robust
    assert 0.005 < result.robust_scale < 0.05


def test_a_robust_scale_beyond_all_residuals_is_least_squares(fitted):
    result = bnsl.fit(*noisy(), robust="huber", robust_scale=1.0)
    np.testing.assert_allclose(result.predict(fitted.curve.x), fitted.fitted, rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_scales_are_in_the_users_units(weighted):
    """With the linear loss residuals and scales carry the unit of y, or of sigma where that is given."""
    x, y = noisy()
    for t in (1.0, 1e3):
        sigma = np.full_like(y, 0.01 * t) if weighted else None
        plain = bnsl.fit(x, t * y, loss="linear", sigma=sigma)
        rms = np.sqrt(np.sum(plain.residuals**2) / (len(x) - 6))
        assert plain.residual_scale == pytest.approx(rms / (0.01 * t if weighted else 1.0), rel=1e-9)
        found = bnsl.fit(x, t * y, loss="linear", sigma=sigma, robust="huber")
        given = bnsl.fit(
            x, t * y, loss="linear", sigma=sigma, robust="huber", robust_scale=found.robust_scale
        )
        assert given.robust_scale == pytest.approx(found.robust_scale, rel=1e-12)
        np.testing.assert_allclose(given.predict(x), found.predict(x), rtol=1e-6)
        assert 0.1 < found.robust_scale / plain.residual_scale < 3.0


def test_a_rising_quantity_is_fitted_as_it_is():
    x = np.geomspace(1, 1e6, 30)
    law = {"a": 0.9, "b": -0.5, "c0": 0.05, "c1": 0.4, "d1": 1e3, "f1": 0.3}
    y = bnsl.BNSL(1, rising=True).evaluate(law, x)
    result = bnsl.fit(x, y)
    assert dict(result.params) == pytest.approx(law, rel=1e-6)
    assert bnsl.fit(x, y, bounds={"b": (None, 0)}).params["b"] < 0
    assert bnsl.fit(x, y, bounds={"b": (0, None)}).params["b"] > 0
    assert bnsl.fit(x, y, fixed={"b": -0.5}).params["b"] == -0.5


def test_a_quantity_that_goes_below_zero_is_fitted_with_the_linear_loss():
    x = np.geomspace(1, 1e4, 30)
    y = 3.0 * x**-0.3 - 1.0
    assert y.min() < 0
    result = bnsl.fit(x, y, n_breaks=0, loss="linear")
    assert dict(result.params) == pytest.approx({"a": -1.0, "b": 3.0, "c0": 0.3}, rel=1e-7)
    assert np.isnan(result.rmsle)


def test_log1p_takes_a_zero():
    x = np.geomspace(1, 1e4, 30)
    y = np.maximum(3.0 * x**-0.8 - 0.002, 0.0)
    result = bnsl.fit(x, y, loss="log1p")
    assert np.isfinite(result.predict(x)).all()
    assert np.abs(result.predict(x) - y).max() < 0.05


# --- awkward curves -------------------------------------------------------------------------------


def assert_sane(result):
    assert np.isfinite(result.predict(result.curve.x)).all()
    assert isinstance(result.status, bnsl.Status)
    result.summary()


@pytest.mark.parametrize("form", ["bnsl", "m1", "m2", "m3", "m4"])
def test_constant_y(form):
    x = np.geomspace(1, 1e4, 14)
    result = bnsl.fit(x, np.full(14, 0.7), form=form)
    assert_sane(result)
    np.testing.assert_allclose(result.predict(x), 0.7, rtol=1e-6)
    assert "constant_y" in codes(result)


def test_all_x_equal_but_two():
    x = np.array([5.0] * 12 + [6.0, 50.0])
    y = np.array([*np.linspace(0.9, 1.1, 12), 0.9, 0.5])
    result = bnsl.fit(x, y, n_breaks=1)
    assert_sane(result)
    np.testing.assert_allclose(result.predict([6.0, 50.0]), [0.9, 0.5], rtol=1e-6)
    assert result.status is bnsl.Status.UNDERDETERMINED


def test_three_points_with_three_breaks():
    result = bnsl.fit([1.0, 2.0, 4.0], [1.0, 0.9, 0.5], n_breaks=3)
    assert_sane(result)
    assert result.status is bnsl.Status.UNDERDETERMINED
    assert "more_parameters_than_points" in codes(result)
    assert all(np.isnan(error) for error in result.stderr.values())
    assert np.isnan(result.interval(2.0)).all()


def test_a_million_points():
    count = 10**6
    x = np.linspace(1, 1e6, count)
    y = bnsl.BNSL(1).evaluate(LAW, x) * np.exp(0.01 * np.random.default_rng(0).standard_normal(count))
    result = bnsl.fit(x, y)
    assert_sane(result)
    assert result.residual_scale == pytest.approx(0.01, rel=5e-3)
    assert np.abs(result.predict(x[::1000]) / bnsl.BNSL(1).evaluate(LAW, x[::1000]) - 1).max() < 1e-3


# --- warnings -------------------------------------------------------------------------------------


def test_a_good_fit_has_no_warnings(fitted):
    assert fitted.warnings == ()
    assert fitted.status is bnsl.Status.CONVERGED


def test_no_degrees_of_freedom():
    x, y = noisy(count=6)
    result = bnsl.fit(x, y, n_breaks=1)
    assert "no_degrees_of_freedom" in codes(result)
    assert np.isnan(result.residual_scale)
    assert all(np.isnan(error) for error in result.stderr.values())


@pytest.mark.parametrize(("position", "text"), [(1e7, "beyond the last"), (0.1, "before the first")])
def test_break_outside_the_data(position, text):
    result = bnsl.fit(*noisy(), fixed={"d1": position})
    assert "break_outside_data" in codes(result)
    assert text in dict(result.warnings)["break_outside_data"]
    assert not result.breaks["inside_data"].any()


def test_of_a_break_that_is_not_there_nothing_is_known():
    x = np.geomspace(1, 1e4, 30)
    result = bnsl.fit(x, 3.0 * x**-0.3, n_breaks=1)
    assert codes(result) & {"nearly_singular", "break_undetermined"}  # where it ends is up to rounding
    assert not result.stderr["d1"] < 10 * result.params["d1"]  # NaN, or as good as


def test_starts_disagree_about_two_breaks_that_one_must_stand_for():
    law = {"a": 0.0, "b": 1.0, "c0": 0.6, "c1": -0.3, "d1": 1e2, "f1": 0.1}
    law |= {"c2": 0.35, "d2": 1e4, "f2": 0.1}
    x = np.geomspace(1, 1e6, 30)
    y = bnsl.BNSL(2).evaluate(law, x)
    assert "starts_disagree" in codes(bnsl.fit(x, y, n_breaks=1))
    assert "starts_disagree" not in codes(bnsl.fit(x, y, n_breaks=2))


def test_prediction_far_beyond_the_data_warns(fitted):
    high, low = fitted.curve.x.max(), fitted.curve.x.min()
    fitted.predict([9 * high, low / 9])
    for far in (11 * high, low / 11):
        with pytest.warns(bnsl.ExtrapolationWarning, match="beyond 10 times the fitted range"):
            fitted.predict(far)
        with pytest.warns(bnsl.ExtrapolationWarning):
            fitted.interval(far)


def test_a_break_that_least_squares_puts_outside_stays_where_the_evidence_sees_it():
    curve = bnsl.load_dataset("digits_learning_curve")
    result = bnsl.fit(curve)
    assert result.breaks["inside_data"].all()
    assert result.rmsle < 1.2 * bnsl.fit(curve, n_breaks=2).rmsle
    note = next(note for note in result.warnings if note.code == "break_kept_inside")
    assert "outside the data, but the evidence is for one inside: it is fixed at 12.33" in note.message
    assert set(result.fixed) == {"d1", "d2"}


def test_few_points_keep_a_likely_break_among_them():
    x = np.array([40.0, 100, 160, 220, 290, 360, 430])
    y = np.array([0.611, 0.398, 0.294, 0.236, 0.19, 0.149, 0.107])
    result = bnsl.fit(x, y)
    if result.n_breaks:
        assert result.breaks["inside_data"].all()
    many = bnsl.fit_many({"x": x, "y": y, "k": ["a"] * 7}, "x", "y", "k").iloc[0]
    assert many["n_breaks"] == result.n_breaks
    assert many["a"] == pytest.approx(result.params["a"], rel=1e-6)


def test_a_parameter_of_another_form_is_pointed_to():
    with pytest.raises(
        bnsl.InputError, match=r"form 'bnsl' has no parameter 'e'; .*; 'e' is one of form='m2' and form='m3'"
    ):
        bnsl.fit([1, 2, 4, 8], [4, 3, 2.5, 2.3], fixed={"e": 2})
