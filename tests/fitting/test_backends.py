"""One curve by NumPy and by JAX.

Programs for this number of points and most of these options are those of tests/many/test_backends.py.
"""

import jax
import numpy as np
import pytest
from samples import noisy

import bnsl

X, Y = noisy(seed=2, count=64)


@pytest.mark.parametrize(
    "options",
    [
        {"n_breaks": 0},
        {"n_breaks": 1},
        {"n_breaks": 2},
        {"form": "m2", "robust": "soft_l1"},
        {"form": "m4", "loss": "log1p"},
        {"n_breaks": 0, "loss": "linear", "fixed": {"a": 0.2}},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_both_backends_give_the_law(options, one_chunk):
    here, there = (bnsl.fit(X, Y, backend=backend, **options) for backend in ("numpy", "jax"))
    assert here.status is there.status
    assert there.rmsle == pytest.approx(here.rmsle, rel=1e-6)
    at = np.geomspace(X[0], 3 * X[-1], 20)
    np.testing.assert_allclose(there.predict(at), here.predict(at), rtol=1e-6)
    for one, other in zip(there.interval(at), here.interval(at), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_the_number_of_breaks_is_chosen_alike(one_chunk):
    here, there = (bnsl.fit(X, Y, backend=backend) for backend in ("auto", "jax"))
    assert here.n_breaks == there.n_breaks
    assert dict(there.params) == pytest.approx(dict(here.params), rel=1e-6)


def test_what_is_no_backend_is_one_sentence():
    with pytest.raises(
        bnsl.InputError, match=r"^backend = 'cuda' is unknown; choose one of 'auto', 'numpy', 'jax'$"
    ):
        bnsl.fit(X, Y, backend="cuda")


def test_arrays_of_jax_are_read_like_others():
    with jax.enable_x64(True):
        result = bnsl.fit(jax.numpy.asarray(X), jax.numpy.asarray(Y), form="m1")
    assert result.to_json() == bnsl.fit(X, Y, form="m1").to_json()


@pytest.mark.parametrize("traced", ["x", "y", "sigma"])
def test_a_traced_array_is_refused_in_one_sentence(traced):
    arrays = {"x": X, "y": Y, "sigma": 0.01 * Y}

    @jax.jit
    def inside(value):
        return bnsl.fit(**{**arrays, traced: value}, form="m1").rmsle

    with pytest.raises(bnsl.InputError, match=rf"^{traced} is traced by JAX.*broken_power_law") as raised:
        inside(arrays[traced])
    assert "\n" not in str(raised.value)


def test_predictions_and_forecasts_of_traced_arrays_are_refused_too():
    result = bnsl.fit(X, Y, form="m1")
    for function in (result.predict, lambda x: bnsl.forecast(x, Y), lambda x: bnsl.Curve(x, Y)):
        with pytest.raises(bnsl.InputError, match=r"^x is traced by JAX"):
            jax.jit(function)(X)
