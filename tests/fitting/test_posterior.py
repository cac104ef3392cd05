"""Laws drawn from what a fit leaves open."""

import numpy as np
import pytest

import bnsl

LAW = {"E": 0.34, "A": 80.0, "B": 400.0, "alpha": 0.34, "beta": 0.37}


def grid(noise=0.005, seed=0):
    """Runs of five sizes by five data amounts."""
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 5), np.geomspace(1e9, 1e11, 5)))
    x = np.column_stack([n, d])
    y = bnsl.get_form("chinchilla").evaluate(LAW, x)
    return x, y * np.exp(noise * np.random.default_rng(seed).standard_normal(25))


@pytest.mark.parametrize("form", ["interaction", "chinchilla"])
def test_draws_fit_the_points_and_keep_to_their_bounds(form):
    x, y = grid()
    result = bnsl.fit(x, y, form=form)
    ((law, theta),) = result.posterior(300, 2)
    names = list(law.names)
    assert (theta[:, names.index("E")] >= 0).all()
    assert (theta[:, [names.index(name) for name in ("alpha", "beta")]] >= 0).all()
    off = law.log_y(theta, np.log(x)) - np.log(result.predict(x))
    # The points determine p parameters, so draws move by about the root of p / N of the noise.
    assert np.sqrt(np.mean(off**2, axis=1)).max() < 3.0 * result.residual_scale
    ahead = law.log_y(theta, np.log([[1e10, 1e12]]))
    assert np.ptp(ahead) < 1.0


def test_draws_of_a_well_determined_law_are_those_of_its_covariance():
    x = np.exp(np.random.default_rng(1).uniform([16, 20], [24, 28], (200, 2)))
    y = bnsl.get_form("chinchilla").evaluate(LAW, x)
    result = bnsl.fit(x, y * np.exp(0.002 * np.random.default_rng(2).standard_normal(200)), form="chinchilla")
    theta = result.posterior(2000, 3)[0][1]
    expected = np.linalg.norm(result.covariance_root, axis=1)
    np.testing.assert_allclose(theta.std(axis=0), expected, rtol=0.1)
