"""Where to put the compute: the best inputs for every budget, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import check_count, check_tails
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd
from bnsl.curves.curve import FAR
from bnsl.planning.costs import flops
from bnsl.planning.surface import Bounds, Choice, Law, Path, Surface, choice_of, lowest, surface_of
from bnsl.planning.tables import budgets_of, tabled, with_ends, with_notes

SIX_N_D = flops(6.0)
MOVE = 0.1  # of log compute, between which an exponent is a difference
FLAT = 0.01  # share of the best loss within which others are as good
WIDE = 10.0  # range of the first input within that, from which on the optimum is called flat
FAR_BUDGET = 100.0  # times the cost of the data: as far as both inputs are 10 times beyond
AHEAD = 10.0  # times the dearest run, to which a frontier is drawn if no compute is named
POINTS = 60
AROUND = 30.0  # times the best size, to which sizes are drawn without bounds


class Best(NamedTuple):
    """The best of one budget, by the law and its draws."""

    budget: float
    # By name, each (R,): the two inputs, their ratio, y, and d log first / d log budget, NaN at an end.
    columns: dict[str, np.ndarray]
    flat: tuple[float, float]  # least and greatest first input whose y is within `FLAT` of the lowest
    at_end: bool  # whether the law is lowest at the end of what is possible


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
    budgets, tails = budgets_of(compute), check_tails(level)
    surface = surface_of(law, draws, seed)
    choice = choice_of(surface, cost, bounds, held)
    found = [best_of(surface, choice, budget) for budget in budgets]
    table = tabled({"compute": budgets}, [best.columns for best in found], tails)
    low, high = np.transpose([best.flat for best in found])
    table = table.assign(**{f"{choice.free[0]}_flat_low": low, f"{choice.free[0]}_flat_high": high})
    return with_notes(table, list(_notes(found, choice, law)))


def best_of(surface: Surface, choice: Choice, budget: float) -> Best:
    """The best of one budget, for the law and every draw."""
    path = Path(choice, budget)
    best = lowest(surface, path)
    beside = []
    for side in (-MOVE, MOVE):
        other = Path(choice, budget * np.exp(side))
        beside.append(lowest(surface, other, np.clip(best.log_first + 0.5 * side, other.low, other.high)))
    slope = (beside[1].log_first - beside[0].log_first) / (2.0 * MOVE)
    at_end = best.at_end | beside[0].at_end | beside[1].at_end
    first = np.exp(best.log_first)
    second = path.bought(first)
    y = surface(path.points(best.log_first[:1])[None])[:, 0]
    columns = {
        choice.free[0]: first,
        choice.free[1]: second,
        choice.ratio: second / first,
        surface.law.curve.y_label: y,
        "exponent": np.where(at_end, np.nan, slope),
    }
    return Best(budget, columns, _flat(surface, path, best.log_first[0], y[0]), bool(best.at_end[0]))


def _flat(surface: Surface, path: Path, best: float, y: float) -> tuple[float, float]:
    """The range of the first input within which the law is at most `FLAT` above its lowest."""
    limit = y + FLAT * abs(y)
    ends = []
    for end in (path.low, path.high):
        u = np.linspace(best, end, 400)
        over = np.flatnonzero(surface.alone(path.points(u)[None])[0] > limit)
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
    budgets, tails = budgets_of(compute), check_tails(level)
    count = check_count(points, "points", 2)
    surface = surface_of(law, draws, seed)
    choice = choice_of(surface, cost, bounds, held)
    parts = []
    for budget in budgets:
        path = Path(choice, budget)
        middle = lowest(surface.alone, path).log_first[0]
        reach = np.inf if choice.given else np.log(AROUND)
        u = np.linspace(max(path.low, middle - reach), min(path.high, middle + reach), count)
        y = surface(path.points(u)[None])
        least = surface(path.points(np.array([middle]))[None])[0, 0]
        first, second = np.exp(u), path.bought(np.exp(u))
        columns = {"compute": np.full(count, budget), choice.free[0]: first, choice.free[1]: second}
        columns |= {choice.ratio: second / first, **with_ends(law.curve.y_label, y, tails)}
        parts.append(pd.DataFrame(columns | {"excess": y[0] / least - 1.0}))
    return pd.concat(parts, ignore_index=True)


def _notes(found: Sequence[Best], choice: Choice, law: Law) -> Iterator[FitWarning]:
    first, (low, high) = choice.free[0], choice.costs
    far = [best for best in found if not _within(best.budget, choice.costs, FAR_BUDGET)]
    if far:
        yield FitWarning(
            "budget_outside_data",
            f"{_said(far)} is over {FAR_BUDGET:g} times beyond the runs, which cost {low:.3g} to {high:.3g}; "
            "a break in between cannot be foreseen",
        )
    inside = [best for best in found if not best.at_end]
    for name, ends in choice.data.items():
        out = [best for best in inside if not _within(best.columns[name][0], ends, FAR)]
        if out:
            yield FitWarning(
                "optimum_outside_data",
                f"{_said(out)}: the best {name} lies over {FAR:g} times beyond the data ({ends[0]:.3g} to "
                f"{ends[1]:.3g}), so it depends on the form of the law",
            )
    yield from _notes_on_ends([best for best in found if best.at_end], choice)
    flat = [best for best in inside if best.flat[1] > WIDE * best.flat[0]]
    if flat:
        low, high = flat[0].flat
        which = " (at the first of them)" if len(flat) > 1 else ""
        yield FitWarning(
            "flat_optimum",
            f"{_said(flat)}: the loss is within {FLAT:.0%} of the best for {first} from {low:.3g} to "
            f"{high:.3g}{which}; choose among these for other reasons",
        )
    lost = tuple(getattr(law, "undetermined", ()))
    if lost:
        text = f"the data do not determine {', '.join(lost)}, and the intervals ignore that"
        yield FitWarning("not_determined", text)


def _notes_on_ends(at_end: Sequence[Best], choice: Choice) -> Iterator[FitWarning]:
    if at_end and choice.given:
        text = "the loss is lowest at the end of the bounds, and would be lower beyond them"
        yield FitWarning("optimum_at_bounds", f"{_said(at_end)}: {text}")
    elif at_end:
        text = f"this law has no best {choice.free[0]}, since one input has no effect"
        where = "the loss is lowest at the end of the search range"
        yield FitWarning("no_optimum", f"{_said(at_end)}: {where}: {text}")


def _within(value: float, ends: tuple[float, float], factor: float) -> bool:
    return ends[0] / factor <= value <= ends[1] * factor


def _said(some: Sequence[Best]) -> str:
    """Which budgets."""
    last = f" to {some[-1].budget:.4g}" if len(some) > 1 else ""
    return f"compute = {some[0].budget:.4g}{last}"
