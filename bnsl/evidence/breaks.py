"""How many breaks a curve asks for: least-squares laws with ever more of them, judged by their evidence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from bnsl._base.precision import double_precision
from bnsl.curves.curve import Curve
from bnsl.evidence import grid as bayes
from bnsl.evidence import refined as laplace
from bnsl.forms.broken import BNSL
from bnsl.solver.search import Method, Problem, search

MOST = bayes.MOST_BREAKS
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

    The prior and the noise, white and correlated along x, are those of `bayes`; so a law that chases noise,
    or fits through slopes that no scaling curve has, counts for little. A law of n breaks needs more than
    3 n + 5 points.

    Args:
        curve: of positive y.
        fewest: breaks that there must be, because a parameter of theirs is given.
    """
    prior = bayes.learnt_prior()
    odds = bayes.odds_of_breaks(prior)
    data = bayes.data_of(curve)
    seen = data.weight > 0
    scatter = bayes.noise_of(data.log_x[seen], data.log_y[seen])
    tried: dict[int, list[float]] = {}
    for rising in (False, True) if curve.climbs else (False,):
        evidence = laplace.evidence_of(data, prior, rising=rising)
        best, best_n, left = -np.inf, fewest, np.inf
        for n in range(fewest, max(MOST, fewest) + 1):
            enough = len(evidence.u) >= 3 * n + 3 + laplace.SPARE
            if not enough or (n > max(ALWAYS_TRIED, fewest) and best_n < n - 1 and left < ROUGH * scatter):
                break
            value = -np.inf
            for theta in least_squares(n, data, rising=rising):
                law = laplace.fitted_law(theta, evidence)
                if law is not None and law.log_evidence + odds[min(n, MOST)] > value:
                    value = float(law.log_evidence + odds[min(n, MOST)])
                    if value > best:
                        best, best_n, left = value, n, laplace.misfit(law)
            tried.setdefault(n, []).append(value)
    if not any(np.isfinite(values).any() for values in tried.values()):
        return (Candidate(fewest, float("nan"), 1.0),)
    total = logsumexp([value for values in tried.values() for value in values])
    return tuple(
        Candidate(n, float(logsumexp(values)), float(np.exp(logsumexp(values) - total)))
        for n, values in sorted(tried.items())
    )


def least_squares(n: int, data: bayes.Data, *, rising: bool) -> np.ndarray:
    """Coordinates (K, 3 n + 3), relative to the last point, of the best least-squares laws of n breaks.

    There is more than one because laws of nearly the same cost may differ much in how far they can be
    believed.
    """
    form = BNSL(n, rising)
    with double_precision():
        pool = search(Method(form), problem_of(data, form), quick=True)
    near = np.isfinite(pool.cost) & (pool.cost <= RIVAL * pool.cost[0])
    theta, cost = pool.theta[near], pool.cost[near]
    distinct = np.diff(cost, prepend=-np.inf) > 1e-6 * cost
    return theta[distinct | (np.arange(len(cost)) == 0)][:RIVALS]


def problem_of(data: bayes.Data, form: BNSL) -> Problem:
    """The least-squares problem of a form on `data`, relative to its last point."""
    last = int(np.count_nonzero(data.weight)) - 1
    p = len(form.parameters)
    return Problem(
        data.log_x - data.log_x[last],
        np.exp(data.log_y - data.log_y[last]),
        np.sqrt(data.weight),
        1.0,
        1.0,
        np.ones(p, bool),
        np.zeros(p),
        np.full(p, -np.inf),
        np.full(p, np.inf),
    )
