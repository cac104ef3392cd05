"""M4, a sigmoid in log x that is implicit in y (Alabdulmohsin et al., 2022, arXiv 2209.06640, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bnsl._base.arrays import Array, expit, log_expit, namespace
from bnsl._base.checks import InputError
from bnsl.forms.baselines import M2
from bnsl.forms.form import Parameter, Separable, positive
from bnsl.forms.pieces import box_of, data_range, limit_nodes, linear_given_limit
from bnsl.forms.terms import FREE, SumOfTerms, Term

NO_ALPHA = 1e-30  # an alpha that no double can tell from 0
TOPS = (0.003, 0.03, 0.1, 0.3, 1.0, 10.0)  # trial e0 above the data, in units of their spread
ALPHAS = (0.1, 0.4, 1.0, 2.0, 5.0)
CUT_OFF = (1, 2, 3, 5, 8)  # numbers of first points at which the law may be cut off
ALMOST_CUT = 0.02  # the alpha of such a start
NEWTON_STEPS = 6  # two more than every input needs


def logit_share(log_odds: Array, alpha: Array) -> Array:
    """The u that solves log sigmoid(u) - alpha log sigmoid(-u) = log_odds, for alpha >= 0.

    At alpha = 0 the law is e + b x^-c cut off at e0, and u is infinite beyond the cut.
    """
    xp = namespace(log_odds, alpha)
    # alpha > 1 is the mirror image of 1 / alpha. For alpha <= 1 and v = -log sigmoid(u) the equation reads
    # v + alpha log(exp(v) - 1) = alpha v - log_odds, and Lambert's w + log w = z, w = v / alpha, is close.
    alpha = xp.maximum(alpha, NO_ALPHA)
    mirrored = alpha > 1.0
    a = xp.where(mirrored, 1.0 / alpha, alpha)
    target = xp.where(mirrored, -log_odds / alpha, log_odds)
    z = -target / a - xp.log(a)
    log_w = xp.where(z > 1.0, xp.log(xp.maximum(z, 1.0)), z)
    for _ in range(2):
        w = xp.exp(log_w)
        log_w = log_w - (w + log_w - z) / (w + 1.0)
    log_v = log_w + xp.log(a)
    v = xp.exp(log_v)
    small = v < 1e-8
    u = xp.where(small, -log_v, -v - xp.log(-xp.expm1(-xp.where(small, 1.0, v))))
    # The left side is concave and rises with a slope between a and 1: Newton's iteration converges.
    for _ in range(NEWTON_STEPS):
        value = log_expit(u) - a * log_expit(-u) - target
        u = u - value / (expit(-u) + a * expit(u))
    return xp.where(mirrored, -u, u)


class M4(SumOfTerms):
    """(y - e) / (e0 - y)^alpha = b x^(-c): a sigmoid in log x from e0, at small x, down to e.

    Implicit in y. With y = e + (e0 - e) sigmoid(u) it reads
    log sigmoid(u) - alpha log sigmoid(-u) = log b - c log x - (1 - alpha) log(e0 - e).
    """

    name = "m4"
    known_as = ("sigmoid",)
    formula = "(y - e) / (e0 - y)^alpha = b x^(-c)"
    meaning = "a sigmoid in log x: flat at e0 for small x, a power law, flat at e"
    limit = "e"
    # e0 > e, and alpha = 1 is the logistic curve in log x.
    parameters = (*M2.parameters, positive("e0"), Parameter("alpha", lower=0.0))

    def from_params(self, params: Mapping[str, float]) -> np.ndarray:
        """Coordinates of named values, after checking that e0 > e."""
        theta = super().from_params(params)
        if params["e0"] <= params["e"]:
            raise InputError(
                f"params['e0'] = {params['e0']:g} must be larger than params['e'] = {params['e']:g}"
            )
        return theta

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """(e0 - e) sigmoid(u), with derivatives of u by implicit differentiation of its equation."""
        xp = namespace(at["b"], inputs[0])
        alpha, top = at["alpha"], at["e0"]
        log_height = top + xp.log1p(-at["e"] * xp.exp(-top))  # log(e0 - e); NaN where e >= e0
        u = logit_share(at["b"] - at["c"] * inputs[0] - (1.0 - alpha) * log_height, alpha)
        above, below = expit(u), expit(-u)
        by_odds = below / (below + xp.maximum(alpha, NO_ALPHA) * above)
        # log(e0 - e) moves with e by -1 / (e0 - e) and with log e0 by e0 / (e0 - e); odds by -(1 - alpha).
        by_height = 1.0 - (1.0 - alpha) * by_odds
        by = {
            "b": by_odds,
            "c": -by_odds * inputs[0],
            "e": -by_height * xp.exp(-log_height),
            "e0": by_height * xp.exp(top - log_height),
            "alpha": by_odds * (log_height + log_expit(-u)),
        }
        return [Term(log_height + log_expit(u), by)]

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """e0 carries the unit of y, b that of y^(1 - alpha) x^c."""
        scaled = at["b"] + (1.0 - at["alpha"]) * log_t + at["c"] * log_s[0]
        return {"b": scaled, "e0": at["e0"] + log_t}

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """e between 0 and the largest y; e0 up to 10^6 times it, from where on M4 is M2."""
        xp = namespace(y)
        low, high = data_range(xp.abs(y), weight)
        return box_of(FREE, FREE, (0.0, high), (xp.log(low), xp.log(1e6 * high)), (0.0, 100.0))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log(y - e) - alpha log(e0 - y) is linear in (log b, c).

        Besides there are starts with hardly any alpha: M2 cut off at e0, the mean of the first few points.
        """
        limits = limit_nodes(y, weight, rising=False)
        parts = zip(_smooth(y, weight, *limits[:2]), _cut_off(y, weight, *limits), strict=True)
        outer, target, slope = (namespace(y).concat(both, axis=-2) for both in parts)
        return linear_given_limit(log_x, outer, target, slope, alike=limits[0].shape[-1])

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c, e, log e0, alpha)."""
        top, alpha, limit = outer[..., 0], outer[..., 1], outer[..., 2]
        xp = namespace(beta)
        return xp.stack([beta[..., 0], beta[..., 1], limit, xp.log(top), alpha], axis=-1)


def _smooth(y: Array, weight: Array, limits: Array, log_gap: Array) -> tuple[Array, Array, Array]:
    """Nodes (e0, alpha, e) of smooth laws, with the targets and weights of `Separable`.

    `limits` (..., E) are the trial e, and `log_gap` (..., E, N) the logarithms of y - e.
    """
    xp = namespace(y)
    low, high = (end[..., None] for end in data_range(y, weight))
    alpha = xp.asarray(ALPHAS, dtype=y.dtype)
    tops = high + xp.asarray(TOPS, dtype=y.dtype) * xp.maximum(high - low, 1e-3 * xp.abs(high))
    there = (weight > 0)[..., None, None, None, :]
    points, by_alpha = y[..., None, None, None, :], alpha[:, None, None]
    room = xp.where(there, tops[..., :, None, None, None] - points, 1.0)  # (..., T, 1, 1, N)
    gap = log_gap[..., None, None, :, :]
    target = gap - by_alpha * xp.log(room)  # (..., T, A, E, N)
    safe = xp.where(there & (points > 0), points, 1.0)
    slope = 1.0 / (safe / xp.exp(gap) + by_alpha * safe / room)
    return _grid(tops, alpha, limits), _flat(target, y), _flat(slope, y)


def _cut_off(
    y: Array, weight: Array, limits: Array, log_gap: Array, slope: Array
) -> tuple[Array, Array, Array]:
    """As `_smooth`, of M2 that is cut off at the mean of the first few points; slope is its own."""
    xp = namespace(y)
    count, points = np.array(CUT_OFF), y.shape[-1]
    sums = xp.cumulative_sum(xp.where(weight > 0, y, 0.0), axis=-1)
    last = np.minimum(count, points) - 1
    cuts = xp.stack([sums[..., int(i)] for i in last], axis=-1) / xp.asarray(count, dtype=y.dtype)
    beyond = xp.asarray(np.arange(points) >= count[:, None, None])  # (C, 1, N)
    slope = xp.where(beyond, slope[..., None, :, :], 0.0)
    target = xp.broadcast_to(log_gap[..., None, :, :], slope.shape)
    outer = _grid(cuts, xp.asarray((ALMOST_CUT,), dtype=y.dtype), limits)
    return outer, _flat(target, y), _flat(slope, y)


def _flat(values: Array, y: Array) -> Array:
    """Values (..., N) with all axes between those of y (..., N) as one."""
    return namespace(values).reshape(values, (*y.shape[:-1], -1, y.shape[-1]))


def _grid(tops: Array, alphas: Array, limits: Array) -> Array:
    """All (e0, alpha, e) of trial values (..., T), (A,), (..., E): (..., T A E, 3)."""
    xp = namespace(tops)
    parts = xp.broadcast_arrays(tops[..., :, None, None], alphas[:, None], limits[..., None, None, :])
    grid = xp.stack(parts, axis=-1)
    return xp.reshape(grid, (*grid.shape[:-4], -1, 3))
