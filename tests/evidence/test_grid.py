"""Laws of the grid against the same laws written as dense Gaussian models."""

import jax
import numpy as np
import pytest

import bnsl
from bnsl._base.arrays import logsumexp
from bnsl.evidence import design, sharp, smooth
from bnsl.evidence.design import ALWAYS, BREAKS, SMOOTH, WIDTHS
from bnsl.evidence.grid import as_bnsl, posterior
from bnsl.evidence.points import data_of, inverted, points_of
from bnsl.evidence.prior import LEARNT, NOISES, VAGUE, noise_weights

A = 3  # limits that the dense models are compared for
# The least noise leaves a dense model too few digits to compare with, and so it must be no likely one.
PRIOR = LEARNT._replace(noise_sd=0.95)


def points(count=11, seed=0):
    x = np.geomspace(1, 3e3, count) * np.exp(0.1 * np.random.default_rng(seed).normal(size=count))
    law = {"a": 0.3, "b": 2.0, "c0": 0.05, "c1": 0.5, "d1": 60.0, "f1": 0.4}
    y = bnsl.BNSL(1).evaluate(law, x) * np.exp(0.01 * np.random.default_rng(seed).normal(size=count))
    return points_of(data_of(bnsl.Curve(x, y)), PRIOR)


@pytest.fixture(scope="module")
def model():
    """Points, any targets (A, N) and weights (A, N) of theirs, the columns and inner products."""
    given = points()
    rng = np.random.default_rng(1)
    target = given.log_y + 0.05 * rng.normal(size=(A, len(given.u)))
    weight = rng.uniform(0.3, 1.0, target.shape)
    span = np.asarray(-given.u.min())
    columns = design.design(given.u, span)
    return (
        given,
        target,
        weight,
        span,
        columns,
        design.inner_products(target, weight, columns, given, PRIOR)[0],
    )


def dense(model, r, a, s, columns, sd):
    """Log evidence, mean and covariance of a linear model with normal coefficients of those sds."""
    given, target, weight, _, _, _ = model
    noise = NOISES[s] ** 2 * np.linalg.inv(given.whiten[r].T @ given.whiten[r])
    x = weight[a][:, None] * columns
    total = noise + (x * sd**2) @ x.T
    gain = (x * sd**2).T @ np.linalg.inv(total)
    given = weight[a] * target[a]
    log_det = np.linalg.slogdet(2.0 * np.pi * total)[1]
    evidence = -0.5 * (given @ np.linalg.solve(total, given) + log_det)
    return evidence, gain @ given, np.diag(sd**2) - gain @ x * sd**2


def test_smooth_laws(model):
    _, _, _, span, columns, grams = model
    slope_sd, log_prior = np.array([0.4, 0.5, 0.9]), np.log([0.5, 0.3, 0.2])
    grid = smooth.smooth_grid(grams, span, log_prior, slope_sd, PRIOR)
    nodes = smooth.smooth_nodes(grid, np.zeros(A), PRIOR)
    size, odds, ratio = smooth.roughnesses(PRIOR)
    profile = ((np.arange(BREAKS) + 0.5) / BREAKS + 0.02) ** PRIOR.growth * span / BREAKS
    mean = np.zeros(SMOOTH)
    for (r, a, q, s), weight in np.ndenumerate(grid.weight):
        sd = np.concatenate([[VAGUE, slope_sd[a] * ratio[q]], size[q] * np.sqrt(profile)])
        evidence, found, covariance = dense(model, r, a, s, columns[:, :SMOOTH], sd)
        expected = evidence + log_prior[a] + odds[q] + noise_weights(PRIOR, NOISES)[r, s]
        assert weight == pytest.approx(expected, rel=1e-7, abs=1e-4)
        mean += np.exp(weight - logsumexp(grid.weight)) * found
        # The best nodes with the same noise and limit differ in their roughness; the drift tells it.
        drift = np.exp(PRIOR.diffusion) * size[q]
        same = (nodes.noise == r) & (nodes.limit == a) & (nodes.level == s) & np.isclose(nodes.drift, drift)
        for t in np.flatnonzero(same):
            assert nodes.mean[t] == pytest.approx(found, abs=1e-5)
            assert nodes.root[t] @ nodes.root[t].T == pytest.approx(covariance, abs=1e-5)
    assert smooth.mean_coefficients(grid) == pytest.approx(mean, abs=1e-5)


def test_sharp_laws(model):
    _, _, _, _, columns, grams = model
    slope, slope_sd, log_prior = np.zeros(A), np.array([0.4, 0.5, 0.9]), np.log([0.5, 0.3, 0.2])
    evidence, kinds = sharp.sharp_laws(grams, log_prior, slope, slope_sd, PRIOR)
    counts = [1, 2 * 36, 2 * 594]  # laws with no, one and two trial breaks; two sizes of their changes
    changes = (PRIOR.change_small, PRIOR.change_large)
    for n, (nodes, count) in enumerate(zip(kinds, counts, strict=False)):
        for t in range(0, len(nodes.weight), 5):
            r, a, s = nodes.noise[t], nodes.limit[t], nodes.level[t]
            own = columns[:, nodes.columns[t]]
            found = []
            for change in changes if n else changes[:1]:
                sd = np.array([VAGUE, slope_sd[a], *[change] * n])
                found.append(dense(model, r, a, s, own, sd))
            prior = log_prior[a] + noise_weights(PRIOR, NOISES)[r, s] - np.log(count)
            # The weight is within the kept laws; which of the two sizes it has shows in the mean.
            fits = [np.allclose(nodes.mean[t], law[1], atol=1e-6) for law in found]
            assert any(fits)
            law = found[fits.index(True)]
            kept = nodes.weight[t] - nodes.weight[0]
            if t == 0:
                first = law[0] + prior
            assert kept == pytest.approx(law[0] + prior - first, rel=1e-7, abs=1e-5)
            assert nodes.root[t] @ nodes.root[t].T == pytest.approx(law[2], abs=1e-6)
    none = [
        dense(model, r, a, s, columns[:, :ALWAYS], np.array([VAGUE, slope_sd[a]]))[0]
        + log_prior[a]
        + noise_weights(PRIOR, NOISES)[r, s]
        for r in range(3)
        for a in range(A)
        for s in range(len(NOISES))
    ]
    assert evidence[0] == pytest.approx(logsumexp(np.array(none)), abs=1e-6)


def test_the_best_entries_are_those_of_a_full_sort():
    weight = np.random.default_rng(0).normal(size=(4, 7, 9, 11))
    top, index = design.best(weight, 50)
    assert top == pytest.approx(np.sort(weight.ravel())[::-1][:50])
    assert weight[index] == pytest.approx(top)


def test_trial_breaks_have_no_value_and_no_slope_at_the_end():
    step = 1e-6
    columns = design.design(np.array([-step, 0.0, step]), np.asarray(6.0))[:, SMOOTH:]
    assert columns[1] == pytest.approx(0.0)
    assert (columns[2] - columns[0]) / (2.0 * step) == pytest.approx(0.0, abs=1e-6)


def test_laws_of_the_grid_written_as_a_bnsl_are_the_same_laws():
    state = posterior(points(), LEARNT)
    u = np.linspace(-5, 1, 40)
    columns = design.design(u, state.points.span)
    for n, nodes in enumerate(state.sharp):
        theta = as_bnsl(state, n)
        eta = columns[:, nodes.columns[0]] @ nodes.mean[0] - nodes.slope[0] * u
        expected = np.log(state.limits[nodes.limit[0]] + np.exp(eta))
        with np.errstate(divide="ignore"):  # the log of no limit
            found = bnsl.BNSL(n).log_y(theta[0], u)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        assert (np.diff(theta[:, 4::3], axis=1) > 0).all()


def test_one_law_explains_a_straight_line_and_more_breaks_do_not_help():
    x = np.geomspace(1, 1e4, 25)
    y = 3.0 * x**-0.6 * np.exp(0.003 * np.random.default_rng(4).normal(size=25))
    state = posterior(points_of(data_of(bnsl.Curve(x, y)), LEARNT), LEARNT)
    assert (np.diff(state.evidence[1:]) < 0.5).all()
    nodes = state.sharp[0]
    heaviest = np.argmax(nodes.weight)
    assert nodes.slope[heaviest] + nodes.mean[heaviest, 1] == pytest.approx(0.6, abs=0.02)
    assert NOISES[nodes.level[heaviest]] == pytest.approx(0.003, rel=1.0)


def test_units_and_the_order_of_breaks_do_not_matter_to_the_evidence():
    some = points()
    moved = some._replace(origin=some.origin + 3.0)
    assert posterior(moved, LEARNT).evidence == pytest.approx(posterior(some, LEARNT).evidence)


def test_laws_that_climb_count_for_less():
    some = points()
    falls, climbs = posterior(some, LEARNT), posterior(some, LEARNT._replace(climbing=1.0))
    assert (falls.evidence <= climbs.evidence + 1e-9).all()
    rising = posterior(inverted(some), LEARNT)
    unweighted = posterior(inverted(some), LEARNT._replace(climbing=1.0))
    assert unweighted.evidence[0] - rising.evidence[0] == pytest.approx(-np.log(LEARNT.climbing), abs=0.3)


def test_jax_can_trace_the_same_text():
    """Nothing in it depends on values, so that crowds of curves can be compiled."""
    given = points()
    with jax.enable_x64(True):
        arrays = given._replace(**{n: jax.numpy.asarray(v) for n, v in given._asdict().items()})
        found = jax.eval_shape(lambda p: posterior(p, LEARNT), arrays)
    here = posterior(given, LEARNT)
    shapes = jax.tree.map(np.shape, here)
    assert jax.tree.map(lambda v: v.shape, found) == shapes


def test_every_width_is_tried_at_every_place():
    places, widths = design.trial_breaks(np.asarray(5.0))
    assert len(places) == len(widths) == design.TRIALS
    assert len(set(zip(places.tolist(), widths.tolist(), strict=True))) == design.TRIALS
    assert set(widths) == set(WIDTHS)
    assert places.min() > -5.0
