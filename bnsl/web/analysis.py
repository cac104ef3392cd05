"""Everything that a report shows of one curve, computed once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_number, check_count, positive_inputs, told
from bnsl._base.display import ExtrapolationWarning
from bnsl.curves.curve import Curve
from bnsl.curves.data import Data, as_curve
from bnsl.evaluation.backtest import Backtest, backtest
from bnsl.evaluation.comparison import ALL_FORMS, Comparison, compare, forms_by_label
from bnsl.evaluation.extrapolation import nothing_held_out
from bnsl.fitting.fit import fit
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast, forecast
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.forms.registry import given_breaks

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.9  # of the intervals in tables; figures show 50 % as well
AHEAD = (1.5, 2.0, 4.0, 10.0)  # forecasts at these multiples of the last fitted x, if none are asked for
CUTS = 4  # of the back-test: half as much work as all the rest
LEAST = 5  # distinct x that a back-test of the forecast needs: 4 to fit and one to predict


def quietly(function: Any, *args: Any, **options: Any) -> Any:
    """What the function returns, without warnings of extrapolation: the page says so in words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return function(*args, **options)


class Predictions:
    """The tables of predictions that every page shows, of what was fitted and what was held out."""

    fitted: Curve
    held_out: Curve | None
    predict: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """What the inputs are called."""
        raise NotImplementedError

    @property
    def predictor(self) -> Any:
        """What predicts: a forecast, or a fit."""
        raise NotImplementedError

    @property
    def curve(self) -> Curve:
        """All points, fitted and held out."""
        return self.fitted if self.held_out is None else self.fitted.joined(self.held_out)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per prediction: the inputs, predicted, lower, upper."""
        return self._at(self.predict)

    @cached_property
    def checked(self) -> pd.DataFrame | None:
        """One row per held-out point: the inputs, y, predicted, lower, upper; None if there are none."""
        if self.held_out is None:
            return None
        table = self._at(self.held_out.x)
        table.insert(len(self.names), "y", self.held_out.y)
        return table

    def _at(self, x: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        columns = dict(zip(self.names, x.reshape(len(x), -1).T, strict=True))
        middle = quietly(self.predictor.predict, x)
        lower, upper = quietly(self.predictor.interval, x, LEVEL)
        return pd.DataFrame({**columns, "predicted": middle, "lower": lower, "upper": upper})


@dataclass(frozen=True, eq=False)
class Analysis(Predictions):
    """What was found of one curve.

    Attributes:
        fitted: the points that everything rests on.
        held_out: the points that nothing has seen, or None.
        forecast: the average over laws; None where y is not positive throughout.
        single: the law that stands in its place then, fitted on a linear scale.
        comparison: the forms, each fitted by itself.
        backtest: the forecast back-tested on the fitted points; None for too few, or if none was wanted.
        predict: x (M,) at which the forecast is tabulated.
        options: what was asked for besides the data, for the call that made it.
    """

    fitted: Curve
    held_out: Curve | None
    forecast: Forecast | None
    comparison: Comparison
    backtest: Backtest | None
    predict: np.ndarray
    options: dict[str, Any] = field(default_factory=dict)
    single: FitResult | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the input in tables."""
        return ("x",)

    @property
    def predictor(self) -> Forecast | FitResult:
        """The forecast, or the law in its place."""
        law = self.forecast or self.single
        assert law is not None  # one of them is there
        return law

    @cached_property
    def law(self) -> FitResult | None:
        """The best BNSL among the forms, whose breaks are shown; without a forecast the one that predicts."""
        if self.single is not None:
            return self.single
        ranked = [self.comparison.results[str(label)] for label in self.comparison.table.index]
        return next((fit for fit in ranked if fit.form.name == BNSL.name), None)


def analyse(
    *data: Data,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    train_until: float | None = None,
    train_count: int | None = None,
    train_fraction: float | None = None,
    forms: str | Form | Sequence[str | Form] = ALL_FORMS,
    n_breaks: int | str | Sequence[int] | None = None,
    predict: Sequence[float] = (),
    cuts: int = CUTS,
    accuracy: str | None = None,
    resolution: float | None = None,
) -> Analysis:
    """Forecast one curve, fit the forms to it, and back-test the forecast.

    Args:
        *data: x and y; or a Curve; or a table whose columns `x`, `y` and `sigma` name.
        x: positive inputs (N,), in any unit, at least three distinct; or their column.
        y: measured values (N,), or their column. If some are not positive, the page shows a law on a linear
            scale instead of the forecast.
        sigma: standard deviation of every y (N,), or one number for all.
        train_until: use only the points with x <= this; or
        train_count: this many points with the smallest x; or
        train_fraction: this share of them. The points beyond are held out and compared with predictions.
        forms: names or Form instances to compare, of one input.
        n_breaks: numbers of breaks of the bnsl among them, as for `bnsl.compare`.
        predict: x at which the forecast is tabulated; 1.5, 2, 4 and 10 times the last fitted x if empty.
        cuts: how many cut-offs the back-test makes, at most; 0 for no back-test.
        accuracy: "share" or "percent" for a y that is an accuracy, as for `bnsl.fit`.
        resolution: of an accuracy, as for `bnsl.fit`.

    Raises:
        InputError: bad input, as for `bnsl.forecast` and `bnsl.compare`.
    """
    if isinstance(predict, str) or not isinstance(predict, Sequence | np.ndarray):
        raise InputError(f"{told('predict', predict)} must be a list of values of x, such as [1000, 2000]")
    at = [as_number(value, f"predict[{i}]") for i, value in enumerate(predict)]
    positive_inputs(at, 1)
    wanted = forms_by_label(forms, n_breaks)
    for label, form in wanted.items():
        if len(form.inputs) > 1:
            raise InputError(f"forms: {label!r} takes {len(form.inputs)} inputs; a report is of one input")
    cuts = check_count(cuts, "cuts")
    curve = as_curve(data, x, y, sigma, accuracy=accuracy, resolution=resolution)
    rules = {"train_until": train_until, "train_count": train_count, "train_fraction": train_fraction}
    rule: dict[str, Any] = {name: value for name, value in rules.items() if value is not None}
    fitted, held_out = curve.split(**rule)
    if rule and held_out is None:
        raise nothing_held_out(curve)

    positive = bool(curve.y.min() > 0)
    loss = "log" if positive else "linear"
    # They check that everything can be fitted.
    found, single = (forecast(fitted), None) if positive else (None, fit(fitted, loss=loss))
    tested = positive and cuts > 0 and _many(fitted)
    asked = forms if isinstance(forms, str | Form) else tuple(forms)
    options = {**rule, "forms": asked, "n_breaks": given_breaks(n_breaks), "predict": at, "cuts": cuts}
    defaults: dict[str, Any] = {"forms": ALL_FORMS, "n_breaks": None, "predict": [], "cuts": CUTS}
    given = {k: v for k, v in options.items() if k not in defaults or v != defaults[k]}
    return Analysis(
        fitted=fitted,
        held_out=held_out,
        forecast=found,
        comparison=compare(curve, forms=forms, n_breaks=n_breaks, loss=loss, **rule),
        backtest=backtest(fitted, method=forecast, cuts=cuts) if tested else None,
        predict=np.array(at) if at else fitted.ahead(AHEAD),
        options=given,
        single=single,
    )


def _many(curve: Curve) -> bool:
    return len(np.unique(curve.x)) >= LEAST
