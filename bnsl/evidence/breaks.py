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
from bnsl.solver.problem import Method, Problem
from bnsl.solver.search import search

MOST = MOST_BREAKS
ALWAYS_TRIED = 2  # more are tried only where the last was the best so far, or the best one misfits:
ROUGH = 3.0  # its residuals are so many times the scatter of neighbouring points
RIVALS, RIVAL = 12, 3.0  # laws that are judged, with a cost at most so many times the least


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
    with np.errstate(all="ignore"):
        tried = _weighed(curve, fewest)
    if not any(np.isfinite(values).any() for values in tried.values()):
        return (Candidate(fewest, float("nan"), 1.0),)
    total = logsumexp(np.concatenate(list(tried.values())))
    return tuple(
        Candidate(n, float(logsumexp(np.array(values))), float(np.exp(logsumexp(np.array(values)) - total)))
        for n, values in sorted(tried.items())
    )


def _weighed(curve: Curve, fewest: int) -> dict[int, list[float]]:
    """Log evidence of the best law, falling and where the curve climbs rising, by number of breaks."""
    odds = odds_of_breaks(LEARNT)
    data = data_of(curve)
    points = points_of(data, LEARNT)
    scatter = noise_of(data.log_x, data.log_y)
    tried: dict[int, list[float]] = {}
    for rising in (False, True) if curve.climbs else (False,):
        best, best_n, left = -np.inf, fewest, np.inf
        for n in range(fewest, max(MOST, fewest) + 1):
            enough = enough_points(n, data)
            if not enough or (n > max(ALWAYS_TRIED, fewest) and best_n < n - 1 and left < ROUGH * scatter):
                break
            form = BNSL(n, rising)
            laws = least_squares(form, data)
            evidence = evidence_of(form, laws, points) + odds[min(n, MOST)]
            value = float(np.max(evidence, initial=-np.inf))
            if value > best:
                law = form.log_y(laws[np.argmax(evidence)], points.u)
                best, best_n, left = value, n, float(np.sqrt(np.mean((points.log_y - law) ** 2)))
            tried.setdefault(n, []).append(value)
    return tried


def enough_points(n: int, data: Data) -> bool:
    """Whether a law of n breaks can be judged on so many points."""
    return len(data.log_x) >= 3 * n + 3 + SPARE


def least_squares(form: BNSL, data: Data) -> np.ndarray:
    """Coordinates (K, p), relative to the last point, of the best least-squares laws of a form.

    There is more than one because laws of nearly the same cost may differ much in how far they can be
    believed.
    """
    pool = search(Method(form), problem_of(data, form), quick=True)
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
