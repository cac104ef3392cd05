"""Scores of predictive distributions against numerical integrals and their own meaning."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

import bnsl
from bnsl.evaluation.scores import (
    coverage,
    crps_of_mixture,
    crps_of_sample,
    interval_score,
    log_density_of_mixture,
)

WEIGHT = np.array([0.5, 0.3, 0.2])
MEAN = np.array([[0.0, 1.0], [2.0, -1.0], [-0.5, 0.3]])
SD = np.array([[1.0, 0.5], [0.3, 2.0], [2.0, 0.01]])
MEASURED = np.array([0.7, -2.5])


def cdf(point, column):
    return float(WEIGHT @ stats.norm.cdf(point, MEAN[:, column], SD[:, column]))


def test_crps_of_a_mixture_is_its_integral():
    ours = crps_of_mixture(WEIGHT, MEAN, SD, MEASURED)
    for column, y in enumerate(MEASURED):
        steps = sorted({-30.0, 30.0, y, *MEAN[:, column]})
        integral = sum(
            integrate.quad(lambda t, y=y, c=column: (cdf(t, c) - (t >= y)) ** 2, low, high, limit=200)[0]
            for low, high in itertools.pairwise(steps)
        )
        assert ours[column] == pytest.approx(integral, rel=1e-6)


def test_crps_of_one_normal_is_the_known_formula():
    z = (0.3 - 1.0) / 0.5
    known = 0.5 * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    ours = crps_of_mixture(np.ones(1), np.array([[1.0]]), np.array([[0.5]]), np.array([0.3]))
    assert ours[0] == pytest.approx(known)


def test_crps_of_a_point_is_the_absolute_error():
    ours = crps_of_mixture(np.ones(1), np.array([[1.0]]), np.array([[0.0]]), np.array([0.25]))
    assert ours[0] == pytest.approx(0.75)
    assert crps_of_sample(np.array([[1.0]]), np.array([0.25]))[0] == pytest.approx(0.75)


def test_a_large_sample_scores_like_its_distribution():
    rng = np.random.default_rng(0)
    law = rng.choice(3, 20_000, p=WEIGHT)
    sample = MEAN[law] + SD[law] * rng.standard_normal((20_000, 2))
    assert crps_of_sample(sample, MEASURED) == pytest.approx(
        crps_of_mixture(WEIGHT, MEAN, SD, MEASURED), rel=0.02
    )


def test_log_density():
    ours = log_density_of_mixture(WEIGHT, MEAN, SD, MEASURED)
    for column, y in enumerate(MEASURED):
        density = WEIGHT @ stats.norm.pdf(y, MEAN[:, column], SD[:, column])
        assert ours[column] == pytest.approx(np.log(density))


def test_interval_score_and_coverage():
    low, high, y = np.zeros(3), np.ones(3), np.array([0.5, -0.1, 1.0])
    assert interval_score(low, high, y, 0.9) == pytest.approx([1.0, 1.0 + 20 * 0.1, 1.0])
    assert coverage(low, high, y) == pytest.approx(2 / 3)
    assert np.isnan(coverage([], [], []))
    with pytest.raises(bnsl.InputError, match="shapes"):
        coverage(low, high, y[:2])
    with pytest.raises(bnsl.InputError, match="level"):
        interval_score(low, high, y, 1.0)


def test_the_scores_are_proper():
    """The true distribution has a better mean score than one too wide or too narrow."""
    y = np.random.default_rng(1).standard_normal(20_000)
    mean = np.zeros((1, len(y)))
    crps, density, score = {}, {}, {}
    for sd in (0.6, 1.0, 1.6):
        spread = np.full_like(mean, sd)
        crps[sd] = crps_of_mixture(np.ones(1), mean, spread, y).mean()
        density[sd] = log_density_of_mixture(np.ones(1), mean, spread, y).mean()
        half = sd * stats.norm.ppf(0.95)
        score[sd] = interval_score(np.full_like(y, -half), np.full_like(y, half), y, 0.9).mean()
    assert min(crps, key=crps.get) == max(density, key=density.get) == min(score, key=score.get) == 1.0
