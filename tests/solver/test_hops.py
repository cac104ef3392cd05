"""The search for laws of several breaks: what it tries, and curves that once had a lower minimum missed."""

import numpy as np
import pytest
from normal_problems import U, problems

import bnsl
from bnsl.solver.effort import HOPPING, Effort, effort_for
from bnsl.solver.hops import CONTINUED, Hops, kicked, sharp_breaks, trial_breaks
from bnsl.solver.problem import Method


def error_of(x, y, n):
    """Root mean squared log error of the fit with n breaks."""
    result = bnsl.fit(x, y, n_breaks=n, bounds={"b": (0, None)})
    return float(np.sqrt(np.mean(result.residuals**2)))


def test_two_wide_breaks_without_noise_are_followed_to_the_end_of_their_valley():
    x = np.exp(np.linspace(-10.0, 0.0, 15))
    theta = np.array([0.1, 0.0, 0.2, 0.5, -7.0, -0.2, -0.4, -3.0, 0.1])
    assert error_of(x, bnsl.BNSL(2).evaluate(theta, x), 2) < 1e-10


@pytest.mark.parametrize("place", [3, 11, 16])
def test_a_step_between_two_neighbouring_points_is_found(place):
    """No random break is likely to lie there; two sharp ones make the step, the third the bend."""
    rng = np.random.default_rng(place)
    x = np.exp(np.linspace(-9.0, 0.0, 20))
    bend = np.array([0.0, 0.0, 0.1, 0.6, -5.2, -0.7])
    noise = np.exp(0.003 * rng.normal(size=20))
    y = bnsl.BNSL(1).evaluate(bend, x) * np.where(np.arange(20) >= place, 1.3, 1.0) * noise
    assert error_of(x, y, 3) < 0.004


def test_trial_breaks_are_sorted_inside_a_range_of_the_data_and_repeatable():
    log_x = np.sort(np.random.default_rng(0).uniform(-8, 0, 40))
    span = np.ptp(log_x)
    positions, widths = trial_breaks(np.random.default_rng(1), log_x)
    again, _ = trial_breaks(np.random.default_rng(1), log_x)
    np.testing.assert_array_equal(positions, again)
    assert (np.diff(positions) >= 0).all()
    assert positions[0] >= log_x[0] - span
    assert positions[-1] <= log_x[-1] + span
    assert widths.shape[0] == len(positions)
    assert ((widths > 0) & (widths < span)).all()


def test_a_sharp_break_at_every_point_is_sharper_than_the_points_are_apart():
    log_x = np.sort(np.random.default_rng(0).uniform(-8, 0, 40))
    log_x[7] = log_x[8]  # at one x twice
    places, sharp = sharp_breaks(log_x)
    np.testing.assert_array_equal(places, log_x)
    assert sharp.shape == (40, 1)
    assert (sharp > 0).all()
    gaps = np.diff(log_x)
    nearest = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
    apart = nearest > 0
    assert (sharp[apart, 0] < nearest[apart]).all()


def test_kicks_keep_the_best_and_move_the_others_by_the_forms_scale():
    pool = np.arange(10.0)[:, None] * np.ones(3)
    starts = kicked(np.random.default_rng(0), pool, np.array([0.0, 1.0, 0.1]), 40, 4)
    np.testing.assert_array_equal(starts[-4:], pool[:4])
    moved = starts[:-4] - np.resize(pool, (36, 3))
    assert (moved[:, 0] == 0).all()
    assert (moved[:, 1] != 0).any()
    assert np.abs(moved[:, 1]).max() > 5 * np.abs(moved[:, 2]).max()


TWO = np.array([0.1, -0.5, 0.1, 0.5, -5.0, -1.0, -0.4, -2.0, -1.5])


@pytest.fixture(scope="module")
def curve():
    """A curve of two breaks with little noise, as a problem of its own."""
    noise = np.exp(0.002 * np.random.default_rng(0).normal(size=len(U)))
    return problems(bnsl.BNSL(2).evaluate(TWO, np.exp(U)) * noise, 9)


def test_every_kind_of_move_starts_inside_the_box_with_as_many_laws_as_there_is_room_for(curve):
    effort = effort_for(bnsl.BNSL(2))
    hops = Hops(Method(bnsl.BNSL(2)), curve, effort)
    pool = hops.scouted(TWO + 0.1 * np.random.default_rng(1).normal(size=(20, 9)), straight=True).theta
    for move, drops in (("graft", 1), ("graft", 2), ("step", 2), ("sprout", 1)):
        starts = hops._moved(move, drops, pool)
        assert 0 < len(starts) <= effort.starts - CONTINUED, move
        assert np.isfinite(starts).all()
        assert (starts >= hops.rows.lower[0]).all()
        assert (starts <= hops.rows.upper[0]).all()
    assert len(hops._moved("kick", 0, pool)) == 0


def test_what_is_held_stays_so_in_every_round(curve):
    free = np.ones(9, bool)
    free[[0, 4]] = False
    held = np.zeros(9)
    held[[0, 4]] = 0.1, -5.0
    problem = curve._replace(free=free, held=held)
    found = Hops(Method(bnsl.BNSL(2), straight=False), problem, Effort(24, 3, kicks=4)).best()
    assert (found[:, [0, 4]] == [0.1, -5.0]).all()


def test_the_rounds_find_the_law_and_repeat_themselves(curve):
    effort = Effort(24, 3, kicks=4)
    hops = Hops(Method(bnsl.BNSL(2)), curve, effort)
    found = hops.best()
    again = Hops(Method(bnsl.BNSL(2)), curve, effort).best()
    misfit = np.sqrt(np.mean(hops.fits(found) ** 2, axis=1))
    np.testing.assert_array_equal(found, again)
    assert len(found) <= 3
    assert misfit[0] == misfit.min() < 0.0022
    assert HOPPING < 50  # cheap steps, and few


def test_very_many_points_are_thinned_for_the_rounds():
    log_x = np.linspace(-7.0, 0.0, 3000)
    y = bnsl.BNSL(2).evaluate(TWO, np.exp(log_x))
    problem = problems(y, 9)._replace(log_x=log_x, weight=np.ones(3000))
    hops = Hops(Method(bnsl.BNSL(2)), problem, effort_for(bnsl.BNSL(2)))
    assert len(hops.problem.y) == 256
    law = bnsl.BNSL(2).evaluate(TWO, np.exp(hops.problem.log_x))
    np.testing.assert_allclose(hops.problem.y, law, rtol=2e-5)
    np.testing.assert_allclose(np.sum(hops.problem.weight**2), 3000)
