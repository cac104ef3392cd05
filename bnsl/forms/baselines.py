"""The functional forms that BNSL is compared with: M1 to M4 in the notation of the benchmark.

Source: Alabdulmohsin, Neyshabur, Zhai, "Revisiting Neural Scaling Laws in Language and Vision",
NeurIPS 2022, arXiv 2209.06640, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.checks import Array, InputError
from bnsl.forms.form import Form, Parameter, Separable, data_range, limit_nodes, log_sum


def _stack(like: Any, parts: list[Any]) -> Any:
    return (jnp if isinstance(like, jax.Array) else np).stack(parts, axis=-1)


def _exp(value: Any) -> Any:
    return (jnp if isinstance(value, jax.Array) else np).exp(value)


def _box(*pairs: tuple[Any, Any]) -> tuple[Array, Array]:
    lower, upper = zip(*pairs, strict=True)
    return jnp.stack([jnp.asarray(v) for v in lower]), jnp.stack([jnp.asarray(v) for v in upper])


def _no_dictionary(log_x: Array) -> dict[str, Any]:
    return {
        "dictionary": jnp.zeros((0, 0, log_x.shape[0])),
        "positions": jnp.zeros(0),
        "shapes": jnp.zeros(0),
    }


FREE = (-jnp.inf, jnp.inf)
NO_ALPHA = 1e-30  # an alpha of M4 that no double can tell from 0
CUT_OFF = (1, 2, 3, 5, 8)  # numbers of first points at which M4 may be cut off
ALMOST_CUT = 0.02  # the alpha of such a start
NEWTON_STEPS = 6  # two more than every input needs


@dataclass(frozen=True)
class M1(Form):
    """y = b x^(-c): the plain power law."""

    name: ClassVar[str] = "m1"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """b, c."""
        return (Parameter("b", log=True, lower=0.0, mixes=True), Parameter("c"))

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log b - c log x."""
        return theta[0] - theta[1] * log_x

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """b carries the units of y and of x^c."""
        log_b, c = theta[..., 0], theta[..., 1]
        return _stack(theta, [log_b + log_t + c * log_s, c])

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """No bounds."""
        return _box(FREE, FREE)

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log y is linear in (log b, c)."""
        safe = jnp.where(y > 0, y, jnp.max(jnp.abs(y)))
        return Separable(
            outer=jnp.zeros(1),
            target=jnp.log(safe)[None],
            weight=jnp.ones_like(y)[None],
            always=jnp.stack([jnp.ones_like(log_x), -log_x]),
            **_no_dictionary(log_x),
        )

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c)."""
        return beta


@dataclass(frozen=True)
class M2(Form):
    """y = b x^(-c) + e: a power law that falls to the limit e >= 0."""

    name: ClassVar[str] = "m2"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """b, c, e."""
        return (*M1().parameters, Parameter("e", lower=0.0))

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log(e + b x^-c)."""
        return log_sum(theta[2], theta[0] - theta[1] * log_x)

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """As M1; e carries the unit of y."""
        log_b, c, e = (theta[..., i] for i in range(3))
        return _stack(theta, [log_b + log_t + c * log_s, c, e * _exp(log_t)])

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """e between 0 and the largest y."""
        return _box(FREE, FREE, (0.0, data_range(y, weight)[1]))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log(y - e) is linear in (log b, c)."""
        limits, target, slope = limit_nodes(y, weight, rising=False)
        return Separable(
            outer=limits,
            target=target,
            weight=slope,
            always=jnp.stack([jnp.ones_like(log_x), -log_x]),
            **_no_dictionary(log_x),
        )

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c, e)."""
        return jnp.stack([beta[0], beta[1], outer])


@dataclass(frozen=True)
class M3(Form):
    """y = b (1/x + g)^c + e: like M2, but the power law itself levels off beyond x = 1/g."""

    name: ClassVar[str] = "m3"
    picks: int = 1

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """b, c, g, e; g = 0 is M2."""
        return (*M1().parameters, Parameter("g", lower=0.0), Parameter("e", lower=0.0))

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log(e + b (1/x + g)^c)."""
        return log_sum(theta[3], theta[0] + theta[1] * log_sum(theta[2], -log_x))

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """As M2; g carries the unit of 1/x."""
        log_b, c, g, e = (theta[..., i] for i in range(4))
        return _stack(theta, [log_b + log_t + c * log_s, c, g * _exp(-log_s), e * _exp(log_t)])

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """e between 0 and the largest y; 1/g no farther than a range before the data."""
        low, high = data_range(log_x, weight)
        return _box(FREE, FREE, (0.0, jnp.exp(high - 2 * low)), (0.0, data_range(y, weight)[1]))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log(y - e) is linear in (log b, c) once g is given."""
        low, high = data_range(log_x, weight)
        limits, target, slope = limit_nodes(y, weight, rising=False)
        saturation = low + jnp.linspace(0.0, 1.4, 29) * (high - low)  # x = 1/g
        positions = jnp.concatenate([jnp.zeros(1), jnp.exp(-saturation)])
        return Separable(
            outer=limits,
            target=target,
            weight=slope,
            always=jnp.ones_like(log_x)[None],
            dictionary=log_sum(positions[:, None], -log_x)[:, None, :],
            positions=positions,
            shapes=jnp.zeros(1),
        )

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c, g, e)."""
        return jnp.stack([beta[0], beta[1], positions[0], outer])


@jax.custom_jvp
def logit_share(log_odds: Array, alpha: Array) -> Array:
    """The u that solves log sigmoid(u) - alpha log sigmoid(-u) = log_odds, for alpha >= 0.

    At alpha = 0 the law is e + b x^-c cut off at e0, and u is infinite beyond the cut.
    """
    # alpha > 1 is the mirror image of 1 / alpha. For alpha <= 1 and v = -log sigmoid(u) the equation reads
    # v + alpha log(exp(v) - 1) = alpha v - log_odds, and Lambert's w + log w = z, w = v / alpha, is close.
    alpha = jnp.maximum(alpha, NO_ALPHA)
    mirrored = alpha > 1.0
    a = jnp.where(mirrored, 1.0 / alpha, alpha)
    target = jnp.where(mirrored, -log_odds / alpha, log_odds)
    z = -target / a - jnp.log(a)
    log_w = jnp.where(z > 1.0, jnp.log(jnp.maximum(z, 1.0)), z)
    for _ in range(2):
        w = jnp.exp(log_w)
        log_w = log_w - (w + log_w - z) / (w + 1.0)
    log_v = log_w + jnp.log(a)
    v = jnp.exp(log_v)
    small = v < 1e-8
    guess = jnp.where(small, -log_v, -v - jnp.log(-jnp.expm1(-jnp.where(small, 1.0, v))))

    # The left side is concave and rises with a slope between a and 1: Newton's iteration converges.
    def step(_: int, u: Array) -> Array:
        value = jax.nn.log_sigmoid(u) - a * jax.nn.log_sigmoid(-u) - target
        return u - value / (jax.nn.sigmoid(-u) + a * jax.nn.sigmoid(u))

    u = jax.lax.fori_loop(0, NEWTON_STEPS, step, guess)
    return jnp.where(mirrored, -u, u)


@logit_share.defjvp
def _logit_share_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    log_odds, alpha = primals
    d_log_odds, d_alpha = tangents
    u = logit_share(log_odds, alpha)
    slope = jax.nn.sigmoid(-u) + jnp.maximum(alpha, NO_ALPHA) * jax.nn.sigmoid(u)
    return u, (d_log_odds + d_alpha * jax.nn.log_sigmoid(-u)) / slope


@dataclass(frozen=True)
class M4(Form):
    """(y - e) / (e0 - y)^alpha = b x^(-c): a sigmoid in log x from e0, at small x, down to e.

    Implicit in y. With y = e + (e0 - e) sigmoid(u) it reads
    log sigmoid(u) - alpha log sigmoid(-u) = log b - c log x - (1 - alpha) log(e0 - e).
    """

    name: ClassVar[str] = "m4"

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
        log_b, c, e, log_e0, alpha = theta
        log_height = log_e0 + jnp.log1p(-e * jnp.exp(-log_e0))
        log_odds = log_b - c * log_x - (1.0 - alpha) * log_height
        u = logit_share(log_odds, jnp.broadcast_to(alpha, log_odds.shape))
        return log_sum(e, log_height + jax.nn.log_sigmoid(u))

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """e and e0 carry the unit of y, b that of y^(1 - alpha) x^c."""
        log_b, c, e, log_e0, alpha = (theta[..., i] for i in range(5))
        log_b = log_b + (1.0 - alpha) * log_t + c * log_s
        return _stack(theta, [log_b, c, e * _exp(log_t), log_e0 + log_t, alpha])

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """e between 0 and the largest y; e0 up to 10^6 times it, from where on M4 is M2."""
        low, high = data_range(jnp.abs(y), weight)
        return _box(FREE, FREE, (0.0, high), (jnp.log(low), jnp.log(1e6 * high)), (0.0, 100.0))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log(y - e) - alpha log(e0 - y) is linear in (log b, c).

        Besides there are starts with hardly any alpha: M2 cut off at e0, the mean of the first few points.
        """
        seen = weight > 0
        low, high = data_range(y, weight)
        limits, log_gap, gentle = limit_nodes(y, weight, rising=False)  # (E,), (E, N)
        excess = jnp.array([0.003, 0.03, 0.1, 0.3, 1.0, 10.0])
        tops = high + excess * jnp.maximum(high - low, 1e-3 * jnp.abs(high))
        alpha = jnp.array([0.1, 0.4, 1.0, 2.0, 5.0])
        room = jnp.where(seen, tops[:, None] - y, 1.0)[:, None, None]  # (T, 1, 1, N)
        target = log_gap - alpha[:, None, None] * jnp.log(room)  # (T, A, E, N)
        safe = jnp.where(seen & (y > 0), y, 1.0)
        slope = 1.0 / (safe / jnp.exp(log_gap) + alpha[:, None, None] * safe / room)
        smooth = jnp.stack(jnp.meshgrid(tops, alpha, limits, indexing="ij"), axis=-1)
        count = jnp.array(CUT_OFF)
        sums = jnp.cumsum(jnp.where(seen, y, 0.0))
        cuts = sums[jnp.minimum(count, y.shape[0]) - 1] / count
        beyond = jnp.arange(y.shape[0]) >= count[:, None, None]  # (C, 1, N)
        sharp = jnp.stack(jnp.meshgrid(cuts, jnp.array([ALMOST_CUT]), limits, indexing="ij"), axis=-1)
        columns = y.shape[0]
        return Separable(
            outer=jnp.concatenate([smooth.reshape(-1, 3), sharp.reshape(-1, 3)]),
            target=jnp.concatenate([target.reshape(-1, columns), jnp.tile(log_gap, (len(CUT_OFF), 1))]),
            weight=jnp.concatenate(
                [slope.reshape(-1, columns), jnp.where(beyond, gentle, 0.0).reshape(-1, columns)]
            ),
            always=jnp.stack([jnp.ones_like(log_x), -log_x]),
            **_no_dictionary(log_x),
            alike=limits.shape[0],
        )

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c, e, log e0, alpha)."""
        top, alpha, limit = outer
        return jnp.stack([beta[0], beta[1], limit, jnp.log(top), alpha])
