"""The best size for each compute budget from runs at a few budgets: approach 2 of Hoffmann et al. (2022)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, as_number, check_count, check_tails, generator
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd
from bnsl._base.shown import Plotted
from bnsl.planning.optimum import Optimum, law_of_minima, local_parabolas, runs_of, too_few, vertices

FEWEST = 3  # sizes a parabola needs
INSIDE, BELOW, ABOVE, NONE = "inside", "below the data", "above the data", "no minimum"


@dataclass(frozen=True, eq=False)
class IsoflopCurve:
    """The runs of one budget and the parabola through those about their minimum.

    Attributes:
        budget: the mean of theirs, of logarithms.
        x, y: the runs, by x; (n,).
        coefficients: y = k0 + k1 u + k2 u^2 with u = log(x / centre).
        centre: the x about which the parabola's window lies.
        weights: of the runs in the parabola, (n,); 0 outside its window.
        minimum, lowest: x and y at the parabola's minimum; NaN if it has none.
        status: "inside", "below the data", "above the data" or "no minimum".
    """

    budget: float
    x: np.ndarray
    y: np.ndarray
    coefficients: np.ndarray
    centre: float
    weights: np.ndarray
    minimum: float
    lowest: float
    status: str

    @property
    def scale(self) -> float:
        """What noise is relative to: the mean of y where all are positive, as losses are, else 1."""
        return float(self.y.mean()) if (self.y > 0).all() else 1.0

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The parabola."""
        u = np.log(np.asarray(x, float) / self.centre)
        return self.coefficients[0] + u * (self.coefficients[1] + u * self.coefficients[2])


@dataclass(frozen=True, eq=False, repr=False)
class IsoflopFit(Optimum, Plotted, figure="plot_isoflop"):
    """Minima of loss at several budgets, and their power law. Made by `bnsl.isoflop_fit`.

    Attributes:
        curves: the runs and the parabola of every budget.
    """

    curves: tuple[IsoflopCurve, ...] = field(repr=False)


def isoflop_fit(
    frame: Any,
    x: str = "params",
    y: str = "loss",
    budget: str = "flops",
    *,
    tolerance: float = 0.05,
    window: float = 8.0,
    level: float = 0.9,
    replicates: int = 500,
    seed: int = 0,
) -> IsoflopFit:
    """The best size for each compute budget, by a parabola in log size, and a power law of the minima.

    A parabola fits loss against log size only near the minimum, and on wide or lopsided grids the exponent is
    biased, even without noise (arXiv 2603.22339). So sizes weigh less the further they are from the minimum,
    and none beyond a factor of `window` counts where five are nearer. A minimum outside its data is reported
    and left out of the power law.

    Args:
        frame: a table with one row per run, all at the end of their training.
        x: the column of what is to be chosen, such as parameters.
        y: the column of the loss.
        budget: the column of the budget, such as FLOPs.
        tolerance: budgets that differ by less than this share are merged.
        window: the factor from the minimum beyond which sizes are left out.
        level: of the intervals in the table.
        replicates: of the bootstrap.
        seed: of its random numbers.

    Raises:
        InputError: a column that is missing or not of numbers (x and budget: positive ones), an option out
            of range, or no budget with runs of three sizes.
    """
    sizes, budgets, losses = runs_of(frame, x, y, budget)
    as_number(tolerance, "tolerance", lambda v: 0 <= v < 1)
    reach = np.log(as_number(window, "window", lambda v: bool(1 < v < np.inf)))
    tails = check_tails(level)
    count, rng = check_count(replicates, "replicates", 1), generator(seed)
    groups = grouped(budgets, tolerance)
    wide = [rows for rows in groups if len(np.unique(sizes[rows])) >= FEWEST]
    if not wide:
        raise InputError(
            f"no {budget} has runs of {FEWEST} or more {x}, which a parabola needs; tolerance = "
            f"{tolerance:g} says which budgets are one"
        )
    curves = tuple(_curve(sizes[rows], losses[rows], budgets[rows], reach) for rows in wide)
    minima = _replicates(curves, reach, count, rng)
    used = np.array([curve.status == INSIDE for curve in curves])
    log_budget = np.log([curve.budget for curve in curves])[used]
    log_x = np.log([curve.minimum for curve in curves])[used]
    return IsoflopFit(
        table=_table(curves, minima, tails, (x, y, budget)),
        x=x,
        y=y,
        budget=budget,
        **law_of_minima(log_budget, log_x, minima[:, used] - log_x, rng),
        level=level,
        warnings=tuple(_warnings(curves, groups, wide, (x, budget))),
        curves=curves,
    )


def grouped(budgets: np.ndarray, tolerance: float) -> list[np.ndarray]:
    """Rows of each budget, those in one group within a share of its smallest."""
    order = np.argsort(budgets, kind="stable")
    groups: list[list[int]] = []
    for row in order:
        if not groups or budgets[row] > budgets[groups[-1][0]] * (1.0 + tolerance):
            groups.append([])
        groups[-1].append(int(row))
    return [np.array(rows) for rows in groups]


def _curve(sizes: np.ndarray, losses: np.ndarray, budgets: np.ndarray, reach: float) -> IsoflopCurve:
    order = np.argsort(sizes, kind="stable")
    log_x, y = np.log(sizes[order]), losses[order]
    found = local_parabolas(log_x, y[None], reach)
    place, lowest = (float(value[0]) for value in vertices(found.coefficients))
    minimum = place + float(found.centre[0])
    status = NONE
    if np.isfinite(minimum):
        status = BELOW if minimum <= log_x[0] else ABOVE if minimum >= log_x[-1] else INSIDE
    return IsoflopCurve(
        budget=float(np.exp(np.log(budgets).mean())),
        x=sizes[order],
        y=y,
        coefficients=found.coefficients[0],
        centre=float(np.exp(found.centre[0])),
        weights=found.weights[0],
        minimum=float(np.exp(minimum)),
        lowest=lowest,
        status=status,
    )


def _noise(curves: Sequence[IsoflopCurve]) -> float:
    """The standard deviation of y about the parabolas, of all budgets, relative to `scale`.

    It is NaN where no budget has more sizes than a parabola needs.
    """
    squares = freedom = 0.0
    for curve in curves:
        w, u = curve.weights, np.log(curve.x / curve.centre)
        design = np.stack([np.ones_like(u), u, u * u], axis=1)
        hat = np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w[:, None] ** 2 * design))
        squares += float(np.sum(w * (curve.y - curve.predict(curve.x)) ** 2)) / curve.scale**2
        freedom += float(w.sum() - np.trace(hat))
    return float(np.sqrt(squares / freedom)) if freedom > 1e-6 else float("nan")


def _replicates(
    curves: Sequence[IsoflopCurve], reach: float, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Log minima (R, B) of replicates: noise about the parabola inside its window, held within the data."""
    sd = _noise(curves)
    columns = []
    for curve in curves:
        base = np.where(curve.weights > 0, curve.predict(curve.x), curve.y)
        log_x = np.log(curve.x)
        found = local_parabolas(
            log_x, base + sd * curve.scale * rng.standard_normal((count, len(base))), reach
        )
        place, _ = vertices(found.coefficients)
        minimum = found.centre + np.where(np.isfinite(place) | np.isnan(sd), place, 0.0)
        columns.append(np.clip(minimum, log_x[0], log_x[-1]))
    return np.stack(columns, axis=1)


def _table(
    curves: Sequence[IsoflopCurve], minima: np.ndarray, tails: list[float], names: tuple[str, str, str]
) -> pd.DataFrame:
    x, y, budget = names
    low, high = np.exp(np.quantile(minima, tails, axis=0))
    return pd.DataFrame(
        {
            budget: [curve.budget for curve in curves],
            "runs": [len(curve.x) for curve in curves],
            f"{x}_first": [curve.x[0] for curve in curves],
            f"{x}_last": [curve.x[-1] for curve in curves],
            x: [curve.minimum for curve in curves],
            f"{x}_low": low,
            f"{x}_high": high,
            y: [curve.lowest for curve in curves],
            "status": [curve.status for curve in curves],
        }
    )


def _warnings(
    curves: Sequence[IsoflopCurve],
    groups: Sequence[np.ndarray],
    wide: Sequence[np.ndarray],
    names: tuple[str, str],
) -> Iterator[FitWarning]:
    x, budget = names
    narrow = len(groups) - len(wide)
    if narrow:
        yield FitWarning(
            "few_sizes",
            f"{narrow} of {len(groups)} values of {budget} have runs with fewer than {FEWEST} different {x}",
        )
    for status, why in (
        (BELOW, f"their best {x} lies below the smallest that was tried: add smaller ones"),
        (ABOVE, f"their best {x} lies above the largest that was tried: add larger ones"),
        (NONE, "y falls on both sides, or is straight: their runs do not show a minimum"),
    ):
        at = [f"{curve.budget:.4g}" for curve in curves if curve.status == status]
        if at:
            code = "no_minimum" if status == NONE else "minimum_outside_data"
            yield FitWarning(code, f"{budget} = {', '.join(at)} left out: {why}")
    if np.isnan(_noise(curves)):
        yield FitWarning(
            "noise_unknown", f"with {FEWEST} different {x} per budget the noise is unknown; add another"
        )
    inside = sum(curve.status == INSIDE for curve in curves)
    if inside < FEWEST:
        yield too_few("few_budgets", inside, f"{'minimum' if inside == 1 else 'minima'} inside the data")
