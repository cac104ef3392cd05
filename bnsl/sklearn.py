"""`BNSLRegressor`: scaling laws and forecasts as an estimator of scikit-learn, for pipelines and searches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_number, check_count, reject, some
from bnsl.curves.curve import Curve
from bnsl.fitting.fit import fit
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast, forecast
from bnsl.forms.form import Form

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_is_fitted,
        check_non_negative,
        validate_data,
    )
except ImportError:
    raise ImportError(
        "BNSLRegressor needs scikit-learn 1.6 or later; pip install 'broken-neural-scaling-laws[sklearn]'"
    ) from None

FORECAST = "forecast"
_ONE_SIGMA = math.erf(math.sqrt(0.5))  # probability within one standard deviation


class BNSLRegressor(RegressorMixin, BaseEstimator):
    """A law fitted to one positive input, with the interface of scikit-learn.

    It is `bnsl.fit`, whose arguments it has, or with form="forecast" it is `bnsl.forecast`. In a search with
    `TimeSeriesSplit`, whose test sets lie beyond the training sets, sort the points by x first.

    Args:
        form: "bnsl", "m1" to "m4", a Form; or "forecast", which averages laws and takes no other options.
        n_breaks: number of breaks of a BNSL; if None, it is chosen by evidence.
        loss: "log", "log1p" or "linear".
        robust: None, "huber" or "soft_l1".
        fixed: parameters fixed at a value.
        bounds: (lower, upper) of parameters.
        offset: added to X, in its units; 1 for steps that count from 0.
        feature: the column of X that is x, by position, or by name in a DataFrame; None if X has one column.

    Attributes:
        result_: the FitResult or Forecast, with its summary, parameters and warnings.
        n_features_in_: number of columns of X.
        feature_: position of the column that is x.
    """

    def __init__(
        self,
        form: str | Form = "bnsl",
        *,
        n_breaks: int | None = None,
        loss: str = "log",
        robust: str | None = None,
        fixed: Mapping[str, float] | None = None,
        bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
        offset: float = 0.0,
        feature: int | str | None = None,
    ) -> None:
        self.form = form
        self.n_breaks = n_breaks
        self.loss = loss
        self.robust = robust
        self.fixed = fixed
        self.bounds = bounds
        self.offset = offset
        self.feature = feature

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> BNSLRegressor:  # noqa: N803
        """Fit the law.

        Args:
            X: inputs >= 0, shape (N, 1); or (N, k) with `feature` given.
            y: measured values (N,), positive under the default loss.
            sample_weight: weight of each squared residual (N,), in the space of the loss; a point of weight 0
                is left out.

        Returns:
            The estimator itself.

        Raises:
            InputError: (a ValueError) input that cannot be fitted.
        """
        columns, values = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=3)
        self.feature_ = self._place()
        x, measured = self._positive(columns), np.asarray(values, dtype=np.float64)
        sigma = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, columns, dtype=np.float64, ensure_non_negative=True)
            used = weight > 0
            x, measured = x[used], measured[used]
            sigma = self._space(measured) / np.sqrt(weight[used])
        self.result_: FitResult | Forecast = self._fitted(Curve(x, measured, sigma))
        return self

    def predict(self, X: ArrayLike, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:  # noqa: N803
        """y at X, shape (N,).

        Args:
            X: inputs >= 0, shape (N, 1); or (N, k) with `feature` given.
            return_std: also return the standard deviation of a new measurement, half the width of the 68.3 %
                interval. `interval` gives intervals, which need not be symmetric.
        """
        x = self._inputs(X)
        mean = self.result_.predict(x)
        if not return_std:
            return mean
        lower, upper = self.result_.interval(x, _ONE_SIGMA)
        return mean, 0.5 * (upper - lower)

    def interval(self, X: ArrayLike, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:  # noqa: N803
        """Interval (lower, upper), each (N,), for a new measurement at X with probability `level`."""
        return self.result_.interval(self._inputs(X), level)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.target_tags.positive_only = self.loss == "log"
        tags.regressor_tags.poor_score = True  # on a linear function of ten features, of which it sees one
        return tags

    def _fitted(self, curve: Curve) -> FitResult | Forecast:
        defaults = {"n_breaks": None, "loss": "log", "robust": None, "fixed": None, "bounds": None}
        options: dict[str, Any] = {name: getattr(self, name) for name in defaults}
        if not isinstance(self.form, str) or self.form != FORECAST:
            return fit(curve, form=self.form, **options)
        for name, default in defaults.items():
            if options[name] != default:
                raise InputError(f"{name} goes with a form; form='forecast' takes none, leave it out")
        return forecast(curve)

    def _inputs(self, X: ArrayLike) -> np.ndarray:  # noqa: N803
        """x of a prediction (N,), checked."""
        check_is_fitted(self)
        return self._positive(validate_data(self, X, dtype=np.float64, reset=False))

    def _place(self) -> int:
        """The place of the column that is x."""
        count, names = self.n_features_in_, list(getattr(self, "feature_names_in_", ()))
        if self.feature is None:
            if count != 1:
                raise InputError(f"X has {count} features, and a law takes one; choose it, as in feature=0")
            return 0
        if isinstance(self.feature, str):
            if self.feature not in names:
                known = f"they are {some(names)}" if names else "X has no names of columns"
                raise InputError(f"feature = {self.feature!r} is no column of X; {known}")
            return names.index(self.feature)
        place = check_count(self.feature, "feature")
        if place >= count:
            raise InputError(f"feature = {place} is beyond the {count} columns of X, which count from 0")
        return place

    def _positive(self, columns: np.ndarray) -> np.ndarray:
        """x (N,) with the offset added."""
        column = columns[:, self.feature_]
        check_non_negative(column, "BNSLRegressor")
        x = column + as_number(self.offset, "offset")
        reject(column, x <= 0, "X", "is not positive; drop it, or add an offset as in offset=1")
        return x

    def _space(self, y: np.ndarray) -> np.ndarray:
        """What one unit of the residual is in y, for weights that count in the space of the loss."""
        scales = {"log": y, "log1p": 1.0 + y}
        return scales.get(self.loss, np.ones(len(y)))
