"""Parameters held at values or kept between bounds: checked, and in the coordinates of a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bnsl._base.checks import InputError, shown, suggest
from bnsl.forms.form import Form, Parameter
from bnsl.forms.registry import FORMS


class Constraints(NamedTuple):
    """What a user says of parameters, by name, as coordinates of the form."""

    held: dict[str, float]
    lower: dict[str, float]
    upper: dict[str, float]

    @property
    def names(self) -> set[str]:
        """All that are constrained."""
        return {*self.held, *self.lower, *self.upper}

    @property
    def pairs(self) -> tuple[tuple[str, float, float], ...]:
        """(name, lower, upper) of the bounded ones."""
        names = {**self.lower, **self.upper}
        return tuple((n, self.lower.get(n, -np.inf), self.upper.get(n, np.inf)) for n in names)


def fewest_breaks(fixed: Mapping | None, bounds: Mapping | None) -> int:
    """The number of breaks that the names of constrained parameters speak of."""
    names = [name for name in (*(fixed or {}), *(bounds or {})) if isinstance(name, str)]
    return max((int(name[1:]) for name in names if name[:1] in "cdf" and name[1:].isdecimal()), default=0)


def orientations(form: Form, climbs: bool, fixed: Mapping | None, bounds: Mapping | None) -> list[Form]:
    """The form, and its mirror image with b < 0 beside it, or alone where constraints ask for it.

    What is said of the limit of a curve that does not climb is meant of a law that falls to it.
    """
    mirrored = form.mirrored()
    if mirrored is None:
        return [form]
    # What is no number or no pair is refused afterwards, with its name, by `check_constraints`.
    value, pair = _number((fixed or {}).get("b")), (bounds or {}).get("b")
    low, high = map(_number, pair) if isinstance(pair, Sequence) and len(pair) == 2 else (None, None)
    if (value is not None and value < 0) or (high is not None and high <= 0):
        return [mirrored]
    if value is not None or (low is not None and low >= 0):
        return [form]
    return [form, mirrored] if climbs or not (fixed or bounds) else [form]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def check_constraints(
    form: Form, loss: str, fixed: Mapping | None, bounds: Mapping | None, called: str | None = None
) -> Constraints:
    """The constraints of a call; raises InputError, with argument and name, for those that cannot be.

    `called` is what the user called a form whose number of breaks is still to be chosen.
    """
    fixed, bounds = fixed or {}, bounds or {}
    by_name = {parameter.name: parameter for parameter in form.parameters}
    for argument, mapping in (("fixed", fixed), ("bounds", bounds)):
        for name in mapping:
            if name not in by_name:
                raise InputError(f"{argument}: {_no_parameter(form, name, called)}")
    held = {name: form.coordinate(by_name[name], value, "fixed") for name, value in fixed.items()}
    lower: dict[str, float] = {}
    upper: dict[str, float] = {}
    for name, pair in bounds.items():
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(f"bounds[{name!r}] = {shown(pair)} must be a pair (lower, upper)")
        if name in held:
            raise InputError(f"{name!r} is in fixed and in bounds; leave one out")
        ends = [
            form.coordinate(by_name[name], end, "bounds") if _binds(by_name[name], end) else None
            for end in pair
        ]
        # The coordinate of b < 0 is log|b|, which falls as b rises.
        for side, end in zip((lower, upper), ends[:: int(by_name[name].sign)], strict=True):
            if end is not None:
                side[name] = end
        if lower.get(name, -np.inf) >= upper.get(name, np.inf):
            raise InputError(f"bounds[{name!r}] = {shown(pair)}: the lower bound must be below the upper one")
    if form.signed and loss != "linear":
        limits = (("fixed", held.get("a", 0.0)), ("bounds", min(lower.get("a", 0.0), upper.get("a", 0.0))))
        for argument, value in limits:
            if value < 0:
                raise InputError(
                    f"{argument}['a']: a limit of {value:g} is impossible under loss={loss!r}, which needs a "
                    "positive law; use a >= 0, or loss='linear'"
                )
    return Constraints(held, lower, upper)


def _no_parameter(form: Form, name: str, called: str | None) -> str:
    """That a form has no parameter of this name, and which forms do."""
    others = [f"form={other!r}" for other, made in FORMS.items() if name in made().names]
    also = f"; {name!r} is one of {' and '.join(others)}" if others else suggest(name, form.names)
    return f"form {called or form.label!r} has no parameter {name!r}; it has {', '.join(form.names)}{also}"


def _binds(parameter: Parameter, end: float | None) -> bool:
    """Whether a bound says more than the parameter's own range does (0 for a logarithm does not)."""
    if end is None or (isinstance(end, float) and np.isinf(end)):
        return False
    return not (parameter.log and end == 0)


def in_units(
    form: Form,
    values: Mapping[str, float],
    default: float,
    log_s: np.ndarray,
    log_t: np.ndarray,
    shift: np.ndarray,
) -> np.ndarray:
    """Coordinates (..., p) of constraints, once x is multiplied by exp(log_s) and y - shift by exp(log_t)."""
    theta = np.array([values.get(name, 0.0) for name in form.names])
    given = np.array([name in values for name in form.names])
    if not given.any():
        return np.full(theta.shape, default)
    theta = np.array(np.broadcast_to(theta, (*np.shape(log_t), len(theta))))
    if np.any(shift):  # the limit of a signed form, its first coordinate
        theta[..., 0] -= shift
    return np.where(given, form.rescaled(theta, log_s, log_t), default)


def canonical_order(form: Form, theta: np.ndarray, constraints: Constraints) -> np.ndarray:
    """Indices (..., p) that put the breaks in the order of their positions, unless constraints name them."""
    if constraints.names & form.chained:
        return np.broadcast_to(np.arange(theta.shape[-1]), theta.shape)
    return form.canonical_order(theta)
