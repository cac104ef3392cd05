"""Starting points with one sharp break from the data.

Between two neighbouring points there may be a minimum of its own for a break too sharp for its width to be
seen, into which no wider break leads. In log|y - a| such a law is a straight line and a ramp, whose least
squares follow from sums over the points beyond the break, so that all places and limits are tried for less
than two steps of the solver.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from bnsl._base.checks import Array
from bnsl.forms.broken import BNSL

SHARP = 0.15  # width as a share of the distance between the points
DEPENDENT = 1e-9  # share of a column's square outside the span of the others, below which it adds nothing
TINY = 1e-30
APART = 1e-3  # share of y by which a point must lie off the limit to count towards the line
# On the scale of two points, the width and slope change of a break half-way that takes a law to its limit.
STEEP, CLIFF = 0.1, 20.0
PLACES = 128  # of a cliff that are tried, at most; each is a pass over all points
FARTHER, NEARER = 1.0, 0.5  # how far a limit may move, as shares of its distance to the nearest point


def sharp_starts(form: BNSL, log_x: Array, y: Array, weight: Array, count: int) -> Array:
    """Coordinates (K, 6) of the best laws with one sharp break, at or half-way between two points.

    Places next to a better one come last. The limit moves from its node as the data wish, to first order.

    Args:
        form: a BNSL of one break.
        log_x: (N,), sorted, in normalised units; points of weight 0 are padding at the end.
        y: (N,) in normalised units.
        weight: (N,) square roots of the points' weights in log space.
        count: K, at most 2 N.
    """
    separable = form.separable(log_x, y, weight)
    seen = weight > 0
    square = jnp.where(seen, weight * separable.weight, 0.0) ** 2  # (A, N)
    target = jnp.where(seen, separable.target, 0.0)
    following = jnp.append(log_x[1:], log_x[-1])
    place = jnp.stack([log_x, 0.5 * (log_x + following)], axis=1).ravel()  # (2 N,)
    usable = jnp.repeat(seen & jnp.roll(seen, -1).at[-1].set(False), 2)
    ramps = _Ramps(square, log_x, place, usable)

    # A first pass with every limit held; its law tells how log|y - a| gains as the limit moves.
    held = ramps.project(target)
    gain = jnp.where(ramps.usable, held.along**2 / ramps.square, -1.0)
    law = ramps.law(held, jnp.argmax(gain, axis=1))
    moved = ramps.project(jnp.exp(-law))
    cross = ramps.total(held.rest * moved.rest) - held.along * moved.along / ramps.square
    room = ramps.total(moved.rest**2) - moved.along**2 / ramps.square
    nearest = jnp.min(jnp.where(seen, jnp.exp(target), jnp.inf), axis=1, keepdims=True)
    low = -FARTHER * nearest
    if not form.rising:
        low = jnp.maximum(low, -jnp.maximum(separable.outer[:, None], 0.0))
    least_room = DEPENDENT * ramps.total(moved.rest**2)
    move = jnp.where(room > least_room, cross / jnp.where(room > 0, room, 1.0), 0.0)
    move = jnp.clip(move, low, NEARER * nearest)  # (A, 2 N)
    cost = ramps.total(held.rest**2) - held.along**2 / ramps.square - 2.0 * move * cross + move**2 * room
    cost = jnp.where(ramps.usable & jnp.isfinite(cost), cost, jnp.inf)

    # The best limit at every place; then the places that are better than their neighbours.
    node, least = jnp.argmin(cost, axis=0), jnp.min(cost, axis=0)
    best = jax.lax.top_k(_bottoms_first(least), count)[1]
    chosen = node[best], best
    step = move[chosen]
    level, slope, bend = (
        one - step * other
        for one, other in zip(
            ramps.coefficients(held, chosen), ramps.coefficients(moved, chosen), strict=True
        )
    )
    outer = separable.outer[node[best]] + (-step if form.rising else step)
    width = SHARP * jnp.repeat(jnp.maximum(following - log_x, 1e-6), 2)
    beta = jnp.stack([level, -slope, -bend], axis=1)
    return jax.vmap(form.assemble)(outer, place[best][:, None], width[best][:, None], beta)


def plateau_starts(form: BNSL, log_x: Array, y: Array, weight: Array, count: int) -> Array:
    """Coordinates (K, 6) of the best laws that a sharp break takes to their limit amid the points beyond.

    There log|y - a| is not defined, so that neither `sharp_starts` nor wider breaks lead to such a limit. It
    is the mean of the points beyond, and the points before have a straight line in log|y - a|.

    Args:
        form: a BNSL of one break.
        log_x: (N,), sorted, in normalised units; points of weight 0 are padding at the end.
        y: (N,) in normalised units.
        weight: (N,) square roots of the points' weights in log space.
        count: K, at most N, and at most half of PLACES.
    """
    seen = (weight > 0) & (y > 0)
    square = jnp.where(seen, weight, 0.0) ** 2
    log_y = jnp.where(seen, jnp.log(jnp.where(seen, y, 1.0)), 0.0)
    index = jnp.arange(log_x.shape[0])
    place = index[:: -(-log_x.shape[0] // PLACES)]  # (V,) the last point before the break
    before = (index <= place[:, None]) & seen  # (V, N)
    beyond = (index > place[:, None]) & seen
    level = jnp.sum(jnp.where(beyond, square * log_y, 0.0), axis=1)
    level = level / jnp.maximum(jnp.sum(jnp.where(beyond, square, 0.0), axis=1), TINY)
    limit = jnp.exp(level)[:, None]
    gap = limit - y if form.rising else y - limit
    apart = before & (gap > APART * y)
    target = jnp.log(jnp.where(apart, gap, 1.0))
    share = jnp.where(apart, square * (gap / y) ** 2, 0.0)
    total = jnp.maximum(jnp.sum(share, axis=1, keepdims=True), TINY)
    u = log_x - jnp.sum(share * log_x, axis=1, keepdims=True) / total
    value = jnp.sum(share * target, axis=1, keepdims=True) / total
    slope = jnp.sum(share * u * target, axis=1, keepdims=True) / jnp.maximum(
        jnp.sum(share * u**2, axis=1, keepdims=True), TINY
    )
    missed = jnp.where(apart, share * (target - value - slope * u) ** 2, 0.0)
    flat = jnp.where(seen & ~apart, square * (log_y - level[:, None]) ** 2, 0.0)
    cost = jnp.sum(missed + flat, axis=1)
    usable = jnp.any(beyond, axis=1) & (jnp.sum(apart, axis=1) >= 3)
    best = jax.lax.top_k(_bottoms_first(jnp.where(usable, cost, jnp.inf)), count)[1]
    last = place[best]
    step = jnp.maximum(jnp.append(log_x[1:], log_x[-1]) - log_x, 1e-6)[last]
    level_at_0 = (value - slope * (log_x - u)[:, :1])[best, 0]
    beta = jnp.stack([level_at_0, -slope[best, 0], CLIFF / step], axis=1)
    middle_of_two, width = log_x[last] + 0.5 * step, STEEP * step
    return jax.vmap(form.assemble)(limit[best, 0], middle_of_two[:, None], width[:, None], beta)


def _bottoms_first(cost: Array) -> Array:
    """Scores (V,) by which places of less cost than their neighbours come first, the least first."""
    edge = jnp.full(1, jnp.inf)
    bottom = (cost <= jnp.concatenate([edge, cost[:-1]])) & (cost < jnp.concatenate([cost[1:], edge]))
    return -jnp.where(bottom, cost, 1e3 * jnp.abs(cost) + 1e-6)


class _Projected(NamedTuple):
    """A column at every node (A, N) after a straight line is taken out of it."""

    value: Array  # (A, 1) of the line at its mean
    slope: Array  # (A, 1)
    rest: Array  # (A, N)
    along: Array  # (A, V) products with the ramps


class _Ramps:
    """Ramps that begin at V places, the straight line taken out of them, under weights (A, N)."""

    def __init__(self, weight: Array, log_x: Array, place: Array, usable: Array) -> None:
        self.weight = weight
        self.count = self.total(jnp.ones_like(weight))
        self.mean = self.total(log_x) / self.count
        self.u = log_x - self.mean
        self.uu = jnp.maximum(self.total(self.u**2), TINY)
        self.begin = place - self.mean
        ones, first, second = self._beyond(jnp.ones_like(self.u), self.u, self.u**2)
        self.level = first - self.begin * ones
        self.tilt = second - self.begin * first
        whole = self.tilt - self.begin * self.level
        left = whole - self.level**2 / self.count - self.tilt**2 / self.uu
        self.usable = usable & (left > DEPENDENT * jnp.maximum(whole, 0.0))
        self.square = jnp.where(self.usable, left, 1.0)

    def total(self, values: Array) -> Array:
        """Weighted sums (A, 1)."""
        return jnp.sum(self.weight * values, axis=1, keepdims=True)

    def _beyond(self, *values: Array) -> Array:
        """Weighted sums over the points beyond each place, (A, V) of every column."""
        weighted = self.weight * jnp.stack(values)
        sums = jnp.flip(jnp.cumsum(jnp.flip(weighted, -1), axis=-1), -1)
        return jnp.repeat(sums - weighted, 2, axis=-1)

    def project(self, column: Array) -> _Projected:
        """Take the straight line out of a column (A, N)."""
        value, slope = self.total(column) / self.count, self.total(column * self.u) / self.uu
        rest = column - value - slope * self.u
        first, ones = self._beyond(rest * self.u, rest)
        return _Projected(value, slope, rest, first - self.begin * ones)

    def law(self, column: _Projected, best: Array) -> Array:
        """The line and the ramp `best` (A,) of every node, fitted to a column: (A, N)."""
        chosen = jnp.arange(len(best)), best
        level, slope, bend = (v[:, None] for v in self.coefficients(column, chosen))
        x = self.u + self.mean
        return level + slope * x + bend * jnp.maximum(self.u - self.begin[chosen][:, None], 0.0)

    def coefficients(self, column: _Projected, chosen: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        """Value at log x = 0, slope, and slope of the ramp (K,) at some nodes and places."""
        node = chosen[0]
        bend = column.along[chosen] / self.square[chosen]
        slope = column.slope[node, 0] - bend * self.tilt[chosen] / self.uu[node, 0]
        value = column.value[node, 0] - bend * self.level[chosen] / self.count[node, 0]
        return value - slope * self.mean[node, 0], slope, bend
