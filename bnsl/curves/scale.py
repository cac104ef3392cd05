"""Scales of y: on each a curve is a real-valued v, and laws are those of exp(v).

A loss is positive and its logarithm is what laws are made for. A reward may have any sign. On the linear
scale v is y in units of half the range that it has run through; exp(v) then falls or rises to a limit as a
loss does, and a power law in exp(v) is a line in log x.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl._base.checks import InputError, check_choice, check_positive
from bnsl._base.display import FitWarning
from bnsl.curves.curve import Curve
from bnsl.solver.losses import LOSSES

SCALES = ("auto", "log", "linear")


class Scale(NamedTuple):
    """v = log y, or v = (y - origin) / unit; no y is below `least`."""

    name: str
    unit: float = 1.0
    origin: float = 0.0
    least: float = -np.inf

    @property
    def logarithmic(self) -> bool:
        """Whether v is log y."""
        return self.name == "log"

    def values(self, y: np.ndarray) -> np.ndarray:
        """v at y."""
        if self.logarithmic:
            return np.asarray(np.log(y))
        return np.asarray((y - self.origin) / self.unit)

    def measured(self, v: np.ndarray) -> np.ndarray:
        """y at v."""
        if self.logarithmic:
            with np.errstate(over="ignore", under="ignore"):
                return np.asarray(np.exp(v))
        return np.maximum(self.origin + self.unit * v, self.least)

    def log_precision(self, y: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Log of the inverse variance of v (N,), where y (N,) has the standard deviations sigma (N,)."""
        if self.logarithmic:
            return np.asarray(2.0 * (np.log(y) - np.log(sigma)))
        return np.asarray(2.0 * (np.log(self.unit) - np.log(sigma)))


LOG = Scale("log")
GROWN = 2.0  # times the median of the first third of the points, which that of the last is where y grows
HIGH = 0.5  # share of the largest y at the end: what grows has not come down again
RANGE = 2.0  # of v over a curve on a linear scale
SEVERAL, SIGNED = 2, 0.1  # number and share of values below 0, from which on y is signed, as a reward is
ORDERLY = 0.6  # least correlation of the ranks of x and y


def scales_of(curve: Curve, name: str = "auto") -> tuple[Scale, ...]:
    """The scales on which a curve may be looked at: the one named, or those that the data may choose of.

    Losses and errors fall, and their logarithm is what laws are about. Where a y is not positive there is
    only the linear scale; where y is positive and grows, as rewards do, it may be either.

    Raises:
        InputError: another name; y that is not positive on a log scale.
    """
    check_choice(name, "scale", SCALES)
    positive = bool((curve.y > 0).all())
    if name == "auto" and positive and grows(curve):
        return LOG, linear(curve)._replace(least=0.0)
    if name == "log" or (name == "auto" and positive):
        check_positive(
            curve.y,
            "y",
            "is not positive, and scale='log' takes its logarithm; use scale='linear', or drop the row",
            curve.rows,
        )
        return (LOG,)
    return (linear(curve),)


def loss_of(y: np.ndarray, loss: str | None = None) -> tuple[str, tuple[FitWarning, ...]]:
    """The loss asked for; if none is, "log", or "linear" for a signed quantity, of which a warning tells.

    A few negative values among others are mistakes, which the logarithm refuses. Raises InputError for an
    unknown loss.
    """
    if loss is not None:
        check_choice(loss, "loss", LOSSES)
        return loss, ()
    below = y < 0
    if below.sum() < SEVERAL or below.mean() < SIGNED:
        return "log", ()
    text = f"y is below 0 in {below.mean():.0%} of the rows, so errors are in its unit, as with loss='linear'"
    return "linear", (FitWarning("linear_scale", text),)


def grows(curve: Curve) -> bool:
    """Whether y goes up along the whole curve and stays there, as a reward does and a peak does not."""
    third = max(len(curve) // 3, 1)
    first, last = np.median(curve.y[:third]), np.median(curve.y[-third:])
    ranks = np.argsort(np.argsort(curve.y, kind="stable"), kind="stable")
    orderly = len(curve) > 2 and np.corrcoef(np.arange(len(curve)), ranks)[0, 1] > ORDERLY
    now = np.median(curve.y[-max(len(curve) // 10, 1) :])
    return bool(orderly and last > GROWN * first and now > HIGH * curve.y.max())


def linear(curve: Curve) -> Scale:
    """The linear scale of a curve; raises InputError where its y are out of reach of one."""
    span = float(np.ptp(curve.y))
    if not np.isfinite(span):
        raise InputError("y runs over more than the range of a double; divide it by a large number")
    # A constant has no unit of its own; what it may turn to is of its own size.
    unit = span / RANGE if span > 0 else max(float(np.abs(curve.y).max()), 1.0)
    return Scale("linear", unit, float(curve.y[-1]))
