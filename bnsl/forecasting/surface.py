"""Forecasts from several inputs: an average over laws by how well each extrapolated within the data.

Laws that fit runs alike go apart beyond them, and what a law leaves over is alike from run to run, so that
likelihoods, which take runs for independent, favour rich laws too much. Each law is therefore asked first
what it would have said of the dearest of the runs from the cheaper ones (stacking by a back-test; Wolpert,
1992), and weighted by that.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bnsl._base.arrays import log_softmax
from bnsl._base.checks import InputError, check_count, check_share
from bnsl._base.display import (
    FitWarning,
    fact_lines,
    html_frame,
    html_of,
    html_table,
    html_warnings,
    paragraphs,
    table_text,
    warning_lines,
)
from bnsl.curves.curve import Curve, check_curve, warn_if_far
from bnsl.curves.data import points_of
from bnsl.fitting.decisions import Decisions
from bnsl.fitting.fit import fit
from bnsl.fitting.record import Entries, damaged, of_type, parsed
from bnsl.fitting.result import FitResult, Status
from bnsl.forecasting.mixture import Mixture, centre, draws, quantile
from bnsl.forms.form import Form
from bnsl.forms.hyperbreaks import HyperBNSL
from bnsl.forms.registry import get_form
from bnsl.solver import losses

if TYPE_CHECKING:
    import pandas as pd

KIND = "surface_forecast"
OF_TWO = ("chinchilla_tied", "chinchilla", "skaling", "interaction", "bilinear")
CUTS = (0.6, 0.8)  # shares of the runs, the cheapest first, from which the others are predicted
# A back-test counts for so many independent runs: a weight is the error to the power of minus this.
WORTH = 8.0
WIDEST = 1.0  # standard deviation of a law's log y beyond which it says nothing


class Member(NamedTuple):
    """A law of the average."""

    label: str
    result: FitResult
    weight: float
    error: float  # root mean square log error on the dearer runs, from the cheaper ones


@dataclass(frozen=True, eq=False)
class SurfaceForecast(Decisions):
    """What several inputs will give: a weighted average of laws, and how sure that is.

    Attributes:
        curve: the runs, with the names of their inputs.
        members: the laws, each with its weight and its error in the back-test.
        warnings: what to know before relying on it, as (code, message).
    """

    curve: Curve
    members: tuple[Member, ...]
    warnings: tuple[FitWarning, ...]

    def predict(self, x: Any) -> np.ndarray:
        """The prediction, the exponential of the mean of log y, at x.

        Args:
            x: a table or a mapping with the names of the inputs, or an array of shape S + (k,).

        Returns:
            y of shape S. Warns (ExtrapolationWarning) far beyond the runs.
        """
        points, shape = self._points(x)
        return self.curve.held(np.exp(centre(self._mixture(points)))).reshape(shape)

    def interval(self, x: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of where a new run at x would fall with probability `level`.

        Each law errs by its noise, by what the runs leave open of its parameters, and by as much as it erred
        on the dearer runs in the back-test; and laws differ.
        """
        tail = 0.5 * (1.0 - check_share(level, "level"))
        points, shape = self._points(x)
        mixture = self._mixture(points)
        ends = (quantile(mixture, tail), quantile(mixture, 1.0 - tail))
        low, high = (self.curve.held(np.exp(end)).reshape(shape) for end in ends)
        return low, high

    def sample(self, x: Any, size: int = 1000, *, seed: int = 0) -> np.ndarray:
        """Draws of a new run at x, shape (size,) + S, independent from one point to the next."""
        count = check_count(size, "size", 1)
        points, shape = self._points(x)
        drawn = draws(self._mixture(points), count, np.random.default_rng(seed))
        return self.curve.held(np.exp(drawn)).reshape(count, *shape)

    def posterior(self, count: int = 1000, seed: int = 0) -> list[tuple[Form, np.ndarray]]:
        """Laws as likely as the runs leave them: of every form its share, as coordinates (m, p)."""
        exact = count * np.array([member.weight for member in self.members])
        numbers = np.floor(exact).astype(int)
        for i in np.argsort(numbers - exact)[: count - int(numbers.sum())]:
            numbers[i] += 1
        return [
            (member.result.form, member.result.posterior(int(number), seed + i)[0][1])
            for i, (member, number) in enumerate(zip(self.members, numbers, strict=True))
            if number
        ]

    @cached_property
    def laws(self) -> pd.DataFrame:
        """What is averaged, a row a law: weight, back-test error, rmsle on all runs, and its limit E."""
        import pandas as pd

        rows = [
            {
                "law": member.label,
                "weight": member.weight,
                "backtest_rmsle": member.error,
                "rmsle": member.result.rmsle,
                "n_params": member.result.n_params,
                "limit": member.result.params.get("E", np.nan),
            }
            for member in self.members
        ]
        return pd.DataFrame(rows).set_index("law")

    @property
    def best(self) -> FitResult:
        """The fit of the law of largest weight."""
        return self.members[0].result

    # --- JSON and text ---------------------------------------------------------------------------------

    def to_json(self, *, indent: int | None = 2) -> str:
        """Everything as JSON, exact to the last bit: every law's fit, its weight and its error."""
        members = [
            {"label": m.label, "weight": m.weight, "error": m.error, "fit": json.loads(m.result.to_json())}
            for m in self.members
        ]
        warned = [list(note) for note in self.warnings]
        record = {"bnsl": KIND, "version": 1, "warnings": warned, "members": members}
        return json.dumps(record, indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> SurfaceForecast:
        """The forecast that `to_json` wrote, without fitting anything.

        Raises:
            InputError: text that is not such a record, or one that is damaged.
        """
        record = Entries(parsed(text, KIND, "SurfaceForecast"))
        with damaged(KIND):
            members = tuple(
                Member(
                    str(entry["label"]),
                    FitResult.from_json(json.dumps(entry["fit"])),
                    float(entry["weight"]),
                    float(entry["error"]),
                )
                for entry in of_type(record["members"], list)
            )
            notes = tuple(FitWarning(str(code), str(message)) for code, message in record["warnings"])
            return cls(members[0].result.curve, members, notes)

    def summary(self) -> str:
        """The average in plain text: runs, laws with their weights, warnings."""
        return paragraphs(
            [self._title(), *fact_lines(self._facts())],
            table_text(self._shown),
            warning_lines(self.warnings),
        )

    def __repr__(self) -> str:
        first = self.members[0]
        what = f"{first.label} {first.weight:.0%} of {len(self.members)} laws"
        return f"<SurfaceForecast of {self.curve.extent}: {what}>"

    def _repr_html_(self) -> str:
        return html_of(
            self._title(), html_table(self._facts()), html_frame(self._shown), html_warnings(self.warnings)
        )

    def _title(self) -> str:
        return f"forecast of {self.curve.name or self.curve.y_label} by {', '.join(self.curve.input_names)}"

    def _facts(self) -> list[tuple[str, str]]:
        return [("runs", f"{len(self.curve)}{self.curve.grouped}, {self.curve.span}")]

    @property
    def _shown(self) -> pd.DataFrame:
        frame = self.laws.reset_index()
        frame["weight"] = [f"{value:.1%}" for value in frame["weight"]]
        for name in ("backtest_rmsle", "rmsle", "limit"):
            frame[name] = [f"{value:.4g}" for value in frame[name]]
        return frame

    def _points(self, x: Any) -> tuple[np.ndarray, tuple[int, ...]]:
        points, shape = points_of(x, self.curve, self.members[0].result.form.inputs)
        warn_if_far(points, self.curve, stacklevel=4)
        return points, shape

    def _mixture(self, points: np.ndarray) -> Mixture:
        means, spreads = [], []
        for _, result, _, error in self.members:
            log_y, jacobian = losses.law_and_jacobian(
                result.form, "log", result.theta, result.form.seen(points)
            )
            open_yet = np.linalg.norm(np.nan_to_num(result.covariance_root).T @ jacobian, axis=0)
            means.append(log_y)
            noise = np.nan_to_num(result.residual_scale)
            spreads.append(np.sqrt(np.minimum(open_yet, WIDEST) ** 2 + noise**2 + error**2))
        weight = np.array([member.weight for member in self.members])
        return Mixture(weight, np.array(means), np.maximum(np.array(spreads), 1e-12))


def surface_forecast(curve: Curve) -> SurfaceForecast:
    """The forecast of a curve of several inputs; `bnsl.forecast` calls it.

    Raises:
        InputError: runs that cannot be fitted, or too few of them for any law.
    """
    check_curve(curve, way_out="fit it with bnsl.fit(..., loss='linear'), which has no forecast")
    candidates = [(label, form, held) for label, form, held in _laws(curve) if _enough(form, held, curve)]
    if not candidates:
        raise InputError(
            f"{len(curve)} runs are too few for a law of {curve.inputs} inputs; the simplest needs "
            f"{_needed(curve)}"
        )
    fitted, errors = [], []
    for label, form, held in candidates:
        result = fit(curve, form=form, fixed=held)
        if result.status is Status.FAILED:
            continue
        fitted.append((label, result))
        errors.append(_backtest(curve, form, held))
    error = _filled(np.array(errors), [result.residual_scale for _, result in fitted])
    weight = np.exp(log_softmax(-WORTH * np.log(error)))
    order = np.argsort(-weight, kind="stable")
    members = tuple(Member(fitted[i][0], fitted[i][1], float(weight[i]), float(error[i])) for i in order)
    return SurfaceForecast(curve, members, members[0].result.warnings)


def _laws(curve: Curve) -> list[tuple[str, Form, dict[str, float]]]:
    """Label, form and held parameters of every law that is averaged."""
    names = curve.input_names
    out: list[tuple[str, Form, dict[str, float]]] = []
    if len(names) == 2:
        out = [(name, get_form(name), {}) for name in OF_TWO]
    for breaks in (0, 1) if len(names) == 2 else (0, 1, 2):
        form = HyperBNSL(names, breaks)
        out.append((form.label, form, {}))
    # A break along one input alone; of parameters and tokens, along tokens.
    for i, name in enumerate(names):
        if len(names) == 2 and i == 0:
            continue
        others = {f"w1_{other}": 0.0 for other in names[:i] + names[i + 1 :]}
        out.append((f"bnsl, a break in {name}", HyperBNSL(names, 1), others))
    return out


def _enough(form: Form, held: dict[str, float], curve: Curve) -> bool:
    """Whether there are more runs than parameters to fit, with two to spare."""
    return len(curve) >= len(form.names) - len(held) + 2


def _needed(curve: Curve) -> int:
    return min(len(form.names) - len(held) for _, form, held in _laws(curve)) + 2


def _backtest(curve: Curve, form: Form, held: dict[str, float]) -> float:
    """Root mean square log error of a law on the dearer runs, fitted to the cheaper; NaN of too few."""
    squares = []
    for share in CUTS:
        cheap = curve.effort <= np.quantile(curve.effort, share)
        part = curve.take(cheap)
        if not _enough(form, held, part) or cheap.all() or len(np.unique(part.x, axis=0)) < 3:
            continue
        law = fit(part, form=form, fixed=held)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            log_error = np.log(law.predict(curve.x[~cheap]) / curve.y[~cheap])
        squares.append(np.mean(log_error**2))
    value = np.sqrt(np.mean(squares)) if len(squares) == len(CUTS) else np.nan
    return float(value) if np.isfinite(value) else np.nan


def _filled(errors: np.ndarray, scatter: Sequence[float]) -> np.ndarray:
    """Errors in the back-test; a law that could not be tested has twice the worst, or its scatter."""
    known = np.isfinite(errors)
    if known.any():
        return np.maximum(np.where(known, errors, 2.0 * np.max(errors[known])), 1e-12)
    return np.maximum(np.nan_to_num(np.array(scatter), nan=1.0), 1e-12)
