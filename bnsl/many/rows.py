"""From curves to rows of a table: fitted side by side if possible, else one by one."""

from __future__ import annotations

import warnings as python_warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.display import ExtrapolationWarning
from bnsl._base.lazy import pd
from bnsl.curves.curve import Curve, check_curve
from bnsl.curves.ragged import Curves, Points
from bnsl.evidence.breaks import MOST, Weighed, chosen, minima_near, weigh_side_by_side
from bnsl.evidence.points import MOST_POINTS
from bnsl.fitting.fit import SEVERAL, fit, fit_weighed
from bnsl.fitting.result import Status
from bnsl.fitting.setup import THIN_ABOVE
from bnsl.forecasting.forecast import forecast
from bnsl.forms.broken import BNSL
from bnsl.many.columns import begin_columns, in_order
from bnsl.many.settings import ERROR, INVALID, LEVEL, Settings, prediction_name

BESIDE = 48  # curves whose breaks are weighed side by side

# One row: column -> value.
Row = dict[str, Any]
# A form, and coordinates (K, p) of laws.
Near = tuple[BNSL, np.ndarray]


def silent(count: float) -> None:
    """Tell nobody that so many more curves are done."""


def rows_of(curves: Curves, settings: Settings, report: Callable[[float], object] = silent) -> pd.DataFrame:
    """A row for every curve, whatever it is like, under its index.

    Args:
        curves: the curves.
        settings: what to fit.
        report: told how many more curves are done; may be parts of one.
    """
    return begin_rows(curves, settings, report)()


def begin_rows(
    curves: Curves, settings: Settings, report: Callable[[float], object] = silent
) -> Callable[[], pd.DataFrame]:
    """Begin on `rows_of`, which the function that is returned ends; meanwhile a GPU is at work."""
    weighed: dict[int, Weighed] = {}
    near: dict[int, Near] = {}
    begun = []
    if settings.together:
        begun = _begun_together(curves, np.arange(len(curves)), settings, report)
    elif settings.chosen:
        weighed = _weighed(curves, settings)
        numbers = np.array(
            [chosen(weighed[i].candidates) if i in weighed else -1 for i in range(len(curves))]
        )
        near = _minima(curves, weighed, numbers, settings)
        for n in range(SEVERAL):
            given = settings._replace(form=BNSL(n), n_breaks=n)
            begun += _begun_together(curves, np.flatnonzero(numbers == n), given, report)

    def finish() -> pd.DataFrame:
        left = np.arange(len(curves))
        pieces = []
        for which, end in begun:
            columns, alone = end()
            if settings.chosen:  # `fit` says what becomes of a break that left the data
                left_data = np.array(["break_outside_data" in text for text in columns["warnings"]], bool)
                known = np.flatnonzero(left_data & ~alone).tolist()
                near.update({int(which[i]): _law(columns, i) for i in known})
                alone = alone | left_data
            done = which[~alone]
            pieces.append(pd.DataFrame({name: v[~alone] for name, v in columns.items()}, index=done))
            report(-int(alone.sum()))  # they are not done, after all
            left = np.setdiff1d(left, done)
        rows = []
        for i in left.tolist():
            rows.append(_alone(curves[i], settings, weighed.get(i), near.get(i)))
            report(1)
        if rows:
            pieces.append(pd.DataFrame(rows, index=left))
        return pd.concat(pieces).sort_index() if pieces else pd.DataFrame()

    return finish


def _law(columns: dict[str, np.ndarray], i: int) -> Near:
    """The law of a row of some columns."""
    form = BNSL(int(columns["n_breaks"][i]), bool(columns["b"][i] < 0))
    return form, form.from_params({name: float(columns[name][i]) for name in form.names})[None]


def _minima(
    curves: Curves, weighed: dict[int, Weighed], numbers: np.ndarray, settings: Settings
) -> dict[int, Near]:
    """The least-squares laws of curves of several breaks that fall, by their places, sought side by side."""
    out: dict[int, Near] = {}
    if settings.options.get("loss", "log") != "log":
        return out
    for n in range(SEVERAL, MOST + 1):
        which = [
            i
            for i in np.flatnonzero((numbers == n) & (curves.lengths <= MOST_POINTS)).tolist()
            if len(weighed[i].laws.get((n, False), ())) and (n, True) not in weighed[i].laws
        ]
        for first in range(0, len(which), BESIDE):
            some = which[first : first + BESIDE]
            found = minima_near([Curve(*curves[i]) for i in some], [weighed[i] for i in some], n)
            out |= {i: (BNSL(n), laws) for i, laws in zip(some, found, strict=True) if len(laws)}
    return out


def _weighed(curves: Curves, settings: Settings) -> dict[int, Weighed]:
    """The numbers of breaks of curves, by their places, as `fit` weighs them; not of those that it has to."""
    out: dict[int, Weighed] = {}
    constrained = settings.options.get("fixed") or settings.options.get("bounds")
    if settings.options.get("robust") or constrained:
        return out
    loss = settings.options.get("loss", "log")
    sound: dict[int, Curve] = {}
    for i, points in enumerate(curves):
        try:
            curve = Curve(*points)
            check_curve(curve, loss)
            check_curve(curve)  # evidence is that of log y
            sound[i] = curve
        except InputError:
            continue
    which = sorted(sound, key=lambda i: len(sound[i]))
    for first in range(0, len(which), BESIDE):
        some = which[first : first + BESIDE]
        out.update(zip(some, weigh_side_by_side([sound[i] for i in some]), strict=True))
    return out


def _begun_together(
    curves: Curves, these: np.ndarray, settings: Settings, report: Callable[[float], object]
) -> list[tuple[np.ndarray, Callable[[], tuple[dict[str, np.ndarray], np.ndarray]]]]:
    """Which of some curves were begun side by side, like lengths at a time, and what ends the work."""
    form = settings.form
    if isinstance(form, str):
        raise TypeError("curves are fitted side by side with a form that has its number of breaks")
    at = {prediction_name(x): x for x in settings.predict_at}
    short = these[curves.lengths[these] <= THIN_ABOVE]
    begun = []
    for length, which in curves.alike(short, compiled=settings.backend == "jax"):
        fine = in_order(curves.take(which), length, settings.options.get("loss", "log"))
        which = which[fine]
        if len(which):
            begun.append((which, begin_columns(curves.take(which), length, form, settings, at, report)))
    return begun


def note(curve: Points, status: str, message: str) -> Row:
    """The row of a curve that has no law, and why."""
    return {"status": status, "warnings": "", "message": message, "n_points": len(curve.x)}


def _alone(
    curve: Points, settings: Settings, weighed: Weighed | None = None, near: Near | None = None
) -> Row:
    """The row of one curve by `fit` or `forecast`; breaks may be weighed, and laws be known already."""
    try:
        check_curve(Curve(*curve), "linear" if settings.forecast else settings.options.get("loss", "log"))
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore", ExtrapolationWarning)
            if settings.forecast:
                return _forecast_row(curve, settings)
            return _fit_row(curve, settings, weighed, near)
    except InputError as error:
        return note(curve, INVALID, str(error))
    except Exception as error:  # whatever it is, the other curves go on
        return note(curve, ERROR, f"{type(error).__name__}: {error}")


def _fit_row(curve: Points, settings: Settings, weighed: Weighed | None, near: Near | None) -> Row:
    options = {k: v for k, v in settings.options.items() if k != "sigma"}
    breaks = settings.n_breaks if isinstance(settings.form, str) else None
    if weighed is not None:
        result = fit_weighed(Curve(*curve), weighed, loss=options.get("loss", "log"), near=near)
    else:
        result = fit(curve.x, curve.y, form=settings.form, n_breaks=breaks, sigma=curve.sigma, **options)
    row: Row = {
        "status": result.status.name.lower(),
        "warnings": ";".join(dict.fromkeys(warning.code for warning in result.warnings)),
        "message": "" if result.status is Status.CONVERGED else result.status.value,
        "n_points": len(curve.x),
        "n_breaks": result.n_breaks,
        "rmsle": result.rmsle,
        **result.params,
    }
    if settings.predict_at:
        values = result.predict(np.array(settings.predict_at))
        row.update({prediction_name(x): float(y) for x, y in zip(settings.predict_at, values, strict=True)})
    return row


def _forecast_row(curve: Points, settings: Settings) -> Row:
    found = forecast(curve.x, curve.y, sigma=curve.sigma)
    row: Row = {
        "status": "converged",
        "warnings": ";".join(warning.code for warning in found.warnings),
        "message": "",
        "n_points": len(curve.x),
    }
    at = np.array(settings.predict_at)
    low, high = found.interval(at, LEVEL)
    for i, (x, y) in enumerate(zip(settings.predict_at, found.predict(at), strict=True)):
        name = prediction_name(x)
        row.update({name: float(y), f"{name}_low": float(low[i]), f"{name}_high": float(high[i])})
    return row
