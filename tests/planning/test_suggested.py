"""The next run of several inputs: against a refit with that run added."""

import numpy as np
import pandas as pd
import pytest
from chinchilla import CHINCHILLA, runs

import bnsl

TARGET = {"params": 2e10, "tokens": 1e12}
CANDIDATES = pd.DataFrame({"params": [1e8, 1e9, 6e9, 6e9], "tokens": [4e11, 2e11, 2e10, 2e11]})


def test_the_variance_is_that_of_the_linearised_fit():
    """Before: the law's own. With a run: that of the covariance with its information added."""
    found = bnsl.suggest(CHINCHILLA, CANDIDATES, TARGET)
    form, theta = CHINCHILLA.form, CHINCHILLA.theta
    slopes = form.log_y_and_jacobian(theta, np.log(np.vstack([CANDIDATES, [2e10, 1e12]])))[1]
    covariance, goal = CHINCHILLA.covariance, slopes[:, -1]
    assert found.sd_before == pytest.approx(np.sqrt(goal @ covariance @ goal), rel=1e-6)
    noise = float(np.median(CHINCHILLA.noise))
    table = found.table.set_index(["params", "tokens"])
    for i, row in enumerate(CANDIDATES.itertuples(index=False)):
        g = covariance @ slopes[:, i]
        updated = covariance - np.outer(g, g) / (slopes[:, i] @ g + noise**2)
        assert table.loc[tuple(row), "sd_with"] == pytest.approx(np.sqrt(goal @ updated @ goal), rel=1e-5)


def test_one_run_is_chosen_by_value_and_a_set_within_the_budget():
    one = bnsl.suggest(CHINCHILLA, CANDIDATES, TARGET)
    assert len(one.chosen) == 1
    assert one.chosen["params"][0] == one.table["params"][0]
    budget = 1.2e22
    several = bnsl.suggest(
        CHINCHILLA, CANDIDATES, TARGET, budget=budget, cost=lambda params, tokens: 6 * params * tokens
    )
    assert several.total_cost <= budget
    assert several.sd_after < one.sd_after <= one.sd_before
    assert "next: params" in several.summary()


def test_a_forecast_is_asked_by_draws():
    law = bnsl.forecast(
        runs({"E": 1.7, "A": 400.0, "B": 500.0, "alpha": 0.33, "beta": 0.3}),
        inputs=["params", "tokens"],
        y="loss",
    )
    found = bnsl.suggest(law, CANDIDATES.assign(price=[1.0, 1.0, 1.0, 1.0]), TARGET, cost="price")
    assert 0 < found.sd_after < found.sd_before
    assert found.table["cost"].eq(1.0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": CANDIDATES[["params"]]}, "the input 'tokens' is missing"),
        ({"target": {"params": 1e10}}, "the input 'tokens' is missing"),
        ({"cost": [1.0]}, "cost has 1 entries and candidates has 4"),
        ({"budget": -1}, "budget"),
    ],
)
def test_bad_input_is_one_clear_error(change, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.suggest(**({"law": CHINCHILLA, "candidates": CANDIDATES, "target": TARGET} | change))
