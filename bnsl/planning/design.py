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


class Terms(NamedTuple):
    """On which terms a set is chosen: the noise (C,) and price (C,) of candidates, a budget, and how many."""

    noise: np.ndarray
    price: np.ndarray
    budget: float
    most: int


def best_set(root: np.ndarray, terms: Terms) -> BestSet:
    """The best set; of an infinite budget that of the largest reductions per cost."""
    count = len(terms.noise)
    alone = np.array([target_sd(measured(root, i, terms.noise[i]), count) for i in range(count)])
    order = choose(root, terms)
    after = target_sd(all_measured(root, order, terms.noise), count)
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


def _greedy(root: np.ndarray, terms: Terms, *, by_cost: bool) -> list[int]:
    """One candidate after the other, by how much it reduces the sum of the targets' variances."""
    chosen: list[int] = []
    count, price = len(terms.noise), terms.price.copy()
    left = min(terms.budget * (1 + 1e-12), float(np.finfo(float).max))
    while len(chosen) < terms.most and (price <= left).any():
        cross = root[count:] @ root[:count].T
        gains = np.sum(cross**2, axis=0) / (np.sum(root[:count] ** 2, axis=1) + terms.noise**2)
        value = np.where(price <= left, gains / price if by_cost else gains, -np.inf)
        best = int(np.argmax(value))
        if not gains[best] > 0:
            break
        chosen.append(best)
        left -= price[best]
        price[best] = np.inf
        root = measured(root, best, float(terms.noise[best]))
    return chosen


def choose(root: np.ndarray, terms: Terms) -> list[int]:
    """Greedy by reduction per cost; under a budget also by reduction alone, each bettered by exchanges.

    The better of the two greedy sets is within a constant factor of the best (Leskovec et al., 2007).
    """
    value = _greedy(root, terms, by_cost=True)
    if np.isinf(terms.budget):
        return value
    sets = [value, _greedy(root, terms, by_cost=False)]
    sets = [_exchanged(root, terms, chosen) for chosen in sets]
    best = min(sets, key=lambda chosen: target_sd(all_measured(root, chosen, terms.noise), len(terms.noise)))
    # In the order of reduction per cost.
    shut = np.full(len(terms.price), np.inf)
    shut[best] = terms.price[best]
    return _greedy(root, terms._replace(price=shut, budget=1e300, most=len(best)), by_cost=True)


def _exchanged(root: np.ndarray, terms: Terms, chosen: list[int]) -> list[int]:
    """Drop one run and fill up greedily, as long as that betters the set."""

    def sd_with(runs: list[int]) -> float:
        return target_sd(all_measured(root, runs, terms.noise), len(terms.noise))

    best = sd_with(chosen)
    for _ in range(SWAPS):
        trials = []
        for drop in chosen:
            kept = [i for i in chosen if i != drop]
            there = all_measured(root, kept, terms.noise)
            shut = terms.price.copy()
            shut[[*kept, drop]] = np.inf
            room = terms.budget - float(terms.price[kept].sum())
            left = terms._replace(price=shut, budget=room, most=terms.most - len(kept))
            trials += [[*kept, *_greedy(there, left, by_cost=by_cost)] for by_cost in (True, False)]
        scores = [sd_with(trial) for trial in trials]
        if not scores or min(scores) >= best * (1 - 1e-9):
            break
        best, chosen = min(scores), trials[int(np.argmin(scores))]
    return chosen
