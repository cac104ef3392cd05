"""Fits of many curves of one padded length side by side: columns of a table, all curves at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bnsl.curves.ragged import Curves
from bnsl.fitting.constraints import check_constraints, orientations
from bnsl.fitting.covariance import SINGULAR
from bnsl.fitting.notes import FEW
from bnsl.fitting.orientation import clearly_better, other_wanted, promising
from bnsl.fitting.result import Status
from bnsl.fitting.setup import ROBUST_ROUNDS, Setup, scale_of, set_up
from bnsl.forms.autodiff import runnable
from bnsl.forms.form import Form
from bnsl.solver import losses
from bnsl.solver.effort import FAINT
from bnsl.solver.problem import Problem, crosses_zero, ends_of, residuals, rows_of, several, taken
from bnsl.solver.search import Refined, blocks, search_many

if TYPE_CHECKING:
    from bnsl.many.settings import Settings

LARGEST_RATIO = 1e99  # of y within a curve
WRITABLE = 650.0  # logarithms of parameters beyond it are beyond the range of a double
WELL_CONDITIONED = 1e-12  # least eigenvalue above which no doubt is possible

Columns = dict[str, np.ndarray]
Report = Callable[[float], object]


def in_order(curves: Curves, length: int, loss: str) -> np.ndarray:
    """Which curves (C,) can be fitted side by side; the others are to be looked at one by one."""
    x, y, sigma, _ = curves.padded(length)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        fine = (np.isfinite(x) & np.isfinite(y) & (x > 0)).all(axis=1)
        fine &= (np.count_nonzero(np.diff(x, axis=1) > 0, axis=1) >= 2) & (curves.lengths >= 3)
        if loss == "log":
            fine &= (y > 0).all(axis=1) & (y.max(axis=1) / y.min(axis=1) < LARGEST_RATIO)
        elif loss == "log1p":
            fine &= (y >= 0).all(axis=1) & (y.max(axis=1) > 0)
        else:
            fine &= np.abs(y).max(axis=1) > 0
        if sigma is not None:
            fine &= ((sigma > 0) & np.isfinite(sigma)).all(axis=1)
    return fine


class _Way(NamedTuple):
    """One orientation of a form for some of the curves."""

    form: Form
    which: np.ndarray  # curves (K,)
    ready: Setup
    search: Callable[[np.ndarray | None], Refined]


class _Found(NamedTuple):
    """The best law of every curve, and what surrounds it."""

    theta: np.ndarray  # (C, p) normalised
    cost: np.ndarray  # (C,)
    converged: np.ndarray  # (C,)
    residual: np.ndarray  # (C, N) weighted
    least: np.ndarray  # (C,) least eigenvalue of the products of the derivatives, each scaled to length 1
    known: np.ndarray  # (C,) whether all derivatives are finite and none is zero throughout
    at_bound: np.ndarray  # (C,)
    scale: np.ndarray  # (C,) of a robust loss; 1 without one
    crosses: (
        np.ndarray
    )  # (C,) whether the law of a positive quantity crosses 0, which makes it the last choice


def begin_columns(
    curves: Curves, length: int, form: Form, settings: Settings, predict_at: dict[str, float], report: Report
) -> Callable[[], tuple[Columns, np.ndarray]]:
    """Begin to fit some curves.

    Args:
        curves: curves that are `in_order`, of at most `length` points.
        length: padded length.
        form: a form of one break at most; a law that falls is tried as a rising one too where `fit` does.
        settings: what else `fit` is told, and what runs it.
        predict_at: the columns of predictions with their x.
        report: told how many more curves are done; may be parts of one.

    Returns:
        A function that ends the work and gives the columns of the curves' rows, and which curves (C,) `fit`
        had better look at alone. Meanwhile a GPU is at work, and a CPU is not.
    """
    x, y, sigma, seen = curves.padded(length)
    shared = bool(seen.all())
    options = settings.options
    fixed, bounds, loss = options.get("fixed"), options.get("bounds"), options.get("loss", "log")
    climbs = _climbs(y, curves.lengths)
    ways = orientations(form, bool(climbs.any()), fixed, bounds)
    wanted = [np.flatnonzero(climbs | (i == 0)) for i in range(len(ways))]
    share = 0.5 * len(curves) / sum(map(len, wanted))

    def ready_for(way: Form, which: np.ndarray) -> Setup:
        constraints = check_constraints(way, loss, fixed, bounds)
        spread, there = (None if v is None else v[which] for v in (sigma, None if shared else seen))
        return set_up(way, constraints, loss, x[which], y[which], spread, there)

    def begun_with(way: Form, which: np.ndarray, share: float) -> _Way:
        ready = ready_for(way, which)
        return _Way(way, which, ready, _begin(ready, settings, lambda n: report(share * n)))

    begun = [begun_with(way, which, share) for way, which in zip(ways, wanted, strict=True) if len(which)]

    def finish() -> tuple[Columns, np.ndarray]:
        columns: Columns = {}
        alone = np.ones(len(curves), bool)
        best, crosses = np.full(len(curves), np.inf), np.ones(len(curves), bool)
        scale = np.full(len(curves), np.nan)  # of a robust loss, as the first way has it
        other = np.zeros(0, int)

        def take(way: _Way, late: bool = False) -> _Found:
            which = way.which
            made, left, misfit, local = _columns_of(
                way, best[which], scale[which], settings, curves.lengths[which], predict_at
            )
            scale[which] = np.where(np.isnan(scale[which]), local.scale, scale[which])
            better = misfit < best[which]
            if late:
                better = clearly_better(misfit**2, best[which] ** 2, curves.lengths[which])
            better = np.where(local.crosses == crosses[which], better, crosses[which])
            best[which[better]], crosses[which[better]] = misfit[better], local.crosses[better]
            for name, values in made.items():
                if name not in columns:
                    columns[name] = np.zeros(len(curves), values.dtype)
                columns[name][which[better]] = values[better]
            alone[which[better]] = left[better]
            return local

        for number, way in enumerate(begun):
            local = take(way)
            if number == 0 and len(ways) > 1:
                other = _other_wanted(way, local, climbs)
            report(share * len(way.which))
        if len(other) and not (fixed or bounds):
            ready = ready_for(ways[1], other)
            method = ready.method._replace(robust=settings.options.get("robust"))
            ready = ready._replace(method=method, problem=ready.problem._replace(scale=scale[other]))
            near = promising(ready, best[other] ** 2 * curves.lengths[other])
            if near.any():
                take(begun_with(ways[1], other[near], 0.0), late=True)
        return columns, alone

    return finish


def _other_wanted(way: _Way, local: _Found, climbs: np.ndarray) -> np.ndarray:
    """The curves, of those that do not climb, of which the other orientation is worth a look."""
    problem, loss = way.ready.problem, way.ready.method.loss
    shape = local.residual.shape
    seen = np.broadcast_to(problem.weight > 0, shape)
    with np.errstate(all="ignore"):
        data = np.where(seen, losses.transform(loss, problem.y, problem.unit[:, None]), 0.0)
        residual = np.where(seen, local.residual / problem.weight, 0.0)
    wanted = other_wanted(np.broadcast_to(problem.log_x, shape), data, residual, seen)
    return way.which[wanted & ~climbs[way.which]]


def _begin(
    ready: Setup, settings: Settings, report: Callable[[int], object]
) -> Callable[[np.ndarray | None], Refined]:
    """A search begun, in NumPy or compiled."""
    if settings.backend == "numpy":
        return lambda known: search_many(ready.method, ready.problem, known=known, report=report)
    from bnsl.many.devices import placement_of
    from bnsl.solver.compiled import begin_search

    return begin_search(
        ready.method, ready.problem, dtype=settings.dtype, report=report, placement=placement_of(settings)
    )


def _columns_of(
    way: _Way,
    known: np.ndarray,
    scale: np.ndarray,
    settings: Settings,
    points: np.ndarray,
    predict_at: dict[str, float],
) -> tuple[Columns, np.ndarray, np.ndarray, _Found]:
    """Columns and doubts of the curves of one way, root mean square residuals (C,), and the laws.

    `scale` (C,) is what to compare robust laws by, NaN for their own.
    """
    ready, robust = way.ready, settings.options.get("robust")
    found = way.search(None if robust else known**2 * points)
    if robust is not None:
        ready, found = _robust(ready, found, robust, settings)
    with np.errstate(all="ignore"):
        local = _surroundings(ready, found)
        square = np.where(np.isnan(scale), local.scale, scale) ** 2
        bent = losses.robust_cost_and_weight(robust, local.residual**2 / square[:, None])[0]
        misfit = np.sqrt(square * np.sum(bent, axis=1) / points)
        columns, left = _finished(way.form, ready, local, points)
        columns |= _predictions(way.form, ready, local.theta, predict_at)
    misfit = np.where(np.isfinite(misfit), misfit, np.inf)
    left |= local.crosses | ~np.isfinite(misfit)
    misfit = np.where(np.isinf(misfit) & np.isinf(known), np.finfo(float).max, misfit)
    return columns, left, misfit, local


def _robust(ready: Setup, found: Refined, robust: str, settings: Settings) -> tuple[Setup, Refined]:
    """Search again under the robust loss, its scale from the median absolute residual each time."""
    given = settings.options.get("robust_scale")
    seen = ready.problem.weight > 0
    plain = ready
    for _ in range(1 if given is not None else ROBUST_ROUNDS):
        if given is not None:
            scale = given / ready.measure
        else:
            with np.errstate(all="ignore"):
                scale = scale_of(_surroundings(plain, found).residual, seen)
        ready = ready._replace(
            method=ready.method._replace(robust=robust), problem=ready.problem._replace(scale=scale)
        )
        found = _begin(ready, settings, lambda count: None)(None)
    return ready, found


def _climbs(y: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Whether the last third of a curve lies above its first, by their medians (C,): as `Curve.climbs`."""
    third = np.maximum(lengths // 3, 1)[:, None]
    column = np.arange(y.shape[1])
    first = column < third
    last = (column >= lengths[:, None] - third) & (column < lengths[:, None])
    low, high = (_median(np.where(part, y, np.inf), third[:, 0]) for part in (first, last))
    return high > low


def _median(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Medians (C,) of the `count` finite values in every row (C, N); the others are infinite."""
    ordered = np.sort(values, axis=1)
    rows = np.arange(len(values))
    return 0.5 * (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2])


def _surroundings(ready: Setup, found: Refined) -> _Found:
    """Residuals of the plain loss in double precision, and what surrounds the solutions."""
    method = ready.method._replace(form=runnable(ready.method.form), robust=None)
    whole = several(method.form, ready.problem)
    theta = found.theta.astype(float)
    parts = []
    for which in blocks(len(theta), whole.y.shape[-1]):
        rows, at = rows_of(method, taken(whole, which)), theta[which]
        residual, jacobian = residuals(method, rows, at)
        finite = np.isfinite(jacobian).all(axis=(1, 2))
        free = np.where(rows.free, 1.0, 0.0)
        unit, norms = _unit_columns(np.where(finite[:, None, None], jacobian, 0.0))
        # What is held is no direction: it stands for a column of its own, orthogonal to all others.
        gram = np.matmul(unit, unit.transpose(0, 2, 1)) * free[:, :, None] * free[:, None]
        gram = gram + (1.0 - free)[:, :, None] * np.eye(free.shape[1])
        margin = 1e-9 * np.maximum(1.0, np.abs(at))
        edge = (at <= rows.lower + margin) | (at >= rows.upper - margin)
        at_bound = (rows.free & edge).any(axis=1)
        known = finite & ((norms > 0) | ~rows.free).all(axis=1)
        parts.append((residual, np.linalg.eigvalsh(gram)[:, 0], known, at_bound))
    residual, least, known, at_bound = (np.concatenate(column) for column in zip(*parts, strict=True))
    scale = np.broadcast_to(ready.problem.scale, found.cost.shape)
    crosses = crosses_zero(method.form, method.loss, theta, *ends_of(whole))
    return _Found(theta, found.cost, found.converged, residual, least, known, at_bound, scale, crosses)


def _unit_columns(jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (C, p, N) scaled to length 1, and their lengths relative to their largest entries (C, p)."""
    largest = np.abs(jacobian).max(axis=-1, keepdims=True)
    rows = jacobian / np.where(largest > 0, largest, 1.0)
    norms = np.sqrt(np.sum(rows**2, axis=-1, keepdims=True))
    return rows / np.where(norms > 0, norms, 1.0), norms[..., 0]


def _finished(form: Form, ready: Setup, found: _Found, points: np.ndarray) -> tuple[Columns, np.ndarray]:
    """Columns of the laws, and where (C,) `fit` knows better: all but noiseless, beyond a double's range."""
    free = np.broadcast_to(ready.problem.free, found.theta.shape)
    params = free[0].sum()
    count = len(points)
    log_s, log_t = np.broadcast_to(ready.log_s, count), np.broadcast_to(ready.log_t, count)
    theta = ready.outward(found.theta)
    back = form.rescaled(form.rescaled(found.theta, log_s, log_t), -log_s, -log_t)
    logs = np.array([q.log for q in form.parameters])
    writable = np.isclose(back, found.theta, rtol=1e-6, atol=1e-6).all(axis=1)
    writable &= np.abs(np.where(logs, theta, 0.0)).max(axis=1) < WRITABLE
    values = np.where(logs, np.exp(theta), theta)
    values = values * np.array([-1.0 if q.log and q.upper <= 0 else 1.0 for q in form.parameters])
    squares = np.sum(found.residual**2, axis=1)
    alone = ~np.isfinite(found.cost) | ~writable
    alone |= (squares / points < FAINT) & (form.n_breaks > 0)
    lost, near_singular = _determinacy(ready, found)
    y = np.where(ready.problem.weight > 0, ready.problem.y, np.nan)
    y = np.broadcast_to(y, found.residual.shape)
    codes = {
        "constant_y": np.nanmax(y, axis=1) == np.nanmin(y, axis=1),
        "more_parameters_than_points": points < params,
        "no_degrees_of_freedom": points == params,
        "few_points": (points > params) & (_distinct(ready, count) < FEW),
        "break_outside_data": np.zeros(count, bool),
        "parameter_at_bound": found.at_bound,
        "nearly_singular": near_singular,
        "not_converged": ~found.converged,
    }
    if form.n_breaks:
        places, log_x = found.theta[:, 4::3], np.broadcast_to(ready.problem.log_x, found.residual.shape)
        last = np.where(ready.problem.weight > 0, log_x, -np.inf).max(axis=1)[:, None]
        codes["break_outside_data"] = ((places < log_x[:, :1]) | (places > last)).any(axis=1)
    status = np.where(found.converged, _name(Status.CONVERGED), _name(Status.NOT_CONVERGED)).astype(object)
    message = np.where(found.converged, "", Status.NOT_CONVERGED.value).astype(object)
    under = (points < params) | lost
    status[under], message[under] = _name(Status.UNDERDETERMINED), Status.UNDERDETERMINED.value
    columns = {
        "status": status,
        "warnings": _joined(codes),
        "message": message,
        "n_points": points.astype(float),
        "n_breaks": np.full(count, float(form.n_breaks)),
        "rmsle": _rmsle(form, ready, found, y, points),
        **dict(zip(form.names, values.T, strict=True)),
    }
    return columns, alone


def _distinct(ready: Setup, count: int) -> np.ndarray:
    """How many different x every curve has (C,)."""
    log_x, seen = np.broadcast_arrays(ready.problem.log_x, ready.problem.weight > 0)
    new = (np.diff(log_x, axis=-1) > 0) & seen[..., 1:]
    return np.broadcast_to(1 + new.sum(axis=-1), count)


def _rmsle(form: Form, ready: Setup, found: _Found, y: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Root mean square of log(predicted / measured) (C,); NaN where one of them is not positive."""
    raised = (np.broadcast_to(ready.shift, points.shape) / ready.problem.unit)[:, None]
    law = runnable(form).y(found.theta, np.broadcast_to(ready.problem.log_x, y.shape)) + raised
    error = np.where(np.isnan(y), 0.0, np.log(law) - np.log(np.where(np.isnan(y), 1.0, y + raised)))
    return np.sqrt(np.sum(error**2, axis=1) / points)


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


def _determinacy(ready: Setup, found: _Found) -> tuple[np.ndarray, np.ndarray]:
    """Whether a parameter of each of C fits is not determined, and whether it nearly is not.

    As `bnsl.fitting.covariance` for one fit, by the singular values of the derivatives scaled to length 1.
    The eigenvalues of their products are the squares, in which half of the digits are lost; most fits need
    none.
    """
    lost, near = ~found.known, ~found.known
    doubtful = np.flatnonzero(found.known & ~(found.least > WELL_CONDITIONED))
    method = ready.method._replace(form=runnable(ready.method.form), robust=None)
    whole: Problem = several(method.form, ready.problem)
    free = np.flatnonzero(np.broadcast_to(ready.problem.free, found.theta.shape)[0])
    for some in blocks(len(doubtful), whole.y.shape[-1]):
        which = doubtful[some]
        jacobian = residuals(method, rows_of(method, taken(whole, which)), found.theta[which])[1]
        s = np.linalg.svd(_unit_columns(jacobian[:, free])[0], compute_uv=False)
        few = s.shape[1] < len(free)
        lost[which] = (s[:, -1] <= SINGULAR * s[:, 0]) | few
        near[which] = lost[which] | (s[:, -1] < 1e2 * SINGULAR * s[:, 0])
    return lost, near


def _predictions(form: Form, ready: Setup, theta: np.ndarray, at: dict[str, float]) -> Columns:
    """Columns of predictions, in the user's units."""
    if not at:
        return {}
    count = len(theta)
    log_s, log_t = np.broadcast_to(ready.log_s, count), np.broadcast_to(ready.log_t, count)
    log_x = np.log(np.array(list(at.values()))) - log_s[:, None]
    values = runnable(form).y(theta, log_x) * np.exp(log_t)[:, None]
    values = values + np.broadcast_to(ready.shift, count)[:, None]
    return {name: values[:, i] for i, name in enumerate(at)}
