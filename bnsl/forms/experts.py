"""Laws of mixtures of experts: the loss by parameters, experts, and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.forms.form import Parameter, positive
from bnsl.forms.inputs import Input
from bnsl.forms.surface_starts import EXPONENTS, best_of, grid, least_squares, sums_of_terms
from bnsl.forms.terms import STEEPEST, SumOfTerms, Term, mixed, scale

LN10 = float(np.log(10.0))
STARTS_AT, ENDS_AT = (1.0, 2.0, 4.0), (100.0, 300.0, 1e3, 1e4)  # trial E_start and E_max
EXPERTS = Input("E", lower=1.0, any_unit=False, costs=False)
SATURATION = (positive("E_start"), positive("E_max"))
# One expert counts as few, very many as at least sixty.
SATURATION_BOX = {"E_start": (np.log(0.05), np.log(50.0)), "E_max": (np.log(60.0), np.log(1e8))}
EXPONENT_NAMES = ("alpha", "beta", "delta", "omega", "gamma", "zeta")  # by which y may rise or fall


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


class Routing(SumOfTerms):
    """log10 L = a log10 N + b log10 Eh + c log10 N log10 Eh + d (Clark et al., 2022, arXiv 2202.01169).

    Equation 1 there. N is the size of the dense model, E the number of experts, Eh their effective number,
    which saturates.
    """

    name = "routing"
    inputs = (Input("N"), EXPERTS)
    limit = None
    formula = "log10 L = a log10 N + b log10 Eh + c log10 N log10 Eh + d"
    meaning = "routed models of N parameters times E experts, which help less and less"
    parameters = (Parameter("a"), mixed("b"), Parameter("c"), mixed("d"), *SATURATION)
    boxes: ClassVar = SATURATION_BOX

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The law itself."""
        n, log_e = inputs
        e, by_start, by_max = effective_experts(log_e, at["E_start"], at["E_max"])
        slope = at["b"] + at["c"] * n / LN10
        log = at["a"] * n + slope * e + at["d"] * LN10
        by = {"a": n, "b": e, "c": n * e / LN10, "d": LN10}
        return [Term(log, {**by, "E_start": slope * by_start, "E_max": slope * by_max})]

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """b and d make up for the unit of N; a number of experts has none."""
        unit = log_s[0] / LN10
        return {"b": at["b"] - at["c"] * unit, "d": at["d"] + log_t / LN10 - at["a"] * unit}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """Linear in all but the two that say how experts saturate."""
        n, log_e = log_x.T
        ends = np.log(grid(np.array(STARTS_AT), np.array(ENDS_AT)))
        e = effective_experts(log_e, ends[:, :1], ends[:, 1:])[0]
        ones = np.ones(e.shape)
        columns = np.stack([n * ones, e, n * e / LN10, LN10 * ones], axis=1) * weight
        beta, cost = least_squares(columns, np.log(y) * weight)
        return np.column_stack([beta, ends])[best_of(cost, count)]


class RoutingOffset(SumOfTerms):
    """L = E0 + exp(a - alpha log N - g log E + c log N log E): five parameters, with a limit."""

    name = "routing_offset"
    inputs = (Input("N"), EXPERTS)
    limit = "E0"
    formula = "L = E0 + exp(a - alpha log N - g log E + c log N log E)"
    meaning = "routed models whose loss falls to a limit as they grow"
    parameters = (Parameter("E0", lower=0.0), mixed("a"), Parameter("alpha"), mixed("g"), Parameter("c"))

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The one above the limit."""
        n, e = inputs
        log = at["a"] - at["alpha"] * n - at["g"] * e + at["c"] * n * e
        return [Term(log, {"a": 1.0, "alpha": -n, "g": -e, "c": n * e})]

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """a and g make up for the unit of N."""
        unit = log_s[0]
        return {"a": at["a"] + log_t + at["alpha"] * unit, "g": at["g"] + at["c"] * unit}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """log(L - E0) is linear given E0."""
        n, e = log_x.T
        levels = y.min() * np.array([0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98])
        gap = y - levels[:, None]
        scaled = weight * gap / y
        columns = np.stack([np.ones(n.shape), -n, -e, n * e]) * scaled[:, None]
        beta, cost = least_squares(columns, np.log(gap) * scaled)
        return np.column_stack([levels, beta])[best_of(cost, count)]


class MixtureOfExperts(SumOfTerms):
    """L = a Eh^delta N^(alpha + gamma ln Eh) + b Eh^omega D^(beta + zeta ln Eh) + c.

    Ludziejewski et al., 2025, arXiv 2502.05172, equation 5, of active parameters N, tokens D and experts E;
    alpha and beta are negative where the loss falls, as there.
    """

    name = "moe"
    known_as = ("mixture_of_experts",)
    inputs = (Input("N"), Input("D"), EXPERTS)
    limit = "c"
    formula = "L = a Eh^delta N^(alpha + gamma ln Eh) + b Eh^omega D^(beta + zeta ln Eh) + c"
    meaning = "mixtures of experts of N active parameters, trained on D tokens"
    parameters = (
        Parameter("c", lower=0.0),
        *map(scale, ("a", "b")),
        *map(Parameter, ("alpha", "beta")),
        *map(mixed, ("delta", "omega")),
        *map(Parameter, ("gamma", "zeta")),
        *SATURATION,
    )
    boxes: ClassVar = {**dict.fromkeys(EXPONENT_NAMES, (-STEEPEST, STEEPEST)), **SATURATION_BOX}

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """That of parameters and that of tokens."""
        n, d, log_e = inputs
        e, by_start, by_max = effective_experts(log_e, at["E_start"], at["E_max"])
        of_n, of_d = (n, "a", "delta", "alpha", "gamma"), (d, "b", "omega", "beta", "zeta")
        out = []
        for log, level, plain, steep, bend in (of_n, of_d):
            slope = at[plain] + at[bend] * log
            by = {level: 1.0, plain: e, steep: log, bend: e * log}
            saturation = {"E_start": slope * by_start, "E_max": slope * by_max}
            out.append(Term(at[level] + slope * e + at[steep] * log, {**by, **saturation}))
        return out

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """delta and omega make up for the units of N and D."""
        n, d, _ = log_s
        a, b = at["a"] + log_t - at["alpha"] * n, at["b"] + log_t - at["beta"] * d
        return {"a": a, "b": b, "delta": at["delta"] - at["gamma"] * n, "omega": at["omega"] - at["zeta"] * d}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """Chinchilla with experts that multiply parameters and tokens alike, on a grid."""
        n, d, log_e = log_x.T
        ends = np.log([2.0, 300.0])
        e = effective_experts(log_e, *ends)[0]
        helps = np.array([-0.3, -0.15, -0.05, 0.0, 0.05])
        trial = grid(EXPONENTS[1:-1:2], EXPONENTS[1:-1:2], helps, helps)
        terms = [-trial[:, :1] * n + trial[:, 2:3] * e, -trial[:, 1:2] * d + trial[:, 3:] * e]
        best, level, logs = sums_of_terms(terms, y, weight, count)
        shapes = np.column_stack([-trial[best, :2], trial[best, 2:], np.zeros((len(best), 2))])
        return np.column_stack([level, logs, shapes, np.tile(ends, (len(best), 1))])
