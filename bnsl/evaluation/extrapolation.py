"""Fit one part of a curve and predict the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError
from bnsl._base.display import (
    FitWarning,
    fact_lines,
    html_table,
    html_warnings,
    paragraphs,
    quietly,
    warning_lines,
)
from bnsl._base.lazy import pd
from bnsl._base.shown import Plotted
from bnsl.curves.curve import Curve
from bnsl.curves.data import Data, as_curve, named_inputs
from bnsl.curves.metrics import log_errors, rmse, rmsle
from bnsl.fitting.fit import fit
from bnsl.fitting.result import FitResult
from bnsl.forms.form import Form
from bnsl.forms.registry import get_form

LEVEL = 0.9  # of the intervals that held-out points are looked for in


@dataclass(frozen=True)
class Extrapolation(Plotted, figure="plot_fit"):
    """A law fitted to one part of a curve, with the part that was held out.

    Attributes:
        result: the fit of the first part.
        held_out: the points beyond, not used in the fit.
    """

    result: FitResult
    held_out: Curve

    @cached_property
    def predicted(self) -> np.ndarray:
        """The law at the held-out points, shape (M,)."""
        return self.result.curve.held(self.result.form.evaluate(self.result.theta, self.held_out.x))

    @property
    def inside(self) -> int:
        """How many held-out points lie in the interval of probability LEVEL about the law."""
        with quietly():
            lower, upper = self.result.interval(self.held_out.x, LEVEL)
        return int(np.sum((self.held_out.y >= lower) & (self.held_out.y <= upper)))

    @property
    def warnings(self) -> tuple[FitWarning, ...]:
        """Those of the fit, and one if most held-out points lie outside the interval of the law."""
        known = np.isfinite(self.result.residual_scale)
        notes = held_out_notes(self.inside, len(self.held_out), LEVEL) if known else ()
        return (*self.result.warnings, *notes)

    @property
    def rmse(self) -> float:
        """Root mean squared error on the held-out points, in the units of y."""
        return rmse(self.predicted, self.held_out.y)

    @property
    def rmsle(self) -> float:
        """Root mean squared log error on the held-out points; NaN where a value is not positive."""
        return rmsle(self.predicted, self.held_out.y)[0]

    @property
    def rmsle_stderr(self) -> float:
        """Standard error of `rmsle`, as the benchmark of arXiv 2209.06640 defines it."""
        return rmsle(self.predicted, self.held_out.y)[1]

    @cached_property
    def errors(self) -> pd.DataFrame:
        """One row per held-out point: x, y, predicted, the log error, and the factor of x beyond the fit.

        A form of several inputs has a column for each, and the largest of their factors.
        """
        held, last = self.held_out.x, self.result.curve.x.max(axis=0)
        columns = {"x": held} if held.ndim == 1 else dict(zip(self.held_out.input_names, held.T, strict=True))
        return pd.DataFrame(columns).assign(
            y=self.held_out.y,
            predicted=self.predicted,
            log_error=log_errors(self.predicted, self.held_out.y),
            beyond=(held / last).reshape(len(held), -1).max(axis=1),
        )

    # --- text -------------------------------------------------------------------------------------

    def summary(self) -> str:
        """The summary of the fit, and below it the error on the held-out points."""
        own = self.warnings[len(self.result.warnings) :]
        return paragraphs(self.result.summary(), fact_lines(self._facts()), warning_lines(own))

    def __repr__(self) -> str:
        error = f"rmse={self.rmse:.4g}" if np.isnan(self.rmsle) else f"rmsle={self.rmsle:.4g}"
        return (
            f"<Extrapolation {self.result.form.label}: {len(self.result.curve)} points fitted, "
            f"{len(self.held_out)} held out; held-out {error}, {self.result.status.name.lower()}>"
        )

    def _repr_html_(self) -> str:
        own = self.warnings[len(self.result.warnings) :]
        return self.result._repr_html_() + html_table(self._facts()) + html_warnings(own)

    def _facts(self) -> list[tuple[str, str]]:
        error = ("rmsle", f"{self.rmsle:.6g} +- {self.rmsle_stderr:.3g} on the held-out points")
        if np.isnan(self.rmsle):
            unit = f"in the units of {self.held_out.y_label}"
            error = ("rmse", f"{self.rmse:.6g} ({unit}) on the held-out points")
        points = f"{self.inside} of {len(self.held_out)} held-out points"
        inside = ("inside", f"{points} in the {LEVEL:.0%} interval of this law")
        return [("held out", self.held_out.extent), error, inside]


def held_out_notes(inside: int, count: int, level: float) -> tuple[FitWarning, ...]:
    """A warning where most of `count` held-out points lie outside their intervals."""
    if 2 * inside >= count:  # also where none was held out
        return ()
    which = f"{f'only {inside}' if inside else 'none'} of the {count} held-out points lie inside"
    which = which if count > 1 else "the held-out point lies outside"
    why = "the curve left the course that the fitted points suggest, and may do so again"
    return (FitWarning("held_out_outside", f"{which} the {100 * level:g} % interval: {why}"),)


def parted(curve: Curve, rule: Mapping[str, Any]) -> tuple[Curve, Curve | None]:
    """The fitted and the held-out part; refuses a rule that holds nothing out."""
    fitted, held_out = curve.split(**rule)
    if rule and held_out is None:
        raise nothing_held_out(curve)
    return fitted, held_out


def nothing_held_out(curve: Curve) -> InputError:
    """The error of a rule that leaves no point beyond the fitted ones."""
    ends = f"{curve.effort_label} from {curve.effort.min():g} to {curve.effort.max():g}"
    return InputError(
        f"nothing is held out of {len(curve)} points with {ends}: give a train_until, train_count or "
        "train_fraction below the end"
    )


def extrapolate(
    *data: Data,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    train_until: float | None = None,
    train_count: int | None = None,
    train_fraction: float | None = None,
    sigma: ArrayLike | None = None,
    inputs: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    held_out: ArrayLike | None = None,
    form: str | Form = "bnsl",
    accuracy: str | None = None,
    resolution: float | None = None,
    **options: Any,
) -> Extrapolation:
    """Fit the first points of a curve and hold out those beyond.

    Args:
        *data: x and y; or a Curve; or a table whose columns `x`, `y` and `sigma` name.
        x: positive inputs (N,), or their column.
        y: measured values (N,), or their column.
        train_until: fit the points with x <= this; or
        train_count: fit this many points with the smallest x; or
        train_fraction: fit this share of them.
        sigma: standard deviation of every y (N,), or one number for all.
        inputs: names of several inputs, as for `bnsl.fit`; by their product (of those that cost compute,
            parameters x tokens) points are then split.
        groups: the group of every row, as for `bnsl.fit`.
        held_out: instead of a rule, one True or False per row (N,).
        form: as for `bnsl.fit`.
        accuracy: "share" or "percent" for a y that is an accuracy, as for `bnsl.fit`.
        resolution: of an accuracy, as for `bnsl.fit`.
        **options: passed on to `bnsl.fit`.

    Raises:
        InputError: bad input, no rule or several, or one that leaves too little to fit or nothing to hold
            out.
    """
    x, names = named_inputs(data, x, inputs)
    axes = get_form(form, options.get("n_breaks"), inputs=names).inputs
    given: dict[str, Any] = {"labels": names, "accuracy": accuracy, "resolution": resolution}
    curve = as_curve(data, x, y, sigma, axes=axes, groups=groups, **given)
    fitted, beyond = curve.split(
        train_until=train_until, train_count=train_count, train_fraction=train_fraction, held_out=held_out
    )
    if beyond is None:
        raise nothing_held_out(curve)
    return Extrapolation(fit(fitted, form=form, **options), beyond)
