"""The number of breaks of a curve, chosen by the evidence of laws with 0, 1, 2, ... breaks."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import log_softmax, logsumexp
from bnsl.curves.curve import Curve
from bnsl.evidence.modes import grown, modes
from bnsl.evidence.points import Data, beside, data_of, noise_of, points_of, taken
from bnsl.evidence.prior import COUNTING, MOST_BREAKS, odds_of_breaks
from bnsl.evidence.sampling import evidence_about
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.solver.pool import Pool
from bnsl.solver.problem import Method, Problem
from bnsl.solver.search import pools_from, rough_pools

MOST = MOST_BREAKS
# So many breaks are always tried, and more where the last number was the best so far, or where the
# best law misfits: its residuals are ROUGH times the scatter of neighbouring points.
ALWAYS_TRIED, ROUGH = 2, 3.0
ENOUGH = 1  # A form needs so many points more than parameters.
STARTS, WITHIN = 8, 10.0  # So many rough laws are followed, with a cost at most WITHIN times the least.
# Where one break more leaves less than this share of the cost, it is the prior that speaks against it. Real
# curves depart from every law, and then evidence counts by half (Grünwald and van Ommen, 2017, Bayesian
# Analysis 12, 1069).
TELLING, HALF = 0.35, 0.5
# A break is taken where it makes the curve so many times likelier, which is the least that counts as evidence
# (Kass and Raftery, 1995, J. Am. Stat. Assoc. 90, 773, section 3.2).
POSITIVE = 3.0
LIKELY = 6  # So many laws of every number of breaks are handed on.


class Candidate(NamedTuple):
    """A number of breaks that was weighed."""

    n_breaks: int
    log_evidence: float  # of log y, prior odds in
    probability: float  # among the numbers that were weighed


class Weighed(NamedTuple):
    """Numbers of breaks that were weighed, and the likely laws of each."""

    candidates: tuple[Candidate, ...]
    # (K, p) by number of breaks and whether they rise, likeliest first
    laws: dict[tuple[int, bool], np.ndarray]
    origin: tuple[float, float]  # log x and log y that the laws are relative to

    def likely(self, form: Form) -> np.ndarray | None:
        """The likely laws (K, p) of a form in the units of the curve, likeliest first; None without any."""
        rising = form.mirrored() is None
        laws = self.laws.get((form.n_breaks, rising))
        return None if laws is None or not len(laws) else form.rescaled(laws, *map(np.float64, self.origin))


def weigh_breaks(curve: Curve, fewest: int = 0) -> Weighed:
    """Numbers of breaks with their evidence: how well all laws of so many explain the curve on average.

    A break is a change of slope within the data that is not small (`prior.COUNTING`); the noise, white and
    correlated along x, has the prior of the grid. A law of n breaks needs more than 3 n + 3 points.

    Args:
        curve: of positive y.
        fewest: breaks that there must be, because a parameter of theirs is given.
    """
    return weigh_side_by_side([curve], fewest)[0]


def weigh_side_by_side(curves: list[Curve], fewest: int = 0) -> list[Weighed]:
    """`weigh_breaks` of several curves, whose laws are sought, and climb, together."""
    with np.errstate(all="ignore"):
        own = [[_Asked(curve, False)] for curve in curves]
        for curve, ways in zip(curves, own, strict=True):
            if curve.climbs:
                ways.append(ways[0].other())
        for n in range(fewest, max(MOST, fewest) + 1):
            for rising in (False, True):
                these = [one for ways in own for one in ways if one.rising == rising and one.wants(n, fewest)]
                if these:
                    _judge(BNSL(n, rising), these)
    out = []
    for ways in own:
        laws = {(n, one.rising): found for one in ways for n, found in one.laws.items()}
        last = float(ways[0].data.log_x[-1]), float(ways[0].data.log_y[-1])
        out.append(Weighed(_candidates(ways, fewest), laws, last))
    return out


def _judge(form: BNSL, asked: list[_Asked]) -> None:
    """Take notice of the evidence of a form, for all curves that ask for it."""
    n = form.n_breaks
    points = beside([one.points for one in asked])
    pools = rough_pools(Method(form), [problem_of(one.data, form) for one in asked])
    laws = [_nearly_best(pool) for pool in pools]
    fewer = [i for i, one in enumerate(asked) if len(one.laws.get(n - 1, ()))]
    if fewer:
        best = np.stack([asked[i].laws[n - 1][0] for i in fewer])
        for i, more in zip(fewer, grown(BNSL(n - 1, form.rising), best, taken(points, fewer)), strict=True):
            laws[i] = np.concatenate([laws[i], more])
    curve = np.repeat(np.arange(len(asked)), [len(some) for some in laws])
    found = modes(form, np.concatenate(laws), curve, points, COUNTING)
    values = evidence_about(form, found, points, COUNTING) + odds_of_breaks(COUNTING)[min(n, MOST)]
    for i, (one, pool) in enumerate(zip(asked, pools, strict=True)):
        one.learn(form, float(pool.cost[0]), found.of(i).theta, float(values[i]))


def _candidates(asked: list[_Asked], fewest: int) -> tuple[Candidate, ...]:
    """Probabilities of numbers of breaks, from the evidence of falling and of rising laws."""
    numbers = sorted({n for one in asked for n in one.tried})
    evidence = np.array([logsumexp(np.array([one.tried.get(n, -np.inf) for one in asked])) for n in numbers])
    if not np.isfinite(evidence).any():
        return (Candidate(fewest, float("nan"), 1.0),)
    cost = [min(one.costs.get(n, np.inf) for one in asked) for n in numbers]
    best = int(np.argmax(evidence))
    doubtful = best + 1 < len(numbers) and cost[best + 1] < TELLING * cost[best]
    share = log_softmax((HALF if doubtful else 1.0) * evidence)
    return tuple(map(Candidate, numbers, evidence.tolist(), np.exp(share).tolist()))


def chosen(candidates: Sequence[Candidate]) -> int:
    """The fewest breaks that no other number is clearly likelier than."""
    least = max(candidate.probability for candidate in candidates) / POSITIVE
    return min(candidate.n_breaks for candidate in candidates if candidate.probability >= least)


class _Asked:
    """One curve, of which falling or rising laws of ever more breaks are judged."""

    def __init__(self, curve: Curve, rising: bool) -> None:
        self.rising = rising
        self.data = data_of(curve)
        self.points = points_of(self.data, COUNTING)
        self.scatter = noise_of(self.data.log_x, self.data.log_y)
        self.tried: dict[int, float] = {}  # log evidence
        self.laws: dict[int, np.ndarray] = {}  # the modes
        self.costs: dict[int, float] = {}  # the least sum of squares that was seen
        self.best, self.best_n, self.left = -np.inf, -1, np.inf
        self.over = False

    def other(self) -> _Asked:
        """The same curve, of which the other laws are judged."""
        other = copy(self)
        other.rising, other.tried, other.laws, other.costs = not self.rising, {}, {}, {}
        return other

    def wants(self, n: int, fewest: int) -> bool:
        """Whether laws of n breaks are worth a look."""
        best_n = fewest if self.best_n < 0 else self.best_n
        idle = n > max(ALWAYS_TRIED, fewest) and best_n < n - 1 and self.left < ROUGH * self.scatter
        self.over = self.over or idle or not enough_points(n, self.data)
        return not self.over

    def learn(self, form: BNSL, cost: float, laws: np.ndarray, value: float) -> None:
        """Take notice of the least cost, the likely laws and the evidence of a form."""
        n = form.n_breaks
        self.costs[n], self.laws[n], self.tried[n] = cost, laws[:LIKELY], value
        if value > self.best:
            law = form.log_y(laws[0], self.points.u)
            left = float(np.sqrt(np.mean((self.points.log_y - law) ** 2)))
            self.best, self.best_n, self.left = value, n, left


def minima_near(curves: Sequence[Curve], weighed: Sequence[Weighed], n: int) -> list[np.ndarray]:
    """The least-squares laws (K, p) next to the likely falling laws of n breaks, of each of several curves.

    Args:
        curves: of at most MOST_POINTS points, with likely laws.
        weighed: their numbers of breaks.
        n: the number.
    """
    form = BNSL(n)
    laws = [each.laws[n, False] for each in weighed]
    pools = pools_from(Method(form), [problem_of(data_of(curve), form) for curve in curves], laws)
    return [
        form.rescaled(pool.theta[np.isfinite(pool.cost)], *map(np.float64, each.origin))
        for pool, each in zip(pools, weighed, strict=True)
    ]


def points_needed(n: int, spare: int = ENOUGH) -> int:
    """The points that a law of n breaks needs: so many more than it has parameters."""
    return 3 * n + 3 + spare


def enough_points(n: int, data: Data, spare: int = ENOUGH) -> bool:
    """Whether there are as many."""
    return len(data.log_x) >= points_needed(n, spare)


def _nearly_best(pool: Pool) -> np.ndarray:
    """Laws (K, p) of different costs near the least."""
    near = np.isfinite(pool.cost) & (pool.cost <= WITHIN * pool.cost[0])
    theta, cost = pool.theta[near], pool.cost[near]
    distinct = np.diff(cost, prepend=-np.inf) > 1e-6 * cost
    return theta[distinct | (np.arange(len(cost)) == 0)][:STARTS]


def problem_of(data: Data, form: BNSL) -> Problem:
    """The least-squares problem of a form on `data`, relative to its last point."""
    p = len(form.parameters)
    return Problem(
        data.log_x - data.log_x[-1],
        np.exp(data.log_y - data.log_y[-1]),
        np.sqrt(data.weight),
        1.0,
        1.0,
        np.ones(p, bool),
        np.zeros(p),
        np.full(p, -np.inf),
        np.full(p, np.inf),
    )
