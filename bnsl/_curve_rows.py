"""From some curves to as many rows of a table: together where a search of many does it, else one by one."""

from __future__ import annotations

import contextlib
import warnings as python_warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from bnsl._arrays import Array, InputError, precision
from bnsl._covariance import SINGULAR
from bnsl._group_search import search_many
from bnsl._programs import program
from bnsl.curve import Curve
from bnsl.fitting import THIN_ABOVE, check_curve, fit
from bnsl.forecasting import forecast
from bnsl.forms import BNSL, M1, M2, M3, M4, Form
from bnsl.many import Placement
from bnsl.result import ExtrapolationWarning, Status
from bnsl.search import FAST_COMPILE, NOISELESS, Method, Problem
from bnsl.search import _box as box_of
from bnsl.search import _residuals as residuals_of

INVALID = "invalid"  # status of a curve that cannot be fitted at all
ERROR = "error"  # and of one on which the program failed
LEVEL = 0.9

# One row: column -> value.
Row = dict[str, Any]


class Settings(NamedTuple):
    """What is fitted to every curve; it travels to other processes."""

    form: Form | str
    n_breaks: int | None
    options: dict[str, Any]  # further arguments of `fit`
    predict_at: tuple[float, ...]
    forecast: bool = False
    dtype: str = "float64"
    devices: tuple[int, ...] | None = None  # ids; None for JAX's default
    platform: str = "cpu"

    @property
    def together(self) -> bool:
        """Whether curves are fitted in batches: one break at most, in log space, without further wishes."""
        if self.forecast or any(v is not None for k, v in self.options.items() if k not in ("loss", "sigma")):
            return False
        plain = self.options.get("loss", "log") == "log"
        return plain and (isinstance(self.form, M1 | M2 | M3 | M4) or self.one_break)

    @property
    def one_break(self) -> bool:
        """Whether the form is a BNSL with at most one break."""
        return isinstance(self.form, BNSL) and self.form.n_breaks <= 1


class Points(NamedTuple):
    """One curve as it comes from the table, sorted by x."""

    x: np.ndarray  # (N,)
    y: np.ndarray  # (N,)
    sigma: np.ndarray | None


def silent(count: float) -> None:
    """Tell nobody that so many more curves are done."""


def rows_of(
    curves: list[Points], settings: Settings, report: Callable[[float], object] = silent
) -> list[Row]:
    """A row for every curve, whatever it is like.

    Args:
        curves: the curves.
        settings: what to fit.
        report: told how many more curves are done; may be parts of one.
    """
    out: list[Row | None] = [_refusal(curve, settings) for curve in curves]
    report(sum(row is not None for row in out))
    left = [i for i, row in enumerate(out) if row is None]
    if settings.together:
        for length in sorted({padded_length(len(curves[i].x)) for i in left}):
            if length > THIN_ABOVE:
                continue
            alike = [i for i in left if padded_length(len(curves[i].x)) == length]
            chosen = [curves[i] for i in alike]
            for i, row in zip(alike, _together(chosen, length, settings, report), strict=True):
                out[i] = row
    for i in left:
        if out[i] is None:
            out[i] = _alone(curves[i], settings)
            report(1)
    return [row for row in out if row is not None]


def padded_length(count: int) -> int:
    """The next of few lengths (16, 24, 32, 48, ...), so that curves share compiled programs."""
    length = 16
    while length < count:
        length = length * 3 // 2 if (length & (length - 1)) == 0 else length * 4 // 3
    return length


# --- one by one -----------------------------------------------------------------------------------


def _refusal(curve: Points, settings: Settings) -> Row | None:
    """The row of a curve that cannot be fitted; None for others."""
    loss = settings.options.get("loss", "log")
    x, y = curve.x, curve.y
    if loss == "log" and not isinstance(settings.form, str) and settings.together:
        # Most curves are in order, and are not to pay for the messages of those that are not.
        fine = len(x) >= 3 and np.isfinite(x).all() and np.isfinite(y).all() and x[0] > 0 and y.min() > 0
        fine = fine and np.count_nonzero(np.diff(x)) >= 2 and y.max() / y.min() < 1e99
        fine = fine and (
            curve.sigma is None or bool((curve.sigma > 0).all() and np.isfinite(curve.sigma).all())
        )
        if fine:
            return None
    try:
        check_curve(Curve(x, y, curve.sigma), loss)
    except InputError as error:
        return _note(curve, INVALID, str(error))
    return None


def _note(curve: Points, status: str, message: str) -> Row:
    return {"status": status, "warnings": "", "message": message, "n_points": len(curve.x)}


def _alone(curve: Points, settings: Settings) -> Row:
    """The row of one curve by `fit` or `forecast`."""
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore", ExtrapolationWarning)
            return _forecast_row(curve, settings) if settings.forecast else _fit_row(curve, settings)
    except InputError as error:
        return _note(curve, INVALID, str(error))
    except Exception as error:  # whatever it is, the other curves go on
        return _note(curve, ERROR, f"{type(error).__name__}: {error}")


def _fit_row(curve: Points, settings: Settings) -> Row:
    options = {k: v for k, v in settings.options.items() if k != "sigma"}
    breaks = settings.n_breaks if isinstance(settings.form, str) else None
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


def prediction_name(x: float) -> str:
    """The column of a prediction: 'y_at_1000'."""
    return f"y_at_{x:.12g}"


# --- together -------------------------------------------------------------------------------------


class _Batch(NamedTuple):
    """Curves of one padded length, in normalised units."""

    problem: Problem
    log_s: np.ndarray  # (C,)
    log_t: np.ndarray  # (C,)
    points: np.ndarray  # (C,) how many each has


def _batch(curves: list[Points], length: int, p: int) -> _Batch:
    size = len(curves)
    log_x, log_y, weight = np.zeros((size, length)), np.zeros((size, length)), np.zeros((size, length))
    log_s, log_t = np.empty(size), np.empty(size)
    for i, curve in enumerate(curves):
        n = len(curve.x)
        log_x[i, :n], log_y[i, :n], weight[i, :n] = np.log(curve.x), np.log(curve.y), 1.0
        log_s[i], log_t[i] = log_x[i, n - 1], log_y[i, :n].mean()
        log_x[i, :n] -= log_s[i]
        log_y[i, :n] -= log_t[i]
        if curve.sigma is not None:
            relative = np.log(curve.sigma / curve.y)
            weight[i, :n] = np.exp(relative.mean() - relative)
    inf = np.full(p, np.inf)
    y = np.where(weight > 0, np.exp(log_y), 1.0)
    problem = Problem(log_x, y, weight, 1.0, 1.0, np.ones(p, bool), np.zeros(p), -inf, inf)
    return _Batch(problem, log_s, log_t, np.array([len(curve.x) for curve in curves]))


class _Found(NamedTuple):
    """The best law of every curve of a batch."""

    form: Form
    theta: np.ndarray  # (C, p) normalised
    cost: np.ndarray  # (C,)
    converged: np.ndarray  # (C,)


def _together(
    curves: list[Points], length: int, settings: Settings, report: Callable[[float], object]
) -> list[Row | None]:
    """Rows of curves of one padded length; None for those that `fit` had better look at alone."""
    form = settings.form
    if isinstance(form, str):
        raise TypeError("curves are fitted together with a form that has its number of breaks")
    batch = _batch(curves, length, len(form.parameters))
    ways: list[tuple[Form, np.ndarray]] = [(form, np.arange(len(curves)))]
    if isinstance(form, BNSL) and not form.rising:
        climbs = np.array([_climbs(curve.y) for curve in curves])
        if climbs.any():
            ways.append((replace(form, rising=True), np.flatnonzero(climbs)))
    share = len(curves) / sum(len(which) for _, which in ways)
    rows: list[Row | None] = [None] * len(curves)
    best = np.full(len(curves), np.inf)
    placement = placement_of(settings)
    for way, which in ways:
        part = _select(batch, which)
        with precision(settings.dtype), _on(placement):
            problem = Problem(*(_as(settings.dtype, value) for value in part.problem))
            scouted = partial(_scaled, report, 0.5 * share)
            found = search_many(
                Method(way), problem, rivals=best[which], report=scouted, placement=placement
            )
        theta = found.theta.astype(float)
        with precision("float64"):
            cost, local = _local(Method(way), part.problem, theta)
        better = np.where(np.isfinite(cost), cost, np.inf) < best[which]
        best[which[better]] = cost[better]
        laws = _Found(way, theta, cost, found.converged)
        made = _finished(laws, part, local, settings)
        for i in np.flatnonzero(better):
            rows[which[i]] = made[i]
        report(0.5 * share * len(which))
    return rows


def _scaled(report: Callable[[float], object], share: float, count: int) -> None:
    report(share * count)


def _as(dtype: str, value: Any) -> Any:
    if np.ndim(value) and np.asarray(value).dtype == float:
        return np.asarray(value, dtype)
    return value


def _select(batch: _Batch, rows: np.ndarray) -> _Batch:
    if len(rows) == len(batch.points):
        return batch
    problem = batch.problem
    problem = problem._replace(log_x=problem.log_x[rows], y=problem.y[rows], weight=problem.weight[rows])
    return _Batch(problem, batch.log_s[rows], batch.log_t[rows], batch.points[rows])


def _climbs(y: np.ndarray) -> bool:
    third = max(len(y) // 3, 1)
    return bool(np.median(y[-third:]) > np.median(y[:third]))


class _Local(NamedTuple):
    """The fits near their solutions."""

    residual: np.ndarray  # (C, N) weighted
    jacobian: np.ndarray  # (C, p, N) of the weighted residuals
    lower: np.ndarray  # (C, p) bounds that held
    upper: np.ndarray


LOCAL = 64  # curves linearised at a time


def _local(method: Method, problem: Problem, theta: np.ndarray) -> tuple[np.ndarray, _Local]:
    """Costs (C,) in double precision, and what surrounds the solutions."""
    parts = []
    for first in range(0, len(theta), LOCAL):
        rows = np.resize(np.arange(first, min(first + LOCAL, len(theta))), LOCAL)
        chunk = problem._replace(log_x=problem.log_x[rows], y=problem.y[rows], weight=problem.weight[rows])
        some = _linearised_many(method, chunk, theta[rows])
        parts.append([np.asarray(v)[: len(theta) - first] for v in some])
    local = _Local(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return np.sum(local.residual**2, axis=1), local


@partial(program, static_argnums=0, compiler_options=FAST_COMPILE)
def _linearised_many(method: Method, problems: Problem, theta: Array) -> tuple[Array, ...]:
    axes = Problem(0, 0, 0, None, None, None, None, None, None)  # type: ignore[arg-type]

    def one(problem: Problem, at: Array) -> tuple[Array, ...]:
        return *residuals_of(method, problem, at), *box_of(method.form, problem)

    return jax.vmap(one, (axes, 0))(problems, theta)


def _finished(found: _Found, batch: _Batch, local: _Local, settings: Settings) -> list[Row | None]:
    """Rows of the laws; None where `fit` knows better: noiseless, failed, or beyond the range of a double."""
    form, p = found.form, found.theta.shape[1]
    count = batch.points
    with np.errstate(all="ignore"):
        theta = np.asarray(form.rescale(found.theta, batch.log_s, batch.log_t))
        back = np.asarray(form.rescale(theta, -batch.log_s, -batch.log_t))
        logs = np.array([q.log for q in form.parameters])
        writable = np.isclose(back, found.theta, rtol=1e-6, atol=1e-6).all(axis=1)
        writable &= np.abs(np.where(logs, theta, 0.0)).max(axis=1) < 650.0
        values = np.where(logs, np.exp(theta), theta)
    alone = ~np.isfinite(found.cost) | ~writable
    alone |= (found.cost / count < NOISELESS) & (form.picks > 0)
    lost, condition = _determinacy(local.jacobian)
    seen = batch.problem.weight > 0
    log_error = np.where(seen, local.residual / np.where(seen, batch.problem.weight, 1.0), 0.0)
    rmsle = np.sqrt(np.sum(log_error**2, axis=1) / count)
    margin = 1e-9 * np.maximum(1.0, np.abs(found.theta))
    at_bound = ((found.theta <= local.lower + margin) | (found.theta >= local.upper - margin)).any(axis=1)
    first = batch.problem.log_x.min(axis=1)
    constant = np.ptp(np.where(seen, batch.problem.y, batch.problem.y[:, :1]), axis=1) == 0
    codes = {
        "constant_y": constant,
        "more_parameters_than_points": count < p,
        "no_degrees_of_freedom": count == p,
        "break_outside_data": np.zeros(len(count), bool),
        "parameter_at_bound": at_bound,
        "nearly_singular": lost | (condition > 1.0 / (1e2 * SINGULAR)),
        "not_converged": ~found.converged,
    }
    if isinstance(form, BNSL):
        places = found.theta[:, 4::3]
        codes["break_outside_data"] = ((places < first[:, None]) | (places > 0)).any(axis=1)
        if form.rising:
            values[:, 1] *= -1.0
    predictions = _predictions(form, theta, settings.predict_at)
    under = (count < p) | lost
    out: list[Row | None] = []
    breaks = getattr(form, "n_breaks", 0)
    names = form.names
    for i in range(len(count)):
        if alone[i]:
            out.append(None)
            continue
        status = Status.CONVERGED if found.converged[i] else Status.NOT_CONVERGED
        status = Status.UNDERDETERMINED if under[i] else status
        row: Row = {
            "status": status.name.lower(),
            "warnings": ";".join(code for code, holds in codes.items() if holds[i]),
            "message": "" if status is Status.CONVERGED else status.value,
            "n_points": int(count[i]),
            "n_breaks": breaks,
            "rmsle": float(rmsle[i]),
        }
        row.update(zip(names, values[i].tolist(), strict=True))
        row.update({name: float(column[i]) for name, column in predictions.items()})
        out.append(row)
    return out


def _predictions(form: Form, theta: np.ndarray, at: tuple[float, ...]) -> Mapping[str, np.ndarray]:
    if not at:
        return {}
    rows = np.resize(theta, (-(-len(theta) // LOCAL) * LOCAL, theta.shape[1]))
    blocks = [form.evaluate(block, np.array(at)) for block in np.split(rows, len(rows) // LOCAL)]
    values = np.concatenate(blocks)[: len(theta)]
    return {prediction_name(x): values[:, i] for i, x in enumerate(at)}


def _determinacy(jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether a parameter of each of C fits is not determined (C,), and condition numbers (C,).

    As `bnsl._covariance` for one fit, from Jacobians (C, p, N).
    """
    p = jacobian.shape[1]
    finite = np.isfinite(jacobian).all(axis=(1, 2))
    columns = np.where(finite[:, None, None], jacobian, 0.0)
    largest = np.abs(columns).max(axis=2, keepdims=True)
    columns = columns / np.where(largest > 0, largest, 1.0)
    norms = np.sqrt(np.sum(columns**2, axis=2, keepdims=True))
    columns = columns / np.where(norms > 0, norms, 1.0)
    triangle = np.linalg.qr(columns.transpose(0, 2, 1), mode="r")
    s = np.linalg.svd(triangle, compute_uv=False)
    lost = ~finite | (norms[:, :, 0] == 0).any(axis=1) | (s[:, -1] <= SINGULAR * s[:, 0]) | (s.shape[1] < p)
    with np.errstate(divide="ignore", invalid="ignore"):
        return lost, np.where(s[:, -1] > 0, s[:, 0] / s[:, -1], np.inf)


# --- devices --------------------------------------------------------------------------------------

WIDE = 64  # a GPU's chunks are so many times as large as a core's


def placement_of(settings: Settings) -> Placement:
    """The devices of the settings."""
    if settings.devices is None:
        return Placement()
    devices = {device.id: device for device in jax.devices(settings.platform)}
    chosen = tuple(devices[i] for i in settings.devices)
    return Placement(chosen, 1 if settings.platform == "cpu" else WIDE)


@contextlib.contextmanager
def _on(placement: Placement) -> Iterator[None]:
    """What has no place of its own goes to the first device."""
    if not placement.devices:
        yield
        return
    with jax.default_device(placement.devices[0]):
        yield
