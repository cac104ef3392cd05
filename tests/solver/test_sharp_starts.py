"""Starts with a sharp break, and those that end at a limit amid the points."""

import numpy as np
import pytest
from normal_problems import GAP, U, sharp_law

from bnsl.forms.broken import BNSL
from bnsl.solver.sharp_starts import plateau_starts, sharp_starts


def starts(form, log_x, y, weight, count):
    """Sharp starts (C, K, 6) of curves (C, N)."""
    separable = form.separable(log_x, y, weight)
    return sharp_starts(form, separable, log_x, weight, count, rising=form.rising)


@pytest.mark.parametrize("place", [U[20], U[20] + 0.5 * GAP, U[61]])
@pytest.mark.parametrize("rising", [False, True])
def test_sharp_starts_know_place_and_limit(place, rising):
    form = BNSL(1, rising=rising)
    limit = 2.0 if rising else 0.4
    y = sharp_law(place, limit, form)
    theta = starts(form, U[None], y[None], np.ones((1, 64)), 4)
    assert theta.shape == (1, 4, 6)
    assert theta[0, 0, 4] == pytest.approx(place, abs=1e-9)
    assert theta[0, 0, 0] == pytest.approx(limit, rel=0.02)  # the nodes nearest to it are 10 % away
    assert np.exp(theta[0, 0, 5]) == pytest.approx(0.15 * GAP)


def test_each_of_several_curves_gets_the_starts_that_it_gets_alone():
    y = np.array([sharp_law(place) for place in (U[10], U[30] + 0.5 * GAP, U[50])])
    log_x, weight = np.broadcast_to(U, y.shape), np.ones(y.shape)
    together = starts(BNSL(1), log_x, y, weight, 3)
    for i in range(3):
        alone = starts(BNSL(1), log_x[i : i + 1], y[i : i + 1], weight[i : i + 1], 3)
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-9, atol=1e-12)


def test_padding_does_not_change_sharp_starts():
    y = sharp_law(U[30])
    more = np.append(U, np.full(16, U[-1])), np.append(y, np.ones(16)), np.append(np.ones(64), np.zeros(16))
    short = starts(BNSL(1), U[None], y[None], np.ones((1, 64)), 3)
    long = starts(BNSL(1), *(part[None] for part in more), 3)
    np.testing.assert_allclose(short[0, 0], long[0, 0], rtol=1e-6)


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("padding", [0, 16])
def test_plateau_starts_know_a_cliff_down_to_a_limit_amid_the_points(rising, padding):
    form, rng = BNSL(1, rising=rising), np.random.default_rng(4)
    limit = 1.0
    y = form.evaluate(np.array([limit, -2.6, 0.3, 60.0, U[40] + 0.5 * GAP, np.log(0.1 * GAP)]), np.exp(U))
    y = y * np.exp(1e-3 * rng.normal(size=64))
    assert y[41:].min() < limit < y[41:].max()
    log_x, y = np.append(U, np.full(padding, U[-1])), np.append(y, np.ones(padding))
    weight = np.append(np.ones(64), np.zeros(padding))
    theta = plateau_starts(form, log_x[None], y[None], weight[None], 4, rising=rising)
    assert theta.shape == (1, 4, 6)
    best = theta[0, 0]
    assert best[0] == pytest.approx(limit, rel=1e-3)
    assert U[40] < best[4] < U[41]
    assert best[1:3] == pytest.approx([-2.6, 0.3], abs=0.02)
    law = form.evaluate(best, np.exp(U))
    assert np.abs(np.log(law / y[:64])).max() < 0.02
