"""Residual spaces and robust losses, against SciPy and finite differences."""

import numpy as np
import pytest
from samples import LAW
from scipy.optimize import least_squares

from bnsl.forms.baselines import M2
from bnsl.forms.broken import BNSL
from bnsl.solver.losses import (
    LOSSES,
    ROBUST,
    back,
    model,
    model_and_jacobian,
    robust_cost_and_weight,
    sigma_in_residual_space,
    transform,
)

X = np.geomspace(1, 1e6, 12)


@pytest.mark.parametrize("robust", ROBUST)
def test_robust_losses_are_those_of_scipy(robust):
    for residual in (0.0, 0.3, 1.0, 1.7, 40.0):
        cost = robust_cost_and_weight(robust, np.array(residual**2))[0]
        theirs = least_squares(lambda _, r=residual: [r], 0.0, loss=robust, max_nfev=1).cost
        assert cost == pytest.approx(2 * theirs, rel=1e-12)
        h = 1e-5
        ends = [robust_cost_and_weight(robust, np.array(residual**2 + s * h))[0] for s in (0.5, 1.5)]
        middle = robust_cost_and_weight(robust, np.array(residual**2 + h))[1]
        assert middle == pytest.approx((ends[1] - ends[0]) / h, rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_spaces_are_left_again(loss):
    y = np.array([0.5, 1.0, 20.0])
    np.testing.assert_allclose(back(loss, transform(loss, y, 1.0)), y, rtol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("unit", [1.0, 250.0])
def test_laws_in_residual_space_and_their_derivatives(loss, unit):
    form = BNSL(1)
    theta = form.from_params(LAW)
    value, jacobian = model_and_jacobian(form, loss, theta, np.log(X), unit)
    expected = transform(loss, form.evaluate(LAW, X), unit)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(model(form, loss, theta, np.log(X), unit), expected, rtol=1e-12)
    for i, row in enumerate(jacobian):
        h = 1e-4 * np.eye(len(theta))[i]
        low, high = (model(form, loss, theta + step, np.log(X), unit) for step in (-h, h))
        np.testing.assert_allclose(row, (high - low) / 2e-4, rtol=1e-5, atol=1e-7 * np.abs(row).max())


@pytest.mark.parametrize("loss", LOSSES)
def test_sigma_is_that_of_the_residual_to_first_order(loss):
    y = M2().evaluate({"b": 2.0, "c": 0.3, "e": 0.1}, X)
    sigma, unit = 1e-4 * y, 30.0
    moved = transform(loss, y + sigma, unit) - transform(loss, y, unit)
    np.testing.assert_allclose(sigma_in_residual_space(loss, sigma, y, unit), moved, rtol=1e-3)
