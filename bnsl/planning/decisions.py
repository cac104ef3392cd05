"""The gain from more of an input, and the price of leaving the optimum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_number, check_count, check_mapping, check_tails
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd
from bnsl.planning.allocation import FAR_BUDGET, SIX_N_D
from bnsl.planning.surface import Bounds, Choice, Law, Path, Surface, choice_of, lowest, surface_of
from bnsl.planning.tables import check_inputs, rows_of, tabled, with_ends, with_notes

DECADES = (3.0, 12.0)  # below the compute of a run, in which the optimum with its loss is looked for,
PER_DECADE = 8  # at so many budgets
ENOUGH = 0.999  # share of draws whose loss the budgets of the first look must reach
SPAN = 3.0  # times the data, to which contours go


def runs_frame(law: Law) -> pd.DataFrame:
    """The fitted points as a table, inputs and y under their names."""
    curve = law.curve
    return pd.DataFrame(curve.x.reshape(len(curve.y), -1), columns=list(curve.input_names)).assign(
        **{curve.y_label: curve.y}
    )


def contours(law: Law, points: int = 60) -> pd.DataFrame:
    """Predicted y over a grid of two inputs, from a third of the smallest in the data to 3 times the largest.

    Args:
        law: a fit, or a forecast, of two inputs.
        points: values of each input, evenly spaced in its logarithm.

    Returns:
        One row per value of the first input (the index), one column per value of the second.
        `bnsl.plot_contours` draws the same with the runs.

    Raises:
        InputError: a law of another number of inputs.
    """
    surface = surface_of(law, 0)
    if len(surface.names) != 2:
        raise InputError(f"law: contours need two inputs, and it has {', '.join(surface.names)}")
    count = check_count(points, "points", 2)
    axes = [np.geomspace(v.min() / SPAN, v.max() * SPAN, count) for v in law.curve.x.T]
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    y = surface(mesh.reshape(1, -1, 2))[0].reshape(count, count)
    index, columns = (pd.Index(v, name=n) for v, n in zip(axes, surface.names, strict=True))
    return pd.DataFrame(y, index=index, columns=columns)


def gain(
    law: Law,
    factors: Mapping[str, ArrayLike] | None = None,
    /,
    *,
    at: Mapping[str, float] | None = None,
    level: float = 0.8,
    draws: int = 1000,
    seed: int = 0,
    **more: ArrayLike,
) -> pd.DataFrame:
    """How much y falls with more of an input: `gain(law, tokens=10)` for ten times the tokens.

    Args:
        law: a fit, or a forecast.
        factors: by what each input is multiplied, one number or several; other inputs stay. They may also be
            given by name.
        at: inputs to start from; the run with the most compute in the data if not given.
        level: probability of the intervals, between 0 and 1.
        draws: number of laws drawn from the uncertainty of the fit; 0 for no intervals.
        seed: of the random numbers.
        **more: factors by name.

    Returns:
        One row per factor, with the factors, the inputs after, y before and after (`loss_before`, `loss`) and
        by what it falls (`gain`), each with the ends of its interval.

    Raises:
        InputError: a name that is no input, a factor that is not positive, or no factor.
    """
    surface = surface_of(law, draws, seed, least=1)
    tails, names = check_tails(level), surface.names
    given = check_mapping(factors, "factors", "from inputs to factors") | more
    origin = check_mapping(at, "at", "from inputs to values")
    if not given:
        raise InputError(f"gain needs a factor of an input, such as {names[-1]}=10")
    check_inputs([*given, *origin], names)
    columns = rows_of(given, "is not positive; it multiplies the input")
    last = law.curve.x.reshape(len(law.curve), -1)[np.argmax(law.curve.effort)]
    start = {n: as_number(origin.get(n, v), f"at[{n!r}]") for n, v in zip(names, last, strict=True)}
    count = len(next(iter(columns.values())))
    after = {name: start[name] * columns.get(name, np.ones(count)) for name in names}
    before = surface(np.array([[list(start.values())]]))
    y = surface(np.stack(list(after.values()), axis=-1)[None])
    label = law.curve.y_label
    table = {f"{name}_factor": values for name, values in columns.items()} | after
    table |= with_ends(f"{label}_before", np.repeat(before, count, axis=1), tails)
    return pd.DataFrame(table | with_ends(label, y, tails) | with_ends("gain", before - y, tails))


def overtraining(
    law: Law,
    compute: ArrayLike | None = None,
    cost: Callable[..., Any] = SIX_N_D,
    *,
    bounds: Bounds | None = None,
    held: Mapping[str, float] | None = None,
    level: float = 0.8,
    draws: int = 1000,
    seed: int = 0,
    **given: ArrayLike,
) -> pd.DataFrame:
    """The price of training beyond, or short of, the compute-optimal number of tokens.

    Args:
        law: a fit, or a forecast.
        compute: cost of the run, one or several; not needed if both inputs are given.
        cost: of a run, as for `allocate`.
        bounds: of inputs, as for `allocate`.
        held: values of inputs that are not chosen, as for `allocate`.
        level: probability of the intervals, between 0 and 1.
        draws: number of laws drawn from the uncertainty of the fit; 0 for no intervals.
        seed: of the random numbers.
        **given: inputs of the run by name: `params=8e9` (the rest of the compute goes into tokens), or
            `params=8e9, tokens=15e12`.

    Returns:
        One row per run, with compute, the two inputs, their ratio and what that is at the optimum; loss,
        loss_best of the optimum for the same compute, extra (loss - loss_best), compute_best, for which the
        optimum has the loss of the run, and extra_compute, compute over compute_best; with the ends of
        intervals.

    Raises:
        InputError: as `allocate`; inputs that the compute does not pay for; neither one input and compute nor
            both inputs.
    """
    surface, tails = surface_of(law, draws, seed), check_tails(level)
    choice = choice_of(surface, cost, bounds, held)
    runs = _runs(choice, compute, given)
    columns = runs | {choice.ratio: runs[choice.free[1]] / runs[choice.free[0]]}
    rows = [_overtrained(surface, choice, *run) for run in zip(*runs.values(), strict=True)]
    far = runs["compute"][runs["compute"] > FAR_BUDGET * choice.costs[1]]
    text = f"is over {FAR_BUDGET:g} times that of the most expensive run"
    notes = [FitWarning("budget_outside_data", f"compute = {far[0]:.4g} {text}")] if len(far) else []
    return with_notes(tabled(columns, rows, tails), notes)


def _runs(choice: Choice, compute: ArrayLike | None, given: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """Compute and the two inputs of every run, (B,)."""
    check_inputs(given, choice.free, what="input to choose")
    first, second = choice.free
    if len(given) + (compute is not None) != 2:
        raise InputError(
            f"give compute and one of {first} and {second}, such as {first}=8e9, compute=1e23, or both inputs"
        )
    values = rows_of(given if compute is None else {"compute": compute, **given})
    if compute is None:
        values["compute"] = choice.cost(choice.held | values)
    for name, other in ((first, second), (second, first)):
        if name not in values:
            low, high = choice.data[name]
            others = choice.held | {other: values[other]}
            values[name] = choice.cost.solve(name, values["compute"], others, (low * 1e-9, high * 1e9))
            lost = np.flatnonzero(np.isnan(values[name]))
            if len(lost):
                budget, run = values["compute"][lost[0]], values[other][lost[0]]
                raise InputError(f"compute = {budget:g} does not pay for {other} = {run:g} and any {name}")
    return {name: values[name] for name in ("compute", first, second)}


def _overtrained(
    surface: Surface, choice: Choice, budget: float, first: float, second: float
) -> dict[str, np.ndarray]:
    """Loss of a run and of the optimum, and for what compute the optimum has the loss of the run, (R,)."""
    inputs = choice.held | {choice.free[0]: first, choice.free[1]: second}
    loss = surface(np.array([[[inputs[name] for name in surface.names]]]))[:, 0]
    path = Path(choice, budget)
    best = np.exp(lowest(surface, path).log_first)
    for decades in DECADES:
        below = np.linspace(-decades * np.log(10.0), 0.0, int(decades * PER_DECADE) + 1)
        log_budgets = np.log(budget) + below
        least = best_losses(surface, choice, log_budgets)
        if (loss <= least[:, 0]).mean() > ENOUGH:
            break
    least[:, -1] = np.minimum(least[:, -1], loss)
    equal = np.exp(budget_of(loss, log_budgets, least))
    label = surface.law.curve.y_label
    return {
        f"{choice.ratio}_best": path.bought(best) / best,
        label: loss,
        f"{label}_best": least[:, -1],
        "extra": loss - least[:, -1],
        "compute_best": equal,
        "extra_compute": budget / equal,
    }


def best_losses(surface: Surface, choice: Choice, log_budgets: np.ndarray) -> np.ndarray:
    """The lowest y (R, B) of every row for every budget."""
    found = []
    for log_budget in log_budgets:
        path = Path(choice, float(np.exp(log_budget)))
        place = lowest(surface, path).log_first[:, None]
        found.append(surface(path.points(place))[:, 0])
    return np.stack(found, axis=1)


def budget_of(y: np.ndarray, log_budgets: np.ndarray, least: np.ndarray) -> np.ndarray:
    """The logarithm of the budget (R,) for which the lowest is y (R,); at an end of the budgets beyond it.

    On cubics through the budgets (Hermite's, with slopes of differences), by bisection.
    """
    slopes = np.gradient(least, log_budgets, axis=1, edge_order=2)
    rows = np.arange(len(y))
    place = np.clip(np.sum(least > y[:, None], axis=1) - 1, 0, len(log_budgets) - 2)
    width = log_budgets[1] - log_budgets[0]
    y0, y1 = least[rows, place], least[rows, place + 1]
    m0, m1 = width * slopes[rows, place], width * slopes[rows, place + 1]
    low, high = np.zeros(len(y)), np.ones(len(y))
    for _ in range(50):
        t = 0.5 * (low + high)
        value = y0 + t * (m0 + t * (3 * (y1 - y0) - 2 * m0 - m1 + t * (m0 + m1 - 2 * (y1 - y0))))
        low, high = np.where(value > y, t, low), np.where(value > y, high, t)
    return log_budgets[place] + width * high
