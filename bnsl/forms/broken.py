"""The broken neural scaling law (Caballero et al., ICLR 2023, arXiv 2210.14891, equation 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.checks import Array, InputError, check_count
from bnsl.forms.form import (
    Form,
    Parameter,
    Separable,
    data_range,
    limit_nodes,
    log1p_of_share,
    log_difference,
    log_sum,
)

# Trial breaks: 24 positions and 5 widths (as shares of the range of log x) were enough for the global
# search of `benchmarks/global_search.py`; twice as many found nothing more.
POSITIONS = 24
WIDTHS = (0.01, 0.03, 0.08, 0.2, 0.5)

STEEPEST = 1e6  # a slope c0 beyond it loses log b to rounding


class Segment(NamedTuple):
    """One power law b x^slope, between start and stop, in the decomposition of a BNSL minus its limit."""

    start: float
    stop: float
    scale: float
    slope: float


def log_power_chain(theta: Array, log_x: Array) -> Array:
    """log g = log b - c0 log x - sum_i c_i f_i softplus((log x - log d_i) / f_i); y = a +- g (eq. 1)."""
    log_g = theta[1] - theta[2] * log_x
    for i in range(3, theta.shape[0], 3):
        slope, log_d, width = theta[i], theta[i + 1], jnp.exp(theta[i + 2])
        log_g = log_g - slope * width * jax.nn.softplus((log_x - log_d) / width)
    return log_g


@dataclass(frozen=True)
class BNSL(Form):
    """y = a + b x^(-c0) prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i), with n_breaks breaks.

    On log-log axes y - a is a chain of straight segments: slope -c0 before d_1, -(c0 + c_1) after it, and
    so on; f_i is how gradual break i is. With `rising`, b < 0: y = a - |b| x^(-c0)..., a quantity that
    rises to the limit a.
    """

    n_breaks: int = 1
    rising: bool = False
    name: ClassVar[str] = "bnsl"
    per_pick: ClassVar[int] = 3
    level: ClassVar[int] = 1  # log b

    def __post_init__(self) -> None:
        check_count(self.n_breaks, "n_breaks")

    @property
    def picks(self) -> int:  # type: ignore[override]
        """Breaks to pick from the dictionary of trial breaks."""
        return self.n_breaks

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """a, b, c0, then c_i, d_i, f_i of every break."""
        sign = {"lower": -np.inf, "upper": 0.0} if self.rising else {"lower": 0.0, "upper": np.inf}
        chain = [Parameter("a"), Parameter("b", log=True, mixes=True, **sign), Parameter("c0")]
        for i in range(1, self.n_breaks + 1):
            chain += [
                Parameter(f"c{i}"),
                Parameter(f"d{i}", log=True, lower=0.0),
                Parameter(f"f{i}", log=True, lower=0.0),
            ]
        return tuple(chain)

    @property
    def label(self) -> str:
        """'bnsl' with its number of breaks."""
        return f"bnsl, {self.n_breaks} break{'' if self.n_breaks == 1 else 's'}"

    def spec(self) -> dict[str, Any]:
        """Arguments of `get_form`."""
        return {"form": self.name, "n_breaks": self.n_breaks, "rising": self.rising}

    def to_params(self, theta: Any) -> dict[str, float]:
        """Named values; b is negative for a rising law."""
        params = super().to_params(theta)
        if self.rising:
            params["b"] = -params["b"]
        return params

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log(a +- g)."""
        log_g = log_power_chain(theta, log_x)
        return log_difference(theta[0], log_g) if self.rising else log_sum(theta[0], log_g)

    def y(self, theta: Array, log_x: Array) -> Array:
        """a +- g; unlike exp(log_y) also where a or y is negative."""
        g = jnp.exp(log_power_chain(theta, log_x))
        return theta[0] - g if self.rising else theta[0] + g

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y and its derivatives in closed form, one softplus and one sigmoid a break."""
        change, log_d, log_f = theta[3:].reshape(self.n_breaks, 3).T[:, :, None]
        width = jnp.exp(log_f)
        z = (log_x - log_d) / width
        decay = jnp.exp(-jnp.abs(z))
        bend = log1p_of_share(decay)
        soft = width * (jnp.maximum(z, 0.0) + bend)
        step = jnp.where(z >= 0, 1.0, decay) / (1.0 + decay)
        # soft - width z step, whose terms would cancel beyond the break.
        turn = width * (bend + jnp.abs(z) * decay / (1.0 + decay))
        # Without the barrier XLA computes every exponential again in each of the rows below.
        soft, step, turn = jax.lax.optimization_barrier((soft, step, turn))
        log_g = theta[1] - theta[2] * log_x - jnp.sum(change * soft, axis=0)
        value = log_difference(theta[0], log_g) if self.rising else log_sum(theta[0], log_g)
        share, inverse = jnp.exp(log_g - value), jnp.exp(-value)
        value, share, inverse = jax.lax.optimization_barrier((value, share, inverse))
        share = -share if self.rising else share
        chain = jnp.stack([-soft, change * step, -change * turn], axis=1)
        rows = [inverse[None], share[None], -share[None] * log_x, share * chain.reshape(-1, log_x.shape[0])]
        return value, jnp.concatenate(rows)

    # The solver's coordinates of break i, besides log f_i: its depth S = f softplus(-log d / f), how far
    # the data (which end at log x = 0) reach past it, and the bend c S that it has made by their end. The
    # data determine that bend well and, of a break near their end or beyond it, hardly anything else: c and
    # d trade off along a curved valley, which is straight in these coordinates even as d goes to infinity.

    def from_working(self, working: Array) -> Array:
        """c_i, log d_i from bend and depth."""
        bend, depth, log_f = self._breaks(working)
        width = jnp.exp(log_f)
        ratio = depth / width
        log_d = -depth - width * jnp.log(-jnp.expm1(-ratio))
        return self._with_breaks(working, bend / depth, log_d, log_f)

    def to_working(self, theta: Array) -> Array:
        """Bend and depth from c_i, log d_i."""
        change, log_d, log_f = self._breaks(theta)
        depth = _depth(log_d, jnp.exp(log_f))
        return self._with_breaks(theta, change * depth, depth, log_f)

    def working_jacobian(self, working: Array, jacobian: Array) -> Array:
        """Derivatives by bend and depth from those by c_i and log d_i."""
        if not self.n_breaks:
            return jacobian
        bend, depth, log_f = self._breaks(working)[:, :, None]
        width = jnp.exp(log_f)
        past = jnp.expm1(depth / width)
        by_change, by_log_d, by_log_f = jacobian[3:].reshape(self.n_breaks, 3, -1).swapaxes(0, 1)
        rows = [
            by_change / depth,
            -by_change * (bend / depth**2) - by_log_d * (1.0 + 1.0 / past),
            by_log_f + by_log_d * (depth / past - width * jnp.log(-jnp.expm1(-depth / width))),
        ]
        return jnp.concatenate([jacobian[:3], jnp.stack(rows, axis=1).reshape(3 * self.n_breaks, -1)])

    def working_box(self, working: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The bounds of log d_i as bounds of the depth at the present f_i."""
        _, low_d, low_f = self._breaks(lower)
        _, high_d, high_f = self._breaks(upper)
        free = jnp.full(low_d.shape, jnp.inf)
        width = jnp.exp(jnp.clip(self._breaks(working)[2], low_f, high_f))
        low = self._with_breaks(lower, -free, _depth(high_d, width), low_f)
        return low, self._with_breaks(upper, free, _depth(low_d, width), high_f)

    def _breaks(self, theta: Array) -> Array:
        return theta[3:].reshape(self.n_breaks, 3).T

    def _with_breaks(self, theta: Array, *columns: Array) -> Array:
        return jnp.concatenate([theta[:3], jnp.stack(columns, axis=1).ravel()])

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """a and b carry the unit of y, b that of x^c0 too, and every d that of x."""
        parts = [theta[..., i] for i in range(theta.shape[-1])]
        xp = jnp if isinstance(theta, jax.Array) else np
        parts[0] = parts[0] * xp.exp(log_t)
        parts[1] = parts[1] + log_t + parts[2] * log_s
        for i in range(4, len(parts), 3):
            parts[i] = parts[i] + log_s
        return xp.stack(parts, axis=-1)

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """The limit between 0 and the largest y; breaks up to one data range beyond the data.

        Breaks farther away, much sharper than the spacing or much wider than the range of log x
        cannot be told from none.
        """
        low_x, high_x = data_range(log_x, weight)
        low, high = data_range(y, weight)
        span = jnp.maximum(high_x - low_x, 1e-6)
        spread = jnp.maximum(high - low, 1e-3 * jnp.abs(high))
        spread = jnp.where(spread > 0, spread, 1.0)  # all y are 0
        if self.rising:
            limit = (jnp.where(low > 0, 0.0, low), high + 1e3 * spread)
        else:
            limit = (jnp.where(low > 0, 0.0, low - 1e3 * spread), high)
        inf = jnp.inf
        lower = [limit[0], -inf, -STEEPEST]
        upper = [limit[1], inf, STEEPEST]
        for _ in range(self.n_breaks):
            lower += [-inf, low_x - span, jnp.log(1e-4 * span)]
            upper += [inf, high_x + span, jnp.log(2.0 * span)]
        return jnp.stack([jnp.asarray(v) for v in lower]), jnp.stack([jnp.asarray(v) for v in upper])

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log|y - a| is linear in (log b, c0, ..., c_n) once a and the breaks' d and f are given."""
        low_x, high_x = data_range(log_x, weight)
        span = jnp.maximum(high_x - low_x, 1e-6)
        limits, target, slope = limit_nodes(y, weight, self.rising)
        share = jnp.linspace(0.0, 1.0, POSITIONS)
        rank = share * (jnp.sum(weight > 0) - 1)
        # Half-way between even spacing in log x and even spacing in points: neither misses a cluster.
        quantile = jnp.interp(rank, jnp.arange(log_x.shape[0]), log_x)
        positions = 0.5 * (quantile + low_x + share * span) + share * 0.1 * span
        shapes = span * jnp.array(WIDTHS)
        trial = jax.vmap(jax.vmap(self.trial, (None, 0, None)), (0, None, None))
        return Separable(
            outer=limits,
            target=target,
            weight=slope,
            always=jnp.stack([jnp.ones_like(log_x), -log_x]),
            dictionary=trial(positions, shapes, log_x),
            positions=positions,
            shapes=shapes,
        )

    def trial(self, position: Array, shape: Array, log_x: Array) -> Array:
        """What a break at log d = position of width f = shape adds to log g, for c = 1."""
        return -shape * jax.nn.softplus((log_x - position) / shape)

    def outer_of(self, theta: Array) -> Array:
        """The limit a."""
        return theta[0]

    def regrowth(
        self, theta: Array, outer: Array, dropped: Sequence[int], log_x: Array, y: Array, weight: Array
    ) -> tuple[Array, Array, Array]:
        """As `separable`, with the limit `outer` and the breaks of a solution that are not dropped.

        Where a point lies far towards the limit, or beyond it, log|y - a| is continued by its tangent at
        half of the solution's |y - a|.
        """
        size = jnp.where(jnp.min(jnp.where(weight > 0, y, jnp.inf)) > 0, jnp.abs(y), 1.0)
        size = jnp.where(weight > 0, size, 1.0)
        law = self.y(theta, log_x)
        half = 0.5 * jnp.maximum(outer - law if self.rising else law - outer, 1e-3 * size)
        gap = jnp.where(weight > 0, outer - y if self.rising else y - outer, 1.0)
        target = jnp.where(gap > half, jnp.log(jnp.maximum(gap, half)), jnp.log(half) + gap / half - 1.0)
        stay = kept(self.n_breaks, dropped)
        _, log_d, log_f = self._breaks(theta)[:, np.array(stay, int)]
        basis = jax.vmap(self.trial, (0, 0, None))(log_d, jnp.exp(log_f), log_x)
        always = jnp.concatenate([jnp.stack([jnp.ones_like(log_x), -log_x]), basis])
        return target, jnp.maximum(gap, half) / size, always

    def regrown(
        self,
        theta: Array,
        outer: Array,
        dropped: Sequence[int],
        positions: Array,
        shapes: Array,
        beta: Array,
    ) -> Array:
        """theta with another limit, new breaks in the place of some, and new slopes."""
        slopes = [3 + 3 * i for i in (*kept(self.n_breaks, dropped), *dropped)]
        first = 3 + 3 * np.array(dropped)
        new = jnp.asarray(theta).at[0].set(outer).at[np.array([1, 2, *slopes])].set(beta)
        return new.at[first + 1].set(positions).at[first + 2].set(jnp.log(shapes))

    def sprouted(self, theta: Array, positions: Array, shapes: Array) -> Array:
        """theta with its last breaks replaced by others whose slope change is 0."""
        new = jnp.stack([jnp.zeros_like(positions), positions, jnp.log(shapes)], axis=1)
        return jnp.concatenate([theta[: theta.shape[0] - new.size], new.ravel()])

    def without(self, theta: np.ndarray, dropped: Sequence[int]) -> np.ndarray:
        """theta with the breaks `dropped` put last, their slope change 0."""
        breaks = theta[..., 3:].reshape(*theta.shape[:-1], self.n_breaks, 3)
        breaks = breaks[..., [*kept(self.n_breaks, dropped), *dropped], :].copy()
        breaks[..., self.n_breaks - len(dropped) :, 0] = 0.0
        return np.concatenate([theta[..., :3], breaks.reshape(*theta.shape[:-1], -1)], axis=-1)

    def kick_scale(self, log_x: Array, weight: Array) -> Array:
        """A tenth of the data's range for every log d, a factor of two for every f."""
        low_x, high_x = data_range(log_x, weight)
        each = jnp.stack([jnp.zeros_like(low_x), 0.1 * (high_x - low_x), jnp.asarray(0.7)])
        return jnp.concatenate([jnp.zeros(3), jnp.tile(each, self.n_breaks)])

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(a, log b, c0, c_1, log d_1, log f_1, ...)."""
        theta = [outer, beta[0], beta[1]]
        for i in range(self.n_breaks):
            theta += [beta[2 + i], positions[i], jnp.log(shapes[i])]
        return jnp.stack(theta)

    def canonical_order(self, theta: np.ndarray) -> np.ndarray:
        """Indices that put the breaks in the order of their positions."""
        order = np.argsort(theta[4::3], kind="stable")
        return np.concatenate([np.arange(3), (3 + 3 * order[:, None] + np.arange(3)).ravel()]).astype(int)

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


def _depth(log_d: Array, width: Array) -> Array:
    return width * jax.nn.softplus(-log_d / width)


def kept(n_breaks: int, dropped: Sequence[int]) -> list[int]:
    """Indices of the breaks that are not dropped."""
    return [i for i in range(n_breaks) if i not in dropped]


def breaks_in(params: Mapping[str, float]) -> int:
    """The number of breaks that a mapping of BNSL parameters speaks of."""
    count = sum(1 for name in params if name[:1] == "d" and name[1:].isdigit())
    if not all(f"{letter}{i}" in params for letter in "cdf" for i in range(1, count + 1)):
        raise InputError(f"params: every break needs c, d and f; got {', '.join(params)}")
    return count
