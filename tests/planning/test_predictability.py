"""Fisher information against simulation, finite differences and limits known otherwise."""

import numpy as np
import pytest
from samples import LAW, noisy
from scipy.special import stdtrit

import bnsl
from bnsl.curves.datasets import NOISELESS_LAW
from bnsl.fitting.adequacy import PLACES, VISIBLE, WIDTHS, durbin_watson, missing_break
from bnsl.uncertainty.refit import refit, solved

X = np.geomspace(1.0, 1e6, 60)
NOISE = 0.01


@pytest.fixture(scope="module")
def known():
    return bnsl.predictability(LAW, X, NOISE)


def test_information_is_that_of_finite_differences(known):
    form = bnsl.BNSL(1)
    theta = form.from_params(LAW)
    step = 1e-6
    columns = [
        (np.log(form.evaluate(theta + e, X)) - np.log(form.evaluate(theta - e, X))) / (2 * step)
        for e in step * np.eye(6)
    ]
    jacobian = np.stack(columns, axis=1)
    covariance = NOISE**2 * np.linalg.inv(jacobian.T @ jacobian)
    ours = known.covariance_root @ known.covariance_root.T
    assert ours == pytest.approx(covariance, rel=1e-4)
    assert known.stderr["d1"] == pytest.approx(LAW["d1"] * np.sqrt(covariance[4, 4]), rel=1e-4)
    assert known.stderr["c0"] == pytest.approx(np.sqrt(covariance[2, 2]), rel=1e-4)


def test_it_is_the_scatter_of_fits(known):
    """Refits of 2,000 simulated curves scatter as the information says."""
    result = bnsl.fit(X, bnsl.BNSL(1).evaluate(LAW, X), n_breaks=1)
    rng = np.random.default_rng(0)
    ready = solved(result)
    extra = len(ready.problem.y) - len(X)
    y = ready.problem.y[: len(X)] * np.exp(NOISE * rng.standard_normal((2000, len(X))))
    theta, _, converged = refit(
        ready, np.tile(ready.theta, (2000, 1)), y=np.pad(y, ((0, 0), (0, extra)), constant_values=1.0)
    )
    assert converged.mean() > 0.99
    laws = ready.outward(theta)
    scatter = laws.std(axis=0)
    expected = np.linalg.norm(known.covariance_root, axis=1)
    assert scatter == pytest.approx(expected, rel=0.08)  # 1.6 % is the standard error; the law bends a little
    target = np.array([2e6, 1e7])
    spread = np.log(result.form.evaluate(laws, target)).std(axis=0)
    assert spread == pytest.approx(known.prediction_sd(target), rel=0.08)


def test_units_do_not_matter(known):
    law = bnsl.BNSL(1).rescale(bnsl.BNSL(1).from_params(LAW), np.log(1e9), np.log(1e-5))
    other = bnsl.predictability(bnsl.BNSL(1).to_params(law), X * 1e9, NOISE)
    assert other.prediction_sd([1e16]) == pytest.approx(known.prediction_sd([1e7]), rel=1e-6)
    assert other.breaks["signal"].iloc[0] == pytest.approx(known.breaks["signal"].iloc[0], rel=1e-6)
    assert other.stderr["d1"] == pytest.approx(1e9 * known.stderr["d1"], rel=1e-6)


def test_errors_grow_with_the_noise(known):
    double = bnsl.predictability(LAW, X, 2 * NOISE)
    assert double.stderr["a"] == pytest.approx(2 * known.stderr["a"])
    assert double.breaks["signal"].iloc[0] == pytest.approx(known.breaks["signal"].iloc[0] / 2)
    even = bnsl.predictability(LAW, X, np.full(len(X), NOISE))
    assert even.stderr["a"] == pytest.approx(known.stderr["a"])


def test_the_signal_is_the_noncentrality_without_the_break():
    """A weak break: the best law without it is off by the signal, in standard deviations."""
    law = LAW | {"c1": 0.002}
    y = bnsl.BNSL(1).evaluate(law, X)
    without = bnsl.fit(X, y, n_breaks=0)
    off = np.sqrt(np.sum(without.residuals**2)) / NOISE
    signal = bnsl.predictability(law, X, NOISE).breaks["signal"].iloc[0]
    assert signal == pytest.approx(off, rel=0.05)


def test_what_no_noise_level_determines_is_infinite_and_named():
    two = bnsl.predictability(LAW, [1.0, 10.0, 100.0], 1e-9)
    assert {"c1", "d1", "f1"} <= set(two.undetermined)
    assert all(np.isinf(two.stderr[name]) for name in two.undetermined)
    flat = bnsl.predictability(LAW | {"c1": 0.0}, X, NOISE)
    assert {"d1", "f1"} <= set(flat.undetermined)
    assert "a" not in flat.undetermined
    row = flat.breaks.iloc[0]
    assert row["signal"] == 0
    assert not row["visible"]
    assert np.isinf(row["position_factor"])


def test_of_a_fit_it_is_its_covariance(fitted):
    ours = bnsl.predictability(fitted)
    for name, error in fitted.stderr.items():
        assert ours.stderr[name] == pytest.approx(error, rel=1e-6)
    spread = np.sqrt(ours.prediction_sd([2e6]) ** 2 + fitted.residual_scale**2)
    low, high = fitted.interval([2e6], 0.9)
    half = stdtrit(len(fitted.curve) - fitted.n_params, 0.95) * spread
    assert 0.5 * np.log(high / low) == pytest.approx(half, rel=1e-6)


def test_held_parameters_are_known():
    free = bnsl.predictability(LAW, X, NOISE)
    held = bnsl.predictability(LAW, X, NOISE, fixed=("a",))
    assert held.stderr["a"] == 0
    assert held.stderr["c1"] < free.stderr["c1"]


def test_the_linear_loss_takes_noise_of_y():
    x = np.geomspace(1, 100, 20)
    ours = bnsl.predictability({"b": 2.0, "c": 0.5}, x, 1e-3, form="m1", loss="linear")
    columns = np.stack([2.0 * x**-0.5, -2.0 * x**-0.5 * np.log(x)], axis=1)  # by log b or b, and c
    inverse = 1e-6 * np.linalg.inv(columns.T @ columns)
    assert ours.stderr["c"] == pytest.approx(np.sqrt(inverse[1, 1]), rel=1e-6)
    at = np.array([2.0 * 1000**-0.5, -2.0 * 1000**-0.5 * np.log(1000)])
    assert ours.prediction_sd([1000.0]) == pytest.approx(np.sqrt(at @ inverse @ at), rel=1e-6)


def test_it_reads_well(known):
    assert "d1" in known.summary()
    assert "signal" in known.summary()
    assert "60 points" in repr(known)
    assert "<table" in known._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (({"a": 1.0}, X, 0.1), "needs b"),
        ((LAW, -X, 0.1), "x"),
        ((LAW, X, 0.0), "noise"),
        ((LAW, X, [0.1, 0.2]), "noise has 2"),
        ((LAW, X), "noise is missing"),
        ((3, X, 0.1), "law = 3"),
    ],
)
def test_bad_input(arguments, match):
    with pytest.raises(bnsl.InputError, match=match):
        bnsl.predictability(*arguments)
    with pytest.raises(bnsl.InputError, match="no parameter 'q'"):
        bnsl.predictability(LAW, X, 0.1, fixed=("q",))


# --- the horizon ----------------------------------------------------------------------------------

POINTS = np.arange(1.0, 1001.0)
STOPS = np.array([300.0, 400.0, 500.0, 600.0])


def test_theory_and_simulation_agree_over_many_decades():
    """The noiseless 4-digit addition: theory and fits, where the error is small enough to be linear."""
    for noise in (1e-12, 1e-6):
        theory = bnsl.horizon(dict(NOISELESS_LAW), POINTS, noise, stops=STOPS)
        errors = bnsl.simulated_horizon(dict(NOISELESS_LAW), POINTS, noise, STOPS, replicates=40)
        small = theory.prediction_sd < 0.1
        assert small.sum() >= 2
        ratio = errors[small] / theory.prediction_sd[small]
        assert np.all((ratio > 0.75) & (ratio < 1.3))  # 40 draws of about one degree of freedom: 11 %


def test_a_coming_break_becomes_visible_and_then_known():
    seen = bnsl.horizon(dict(NOISELESS_LAW), POINTS, 1e-6)
    assert list(seen.table.columns) == ["points", "prediction_sd", "signal_1", "position_factor_1"]
    visible, known = seen.visible_from(), seen.known_from(0.01)
    assert 250 < visible < known < NOISELESS_LAW["d1"]
    at = seen.table.loc[visible, "signal_1"]
    assert at >= VISIBLE > seen.table.loc[visible - 1, "signal_1"]
    less = bnsl.horizon(dict(NOISELESS_LAW), POINTS, 1e-9, stops=STOPS)
    assert less.prediction_sd == pytest.approx(
        1e-3 * bnsl.horizon(dict(NOISELESS_LAW), POINTS, 1e-6, stops=STOPS).prediction_sd, rel=1e-4
    )


def test_a_break_that_never_shows_is_nan():
    early = bnsl.horizon(LAW | {"d1": 1e9}, X, 0.01, stops=[1e4, 1e5])
    assert np.isnan(early.visible_from())
    with pytest.raises(bnsl.InputError, match="1 break"):
        early.visible_from(2)


def test_bad_stops():
    with pytest.raises(bnsl.InputError, match="nothing to predict"):
        bnsl.horizon(LAW, X, 0.01, stops=[1e6])
    with pytest.raises(bnsl.InputError, match="leaves no point"):
        bnsl.simulated_horizon(LAW, X, 0.01, [0.5])
    with pytest.raises(bnsl.InputError, match="needs more than 6"):
        bnsl.horizon(LAW, X[:5], 0.01)


# --- what fit says --------------------------------------------------------------------------------


def codes(result):
    return [warning.code for warning in result.warnings]


def test_fit_says_that_a_break_beyond_the_data_is_not_determined():
    x, y = noisy(count=40, low=1.0, high=200.0)  # the break of the law is at 1000
    result = bnsl.fit(x, y, n_breaks=1)
    assert "break_undetermined" in codes(result)
    late = bnsl.fit(x, y, n_breaks=1, bounds={"d1": (300.0, None)})
    message = dict(late.warnings)["break_undetermined"]
    assert message == "break 1 lies beyond your data, which do not determine it"


def test_a_break_beyond_noiseless_data_is_determined_by_its_trace():
    x = np.arange(1.0, 451.0)
    result = bnsl.fit(x, bnsl.BNSL(1).evaluate(dict(NOISELESS_LAW), x), n_breaks=1)
    assert "break_outside_data" in codes(result)
    assert "break_undetermined" not in codes(result)


def test_breaks_that_show_raise_no_warning():
    flagged = [codes(bnsl.fit(*noisy(seed=seed, count=50), n_breaks=1)) for seed in range(20)]
    assert not any("break_undetermined" in some for some in flagged)
    assert not any({"correlated_residuals", "break_missing"} & set(some) for some in flagged)


def test_a_break_that_chases_noise_is_named():
    x = np.geomspace(1, 1e4, 40)
    hits = 0
    for seed in range(10):
        y = (0.3 + x**-0.4) * np.exp(0.01 * np.random.default_rng(seed).standard_normal(40))
        hits += "break_undetermined" in codes(bnsl.fit(x, y, n_breaks=1))
    assert hits >= 9


def test_a_missing_break_shows_in_the_residuals():
    law = LAW | {"c1": 0.5, "d1": 1e2, "c2": -0.4, "d2": 1e4, "f2": 0.3}
    x = np.geomspace(1, 1e6, 60)
    y = bnsl.BNSL(2).evaluate(law, x) * np.exp(0.003 * np.random.default_rng(0).standard_normal(60))
    fewer, enough = codes(bnsl.fit(x, y, n_breaks=0)), codes(bnsl.fit(x, y, n_breaks=2))
    assert {"correlated_residuals", "break_missing"} <= set(fewer)
    assert not {"correlated_residuals", "break_missing"} & set(enough)


def test_the_score_of_a_break_is_that_of_regression():
    """One trial break beside a law that is linear: Student's t of least squares."""
    log_x = np.linspace(-5, 0, 40)
    rng = np.random.default_rng(3)
    jacobian = np.stack([np.zeros(40), np.ones(40), -log_x], axis=1)
    free = np.array([False, True, True])
    y = 0.3 * np.logaddexp(0, (log_x + 2.0) / 0.3) + rng.normal(size=40) * 0.05
    residual = y - jacobian[:, 1:] @ np.linalg.lstsq(jacobian[:, 1:], y, rcond=None)[0]
    size = missing_break(log_x, residual, jacobian, 1, free)
    best = 0.0
    for width in 5.0 * np.array(WIDTHS):
        for middle in np.linspace(-5, 0, PLACES + 2)[1:-1]:
            full = np.column_stack([jacobian[:, 1:], width * np.logaddexp(0, (log_x - middle) / width)])
            beta, rss, *_ = np.linalg.lstsq(full, y, rcond=None)
            t = abs(beta[2]) / np.sqrt(rss[0] / 37 * np.linalg.inv(full.T @ full)[2, 2])
            best = max(best, t)
    assert size == pytest.approx(best, rel=1e-6)


def test_moments_of_the_residuals_correlation_are_exact():
    """The warning compares with mean and spread of the Durbin-Watson statistic: here by brute force."""
    rng = np.random.default_rng(2)
    columns = rng.normal(size=(25, 4)) * [1.0, 1e3, 1e-5, 1.0]
    residual = rng.normal(size=25)
    basis = np.linalg.qr(columns)[0]
    maker = np.eye(25) - basis @ basis.T
    step = np.diff(np.eye(25), axis=0)
    product = maker @ step.T @ step
    mean = np.trace(product) / 21
    spread = np.sqrt(2 * (np.trace(product @ product) - 21 * mean**2) / (21 * 23))
    statistic = np.sum(np.diff(residual) ** 2) / np.sum(residual**2)
    assert durbin_watson(residual, columns) == pytest.approx((statistic - mean) / spread, rel=1e-9)


def test_inputs_of_one_unit_keep_it():
    """The errors that a bilinear law would have are those of its fit to as noisy data."""
    rng = np.random.default_rng(6)
    x = np.exp(rng.uniform([17.0, 21.0], [23.0, 27.0], (80, 2)))
    law = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.4, "gamma": -0.002}
    y = bnsl.get_form("bilinear").evaluate(law, x) * np.exp(0.002 * rng.standard_normal(80))
    result = bnsl.fit(x, y, form="bilinear")
    expected = bnsl.predictability(result).stderr
    assert expected["gamma"] == pytest.approx(result.stderr["gamma"], rel=1e-3)
    assert expected["E"] == pytest.approx(result.stderr["E"], rel=1e-3)
