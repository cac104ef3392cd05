"""The best size for every budget: parabolas about minima, and a power law through these, with draws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_array, check_name, check_positive, check_tails, told
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd
from bnsl._base.shown import Part, Shown, frame_part
from bnsl.curves.data import column, is_table

NEAREST = 5  # distinct places in a window at least, where there are so many
ROUNDS = 40  # of putting the window about the minimum


@dataclass(frozen=True, eq=False, repr=False)
class Optimum(Shown):
    """A power law of the best input against the budget: log x* = intercept + exponent (log C - centre).

    Attributes:
        table: what the law was fitted to, one row per budget.
        x, y, budget: names of the columns.
        exponent: of x* against the budget; NaN if fewer than two minima were found.
        intercept: log x* at the centre.
        centre: mean log budget of the minima.
        draws: other intercepts and exponents that the data allow, (R, 2); NaN where that is not known.
        level: of the intervals in `table` and `summary`.
        warnings: what to know before relying on it, as (code, message).
    """

    table: pd.DataFrame
    x: str
    y: str
    budget: str
    exponent: float
    intercept: float
    centre: float
    draws: np.ndarray = field(repr=False)
    level: float
    warnings: tuple[FitWarning, ...]

    def predict(self, budget: ArrayLike) -> np.ndarray:
        """The best x for each budget, in its shape; budgets are positive."""
        return np.exp(self.intercept + self.exponent * self._from_centre(budget))

    def interval(self, budget: ArrayLike, level: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end for the best x, each in the shape of the budgets.

        Args:
            budget: positive, of any shape.
            level: the share of draws inside; the result's own if not given.
        """
        away = self._from_centre(budget)
        size = self.draws[:, 0, None] + self.draws[:, 1, None] * away.ravel()
        low, high = np.exp(np.quantile(size, self._tails(level), axis=0))
        return low.reshape(away.shape), high.reshape(away.shape)

    def exponent_interval(self, level: float | None = None) -> tuple[float, float]:
        """Lower and upper end for the exponent."""
        low, high = np.quantile(self.draws[:, 1], self._tails(level))
        return float(low), float(high)

    def __repr__(self) -> str:
        codes = "".join(f", {note.code}" for note in self.warnings)
        return f"<{type(self).__name__}: {self._law()}{codes}>"

    def _title(self) -> str:
        return f"best {self.x} against {self.budget}"

    def _facts(self) -> list[tuple[str, str]]:
        low, high = self.exponent_interval()
        return [("law", self._law()), ("exponent", f"{self.level:.0%} from {low:.4g} to {high:.4g}")]

    def _parts(self) -> list[Part]:
        return [frame_part(self.table)]

    def _law(self) -> str:
        with np.errstate(over="ignore"):
            scale = np.exp(self.intercept - self.exponent * self.centre)
        return f"{self.x} = {scale:.4g} {self.budget}^{self.exponent:.6g}"

    def _from_centre(self, budget: ArrayLike) -> np.ndarray:
        values = np.asarray(budget, float)
        if not (np.isfinite(values) & (values > 0)).all():
            raise InputError(f"{told('budget', budget)} must be positive and finite")
        return np.log(values) - self.centre

    def _tails(self, level: float | None) -> list[float]:
        return check_tails(self.level if level is None else level)


def runs_of(frame: Any, x: str, y: str, budget: str) -> list[np.ndarray]:
    """What was chosen, the budget and the loss of every run, each (N,), from the columns of these names."""
    for argument, name in (("x", x), ("y", y), ("budget", budget)):
        check_name(name, argument)
    if x == budget:
        raise InputError(f"x = {x!r} is what is chosen for a budget, and budget = {budget!r} names it, too")
    return columns_of(frame, (x, budget), (y,))


def columns_of(frame: Any, positive: Iterable[str], plain: Iterable[str]) -> list[np.ndarray]:
    """Columns of finite numbers, those of `positive` above 0.

    Raises InputError for what is no table, a column that is not there, or a cell that is no such number.
    """
    if not is_table(frame):
        raise InputError(f"frame must be a table with one row per run; got {type(frame).__name__}")
    positive = list(positive)
    found = []
    for name in (*positive, *plain):
        values = as_array(column(frame, name, name), name)
        if name in positive:
            check_positive(values, name, "is not positive; its logarithm is taken")
        found.append(values)
    return found


def too_few(code: str, count: int, what: str) -> FitWarning:
    """The warning of fewer than three points of the power law."""
    known = "has no interval that can be relied on" if count == 2 else "is not known"
    return FitWarning(code, f"{count} {what}: the exponent {known}")


def line(log_budget: np.ndarray, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intercept at the mean log budget, and slope, by least squares over the last axis; NaN for one point."""
    if log_budget.shape[-1] == 0:
        return np.full(log_x.shape[:-1], np.nan), np.full(log_x.shape[:-1], np.nan)
    away = log_budget - log_budget.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.sum(away * log_x, axis=-1) / np.sum(away**2, axis=-1)
    return log_x.mean(axis=-1), slope


def law_of_minima(
    log_budget: np.ndarray, log_x: np.ndarray, errors: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """The line through minima, and draws of it.

    A draw moves every minimum by one of its errors. Where the minima scatter about the line by more than
    these, the rest is added as normal noise; its variance is drawn, too, since few minima tell it roughly.

    Minima are given by their log budget and log x, (B,), and errors as replicates of each less itself,
    (R, B), NaN where unknown. Returns exponent, intercept, centre and draws as of `Optimum`.
    """
    intercept, slope = line(log_budget, log_x)
    centre = log_budget.mean() if len(log_budget) else np.nan
    known = np.nan_to_num(errors)
    freedom = len(log_x) - 2
    if freedom > 0:
        residuals = log_x - intercept - slope * (log_budget - centre)
        more = max(np.sum(residuals**2) / freedom - np.mean(known.var(axis=0)), 0.0)
        sd = np.sqrt(more * freedom / rng.chisquare(freedom, len(known)))
        known = known + sd[:, None] * rng.standard_normal(known.shape)
    elif np.isnan(errors).any():
        known = errors
    draws = np.stack(line(log_budget, log_x + known), axis=1)
    numbers = {"exponent": float(slope), "intercept": float(intercept), "centre": float(centre)}
    return {**numbers, "draws": draws}


class Parabolas(NamedTuple):
    """k0 + k1 u + k2 u^2 with u = log_x - centre, each about its own minimum."""

    coefficients: np.ndarray  # (R, 3) k0, k1, k2
    centre: np.ndarray  # (R,) of the windows
    weights: np.ndarray  # (R, n) of the points; 0 outside the window


def local_parabolas(log_x: np.ndarray, y: np.ndarray, reach: float) -> Parabolas:
    """Parabolas of y (R, n) over log_x (n,), which has three distinct values or more.

    The window starts about the lowest y and follows the parabola's minimum. Weights are tricubes of the
    distance from its centre, 0 beyond `reach`, or beyond the five nearest places.
    """
    places = np.unique(log_x)
    count = min(NEAREST, len(places))
    centre = log_x[np.argmin(y, axis=1)]
    for turn in range(ROUNDS):
        half = np.sort(np.abs(places - centre[:, None]), axis=1)[:, count - 1]
        half = np.maximum(reach, 1.1 * half)[:, None]
        u = (log_x - centre[:, None]) / half
        weights = np.clip(1.0 - np.abs(u) ** 3, 0.0, None) ** 3
        found = Parabolas(_weighted(u, y, weights) / half ** np.arange(3), centre, weights)
        place, _ = vertices(found.coefficients)
        moved = np.clip(centre + np.where(np.isnan(place), 0.0, place), places[0], places[-1])
        if np.max(np.abs(moved - centre)) < 1e-9:
            break
        centre = moved if turn < ROUNDS // 2 else 0.5 * (centre + moved)  # a point may go in and out
    return found


def vertices(coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where parabolas are lowest, from their centres, and the values there; NaN for what opens downwards."""
    k0, k1, k2 = np.moveaxis(coefficients, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        place = np.where(k2 > 0, -0.5 * k1 / k2, np.nan)
    return place, k0 + 0.5 * place * k1


def _weighted(u: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least squares of a parabola for every row, (R, 3)."""
    design = np.stack([np.ones_like(u), u, u * u], axis=-1)
    weighted = np.swapaxes(design * weights[..., None], -1, -2)
    level = y.mean(axis=1, keepdims=True)  # taken off, so that no digits are lost
    k = np.linalg.solve(weighted @ design, weighted @ (y - level)[..., None])[..., 0]
    return k + np.where(np.arange(3) == 0, level, 0.0)
