"""Which run to do next: the further runs that most reduce the uncertainty of a prediction, by cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import (
    InputError,
    as_array,
    as_number,
    check_count,
    check_positive,
    described,
    is_number,
    numbers,
    told,
)
from bnsl._base.lazy import pd
from bnsl.curves.data import Table, column, input_rows, is_table
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast
from bnsl.forecasting.joint import joint
from bnsl.forecasting.surface import SurfaceForecast
from bnsl.planning.allocation import SIX_N_D
from bnsl.planning.budgets import bind
from bnsl.planning.design import Terms, best_set
from bnsl.planning.predictability import Predictability, as_noise
from bnsl.planning.suggested import RunSuggestion, Suggestion, ranked
from bnsl.planning.surface import surface_of
from bnsl.solver.losses import law_and_jacobian

LARGEST = 1e12  # standard deviation, in log y, that stands for "not determined" in the arithmetic
DRAWS = 2000  # of the laws of a forecast of several inputs, whose covariance stands for what is not known
# Of log y of a draw from the median: laws that the runs hardly determine have draws beyond all measure.
FARTHEST = 3.0
TINY = 1e-12  # least noise, so that a law without any residual can be asked


def suggest(
    law: FitResult | Forecast | SurfaceForecast | Predictability,
    candidates: ArrayLike | Table,
    target: ArrayLike,
    *,
    x: str | None = None,
    cost: ArrayLike | Callable[[np.ndarray], ArrayLike] | None = None,
    budget: float | None = None,
    count: int | None = None,
    noise: ArrayLike | None = None,
) -> Suggestion | RunSuggestion:
    """Find the run, or the runs within a budget, that would make the prediction at the target most certain.

    Args:
        law: a Forecast, whose uncertainty covers laws and breaks; a FitResult, whose covariance is that of
            one law; or a Predictability, a law with planned measurements.
        candidates: x of possible runs (C,), or for a law of several inputs a table with one row per run. List
            a run twice if it could be done twice.
        target: x of the prediction, one or several (T,); of several the mean variance counts. Of a
            law of several inputs a table, or a mapping such as {"params": 7e10, "tokens": 1.4e12}.
        x: the column of x in a table of runs; the name of x in the curve if not given.
        cost: of the candidates: (C,), one number for all, a function of their x, or a column of the table;
            proportional to x, or 6 times the product of two inputs, if not given.
        budget: total cost of the runs; without it, one run (or `count`) is chosen by reduction of variance
            per cost.
        count: largest number of runs.
        noise: standard deviation of log y of a new measurement, one number or (C,); that of the points so far
            if not given.

    Returns:
        A Suggestion (a RunSuggestion for several inputs): `chosen`, the table of candidates, standard
        deviations before and after.

    Raises:
        InputError: (a ValueError) candidates, targets or costs that are not positive, or a law whose
            uncertainty is not known.
    """
    if not isinstance(law, FitResult | Forecast | SurfaceForecast | Predictability):
        raise InputError(f"{told('law', law)} must be a FitResult, a Forecast or a Predictability")
    curve: Any = getattr(law, "curve", None)  # planned measurements have none
    names, label = (("x",), "y") if curve is None else (curve.input_names, curve.y_label)
    if isinstance(cost, str) and is_table(candidates):
        cost = column(candidates, cost, "cost")
    points, goal = _inputs(law, names, candidates, target, x)
    price = _prices(cost, points, names)
    limit = np.inf if budget is None else as_number(budget, "budget", lambda v: 0 < v < np.inf)
    most = 1 if budget is None else len(points)
    most = most if count is None else check_count(count, "count", 1)
    root, usual = _root(law, np.concatenate([points, goal]))
    scatter = np.full(len(points), usual) if noise is None else as_noise(noise, len(points))
    if len(names) > 1:
        found = best_set(root, Terms(scatter, price, limit, most))
        table = ranked(dict(zip(names, points.T, strict=True)), price, *found[:3])
        goals, runs = (pd.DataFrame(rows, columns=list(names)) for rows in (goal, curve.x))
        return RunSuggestion(table, found.sd_before, found.sd_after, names, goals, runs, label)
    order = np.argsort(points, kind="stable")
    root = root[[*order, *range(len(points), len(root))]]
    found = best_set(root, Terms(scatter[order], price[order], limit, most))
    of = "y" if isinstance(law, Forecast) and not law.scale.logarithmic else "log y"
    return Suggestion(goal, points[order], price[order], *found, names[0], label, of)


def _inputs(
    law: Any, names: Sequence[str], candidates: Any, target: Any, x: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """The candidates (C,) or (C, k) and the targets (T,) or (T, k)."""
    if len(names) > 1:
        return _rows(law, candidates, "candidates"), _rows(law, target, "target")
    if is_table(candidates):
        candidates = column(candidates, x or names[0], "candidates")
    elif x is not None:
        raise InputError(f"{told('x', x)} names a column, and candidates are no table")
    points = as_array(candidates, "candidates")
    check_positive(points, "candidates", "is not positive; scaling laws are defined for x > 0")
    if is_table(target):
        raise InputError(f"target must be the x of the prediction, in numbers; got {described(target)}")
    goal = as_array([target] if isinstance(target, str) or is_number(target) else target, "target")
    check_positive(goal, "target", "is not positive; scaling laws are defined for x > 0")
    if len(goal) == 0:
        raise InputError("target is empty; name the x of the prediction")
    return points, goal


def _rows(law: Any, values: Any, argument: str) -> np.ndarray:
    points = input_rows(values, law.curve.input_names, law.curve.axes, argument)
    if not len(points):
        names = ", ".join(law.curve.input_names)
        raise InputError(f"{argument} is empty; give one row per run, with {names}")
    return points


def _prices(cost: Any, points: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The cost (C,) of every candidate: numbers, or a function of the inputs; else x, or 6 N D."""
    if len(names) > 1 and (cost is None or callable(cost)):
        bound = bind(SIX_N_D if cost is None else cost, names)
        cost = bound(dict(zip(names, points.T, strict=True)))
    if cost is None:
        return points.copy()
    given = numbers(cost(points) if callable(cost) else cost, "cost")
    price = as_array(np.full(len(points), given) if given.ndim == 0 else given, "cost")
    check_positive(price, "cost", "must be positive")
    if len(price) != len(points):
        raise InputError(f"cost has {len(price)} entries and candidates has {len(points)}")
    return price


def _root(law: Any, both: np.ndarray) -> tuple[np.ndarray, float]:
    """F (M, r) with F F^T the covariance of log y, and the standard deviation of a new measurement."""
    if isinstance(law, Forecast):
        found = joint(law, both)
        # What departs from the law in a correlated way is part of what a run tells, and neighbours tell it
        # twice; only white noise is new with each.
        white = np.sqrt(found.weight @ found.level**2)
        value, vector = np.linalg.eigh(found.covariance(noise=True) - white**2 * np.eye(len(both)))
        unit = 1.0 if law.scale.logarithmic else law.scale.unit
        return unit * vector * np.sqrt(np.maximum(value, 0.0)), unit * float(white)
    if isinstance(law, SurfaceForecast):
        drawn = np.log(surface_of(law, DRAWS)(both[None])[1:])
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        middle = np.median(drawn, axis=0)
        drawn = np.clip(drawn, middle - FARTHEST, middle + FARTHEST)
        root = (drawn - drawn.mean(axis=0)).T / np.sqrt(len(drawn))
        return root, _scatter(law.curve.y, law.trend(law.curve.x))
    if isinstance(law, Predictability):
        if law.loss != "log":
            raise InputError(f"law: planned under loss={law.loss!r}; suggest needs loss='log'")
        return _bounded(law.prediction_root(both)), float(np.median(law.noise))
    if not np.isfinite(law.covariance_root).all():
        fewer = "fewer breaks" if law.curve.inputs == 1 else "a form with fewer parameters"
        why = f"the uncertainty of this fit is not known ({law.status.value})"
        raise InputError(f"law: {why}; fit {fewer}, or pass a forecast")
    # Noise is that of log y, and the residuals may be in another space.
    jacobian = law_and_jacobian(law.form, "log", law.theta, law.form.seen(both))[1]
    logs = law.loss == "log" and np.isfinite(law.noise).all()
    usual = max(float(np.median(law.noise)), TINY) if logs else _scatter(law.curve.y, law.fitted)
    return _bounded(jacobian.T @ law.covariance_root), usual


def _scatter(y: np.ndarray, fitted: np.ndarray) -> float:
    """The standard deviation of log y about a law."""
    if y.min() <= 0 or fitted.min() <= 0:
        raise InputError("law: y or the law is not positive; suggest works on log y")
    return max(float(np.std(np.log(fitted) - np.log(y))), TINY)


def _bounded(root: np.ndarray) -> np.ndarray:
    """The root with columns of unbounded length cut to LARGEST, so that updates stay finite."""
    size = np.abs(root).max(axis=0, initial=0.0)
    return root * np.where(size > LARGEST, LARGEST / np.where(size > 0, size, 1.0), 1.0)
