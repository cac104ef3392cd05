"""The next runs, and what every candidate would tell: what `bnsl.suggest` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bnsl._base.display import short
from bnsl._base.lazy import pd
from bnsl._base.shown import Part, Plotted, Shown, frame_part


class Suggested(Shown, Plotted, figure="plot_suggestion"):
    """What suggestions have in common: a table of candidates, of which some are chosen."""

    table: Any

    @property
    def total_cost(self) -> float:
        """What the chosen runs cost together."""
        return float(self.table["cost"][self.table["chosen"] > 0].sum())

    def _parts(self) -> list[Part]:
        return [frame_part(self.table)]


@dataclass(frozen=True, eq=False, repr=False)
class Suggestion(Suggested):
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

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per candidate, the best value for its cost first.

        Columns: x, cost, sd_with (standard deviation at the target once it alone is measured), reduction
        (share of the variance that it removes), reduction_per_cost (relative to the best), chosen (its
        number in the order of the set, 0 if it is not in it).
        """
        return ranked({"x": self.candidates}, self.cost, self.sd_before, self.sd_with, self.order)

    def __repr__(self) -> str:
        return f"<Suggestion: x = {', '.join(f'{x:.5g}' for x in self.chosen) or 'none'}>"

    def _title(self) -> str:
        if self.order:
            return ""
        return f"no run is within the budget; {self._goal} is known to {short(self.sd_before)}"

    def _facts(self) -> list[tuple[str, str]]:
        runs = ", ".join(f"{x:.6g}" for x in self.chosen)
        them = "it" if len(self.order) == 1 else "them"
        known = f"standard deviation {short(self.sd_before)} now, {short(self.sd_after)} with {them}"
        chosen = ("next", f"x = {runs}, at a cost of {self.total_cost:.6g}")
        return [chosen, ("target", f"{self._goal}: {known}")] if self.order else []

    @property
    def _goal(self) -> str:
        return f"{self.of} at x = {', '.join(f'{t:.6g}' for t in self.target)}"


@dataclass(frozen=True, eq=False, repr=False)
class RunSuggestion(Suggested):
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

    def __repr__(self) -> str:
        return f"<RunSuggestion: {self._title()}>"

    def _title(self) -> str:
        known = f"log y at the target is known to {short(self.sd_before)}"
        if self.chosen.empty:
            return f"no run is within the budget; {known}"
        runs = [", ".join(f"{n} = {row[n]:.4g}" for n in self.inputs) for _, row in self.chosen.iterrows()]
        return f"next: {'; '.join(runs)}; {known} now, to {short(self.sd_after)} then"


def ranked(
    inputs: Mapping[str, np.ndarray],
    cost: np.ndarray,
    sd_before: float,
    sd_with: np.ndarray,
    order: Sequence[int],
) -> pd.DataFrame:
    """The table of candidates (C,), the best for its cost first; `order` are indices of the chosen ones."""
    reduction = np.zeros(len(cost))
    if sd_before > 0:
        reduction = np.maximum(1.0 - (sd_with / sd_before) ** 2, 0.0)
    value = reduction / cost
    chosen = np.zeros(len(cost), int)
    chosen[list(order)] = np.arange(1, len(order) + 1)
    table = pd.DataFrame(inputs).assign(
        cost=cost,
        sd_with=sd_with,
        reduction=reduction,
        reduction_per_cost=value / value.max() if value.max() > 0 else value,
        chosen=chosen,
    )
    return table.sort_values("reduction_per_cost", ascending=False, kind="stable", ignore_index=True)
