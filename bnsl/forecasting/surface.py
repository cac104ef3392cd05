"""Forecasts from several inputs: an average over laws by how well each extrapolated within the data.

Laws that fit runs alike go apart beyond them, and what a law leaves over is alike from run to run, so that
likelihoods, which take runs for independent, favour rich laws too much. Each law is therefore asked first
what it would have said of the dearest of the runs from the cheaper ones (stacking by a back-test; Wolpert,
1992), and weighted by that. To what a law says is added what runs near by were off it (`nearby`), here and
there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from bnsl._base.arrays import log_softmax
from bnsl._base.checks import InputError, check_count, check_tails, generator
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd
from bnsl._base.shown import Part, Shown, frame_part
from bnsl.curves.curve import Curve, check_curve, warn_if_far
from bnsl.curves.data import points_of
from bnsl.fitting.decisions import Decisions
from bnsl.fitting.fit import fit
from bnsl.fitting.record import Entries, damaged, of_type, parsed
from bnsl.fitting.result import FitResult, Status
from bnsl.forecasting.mixture import Mixture, centre, draws, quantile
from bnsl.forecasting.nearby import Nearby, carried
from bnsl.forecasting.surface_laws import (
    backtest,
    cheaper,
    enough,
    filled,
    laws_of,
    log_y_of,
    needed,
    outliers,
)
from bnsl.forms.form import Form
from bnsl.solver import losses

KIND = "surface_forecast"
# A back-test counts for so many independent runs: a weight is the error to the power of minus this.
WORTH = 8.0
# A cut may be met by luck, so this share of the variance that a law leaves beyond the least counts as well.
MISFIT = 0.3
FURTHEST = 16.0  # times as far as in the back-test, up to which an error grows, as the root of the distance
LINEAR = 0.05  # standard deviation of a law's log y up to which its derivatives tell it; else draws do,
DRAWS = 200  # so many
WIDEST = 1.0  # standard deviation of a law's log y beyond which it says nothing


RISES = "{y} rises with the inputs, but these laws fall; if it is an accuracy, pass accuracy='share'"


class Member(NamedTuple):
    """A law of the average."""

    label: str
    result: FitResult
    weight: float
    error: float  # root mean square log error on the more expensive runs, from the cheaper


@dataclass(frozen=True, eq=False)
class SurfaceForecast(Shown, Decisions):
    """A forecast from several inputs: a weighted average of laws, with intervals.

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

    def trend(self, x: Any) -> np.ndarray:
        """The average of the laws alone at x, which is smooth; decisions rest on it."""
        points, shape = self._points(x)
        log_y = np.array([log_y_of(member.result, points) for member in self.members])
        return self.curve.held(np.exp(self._weight @ log_y)).reshape(shape)

    def interval(self, x: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Interval (lower, upper) that contains a new run at x with probability `level`.

        It includes the noise, the uncertainty of each law's parameters, its error in the back-test (larger
        further ahead), and the differences between laws.
        """
        tails = check_tails(level)
        points, shape = self._points(x)
        mixture = self._mixture(points)
        ends = (np.exp(quantile(mixture, tail)) for tail in tails)
        low, high = (self.curve.held(end).reshape(shape) for end in ends)
        return low, high

    def sample(self, x: Any, size: int = 1000, *, seed: int = 0) -> np.ndarray:
        """Draws of a new run at x, shape (size,) + S, independent from one point to the next."""
        count = check_count(size, "size", 1)
        points, shape = self._points(x)
        drawn = draws(self._mixture(points), count, generator(seed))
        return self.curve.held(np.exp(drawn)).reshape(count, *shape)

    def posterior(self, count: int = 1000, seed: int = 0) -> list[tuple[Form, np.ndarray]]:
        """Laws drawn from the forecast, each form in proportion to its weight, as coordinates (m, p)."""
        exact = count * self._weight
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
        """What is averaged, one row per law: weight, back-test error, rmsle on all runs, limit E."""
        table = pd.DataFrame(self.members).drop(columns="result").set_index("label").rename_axis("law")
        results = [member.result for member in self.members]
        return table.rename(columns={"error": "backtest_rmsle"}).assign(
            rmsle=[result.rmsle for result in results],
            n_params=[result.n_params for result in results],
            limit=[result.params.get("E", np.nan) for result in results],
        )

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
        """The forecast that `to_json` wrote, without fitting again.

        Raises:
            InputError: text that is not such a record, or one that is damaged.
        """
        record = Entries(parsed(text, KIND, "SurfaceForecast"))
        with damaged(KIND):
            members = tuple(
                Member(
                    str(entry["label"]),
                    FitResult.from_json(json.dumps(entry["fit"])),
                    *(float(entry[name]) for name in ("weight", "error")),
                )
                for entry in of_type(record["members"], list)
            )
            notes = tuple(FitWarning(str(code), str(message)) for code, message in record["warnings"])
            return cls(members[0].result.curve, members, notes)

    def __repr__(self) -> str:
        first = self.members[0]
        what = f"{first.label} {first.weight:.0%} of {len(self.members)} laws"
        return f"<SurfaceForecast of {self.curve.extent}: {what}>"

    def _title(self) -> str:
        return f"forecast of {self.curve.name or self.curve.y_label} by {', '.join(self.curve.input_names)}"

    def _facts(self) -> list[tuple[str, str]]:
        return [("runs", f"{len(self.curve)}{self.curve.grouped}, {self.curve.span}")]

    def _parts(self) -> list[Part]:
        frame = self.laws.reset_index()
        frame["weight"] = [f"{value:.1%}" for value in frame["weight"]]
        for name in ("backtest_rmsle", "rmsle", "limit"):
            frame[name] = [f"{value:.4g}" for value in frame[name]]
        return [frame_part(frame, index=True)]

    def _points(self, x: Any) -> tuple[np.ndarray, tuple[int, ...]]:
        points, shape = points_of(x, self.curve, self.members[0].result.form.inputs)
        warn_if_far(points, self.curve, stacklevel=4)
        return points, shape

    @property
    def _weight(self) -> np.ndarray:
        return np.array([member.weight for member in self.members])

    @cached_property
    def _nearby(self) -> list[Nearby]:
        residuals = [
            np.log(self.curve.y) - log_y_of(result, self.curve.x) for _, result, _, _ in self.members
        ]
        return carried(np.log(self.curve.x), np.array(residuals))

    @cached_property
    def _drawn(self) -> list[np.ndarray]:
        return [member.result.posterior(DRAWS)[0][1] for member in self.members]

    def _mixture(self, points: np.ndarray) -> Mixture:
        means, spreads = [], []
        growth = self._growth(points)
        for place, (_, result, _, error) in enumerate(self.members):
            seen = result.form.seen(points)
            log_y, jacobian = losses.law_and_jacobian(result.form, "log", result.theta, seen)
            open_yet = np.linalg.norm(np.nan_to_num(result.covariance_root).T @ jacobian, axis=0)
            bent = ~(open_yet < LINEAR)
            if bent.any():
                drawn = result.form.log_y(self._drawn[place], seen[bent]) - log_y[bent]
                open_yet[bent] = np.sqrt(np.mean(np.minimum(drawn**2, WIDEST**2), axis=0))
            means.append(log_y + self._nearby[place].at(np.log(points)))
            noise = np.nan_to_num(result.residual_scale)
            spreads.append(np.sqrt(open_yet**2 + noise**2 + (error * growth) ** 2))
        return Mixture(self._weight, np.array(means), np.maximum(np.array(spreads), 1e-12))

    def _growth(self, points: np.ndarray) -> np.ndarray | float:
        """By how much errors of the back-test grow up to points (M, k), which may be further ahead."""
        effort = np.log(self.curve.effort)
        tested = [
            np.sqrt(np.mean((effort[~cheap] - effort[cheap].max()) ** 2)) for cheap in cheaper(self.curve)
        ]
        if not tested:
            return 1.0
        ahead = np.log(self.curve.effort_at(points)) - effort.max()
        return np.sqrt(np.clip(ahead / max(float(np.mean(tested)), 1e-9), 1.0, FURTHEST))


def surface_forecast(curve: Curve) -> SurfaceForecast:
    """The forecast of a curve of several inputs; `bnsl.forecast` calls it.

    Raises:
        InputError: runs that cannot be fitted, or too few of them for any law.
    """
    check_curve(curve, way_out="fit it with bnsl.fit(..., loss='linear'), which has no forecast")
    candidates = [(label, form, held) for label, form, held in laws_of(curve) if enough(form, held, curve)]
    if not candidates:
        raise InputError(
            f"{len(curve)} runs are too few for a law of {curve.inputs} inputs; the simplest needs "
            f"{needed(curve)}"
        )
    out = outliers(curve)
    notes = [_left_out(curve.take(out))] if out.any() else []
    if out.any():
        curve = curve.take(~out)
    if _rises(curve):
        notes.append(FitWarning("rises", RISES.format(y=curve.y_label)))
    fitted = [(label, form, held, fit(curve, form=form, fixed=held)) for label, form, held in candidates]
    fitted = [law for law in fitted if law[-1].status is not Status.FAILED]
    tested = backtest(curve, fitted)
    scatter = np.array([result.residual_scale for *_, result in fitted])
    error = filled(np.sqrt(np.mean(tested**2, axis=0)), scatter)
    usual = filled(np.exp(np.mean(np.log(tested), axis=0)), scatter)
    noise = np.nan_to_num(scatter, nan=np.inf)
    excess = noise**2 - min(np.min(noise), 1.0) ** 2
    weight = np.exp(log_softmax(-0.5 * WORTH * np.log(usual**2 + MISFIT * np.minimum(excess, 1.0))))
    order = np.argsort(-weight, kind="stable")
    members = tuple(Member(fitted[i][0], fitted[i][-1], float(weight[i]), float(error[i])) for i in order)
    return SurfaceForecast(curve, members, (*notes, *members[0].result.warnings))


def _left_out(runs: Curve) -> FitWarning:
    """What to say of outliers."""
    rows = np.arange(len(runs)) if runs.rows is None else runs.rows
    shown = "; ".join(
        f"row {row} ({', '.join(f'{n} = {v:g}' for n, v in zip(runs.input_names, x, strict=True))}, "
        f"{runs.y_label} = {y:g})"
        for row, x, y in list(zip(rows, runs.x, runs.y, strict=True))[:2]
    )
    more = f" and {len(runs) - 2} more" if len(runs) > 2 else ""
    return FitWarning("outliers", f"left out, far off what all other runs say: {shown}{more}; look at them")


def _rises(curve: Curve) -> bool:
    """Whether the median y of the most expensive third of the runs exceeds that of the cheapest."""
    low, high = np.quantile(curve.effort, [1 / 3, 2 / 3])
    return bool(np.median(curve.y[curve.effort >= high]) > np.median(curve.y[curve.effort <= low]))
