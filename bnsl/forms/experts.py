"""Laws of mixtures of experts: the loss by parameters, experts, and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.forms.form import Parameter
from bnsl.forms.inputs import Input
from bnsl.forms.surface_starts import EXPONENTS, TINY, grid, least_squares, non_negative
from bnsl.forms.terms import FREE, STEEPEST, WIDEST, SumOfTerms, Term, scale

LN10 = float(np.log(10.0))
STARTS_AT, ENDS_AT = (1.0, 2.0, 4.0), (100.0, 300.0, 1e3, 1e4)  # trial E_start and E_max
EXPERTS = Input("E", lower=1.0, any_unit=False, costs=False)
SATURATION = (Parameter("E_start", log=True, lower=0.0), Parameter("E_max", log=True, lower=0.0))
SATURATION_BOX = {"E_start": (np.log(0.05), np.log(50.0)), "E_max": (np.log(60.0), np.log(1e8))}


def effective_experts(log_e: Array, log_start: Array, log_max: Array) -> tuple[Array, Array, Array]:
    """log Eh and its derivatives by log E_start and log E_max (Clark et al., 2022, equation 9).

    1 / Eh = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max: from E_start for one expert to E_max for
    very many.
    """
    xp = namespace(log_e, log_start)
    start, most = xp.exp(log_start), xp.exp(log_max)
    gap = 1.0 / start - 1.0 / most
    shifted = xp.exp(log_e) - 1.0 + 1.0 / gap
    effective = 1.0 / (1.0 / shifted + 1.0 / most)
    moved = effective / (shifted * gap) ** 2
    return xp.log(effective), moved / start, effective / most - moved / most


@dataclass(frozen=True)
class Routing(SumOfTerms):
    """log10 L = a log10 N + b log10 Eh + c log10 N log10 Eh + d (Clark et al., 2022, arXiv 2202.01169).

    Equation 1 there. N is the size of the dense model, E the number of experts, Eh their effective number,
    which saturates.
    """

    name: ClassVar[str] = "routing"
    inputs = (Input("N"), EXPERTS)
    limit: ClassVar[str | None] = None
    formula: ClassVar[str] = "log10 L = a log10 N + b log10 Eh + c log10 N log10 Eh + d"
    meaning: ClassVar[str] = "routed models of N parameters times E experts, which help less and less"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """a, b, c, d, E_start, E_max."""
        return (
            Parameter("a"),
            Parameter("b", mixes=True),
            Parameter("c"),
            Parameter("d", mixes=True),
            *SATURATION,
        )

    def box(self, name: str) -> tuple[float, float]:
        """One expert counts as few, very many as at least sixty."""
        return SATURATION_BOX.get(name, FREE)

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The law itself."""
        n, log_e = inputs
        e, by_start, by_max = effective_experts(log_e, at["E_start"], at["E_max"])
        slope = at["b"] + at["c"] * n / LN10
        log = at["a"] * n + slope * e + at["d"] * LN10
        by = {"a": n, "b": e, "c": n * e / LN10, "d": LN10}
        return [Term(log, {**by, "E_start": slope * by_start, "E_max": slope * by_max})]

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """b and d make up for the unit of N; a number of experts has none."""
        at = self.coordinates(theta)
        unit = log_s[..., 0] / LN10
        return self.moved(theta, b=at["b"] - at["c"] * unit, d=at["d"] + log_t / LN10 - at["a"] * unit)

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """Linear in all but the two that say how experts saturate."""
        n, log_e = log_x.T
        ends = np.log(grid(np.array(STARTS_AT), np.array(ENDS_AT)))
        e = effective_experts(log_e, ends[:, :1], ends[:, 1:])[0]
        ones = np.ones(e.shape)
        columns = np.stack([n * ones, e, n * e / LN10, LN10 * ones], axis=1) * weight
        beta, cost = least_squares(columns, np.log(y) * weight)
        best = np.argsort(cost, kind="stable")[:count]
        return np.column_stack([beta[best], ends[best]])


@dataclass(frozen=True)
class RoutingOffset(SumOfTerms):
    """L = E0 + exp(a - alpha log N - g log E + c log N log E): five parameters, with a limit."""

    name: ClassVar[str] = "routing_offset"
    inputs = (Input("N"), EXPERTS)
    limit: ClassVar[str | None] = "E0"
    formula: ClassVar[str] = "L = E0 + exp(a - alpha log N - g log E + c log N log E)"
    meaning: ClassVar[str] = "routed models whose loss falls to a limit as they grow"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E0, a, alpha, g, c."""
        mixing = (Parameter("a", mixes=True), Parameter("alpha"), Parameter("g", mixes=True), Parameter("c"))
        return (Parameter("E0", lower=0.0), *mixing)

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The one above the limit."""
        n, e = inputs
        log = at["a"] - at["alpha"] * n - at["g"] * e + at["c"] * n * e
        return [Term(log, {"a": 1.0, "alpha": -n, "g": -e, "c": n * e})]

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """a and g make up for the unit of N."""
        at = self.coordinates(theta)
        unit = log_s[..., 0]
        return self.moved(
            theta,
            E0=at["E0"] * namespace(theta, log_t).exp(log_t),
            a=at["a"] + log_t + at["alpha"] * unit,
            g=at["g"] + at["c"] * unit,
        )

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """log(L - E0) is linear given E0."""
        n, e = log_x.T
        levels = y.min() * np.array([0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98])
        gap = y - levels[:, None]
        scaled = weight * gap / y
        columns = np.stack([np.ones(n.shape), -n, -e, n * e]) * scaled[:, None]
        beta, cost = least_squares(columns, np.log(gap) * scaled)
        best = np.argsort(cost, kind="stable")[:count]
        return np.column_stack([levels[best], beta[best]])


@dataclass(frozen=True)
class MixtureOfExperts(SumOfTerms):
    """L = a Eh^delta N^(alpha + gamma ln Eh) + b Eh^omega D^(beta + zeta ln Eh) + c.

    Ludziejewski et al., 2025, arXiv 2502.05172, equation 5, of active parameters N, tokens D and experts E;
    alpha and beta are negative where the loss falls, as there.
    """

    name: ClassVar[str] = "moe"
    known_as: ClassVar[tuple[str, ...]] = ("mixture_of_experts",)
    inputs = (Input("N"), Input("D"), EXPERTS)
    limit: ClassVar[str | None] = "c"
    formula: ClassVar[str] = "L = a Eh^delta N^(alpha + gamma ln Eh) + b Eh^omega D^(beta + zeta ln Eh) + c"
    meaning: ClassVar[str] = "mixtures of experts of N active parameters, trained on D tokens"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """c, a, b, alpha, beta, delta, omega, gamma, zeta, E_start, E_max."""
        shapes = tuple(map(Parameter, ("alpha", "beta")))
        mixing = (Parameter("delta", mixes=True), Parameter("omega", mixes=True))
        bends = tuple(map(Parameter, ("gamma", "zeta")))
        return (Parameter("c", lower=0.0), scale("a"), scale("b"), *shapes, *mixing, *bends, *SATURATION)

    def box(self, name: str) -> tuple[float, float]:
        """Exponents by which y may rise or fall."""
        if name in ("a", "b"):
            return (-WIDEST, WIDEST)
        return SATURATION_BOX.get(name, (-STEEPEST, STEEPEST))

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """That of parameters and that of tokens."""
        n, d, log_e = inputs
        e, by_start, by_max = effective_experts(log_e, at["E_start"], at["E_max"])
        out = []
        for log, level, plain, steep, bend in (
            (n, "a", "delta", "alpha", "gamma"),
            (d, "b", "omega", "beta", "zeta"),
        ):
            slope = at[plain] + at[bend] * log
            by = {level: 1.0, plain: e, steep: log, bend: e * log}
            saturation = {"E_start": slope * by_start, "E_max": slope * by_max}
            out.append(Term(at[level] + slope * e + at[steep] * log, {**by, **saturation}))
        return out

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """delta and omega make up for the units of N and D."""
        at = self.coordinates(theta)
        n, d = log_s[..., 0], log_s[..., 1]
        return self.moved(
            theta,
            c=at["c"] * namespace(theta, log_t).exp(log_t),
            a=at["a"] + log_t - at["alpha"] * n,
            b=at["b"] + log_t - at["beta"] * d,
            delta=at["delta"] - at["gamma"] * n,
            omega=at["omega"] - at["zeta"] * d,
        )

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """Chinchilla with experts that multiply parameters and tokens alike, on a grid."""
        n, d, log_e = log_x.T
        ends = np.log([2.0, 300.0])
        e = effective_experts(log_e, *ends)[0]
        helps = np.array([-0.3, -0.15, -0.05, 0.0, 0.05])
        trial = grid(EXPONENTS[1:-1:2], EXPONENTS[1:-1:2], helps, helps)
        terms = [-trial[:, :1] * n + trial[:, 2:3] * e, -trial[:, 1:2] * d + trial[:, 3:] * e]
        columns = np.exp(np.stack([np.zeros(terms[0].shape), *terms], axis=1)) * (weight / y)
        beta, cost = non_negative(columns, weight)
        best = np.argsort(cost, kind="stable")[:count]
        logs = np.log(np.maximum(beta[best, 1:], TINY))
        shapes = np.column_stack([-trial[best, :2], trial[best, 2:], np.zeros((len(best), 2))])
        return np.column_stack([beta[best, 0], logs, shapes, np.tile(ends, (len(best), 1))])
