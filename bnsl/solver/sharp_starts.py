"""Starting points with one sharp break from the data, for C curves.

Between two neighbouring points there may be a minimum of its own for a break too sharp for its width to be
seen, into which no wider break leads. In log|y - a| such a law is a straight line and a ramp, whose least
squares follow from sums over the points beyond the break, so that all places and limits are tried for less
than two steps of the solver.
"""

from __future__ import annotations

from typing import NamedTuple

from bnsl._base.arrays import Array, along, namespace
from bnsl.forms.form import Form, Separable

SHARP = 0.15  # width as a share of the distance between the points
DEPENDENT = 1e-9  # share of a column's square outside the span of the others, below which it adds nothing
TINY = 1e-30
APART = 1e-3  # share of y by which a point must lie off the limit to count towards the line
# On the scale of two points, the width and slope change of a break half-way that takes a law to its limit.
STEEP, CLIFF = 0.1, 20.0
PLACES = 128  # of a cliff that are tried, at most; each is a pass over all points
FARTHER, NEARER = 1.0, 0.5  # how far a limit may move, as shares of its distance to the nearest point


def sharp_starts(
    form: Form, separable: Separable, log_x: Array, weight: Array, count: int, *, rising: bool
) -> Array:
    """Coordinates (C, K, 6) of the best laws with one sharp break, at or half-way between two points.

    Places next to a better one come last. The limit moves from its node as the data wish, to first order.

    Args:
        form: a form of one break.
        separable: its starting problem.
        log_x: (C, N), sorted, in normalised units; points of weight 0 are padding at the end.
        weight: (C, N) square roots of the points' weights in log space.
        count: K, at most 2 N.
        rising: whether the limit lies above the points.
    """
    xp = namespace(log_x)
    seen = (weight > 0)[:, None]  # (C, 1, N)
    square = xp.where(seen, weight[:, None] * separable.weight, 0.0) ** 2  # (C, A, N)
    target = xp.where(seen, separable.target, 0.0)
    following = xp.concat([log_x[:, 1:], log_x[:, -1:]], axis=1)
    place = xp.reshape(
        xp.stack([log_x, 0.5 * (log_x + following)], axis=-1), (log_x.shape[0], -1)
    )  # (C, 2 N)
    there = weight > 0
    inside = xp.concat([there[:, 1:] & there[:, :-1], there[:, :1] & False], axis=1)
    ramps = _Ramps(square, log_x[:, None], place[:, None], xp.repeat(inside, 2, axis=-1)[:, None])

    # A first pass with every limit held; its law tells how log|y - a| gains as the limit moves.
    held = ramps.project(target)
    gain = xp.where(ramps.usable, held.along**2 / ramps.square, -1.0)
    law = ramps.law(held, xp.argmax(gain, axis=-1, keepdims=True))
    moved = ramps.project(xp.exp(-law))
    cross = ramps.total(held.rest * moved.rest) - held.along * moved.along / ramps.square
    room = ramps.total(moved.rest**2) - moved.along**2 / ramps.square
    nearest = xp.min(xp.where(seen, xp.exp(target), xp.inf), axis=-1, keepdims=True)
    low = -FARTHER * nearest
    if not rising:
        low = xp.maximum(low, -xp.maximum(separable.outer[..., None], 0.0))
    least_room = DEPENDENT * ramps.total(moved.rest**2)
    move = xp.where(room > least_room, cross / xp.where(room > 0, room, 1.0), 0.0)
    move = xp.clip(move, low, NEARER * nearest)  # (C, A, 2 N)
    cost = ramps.total(held.rest**2) - held.along**2 / ramps.square - 2.0 * move * cross + move**2 * room
    cost = xp.where(ramps.usable & xp.isfinite(cost), cost, xp.inf)

    # The best limit at every place; then the places that are better than their neighbours.
    node = xp.argmin(cost, axis=1)  # (C, 2 N)
    least = xp.min(cost, axis=1)
    best = _first(_bottoms_last(least), count)  # (C, K)
    node = along(node, best, 1)
    step = _entry(move, node, best)
    level, slope, bend = (
        one - step * other
        for one, other in zip(
            ramps.coefficients(held, node, best), ramps.coefficients(moved, node, best), strict=True
        )
    )
    outer = along(separable.outer, node, 1) + (-step if rising else step)
    width = SHARP * xp.repeat(xp.maximum(following - log_x, 1e-6), 2, axis=-1)
    beta = xp.stack([level, -slope, -bend], axis=-1)
    return form.assemble(outer, along(place, best, 1)[..., None], along(width, best, 1)[..., None], beta)


def plateau_starts(form: Form, log_x: Array, y: Array, weight: Array, count: int, *, rising: bool) -> Array:
    """Coordinates (C, K, 6) of the best laws that a sharp break takes to their limit amid the points beyond.

    There log|y - a| is not defined, so that neither `sharp_starts` nor wider breaks lead to such a limit. It
    is the mean of the points beyond, and the points before have a straight line in log|y - a|.

    Args:
        form: a form of one break.
        log_x: (C, N), sorted, in normalised units; points of weight 0 are padding at the end.
        y: (C, N) in normalised units.
        weight: (C, N) square roots of the points' weights in log space.
        count: K, at most N, and at most half of PLACES.
        rising: whether the limit lies above the points.
    """
    xp = namespace(log_x)
    points = log_x.shape[-1]
    seen = weight > 0
    square = xp.where(seen, weight, 0.0) ** 2
    plain = xp.any(seen & (y <= 0), axis=-1, keepdims=True)  # only a linear loss sees such y: no logarithms
    size = xp.where(plain | ~seen, 1.0, y)
    values = xp.where(seen, xp.where(plain, y, xp.log(xp.where(size > 0, size, 1.0))), 0.0)
    index = xp.arange(points)
    place = index[:: -(-points // PLACES)]  # (V,) the last point before the break
    before = (index <= place[:, None]) & seen[:, None]  # (C, V, N)
    beyond = (index > place[:, None]) & seen[:, None]

    def total(one: Array, other: Array) -> Array:
        return xp.vecdot(one, other)[..., None]

    weights = xp.where(beyond, square[:, None], 0.0)
    heavy = xp.maximum(xp.sum(weights, axis=-1, keepdims=True), TINY)
    level = total(weights, values[:, None]) / heavy  # (C, V, 1)
    limit, there, size = xp.where(plain[:, None], level, xp.exp(level)), y[:, None], size[:, None]
    gap = limit - there if rising else there - limit
    apart = before & (gap > APART * size)
    target = xp.log(xp.where(apart, gap, 1.0))
    share = xp.where(apart, square[:, None] * (gap / size) ** 2, 0.0)
    mass = xp.maximum(xp.sum(share, axis=-1, keepdims=True), TINY)
    centre, value = total(share, log_x[:, None]) / mass, total(share, target) / mass
    u = log_x[:, None] - centre
    tilted = share * u
    slope = total(tilted, target) / xp.maximum(total(tilted, u), TINY)
    missed = share * (target - value - slope * u) ** 2
    flat = square[:, None] * (values[:, None] - level) ** 2
    cost = xp.sum(xp.where(apart, missed, flat), axis=-1)
    enough = xp.count_nonzero(apart, axis=-1) >= 3
    usable = xp.any(beyond, axis=-1) & enough
    best = _first(_bottoms_last(xp.where(usable, cost, xp.inf)), count)  # (C, K)
    last = place[best]
    gaps = xp.maximum(xp.concat([log_x[:, 1:], log_x[:, -1:]], axis=1) - log_x, 1e-6)
    step = along(gaps, last, 1)
    level_at_0 = (value - slope * centre)[..., 0]
    beta = xp.stack([along(level_at_0, best, 1), -along(slope[..., 0], best, 1), CLIFF / step], axis=-1)
    middle, width = along(log_x, last, 1) + 0.5 * step, STEEP * step
    return form.assemble(along(limit[..., 0], best, 1), middle[..., None], width[..., None], beta)


def _bottoms_last(cost: Array) -> Array:
    """Costs (C, V), those of places no better than a neighbour far above the others."""
    xp = namespace(cost)
    edge = xp.full_like(cost[:, :1], xp.inf)
    bottom = cost <= xp.concat([edge, cost[:, :-1]], axis=1)
    bottom = bottom & (cost < xp.concat([cost[:, 1:], edge], axis=1))
    return xp.where(bottom, cost, 1e3 * xp.abs(cost) + 1e-6)


def _first(cost: Array, count: int) -> Array:
    """Indices (C, K) of the least costs of (C, V)."""
    return namespace(cost).argsort(cost, axis=-1, stable=True)[:, :count]


def _entry(table: Array, node: Array, place: Array) -> Array:
    """Entries (C, K) of a table (C, A, V) at some nodes and places."""
    xp = namespace(table)
    flat = xp.reshape(table, (table.shape[0], -1))
    return along(flat, node * table.shape[-1] + place, 1)


class _Projected(NamedTuple):
    """A column at every node (C, A, N) after a straight line is taken out of it."""

    value: Array  # (C, A, 1) of the line at its mean
    slope: Array  # (C, A, 1)
    rest: Array  # (C, A, N)
    along: Array  # (C, A, V) products with the ramps


class _Ramps:
    """Ramps that begin at V places, the straight line taken out of them, under weights (C, A, N)."""

    def __init__(self, weight: Array, log_x: Array, place: Array, usable: Array) -> None:
        xp = namespace(weight)
        self.weight = weight
        self.count = xp.sum(weight, axis=-1, keepdims=True)
        self.mean = self.total(log_x) / self.count
        self.u = log_x - self.mean
        self.uu = xp.maximum(self.total(self.u**2), TINY)
        self.begin = place - self.mean
        first = self._beyond(self.u)
        ones, second = self._beyond(xp.ones_like(self.u)), self._beyond(self.u**2)
        self.level = first - self.begin * ones
        self.tilt = second - self.begin * first
        whole = self.tilt - self.begin * self.level
        left = whole - self.level**2 / self.count - self.tilt**2 / self.uu
        self.usable = usable & (left > DEPENDENT * xp.maximum(whole, 0.0))
        self.square = xp.where(self.usable, left, 1.0)

    def total(self, values: Array) -> Array:
        """Weighted sums (C, A, 1)."""
        return namespace(values).sum(self.weight * values, axis=-1, keepdims=True)

    def _beyond(self, values: Array) -> Array:
        """Weighted sums over the points beyond each place, (C, A, V)."""
        xp = namespace(values)
        weighted = self.weight * values
        sums = xp.cumulative_sum(weighted[..., ::-1], axis=-1)[..., ::-1]
        return xp.repeat(sums - weighted, 2, axis=-1)

    def project(self, column: Array) -> _Projected:
        """Take the straight line out of a column (C, A, N)."""
        value, slope = self.total(column) / self.count, self.total(column * self.u) / self.uu
        rest = column - value - slope * self.u
        return _Projected(value, slope, rest, self._beyond(rest * self.u) - self.begin * self._beyond(rest))

    def law(self, column: _Projected, best: Array) -> Array:
        """The line and the ramp `best` (C, A, 1) of every node, fitted to a column: (C, A, N)."""
        xp = namespace(best)
        bend = along(column.along, best, -1) / along(self.square, best, -1)
        slope = column.slope - bend * along(self.tilt, best, -1) / self.uu
        value = column.value - bend * along(self.level, best, -1) / self.count
        start = along(self.begin, best, -1)
        return value + slope * self.u + bend * xp.maximum(self.u - start, 0.0)

    def coefficients(self, column: _Projected, node: Array, place: Array) -> tuple[Array, Array, Array]:
        """Value at log x = 0, slope, and slope of the ramp (C, K) at some nodes and places."""
        bend = _entry(column.along, node, place) / _entry(self.square, node, place)
        tilt, level = _entry(self.tilt, node, place), _entry(self.level, node, place)
        slope = along(column.slope[..., 0], node, 1) - bend * tilt / along(self.uu[..., 0], node, 1)
        value = along(column.value[..., 0], node, 1) - bend * level / along(self.count[..., 0], node, 1)
        return value - slope * along(self.mean[..., 0], node, 1), slope, bend
