"""From curves in their users' units to normalised problems, and back."""

import numpy as np
import pytest
from samples import LAW, noisy

import bnsl
from bnsl.fitting import setup
from bnsl.fitting.constraints import check_constraints
from bnsl.fitting.setup import THIN_ABOVE, scale_of, set_up, solve
from bnsl.forms.baselines import M2
from bnsl.forms.broken import BNSL

FREE = check_constraints(BNSL(1), "log", None, None)
LOSSES = ("log", "log1p", "linear")


def constrained(form=None, loss="log", **changes):
    return check_constraints(form or BNSL(1), loss, changes.get("fixed"), changes.get("bounds"))


@pytest.mark.parametrize("loss", LOSSES)
def test_units_are_such_that_x_ends_at_one_and_y_is_near_it(loss):
    x, y = noisy()
    ready = set_up(BNSL(1), FREE, loss, 1e7 * x, 1e-5 * y)
    assert ready.problem.log_x[-1] == pytest.approx(0.0, abs=1e-12)
    assert ready.log_s == pytest.approx(np.log(1e7 * x[-1]))
    middle = np.mean(np.log(ready.problem.y)) if loss == "log" else np.log(np.abs(ready.problem.y).max())
    assert middle == pytest.approx(0.0, abs=1e-12)
    # A signed law under a linear loss may be shifted, and the data are to have no mean.
    assert ready.shift == pytest.approx(1e-5 * y.mean() if loss == "linear" else 0.0)
    np.testing.assert_allclose(ready.problem.y * np.exp(ready.log_t) + ready.shift, 1e-5 * y, rtol=1e-13)
    assert ready.measure == pytest.approx(np.exp(ready.log_t) if loss == "linear" else 1.0)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_many_curves_are_set_up_as_each_is_alone(loss, weighted):
    curves = [noisy(seed=i, count=n, high=10.0 ** (3 + i)) for i, n in enumerate((30, 20, 24))]
    longest = max(len(x) for x, _ in curves)
    sigma = [0.01 * y * np.linspace(1, 3, len(y)) for _, y in curves]

    def padded(columns):
        return np.array([np.pad(v, (0, longest - len(v)), mode="edge") for v in columns])

    seen = np.arange(longest) < np.array([[len(x)] for x, _ in curves])
    spread = padded(sigma) if weighted else None
    many = set_up(
        BNSL(1), FREE, loss, *(padded(column) for column in zip(*curves, strict=True)), spread, seen
    )
    for i, (x, y) in enumerate(curves):
        one = set_up(BNSL(1), FREE, loss, x, y, sigma[i] if weighted else None)
        for name in ("log_x", "y", "weight"):
            np.testing.assert_allclose(
                getattr(many.problem, name)[i, : len(x)], getattr(one.problem, name), rtol=1e-12, atol=1e-12
            )
        assert (many.problem.weight[i, len(x) :] == 0).all()
        for name in ("log_s", "log_t", "measure"):
            assert getattr(many, name)[i] == pytest.approx(float(getattr(one, name)), rel=1e-12)
        assert many.problem.unit[i] == pytest.approx(float(one.problem.unit))


def test_what_is_held_or_bounded_is_so_in_the_units_of_the_problem():
    x, y = noisy()
    given = constrained(fixed={"d1": 1e3}, bounds={"a": (0.1, 0.4)})
    ready = set_up(BNSL(1), given, "log", x, y)
    assert ready.problem.free.tolist() == [True, True, True, True, False, True]
    assert ready.problem.held[4] == pytest.approx(np.log(1e3 / x[-1]))
    scale = np.exp(ready.log_t)
    assert (ready.problem.lower[0], ready.problem.upper[0]) == pytest.approx((0.1 / scale, 0.4 / scale))
    assert not ready.method.straight  # a break is constrained
    assert set_up(BNSL(1), constrained(bounds={"a": (0.1, 0.4)}), "log", x, y).method.straight


def test_a_held_scale_keeps_the_users_units():
    """b x^-c0 mixes with c0 in other units."""
    x, y = noisy()
    ready = set_up(BNSL(1), constrained(fixed={"b": 2.0}), "log", x, y)
    assert (ready.log_s, ready.log_t) == (0.0, 0.0)
    assert ready.problem.held[1] == np.log(2.0)


def test_a_limit_is_not_negative_where_the_loss_takes_log_y():
    x, y = noisy()
    assert set_up(BNSL(1), FREE, "log1p", x, y).problem.lower[0] == 0.0
    assert set_up(BNSL(1), FREE, "linear", x, y).problem.lower[0] == -np.inf


def test_sigma_weighs_by_its_inverse_and_its_scale_is_kept_apart():
    x, y = noisy()
    sigma = 0.01 * y * np.linspace(1.0, 4.0, len(y))
    for t in (1.0, 1e3):
        ready = set_up(BNSL(1), FREE, "log", x, t * y, t * sigma)
        np.testing.assert_allclose(
            ready.problem.weight[0] / ready.problem.weight, np.linspace(1.0, 4.0, len(y)), rtol=1e-12
        )
        assert np.exp(np.mean(np.log(ready.problem.weight))) == pytest.approx(1.0)
        # A weighted residual of one unit is so many standard deviations.
        assert ready.problem.weight[0] * ready.measure == pytest.approx(y[0] / sigma[0], rel=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_a_setup_is_solved(backend):
    x = np.geomspace(1.0, 1e6, 30)
    given = check_constraints(M2(), "log", None, None)
    law = {"b": 2.0, "c": 0.3, "e": 0.1}
    ready, pool, local = solve(set_up(M2(), given, "log", x, M2().evaluate(law, x)), None, None, backend)
    theta = M2().rescale(pool.theta[0], ready.log_s, ready.log_t)
    assert M2().to_params(theta) == pytest.approx(law, rel=1e-7)
    assert np.abs(local.residual).max() < 1e-10
    assert local.jacobian.shape == (len(x), 3)


def test_the_scale_of_a_robust_loss_is_that_of_most_residuals():
    rng = np.random.default_rng(0)
    residual = 0.02 * rng.normal(size=(3, 4001))
    residual[:, :400] += 100.0
    scale = scale_of(residual)
    np.testing.assert_allclose(scale, 1.345 * 0.02, rtol=0.2)
    seen = np.arange(4001) >= 400
    np.testing.assert_allclose(scale_of(residual, np.tile(seen, (3, 1))), 1.345 * 0.02, rtol=0.06)
    assert scale_of(np.zeros(5)) > 0


def test_very_many_points_are_searched_on_means_and_polished_on_all(monkeypatch):
    x = np.geomspace(1, 1e6, THIN_ABOVE + 1)
    y = bnsl.BNSL(1).evaluate(LAW, x) * np.exp(0.01 * np.random.default_rng(0).normal(size=len(x)))
    lengths = []
    search = setup.search
    monkeypatch.setattr(setup, "search", lambda m, p, **o: lengths.append(len(p.y)) or search(m, p, **o))
    thinned = bnsl.fit(x, y, n_breaks=1)
    assert lengths
    assert set(lengths) == {setup.THINNED}
    monkeypatch.setattr(setup, "THIN_ABOVE", len(x))
    whole = bnsl.fit(x, y, n_breaks=1)
    assert max(lengths) == len(x)
    assert thinned.rmsle == pytest.approx(whole.rmsle, rel=1e-7)
    np.testing.assert_allclose(thinned.predict(x[::100]), whole.predict(x[::100]), rtol=1e-5)
