"""A law of several inputs with draws from its uncertainty, and its lowest point along a budget."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from bnsl._base.checks import InputError, as_number, check_count, check_mapping, told
from bnsl._base.display import ExtrapolationWarning
from bnsl.curves.curve import Curve
from bnsl.forms.autodiff import runnable
from bnsl.forms.form import Form
from bnsl.planning.budgets import BoundCost, bind
from bnsl.planning.tables import check_inputs

BEYOND = 1e3  # times the data, so far is looked for an optimum; further if the budget is beyond the data
COARSE = 0.2  # step of log x of the first look; laws bend over wider ranges
ZOOMS, PARTS = 3, 4  # rounds that look between neighbours, and how many times finer each is
Bounds = Mapping[str, tuple[float | None, float | None]]


class Law(Protocol):
    """What decisions need of a law: a fit, or a forecast."""

    @property
    def curve(self) -> Curve:
        """The fitted points."""

    def predict(self, x: Any) -> np.ndarray:
        """y at x."""

    def posterior(self, count: int = 1000, seed: int = 0) -> list[tuple[Form, np.ndarray]]:
        """Laws as likely as the data leave them."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A law in row 0 and draws of it in the other rows, as one function."""

    law: Law
    drawn: tuple[tuple[Form, np.ndarray], ...]  # forms, and coordinates (m, p) of draws of each
    names: tuple[str, ...]  # of the inputs, in order

    @property
    def alone(self) -> Surface:
        """The law without its draws."""
        return replace(self, drawn=())

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """y (R, P) at inputs (R, P, k), or (1, P, k) for the same in every row; infinite where it is none."""
        x = x[..., 0] if len(self.names) == 1 else x  # as forms of one input take it
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", ExtrapolationWarning)  # said once, by who asks
            central = getattr(self.law, "trend", self.law.predict)  # of a forecast without what runs are off
            parts = [np.asarray(central(x[0]), float)[None]]
            start = 1
            for form, theta in self.drawn:
                of_these = x if len(x) == 1 else x[start : start + len(theta)]
                values = runnable(form).y(theta, form.seen(of_these))
                parts.append(self.law.curve.held(np.asarray(values)))
                start += len(theta)
        y = np.concatenate(parts)
        return np.where(np.isfinite(y), y, np.inf)


def surface_of(law: Law, draws: int, seed: int = 0, *, least: int = 2) -> Surface:
    """A law and so many draws of it, which may be 0.

    Raises InputError for what is no law, or one of fewer inputs than `least`.
    """
    if not (hasattr(law, "predict") and hasattr(law, "posterior") and hasattr(law, "curve")):
        raise InputError(
            f"{told('law', law)} must be what bnsl.fit returns, or bnsl.forecast of several inputs"
        )
    names = tuple(law.curve.input_names)
    if len(names) < least:
        raise InputError(
            f"law: it has one input, {names[0]}; allocating compute needs a law of two, such as "
            "bnsl.fit(frame, inputs=['params', 'tokens'], y='loss', form='chinchilla')"
        )
    count, seed = check_count(draws, "draws", 0), check_count(seed, "seed")
    drawn = tuple(law.posterior(count, seed)) if count else ()
    return Surface(law, tuple((form, np.asarray(theta, float)) for form, theta in drawn), names)


@dataclass(frozen=True, eq=False)
class Choice:
    """What is to be chosen: two inputs, at a cost, the others held."""

    cost: BoundCost  # of all inputs
    free: tuple[str, str]
    held: dict[str, Any]  # values of the others
    given: Bounds  # of the free ones, by the user
    data: Mapping[str, tuple[float, float]]  # least and greatest value of each free input
    costs: tuple[float, float]  # least and greatest cost of a run in the data

    @property
    def ratio(self) -> str:
        """The name of the second input over the first: tokens_per_param."""
        first, second = self.free
        return f"{second}_per_{first[:-1] if len(first) > 2 and first.endswith('s') else first}"

    def box(self, budget: float) -> dict[str, tuple[float, float]]:
        """Bounds of the free inputs: those given, or so far beyond the data that the best is inside."""
        less, more = max(self.costs[0] / budget, 1.0), max(budget / self.costs[1], 1.0)
        found = {}
        for name in self.free:
            low, high = self.given.get(name, (None, None))
            first, last = self.data[name]
            found[name] = (
                first / (BEYOND * less) if low is None else low,
                last * BEYOND * more if high is None else high,
            )
        return found


def choice_of(
    surface: Surface, cost: Callable[..., Any], bounds: Bounds | None, held: Mapping[str, float] | None
) -> Choice:
    """The two inputs to choose, checked.

    Raises:
        InputError: names that are no inputs, bounds the wrong way round, not two inputs left to choose, or a
            cost that does not take both or does not grow with them.
    """
    names, fixed = surface.names, check_mapping(held, "held", "from inputs to values")
    bounds = check_mapping(bounds, "bounds", "from inputs to (lower, upper)")
    bound = bind(cost, names)
    check_inputs(fixed, names, "held: ")
    check_inputs(bounds, names, "bounds: ")
    fixed = {name: as_number(value, f"held[{name!r}]") for name, value in fixed.items()}
    free = [name for name in names if name not in fixed]
    if len(free) != 2:
        raise InputError(
            f"two inputs can be chosen, and {len(free)} are left, {', '.join(free)}: hold all others, "
            f"held={{{free[-1] if free else names[-1]!r}: ...}}"
        )
    for name in (name for name in free if name not in [taken for _, taken in bound.taken]):
        raise InputError(f"{told('cost', cost)} does not depend on {name}, so any amount is free; hold it")
    low, high = surface.law.curve.x.min(axis=0), surface.law.curve.x.max(axis=0)
    data = {n: (float(a), float(b)) for n, a, b in zip(names, low, high, strict=True) if n in free}
    runs = dict(zip(names, surface.law.curve.x.T, strict=True)) | fixed
    costs = bound(runs)
    found = Choice(
        bound,
        (free[0], free[1]),
        fixed,
        {name: _ends(name, *ends) for name, ends in bounds.items() if name in free},
        data,
        (float(costs.min()), float(costs.max())),
    )
    box = found.box(float(np.sqrt(costs.min() * costs.max())))
    bound.check_increasing(box | {name: (value, value) for name, value in fixed.items()})
    return found


def _ends(name: str, low: Any, high: Any) -> tuple[float | None, float | None]:
    ends = [None if v is None else as_number(v, f"bounds[{name!r}]", lambda w: w > 0) for v in (low, high)]
    if None not in ends and not ends[0] < ends[1]:  # type: ignore[operator]
        raise InputError(f"bounds[{name!r}] = ({low!r}, {high!r}) must be (lower, higher)")
    return ends[0], ends[1]


class Path:
    """What a budget buys: the second input for every value of the first."""

    def __init__(self, choice: Choice, budget: float) -> None:
        self.choice, self.budget = choice, budget
        self.box = choice.box(budget)
        self._check_affordable()
        first, second = choice.free
        (low, high), (least, most) = self.box[first], self.box[second]
        spent = choice.cost(choice.held | {first: np.array([low, high]), second: np.array([most, least])})
        if spent[0] < budget:
            low = float(choice.cost.solve(first, budget, choice.held | {second: most}, (low, high)))
        if spent[1] > budget:
            high = float(choice.cost.solve(first, budget, choice.held | {second: least}, (low, high)))
        self.low, self.high = float(np.log(low)), float(np.log(high))
        self.grid = np.linspace(self.low, self.high, max(int((self.high - self.low) / COARSE), 4) + 2)

    def bought(self, first: np.ndarray) -> np.ndarray:
        """The second input that the rest of the budget buys."""
        name, other = self.choice.free
        least, most = self.box[other]
        beyond = (0.5 * least, 2.0 * most)  # where rounding may lead at the ends of the path
        found = self.choice.cost.solve(other, self.budget, self.choice.held | {name: first}, beyond)
        return np.clip(found, least, most)

    def points(self, u: np.ndarray) -> np.ndarray:
        """All inputs (..., k) at the logarithm of the first free one."""
        first, second = self.choice.free
        values = {first: np.exp(u), second: self.bought(np.exp(u))} | self.choice.held
        return np.stack(np.broadcast_arrays(*(values[name] for name in self.choice.cost.names)), axis=-1)

    def _check_affordable(self) -> None:
        least, most = (
            float(self.choice.cost(self.choice.held | {name: ends[end] for name, ends in self.box.items()}))
            for end in (0, 1)
        )
        if not least <= self.budget <= most:
            said = ", ".join(f"{name} from {low:.4g} to {high:.4g}" for name, (low, high) in self.box.items())
            what = "less than the smallest run costs" if self.budget < least else "more than any run can cost"
            raise InputError(f"compute = {self.budget:g} is {what} within bounds ({said})")


class Lowest(NamedTuple):
    """Where rows of a surface are lowest along a path."""

    log_first: np.ndarray  # (R,) logarithm of the first input
    at_end: np.ndarray  # (R,) whether that is the end of the path


def lowest(surface: Surface, path: Path, near: np.ndarray | None = None) -> Lowest:
    """The lowest point of every row along a path: a coarse look, finer ones, and a parabola at last.

    `near` are points (R,) that it is known to be close to.
    """
    step = float(path.grid[1] - path.grid[0])
    if near is None:
        centre = path.grid[np.argmin(surface(path.points(path.grid)[None]), axis=1)]
    else:
        centre, step = near, COARSE
    offsets = np.linspace(-1.0, 1.0, 2 * PARTS + 1)
    for _ in range(ZOOMS):
        trial = np.clip(centre[:, None] + step * offsets, path.low, path.high)
        best = np.argmin(surface(path.points(trial)), axis=1)
        centre = np.take_along_axis(trial, best[:, None], axis=1)[:, 0]
        step /= PARTS
    at_end = (centre <= path.low) | (centre >= path.high)
    trial = np.clip(centre[:, None] + step * np.array([-1.0, 0.0, 1.0]), path.low, path.high)
    before, there, after = surface(path.points(trial)).T
    with np.errstate(all="ignore"):
        move = 0.5 * step * (before - after) / (before - 2.0 * there + after)
    uneven = at_end | ~np.isfinite(move) | (trial[:, 2] - trial[:, 0] < 1.9 * step)
    return Lowest(centre + np.where(uneven, 0.0, np.clip(move, -step, step)), at_end)
