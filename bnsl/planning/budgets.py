"""A cost tied to the inputs of a table: evaluated, checked, and solved for a budget."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, told
from bnsl.planning.costs import PARAMS, TOKENS

# Other names by which tables call the two, in lower case.
ALIASES = {
    PARAMS: ("n", "parameters", "n_params", "num_params", "param_count", "model_size"),
    TOKENS: ("d", "n_tokens", "num_tokens", "train_tokens", "training_tokens", "data"),
}
GRID = 9  # values of every input at which a cost is checked
STEPS, SLACK = 90, 1e-13  # of a solution at most, and the share of a budget to which it is spent


@dataclass(frozen=True)
class BoundCost:
    """A cost tied to the inputs of a table; made by `bind`."""

    cost: Callable[..., Any]
    names: tuple[str, ...]  # the table's inputs, in order
    taken: tuple[tuple[str, str], ...]  # (argument, input) of those it takes; "" passes by position

    def __call__(self, values: Mapping[str, ArrayLike]) -> np.ndarray:
        """The cost at values of the inputs, which broadcast against each other.

        Raises InputError where it is no positive finite number.
        """
        given = {name: np.asarray(values[name], float) for _, name in self.taken}
        in_order = [given[name] for argument, name in self.taken if not argument]
        found = self.cost(*in_order, **{argument: given[name] for argument, name in self.taken if argument})
        shape = np.broadcast_shapes(*(array.shape for array in given.values()))
        try:
            result = np.broadcast_to(np.asarray(found, float), shape)
        except (TypeError, ValueError):
            raise InputError(f"{told('cost', self.cost)} must return a number per run, {shape}") from None
        bad = ~(np.isfinite(result) & (result > 0))
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            raise InputError(
                f"{told('cost', self.cost)} is {result[place]:g} at {self._at(given, place, shape)}; "
                "a cost is a positive finite number"
            )
        return result

    def check_increasing(self, bounds: Mapping[str, tuple[float, float]]) -> None:
        """Raise InputError unless the cost grows with every input that it takes, all over a box."""
        axes = {name: np.geomspace(*bounds[name], GRID) for _, name in self.taken}
        mesh = dict(zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True))
        cost = self(mesh)
        for axis, name in enumerate(axes):
            flat = np.diff(cost, axis=axis) <= 0
            if flat.any() and bounds[name][1] > bounds[name][0]:
                place = tuple(int(i) for i in np.argwhere(flat)[0])
                raise InputError(
                    f"{told('cost', self.cost)} does not grow with {name} at "
                    f"{self._at(mesh, place, cost.shape)}; a cost has to grow with every input"
                )

    def solve(
        self, name: str, budget: ArrayLike, others: Mapping[str, ArrayLike], bounds: tuple[float, float]
    ) -> np.ndarray:
        """The value of one input at which the cost is the budget; NaN where that is beyond `bounds`.

        By regula falsi in logarithms, in which most costs are all but straight, with the Illinois rule. The
        budget broadcasts against the values of the other inputs; bounds are positive.
        """
        goal = np.asarray(budget, float)
        shape = np.broadcast_shapes(goal.shape, *(np.shape(value) for value in others.values()))

        def over(at: np.ndarray) -> np.ndarray:
            return np.log(self(dict(others) | {name: np.exp(at)}) / goal)

        low, high = (np.full(shape, np.log(end)) for end in bounds)
        below, above = over(low), over(high)
        # The budget may be the cost of an end, but for rounding.
        inside = (below <= SLACK) & (above >= -SLACK)
        for step in range(STEPS):
            with np.errstate(all="ignore"):
                middle = np.where(above > below, (low * above - high * below) / (above - below), low)
            if step % 3 == 2:  # for costs that jump
                middle = 0.5 * (low + high)
            there = over(middle)
            if np.abs(there[inside]).max(initial=0.0) < SLACK:
                break
            up = there > 0
            above, below = np.where(up, there, 0.5 * above), np.where(up, 0.5 * below, there)
            high, low = np.where(up, middle, high), np.where(up, low, middle)
        return np.where(inside, np.exp(middle), np.nan)

    def _at(self, values: Mapping[str, np.ndarray], place: Sequence[int], shape: tuple[int, ...]) -> str:
        """'params = 1e+09, tokens = 2e+10' at a place of the broadcast arrays."""
        at = {name: np.broadcast_to(array, shape)[tuple(place)] for name, array in values.items()}
        return ", ".join(f"{name} = {value:.4g}" for name, value in at.items())


def bind(cost: Callable[..., Any], names: Iterable[str]) -> BoundCost:
    """A cost tied to a table's inputs: by name first, also by usual other names, then by position.

    The arguments are the cost's `inputs`, or else those of its signature without a default. `flops(6)` takes
    params and tokens from a table with the inputs ("N", "D"), and so does `lambda N, D: 6 * N * D`.

    Args:
        cost: a callable of one array per input.
        names: the table's inputs, in order.

    Raises:
        InputError: what is not callable, or takes more inputs than the table has.
    """
    known = tuple(names)
    if not callable(cost):
        raise InputError(
            f"{told('cost', cost)} must be a function of {', '.join(known)}, for example bnsl.flops(6)"
        )
    arguments = _arguments(cost)
    if arguments is None:
        return BoundCost(cost, known, tuple(("", name) for name in known))
    found = {argument: _namesake(argument, known) for argument in arguments}
    left = [name for name in known if name not in found.values()]
    missing = [argument for argument, name in found.items() if name is None]
    if len(missing) > len(left):
        raise InputError(
            f"{told('cost', cost)} takes {', '.join(arguments)}; the inputs are {', '.join(known)}, so "
            f"there is nothing for {', '.join(missing[len(left) :])}"
        )
    found |= dict(zip(missing, left, strict=False))
    return BoundCost(cost, known, tuple((argument, str(found[argument])) for argument in arguments))


def _arguments(cost: Callable[..., Any]) -> tuple[str, ...] | None:
    """The names of the inputs that a cost takes; None where it takes them by position only."""
    declared = getattr(cost, "inputs", None)
    if declared is not None:
        return tuple(map(str, declared))
    try:
        parameters = inspect.signature(cost).parameters.values()
    except (TypeError, ValueError):
        return None
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [q for q in parameters if q.default is q.empty and q.kind != q.VAR_KEYWORD]
    return tuple(q.name for q in needed) if all(q.kind in by_name for q in needed) else None


def _namesake(argument: str, names: Sequence[str]) -> str | None:
    """The input that goes by the argument's name, or by another usual name for the same."""
    same = next(
        (group for key, others in ALIASES.items() if argument.lower() in (group := (key, *others))), ()
    )
    exact = [name for name in names if name == argument]
    return next(iter([*exact, *(name for name in names if name.lower() in same)]), None)
