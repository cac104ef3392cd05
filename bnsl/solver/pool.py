"""Local minima of one problem: sorted, joined, and the distinct ones among them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ALIKE = 0.05  # squared distance of residuals, relative to the cost, up to which two solutions count as one


class Pool(NamedTuple):
    """Where a search ended, best first."""

    theta: np.ndarray  # (M, p)
    cost: np.ndarray  # (M,) infinite where a start failed
    converged: np.ndarray  # (M,)


def pool_of(theta: np.ndarray, cost: np.ndarray, converged: np.ndarray) -> Pool:
    """Solutions, best first."""
    cost = np.where(np.isfinite(cost), cost, np.inf)
    order = np.argsort(cost, kind="stable")
    return Pool(theta[order], cost[order], converged[order])


def joined(first: Pool, second: Pool) -> Pool:
    """Two pools as one."""
    return pool_of(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))


def distinct(cost: np.ndarray, fits: np.ndarray, count: int, alike: float = ALIKE) -> list[int]:
    """Indices of the best `count` of finite cost that differ in their residuals (M, N), best first.

    Two count as one if their squared distance is at most `alike` of the cost: a solution half-way along a
    valley is no other than the one at its end.
    """
    with np.errstate(all="ignore"):  # of starts that overflow
        square = np.sum(fits**2, axis=1)
        apart = square[:, None] + square - 2.0 * fits @ fits.T > alike * cost[:, None]
    chosen: list[int] = []
    for index in np.argsort(cost, kind="stable"):
        if not np.isfinite(cost[index]) or len(chosen) == count:
            break
        if apart[index, chosen].all():
            chosen.append(int(index))
    return chosen or [0]
