"""The law of repeated data (Muennighoff et al., 2023, arXiv 2305.16264): what another epoch is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.forms.form import positive
from bnsl.forms.inputs import Input
from bnsl.forms.surface_starts import best_of, grid, sums_of_terms
from bnsl.forms.surfaces import Chinchilla
from bnsl.forms.terms import SumOfTerms, Term

WORTH = (0.5, 2.0, 6.0, 20.0, 100.0, 1e4)  # trial R_D and R_N
SLOPES = np.array([0.1, 0.2, 0.3, 0.36, 0.45, 0.6, 0.9])


class DataConstrained(SumOfTerms):
    """L = E + A / N'^alpha + B / D'^beta, of parameters N, tokens seen D, and unique tokens U.

    Repeated tokens are worth less and less, and so are parameters beyond those that U unique tokens call for
    (equations 5 and 6, and appendix A of the paper):

        D' = U + U R_D (1 - exp(-(D/U - 1) / R_D)),   N' = V + V R_N (1 - exp(-(N/V - 1) / R_N)),
        V = min(N, N*(U)),   N*(U) = G (U G)^(beta / alpha),   G = (alpha A / (beta B))^(1 / (alpha + beta)).

    The paper calls R_D and R_N R_D* and R_N*. Where U exceeds D nothing is repeated, and U counts as D.
    """

    name = "data_constrained"
    known_as = ("repeated_data",)
    inputs = (Input("N", any_unit=False), Input("D", any_unit=False), Input("U", any_unit=False, costs=False))
    formula = "L = E + A / N'^alpha + B / D'^beta"
    meaning = "Chinchilla of N' and D', what N and D are worth on U unique tokens"
    parameters = (*Chinchilla.parameters, positive("R_D"), positive("R_N"))
    # A repetition is worth between next to nothing and as much as new data.
    boxes: ClassVar = {
        **dict.fromkeys(("alpha", "beta"), (1e-3, 4.0)),
        **dict.fromkeys(("R_D", "R_N"), (np.log(1e-2), np.log(1e6))),
    }

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """A N'^-alpha and B D'^-beta."""
        n, d, u = inputs
        xp = namespace(n)
        u = xp.minimum(u, d)
        worth_d, _, by_r_d = _worth(xp.exp(d - u) - 1.0, at["R_D"])
        log_d = u + worth_d
        alpha, beta = at["alpha"], at["beta"]
        log_g = (xp.log(alpha) + at["A"] - xp.log(beta) - at["B"]) / (alpha + beta)
        called_for = log_g + (u + log_g) * beta / alpha
        base = xp.minimum(n, called_for)
        repeated = xp.exp(n - base) - 1.0
        worth_n, by_repeats, by_r_n = _worth(repeated, at["R_N"])
        log_n = base + worth_n
        by_base = xp.where(n > called_for, 1.0 - (repeated + 1.0) * by_repeats, 0.0)
        by_g = by_base * (1.0 + beta / alpha) / (alpha + beta)
        by_alpha = by_g * (1.0 / alpha - log_g) - by_base * (u + log_g) * beta / alpha**2
        by_beta = by_g * (-1.0 / beta - log_g) + by_base * (u + log_g) / alpha
        of_n = {
            "A": 1.0 - alpha * by_g,
            "B": alpha * by_g,
            "alpha": -log_n - alpha * by_alpha,
            "beta": -alpha * by_beta,
            "R_N": -alpha * by_r_n,
        }
        of_d = {"B": 1.0, "beta": -log_d, "R_D": -beta * by_r_d}
        return [Term(at["A"] - alpha * log_n, of_n), Term(at["B"] - beta * log_d, of_d)]

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """Inputs keep their units, since U and D share one."""
        return {"A": at["A"] + log_t, "B": at["B"] + log_t}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """E, A and B by linear least squares on a grid of the others, N* first as if N' were N."""
        n, d, u = log_x.T
        u, trial = np.minimum(u, d), grid(SLOPES, SLOPES)
        found, costs = [], []
        for r_d in WORTH:
            log_d = u + _worth(np.exp(d - u) - 1.0, np.log(r_d))[0]
            terms = [-trial[:, :1] * n, -trial[:, 1:] * log_d]
            best, level, logs = sums_of_terms(terms, y, weight, len(trial))
            for r_n in WORTH:
                worth = np.tile(np.log([r_d, r_n]), (len(best), 1))
                theta = np.column_stack([level, logs, trial[best], worth])
                cost = np.sum(((self.log_y(theta, log_x) - np.log(y)) * weight) ** 2, axis=-1)
                # The best of every pair of R_D and R_N, whose minima are many and flat.
                found.append(theta[np.argmin(cost)])
                costs.append(np.min(cost))
        return np.array(found)[best_of(np.array(costs), count)]


def _worth(repeats: Array, log_r: Array) -> tuple[Array, Array, Array]:
    """log(1 + R (1 - exp(-repeats / R))), and its derivatives by repeats and by log R."""
    xp = namespace(repeats)
    r = xp.exp(log_r)
    left = xp.exp(-repeats / r)
    gained = -r * xp.expm1(-repeats / r)
    whole = 1.0 + gained
    return xp.log1p(gained), left / whole, (gained - repeats * left) / whole
