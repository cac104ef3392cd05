"""The average over laws of one curve: those of the grid of `bayes` and the refined ones of `laplace`."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from scipy.special import logsumexp

from bnsl import bayes, laplace
from bnsl._arrays import double_precision
from bnsl.curve import Curve
from bnsl.forms import BNSL
from bnsl.search import Method, Problem, polish, search

PADDED = (16, 64, 160)  # lengths that the compiled program is made for
AT_ONCE = 64  # points predicted by one call of it
STARTS = 6  # laws of the grid of two breaks and more that are refined
ROUNDS = 2  # of the search's cheap steps

PRIOR = bayes.Prior()


class Average(NamedTuple):
    """Laws with their posterior, for log y or (rising laws) for -log y."""

    rising: bool
    state: bayes.Posterior
    refined: tuple[laplace.Fitted | None, ...]  # by number of breaks
    log_evidence: np.ndarray  # (2, 5) of the grid's and of the refined laws: smooth, 0, 1, 2, 3 breaks


class Mixture(NamedTuple):
    """Predictive distribution of log y at M points: normal components of T laws."""

    weight: np.ndarray  # (T,), adding up to 1
    mean: np.ndarray  # (T, M)
    sd: np.ndarray  # (T, M)


def averages(curve: Curve) -> tuple[Average, ...]:
    """The average of falling laws and, for a curve that climbs, that of rising ones.

    A law that rises to a limit is one whose inverse falls to a limit: it is fitted to -log y.
    """
    prior = bayes.Prior(*(float(value) for value in PRIOR))
    out = []
    for rising in (False, True) if curve.climbs else (False,):
        data = _data(curve, -1.0 if rising else 1.0)
        with double_precision():
            state: bayes.Posterior = jax.tree.map(np.asarray, bayes.posterior(data, prior))
            odds = prior.sharp + np.asarray(bayes.odds_of_breaks(prior))
            refined = tuple(_refined(n, data, prior, state) for n in range(bayes.MOST_BREAKS + 1))
        log_evidence = np.full((2, bayes.MOST_BREAKS + 2), -np.inf)
        log_evidence[0] = state.evidence
        for n, law in enumerate(refined):
            if law is not None:
                log_evidence[1, n + 1] = law.log_evidence + odds[n]
        out.append(Average(rising, state, refined, log_evidence))
    return tuple(out)


def mixtures(parts: tuple[Average, ...], log_x: np.ndarray) -> list[Mixture]:
    """The predictive distribution at log x (M,), in chunks of AT_ONCE points."""
    return [_mixture(parts, chunk) for chunk in chunks(log_x)]


def chunks(values: np.ndarray) -> list[np.ndarray]:
    """`values` (M,) in pieces of AT_ONCE."""
    return [values[i : i + AT_ONCE] for i in range(0, max(len(values), 1), AT_ONCE)]


def _mixture(parts: tuple[Average, ...], log_x: np.ndarray) -> Mixture:
    count = len(log_x)
    weights, means, sds = [], [], []
    for part in parts:
        sign = -1.0 if part.rising else 1.0
        with double_precision():
            last = float(part.state.origin[0])
            found = bayes.predictive(part.state, np.pad(log_x, (0, AT_ONCE - count), constant_values=last))
        weights.append(np.asarray(found.log_weight) + logsumexp(part.log_evidence[0]))
        means.append(sign * np.asarray(found.mean)[:, :count])
        sds.append(np.asarray(found.sd)[:, :count])
        for n, law in enumerate(part.refined):
            if law is not None:
                mean, sd = laplace.predictive(law, log_x)
                weights.append(law.log_weight + part.log_evidence[1, n + 1])
                means.append(sign * mean)
                sds.append(sd)
    weight = np.concatenate(weights)
    weight = np.exp(weight - logsumexp(weight))
    heavy = weight > 1e-9
    return Mixture(
        weight[heavy] / weight[heavy].sum(), np.concatenate(means)[heavy], np.concatenate(sds)[heavy]
    )


def _refined(n: int, data: bayes.Data, prior: bayes.Prior, state: bayes.Posterior) -> laplace.Fitted | None:
    """The best law of n breaks near those of the grid; None where there are too few points for one."""
    form = BNSL(n)
    p = len(form.parameters)
    if np.count_nonzero(data.weight) <= p:
        return None
    origin = np.asarray(state.origin)
    free = np.ones(p, bool)
    problem = Problem(
        data.log_x - origin[0],
        np.exp(data.log_y - origin[1]),
        np.sqrt(data.weight),
        1.0,
        1.0,
        free,
        np.zeros(p),
        np.full(p, -np.inf),
        np.full(p, np.inf),
    )
    method = Method(form)
    if n <= 1:
        found = search(method, problem)
    else:  # the search for several breaks takes too long, and the grid's laws are near enough
        starts = np.resize(bayes.as_bnsl(state, n)[:STARTS], (STARTS, p))
        for _ in range(ROUNDS):
            found = polish(method, problem, starts)
            starts = found.theta
    if not np.isfinite(found.cost[0]):
        return None
    seen = data.weight > 0
    count = np.count_nonzero(seen)
    curve = laplace.Evidence(
        data.log_x[seen] - origin[0],
        data.log_y[seen] - origin[1],
        np.asarray(state.whiten)[:, :count, :count],
        origin,
        prior,
    )
    law = laplace.fitted_law(found.theta[0], curve)
    return law if np.isfinite(law.log_evidence) else None


def _data(curve: Curve, sign: float) -> bayes.Data:
    """log x and sign * log y, long curves as means over even bins of log x, padded."""
    log_x, log_y = np.log(curve.x), sign * np.log(curve.y)
    weight = np.ones(len(log_x))
    if curve.sigma is not None:
        precision = 2.0 * (np.log(curve.y) - np.log(curve.sigma))
        weight = np.exp(np.clip(precision - precision.mean(), -40.0, 40.0))
    longest = PADDED[-1]
    if len(log_x) > longest:
        share = (log_x - log_x[0]) / (log_x[-1] - log_x[0])
        bins = np.minimum(np.floor(share * longest), longest - 1).astype(int)
        total = np.bincount(bins, weight, longest)
        full = total > 0
        means = [np.bincount(bins, weight * v, longest)[full] / total[full] for v in (log_x, log_y)]
        log_x, log_y, weight = means[0], means[1], np.asarray(total[full])
    length = next(size for size in PADDED if size >= len(log_x))
    more = (0, length - len(log_x))
    edges = [np.pad(v, more, mode="edge") for v in (log_x, log_y)]
    return bayes.Data(edges[0], edges[1], np.pad(weight, more))
