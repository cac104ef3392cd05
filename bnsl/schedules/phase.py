"""The pieces of a schedule: stretches of steps along which the rate follows one formula or a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, as_array, as_number, check_choice, check_count, reject

# Share of the way from the first rate to the last at the share u of a phase, in the functions of NumPy or of
# jax.numpy; each goes from 0 to 1.
SHAPES: dict[str, Callable[[Any, float, Any], Any]] = {
    "constant": lambda u, _, xp: 0.0 * u,
    "linear": lambda u, _, xp: u,
    "cosine": lambda u, _, xp: 0.5 * (1.0 - xp.cos(np.pi * u)),
    "sqrt": lambda u, _, xp: xp.sqrt(u),
    "inv_sqrt": lambda u, scale, xp: _inverse_root(u, scale) / _inverse_root(1.0, scale),
}
EXPONENTIAL = "exponential"
KINK = 0.01  # a turn of a logged rate, as a share of its largest value, that sums over steps are split at


@dataclass(frozen=True)
class Phase:
    """A stretch of steps along which the rate goes from one value to another by one formula.

    Attributes:
        name: "warm-up", "stable", "decay", ...
        steps: its length.
        start, end: the rate where the formula begins and where it ends.
        shape: "constant", "linear", "cosine", "sqrt", "inv_sqrt" or "exponential".
        timescale: of "inv_sqrt" (arXiv 2403.08763, section 4).
        skip: the step of the formula at which this stretch begins.
        whole: the steps that the formula takes in all; `steps` if not given.
    """

    name: str
    steps: int
    start: float
    end: float
    shape: str = "linear"
    timescale: float = 1.0
    skip: int = 0
    whole: int | None = None

    def __post_init__(self) -> None:
        check_count(self.steps, "steps")
        check_rate(self.start, "start")
        check_rate(self.end, "end")
        check_choice(self.shape, "shape", (*SHAPES, EXPONENTIAL))
        if self.shape == EXPONENTIAL and min(self.start, self.end) == 0:
            raise InputError("start and end of an exponential phase must be above 0")

    def rate(self, step: Any, xp: Any = np) -> Any:
        """The rate at steps 0 to `steps` of this phase, an array of the same shape; `xp` may be jax.numpy."""
        whole = self.steps if self.whole is None else self.whole
        u = xp.clip((xp.asarray(step) + self.skip) / max(whole, 1), 0.0, 1.0)
        if self.shape == EXPONENTIAL:
            return self.start * (self.end / self.start) ** u
        way = SHAPES[self.shape](u, self.timescale, xp)
        return self.start * (1.0 - way) + self.end * way

    def part(self, first: int, last: int) -> Phase:
        """Its steps from `first` to `last`, at the same rates."""
        if (first, last) == (0, self.steps):
            return self
        whole = self.steps if self.whole is None else self.whole
        return replace(self, steps=last - first, skip=self.skip + first, whole=whole)

    def scaled(self, factor: float) -> Phase:
        """Every rate times a factor."""
        return replace(self, start=factor * self.start, end=factor * self.end)

    @property
    def corners(self) -> np.ndarray:
        """Steps inside at which the rate turns or jumps: none."""
        return np.empty(0, int)

    def __repr__(self) -> str:
        """A call, without what is as usual."""
        entries = [repr(self.name), repr(self.steps)]
        for entry in fields(self)[2:]:
            value: Any = getattr(self, entry.name)
            if entry.name in ("start", "end", "shape") or value != entry.default:
                entries.append(f"{entry.name}={f'{value:g}' if isinstance(value, float) else repr(value)}")
        return f"Phase({', '.join(entries)})"


@dataclass(frozen=True)
class Logged:
    """A stretch of steps whose rate was logged; between two logged steps it is a straight line.

    Attributes:
        name: what it is for.
        knots: ascending steps; the first is 0 and the last is the length.
        values: the rate at each of them.
    """

    name: str
    knots: tuple[int, ...] = field(repr=False)
    values: tuple[float, ...] = field(repr=False)

    def __post_init__(self) -> None:
        knots, values = as_array(self.knots, "knots"), as_array(self.values, "values")
        if len(knots) != len(values) or knots[0] != 0 or (np.diff(knots) <= 0).any():
            raise InputError("knots must ascend from 0, with a rate in values for each of them")
        reject(values, values < 0, "values", "is negative; a learning rate is 0 or more")

    @property
    def steps(self) -> int:
        """How many steps it lasts."""
        return self.knots[-1]

    @property
    def start(self) -> float:
        """The first rate."""
        return self.values[0]

    @property
    def end(self) -> float:
        """The last rate."""
        return self.values[-1]

    def rate(self, step: Any, xp: Any = np) -> Any:
        """The rate at steps 0 to `steps` of this phase, an array of the same shape; `xp` may be jax.numpy."""
        return xp.interp(step, np.array(self.knots, float), np.array(self.values))

    def part(self, first: int, last: int) -> Logged:
        """Its steps from `first` to `last`, at the same rates."""
        knots = np.array(self.knots)
        inside = knots[(knots > first) & (knots < last)]
        at = np.concatenate([[first], inside, [last]]) if last > first else np.array([first])
        return Logged(self.name, tuple((at - first).tolist()), tuple(self.rate(at).tolist()))

    def scaled(self, factor: float) -> Logged:
        """Every rate times a factor."""
        return replace(self, values=tuple(factor * value for value in self.values))

    @property
    def corners(self) -> np.ndarray:
        """Steps inside at which the rate turns or jumps."""
        knots, values = np.array(self.knots), np.array(self.values)
        if len(knots) < 3:
            return np.empty(0, int)
        gap = np.diff(knots)
        turn = np.abs(np.diff(np.diff(values) / gap)) * np.minimum(gap[1:], gap[:-1])
        return knots[1:-1][turn > KINK * values.max()]

    def __repr__(self) -> str:
        ends = f"start={self.start:g}, end={self.end:g}"
        return f"Logged({self.name!r}, {self.steps}, {ends}, knots={len(self.knots)})"


def check_rate(value: Any, name: str) -> float:
    """`value` as a rate; InputError where it is negative or no number."""
    number = as_number(value, name)
    if number < 0:
        raise InputError(f"{name} = {number:g} is negative; a learning rate is 0 or more")
    return number


def _inverse_root(u: Any, timescale: float) -> Any:
    """h(u) of arXiv 2403.08763."""
    return (1.0 + timescale * u) ** -0.5 - 1.0
