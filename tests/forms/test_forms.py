"""What is particular to each form: limits, segments, and accuracy against 50-digit arithmetic."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from laws import CASES

import bnsl
from bnsl._base.arrays import log1p_of_share
from bnsl.forms.pieces import log_sum

X = np.geomspace(1e-3, 1e4, 16)


def test_log1p_of_a_share_is_exact():
    share = np.concatenate([np.linspace(0.0, 1.0, 501), 10.0 ** np.linspace(-300, 0, 301)])
    exact = np.array([float(mpmath.log1p(mpmath.mpf(value))) for value in share.tolist()])
    with jax.enable_x64(True):
        compiled = np.asarray(jax.jit(log1p_of_share)(jnp.asarray(share)))
    for found in (log1p_of_share(share), compiled):
        np.testing.assert_allclose(found, exact, rtol=1e-15, atol=0.0)


@pytest.mark.parametrize("library", [np, jnp], ids=["numpy", "jax"])
def test_the_sum_with_a_limit_at_its_edges(library):
    pairs = [(0.0, -3.0), (2.0, -np.inf), (0.0, -np.inf), (1.0, np.inf), (1.0, np.nan)]
    with jax.enable_x64(True), np.errstate(all="ignore"):
        values = np.asarray(log_sum(*(library.asarray(column) for column in zip(*pairs, strict=True))))
    assert values[:2] == pytest.approx([-3.0, np.log(2.0)], rel=1e-15)
    assert values[2:4].tolist() == [-np.inf, np.inf]
    assert np.isnan(values[4])


# --- limits ---------------------------------------------------------------------------------------

FAR_LEFT, FAR_RIGHT = 1e-200, 1e200


@pytest.mark.parametrize("name", ["bnsl0", "bnsl1", "bnsl2", "bnsl3", "bnsl1-rising"])
def test_bnsl_ends_at_a_with_slopes_that_add_up(name):
    form, params = CASES[name]
    assert form.evaluate(params, FAR_RIGHT) == pytest.approx(params["a"], rel=1e-12)
    total = sum(params[f"c{i}"] for i in range(form.n_breaks + 1))
    pure = params | {"a": 0.0}
    if not form.rising:
        assert form.slope(pure, FAR_LEFT) == pytest.approx(-params["c0"], rel=1e-12)
        assert form.slope(pure, FAR_RIGHT) == pytest.approx(-total, rel=1e-12)


def test_baselines_end_where_their_equations_say():
    def ends(name):
        form, params = CASES[name]
        return params, *form.evaluate(params, [FAR_LEFT, FAR_RIGHT])

    _, left, right = ends("m1")
    assert left == pytest.approx(3.0 * FAR_LEFT**-0.3, rel=1e-12)
    assert right == pytest.approx(3.0 * FAR_RIGHT**-0.3, rel=1e-12)
    m2, _, right = ends("m2")
    assert right == pytest.approx(m2["e"], rel=1e-14)
    m3, _, right = ends("m3")
    assert right == pytest.approx(m3["e"] + m3["b"] * m3["g"] ** m3["c"], rel=1e-14)
    m4, left, right = ends("m4")
    assert (left, right) == (pytest.approx(m4["e0"], rel=1e-14), pytest.approx(m4["e"], rel=1e-14))


def test_limiting_cases():
    m1, m2, m3 = (
        {"b": 3.0, "c": 0.3},
        {"b": 3.0, "c": 0.3, "e": 0.1},
        {"b": 3.0, "c": 0.3, "g": 0.0, "e": 0.1},
    )
    np.testing.assert_allclose(bnsl.M3().evaluate(m3, X), bnsl.M2().evaluate(m2, X), rtol=1e-14)
    np.testing.assert_allclose(bnsl.M2().evaluate(m2 | {"e": 0.0}, X), bnsl.M1().evaluate(m1, X), rtol=1e-14)
    zero = {"a": 0.0, "b": 3.0, "c0": 0.3}
    np.testing.assert_allclose(bnsl.BNSL(0).evaluate(zero, X), bnsl.M1().evaluate(m1, X), rtol=1e-14)
    for break_ in ({"d1": 5.0, "f1": 0.3}, {"d1": 1e20, "f1": 1e-3}):
        np.testing.assert_allclose(
            bnsl.BNSL(1).evaluate(zero | {"c1": 0.0} | break_, X),
            bnsl.BNSL(0).evaluate(zero, X),
            rtol=1e-14,
        )


def test_m4_with_alpha_one_is_the_logistic_curve():
    y = bnsl.M4().evaluate({"b": 3.0, "c": 0.5, "e": 0.1, "e0": 2.0, "alpha": 1.0}, X)
    odds = 3.0 * X**-0.5
    np.testing.assert_allclose(y, 0.1 + 1.9 * odds / (1.0 + odds), rtol=1e-13)


def test_m4_needs_a_start_above_its_limit():
    with pytest.raises(
        bnsl.InputError, match=r"params\['e0'\] = 0.1 must be larger than params\['e'\] = 0.1"
    ):
        bnsl.M4().evaluate({"b": 3.0, "c": 0.5, "e": 0.1, "e0": 0.1, "alpha": 1.0}, X)


# --- segments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_segments_are_the_law_far_from_sharp_breaks(sign):
    params = {"a": 0.0, "b": 3.0, "c0": 0.1, "c1": 0.8, "d1": 5.0, "f1": 0.01}
    params |= {"c2": -0.5, "d2": 300.0, "f2": 0.02}
    params["b"] *= sign
    form = bnsl.BNSL(2, rising=sign < 0)
    segments = form.segments(params)
    assert [s.start for s in segments] == pytest.approx([0.0, 5.0, 300.0], rel=1e-14)
    assert [s.stop for s in segments] == pytest.approx([5.0, 300.0, np.inf], rel=1e-14)
    assert [s.slope for s in segments] == pytest.approx([-0.1, -0.9, -0.4], rel=1e-14)
    for segment, x in zip(segments, (0.5, 40.0, 3e4), strict=True):
        assert segment.scale * x**segment.slope == pytest.approx(form.evaluate(params, x), rel=1e-12)


def test_segments_meet_at_the_breaks_in_the_order_of_the_breaks():
    params = CASES["bnsl3"][1]
    swapped = {name: params[name.translate(str.maketrans("13", "31"))] for name in params}
    segments = bnsl.BNSL(3).segments(swapped)
    np.testing.assert_allclose(np.array(segments), np.array(bnsl.BNSL(3).segments(params)), rtol=1e-14)
    for left, right in itertools.pairwise(segments):
        assert left.stop == right.start
        assert left.scale * left.stop**left.slope == pytest.approx(
            right.scale * right.start**right.slope, rel=1e-12
        )


# --- 50-digit arithmetic --------------------------------------------------------------------------

WIDE = np.geomspace(1e-12, 1e30, 43)
TOLERANCE = 1e-12


def exact(function, params, xs):
    """`function(params, x)` in 50 digits at every x."""
    with mpmath.workdps(50):
        known = {name: mpmath.mpf(value) for name, value in params.items()}
        return [function(known, mpmath.mpf(x)) for x in xs]


def assert_accurate(form, params, truth, xs=WIDE):
    """y to 1e-12 relative where a double can hold it; log y is finite and as good everywhere."""
    with np.errstate(all="ignore"):
        log_y = form.log_y(form.from_params(params), np.log(xs))
    logs = np.array([float(mpmath.log(y)) for y in truth])
    assert np.isfinite(log_y).all()
    np.testing.assert_allclose(log_y, logs, rtol=TOLERANCE, atol=TOLERANCE)
    inside = np.abs(logs) < 700
    assert inside.sum() > len(xs) // 2
    values = form.evaluate(params, xs)
    assert not np.isnan(values).any()
    pairs = zip(values[inside], np.array(truth)[inside], strict=True)
    assert max(abs(mpmath.mpf(value) / y - 1) for value, y in pairs) < TOLERANCE


def bnsl_exact(params, x):
    g = params["b"] * x ** -params["c0"]
    for i in range(1, sum(name.startswith("d") for name in params) + 1):
        c, d, f = (params[f"{letter}{i}"] for letter in "cdf")
        g *= (1 + (x / d) ** (1 / f)) ** (-c * f)
    return params["a"] + g


@pytest.mark.parametrize("f", [1e-3, 1e-2, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("d", [1e-6, 612.58, 1e15])
def test_one_break_against_50_digits(d, f):
    params = {"a": 0.2, "b": 2.3, "c0": 0.055, "c1": 1.7, "d1": d, "f1": f}
    near = d * np.exp(f * np.array([-40.0, -3.0, -1e-3, 0.0, 1e-3, 3.0, 40.0]))
    xs = np.concatenate([WIDE, np.clip(near, 1e-12, 1e30)])
    assert_accurate(bnsl.BNSL(1), params, exact(bnsl_exact, params, xs), xs)


@pytest.mark.parametrize("seed", range(6))
def test_three_breaks_against_50_digits(seed):
    rng = np.random.default_rng(seed)
    params = {"a": rng.uniform(0, 1) * (seed % 2), "b": 10 ** rng.uniform(-6, 6), "c0": rng.normal(0, 0.3)}
    for i in (1, 2, 3):
        params |= {
            f"c{i}": rng.normal(0, 1),
            f"d{i}": 10 ** rng.uniform(-12, 30),
            f"f{i}": 10 ** rng.uniform(-3, 1),
        }
    assert_accurate(bnsl.BNSL(3), params, exact(bnsl_exact, params, WIDE))


def test_rising_law_against_50_digits():
    params = {"a": 0.95, "b": -1e-3, "c0": 0.1, "c1": 0.3, "d1": 5.0, "f1": 0.3}
    assert_accurate(bnsl.BNSL(1, rising=True), params, exact(bnsl_exact, params, WIDE))


@pytest.mark.parametrize("c", [0.05, 0.9, 3.0])
def test_m1_m2_m3_against_50_digits(c):
    m3 = {"b": 2.3, "c": c, "g": 1e-7, "e": 0.2}

    def m3_exact(p, x):
        return p["e"] + p["b"] * (1 / x + p["g"]) ** p["c"]

    assert_accurate(bnsl.M3(), m3, exact(m3_exact, m3, WIDE))
    m2 = {name: m3[name] for name in ("b", "c", "e")}
    assert_accurate(bnsl.M2(), m2, exact(lambda p, x: m3_exact(p | {"g": 0}, x), m2, WIDE))
    m1 = {name: m3[name] for name in ("b", "c")}
    assert_accurate(bnsl.M1(), m1, exact(lambda p, x: m3_exact(p | {"g": 0, "e": 0}, x), m1, WIDE))


def m4_exact(params, x):
    """The root y of (y - e) - b x^-c (e0 - y)^alpha in 50 digits, by bisection on whichever end is nearer."""
    e, e0, alpha = params["e"], params["e0"], params["alpha"]
    target = params["b"] * x ** -params["c"]
    height = e0 - e
    # y = e + height * s with s = 1 / (1 + exp(-u)): bracket u, which no rounding near an end can spoil.

    def misfit(u):
        s, rest = 1 / (1 + mpmath.exp(-u)), 1 / (1 + mpmath.exp(u))
        return mpmath.log(s * height) - alpha * mpmath.log(rest * height) - mpmath.log(target)

    low, high = mpmath.mpf(-1), mpmath.mpf(1)
    while misfit(low) > 0:
        low *= 2
    while misfit(high) < 0:
        high *= 2
    u = mpmath.findroot(misfit, (low, high), solver="anderson", tol=1e-80, maxsteps=400)
    assert abs(misfit(u)) < 1e-40
    return e + height / (1 + mpmath.exp(-u))


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("c", [0.05, 0.9])
def test_m4_against_50_digits(alpha, c):
    params = {"b": 2.3, "c": c, "e": 0.2, "e0": 1.7, "alpha": alpha}
    assert_accurate(bnsl.M4(), params, exact(m4_exact, params, WIDE[::2]), WIDE[::2])


def test_m4_without_a_limit_against_50_digits():
    params = {"b": 2.3e5, "c": 0.9, "e": 0.0, "e0": 1e3, "alpha": 0.7}
    assert_accurate(bnsl.M4(), params, exact(m4_exact, params, WIDE[::2]), WIDE[::2])


def test_derivatives_against_50_digits():
    """Near the break and far from it on both sides, where the terms of the derivatives cancel."""
    form = bnsl.BNSL(1)
    params = {"a": 0.2, "b": 2.3, "c0": 0.055, "c1": 1.7, "d1": 612.58, "f1": 0.06}
    theta = form.from_params(params)
    xs = np.geomspace(1e2, 4e3, len(X))
    jacobian = form.log_y_and_jacobian(theta, np.log(xs))[1]

    def log_y(coordinates, x):
        a, log_b, c0, c1, log_d, log_f = coordinates
        b, d, f = (mpmath.exp(value) for value in (log_b, log_d, log_f))
        names = {"a": a, "b": b, "c0": c0, "c1": c1, "d1": d, "f1": f}
        return mpmath.log(bnsl_exact(names, x))

    with mpmath.workdps(50):
        point = [mpmath.mpf(v) for v in theta]
        for i, x in itertools.product(range(len(theta)), range(len(xs))):

            def along(value, i=i, x=x):
                return log_y([*point[:i], value, *point[i + 1 :]], mpmath.mpf(xs[x]))

            assert jacobian[i, x] == pytest.approx(float(mpmath.diff(along, point[i])), rel=1e-11)


@pytest.mark.parametrize("f", [1e-3, 10.0])
@pytest.mark.parametrize("c", [-50.0, 50.0])
def test_steep_laws_never_become_nan(f, c):
    params = {"a": 0.1, "b": 1e-300, "c0": c, "c1": -3 * c, "d1": 1e3, "f1": f}
    for part in bnsl.BNSL(1).log_y_and_jacobian(bnsl.BNSL(1).from_params(params), np.log(WIDE)):
        assert np.isfinite(part).all()
    assert not np.isnan(bnsl.BNSL(1).evaluate(params, WIDE)).any()
    assert np.isfinite(bnsl.BNSL(1).slope(params, WIDE)).all()
