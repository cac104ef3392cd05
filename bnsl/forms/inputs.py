"""What a form declares about each input: its name, its scale, and its possible values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import (
    InputError,
    as_number,
    check_choice,
    check_flag,
    check_text,
    finite_inputs,
    reject,
)

SCALES = ("log", "linear")


@dataclass(frozen=True)
class Input:
    """One input of a form.

    Attributes:
        name: "x", or the symbol of the literature ("N" for parameters, "D" for tokens).
        scale: "log" if the form sees its logarithm, "linear" if it sees the value itself.
        lower: its smallest value; on a log scale it must also be above 0. A linear input may be 0.
        any_unit: whether the law keeps its form in another unit of the input. A number of experts has no
            other unit.
        costs: whether more of it takes more compute; runs are ordered by the product of these.
    """

    name: str
    scale: str = "log"
    lower: float = -np.inf
    any_unit: bool = True
    costs: bool = True

    def __post_init__(self) -> None:
        check_text(self.name, "Input: name")
        check_choice(self.scale, f"Input {self.name!r}: scale", SCALES)
        as_number(self.lower, f"Input {self.name!r}: lower", lambda value: value < np.inf)
        for name in ("any_unit", "costs"):
            check_flag(getattr(self, name), f"Input {self.name!r}: {name}")

    def __str__(self) -> str:
        return self.name

    @property
    def is_log(self) -> bool:
        """Whether the form sees the logarithm."""
        return self.scale == "log"

    def impossible(self, values: np.ndarray) -> np.ndarray:
        """Which values (N,) the input cannot have, infinite ones aside."""
        return (values < self.lower) | ((values <= 0) if self.is_log else np.zeros(values.shape, bool))

    @property
    def why(self) -> str:
        """What to say of an impossible value."""
        if self.lower > 0 or not self.is_log:
            return f"is below {self.lower:g}, the least that the input {self.name!r} of this form can be"
        return "is not positive; scaling laws are defined for x > 0 (drop step 0, or shift x)"


X = Input("x")


def inputs_of(given: tuple[str | Input, ...]) -> tuple[Input, ...]:
    """Inputs from names, which stand for inputs on a log scale, and inputs.

    Raises InputError for two of one name.
    """
    inputs = tuple(Input(entry) if isinstance(entry, str) else entry for entry in given)
    names = [entry.name for entry in inputs]
    if len(set(names)) < len(names):
        raise InputError(f"inputs {', '.join(names)}: every input needs a name of its own")
    return inputs


def seen_by_form(inputs: tuple[Input, ...], x: np.ndarray) -> np.ndarray:
    """What a form sees of x (N,) or (N, k): logarithms, and linear inputs as they are."""
    is_log = np.array([entry.is_log for entry in inputs])
    return np.log(x) if is_log.all() else np.log(x, where=is_log, out=x.copy())


def check_values(inputs: tuple[Input, ...], x: np.ndarray, labels: tuple[str, ...] = ()) -> None:
    """Raise InputError for the first value of x (N,) or (N, k) that its input cannot have.

    `labels` are the user's names of several inputs.
    """
    for k, entry in enumerate(inputs):
        column = x if x.ndim == 1 else x[:, k]
        bad = entry.impossible(column)
        if labels or x.ndim == 1:
            reject(column, bad, labels[k] if labels else "x", entry.why)
        else:
            reject(x, bad[:, None] & (np.arange(len(inputs)) == k), "x", entry.why)


def usable_inputs(x: ArrayLike, inputs: tuple[Input, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """x of any shape as (N,) or (N, k) values that the inputs can have, and the shape of the answer."""
    points, shape = finite_inputs(x, len(inputs))
    check_values(inputs, points)
    return points, shape
