"""What runs near a point were off a law."""

import numpy as np

from bnsl.forecasting.nearby import carried


def deviations(x):
    """A smooth deviation from a law over points (N, 2)."""
    return 0.01 * np.sin(x[:, 0] + 0.5 * x[:, 1])


def test_smooth_deviations_are_carried_on_and_fade():
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 6, (70, 2))
    (found,) = carried(x, (deviations(x) + 0.001 * rng.standard_normal(70))[None])
    near = rng.uniform(1, 5, (40, 2))
    assert np.sqrt(np.mean((found.at(near) - deviations(near)) ** 2)) < 0.002
    np.testing.assert_allclose(found.at(near + 30.0), 0.0, atol=1e-12)


def test_noise_is_not_carried_on():
    rng = np.random.default_rng(2)
    x, noise = rng.uniform(0, 6, (70, 2)), 0.01 * rng.standard_normal((20, 70))
    sizes = [np.sqrt(np.mean(found.at(x) ** 2)) for found in carried(x, noise)]
    assert np.median(sizes) < 0.003


def test_laws_side_by_side_are_as_alone_and_repeated_points_do_no_harm():
    rng = np.random.default_rng(3)
    x = np.repeat(rng.uniform(0, 6, (150, 2)), 2, axis=0)
    residuals = np.stack([deviations(x), 2.0 * deviations(x) + 0.003 * rng.standard_normal(300)])
    both, alone = carried(x, residuals), carried(x, residuals[1:])[0]
    np.testing.assert_allclose(both[1].at(x), alone.at(x), rtol=1e-9, atol=1e-12)
    assert np.isfinite(both[0].at(x)).all()
