"""Many curves in a few flat arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bnsl._base.lazy import pd

SPREAD = 8  # times as long as the shortest is at most the longest of curves that are padded together


class Points(NamedTuple):
    """One curve as it comes from the table, sorted by x."""

    x: np.ndarray  # (N,)
    y: np.ndarray  # (N,)
    sigma: np.ndarray | None


class Curves:
    """C curves whose points lie one after another; it travels to other processes."""

    def __init__(self, x: np.ndarray, y: np.ndarray, sigma: np.ndarray | None, starts: np.ndarray) -> None:
        """Curve i has the points starts[i]:starts[i + 1] of x, y and sigma, sorted by x."""
        self.x, self.y, self.sigma, self.starts = x, y, sigma, starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> Points:
        part = slice(int(self.starts[index]), int(self.starts[index + 1]))
        return Points(self.x[part], self.y[part], None if self.sigma is None else self.sigma[part])

    def __iter__(self) -> Iterator[Points]:
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> np.ndarray:
        """Number of points of every curve (C,)."""
        return np.diff(self.starts)

    def alike(self, which: np.ndarray, *, compiled: bool) -> list[tuple[int, np.ndarray]]:
        """Some curves, the longest first, in groups to be padded to one length; and these lengths.

        Compiled programs want few lengths, `padded_length`. Else a group is padded to the longest of it, as
        long as none is much shorter.
        """
        which = which[np.argsort(-self.lengths[which], kind="stable")]
        lengths, groups = self.lengths[which], []
        while len(which):
            length = padded_length(int(lengths[0])) if compiled else int(lengths[0])
            shortest = length // SPREAD
            if compiled:
                shortest = max((n for n in range(length) if padded_length(n) < length), default=0)
            count = int(np.count_nonzero(lengths > shortest))
            groups.append((length, which[:count]))
            which, lengths = which[count:], lengths[count:]
        return groups

    def digests(self) -> np.ndarray:
        """Numbers (C,) that differ between curves of different points, all but surely."""
        columns = [self.x, self.y, *([] if self.sigma is None else [self.sigma])]
        mixed = np.zeros(len(self.x), np.uint64)
        for column in columns:
            mixed = pd.util.hash_array(mixed ^ pd.util.hash_array(column))
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
        return (sums[self.starts[1:]] - sums[self.starts[:-1]]).view(np.int64)

    def take(self, which: np.ndarray) -> Curves:
        """Some of the curves."""
        lengths = self.lengths[which]
        if len(which) and (np.diff(which) == 1).all():
            part = slice(int(self.starts[which[0]]), int(self.starts[which[-1] + 1]))
            sigma = None if self.sigma is None else self.sigma[part]
            return Curves(
                self.x[part], self.y[part], sigma, self.starts[which[0] : which[-1] + 2] - part.start
            )
        starts = np.concatenate([[0], np.cumsum(lengths)])
        index = np.repeat(self.starts[which] - starts[:-1], lengths) + np.arange(starts[-1])
        sigma = None if self.sigma is None else self.sigma[index]
        return Curves(self.x[index], self.y[index], sigma, starts)

    def padded(self, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
        """x, y, sigma and whether a point is there, (C, length) each; the last point is repeated."""
        column = np.arange(length)
        lengths = self.lengths[:, None]
        if (lengths == length).all():
            shape = len(self), length
            sigma = None if self.sigma is None else self.sigma.reshape(shape)
            return self.x.reshape(shape), self.y.reshape(shape), sigma, np.ones(shape, bool)
        index = self.starts[:-1, None] + np.minimum(column, lengths - 1)
        sigma = None if self.sigma is None else self.sigma[index]
        return self.x[index], self.y[index], sigma, column < lengths


def padded_length(count: int) -> int:
    """The next of few lengths (32, 64, 128, ...), so that curves share compiled programs."""
    return max(32, 1 << (count - 1).bit_length())
