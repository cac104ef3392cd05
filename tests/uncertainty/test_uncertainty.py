"""Parameter intervals, sandwich errors, bootstrap and profiles: against theory, each other and coverage."""

import numpy as np
import pytest
from samples import ADDITION, LAW, noisy
from scipy import stats

import bnsl
from bnsl.uncertainty.bootstrap import KINDS


@pytest.fixture(scope="module")
def good():
    """A fit that determines everything: 60 points, noise of 1 %."""
    return bnsl.fit(*noisy(count=60), n_breaks=1)


@pytest.fixture(scope="module")
def hard():
    """The addition curve up to x = 640: the break is about to come, and the limit is anywhere."""
    return bnsl.fit(ADDITION.x[:12], ADDITION.y[:12], n_breaks=1)


def line(seed=0, count=40, uneven=False):
    """A power law, linear in log b and c, with noise that may grow along x."""
    x = np.geomspace(1, 1e4, count)
    spread = 0.02 * (np.linspace(0.1, 2.0, count) if uneven else np.ones(count))
    return x, 3.0 * x**-0.3 * np.exp(spread * np.random.default_rng(seed).standard_normal(count))


def regression(x, y):
    columns = np.stack([np.ones_like(x), -np.log(x)], axis=1)
    beta, rss, *_ = np.linalg.lstsq(columns, np.log(y), rcond=None)
    return columns, beta, float(rss[0])


# --- first order ----------------------------------------------------------------------------------


def test_intervals_of_a_linear_law_are_those_of_regression():
    x, y = line()
    result = bnsl.fit(x, y, form="m1")
    columns, beta, rss = regression(x, y)
    error = np.sqrt(rss / 38 * np.diag(np.linalg.inv(columns.T @ columns)))
    half = stats.t.ppf(0.95, 38) * error
    ours = result.param_interval(0.9)
    assert ours["c"] == pytest.approx((beta[1] - half[1], beta[1] + half[1]))
    assert ours["b"] == pytest.approx(tuple(np.exp([beta[0] - half[0], beta[0] + half[0]])))


def test_sandwich_is_hc3():
    x, y = line(uneven=True)
    result = bnsl.fit(x, y, form="m1")
    columns, beta, _ = regression(x, y)
    bread = np.linalg.inv(columns.T @ columns)
    leverage = np.sum(columns @ bread * columns, axis=1)
    scaled = (np.log(y) - columns @ beta) / (1 - leverage)
    covariance = bread @ (columns.T * scaled**2) @ columns @ bread
    assert result.robust_stderr["c"] == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-6)
    assert result.robust_stderr["b"] == pytest.approx(
        result.params["b"] * np.sqrt(covariance[0, 0]), rel=1e-6
    )
    low, high = result.param_interval(0.9, robust=True)["c"]
    assert high - low == pytest.approx(2 * stats.t.ppf(0.95, 38) * np.sqrt(covariance[1, 1]), rel=1e-6)


def test_sandwich_is_right_where_noise_is_uneven():
    """The scatter of 300 fits, against the mean of either standard error."""
    found = [bnsl.fit(*line(seed, uneven=True), form="m1") for seed in range(300)]
    scatter = np.std([result.params["c"] for result in found])
    robust = np.sqrt(np.mean([result.robust_stderr["c"] ** 2 for result in found]))
    plain = np.sqrt(np.mean([result.stderr["c"] ** 2 for result in found]))
    assert robust == pytest.approx(scatter, rel=0.15)
    assert abs(plain / scatter - 1) > abs(robust / scatter - 1)


def test_what_is_not_determined_has_no_end_and_a_warning_with_its_name():
    x = np.geomspace(1, 100, 5)
    result = bnsl.fit(x, 2 * x**-0.3, n_breaks=1)
    assert result.undetermined
    for name in result.undetermined:
        assert any(name in warning.message for warning in result.warnings)
        low, high = result.param_interval()[name]
        assert np.isnan(low) or low in (0.0, -np.inf)
        assert np.isnan(high) or high == np.inf
    assert np.isnan(result.robust_stderr["c1"])


def test_fixed_parameters_have_no_width(good):
    held = bnsl.fit(good.curve, n_breaks=1, fixed={"a": 0.3})
    assert held.param_interval()["a"] == (0.3, 0.3)
    assert held.robust_stderr["a"] == 0
    assert "a" not in bnsl.profile_intervals(held)
    assert np.ptp(bnsl.bootstrap(held, 50).params["a"]) == 0


def test_rising_laws_have_negative_b():
    x = np.geomspace(1, 1e4, 40)
    y = (0.9 - 0.6 * x**-0.3) * np.exp(0.002 * np.random.default_rng(0).standard_normal(40))
    result = bnsl.fit(x, y, n_breaks=0)
    for low, high in (
        result.param_interval()["b"],
        bnsl.profile_intervals(result)["b"],
        bnsl.bootstrap(result, 200).param_interval()["b"],
    ):
        assert low < result.params["b"] < high < 0
    shape = bnsl.profile(result, "b")
    assert np.all(np.diff(shape.values) > 0)
    assert np.all(np.diff(shape.root) > 0)


# --- bootstrap ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_bootstrap_is_the_covariance_where_all_is_well(good, kind):
    found = bnsl.bootstrap(good, 1000, kind=kind)
    assert len(found) == 1000
    assert found.converged.mean() > 0.99
    reference = good.robust_stderr if kind != "residual" else good.stderr
    tolerance = 0.12 if kind == "residual" else 0.3  # the others know no more than 60 residuals do
    for name in LAW:
        assert found.stderr[name] == pytest.approx(reference[name], rel=tolerance)
    low, high = found.interval([2e6], 0.9)
    ours = good.interval([2e6], 0.9)
    assert np.log(high / low) == pytest.approx(np.log(ours[1] / ours[0]), rel=0.2)


def test_bootstrap_repeats_and_does_not_touch_the_fit(good):
    first, second = bnsl.bootstrap(good, 40, seed=3), bnsl.bootstrap(good, 40, seed=3)
    assert np.array_equal(first.theta, second.theta)
    assert not np.array_equal(first.theta, bnsl.bootstrap(good, 40, seed=4).theta)
    assert first.sample([1e3, 1e4]).shape == (40, 2)
    assert first.sample(1e3, noise=False).shape == (40,)


def test_bootstrap_keeps_bounds_and_order():
    x, y = noisy(count=40)
    bounded = bnsl.fit(x, y, n_breaks=1, bounds={"d1": (900.0, 950.0)})
    inside = bnsl.bootstrap(bounded, 100).params["d1"]
    assert inside.between(900 * (1 - 1e-9), 950 * (1 + 1e-9)).all()
    assert bounded.param_interval()["d1"][0] > 0
    low, high = bnsl.profile_intervals(bounded, names=["d1"])["d1"]
    assert low * (1 + 1e-9) >= 900
    assert high <= 950 * (1 + 1e-9)
    law = LAW | {"c1": 0.5, "d1": 1e2, "c2": -0.4, "d2": 1e4, "f2": 0.3}
    y = bnsl.BNSL(2).evaluate(law, x) * np.exp(0.005 * np.random.default_rng(0).standard_normal(40))
    two = bnsl.bootstrap(bnsl.fit(x, y, n_breaks=2), 100).params
    assert (two["d1"] <= two["d2"]).all()


@pytest.mark.parametrize("loss", ["log1p", "linear"])
def test_other_losses(loss):
    x = np.geomspace(1, 1e4, 40)
    y = 0.5 + 2.0 * x**-0.4 + 0.01 * np.random.default_rng(0).standard_normal(40)
    result = bnsl.fit(x, y, n_breaks=0, loss=loss, sigma=0.01)
    exact, boot = bnsl.profile_intervals(result, 0.9), bnsl.bootstrap(result, 500).param_interval(0.9)
    for name, (low, high) in result.param_interval(0.9).items():
        assert np.diff(exact[name]) == pytest.approx(high - low, rel=0.1)
        assert np.diff(boot[name]) == pytest.approx(high - low, rel=0.25)
    ends, other = result.interval([2e4]), bnsl.prediction_interval(result, [2e4])
    assert np.ravel(other) == pytest.approx(np.ravel(ends), rel=0.01)


def test_robust_fits_have_a_bootstrap_and_no_profile():
    x, y = line()
    y[5] *= 2
    result = bnsl.fit(x, y, form="m1", robust="huber")
    assert bnsl.bootstrap(result, 300, kind="pairs").stderr["c"] == pytest.approx(
        result.robust_stderr["c"], rel=0.6
    )
    with pytest.raises(bnsl.InputError, match="robust"):
        bnsl.profile(result, "c")


# --- profiles -------------------------------------------------------------------------------------


def test_profiles_of_a_linear_law_are_parabolas():
    x, y = line()
    result = bnsl.fit(x, y, form="m1")
    for name in ("b", "c"):
        exact, ours = bnsl.profile_intervals(result)[name], result.param_interval()[name]
        assert exact == pytest.approx(ours, rel=1e-4)
    shape = bnsl.profile(result, "c")
    t = (shape.values - result.params["c"]) / result.stderr["c"]
    assert shape.root == pytest.approx(t, abs=1e-3)
    assert shape.deviance == pytest.approx(t**2, abs=1e-2)
    ends, exact = result.interval([0.5, 1e5]), bnsl.prediction_interval(result, [0.5, 1e5])
    assert np.ravel(exact) == pytest.approx(np.ravel(ends), rel=1e-4)


def test_a_profile_is_the_least_cost_with_the_parameter_held(good):
    shape = bnsl.profile(good, "d1", points=11)
    for value, root in zip(shape.values[[1, -2]], shape.root[[1, -2]], strict=True):
        held = bnsl.fit(good.curve, n_breaks=1, fixed={"d1": float(value)})
        rise = np.sum(held.residuals**2) - np.sum(good.residuals**2)
        assert root**2 == pytest.approx(rise / good.residual_scale**2, rel=1e-3)
    b = bnsl.profile(good, "b", points=11)
    held = bnsl.fit(good.curve, n_breaks=1, fixed={"b": float(b.values[1])})
    rise = np.sum(held.residuals**2) - np.sum(good.residuals**2)
    assert b.root[1] ** 2 == pytest.approx(rise / good.residual_scale**2, rel=1e-3)


def test_a_prediction_profile_is_that_of_the_data_with_one_point_more(good):
    low, high = bnsl.prediction_interval(good, 3e6, 0.9)
    again = bnsl.fit(np.append(good.curve.x, 3e6), np.append(good.curve.y, high), n_breaks=1)
    rise = np.sum(again.residuals**2) - np.sum(good.residuals**2)
    t = stats.t.ppf(0.95, len(good.curve) - 6)
    assert rise / good.residual_scale**2 == pytest.approx(t**2, rel=0.01)
    assert low < good.predict(3e6) < high


def test_profiles_know_what_the_covariance_does_not(hard):
    """The limit of a curve that is about to break: no less than 0, no more than the last point."""
    low, high = bnsl.profile_intervals(hard, names=["a"])["a"]
    assert low == 0
    assert ADDITION.y[11] * 0.7 < high < ADDITION.y[11]
    assert hard.param_interval()["a"][0] < -1
    shape = bnsl.profile(hard, "d1")
    assert shape.interval()[1] == np.inf
    assert any(code == "undetermined" and "d1" in text for code, text in shape.warnings)
    inside = bnsl.prediction_interval(hard, [1000.0, 2000.0])
    first_order = hard.interval([1000.0, 2000.0])
    assert np.all(inside[1] < 1.05 * ADDITION.y[11])
    assert np.all(first_order[1] > 1e3)
    assert np.all((inside[0] < ADDITION.y[-1]) & (ADDITION.y[-1] < inside[1]))


def test_intervals_cover():
    """90 % intervals of 90 curves of the model; binomial limits of one in a thousand."""
    names = ("a", "c0", "c1", "d1")
    target = np.array([2e6, 1e7])
    held = {"first": [], "profile": [], "new": [], "new, profile": []}
    for seed in range(90):
        x, y = noisy(seed=seed, count=40)
        result = bnsl.fit(x, y, n_breaks=1)
        exact, ours = bnsl.profile_intervals(result), result.param_interval()
        held["first"].append([ours[n][0] <= LAW[n] <= ours[n][1] for n in names])
        held["profile"].append([exact[n][0] <= LAW[n] <= exact[n][1] for n in names])
        rng = np.random.default_rng([1, seed])
        new = bnsl.BNSL(1).evaluate(LAW, target) * np.exp(0.01 * rng.standard_normal(2))
        for name, (low, high) in (
            ("new", result.interval(target)),
            ("new, profile", bnsl.prediction_interval(result, target)),
        ):
            held[name].append((low <= new) & (new <= high))
    limits = stats.binom.ppf([0.0005, 0.9995], 90, 0.9)
    for name, rows in held.items():
        counts = np.sum(rows, axis=0)
        assert np.all((limits[0] <= counts) & (counts <= limits[1])), (name, counts, limits)


# --- what cannot be done --------------------------------------------------------------------------


def test_bad_input(good):
    few = bnsl.fit(*(v[:6] for v in noisy()), n_breaks=1)
    for call in (bnsl.bootstrap, bnsl.profile_intervals, lambda r: bnsl.prediction_interval(r, [1.0])):
        with pytest.raises(bnsl.InputError, match="6 points leave no resid"):
            call(few)
        with pytest.raises(bnsl.InputError, match="must be a FitResult"):
            call("fit")
    with pytest.raises(bnsl.InputError, match="Did you mean 'd1'"):
        bnsl.profile(good, "d11")
    with pytest.raises(bnsl.InputError, match="kind = 'paired'"):
        bnsl.bootstrap(good, kind="paired")
    with pytest.raises(bnsl.InputError, match="replicates = 1"):
        bnsl.bootstrap(good, 1)
    held = bnsl.fit(good.curve, n_breaks=1, fixed={"a": 0.3})
    with pytest.raises(bnsl.InputError, match="was fixed"):
        bnsl.profile(held, "a")


def test_they_read_well(good, hard):
    found = bnsl.bootstrap(good, 50)
    assert "residual bootstrap" in found.summary()
    assert "low 90 %" in found.summary()
    assert "50 replicates" in repr(found)
    assert "<table" in found._repr_html_()
    assert "90 % from" in repr(bnsl.profile(hard, "d1", points=9))


def test_points_drawn_twice_cost_twice_under_a_robust_loss():
    rng = np.random.default_rng(12)
    x = np.exp(rng.uniform([16.0, 20.0], [24.0, 28.0], (60, 2)))
    law = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
    y = bnsl.get_form("chinchilla").evaluate(law, x) * np.exp(0.006 * rng.standard_t(4, 60))
    robust = {"form": "chinchilla", "robust": "huber", "robust_scale": 1e-3}
    result = bnsl.fit(x, y, **robust)
    theta = bnsl.bootstrap(result, 8, kind="pairs", seed=5).theta
    drawn = np.random.default_rng([5, 0]).integers(0, 60, (8, 60))
    for rows, found in zip(drawn, theta, strict=True):
        some, values = result.curve.x[rows], result.curve.y[rows]
        size = np.abs(result.form.log_y(found, np.log(some)) - np.log(values))
        cost = np.sum(np.where(size < 1e-3, 0.5 * size**2, 1e-3 * (size - 5e-4)))
        assert cost < 1.0005 * bnsl.fit(some, values, **robust).cost
