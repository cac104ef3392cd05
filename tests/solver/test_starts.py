"""Starting points from the data, for one curve or many, by either library."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import numpy as np
import pytest
from normal_problems import U, noisy, problems

from bnsl.forms.baselines import M1, M2, M3
from bnsl.forms.broken import BNSL
from bnsl.forms.sigmoid import M4
from bnsl.solver.effort import PLATEAU_STARTS, SHARP_STARTS, STARTS
from bnsl.solver.problem import Method, rows_of, several
from bnsl.solver.starts import linear_starts, scanned, starts_of

FORMS = [BNSL(0), BNSL(1), BNSL(1, rising=True), M1(), M2(), M3(), M4()]


@dataclass(frozen=True)
class Scanned(M2):
    """M2 that gives no linear problem."""

    name: ClassVar[str] = "scanned"

    def separable(self, log_x, y, weight):
        return None

    def domain(self, log_x, y, weight):
        lower, upper = super().domain(log_x, y, weight)
        nothing = 0.0 * y[..., :1]
        box = np.array([[-5.0, 5.0], [0.0, 2.0]])
        ends = (lower, box[:, 0]), (upper, box[:, 1])
        return tuple(np.concatenate([nothing + edge, end[..., 2:]], axis=-1) for end, edge in ends)


def curves(form):
    """Three noisy curves, of which the last climbs if the form does."""
    y = noisy(3)
    return 3.0 - y if getattr(form, "rising", False) else y


def starts(form, y, **changes):
    """Starts (C, K, p), and their rows."""
    method, problem = Method(form), several(form, problems(y, len(form.parameters), **changes))
    rows = rows_of(method, problem)
    return starts_of(method, problem, rows), rows


def errors(form, theta, y, log_x=U):
    """Root mean squared log errors (C, K)."""
    return np.sqrt(np.mean((form.log_y(theta, log_x) - np.log(y)[:, None]) ** 2, axis=-1))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.label)
def test_starts_are_inside_the_box_and_the_best_is_near(form):
    y = curves(form)
    theta, rows = starts(form, y)
    count = STARTS + SHARP_STARTS + PLATEAU_STARTS if form.n_breaks else 2 * STARTS
    assert theta.shape[0] == 3
    assert theta.shape[1] <= count
    assert (theta >= rows.lower[:, None]).all()
    assert (theta <= rows.upper[:, None]).all()
    found = errors(form, theta, y)
    assert np.nanmin(found[0]) < (0.03 if form.n_breaks else 0.1)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.label)
def test_each_of_several_curves_has_the_starts_that_it_has_alone(form):
    y = curves(form)
    together, _ = starts(form, y)
    for i in range(3):
        alone, _ = starts(form, y[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("form", [BNSL(1), M3(), M4()], ids=lambda form: form.label)
def test_starts_are_alike_in_numpy_and_jax(form):
    problem = several(form, problems(curves(form), len(form.parameters)))

    def made(problem):
        return starts_of(Method(form), problem, rows_of(Method(form), problem))

    with jax.enable_x64(True):
        there = np.asarray(jax.jit(made)(problem))
    here = made(problem)
    if form.n_breaks:  # of sharp breaks between the last two points any is as good, and rounding decides
        kept = np.r_[: STARTS + 2, STARTS + SHARP_STARTS : here.shape[1]]
        there, here = there[:, kept], here[:, kept]
    np.testing.assert_allclose(there, here, rtol=1e-6, atol=1e-8)


def test_the_best_start_comes_first():
    y = noisy(2)[:1]
    form, weight = BNSL(1), np.ones((1, 64))
    theta = linear_starts(form, form.separable(U[None], y, weight), y, weight, 8)
    found = errors(form, theta, y)[0]
    assert found[0] < 1.05 * found.min()
    assert len(np.unique(theta[0, :, 4])) == 8  # each with its break at another place


def test_points_without_weight_have_no_part_in_starts():
    y = noisy(2)
    short, _ = starts(BNSL(1), y[:, :48], log_x=U[:48] - U[47], weight=np.ones(48))
    padded = np.pad(y[:, :48], ((0, 0), (0, 16)), constant_values=1.0)
    log_x = np.pad(U[:48] - U[47], (0, 16))
    long, _ = starts(BNSL(1), padded, log_x=log_x, weight=np.append(np.ones(48), np.zeros(16)))
    np.testing.assert_allclose(long[:, :STARTS], short[:, :STARTS], rtol=1e-7, atol=1e-9)


def test_heavier_points_count_for_more():
    y = np.exp(-0.3 * U) * np.where(U < -3.5, 1.0, np.exp(0.2 * (U + 3.5)))  # two power laws
    for weight, slope in ((np.where(U < -3.5, 1.0, 1e-4), 0.3), (np.where(U < -3.5, 1e-4, 1.0), 0.1)):
        theta, _ = starts(M1(), y[None], weight=weight)
        assert theta[0, 0, 1] == pytest.approx(slope, abs=1e-3)


def test_what_is_held_or_bounded_is_so_in_every_start():
    free = np.array([True, True, False, True, True, True])
    lower, upper = np.full(6, -np.inf), np.full(6, np.inf)
    lower[0], upper[4] = 0.25, -2.0
    theta, _ = starts(BNSL(1), noisy(2), free=free, held=np.full(6, 0.15), lower=lower, upper=upper)
    assert (theta[..., 2] == 0.15).all()
    assert (theta[..., 0] >= 0.25).all()
    assert (theta[..., 4] <= -2.0).all()


def test_a_form_without_a_linear_problem_is_scanned():
    y = (0.2 + np.exp(-0.3 * U)) * np.exp(0.01 * np.random.default_rng(0).normal(size=(2, 64)))
    theta, rows = starts(Scanned(), y)
    assert theta.shape == (2, 2 * STARTS, 3)
    assert (theta >= rows.lower[:, None]).all()
    assert (theta <= rows.upper[:, None]).all()
    found = errors(Scanned(), theta, y)
    assert (found[:, 0] == found.min(axis=1)).all()
    assert (found[:, 0] < 0.2).all()
    again = scanned(Scanned(), np.broadcast_to(U, y.shape), y, np.ones(y.shape), 2 * STARTS)
    np.testing.assert_array_equal(again, theta)
