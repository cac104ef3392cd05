"""What laws say at any x: limiting cases of the noise and of the drift."""

import numpy as np
import pytest

import bnsl
from bnsl.evidence.grid import posterior
from bnsl.evidence.points import data_of, points_of
from bnsl.evidence.predict import beyond, covariance, of_grid, of_law, places, standard_deviation
from bnsl.evidence.prior import LEARNT, NOISES
from bnsl.evidence.refined import fitted_law

X = np.geomspace(1, 1e4, 25)
LAW = {"a": 0.3, "b": 2.0, "c0": 0.4}


@pytest.fixture(scope="module")
def points():
    y = bnsl.BNSL(0).evaluate(LAW, X) * np.exp(0.004 * np.random.default_rng(2).normal(size=25))
    return points_of(data_of(bnsl.Curve(X, y)), LEARNT)


@pytest.fixture(scope="module")
def refined(points):
    theta = np.array([0.3, np.log(2.0) - 0.4 * np.log(X[-1]), 0.4])
    theta[:2] = 0.3 / np.exp(points.origin[1]), theta[1] - points.origin[1]
    return fitted_law(bnsl.BNSL(0), theta, points)


def test_far_from_the_data_nothing_is_known_of_the_correlated_noise(points):
    far = places(points, np.log(X[-1]) + np.array([20.0]))
    assert far.near == pytest.approx(0.0, abs=1e-12)
    assert far.departure[:, 0] == pytest.approx(points.unit)


def test_a_point_tells_most_of_the_correlated_noise_at_its_place(points):
    there = places(points, np.log(X[-1:]))
    unit = points.unit[1:]
    assert (there.departure[1:, 0] < 1.0).all()
    assert (there.departure[1:, 0] < unit / (1.0 + unit) + 1e-12).all()
    assert there.departure[0] == pytest.approx(0.0)


def test_kriging_is_the_normal_conditional(points):
    u = np.array([-3.1, 0.2])
    where = places(points, u + points.origin[0])
    for r, factor in enumerate(points.whiten):
        inverse = factor.T @ factor
        near = covariance(points, u, points.u)[r]
        left = points.unit[r] - np.sum(near @ inverse * near, axis=1)
        assert where.departure[r] == pytest.approx(left, abs=1e-9)
        assert where.near[r] @ factor == pytest.approx(near @ inverse, abs=1e-9)


def test_predictions_of_all_kinds_agree_where_the_data_are(points, refined):
    state = posterior(points, LEARNT)
    with np.errstate(all="ignore"):
        where = places(points, np.log(X))
        kinds = [*of_grid(state, where), of_law(refined, where)]
    truth = np.log(bnsl.BNSL(0).evaluate(LAW, X))
    for laws in kinds:
        likely = np.exp(laws.log_weight) @ laws.mean / np.exp(laws.log_weight).sum()
        assert likely == pytest.approx(truth, abs=0.02)
        assert (standard_deviation(laws, where) >= laws.level[:, None]).all()


def test_a_refined_law_far_from_any_noise_is_the_law_itself(points, refined):
    with np.errstate(all="ignore"):
        where = places(points, np.array([np.log(X[-1]) + 10.0]))
        laws = of_law(refined, where)
    assert laws.mean == pytest.approx(np.log(bnsl.BNSL(0).evaluate(LAW, X[-1] * np.exp(10.0))), abs=1e-6)
    only = laws._replace(moved=0.0 * laws.moved, bend=laws.bend)
    share = 1.0 - LAW["a"] / bnsl.BNSL(0).evaluate(LAW, X[-1] * np.exp(10.0))  # what the slope moves
    drift = (share * LEARNT.drift) ** 2 * 10.0**3 / 3.0
    expected = np.sqrt(drift + laws.level**2 * (1.0 + where.departure[laws.kind, 0]))
    assert standard_deviation(only, where)[:, 0] == pytest.approx(expected)


def test_laws_of_the_grid_drift_by_the_share_of_the_limit(points):
    state = posterior(points, LEARNT)
    with np.errstate(all="ignore"):  # so far that the correlated noise of the points plays no part
        laws = of_grid(state, places(points, np.array([np.log(X[-1]) + 20.0])))[2]
    share = 1.0 - state.limits[state.sharp[1].limit] / np.exp(laws.mean[:, 0] - points.origin[1])
    assert laws.bend[:, 0] == pytest.approx(LEARNT.drift * share)
    assert set(laws.level) <= set(NOISES)


@pytest.mark.parametrize(("way", "swing"), [(-0.3, 0.0), (-0.3, 0.2), (0.3, 0.0), (0.3, 0.2), (0.05, 0.2)])
def test_a_climb_turns_back_only_where_slopes_have_changed(points, refined, way, swing):
    """Laws without uncertainty of their own, that go `way` beyond the data, a factor of e further."""
    where = places(points, points.origin[:1] + 1.0)
    laws = of_law(refined, where)
    still = np.ones_like(laws.mean)
    laws = laws._replace(mean=way * still, moved=0.0 * laws.moved, bend=still, gain=still)
    prior = LEARNT._replace(loose=0.0)
    on, falling, turning = beyond(laws, 0.0 * still, still, where, prior, swing)
    assert on.mean == pytest.approx(way)
    assert turning.mean == pytest.approx(way)
    share = prior.swings * swing
    lower = prior.later_fall * way if way < 0.0 else -prior.later_back * min(way, swing)
    assert falling.mean == pytest.approx(way + lower - share)
    assert np.sum(falling.moved**2, axis=1) == pytest.approx((0.5 * (lower - share)) ** 2)
    more = np.sum(turning.moved**2, axis=1) - (prior.turns_sd**2 - 1.0) * (
        laws.level[:, None] ** 2 * (1.0 + where.departure[laws.kind])
    )
    assert more == pytest.approx(share**2, abs=1e-12)
    at_limit = laws._replace(bend=0.0 * still, gain=0.0 * still)
    assert beyond(at_limit, 0.0 * still, still, where, prior, swing)[1].mean == pytest.approx(way)
