"""Numbers of breaks by their evidence."""

import itertools

import numpy as np
import pytest

import bnsl
from bnsl.evidence.breaks import (
    MOST,
    Candidate,
    chosen,
    enough_points,
    weigh_breaks,
)
from bnsl.evidence.points import data_of

LAWS = (
    {"a": 0.1, "b": 1.5, "c0": 0.25},
    {"a": 0.1, "b": 1.5, "c0": 0.05, "c1": 0.5, "d1": 200.0, "f1": 0.15},
    {"a": 0.1, "b": 1.0, "c0": 0.4, "c1": -0.8, "d1": 30.0, "f1": 0.2, "c2": 0.9, "d2": 900.0, "f2": 0.2},
)


def curve(n, count=36, noise=0.004):
    x = np.geomspace(1, 1e4, count)
    rng = np.random.default_rng(10 + n)
    return bnsl.Curve(x, bnsl.BNSL(n).evaluate(LAWS[n], x) * np.exp(noise * rng.normal(size=count)))


@pytest.mark.parametrize("n", range(3))
def test_the_number_that_made_the_curve_is_likeliest(n):
    weighed = weigh_breaks(curve(n)).candidates
    assert max(weighed, key=lambda each: each.probability).n_breaks == n
    assert sum(each.probability for each in weighed) == pytest.approx(1.0)
    assert [each.n_breaks for each in weighed] == sorted(each.n_breaks for each in weighed)


def test_few_points_leave_one_number_to_weigh():
    (only,) = weigh_breaks(bnsl.Curve([1.0, 2.0, 4.0, 8.0], [1.0, 0.8, 0.7, 0.65])).candidates
    assert (only.n_breaks, only.probability) == (0, 1.0)
    (none,) = weigh_breaks(bnsl.Curve([1.0, 2.0, 4.0], [1.0, 0.8, 0.7])).candidates
    assert (none.n_breaks, none.probability) == (0, 1.0)
    assert np.isnan(none.log_evidence)


def test_breaks_that_must_be_there_are():
    weighed = weigh_breaks(curve(0), fewest=2).candidates
    assert min(each.n_breaks for each in weighed) == 2


def test_no_number_is_weighed_that_the_points_are_too_few_for():
    few = curve(0, count=9)
    assert [enough_points(n, data_of(few)) for n in range(MOST + 1)] == [True, True, False, False]
    assert {each.n_breaks for each in weigh_breaks(few).candidates} == {0, 1}


def bump(count, seed, height=0.6, noise=0.01):
    """A curve that falls, has a bump that stands out, and falls again."""
    rng = np.random.default_rng(seed)
    u = np.linspace(0.0, np.log(rng.uniform(20.0, 200.0)), count)
    middle, width = rng.uniform(0.55, 0.7) * u[-1], 0.13 * u[-1]
    log_y = -0.4 * u + height * np.exp(-0.5 * ((u - middle) / width) ** 2)
    return np.exp(u), 0.4 * np.exp(log_y + noise * rng.normal(size=count))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [13, 24, 45])
def test_a_visible_peak_is_never_called_no_break(count, seed):
    result = bnsl.fit(*bump(count, seed))
    assert result.n_breaks >= 2
    assert result.rmsle < 0.06
    assert np.all(result.predict(9.9 * result.curve.x[-1]) > 0)


@pytest.mark.parametrize("seed", range(4))
def test_evidence_changes_smoothly_as_points_are_added(seed):
    x, y = bump(20, seed)
    found = [
        {each.n_breaks: each.log_evidence for each in weigh_breaks(bnsl.Curve(x[:n], y[:n])).candidates}
        for n in range(10, 21)
    ]
    for before, after in itertools.pairwise(found):
        for n in before:
            assert abs(after[n] - before[n]) < 20.0


def test_breaks_of_random_curves_are_counted():
    counts = []
    for index in range(24):
        rng = np.random.default_rng([9, index])
        n, span = index % 3, np.log(1e3)
        law = {"a": 0.0, "b": 1.0, "c0": rng.uniform(0.1, 0.3)}
        for i, (place, change) in enumerate([(0.35, rng.uniform(0.5, 1.0)), (0.7, -0.6)][:n], 1):
            law |= {f"c{i}": change, f"d{i}": np.exp(place * span), f"f{i}": 0.1}
        x = np.geomspace(1, 1e3, int(rng.integers(14, 60)))
        y = bnsl.BNSL(n).evaluate(law, x) * np.exp(0.01 * rng.normal(size=len(x)))
        best = max(weigh_breaks(bnsl.Curve(x, y)).candidates, key=lambda each: each.probability)
        counts.append((best.n_breaks == n, best.probability >= 0.9))
    right, sure = np.array(counts).T
    assert right.mean() >= 0.9
    assert sure.mean() >= 0.3
    assert right[sure].mean() >= 0.95


def test_rising_and_falling_laws_are_both_tried_where_a_curve_climbs():
    x = np.geomspace(1, 1e4, 30)
    y = (0.9 - 0.6 * x**-0.3) * np.exp(0.002 * np.random.default_rng(0).normal(size=30))
    climbing = bnsl.Curve(x, y)
    assert climbing.climbs
    assert max(weigh_breaks(climbing).candidates, key=lambda each: each.probability).n_breaks == 0


def test_a_break_is_taken_where_it_is_clearly_likelier():
    def of(*shares):
        return [Candidate(n, 0.0, share) for n, share in enumerate(shares)]

    assert chosen(of(0.0, 0.3, 0.6, 0.1)) == 1
    assert chosen(of(0.0, 0.2, 0.7, 0.1)) == 2
    assert chosen(of(0.9, 0.1)) == 0
    assert chosen([Candidate(2, float("nan"), 1.0)]) == 2


def test_likely_laws_are_handed_on():
    weighed = weigh_breaks(curve(2))
    laws = weighed.laws[2, False]
    best = bnsl.BNSL(2).rescaled(laws, *weighed.origin)[0]
    assert best[[4, 7]] == pytest.approx(np.log([LAWS[2]["d1"], LAWS[2]["d2"]]), abs=0.3)


def test_a_curve_of_which_no_law_is_likely_enough_has_an_answer():
    result = bnsl.fit([1.0, 1.0, 1.0, 1.0, 0.5, 2.0], [1.0, 1.0, 1.0, 1.0, 3.0, 9.0])
    assert result.n_breaks == 0
    assert np.isfinite(result.predict(result.curve.x)).all()
