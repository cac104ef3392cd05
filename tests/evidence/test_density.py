"""The prior density of laws."""

import numpy as np
import pytest
from posteriors import points
from scipy.stats import norm

import bnsl
from bnsl.evidence.density import end_slope, log_prior, log_prior_slope, traits
from bnsl.evidence.points import beside, each_of, taken
from bnsl.evidence.prior import COUNTING, LEARNT

# Two laws, of which the second is steep at the end and has a break outside of what is likely.
LAWS = np.array(
    [
        [0.2, -1.0, 0.4, 0.9, -5.0, -1.2, -0.7, -1.5, 0.2],
        [0.1, 0.2, 2.9, 0.3, 0.4, -4.5, 2.5, -9.6, 2.5],
    ]
)


def density_of(theta, data, prior, *, rising):
    return log_prior(theta, traits(theta, data, prior, rising=rising), prior)


def test_the_end_slope_is_the_derivative_at_the_last_point():
    theta = np.array([0.3, 0.1, 0.2, 0.5, -0.4, -1.0, -0.3, 0.3, 0.0])
    form, step = bnsl.BNSL(2), 1e-5
    y = form.y(theta, np.array([-step, step])) - theta[0]
    assert end_slope(theta)[0] == pytest.approx(-np.diff(np.log(y))[0] / (2.0 * step), rel=1e-6)


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("prior", [LEARNT, COUNTING])
def test_the_slope_is_the_derivative_of_the_density(prior, rising):
    data, laws = points(prior=prior), LAWS[None].copy()
    laws[..., 0] += 8.0 * rising
    gradient, _ = log_prior_slope(laws, traits(laws, data, prior, rising=rising), prior)
    for i in range(1, 9):
        step = 1e-6 * (np.arange(9) == i)
        high, low = (density_of(laws + sign * step, data, prior, rising=rising) for sign in (1, -1))
        assert gradient[..., i] == pytest.approx((high - low) / 2e-6, rel=1e-5, abs=1e-5)


def test_changes_of_slope_have_the_density_of_their_mixture():
    data, law = points(n=0, prior=LEARNT), np.array([[[0.0, 0.0, 0.7, 0.0, -3.0, -1.0]]])
    change = np.array([0.02, 0.5, 1.7, 6.0])
    laws = np.tile(law, (1, 4, 1))
    laws[..., 3] = change
    laws[..., 2] -= change * end_slope(laws)[1][..., 0]  # the slope at the end is the same
    found = density_of(laws, data, LEARNT, rising=False)[0]
    rare = LEARNT.steep_odds
    sizes, shares = (
        (LEARNT.change_small, LEARNT.change_large, LEARNT.steep),
        ((1 - rare) / 2, (1 - rare) / 2, rare),
    )
    expected = sum(share * norm.pdf(change, scale=size) for size, share in zip(sizes, shares, strict=True))
    assert np.diff(found) == pytest.approx(np.diff(np.log(expected)))


def test_laws_of_several_curves_are_judged_by_their_own_points():
    several = beside([taken(points(count=n, seed=n), 0) for n in (12, 30)])
    curve = np.array([0, 1, 1])
    laws = LAWS[[0, 0, 1]][:, None]
    together = density_of(laws, each_of(several, curve), COUNTING, rising=False)[:, 0]
    for i, c in enumerate(curve):
        alone = density_of(
            laws[i : i + 1], points(count=(12, 30)[c], seed=(12, 30)[c]), COUNTING, rising=False
        )
        assert together[i] == pytest.approx(alone[0, 0], rel=1e-12)
