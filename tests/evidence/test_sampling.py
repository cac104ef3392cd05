"""The evidence of a form by laws drawn about the maxima of their posterior."""

import numpy as np
import pytest
from posteriors import climbed, points, start

import bnsl
from bnsl._base.arrays import logsumexp
from bnsl.evidence import sampling as module
from bnsl.evidence.modes import grown, modes
from bnsl.evidence.points import beside, taken
from bnsl.evidence.prior import COUNTING
from bnsl.evidence.sampling import evidence_about, log_posterior


@pytest.fixture(autouse=True)
def quiet():
    """Overflow is no news here: it is silenced where all work begins."""
    with np.errstate(all="ignore"):
        yield


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
