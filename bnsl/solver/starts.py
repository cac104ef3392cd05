"""Starting points from the data: where a fit begins, so that nobody has to give an initial guess.

Most parameters of a form enter linearly once a few are given (`Separable`). Those few run over a grid
whose ranges come from the data; a beam search picks breaks out of the dictionary of trial breaks, with
the least-squares gain of each in closed form; the best are completed by one linear solve.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp

from bnsl._base.checks import Array
from bnsl.forms.form import Form, Separable
from bnsl.solver.lm import least_squares_step

BEAM = 384  # sets of breaks kept from one level of the search to the next
SCANNED = 1024  # points of the domain tried for a form that is not separable
RIDGE = 1e-4  # of a coordinate in the linearised problem, of whose column the length is 1
NEARLY_DEPENDENT = 1e-7  # share of a column's length outside the span of those picked before


class Trials(NamedTuple):
    """Solutions, and trial picks for the place of some of theirs."""

    parents: Array  # (M, p) coordinates
    # (M,) outer node that each is moved to, in [0, 1) of all; negative: it stays where it is; in [1, 2): to
    # a limit amid the points, with a share of node - 1 of them beyond it
    node: Array
    positions: Array  # (D,) ascending
    shapes: Array  # (D, F)


class Linear(NamedTuple):
    """The fit about some solutions."""

    theta: Array  # (M, p)
    residual: Array  # (M, N)
    jacobian: Array  # (M, p, N)


class _Beam(NamedTuple):
    """Sets of picked columns, all at one level of the search."""

    outer: Array  # (W,) index of the outer node
    picked: Array  # (W, level) indices into the dictionary
    rows: Array  # (W, level, V) Cholesky rows: picked columns, orthonormalised, times all columns
    along: Array  # (W, level) the same times the target
    gain: Array  # (W,) decrease of the sum of squares so far


def starting_points(form: Form, log_x: Array, y: Array, weight: Array, count: int) -> Array:
    """At most `count` starting coordinate vectors (K, p), best first by the linearised cost.

    Args:
        form: the functional form.
        log_x: (N,) or (N, k), sorted, in normalised units; rows of weight 0 are padding.
        y: (N,) in normalised units.
        weight: (N,) square roots of the points' weights in log space.
        count: how many.
    """
    problem = form.separable(log_x, y, weight)
    if problem is None:
        return _scan(form, log_x, y, weight, count)
    scale = weight * jnp.where(weight > 0, problem.weight, 0.0)  # (A, N)
    target = jnp.where(weight > 0, problem.target, 0.0) * scale
    always = problem.always * scale[:, None, :]  # (A, q, N)
    if not form.picks:
        gain = -_remove_always(always, target[:, None])[1].reshape(-1, problem.alike)
        run = jax.lax.top_k(jnp.max(gain, axis=1), min(count, gain.shape[0]))[1]
        best = run * problem.alike + jnp.argmax(gain[run], axis=1)
        return _complete(form, problem, always, target, scale, best, jnp.zeros((best.shape[0], 0), int))
    outer, picked = _search(problem.dictionary, always, target, scale, form.picks, count)
    return _complete(form, problem, always, target, scale, outer, picked)


def regrown_points(
    form: Form, log_x: Array, y: Array, weight: Array, trials: Trials, drops: int, count: int
) -> Array:
    """Solutions with `drops` of their picks replaced by trial ones: starting coordinates (K, p), best first.

    Every combination of picks is dropped from every parent. The rest and all linear coefficients are
    solved for again, as in `starting_points`.

    Args:
        form: the functional form.
        log_x: (N,), sorted, in normalised units; rows of weight 0 are padding.
        y: (N,) in normalised units.
        weight: (N,) square roots of the points' weights in log space.
        trials: the solutions and what they are tried with.
        drops: how many picks of each are replaced.
        count: at most how many starts.
    """
    problem = form.separable(log_x, y, weight)
    if problem is None:
        raise TypeError(f"form {form.name!r} has picks but no `separable`")
    parents, node, positions, shapes = trials
    index = (node * problem.outer.shape[0]).astype(int)
    own = jax.vmap(form.outer_of)(parents)
    level = node.reshape((-1,) + (1,) * (own.ndim - 1))
    limits = jnp.where(level < 0, own, problem.outer[index])
    if own.ndim == 1:
        limits = jnp.where(level < 1, limits, _amid(y, weight, level - 1.0, problem.outer[0]))
    trial = jax.vmap(jax.vmap(form.trial, (None, 0, None)), (0, 0, None))
    dictionary = jnp.where(weight > 0, trial(positions, shapes, log_x), 0.0)
    subsets = list(combinations(range(form.picks), drops))

    def linear(dropped: tuple[int, ...]) -> tuple[Array, Array, Array]:
        one = partial(form.regrowth, dropped=dropped, log_x=log_x, y=y, weight=weight)
        return jax.vmap(one)(parents, limits)

    target, slope, always = (jnp.concatenate(part) for part in zip(*map(linear, subsets), strict=True))
    usable = (weight > 0) & jnp.isfinite(target) & jnp.isfinite(slope)
    scale = jnp.where(usable, weight * slope, 0.0)
    target = jnp.where(usable, target, 0.0) * scale
    always = jnp.where(usable[:, None], always, 0.0) * scale[:, None, :]
    which, picked = _search(dictionary, always, target, scale, drops, count)
    columns = dictionary.reshape(-1, log_x.shape[0])[picked] * scale[which][:, None, :]
    beta = _coefficients(jnp.concatenate([always[which], columns], axis=1), target[which])
    new = positions[picked // shapes.shape[1]], shapes.reshape(-1)[picked], beta
    parent = which % parents.shape[0]

    def grown(dropped: tuple[int, ...]) -> Array:
        def one(theta: Array, outer: Array, *new: Array) -> Array:
            return form.regrown(theta, outer, dropped, *new)

        return jax.vmap(one)(parents[parent], limits[parent], *new)

    return jnp.stack([grown(subset) for subset in subsets])[
        which // parents.shape[0], jnp.arange(which.shape[0])
    ]


def _amid(y: Array, weight: Array, share: Array, outside: Array) -> Array:
    """Values that a share of the points lie beyond, counted from the side on which `outside` is."""
    ordered = jnp.sort(jnp.where(weight > 0, y, jnp.inf))
    last = jnp.sum(weight > 0) - 1
    rank = (share * last).astype(int)
    return ordered[jnp.where(outside <= ordered[0], rank, last - rank)]


def sprouting_points(
    form: Form, log_x: Array, base: Linear, positions: Array, shapes: Array, picks: int, count: int
) -> Array:
    """Solutions with their last `picks` replaced by those that lower the cost most: (K, p), best first.

    The solutions are those of fewer picks. About them the problem is linear in all coordinates and in the
    strengths of the trial picks, which makes the gain of each set of picks known in closed form. The picks
    are returned without any effect yet: a start is as good as the solution that it sprouts from.

    Args:
        form: the functional form.
        log_x: (N,), sorted, in normalised units.
        base: the problem about each solution, rows of weight 0 being 0.
        positions: (D,) ascending, of trial picks.
        shapes: (D, F).
        picks: how many are picked.
        count: at most how many starts.
    """
    theta, residual, jacobian = base
    rows = theta.shape[1] - form.per_pick * picks
    trial = jax.vmap(jax.vmap(form.trial, (None, 0, None)), (0, 0, None))(positions, shapes, log_x)
    others = jacobian[:, :rows]
    norms = jnp.sqrt(jnp.sum(others**2, axis=-1, keepdims=True))
    others = others / jnp.where(norms > 0, norms, 1.0)
    # A ridge, as so many further points: what hardly any step can change should not explain a residual.
    ridge = jnp.broadcast_to(RIDGE * jnp.eye(rows), (theta.shape[0], rows, rows))
    padding = [(0, 0), (0, 0), (0, rows)]
    always = jnp.concatenate([others, ridge], axis=2)
    target = jnp.pad(-residual, padding[1:])
    scale = jnp.pad(jacobian[:, form.level], padding[1:])
    which, picked = _search(jnp.pad(trial, padding), always, target, scale, picks, count)
    new = positions[picked // shapes.shape[1]], shapes.reshape(-1)[picked]
    return jax.vmap(form.sprouted)(theta[which], *new)


def _coefficients(columns: Array, target: Array) -> Array:
    """Least-squares coefficients (K, q) of columns (K, q, N) for targets (K, N)."""
    norms = jnp.maximum(jnp.linalg.norm(columns, axis=-1), 1e-300)
    beta, _ = least_squares_step(columns / norms[:, :, None], -target, jnp.full(target.shape[:1], 1e-14))
    return beta / norms


def _remove_always(always: Array, columns: Array) -> tuple[Array, Array]:
    """Columns (A, V, N) less their part in the span of `always`, and the squared norms left (A, V)."""
    basis = jnp.linalg.qr(always.transpose(0, 2, 1))[0]  # (A, N, q)
    columns = columns - (columns @ basis) @ basis.transpose(0, 2, 1)
    return columns, jnp.sum(columns**2, axis=-1)


def _search(
    dictionary: Array, always: Array, target: Array, scale: Array, picks: int, count: int
) -> tuple[Array, Array]:
    """The best sets of `picks` columns: outer indices (K,) and dictionary indices (K, picks)."""
    positions, shapes, points = dictionary.shape
    columns = dictionary.reshape(-1, points) * scale[:, None, :]
    before = jnp.sum(columns**2, axis=-1)
    both, norms = _remove_always(always, jnp.concatenate([columns, target[:, None]], axis=1))
    usable = norms[:, :-1] > NEARLY_DEPENDENT**2 * before
    unit = jnp.where(
        usable[..., None], both[:, :-1] / jnp.sqrt(jnp.maximum(norms[:, :-1, None], 1e-300)), 0.0
    )
    rest = both[:, -1]
    left = norms[:, -1:]  # sum of squares before any pick, one an outer node
    along = jnp.sum(unit * rest[:, None], axis=-1)  # (A, V)
    width = along.shape[1]
    keep = min(count if picks == 1 else BEAM, positions * (positions if picks > 1 else 1))
    # Level 1: the best (outer node, shape) at every position; deeper levels start from all of them.
    score = left - along**2
    if picks == 1:
        table = score.reshape(-1, positions, shapes).transpose(1, 0, 2).reshape(positions, -1)
        which = jnp.argmin(table, axis=1)
        best = jax.lax.top_k(-table[jnp.arange(positions), which], min(count, positions))[1]
        outer, shape = which[best] // shapes, which[best] % shapes
        return outer, (best * shapes + shape)[:, None]
    gram = unit @ unit.transpose(0, 2, 1)  # (A, V, V)
    # Level 2: all pairs in closed form.
    common = along[:, :, None] * along[:, None, :]
    square = along[:, :, None] ** 2 + along[:, None, :] ** 2
    spread = 1.0 - gram**2
    pair = jnp.where(spread > NEARLY_DEPENDENT, (square - 2.0 * gram * common) / spread, 0.0)
    table = (left[:, :, None] - pair).reshape(-1, positions, shapes, positions, shapes)
    table = table.transpose(1, 3, 0, 2, 4).reshape(positions * positions, -1)
    ordered = (jnp.arange(positions)[:, None] <= jnp.arange(positions)).ravel()
    which = jnp.argmin(table, axis=1)
    gain = jnp.where(ordered, -table[jnp.arange(table.shape[0]), which], -jnp.inf)
    best = jax.lax.top_k(gain, min(count if picks == 2 else keep, gain.shape[0]))[1]
    inner = which[best]
    outer, inner = inner // (shapes * shapes), inner % (shapes * shapes)
    first = (best // positions) * shapes + inner // shapes
    second = (best % positions) * shapes + inner % shapes
    if picks == 2:
        return outer, jnp.stack([first, second], axis=1)
    beam = _Beam(
        outer,
        first[:, None],
        gram[outer, first][:, None],
        along[outer, first][:, None],
        left[outer, 0] - along[outer, first] ** 2,
    )
    beam = _extend(beam, jnp.arange(beam.outer.shape[0]), second, gram, along)
    for level in range(3, picks + 1):
        room = 1.0 - jnp.sum(beam.rows**2, axis=1)  # (W, V)
        cross = along[beam.outer] - jnp.sum(beam.rows * beam.along[:, :, None], axis=1)
        gain = jnp.where(room > NEARLY_DEPENDENT, cross**2 / jnp.maximum(room, 1e-300), 0.0)
        left_over = (beam.gain[:, None] - gain).reshape(-1, positions, shapes)
        shape = jnp.argmin(left_over, axis=2)
        table = jnp.min(left_over, axis=2)
        last = beam.picked[:, -1] // shapes
        table = jnp.where(jnp.arange(positions) >= last[:, None], table, jnp.inf)
        best = jax.lax.top_k(-table.ravel(), min(count if level == picks else keep, table.size))[1]
        member, position = best // positions, best % positions
        column = position * shapes + shape[member, position]
        beam = _extend(beam, member, jnp.minimum(column, width - 1), gram, along)
    return beam.outer, beam.picked


def _extend(beam: _Beam, member: Array, column: Array, gram: Array, along: Array) -> _Beam:
    """Beam members `member` (W,), each with dictionary column `column` (W,) added."""
    outer, rows = beam.outer[member], beam.rows[member]
    old_along = beam.along[member]
    index = jnp.arange(member.shape[0])
    coefficient = rows[index, :, column]  # (W, level)
    room = jnp.maximum(1.0 - jnp.sum(coefficient**2, axis=1), NEARLY_DEPENDENT)
    row = (gram[outer, column] - jnp.sum(coefficient[:, :, None] * rows, axis=1)) / jnp.sqrt(room)[:, None]
    new_along = (along[outer, column] - jnp.sum(coefficient * old_along, axis=1)) / jnp.sqrt(room)
    return _Beam(
        outer,
        jnp.concatenate([beam.picked[member], column[:, None]], axis=1),
        jnp.concatenate([rows, row[:, None]], axis=1),
        jnp.concatenate([old_along, new_along[:, None]], axis=1),
        beam.gain[member] - new_along**2,
    )


def _complete(
    form: Form,
    problem: Separable,
    always: Array,
    target: Array,
    scale: Array,
    outer: Array,
    picked: Array,
) -> Array:
    """Solve for the linear coefficients of each chosen node and assemble coordinates (K, p)."""
    points = problem.always.shape[1]
    columns = always[outer]
    if picked.shape[1]:
        flat = problem.dictionary.reshape(-1, points)
        columns = jnp.concatenate([columns, flat[picked] * scale[outer][:, None, :]], axis=1)
    beta = _coefficients(columns, target[outer])
    shapes = max(problem.shapes.shape[0], 1)
    if picked.shape[1]:
        positions, widths = problem.positions[picked // shapes], problem.shapes[picked % shapes]
    else:
        positions = widths = jnp.zeros((outer.shape[0], 0))
    return jax.vmap(form.assemble)(problem.outer[outer], positions, widths, beta)


def _scan(form: Form, log_x: Array, y: Array, weight: Array, count: int) -> Array:
    """The best of a low-discrepancy set of points in the domain, by the log error (Roberts' R sequence)."""
    lower, upper = form.domain(log_x, y, weight)
    lower, upper = jnp.maximum(lower, -10.0), jnp.minimum(upper, 10.0)
    p = lower.shape[0]
    root = 2.0
    for _ in range(40):
        root = (1.0 + root) ** (1.0 / (p + 1))
    powers = (1.0 / root) ** jnp.arange(1, p + 1)
    grid = (0.5 + jnp.arange(1, SCANNED + 1)[:, None] * powers) % 1.0
    theta = lower + grid * (upper - lower)
    values = jax.vmap(form.y, in_axes=(0, None))(theta, log_x)
    misfit = jnp.where(weight > 0, weight * (jnp.log(jnp.abs(values)) - jnp.log(jnp.abs(y))), 0.0)
    cost = jnp.sum(misfit**2, axis=1)
    return theta[jax.lax.top_k(-jnp.where(jnp.isfinite(cost), cost, jnp.inf), min(count, SCANNED))[1]]
