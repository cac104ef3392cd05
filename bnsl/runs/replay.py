"""The final loss against the share of old data in every batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import (
    InputError,
    as_array,
    check_choice,
    check_same_length,
    check_share,
    numbers,
    reject,
    told,
)
from bnsl._base.normal import students_t
from bnsl.runs.projection import Problem

LOG, POWER = "log", "power"
FORMULAS = {LOG: "c - k log(r + eps)", POWER: "c + k (r + eps)^-g"}
# These logarithms of eps and of g are tried first.
OFFSETS, POWERS = np.log(np.geomspace(1e-8, 0.5, 16)), np.log(np.geomspace(0.02, 3.0, 8))
ROUNDING = 2e-3  # Losses are printed with a rounding like this, so smaller errors say nothing of a law.


@dataclass(frozen=True)
class ReplayFit:
    """One law of the final loss against the share of old data.

    Attributes:
        law: "log", c - k log(r + eps), or "power", c + k (r + eps)^-g (arXiv 2406.01375).
        rising: whether the loss rises with the share, as that of new data: r is then the share of new data.
        params: c, k, eps and, for the power, g.
        rmse: the root mean square of the errors.
        evidence: minus half of Schwarz's criterion.
    """

    law: str
    rising: bool
    params: MappingProxyType[str, float]
    rmse: float
    evidence: float

    def predict(self, share: np.ndarray) -> np.ndarray:
        """The loss at these shares of old data."""
        given = self.params
        place = (1.0 - share if self.rising else share) + given["eps"]
        if self.law == LOG:
            return given["c"] - given["k"] * np.log(place)
        return given["c"] + given["k"] * place ** -given["g"]


@dataclass(frozen=True)
class ReplayResult:
    """Final loss as a function of the share of old data. Made by `bnsl.fit_replay`.

    Attributes:
        share, loss: what was fitted.
        fits: a fit for every law.
        weights: of each in predictions, by evidence.
    """

    share: np.ndarray = field(repr=False)
    loss: np.ndarray = field(repr=False)
    fits: tuple[ReplayFit, ...]
    weights: tuple[float, ...]

    @property
    def params(self) -> Any:
        """The parameters; of an average a mapping for every law."""
        if len(self.fits) == 1:
            return self.fits[0].params
        return MappingProxyType({fit.law: fit.params for fit in self.fits})

    @property
    def rmse(self) -> float:
        """The root mean square of the errors of the fitted points."""
        return float(np.sqrt(np.mean((self.predict(self.share) - self.loss) ** 2)))

    def predict(self, share: ArrayLike) -> Any:
        """The final loss at shares of old data, a number or an array of any shape."""
        array = numbers(share, "share")
        _check_shares(array.reshape(-1))
        found = self._averaged([fit.predict(array) for fit in self.fits])
        return float(found) if array.ndim == 0 else found

    def _averaged(self, values: list[np.ndarray]) -> np.ndarray:
        return np.tensordot(self.weights, values, axes=1)

    def interval(self, share: ArrayLike, level: float = 0.9) -> tuple[Any, Any]:
        """Interval for the final loss at these shares, from errors of the fit and differences of laws."""
        inside = check_share(level, "level")
        array = numbers(share, "share")
        middle = self.predict(array)
        apart = self._averaged([(fit.predict(array) - middle) ** 2 for fit in self.fits])
        free = max(len(self.loss) - max(len(fit.params) for fit in self.fits), 1)
        scale = max(self.rmse * np.sqrt(len(self.loss) / free), ROUNDING)
        width = students_t(inside, free) * np.sqrt(apart + scale**2)
        return middle - width, middle + width


def fit_replay(share: ArrayLike, loss: ArrayLike, law: str | None = None) -> ReplayResult:
    """Fit the final loss, on old or on new data, against the share of old data in every batch.

    Args:
        share: the shares, from 0 to 1 (N,), at least four of them.
        loss: the final losses (N,).
        law: "log", "power", or None for the average of both, weighted by evidence.

    Raises:
        InputError: (a ValueError) shares outside [0, 1], losses that are not positive, too few points, an
            unknown law.
    """
    if law is not None:
        check_choice(law, "law", FORMULAS)
    shares, losses = as_array(share, "share"), as_array(loss, "loss")
    check_same_length(shares, losses, ("share", "loss"))
    _check_shares(shares)
    reject(losses, losses <= 0, "loss", "is not positive")
    if len(np.unique(shares)) < 4:
        raise InputError(f"share has {len(np.unique(shares))} distinct values; a fit needs at least four")
    fits = [_fit(shares, losses, name) for name in ([law] if law else FORMULAS)]
    likely = np.exp(np.array([fit.evidence for fit in fits]) - max(fit.evidence for fit in fits))
    return ReplayResult(shares, losses, tuple(fits), tuple((likely / likely.sum()).tolist()))


def _fit(share: np.ndarray, loss: np.ndarray, law: str) -> ReplayFit:
    rising = bool(np.polyfit(share, loss, 1)[0] > 0)
    place = 1.0 - share if rising else share
    grid = [OFFSETS] if law == LOG else [POWERS, OFFSETS]

    def columns(coordinates: np.ndarray) -> np.ndarray:
        shifted = place + np.exp(coordinates[-1])
        power = np.exp(coordinates[0])
        # As g becomes small, the power becomes the logarithm.
        bent = -np.log(shifted) if law == LOG else (shifted**-power - 1.0) / power
        return np.stack([np.ones_like(bent), bent], axis=1)

    low, high = np.array([[values[0], values[-1]] for values in grid]).T
    best = Problem(columns, loss, low, high).best(grid)
    found = {"c": best.amounts[0], "k": best.amounts[1], "eps": np.exp(best.coordinates[-1])}
    if law == POWER:
        found["g"] = np.exp(best.coordinates[0])
        found["k"] /= found["g"]
        found["c"] -= found["k"]
    rmse = float(np.sqrt(np.mean(best.residuals**2)))
    count, free = len(loss), 2 + len(grid)
    evidence = -count * np.log(np.hypot(rmse, ROUNDING)) - 0.5 * free * np.log(count)
    params = MappingProxyType({name: float(value) for name, value in found.items()})
    return ReplayFit(law, rising, params, rmse, float(evidence))


def critical_replay(
    old: ReplayResult,
    new: ReplayResult,
    union: tuple[float, float],
    tolerance: float = 0.02,
    among: Sequence[float] | None = None,
) -> float | None:
    """The smallest share of old data whose average loss comes close to that of training on all data.

    Args:
        old: the fit of the old data's final losses.
        new: that of the new data's.
        union: the losses of old and of new data after training on both from scratch.
        tolerance: by which share the perplexity, exp of the average loss in nats, may lie above the union's.
        among: the shares to choose from; a fine grid from 0 to 1 if not given.

    Returns:
        The share, or None if no share comes as close.

    Raises:
        InputError: (a ValueError) no such fits, or no two losses of the union.
    """
    for name, fit in (("old", old), ("new", new)):
        if not isinstance(fit, ReplayResult):
            raise InputError(f"{told(name, fit)} is not what bnsl.fit_replay returns")
    shares = np.linspace(0.0, 1.0, 1001) if among is None else np.sort(as_array(among, "among"))
    average = 0.5 * (old.predict(shares) + new.predict(shares))
    return smallest_share(shares, average, 0.5 * sum(check_union(union)), tolerance)


def smallest_share(shares: np.ndarray, average: np.ndarray, aim: float, tolerance: float) -> float | None:
    """The first share whose average loss has at most 1 + tolerance times the perplexity of the aim."""
    near = average <= aim + np.log1p(check_share(tolerance, "tolerance"))
    return float(shares[np.argmax(near)]) if near.any() else None


def check_union(union: tuple[float, float]) -> tuple[float, float]:
    """The losses on old and on new data after training on both from scratch."""
    losses = as_array(union, "union")
    if len(losses) != 2:
        raise InputError(f"union has {len(losses)} entries; it must be the loss on old and that on new data")
    reject(losses, losses <= 0, "union", "is not positive")
    return float(losses[0]), float(losses[1])


def _check_shares(share: np.ndarray) -> None:
    reject(
        share, ~((share >= 0) & (share <= 1)), "share", "lies outside [0, 1]; it is a share of every batch"
    )
