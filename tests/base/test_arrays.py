"""Functions that the array API standard lacks, in NumPy and in JAX, at their edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from bnsl._base.arrays import (
    along,
    expit,
    lengths,
    log_expit,
    log_softmax,
    logsumexp,
    namespace,
    once,
    softplus,
)

Z = np.array([-np.inf, -800.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0, 800.0, np.inf])


@pytest.fixture(params=[np, jnp], ids=["numpy", "jax"], name="xp")
def _library(request):
    with jax.enable_x64(True), np.errstate(all="ignore"):
        yield request.param


def test_the_library_of_arrays():
    assert namespace(1.0, np.ones(2)) is np
    assert namespace(np.float64(1.0), 3) is np
    assert namespace(np.ones(2), jnp.ones(2)) is jnp
    assert namespace() is np


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(softplus, lambda z: np.logaddexp(0.0, z)), (expit, special.expit), (log_expit, special.log_expit)],
)
def test_logistic_functions_do_not_overflow(xp, ours, theirs):
    np.testing.assert_allclose(ours(xp.asarray(Z)), theirs(Z), rtol=1e-14, atol=1e-300)
    assert np.isnan(ours(xp.asarray([np.nan]))).all()


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_sums_of_exponentials(xp, axis):
    values = np.array([[1.0, -900.0, 900.0], [-np.inf, -np.inf, -np.inf], [0.0, 1.0, -np.inf]])
    expected = special.logsumexp(values, axis=axis)
    np.testing.assert_allclose(logsumexp(xp.asarray(values), axis=axis), expected, rtol=1e-14)
    assert logsumexp(xp.asarray(values[1])) == -np.inf
    shares = log_softmax(xp.asarray(values[[0, 2]]))
    np.testing.assert_allclose(shares, special.log_softmax(values[[0, 2]], axis=-1), rtol=1e-14)


def test_entries_along_an_axis(xp):
    values, index = np.arange(12.0).reshape(3, 4), np.array([[3, 0], [1, 1], [2, 3]])
    found = along(xp.asarray(values), xp.asarray(index), 1)
    np.testing.assert_array_equal(found, [[3, 0], [5, 5], [10, 11]])


def test_a_hint_to_the_compiler_changes_nothing(xp):
    first, second = once(xp.asarray(Z), xp.asarray(2.0))
    np.testing.assert_array_equal(first, Z)
    assert second == 2.0


def test_lengths_of_columns_whose_squares_are_beyond_a_double():
    columns = np.array([[3e200, 0.0, 3e-200, np.inf], [4e200, 0.0, 4e-200, 1.0]])
    np.testing.assert_allclose(lengths(columns), [5e200, 0.0, 5e-200, np.inf], rtol=1e-14)
