"""Many curves in flat arrays."""

import numpy as np
import pytest

from bnsl.curves.ragged import SPREAD, Curves, padded_length


def flat():
    x = [np.arange(1.0, n + 1) for n in (3, 5, 4)]
    starts = np.array([0, 3, 8, 12])
    return Curves(np.concatenate(x), 1.0 / np.concatenate(x), np.full(12, 0.1), starts)


@pytest.mark.parametrize("which", [[0, 1], [1], [2, 0], []])
def test_curves_are_taken(which):
    curves = flat()
    taken = curves.take(np.array(which, int))
    assert taken.lengths.tolist() == [curves.lengths[i] for i in which]
    for one, i in zip(taken, which, strict=True):
        np.testing.assert_array_equal(one.x, curves[i].x)
        np.testing.assert_array_equal(one.sigma, curves[i].sigma)


def test_curves_are_padded_with_their_last_point():
    x, y, sigma, seen = flat().padded(6)
    assert x[0].tolist() == [1, 2, 3, 3, 3, 3]
    assert y.shape == sigma.shape == (3, 6)
    assert seen.sum(axis=1).tolist() == [3, 5, 4]


def test_curves_of_one_length_need_no_padding():
    curves = flat().take(np.array([1]))
    x, _, sigma, seen = curves.padded(5)
    np.testing.assert_array_equal(x, [[1, 2, 3, 4, 5]])
    assert sigma.shape == (1, 5)
    assert seen.all()


def test_curves_of_other_points_have_other_digests():
    curves = flat()
    assert len(set(curves.digests().tolist())) == 3
    moved = Curves(curves.x, np.where(np.arange(12) == 4, 0.7, curves.y), curves.sigma, curves.starts)
    assert (moved.digests() != curves.digests()).tolist() == [False, True, False]
    assert curves.take(np.array([2, 0])).digests().tolist() == curves.digests()[[2, 0]].tolist()


def test_lengths_are_few():
    lengths = {padded_length(n) for n in range(1, 4097)}
    assert len(lengths) == 8
    assert all(padded_length(n) >= n for n in range(1, 4097))


@pytest.mark.parametrize("compiled", [True, False])
def test_curves_are_padded_with_others_of_like_lengths(compiled):
    lengths = np.array([3, 100, 40, 41, 12, 17, 100, 30, 4])
    curves = Curves(np.ones(lengths.sum()), np.ones(lengths.sum()), None, np.append(0, np.cumsum(lengths)))
    groups = curves.alike(np.arange(1, 9), compiled=compiled)
    assert sorted(np.concatenate([which for _, which in groups]).tolist()) == list(range(1, 9))
    for length, which in groups:
        if compiled:
            assert {padded_length(int(n)) for n in lengths[which]} == {length}
        else:
            assert length == lengths[which].max() <= SPREAD * lengths[which].min()
    assert [length for length, _ in groups] == ([128, 64, 32] if compiled else [100, 12])
