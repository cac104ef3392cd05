"""Laws at the maxima of their posterior, and the evidence of a form."""

import numpy as np
import pytest

import bnsl
from bnsl._base.arrays import logsumexp
from bnsl.evidence import modes as module
from bnsl.evidence.modes import evidence_about, grown, in_order, log_posterior, modes
from bnsl.evidence.points import beside, data_of, points_of, taken
from bnsl.evidence.prior import COUNTING

LAW = {"a": 0.1, "b": 1.5, "c0": 0.1, "c1": 0.6, "d1": 200.0, "f1": 0.2}


@pytest.fixture(autouse=True)
def quiet():
    """Overflow is no news here: it is silenced where all work begins."""
    with np.errstate(all="ignore"):
        yield


def points(n=1, count=25, noise=0.01, seed=0, prior=COUNTING):
    x = np.geomspace(1, 1e4, count)
    law = {name: value for name, value in LAW.items() if n or name[1:] != "1"}
    y = bnsl.BNSL(n).evaluate(law, x) * np.exp(noise * np.random.default_rng(seed).normal(size=count))
    return beside([points_of(data_of(bnsl.Curve(x, y)), prior)])


def start(data, n):
    """A law that is not far, relative to the last point."""
    end = float(data.origin[0, 1])
    first, second = [0.5, np.log(150.0 / 1e4), -1.2], [0.3, -1.0, -0.5]
    slope = [0.1, 0.5][n == 0]
    return np.array([[0.05 / np.exp(end), -0.5 if n else -0.1, slope, *(first + second)[: 3 * n]]])


def climbed(form, laws, data):
    """Where laws of the first of some curves lead."""
    return modes(form, laws, np.zeros(len(laws), int), data, COUNTING)


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


def test_the_evidence_of_a_power_law_is_the_integral_of_its_posterior():
    data, form = points(n=0, count=12, noise=0.02), bnsl.BNSL(0)
    found = climbed(form, start(data, 0), data)
    least = np.exp(data.log_y.min())
    axes = [np.linspace(-0.2, 0.999, 60) * least, np.linspace(-1.5, 0.8, 120), np.linspace(-0.5, 2.5, 120)]
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    total = []
    for a in axes[0][axes[0] >= 0]:
        b, c = (v.ravel() for v in np.meshgrid(*axes[1:], indexing="ij"))
        theta = np.stack([np.full_like(b, a), b, c], axis=1)
        total.append(logsumexp(log_posterior(form, theta[None], data, COUNTING)))
    integral = logsumexp(np.array(total)) + np.log(cell)
    assert evidence_about(form, found, data, COUNTING)[0] == pytest.approx(integral, abs=0.5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 2])
def test_few_draws_give_the_evidence_of_very_many(n, seed, monkeypatch):
    data, form = points(seed=seed), bnsl.BNSL(n)
    one = climbed(bnsl.BNSL(1), start(data, 1), data)
    laws = start(data, 1) if n == 1 else grown(bnsl.BNSL(1), one.theta[:1], data)[0]
    found = climbed(form, laws, data)
    few = evidence_about(form, found, data, COUNTING)
    monkeypatch.setattr(module, "DRAWS", 40_000)
    many = evidence_about(form, found, data, COUNTING)
    # A break that nothing shows has a posterior of many shapes; of that one a rough number is enough.
    assert few == pytest.approx(many, abs=1.0 if n == 1 else 4.0)


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


def test_laws_that_fit_nothing_have_no_evidence():
    data, form = points(), bnsl.BNSL(1)
    found = climbed(form, np.full((2, 6), np.nan), data)
    assert len(found.theta) == 0
    assert evidence_about(form, found, data, COUNTING)[0] == -np.inf


@pytest.mark.parametrize("n", [0, 1, 2])
def test_curves_beside_one_another_are_judged_as_each_alone(n):
    form = bnsl.BNSL(n)
    alone = [points(count=count, seed=count) for count in (14, 25, 19)]
    together = beside([taken(one, 0) for one in alone])
    laws = [np.repeat(start(one, n), 2, axis=0) * np.array([[1.0], [1.1]]) for one in alone]
    found = modes(form, np.concatenate(laws), np.repeat(np.arange(3), 2), together, COUNTING)
    values = evidence_about(form, found, together, COUNTING)
    for curve, (own, some) in enumerate(zip(alone, laws, strict=True)):
        expected, here = climbed(form, some, own), found.of(curve)
        assert here.theta == pytest.approx(expected.theta, rel=1e-9, abs=1e-9)
        assert here.height == pytest.approx(expected.height, rel=1e-9)
        assert values[curve] == pytest.approx(evidence_about(form, expected, own, COUNTING)[0], rel=1e-9)
        if n:
            best = here.theta[:1]
            more = grown(form, best, taken(together, [curve]))
            assert more == pytest.approx(grown(form, best, own), rel=1e-9)
