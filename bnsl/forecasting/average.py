"""The average over laws of one curve: those of the grid of `bayes` and the refined ones of `laplace`."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from scipy.special import logsumexp

from bnsl._base.precision import double_precision
from bnsl.curves.curve import Curve
from bnsl.evidence import grid as bayes
from bnsl.evidence import refined as laplace
from bnsl.evidence.breaks import least_squares, problem_of
from bnsl.forms.broken import BNSL
from bnsl.solver.search import Method, polish

AT_ONCE = 64  # points predicted by one call of it
STARTS = 6  # laws of the grid of two breaks and more that are refined
ROUNDS = 2  # of the search's cheap steps


class Average(NamedTuple):
    """Laws with their posterior; where they rise, `state` is one of -log y."""

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

    The grid's rising laws are those whose inverse falls to a limit: they are fitted to -log y. The refined
    ones are a - g.
    """
    prior = bayes.learnt_prior()
    data = bayes.data_of(curve)
    odds = prior.sharp + bayes.odds_of_breaks(prior)
    out = []
    for rising in (False, True) if curve.climbs else (False,):
        seen = data._replace(log_y=-data.log_y) if rising else data
        with double_precision():
            state: bayes.Posterior = jax.tree.map(np.asarray, bayes.posterior(seen, prior))
        evidence = laplace.evidence_of(data, prior, rising=rising)
        refined = tuple(_refined(n, data, evidence, state) for n in range(bayes.MOST_BREAKS + 1))
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
            padded = np.pad(log_x, (0, AT_ONCE - count), constant_values=last)
            found = jax.tree.map(np.asarray, bayes.predictive(part.state, padded))
        weights.append(found.log_weight + logsumexp(part.log_evidence[0]))
        means.append(sign * found.mean[:, :count])
        sds.append(found.sd[:, :count])
        for n, law in enumerate(part.refined):
            if law is not None:
                mean, sd = laplace.predictive(law, log_x)
                weights.append(law.log_weight + part.log_evidence[1, n + 1])
                means.append(mean)
                sds.append(sd)
    weight = np.concatenate(weights)
    weight = np.exp(weight - logsumexp(weight))
    mean, sd = np.concatenate(means), np.concatenate(sds)
    # A rising law may fall below 0 where it is extrapolated; then it is no law there.
    heavy = (weight > 1e-9) & np.isfinite(mean).all(axis=1) & np.isfinite(sd).all(axis=1)
    return Mixture(weight[heavy] / weight[heavy].sum(), mean[heavy], sd[heavy])


def _refined(
    n: int, data: bayes.Data, evidence: laplace.Evidence, state: bayes.Posterior
) -> laplace.Fitted | None:
    """The best law of n breaks near those of the grid; None where there are too few points for one."""
    if np.count_nonzero(data.weight) < 3 * n + 3 + laplace.SPARE:
        return None
    if n <= 1 or evidence.rising:
        laws = least_squares(n, data, rising=evidence.rising)
        if not len(laws):
            return None
        theta = laws[0]
    else:  # the search for several breaks takes longer, and the grid's laws are near enough
        with double_precision():
            starts = np.resize(bayes.as_bnsl(state, n)[:STARTS], (STARTS, 3 * n + 3))
            for _ in range(ROUNDS):
                starts = polish(Method(BNSL(n)), problem_of(data, BNSL(n)), starts).theta
        theta = starts[0]
    return laplace.fitted_law(theta, evidence)
