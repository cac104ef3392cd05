"""The best size for each compute budget from training curves: approach 1 of Hoffmann et al. (2022)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, check_count, check_name, check_share, generator
from bnsl._base.lazy import pd
from bnsl.curves.frame import as_pandas
from bnsl.planning.optimum import Optimum, line, runs_of, too_few

GRID = 400  # budgets at which the envelope is taken
FEWEST = 3  # sizes on it


@dataclass(frozen=True, eq=False, repr=False)
class LowerEnvelope(Optimum):
    """The sizes whose training curves are lowest, and their power law. Made by `bnsl.lower_envelope`.

    Its table has a row for every size on the envelope: the budgets from which to which it is best.

    Attributes:
        points: budget, best x and y along the envelope, (G, 3).
    """

    points: np.ndarray = field(repr=False)


def lower_envelope(
    frame: Any,
    x: str = "params",
    y: str = "loss",
    budget: str = "flops",
    *,
    groups: str | None = None,
    level: float = 0.9,
    replicates: int = 500,
    seed: int = 0,
) -> LowerEnvelope:
    """The best size for each compute budget, as the size whose curve of loss against compute is lowest there.

    Curves are interpolated in log budget. A budget counts only where smaller and larger sizes than the best
    were tried; otherwise the best may lie beyond them. The interval is a bootstrap of curves.

    Args:
        frame: a table with a row for every point of a curve.
        x: the column of what is to be chosen, such as parameters; one value per curve.
        y: the column of the loss.
        budget: the column of what has been spent, such as FLOPs.
        groups: the column that tells curves apart; `x` if not given, so that the ends of runs of one size and
            different lengths make a curve. That is better than the inside of one run, whose learning rate
            had not fallen yet.
        level: of the interval in the summary.
        replicates: of the bootstrap.
        seed: of its random numbers.

    Raises:
        InputError: a column that is missing or not of numbers (x and budget: positive ones), a curve of
            several x, an option out of range, or fewer than three curves.
    """
    sizes, budgets, losses = runs_of(frame, x, y, budget)
    keys = sizes if groups is None else as_pandas(frame, [check_name(groups, "groups")])[groups].to_numpy()
    check_share(level, "level")
    count, rng = check_count(replicates, "replicates", 1), generator(seed)
    size_of, curves = _curves(sizes, budgets, losses, keys, x)
    if len(np.unique(size_of)) < FEWEST:
        raise InputError(f"an envelope needs curves of {FEWEST} {x} or more; there are {len(set(size_of))}")
    grid = np.linspace(np.log(budgets.min()), np.log(budgets.max()), GRID)
    values = np.stack([np.interp(grid, *curve, left=np.inf, right=np.inf) for curve in curves])
    best = lowest_inside(values, size_of)
    on = np.flatnonzero(best >= 0)
    points = np.stack([np.exp(grid[on]), size_of[best[on]], values[best[on], on]], axis=1)
    intercept, slope = line(grid[on], np.log(points[:, 1]))
    centre = float(grid[on].mean()) if len(on) else float("nan")
    sizes_on = len(np.unique(points[:, 1]))
    what = f"{x} on the envelope with smaller and larger ones beside"
    return LowerEnvelope(
        table=_table(points, x, y, budget),
        x=x,
        y=y,
        budget=budget,
        exponent=float(slope),
        intercept=float(intercept),
        centre=centre,
        draws=_draws(values, size_of, grid, centre, rng, count),
        level=level,
        warnings=(too_few("few_sizes", sizes_on, what),) if sizes_on < FEWEST else (),
        points=points,
    )


def lowest_inside(values: np.ndarray, size_of: np.ndarray) -> np.ndarray:
    """The curve that is lowest at each place, -1 where it is the smallest or largest size that is there.

    Values (M, G) of the curves, whose sizes are (M,), are infinite where a curve is not.
    """
    best = np.argmin(values, axis=0)
    there = np.isfinite(values)
    smaller = (there & (size_of[:, None] < size_of[best])).any(axis=0)
    larger = (there & (size_of[:, None] > size_of[best])).any(axis=0)
    return np.where(smaller & larger, best, -1)


def _curves(
    sizes: np.ndarray, budgets: np.ndarray, losses: np.ndarray, keys: np.ndarray, x: str
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """The size of each curve, and its (log budget, mean y) by budget."""
    codes, names = pd.factorize(keys)
    size_of, curves = [], []
    for code, name in enumerate(names):
        mine = codes == code
        several = np.unique(sizes[mine])
        if len(several) > 1:
            raise InputError(
                f"curve {name!r} has several {x}, {several[0]:g} and {several[1]:g}; `groups` names the "
                "column that tells curves of one each"
            )
        spent, place = np.unique(budgets[mine], return_inverse=True)
        size_of.append(several[0])
        curves.append((np.log(spent), np.bincount(place, losses[mine]) / np.bincount(place)))
    return np.array(size_of), curves


def _draws(
    values: np.ndarray,
    size_of: np.ndarray,
    grid: np.ndarray,
    centre: float,
    rng: np.random.Generator,
    count: int,
) -> np.ndarray:
    """Intercepts at the centre and exponents (R, 2) of envelopes of curves drawn with replacement."""
    draws = np.full((count, 2), np.nan)
    for i in range(count):
        mine = np.unique(rng.integers(len(values), size=len(values)))
        best = lowest_inside(values[mine], size_of[mine])
        on = np.flatnonzero(best >= 0)
        log_x = np.log(size_of[mine][best[on]])
        if len(np.unique(log_x)) > 1:
            intercept, slope = line(grid[on], log_x)
            draws[i] = intercept + slope * (centre - grid[on].mean()), slope
    known = draws[np.isfinite(draws).all(axis=1)]
    return known if len(known) > count // 2 else np.full((1, 2), np.nan)


def _table(points: np.ndarray, x: str, y: str, budget: str) -> pd.DataFrame:
    """A row a size on the envelope, from small to large."""
    rows = pd.DataFrame(points, columns=[budget, x, y]).groupby(x)
    return rows.agg(
        **{
            f"{budget}_first": (budget, "min"),
            f"{budget}_last": (budget, "max"),
            f"{y}_first": (y, "max"),
            f"{y}_last": (y, "min"),
        }
    ).reset_index()
