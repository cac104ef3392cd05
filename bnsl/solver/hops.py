"""The search for the best law of several breaks of one curve, where there are many local minima.

From the best distinct solutions found so far it goes on, kicked (basin hopping) or with a break or two
replaced by random ones, or by sharp ones at any point, on data thinned to a few points and with cheap steps.
Everything is random, but the same for the same curve.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from bnsl.solver.effort import EXACT_TOLERANCE, HOPPING, Effort
from bnsl.solver.follow import Drive, follow, refined
from bnsl.solver.picks import Trials, picked_starts, regrown_points, sprouting_points
from bnsl.solver.pool import Pool, distinct, pool_of
from bnsl.solver.problem import Method, Problem, Rows, block_means, placed, residuals, rows_of, several

CONTINUED = 8  # best solutions that take part in a round as they are
THINNED = 256  # means of points on which the rounds run
# What the rounds do in turn, and how many breaks they replace.
MOVES = (("graft", 2), ("step", 2), ("sprout", 1), ("graft", 1))
LAST_OF_TWO, LAST = ("step", 1), ("kick", 0)  # on development curves kicks do more only with three breaks
SPROUTING = 8  # solutions of fewer breaks that a round adds breaks to
GRAFTED = 12  # solutions of which a round replaces breaks by random ones:
LEADERS = 4  # the best of them all,
DEEPEST = 48  # and some from among this many;
UNMOVED = 6  # so many keep their limit
# By sharp breaks at every one of N points so many over N^2: all pairs are tried.
STEPPED, FEWEST, MOST = 200_000, 4, 24
GAIN = 1e-3  # share of the cost that counts as a better law
PARENTS = 32  # distinct solutions that are kicked
TRIALS = 32  # positions of random trial breaks
TRIAL_WIDTHS = 5  # widths at each
FAR = 0.9  # ranges of log x that the outermost two lie away from the data
SHARP = 0.15  # width of a sharp trial break, as a share of the distance to the next point


class Hops:
    """One curve, as the rounds see it."""

    def __init__(self, method: Method, problem: Problem, effort: Effort, drive: Drive = follow) -> None:
        """The problem of one curve, how hard to search, and what takes the steps."""
        self.method, self.effort, self.drive = method, effort, drive
        self.form: Any = method.form
        self.problem = block_means(problem, THINNED)
        self.several = several(self.form, self.problem)
        self.rows: Rows = rows_of(method, self.several)
        self.weight = np.broadcast_to(self.problem.weight, self.problem.y.shape)
        self.separable: Any = self.form.separable(self.problem.log_x, self.problem.y, self.weight)
        self.rng = np.random.default_rng(0)

    def best(self) -> np.ndarray:
        """The distinct best solutions (K, p), K at most `effort.keep`, best first."""
        effort, count = self.effort, self.effort.starts
        starts = self._inside(picked_starts(self.form, self.separable, self.weight, effort.beams * count))
        scale = self.form.kick_scale(self.problem.log_x)
        moves = (*MOVES, LAST_OF_TWO if self.form.n_breaks == 2 else LAST)
        theta, cost, fits = starts[:0], np.zeros(0), np.zeros((0, len(self.problem.y)))
        least, idle = np.inf, 0
        for number in range(effort.beams + effort.kicks):
            if idle >= effort.patient:
                break
            if number < effort.beams:
                batch = starts[number * count :][:count]
                batch = batch if len(batch) else starts[:count]
            else:
                batch = kicked(self.rng, theta, scale, count, CONTINUED)
                grown = self._moved(*moves[(number - effort.beams) % len(moves)], theta)
                batch[: len(grown)] = grown
                batch = self._inside(batch)
            # Some curves crawl in the form's own coordinates, some in the working ones: take turns.
            walk = self.method.straight and (number < effort.beams or number % 2 == 1)
            found = self.scouted(batch, straight=walk)
            theta = np.concatenate([theta, found.theta])
            cost = np.concatenate([cost, found.cost])
            fits = np.concatenate([fits, self.fits(found.theta)])
            chosen = distinct(cost, fits, count)
            theta, cost, fits = theta[chosen], cost[chosen], fits[chosen]
            idle = 0 if cost[0] < (1.0 - GAIN) * least else idle + 1
            least = min(least, float(cost[0]))
        return theta[: effort.keep]

    def scouted(self, starts: np.ndarray, *, straight: bool, free: np.ndarray | None = None) -> Pool:
        """Where a few cheap steps lead."""
        method = self.method._replace(straight=straight)
        rows = self.rows if free is None else self.rows._replace(free=free[None])
        group = np.zeros(len(starts), int)
        options: dict[str, Any] = {"steps": HOPPING, "tolerance": EXACT_TOLERANCE, "drive": self.drive}
        theta, walk = refined(method, rows, group, starts, **options)
        return pool_of(theta, walk.cost, walk.converged)

    def fits(self, theta: np.ndarray) -> np.ndarray:
        """Weighted residuals (M, N)."""
        return residuals(self.method, self.rows, theta)[0]

    def _inside(self, theta: np.ndarray) -> np.ndarray:
        return placed(self.several, self.rows, theta[None])[0]

    def _moved(self, move: str, drops: int, pool: np.ndarray) -> np.ndarray:
        """Starts of one kind of move."""
        drops, room = min(drops, self.form.n_breaks), self.effort.starts - CONTINUED
        if move == "sprout":
            return self._sprouted(pool, drops)
        if move == "step":
            return self._stepped(pool, drops, room)
        return self._grafted(pool, drops, room) if drops else pool[:0]

    def _grafted(self, pool: np.ndarray, drops: int, count: int) -> np.ndarray:
        """Solutions of the pool with `drops` breaks replaced by the best of random ones: at most (count, p).

        The best go in as they are, others at a random limit too: with breaks that suit another limit, a
        solution's own limit hardly moves.
        """
        node = np.where(np.arange(GRAFTED) < UNMOVED, -1.0, self.rng.random(GRAFTED))
        trials = trial_breaks(self.rng, self.problem.log_x)
        return self._regrown(Trials(self._parents(pool, GRAFTED), node, *trials), drops, count)

    def _stepped(self, pool: np.ndarray, drops: int, count: int) -> np.ndarray:
        """The same with sharp breaks at all points, of which any step between two points can be made."""
        many = int(np.clip(STEPPED // len(self.problem.log_x) ** 2, FEWEST, MOST))
        trials = sharp_breaks(self.problem.log_x)
        return self._regrown(Trials(self._parents(pool, many), np.full(many, -1.0), *trials), drops, count)

    def _regrown(self, trials: Trials, drops: int, count: int) -> np.ndarray:
        data = self.problem.log_x, self.problem.y, self.weight
        return self._inside(regrown_points(self.form, self.separable, *data, trials, drops, count))

    def _parents(self, pool: np.ndarray, count: int) -> np.ndarray:
        """The best of the pool and some of those behind, (count, p)."""
        deep = (DEEPEST * self.rng.random(max(count - LEADERS, 0)) ** 2).astype(int)
        return pool[np.concatenate([np.arange(LEADERS), deep])[:count] % len(pool)]

    def _sprouted(self, pool: np.ndarray, drops: int) -> np.ndarray:
        """Solutions fitted again without `drops` of their breaks, and the best random ones added to them.

        Unlike with `_grafted`, all other coordinates may move with the new breaks, if not far.
        """
        form, count, p = self.form, self.effort.starts, pool.shape[1]
        subsets = list(combinations(range(form.n_breaks), drops))
        leading = count // 3 // len(subsets)
        which = (len(pool) * self.rng.random(count) ** 2).astype(int)
        which[: leading * len(subsets)] = np.repeat(np.arange(leading), len(subsets)) % len(pool)
        fewer = np.stack([form.without(pool[k], subsets[i % len(subsets)]) for i, k in enumerate(which)])
        free = self.problem.free & (np.arange(p) < p - 3 * drops)
        found = self.scouted(fewer, straight=self.method.straight, free=free)
        parents = found.theta[distinct(found.cost, self.fits(found.theta), SPROUTING)]
        return self.sprouts(parents, drops, count - CONTINUED, trial_breaks(self.rng, self.problem.log_x))

    def sprouts(
        self, parents: np.ndarray, drops: int, count: int, trials: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Laws of fewer breaks (M, p) with the best sets of trial breaks added, (K, p)."""
        residual, jacobian = residuals(self.method, self.rows, parents)
        gradient = np.sum(jacobian * residual[:, None, :], axis=-1)
        low, high = parents <= self.rows.lower, parents >= self.rows.upper
        blocked = (low & (gradient > 0)) | (high & (gradient < 0))
        jacobian = np.where((self.problem.free & ~blocked)[:, :, None], jacobian, 0.0)
        base = parents, residual, jacobian
        return self._inside(sprouting_points(self.form, self.problem.log_x, *base, *trials, drops, count))


def kicked(
    rng: np.random.Generator, pool: np.ndarray, scale: np.ndarray, count: int, continued: int
) -> np.ndarray:
    """The best of the pool as they are, and random displacements of more of them, (count, p)."""
    best = pool[:continued]
    moved = count - len(best)
    parents = np.resize(pool[:PARENTS], (moved, pool.shape[1]))
    length = 10.0 ** rng.uniform(-1.0, 0.5, (moved, 1))
    chosen = rng.random(parents.shape) < 2.0 / 3.0
    return np.concatenate([parents + length * rng.normal(size=parents.shape) * chosen * scale, best])


def trial_breaks(rng: np.random.Generator, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (D,) ascending and widths (D, F) of random breaks.

    Half of the positions are even in log x, half in points, and two lie far outside, where of a wide break
    the tail is seen; the widths go from less than the spacing of the points to most of the range.
    """
    span = float(log_x[-1] - log_x[0])
    half = TRIALS // 2 - 1
    even = (np.arange(half) + rng.random(half)) / half
    rank = (np.arange(half) + rng.random(half)) / half * (len(log_x) - 1)
    among = np.interp(rank, np.arange(len(log_x)), log_x)
    far = log_x[[0, -1]] + FAR * span * np.array([-1.0, 1.0])
    positions = np.sort(np.concatenate([log_x[0] + 1.1 * span * even, among, far]))
    right = np.clip(np.searchsorted(log_x, positions), 1, len(log_x) - 1)
    spacing = np.maximum(log_x[right] - log_x[right - 1], 1e-3 * span)
    narrow = np.log(0.2 * spacing)[:, None]
    share = (np.arange(TRIAL_WIDTHS) + rng.random((TRIALS, TRIAL_WIDTHS))) / TRIAL_WIDTHS
    narrow[[0, -1]] = np.log(0.03 * span)
    return positions, np.exp(narrow + share * (np.log(0.7 * span) - narrow))


def sharp_breaks(log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A sharp break at every point, positions (N,) and widths (N, 1): two at neighbours make a step."""
    gap = np.diff(log_x, prepend=log_x[0] - 1.0)
    gap = np.minimum(gap, np.diff(log_x, append=log_x[-1] + 1.0))
    return log_x, np.maximum(SHARP * gap, 1e-4 * float(np.ptp(log_x)))[:, None]
