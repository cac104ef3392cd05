"""A measured curve: the input of every fit, checked once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import (
    InputError,
    as_array,
    as_number,
    check_count,
    check_names,
    check_positive,
    check_same_length,
    check_share,
    check_text,
    reject,
    told,
)
from bnsl._base.display import ExtrapolationWarning, counted
from bnsl.forms.inputs import Input, check_values

FAR = 10.0  # a prediction this many times beyond the fitted x is far
LEAST = 1e-300  # a positive y; errors of a smaller one leave the range of a double
WIDEST = 100  # decades of y in one curve under loss="log"; squares of more leave the range of a double
_ARRAYS = ("x", "y", "sigma", "groups", "rows")  # of a curve, which have an entry per point


@dataclass(frozen=True)
class Curve:
    """Points (x, y) of one curve, immutable and sorted by x.

    Attributes:
        x: positive inputs, shape (N,), or (N, k) for a form of k inputs.
        y: measured values, shape (N,).
        sigma: standard deviation of each y, in the units of y, or None; one number stands for all points.
        name: what to call the curve in titles and tables.
        x_label, y_label: axis labels.
        inputs: the number of inputs of x; `axes` describes them.
        axes: with several inputs, the declaration of each.
        input_labels: the user's names of several inputs.
        groups: (N,) the group of every row, such as the run of a checkpoint, or None.
        rows: position of each point in the arrays given, for messages.
        within: smallest and largest possible y, such as (0, 1) for 1 - accuracy. Predictions stay inside.

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
    axes: tuple[Input, ...] = field(default=(), kw_only=True)
    input_labels: tuple[str, ...] = field(default=(), kw_only=True)
    groups: np.ndarray | None = field(default=None, kw_only=True)
    rows: np.ndarray | None = field(default=None, kw_only=True, repr=False, compare=False)
    within: tuple[float, float] = field(default=(-np.inf, np.inf), kw_only=True)

    def __post_init__(self) -> None:
        axes = self._checked_axes()
        x, y = as_array(self.x, "x", columns=len(axes)), as_array(self.y, "y")
        check_same_length(x, y, ("x", "y"))
        check_values(axes, x, self.input_labels)
        low, high = (as_number(end, "within", lambda end: not np.isnan(end)) for end in self.within)
        outside = (y < low) | (y > high)
        reject(y, outside, "y", f"is not within {low:g} and {high:g}, as was declared", self.rows)
        sigma = None if self.sigma is None else _sigma(self.sigma, y)
        rows = np.arange(len(y)) if self.rows is None else np.asarray(self.rows)
        if rows.shape != y.shape or rows.dtype.kind not in "iu":
            raise InputError(f"rows must be one whole number per point; {rows.shape} for {len(y)} points")
        groups = None if self.groups is None else _groups(self.groups, y)
        # Ties are ordered by y and sigma, so that no answer depends on the order of the rows.
        order = np.lexsort([*([] if sigma is None else [sigma]), y, *np.atleast_2d(x.T)[::-1]])
        arrays = {"x": x, "y": y, "sigma": sigma, "groups": groups, "rows": rows}
        ordered = {name: None if array is None else array[order] for name, array in arrays.items()}
        for array in ordered.values():
            if array is not None:
                array.setflags(write=False)
        for name, value in (ordered | {"inputs": len(axes), "axes": axes}).items():
            object.__setattr__(self, name, value)

    def _checked_axes(self) -> tuple[Input, ...]:
        """The inputs, of which x has a column each; the labels are checked, too."""
        for label in ("name", "x_label", "y_label"):
            check_text(getattr(self, label), label)
        check_names(self.input_labels, "input_labels", "names")
        if not isinstance(self.axes, tuple) or not all(isinstance(axis, Input) for axis in self.axes):
            raise InputError(f"{told('axes', self.axes)} must be a tuple of bnsl.Input")
        if not isinstance(self.within, tuple | list) or len(self.within) != 2:
            raise InputError(f"{told('within', self.within)} must be a pair, the least and the greatest y")
        count = check_count(self.inputs, "inputs", 1)
        axes = self.axes or tuple(Input(f"x{k + 1}") for k in range(count))
        if len(axes) == 1 and self.input_labels:
            raise InputError("input_labels are for several inputs; x_label names one")
        return axes

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
    def climbs(self) -> bool:
        """Whether y is larger in the last third of the points than in the first, by their medians."""
        third = max(len(self) // 3, 1)
        return bool(np.median(self.y[-third:]) > np.median(self.y[:third]))

    @property
    def extent(self) -> str:
        """How many points, and from where to where: '14 points, x from 1 to 736'."""
        return f"{counted(len(self), 'point')}{self.grouped}, {self.span}"

    @property
    def grouped(self) -> str:
        """' in 12 groups', or nothing."""
        return "" if self.groups is None else f" in {len(np.unique(self.groups))} groups"

    @property
    def span(self) -> str:
        """From where to where every input goes: 'x from 1 to 736'."""
        columns = [self.x] if self.x.ndim == 1 else list(self.x.T)
        return ", ".join(
            f"{name} from {v.min():.6g} to {v.max():.6g}"
            for name, v in zip(self.input_names, columns, strict=True)
        )

    @property
    def input_names(self) -> tuple[str, ...]:
        """What to call the inputs: the user's names, or those of the form, or x1, x2, ..."""
        if self.x.ndim == 1:
            return (self.x_label,)
        return self.input_labels or tuple(entry.name for entry in self.axes)

    @property
    def effort(self) -> np.ndarray:
        """By what points are put in order (N,): x, or the product of the inputs that cost compute."""
        return self.effort_at(self.x)

    def effort_at(self, x: np.ndarray) -> np.ndarray:
        """The same (M,) of other points (M,) or (M, k)."""
        if x.ndim == 1:
            return x
        costs = [entry.costs for entry in self.axes]
        return np.asarray(np.prod(x[:, costs], axis=1))

    def ahead(self, factors: Sequence[float]) -> np.ndarray:
        """These multiples of the last x (M,), as far as a double holds them; where it holds none, that x."""
        last = float(self.effort.max())
        there = [factor * last for factor in factors if last < np.finfo(float).max / factor]
        return np.array(there or [last])

    def beyond(self, factors: Sequence[float]) -> np.ndarray:
        """Where to look ahead: `ahead` (M,); of several inputs (M, k), the run of most compute, grown.

        There the inputs that cost compute grow alike, so that their product grows by each factor.
        """
        ahead = self.ahead(factors)
        if self.x.ndim == 1:
            return ahead
        costs = np.array([entry.costs for entry in self.axes])
        last = self.x[np.argmax(self.effort)]
        each = (ahead / self.effort.max()) ** (1.0 / max(int(costs.sum()), 1))
        return np.where(costs, last * each[:, None], last)

    def split(
        self,
        *,
        train_until: float | None = None,
        train_count: int | None = None,
        train_fraction: float | None = None,
        held_out: ArrayLike | None = None,
    ) -> tuple[Curve, Curve | None]:
        """The part to fit and the part to hold out (None if nothing is held out), by exactly one rule.

        Args:
            train_until: fit the points with x <= this.
            train_count: fit this many points with the smallest x.
            train_fraction: fit this share of the points with the smallest x, rounded to the nearest count.
            held_out: one True or False per row (N,), in the order in which rows were given.

        With several inputs, the product of those that cost compute is used for x, such as N D.

        Raises:
            InputError: more than one rule, or a rule that leaves nothing to fit.
        """
        rules = {
            "train_until": train_until,
            "train_count": train_count,
            "train_fraction": train_fraction,
            "held_out": held_out,
        }
        given = [name for name, value in rules.items() if value is not None]
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)} are alternatives; give one of them")
        if not given:
            return self, None
        first = self.effort
        if train_until is not None:
            chosen = first <= as_number(train_until, "train_until")
        elif held_out is not None:
            chosen = ~self._asked_for(held_out)
        elif train_count is not None:
            chosen = self._first(check_count(train_count, "train_count", 1))
        else:
            chosen = self._first(round(check_share(train_fraction, "train_fraction") * len(self)))
        if not chosen.any():
            value = rules[given[0]] if held_out is None else "all rows"
            ends = f"{self.effort_label} runs from {first.min():g} to {first.max():g}"
            raise InputError(f"{told(given[0], value)} leaves nothing to fit; {ends}")
        return self.take(chosen), None if chosen.all() else self.take(~chosen)

    def _first(self, count: int) -> np.ndarray:
        """A mask of so many points, those of the least effort."""
        mask = np.zeros(len(self), bool)
        mask[np.argsort(self.effort, kind="stable")[:count]] = True
        return mask

    def _asked_for(self, held_out: ArrayLike) -> np.ndarray:
        """A mask of the rows as they were given, in the order of the points."""
        mask = np.asarray(held_out)
        if mask.dtype != bool or mask.ndim != 1 or self.rows is None or len(mask) <= self.rows.max():
            raise InputError(
                f"held_out must be one True or False per row; got {mask.dtype} of shape {mask.shape}"
            )
        return mask[self.rows]

    @property
    def effort_label(self) -> str:
        """What `effort` is called: 'x', or 'params x tokens'."""
        if self.x.ndim == 1:
            return "x"
        names = zip(self.input_names, self.axes, strict=True)
        return " x ".join(name for name, entry in names if entry.costs)

    def take(self, rows: np.ndarray) -> Curve:
        """The curve of the given rows (a mask or indices), with the same names."""
        columns = {name: getattr(self, name) for name in _ARRAYS}
        chosen: Any = {name: None if array is None else array[rows] for name, array in columns.items()}
        return replace(self, **chosen)

    def joined(self, other: Curve) -> Curve:
        """The points of both, with the names of this one."""

        def both(name: str) -> Any:
            parts = [getattr(curve, name) for curve in (self, other)]
            return None if any(part is None for part in parts) else np.concatenate(parts)

        return replace(self, **{name: both(name) for name in _ARRAYS} | {"rows": None})


def check_curve(curve: Curve, loss: str = "log", way_out: str = "use loss='linear'") -> None:
    """Raise InputError if the curve cannot be fitted under `loss`; `way_out` ends the advice."""
    distinct = len(np.unique(curve.x, axis=0))
    if distinct < 3:
        raise InputError(f"x has {counted(distinct, 'distinct value')}; a fit needs at least three")
    y, rows = curve.y, curve.rows
    if loss == "log" and curve.within == (0.0, 1.0):
        why = (
            "is a perfect accuracy, which has no logarithm; say how finely it was measured (resolution=), to "
            f"take half of that off it, drop the row, or {way_out}"
        )
        reject(y, y == 0, "y", why, rows)
    if loss == "log":
        others, remedy = ",", "fit an error such as 1 - accuracy, drop the row"
        if y.max() <= 0:
            others, remedy = ", like all other y,", "if the sign is a convention, fit -y"
        why = f"is not positive{others} and loss='log' compares logarithms; {remedy}"
        check_positive(y, "y", f"{why}, or {way_out}", rows)
        ends = int(np.argmin(y)), int(np.argmax(y))
        apart = float(np.log10(y[ends[1]]) - np.log10(y[ends[0]]))
        if apart > WIDEST:
            least, most = (f"y[{i if rows is None else rows[i]}] = {y[i]:g}" for i in ends)
            raise InputError(
                f"{least} is 10^{apart:.0f} times smaller than {most}; drop the wrong one, or {way_out}"
            )
    elif loss == "log1p":
        reject(
            y, y < 0, "y", "is negative; loss='log1p' needs y >= 0. Drop the row or use loss='linear'", rows
        )
    small = (y != 0) & (np.abs(y) < LEAST)
    if loss == "log" or np.abs(y).max() < LEAST:
        reject(y, small, "y", "is too small for a double; multiply y by 1e300", rows)


def warn_if_far(points: np.ndarray, curve: Curve, stacklevel: int = 3) -> None:
    """Issue an ExtrapolationWarning if points (M,) or (M, k) reach far beyond the curve.

    `stacklevel` is as for `warnings.warn`: 3 where this is called by what the user called.
    """
    low, high = (np.atleast_1d(end(curve.x, axis=0)) for end in (np.min, np.max))
    with np.errstate(all="ignore"):
        beyond = (points / FAR > high) | (points < low / FAR)
    far = beyond.reshape(-1, len(low)).any(axis=0)
    for place in np.flatnonzero(far)[:1]:
        name = curve.input_names[place] if len(low) > 1 else "x"
        warnings.warn(
            f"far_extrapolation: {name} reaches beyond {FAR:g} times the fitted range "
            f"({low[place]:.4g} to {high[place]:.4g}); a break in between cannot be foreseen",
            ExtrapolationWarning,
            stacklevel=stacklevel,
        )


def _sigma(value: ArrayLike, y: np.ndarray) -> np.ndarray:
    """Standard deviations (N,) from as many, or from one number for all."""
    why = "must be a positive standard deviation"
    if np.ndim(value) == 0:
        if isinstance(value, str | bytes):
            raise InputError(f"{told('sigma', value)} is not a number")
        number = as_number(value, "sigma")
        if number <= 0:
            raise InputError(f"sigma = {number:g} {why}")
        return np.full(len(y), number)
    sigma = as_array(value, "sigma")
    check_same_length(sigma, y, ("sigma", "y"))
    reject(sigma, sigma <= 0, "sigma", why)
    return sigma


def _groups(value: ArrayLike, y: np.ndarray) -> np.ndarray:
    """What belongs together (N,); InputError where it is not known of a row."""
    groups = np.asarray(value)
    if groups.shape != y.shape:
        raise InputError(f"groups must have one entry per row; {groups.shape} for {len(y)} rows")
    missing = [row for row, group in enumerate(groups.tolist()) if group is None or group != group]
    if missing:
        raise InputError(f"groups[{missing[0]}] is missing; name the group of every row")
    return groups
