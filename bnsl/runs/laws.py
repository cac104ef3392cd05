"""Laws of a loss curve under a schedule: linear in a few amounts, once the exponents are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bnsl.runs.history import History

if TYPE_CHECKING:
    from bnsl.runs.fitted import LawFit

SMOOTH = 6  # From this many steps before a point, a sum of powers over steps is as good as an integral.
LEAST_RATE = 1e-9  # Powers of a rate are held below this share of the reference rate.


@dataclass(frozen=True)
class Exponent:
    """A parameter that a law is not linear in."""

    name: str  # as in the paper
    low: float  # where it is looked for
    high: float
    grid: int  # how many values are tried at first
    usual: float = 1.0  # where it is without data: the mean of its prior
    spread: float = np.inf  # the standard deviation of its prior, as a coordinate; infinite without one
    log: bool = True  # whether it is looked for on a log scale

    def to_coordinate(self, value: float) -> float:
        """The coordinate of a value."""
        return float(np.log(value)) if self.log else value

    def values(self) -> np.ndarray:
        """The values tried at first, as coordinates."""
        return np.linspace(self.to_coordinate(self.low), self.to_coordinate(self.high), self.grid)

    def to_value(self, coordinate: float) -> float:
        """The value of a coordinate."""
        return float(np.exp(coordinate)) if self.log else float(coordinate)


@dataclass(frozen=True)
class Law:
    """A law of a loss curve under a schedule: L0 + A S1^-alpha and sums over what the rate did."""

    name: str  # how it is asked for
    # The parameters that it is linear in, all at least 0; the first two are L0 and A.
    amounts: tuple[str, ...]
    exponents: tuple[Exponent, ...]  # the others; the first is alpha
    # From the exponents after alpha to what each amount after A is multiplied by, (N, k - 2).
    sums: Callable[[History, Sequence[float]], np.ndarray]
    formula: str
    source: str
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # exponents under other names

    def values(self, coordinates: Sequence[float] | np.ndarray) -> list[float]:
        """The exponents of some coordinates."""
        return [one.to_value(c) for one, c in zip(self.exponents, coordinates, strict=True)]

    def columns(self, history: History, exponents: Sequence[float]) -> np.ndarray:
        """What each amount is multiplied by at every point, (N, k)."""
        return np.concatenate(
            [self.base(history.total, exponents[0]), self.sums(history, exponents[1:])], axis=1
        )

    @staticmethod
    def base(total: np.ndarray, alpha: float) -> np.ndarray:
        """1 and S1^-alpha, (N, 2)."""
        falling = np.maximum(total, LEAST_RATE) ** -alpha
        return np.stack([np.ones_like(falling), falling], axis=1)

    def parameters(self, fit: LawFit) -> dict[str, float]:
        """The parameters as the paper has them, for rates as they are."""
        found = dict(zip(self.amounts, fit.amounts.tolist(), strict=True))
        found |= dict(zip((one.name for one in self.exponents), self.values(fit.coordinates), strict=True))
        return in_units(found, fit.unit, self.name)


def annealing_sum(history: History, memory: float) -> np.ndarray:
    """S2 (1 - lambda) = sum_k (eta_{k-1} - eta_k) (1 - lambda^(t-k+1)), of arXiv 2408.11029; shape (N,).

    `memory` is 1 / (1 - lambda), in steps.
    """
    rows, blocks = history.pairs
    log_lambda = np.log1p(-1.0 / memory)
    count = history.last - history.first
    # The mean of lambda^i over i < count is a geometric series.
    mean = np.expm1(count * log_lambda) / (np.expm1(log_lambda) * count)
    left = np.exp(log_lambda * (history.step[rows] - history.last[blocks] + 1)) * mean[blocks]
    return history.summed(history.fall[blocks] * (1.0 - left))


def power_sum(history: History, speed: float, beta: float, gamma: float) -> np.ndarray:
    """sum_k (eta_{k-1} - eta_k) G(eta_k^-gamma S_k(t)), G(x) = 1 - (1 + speed x)^-beta; shape (N,).

    Of arXiv 2503.12811.
    """
    blocks = history.pairs[1]
    scale = speed * np.maximum(history.rate, LEAST_RATE) ** -gamma
    left = _mean_power(scale[blocks], *history.between, beta)
    return history.summed(history.fall[blocks] * (1.0 - left))


def noise_sum(history: History, speed: float, power: float) -> np.ndarray:
    """sum_k eta_k^2 (1 + speed S_k(t))^-power, of arXiv 2509.19189 as fitted here; shape (N,)."""
    blocks = history.pairs[1]
    weight = (history.rate**2 * (history.last - history.first))[blocks]
    return history.summed(weight * _mean_power(np.full(len(blocks), speed), *history.between, power))


def _mean_power(
    scale: np.ndarray, low: np.ndarray, high: np.ndarray, count: np.ndarray, power: float
) -> np.ndarray:
    """The mean of (1 + scale s)^-power over `count` values s in the middle of equal parts of low to high.

    Sums are integrals with the first term of Euler and Maclaurin (DLMF, 2.10(i)), which is right where s
    changes little from one value to the next. Before that, values are added one by one.
    """
    width = np.where(count > 1, (high - low) / count, 0.0)
    near = 1.0 + scale * low
    value = _smooth_mean(near, scale * width, count, power)
    rough = np.flatnonzero((count > 1) & (near < SMOOTH * scale * width))
    if len(rough):
        near, step, count = near[rough], (scale * width)[rough], count[rough]
        single = np.minimum(count, SMOOTH)
        places = np.arange(SMOOTH)
        terms = (near[:, None] + (places + 0.5) * step[:, None]) ** -power
        total = np.sum(np.where(places < single[:, None], terms, 0.0), axis=1)
        rest = np.maximum(count - single, 1)
        total += (count - single) * _smooth_mean(near + single * step, step, rest, power)
        value[rough] = total / count
    return value


def _smooth_mean(near: np.ndarray, step: np.ndarray, count: np.ndarray, power: float) -> np.ndarray:
    """The mean of z^-power over `count` values z in the middle of parts of width `step`, from z = near on."""
    far = near + count * step
    first, ratio = near**-power, np.log(far / near)
    bent = (1.0 - power) * ratio
    with np.errstate(invalid="ignore", divide="ignore"):
        growth = np.where(np.abs(bent) > 1e-8, np.expm1(bent) / bent, 1.0)
        turn = first * np.exp(-power * ratio) / far - first / near
        whole = near * first * ratio * growth / (far - near) + power * step / (24.0 * count) * turn
    return np.where(ratio > 1e-6, whole, first)


# The priors of the exponents, for rates relative to the peak. They were chosen on runs of arXiv 2405.18392
# with other sizes and peak rates than those of the benchmark, and by leaving out one of the runs that the
# benchmark fits, or their later part. They weigh as much as a few points, and matter where these say little.
def _alpha(spread: float = 0.3) -> Exponent:
    return Exponent("alpha", 0.05, 2.0, 8, 0.5, spread)


ANNEALING = Law(
    "annealing",
    ("L0", "A", "C"),
    (_alpha(0.4), Exponent("memory", 4.0, 1e5, 12, 400.0, 1.0)),
    lambda history, found: -annealing_sum(history, found[0])[:, None],
    "L0 + A S1^-alpha - C S2",
    "arXiv 2408.11029",
    {"memory": ("lambda",)},
)
MULTI_POWER = Law(
    "multi_power",
    ("L0", "A", "B"),
    (_alpha(), Exponent("C", 1e-4, 30.0, 8, 0.01, 1.0), Exponent("beta", 0.05, 1.5, 6, 0.8, 0.25)),
    lambda history, found: -power_sum(history, found[0], found[1], found[1])[:, None],
    "L0 + A S1^-alpha - B sum_k (eta_{k-1} - eta_k) G(eta_k^-gamma S_k)",
    "arXiv 2503.12811",
    {"beta": ("beta", "gamma")},
)
MULTI_POWER_FREE = Law(
    "multi_power_free",
    ("L0", "A", "B"),
    (
        _alpha(),
        Exponent("C", 1e-4, 30.0, 8, 0.01, 1.0),
        Exponent("beta", 0.05, 1.5, 4, 0.8, 0.25),
        Exponent("gamma", 0.0, 1.0, 4, 0.6, 0.5, log=False),
    ),
    lambda history, found: -power_sum(history, *found)[:, None],
    "L0 + A S1^-alpha - B sum_k (eta_{k-1} - eta_k) G(eta_k^-gamma S_k)",
    "arXiv 2503.12811",
)
FUNCTIONAL = Law(
    "functional",
    ("L0", "A", "B"),
    (_alpha(), Exponent("C", 1e-5, 30.0, 10, 1.0, 1.5), Exponent("p", 0.1, 3.0, 6, 1.3, 0.175)),
    lambda history, found: noise_sum(history, *found)[:, None],
    "L0 + A S1^-alpha + B sum_k eta_k^2 (1 + C S_k)^-p",
    "arXiv 2509.19189",
)
AVERAGED = ("annealing", "multi_power", "functional")
LAWS = {law.name: law for law in (ANNEALING, MULTI_POWER, MULTI_POWER_FREE, FUNCTIONAL)}


def in_units(found: dict[str, float], unit: float, law: str) -> dict[str, float]:
    """Parameters for rates as they are, from those for rates in a unit."""
    given = dict(found)
    given["A"] = found["A"] * unit ** found["alpha"]
    if law == "annealing":
        memory = given.pop("memory")
        given["lambda"] = 1.0 - 1.0 / memory
        given["C"] = found["C"] / (unit * memory)  # S2 has a factor 1 / (1 - lambda).
    elif law.startswith("multi_power"):
        given.setdefault("gamma", found["beta"])
        given["B"] = found["B"] / unit
        given["C"] = found["C"] * unit ** (given["gamma"] - 1.0)
    elif law == "functional":
        given["B"] = found["B"] / unit**2
        given["C"] = found["C"] / unit
    return given
