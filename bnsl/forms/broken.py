"""The broken neural scaling law (Caballero et al., ICLR 2023, arXiv 2210.14891, equation 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from bnsl._base.arrays import Array, namespace, once
from bnsl._base.checks import InputError, check_count, check_flag
from bnsl._base.display import counted
from bnsl.forms.chain import (
    bends_of,
    depth_of,
    jacobian_of,
    log_power_chain,
    over_breaks,
    tail_of,
    trial,
    trial_grid,
    with_breaks,
    with_depths,
)
from bnsl.forms.form import AHEAD, Form, Misfit, Parameter, Separable, positive
from bnsl.forms.pieces import box_of, data_range, limit_nodes, line, log_difference, log_sum, stacked

LOOKED_AT = 64  # places at which a law is looked at for whether it crosses 0
STEEPEST = 1e6  # a slope c0 beyond it loses log b to rounding
LARGEST = 700.0  # of a logarithm whose exponential a double can hold


class Segment(NamedTuple):
    """One power law b x^slope, between start and stop, in the decomposition of a BNSL minus its limit."""

    start: float
    stop: float
    scale: float
    slope: float


@dataclass(frozen=True)
class BNSL(Form):
    """y = a + b x^(-c0) prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i), with n_breaks breaks.

    On log-log axes y - a is a chain of straight segments: slope -c0 before d_1, -(c0 + c_1) after it, and so
    on; the width f_i says how gradual break i is. With `rising`, b < 0: y = a - |b| x^(-c0)..., a quantity
    that rises to the limit a.
    """

    n_breaks: int = 1
    rising: bool = False

    name = "bnsl"
    known_as = ("broken_power_law", "broken_neural_scaling_law")
    formula = "y = a + b x^(-c0) prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i)"
    meaning = "a chain of power laws, joined by n breaks, that falls to the limit a, or rises to it"
    signed = True
    level = 1

    def __post_init__(self) -> None:
        check_count(self.n_breaks, "n_breaks")
        check_flag(self.rising, "rising")

    @property
    def picks(self) -> int:  # type: ignore[override]
        """Breaks to pick from the dictionary of trial breaks."""
        return self.n_breaks

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """a, b, c0, then c_i, d_i, f_i of every break."""
        return _parameters(self.n_breaks, self.rising)

    @property
    def label(self) -> str:
        """'bnsl' with its number of breaks."""
        return f"bnsl, {counted(self.n_breaks, 'break')}"

    def spec(self) -> dict[str, Any]:
        """Arguments of `get_form`."""
        return {"form": self.name, "n_breaks": self.n_breaks, "rising": self.rising}

    def _signed(self, g: Array) -> Array:
        """+-g, what is added to the limit."""
        return -g if self.rising else g

    def _with_limit(self, theta: Array, log_g: Array) -> Array:
        """log(a +- g) (..., N)."""
        return (log_difference if self.rising else log_sum)(theta[..., 0, None], log_g)

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log(a +- g)."""
        return self._with_limit(theta, log_power_chain(theta, log_x))

    def y(self, theta: Array, log_x: Array) -> Array:
        """a +- g; unlike exp(log_y) also where a or y is negative."""
        return theta[..., 0, None] + self._signed(namespace(theta, log_x).exp(log_power_chain(theta, log_x)))

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y and its derivatives in closed form, one softplus and one sigmoid a break."""
        xp = namespace(theta, log_x)
        log_g, chain = self._chain(theta, log_x)
        value = self._with_limit(theta, log_g)
        value, share, inverse = once(value, xp.exp(log_g - value), xp.exp(-value))
        return value, jacobian_of(inverse, self._signed(share), log_x, chain)

    def y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """y and its derivatives in closed form."""
        xp = namespace(theta, log_x)
        log_g, chain = self._chain(theta, log_x)
        (g,) = once(self._signed(xp.exp(log_g)))
        return theta[..., 0, None] + g, jacobian_of(xp.ones_like(g), g, log_x, chain)

    def _chain(self, theta: Array, log_x: Array) -> tuple[Array, tuple[Array, ...]]:
        """log g (..., N), and its derivatives by every c_i, log d_i, log f_i, each (..., n, N)."""
        log_g = theta[..., 1, None] - theta[..., 2, None] * log_x
        if not self.n_breaks:
            return log_g, ()
        change, log_d, log_f = theta[..., 3::3, None], theta[..., 4::3, None], theta[..., 5::3, None]
        soft, step, turn = bends_of(log_d, namespace(theta).exp(log_f), log_x)
        return log_g - over_breaks(change * soft), (-soft, change * step, -change * turn)

    # The solver's coordinates of break i, besides log f_i: its depth S = f softplus(-log d / f), how far
    # the data (which end at log x = 0) reach past it, and the bend c S that it has made by their end. The
    # data determine that bend well and, of a break near their end or beyond it, hardly anything else: c and
    # d trade off along a curved valley, which is straight in these coordinates even as d goes to infinity.

    def from_working(self, working: Array) -> Array:
        """c_i, log d_i from bend and depth."""
        if not self.n_breaks:
            return working
        xp = namespace(working)
        bend, depth, log_f = working[..., 3::3], working[..., 4::3], working[..., 5::3]
        log_d = -depth - tail_of(depth, xp.exp(log_f))
        return with_breaks(working[..., :3], bend / depth, log_d, log_f)

    def to_working(self, theta: Array) -> Array:
        """Bend and depth from c_i, log d_i."""
        if not self.n_breaks:
            return theta
        depth = depth_of(theta[..., 4::3], namespace(theta).exp(theta[..., 5::3]))
        return with_breaks(theta[..., :3], theta[..., 3::3] * depth, depth, theta[..., 5::3])

    def walked(self, working: Array, log_x: Array, misfit: Misfit) -> tuple[Array, Array]:
        """What `misfit` makes of y, and its derivatives by bend, depth and log f."""
        xp = namespace(working, log_x)
        log_g = working[..., 1, None] - working[..., 2, None] * log_x
        chain: tuple[Array, ...] = ()
        if self.n_breaks:
            bend, depth = working[..., 3::3, None], working[..., 4::3, None]
            width = xp.exp(working[..., 5::3, None])
            change, past, tail = bend / depth, 1.0 / xp.expm1(depth / width), tail_of(depth, width)
            soft, step, turn = bends_of(-depth - tail, width, log_x)
            log_g = log_g - over_breaks(change * soft)
            by_depth = (change / depth) * soft - (change * (1.0 + past)) * step
            by_width = (change * (depth * past - tail)) * step - change * turn
            chain = (soft * (-1.0 / depth), by_depth, by_width)
        g = self._signed(xp.exp(xp.clip(log_g, -LARGEST, LARGEST)))
        residual, slope = misfit(working[..., 0, None] + g)
        residual, slope, share = once(residual, slope, slope * g)
        return residual, jacobian_of(slope, share, log_x, chain)

    def working_box(self, working: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The bounds of log d_i as bounds of the depth at the present f_i."""
        if not self.n_breaks:
            return lower, upper
        xp = namespace(working, lower, upper)
        log_f = xp.minimum(xp.maximum(working[..., 5::3], lower[..., 5::3]), upper[..., 5::3])
        shallow, deep = depth_of(xp.stack([upper[..., 4::3], lower[..., 4::3]]), xp.exp(log_f))
        return with_depths(lower, shallow), with_depths(upper, deep)

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """a and b carry the unit of y, b that of x^c0 too, and every d that of x."""
        xp = namespace(theta, log_s, log_t)
        parts = [theta[..., i] for i in range(theta.shape[-1])]
        parts[0] = parts[0] * xp.exp(log_t)
        parts[1] = parts[1] + log_t + parts[2] * log_s
        for i in range(4, len(parts), 3):
            parts[i] = parts[i] + log_s
        return stacked(parts)

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """The limit between 0 and the largest y; breaks up to one data range beyond the data.

        Breaks farther away, much sharper than the spacing or much wider than the range of log x
        cannot be told from none.
        """
        xp = namespace(log_x, y)
        low_x, high_x = data_range(log_x, weight)
        low, high = data_range(y, weight)
        span = xp.maximum(high_x - low_x, 1e-6)
        spread = xp.maximum(high - low, 1e-3 * xp.abs(high))
        spread = xp.where(spread > 0, spread, 1.0)  # all y are 0
        if self.rising:
            limit = (xp.where(low > 0, 0.0, low), high + 1e3 * spread)
        else:
            limit = (xp.where(low > 0, 0.0, low - 1e3 * spread), high)
        pairs = [limit, (-np.inf, np.inf), (-STEEPEST, STEEPEST)]
        one = [(-np.inf, np.inf), (low_x - span, high_x + span), (xp.log(1e-4 * span), xp.log(2.0 * span))]
        return box_of(*pairs, *(one * self.n_breaks))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log|y - a| is linear in (log b, c0, ..., c_n) once a and the breaks' d and f are given."""
        limits, target, slope = limit_nodes(y, weight, self.rising)
        positions, shapes, dictionary = trial_grid(log_x, weight)
        if not self.n_breaks:
            dictionary = dictionary[..., :0, :0, :]
            positions, shapes = positions[..., :0], shapes[..., :0]
        return Separable(limits, target, slope, line(log_x), dictionary, positions, shapes)

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(a, log b, c0, c_1, log d_1, log f_1, ...)."""
        xp = namespace(outer, beta)
        head = xp.stack([outer, beta[..., 0], beta[..., 1]], axis=-1)
        return with_breaks(head, beta[..., 2:], positions, xp.log(shapes))

    def stays_positive(
        self, theta: np.ndarray, first: float | np.ndarray, last: float | np.ndarray
    ) -> np.ndarray:
        """Whether laws (..., p) are positive from log x = first to AHEAD times beyond log x = last (...,).

        a - g may fall to 0 where g grows; a + g does so only if a is negative.
        """
        log_x = np.linspace(first, last + np.log(AHEAD), LOOKED_AT, axis=-1)
        with np.errstate(all="ignore"):
            return np.asarray((self.y(theta, log_x) > 0).all(axis=-1))

    def with_breaks(self, count: int) -> BNSL:
        """The same with another number of breaks."""
        return replace(self, n_breaks=count)

    def mirrored(self) -> BNSL | None:
        """The law with b < 0, of one with b > 0."""
        return None if self.rising else replace(self, rising=True)

    @property
    def chained(self) -> frozenset[str]:
        """c_i, d_i, f_i."""
        return frozenset(self.names[3:])

    def canonical_order(self, theta: np.ndarray) -> np.ndarray:
        """Indices (..., p) that put the breaks in the order of their positions."""
        order = np.argsort(theta[..., 4::3], axis=-1, kind="stable")
        chain = (3 + 3 * order[..., None] + np.arange(3)).reshape(*theta.shape[:-1], 3 * order.shape[-1])
        head = np.broadcast_to(np.arange(3), (*theta.shape[:-1], 3))
        return np.concatenate([head, chain], axis=-1)

    def bent_alike(
        self, before: np.ndarray, after: np.ndarray, moved: np.ndarray, free: np.ndarray
    ) -> np.ndarray:
        """`after`, and the bend that the break has made by the end of the data stays what it was `before`.

        Where c of a break is moved its place follows, and where place or width is moved its c does.
        """
        rows = np.flatnonzero(moved >= 3)
        at = moved[rows] - moved[rows] % 3  # c of the break
        change, log_d, log_f = (before[rows, at + k] for k in range(3))
        bend = change * depth_of(log_d, np.exp(log_f))
        change, log_d, log_f = (after[rows, at + k] for k in range(3))
        with np.errstate(all="ignore"):
            width, depth = np.exp(log_f), bend / change
            place = -depth - tail_of(depth, width)
            slope = bend / depth_of(log_d, width)
            follows = (moved[rows] == at) & (depth > 0) & np.isfinite(place) & free[at + 1]
            turns = (moved[rows] > at) & (np.abs(slope) < STEEPEST) & free[at]
        out = after.copy()
        out[rows[follows], at[follows] + 1] = place[follows]
        out[rows[turns], at[turns]] = slope[turns]
        return out

    # --- a search among laws of several breaks (`bnsl.solver.hops`); one curve, M laws ------------------

    trial = staticmethod(trial)

    def regrowth(
        self, theta: Array, outer: Array, dropped: Sequence[int], log_x: Array, y: Array, weight: Array
    ) -> tuple[Array, Array, Array]:
        """The linear problem of replacing the breaks `dropped` of laws (M, p), at other limits (M,).

        Returns target (M, N) and weight (M, N) as in `Separable`, and the basis of what stays (M, q, N).
        Where a point lies far towards the limit, or beyond it, log|y - a| is continued by its tangent at
        half of the law's |y - a|.
        """
        xp = namespace(theta, log_x)
        limit = outer[..., None]
        size = xp.where(xp.min(y) > 0, xp.abs(y), xp.ones_like(y))
        law = self.y(theta, log_x)
        half = 0.5 * xp.maximum(limit - law if self.rising else law - limit, 1e-3 * size)
        gap = limit - y if self.rising else y - limit
        target = xp.where(gap > half, xp.log(xp.maximum(gap, half)), xp.log(half) + gap / half - 1.0)
        stay = kept(self.n_breaks, dropped)
        log_d, log_f = theta[..., 4::3][..., stay], theta[..., 5::3][..., stay]
        basis = self.trial(log_d, xp.exp(log_f), log_x)
        straight = xp.broadcast_to(line(log_x), (*basis.shape[:-2], 2, len(log_x)))
        always = xp.concat([straight, basis], axis=-2)
        return target, xp.maximum(gap, half) / size, always

    def regrown(
        self,
        theta: np.ndarray,
        outer: np.ndarray,
        dropped: Sequence[int],
        positions: np.ndarray,
        shapes: np.ndarray,
        beta: np.ndarray,
    ) -> np.ndarray:
        """Laws (M, p) with other limits, other breaks (M, k) in the place of some, and other slopes."""
        out, new = theta.copy(), 3 + 3 * np.array(dropped, int)
        out[..., 0], out[..., 1:3] = outer, beta[..., :2]
        out[..., [3 + 3 * i for i in (*kept(self.n_breaks, dropped), *dropped)]] = beta[..., 2:]
        out[..., new + 1], out[..., new + 2] = positions, np.log(shapes)
        return out

    def sprouted(self, theta: Array, positions: Array, shapes: Array) -> Array:
        """Laws (M, p) with their last breaks replaced by others (M, k) whose slope change is 0."""
        xp = namespace(theta, positions)
        head = theta[..., : theta.shape[-1] - 3 * positions.shape[-1]]
        return with_breaks(head, xp.zeros_like(positions), positions, xp.log(shapes))

    def without(self, theta: np.ndarray, dropped: Sequence[int]) -> np.ndarray:
        """Coordinates (..., p) with the breaks `dropped` put last, their slope change 0."""
        breaks = theta[..., 3:].reshape(*theta.shape[:-1], self.n_breaks, 3)
        breaks = breaks[..., [*kept(self.n_breaks, dropped), *dropped], :].copy()
        breaks[..., self.n_breaks - len(dropped) :, 0] = 0.0
        return np.concatenate([theta[..., :3], breaks.reshape(*theta.shape[:-1], -1)], axis=-1)

    def kick_scale(self, log_x: np.ndarray) -> np.ndarray:
        """Typical displacement (p,) of a random kick: a tenth of the data's range for log d, 2-fold for f."""
        each = np.array([0.0, 0.1 * (log_x.max() - log_x.min()), 0.7])
        return np.concatenate([np.zeros(3), np.tile(each, self.n_breaks)])

    def segments(self, params: Mapping[str, float]) -> tuple[Segment, ...]:
        """The n + 1 power laws of which y - a is made, from left to right (the paper's Figure 1).

        Segment k is scale * x^slope with slope -(c0 + ... + c_k) and scale b prod_(i<=k) d_i^(c_i): the
        limit of equation 1 for f -> 0. Raises InputError if params do not fit this form.
        """
        theta = self.from_params(params)
        theta = theta[self.canonical_order(theta)]
        change, log_d = theta[3::3], theta[4::3]
        slopes = -np.cumsum([theta[2], *change])
        scales = self._signed(np.exp(np.cumsum([theta[1], *(change * log_d)])))
        ends = [0.0, *np.exp(log_d).tolist(), np.inf]
        return tuple(map(Segment, ends, ends[1:], scales.tolist(), slopes.tolist()))


@lru_cache(maxsize=64)
def _parameters(n_breaks: int, rising: bool) -> tuple[Parameter, ...]:
    sign = {"lower": -np.inf, "upper": 0.0} if rising else {"lower": 0.0, "upper": np.inf}
    chain = [Parameter("a"), Parameter("b", log=True, mixes=True, **sign), Parameter("c0")]
    for i in range(1, n_breaks + 1):
        chain += [Parameter(f"c{i}"), positive(f"d{i}"), positive(f"f{i}")]
    return tuple(chain)


def kept(n_breaks: int, dropped: Sequence[int]) -> list[int]:
    """Indices of the breaks that are not dropped."""
    return [i for i in range(n_breaks) if i not in dropped]


def breaks_in(params: Mapping[str, float]) -> int:
    """The number of breaks that a mapping of BNSL parameters speaks of."""
    count = sum(1 for name in params if name[:1] == "d" and name[1:].isdigit())
    if not all(f"{letter}{i}" in params for letter in "cdf" for i in range(1, count + 1)):
        raise InputError(f"params: every break needs c, d and f; got {', '.join(params)}")
    return count
