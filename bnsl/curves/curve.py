"""A measured curve: the input of every fit, checked once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import (
    InputError,
    as_array,
    as_number,
    check_count,
    check_positive,
    check_same_length,
    check_share,
    reject,
)
from bnsl._base.display import ExtrapolationWarning

FAR = 10.0  # a prediction this many times beyond the fitted x is far
WIDEST = 100  # decades of y in one curve under loss="log"; squares of more leave the range of a double


@dataclass(frozen=True)
class Curve:
    """Points (x, y) of one curve, immutable and sorted by x.

    Attributes:
        x: positive inputs, shape (N,), or (N, k) for a form of k inputs.
        y: measured values, shape (N,).
        sigma: standard deviation of each y, in the units of y, or None; one number stands for all points.
        name: what to call the curve in titles and tables.
        x_label, y_label: axis labels.
        rows: where each point stood in the arrays given, for messages.
        within: least and greatest value that y can have at all, (0, 1) for 1 - accuracy. Nothing is predicted
            outside.

    Raises:
        InputError: (a ValueError) lengths that differ, entries that are not finite numbers, x <= 0 or
            sigma <= 0, y that is not `within`; the message names argument, row and value.
    """

    x: np.ndarray
    y: np.ndarray
    sigma: np.ndarray | None = None
    name: str = ""
    x_label: str = "x"
    y_label: str = "y"
    inputs: int = field(default=1, kw_only=True)
    rows: np.ndarray | None = field(default=None, kw_only=True, repr=False, compare=False)
    within: tuple[float, float] = field(default=(-np.inf, np.inf), kw_only=True)

    def __post_init__(self) -> None:
        x = as_array(self.x, "x", columns=self.inputs)
        y = as_array(self.y, "y")
        check_same_length(x, y, ("x", "y"))
        check_positive(x, "x", "is not positive; a scaling law needs x > 0 (drop step 0, or shift x)")
        low, high = (as_number(end, "within", lambda end: not np.isnan(end)) for end in self.within)
        outside = (y < low) | (y > high)
        reject(y, outside, "y", f"is not within {low:g} and {high:g}, as was declared", self.rows)
        sigma = None
        if self.sigma is not None:
            sigma = _sigma(self.sigma, y)
        # Ties are ordered by y and sigma, so that no answer depends on the order of the rows.
        keys = [y] if sigma is None else [sigma, y]
        columns = [x] if x.ndim == 1 else list(x.T[::-1])
        order = np.lexsort([*keys, *columns])
        rows = np.arange(len(y)) if self.rows is None else self.rows
        object.__setattr__(self, "rows", _frozen(rows[order]))
        object.__setattr__(self, "x", _frozen(x[order]))
        object.__setattr__(self, "y", _frozen(y[order]))
        object.__setattr__(self, "sigma", None if sigma is None else _frozen(sigma[order]))

    def __repr__(self) -> str:
        sigma = "" if self.sigma is None else ", with sigma"
        return f"<Curve {self.name or self.y_label}: {self.extent}{sigma}>"

    def held(self, values: np.ndarray) -> np.ndarray:
        """Predicted values, those that y cannot have moved to the nearest that it can."""
        low, high = self.within
        return values if np.isinf(low) and np.isinf(high) else np.clip(values, low, high)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def first_input(self) -> np.ndarray:
        """x (N,), or the first of several inputs."""
        return self.x if self.x.ndim == 1 else self.x[:, 0]

    @property
    def climbs(self) -> bool:
        """Whether y is larger in the last third of the points than in the first, by their medians."""
        third = max(len(self) // 3, 1)
        return bool(np.median(self.y[-third:]) > np.median(self.y[:third]))

    @property
    def extent(self) -> str:
        """How many points, and from where to where: '14 points, x from 1 to 736'."""
        first = self.first_input
        plural = "" if len(self) == 1 else "s"
        return f"{len(self)} point{plural}, {self.x_label} from {first[0]:.6g} to {first[-1]:.6g}"

    def ahead(self, factors: Sequence[float]) -> np.ndarray:
        """These multiples of the last x (M,), as far as a double holds them; where it holds none, that x."""
        last = float(self.first_input[-1])
        there = [factor * last for factor in factors if last < np.finfo(float).max / factor]
        return np.array(there or [last])

    def split(
        self,
        *,
        train_until: float | None = None,
        train_count: int | None = None,
        train_fraction: float | None = None,
    ) -> tuple[Curve, Curve | None]:
        """The part to fit and the part to hold out (None if nothing is held out), by exactly one rule.

        Args:
            train_until: fit the points with x <= this (of the first input).
            train_count: fit this many points with the smallest x.
            train_fraction: fit this share of the points with the smallest x, rounded to the nearest count.

        Raises:
            InputError: more than one rule, or a rule that leaves nothing to fit.
        """
        rules = {
            "train_until": train_until,
            "train_count": train_count,
            "train_fraction": train_fraction,
        }
        given = [name for name, value in rules.items() if value is not None]
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)} are alternatives; give one of them")
        first = self.first_input
        if train_until is not None:
            chosen = first <= as_number(train_until, "train_until")
        elif train_count is not None:
            chosen = np.arange(len(self)) < check_count(train_count, "train_count", 1)
        elif train_fraction is not None:
            count = round(check_share(train_fraction, "train_fraction") * len(self))
            chosen = np.arange(len(self)) < count
        else:
            return self, None
        if not chosen.any():
            value = rules[given[0]]
            raise InputError(
                f"{given[0]} = {value!r} leaves nothing to fit; x runs from {first[0]:g} to {first[-1]:g}"
            )
        return self.take(chosen), None if chosen.all() else self.take(~chosen)

    def take(self, rows: np.ndarray) -> Curve:
        """The curve of the given rows (a mask or indices), with the same names."""
        sigma = None if self.sigma is None else self.sigma[rows]
        given = None if self.rows is None else self.rows[rows]
        return replace(self, x=self.x[rows], y=self.y[rows], sigma=sigma, rows=given)


def check_curve(curve: Curve, loss: str = "log", way_out: str = "use loss='linear'") -> None:
    """Raise InputError if the curve cannot be fitted under `loss`; `way_out` ends the advice."""
    distinct = len(np.unique(curve.x, axis=0))
    if distinct < 3:
        raise InputError(
            f"x has {distinct} distinct value{'s' if distinct > 1 else ''}; a fit needs at least three"
        )
    if loss == "log" and curve.within == (0.0, 1.0):
        why = (
            "is a perfect accuracy, which has no logarithm; say how finely it was measured (resolution=), to "
            f"take half of that off it, drop the row, or {way_out}"
        )
        reject(curve.y, curve.y == 0, "y", why, curve.rows)
    if loss == "log":
        check_positive(
            curve.y,
            "y",
            "is not positive, and loss='log' compares logarithms; fit an error such as 1 - accuracy, drop "
            f"the row, or {way_out}"
            if curve.y.max() > 0
            else f"is not positive, as no y is, and loss='log' compares logarithms; if the sign is a "
            f"convention, fit -y, or {way_out}",
            curve.rows,
        )
        small = int(np.argmin(curve.y))
        apart = float(np.log10(curve.y.max()) - np.log10(curve.y[small]))
        if apart > WIDEST:
            least, most = (
                f"y[{i if curve.rows is None else curve.rows[i]}] = {curve.y[i]:g}"
                for i in (small, int(np.argmax(curve.y)))
            )
            raise InputError(
                f"{least} is 10^{apart:.0f} times smaller than {most}; drop the wrong one, or {way_out}"
            )
    elif loss == "log1p":
        why = "is negative; loss='log1p' needs y >= 0. Drop the row or use loss='linear'"
        reject(curve.y, curve.y < 0, "y", why, curve.rows)


def warn_if_far(points: np.ndarray, curve: Curve, stacklevel: int = 3) -> None:
    """Issue an ExtrapolationWarning if points (M,) or (M, k) reach far beyond the curve.

    `stacklevel` is as for `warnings.warn`: 3 where this is called by what the user called.
    """
    low, high = curve.x.min(axis=0), curve.x.max(axis=0)
    if np.any(points / FAR > high) or np.any(points < low / FAR):
        warnings.warn(
            f"far_extrapolation: x reaches beyond {FAR:g} times the fitted range "
            f"({np.min(low):.4g} to {np.max(high):.4g}); a break in between cannot be foreseen",
            ExtrapolationWarning,
            stacklevel=stacklevel,
        )


def _sigma(value: ArrayLike, y: np.ndarray) -> np.ndarray:
    """Standard deviations (N,) from as many, or from one number for all."""
    why = "must be a positive standard deviation"
    if np.ndim(value) == 0:
        if isinstance(value, str | bytes):
            raise InputError(f"sigma = {value!r} is not a number")
        number = as_number(value, "sigma")
        if number <= 0:
            raise InputError(f"sigma = {number:g} {why}")
        return np.full(len(y), number)
    sigma = as_array(value, "sigma")
    check_same_length(sigma, y, ("sigma", "y"))
    reject(sigma, sigma <= 0, "sigma", why)
    return sigma


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
