"""Starts for laws of several inputs: non-negative least squares on grids of exponents.

Given its exponents, such a law is linear in its limit and coefficients, all of which are positive (Lawson and
Hanson, 1974, chapter 23). Of three or four coefficients every set of positive ones is tried at once, for a
whole grid of exponents.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np

EXPONENTS = np.array([0.02, 0.05, 0.09, 0.14, 0.2, 0.27, 0.35, 0.45, 0.57, 0.72, 0.95, 1.3, 2.0])
FEW_EXPONENTS = EXPONENTS[[1, 3, 5, 7, 10]]
LIMITS = (0.0, 0.4, 0.7, 0.85, 0.95, 0.99)  # trial limits as shares of the smallest y
POWERS = (0.15, 0.35, 0.6, 1.0, 2.0)
TINY = 1e-12  # a coefficient that came out as 0, relative to y
RIDGE = 1e-12


def grid(*axes: np.ndarray) -> np.ndarray:
    """All combinations (G, a) of the values of axes."""
    return np.array(list(product(*axes)))


def best_of(cost: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` least costs (G,), the least first."""
    return np.argsort(cost, kind="stable")[:count]


def _normal_equations(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lengths of the columns (G, q, N), and of unit columns the products (G, q, q) and those with targets."""
    size = np.sqrt(np.sum(columns**2, axis=-1))
    size = np.where(size > 0, size, 1.0)
    columns = columns / size[..., None]
    target = np.broadcast_to(target, (len(columns), columns.shape[-1]))
    return size, columns @ np.swapaxes(columns, -1, -2), np.einsum("gqn,gn->gq", columns, target)


def least_squares(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (G, q) and sums of squares (G,) of plain linear problems, as in `non_negative`."""
    size, gram, along = _normal_equations(columns, target)
    beta = np.linalg.solve(gram + 1e-10 * np.eye(columns.shape[1]), along[..., None])[..., 0]
    return beta / size, np.sum(target**2, axis=-1) - np.sum(beta * along, axis=-1)


def non_negative(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with coefficients >= 0 for G problems: coefficients (G, q) and sums of squares (G,).

    Columns (G, q, N) and targets (G, N), or (N,), are weighted.
    """
    size, gram, along = _normal_equations(columns, target)
    count, whole = columns.shape[1], np.sum(target**2, axis=-1)
    best, found = np.broadcast_to(whole, len(columns)), np.zeros(along.shape)
    for number in range(1, count + 1):
        for which in map(list, combinations(range(count), number)):
            matrix = gram[:, which][:, :, which] + RIDGE * np.eye(number)
            beta = np.linalg.solve(matrix, along[:, which, None])[..., 0]
            cost = whole - np.sum(beta * along[:, which], axis=-1)
            better = (beta >= 0).all(axis=-1) & (cost < best)
            best = np.where(better, cost, best)
            trial = np.zeros(along.shape)
            trial[:, which] = beta
            found = np.where(better[:, None], trial, found)
    return found / size, best


def sums_of_terms(
    terms: Sequence[np.ndarray], y: np.ndarray, weight: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best K <= count of G laws E + sum_j B_j exp(l_j): indices (K,), E (K,) and logs of B (K, j).

    The terms l_j are (G, N); y (N,) is near 1, and the weights (N,) are those of residuals of log y.
    """
    columns = np.exp(np.stack([np.zeros(terms[0].shape), *terms], axis=1))
    beta, cost = non_negative(columns * (weight / y), weight)
    best = best_of(cost, count)
    return best, beta[best, 0], np.log(np.maximum(beta[best, 1:], TINY))


def power_sums(
    log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, exponents: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best laws E + sum_j B_j x_j^-e_j on a grid: E (K,), logs of B (K, k) and exponents (K, k).

    Arguments as of `sums_of_terms`, with log x (N, k) and the exponents (G, k) to try.
    """
    best, level, logs = sums_of_terms(list(-exponents.T[..., None] * log_x.T[:, None]), y, weight, count)
    return level, logs, exponents[best]


def powers_of_sums(
    log_x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    powers: tuple[float, ...],
    limits: tuple[float, ...],
    exponents: np.ndarray,
    count: int,
) -> tuple[np.ndarray, ...]:
    """The best laws E + (sum_j B_j x_j^-e_j)^k: E (K,), logs of B (K, 2), exponents (K, 2) and k (K,).

    Given E and k, (y - E)^(1/k) is linear in B. Arguments as of `power_sums`; `exponents` are e k, and
    `limits` shares of the smallest y.
    """
    parts = []
    for power, share in product(powers, limits):
        level = float(share * y.min())
        gap = y - level
        raised = gap ** (1.0 / power)
        # A residual of log y is gap / y times that of log gap, of which the root of raised has 1 / k.
        scale = weight * gap / y * power / raised
        columns = np.exp(-(exponents / power)[:, :, None] * log_x.T) * scale
        beta, cost = non_negative(columns, raised * scale)
        best = best_of(cost, count)
        logs, shape = np.log(np.maximum(beta[best], TINY)), np.ones(len(best))
        parts.append((level * shape, logs, exponents[best] / power, power * shape, cost[best]))
    *found, cost = (np.concatenate(part) for part in zip(*parts, strict=True))
    return tuple(part[best_of(cost, count)] for part in found)
