"""The result of a fit: parameters, status, warnings, predictions."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.arrays import lengths
from bnsl._base.checks import InputError, check_share
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd
from bnsl._base.normal import students_t
from bnsl.curves.curve import Curve, warn_if_far
from bnsl.curves.data import points_of
from bnsl.curves.metrics import rmse, rmsle
from bnsl.evidence.breaks import Candidate
from bnsl.fitting import record
from bnsl.fitting.covariance import sandwich_root
from bnsl.fitting.decisions import Decisions
from bnsl.fitting.posterior import draws
from bnsl.fitting.text import Printed
from bnsl.forms.broken import Segment
from bnsl.forms.form import Form
from bnsl.solver import losses


class Status(enum.Enum):
    """How a fit ended; the value is a readable sentence."""

    CONVERGED = "converged: no step lowers the cost any further"
    NOT_CONVERGED = "not converged: the step limit came first; the cost can still be lowered"
    UNDERDETERMINED = "underdetermined: the data do not determine all parameters; many laws fit as well"
    FAILED = "failed: no start gave a finite cost"


@dataclass(frozen=True, repr=False)
class FitResult(Printed, Decisions, figure="plot_fit"):
    """A fitted law. Made by `bnsl.fit`; all fields are read-only.

    Attributes:
        form: the functional form.
        theta: its coordinates (p,) in the user's units; `params` has the values by name.
        covariance_root: R (p, p) with R R^T = `covariance`; NaN in the rows of parameters that are not
            determined.
        curve: the fitted points.
        loss, robust, robust_scale: what was minimised.
        fixed: names of the fixed parameters.
        bounds: (name, lower, upper) of bounded parameters, as coordinates; infinite for no bound.
        status: how the fit ended.
        warnings: (code, message) pairs.
        residual_scale: standard deviation of a residual in the space of the loss (relative to sigma, if
            sigma was given), with the degrees of freedom taken off; NaN without any left. Under a robust loss
            that of the points near the law.
        candidates: the numbers of breaks that were compared, if the number was chosen.
    """

    form: Form
    theta: np.ndarray
    covariance_root: np.ndarray
    curve: Curve
    loss: str = "log"
    robust: str | None = None
    robust_scale: float | None = None
    fixed: tuple[str, ...] = ()
    bounds: tuple[tuple[str, float, float], ...] = field(default=(), kw_only=True)
    status: Status = Status.CONVERGED
    warnings: tuple[FitWarning, ...] = ()
    residual_scale: float = np.nan
    undetermined: tuple[str, ...] = field(default=())
    candidates: tuple[Candidate, ...] = ()

    def __post_init__(self) -> None:
        for name in ("theta", "covariance_root"):
            array = np.array(getattr(self, name), dtype=float)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what is derived from them may hold views that cannot be pickled."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the fields of a frozen instance."""
        self.__dict__.update(state)

    # --- the law ----------------------------------------------------------------------------------

    @cached_property
    def params(self) -> Mapping[str, float]:
        """Parameter values in the paper's names, read-only plain floats."""
        return MappingProxyType(self.form.to_params(self.theta))

    @property
    def n_breaks(self) -> int:
        """Number of breaks; 0 for a form that has none."""
        return self.form.total_breaks

    @property
    def n_params(self) -> int:
        """Number of parameters that were fitted."""
        return len(self.theta) - len(self.fixed)

    def predict(self, x: ArrayLike) -> np.ndarray:
        """y at x, an array of the shape of x.

        Issues an ExtrapolationWarning for x beyond ten times the fitted range. Raises InputError for x
        that is not positive and finite.
        """
        points, shape = points_of(x, self.curve, self.form.inputs)
        warn_if_far(points, self.curve)
        with np.errstate(all="ignore"):
            return self.curve.held(self.form.evaluate(self.theta, points)).reshape(shape)

    def slope(self, x: ArrayLike) -> np.ndarray:
        """Local log-log slope d log y / d log x at x; negative where y falls."""
        points, shape = points_of(x, self.curve, self.form.inputs)
        slopes = self.form.slope(self.theta, points)
        return slopes.reshape(shape + slopes.shape[1:])

    def interval(self, x: ArrayLike, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Interval (lower, upper) for a new measurement at x, if this form is right.

        From the Gauss-Newton covariance and the residual scatter, with Student's t quantiles, in the space of
        the loss. On simulated curves of the form with a visible break, 90 % intervals contain 90 to 91 % of
        new measurements (`benchmarks/coverage.py`). Other forms and breaks still to come are not included:
        `Forecast.interval` includes other forms, and `warnings` say if this form does not fit. If a limit or
        a break is poorly determined, `bnsl.prediction_interval` is more accurate. NaN, with a warning, if no
        degree of freedom is left to estimate the scatter, or if an error is beyond the range of a double.

        Args:
            x: positive inputs of any shape.
            level: probability inside, between 0 and 1.
        """
        level = check_share(level, "level")
        points, shape = points_of(x, self.curve, self.form.inputs)
        warn_if_far(points, self.curve)
        dof = max(len(self.curve) - self.n_params, 1)
        with np.errstate(all="ignore"):  # an end beyond the range of a double is inf
            seen = self.form.seen(points)
            center, jacobian = losses.law_and_jacobian(self.form, self.loss, self.theta, seen)
            noise = np.full((1, len(points)), self.residual_scale * self.typical_sigma)
            spread = lengths(np.concatenate([self.covariance_root.T @ jacobian, noise]))
            half = students_t(level, dof) * spread
            low, high = (
                self.curve.held(losses.back(self.loss, end)) for end in (center - half, center + half)
            )
        return low.reshape(shape), high.reshape(shape)

    @property
    def typical_sigma(self) -> float:
        """Median of `sigma_of_residuals`, taken as the sigma of a new measurement."""
        return float(np.median(self.sigma_of_residuals))

    @property
    def sigma_of_residuals(self) -> np.ndarray:
        """The sigma that was given, in the space of the loss, or ones without one, (N,)."""
        if self.curve.sigma is None:
            return np.ones(len(self.curve))
        return np.asarray(losses.sigma_in_residual_space(self.loss, self.curve.sigma, self.curve.y, 1.0))

    @property
    def noise(self) -> np.ndarray:
        """Estimated standard deviation of each point in the space of the loss, (N,); NaN if unknown."""
        return self.residual_scale * self.sigma_of_residuals

    @cached_property
    def cost(self) -> float:
        """What was minimised: the sum of half the squares of the residuals, or of a robust loss of them.

        Huber's is r^2 / 2 up to the scale s and s (|r| - s / 2) beyond; residuals are over sigma, if given.
        """
        scale = self.robust_scale or 1.0
        with np.errstate(all="ignore"):
            residual = self.residuals / self.sigma_of_residuals
            rho = losses.robust_cost_and_weight(self.robust, (residual / scale) ** 2)[0]
        return 0.5 * scale**2 * float(np.sum(rho))

    # --- quality ----------------------------------------------------------------------------------

    @cached_property
    def fitted(self) -> np.ndarray:
        """Predictions at the fitted points, shape (N,)."""
        return self.form.evaluate(self.theta, self.curve.x)

    @cached_property
    def residuals(self) -> np.ndarray:
        """Law minus data at the fitted points, in the space of the loss, shape (N,)."""
        with np.errstate(all="ignore"):
            law = losses.transform(self.loss, self.fitted, 1.0)
            return np.asarray(law - losses.transform(self.loss, self.curve.y, 1.0))

    @cached_property
    def rmsle(self) -> float:
        """Root mean square of log(predicted / measured) on the fitted points; NaN where y <= 0."""
        return rmsle(self.fitted, self.curve.y)[0]

    @cached_property
    def rmse(self) -> float:
        """Root mean square of predicted - measured on the fitted points, in the units of y."""
        return rmse(self.fitted, self.curve.y)

    @cached_property
    def aicc(self) -> float:
        """Corrected Akaike information criterion of the residuals; infinite with too few points.

        n log(RSS / n) + 2 k + 2 k (k + 1) / (n - k - 1), with the noise among the k parameters. It compares
        fits of the same points under the same loss.
        """
        n, k = len(self.curve), self.n_params + 1
        if n - k - 1 <= 0:
            return float("inf")
        with np.errstate(all="ignore"):
            mean = max(float(np.mean((self.residuals / self.sigma_of_residuals) ** 2)), 1e-300)
        return n * float(np.log(mean)) + 2 * k + 2 * k * (k + 1) / (n - k - 1)

    @cached_property
    def covariance(self) -> np.ndarray:
        """Gauss-Newton covariance (p, p) of the coordinates; 0 for those that were fixed.

        NaN in the rows and columns of what cannot be known, and of a variance that is no double
        (a standard error below 1e-154 or above 1e154); `stderr` has its root all the same.
        """
        with np.errstate(all="ignore"):
            covariance = self.covariance_root @ self.covariance_root.T
        variance = np.diag(covariance)
        lost = self.covariance_root.any(axis=1) & ~((variance >= np.finfo(float).tiny) & (variance < np.inf))
        covariance[lost], covariance[:, lost] = np.nan, np.nan
        covariance.setflags(write=False)
        return covariance

    @cached_property
    def stderr(self) -> Mapping[str, float]:
        """Standard error of every parameter in its own units, to first order; NaN if not determined.

        A parameter that was fixed has 0.
        """
        return self._errors_of(self.covariance_root)

    @cached_property
    def robust_stderr(self) -> Mapping[str, float]:
        """As `stderr`, from the sandwich covariance (HC3): right also where the noise is uneven along x.

        MacKinnon and White (1985). NaN for what is not determined, and without a degree of freedom left.
        """
        return self._errors_of(self._sandwich_root)

    @cached_property
    def _sandwich_root(self) -> np.ndarray:
        seen, sigma = self.form.seen(self.curve.x), self.sigma_of_residuals
        _, jacobian = losses.law_and_jacobian(self.form, self.loss, self.theta, seen)
        free = np.array([name not in self.fixed for name in self.form.names])
        with np.errstate(all="ignore"):
            psi, steepness = losses.influence(self.robust, self.residuals / sigma, self.robust_scale or 1.0)
            return sandwich_root(jacobian.T / sigma[:, None], psi, steepness, free, self.curve.groups)

    def posterior(self, count: int = 1000, seed: int = 0) -> list[tuple[Form, np.ndarray]]:
        """Laws drawn from the uncertainty of the fit: form, and coordinates (count, p) in user units."""
        return [(self.form, draws(self, count, seed))]

    def _errors_of(self, root: np.ndarray) -> Mapping[str, float]:
        out = dict.fromkeys(self.form.names, float("nan"))
        for parameter, error in zip(self.form.parameters, lengths(root.T).tolist(), strict=True):
            name = parameter.name
            size = abs(self.params[name]) if parameter.log else 1.0
            if 0 < size < np.inf and np.isfinite(error * size) and name not in self.undetermined:
                out[name] = error * size
        return MappingProxyType(out | dict.fromkeys(self.fixed, 0.0))

    def param_interval(
        self, level: float = 0.9, *, robust: bool = False
    ) -> Mapping[str, tuple[float, float]]:
        """Confidence interval (low, high) of every parameter, to first order.

        With Student's t of N - p degrees of freedom, on the logarithm of parameters that have one sign (b, d,
        f). A parameter that the data do not determine has an infinite interval, and a warning names it; with
        no degree of freedom left the ends are NaN. If the cost is far from quadratic (a limit near 0, a break
        near the end), `bnsl.profile` is more accurate.

        Args:
            level: probability that the interval contains the true value, between 0 and 1.
            robust: from the sandwich covariance, as `robust_stderr`.
        """
        level = check_share(level, "level")
        dof = len(self.curve) - self.n_params
        errors = lengths((self._sandwich_root if robust else self.covariance_root).T)
        factor = students_t(level, dof) if dof > 0 else np.nan
        half = dict(zip(self.form.names, (factor * errors).tolist(), strict=True))
        half |= dict.fromkeys(self.fixed, 0.0) | dict.fromkeys(self.undetermined, np.inf)
        return MappingProxyType(
            {
                parameter.name: parameter.ends(center + half[parameter.name] * np.array([-1.0, 1.0]))
                for parameter, center in zip(self.form.parameters, self.theta, strict=True)
            }
        )

    @cached_property
    def breaks(self) -> pd.DataFrame:
        """One row per break: position, slope before and after, sharpness, and whether the data show it.

        Slopes are those of log(y - a) against log x; `width_decades` is the factor of x, in powers of ten,
        over which 90 % of the turn takes place (2 f log 19 / log 10, from the logistic shape of the turn).
        """
        numbers = range(1, self.form.n_breaks + 1)
        change, place, width = (np.array([self.params[f"{k}{i}"] for i in numbers], float) for k in "cdf")
        slope = -np.cumsum([self.params.get("c0", np.nan), *change])
        columns = {
            "position": place,
            "slope_before": slope[:-1],
            "slope_after": slope[1:],
            "sharpness": 1.0 / width,
            "width_decades": 2.0 * width * np.log(19.0) / np.log(10.0),
            "inside_data": (self.curve.x.min() <= place) & (place <= self.curve.x.max()),
        }
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(place) + 1, name="break"))

    @cached_property
    def selection(self) -> pd.DataFrame:
        """Why this number of breaks: one row per number that was weighed; empty where it was given.

        Columns: log_evidence (of all laws of so many breaks, under a prior for laws and noise), probability
        (among those weighed), chosen.
        """
        columns = ["n_breaks", "log_evidence", "probability"]
        frame = pd.DataFrame(list(self.candidates), columns=columns).set_index("n_breaks")
        frame["chosen"] = frame.index == self.n_breaks
        return frame

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The power laws of which y - a is made; raises InputError for a form that is no BNSL.

        The scale of a steep one, its value at x = 1, may be beyond the range of a double: infinite or 0.
        """
        decompose = getattr(self.form, "segments", None)
        if decompose is None:
            raise InputError(f"form {self.form.label!r} is not a chain of power laws; only bnsl is")
        with np.errstate(over="ignore"):
            return decompose(self.params)

    # --- JSON -------------------------------------------------------------------------------------

    def to_json(self, *, indent: int | None = 2) -> str:
        """Everything as JSON, exact to the last bit; NaN and infinity as strings."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        more = {"params": dict(self.params), "rmsle": self.rmsle, "rmse": self.rmse}
        return record.written(values, more, indent)

    @classmethod
    def from_json(cls, text: str, *, form: Form | None = None) -> FitResult:
        """The result that `to_json` wrote, without fitting again.

        Args:
            text: the JSON itself, not the name of its file.
            form: needed only for a form of your own, which has no registered name.

        Raises:
            InputError: text that is not such a record, one that is damaged, or one of another form.
        """
        return cls(**record.read(text, form, Status))
