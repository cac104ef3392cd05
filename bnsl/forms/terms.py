"""Laws that are a limit and a few positive terms, y = E + sum_j exp(l_j), as most of several inputs are."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.forms.form import Form, Parameter
from bnsl.forms.pieces import data_range, stacked

FREE = (-np.inf, np.inf)
STEEPEST = 8.0  # exponents of positive terms are sought from 0 to here
WIDEST = 40.0  # logarithms of coefficients are sought so far from log y, y and inputs being near 1


class Term(NamedTuple):
    """A positive term of a law: its logarithm, with the derivatives by its coordinates."""

    log: Array  # (..., N)
    by: Mapping[str, Array | float]  # (..., N) by the name of the parameter


@dataclass(frozen=True)
class SumOfTerms(Form):
    """y = limit + sum_j exp(l_j(theta, x)), with a limit >= 0 as the first coordinate, or without one.

    A subclass gives `parameters`, `terms`, `rescale`, `box`, and where it can starts of its own.
    """

    limit: ClassVar[str | None] = "E"

    @abc.abstractmethod
    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The terms, from the coordinates (..., 1) by name and what the form sees of each input (..., N)."""

    def box(self, name: str) -> tuple[float, float]:
        """Least and greatest value of a coordinate other than the limit, y and inputs being near 1."""
        return FREE

    def _split(self, theta: Array, log_x: Array) -> tuple[dict[str, Array], tuple[Array, ...]]:
        at = {name: theta[..., i, None] for i, name in enumerate(self.names)}
        k = len(self.inputs)
        return at, tuple(log_x[..., i] for i in range(k)) if k > 1 else (log_x,)

    def _sum(self, at: Mapping[str, Array], terms: list[Term]) -> Array:
        """log y (..., N)."""
        xp = namespace(*(term.log for term in terms))
        logs = [term.log for term in terms]
        if self.limit is not None:
            limit = at[self.limit]
            logs = [xp.where(limit > 0, xp.log(xp.where(limit > 0, limit, 1.0)), -xp.inf), *logs]
        top = logs[0]
        for log in logs[1:]:
            top = xp.maximum(top, log)
        safe = xp.where(xp.isfinite(top), top, 0.0)
        return safe + xp.log(sum(xp.exp(log - safe) for log in logs))

    def log_y(self, theta: Array, log_x: Array) -> Array:
        """The logarithm of the sum."""
        at, inputs = self._split(theta, log_x)
        return self._sum(at, self.terms(at, inputs))

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y, and the shares of the terms in y times their derivatives."""
        at, inputs = self._split(theta, log_x)
        terms = self.terms(at, inputs)
        log_y = self._sum(at, terms)
        xp = namespace(log_y)
        rows = {name: xp.zeros_like(log_y) for name in self.names}
        if self.limit is not None:
            rows[self.limit] = xp.exp(-log_y)
        for term in terms:
            share = xp.exp(term.log - log_y)
            for name, slope in term.by.items():
                rows[name] = rows[name] + share * slope
        return log_y, xp.stack([rows[name] for name in self.names], axis=-2)

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """The limit from 0 to the largest y; the others in their boxes."""
        xp = namespace(y)
        top = data_range(y, weight)[1]
        boxes = [self.box(name) for name in self.names]
        lower = [
            0.0 * top + (0.0 if name == self.limit else box[0])
            for name, box in zip(self.names, boxes, strict=True)
        ]
        upper = [
            top if name == self.limit else 0.0 * top + box[1]
            for name, box in zip(self.names, boxes, strict=True)
        ]
        return xp.stack(lower, axis=-1), xp.stack(upper, axis=-1)

    def moved(self, theta: Any, **changed: Any) -> Any:
        """Coordinates (..., p) with some of them, by name, replaced."""
        return stacked([changed.get(name, theta[..., i]) for i, name in enumerate(self.names)])

    def coordinates(self, theta: Any) -> dict[str, Any]:
        """The coordinates (...,) by name."""
        return {name: theta[..., i] for i, name in enumerate(self.names)}


def scale(name: str) -> Parameter:
    """A positive coefficient, whose unit depends on an exponent."""
    return Parameter(name, log=True, lower=0.0, mixes=True)


def exponent(name: str) -> Parameter:
    """An exponent of an input, in which y does not grow."""
    return Parameter(name, lower=0.0)


LIMIT = Parameter("E", lower=0.0)
