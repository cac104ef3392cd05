import numpy as np
import pytest

import bnsl
from bnsl.planning.budgets import bind

# Inputs that are told apart: lifetime FLOPs of 2 parameters and 5 tokens, with 3 tokens of inference.
LIFETIME = bnsl.lifetime_flops(3)
RIGHT = 2 * (6 * 5 + 2 * 3)


@pytest.mark.parametrize(
    "values",
    [
        {"params": 2.0, "tokens": 5.0},
        {"tokens": 5.0, "params": 2.0},
        {"N": 2.0, "D": 5.0},
        {"D": 5.0, "N": 2.0},
        {"tokens": 5.0, "size": 2.0},
        {"width": 2.0, "examples": 5.0},
        {"params": 2.0, "tokens": 5.0, "unique_tokens": 1.0},
        {"unique_tokens": 1.0, "train_tokens": 5.0, "Params": 2.0},
    ],
)
def test_inputs_by_name_then_by_position(values):
    assert bind(LIFETIME, values)(values) == RIGHT


@pytest.mark.parametrize(
    "cost",
    [
        lambda params, tokens: params * (6 * tokens + 6),
        lambda tokens, params: params * (6 * tokens + 6),
        lambda D, N: N * (6 * D + 6),  # noqa: N803
        lambda params, tokens, factor=6: params * (factor * tokens + 6),
        lambda *inputs: inputs[0] * (6 * inputs[1] + 6),
    ],
)
def test_cost_functions_of_ones_own(cost):
    assert bind(cost, ["params", "tokens"])({"params": 2.0, "tokens": 5.0}) == RIGHT


def test_a_cost_of_one_input_of_several():
    cost = bind(lambda tokens: 3 * tokens, ["params", "tokens"])
    np.testing.assert_array_equal(cost({"params": 7.0, "tokens": np.array([1.0, 2.0])}), [3.0, 6.0])
    cost.check_increasing({"params": (1.0, 9.0), "tokens": (1.0, 9.0)})


def test_what_is_no_cost():
    with pytest.raises(bnsl.InputError, match=r"cost = 6 must be a function of params, tokens"):
        bind(6, ["params", "tokens"])
    with pytest.raises(bnsl.InputError, match=r"the inputs are steps, so there is nothing for tokens"):
        bind(bnsl.flops(6), ["steps"])


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_a_cost_that_is_no_positive_number_is_named_with_its_place(wrong):
    cost = bind(lambda params, tokens: np.where(tokens > 3, wrong, params), ["params", "tokens"])
    with pytest.raises(bnsl.InputError, match=rf"is {wrong:g} at params = 2, tokens = 4"):
        cost({"params": 2.0, "tokens": np.array([1.0, 4.0])})


def test_a_cost_of_the_wrong_shape():
    cost = bind(lambda params, tokens: [1.0, 2.0], ["params", "tokens"])
    with pytest.raises(bnsl.InputError, match=r"must return a number per run, \(3,\)"):
        cost({"params": np.ones(3), "tokens": 2.0})


BOX = {"params": (1e6, 1e9), "tokens": (1e7, 1e12)}


@pytest.mark.parametrize("cost", [bnsl.flops(6), bnsl.transformer_flops(), bnsl.lifetime_flops(1e12)])
def test_increasing_costs_pass(cost):
    bind(cost, BOX).check_increasing(BOX)


@pytest.mark.parametrize(
    ("cost", "name"),
    [
        (lambda params, tokens: tokens / params, "params"),
        (lambda params, tokens: params + 0 * tokens, "tokens"),
        (lambda params, tokens: params * np.minimum(tokens, 1e10), "tokens"),
    ],
)
def test_costs_that_do_not_grow_are_refused(cost, name):
    with pytest.raises(bnsl.InputError, match=rf"does not grow with {name} at params = .*, tokens = "):
        bind(cost, BOX).check_increasing(BOX)


@pytest.mark.parametrize("cost", [bnsl.flops(6), bnsl.transformer_flops(), bnsl.lifetime_flops(1e9)])
def test_solve_spends_the_budget(cost):
    bound = bind(cost, ["N", "D"])
    params, budget = np.array([1e6, 1e7, 1e8]), np.array([[1e18], [3e19]])
    tokens = bound.solve("D", budget, {"N": params}, (1.0, 1e20))
    assert tokens.shape == (2, 3)
    np.testing.assert_allclose(bound({"N": params, "D": tokens}), np.broadcast_to(budget, (2, 3)), rtol=1e-12)
    sizes = bound.solve("N", 1e20, {"D": 1e10}, (1.0, 1e15))
    assert bound({"N": sizes, "D": 1e10}) == pytest.approx(1e20, rel=1e-12)


def test_solve_is_nan_where_nothing_spends_the_budget():
    bound = bind(bnsl.lifetime_flops(1e12), BOX)
    tokens = bound.solve("tokens", 1e20, {"params": np.array([1e6, 1e9])}, (1.0, 1e15))
    assert np.isfinite(tokens).tolist() == [True, False]  # serving 1e9 parameters alone costs 2e21


@pytest.mark.parametrize("cost", [bnsl.flops(6), bnsl.lifetime_flops(1e9)])
def test_the_ends_themselves_can_be_bought(cost):
    """A budget is often the cost of an end but for rounding, as where inputs lie on a grid."""
    bound = bind(cost, BOX)
    params = np.geomspace(3.1e5, 7.3e9, 40)
    for tokens in np.geomspace(2.3e8, 1.7e13, 30):
        for rounding in (1 - 2e-15, 1.0, 1 + 2e-15):
            budget = rounding * bound({"params": params, "tokens": tokens})
            for ends in ((tokens / 50, tokens), (tokens, 50 * tokens)):
                found = bound.solve("tokens", budget, {"params": params}, ends)
                np.testing.assert_allclose(found, tokens, rtol=1e-11)
