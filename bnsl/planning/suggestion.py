"""Which run to do next: the further x that most reduce the uncertainty of a prediction, by cost."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import (
    InputError,
    as_array,
    as_number,
    check_count,
    check_positive,
    described,
    positive_inputs,
    reject,
    told,
)
from bnsl._base.display import html_frame, paragraphs, short, table_text
from bnsl.curves.data import Table, column, is_table
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast
from bnsl.forecasting.joint import joint
from bnsl.forecasting.surface import SurfaceForecast
from bnsl.planning.design import all_measured, choose, measured, target_sd
from bnsl.planning.predictability import Predictability, as_noise
from bnsl.planning.run_suggestion import RunSuggestion, suggest_runs
from bnsl.solver.losses import law_and_jacobian

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LARGEST = 1e12  # standard deviation, in log y, that stands for "not determined" in the arithmetic


@dataclass(frozen=True, eq=False)
class Suggestion:
    """The next runs. Made by `bnsl.suggest`.

    Attributes:
        target: x of the predictions (T,).
        candidates: x that could be measured (C,), ascending.
        cost: of each (C,).
        sd_before: standard deviation of log y at the target (root mean square over several), now, without the
            white noise of a measurement.
        sd_with: likewise once one candidate more is measured, for each (C,).
        order: indices of the chosen candidates, in the order in which they are worth their cost.
        sd_after: likewise once all chosen are measured.
        x_label, y_label: names of x and y, from the points behind the law.
        of: what the standard deviations are of: "log y", or "y" of a forecast on a linear scale.
    """

    target: np.ndarray
    candidates: np.ndarray
    cost: np.ndarray
    sd_before: float
    sd_with: np.ndarray
    order: tuple[int, ...]
    sd_after: float
    x_label: str = "x"
    y_label: str = "y"
    of: str = "log y"

    @property
    def chosen(self) -> np.ndarray:
        """x of the chosen runs, most useful first."""
        return self.candidates[list(self.order)]

    @property
    def total_cost(self) -> float:
        """What the chosen runs cost together."""
        return float(self.cost[list(self.order)].sum())

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per candidate, the best value for its cost first.

        Columns: x, cost, sd_with (standard deviation at the target once it alone is measured), reduction
        (share of the variance that it removes), reduction_per_cost (relative to the best), chosen (its
        number in the order of the set, 0 if it is not in it).
        """
        import pandas as pd

        reduction = self._reduction()
        value = reduction / self.cost
        number = np.zeros(len(self.candidates), int)
        number[list(self.order)] = np.arange(1, len(self.order) + 1)
        frame = pd.DataFrame(
            {
                "x": self.candidates,
                "cost": self.cost,
                "sd_with": self.sd_with,
                "reduction": reduction,
                "reduction_per_cost": value / value.max() if value.max() > 0 else value,
                "chosen": number,
            }
        )
        return frame.sort_values("reduction_per_cost", ascending=False, kind="stable", ignore_index=True)

    def _reduction(self) -> np.ndarray:
        if self.sd_before == 0:
            return np.zeros(len(self.candidates))
        return np.maximum(1.0 - (self.sd_with / self.sd_before) ** 2, 0.0)

    def plot(self, **options: Any) -> Axes:
        """A figure of candidates and what each is worth: `bnsl.plot_suggestion`, which has the options."""
        from bnsl import plot_suggestion

        return plot_suggestion(self, **options)

    def summary(self) -> str:
        """The choice and the table in plain text."""
        return paragraphs(self._lines(), table_text(self.table, index=False))

    def __repr__(self) -> str:
        return f"<Suggestion: x = {', '.join(f'{x:.5g}' for x in self.chosen) or 'none'}>"

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(line) for line in self._lines())
        return f"<div>{lines}{html_frame(self.table, index=False)}</div>"

    def _lines(self) -> list[str]:
        goal = ", ".join(f"{t:.6g}" for t in self.target)
        if not self.order:
            return [
                f"no run is within the budget; {self.of} at x = {goal} is known to {short(self.sd_before)}"
            ]
        runs = ", ".join(f"{x:.6g}" for x in self.chosen)
        return [
            f"next     x = {runs}, at a cost of {self.total_cost:.6g}",
            f"target   {self.of} at x = {goal}: standard deviation {short(self.sd_before)} now, "
            f"{short(self.sd_after)} with {'it' if len(self.order) == 1 else 'them'}",
        ]


def suggest(
    law: FitResult | Forecast | Predictability,
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
        cost: of the candidates: (C,), a function of their x, or a column of the table; proportional to x, or
            6 times the product of two inputs, if not given.
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
    several: Any = law  # a law of several inputs, which may be a forecast of these
    if not isinstance(law, FitResult | Forecast | SurfaceForecast | Predictability):
        raise InputError(f"{told('law', law)} must be a FitResult, a Forecast or a Predictability")
    if getattr(getattr(law, "curve", None), "inputs", 1) > 1:
        return suggest_runs(several, candidates, target, cost=cost, budget=budget, count=count, noise=noise)
    if is_table(candidates):
        name = x or ("x" if isinstance(law, Predictability) else law.curve.x_label)
        cost = column(candidates, cost, "cost") if isinstance(cost, str) else cost
        candidates = column(candidates, name, "candidates")
    elif x is not None:
        raise InputError(f"{told('x', x)} names a column, and candidates are no table")
    points = as_array(candidates, "candidates")  # type: ignore[arg-type]
    check_positive(points, "candidates", "is not positive; scaling laws are defined for x > 0")
    if is_table(target):
        raise InputError(f"target must be the x of the prediction, in numbers; got {described(target)}")
    goal = positive_inputs(target, 1)[0]
    if len(goal) == 0:
        raise InputError("target is empty; name the x of the prediction")
    price = _cost(cost, points)
    limit = None if budget is None else as_number(budget, "budget", lambda v: 0 < v < np.inf)
    most = len(points) if count is None else check_count(count, "count", 1)
    if limit is None and count is None:
        most = 1
    order = np.argsort(points, kind="stable")
    points, price = points[order], price[order]
    given = None if noise is None else as_noise(noise, len(points))[order if np.ndim(noise) else slice(None)]
    root, scatter = _joint_root(law, points, goal, given)
    first = target_sd(root, len(points))
    alone = np.array([target_sd(measured(root, i, scatter[i]), len(points)) for i in range(len(points))])
    chosen = choose(root, scatter, price, limit, most)
    after = target_sd(all_measured(root, chosen, scatter), len(points))
    names = ("x", "y") if isinstance(law, Predictability) else (law.curve.x_label, law.curve.y_label)
    linear = isinstance(law, Forecast) and not law.scale.logarithmic
    return Suggestion(
        goal, points, price, first, alone, tuple(chosen), after, *names, of="y" if linear else "log y"
    )


def _joint_root(
    law: FitResult | Forecast | Predictability, points: np.ndarray, goal: np.ndarray, noise: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """F (C + T, r) with F F^T the covariance of log y, and standard deviations of new measurements (C,)."""
    both = np.concatenate([points, goal])
    if isinstance(law, Forecast):
        found = joint(law, both)
        # What departs from the law in a correlated way is part of what a run tells, and neighbours tell it
        # twice; only white noise is new with each.
        white = np.sqrt(found.weight @ found.level**2)
        value, vector = np.linalg.eigh(found.covariance(noise=True) - white**2 * np.eye(len(both)))
        unit = 1.0 if law.scale.logarithmic else law.scale.unit
        scatter = np.full(len(points), unit * white)
        return unit * vector * np.sqrt(np.maximum(value, 0.0)), scatter if noise is None else noise
    if isinstance(law, FitResult):
        if not np.isfinite(law.covariance_root).all():
            raise InputError(
                f"law: the uncertainty of this fit is not known ({law.status.value}); fit fewer breaks, or "
                "pass a forecast"
            )
        # noise is that of log y, and the residuals may be in another space
        jacobian = law_and_jacobian(law.form, "log", law.theta, np.log(both))[1]
        root = law.covariance_root
        typical = float(np.median(law.noise)) if law.loss == "log" else float(np.std(_log_residuals(law)))
    else:
        if law.loss != "log":
            raise InputError(f"law: planned under loss={law.loss!r}; suggest needs loss='log'")
        root = _bounded(law.prediction_root(both))
        return root, np.full(len(points), np.median(law.noise)) if noise is None else noise
    return _bounded(jacobian.T @ root), np.full(len(points), typical) if noise is None else noise


def _log_residuals(law: FitResult) -> np.ndarray:
    if law.curve.y.min() <= 0 or law.fitted.min() <= 0:
        raise InputError("law: y or the law is not positive; suggest works on log y")
    return np.log(law.fitted) - np.log(law.curve.y)


def _bounded(root: np.ndarray) -> np.ndarray:
    """The root with columns of unbounded length cut to LARGEST, so that updates stay finite."""
    size = np.abs(root).max(axis=0, initial=0.0)
    return root * np.where(size > LARGEST, LARGEST / np.where(size > 0, size, 1.0), 1.0)


def _cost(cost: ArrayLike | Callable[[np.ndarray], ArrayLike] | None, points: np.ndarray) -> np.ndarray:
    if cost is None:
        return points.copy()
    values = as_array(cost(points) if callable(cost) else cost, "cost")
    reject(values, values <= 0, "cost", "must be positive")
    if len(values) != len(points):
        raise InputError(f"cost has {len(values)} entries and candidates has {len(points)}")
    return values
