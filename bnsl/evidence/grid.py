"""Bayesian average over broken power laws, in closed form on a grid.

Two kinds of law are averaged: smooth ones and sharp ones. With the limit a, the size of the slope changes,
the share of correlated noise and the noise level given (a node), the law is linearised about a smooth of the
data; its coefficients then have a Gaussian posterior and the node an evidence in closed form. Nodes are
weighted by prior times evidence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import Array, expit, log_softmax, logsumexp, namespace
from bnsl._base.normal import ndtr
from bnsl.evidence.design import ALWAYS, SMOOTH, WIDTHS, Nodes, design, inner_products, trial_breaks
from bnsl.evidence.points import Points
from bnsl.evidence.prior import LIMITS, Prior, limit_weights, odds_of_breaks, slope_prior
from bnsl.evidence.sharp import sharp_laws
from bnsl.evidence.smooth import mean_coefficients, smooth_grid, smooth_nodes


class Posterior(NamedTuple):
    """All that prediction needs; see `posterior`."""

    evidence: Array  # (5,) log evidence of the smooth laws and of those with 0, 1, 2, 3 breaks, prior odds in
    smooth: Nodes
    sharp: tuple[Nodes, ...]  # by number of breaks
    limits: Array  # (A,) values of the limit
    white: Array  # (R, A, N, 1 + COLUMNS) whitened residual and design
    points: Points

    @property
    def kinds(self) -> tuple[Nodes, ...]:
        """Smooth laws, then sharp ones by their number of breaks."""
        return (self.smooth, *self.sharp)


def posterior(points: Points, prior: Prior) -> Posterior:
    """The average of all laws given one curve."""
    xp = namespace(points.u)
    u, log_y = points.u, points.log_y
    span = points.span
    columns = design(u, span)
    slope, slope_sd = slope_prior(prior, xp.asarray(LIMITS))

    # 1. Without a limit: the averaged trend is the smooth about which all laws are linearised.
    trend = (log_y + slope[0] * u)[None]
    grams, _ = inner_products(trend, xp.ones_like(trend), columns[:, :SMOOTH], points, prior)
    grid = smooth_grid(grams, span, xp.zeros(1), slope_sd[:1], prior)
    smooth = columns[:, :SMOOTH] @ mean_coefficients(grid) - slope[0] * u

    # 2. With all limits.
    level = xp.exp(smooth)
    limits = xp.asarray(LIMITS) * xp.min(level)
    gap = xp.maximum(level - limits[:, None], 1e-300)
    target = xp.log(gap) + (log_y - smooth) * level / gap + slope[:, None] * u
    grams, white = inner_products(target, gap / level, columns, points, prior)
    log_prior = log_softmax(xp.asarray(limit_weights(prior)))
    grid = smooth_grid(grams, span, log_prior, slope_sd, prior)
    evidence, sharp = sharp_laws(grams, log_prior, slope, slope_sd, prior)
    total = xp.concat(
        [logsumexp(grid.weight)[None], evidence + prior.sharp + xp.asarray(odds_of_breaks(prior))]
    )
    kinds = [_less_climbing(nodes, prior) for nodes in (smooth_nodes(grid, slope, prior), *sharp)]
    nodes = tuple(kind for kind, _ in kinds)
    return Posterior(
        evidence=total + xp.stack([less for _, less in kinds]),
        smooth=nodes[0],
        sharp=nodes[1:],
        limits=limits,
        white=white,
        points=points,
    )


def _less_climbing(nodes: Nodes, prior: Prior) -> tuple[Nodes, Array]:
    """Nodes weighted by the prior of laws that climb at the end of the data, and log of their total weight.

    A normal prior of the end slope that is wide enough for steep laws gives too much to these.
    """
    xp = namespace(nodes.weight)
    sd = xp.maximum(xp.sqrt(xp.sum(nodes.root[:, 1] ** 2, axis=-1)), 1e-300)
    falls = ndtr((nodes.slope + nodes.mean[:, 1]) / sd)
    weight = nodes.weight + xp.log(falls + prior.climbing * (1.0 - falls))
    total = logsumexp(weight)
    # A kind without a law that counts has no finite weights, and an evidence of 0 already.
    return nodes._replace(weight=weight - total), xp.where(xp.isfinite(total), total, 0.0)


def as_bnsl(state: Posterior, n: int) -> np.ndarray:
    """The kept laws of n sharp breaks as coordinates of a BNSL (T, 3 + 3 n), heaviest first.

    They are relative to the last point; of two with breaks at the same places, added in the same order, the
    lighter is left out.
    """
    nodes = state.sharp[n]
    places, widths = trial_breaks(state.points.span)
    trial = nodes.columns[:, ALWAYS:] - SMOOTH
    _, first = np.unique(trial // len(WIDTHS), axis=0, return_index=True)
    first = np.sort(first) if n else np.arange(len(trial))
    mean = nodes.mean[first]
    change, d, f = mean[:, ALWAYS:], places[trial[first]], widths[trial[first]]
    # f softplus((d - u) / f) = f softplus((u - d) / f) + d - u; both were shifted to end at 0.
    slope = nodes.slope[first] + mean[:, 1] + np.sum(change * expit(-d / f), axis=1)
    level = mean[:, 0] + np.sum(change * (d - f * np.logaddexp(0.0, d / f)), axis=1)
    order = np.argsort(d, axis=1)
    breaks = np.stack([np.take_along_axis(v, order, axis=1) for v in (-change, d, np.log(f))], axis=2)
    head = np.stack([state.limits[nodes.limit[first]], level, slope], axis=1)
    return np.concatenate([head, breaks.reshape(len(d), 3 * n)], axis=1)
