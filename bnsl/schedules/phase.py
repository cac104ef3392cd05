"""The pieces of a schedule: stretches of steps along which the rate follows one formula or a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, as_array, as_number, check_choice, check_count, reject

# Share of the way from the first rate to the last at the share u of a phase; each goes from 0 to 1.
SHAPES: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "constant": lambda u, _: np.zeros_like(u),
    "linear": lambda u, _: u,
    "cosine": lambda u, _: 0.5 * (1.0 - np.cos(np.pi * u)),
    "sqrt": lambda u, _: np.sqrt(u),
    "inv_sqrt": lambda u, scale: _inverse_root(u, scale) / _inverse_root(np.ones(()), scale),
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
        for name in ("start", "end"):
            if as_number(getattr(self, name), name) < 0:
                raise InputError(
                    f"{name} = {getattr(self, name):g} is negative; a learning rate is 0 or more"
                )
        check_choice(self.shape, "shape", (*SHAPES, EXPONENTIAL))
        if self.shape == EXPONENTIAL and min(self.start, self.end) == 0:
            raise InputError("start and end of an exponential phase must be above 0")

    def rate(self, step: np.ndarray) -> np.ndarray:
        """The rate at steps 0 to `steps` of this phase, an array of the same shape."""
        u = (np.asarray(step, float) + self.skip) / max(self.steps if self.whole is None else self.whole, 1)
        if self.shape == EXPONENTIAL:
            return self.start * (self.end / self.start) ** u
        way = SHAPES[self.shape](u, self.timescale)
        return self.start * (1.0 - way) + self.end * way

    def part(self, first: int, last: int) -> Phase:
        """Its steps from `first` to `last`, at the same rates."""
        whole = self.steps if self.whole is None else self.whole
        if (first, last) == (0, self.steps):
            return self
        return replace(self, steps=last - first, skip=self.skip + first, whole=whole)

    @property
    def corners(self) -> np.ndarray:
        """Steps inside at which the rate turns or jumps: none."""
        return np.empty(0, int)

    def __repr__(self) -> str:
        return _brief(self)


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

    def rate(self, step: np.ndarray) -> np.ndarray:
        """The rate at steps 0 to `steps` of this phase, an array of the same shape."""
        return np.interp(step, self.knots, self.values)

    def part(self, first: int, last: int) -> Logged:
        """Its steps from `first` to `last`, at the same rates."""
        knots = np.array(self.knots)
        inside = knots[(knots > first) & (knots < last)]
        at = np.concatenate([[first], inside, [last]]) if last > first else np.array([first])
        return Logged(self.name, tuple((at - first).tolist()), tuple(self.rate(at).tolist()))

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


def _inverse_root(u: np.ndarray, timescale: float) -> np.ndarray:
    """h(u) of arXiv 2403.08763: 1 / sqrt(1 + timescale u) - 1."""
    return 1.0 / np.sqrt(1.0 + timescale * u) - 1.0


def _brief(phase: Phase) -> str:
    """A phase as a call, without what is as usual."""

    def entries() -> Iterator[str]:
        for entry in fields(phase):
            value: Any = getattr(phase, entry.name)
            if entry.name in ("name", "steps"):
                yield repr(value)
            elif entry.name in ("start", "end", "shape") or value != entry.default:
                yield f"{entry.name}={value:g}" if isinstance(value, float) else f"{entry.name}={value!r}"

    return f"Phase({', '.join(entries())})"
