"""Where to put the compute: the best inputs for every budget, with intervals."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import as_array, check_count, check_positive, check_share
from bnsl._base.display import ExtrapolationWarning, FitWarning
from bnsl.curves.curve import FAR
from bnsl.planning.costs import flops
from bnsl.planning.surface import Bounds, Choice, Law, Path, Surface, choice_of, lowest, surface_of

if TYPE_CHECKING:
    import pandas as pd

SIX_N_D = flops(6.0)
MOVE = 0.1  # of log compute, between which an exponent is a difference
FLAT = 0.01  # share of the best loss within which others are as good
WIDE = 10.0  # range of the first input within that, from which on the optimum is called flat
FAR_BUDGET = 100.0  # times the cost of the data: as far as both inputs are 10 times beyond
AHEAD = 10.0  # times the dearest run, to which a frontier is drawn if no compute is named
POINTS = 60
UNSURE = {"optimum_outside_data", "budget_outside_data", "no_optimum"}  # issued as warnings of Python, too


class Optimum(NamedTuple):
    """The best of one budget, by the law and its draws.

    Attributes:
        budget: what is spent.
        first, second: the two inputs, (R,).
        y: the law and its draws where the law is lowest, (R,).
        exponent: d log first / d log budget, (R,); NaN at the end of the path.
        flat: least and greatest first input whose y is within `FLAT` of the lowest.
        at_end: whether the law is lowest at the end of what is possible.
    """

    budget: float
    first: np.ndarray
    second: np.ndarray
    y: np.ndarray
    exponent: np.ndarray
    flat: tuple[float, float]
    at_end: bool


def allocate(
    law: Law,
    compute: ArrayLike,
    cost: Callable[..., Any] = SIX_N_D,
    *,
    bounds: Bounds | None = None,
    held: Mapping[str, float] | None = None,
    level: float = 0.8,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """The inputs of lowest loss for every compute budget, with intervals.

    Args:
        law: a fit, or a forecast, of several inputs such as params and tokens.
        compute: budgets, one or several (B,), in the unit of the cost.
        cost: of a run, a function of the inputs that grows with both: `bnsl.flops(6)`, 6 N D,
            `bnsl.transformer_flops()`, `bnsl.lifetime_flops(tokens)`, or one of your own, such as
            `lambda params, tokens: ...`.
        bounds: (least, greatest) of an input, None for no bound: {"tokens": (None, 15e12)}.
        held: values of inputs that are not chosen, such as {"unique_tokens": 1e11}; two are left to choose.
        level: probability of the intervals, between 0 and 1.
        draws: number of laws drawn from the uncertainty of the fit; 0 for no intervals.
        seed: of the random numbers.

    Returns:
        One row per budget, with the columns compute, the two inputs (params, tokens), their ratio
        (tokens_per_param), loss (by its name in the fit) and exponent, d log params / d log compute, each
        with the ends `_low` and `_high` of its interval; and params_flat_low and params_flat_high, between
        which the loss is within 1 % of the best. The interval of the loss does not include the noise of a
        measurement. `attrs["warnings"]` has (code, message) pairs: optimum_outside_data, budget_outside_data,
        no_optimum (issued, too), optimum_at_bounds, flat_optimum, not_determined.

    Raises:
        InputError: (a ValueError) a law of one input, budgets that are not positive or cannot be spent within
            the bounds, names that are no inputs, a cost that does not grow with both inputs.
    """
    budgets = as_budgets(compute)
    share, surface = check_share(level, "level"), surface_of(law, draws, seed)
    choice = choice_of(surface, cost, bounds, held)
    found = [best_of(surface, choice, budget) for budget in budgets]
    table = _table(found, choice, law.curve.y_label, share)
    return with_notes(table, list(_notes(found, choice, law)))


def best_of(surface: Surface, choice: Choice, budget: float) -> Optimum:
    """The best of one budget, for the law and every draw."""
    path = Path(choice, budget, surface.names)
    best = lowest(surface, path)
    ends = []
    for side in (-MOVE, MOVE):
        beside = Path(choice, budget * np.exp(side), surface.names)
        near = np.clip(best.log_first + 0.5 * side, beside.low, beside.high)
        ends.append(lowest(surface, beside, near))
    exponent = (ends[1].log_first - ends[0].log_first) / (2.0 * MOVE)
    exponent = np.where(best.at_end | ends[0].at_end | ends[1].at_end, np.nan, exponent)
    first = np.exp(best.log_first)
    second = np.exp(path.log_second(best.log_first))
    second[0] = path.bought(first[0])
    y = surface(path.points(best.log_first[:1])[None])[:, 0]
    return Optimum(
        budget,
        first,
        second,
        y,
        exponent,
        _flat(surface, path, best.log_first[0], y[0]),
        bool(best.at_end[0]),
    )


def _flat(surface: Surface, path: Path, best: float, y: float) -> tuple[float, float]:
    """The range of the first input within which the law is at most `FLAT` above its lowest."""
    alone = Surface(surface.law, (), surface.names)
    limit = y + FLAT * abs(y)
    ends = []
    for end in (path.low, path.high):
        u = np.linspace(best, end, 400)
        over = np.flatnonzero(alone(path.points(u)[None])[0] > limit)
        ends.append(float(np.exp(u[over[0] - 1] if len(over) and over[0] else u[-1])))
    return ends[0], ends[1]


def frontier(
    law: Law,
    compute: ArrayLike | None = None,
    cost: Callable[..., Any] = SIX_N_D,
    *,
    bounds: Bounds | None = None,
    held: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """The compute-optimal frontier: the best inputs and loss over a range of compute.

    Args:
        law: a fit, or a forecast, of several inputs.
        compute: budgets (B,); if not given, 60 from the cheapest run to 10 times the most expensive.
        cost: of a run, as for `allocate`.
        bounds: of inputs, as for `allocate`.
        held: values of inputs that are not chosen, as for `allocate`.

    Returns:
        One row per budget, with the columns of `allocate` without intervals. `plot_contours` draws it.

    Raises:
        InputError: as `allocate`.
    """
    if compute is None:
        surface = surface_of(law, 0)
        low, high = choice_of(surface, cost, bounds, held).costs
        compute = np.geomspace(low, AHEAD * high, POINTS)
    return allocate(law, compute, cost, bounds=bounds, held=held, draws=0)


def isoflop(
    law: Law,
    compute: ArrayLike,
    cost: Callable[..., Any] = SIX_N_D,
    *,
    bounds: Bounds | None = None,
    held: Mapping[str, float] | None = None,
    points: int = POINTS,
    level: float = 0.8,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Loss against size along each budget.

    Args:
        law: a fit, or a forecast, of several inputs.
        compute: budgets (B,).
        cost: of a run, as for `allocate`.
        bounds: of inputs, as for `allocate`.
        held: values of inputs that are not chosen, as for `allocate`.
        points: sizes per budget, evenly spaced in log size; without bounds up to a factor of 30 from the
            best.
        level: probability of the intervals, between 0 and 1.
        draws: number of laws drawn from the uncertainty of the fit; 0 for no intervals.
        seed: of the random numbers.

    Returns:
        One row per size, with the columns compute, the two inputs, their ratio, loss and its ends, and
        excess: the loss over that of the best, less 1.

    Raises:
        InputError: as `allocate`.
    """
    import pandas as pd

    budgets, share = as_budgets(compute), check_share(level, "level")
    count = check_count(points, "points", 2)
    surface = surface_of(law, draws, seed)
    choice = choice_of(surface, cost, bounds, held)
    parts = []
    for budget in budgets:
        path = Path(choice, budget, surface.names)
        middle = lowest(Surface(law, (), surface.names), path).log_first[0]
        around = (max(path.low, middle - np.log(30.0)), min(path.high, middle + np.log(30.0)))
        start, end = (path.low, path.high) if choice.given else around
        u = np.linspace(start, end, count)
        y = surface(path.points(u)[None])
        first, second = np.exp(u), path.bought(np.exp(u))
        least = surface(path.points(np.array([middle]))[None])[0, 0]
        columns = {"compute": np.full(count, budget), choice.free[0]: first, choice.free[1]: second}
        columns[ratio_name(choice)] = second / first
        columns |= with_ends(law.curve.y_label, y, share)
        parts.append(pd.DataFrame(columns | {"excess": y[0] / least - 1.0}))
    return pd.concat(parts, ignore_index=True)


# --- what these tables share ----------------------------------------------------------------------


def as_budgets(compute: ArrayLike) -> np.ndarray:
    """Budgets (B,), checked."""
    budgets = as_array(np.atleast_1d(np.asarray(compute)) if np.ndim(compute) == 0 else compute, "compute")
    check_positive(budgets, "compute", "is not positive; nothing can be bought for it")
    return budgets


def ratio_name(choice: Choice) -> str:
    """The name of the second input over the first: tokens_per_param."""
    first, second = choice.free
    return f"{second}_per_{first[:-1] if len(first) > 2 and first.endswith('s') else first}"


def with_ends(name: str, values: np.ndarray, level: float) -> dict[str, np.ndarray]:
    """Columns of a number (B,) and its interval, from values (R, B) of the law and its draws.

    Draws lie to one side of a law at a bound of its parameters; the interval then begins, or ends, there.
    """
    found = {name: values[0]}
    if len(values) > 1:
        ends = [0.5 - 0.5 * level, 0.5 + 0.5 * level]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of budgets without a single number
            low, high = np.nanquantile(values[1:], ends, axis=0)
        found[f"{name}_low"], found[f"{name}_high"] = np.fmin(low, values[0]), np.fmax(high, values[0])
    return found


def with_notes(table: pd.DataFrame, notes: Sequence[FitWarning], stacklevel: int = 3) -> pd.DataFrame:
    """The table with its warnings, of which those that say not to rely on it are issued."""
    table.attrs["warnings"] = tuple(notes)
    for note in notes:
        if note.code in UNSURE:
            warnings.warn(f"{note.code}: {note.message}", ExtrapolationWarning, stacklevel=stacklevel)
    return table


def _table(found: Sequence[Optimum], choice: Choice, y: str, level: float) -> pd.DataFrame:
    import pandas as pd

    first, second, loss, exponent = (
        np.stack([getattr(best, name) for best in found], axis=1)
        for name in ("first", "second", "y", "exponent")
    )
    columns = {"compute": np.array([best.budget for best in found])}
    for name, values in (
        (choice.free[0], first),
        (choice.free[1], second),
        (ratio_name(choice), second / first),
        (y, loss),
        ("exponent", exponent),
    ):
        columns |= with_ends(name, values, level)
    for end, values in zip(("low", "high"), zip(*(best.flat for best in found), strict=True), strict=True):
        columns[f"{choice.free[0]}_flat_{end}"] = np.array(values)
    return pd.DataFrame(columns)


def _notes(found: Sequence[Optimum], choice: Choice, law: Law) -> Iterator[FitWarning]:
    first = choice.free[0]
    far = [best.budget for best in found if not _within(best.budget, choice.costs, FAR_BUDGET)]
    if far:
        yield FitWarning(
            "budget_outside_data",
            f"compute = {_listed(far)} is over {FAR_BUDGET:g} times beyond the runs, which cost "
            f"{choice.costs[0]:.3g} to {choice.costs[1]:.3g}; a break in between cannot be foreseen",
        )
    inside = [best for best in found if not best.at_end]
    for place, name in enumerate(choice.free):
        values = [(best.first, best.second)[place][0] for best in inside]
        out = [b for b, v in zip(inside, values, strict=True) if not _within(v, choice.data[name], FAR)]
        if out:
            low, high = choice.data[name]
            yield FitWarning(
                "optimum_outside_data",
                f"compute = {_listed([best.budget for best in out])}: the best {name} lies over {FAR:g} "
                f"times beyond the data ({low:.3g} to {high:.3g}), so it depends on the form of the law",
            )
    at_end = [best for best in found if best.at_end]
    if at_end:
        said = f"compute = {_listed([best.budget for best in at_end])}: the loss is lowest at the end of "
        if choice.given:
            text = f"{said}the bounds, and would be lower beyond them"
            yield FitWarning("optimum_at_bounds", text)
        else:
            text = f"{said}the search range: this law has no best {first}, since one input has no effect"
            yield FitWarning("no_optimum", text)
    flat = [best for best in inside if best.flat[1] > WIDE * best.flat[0]]
    if flat:
        low, high = flat[0].flat
        yield FitWarning(
            "flat_optimum",
            f"compute = {_listed([best.budget for best in flat])}: the loss is within {FLAT:.0%} of the best "
            f"for {first} from {low:.3g} to {high:.3g}"
            f"{' (at the first of them)' if len(flat) > 1 else ''}; choose among these for other reasons",
        )
    lost = tuple(getattr(law, "undetermined", ()))
    if lost:
        text = f"the data do not determine {', '.join(lost)}, and the intervals ignore that"
        yield FitWarning("not_determined", text)


def _within(value: float, ends: tuple[float, float], factor: float) -> bool:
    return ends[0] / factor <= value <= ends[1] * factor


def _listed(values: Sequence[float]) -> str:
    return f"{values[0]:.4g}" if len(values) == 1 else f"{values[0]:.4g} to {values[-1]:.4g}"
