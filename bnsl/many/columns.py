"""Fits of many curves of one padded length together: columns of a table, all curves at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.checks import Array
from bnsl._base.precision import precision
from bnsl._base.programs import program
from bnsl.curves.ragged import Curves
from bnsl.fitting.covariance import SINGULAR
from bnsl.fitting.result import Status
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.solver.conveyor import COMPILE, Placement, Refined, pieces_of
from bnsl.solver.group_search import begin_search
from bnsl.solver.search import NOISELESS, Method, Problem
from bnsl.solver.search import _box as box_of
from bnsl.solver.search import _residuals as residuals_of

LOCAL, LOCAL_ON_GPU = 64, 8192  # curves linearised at a time
LARGEST_RATIO = 1e99  # of y within a curve
WRITABLE = 650.0  # logarithms of parameters beyond it are beyond the range of a double
WELL_CONDITIONED = 1e-12  # least eigenvalue above which no doubt is possible

Columns = dict[str, np.ndarray]


def in_order(curves: Curves, length: int) -> np.ndarray:
    """Which curves (C,) can be fitted together; the others are to be looked at one by one."""
    x, y, sigma, _ = curves.padded(length)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        fine = (np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)).all(axis=1)
        fine &= (np.count_nonzero(np.diff(x, axis=1) > 0, axis=1) >= 2) & (curves.lengths >= 3)
        fine &= y.max(axis=1) / y.min(axis=1) < LARGEST_RATIO
        if sigma is not None:
            fine &= ((sigma > 0) & np.isfinite(sigma)).all(axis=1)
    return fine


class _Batch(NamedTuple):
    """Curves of one padded length, in normalised units."""

    problem: Problem
    log_s: np.ndarray  # (C,)
    log_t: np.ndarray  # (C,)
    points: np.ndarray  # (C,) how many each has


def _batch(curves: Curves, length: int, p: int) -> _Batch:
    x, y, sigma, seen = curves.padded(length)
    points = curves.lengths
    log_x, log_y = np.log(x), np.log(y)
    log_s = log_x[:, -1].copy()
    log_t = np.sum(log_y, axis=1, where=seen) / points
    log_x = np.where(seen, log_x - log_s[:, None], 0.0)
    y = np.where(seen, np.exp(log_y - log_t[:, None]), 1.0)
    weight = seen.astype(float)
    if sigma is not None:
        relative = np.log(sigma) - log_y
        mean = np.sum(relative, axis=1, where=seen) / points
        weight = np.where(seen, np.exp(mean[:, None] - relative), 0.0)
    inf = np.full(p, np.inf)
    problem = Problem(log_x, y, weight, 1.0, 1.0, np.ones(p, bool), np.zeros(p), -inf, inf)
    return _Batch(problem, log_s, log_t, points)


class _Found(NamedTuple):
    """The best law of every curve of a batch, and what surrounds it."""

    theta: np.ndarray  # (C, p) normalised
    cost: np.ndarray  # (C,)
    converged: np.ndarray  # (C,)
    residual: np.ndarray  # (C, N) weighted
    least: np.ndarray  # (C,) least eigenvalue of the products of the derivatives, each scaled to length 1
    known: np.ndarray  # (C,) whether all derivatives are finite and none is zero throughout
    at_bound: np.ndarray  # (C,)


def begin_together(
    curves: Curves,
    length: int,
    form: Form,
    predict_at: dict[str, float],
    *,
    dtype: str,
    placement: Placement,
    report: Callable[[float], object],
) -> Callable[[], tuple[Columns, np.ndarray]]:
    """Begin to fit some curves.

    Args:
        curves: curves that are `in_order`, of at most `length` points.
        length: padded length.
        form: a law that `begin_search` knows; a falling one of breaks is tried as a rising one too where
            the curve climbs.
        predict_at: the columns of predictions with their x.
        dtype: in which the search runs.
        placement: the devices to use.
        report: told how many more curves are done; may be parts of one.

    Returns:
        A function that ends the work and gives the columns of the curves' rows, and which curves (C,) `fit`
        had better look at alone. Meanwhile a GPU is at work, and a CPU is not.
    """
    batch = _batch(curves, length, len(form.parameters))
    ways: list[tuple[Form, np.ndarray]] = [(form, np.arange(len(curves)))]
    if isinstance(form, BNSL) and not form.rising:
        climbs = np.flatnonzero(_climbs(batch))
        if len(climbs):
            ways.append((replace(form, rising=True), climbs))
    share = 0.5 * len(curves) / sum(len(which) for _, which in ways)
    begun = []
    with precision(dtype), _on(placement):
        for way, which in ways:
            part = _select(batch, which)
            problem = Problem(*(_as(dtype, value) for value in part.problem))
            scouted = partial(_scaled, report, share)
            begun.append(begin_search(Method(way), problem, report=scouted, placement=placement))

    def finish() -> tuple[Columns, np.ndarray]:
        columns: Columns = {}
        alone = np.ones(len(curves), bool)
        best = np.full(len(curves), np.inf)
        for (way, which), search in zip(ways, begun, strict=True):
            with precision(dtype), _on(placement):
                found = search(best[which])
            made, left, cost = _rows_of(
                Method(way), _select(batch, which), found, best[which], predict_at, placement
            )
            better = which[cost < best[which]]
            best[which] = np.minimum(best[which], cost)
            for name, values in made.items():
                if name not in columns:
                    columns[name] = np.zeros(len(curves), values.dtype)
                columns[name][better] = values
            alone[better] = left
            report(share * len(which))
        return columns, alone

    return finish


def _rows_of(
    method: Method,
    batch: _Batch,
    found: Refined,
    rivals: np.ndarray,
    predict_at: dict[str, float],
    placement: Placement,
) -> tuple[Columns, np.ndarray, np.ndarray]:
    """Columns and doubts of the curves whose cost is below that of their rivals; the costs (C,) of all."""
    theta = found.theta.astype(float)
    size = LOCAL_ON_GPU if placement.wide else LOCAL
    with precision("float64"), _on(placement):
        local = _surroundings(method, batch.problem, theta, found.converged, size)
        cost = np.where(np.isfinite(local.cost), local.cost, np.inf)
        better = np.flatnonzero(cost < rivals)
        if len(better) < len(theta):
            local, batch = _Found(*(part[better] for part in local)), _select(batch, better)
        predictions = _predictions(method.form, batch, local.theta, predict_at, size)
    columns, left = _finished(method, local, batch)
    return {**columns, **predictions}, left, cost


def _scaled(report: Callable[[float], object], share: float, count: int) -> None:
    report(share * count)


def _as(dtype: str, value: Any) -> Any:
    if np.ndim(value) and np.asarray(value).dtype == float:
        return np.asarray(value, dtype)
    return value


def _select(batch: _Batch, rows: np.ndarray) -> _Batch:
    if len(rows) == len(batch.points):
        return batch
    return _Batch(_rows(batch.problem, rows), batch.log_s[rows], batch.log_t[rows], batch.points[rows])


def _climbs(batch: _Batch) -> np.ndarray:
    """Whether the last third of a curve lies above its first, by their medians (C,)."""
    third = np.maximum(batch.points // 3, 1)[:, None]
    column = np.arange(batch.problem.y.shape[1])
    first = column < third
    last = (column >= batch.points[:, None] - third) & (column < batch.points[:, None])
    low, high = (_median(np.where(part, batch.problem.y, np.inf), third[:, 0]) for part in (first, last))
    return high > low


def _median(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Medians (C,) of the `count` finite values in every row (C, N); the others are infinite."""
    ordered = np.sort(values, axis=1)
    rows = np.arange(len(values))
    return 0.5 * (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2])


def _surroundings(
    method: Method, problem: Problem, theta: np.ndarray, converged: np.ndarray, size: int
) -> _Found:
    """Costs in double precision, and what surrounds the solutions."""
    parts = []
    for rows, count in pieces_of(len(theta), size):
        parts.append((count, _surroundings_of(method, _rows(problem, rows), theta[rows])))
    found = [[np.asarray(v)[:count] for v in some] for count, some in parts]
    residual, least, known, at_bound = (np.concatenate(column) for column in zip(*found, strict=True))
    return _Found(theta, np.sum(residual**2, axis=1), converged, residual, least, known, at_bound)


def _rows(problem: Problem, rows: np.ndarray) -> Problem:
    return problem._replace(log_x=problem.log_x[rows], y=problem.y[rows], weight=problem.weight[rows])


@partial(program, static_argnums=0, compiler_options=COMPILE)
def _surroundings_of(method: Method, problems: Problem, theta: Array) -> tuple[Array, ...]:
    def one(problem: Problem, at: Array) -> tuple[Array, ...]:
        residual, jacobian = residuals_of(method, problem, at)
        finite = jnp.all(jnp.isfinite(jacobian))
        unit, norms = _unit_columns(jnp.where(finite, jacobian, 0.0))
        lower, upper = box_of(method.form, problem)
        margin = 1e-9 * jnp.maximum(1.0, jnp.abs(at))
        at_bound = jnp.any((at <= lower + margin) | (at >= upper - margin))
        least = jnp.linalg.eigvalsh(unit @ unit.T)[0]
        return residual, least, finite & jnp.all(norms > 0), at_bound

    return jax.vmap(one, (_axes(), 0))(problems, theta)


@partial(program, static_argnums=0, compiler_options=COMPILE)
def _derivatives_of(method: Method, problems: Problem, theta: Array) -> Array:
    def one(problem: Problem, at: Array) -> Array:
        return _unit_columns(residuals_of(method, problem, at)[1])[0]

    return jax.vmap(one, (_axes(), 0))(problems, theta)


def _axes() -> Problem:
    return Problem(0, 0, 0, None, None, None, None, None, None)  # type: ignore[arg-type]


def _unit_columns(jacobian: Array) -> tuple[Array, Array]:
    """Rows (p, N) scaled to length 1, and their lengths relative to their largest entries (p,)."""
    largest = jnp.max(jnp.abs(jacobian), axis=1, keepdims=True)
    rows = jacobian / jnp.where(largest > 0, largest, 1.0)
    norms = jnp.sqrt(jnp.sum(rows**2, axis=1, keepdims=True))
    return rows / jnp.where(norms > 0, norms, 1.0), norms[:, 0]


def _finished(method: Method, found: _Found, batch: _Batch) -> tuple[Columns, np.ndarray]:
    """Columns of the laws, and where (C,) `fit` knows better: noiseless, failed, beyond a double's range."""
    form, p = method.form, found.theta.shape[1]
    count = batch.points
    with np.errstate(all="ignore"):
        theta = np.asarray(form.rescale(found.theta, batch.log_s, batch.log_t))
        back = np.asarray(form.rescale(theta, -batch.log_s, -batch.log_t))
        logs = np.array([q.log for q in form.parameters])
        writable = np.isclose(back, found.theta, rtol=1e-6, atol=1e-6).all(axis=1)
        writable &= np.abs(np.where(logs, theta, 0.0)).max(axis=1) < WRITABLE
        values = np.where(logs, np.exp(theta), theta)
    alone = ~np.isfinite(found.cost) | ~writable
    alone |= (found.cost / count < NOISELESS) & (form.picks > 0)
    lost, near_singular = _determinacy(method, found, batch.problem)
    weight = batch.problem.weight
    seen = weight > 0
    log_error = np.where(seen, found.residual / np.where(seen, weight, 1.0), 0.0)
    codes = {
        "constant_y": np.ptp(np.where(seen, batch.problem.y, batch.problem.y[:, :1]), axis=1) == 0,
        "more_parameters_than_points": count < p,
        "no_degrees_of_freedom": count == p,
        "break_outside_data": np.zeros(len(count), bool),
        "parameter_at_bound": found.at_bound,
        "nearly_singular": near_singular,
        "not_converged": ~found.converged,
    }
    if isinstance(form, BNSL):
        places = found.theta[:, 4::3]
        first = batch.problem.log_x[:, :1]
        codes["break_outside_data"] = ((places < first) | (places > 0)).any(axis=1)
        if form.rising:
            values[:, 1] *= -1.0
    status = np.where(found.converged, _name(Status.CONVERGED), _name(Status.NOT_CONVERGED)).astype(object)
    message = np.where(found.converged, "", Status.NOT_CONVERGED.value).astype(object)
    under = (count < p) | lost
    status[under], message[under] = _name(Status.UNDERDETERMINED), Status.UNDERDETERMINED.value
    columns = {
        "status": status,
        "warnings": _joined(codes),
        "message": message,
        "n_points": count.astype(float),
        "n_breaks": np.full(len(count), float(getattr(form, "n_breaks", 0))),
        "rmsle": np.sqrt(np.sum(log_error**2, axis=1) / count),
        **dict(zip(form.names, values.T, strict=True)),
    }
    return columns, alone


def _name(status: Status) -> str:
    return status.name.lower()


def _joined(codes: dict[str, np.ndarray]) -> np.ndarray:
    """The codes that hold for each curve, joined by ';'."""
    pattern = np.sum([holds.astype(int) << i for i, holds in enumerate(codes.values())], axis=0)
    distinct, inverse = np.unique(pattern, return_inverse=True)
    texts = [
        ";".join(code for i, code in enumerate(codes) if number >> i & 1) for number in distinct.tolist()
    ]
    return np.array(texts, object)[inverse]


def _determinacy(method: Method, found: _Found, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Whether a parameter of each of C fits is not determined, and whether it nearly is not.

    As `bnsl._covariance` for one fit, by the singular values of the derivatives scaled to length 1. The
    eigenvalues of their products are the squares, in which half of the digits are lost; most fits need none.
    """
    lost, near = ~found.known, ~found.known
    doubtful = np.flatnonzero(found.known & ~(found.least > WELL_CONDITIONED))
    for first in range(0, len(doubtful), LOCAL):
        rows = doubtful[first : first + LOCAL]
        padded = np.resize(rows, LOCAL)
        with precision("float64"):
            derivatives = _derivatives_of(method, _rows(problem, padded), found.theta[padded])
        triangle = np.linalg.qr(np.asarray(derivatives)[: len(rows)].transpose(0, 2, 1), mode="r")
        s = np.linalg.svd(triangle, compute_uv=False)
        few = s.shape[1] < derivatives.shape[1]
        lost[rows] = (s[:, -1] <= SINGULAR * s[:, 0]) | few
        near[rows] = lost[rows] | (s[:, -1] < 1e2 * SINGULAR * s[:, 0])
    return lost, near


def _predictions(form: Form, batch: _Batch, theta: np.ndarray, at: dict[str, float], size: int) -> Columns:
    if not at:
        return {}
    if not len(theta):
        return {name: np.zeros(0) for name in at}
    rows = np.resize(theta, (-(-len(theta) // size) * size, theta.shape[1]))
    with np.errstate(all="ignore"):
        units = np.resize(batch.log_s, len(rows)), np.resize(batch.log_t, len(rows))
        rows = np.asarray(form.rescale(rows, *units))
    blocks = [
        form.evaluate(block, np.array(list(at.values()))) for block in np.split(rows, len(rows) // size)
    ]
    values = np.concatenate(blocks)[: len(theta)]
    return {name: values[:, i] for i, name in enumerate(at)}


@contextlib.contextmanager
def _on(placement: Placement) -> Iterator[None]:
    """What has no place of its own goes to the first device."""
    if not placement.devices:
        yield
        return
    with jax.default_device(placement.devices[0]):
        yield
