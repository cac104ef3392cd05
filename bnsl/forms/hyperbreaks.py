"""BNSL of several inputs: power laws in every input, joined smoothly along hyperplanes in the logarithms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np

from bnsl._base.arrays import Array, expit, namespace, softplus
from bnsl._base.checks import InputError, check_count, check_names
from bnsl.forms.form import Parameter
from bnsl.forms.inputs import Input
from bnsl.forms.surface_starts import least_squares
from bnsl.forms.terms import FREE, LIMIT, WIDEST, SumOfTerms, Term, scale

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

    name: ClassVar[str] = "bnsl"
    formula: ClassVar[str] = "log(y - E) = log b - c0.x - sum_i c_i softplus(w_i.x - d_i), x = log inputs"
    meaning: ClassVar[str] = "power laws in every input, joined smoothly along hyperplanes"

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

    @property
    def label(self) -> str:
        """The name, and how many breaks."""
        return f"bnsl, {self.breaks} break{'' if self.breaks == 1 else 's'}"

    def spec(self) -> dict[str, Any]:
        """The arguments of `get_form`."""
        return {"form": self.name, "n_breaks": self.breaks, "inputs": list(self.input_names)}

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, b, c0 of every input, and for every break c, d and w of every input."""
        out = [LIMIT, scale("b"), *(Parameter(f"c0_{name}") for name in self.input_names)]
        for i in range(1, self.breaks + 1):
            out += [Parameter(f"c{i}"), Parameter(f"d{i}", mixes=True)]
            out += [Parameter(f"w{i}_{name}") for name in self.input_names]
        return tuple(out)

    def box(self, name: str) -> tuple[float, float]:
        """Breaks of bounded strength and sharpness."""
        if name == "b":
            return (-WIDEST, WIDEST)
        if name[0] == "w":
            return (-SHARPEST, SHARPEST)
        return (-STRONGEST, STRONGEST) if name[0] == "c" else FREE

    def terms(self, at: Mapping[str, Array], inputs: tuple[Array, ...]) -> list[Term]:
        """The chain above the limit."""
        log = at["b"]
        by: dict[str, Array | float] = {"b": 1.0}
        for name, x in zip(self.input_names, inputs, strict=True):
            log = log - at[f"c0_{name}"] * x
            by[f"c0_{name}"] = -x
        for i in range(1, self.breaks + 1):
            z = -at[f"d{i}"]
            for name, x in zip(self.input_names, inputs, strict=True):
                z = z + at[f"w{i}_{name}"] * x
            bend, strength = softplus(z), at[f"c{i}"]
            log = log - strength * bend
            turned = strength * expit(z)
            by |= {f"c{i}": -bend, f"d{i}": turned}
            by |= {f"w{i}_{name}": -turned * x for name, x in zip(self.input_names, inputs, strict=True)}
        return [Term(log, by)]

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """b and d carry the units of the inputs."""
        at = self.coordinates(theta)
        several = len(self.input_names) > 1
        moves = {name: log_s[..., k] if several else log_s for k, name in enumerate(self.input_names)}
        changed = {
            "E": at["E"] * namespace(theta, log_t).exp(log_t),
            "b": at["b"] + log_t + sum(at[f"c0_{name}"] * move for name, move in moves.items()),
        }
        for i in range(1, self.breaks + 1):
            shift = sum(at[f"w{i}_{name}"] * move for name, move in moves.items())
            changed[f"d{i}"] = at[f"d{i}"] + shift
        return self.moved(theta, **changed)

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
        """Breaks one after the other, each the best of a dictionary beside the ones before."""
        log_x = log_x.reshape(len(y), -1)
        levels = np.array(LEVELS) * y.min()
        found = [(0.0, level, np.zeros((0, log_x.shape[1] + 1))) for level in levels]
        dictionary = _dictionary(log_x)
        for _ in range(self.breaks):
            tried = [
                trial for part in found for trial in _with_a_break(part, dictionary, log_x, y, weight, count)
            ]
            found = sorted(tried, key=lambda trial: trial[0])[: max(LEADING, count)]
        theta = [_law(level, breaks, log_x, y, weight) for _, level, breaks in found]
        return np.array(theta)[:count]


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
    part: tuple[float, float, np.ndarray],
    dictionary: np.ndarray,
    log_x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    count: int,
) -> list[tuple[float, float, np.ndarray]]:
    """The best laws with one break more than a given one: sums of squares, limits and breaks."""
    _, level, breaks = part
    target, scaled = _weighted(level, y, weight)
    before = np.broadcast_to(_basis(breaks, log_x), (len(dictionary), *_basis(breaks, log_x).shape))
    bend = -softplus(dictionary[:, :-1] @ log_x.T - dictionary[:, -1:])
    columns = np.concatenate([before, bend[:, None]], axis=1) * scaled
    cost = least_squares(columns, target * scaled)[1]
    best = np.argsort(cost, kind="stable")[:count]
    return [(float(cost[i]), level, np.concatenate([breaks, dictionary[i : i + 1]])) for i in best]


def _law(
    level: float, breaks: np.ndarray, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Coordinates (p,) of the law of these breaks and this limit, by least squares."""
    target, scaled = _weighted(level, y, weight)
    beta = least_squares((_basis(breaks, log_x) * scaled)[None], target * scaled)[0][0]
    k = log_x.shape[1]
    chain = [(strength, row[-1], *row[:-1]) for strength, row in zip(beta[k + 1 :], breaks, strict=True)]
    return np.array([level, *beta[: k + 1], *(value for part in chain for value in part)])
