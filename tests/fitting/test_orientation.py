"""Laws that rise to their limit beside those that fall to it: looked at where they matter, never below 0."""

import numpy as np
import pytest
from samples import noisy

import bnsl
from bnsl.fitting.orientation import clearly_better, other_wanted


def falling_ever_faster(seed=0, count=24, noise=0.0, offset=0.0):
    rng = np.random.default_rng(seed)
    x = np.geomspace(2.0, 300.0, count)
    return x, 0.7 - 0.5 * (x / 250.0) ** 1.7 + offset + noise * rng.standard_normal(count)


@pytest.mark.parametrize("offset", [0.0, 3.0, -40.0])
def test_a_fall_from_a_plateau_is_fitted_by_b_below_zero(offset):
    x, y = falling_ever_faster(noise=0.004, offset=offset)
    result = bnsl.fit(x, y, n_breaks=0, loss="linear")
    assert result.params["b"] < 0
    assert result.params["a"] == pytest.approx(0.7 + offset, abs=0.01)
    assert result.params["c0"] == pytest.approx(-1.7, abs=0.1)
    assert result.rmse < 0.006


def test_many_curves_are_looked_at_as_each_is_alone():
    import pandas as pd

    parts = []
    for i in range(3):
        x, y = falling_ever_faster(seed=i, noise=0.004) if i < 2 else noisy()
        parts.append(pd.DataFrame({"run": i, "x": x, "y": y}))
    rows = bnsl.fit_many(pd.concat(parts), x="x", y="y", by="run", n_breaks=0, loss="linear")
    for i, part in enumerate(parts):
        alone = bnsl.fit(part["x"], part["y"], n_breaks=0, loss="linear")
        assert rows["b"].iloc[i] == pytest.approx(alone.params["b"], rel=1e-4)
    assert (rows["b"] < 0).tolist() == [True, True, False]


def test_ordinary_curves_are_not_searched_twice(monkeypatch):
    monkeypatch.setattr("bnsl.fitting.fit.promising", lambda *_: pytest.fail("a second search was begun"))
    assert bnsl.fit(*noisy(), n_breaks=1).params["b"] > 0


def test_the_other_orientation_is_wanted_for_structure_and_for_bends():
    x = np.linspace(0.0, 6.0, 40)[None]
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal((1, 40))
    seen = np.ones((1, 40), bool)
    straight, bent = -0.3 * x + noise, -0.05 * x**2 + noise
    assert not other_wanted(x, straight, noise, seen)[0]
    assert other_wanted(x, straight, 10.0 * noise, seen)[0]
    assert other_wanted(x, bent, noise, seen)[0]
    assert not other_wanted(x, -bent, noise, seen)[0]
    padded = np.pad(x, ((0, 0), (0, 5))), np.pad(bent, ((0, 0), (0, 5))), np.pad(noise, ((0, 0), (0, 5)))
    assert other_wanted(*padded, np.pad(seen, ((0, 0), (0, 5))))[0]


def test_a_little_better_is_not_better():
    assert not clearly_better(0.95, 1.0, 20)
    assert clearly_better(0.5, 1.0, 20)


@pytest.mark.parametrize("place", [20.0, 60.0])
def test_no_law_of_a_positive_quantity_crosses_zero_ahead(place):
    x = np.geomspace(1, 1.6 * place, 30)
    y = 0.9 - 0.8 * x**-0.3 * (1 + (x / place) ** 10) ** 0.07
    assert y.min() > 0
    result = bnsl.fit(x, y, n_breaks=1)
    with pytest.warns(bnsl.ExtrapolationWarning):
        assert result.predict(x[-1] * np.geomspace(1, 100, 40)).min() > 0
    forced = bnsl.fit(x, y, n_breaks=1, bounds={"b": (None, 0)})
    assert "crosses_zero" in [code for code, _ in forced.warnings]


def test_fits_of_differences_move_with_the_data():
    x, y = noisy()
    for n_breaks in (0, 1):
        first = bnsl.fit(x, y, n_breaks=n_breaks, loss="linear")
        for shift in (-7.0, 250.0):
            moved = bnsl.fit(x, y + shift, n_breaks=n_breaks, loss="linear")
            np.testing.assert_allclose(moved.predict(x), first.predict(x) + shift, rtol=1e-7, atol=1e-7)
            assert moved.params["a"] == pytest.approx(first.params["a"] + shift, abs=1e-4)


def test_a_limit_below_zero_is_found_and_bounded():
    x = np.geomspace(0.01, 1.0, 30)
    y = 1.7 * x**-0.3 - 1.2
    assert y.min() > 0
    result = bnsl.fit(x, y, n_breaks=0, loss="linear")
    assert result.params["a"] == pytest.approx(-1.2, abs=1e-6)
    held = bnsl.fit(x, y, n_breaks=0, loss="linear", bounds={"a": (-0.8, 3.0)})
    assert held.params["a"] == pytest.approx(-0.8, abs=1e-9)
    low, high = bnsl.profile(result, "a").interval(0.9) if result.residual_scale > 1e-9 else (-1.2, -1.2)
    assert low <= -1.2 + 1e-6
    assert high >= -1.2 - 1e-6
    with pytest.raises(bnsl.InputError, match=r"bounds\['a'\].*linear"):
        bnsl.fit(x, y, bounds={"a": (-10, 10)})


def test_bounds_beyond_what_is_searched_hold():
    x, y = noisy()
    assert bnsl.fit(x, y, n_breaks=1, bounds={"a": (3.0, 9.0)}).params["a"] == pytest.approx(3.0)


def test_what_is_not_weighed_is_said_and_too_much_is_refused():
    x, y = falling_ever_faster(offset=-0.5)
    codes = [code for code, _ in bnsl.fit(x, y, loss="linear").warnings]
    assert "breaks_not_weighed" in codes
    with pytest.raises(
        bnsl.InputError, match="n_breaks = 8 is too many for 17 points: it takes 27 parameters"
    ):
        bnsl.fit(x[:17], y[:17], loss="linear", n_breaks=8)


@pytest.mark.parametrize("robust", ["huber", "soft_l1"])
def test_intervals_of_robust_fits_cover(robust):
    rng = np.random.default_rng(11)
    x = np.geomspace(1, 1e4, 50)
    inside, width = np.zeros((2, 80), bool), np.zeros((2, 80))
    for i in range(80):
        noise = 0.02 * rng.standard_normal(50) * np.where(rng.random(50) < 0.1, 10.0, 1.0)
        result = bnsl.fit(x, 2.0 * x**-0.3 * np.exp(noise), form="m1", robust=robust)
        for k in range(2):
            low, high = result.param_interval(0.9, robust=bool(k))["c"]
            inside[k, i], width[k, i] = low <= 0.3 <= high, high - low
    assert ((inside.mean(axis=1) > 0.82) & (inside.mean(axis=1) < 0.97)).all()
    assert np.median(width[0]) == pytest.approx(np.median(width[1]), rel=0.15)
