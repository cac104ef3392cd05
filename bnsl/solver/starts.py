"""Starting points from the data, for C curves: so no initial guess is needed.

Most parameters of a form enter linearly once a few are given (`Separable`). Those few run over a grid whose
ranges come from the data: all pairs of an outer node (a limit, say) and a trial break are scored in closed
form by the products of the dictionary with a few weighted columns, and the best are completed by one linear
solve. `bnsl.solver.picks` does it for several breaks.
"""

from __future__ import annotations

import numpy as np

from bnsl._base.arrays import Array, along, namespace
from bnsl.forms.form import Form, Separable
from bnsl.solver.effort import PLATEAU_STARTS, SHARP_STARTS, STARTS
from bnsl.solver.losses import model
from bnsl.solver.problem import Method, Problem, Rows, placed
from bnsl.solver.sharp_starts import plateau_starts, sharp_starts
from bnsl.solver.steps import damped_step

OFFERED = 48  # starts that a form may find itself, of which the best are scouted
SCANNED = 1024  # points of the domain tried for a form that is not separable
DEPENDENT = 1e-9  # share of a column's square outside the span of the others, below which it adds nothing
RIDGE = 1e-14


def starts_of(method: Method, problem: Problem, rows: Rows, *, smooth: bool = False) -> Array:
    """Starting coordinates (C, K, p) of C problems, inside their boxes; of one break at most.

    With `smooth`, twice as many with breaks of every width, and none with sharp ones besides.
    """
    form, xp = method.form, namespace(problem.y)
    data = problem.log_x, problem.y, problem.weight
    # They are found in NumPy, where the compiler has no values yet.
    found_there = form.has_starts and isinstance(problem.y, np.ndarray)
    own = _own_starts(method, problem, rows) if found_there else None
    if own is not None:
        return own
    separable = form.separable(*data)
    if separable is None:
        return placed(problem, rows, scanned(form, *data, STARTS * 2))
    sharp_too = form.n_breaks == 1 and not smooth
    theta = linear_starts(form, separable, problem.y, problem.weight, STARTS if sharp_too else 2 * STARTS)
    if sharp_too:
        rising = form.rising  # type: ignore[attr-defined]
        sharp = sharp_starts(form, separable, problem.log_x, problem.weight, SHARP_STARTS, rising=rising)
        plateau = plateau_starts(form, *data, PLATEAU_STARTS, rising=rising)
        theta = xp.concat([theta, sharp, plateau], axis=1)
    return placed(problem, rows, theta)


def _own_starts(method: Method, problem: Problem, rows: Rows) -> np.ndarray | None:
    """Starts (C, K, p) that a form finds itself: of more of them the best once what is held is held.

    None where it finds none.
    """
    shape, form = problem.y.shape, method.form
    inputs = np.broadcast_to(problem.log_x, (*shape, *problem.log_x.shape[2:]))
    found = []
    for log_x, y, weight in zip(inputs, problem.y, np.broadcast_to(problem.weight, shape), strict=True):
        seen = weight > 0
        theta = form.starts(log_x[seen], y[seen], weight[seen], OFFERED)
        if theta is None:
            return None
        found.append(theta[np.arange(OFFERED) % len(theta)])
    return cheapest(method, rows, np.asarray(placed(problem, rows, np.stack(found))), 2 * STARTS)


def cheapest(method: Method, rows: Rows, theta: np.ndarray, count: int) -> np.ndarray:
    """The `count` laws (C, count, p) of least cost, best first, of laws (C, K, p) of C problems."""
    law = model(method.form, method.loss, theta, rows.log_x[:, None], rows.unit[:, None])
    cost = np.sum((rows.weight[:, None] * (law - rows.data[:, None])) ** 2, axis=-1)
    best = np.argsort(np.where(np.isfinite(cost), cost, np.inf), axis=-1, kind="stable")[:, :count]
    return np.take_along_axis(theta, best[..., None], axis=1)


def linear_starts(form: Form, separable: Separable, y: Array, weight: Array, count: int) -> Array:
    """At most `count` starting coordinate vectors (C, K, p), best first by the linearised cost.

    Args:
        form: a form of one pick at most.
        separable: its starting problem.
        y: (C, N) in normalised units.
        weight: (C, N) square roots of the points' weights in log space; 0 for padding.
        count: how many.
    """
    xp = namespace(y)
    seen = (weight > 0)[:, None]
    square = xp.where(seen, weight[:, None] * separable.weight, 0.0) ** 2  # (C, A, N)
    target = xp.where(seen, separable.target, 0.0)
    always = separable.always  # (C, q, N)
    q = always.shape[1]
    # Products of the target and the q columns that are always there, with each other.
    weighted = xp.concat([(square * target)[:, :, None], square[:, :, None] * always[:, None]], axis=2)
    among = xp.matmul(weighted, xp.matrix_transpose(always)[:, None])  # (C, A, 1 + q, q)
    gram, along_target = among[:, :, 1:], among[:, :, 0]
    trace = xp.sum(xp.linalg.diagonal(gram), axis=-1)
    ridge = RIDGE * trace[..., None, None] * xp.eye(q, dtype=y.dtype)
    target_parts = _substituted(gram + ridge, along_target)
    left = xp.sum(square * target**2, axis=-1) - sum(part * part for part in target_parts)  # (C, A)
    if not form.picks:
        table = xp.reshape(left, (left.shape[0], -1, separable.alike))
        run = xp.argsort(xp.min(table, axis=-1), axis=-1, stable=True)[:, :count]
        outer = run * separable.alike + along(xp.argmin(table, axis=-1), run, 1)
        normal, right = _nodes(gram, outer), _nodes(along_target, outer)
        beta = _solved(normal, right)
        nothing = xp.zeros((*outer.shape, 0), dtype=y.dtype)
        return form.assemble(_nodes(separable.outer, outer), nothing, nothing, beta)

    positions, shapes, points = separable.dictionary.shape[1:]
    trial = xp.reshape(separable.dictionary, (-1, positions * shapes, points))  # (C, V, N)
    flat = xp.reshape(weighted, (weighted.shape[0], -1, points))
    across = xp.matmul(trial, xp.matrix_transpose(flat))
    across = xp.reshape(across, (*across.shape[:2], -1, 1 + q))  # (C, V, A, 1 + q)
    length = xp.matmul(trial**2, xp.matrix_transpose(square))  # (C, V, A)
    # Take the span of the columns that are always there out of everything.
    trial_parts = _substituted((gram + ridge)[:, None], across[..., 1:])
    room = length - sum(part * part for part in trial_parts)
    pairs = zip(trial_parts, target_parts, strict=True)
    reach = across[..., 0] - sum(one * other[:, None] for one, other in pairs)
    gain = xp.where(room > DEPENDENT * length, reach**2 / xp.where(room > 0, room, 1.0), 0.0)
    # The best limit and width at every position.
    table = xp.reshape(left[:, None] - gain, (-1, positions, shapes * left.shape[1]))
    best = xp.argsort(xp.min(table, axis=-1), axis=-1, stable=True)[:, :count]  # (C, K)
    which = along(xp.argmin(table, axis=-1), best, 1)
    shape, outer = which // left.shape[1], which % left.shape[1]
    picked = (best * shapes + shape) * left.shape[1] + outer
    cross = along(xp.reshape(across, (across.shape[0], -1, 1 + q)), picked[..., None], 1)
    own = along(xp.reshape(length, (length.shape[0], -1)), picked, 1)[..., None, None]
    top = xp.concat([_nodes(gram, outer), cross[..., 1:, None]], axis=-1)
    normal = xp.concat([top, xp.concat([cross[..., None, 1:], own], axis=-1)], axis=-2)
    right = xp.concat([_nodes(along_target, outer), cross[..., :1]], axis=-1)
    beta = _solved(normal, right)
    place, width = along(separable.positions, best, 1), along(separable.shapes, shape, 1)
    return form.assemble(_nodes(separable.outer, outer), place[..., None], width[..., None], beta)


def _nodes(table: Array, index: Array) -> Array:
    """Entries of a table (C, A, ...) at outer nodes (C, K)."""
    xp = namespace(table)
    wide = xp.reshape(index, (*index.shape, *[1] * (table.ndim - 2)))
    return along(table, xp.broadcast_to(wide, (*index.shape, *table.shape[2:])), 1)


def _substituted(gram: Array, right: Array) -> list[Array]:
    """The q entries (...) of L^-1 right, for gram = L L^T (..., q, q) and right (..., q); q at most 2."""
    xp = namespace(gram)
    first = 1.0 / xp.sqrt(gram[..., 0, 0])
    entries = [right[..., 0] * first]
    if gram.shape[-1] > 1:
        below = gram[..., 1, 0] * first
        second = 1.0 / xp.sqrt(xp.maximum(gram[..., 1, 1] - below**2, 1e-30))
        entries.append((right[..., 1] - below * entries[0]) * second)
    return entries


def _solved(normal: Array, right: Array) -> Array:
    """Solutions (C, K, q) of normal equations."""
    xp = namespace(normal)
    unit = 1.0 / xp.sqrt(xp.maximum(xp.linalg.diagonal(normal), 1e-30))
    scaled = normal * unit[..., :, None] * unit[..., None, :]
    q = right.shape[-1]
    flat = xp.reshape(scaled, (-1, q, q)), xp.reshape(-right * unit, (-1, q))
    damping = xp.full(flat[0].shape[:1], 1e-12, dtype=right.dtype)
    return xp.reshape(damped_step(*flat, damping)[0], right.shape) * unit


def scanned(form: Form, log_x: Array, y: Array, weight: Array, count: int) -> Array:
    """The best (C, K, p) of a low-discrepancy set of points in the domain, by the log error.

    Roberts' R sequence; for forms that are not separable.
    """
    xp = namespace(y)
    lower, upper = form.domain(log_x, y, weight)
    lower, upper = xp.maximum(lower, -10.0)[:, None], xp.minimum(upper, 10.0)[:, None]
    p = lower.shape[-1]
    root = 2.0
    for _ in range(40):
        root = (1.0 + root) ** (1.0 / (p + 1))
    powers = (1.0 / root) ** np.arange(1, p + 1)
    grid = xp.asarray((0.5 + np.arange(1, SCANNED + 1)[:, None] * powers) % 1.0, dtype=y.dtype)
    theta = lower + grid * (upper - lower)  # (C, S, p)
    values = form.y(theta, log_x[:, None])
    misfit = weight[:, None] * (xp.log(xp.abs(values)) - xp.log(xp.abs(y))[:, None])
    cost = xp.sum(xp.where(weight[:, None] > 0, misfit, 0.0) ** 2, axis=-1)
    best = xp.argsort(xp.where(xp.isfinite(cost), cost, xp.inf), axis=-1, stable=True)[:, :count]
    return _nodes(theta, best)
