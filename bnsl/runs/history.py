"""What laws of a loss curve need of a schedule: sums over all steps before a point, computed in blocks.

A law sums something over every step k up to t. Steps come by the ten thousand, points by the hundred; so the
sums run over blocks, between the points and wherever the rate turns or jumps, with closed forms inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bnsl.schedules.schedule import Schedule

BLOCKS = 64  # A history has at least this many blocks, however few its points.
# So many steps before a point a block ends, if the rate there differs by more than the share EVEN.
BEFORE, EVEN = (4, 16, 64), 0.02
BATCH = 256  # The sums of so many points are computed at a time, to bound the memory.


@dataclass(frozen=True)
class History:
    """The blocks of a schedule up to some steps, in the units of a reference rate.

    A block holds the steps k with first < k <= last; along it the rate changes evenly. The rate before step 0
    counts as 0, so that a run without a warm-up begins with a jump.
    """

    step: np.ndarray  # (N,) the steps that are asked for, ascending
    total: np.ndarray  # (N,) S1, the sum of all rates up to each of them
    first: np.ndarray  # (J,) the ends of the blocks
    last: np.ndarray
    fall: np.ndarray  # (J,) by how much the rate falls along each block; negative where it rises
    rate: np.ndarray  # (J,) its mean rate
    sum_first: np.ndarray  # (J,) S1 at its ends
    sum_last: np.ndarray
    begins: int  # the step at which other data begin, in continual pre-training
    share: float  # of every batch from there on, that is the data on which the loss is measured
    since: np.ndarray  # (N,) S1 since other data began

    @cached_property
    def sides(self) -> tuple[History, History]:
        """The same with the falls of the rate before, and after, other data begin."""
        after = self.last >= self.begins
        old, new = (replace(self, fall=np.where(side, self.fall, 0.0)) for side in (~after, after))
        return old, new

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and block of every pair in which the block lies before the point, rows ascending."""
        rows, blocks = np.nonzero(self.last <= self.step[:, None])
        return rows, blocks

    def summed(self, values: np.ndarray) -> np.ndarray:
        """The sums (N,) over the pairs of each point."""
        return np.bincount(self.pairs[0], values, minlength=len(self.step))

    @cached_property
    def between(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For every pair, between which two sums S_k(t) lies along the block, and how many k it has.

        Each is (pairs,). S_k(t) counts the rate of step k itself.
        """
        rows, blocks = self.pairs
        half = 0.5 * self.rate[blocks]
        far = self.total[rows] - self.sum_first[blocks]
        near = self.total[rows] - self.sum_last[blocks]
        count = (self.last - self.first)[blocks]
        single = count == 1
        return np.where(single, far, near + half), np.where(single, far, far + half), count


def history(
    schedule: Schedule,
    step: np.ndarray,
    unit: float,
    *,
    begins: int = 0,
    share: float = 1.0,
    every: bool = False,
) -> History:
    """The blocks of a whole schedule up to ascending steps (N,), in the units of a rate.

    `begins` and `share` are as of `History`; with `every` there is a block for every single step, which is
    exact, and slow.
    """
    rates = schedule.rates() / unit
    sums = np.cumsum(rates)
    step = np.asarray(step, int)
    last = int(step[-1])
    ends = np.arange(last + 1) if every else _ends(schedule, step, rates)
    first = np.concatenate([[-1], ends[:-1]])
    known = np.concatenate([rates, [0.0]])  # Index -1 is the rate before step 0.
    totals = np.concatenate([sums, [0.0]])
    count = ends - first
    return History(
        step=step,
        total=sums[step],
        first=first,
        last=ends,
        fall=known[first] - known[ends],
        rate=(totals[ends] - totals[first]) / count,
        sum_first=totals[first],
        sum_last=totals[ends],
        begins=begins,
        share=share,
        since=np.maximum(sums[step] - (sums[min(begins, len(sums) - 1)] if begins else 0.0), 0.0),
    )


def _ends(schedule: Schedule, step: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The last steps of the blocks: the points, an even grid, and the neighbourhood of corners and points.

    The steps just before a point may count most; there, a block is long only if the rate hardly changes.
    """
    last = int(step[-1])
    corners = schedule.corners
    near = 2 ** np.arange(int(np.log2(max(last, 2))) + 1)
    near = near[near <= max(last // BLOCKS, 1)]  # Further away, the even grid is as fine.
    places = [step, np.linspace(0, last, BLOCKS + 1).round(), corners, corners - 1]
    places += [np.add.outer(corners, near).ravel(), np.add.outer(corners, -near).ravel()]
    for back in BEFORE:
        before = np.maximum(step - back, 0)
        places.append(before[np.abs(rates[before] - rates[step]) > EVEN * rates[step]])
    ends = np.unique(np.concatenate(places).astype(int))
    return ends[(ends >= 0) & (ends <= last)]
