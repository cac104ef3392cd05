"""Laws of parameters N and tokens D: Chinchilla and similar ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.forms.form import Parameter
from bnsl.forms.inputs import Input
from bnsl.forms.surface_starts import (
    EXPONENTS,
    FEW_EXPONENTS,
    LIMITS,
    POWERS,
    TINY,
    grid,
    non_negative,
    power_sums,
    powers_of_sums,
)
from bnsl.forms.terms import FREE, LIMIT, STEEPEST, WIDEST, SumOfTerms, Term, exponent, scale

N_AND_D = (Input("N"), Input("D"))
# Of every coefficient the exponents of its inputs; None where its term is free of one.
Powers = Mapping[str, tuple[str | None, ...]]


def power_law(log_scale: Array, steepness: Array, log_x: Array, names: tuple[str, str]) -> Term:
    """The term B x^-e, by the coordinates log B and e, of these names."""
    return Term(log_scale - steepness * log_x, {names[0]: 1.0, names[1]: -log_x})


class _Boxed(SumOfTerms):
    """Exponents between 0 and STEEPEST, coefficients wherever they matter."""

    def box(self, name: str) -> tuple[float, float]:
        """By what kind of a parameter it is."""
        parameter = self.parameters[self.names.index(name)]
        if parameter.log:
            return (-WIDEST, WIDEST)
        return (0.0, STEEPEST) if parameter.lower == 0 else FREE


class _PowerLaws(_Boxed):
    """E and power laws, whose coefficients carry the units of their powers."""

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

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """Every coefficient makes up for the units of its inputs."""
        at = self.coordinates(theta)
        changed = {"E": at["E"] * namespace(theta, log_t).exp(log_t)}
        for coefficient, names in self.powers.items():
            changed[coefficient] = at[coefficient] + log_t
            for i, name in enumerate(names):
                if name is not None:
                    changed[coefficient] = changed[coefficient] + at[name] * log_s[..., i]
        return self.moved(theta, **changed)


@dataclass(frozen=True)
class Chinchilla(_PowerLaws):
    """L = E + A / N^alpha + B / D^beta (Hoffmann et al., 2022, arXiv 2203.15556, approach 3)."""

    name: ClassVar[str] = "chinchilla"
    known_as: ClassVar[tuple[str, ...]] = ("hoffmann",)
    inputs = N_AND_D
    formula: ClassVar[str] = "L = E + A / N^alpha + B / D^beta"
    powers: ClassVar[Powers] = {"A": ("alpha", None), "B": (None, "beta")}
    meaning: ClassVar[str] = "a limit, and a power law each of parameters and tokens"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, B, alpha, beta."""
        return (LIMIT, scale("A"), scale("B"), exponent("alpha"), exponent("beta"))

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """The best of a grid of exponents."""
        level, coefficients, steep = power_sums(log_x, y, weight, grid(EXPONENTS, EXPONENTS), count)
        return np.column_stack([level, coefficients, steep])


@dataclass(frozen=True)
class ChinchillaTied(_PowerLaws):
    """L = E + A / N^alpha + B / D^alpha: one exponent (Gadre et al., 2024, arXiv 2403.08540, equation 4).

    As a function of compute C = 6 N D and over-training M = D / N it is E + (a M^eta + b M^-eta) C^-eta, with
    eta = alpha / 2.
    """

    name: ClassVar[str] = "chinchilla_tied"
    known_as: ClassVar[tuple[str, ...]] = ("tied", "overtraining")
    inputs = N_AND_D
    formula: ClassVar[str] = "L = E + A / N^alpha + B / D^alpha"
    powers: ClassVar[Powers] = {"A": ("alpha", None), "B": (None, "alpha")}
    meaning: ClassVar[str] = "Chinchilla with one exponent, as fitted to over-trained models"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, B, alpha."""
        return (LIMIT, scale("A"), scale("B"), exponent("alpha"))

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """The best of the exponents tried."""
        both = np.repeat(np.geomspace(0.01, 3.0, 40)[:, None], 2, axis=1)
        level, coefficients, steep = power_sums(log_x, y, weight, both, count)
        return np.column_stack([level, coefficients, steep[:, 0]])


@dataclass(frozen=True)
class Interaction(_PowerLaws):
    """L = E + A / N^alpha + B / D^beta + C / (N^gamma D^delta): Chinchilla with a term of both."""

    name: ClassVar[str] = "interaction"
    inputs = N_AND_D
    formula: ClassVar[str] = "L = E + A / N^alpha + B / D^beta + C / (N^gamma D^delta)"
    powers: ClassVar[Powers] = {"A": ("alpha", None), "B": (None, "beta"), "C": ("gamma", "delta")}
    meaning: ClassVar[str] = "Chinchilla with a term in which parameters and tokens stand in for each other"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, B, C, alpha, beta, gamma, delta."""
        return (
            LIMIT,
            scale("A"),
            scale("B"),
            scale("C"),
            *map(exponent, ("alpha", "beta", "gamma", "delta")),
        )

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """The third term beside the best exponents of the first two, and beside none of them."""
        few = np.concatenate([[0.0], FEW_EXPONENTS])
        pairs = power_sums(log_x, y, weight, grid(EXPONENTS, EXPONENTS), 6)[2]
        pairs = np.concatenate([pairs, grid(FEW_EXPONENTS, FEW_EXPONENTS)])
        trial = np.array([(*p, *q) for p in pairs for q in grid(few, few)[1:]])
        n, d = log_x.T
        terms = [-trial[:, :1] * n, -trial[:, 1:2] * d, -trial[:, 2:3] * n - trial[:, 3:] * d]
        columns = np.stack([np.zeros(terms[0].shape), *terms], axis=1)
        beta, cost = non_negative(np.exp(columns) * (weight / y), weight)
        best = np.argsort(cost, kind="stable")[:count]
        return np.column_stack([beta[best, 0], np.log(np.maximum(beta[best, 1:], TINY)), trial[best]])


@dataclass(frozen=True)
class Bilinear(_Boxed):
    """L = E + A / N^alpha + B / D^(beta + gamma log N): larger models learn more, or less, from a token.

    Give D in single tokens: in another unit this is another law, since D = 1 is where N changes nothing. The
    unit is therefore kept, and fits whose D looks like millions or billions carry the warning `unit_matters`.
    """

    name: ClassVar[str] = "bilinear"
    inputs = (Input("N"), Input("D", any_unit=False))
    formula: ClassVar[str] = "L = E + A / N^alpha + B / D^(beta + gamma log N)"
    meaning: ClassVar[str] = "Chinchilla whose exponent of tokens is linear in the logarithm of parameters"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, B, alpha, beta, gamma."""
        return (
            LIMIT,
            scale("A"),
            scale("B"),
            exponent("alpha"),
            Parameter("beta", mixes=True),
            Parameter("gamma"),
        )

    def box(self, name: str) -> tuple[float, float]:
        """beta is that of the unit of N, and may be anything."""
        return {"B": (-100.0, 100.0)}.get(name, super().box(name))

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """A N^-alpha and B D^-(beta + gamma log N)."""
        n, d = inputs
        second = at["B"] - (at["beta"] + at["gamma"] * n) * d
        return [
            power_law(at["A"], at["alpha"], n, ("A", "alpha")),
            Term(second, {"B": 1.0, "beta": -d, "gamma": -n * d}),
        ]

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """beta is the exponent at N = 1, and moves with the unit of N; D has one unit."""
        at = self.coordinates(theta)
        return self.moved(
            theta,
            E=at["E"] * namespace(theta, log_t).exp(log_t),
            A=at["A"] + log_t + at["alpha"] * log_s[..., 0],
            B=at["B"] + log_t,
            beta=at["beta"] - at["gamma"] * log_s[..., 0],
        )

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """On a grid of alpha, the exponent of D at the middle N, and gamma."""
        n, d = log_x.T
        middle = np.median(n)
        trial = grid(EXPONENTS[::2], EXPONENTS[1::2], np.array([-0.05, -0.02, 0.0, 0.02, 0.05]))
        shift = np.mean(d)
        terms = [-trial[:, :1] * n, -(trial[:, 1:2] + trial[:, 2:] * (n - middle)) * (d - shift)]
        columns = np.stack([np.zeros(terms[0].shape), *terms], axis=1)
        beta, cost = non_negative(np.exp(columns) * (weight / y), weight)
        best = np.argsort(cost, kind="stable")[:count]
        first, second = np.log(np.maximum(beta[best, 1:], TINY)).T
        alpha, slope, gamma = trial[best].T
        at_one = slope - gamma * middle
        # exp(-(slope + gamma (n - middle)) (d - shift)) leaves a power of N besides, gamma shift, which the
        # steps that follow make up for.
        return np.column_stack([beta[best, 0], first, second + slope * shift, alpha, at_one, gamma])


@dataclass(frozen=True)
class Skaling(_Boxed):
    """L = E + (A / N^alpha + B / D^beta)^k (arXiv 2608.07222): Chinchilla at k = 1, max() as k falls to 0."""

    name: ClassVar[str] = "skaling"
    inputs = N_AND_D
    formula: ClassVar[str] = "L = E + (A / N^alpha + B / D^beta)^k"
    meaning: ClassVar[str] = "parameters and tokens as bottlenecks of each other, the more so the smaller k"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, B, alpha, beta, k."""
        return (
            LIMIT,
            scale("A"),
            scale("B"),
            exponent("alpha"),
            exponent("beta"),
            Parameter("k", log=True, lower=0.0),
        )

    def box(self, name: str) -> tuple[float, float]:
        """k so small that the law is max(), or so large that it is a product."""
        return (np.log(0.05), np.log(10.0)) if name == "k" else super().box(name)

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The k-th power of the sum."""
        return [_power_of_sum(at, inputs, namespace(at["k"]).exp(at["k"]))]

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """A and B carry the k-th root of the unit of y."""
        xp = namespace(theta, log_t)
        at = self.coordinates(theta)
        root = log_t * xp.exp(-at["k"])
        return self.moved(
            theta,
            E=at["E"] * xp.exp(log_t),
            A=at["A"] + root + at["alpha"] * log_s[..., 0],
            B=at["B"] + root + at["beta"] * log_s[..., 1],
        )

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """On grids of k, E and exponents, given which the law is linear."""
        trial = grid(EXPONENTS[1:-1:2], EXPONENTS[1:-1:2])
        level, coefficients, steep, power = powers_of_sums(log_x, y, weight, POWERS, LIMITS, trial, count)
        return np.column_stack([level, coefficients, np.minimum(steep, STEEPEST), np.log(power)])


def _power_of_sum(at: Mapping[str, Array], inputs: tuple[Array, ...], power: Array) -> Term:
    """(A N^-alpha + B D^-beta)^k by log A, log B, alpha, beta and log k."""
    n, d = inputs
    xp = namespace(n, power)
    first, second = at["A"] - at["alpha"] * n, at["B"] - at["beta"] * d
    both = xp.logaddexp(first, second)
    one, two = xp.exp(first - both), xp.exp(second - both)
    slopes = {"A": power * one, "B": power * two, "alpha": -power * one * n, "beta": -power * two * d}
    return Term(power * both, {**slopes, "k": power * both})


@dataclass(frozen=True)
class Kaplan(_Boxed):
    """L = ((Nc / N)^(alpha_N / alpha_D) + Dc / D)^alpha_D (Kaplan et al., 2020, arXiv 2001.08361)."""

    name: ClassVar[str] = "kaplan"
    inputs = N_AND_D
    limit: ClassVar[str | None] = None
    formula: ClassVar[str] = "L = ((Nc / N)^(alpha_N / alpha_D) + Dc / D)^alpha_D"
    meaning: ClassVar[str] = "parameters and tokens as bottlenecks of each other, without a limit"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Nc, Dc, alpha_N, alpha_D."""
        steep = (Parameter("alpha_N", log=True, lower=0.0), Parameter("alpha_D", log=True, lower=0.0))
        return (scale("Nc"), scale("Dc"), *steep)

    def box(self, name: str) -> tuple[float, float]:
        """The scales are those at which the loss is 1, far beyond the data."""
        return (-400.0, 400.0) if name in ("Nc", "Dc") else (np.log(1e-3), np.log(STEEPEST))

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The law itself."""
        n, d = inputs
        xp = namespace(n, at["Nc"])
        of_n, of_d = xp.exp(at["alpha_N"]), xp.exp(at["alpha_D"])
        ratio = of_n / of_d
        first, second = ratio * (at["Nc"] - n), at["Dc"] - d
        both = xp.logaddexp(first, second)
        one, two = xp.exp(first - both), xp.exp(second - both)
        slopes = {
            "Nc": of_n * one,
            "Dc": of_d * two,
            "alpha_N": of_d * one * first,
            "alpha_D": of_d * (both - one * first),
        }
        return [Term(of_d * both, slopes)]

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """Nc and Dc carry the unit of their input, and a root of that of y."""
        xp = namespace(theta)
        at = self.coordinates(theta)
        return self.moved(
            theta,
            Nc=at["Nc"] + log_s[..., 0] + log_t * xp.exp(-at["alpha_N"]),
            Dc=at["Dc"] + log_s[..., 1] + log_t * xp.exp(-at["alpha_D"]),
        )

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """On a grid of alpha_D and the ratio, given which the law is linear."""
        parts = []
        for of_d in EXPONENTS[:-1]:
            pairs = np.column_stack([EXPONENTS, np.full(len(EXPONENTS), of_d)])
            parts.append(powers_of_sums(log_x, y, weight, (float(of_d),), (0.0,), pairs, 3))
        _, coefficients, steep, power = (np.concatenate(part) for part in zip(*parts, strict=True))
        of_n = steep[:, 0] * power
        theta = np.column_stack(
            [coefficients[:, 0] / steep[:, 0], coefficients[:, 1], np.log(of_n), np.log(power)]
        )
        misfit = (self.log_y(theta, log_x) - np.log(y)) * weight
        best = np.argsort(np.sum(misfit**2, axis=-1), kind="stable")[:count]
        return np.asarray(theta[best])
