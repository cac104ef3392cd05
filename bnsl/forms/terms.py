"""Laws that are a limit and a few positive terms, y = E + sum_j exp(l_j), as most forms are."""

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
# Of every coefficient the exponents of its inputs; None where its term is free of one.
Powers = Mapping[str, tuple[str | None, ...]]


class Term(NamedTuple):
    """A positive term of a law: its logarithm, with the derivatives by its coordinates."""

    log: Array  # (..., N)
    by: Mapping[str, Array | float]  # (..., N) by the name of the parameter


@dataclass(frozen=True)
class SumOfTerms(Form):
    """y = limit + sum_j exp(l_j(theta, x)), with a limit >= 0, or without one.

    A subclass gives `parameters`, `terms`, `carried`, and where it can starts of its own.
    """

    limit: ClassVar[str | None] = "E"
    boxes: ClassVar[Mapping[str, tuple[float, float]]] = {}  # of coordinates that `box` does not suit

    @abc.abstractmethod
    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The terms, from the coordinates (..., 1) by name and what the form sees of each input (..., N)."""

    @abc.abstractmethod
    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """The coordinates, by name, that change in other units (`rescale`), but for the limit."""

    def box(self, name: str) -> tuple[float, float]:
        """Least and greatest value of a coordinate other than the limit, y and inputs being near 1."""
        parameter = self.parameters[self.names.index(name)]
        usual = (0.0, STEEPEST) if parameter.lower == 0 else FREE
        return self.boxes.get(name, (-WIDEST, WIDEST) if parameter.log else usual)

    def _split(self, theta: Array, log_x: Array) -> tuple[dict[str, Array], tuple[Array, ...]]:
        at = {name: theta[..., i, None] for i, name in enumerate(self.names)}
        k = len(self.inputs)
        return at, tuple(log_x[..., i] for i in range(k)) if k > 1 else (log_x,)

    def _sum(self, at: Mapping[str, Array], terms: list[Term]) -> Array:
        """log y (..., N)."""
        logs = [term.log for term in terms]
        xp = namespace(*logs)
        if self.limit is not None:
            limit = at[self.limit]
            logs = [xp.where(limit > 0, xp.log(xp.where(limit > 0, limit, 1.0)), -xp.inf), *logs]
        if len(logs) == 1:
            return logs[0]
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

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """The limit carries the unit of y, and other coordinates what `carried` says."""
        at = {name: theta[..., i] for i, name in enumerate(self.names)}
        k = len(self.inputs)
        changed = self.carried(at, tuple(log_s[..., i] for i in range(k)) if k > 1 else (log_s,), log_t)
        if self.limit is not None:
            changed[self.limit] = at[self.limit] * namespace(theta, log_t).exp(log_t)
        return stacked([changed.get(name, value) for name, value in at.items()])

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """The limit from 0 to the largest y; the others in their boxes."""
        top = data_range(y, weight)[1]
        pairs = [(0.0, top) if name == self.limit else self.box(name) for name in self.names]
        lower, upper = ([end + 0.0 * top for end in ends] for ends in zip(*pairs, strict=True))
        xp = namespace(y)
        return xp.stack(lower, axis=-1), xp.stack(upper, axis=-1)


class PowerLaws(SumOfTerms):
    """A limit and power laws, whose coefficients carry the units of their powers."""

    powers: ClassVar[Powers]

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """A term a coefficient."""
        out = []
        for coefficient, names in self.powers.items():
            log, by = at[coefficient], {coefficient: 1.0}
            for name, x in zip(names, inputs, strict=True):
                if name is not None:
                    log = log - at[name] * x
                    by[name] = -x
            out.append(Term(log, by))
        return out

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """Every coefficient makes up for the units of its inputs."""
        changed = {}
        for coefficient, names in self.powers.items():
            unit = at[coefficient] + log_t
            for name, log_unit in zip(names, log_s, strict=True):
                unit = unit if name is None else unit + at[name] * log_unit
            changed[coefficient] = unit
        return changed


def scale(name: str) -> Parameter:
    """A positive coefficient, whose unit depends on an exponent."""
    return Parameter(name, log=True, lower=0.0, mixes=True)


def mixed(name: str) -> Parameter:
    """A parameter of either sign, whose value in other units depends on other parameters."""
    return Parameter(name, mixes=True)


def exponent(name: str) -> Parameter:
    """An exponent of an input, in which y does not grow."""
    return Parameter(name, lower=0.0)


LIMIT = Parameter("E", lower=0.0)
