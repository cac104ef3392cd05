"""Laws at the maxima of their posterior."""

import numpy as np
import pytest
from posteriors import LAW, climbed, points, start

import bnsl
from bnsl.evidence import modes as module
from bnsl.evidence.modes import grown, in_order
from bnsl.evidence.prior import COUNTING
from bnsl.evidence.sampling import log_posterior


@pytest.fixture(autouse=True)
def quiet():
    """Overflow is no news here: it is silenced where all work begins."""
    with np.errstate(all="ignore"):
        yield


def height_of(form, law, data):
    return log_posterior(form, law[None, None], data, COUNTING)[0, 0]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_mode_is_a_maximum_of_the_posterior(n):
    data, form = points(), bnsl.BNSL(n)
    found = climbed(form, start(data, n), data)
    top = found.theta[0]
    assert found.height[0] == pytest.approx(height_of(form, top, data))
    for i in range(1, len(top)):  # the prior of the limit is not climbed
        for step in (-1.0, 1.0):
            aside = top.copy()
            aside[i] += step / np.sqrt(found.precision[0, i, i])
            assert height_of(form, aside, data) < found.height[0]


@pytest.mark.parametrize("rising", [False, True])
def test_the_gradient_is_that_of_the_posterior(rising):
    form = bnsl.BNSL(2, rising)
    data = points()
    theta = np.array([[0.2, -1.0, 0.4, 0.9, -5.0, -1.2, -0.7, -1.5, 0.2]])
    if rising:
        theta[0, :4] = 8.0, 0.1, 0.1, 0.1
    found = module._at(form, theta, np.zeros(1, int), data, COUNTING)
    for i in range(1, 9):
        step = np.zeros(9)
        step[i] = 1e-6
        high, low = (height_of(form, theta[0] + sign * step, data) for sign in (1, -1))
        assert found.gradient[0, i] == pytest.approx((high - low) / 2e-6, rel=1e-3, abs=1e-2)


def test_a_break_is_added_where_it_is_missing():
    data = points()
    flat = climbed(bnsl.BNSL(0), start(data, 0), data).theta[:1]
    (laws,) = grown(bnsl.BNSL(0), flat, data)
    assert laws.shape == (module.GROWN, 6)
    place = np.log(LAW["d1"] / 1e4)
    assert np.abs(laws[:, 4] - place).min() < 1.5
    found = climbed(bnsl.BNSL(1), laws, data)
    assert found.theta[0, 4] == pytest.approx(place, abs=0.5)


def test_breaks_are_put_in_order():
    law = np.array([[0.1, 0.2, 0.3, 1.0, -1.0, -0.5, 2.0, -3.0, -0.6]])
    assert in_order(law).tolist() == [[0.1, 0.2, 0.3, 2.0, -3.0, -0.6, 1.0, -1.0, -0.5]]
    assert in_order(law[:, :3]).tolist() == law[:, :3].tolist()
