"""The functional forms that BNSL is compared with: M1 to M4 in the notation of the benchmark.

Source: Alabdulmohsin, Neyshabur, Zhai, "Revisiting Neural Scaling Laws in Language and Vision",
NeurIPS 2022, arXiv 2209.06640, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bnsl._base.arrays import Array, expit, log_expit, namespace
from bnsl._base.checks import InputError
from bnsl.forms.form import Form, Parameter, Separable
from bnsl.forms.pieces import box_of, data_range, limit_nodes, log_sum, no_dictionary, stacked

FREE = (-np.inf, np.inf)
NO_ALPHA = 1e-30  # an alpha of M4 that no double can tell from 0
TOPS = (0.003, 0.03, 0.1, 0.3, 1.0, 10.0)  # trial e0 of M4 above the data, in units of their spread
ALPHAS = (0.1, 0.4, 1.0, 2.0, 5.0)
CUT_OFF = (1, 2, 3, 5, 8)  # numbers of first points at which M4 may be cut off
ALMOST_CUT = 0.02  # the alpha of such a start
NEWTON_STEPS = 6  # two more than every input needs


def _columns(theta: Array) -> list[Array]:
    """The coordinates (..., 1), to go with points (..., N)."""
    return [theta[..., i, None] for i in range(theta.shape[-1])]


def _rows(*parts: Array) -> Array:
    """A Jacobian (..., p, N) from its rows, which broadcast."""
    xp = namespace(*parts)
    return xp.stack(xp.broadcast_arrays(*parts), axis=-2)


def _line(log_x: Array) -> Array:
    """The basis (..., 2, N) of laws that are linear in (log b, c)."""
    xp = namespace(log_x)
    return xp.stack([xp.ones_like(log_x), -log_x], axis=-2)


@dataclass(frozen=True)
class M1(Form):
    """y = b x^(-c): the plain power law."""

    name: ClassVar[str] = "m1"
    known_as: ClassVar[tuple[str, ...]] = ("power_law",)
    formula: ClassVar[str] = "y = b x^(-c)"
    meaning: ClassVar[str] = "a straight line on log-log axes, without a limit"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """b, c."""
        return (Parameter("b", log=True, lower=0.0, mixes=True), Parameter("c"))

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log b - c log x."""
        log_b, c = _columns(theta)
        return log_b - c * log_x

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y, and 1 and -log x."""
        value = self.log_y(theta, log_x)
        return value, _rows(namespace(value).ones_like(value), -log_x)

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """b carries the units of y and of x^c."""
        log_b, c = theta[..., 0], theta[..., 1]
        return stacked([log_b + log_t + c * log_s, c])

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """No bounds."""
        nothing = 0.0 * y[..., 0]
        return box_of((nothing - np.inf, nothing + np.inf), FREE)

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log y is linear in (log b, c)."""
        xp = namespace(log_x, y)
        safe = xp.where(y > 0, y, xp.max(xp.abs(y), axis=-1, keepdims=True))
        target, slope = xp.log(safe)[..., None, :], xp.ones_like(y)[..., None, :]
        return Separable(0.0 * y[..., :1], target, slope, _line(log_x), *no_dictionary(log_x))

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c)."""
        return beta


@dataclass(frozen=True)
class M2(Form):
    """y = b x^(-c) + e: a power law that falls to the limit e >= 0."""

    name: ClassVar[str] = "m2"
    known_as: ClassVar[tuple[str, ...]] = ("power_law_offset", "power_law_with_offset")
    formula: ClassVar[str] = "y = b x^(-c) + e"
    meaning: ClassVar[str] = "a power law that falls to the limit e >= 0"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """b, c, e."""
        return (*M1().parameters, Parameter("e", lower=0.0))

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log(e + b x^-c)."""
        log_b, c, e = _columns(theta)
        return log_sum(e, log_b - c * log_x)

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y and its derivatives."""
        xp = namespace(theta, log_x)
        log_b, c, e = _columns(theta)
        log_g = log_b - c * log_x
        value = log_sum(e, log_g)
        share = xp.exp(log_g - value)
        return value, _rows(share, -share * log_x, xp.exp(-value))

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """As M1; e carries the unit of y."""
        log_b, c, e = (theta[..., i] for i in range(3))
        return stacked([log_b + log_t + c * log_s, c, e * namespace(theta, log_t).exp(log_t)])

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """e between 0 and the largest y."""
        return box_of(FREE, FREE, (0.0, data_range(y, weight)[1]))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log(y - e) is linear in (log b, c)."""
        return Separable(*limit_nodes(y, weight, rising=False), _line(log_x), *no_dictionary(log_x))

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c, e)."""
        return namespace(beta).stack([beta[..., 0], beta[..., 1], outer], axis=-1)


@dataclass(frozen=True)
class M3(Form):
    """y = b (1/x + g)^c + e: a power law, as M2, at small x, that levels off at e + b g^c beyond x = 1/g."""

    name: ClassVar[str] = "m3"
    known_as: ClassVar[tuple[str, ...]] = ("saturating_power_law",)
    formula: ClassVar[str] = "y = b (1/x + g)^c + e"
    meaning: ClassVar[str] = "a power law at x far below 1/g; beyond, it levels off at e + b g^c"
    picks: int = 1

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """b, c, g, e; g = 0 is M2."""
        return (*M1().parameters, Parameter("g", lower=0.0), Parameter("e", lower=0.0))

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log(e + b (1/x + g)^c)."""
        log_b, c, g, e = _columns(theta)
        return log_sum(e, log_b + c * log_sum(g, -log_x))

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y and its derivatives."""
        xp = namespace(theta, log_x)
        log_b, c, g, e = _columns(theta)
        inner = log_sum(g, -log_x)
        log_g = log_b + c * inner
        value = log_sum(e, log_g)
        share = xp.exp(log_g - value)
        return value, _rows(share, share * inner, share * c * xp.exp(-inner), xp.exp(-value))

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """As M2; g carries the unit of 1/x."""
        xp = namespace(theta, log_s, log_t)
        log_b, c, g, e = (theta[..., i] for i in range(4))
        return stacked([log_b + log_t + c * log_s, c, g * xp.exp(-log_s), e * xp.exp(log_t)])

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """e between 0 and the largest y; 1/g no farther than a range before the data."""
        low, high = data_range(log_x, weight)
        most = namespace(log_x).exp(high - 2 * low)
        return box_of(FREE, FREE, (0.0, most), (0.0, data_range(y, weight)[1]))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log(y - e) is linear in (log b, c) once g is given."""
        xp = namespace(log_x, y)
        low, high = data_range(log_x, weight)
        low, range_ = low[..., None], (high - low)[..., None]
        saturation = low + xp.asarray(np.linspace(0.0, 1.4, 29), dtype=log_x.dtype) * range_  # x = 1/g
        positions = xp.concat([0.0 * low, xp.exp(-saturation)], axis=-1)
        dictionary = log_sum(positions[..., None], -log_x[..., None, :])[..., None, :]
        always = xp.ones_like(log_x)[..., None, :]
        nodes = limit_nodes(y, weight, rising=False)
        return Separable(*nodes, always, dictionary, positions, xp.zeros_like(low))

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c, g, e)."""
        return namespace(beta).stack([beta[..., 0], beta[..., 1], positions[..., 0], outer], axis=-1)


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


@dataclass(frozen=True)
class M4(Form):
    """(y - e) / (e0 - y)^alpha = b x^(-c): a sigmoid in log x from e0, at small x, down to e.

    Implicit in y. With y = e + (e0 - e) sigmoid(u) it reads
    log sigmoid(u) - alpha log sigmoid(-u) = log b - c log x - (1 - alpha) log(e0 - e).
    """

    name: ClassVar[str] = "m4"
    known_as: ClassVar[tuple[str, ...]] = ("sigmoid",)
    formula: ClassVar[str] = "(y - e) / (e0 - y)^alpha = b x^(-c)"
    meaning: ClassVar[str] = "a sigmoid in log x: flat at e0 for small x, a power law, flat at e"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """b, c, e, e0 > e, and alpha; alpha = 1 is the logistic curve in log x."""
        return (
            *M2().parameters,
            Parameter("e0", log=True, lower=0.0),
            Parameter("alpha", lower=0.0),
        )

    def from_params(self, params: Mapping[str, float]) -> np.ndarray:
        """Coordinates of named values, after checking that e0 > e."""
        theta = super().from_params(params)
        if params["e0"] <= params["e"]:
            raise InputError(
                f"params['e0'] = {params['e0']:g} must be larger than params['e'] = {params['e']:g}"
            )
        return theta

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log(e + (e0 - e) sigmoid(u)); NaN where e >= e0."""
        log_height, u = self._height_and_logit(theta, log_x)
        return log_sum(theta[..., 2, None], log_height + log_expit(u))

    def _height_and_logit(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log(e0 - e) (..., 1) and u (..., N)."""
        xp = namespace(theta, log_x)
        log_b, c, e, log_e0, alpha = _columns(theta)
        log_height = log_e0 + xp.log1p(-e * xp.exp(-log_e0))
        log_odds = log_b - c * log_x - (1.0 - alpha) * log_height
        return log_height, logit_share(log_odds, alpha)

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y and its derivatives, those of u by implicit differentiation of its equation."""
        xp = namespace(theta, log_x)
        _, _, e, log_e0, alpha = _columns(theta)
        log_height, u = self._height_and_logit(theta, log_x)
        log_part = log_height + log_expit(u)
        value = log_sum(e, log_part)
        above, below = expit(u), expit(-u)
        left = below + xp.maximum(alpha, NO_ALPHA) * above  # d log odds / d u
        share = xp.exp(log_part - value)
        by_odds = share * below / left
        # log(e0 - e) moves with e by -1 / (e0 - e) and with log e0 by e0 / (e0 - e); odds by -(1 - alpha).
        by_height = share - (1.0 - alpha) * by_odds
        inverse_height = xp.exp(-log_height)
        by_limit = xp.exp(-value) - by_height * inverse_height
        by_alpha = by_odds * (log_height + log_expit(-u))
        by_top = by_height * xp.exp(log_e0) * inverse_height
        return value, _rows(by_odds, -by_odds * log_x, by_limit, by_top, by_alpha)

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """e and e0 carry the unit of y, b that of y^(1 - alpha) x^c."""
        log_b, c, e, log_e0, alpha = (theta[..., i] for i in range(5))
        log_b = log_b + (1.0 - alpha) * log_t + c * log_s
        return stacked([log_b, c, e * namespace(theta, log_t).exp(log_t), log_e0 + log_t, alpha])

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """e between 0 and the largest y; e0 up to 10^6 times it, from where on M4 is M2."""
        xp = namespace(y)
        low, high = data_range(xp.abs(y), weight)
        return box_of(FREE, FREE, (0.0, high), (xp.log(low), xp.log(1e6 * high)), (0.0, 100.0))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log(y - e) - alpha log(e0 - y) is linear in (log b, c).

        Besides there are starts with hardly any alpha: M2 cut off at e0, the mean of the first few points.
        """
        xp = namespace(log_x, y)
        seen = weight > 0
        low, high = data_range(y, weight)
        low, high = low[..., None], high[..., None]
        limits, log_gap, gentle = limit_nodes(y, weight, rising=False)  # (..., E), (..., E, N)
        alpha = xp.asarray(ALPHAS, dtype=y.dtype)[:, None, None]  # (A, 1, 1)
        tops = high + xp.asarray(TOPS, dtype=y.dtype) * xp.maximum(high - low, 1e-3 * xp.abs(high))
        there = seen[..., None, None, None, :]
        points = y[..., None, None, None, :]
        room = xp.where(there, tops[..., :, None, None, None] - points, 1.0)  # (..., T, 1, 1, N)
        gap = log_gap[..., None, None, :, :]
        target = gap - alpha * xp.log(room)  # (..., T, A, E, N)
        safe = xp.where(there & (points > 0), points, 1.0)
        slope = 1.0 / (safe / xp.exp(gap) + alpha * safe / room)
        smooth = _grid(tops, xp.asarray(ALPHAS, dtype=y.dtype), limits)
        count = np.array(CUT_OFF)
        sums = xp.cumulative_sum(xp.where(seen, y, 0.0), axis=-1)
        last = np.minimum(count, y.shape[-1]) - 1
        cuts = xp.stack([sums[..., int(i)] for i in last], axis=-1) / xp.asarray(count, dtype=y.dtype)
        beyond = xp.asarray(np.arange(y.shape[-1]) >= count[:, None, None])  # (C, 1, N)
        sharp = _grid(cuts, xp.asarray((ALMOST_CUT,), dtype=y.dtype), limits)
        gentle = xp.where(beyond, gentle[..., None, :, :], 0.0)
        repeated = xp.broadcast_to(log_gap[..., None, :, :], gentle.shape)
        flat = (*y.shape[:-1], -1, y.shape[-1])
        return Separable(
            outer=xp.concat([smooth, sharp], axis=-2),
            target=xp.concat([xp.reshape(target, flat), xp.reshape(repeated, flat)], axis=-2),
            weight=xp.concat([xp.reshape(slope, flat), xp.reshape(gentle, flat)], axis=-2),
            always=_line(log_x),
            dictionary=no_dictionary(log_x)[0],
            positions=no_dictionary(log_x)[1],
            shapes=no_dictionary(log_x)[2],
            alike=limits.shape[-1],
        )

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c, e, log e0, alpha)."""
        top, alpha, limit = outer[..., 0], outer[..., 1], outer[..., 2]
        xp = namespace(beta)
        return xp.stack([beta[..., 0], beta[..., 1], limit, xp.log(top), alpha], axis=-1)


def _grid(tops: Array, alphas: Array, limits: Array) -> Array:
    """All (e0, alpha, e) of trial values (..., T), (A,), (..., E): (..., T A E, 3)."""
    xp = namespace(tops)
    parts = xp.broadcast_arrays(tops[..., :, None, None], alphas[:, None], limits[..., None, None, :])
    grid = xp.stack(parts, axis=-1)
    return xp.reshape(grid, (*grid.shape[:-4], -1, 3))
