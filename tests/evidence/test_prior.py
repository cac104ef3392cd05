"""What is believed before a curve is seen."""

import numpy as np
import pytest

from bnsl.evidence.prior import (
    LEARNT,
    LIMITS,
    NO_LIMIT,
    NOISES,
    limit_density,
    noise_weights,
    odds_of_breaks,
    slope_prior,
)


def test_end_slopes_are_steeper_and_more_various_near_a_limit():
    mean, sd = slope_prior(LEARNT, LIMITS)
    assert np.all(np.diff(mean) > 0)
    assert np.all(np.diff(sd) > 0)
    assert (mean[0], sd[0]) == pytest.approx((LEARNT.slope, LEARNT.slope_sd))


def test_no_limit_is_likeliest_and_none_as_large_as_the_data():
    density = limit_density(LEARNT, LIMITS)
    assert density.argmax() == 0
    assert density[0] - density[1] > 0.5 * LEARNT.limit_none
    assert limit_density(LEARNT, np.array(1.0 - 1e-12)) < density.min()
    below = limit_density(LEARNT, np.array([0.0, 0.5 * NO_LIMIT]))
    assert below == pytest.approx(below[0], abs=0.02)


def test_probabilities_add_up_to_one():
    assert np.exp(noise_weights(LEARNT, NOISES)).sum() == pytest.approx(1.0)
    assert np.exp(odds_of_breaks(LEARNT)).sum() == pytest.approx(1.0)
    assert np.diff(odds_of_breaks(LEARNT)) == pytest.approx(LEARNT.breaks_tilt)
