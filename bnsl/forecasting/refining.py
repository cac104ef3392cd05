"""The least-squares laws that are averaged beside those of the grid, for some curves side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnsl.evidence.breaks import enough_points, problem_of
from bnsl.evidence.grid import Posterior, as_bnsl
from bnsl.evidence.points import Data
from bnsl.evidence.prior import MOST_BREAKS
from bnsl.evidence.refined import SPARE
from bnsl.forms.broken import BNSL
from bnsl.solver.effort import QUICK_STEPS, TOLERANCE
from bnsl.solver.follow import follow
from bnsl.solver.problem import Method, Rows, beside, inward, outward, rows_of, taken
from bnsl.solver.search import quick_pools
from bnsl.solver.walk import Walk, begin, fresh, some

STARTS = 6  # laws of the grid of no break, or of two and more, that are refined
ROUNDS = 2  # of cheap steps: with the damping set anew they leave valleys
HOPELESS = 2.0  # cost after a round, in units of the least, from which on laws are not followed
STRAIGHT = np.array([0.0, -1.0, -1.0])  # a break that is none

Found = list[dict[int, np.ndarray]]


def best_laws(curves: list[Data], states: list[Posterior], *, rising: bool) -> Found:
    """The best laws (p,) of each curve by number of breaks, of as many as it has points for."""
    found: Found = [{} for _ in curves]
    enough = [
        [i for i, data in enumerate(curves) if enough_points(n, data, SPARE)] for n in range(MOST_BREAKS + 1)
    ]
    # The search for several breaks takes longer, and the grid's laws are near enough.
    along = None if rising or not any(enough) else _Along(enough, curves, states)
    for n in range(MOST_BREAKS + 1) if rising else (1,):
        form = BNSL(n, rising)
        problems = [problem_of(curves[i], form) for i in enough[n]]
        pools = quick_pools(Method(form), problems, along or follow) if problems else []
        for i, pool in zip(enough[n], pools, strict=True):
            if np.isfinite(pool.cost[0]):
                found[i][n] = pool.theta[0]
    if along is not None:
        along.put_into(found)
    return found


class _Along:
    """A driver that refines laws next to those of the grid in the same steps as the rows that it is given.

    A step of a few rows takes as long as NumPy's calls do, however many these are. Laws of fewer breaks are
    laws of as many as others have, whose further breaks are held straight.
    """

    def __init__(self, enough: list[list[int]], curves: list[Data], states: list[Posterior]) -> None:
        self.near = [(i, n) for n, which in enumerate(enough) for i in which if n != 1]
        pairs = [*self.near, *((i, 1) for i in enough[1])]
        form = BNSL(max(n for _, n in pairs))
        number = np.array([n for _, n in pairs])[:, None]
        problem = beside(form, [problem_of(curves[i], form) for i, _ in pairs])
        problem = problem._replace(free=np.arange(len(form.parameters)) < 3 * number + 3)
        starts = [as_bnsl(states[i], n)[:STARTS] for i, n in self.near]
        self.method, self.rows = Method(form), rows_of(Method(form), problem)
        self.which = np.repeat(np.arange(len(starts)), [len(some) for some in starts])
        self.theta = np.concatenate([self._wide(laws, STRAIGHT) for laws in starts])
        self.cost = np.zeros(len(self.theta))
        self.done = False

    def __call__(self, method: Method, rows: Rows, group: np.ndarray, walk: Walk, **options: Any) -> Walk:
        """What `follow` does; the first time, which is that of cheap steps, in company."""
        if self.done:
            return follow(method, rows, group, walk, **options)
        self.done, own = True, walk.theta.shape[1]
        options["steps"] //= ROUNDS
        for _ in range(ROUNDS):
            least = np.minimum.reduceat(self.cost, np.flatnonzero(np.diff(self.which, prepend=-1)))
            going = np.flatnonzero(self.cost <= HOPELESS * least[self.which])
            both = begin(self.method, taken(self.rows, self.which[going]), self.theta[going])
            both = Walk(*map(np.concatenate, zip(both, self._widened(walk), strict=True)))
            where = np.concatenate([self.which[going], len(self.near) + group])
            both = follow(self.method, self.rows, where, both, **options)
            self.theta[going] = inward(self.method, both.theta[: len(going)])
            self.cost[going] = both.cost[: len(going)]
            walk = some(both, np.arange(len(going), len(where)))
            narrow = {name: getattr(walk, name)[:, :own] for name in ("trial", "theta", "scale", "gradient")}
            walk = walk._replace(**narrow, gram=walk.gram[:, :own, :own])
        return walk

    def put_into(self, found: Found) -> None:
        """The best law of each curve and number of breaks."""
        if not self.done:  # no curve has points for a law of one break, whose rows these would go along with
            self(
                self.method,
                self.rows,
                np.zeros(0, int),
                fresh(self.theta[:0]),
                steps=QUICK_STEPS,
                tolerance=TOLERANCE,
            )
        for place, (i, n) in enumerate(self.near):
            rows = np.flatnonzero(self.which == place)
            row = rows[np.argmin(self.cost[rows])]
            if np.isfinite(self.cost[row]):
                found[i][n] = self.theta[row, : 3 * n + 3]

    def _widened(self, walk: Walk) -> Walk:
        """The walk of laws with further breaks, which are straight."""
        straight = outward(self.method, self._wide(np.zeros((1, 3)), STRAIGHT))[0, 3:6]
        more = (0, len(self.method.form.parameters) - walk.theta.shape[1])
        return walk._replace(
            trial=self._wide(walk.trial, straight),
            theta=self._wide(walk.theta, straight),
            scale=np.pad(walk.scale, ((0, 0), more)),
            gradient=np.pad(walk.gradient, ((0, 0), more)),
            gram=np.pad(walk.gram, ((0, 0), more, more)),
        )

    def _wide(self, values: np.ndarray, further: np.ndarray) -> np.ndarray:
        """Coordinates (B, p) of laws with further breaks (3,)."""
        count = self.method.form.n_breaks + 1 - values.shape[1] // 3
        return np.concatenate([values, np.tile(further, (len(values), count))], axis=1)
