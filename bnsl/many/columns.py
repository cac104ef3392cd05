"""Fits of many curves of one padded length side by side: columns of a table, all curves at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bnsl.curves.ragged import Curves
from bnsl.fitting.constraints import check_constraints, orientations
from bnsl.fitting.orientation import clearly_better, other_wanted, promising
from bnsl.fitting.setup import ROBUST_ROUNDS, Setup, scale_of, set_up
from bnsl.forms.form import Form
from bnsl.many.laws import Columns, Laws, columns_of, predictions, surroundings
from bnsl.solver import losses
from bnsl.solver.crowd import Refined, search_many

if TYPE_CHECKING:
    from bnsl.many.settings import Settings

LARGEST_RATIO = 1e99  # of y within a curve

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

    def ready_for(way: Form, which: np.ndarray) -> Setup:
        constraints = check_constraints(way, loss, fixed, bounds)
        spread, there = (None if v is None else v[which] for v in (sigma, None if shared else seen))
        return set_up(way, constraints, loss, x[which], y[which], spread, there)

    def begun_with(way: Form, which: np.ndarray, share: float) -> _Way:
        ready = ready_for(way, which)
        return _Way(way, which, ready, _begin(ready, settings, lambda n: report(share * n)))

    first = begun_with(ways[0], np.arange(len(curves)), 0.5)

    def finish() -> tuple[Columns, np.ndarray]:
        columns: Columns = {}
        alone = np.ones(len(curves), bool)
        best, crosses = np.full(len(curves), np.inf), np.ones(len(curves), bool)
        scale = np.full(len(curves), np.nan)  # of a robust loss, as the first way has it

        def take(way: _Way) -> Laws:
            which, known = way.which, best[way.which]
            points = curves.lengths[which]
            # Of a curve that climbs, laws of either orientation are followed to their ends.
            above = np.where(climbs[which], np.inf, known)
            made, left, misfit, local = _ended(way, above, scale[which], settings, points, predict_at)
            scale[which] = np.where(np.isnan(scale[which]), local.scale, scale[which])
            clearly = clearly_better(misfit**2, known**2, points) | climbs[which] | np.isinf(known)
            better = np.where(local.crosses == crosses[which], (misfit < known) & clearly, crosses[which])
            best[which[better]], crosses[which[better]] = misfit[better], local.crosses[better]
            for name, values in made.items():
                if name not in columns:
                    columns[name] = np.zeros(len(curves), values.dtype)
                columns[name][which[better]] = values[better]
            alone[which[better]] = left[better]
            return local

        local = take(first)
        report(0.5 * len(curves))
        if len(ways) > 1:
            other = climbs.copy()
            late = _other_wanted(first, local, climbs)
            if len(late) and not (fixed or bounds):
                ready = ready_for(ways[1], late)
                method = ready.method._replace(robust=options.get("robust"))
                ready = ready._replace(method=method, problem=ready.problem._replace(scale=scale[late]))
                other[late] = promising(ready, best[late] ** 2 * curves.lengths[late])
            if other.any():
                take(begun_with(ways[1], np.flatnonzero(other), 0.0))
        return columns, alone

    return finish


def _other_wanted(way: _Way, local: Laws, climbs: np.ndarray) -> np.ndarray:
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


def _ended(
    way: _Way,
    known: np.ndarray,
    scale: np.ndarray,
    settings: Settings,
    points: np.ndarray,
    predict_at: dict[str, float],
) -> tuple[Columns, np.ndarray, np.ndarray, Laws]:
    """Columns and doubts of the curves of one way, root mean square residuals (C,), and the laws.

    `scale` (C,) is what to compare robust laws by, NaN for their own.
    """
    ready, robust = way.ready, settings.options.get("robust")
    found = way.search(None if robust else known**2 * points)
    if robust is not None:
        ready, found = _robust(ready, found, robust, settings)
    with np.errstate(all="ignore"):
        local = surroundings(ready, found)
        square = np.where(np.isnan(scale), local.scale, scale) ** 2
        bent = losses.robust_cost_and_weight(robust, local.residual**2 / square[:, None])[0]
        misfit = np.sqrt(square * np.sum(bent, axis=1) / points)
        columns, left = columns_of(way.form, ready, local, points)
        columns |= predictions(way.form, ready, local.theta, predict_at)
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
                scale = scale_of(surroundings(plain, found).residual, seen)
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
