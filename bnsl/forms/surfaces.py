"""Laws of parameters N and tokens D: Chinchilla and similar ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.forms.form import Parameter, positive
from bnsl.forms.inputs import Input
from bnsl.forms.surface_starts import (
    EXPONENTS,
    FEW_EXPONENTS,
    LIMITS,
    POWERS,
    best_of,
    grid,
    power_sums,
    powers_of_sums,
    sums_of_terms,
)
from bnsl.forms.terms import LIMIT, STEEPEST, PowerLaws, Powers, SumOfTerms, Term, exponent, mixed, scale

N_AND_D = (Input("N"), Input("D"))


def _added(first: Array, second: Array) -> tuple[Array, Array, Array]:
    """log(exp(first) + exp(second)), and the shares of both."""
    xp = namespace(first, second)
    both = xp.logaddexp(first, second)
    return both, xp.exp(first - both), xp.exp(second - both)


class Chinchilla(PowerLaws):
    """L = E + A / N^alpha + B / D^beta (Hoffmann et al., 2022, arXiv 2203.15556, approach 3)."""

    name = "chinchilla"
    known_as = ("hoffmann",)
    inputs = N_AND_D
    formula = "L = E + A / N^alpha + B / D^beta"
    meaning = "a limit, and a power law each of parameters and tokens"
    parameters = (LIMIT, scale("A"), scale("B"), exponent("alpha"), exponent("beta"))
    powers: ClassVar[Powers] = {"A": ("alpha", None), "B": (None, "beta")}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """The best of a grid of exponents."""
        return np.column_stack(power_sums(log_x, y, weight, grid(EXPONENTS, EXPONENTS), count))


class ChinchillaTied(PowerLaws):
    """L = E + A / N^alpha + B / D^alpha: one exponent (Gadre et al., 2024, arXiv 2403.08540, equation 4).

    As a function of compute C = 6 N D and over-training M = D / N it is E + (a M^eta + b M^-eta) C^-eta, with
    eta = alpha / 2.
    """

    name = "chinchilla_tied"
    known_as = ("tied", "overtraining")
    inputs = N_AND_D
    formula = "L = E + A / N^alpha + B / D^alpha"
    meaning = "Chinchilla with one exponent, as fitted to over-trained models"
    parameters = (LIMIT, scale("A"), scale("B"), exponent("alpha"))
    powers: ClassVar[Powers] = {"A": ("alpha", None), "B": (None, "alpha")}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """The best of the exponents tried."""
        both = np.repeat(np.geomspace(0.01, 3.0, 40)[:, None], 2, axis=1)
        return np.column_stack(power_sums(log_x, y, weight, both, count))[:, :-1]


class Interaction(PowerLaws):
    """L = E + A / N^alpha + B / D^beta + C / (N^gamma D^delta): Chinchilla with a term of both."""

    name = "interaction"
    inputs = N_AND_D
    formula = "L = E + A / N^alpha + B / D^beta + C / (N^gamma D^delta)"
    meaning = "Chinchilla with a term in which parameters and tokens stand in for each other"
    parameters = (LIMIT, *map(scale, "ABC"), *map(exponent, ("alpha", "beta", "gamma", "delta")))
    powers: ClassVar[Powers] = {"A": ("alpha", None), "B": (None, "beta"), "C": ("gamma", "delta")}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """The third term beside the best exponents of the first two, and beside none of them."""
        few = np.concatenate([[0.0], FEW_EXPONENTS])
        pairs = power_sums(log_x, y, weight, grid(EXPONENTS, EXPONENTS), 6)[2]
        pairs = np.concatenate([pairs, grid(FEW_EXPONENTS, FEW_EXPONENTS)])
        trial = np.array([(*p, *q) for p in pairs for q in grid(few, few)[1:]])
        n, d = log_x.T
        terms = [-trial[:, :1] * n, -trial[:, 1:2] * d, -trial[:, 2:3] * n - trial[:, 3:] * d]
        best, level, logs = sums_of_terms(terms, y, weight, count)
        return np.column_stack([level, logs, trial[best]])


class Bilinear(SumOfTerms):
    """L = E + A / N^alpha + B / D^(beta + gamma log N): larger models learn more, or less, from a token.

    Give D in single tokens: in another unit this is another law, since D = 1 is where N changes nothing. The
    unit is therefore kept, and fits whose D looks like millions or billions carry the warning `unit_matters`.
    """

    name = "bilinear"
    inputs = (Input("N"), Input("D", any_unit=False))
    formula = "L = E + A / N^alpha + B / D^(beta + gamma log N)"
    meaning = "Chinchilla whose exponent of tokens is linear in the logarithm of parameters"
    # beta is that of the unit of N, and may be anything.
    parameters = (LIMIT, scale("A"), scale("B"), exponent("alpha"), mixed("beta"), Parameter("gamma"))
    boxes: ClassVar = {"B": (-100.0, 100.0)}

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """A N^-alpha and B D^-(beta + gamma log N)."""
        n, d = inputs
        second = at["B"] - (at["beta"] + at["gamma"] * n) * d
        return [
            Term(at["A"] - at["alpha"] * n, {"A": 1.0, "alpha": -n}),
            Term(second, {"B": 1.0, "beta": -d, "gamma": -n * d}),
        ]

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """beta is the exponent at N = 1, and moves with the unit of N; D has one unit."""
        n = log_s[0]
        first, second = at["A"] + log_t + at["alpha"] * n, at["B"] + log_t
        return {"A": first, "B": second, "beta": at["beta"] - at["gamma"] * n}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """On a grid of alpha, the exponent of D at the middle N, and gamma."""
        n, d = log_x.T
        middle, shift = np.median(n), np.mean(d)
        trial = grid(EXPONENTS[::2], EXPONENTS[1::2], np.array([-0.05, -0.02, 0.0, 0.02, 0.05]))
        terms = [-trial[:, :1] * n, -(trial[:, 1:2] + trial[:, 2:] * (n - middle)) * (d - shift)]
        best, level, logs = sums_of_terms(terms, y, weight, count)
        (first, second), (alpha, slope, gamma) = logs.T, trial[best].T
        # exp(-(slope + gamma (n - middle)) (d - shift)) leaves a power of N besides, gamma shift, which the
        # steps that follow make up for.
        return np.column_stack([level, first, second + slope * shift, alpha, slope - gamma * middle, gamma])


class Skaling(SumOfTerms):
    """L = E + (A / N^alpha + B / D^beta)^k (arXiv 2608.07222): Chinchilla at k = 1, max() as k falls to 0."""

    name = "skaling"
    inputs = N_AND_D
    formula = "L = E + (A / N^alpha + B / D^beta)^k"
    meaning = "parameters and tokens as bottlenecks of each other, the more so the smaller k"
    parameters = (*Chinchilla.parameters, positive("k"))
    # From a k so small that the law is max() to one so large that it is a product.
    boxes: ClassVar = {"k": (np.log(0.05), np.log(10.0))}

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The k-th power of the sum."""
        n, d = inputs
        power = namespace(at["k"]).exp(at["k"])
        both, one, two = _added(at["A"] - at["alpha"] * n, at["B"] - at["beta"] * d)
        slopes = {"A": power * one, "B": power * two, "alpha": -power * one * n, "beta": -power * two * d}
        return [Term(power * both, {**slopes, "k": power * both})]

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """A and B carry the k-th root of the unit of y."""
        root = log_t * namespace(at["k"], log_t).exp(-at["k"])
        return {"A": at["A"] + root + at["alpha"] * log_s[0], "B": at["B"] + root + at["beta"] * log_s[1]}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """On grids of k, E and exponents, given which the law is linear."""
        trial = grid(EXPONENTS[1:-1:2], EXPONENTS[1:-1:2])
        level, coefficients, steep, power = powers_of_sums(log_x, y, weight, POWERS, LIMITS, trial, count)
        return np.column_stack([level, coefficients, np.minimum(steep, STEEPEST), np.log(power)])


class Kaplan(SumOfTerms):
    """L = ((Nc / N)^(alpha_N / alpha_D) + Dc / D)^alpha_D (Kaplan et al., 2020, arXiv 2001.08361)."""

    name = "kaplan"
    inputs = N_AND_D
    limit = None
    formula = "L = ((Nc / N)^(alpha_N / alpha_D) + Dc / D)^alpha_D"
    meaning = "parameters and tokens as bottlenecks of each other, without a limit"
    parameters = (scale("Nc"), scale("Dc"), positive("alpha_N"), positive("alpha_D"))
    # The scales are those at which the loss is 1, far beyond the data.
    boxes: ClassVar = {
        **dict.fromkeys(("Nc", "Dc"), (-400.0, 400.0)),
        **dict.fromkeys(("alpha_N", "alpha_D"), (np.log(1e-3), np.log(STEEPEST))),
    }

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The law itself."""
        n, d = inputs
        xp = namespace(n, at["Nc"])
        of_n, of_d = xp.exp(at["alpha_N"]), xp.exp(at["alpha_D"])
        first = of_n / of_d * (at["Nc"] - n)
        both, one, two = _added(first, at["Dc"] - d)
        by = {"Nc": of_n * one, "Dc": of_d * two, "alpha_N": of_d * one * first}
        return [Term(of_d * both, {**by, "alpha_D": of_d * (both - one * first)})]

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """Nc and Dc carry the unit of their input, and a root of that of y."""
        xp = namespace(at["Nc"])
        return {
            "Nc": at["Nc"] + log_s[0] + log_t * xp.exp(-at["alpha_N"]),
            "Dc": at["Dc"] + log_s[1] + log_t * xp.exp(-at["alpha_D"]),
        }

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """On a grid of alpha_D and the ratio, given which the law is linear."""
        parts = []
        for of_d in EXPONENTS[:-1]:
            pairs = np.column_stack([EXPONENTS, np.full(len(EXPONENTS), of_d)])
            parts.append(powers_of_sums(log_x, y, weight, (float(of_d),), (0.0,), pairs, 3))
        _, logs, steep, power = (np.concatenate(part) for part in zip(*parts, strict=True))
        of_n = steep[:, 0] * power
        theta = np.column_stack([logs[:, 0] / steep[:, 0], logs[:, 1], np.log(of_n), np.log(power)])
        misfit = (self.log_y(theta, log_x) - np.log(y)) * weight
        return np.asarray(theta[best_of(np.sum(misfit**2, axis=-1), count)])
