"""The best sets of trial breaks for laws of several breaks, of one curve, with their gains in closed form.

A beam search picks breaks out of a dictionary: all pairs are scored at once, and deeper sets are extensions
of the best. It gives starts from the data, replaces breaks of a law by others, and adds breaks to a law of
fewer.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

from bnsl._base.arrays import Array, namespace
from bnsl.forms.form import Separable
from bnsl.solver.steps import triangular_step

BEAM = 384  # sets of breaks kept from one level of the search to the next
RIDGE = 1e-4  # of a coordinate in the linearised problem, of whose column the length is 1
NEARLY_DEPENDENT = 1e-7  # share of a column's length outside the span of those picked before


class Trials(NamedTuple):
    """Laws, and trial breaks for the place of some of theirs."""

    parents: Array  # (M, p) coordinates
    # (M,) limit that each is moved to: in [0, 1) a share of all trial limits; negative: it stays where it is
    node: Array
    positions: Array  # (D,) ascending
    shapes: Array  # (D, F)


class _Beam(NamedTuple):
    """Sets of picked columns, all at one level of the search."""

    outer: Array  # (W,) index of the outer node
    picked: Array  # (W, level) indices into the dictionary
    rows: Array  # (W, level, V) Cholesky rows: picked columns, orthonormalised, times all columns
    along: Array  # (W, level) the same times the target
    gain: Array  # (W,) sum of squares left


def picked_starts(form: Any, problem: Separable, weight: Array, count: int) -> Array:
    """At most `count` starting coordinate vectors (K, p) of several breaks, best first.

    `problem` and `weight` (N,) are those of one curve, without an axis of curves.
    """
    xp = namespace(weight)
    scale = weight * problem.weight  # (A, N)
    target = problem.target * scale
    always = problem.always * scale[:, None, :]  # (A, q, N)
    outer, picked = best_sets(problem.dictionary, always, target, scale, form.picks, count)
    shapes, points = problem.dictionary.shape[1:]
    flat = xp.reshape(problem.dictionary, (-1, points))
    columns = xp.concat([always[outer], flat[picked] * scale[outer][:, None, :]], axis=1)
    beta = _coefficients(columns, target[outer])
    places, widths = problem.positions[picked // shapes], problem.shapes[picked % shapes]
    return form.assemble(problem.outer[outer], places, widths, beta)


def regrown_points(
    form: Any,
    problem: Separable,
    log_x: Array,
    y: Array,
    weight: Array,
    trials: Trials,
    drops: int,
    count: int,
) -> Array:
    """Laws with `drops` of their breaks replaced by trial ones: starting coordinates (K, p), best first.

    Every combination of breaks is dropped from every parent. The rest and all linear coefficients are solved
    for again, as in `picked_starts`.

    Args:
        form: a form of several breaks.
        problem: its starting problem on the curve.
        log_x: (N,), sorted, in normalised units.
        y: (N,) in normalised units.
        weight: (N,) square roots of the points' weights in log space.
        trials: the laws and what they are tried with.
        drops: how many breaks of each are replaced.
        count: at most how many starts.
    """
    xp = namespace(log_x)
    parents, node, positions, shapes = trials
    index = xp.astype(xp.maximum(node, 0.0) * problem.outer.shape[0], xp.int64)
    limits = xp.where(node < 0, parents[:, 0], problem.outer[index])
    dictionary = form.trial(positions[:, None], shapes, log_x)
    subsets = list(combinations(range(form.n_breaks), drops))
    parts = [form.regrowth(parents, limits, dropped, log_x, y, weight) for dropped in subsets]
    target, slope, always = (xp.concat(part, axis=0) for part in zip(*parts, strict=True))
    usable = xp.isfinite(target) & xp.isfinite(slope)
    scale = xp.where(usable, weight * slope, 0.0)
    target = xp.where(usable, target, 0.0) * scale
    always = xp.where(usable[:, None], always, 0.0) * scale[:, None, :]
    which, picked = best_sets(dictionary, always, target, scale, drops, count)
    flat = xp.reshape(dictionary, (-1, log_x.shape[0]))
    columns = xp.concat([always[which], flat[picked] * scale[which][:, None, :]], axis=1)
    beta = _coefficients(columns, target[which])
    places, widths = positions[picked // shapes.shape[1]], xp.reshape(shapes, (-1,))[picked]
    parent, subset = which % parents.shape[0], which // parents.shape[0]
    out = 0.0
    for number, dropped in enumerate(subsets):
        grown = form.regrown(parents[parent], limits[parent], dropped, places, widths, beta)
        out = xp.where((subset == number)[:, None], grown, out)
    return out


def sprouting_points(
    form: Any,
    log_x: Array,
    theta: Array,
    residual: Array,
    jacobian: Array,
    positions: Array,
    shapes: Array,
    picks: int,
    count: int,
) -> Array:
    """Laws with their last `picks` breaks replaced by those that lower the cost most: (K, p), best first.

    The laws are those of fewer breaks. About them the problem is linear in all coordinates and in the
    strengths of the trial breaks, which makes the gain of each set known in closed form. The breaks are
    returned without any effect yet: a start is as good as the law that it sprouts from.

    Args:
        form: a form of several breaks.
        log_x: (N,), sorted, in normalised units.
        theta: (M, p) the laws,
        residual: (M, N) with their weighted residuals
        jacobian: (M, p, N) and the derivatives of these.
        positions: (D,) ascending, of trial breaks.
        shapes: (D, F).
        picks: how many are picked.
        count: at most how many starts.
    """
    xp = namespace(log_x)
    rows = theta.shape[1] - 3 * picks
    trial = form.trial(positions[:, None], shapes, log_x)
    others = jacobian[:, :rows]
    norms = xp.sqrt(xp.sum(others**2, axis=-1, keepdims=True))
    others = others / xp.where(norms > 0, norms, 1.0)
    # A ridge, as so many further points: what hardly any step can change should not explain a residual.
    ridge = xp.broadcast_to(RIDGE * xp.eye(rows), (theta.shape[0], rows, rows))
    always = xp.concat([others, ridge], axis=2)

    def longer(values: Array) -> Array:
        return xp.concat([values, xp.zeros((*values.shape[:-1], rows))], axis=-1)

    scale = longer(jacobian[:, 1])  # a break adds to log g, as log b does
    which, picked = best_sets(longer(trial), always, longer(-residual), scale, picks, count)
    widths = xp.reshape(shapes, (-1,))[picked]
    return form.sprouted(theta[which], positions[picked // shapes.shape[1]], widths)


def _coefficients(columns: Array, target: Array) -> Array:
    """Least-squares coefficients (K, q) of columns (K, q, N) for targets (K, N)."""
    xp = namespace(columns)
    norms = xp.maximum(xp.sqrt(xp.sum(columns**2, axis=-1)), 1e-300)
    damping = xp.full(target.shape[:1], 1e-14)
    return triangular_step(columns / norms[:, :, None], -target, damping)[0] / norms


def best_sets(
    dictionary: Array, always: Array, target: Array, scale: Array, picks: int, count: int
) -> tuple[Array, Array]:
    """The best sets of `picks` columns: outer indices (K,) and dictionary indices (K, picks).

    Args:
        dictionary: (D, F, N) trial columns.
        always: (A, q, N) columns that are always there, weighted.
        target: (A, N), weighted.
        scale: (A, N) weights of the dictionary.
        picks: how many columns are picked.
        count: K at most.
    """
    xp = namespace(dictionary)
    positions, shapes, points = dictionary.shape
    columns = xp.reshape(dictionary, (-1, points)) * scale[:, None, :]
    before = xp.sum(columns**2, axis=-1)
    both = xp.concat([columns, target[:, None]], axis=1)
    basis = xp.linalg.qr(xp.matrix_transpose(always)).Q  # (A, N, q)
    both = both - xp.matmul(xp.matmul(both, basis), xp.matrix_transpose(basis))
    norms = xp.sum(both**2, axis=-1)
    usable = norms[:, :-1] > NEARLY_DEPENDENT**2 * before
    size = xp.sqrt(xp.maximum(norms[:, :-1, None], 1e-300))
    unit = xp.where(usable[..., None], both[:, :-1] / size, 0.0)
    left = norms[:, -1:]  # sum of squares before any pick, one an outer node
    along = xp.matmul(unit, both[:, -1, :, None])[..., 0]  # (A, V)
    width = along.shape[1]
    keep = min(count if picks == 1 else BEAM, positions * (positions if picks > 1 else 1))
    if picks == 1:
        # The best (outer node, shape) at every position.
        table = xp.reshape(left - along**2, (-1, positions, shapes))
        table = xp.reshape(xp.permute_dims(table, (1, 0, 2)), (positions, -1))
        best = _least(xp.min(table, axis=1), min(count, positions))
        which = xp.argmin(table, axis=1)[best]
        outer, shape = which // shapes, which % shapes
        return outer, (best * shapes + shape)[:, None]
    gram = xp.matmul(unit, xp.matrix_transpose(unit))  # (A, V, V)
    # Level 2: all pairs in closed form, of which the first place is not beyond the second.
    place = xp.arange(width) // shapes
    spread = 1.0 - gram**2
    pair = along**2
    pair = pair[:, :, None] + pair[:, None, :] - 2.0 * gram * (along[:, :, None] * along[:, None, :])
    pair = xp.where(spread > NEARLY_DEPENDENT, pair / spread, 0.0)
    table = xp.where(place[:, None] <= place, left[:, :, None] - pair, xp.inf)
    table = xp.reshape(table, (-1, positions, shapes, positions, shapes))
    table = xp.reshape(xp.permute_dims(table, (1, 3, 0, 2, 4)), (positions * positions, -1))
    best = _least(xp.min(table, axis=1), min(count if picks == 2 else keep, positions * positions))
    inner = xp.argmin(table, axis=1)[best]
    outer, inner = inner // (shapes * shapes), inner % (shapes * shapes)
    first = (best // positions) * shapes + inner // shapes
    second = (best % positions) * shapes + inner % shapes
    if picks == 2:
        return outer, xp.stack([first, second], axis=1)
    beam = _Beam(
        outer,
        first[:, None],
        gram[outer, first][:, None],
        along[outer, first][:, None],
        left[outer, 0] - along[outer, first] ** 2,
    )
    beam = _extend(beam, xp.arange(beam.outer.shape[0]), second, gram, along)
    for level in range(3, picks + 1):
        room = 1.0 - xp.sum(beam.rows**2, axis=1)  # (W, V)
        cross = along[beam.outer] - xp.sum(beam.rows * beam.along[:, :, None], axis=1)
        gain = xp.where(room > NEARLY_DEPENDENT, cross**2 / xp.maximum(room, 1e-300), 0.0)
        left_over = xp.reshape(beam.gain[:, None] - gain, (-1, positions, shapes))
        shape = xp.argmin(left_over, axis=2)
        last = beam.picked[:, -1] // shapes
        table = xp.where(xp.arange(positions) >= last[:, None], xp.min(left_over, axis=2), xp.inf)
        flat = xp.reshape(table, (-1,))
        best = _least(flat, min(count if level == picks else keep, flat.shape[0]))
        member, position = best // positions, best % positions
        column = position * shapes + shape[member, position]
        beam = _extend(beam, member, xp.minimum(column, width - 1), gram, along)
    return beam.outer, beam.picked


def _least(cost: Array, count: int) -> Array:
    return namespace(cost).argsort(cost, stable=True)[:count]


def _extend(beam: _Beam, member: Array, column: Array, gram: Array, along: Array) -> _Beam:
    """Beam members `member` (W,), each with dictionary column `column` (W,) added."""
    xp = namespace(gram)
    outer, rows = beam.outer[member], beam.rows[member]
    old_along = beam.along[member]
    index = xp.arange(member.shape[0])
    coefficient = rows[index, :, column]  # (W, level)
    room = xp.maximum(1.0 - xp.sum(coefficient**2, axis=1), NEARLY_DEPENDENT)
    row = (gram[outer, column] - xp.sum(coefficient[:, :, None] * rows, axis=1)) / xp.sqrt(room)[:, None]
    new_along = (along[outer, column] - xp.sum(coefficient * old_along, axis=1)) / xp.sqrt(room)
    return _Beam(
        outer,
        xp.concat([beam.picked[member], column[:, None]], axis=1),
        xp.concat([rows, row[:, None]], axis=1),
        xp.concat([old_along, new_along[:, None]], axis=1),
        beam.gain[member] - new_along**2,
    )
