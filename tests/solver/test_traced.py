"""Precision, devices, and pieces of one shape for compiled drivers."""

import jax
import numpy as np
from normal_problems import U, problems

from bnsl.forms.broken import BNSL
from bnsl.solver import traced
from bnsl.solver.problem import Method, several
from bnsl.solver.traced import ANYWHERE, Placement, pieces_of, running

TRUTH = np.array([0.3, -1.0, 0.2, 0.5, -3.0, 0.0])
METHOD = Method(BNSL(1))


def smooth(count, seed=0):
    """Noisy curves (C, 64) of one smooth law."""
    rng = np.random.default_rng(seed)
    return BNSL(1).evaluate(TRUTH, np.exp(U)) * np.exp(0.02 * rng.normal(size=(count, 64)))


def test_the_callers_jax_configuration_is_left_alone():
    assert not jax.config.jax_enable_x64
    with running("float64", ANYWHERE):
        assert jax.numpy.asarray(1.0).dtype == "float64"
    with running("float32", Placement((jax.devices("cpu")[0],))):
        assert jax.numpy.asarray(1.0).dtype == "float32"
    assert not jax.config.jax_enable_x64


def test_work_is_cut_into_pieces_of_one_size():
    many = several(METHOD.form, problems(smooth(10), 6))
    pieces = list(pieces_of(many, 4))
    assert [rows.tolist() for _, rows, _ in pieces] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 9, 9]]
    assert [count for _, _, count in pieces] == [4, 4, 2]
    np.testing.assert_array_equal(pieces[2][0].y, many.y[[8, 9, 9, 9]])


def test_a_lone_problem_fills_a_piece_of_the_same_shape():
    (lone, _, count), *_ = pieces_of(several(METHOD.form, problems(smooth(1), 6)), 4)
    assert (lone.y.shape, count) == ((4, 64), 1)


def test_rows_are_shared_out_and_what_they_share_is_on_every_device():
    devices = tuple(jax.devices("cpu"))
    placement = Placement(devices)
    assert placement.chunks == tuple(size * len(devices) for size in traced.CHUNKS)
    size = 4 * len(devices)
    rows, shared = placement.put((np.zeros((size, 3)), np.zeros((1, 3))), size)
    assert {shard.data.shape for shard in rows.addressable_shards} == {(4, 3)}
    assert {shard.data.shape for shard in shared.addressable_shards} == {(1, 3)}
    tree = (np.zeros(2),)
    assert ANYWHERE.put(tree, 2) is tree
