"""The functional forms that BNSL is compared with: M1 to M3 in the notation of the benchmark.

Source: Alabdulmohsin, Neyshabur, Zhai, "Revisiting Neural Scaling Laws in Language and Vision",
NeurIPS 2022, arXiv 2209.06640, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.forms.form import Parameter, Separable
from bnsl.forms.pieces import box_of, data_range, limit_nodes, line, linear_given_limit, log_sum
from bnsl.forms.terms import FREE, PowerLaws, Powers, SumOfTerms, Term, scale


class M1(PowerLaws):
    """y = b x^(-c): the plain power law."""

    name = "m1"
    known_as = ("power_law",)
    formula = "y = b x^(-c)"
    meaning = "a straight line on log-log axes, without a limit"
    limit = None
    parameters = (scale("b"), Parameter("c"))
    powers: ClassVar[Powers] = {"b": ("c",)}
    boxes: ClassVar = {"b": FREE}

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log y is linear in (log b, c)."""
        xp = namespace(log_x, y)
        safe = xp.where(y > 0, y, xp.max(xp.abs(y), axis=-1, keepdims=True))
        target, slope = xp.log(safe)[..., None, :], xp.ones_like(y)[..., None, :]
        return linear_given_limit(log_x, 0.0 * y[..., :1], target, slope)

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c)."""
        return beta


class M2(PowerLaws):
    """y = b x^(-c) + e: a power law that falls to the limit e >= 0."""

    name = "m2"
    known_as = ("power_law_offset", "power_law_with_offset")
    formula = "y = b x^(-c) + e"
    meaning = "a power law that falls to the limit e >= 0"
    limit = "e"
    parameters = (*M1.parameters, Parameter("e", lower=0.0))
    powers: ClassVar[Powers] = M1.powers
    boxes: ClassVar = M1.boxes

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log(y - e) is linear in (log b, c)."""
        return linear_given_limit(log_x, *limit_nodes(y, weight, rising=False))

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c, e)."""
        return namespace(beta).stack([beta[..., 0], beta[..., 1], outer], axis=-1)


class M3(SumOfTerms):
    """y = b (1/x + g)^c + e: a power law, as M2, at small x, that levels off at e + b g^c beyond x = 1/g."""

    name = "m3"
    known_as = ("saturating_power_law",)
    formula = "y = b (1/x + g)^c + e"
    meaning = "a power law at x far below 1/g; beyond, it levels off at e + b g^c"
    limit = "e"
    parameters = (*M1.parameters, Parameter("g", lower=0.0), Parameter("e", lower=0.0))  # g = 0 is M2
    picks = 1

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """b (1/x + g)^c."""
        inner = log_sum(at["g"], -inputs[0])
        by = {"b": 1.0, "c": inner, "g": at["c"] * namespace(inner).exp(-inner)}
        return [Term(at["b"] + at["c"] * inner, by)]

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """b carries the units of y and of x^c, g that of 1/x."""
        shrunk = namespace(at["g"], log_s[0]).exp(-log_s[0])
        return {"b": at["b"] + log_t + at["c"] * log_s[0], "g": at["g"] * shrunk}

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """e between 0 and the largest y; 1/g no farther than a range before the data."""
        low, high = data_range(log_x, weight)
        most = namespace(log_x).exp(high - 2 * low)
        return box_of(FREE, FREE, (0.0, most), (0.0, data_range(y, weight)[1]))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable:
        """log(y - e) is linear in (log b, c) once g is given."""
        xp = namespace(log_x, y)
        low, high = data_range(log_x, weight)
        low, range_ = low[..., None], (high - low)[..., None]
        saturation = low + xp.asarray(np.linspace(0.0, 1.4, 29), dtype=log_x.dtype) * range_  # x = 1/g
        positions = xp.concat([0.0 * low, xp.exp(-saturation)], axis=-1)
        dictionary = log_sum(positions[..., None], -log_x[..., None, :])[..., None, :]
        always = line(log_x)[..., :1, :]
        nodes = limit_nodes(y, weight, rising=False)
        return Separable(*nodes, always, dictionary, positions, xp.zeros_like(low))

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """(log b, c, g, e)."""
        return namespace(beta).stack([beta[..., 0], beta[..., 1], positions[..., 0], outer], axis=-1)
