"""Evidence of fitted laws: against importance sampling, limiting cases, and JAX."""

import jax
import numpy as np
import pytest
from samples import ADDITION
from scipy.stats import multivariate_t

import bnsl
from bnsl._base.arrays import logsumexp
from bnsl.evidence.breaks import problem_of
from bnsl.evidence.density import log_prior, traits
from bnsl.evidence.points import data_of, points_of
from bnsl.evidence.prior import LEARNT, noise_weights
from bnsl.evidence.refined import (
    LEVELS,
    WILDEST,
    fitted_law,
    laplace,
)
from bnsl.solver.problem import Method
from bnsl.solver.search import quick_pools

FAST_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
LAWS = {
    0: {"a": 0.2, "b": 2.0, "c0": 0.3},
    1: {"a": 0.2, "b": 2.0, "c0": 0.05, "c1": 0.6, "d1": 300.0, "f1": 0.3},
}


def fitted(n, noise=0.003, count=40):
    """Points of a law with n breaks, its form and its least-squares coordinates."""
    x = np.geomspace(1, 1e4, count)
    form = bnsl.BNSL(n)
    y = form.evaluate(LAWS[n], x) * np.exp(noise * np.random.default_rng(n).normal(size=count))
    data = data_of(bnsl.Curve(x, y))
    with np.errstate(all="ignore"):
        pool = quick_pools(Method(form), [problem_of(data, form)])[0]
        return points_of(data, LEARNT), form, pool.theta[0]


def log_joint(form, theta, points):
    """Log prior times likelihood (K,) of laws (K, p), the noise summed over."""
    with np.errstate(all="ignore"):
        law = form.log_y(theta, points.u)
        density = log_prior(theta, traits(theta, points, LEARNT, rising=form.rising), LEARNT)
    white = (points.whiten @ (points.log_y - law)[:, None, :, None])[..., 0]
    misfit = np.sum(white**2, axis=-1)[..., None] / LEVELS**2
    volume = points.log_det[:, None] + len(points.u) * np.log(2.0 * np.pi * LEVELS**2)
    total = logsumexp(noise_weights(LEARNT, LEVELS) - 0.5 * (misfit + volume), axis=(1, 2)) + density
    return np.where(np.isfinite(total), total, -np.inf)


@pytest.mark.parametrize("n", [0, 1])
def test_evidence_is_that_of_importance_sampling(n):
    points, form, theta = fitted(n)
    law = fitted_law(form, theta, points)
    root = 1.3 * law.root[np.argmax(law.log_weight)]
    rng, p, dof, size = np.random.default_rng(7), len(theta), 6.0, 20_000
    normal, chi = rng.normal(size=(size, p)), rng.chisquare(dof, size)
    scaled = normal / np.sqrt(chi / dof)[:, None]  # Student's t
    draws = theta + scaled @ root.T
    proposal = multivariate_t(np.zeros(p), np.eye(p), df=dof).logpdf(scaled) - np.linalg.slogdet(root)[1]
    weight = log_joint(form, draws, points) - proposal
    sampled = logsumexp(weight) - np.log(size)
    assert law.log_evidence == pytest.approx(sampled, abs=0.5)


def evidence_of(form, theta, points):
    """Log evidence (K,) of laws theta (K, p)."""
    return logsumexp(laplace(form, theta, points, LEARNT).log_weight, axis=(1, 2))


def test_laws_are_judged_together_as_one_by_one():
    points, form, theta = fitted(1)
    several = np.stack([theta, theta + 0.01, theta - 0.02])
    together = evidence_of(form, several, points)
    assert together == pytest.approx([evidence_of(form, law[None], points)[0] for law in several])
    assert together[0] == pytest.approx(fitted_law(form, theta, points).log_evidence)
    assert together.argmax() == 0


def test_a_law_that_is_too_wild_has_no_evidence():
    points, form, theta = fitted(1)
    for place in (2, 3):
        wild = theta.copy()
        wild[place] = 2.0 * WILDEST
        with np.errstate(all="ignore"):
            assert evidence_of(form, np.stack([theta, wild]), points)[1] == -np.inf
            assert fitted_law(form, wild, points) is None
    with np.errstate(all="ignore"):
        assert fitted_law(form, np.full(6, np.nan), points) is None


def test_a_break_that_nothing_shows_costs_evidence():
    points, form, theta = fitted(0)
    more = np.concatenate([theta, [0.0, -4.0, -1.0]])
    fewer, also = evidence_of(form, theta[None], points)[0], evidence_of(bnsl.BNSL(1), more[None], points)[0]
    assert also < fewer - 1.0


def test_the_noise_is_found():
    for noise in (0.03, 0.003, 3e-5):
        points, form, theta = fitted(0, noise=noise)
        law = fitted_law(form, theta, points)
        likeliest = law.level[np.argmax(law.log_weight)]
        assert likeliest == pytest.approx(noise, rel=0.7)
        assert np.exp(law.log_weight).sum() == pytest.approx(1.0)


def test_rising_laws_have_their_limit_above_the_data():
    x = np.geomspace(1, 1e4, 30)
    y = 0.9 - 0.6 * x**-0.3
    data = data_of(bnsl.Curve(x, y * np.exp(0.002 * np.random.default_rng(0).normal(size=30))))
    points, form = points_of(data, LEARNT), bnsl.BNSL(0, rising=True)
    last = np.array([0.9, np.log(0.6) - 0.3 * np.log(1e4), 0.3])
    theta = last - np.array([0.0, data.log_y[-1], 0.0])
    theta[0] = 0.9 / np.exp(data.log_y[-1])
    law = fitted_law(form, theta, points)
    assert np.isfinite(law.log_evidence)
    assert law.end_slope == pytest.approx(0.3)


def test_jax_runs_the_same_text():
    given = points_of(data_of(bnsl.Curve(ADDITION.x, ADDITION.y)), LEARNT)
    theta = np.array([[0.01, -0.1, 0.3, 0.6, -0.5, -2.0], [0.0, 0.0, 0.1, 0.3, -1.0, -1.0]])
    with np.errstate(divide="ignore"):
        here = laplace(bnsl.BNSL(1), theta, given, LEARNT)
    with jax.enable_x64(True):
        arrays = given._replace(**{n: jax.numpy.asarray(v) for n, v in given._asdict().items()})
        call = jax.jit(
            lambda t, p: laplace(bnsl.BNSL(1), t, p, LEARNT).log_weight, compiler_options=FAST_COMPILE
        )
        there = np.asarray(call(jax.numpy.asarray(theta), arrays))
    np.testing.assert_allclose(there, here.log_weight, rtol=1e-8)
