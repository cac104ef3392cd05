"""`bnsl.broken_power_law`: the law as a function for people's own code, in NumPy and in JAX."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnsl

X = np.geomspace(1e-2, 1e5, 40)
LAWS = [
    {"a": 0.3, "b": 2.0, "c0": 0.1},
    {"a": 0.0, "b": 2.0, "c0": -0.2, "c1": 0.7, "d1": 30.0, "f1": 0.2},
    {"a": 0.2, "b": 3.0, "c0": -0.1, "c1": 0.8, "d1": 0.5, "f1": 0.3}
    | {"c2": -0.5, "d2": 30.0, "f2": 1.5, "c3": 1.2, "d3": 900.0, "f3": 0.05},
    {"a": 0.95, "b": -0.2, "c0": 0.1, "c1": 0.3, "d1": 5.0, "f1": 0.3},
]


def arguments(params):
    """a, b, c0 and the chains c, d, f of named parameters."""
    count = len(params) // 3 - 1
    chains = [np.array([params[f"{letter}{i + 1}"] for i in range(count)]) for letter in "cdf"]
    return params["a"], params["b"], params["c0"], *chains


def evaluated(params, x=X):
    return bnsl.BNSL(len(params) // 3 - 1, rising=params["b"] < 0).evaluate(params, x)


@pytest.fixture
def wide():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("params", LAWS, ids=("none", "one", "three", "rising"))
def test_it_is_the_law(params, wide):
    expected = evaluated(params)
    here = bnsl.broken_power_law(X, *arguments(params))
    assert isinstance(here, np.ndarray)
    np.testing.assert_allclose(here, expected, rtol=1e-12)
    there = bnsl.broken_power_law(jnp.asarray(X), *arguments(params))
    assert isinstance(there, jax.Array)
    np.testing.assert_allclose(there, expected, rtol=1e-12)


def test_numbers_lists_and_shapes():
    value = bnsl.broken_power_law(2.0, 0.3, 2.0, 0.1, [0.5], [30.0], [0.2])
    assert value.shape == ()
    assert bnsl.broken_power_law(3, 0, 2, 1, [], [], []) == pytest.approx(2 / 3, rel=1e-14)
    assert bnsl.broken_power_law(X.reshape(5, 8), *arguments(LAWS[1])).shape == (5, 8)
    assert bnsl.broken_power_law([], *arguments(LAWS[1])).shape == (0,)


def test_no_power_overflows(wide):
    params = {"a": 0.2, "b": 1.0, "c0": 0.1, "c1": 0.5, "d1": 1e-100, "f1": 1e-3}
    for library in (np, jnp):
        found = bnsl.broken_power_law(library.asarray([1e-200, 1.0, 1e200]), *arguments(params))
        np.testing.assert_allclose(found, evaluated(params, [1e-200, 1.0, 1e200]), rtol=1e-10)


@pytest.mark.parametrize("params", LAWS, ids=("none", "one", "three", "rising"))
def test_derivatives_are_those_of_finite_differences(params, wide):
    def total(*args):
        return jnp.sum(jnp.log(bnsl.broken_power_law(*args)))

    def moved(args, i, place, step):
        changed = [np.array(v, dtype=float) for v in args]
        changed[i][place] += step
        return np.sum(np.log(bnsl.broken_power_law(*changed)))

    args = [jnp.asarray(v, dtype=float) for v in (X, *arguments(params))]
    gradients = jax.grad(total, argnums=tuple(range(7)))(*args)
    for i, gradient in enumerate(gradients):
        assert gradient.shape == args[i].shape
        assert np.isfinite(gradient).all()
        for place in np.ndindex(gradient.shape):
            h = 1e-4 * max(abs(float(args[i][place])), 1e-3)
            along = 8 * (moved(args, i, place, h) - moved(args, i, place, -h))
            along -= moved(args, i, place, 2 * h) - moved(args, i, place, -2 * h)
            assert gradient[place] == pytest.approx(along / (12 * h), rel=1e-6, abs=1e-8), (i, place)


def test_the_derivative_by_a_scale_of_zero(wide):
    found = jax.grad(lambda b: bnsl.broken_power_law(2.0, 0.3, b, 0.1, *arguments(LAWS[1])[3:]))(0.0)
    law = {**LAWS[1], "a": 0.0, "b": 1.0, "c0": 0.1}
    assert found == pytest.approx(float(evaluated(law, 2.0)), rel=1e-12)


def batch_of_laws():
    """a, b, c0 (B, 1) and c, d, f (B, 1, 2), and the parameters of each law."""
    rng = np.random.default_rng(0)
    a, b, c0 = rng.uniform(0, 1, (6, 1)), rng.uniform(1, 2, (6, 1)), rng.uniform(0, 1, (6, 1))
    c = rng.normal(size=(6, 1, 2))
    d, f = 10 ** rng.uniform(0, 3, (6, 1, 2)), rng.uniform(0.1, 1, (6, 1, 2))
    named = []
    for i in range(6):
        named.append({"a": a[i, 0], "b": b[i, 0], "c0": c0[i, 0]})
        for k in range(2):
            named[-1] |= {f"c{k + 1}": c[i, 0, k], f"d{k + 1}": d[i, 0, k], f"f{k + 1}": f[i, 0, k]}
    return (a, b, c0, c, d, f), named


def test_a_batch_of_laws(wide):
    batch, named = batch_of_laws()
    expected = np.stack([evaluated(params) for params in named])
    np.testing.assert_allclose(bnsl.broken_power_law(X, *batch), expected, rtol=1e-12)
    np.testing.assert_allclose(bnsl.broken_power_law(jnp.asarray(X), *batch), expected, rtol=1e-12)
    mapped = jax.vmap(bnsl.broken_power_law, in_axes=(None, 0, 0, 0, 0, 0, 0))
    rows = [jnp.asarray(v)[:, 0] for v in batch]
    np.testing.assert_allclose(mapped(jnp.asarray(X), *rows), expected, rtol=1e-12)


def test_single_precision_stays():
    args = [np.float32(v) for v in arguments(LAWS[2])]
    for library in (np, jnp):
        found = bnsl.broken_power_law(library.asarray(X, dtype="float32"), *map(library.asarray, args))
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, evaluated(LAWS[2]), rtol=2e-5)
    assert bnsl.broken_power_law(X, *args).dtype == "float64"


def test_it_enters_a_compiled_loss_of_ones_own(wide):
    x, y = jnp.asarray(X), jnp.asarray(evaluated(LAWS[1]))

    @jax.jit
    @jax.value_and_grad
    def loss(theta):
        law = bnsl.broken_power_law(
            x, theta["a"], jnp.exp(theta["log_b"]), theta["c0"], theta["c"], theta["d"], theta["f"]
        )
        return jnp.mean((jnp.log(law) - jnp.log(y)) ** 2)

    a, b, c0, c, d, f = arguments(LAWS[1])
    theta = {"a": a, "log_b": np.log(b), "c0": c0, "c": c, "d": d, "f": f}
    value, slopes = loss(jax.tree.map(jnp.asarray, theta))
    assert value == pytest.approx(0.0, abs=1e-25)
    assert all(abs(leaf).max() < 1e-10 for leaf in jax.tree.leaves(slopes))
    value, slopes = loss({**jax.tree.map(jnp.asarray, theta), "a": jnp.asarray(0.1)})
    assert value > 1e-4
    assert slopes["a"] > 0  # the limit was 0


def test_a_compiled_function_may_give_values_that_are_not_positive(wide):
    found = jax.jit(bnsl.broken_power_law)(jnp.asarray([-1.0, 2.0]), *arguments(LAWS[1]))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(float(evaluated(LAWS[1], 2.0)))


BREAK = {"x": X, "a": 0.3, "b": 2.0, "c0": 0.1, "c": [0.5], "d": [30.0], "f": [0.2]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": [1.0, -2.0]}, r"x holds -2; x, d and f of a broken power law must be positive"),
        ({"x": [1.0, np.nan]}, r"x holds nan"),
        ({"d": [0.0]}, r"d holds 0"),
        ({"f": [-0.5]}, r"f holds -0\.5"),
        ({"c": [0.5, 0.5]}, r"along their last axis; got \(2,\), \(1,\), \(1,\)"),
        ({"c": 0.5, "d": 30.0, "f": 0.2}, r"along their last axis.*got \(\), \(\), \(\)"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.broken_power_law(**{**BREAK, **changes})


def test_disagreeing_numbers_of_breaks_are_named_in_jax_too():
    with pytest.raises(bnsl.InputError, match=r"got \(2,\), \(1,\), \(1,\)"):
        bnsl.broken_power_law(**{**BREAK, "x": jnp.asarray(X), "c": [0.5, 0.5]})


def test_numpy_arrays_need_no_jax():
    code = (
        "import sys, numpy as np, bnsl\n"
        "y = bnsl.broken_power_law(np.array([1.0, 2.0]), 0.3, 2.0, 0.1, [0.5], [30.0], [0.2])\n"
        "assert y.shape == (2,)\n"
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
