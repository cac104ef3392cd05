"""A set of measurements that lowers the variance of a prediction most, by cost.

Given a root F (C + T, r) of the covariance of C candidates and T targets, a measurement at candidate i lowers
the variance at target t by cov(t, i)^2 / (var(i) + noise^2), whatever it turns out to be (Bayesian linear
design; Chaloner and Verdinelli, 1995). A set is built greedily, with Potter's rank-one update of the root,
which keeps its digits where directions are hardly determined.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SWAPS = 20  # rounds of exchanges after the greedy choice


class BestSet(NamedTuple):
    """The standard deviations at the targets now, with each candidate alone (C,), and with a set of them."""

    sd_before: float
    sd_with: np.ndarray
    order: tuple[int, ...]
    sd_after: float


def best_set(
    root: np.ndarray, noise: np.ndarray, price: np.ndarray, budget: float | None, most: int
) -> BestSet:
    """The best set of at most `most` candidates, by their noise (C,) and price (C,)."""
    count = len(noise)
    alone = np.array([target_sd(measured(root, i, noise[i]), count) for i in range(count)])
    order = choose(root, noise, price, budget, most)
    after = target_sd(all_measured(root, order, noise), count)
    return BestSet(target_sd(root, count), alone, tuple(order), after)


def target_sd(root: np.ndarray, candidates: int) -> float:
    """Root mean square, over the targets, of their standard deviations."""
    rows = root[candidates:]
    return float(np.sqrt(np.sum(rows**2) / len(rows)))


def measured(root: np.ndarray, i: int, noise: float) -> np.ndarray:
    """The root once candidate i is measured (Potter, 1963): F - F z z^T / (v + noise sqrt(v)), z = F_i."""
    z = root[i]
    total = float(z @ z) + noise**2
    return root - np.outer(root @ z, z) / (total + noise * np.sqrt(total))


def all_measured(root: np.ndarray, chosen: list[int], noise: np.ndarray) -> np.ndarray:
    """The root once all chosen candidates are measured, with their noise (C,)."""
    for i in chosen:
        root = measured(root, i, float(noise[i]))
    return root


def _gains(root: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Reduction (C,) of the sum of the targets' variances by each candidate."""
    count = len(noise)
    cross = root[count:] @ root[:count].T
    return np.sum(cross**2, axis=0) / (np.sum(root[:count] ** 2, axis=1) + noise**2)


def _greedy(
    root: np.ndarray, noise: np.ndarray, price: np.ndarray, budget: float | None, most: int, *, by_cost: bool
) -> list[int]:
    chosen: list[int] = []
    left = np.inf if budget is None else budget * (1 + 1e-12)
    open_ = np.ones(len(noise), bool)
    while len(chosen) < most:
        possible = open_ & (price <= left)
        if not possible.any():
            break
        gains = _gains(root, noise)
        value = np.where(possible, gains / price if by_cost else gains, -np.inf)
        best = int(np.argmax(value))
        if not gains[best] > 0:
            break
        chosen.append(best)
        open_[best] = False
        left -= price[best]
        root = measured(root, best, float(noise[best]))
    return chosen


def choose(
    root: np.ndarray, noise: np.ndarray, price: np.ndarray, budget: float | None, most: int
) -> list[int]:
    """Greedy by reduction per cost; under a budget also by reduction alone, each bettered by exchanges.

    The better of the two greedy sets is within a constant factor of the best (Leskovec et al., 2007).
    """
    value = _greedy(root, noise, price, budget, most, by_cost=True)
    if budget is None:
        return value
    sets = [value, _greedy(root, noise, price, budget, most, by_cost=False)]
    sets = [_exchanged(root, noise, price, budget, most, chosen) for chosen in sets]
    best = min(sets, key=lambda chosen: target_sd(all_measured(root, chosen, noise), len(noise)))
    return _ordered(root, noise, price, best)


def _exchanged(
    root: np.ndarray, noise: np.ndarray, price: np.ndarray, budget: float, most: int, chosen: list[int]
) -> list[int]:
    """Drop one run and fill up greedily, as long as that betters the set."""
    count = len(noise)
    best = target_sd(all_measured(root, chosen, noise), count)
    for _ in range(SWAPS):
        trials = []
        for drop in chosen:
            kept = [i for i in chosen if i != drop]
            there = all_measured(root, kept, noise)
            shut = price.copy()
            shut[[*kept, drop]] = np.inf
            room = budget - float(price[kept].sum())
            for by_cost in (True, False):
                more = _greedy(there, noise, shut, room, most - len(kept), by_cost=by_cost)
                trials.append([*kept, *more])
        scores = [target_sd(all_measured(root, trial, noise), count) for trial in trials]
        if not scores or min(scores) >= best * (1 - 1e-9):
            break
        best, chosen = min(scores), trials[int(np.argmin(scores))]
    return chosen


def _ordered(root: np.ndarray, noise: np.ndarray, price: np.ndarray, chosen: list[int]) -> list[int]:
    """The set in the order of reduction per cost."""
    inside = np.zeros(len(noise), bool)
    inside[chosen] = True
    shut = np.where(inside, price, np.inf)
    return _greedy(root, noise, shut, 1e300, len(chosen), by_cost=True)
