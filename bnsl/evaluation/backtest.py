"""Rolling back-test: refit at several cut-offs inside the data and predict the points beyond each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_number, check_count, reject, told
from bnsl._base.display import counted, html_frame, plain, quietly, records, table_text
from bnsl._base.lazy import pd
from bnsl._base.shown import Part, Plotted, Shown
from bnsl.curves.curve import Curve, check_curve
from bnsl.curves.data import Data, as_curve, named_inputs
from bnsl.curves.metrics import log_errors, rmse, rmsle
from bnsl.curves.scale import loss_of
from bnsl.fitting.fit import fit
from bnsl.forecasting.forecast import forecast
from bnsl.forecasting.surface_laws import needed
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.forms.inputs import Input, X
from bnsl.forms.registry import NAMES, get_form, given_breaks

CUTS = 6  # of a back-test without `cuts`, at most
LEAST = 4  # points that its first cut leaves to fit, at least
# Ends of the bins of distance: the same for all curves, narrow where laws are good; 1, 2 and 5 beyond.
EDGES = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)


class Law(Protocol):
    """What can predict: a FitResult, or an object of one's own."""

    def predict(self, x: Any, /) -> Any:
        """Predictions at x (N,), an array (N,)."""


Method = Callable[[Curve], Law]
METHODS: dict[str, Method] = {"forecast": forecast}  # by name


@dataclass(frozen=True, repr=False)
class Backtest(Shown, Plotted, figure="plot_backtest"):
    """The result of a back-test: laws fitted up to several cut-offs, and their predictions beyond.

    Attributes:
        label: the form or the method.
        curve: all points.
        cuts: the cut-offs, rising; points with x <= a cut (of several inputs their product) were fitted.
        laws: what was fitted at every cut.
        predicted: for every cut, predictions (M,) at the M points beyond it.
    """

    label: str
    curve: Curve
    cuts: tuple[float, ...]
    laws: tuple[Law, ...]
    predicted: tuple[np.ndarray, ...]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per cut and a point beyond it.

        Columns: cut; fitted, the number of points up to it; x (of several inputs each by its name); distance,
        the factor between x and the last fitted x (of several inputs between products, as of cuts); y;
        predicted; log_error = log(predicted / y), NaN where one of them is not positive; error, which is
        predicted - y.
        """
        parts = []
        for cut, predicted in zip(self.cuts, self.predicted, strict=True):
            fitted, beyond = _split(self.curve, cut)
            x = beyond.x.reshape(len(beyond), -1)
            names = ["x"] if x.shape[1] == 1 else beyond.input_names
            parts.append(
                pd.DataFrame(
                    {
                        "cut": cut,
                        "fitted": len(fitted),
                        **dict(zip(names, x.T, strict=True)),
                        "distance": beyond.effort / fitted.effort.max(),
                        "y": beyond.y,
                        "predicted": predicted,
                        "log_error": log_errors(predicted, beyond.y),
                        "error": predicted - beyond.y,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def by_cut(self) -> pd.DataFrame:
        """One row per cut: cut, fitted and beyond (numbers of points), the largest distance, errors, status.

        Errors are rmsle with its standard error, and mean_log_error, above 0 where the law says too much; in
        the units of y, rmse and mean_error.
        """
        rows = []
        for (cut, group), law in zip(self.table.groupby("cut", sort=True), self.laws, strict=True):
            row = {"cut": cut, "fitted": group["fitted"].iloc[0], "beyond": len(group)}
            row |= {"distance": group["distance"].max(), **_errors(group)}
            rows.append(row | {"status": status_of(law)})
        return pd.DataFrame(rows)

    @cached_property
    def by_distance(self) -> pd.DataFrame:
        """One row per bin of distance: its ends (above `distance_from`, up to `distance_to`), points, errors.

        The ends are the same for every curve; bins without points are left out; points of all cuts count
        alike.
        """
        distance = self.table["distance"].to_numpy()
        edges = list(EDGES)
        while edges[-1] < distance.max():
            edges += [edges[-1] * factor for factor in (2.0, 4.0, 10.0)]
        # A point on the far edge of a bin belongs to it, also after rounding.
        bins = np.maximum(np.searchsorted(edges, distance * (1 - 1e-9)), 1)
        rows = []
        for last in np.unique(bins):
            group = self.table[bins == last]
            ends = {"distance_from": edges[last - 1], "distance_to": edges[last]}
            counts = {"points": len(group), "cuts": group["cut"].nunique()}
            rows.append({**ends, **counts, **_errors(group)})
        return pd.DataFrame(rows)

    @property
    def rmsle(self) -> float:
        """Root mean squared log error over all cuts and points; NaN where a value is not positive."""
        return _errors(self.table)["rmsle"]

    @property
    def rmse(self) -> float:
        """Root mean squared error over all cuts and points, in the units of y."""
        return _errors(self.table)["rmse"]

    @property
    def measure(self) -> str:
        """The error that is shown: "rmsle", or "rmse" if some y is not positive, as rewards are."""
        return "rmsle" if (self.curve.y > 0).all() else "rmse"

    def trusted(self, tolerance: float) -> float:
        """How far beyond its data this law could be trusted: the distance up to which errors were small.

        The largest distance of a point before the first row of `by_distance` whose error exceeds the
        tolerance; NaN if the first row does. Distances beyond the last point were not tested.

        Args:
            tolerance: an rmsle, of which 0.05 is about 5 percent; an rmse if some y is not positive.

        Raises:
            InputError: a tolerance that is not a positive number.
        """
        limit = as_number(tolerance, "tolerance", lambda value: 0 < value < np.inf)
        table = self.by_distance
        within = (table[self.measure] <= limit).to_numpy()  # NaN is not
        good = len(within) if within.all() else int(np.argmin(within))
        if good == 0:
            return float("nan")
        edge = float(table["distance_to"].iloc[good - 1])
        distance = self.table["distance"]
        return float(distance[distance <= edge * (1 + 1e-9)].max())

    def to_json(self, *, indent: int | None = 2) -> str:
        """The three tables as strict JSON: lists of rows `cuts`, `distances`, `points`; unknown is null."""
        record = {
            "bnsl": "backtest",
            "version": 1,
            "label": self.label,
            "curve": self.curve.name,
            "rmsle": plain(self.rmsle),
            "rmse": plain(self.rmse),
            "cuts": records(self.by_cut),
            "distances": records(self.by_distance),
            "points": records(self.table),
        }
        return json.dumps(record, indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        error = getattr(self, self.measure)
        return f"<Backtest of {self.label}: {counted(len(self.cuts), 'cut')}, {self.measure}={error:.4g}>"

    def _parts(self) -> list[Part]:
        cuts = self.by_cut
        cuts = cuts if cuts["status"].any() else cuts.drop(columns="status")
        units, logs = ["rmse", "mean_error"], ["rmsle", "rmsle_stderr", "mean_log_error"]
        unsaid = units if self.measure == "rmsle" else logs
        tables = {"cut": cuts.drop(columns=unsaid), "distance": self.by_distance.drop(columns=unsaid)}
        return [
            Part(f"errors by {what}\n{table_text(table, index=False)}", html_frame(table, index=False))
            for what, table in tables.items()
        ]

    def _title(self) -> str:
        return f"back-test of {self.label} on {self.curve.name or 'a curve'}, {len(self.curve)} points"


def backtest(
    *data: Data,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    form: str | Form | None = None,
    method: str | Method | None = None,
    cuts: int | Sequence[float] | None = None,
    sigma: ArrayLike | None = None,
    accuracy: str | None = None,
    resolution: float | None = None,
    inputs: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    **options: Any,
) -> Backtest:
    """Back-test: refit at several cut-offs inside the data, and compare with the points beyond.

    The law is fitted to the points up to each cut and predicts those beyond, which the fit does not see.

    Args:
        *data: x and y; or a Curve; or a table whose columns `x`, `y` and `sigma` name.
        x: positive inputs (N,), or their column.
        y: measured values (N,), or their column.
        form: as for `bnsl.fit`; "bnsl" if neither form nor method is given.
        method: instead of a form, "forecast" or any function of a Curve that returns an object with
            `predict(x)`, such as `bnsl.forecast`.
        cuts: values of x up to which points are fitted, or how many cuts to make. If not given, six at most,
            evenly spaced in log x; the first has at least 4 points and one more than the form has parameters,
            the last leaves one point.
        sigma: standard deviation of every y (N,).
        accuracy: "share" or "percent" for a y that is an accuracy, as for `bnsl.fit`.
        resolution: of an accuracy, as for `bnsl.fit`.
        inputs: names of several inputs, as for `bnsl.fit`; cuts are then of the product of those that cost
            compute, such as parameters x tokens.
        groups: the group of every row, as for `bnsl.fit`.
        **options: passed on to `bnsl.fit`, for a form; loss="linear" if none is given and a tenth of y is
            negative, as rewards are.

    Returns:
        A Backtest, with the errors as tables.

    Raises:
        InputError: bad input, form and method together, too few points, or a cut that leaves too little to
            fit or nothing to predict.
    """
    fits = method is None
    x, names = named_inputs(data, x, inputs)
    given: dict[str, Any] = {"x": x, "y": y, "sigma": sigma, "groups": groups, "labels": names}
    given |= {"accuracy": accuracy, "resolution": resolution}
    curve, method, label, least = _method(data, given, form, method, options)
    first = curve.effort
    if cuts is None or isinstance(cuts, int | np.integer):
        chosen = _spread(curve, first, CUTS if cuts is None else check_count(cuts, "cuts", 1), least, label)
    else:
        chosen = _checked(curve, first, cuts)
    if fits:  # a bad row should be found before the first of many fits
        check_curve(curve.take(first <= chosen[-1]), options["loss"])
    laws, predicted = [], []
    with quietly():
        for cut in chosen:
            fitted, beyond = _split(curve, cut)
            law = method(fitted)
            laws.append(law)
            predicted.append(predictions(law, beyond.x))
    return Backtest(label, curve, chosen, tuple(laws), tuple(predicted))


def predictions(law: Law, x: np.ndarray) -> np.ndarray:
    """What the law predicts at x, as floats (N,), read-only.

    Raises:
        InputError: an object that cannot predict, or another shape than asked for.
    """
    if not hasattr(law, "predict"):
        raise InputError(f"method returned {law!r:.60}; it must return an object with predict(x)")
    values = np.array(law.predict(x), dtype=float)
    if values.shape != (len(x),):
        raise InputError(
            f"method's predict(x) returned the shape {values.shape}; for {len(x)} points it must be "
            f"({len(x)},)"
        )
    values.setflags(write=False)
    return values


# --- the method -----------------------------------------------------------------------------------


def _method(
    data: Sequence[Data],
    given: dict[str, Any],
    form: str | Form | None,
    method: str | Method | None,
    options: dict[str, Any],
) -> tuple[Curve, Method, str, int]:
    """The curve, the function to call, its label and the points that it should have."""
    if method is None:
        wanted = "bnsl" if form is None else form
        law = get_form(wanted, options.get("n_breaks"), inputs=given["labels"])
        fixed = options.get("fixed")
        free = len(law.parameters) - (len(fixed) if isinstance(fixed, Mapping) else 0)
        curve = as_curve(data, **given, axes=law.inputs)
        options["loss"] = loss_of(curve.y, options.get("loss"))[0]  # the same at every cut
        by_name = isinstance(wanted, str) and law.name == BNSL.name
        chosen = by_name and given_breaks(options.get("n_breaks")) is None
        label = f"{law.name}, breaks chosen at each cut" if chosen else law.label
        return curve, partial(fit, form=wanted, **options), label, max(LEAST, free + 1)
    if form is not None:
        raise InputError("form and method are alternatives; give one of them")
    if isinstance(method, str):
        if method not in METHODS:
            hint = f"a form is given as form={method!r}" if method.lower() in NAMES else "a law as form="
            raise InputError(f"{told('method', method)} must be 'forecast' or a function of a Curve; {hint}")
        method = METHODS[method]
    if not callable(method):
        raise InputError(f"{told('method', method)} must be 'forecast', or a function of a Curve")
    if options:
        raise InputError(
            f"{', '.join(options)}: options of bnsl.fit go with a form; bind those of a method to it "
            "(functools.partial)"
        )
    names = given["labels"]
    axes = (X,) if names is None or len(names) == 1 else tuple(map(Input, names))
    curve = as_curve(data, **given, axes=axes)
    return curve, method, _name(method), max(LEAST, needed(curve)) if curve.inputs > 1 else LEAST


def _name(method: Method) -> str:
    inner = method.func if isinstance(method, partial) else method
    return str(getattr(inner, "__name__", type(inner).__name__))


# --- the cuts -------------------------------------------------------------------------------------


def _split(curve: Curve, cut: float) -> tuple[Curve, Curve]:
    fitted, beyond = curve.split(train_until=cut)
    assert beyond is not None  # every cut was checked
    return fitted, beyond


def _spread(curve: Curve, first: np.ndarray, count: int, least: int, label: str) -> tuple[float, ...]:
    """At most `count` values of x, evenly spaced in the logarithm, each with enough points on either side."""
    values = np.unique(first)
    fitted = np.searchsorted(np.sort(first), values, side="right")  # points up to and with every value
    distinct = fitted if curve.x.ndim > 1 else np.arange(1, len(values) + 1)
    usable = values[(np.minimum(fitted, distinct) >= least) & (fitted < len(first))]
    if len(usable) == 0:
        raise InputError(
            f"x has {counted(len(values), 'distinct value')}; a back-test of {label} "
            f"needs at least {least + 1}, {least} to fit and one to predict: take a form of fewer "
            "parameters, or give cuts=[...]"
        )
    wanted = np.geomspace(usable[0], usable[-1], count) if count > 1 else usable[-1:]
    nearest = np.abs(np.log(usable)[:, None] - np.log(wanted)).argmin(axis=0)
    return tuple(float(value) for value in usable[np.unique(nearest)])


def _checked(curve: Curve, first: np.ndarray, cuts: Sequence[float]) -> tuple[float, ...]:
    """The cuts asked for, rising, once each."""
    if isinstance(cuts, str) or not isinstance(cuts, Sequence | np.ndarray) or len(cuts) == 0:
        raise InputError(f"{told('cuts', cuts)} must be a list of values of x, or how many cuts to make")
    array = np.array([as_number(cut, f"cuts[{i}]") for i, cut in enumerate(cuts)])
    ends = f"{curve.effort_label} ends at {first.max():g}"
    reject(array, array >= first.max(), "cuts", f"leaves nothing to predict; {ends}")
    distinct = np.array([len(np.unique(curve.x[first <= cut], axis=0)) for cut in array])
    reject(
        array, distinct < 3, "cuts", f"leaves fewer than three distinct x to fit; x starts at {first.min():g}"
    )
    return tuple(float(cut) for cut in np.unique(array))


# --- tables ---------------------------------------------------------------------------------------


def status_of(law: object) -> str:
    """The status of a fit in a word; '' of what has none."""
    return str(getattr(getattr(law, "status", None), "name", "")).lower()


def _errors(group: pd.DataFrame) -> dict[str, float]:
    both = group["predicted"].to_numpy(), group["y"].to_numpy()
    error, stderr = rmsle(*both)
    return {
        "rmsle": error,
        "rmsle_stderr": stderr,
        "mean_log_error": float(np.mean(group["log_error"].to_numpy())),
        "rmse": rmse(*both),
        "mean_error": float(np.mean(group["error"].to_numpy())),
    }
