"""Which run of several inputs to do next: what most reduces the uncertainty of a prediction, by cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_array, as_number, check_count, check_positive
from bnsl._base.display import html_frame, html_of, paragraphs, short, table_text
from bnsl.curves.data import column, input_rows, is_table
from bnsl.fitting.result import FitResult
from bnsl.planning.allocation import SIX_N_D
from bnsl.planning.budgets import bind
from bnsl.planning.design import all_measured, choose, measured, target_sd
from bnsl.planning.predictability import as_noise
from bnsl.planning.surface import Law, surface_of
from bnsl.solver.losses import law_and_jacobian

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

DRAWS = 2000  # of the laws of a forecast, whose covariance stands for what is not known
# Of log y of a draw from the median: laws that the runs hardly determine have draws beyond all measure.
FARTHEST = 3.0
TINY = 1e-12  # least noise, relative, so that a law without any residual can be asked


@dataclass(frozen=True, eq=False, repr=False)
class RunSuggestion:
    """The next runs of several inputs. Made by `bnsl.suggest`.

    Attributes:
        table: one row per candidate, the best for its cost first: the inputs, cost, sd_with (standard
            deviation of log y at the target once it alone is measured), reduction (share of the variance that
            it removes), reduction_per_cost (relative to the best), chosen (its number in the order of the
            set, 0 if it is not in it).
        sd_before: standard deviation of log y at the target (root mean square over several) now, without the
            noise of a measurement.
        sd_after: likewise once all chosen are measured.
        inputs: their names.
        target: inputs of the predictions that matter, a row each.
        runs: inputs of the runs so far, likewise.
        y_label: what is predicted.
    """

    table: pd.DataFrame
    sd_before: float
    sd_after: float
    inputs: tuple[str, ...]
    target: pd.DataFrame
    runs: pd.DataFrame
    y_label: str = "loss"

    @property
    def chosen(self) -> pd.DataFrame:
        """The inputs of the chosen runs and their cost, most useful first."""
        rows = self.table[self.table["chosen"] > 0].sort_values("chosen", ignore_index=True)
        return rows[[*self.inputs, "cost"]]

    @property
    def total_cost(self) -> float:
        """What the chosen runs cost together."""
        return float(self.chosen["cost"].sum())

    def plot(self, **options: Any) -> Axes:
        """A figure of candidates and what each would tell: `bnsl.plot_suggestion`, which has the options."""
        from bnsl import plot_suggestion

        return plot_suggestion(self, **options)

    def summary(self) -> str:
        """The choice and the table in plain text."""
        return paragraphs([self._line()], table_text(self.table, index=False))

    def __repr__(self) -> str:
        return f"<RunSuggestion: {self._line()}>"

    def _repr_html_(self) -> str:
        return html_of(self._line(), html_frame(self.table, index=False))

    def _line(self) -> str:
        known = f"log y at the target is known to {short(self.sd_before)}"
        if self.chosen.empty:
            return f"no run is within the budget; {known}"
        runs = [", ".join(f"{n} = {row[n]:.4g}" for n in self.inputs) for _, row in self.chosen.iterrows()]
        return f"next: {'; '.join(runs)}; {known} now, to {short(self.sd_after)} then"


def suggest_runs(
    law: Law,
    candidates: Any,
    target: Any,
    *,
    cost: Any = None,
    budget: float | None = None,
    count: int | None = None,
    noise: ArrayLike | None = None,
) -> RunSuggestion:
    """`bnsl.suggest` for a law of several inputs; candidates and target are rows of a table, or (C, k)."""
    import pandas as pd

    names = surface_of(law, 0).names
    points, goal = _rows(law, candidates, "candidates"), _rows(law, target, "target")
    price = _prices(cost, candidates, points, names)
    limit = None if budget is None else as_number(budget, "budget", lambda v: 0 < v < np.inf)
    most = len(points) if count is None else check_count(count, "count", 1)
    if limit is None and count is None:
        most = 1
    root = _root(law, np.concatenate([points, goal]))
    scatter = np.full(len(points), _noise(law)) if noise is None else as_noise(noise, len(points))
    before = target_sd(root, len(points))
    alone = np.array([target_sd(measured(root, i, scatter[i]), len(points)) for i in range(len(points))])
    chosen = choose(root, scatter, price, limit, most)
    number = np.zeros(len(points), int)
    number[chosen] = np.arange(1, len(chosen) + 1)
    reduction = np.maximum(1.0 - (alone / before) ** 2, 0.0) if before > 0 else np.zeros(len(points))
    value = reduction / price
    table = pd.DataFrame(dict(zip(names, points.T, strict=True))).assign(
        cost=price,
        sd_with=alone,
        reduction=reduction,
        reduction_per_cost=value / value.max() if value.max() > 0 else value,
        chosen=number,
    )
    table = table.sort_values("reduction_per_cost", ascending=False, kind="stable", ignore_index=True)
    after = target_sd(all_measured(root, chosen, scatter), len(points))
    goals, runs = (pd.DataFrame(rows, columns=list(names)) for rows in (goal, law.curve.x))
    return RunSuggestion(table, before, after, names, goals, runs, law.curve.y_label)


def _rows(law: Law, values: Any, argument: str) -> np.ndarray:
    """Inputs (M, k), checked.

    Raises InputError for none, and for a column that is not there.
    """
    points = input_rows(values, law.curve.input_names, law.curve.axes, argument)
    if not len(points):
        raise InputError(
            f"{argument} is empty; give one row per run, with {', '.join(law.curve.input_names)}"
        )
    return points


def _prices(cost: Any, candidates: Any, points: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """The cost (C,) of every candidate: a column, numbers, or a function of the inputs; else 6 N D."""
    if cost is None or callable(cost):
        function: Callable[..., Any] = SIX_N_D if cost is None else cost
        return bind(function, names)(dict(zip(names, points.T, strict=True)))
    if isinstance(cost, str) and is_table(candidates):
        cost = column(candidates, cost, "cost")
    price = as_array(cost, "cost")
    check_positive(price, "cost", "must be positive")
    if len(price) != len(points):
        raise InputError(f"cost has {len(price)} entries and candidates has {len(points)}")
    return price


def _root(law: Law, both: np.ndarray) -> np.ndarray:
    """F (M, r), with F F^T the covariance of log y: linearised of one fit, from draws of a forecast."""
    if isinstance(law, FitResult):
        if not np.isfinite(law.covariance_root).all():
            raise InputError(
                f"law: the uncertainty of this fit is not known ({law.status.value}); fit a form with fewer "
                "parameters, or pass a forecast"
            )
        jacobian = law_and_jacobian(law.form, "log", law.theta, law.form.seen(both))[1]
        return np.asarray(jacobian.T @ law.covariance_root)
    drawn = np.log(surface_of(law, DRAWS)(both[None])[1:])
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    middle = np.median(drawn, axis=0)
    drawn = np.clip(drawn, middle - FARTHEST, middle + FARTHEST)
    return np.asarray((drawn - drawn.mean(axis=0)).T / np.sqrt(len(drawn)))


def _noise(law: Law) -> float:
    """The standard deviation of log y of a run about the law."""
    if isinstance(law, FitResult) and law.loss == "log" and np.isfinite(law.noise).all():
        return max(float(np.median(law.noise)), TINY)
    surface = surface_of(law, 0)
    off = np.log(surface(law.curve.x[None])[0] / law.curve.y)
    return max(float(np.std(off)), TINY)
