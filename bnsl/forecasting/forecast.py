"""`forecast`: predictions of a curve by a weighted average over laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.arrays import logsumexp
from bnsl._base.checks import (
    InputError,
    check_choice,
    check_count,
    check_positive,
    check_share,
    generator,
    numbers,
    positive_inputs,
    reject,
)
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd
from bnsl._base.shown import Part, Plotted, Shown, frame_part
from bnsl.curves.curve import Curve, check_curve, warn_if_far
from bnsl.curves.data import Data, as_curve, named_inputs
from bnsl.curves.pooling import table_notes
from bnsl.curves.scale import LOG, Scale, scales_of
from bnsl.evidence.design import ALWAYS, SMOOTH, Nodes, trial_breaks
from bnsl.evidence.refined import Fitted
from bnsl.fitting.fit import fit
from bnsl.fitting.outliers import outlying
from bnsl.forecasting.average import Average, mixtures, on_its_scale
from bnsl.forecasting.mixture import (
    AT_ONCE,
    Mixture,
    cdf,
    centre,
    chunks,
    draws,
    ends,
    log_density_of_mixture,
    quantile,
)
from bnsl.forecasting.notes import forecast_notes
from bnsl.forms.inputs import Input
from bnsl.solver.losses import ROBUST

LAWS = ("smooth", "0 breaks", "1 break", "2 breaks", "3 breaks")


@dataclass(frozen=True, eq=False)
class Forecast(Shown, Plotted, figure="plot_forecast"):
    """A forecast of a curve: a weighted average of laws, with intervals.

    Attributes:
        curve: its points.
        warnings: what to know before relying on it, as (code, message).
        averages: the average of falling laws and, for curves that climb or fall ever faster, of rising laws;
            then those of laws of the last points alone.
        robust: None, or the loss by which outliers were found and left out.
        scale: of y: laws are averaged in log y, or on a linear scale where y may have any sign.
    """

    curve: Curve
    warnings: tuple[FitWarning, ...]
    averages: tuple[Average, ...]
    robust: str | None = None
    scale: Scale = LOG

    # --- prediction -------------------------------------------------------------------------------

    def predict(self, x: ArrayLike) -> np.ndarray:
        """The prediction at x, of the shape of x: the exponential of the mean of log y.

        It minimises the expected squared log error; on a linear scale it is the mean of y. It is kept between
        the quartiles, so that a few extreme laws cannot dominate it. Within the data it includes the
        correlated noise.

        Raises InputError for x that is not positive; warns (ExtrapolationWarning) far beyond the data.
        """
        points, shape = self._points(x)
        parts = [centre(mixture) for mixture in self._mixtures(points)]
        return self._values(parts).reshape(shape)

    def interval(self, x: ArrayLike, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Interval (lower, upper) that contains a new measurement at x with probability `level`.

        It includes the uncertainty of the law and its coefficients, drift of the slope beyond the data, and
        the noise. Arrays of the shape of x.
        """
        tail = 0.5 * (1.0 - check_share(level, "level"))
        points, shape = self._points(x)
        parts = [ends(mixture, tail) for mixture in self._mixtures(points)]
        low, high = (self._values(each).reshape(shape) for each in zip(*parts, strict=True))
        return low, high

    def quantile(self, x: ArrayLike, p: float) -> np.ndarray:
        """The value that a new measurement at x stays below with probability p; of the shape of x."""
        share = check_share(p, "p")
        points, shape = self._points(x)
        parts = [quantile(mixture, share) for mixture in self._mixtures(points)]
        return self._values(parts).reshape(shape)

    def probability_below(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        """The probability that a new measurement at x is below y; of the shape of x."""
        points, shape = self._points(x)
        log_y = self._log_values(y, points)
        parts = [cdf(m, t) for m, t in zip(self._mixtures(points), chunks(log_y), strict=True)]
        certain = self.scale.measured(log_y) >= self.curve.within[1]
        return np.where(certain, 1.0, np.concatenate(parts)).reshape(shape)

    def log_density(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        """The log predictive density of log y (of y on a linear scale) at x, a proper score; shaped as x."""
        points, shape = self._points(x)
        log_y = self._log_values(y, points)
        parts = [
            log_density_of_mixture(*m[:3], t)
            for m, t in zip(self._mixtures(points), chunks(log_y), strict=True)
        ]
        unit = 0.0 if self.scale.logarithmic else np.log(self.scale.unit)
        return (np.concatenate(parts) - unit).reshape(shape)

    def sample(self, x: ArrayLike, size: int = 1000, *, seed: int = 0) -> np.ndarray:
        """Draws of a new measurement at x, shape (size,) + shape of x, independent from one x to the next."""
        count = check_count(size, "size", 1)
        points, shape = self._points(x)
        rng = generator(seed)
        parts = [draws(mixture, count, rng) for mixture in self._mixtures(points)]
        return self._values(parts, axis=1).reshape(count, *shape)

    def _values(self, log_y: Sequence[np.ndarray], axis: int = 0) -> np.ndarray:
        """y from pieces of log y, or of y on its scale."""
        return self.curve.held(self.scale.measured(np.concatenate(log_y, axis=axis)))

    def _points(self, x: ArrayLike) -> tuple[np.ndarray, tuple[int, ...]]:
        points, shape = positive_inputs(x, 1)
        warn_if_far(points, self.curve, stacklevel=4)
        return points, shape

    def _log_values(self, y: ArrayLike, points: np.ndarray) -> np.ndarray:
        values = numbers(y, "y").ravel()
        reject(values, ~np.isfinite(values), "y", "is not a finite number")
        if self.scale.logarithmic:
            check_positive(values, "y", "is not positive; this forecast is of log y")
        if values.size not in (1, points.size):
            raise InputError(
                f"y has {values.size} entries and x has {points.size}; they must have the same number"
            )
        return np.asarray(np.broadcast_to(self.scale.values(values), points.shape))

    def _mixtures(self, points: np.ndarray) -> list[Mixture]:
        if len(points) > 4 * AT_ONCE:
            return mixtures(self.averages, np.log(points))
        return _lately(self, points.tobytes())

    # --- what was averaged ------------------------------------------------------------------------

    @cached_property
    @np.errstate(all="ignore")
    def laws(self) -> pd.DataFrame:
        """What is averaged, one row per kind of law, heaviest first.

        Columns: weight (posterior probability), limit (median of the law's limit, in units of y),
        end_slope (mean of d log|y - limit| / d log x at the last point), breaks (positions of the breaks of
        the likeliest law of that kind, in units of x; none for smooth laws, which bend a little everywhere).
        Laws of the grid have breaks at trial places; those called refined were fitted. Those of the "last
        points" were found from the last third of the points alone.
        """
        total = logsumexp(np.stack([part.log_evidence for part in self.averages]))
        rows = []
        for part in self.averages:
            weights = np.exp(part.log_evidence - total)
            way = "rising, " if part.rising else ""
            way = f"last points, {way}" if part.tail else way
            for kind, nodes in enumerate(part.state.kinds):
                facts = _facts_of_nodes(part, nodes, self.scale, sharp=kind > 0)
                rows.append({"law": way + LAWS[kind], "weight": weights[0, kind], **facts})
            for n, law in enumerate(part.refined):
                if law is not None:
                    facts = _facts_of_law(part, law, self.scale)
                    rows.append({"law": f"{way}{LAWS[n + 1]}, refined", "weight": weights[1, n + 1], **facts})
        frame = pd.DataFrame(rows).set_index("law")
        return frame.sort_values("weight", ascending=False, kind="stable")

    # --- JSON -------------------------------------------------------------------------------------

    def to_json(self, *, indent: int | None = 2) -> str:
        """The points with the settings, some predictions, laws and warnings as JSON."""
        from bnsl.forecasting import record

        rest = {f.name: getattr(self, f.name) for f in fields(self)}
        settings = {k: v for k, v in rest.items() if k not in ("curve", "warnings", "averages", "scale")}
        settings["scale"] = self.scale.name
        return record.written(self, settings, indent)

    @classmethod
    def from_json(cls, text: str) -> Forecast:
        """The forecast that `to_json` wrote.

        It is computed again from the points. A warning `remade` says if another version of the package
        predicts something else.

        Raises:
            InputError: text that is not such a record, or one that is damaged.
        """
        from bnsl.forecasting import record

        made, notes = record.read(text, forecast)
        return replace(made, warnings=(*made.warnings, *notes))

    def __repr__(self) -> str:
        at = float(self.curve.ahead((2.0,))[0])
        low, high = (float(end) for end in self.interval(at))
        first = f"{100 * self.laws['weight'].iloc[0]:.0f} % {self.laws.index[0]}"
        notes = "".join(f", {code}" for code in dict.fromkeys(note.code for note in self.warnings))
        answer = (
            f"{self.curve.y_label} at {self.curve.x_label}={at:.4g} ({at / self.curve.x[-1]:.0f}x) is "
            f"{float(self.predict(at)):.4g}"
        )
        return (
            f"<Forecast of {self.curve.name or 'a curve'}, {len(self.curve)} points: {answer}, "
            f"90 % {low:.4g} to {high:.4g}; {first}{notes}>"
        )

    def _title(self) -> str:
        return f"forecast of {self.curve.name or 'a curve'}"

    def _facts(self) -> list[tuple[str, str]]:
        x = self.curve.x
        return [("points", f"{len(x)}, {self.curve.x_label} from {x[0]:.6g} to {x[-1]:.6g}")]

    def _parts(self) -> list[Part]:
        return [frame_part(self._shown_laws(), index=True), frame_part(self._ahead())]

    def _shown_laws(self) -> pd.DataFrame:
        table = self.laws[self.laws["weight"] >= 0.0005].copy()
        table["weight"] = [f"{100 * w:.1f} %" for w in table["weight"]]
        table["limit"] = [f"{v:.4g}" for v in table["limit"]]
        table["end_slope"] = [f"{v:.3f}" for v in table["end_slope"]]
        table["breaks"] = [shown_breaks(breaks, self.curve) for breaks in table["breaks"]]
        return table

    def _ahead(self) -> pd.DataFrame:
        x = self.curve.ahead((1.0, 1.5, 2.0, 4.0, 10.0))
        low, high = self.interval(x, 0.9)
        columns = (x, self.predict(x), low, high)
        names = (self.curve.x_label, "forecast", "low 90 %", "high 90 %")
        return pd.DataFrame({n: [f"{v:.5g}" for v in c] for n, c in zip(names, columns, strict=True)})


def shown_breaks(breaks: tuple[float, ...], curve: Curve) -> str:
    """Breaks as text; those beyond the data, which are assumed and not seen, in brackets."""
    inside = [curve.x[0] <= d <= curve.x[-1] for d in breaks]
    return ", ".join(f"{d:.4g}" if seen else f"({d:.4g})" for d, seen in zip(breaks, inside, strict=True))


@np.errstate(all="ignore")  # a caller's settings are for the caller's arithmetic
def forecast(
    *data: Data,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    robust: str | None = None,
    accuracy: str | None = None,
    resolution: float | None = None,
    inputs: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    scale: str = "auto",
) -> Any:
    """Predict y at larger x, by averaging over many laws.

    It averages laws that bend a little everywhere ("smooth") and laws with none to three sharp breaks, each
    with its limit, weighted by how well each explains the data (its posterior probability). The noise may be
    correlated along the curve. There are no settings to tune. See docs/forecasting.md.

    Args:
        *data: x and y; or a Curve; or a table whose columns `x`, `y` and `sigma` name:
            `forecast(frame, x="compute", y="loss")`. Series are joined by their index.
        x: positive inputs (N,), in any unit and order, at least three distinct; or their column.
        y: measured values (N,), or their column.
        sigma: standard deviation of every y (N,), in the units of y; only ratios matter. Or their column.
        robust: "huber" or "soft_l1" to leave out outliers: points far from a robust fit under that loss, and
            from their neighbours. A warning names them.
        accuracy: "share" or "percent" for a y that is an accuracy, as for `bnsl.fit`.
        resolution: of an accuracy, as for `bnsl.fit`.
        inputs: the columns of several inputs, as for `bnsl.fit`; a SurfaceForecast is returned, which
            averages laws of these.
        groups: with several inputs, the group of every row, as for `bnsl.fit`.
        scale: "log" averages laws of log y, for losses and errors, which are positive. "linear" averages laws
            of y in units of its range, for rewards and scores, which may have any sign. "auto" means "linear"
            if some y is not positive, or if y grows and its logarithm is not far more likely.

    Returns:
        A Forecast, which predicts, gives intervals, and shows in `laws` what it averaged.

    Raises:
        InputError: (a ValueError) input that cannot be forecast, before any work.
    """
    x, names = named_inputs(data, x, inputs)
    if names is not None and len(names) > 1:
        from bnsl.forecasting.surface import surface_forecast

        if robust is not None:
            raise InputError("robust is for curves of one input; fit a law by bnsl.fit(..., robust='huber')")
        if scale == "linear":
            raise InputError(
                "scale='linear' is for curves of one input; fit a law by bnsl.fit(loss='linear')"
            )
        axes = tuple(map(Input, names))
        given: dict[str, Any] = {"groups": groups, "labels": names}
        given |= {"accuracy": accuracy, "resolution": resolution}
        return surface_forecast(as_curve(data, x, y, sigma, axes=axes, **given))
    curve = as_curve(data, x, y, sigma, accuracy=accuracy, resolution=resolution)
    scales = scales_of(curve, scale)
    check_curve(curve, scales[0].name, way_out="use scale='linear'")
    left_out = np.zeros(len(curve), bool)
    if robust is not None:
        check_choice(robust, "robust", ROBUST)
        residual = fit(curve, n_breaks=1, robust=robust, loss=scales[0].name).residuals
        left_out = outlying(np.log(curve.x), scales[0].values(curve.y), residual)
    found, parts = on_its_scale(curve.take(~left_out) if left_out.any() else curve, scales)
    notes = (*forecast_notes(curve, found, parts, left_out), *table_notes("forecast_many", data, x, y, sigma))
    return Forecast(curve, notes, parts, robust, found)


@lru_cache(maxsize=1)
def _lately(made: Forecast, points: bytes) -> list[Mixture]:
    """The predictive distribution that was asked for last; who predicts at some x asks for intervals too."""
    return mixtures(made.averages, np.log(np.frombuffer(points)))


def _facts_of_nodes(part: Average, nodes: Nodes, scale: Scale, *, sharp: bool) -> dict[str, Any]:
    state, weight = part.state, np.exp(nodes.weight)
    limits = state.limits[nodes.limit]
    order = np.argsort(limits)
    middle = order[np.searchsorted(np.cumsum(weight[order]), 0.5 * weight.sum())]
    slope = float(weight @ (nodes.slope + nodes.mean[:, 1]) / weight.sum())
    log_x, log_y = state.points.origin
    breaks = trial_breaks(state.points.span)[0][nodes.columns[0, ALWAYS:] - SMOOTH] if sharp else np.zeros(0)
    return _facts(part, scale, _log(limits[middle]) + log_y, slope, np.sort(breaks) + log_x)


def _facts_of_law(part: Average, law: Fitted, scale: Scale) -> dict[str, Any]:
    log_x, log_y = law.points.origin
    log_limit = (-1.0 if part.rising else 1.0) * (_log(law.theta[0]) + log_y)
    return _facts(part, scale, log_limit, law.end_slope, law.theta[4::3] + log_x)


def _facts(
    part: Average, scale: Scale, log_limit: float, slope: float, log_breaks: np.ndarray
) -> dict[str, Any]:
    sign = -1.0 if part.rising else 1.0
    limit = float(scale.measured(np.asarray(sign * log_limit)))
    with np.errstate(over="ignore"):
        breaks = tuple(np.exp(log_breaks).tolist())
    return {"limit": limit, "end_slope": -sign * slope, "breaks": breaks}


def _log(value: float) -> float:
    return float(np.log(value)) if value > 0 else -np.inf
