"""Predictions of laws at any x: normal components of log y, with their covariances between several x."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.evidence.design import Nodes, design
from bnsl.evidence.grid import Posterior
from bnsl.evidence.points import Points
from bnsl.evidence.prior import NOISES, Prior
from bnsl.evidence.refined import Fitted

LARGEST = 600.0  # of eta, beyond which it would overflow
SOON = 0.1  # log x beyond the data, within which what may happen there begins


class Places(NamedTuple):
    """Where laws are asked, and what the points say of the correlated noise there."""

    u: Array  # (M,) log x less that of the last point
    near: Array  # (R, M, N) whitened covariance with the noise of the points
    departure: Array  # (R, M) variance of the correlated noise that is left, in units of the white noise's


class Components(NamedTuple):
    """Normal components of log y at M points, one a law.

    Given law t, with independent standard normal z, log y = mean[t] + moved[t]^T z1 + bend[t] (drift z2) +
    level[t] (departure[kind[t]] z3 + z4): the first three terms are the law, drift is an integrated random
    walk, the last term is correlated and white noise.
    """

    log_weight: Array  # (T,)
    mean: Array  # (T, M)
    moved: Array  # (T, p, M) uncertainty of the coefficients
    bend: Array  # (T, M) size of the slope's drift beyond the data
    level: Array  # (T,) standard deviation of the white noise
    kind: Array  # (T,) of the noise
    gain: Array  # (T, M) how far log y moves with the law: 0 at its limit


def places(points: Points, log_x: Array) -> Places:
    """The places log x (M,) for laws of `points`."""
    xp = namespace(log_x)
    u = log_x - points.origin[0]
    near = covariance(points, u, points.u) @ points.whiten.mT
    departure = xp.maximum(points.unit[:, None] - xp.sum(near**2, axis=-1), 0.0)
    return Places(u, near, departure)


def covariance(points: Points, u: Array, v: Array) -> Array:
    """Covariance (R, M, K) of the correlated noise at u (M,) with that at v (K,), white noise being 1."""
    xp = namespace(u)
    return points.unit[:, None, None] * xp.exp(-xp.abs(u[:, None] - v) / points.length)


def of_grid(state: Posterior, where: Places) -> tuple[Components, ...]:
    """Components of the grid's laws by kind, without the kinds' weights."""
    krige = state.white.mT @ where.near[:, None].mT  # (R, A, 1 + COLUMNS, M)
    columns = design(where.u, state.points.span).T
    return tuple(_of_nodes(nodes, state, columns, krige) for nodes in state.kinds)


def _of_nodes(nodes: Nodes, state: Posterior, columns: Array, krige: Array) -> Components:
    xp = namespace(columns)
    r, a = nodes.noise, nodes.limit
    local = columns[nodes.columns]  # (T, p, M)
    near = krige[r[:, None], a[:, None], 1 + nodes.columns]
    limit = state.limits[a][:, None]
    eta = (nodes.mean[:, None, :] @ local)[:, 0] + nodes.slope[:, None] * columns[1]
    level = xp.exp(xp.clip(eta, -LARGEST, LARGEST))
    level += limit
    gain = 1.0 - limit / level
    mean = xp.log(level)
    mean += krige[r, a, 0]
    mean -= (nodes.mean[:, None, :] @ near)[:, 0]
    mean += state.points.origin[1]
    local *= gain[:, None, :]
    local -= near
    moved = nodes.root.mT @ local
    bend = gain * nodes.drift[:, None]
    level = xp.asarray(NOISES)[nodes.level]
    return Components(nodes.weight, mean, moved, bend, level, r, gain)


def of_law(law: Fitted, where: Places) -> Components:
    """Components of a refined law, one for each kind and level of its noise."""
    xp = namespace(where.u)
    value, jacobian = law.form.log_y_and_jacobian(law.theta, where.u)
    krige = law.white.mT @ where.near.mT  # (R, 1 + p, M)
    mean = law.points.origin[1] + value + krige[law.kind, 0]
    moved = law.root.mT @ (jacobian - krige[law.kind, 1:])
    # The slope that drifts is that of log(y - a): near its limit a law has nowhere to drift to.
    gain = xp.abs(jacobian[1]) + xp.zeros_like(mean)
    return Components(law.log_weight, mean, moved, law.drift * gain, law.level, law.kind, gain)


def beyond(
    laws: Components, last: Array, slack: Array, where: Places, prior: Prior, swing: float = 0.0
) -> tuple[Components, ...]:
    """Laws beyond the data, with what no point shows of them: as they go on, falling further, or turning.

    Where the slope has changed along the curve, it may do so again: falls become steeper, climbs turn back.
    A law that has come to its limit has nowhere to go: the way counts as far as it still moves at x.

    Args:
        laws: T of them at M points.
        last: their means (T, 1) at the last point.
        slack: their `bend` (T, 1) there.
        where: the M points.
        prior: how likely each is, and how far.
        swing: how much the slope changes along the curve; see `points.swing`.

    Returns:
        Three times the laws, whose weights add up to theirs.
    """
    xp = namespace(where.u)
    moves = xp.clip(laws.bend / xp.where(slack > 0.0, slack, 1.0), 0.0, 1.0)
    way = xp.where(where.u > 0.0, moves * (laws.mean - last), 0.0)
    loose = prior.loose * way
    on = laws._replace(moved=_and(laws.moved, loose))
    reach = swing * xp.maximum(where.u, 0.0)
    swung = prior.swings * xp.clip(laws.gain, 0.0, 1.0) * reach
    back = xp.clip(way, 0.0, reach)  # a climb that has never turned is not expected to
    further = prior.later_fall * xp.minimum(way, 0.0) - prior.later_back * back - swung
    falling = on._replace(mean=laws.mean + further, moved=_and(laws.moved, loose, 0.5 * further))
    # Uncertainty and noise grow over a short way, so that no interval jumps at the last point.
    begun = xp.clip(where.u / SOON, 0.0, 1.0)
    wider = 1.0 + (prior.turns_sd - 1.0) * begun
    noise = laws.level[:, None] * xp.sqrt(1.0 + where.departure[laws.kind])
    offset = xp.sqrt(wider**2 - 1.0) * noise
    turning = laws._replace(moved=_and(laws.moved * wider, offset, swung), bend=laws.bend * wider)
    with np.errstate(divide="ignore"):  # on a linear scale none is more likely to fall
        odds = np.log([1.0 - prior.later - prior.turns, prior.later, prior.turns]).tolist()
    return tuple(
        part._replace(log_weight=part.log_weight + odd)
        for part, odd in zip((on, falling, turning), odds, strict=True)
    )


def _and(moved: Array, *more: Array) -> Array:
    """Directions (T, p, M) in which laws are uncertain, and some more, each (T, M)."""
    return namespace(moved).concat([moved, *(one[:, None, :] for one in more)], axis=1)


def as_one(laws: list[Components]) -> Components:
    """Some laws, each uncertain in one direction, as much as in all of its own: enough at a single place."""
    xp = namespace(laws[0].mean)
    moved = [xp.sqrt(xp.einsum("tpm,tpm->tm", part.moved, part.moved))[:, None] for part in laws]
    parts = (part._replace(moved=own) for part, own in zip(laws, moved, strict=True))
    return Components(*(xp.concat(values) for values in zip(*parts, strict=True)))


def standard_deviation(laws: Components, where: Places) -> Array:
    """Of a new measurement (T, M)."""
    xp = namespace(where.u)
    drift = laws.bend**2 * xp.maximum(where.u, 0.0) ** 3 / 3.0
    noise = laws.level[:, None] ** 2 * (1.0 + where.departure[laws.kind])
    return xp.sqrt(xp.einsum("tpm,tpm->tm", laws.moved, laws.moved) + drift + noise)
