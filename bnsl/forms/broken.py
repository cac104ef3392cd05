"""The broken neural scaling law (Caballero et al., ICLR 2023, arXiv 2210.14891, equation 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from bnsl._base.arrays import Array, along, log1p_of_share, namespace, once, softplus
from bnsl._base.checks import InputError, check_count, check_flag, numbers
from bnsl.forms.form import AHEAD, Form, Misfit, Parameter, Separable
from bnsl.forms.pieces import box_of, data_range, limit_nodes, log_difference, log_sum, stacked

# Trial breaks: 24 positions and 5 widths (as shares of the range of log x) were enough for the global
# search of `benchmarks/global_search.py`; twice as many found nothing more.
POSITIONS = 24
WIDTHS = (0.01, 0.03, 0.08, 0.2, 0.5)

LOOKED_AT = 64  # places at which a law is looked at for whether it crosses 0
STEEPEST = 1e6  # a slope c0 beyond it loses log b to rounding
LARGEST = 700.0  # of a logarithm whose exponential a double can hold


class Segment(NamedTuple):
    """One power law b x^slope, between start and stop, in the decomposition of a BNSL minus its limit."""

    start: float
    stop: float
    scale: float
    slope: float


def broken_power_law(x: Array, a: Array, b: Array, c0: Array, c: Array, d: Array, f: Array) -> Array:
    """y = a + b x^(-c0) prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i) (arXiv 2210.14891, equation 1).

    The law as a plain function, for your own code. On JAX arrays it is compiled and works with `grad`, `vmap`
    and `jit`, on any device and in any precision; on NumPy arrays and numbers it runs in NumPy. It is
    computed in logarithms, so no power overflows.

    Args:
        x: positive inputs, of any shape S.
        a: the limit; it broadcasts with x, as `b` and `c0` do.
        b: the scale; negative for a law that rises to its limit.
        c0: the first slope, as -c0.
        c: slope changes of the breaks, shape (..., n), whose leading axes broadcast with x.
        d: positions of the breaks, positive, likewise.
        f: widths of the breaks, positive, likewise.

    Returns:
        y, of the shape that x, a, b, c0 and the leading axes of c, d and f broadcast to. For B laws at N
        points, give x as (N,), a as (B, 1) and c as (B, 1, n).

    Raises:
        InputError: (a ValueError) on NumPy arrays, where an x, d or f is not positive, or c, d and f disagree
            in their number of breaks. On JAX arrays such values give NaN.
    """
    arguments = (x, a, b, c0, c, d, f)
    if any(
        hasattr(v, "__array_namespace__") and not isinstance(v, np.ndarray | np.generic) for v in arguments
    ):
        return _compiled_law()(*arguments)
    arrays = [
        np.asarray(v) if isinstance(v, np.ndarray | np.generic) and v.dtype.kind == "f" else numbers(v, name)
        for v, name in zip(arguments, ("x", "a", "b", "c0", "c", "d", "f"), strict=True)
    ]
    for name, array in zip("xdf", (arrays[0], *arrays[5:]), strict=True):
        if array.size and not (array > 0).all():
            worst = array[~(array > 0)].ravel()[0]
            raise InputError(f"{name} holds {worst:g}; x, d and f of a broken power law must be positive")
    _check_breaks(*arrays[4:])
    with np.errstate(over="ignore", under="ignore"):
        try:
            return np.asarray(_law(*arrays))
        except ValueError:
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise InputError(f"x, a, b, c0, c, d and f do not broadcast; their shapes are {shapes}") from None


def _check_breaks(*chains: Array) -> None:
    if any(chain.ndim == 0 for chain in chains) or len({chain.shape[-1] for chain in chains}) > 1:
        shapes = ", ".join(str(chain.shape) for chain in chains)
        raise InputError(
            f"c, d and f must have the same number of breaks along their last axis; got {shapes}"
        )


def _law(x: Array, a: Array, b: Array, c0: Array, c: Array, d: Array, f: Array) -> Array:
    xp = namespace(x, a, b, c0, c, d, f)
    log_x = xp.log(x)
    bends = c * f * xp.logaddexp((log_x[..., None] - xp.log(d)) / f, xp.zeros_like(f))
    chain = -c0 * log_x - xp.sum(bends, axis=-1)
    # Where b is 0 its logarithm is not, and the derivative by b is the power law itself.
    there = b != 0
    size = xp.exp(xp.log(xp.abs(xp.where(there, b, xp.ones_like(b)))) + chain)
    return a + xp.where(there, xp.sign(b) * size, b * xp.exp(chain))


@lru_cache(maxsize=1)
def _compiled_law() -> Any:
    import jax
    import jax.numpy as jnp

    def law(*arguments: Any) -> Any:
        arrays = [jnp.asarray(v) for v in arguments]
        _check_breaks(*arrays[4:])
        return _law(*arrays)

    return jax.jit(law)


def log_power_chain(theta: Array, log_x: Array) -> Array:
    """log g = log b - c0 log x - sum_i c_i f_i softplus((log x - log d_i) / f_i); y = a +- g (eq. 1)."""
    xp = namespace(theta, log_x)
    log_g = theta[..., 1, None] - theta[..., 2, None] * log_x
    if theta.shape[-1] == 3:
        return log_g
    change, log_d, width = theta[..., 3::3, None], theta[..., 4::3, None], xp.exp(theta[..., 5::3, None])
    return log_g - xp.sum(change * width * softplus((log_x[..., None, :] - log_d) / width), axis=-2)


@dataclass(frozen=True)
class BNSL(Form):
    """y = a + b x^(-c0) prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i), with n_breaks breaks.

    On log-log axes y - a is a chain of straight segments: slope -c0 before d_1, -(c0 + c_1) after it, and so
    on; the width f_i says how gradual break i is. With `rising`, b < 0: y = a - |b| x^(-c0)..., a quantity
    that rises to the limit a.
    """

    n_breaks: int = 1
    rising: bool = False
    name: ClassVar[str] = "bnsl"
    known_as: ClassVar[tuple[str, ...]] = ("broken_power_law", "broken_neural_scaling_law")
    formula: ClassVar[str] = "y = a + b x^(-c0) prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i)"
    meaning: ClassVar[str] = (
        "a chain of power laws, joined by n breaks, that falls to the limit a, or rises to it"
    )
    signed: ClassVar[bool] = True
    level: ClassVar[int] = 1

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
        return f"bnsl, {self.n_breaks} break{'' if self.n_breaks == 1 else 's'}"

    def spec(self) -> dict[str, Any]:
        """Arguments of `get_form`."""
        return {"form": self.name, "n_breaks": self.n_breaks, "rising": self.rising}

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log(a +- g)."""
        log_g = log_power_chain(theta, log_x)
        limit = theta[..., 0, None]
        return log_difference(limit, log_g) if self.rising else log_sum(limit, log_g)

    def y(self, theta: Array, log_x: Array) -> Array:
        """a +- g; unlike exp(log_y) also where a or y is negative."""
        g = namespace(theta, log_x).exp(log_power_chain(theta, log_x))
        return theta[..., 0, None] - g if self.rising else theta[..., 0, None] + g

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y and its derivatives in closed form, one softplus and one sigmoid a break."""
        xp = namespace(theta, log_x)
        log_g, chain = self._chain(theta, log_x)
        limit = theta[..., 0, None]
        value = log_difference(limit, log_g) if self.rising else log_sum(limit, log_g)
        value, share, inverse = once(value, xp.exp(log_g - value), xp.exp(-value))
        return value, _rows(inverse, -share if self.rising else share, log_x, chain)

    def y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """y and its derivatives in closed form."""
        xp = namespace(theta, log_x)
        log_g, chain = self._chain(theta, log_x)
        (g,) = once(xp.exp(log_g))
        g = -g if self.rising else g
        return theta[..., 0, None] + g, _rows(xp.ones_like(g), g, log_x, chain)

    def _chain(self, theta: Array, log_x: Array) -> tuple[Array, tuple[Array, ...]]:
        """log g (..., N), and its derivatives by every c_i, log d_i, log f_i, each (..., n, N)."""
        log_g = theta[..., 1, None] - theta[..., 2, None] * log_x
        if not self.n_breaks:
            return log_g, ()
        change, log_d, log_f = theta[..., 3::3, None], theta[..., 4::3, None], theta[..., 5::3, None]
        soft, step, turn = _bend(log_d, namespace(theta).exp(log_f), log_x)
        return log_g - _summed(change * soft), (-soft, change * step, -change * turn)

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
        width = xp.exp(log_f)
        log_d = -depth - width * xp.log(-xp.expm1(-depth / width))
        return _with_breaks(working[..., :3], bend / depth, log_d, log_f)

    def to_working(self, theta: Array) -> Array:
        """Bend and depth from c_i, log d_i."""
        if not self.n_breaks:
            return theta
        depth = _depth(theta[..., 4::3], namespace(theta).exp(theta[..., 5::3]))
        return _with_breaks(theta[..., :3], theta[..., 3::3] * depth, depth, theta[..., 5::3])

    def walked(self, working: Array, log_x: Array, misfit: Misfit) -> tuple[Array, Array]:
        """What `misfit` makes of y, and its derivatives by bend, depth and log f."""
        xp = namespace(working, log_x)
        log_g = working[..., 1, None] - working[..., 2, None] * log_x
        chain: tuple[Array, ...] = ()
        if self.n_breaks:
            bend, depth = working[..., 3::3, None], working[..., 4::3, None]
            width = xp.exp(working[..., 5::3, None])
            ratio = depth / width
            change, past = bend / depth, 1.0 / xp.expm1(ratio)
            tail = width * xp.log(-xp.expm1(-ratio))
            soft, step, turn = _bend(-depth - tail, width, log_x)
            log_g = log_g - _summed(change * soft)
            by_depth = (change / depth) * soft - (change * (1.0 + past)) * step
            by_width = (change * (depth * past - tail)) * step - change * turn
            chain = (soft * (-1.0 / depth), by_depth, by_width)
        g = xp.exp(xp.minimum(xp.maximum(log_g, -LARGEST), LARGEST))
        g = -g if self.rising else g
        residual, slope = misfit(working[..., 0, None] + g)
        residual, slope, share = once(residual, slope, slope * g)
        return residual, _rows(slope, share, log_x, chain)

    def working_box(self, working: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The bounds of log d_i as bounds of the depth at the present f_i."""
        if not self.n_breaks:
            return lower, upper
        xp = namespace(working, lower, upper)
        log_f = xp.minimum(xp.maximum(working[..., 5::3], lower[..., 5::3]), upper[..., 5::3])
        shallow, deep = _depth(xp.stack([upper[..., 4::3], lower[..., 4::3]]), xp.exp(log_f))
        return _with_depths(lower, shallow), _with_depths(upper, deep)

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
        xp = namespace(log_x, y)
        limits, target, slope = limit_nodes(y, weight, self.rising)
        positions, shapes, dictionary = _trial_grid(log_x, weight)
        if not self.n_breaks:
            dictionary = dictionary[..., :0, :0, :]
            positions, shapes = positions[..., :0], shapes[..., :0]
        always = xp.stack([xp.ones_like(log_x), -log_x], axis=-2)
        return Separable(limits, target, slope, always, dictionary, positions, shapes)

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(a, log b, c0, c_1, log d_1, log f_1, ...)."""
        xp = namespace(outer, beta)
        head = xp.stack([outer, beta[..., 0], beta[..., 1]], axis=-1)
        return _with_breaks(head, beta[..., 2:], positions, xp.log(shapes))

    def stays_positive(self, theta: np.ndarray, first: float, last: float) -> np.ndarray:
        """Whether laws (..., p) are positive from log x = first to AHEAD times beyond log x = last (...,).

        a - g may fall to 0 where g grows; a + g does so only if a is negative.
        """
        log_x = np.linspace(first, last + np.log(AHEAD), LOOKED_AT)
        with np.errstate(all="ignore"):
            return np.asarray((self.y(theta, log_x) > 0).all(axis=-1))

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
        chain = (3 + 3 * order[..., None] + np.arange(3)).reshape(*theta.shape[:-1], -1)
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
        bend = change * _depth(log_d, np.exp(log_f))
        change, log_d, log_f = (after[rows, at + k] for k in range(3))
        with np.errstate(all="ignore"):
            width, depth = np.exp(log_f), bend / change
            place = -depth - width * np.log(-np.expm1(-depth / width))
            slope = bend / _depth(log_d, width)
            follows = (moved[rows] == at) & (depth > 0) & np.isfinite(place) & free[at + 1]
            turns = (moved[rows] > at) & (np.abs(slope) < STEEPEST) & free[at]
        out = after.copy()
        out[rows[follows], at[follows] + 1] = place[follows]
        out[rows[turns], at[turns]] = slope[turns]
        return out

    # --- a search among laws of several breaks (`bnsl.solver.hops`); one curve, M laws ------------------

    @staticmethod
    def trial(position: Array, shape: Array, log_x: Array) -> Array:
        """What breaks at log d = position of width f = shape add to log g, for c = 1: (..., N)."""
        return -shape[..., None] * softplus((log_x - position[..., None]) / shape[..., None])

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
        straight = xp.stack([xp.ones_like(log_x), -log_x])
        always = xp.concat([xp.broadcast_to(straight, (*basis.shape[:-2], 2, len(log_x))), basis], axis=-2)
        return target, xp.maximum(gap, half) / size, always

    def regrown(
        self,
        theta: Array,
        outer: Array,
        dropped: Sequence[int],
        positions: Array,
        shapes: Array,
        beta: Array,
    ) -> Array:
        """Laws (M, p) with other limits, other breaks (M, k) in the place of some, and other slopes."""
        xp = namespace(theta, beta)
        columns = [theta[..., i] for i in range(theta.shape[-1])]
        columns[0], columns[1], columns[2] = outer, beta[..., 0], beta[..., 1]
        for rank, i in enumerate((*kept(self.n_breaks, dropped), *dropped)):
            columns[3 + 3 * i] = beta[..., 2 + rank]
        for rank, i in enumerate(dropped):
            columns[4 + 3 * i], columns[5 + 3 * i] = positions[..., rank], xp.log(shapes[..., rank])
        return xp.stack(columns, axis=-1)

    def sprouted(self, theta: Array, positions: Array, shapes: Array) -> Array:
        """Laws (M, p) with their last breaks replaced by others (M, k) whose slope change is 0."""
        xp = namespace(theta, positions)
        head = theta[..., : theta.shape[-1] - 3 * positions.shape[-1]]
        return _with_breaks(head, xp.zeros_like(positions), positions, xp.log(shapes))

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
        sign = -1.0 if self.rising else 1.0
        log_scale, slope, start = theta[1], -theta[2], 0.0
        out = []
        for change, log_d, _ in theta[3:].reshape(self.n_breaks, 3):
            out.append(Segment(start, float(np.exp(log_d)), sign * float(np.exp(log_scale)), float(slope)))
            log_scale, slope, start = log_scale + change * log_d, slope - change, float(np.exp(log_d))
        out.append(Segment(start, np.inf, sign * float(np.exp(log_scale)), float(slope)))
        return tuple(out)


@lru_cache(maxsize=64)
def _parameters(n_breaks: int, rising: bool) -> tuple[Parameter, ...]:
    sign = {"lower": -np.inf, "upper": 0.0} if rising else {"lower": 0.0, "upper": np.inf}
    chain = [Parameter("a"), Parameter("b", log=True, mixes=True, **sign), Parameter("c0")]
    for i in range(1, n_breaks + 1):
        chain.append(Parameter(f"c{i}"))
        chain += [Parameter(f"{letter}{i}", log=True, lower=0.0) for letter in "df"]
    return tuple(chain)


def _depth(log_d: Array, width: Array) -> Array:
    return width * softplus(-log_d / width)


def _with_breaks(head: Array, change: Array, log_d: Array, log_f: Array) -> Array:
    """Coordinates (..., k + 3 n): those of `head` (..., k), then the three of every break (..., n)."""
    xp = namespace(head, change)
    if change.shape[-1] == 1:
        return xp.concat([head, change, log_d, log_f], axis=-1)
    breaks = xp.concat([change[..., None], log_d[..., None], log_f[..., None]], axis=-1)
    return xp.concat([head, xp.reshape(breaks, (*breaks.shape[:-2], -1))], axis=-1)


def _with_depths(ends: Array, depth: Array) -> Array:
    """Coordinates (..., p), which may be shared by laws, with depths (..., n) of their own."""
    shape = (*depth.shape[:-1], ends.shape[-1])
    if isinstance(depth, np.ndarray):
        out = np.empty(shape, depth.dtype)
        out[:] = ends
        out[..., 4::3] = depth
        return out
    ends = namespace(depth).broadcast_to(ends, shape)
    parts = [ends[..., :4]]
    for i in range(depth.shape[-1]):
        parts += [depth[..., i : i + 1], ends[..., 5 + 3 * i : 7 + 3 * i]]
    return namespace(depth).concat(parts, axis=-1)


def _bend(log_d: Array, width: Array, log_x: Array) -> tuple[Array, Array, Array]:
    """f softplus(z), its derivative by log x, and that by log f (..., n, N) at z = (log x - log d) / f."""
    xp = namespace(width, log_x)
    z = (log_x[..., None, :] - log_d) / width
    size = xp.abs(z)
    decay = xp.exp(-size)
    bend = log1p_of_share(decay)
    whole = 1.0 / (1.0 + decay)
    soft = width * (xp.maximum(z, 0.0) + bend)
    left = decay * whole
    step = xp.where(z >= 0, whole, left)
    # soft - width z step, whose terms would cancel beyond the break.
    return once(soft, step, width * (bend + size * left))


def _summed(parts: Array) -> Array:
    """Sums (..., N) over breaks (..., n, N)."""
    return parts[..., 0, :] if parts.shape[-2] == 1 else namespace(parts).sum(parts, axis=-2)


def _rows(by_limit: Array, share: Array, log_x: Array, chain: tuple[Array, ...]) -> Array:
    """The Jacobian (..., p, N) from the derivatives by a and log g, and those of log g by each break."""
    if isinstance(share, np.ndarray):
        p = 3 + sum(part.shape[-2] for part in chain)
        out = np.empty((*share.shape[:-1], p, share.shape[-1]), share.dtype)
        out[..., 0, :], out[..., 1, :] = by_limit, share
        np.multiply(share, -log_x, out=out[..., 2, :])
        for k, part in enumerate(chain, 3):
            np.multiply(share[..., None, :], part, out=out[..., k::3, :])
        return out
    xp = namespace(share)
    rows = [by_limit[..., None, :], share[..., None, :], (-share * log_x)[..., None, :]]
    chain = tuple(share[..., None, :] * part for part in chain)
    for i in range(chain[0].shape[-2] if chain else 0):
        rows += [part[..., i : i + 1, :] for part in chain]
    return xp.concat(rows, axis=-2)


def _trial_grid(log_x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Positions (..., D) and widths (..., F) of trial breaks, and what they add to log g (..., D, F, N)."""
    xp = namespace(log_x)
    low, high = data_range(log_x, weight)
    low, span = low[..., None], xp.maximum(high - low, 1e-6)[..., None]
    share = xp.asarray(np.linspace(0.0, 1.0, POSITIONS), dtype=log_x.dtype)
    rank = share * (xp.sum(xp.astype(weight > 0, log_x.dtype), axis=-1, keepdims=True) - 1.0)
    left = xp.clip(xp.floor(rank), 0.0, log_x.shape[-1] - 2.0)
    index = xp.astype(left, xp.int64 if xp is np else xp.int32)
    before = along(log_x, index, -1)
    # Half-way between even spacing in log x and even spacing in points: neither misses a cluster.
    quantile = before + (rank - left) * (along(log_x, index + 1, -1) - before)
    positions = 0.5 * (quantile + low + share * span) + share * 0.1 * span
    shapes = span * xp.asarray(WIDTHS, dtype=log_x.dtype)
    places, widths = positions[..., :, None], shapes[..., None, :]
    return positions, shapes, BNSL.trial(places, widths, log_x[..., None, None, :])


def kept(n_breaks: int, dropped: Sequence[int]) -> list[int]:
    """Indices of the breaks that are not dropped."""
    return [i for i in range(n_breaks) if i not in dropped]


def breaks_in(params: Mapping[str, float]) -> int:
    """The number of breaks that a mapping of BNSL parameters speaks of."""
    count = sum(1 for name in params if name[:1] == "d" and name[1:].isdigit())
    if not all(f"{letter}{i}" in params for letter in "cdf" for i in range(1, count + 1)):
        raise InputError(f"params: every break needs c, d and f; got {', '.join(params)}")
    return count
