"""How many breaks a curve asks for: least-squares laws with ever more of them, judged by their evidence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import logsumexp
from bnsl.curves.curve import Curve
from bnsl.evidence.points import Data, data_of, noise_of, points_of
from bnsl.evidence.prior import LEARNT, MOST_BREAKS, odds_of_breaks
from bnsl.evidence.refined import SPARE, evidence_of
from bnsl.forms.broken import BNSL
from bnsl.solver.pool import Pool
from bnsl.solver.problem import Method, Problem
from bnsl.solver.search import quick_pools

MOST = MOST_BREAKS
ALWAYS_TRIED = 2  # more are tried only where the last was the best so far, or the best one misfits:
ROUGH = 3.0  # its residuals are so many times the scatter of neighbouring points
RIVALS, RIVAL = 4, 2.0  # laws that are judged, with a cost at most so many times the least


class Candidate(NamedTuple):
    """A number of breaks that was weighed."""

    n_breaks: int
    log_evidence: float  # of its least-squares law on log y, prior odds in
    probability: float  # among the numbers that were weighed


def weigh_breaks(curve: Curve, fewest: int = 0) -> tuple[Candidate, ...]:
    """Numbers of breaks with the evidence of their least-squares laws (Laplace's method).

    The prior and the noise, white and correlated along x, are those of the grid; so a law that chases noise,
    or fits through slopes that no scaling curve has, counts for little. A law of n breaks needs more than
    3 n + 5 points.

    Args:
        curve: of positive y.
        fewest: breaks that there must be, because a parameter of theirs is given.
    """
    return weigh_side_by_side([curve], fewest)[0]


def weigh_side_by_side(curves: list[Curve], fewest: int = 0) -> list[tuple[Candidate, ...]]:
    """`weigh_breaks` of several curves, of which least-squares laws are sought together."""
    asked = [
        _Asked(curve, rising) for curve in curves for rising in ((False, True) if curve.climbs else (False,))
    ]
    for n in range(fewest, max(MOST, fewest) + 1):
        for rising in (False, True):
            form = BNSL(n, rising)
            these = [one for one in asked if one.rising == rising and one.wants(n, fewest)]
            problems = [problem_of(one.data, form) for one in these]
            with np.errstate(all="ignore"):
                for one, pool in zip(
                    these, quick_pools(Method(form), problems) if these else [], strict=True
                ):
                    one.judge(form, _nearly_best(pool))
    out = []
    for curve in curves:
        tried: dict[int, list[float]] = {}
        for one in asked:
            if one.curve is curve:
                for n, value in one.tried.items():
                    tried.setdefault(n, []).append(value)
        out.append(_candidates(tried, fewest))
    return out


def _candidates(tried: dict[int, list[float]], fewest: int) -> tuple[Candidate, ...]:
    """Probabilities from log evidences by number of breaks."""
    if not any(np.isfinite(values).any() for values in tried.values()):
        return (Candidate(fewest, float("nan"), 1.0),)
    total = logsumexp(np.concatenate(list(tried.values())))
    return tuple(
        Candidate(n, float(logsumexp(np.array(values))), float(np.exp(logsumexp(np.array(values)) - total)))
        for n, values in sorted(tried.items())
    )


class _Asked:
    """One curve, of which falling or rising laws of ever more breaks are judged."""

    def __init__(self, curve: Curve, rising: bool) -> None:
        self.curve, self.rising = curve, rising
        self.data = data_of(curve)
        self.points = points_of(self.data, LEARNT)
        self.scatter = noise_of(self.data.log_x, self.data.log_y)
        self.tried: dict[int, float] = {}
        self.best, self.best_n, self.left = -np.inf, -1, np.inf
        self.over = False

    def wants(self, n: int, fewest: int) -> bool:
        """Whether laws of n breaks are worth a look."""
        best_n = fewest if self.best_n < 0 else self.best_n
        idle = n > max(ALWAYS_TRIED, fewest) and best_n < n - 1 and self.left < ROUGH * self.scatter
        self.over = self.over or idle or not enough_points(n, self.data)
        return not self.over

    def judge(self, form: BNSL, laws: np.ndarray) -> None:
        """Take notice of the evidence of some laws (K, p)."""
        n = form.n_breaks
        evidence = evidence_of(form, laws, self.points) + odds_of_breaks(LEARNT)[min(n, MOST)]
        value = float(np.max(evidence, initial=-np.inf))
        if value > self.best:
            law = form.log_y(laws[np.argmax(evidence)], self.points.u)
            left = float(np.sqrt(np.mean((self.points.log_y - law) ** 2)))
            self.best, self.best_n, self.left = value, n, left
        self.tried[n] = value


def enough_points(n: int, data: Data) -> bool:
    """Whether a law of n breaks can be judged on so many points."""
    return len(data.log_x) >= 3 * n + 3 + SPARE


def least_squares(form: BNSL, data: Data) -> np.ndarray:
    """Coordinates (K, p), relative to the last point, of the best least-squares laws of a form.

    There is more than one because laws of nearly the same cost may differ much in how far they can be
    believed.
    """
    return _nearly_best(quick_pools(Method(form), [problem_of(data, form)])[0])


def _nearly_best(pool: Pool) -> np.ndarray:
    near = np.isfinite(pool.cost) & (pool.cost <= RIVAL * pool.cost[0])
    theta, cost = pool.theta[near], pool.cost[near]
    distinct = np.diff(cost, prepend=-np.inf) > 1e-6 * cost
    return theta[distinct | (np.arange(len(cost)) == 0)][:RIVALS]


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
