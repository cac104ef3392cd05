import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bnsl._base import cache as _cache
from bnsl._base import programs as _programs
from bnsl._base.precision import double_precision
from bnsl.forms.broken import BNSL

traced = []


@pytest.fixture
def folder(tmp_path):
    traced.clear()
    _programs.keep_in(tmp_path)
    yield tmp_path
    _programs.keep_in(None)


def new_factor():
    """The same program as another process would see it: a function of which JAX has nothing in memory."""

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


def test_programs_are_loaded_ahead_in_a_thread(folder):
    expected = call(new_factor(), 2.0, 4.0 * np.eye(3))
    (key,) = _programs.used
    with _programs.loaded_ahead([key, "0" * 64]):
        early = _programs._ahead[key]
        assert early.result(timeout=60) is not None
        np.testing.assert_array_equal(call(new_factor(), 2.0, 4.0 * np.eye(3)), expected)
        assert key not in _programs._ahead
        np.testing.assert_array_equal(call(new_factor(), 2.0, np.eye(4)), 2.0 * np.eye(4))
    assert traced == [2.0, 2.0]  # the second for another size
    assert not _programs._ahead


def test_a_program_that_the_thread_has_not_reached_is_loaded_where_it_is_needed(folder, monkeypatch):
    expected = call(new_factor(), 2.0, 4.0 * np.eye(3))
    (key,) = _programs.used
    reached, load = threading.Event(), _programs._load

    def slow(path):
        if key not in path.name:
            reached.wait(60)
        return load(path)

    monkeypatch.setattr(_programs, "_load", slow)
    with _programs.loaded_ahead(["0" * 64, key]):
        np.testing.assert_array_equal(call(new_factor(), 2.0, 4.0 * np.eye(3)), expected)
        reached.set()
    assert traced == [2.0]


def test_a_command_remembers_which_programs_it_used(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "_told", lambda: False)
    monkeypatch.setenv("BNSL_CACHE_DIR", str(tmp_path))
    traced.clear()
    try:
        with _cache.programs_at_hand("fit"):
            expected = call(new_factor(), 2.0, 4.0 * np.eye(3))
            assert not _programs._ahead
        (order,) = tmp_path.glob("*/fit-order")
        (key,) = order.read_text().split()
        order.write_text(f"{key}\nno key")
        with _cache.programs_at_hand("fit"):
            assert list(_programs._ahead) == [key]
            np.testing.assert_array_equal(call(new_factor(), 2.0, 4.0 * np.eye(3)), expected)
        assert order.read_text() == f"{key}\nno key"  # the same keys again: not written
        assert traced == [2.0]
        order.write_bytes(b"\xff\xfe")
        with _cache.programs_at_hand("fit"):
            assert not _programs._ahead
    finally:
        _programs.keep_in(None)


def test_a_program_compiled_ahead_is_the_one_that_runs():
    factor = new_factor()
    traced.clear()
    with double_precision():
        _programs.compile_ahead((factor, (2.0, np.zeros((3, 3)))), (factor, (3.0, np.zeros((3, 3)))))
        answers = [np.asarray(factor(scale, 4.0 * np.eye(3))) for scale in (2.0, 3.0)]
    np.testing.assert_array_equal(answers, [4.0 * np.eye(3), 6.0 * np.eye(3)])
    assert sorted(traced) == [2.0, 3.0]


def test_what_is_kept_is_not_compiled_ahead(folder):
    call(new_factor(), 2.0, np.eye(3))
    traced.clear()
    factor = new_factor()
    with double_precision():
        _programs.compile_ahead((factor, (2.0, np.zeros((3, 3)))))
    np.testing.assert_array_equal(call(factor, 2.0, np.eye(3)), 2.0 * np.eye(3))
    assert not traced


def test_what_fails_while_it_is_compiled_ahead_fails_when_it_is_called():
    @_programs.program
    def product(left, right):
        return left @ right

    arguments = (np.zeros((2, 3)), np.zeros((2, 3)))
    with double_precision():
        _programs.compile_ahead((product, arguments))
        with pytest.raises(TypeError, match="contracting"):
            product(*arguments)
