"""Where to put the compute: against closed forms, and what is said where there is no good answer."""

import warnings

import numpy as np
import pytest
from chinchilla import CHINCHILLA, LAW, best_params, fitted, runs

import bnsl
from bnsl._base.display import ExtrapolationWarning


@pytest.mark.parametrize("compute", [2e19, 7e21])
@pytest.mark.parametrize("factor", [6.0, 8.5])
def test_chinchilla_has_a_closed_form(compute: float, factor: float) -> None:
    """The law, every quantile of its draws, and the exponent."""
    row = CHINCHILLA.allocate(compute, bnsl.flops(factor), draws=300, level=0.9, seed=5).iloc[0]
    theta = CHINCHILLA.posterior(300, 5)[0][1]
    best = best_params(theta, compute, factor)
    assert row["params"] == pytest.approx(best_params(CHINCHILLA.theta, compute, factor), rel=1e-6)
    assert [row["params_low"], row["params_high"]] == pytest.approx(np.quantile(best, [0.05, 0.95]), rel=1e-5)
    assert row["params"] * row["tokens"] * factor == pytest.approx(compute, rel=1e-9)
    ratio = compute / factor / best**2
    assert row["tokens_per_param_high"] == pytest.approx(np.quantile(ratio, 0.95), rel=1e-5)
    exponents = theta[:, 4] / (theta[:, 3] + theta[:, 4])
    assert row["exponent_low"] == pytest.approx(np.quantile(exponents, 0.05), abs=1e-6)
    assert row["loss"] == pytest.approx(float(CHINCHILLA.predict([row["params"], row["tokens"]])), rel=1e-12)


def test_the_truth_is_inside_the_intervals_as_often_as_they_say() -> None:
    """Over 40 data sets, for a budget ten times beyond the data."""
    truth = best_params(CHINCHILLA.form.from_params(LAW), 4e22)
    inside = []
    for seed in range(40):
        row = fitted(runs(LAW, 0.01, seed + 100)).allocate(4e22, draws=400).iloc[0]
        inside.append(row["params_low"] <= truth <= row["params_high"])
    assert 25 <= sum(inside) <= 38  # 32 are expected, with a standard deviation of 2.5


def test_inference_makes_the_best_model_smaller() -> None:
    """N (6 D + 2 D_inf): at the optimum the slopes of loss and cost are in proportion."""
    cost = bnsl.lifetime_flops(3e12)
    row = CHINCHILLA.allocate(6e22, cost, draws=0).iloc[0]
    n, d = row["params"], row["tokens"]
    assert float(cost(n, d)) == pytest.approx(6e22, rel=1e-9)
    slopes = CHINCHILLA.slope([n, d])
    assert slopes[0] / slopes[1] == pytest.approx(1.0 + 2 * 3e12 / (6.0 * d), rel=1e-4)
    assert n < CHINCHILLA.allocate(6e22, draws=0)["params"][0]


@pytest.mark.parametrize("form", ["skaling", "kaplan", "bilinear"])
def test_no_point_of_the_budget_is_better(form: str) -> None:
    """For laws without a closed form, against a dense scan of the budget."""
    law = fitted(runs(LAW), form)
    row = law.allocate(1e21, draws=0).iloc[0]
    n = row["params"] * np.geomspace(0.02, 50.0, 4001)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        losses = law.predict(np.column_stack([n, 1e21 / 6 / n]))
    assert row["loss"] <= losses.min() * (1 + 1e-12)


def test_a_bound_is_kept_and_told() -> None:
    """Tokens that run out: the rest goes into parameters."""
    best = 1e20 / 6 / best_params(CHINCHILLA.theta, 1e20)
    table = CHINCHILLA.allocate([1e20, 1e22], bounds={"tokens": (None, 6e10)}, draws=50)
    assert table["tokens"].to_numpy() == pytest.approx([best, 6e10], rel=1e-6)
    assert table["params"][1] == pytest.approx(1e22 / 6 / 6e10, rel=1e-8)
    codes = {note.code: note.message for note in table.attrs["warnings"]}
    assert "compute = 1e+22" in codes["optimum_at_bounds"]
    assert np.isnan(table["exponent"][1])


def test_far_budgets_and_flat_optima_are_told() -> None:
    """By name, with the numbers; those not to be relied on are issued."""
    with pytest.warns(ExtrapolationWarning) as caught:
        table = CHINCHILLA.allocate([1e21, 1e26], draws=0)
    assert str(caught[0].message).startswith("budget_outside_data: compute = 1e+26")
    codes = [note.code for note in table.attrs["warnings"]]
    assert codes == ["budget_outside_data", "optimum_outside_data", "optimum_outside_data", "flat_optimum"]
    flat = table["params_flat_low"][1], table["params_flat_high"][1]
    for n in flat:
        loss = CHINCHILLA.form.evaluate(CHINCHILLA.theta, [n, 1e26 / 6 / n])
        assert loss == pytest.approx(1.01 * table["loss"][1], rel=1e-3)


def test_a_law_in_which_an_input_does_nothing_has_no_best_size() -> None:
    """Loss that hangs on tokens alone: the smallest model is the best, however small."""
    frame = runs(LAW | {"A": 1e-9}, 0.0)
    law = fitted(frame, fixed={"A": 1e-30, "alpha": 0.5})
    with pytest.warns(ExtrapolationWarning, match="no_optimum"):
        table = law.allocate(1e20, draws=0)
    assert np.isnan(table["exponent"][0])


def test_inputs_that_are_held() -> None:
    """Repeated data with few unique tokens: fewer tokens, and a larger model, than with many."""
    frame = runs(LAW).assign(unique=lambda t: np.minimum(t["tokens"], 3e10 * (1 + t.index % 3)))
    law = bnsl.fit(frame, inputs=["params", "tokens", "unique"], y="loss", form="data_constrained")
    few, many = (law.allocate(3e21, held={"unique": u}, draws=0).iloc[0] for u in (1e9, 1e12))
    assert few["loss"] > many["loss"]
    assert few["params"] * few["tokens"] == pytest.approx(5e20, rel=1e-9)
    with pytest.raises(bnsl.InputError, match=r"3 are left.*hold all others, held=\{'unique': \.\.\.\}"):
        law.allocate(3e21)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compute": -1e20}, r"compute\[0\] = -1e\+20 is not positive"),
        ({"compute": 1e20, "cost": lambda params, tokens: params / tokens}, "does not grow with tokens"),
        ({"compute": 1e20, "cost": lambda params: 6 * params}, "does not depend on tokens"),
        ({"compute": 1e20, "bounds": {"token": (1, 2)}}, "'token' is no input.*Did you mean 'tokens'"),
        ({"compute": 1e20, "bounds": {"tokens": (2e9, 1e9)}}, r"must be \(lower, higher\)"),
        ({"compute": 1e26, "bounds": {"tokens": (None, 1e9), "params": (None, 1e9)}}, "more than any run"),
        (
            {"compute": 1e20, "bounds": {"tokens": (1e14, None), "params": (1e9, None)}},
            "less than the smallest",
        ),
        ({"compute": 1e20, "level": 80}, "level"),
        ({"compute": 1e20, "held": {"params": 1e9}}, "1 are left"),
    ],
)
def test_bad_input_is_one_clear_error(options: dict[str, object], message: str) -> None:
    """What is wrong, by name and value."""
    with pytest.raises(bnsl.InputError, match=message):
        CHINCHILLA.allocate(**options)


def test_a_law_of_one_input_shares_out_nothing() -> None:
    """The message says what to fit."""
    x = np.geomspace(1, 1e4, 12)
    law = bnsl.fit(x, 2 + x**-0.5, form="m2")
    with pytest.raises(bnsl.InputError, match="one input, x; allocating compute needs a law of two"):
        law.allocate(1e5)


def test_the_frontier_is_the_allocation_of_many_budgets() -> None:
    """From the cheapest run to far ahead, loss falling all along."""
    line = CHINCHILLA.frontier()
    assert line["compute"][0] == pytest.approx(6 * 3e7 * 5e8)
    assert line["params"].to_numpy() == pytest.approx(
        best_params(CHINCHILLA.theta, 1.0) * line["compute"] ** line["exponent"][0], rel=1e-5
    )
    assert (np.diff(line["loss"]) < 0).all()


def test_isoflop_curves_have_their_minimum_at_the_allocation() -> None:
    """Excess is 0 there and above it everywhere else."""
    table = CHINCHILLA.isoflop([1e20, 1e21], draws=20, points=61)
    for compute, part in table.groupby("compute"):
        best = CHINCHILLA.allocate(compute, draws=0)["params"][0]
        assert part["params"].iloc[np.argmin(part["loss"])] == pytest.approx(best, rel=1e-6)
        assert (part["excess"] >= -1e-15).all()
        assert (6 * part["params"] * part["tokens"]).to_numpy() == pytest.approx(compute, rel=1e-9)
        assert (part["loss_low"] <= part["loss_high"]).all()


def test_a_forecast_of_several_laws_answers_likewise() -> None:
    """No point of the budget is better in the average, and what is open between laws widens the interval."""
    law = bnsl.forecast(runs(LAW), inputs=["params", "tokens"], y="loss")
    row = law.allocate(1e21, draws=300).iloc[0]
    n = row["params"] * np.geomspace(0.2, 5.0, 501)
    assert row["loss"] <= law.predict(np.column_stack([n, 1e21 / 6 / n])).min() * (1 + 1e-10)
    assert row["params_low"] < row["params"] < row["params_high"]
    assert law.gain(tokens=10, draws=50)["gain_low"][0] > 0
    assert law.frontier([1e19, 1e21]).shape[0] == 2
    assert law.isoflop(1e20, draws=0).shape[0] == 60
    assert law.overtraining(params=2e8, compute=1e20, draws=0)["extra_compute"][0] > 1
    assert law.contours(points=3).shape == (3, 3)
