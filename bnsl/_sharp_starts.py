"""Laws with a sharp break from the data, for many curves at once.

Between two neighbouring points there may be a minimum of its own for a break too sharp for its width to be
seen, into which no wider break leads. In log|y - a| such a law is two straight lines, whose least squares
follow from sums over the points on either side: all places and all limits a are tried for less than two
steps of the solver.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from bnsl._arrays import Array
from bnsl.forms.base import Separable

SHARP = 0.15  # width as a share of the distance between the points
DEPENDENT = 1e-9  # share of a sum of squares below which it counts as none


class _Sums(NamedTuple):
    """Weighted sums of 1, u, u^2, t, u t and t^2 over some points."""

    one: Array
    u: Array
    uu: Array
    t: Array
    ut: Array
    tt: Array

    def minus(self, other: _Sums) -> _Sums:
        return _Sums(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    def line(self) -> tuple[Array, Array, Array]:
        """The least-squares line: its value at u = 0, its slope, and what it leaves of the squares."""
        det = self.one * self.uu - self.u**2
        usable = det > DEPENDENT * self.one * self.uu
        slope = jnp.where(usable, self.one * self.ut - self.u * self.t, 0.0) / jnp.where(usable, det, 1.0)
        value = (self.t - slope * self.u) / jnp.where(self.one > 0, self.one, 1.0)
        left = jnp.where(usable, self.tt - value * self.t - slope * self.ut, jnp.inf)
        return value, slope, left


def sharp_starts(separable: Separable, log_x: Array, weight: Array, count: int) -> tuple[Array, ...]:
    """The best laws with one sharp break: outer nodes, positions, widths (K,) and coefficients (K, 3).

    The coefficients are those of `Separable.always`, of which there are two, and of the break.

    Args:
        separable: of a form whose breaks turn a straight line in log x.
        log_x: (N,), sorted, in normalised units; points of weight 0 are padding at the end.
        weight: (N,) square roots of the points' weights in log space.
        count: K.
    """
    seen = weight > 0
    square = jnp.where(seen, weight * separable.weight, 0.0) ** 2  # (A, N)
    target = jnp.where(seen, separable.target, 0.0)
    terms = (square, square * log_x, square * log_x**2, square * target, square * log_x * target)
    left = _Sums(*(jnp.cumsum(term, axis=1) for term in (*terms, square * target**2)))
    whole = _Sums(*(part[:, -1:] for part in left))
    right = whole.minus(left)

    # A break between points k and k + 1: the lines on either side, if they meet there.
    before, after = left.line(), right.line()
    turn = after[1] - before[1]
    meet = (before[0] - after[0]) / jnp.where(turn == 0, 1.0, turn)
    following = jnp.append(log_x[1:], log_x[-1])
    inside = (meet >= log_x) & (meet <= following) & (turn != 0)
    free_cost = jnp.where(inside, before[2] + after[2], jnp.inf)

    # A break at point k: a line, and a ramp that begins there.
    ramp = right.u - log_x * right.one
    ramp_u = right.uu - log_x * right.u
    ramp_ramp = ramp_u - log_x * ramp
    ramp_t = right.ut - log_x * right.t
    det = whole.one * whole.uu - whole.u**2
    det = jnp.where(det > 0, det, 1.0)
    one, per_u = (whole.uu * ramp - whole.u * ramp_u) / det, (whole.one * ramp_u - whole.u * ramp) / det
    room = ramp_ramp - one * ramp - per_u * ramp_u
    value, slope, unbroken = whole.line()
    usable = room > DEPENDENT * jnp.maximum(ramp_ramp, 0.0)
    along = jnp.where(usable, ramp_t - one * whole.t - per_u * whole.ut, 0.0)
    bend = along / jnp.where(usable, room, 1.0)
    held_cost = jnp.where(usable, unbroken - bend * along, jnp.inf)

    # The better of the two, and the best limit, at every place; then the places better than both neighbours.
    meets = free_cost < held_cost
    usable_place = jnp.roll(seen, -1).at[-1].set(False) & seen
    cost = jnp.where(usable_place, jnp.minimum(free_cost, held_cost), jnp.inf)
    cost = jnp.where(jnp.isfinite(cost), cost, jnp.inf)
    outer = jnp.argmin(cost, axis=0)
    place = jnp.min(cost, axis=0)
    beyond = jnp.full(1, jnp.inf)
    peak = (place <= jnp.concatenate([beyond, place[:-1]])) & (place < jnp.concatenate([place[1:], beyond]))
    best = jax.lax.top_k(-jnp.where(peak, place, place + 1e3 * jnp.abs(place)), count)[1]
    node = outer[best]
    free = meets[node, best]
    position = jnp.where(free, meet[node, best], log_x[best])
    width = SHARP * jnp.maximum(following[best] - log_x[best], 1e-6)
    level = jnp.where(free, before[0][node, best], value[node, 0] - bend[node, best] * one[node, best])
    first = jnp.where(free, before[1][node, best], slope[node, 0] - bend[node, best] * per_u[node, best])
    change = jnp.where(free, turn[node, best], bend[node, best])
    return separable.outer[node], position, width, jnp.stack([level, -first, -change], axis=1)
