"""Laws that are linear in a few amounts, once the exponents are given: the best of all, without a guess.

Variable projection (Golub and Pereyra 1973): for given exponents the best amounts, none of them negative,
have a closed form. What is left is a search over two to five exponents in a box: a grid, whose best cells are
refined by damped Gauss-Newton steps. It knows nothing of runs, and serves every law of this package.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# A refinement ends after so many steps, or when the cost falls by less than this share.
STEPS, CLOSE = 15, 1e-7
NUDGE = 1e-5  # Derivatives are differences over this distance of a coordinate.
REFINED = 3  # So many of the best cells of the grid are refined.
RIDGE = 1e-13  # This keeps the normal equations of columns that are alike solvable.

# A design goes from coordinates of the exponents (E,) to columns (N, k), a prior to residuals (E,).
Design = Callable[[np.ndarray], np.ndarray]
Prior = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Projected:
    """The best amounts for some exponents."""

    coordinates: np.ndarray  # (E,) of the exponents
    amounts: np.ndarray  # (k,) what each column is multiplied by, at least 0
    residuals: np.ndarray  # (N,) weighted
    apart: np.ndarray  # (E,) how far from its prior each coordinate is, in the residuals' unit; (0,) without

    @property
    def all(self) -> np.ndarray:
        """The residuals, and those of the prior."""
        return np.concatenate([self.residuals, self.apart])

    @property
    def cost(self) -> float:
        """Half of their sum of squares."""
        return 0.5 * float(self.all @ self.all)


@dataclass(frozen=True)
class Problem:
    """Least squares in exponents and amounts."""

    design: Design  # the columns, weighted
    target: np.ndarray  # (N,) what they should give, weighted
    low: np.ndarray  # (E,) the box of the coordinates
    high: np.ndarray
    prior: Prior = lambda coordinates: np.empty(0)

    def at(self, coordinates: np.ndarray) -> Projected:
        """The best amounts for these exponents, to rounding."""
        columns = self.design(coordinates)
        amounts = best_amounts(columns, self.target)
        active = np.flatnonzero(amounts > 0)
        if len(active):  # Normal equations have lost half of the digits.
            norm = np.sqrt(np.sum(columns[:, active] ** 2, axis=0))
            exact = np.linalg.lstsq(columns[:, active] / norm, self.target, rcond=1e-12)[0] / norm
            if (exact >= 0).all():
                amounts = np.zeros(columns.shape[1])
                amounts[active] = exact
        return Projected(coordinates, amounts, columns @ amounts - self.target, self.prior(coordinates))

    def refined(self, start: np.ndarray) -> Projected:
        """The minimum near a start, by damped Gauss-Newton steps on the projected residuals, in the box."""
        here = self.at(np.clip(start, self.low, self.high))
        damping = 1e-3
        jacobian = self._derivatives(here)
        for _ in range(STEPS):
            gradient, curvature = jacobian @ here.all, jacobian @ jacobian.T
            scale = np.diag(curvature) + 1e-12 * max(np.trace(curvature), 1e-300)
            step = self._inside(curvature + damping * np.diag(scale), gradient, here.coordinates)
            there = self.at(np.clip(here.coordinates + np.clip(step, -2.0, 2.0), self.low, self.high))
            if there.cost < here.cost:
                fell = here.cost - there.cost
                here, damping = there, max(damping / 10.0, 1e-9)
                if fell < CLOSE * here.cost:
                    break
                jacobian = self._derivatives(here)
            elif damping > 1e6:
                break
            else:
                damping *= 10.0
        return here

    def _inside(self, curvature: np.ndarray, gradient: np.ndarray, at: np.ndarray) -> np.ndarray:
        """The step to the minimum; coordinates at an end of the box that it would leave are held there."""
        free = np.ones(len(at), bool)
        while True:
            step = np.zeros(len(at))
            step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
            leaves = free & (((at <= self.low) & (step < 0)) | ((at >= self.high) & (step > 0)))
            if not leaves.any():
                return step
            free &= ~leaves

    def _derivatives(self, here: Projected) -> np.ndarray:
        """Derivatives (E, N) of the residuals by the coordinates, by differences into the box."""
        nudges = np.where(here.coordinates + NUDGE <= self.high, NUDGE, -NUDGE)
        beside = here.coordinates + np.diag(nudges)
        return np.array([(self.at(b).all - here.all) / n for b, n in zip(beside, nudges, strict=True)])

    def best(self, grid: Sequence[np.ndarray]) -> Projected:
        """The best exponents in the box, without a guess: the best cells of a grid, refined.

        Args:
            grid: the values of each coordinate that are tried.
        """
        cells = np.array([(*cell[-1:], *cell[:-1]) for cell in itertools.product(*grid[1:], grid[0])])
        starts = _distinct(cells[np.argsort([self._roughly(cell) for cell in cells])], grid)
        return min((self.refined(start) for start in starts), key=lambda one: one.cost)

    def _roughly(self, cell: np.ndarray) -> float:
        """The sum of squares at a cell, from the normal equations alone."""
        columns, apart = self.design(cell), self.prior(cell)
        residuals = columns @ best_amounts(columns, self.target) - self.target
        return float(residuals @ residuals) + float(apart @ apart)


def best_amounts(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares with no negative amount.

    Where the free optimum has none, that is the answer. Else, the amounts being few, all sets of them that
    may be above 0 are solved for, and the best that holds is taken: amounts (k,) of columns (N, k).
    """
    norm = np.sqrt(np.einsum("nk,nk->k", columns, columns))
    norm[norm == 0] = 1.0
    scaled = columns / norm
    gram, moment = scaled.T @ scaled, scaled.T @ target
    count = len(norm)
    found = np.linalg.solve(gram + RIDGE * np.eye(count), moment)
    if (found >= 0).all():
        return found / norm
    best, gain = np.zeros(count), 0.0
    for size in range(1, count):
        for chosen in itertools.combinations(range(count), size):
            pick = list(chosen)
            part = np.linalg.solve(gram[np.ix_(pick, pick)] + RIDGE * np.eye(size), moment[pick])
            lowers = float(part @ moment[pick])
            if (part >= 0).all() and lowers > gain:
                best, gain = np.zeros(count), lowers
                best[pick] = part
    return best / norm


def _distinct(cells: np.ndarray, grid: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The first cells, no two of which are neighbours."""
    gap = np.array([(ends[-1] - ends[0]) / max(len(ends) - 1, 1) or 1.0 for ends in grid])
    kept: list[np.ndarray] = []
    for cell in cells:
        if all(np.max(np.abs(cell - other) / gap) > 1.5 for other in kept):
            kept.append(cell)
        if len(kept) == REFINED:
            break
    return kept
