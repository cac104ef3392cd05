"""Gains, over-training and speedups against closed forms."""

import numpy as np
import pytest
from chinchilla import CHINCHILLA, LAW, best_params, fitted, runs

import bnsl

TIED = fitted(runs({"E": 1.4, "A": 90.0, "B": 260.0, "alpha": 0.28, "beta": 0.28}, seed=3), "chinchilla_tied")


def test_gain_is_the_loss_before_less_the_loss_after():
    """For every draw, at the run of most compute unless another is named."""
    table = CHINCHILLA.gain(tokens=[3, 10], draws=200, level=0.9, seed=4)
    theta = CHINCHILLA.posterior(200, 4)[0][1]
    for theta_row, name in ((CHINCHILLA.theta[None], "gain"), (theta, "gain_high")):
        fall = np.exp(theta_row[:, 2]) * 2e11 ** -theta_row[:, 4] * (1 - 10 ** -theta_row[:, 4])
        assert table[name][1] == pytest.approx(np.quantile(fall, 0.95), rel=1e-9)
    assert table["tokens"].tolist() == pytest.approx([6e11, 2e12])
    here = CHINCHILLA.gain({"params": 2}, at={"params": 1e8, "tokens": 2e9}, draws=0).iloc[0]
    assert here["loss_before"] == pytest.approx(float(CHINCHILLA.predict([1e8, 2e9])))
    assert here["loss"] == pytest.approx(float(CHINCHILLA.predict([2e8, 2e9])))


def test_overtraining_of_a_tied_law_has_a_closed_form():
    """With one exponent, loss at M times the best ratio is that of compute smaller by a known factor.

    At N = N*/s, D = D* s, the part above E is cosh(alpha log s) times that of the optimum, which falls with
    C^(-alpha/2).
    """
    compute, s = 3e20, 4.0
    best = TIED.allocate(compute, draws=0)["params"][0]
    row = TIED.overtraining(params=best / s, compute=compute, draws=0).iloc[0]
    alpha, limit = TIED.params["alpha"], TIED.params["E"]
    worse = np.cosh(alpha * np.log(s))
    assert (row["loss"] - limit) / (row["loss_best"] - limit) == pytest.approx(worse, rel=1e-5)
    assert row["extra_compute"] == pytest.approx(worse ** (2 / alpha), rel=1e-4)
    assert row["tokens_per_param"] == pytest.approx(s**2 * row["tokens_per_param_best"], rel=1e-4)


def test_overtraining_by_both_inputs_and_at_the_optimum():
    """Compute follows from the inputs; the optimum itself costs nothing extra."""
    best = best_params(CHINCHILLA.theta, 1e21)
    row = CHINCHILLA.overtraining(params=best, tokens=1e21 / 6 / best, draws=100).iloc[0]
    assert row["compute"] == pytest.approx(1e21)
    assert row["extra"] == pytest.approx(0.0, abs=1e-9)
    assert row["extra_compute"] == pytest.approx(1.0, abs=1e-5)
    assert row["extra_compute_low"] >= 1.0


def test_a_very_bad_run_is_far_from_the_optimum():
    """A thousand times the compute and more for the loss."""
    row = CHINCHILLA.overtraining(params=2e5, tokens=1e12, draws=0).iloc[0]
    assert row["compute_best"] < row["compute"] / 1e3
    with pytest.warns(bnsl.ExtrapolationWarning):
        best = CHINCHILLA.allocate(row["compute_best"], draws=0)
    assert best["loss"][0] == pytest.approx(row["loss"], rel=1e-4)


def test_contours_are_predictions():
    """On a grid named by the inputs."""
    grid = CHINCHILLA.contours(points=5)
    assert (grid.index.name, grid.columns.name) == ("params", "tokens")
    for n in grid.index[1:4]:
        for d in grid.columns[1:4]:
            assert grid.loc[n, d] == pytest.approx(float(CHINCHILLA.predict([n, d])))


def power_law(scale: float, seed: int) -> bnsl.FitResult:
    """A power law and a limit over compute."""
    x, rng = np.geomspace(1e18, 1e22, 25), np.random.default_rng(seed)
    y = (1.8 + scale * (x / 1e20) ** -0.12) * np.exp(0.002 * rng.standard_normal(25))
    return bnsl.fit(x, y, form="m2")


def test_speedup_of_power_laws_has_a_closed_form():
    """((L_a - L_inf) / (L_b - L_inf))^(1 / alpha) of the baseline; its interval holds the truth."""
    a, b = power_law(1.0, 1), power_law(0.9, 2)
    row = bnsl.effective_speedup(a, b, at=3e21).iloc[0]
    limit, alpha = a.params["e"], a.params["c"]
    l_a, l_b = (float(law.predict(3e21)) for law in (a, b))
    assert row["speedup"] == pytest.approx(((l_a - limit) / (l_b - limit)) ** (1 / alpha), rel=2e-4)
    assert row["speedup_low"] < 0.9 ** (-1 / 0.12) < row["speedup_high"]
    measured = bnsl.effective_speedup(a, l_b, at=3e21, draws=0).iloc[0]
    assert measured["speedup"] == pytest.approx(row["speedup"], rel=1e-9)


def test_speedup_of_laws_of_several_inputs_is_that_of_their_optima():
    """A better recipe: both coefficients 7 % smaller, which is some factor of compute."""
    better = fitted(runs(LAW | {"A": LAW["A"] * 0.93, "B": LAW["B"] * 0.93}, 0.001, seed=8))
    base = fitted(runs(LAW, 0.001, seed=9))
    row = bnsl.effective_speedup(base, better, at=1e21, draws=100).iloc[0]
    reached = base.allocate(1e21 * row["speedup"], draws=0)["loss"][0]
    assert reached == pytest.approx(better.allocate(1e21, draws=0)["loss"][0], rel=1e-6)
    eta = LAW["alpha"] * LAW["beta"] / (LAW["alpha"] + LAW["beta"])
    assert row["speedup_low"] < 0.93 ** (-1 / eta) < row["speedup_high"]


def test_what_is_never_reached_is_infinite_and_told():
    """A loss below the limit of the baseline."""
    table = bnsl.effective_speedup(power_law(1.0, 1), 1.5, at=1e21, draws=0)
    assert np.isinf(table["speedup"][0])
    assert table.attrs["warnings"][0].code == "not_reached"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CHINCHILLA.gain(), "needs a factor of an input, such as tokens=10"),
        (lambda: CHINCHILLA.gain(token=10), "'token' is no input.*Did you mean 'tokens'"),
        (lambda: CHINCHILLA.gain(tokens=-1), "not positive"),
        (lambda: CHINCHILLA.overtraining(params=8e9), "give compute and one of params and tokens"),
        (lambda: CHINCHILLA.overtraining(param=8e9, compute=1e21), "'param' is no input"),
        (
            lambda: CHINCHILLA.overtraining(params=[1e9, 2e9], compute=[1e21, 1e20, 1e22]),
            "must have one length",
        ),
        (lambda: bnsl.effective_speedup("a", 2.0), "must be what bnsl.fit"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """What is wrong, by name."""
    with pytest.raises(bnsl.InputError, match=message):
        call()
