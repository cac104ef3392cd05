"""Mixtures of normals against SciPy and against scoringrules."""

import numpy as np
import pytest
from scipy import stats
from scoringrules import crps_mixnorm, logs_mixnorm

from bnsl.forecasting.mixture import Mixture, cdf, centre, ends, log_density_of_mixture, quantile

MIXTURE = Mixture(
    np.array([0.5, 0.3, 0.2]),
    np.array([[0.0, 1.0], [2.0, -1.0], [-0.5, 0.3]]),
    np.array([[1.0, 0.5], [0.3, 2.0], [2.0, 0.01]]),
)
MEASURED = np.array([0.7, -2.5])
POINTS = [*zip(MEASURED, MIXTURE.mean.T, MIXTURE.sd.T, strict=True)]


def test_the_density_is_that_of_scipy_and_of_scoringrules():
    ours = log_density_of_mixture(*MIXTURE[:3], MEASURED)
    density = MIXTURE.weight @ stats.norm.pdf(MEASURED, MIXTURE.mean, MIXTURE.sd)
    assert ours == pytest.approx(np.log(density))
    theirs = [logs_mixnorm(y, mean, sd, MIXTURE.weight) for y, mean, sd in POINTS]
    assert ours == pytest.approx(-np.array(theirs))


@pytest.mark.parametrize("p", [1e-6, 0.05, 0.5, 0.95])
def test_quantiles_invert_the_distribution(p):
    assert cdf(MIXTURE, quantile(MIXTURE, p)) == pytest.approx([p, p], rel=1e-6)


def test_ends_of_an_interval_are_its_quantiles():
    for times in (1, 20):  # few points, whose ends are sought together, and more
        many = Mixture(MIXTURE.weight, np.tile(MIXTURE.mean, times), np.tile(MIXTURE.sd, times))
        expected = [quantile(many, p) for p in (0.05, 0.95)]
        assert np.array(ends(many, 0.05)) == pytest.approx(np.array(expected), rel=1e-9)


def test_the_centre_is_the_mean_unless_a_few_laws_carry_it_off():
    assert centre(MIXTURE) == pytest.approx(MIXTURE.weight @ MIXTURE.mean)
    carried = MIXTURE._replace(mean=MIXTURE.mean + np.array([[0.0], [0.0], [1e3]]))
    assert centre(carried) == pytest.approx(quantile(carried, 0.75))


def test_laws_that_only_widen_the_interval_leave_the_centre_where_it_is():
    some = MIXTURE._replace(central=np.array([True, True, False]))
    expected = np.array([0.5, 0.3]) / 0.8 @ MIXTURE.mean[:2]
    assert centre(some) == pytest.approx(expected)
    assert cdf(some, np.zeros(2)) == pytest.approx(cdf(MIXTURE, np.zeros(2)))


def test_quantiles_score_best_where_they_are_right():
    """CRPS is twice the mean pinball loss of all quantiles (Laio and Tamea, 2007)."""
    share = (np.arange(400) + 0.5) / 400
    ends = np.stack([quantile(MIXTURE, p) for p in share])
    below = ends > MEASURED
    pinball = np.mean((below - share[:, None]) * (ends - MEASURED), axis=0)
    crps = [crps_mixnorm(y, mean, sd, MIXTURE.weight) for y, mean, sd in POINTS]
    assert 2.0 * pinball == pytest.approx(np.array(crps), rel=1e-3)


def test_a_quantile_between_far_narrow_laws_is_found():
    # Between the laws the density is next to nothing, and a step of Newton's method has no end.
    apart = Mixture(np.array([0.5, 0.5]), np.array([[0.0], [76.0]]), np.array([[1.0], [1.0]]))
    for p in (0.4, 0.6):
        assert cdf(apart, quantile(apart, p)) == pytest.approx(p, abs=1e-12)
