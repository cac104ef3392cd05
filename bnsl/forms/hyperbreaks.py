"""BNSL of several inputs: power laws in every input, joined smoothly along hyperplanes in the logarithms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import Any

import numpy as np

from bnsl._base.arrays import Array, expit, softplus
from bnsl._base.checks import InputError, check_count, check_names
from bnsl._base.display import counted
from bnsl.forms.form import Parameter
from bnsl.forms.inputs import Input
from bnsl.forms.surface_starts import best_of, least_squares
from bnsl.forms.terms import LIMIT, SumOfTerms, Term, mixed, scale

STRONGEST = 8.0  # |c|: the more breaks are a far smooth bend, the larger c would be, at no loss of fit
SHARPEST = 30.0  # |w|, the slope of a break's argument by the logarithm of an input
LEVELS = (0.0, 0.5, 0.8, 0.95)  # trial limits, as shares of the smallest y
ANGLES = 16  # trial directions of a break in two inputs
QUANTILES = (0.15, 0.35, 0.5, 0.65, 0.85)  # of the points along a direction, at which breaks are tried
WIDTHS = (0.5, 0.2, 0.06)  # of trial breaks, as shares of the range of the points along the direction
LEADING = 6  # laws of one break fewer from which another is sought


@dataclass(frozen=True)
class HyperBNSL(SumOfTerms):
    """log(y - E) = log b - sum_k c0_k x_k - sum_i c_i softplus(sum_k w_i,k x_k - d_i), x_k = log inputs.

    The chain of `BNSL` (arXiv 2210.14891, equation 1), with breaks along hyperplanes: before break i the
    slopes are -c0, after it -(c0 + c_i w_i). With one input it is BNSL, of which c_i f_i is c_i here, 1 / f_i
    is w_i and log d_i / f_i is d_i; only these are determined, since |w_i| and f_i would scale each other.
    With two inputs and one break it contains Skaling, and so Chinchilla and Kaplan: (A N^-alpha + B
    D^-beta)^k has c0 = (alpha k, 0), c = -k, w = (alpha, -beta), d = log(A / B).
    """

    input_names: tuple[str, ...] = ("N", "D")
    breaks: int = 1

    name = "bnsl"
    formula = "log(y - E) = log b - c0.x - sum_i c_i softplus(w_i.x - d_i), x = log inputs"
    meaning = "power laws in every input, joined smoothly along hyperplanes"

    def __post_init__(self) -> None:
        check_count(self.breaks, "n_breaks")
        if not check_names(self.input_names, "input_names", "the names of inputs"):
            raise InputError("input_names is empty; name the inputs, such as ('N', 'D')")

    @property
    def inputs(self) -> tuple[Input, ...]:  # type: ignore[override]
        """Any number of inputs, all on a log scale."""
        return tuple(map(Input, self.input_names))

    @property
    def total_breaks(self) -> int:
        """The number of breaks."""
        return self.breaks

    def with_breaks(self, count: int) -> HyperBNSL:
        """The same with another number of breaks."""
        return replace(self, breaks=count)

    @property
    def label(self) -> str:
        """The name, and how many breaks."""
        return f"bnsl, {counted(self.breaks, 'break')}"

    def spec(self) -> dict[str, Any]:
        """The arguments of `get_form`."""
        return {"form": self.name, "n_breaks": self.breaks, "inputs": list(self.input_names)}

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, b, c0 of every input, and for every break c, d and w of every input."""
        out = [LIMIT, scale("b"), *(Parameter(f"c0_{name}") for name in self.input_names)]
        for i in range(1, self.breaks + 1):
            out += [Parameter(f"c{i}"), mixed(f"d{i}")]
            out += [Parameter(f"w{i}_{name}") for name in self.input_names]
        return tuple(out)

    def box(self, name: str) -> tuple[float, float]:
        """Breaks of bounded strength and sharpness."""
        most = {"w": SHARPEST, "c": STRONGEST}.get(name[0])
        return super().box(name) if most is None else (-most, most)

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The chain above the limit."""
        named = list(zip(self.input_names, inputs, strict=True))
        log = at["b"]
        by: dict[str, Array | float] = {"b": 1.0}
        for name, x in named:
            log = log - at[f"c0_{name}"] * x
            by[f"c0_{name}"] = -x
        for i in range(1, self.breaks + 1):
            z = -at[f"d{i}"]
            for name, x in named:
                z = z + at[f"w{i}_{name}"] * x
            bend, turned = softplus(z), at[f"c{i}"] * expit(z)
            log = log - at[f"c{i}"] * bend
            by |= {f"c{i}": -bend, f"d{i}": turned, **{f"w{i}_{name}": -turned * x for name, x in named}}
        return [Term(log, by)]

    def carried(self, at: Mapping[str, Any], log_s: tuple[Any, ...], log_t: Any) -> dict[str, Any]:
        """b and d carry the units of the inputs."""

        def moved(letter: str) -> Any:
            return sum(at[f"{letter}_{name}"] * u for name, u in zip(self.input_names, log_s, strict=True))

        places = {f"d{i}": at[f"d{i}"] + moved(f"w{i}") for i in range(1, self.breaks + 1)}
        return {"b": at["b"] + log_t + moved("c0"), **places}

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """Breaks one after the other, each the best of a dictionary beside the ones before."""
        log_x = log_x.reshape(len(y), -1)
        found = [(0.0, share * y.min(), np.zeros((0, log_x.shape[1] + 1))) for share in LEVELS]
        dictionary = _dictionary(log_x)
        for _ in range(self.breaks):
            tried = [_with_a_break(*law[1:], dictionary, log_x, y, weight, count) for law in found]
            found = sorted(chain(*tried), key=lambda trial: trial[0])[: max(LEADING, count)]
        return np.array([_law(level, breaks, log_x, y, weight) for _, level, breaks in found[:count]])


def _dictionary(log_x: np.ndarray) -> np.ndarray:
    """Trial breaks (V, k + 1): w and d, on a grid of directions, places and widths."""
    k = log_x.shape[1]
    spread = np.maximum(np.ptp(log_x, axis=0), 1e-6)
    if k == 2:
        angle = np.pi * (np.arange(ANGLES) + 0.5) / ANGLES
        directions = np.column_stack([np.cos(angle), np.sin(angle)])
    else:
        directions = np.array([v for v in product((-1, 0, 1), repeat=k) if next((e for e in v if e), 0) > 0])
        directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    out = []
    for direction in directions / spread:
        along = log_x @ direction
        for place, width in product(np.quantile(along, QUANTILES), np.ptp(along) * np.array(WIDTHS)):
            out.append([*(direction / width), place / width])
    return np.array(out)


def _basis(breaks: np.ndarray, log_x: np.ndarray) -> np.ndarray:
    """Columns (k + 1 + n, N) in which log(y - E) is linear: 1, -x, and less the bends of breaks."""
    bends = softplus(log_x @ breaks[:, :-1].T - breaks[:, -1]).T
    return np.concatenate([np.ones((1, len(log_x))), -log_x.T, -bends])


def _weighted(level: float, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(y - level), and the weights of its residuals that make them those of log y."""
    gap = y - level
    return np.log(gap), weight * gap / y


def _with_a_break(
    level: float,
    breaks: np.ndarray,
    dictionary: np.ndarray,
    log_x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    count: int,
) -> list[tuple[float, float, np.ndarray]]:
    """The best laws with one break more than a given one: sums of squares, limits and breaks."""
    target, scaled = _weighted(level, y, weight)
    basis = _basis(breaks, log_x)
    bend = -softplus(dictionary[:, :-1] @ log_x.T - dictionary[:, -1:])
    columns = np.concatenate([np.broadcast_to(basis, (len(bend), *basis.shape)), bend[:, None]], axis=1)
    cost = least_squares(columns * scaled, target * scaled)[1]
    best = best_of(cost, count)
    return [(float(cost[i]), level, np.concatenate([breaks, dictionary[i : i + 1]])) for i in best]


def _law(
    level: float, breaks: np.ndarray, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Coordinates (p,) of the law of these breaks and this limit, by least squares."""
    target, scaled = _weighted(level, y, weight)
    beta = least_squares((_basis(breaks, log_x) * scaled)[None], target * scaled)[0][0]
    k = log_x.shape[1]
    strengths = np.column_stack([beta[k + 1 :], breaks[:, -1], breaks[:, :-1]])  # c, d and w of every break
    return np.concatenate([[level], beta[: k + 1], strengths.ravel()])
