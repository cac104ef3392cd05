"""Everything that a report shows, of one curve or of runs with several inputs, computed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, as_number, check_count, positive_inputs, told
from bnsl._base.display import quietly
from bnsl.curves.curve import Curve
from bnsl.evaluation.backtest import Backtest, backtest
from bnsl.evaluation.comparison import ALL_FORMS, Comparison, compare, forms_by_label
from bnsl.evaluation.extrapolation import parted
from bnsl.fitting.fit import fit
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast, forecast
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.forms.registry import given_breaks

LEVEL = 0.9  # of the intervals in tables; figures show 50 % as well
AHEAD = (1.5, 2.0, 4.0, 10.0)  # forecasts at these multiples of the last fitted x, if none are asked for
CUTS = 4  # of the back-test: half as much work as all the rest
LEAST = 5  # distinct x that a back-test of the forecast needs: 4 to fit and one to predict


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions with their intervals, and what was measured there, if anything.

    Attributes:
        x: the inputs (M, k).
        predicted, lower, upper: (M,).
        measured: (M,), or None.
    """

    x: np.ndarray
    predicted: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    measured: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[tuple[float, ...]]:
        """Rows: the inputs, what was measured, if anything, predicted, lower, upper."""
        columns = [*self.x.T, self.measured, self.predicted, self.lower, self.upper]
        return zip(*(column.tolist() for column in columns if column is not None), strict=True)

    @property
    def inside(self) -> np.ndarray:
        """Which measured values lie in their intervals (M,)."""
        return (self.lower <= self.measured) & (self.measured <= self.upper)


@dataclass(frozen=True, eq=False, kw_only=True)
class Found:
    """What every page shows.

    Attributes:
        fitted: the points that everything rests on.
        held_out: the points that nothing has seen, or None.
        forecast: the average over laws; on a linear scale where y is not positive throughout.
        predict: where the forecast is tabulated: x (M,), or inputs (M, k).
        options: what was asked for besides the data, for the call that made it.
    """

    fitted: Curve
    held_out: Curve | None
    forecast: Any
    predict: np.ndarray
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What the inputs are called."""
        return self.fitted.input_names

    @property
    def curve(self) -> Curve:
        """All points, fitted and held out."""
        return self.fitted if self.held_out is None else self.fitted.joined(self.held_out)

    @property
    def positive(self) -> bool:
        """Whether errors can be given in per cent."""
        return bool(self.curve.y.min() > 0)

    @cached_property
    def predictions(self) -> Predicted:
        """The forecast where it is tabulated."""
        return self._at(self.predict)

    @cached_property
    def checked(self) -> Predicted | None:
        """The forecast of the held-out points; None if there are none."""
        return None if self.held_out is None else self._at(self.held_out.x, self.held_out.y)

    def _at(self, x: np.ndarray, measured: np.ndarray | None = None) -> Predicted:
        with quietly():  # the page says so in words
            lower, upper = self.forecast.interval(x, LEVEL)
            middle = self.forecast.predict(x)
        return Predicted(x.reshape(len(x), -1), middle, lower, upper, measured)


@dataclass(frozen=True, eq=False, kw_only=True)
class Analysis(Found):
    """What was found of one curve.

    Attributes:
        comparison: the forms, each fitted by itself.
        law: the best BNSL among them, whose breaks are shown; where y is not positive throughout, the one of
            the most likely number of breaks.
        backtest: the forecast back-tested on the fitted points; None for too few, if none was wanted, and for
            values that are not positive.
    """

    forecast: Forecast
    comparison: Comparison
    backtest: Backtest | None
    law: FitResult | None

    @property
    def as_law(self) -> tuple[str, ...]:
        """The labels of the forms that are the law, where y is not positive throughout."""
        if self.positive or self.law is None:
            return ()
        same = self.law.form.name, self.law.n_breaks
        fits = self.comparison.results
        return tuple(label for label, one in fits.items() if (one.form.name, one.n_breaks) == same)


def analyse(
    curve: Curve,
    rule: Mapping[str, Any],
    *,
    forms: str | Form | Sequence[str | Form] = ALL_FORMS,
    n_breaks: int | str | Sequence[int] | None = None,
    predict: Sequence[float] = (),
    cuts: int = CUTS,
) -> Analysis:
    """Forecast one curve, fit the forms to it, and back-test the forecast.

    `rule` says what is held out, as arguments of `Curve.split`; nothing if empty. The other options, and what
    is raised, are those of `write_report`.
    """
    if isinstance(predict, str) or not isinstance(predict, Sequence | np.ndarray):
        raise InputError(f"{told('predict', predict)} must be a list of values of x, such as [1000, 2000]")
    at = [as_number(value, f"predict[{i}]") for i, value in enumerate(predict)]
    positive_inputs(at, 1)
    for label, form in forms_by_label(forms, n_breaks).items():
        if len(form.inputs) > 1:
            raise InputError(f"forms: {label!r} takes {len(form.inputs)} inputs; a report is of one input")
    cuts = check_count(cuts, "cuts")
    fitted, held_out = parted(curve, rule)
    positive = bool(curve.y.min() > 0)
    found = forecast(fitted, scale="auto" if positive else "linear")  # checks that everything can be fitted
    tested = positive and cuts > 0 and len(np.unique(fitted.x)) >= LEAST
    asked = forms if isinstance(forms, str | Form) else tuple(forms)
    options = {"forms": asked, "n_breaks": given_breaks(n_breaks), "predict": at, "cuts": cuts}
    defaults: dict[str, Any] = {"forms": ALL_FORMS, "n_breaks": None, "predict": [], "cuts": CUTS}
    loss = "log" if positive else "linear"
    compared = compare(curve, forms=forms, n_breaks=n_breaks, loss=loss, **rule)
    ranked = (compared.results[str(label)] for label in compared.table.index)
    best = next((one for one in ranked if one.form.name == BNSL.name), None)
    return Analysis(
        fitted=fitted,
        held_out=held_out,
        forecast=found,
        comparison=compared,
        law=best if positive else fit(fitted, loss=loss),
        backtest=backtest(fitted, method=forecast, cuts=cuts) if tested else None,
        predict=np.array(at) if at else fitted.ahead(AHEAD),
        options={**rule, **{k: v for k, v in options.items() if v != defaults[k]}},
    )
