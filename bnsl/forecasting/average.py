"""The average over laws of one curve: those of the grid and the refined ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import logsumexp
from bnsl.curves.curve import Curve
from bnsl.evidence.breaks import enough_points, least_squares, problem_of
from bnsl.evidence.design import Nodes
from bnsl.evidence.grid import Posterior, as_bnsl, posterior
from bnsl.evidence.points import Data, Points, data_of, inverted, points_of
from bnsl.evidence.predict import Components, Places, of_grid, of_law, places, standard_deviation
from bnsl.evidence.prior import LEARNT, MOST_BREAKS, Prior, odds_of_breaks
from bnsl.evidence.refined import Fitted, fitted_law
from bnsl.forecasting.mixture import Mixture, chunks
from bnsl.forms.broken import BNSL
from bnsl.solver.problem import Method
from bnsl.solver.search import polish

STARTS = 6  # laws of the grid of two breaks and more that are refined
ROUNDS = 2  # of the search's cheap steps
NEGLIGIBLE = 1e-9  # weight of a law below which it is left out


class Average(NamedTuple):
    """Laws with their posterior; where they rise, `state` is one of -log y."""

    rising: bool
    state: Posterior  # without laws of negligible weight
    refined: tuple[Fitted | None, ...]  # by number of breaks
    log_evidence: np.ndarray  # (2, 5) of the grid's and of the refined laws: smooth, 0, 1, 2, 3 breaks


def averages(curve: Curve, prior: Prior = LEARNT) -> tuple[Average, ...]:
    """The average of falling laws and, for a curve that climbs, that of rising ones.

    The grid's rising laws are those whose inverse falls to a limit: they are fitted to -log y. The refined
    ones are a - g.
    """
    with np.errstate(all="ignore"):
        data = data_of(curve)
        points = points_of(data, prior)
        ways = (False, True) if curve.climbs else (False,)
        parts = [_average(data, points, prior, rising=rising) for rising in ways]
        total = float(logsumexp(np.stack([part.log_evidence for part in parts])))
        return tuple(part._replace(state=_heavy(part.state, part.log_evidence[0] - total)) for part in parts)


def _average(data: Data, points: Points, prior: Prior, *, rising: bool) -> Average:
    state = posterior(inverted(points) if rising else points, prior)
    odds = prior.sharp + odds_of_breaks(prior)
    refined = tuple(
        _refined(BNSL(n, rising), data, points, state, prior) for n in range(MOST_BREAKS + 1)
    )
    log_evidence = np.full((2, MOST_BREAKS + 2), -np.inf)
    log_evidence[0] = state.evidence
    for n, law in enumerate(refined):
        if law is not None:
            log_evidence[1, n + 1] = law.log_evidence + odds[n]
    return Average(rising, state, refined, log_evidence)


def _refined(form: BNSL, data: Data, points: Points, state: Posterior, prior: Prior) -> Fitted | None:
    """The best law of a form near those of the grid; None where there are too few points for one."""
    n = form.n_breaks
    if not enough_points(n, data):
        return None
    if n <= 1 or form.rising:
        laws = least_squares(form, data)
    else:  # the search for several breaks takes longer, and the grid's laws are near enough
        laws = as_bnsl(state, n)[:STARTS]
        for _ in range(ROUNDS):
            laws = polish(Method(form), problem_of(data, form), laws).theta
    return fitted_law(form, laws[0], points, prior) if len(laws) else None


def _heavy(state: Posterior, share: np.ndarray) -> Posterior:
    """Without laws of negligible weight; share is the log weight of every kind. The first of each stays."""
    kinds = []
    for nodes, log_weight in zip(state.kinds, share, strict=True):
        heavy = log_weight + nodes.weight > np.log(NEGLIGIBLE)
        heavy[0] = True
        kinds.append(Nodes(*(part[heavy] for part in nodes)))
    return state._replace(smooth=kinds[0], sharp=tuple(kinds[1:]))


def components(part: Average, where: Places) -> list[Components]:
    """What all laws of an average say of log y; log weights are evidences, comparable between averages."""
    out = []
    for share, laws in zip(part.log_evidence[0], of_grid(part.state, where), strict=True):
        mean = -laws.mean if part.rising else laws.mean
        out.append(laws._replace(log_weight=laws.log_weight + share, mean=mean))
    for share, law in zip(part.log_evidence[1, 1:], part.refined, strict=True):
        if law is not None:
            laws = of_law(law, where)
            out.append(laws._replace(log_weight=laws.log_weight + share))
    return out


def mixtures(parts: tuple[Average, ...], log_x: np.ndarray) -> list[Mixture]:
    """The predictive distribution at log x (M,), in chunks."""
    with np.errstate(all="ignore"):
        return [_mixture(parts, chunk) for chunk in chunks(log_x)]


def _mixture(parts: tuple[Average, ...], log_x: np.ndarray) -> Mixture:
    where = places(parts[0].state.points, log_x)
    laws = [found for part in parts for found in components(part, where)]
    weight = np.concatenate([found.log_weight for found in laws])
    weight = np.exp(weight - logsumexp(weight))
    mean = np.concatenate([found.mean for found in laws])
    sd = np.concatenate([standard_deviation(found, where) for found in laws])
    # A rising law may fall below 0 where it is extrapolated; then it is no law there.
    heavy = (weight > NEGLIGIBLE) & np.isfinite(mean).all(axis=1) & np.isfinite(sd).all(axis=1)
    return Mixture(weight[heavy] / weight[heavy].sum(), mean[heavy], sd[heavy])
