from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bnsl import _programs
from bnsl._arrays import double_precision
from bnsl.forms import BNSL

traced = []


@pytest.fixture
def folder(tmp_path):
    traced.clear()
    _programs.keep_in(tmp_path)
    yield tmp_path
    _programs.keep_in(None)


def new_factor():
    """The same program as another process would see it: a function of its own, so JAX has nothing in memory."""

    @partial(_programs.program, static_argnums=0)
    def factor(scale, matrix):
        traced.append(scale)
        return scale * jnp.linalg.cholesky(matrix)

    return factor


def call(function, *args):
    with double_precision():
        return np.asarray(function(*args))


def test_a_kept_program_is_loaded_without_tracing(folder):
    expected = call(new_factor(), 2.0, 4.0 * np.eye(3))
    assert traced == [2.0]
    np.testing.assert_array_equal(call(new_factor(), 2.0, 4.0 * np.eye(3)), expected)
    assert traced == [2.0]


def test_other_arguments_are_other_programs(folder):
    function = new_factor()
    for scale, size in ((2.0, 3), (3.0, 3), (3.0, 4)):
        np.testing.assert_array_equal(call(function, scale, 4.0 * np.eye(size)), 2.0 * scale * np.eye(size))
    assert len(list(folder.iterdir())) == 3


def test_a_damaged_file_is_made_again(folder):
    call(new_factor(), 2.0, np.eye(3))
    (path,) = folder.iterdir()
    path.write_bytes(b"not a program")
    np.testing.assert_array_equal(call(new_factor(), 2.0, np.eye(3)), 2.0 * np.eye(3))
    assert len(path.read_bytes()) > 1000


def test_strangers_and_traced_arguments_go_the_way_of_jit(folder):
    class Scale(float):
        __module__ = "elsewhere"

    np.testing.assert_array_equal(call(new_factor(), Scale(2.0), np.eye(3)), 2.0 * np.eye(3))
    nested = jax.jit(lambda matrix: new_factor()(2.0, matrix))
    np.testing.assert_array_equal(call(nested, np.eye(3)), 2.0 * np.eye(3))
    assert not list(folder.iterdir())
    assert _programs._ours((BNSL(1), "log", None, True))


def test_nothing_is_kept_unless_asked_for(tmp_path):
    call(new_factor(), 2.0, np.eye(3))
    assert not list(tmp_path.iterdir())
