"""The laws of many curves, what surrounds them, and the columns that tell of them, all curves at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl.fitting.covariance import SINGULAR
from bnsl.fitting.notes import FEW
from bnsl.fitting.result import Status
from bnsl.fitting.setup import Setup
from bnsl.forms.autodiff import runnable
from bnsl.forms.form import Form
from bnsl.solver.crowd import Refined, blocks
from bnsl.solver.effort import FAINT
from bnsl.solver.problem import Problem, crosses_zero, ends_of, residuals, rows_of, several, taken

WRITABLE = 650.0  # logarithms of parameters beyond it are beyond the range of a double
WELL_CONDITIONED = 1e-12  # least eigenvalue above which no doubt is possible

Columns = dict[str, np.ndarray]


class Laws(NamedTuple):
    """The best law of every curve, and what surrounds it."""

    theta: np.ndarray  # (C, p) normalised
    cost: np.ndarray  # (C,)
    converged: np.ndarray  # (C,)
    residual: np.ndarray  # (C, N) weighted
    least: np.ndarray  # (C,) least eigenvalue of the products of the derivatives, each scaled to length 1
    known: np.ndarray  # (C,) whether all derivatives are finite and none is zero throughout
    at_bound: np.ndarray  # (C,)
    scale: np.ndarray  # (C,) of a robust loss; 1 without one
    crosses: (
        np.ndarray
    )  # (C,) whether the law of a positive quantity crosses 0, which makes it the last choice


def surroundings(ready: Setup, found: Refined) -> Laws:
    """Residuals of the plain loss in double precision, and what surrounds the solutions."""
    method = ready.method._replace(form=runnable(ready.method.form), robust=None)
    whole = several(method.form, ready.problem)
    theta = found.theta.astype(float)
    parts = []
    for which in blocks(len(theta), whole.y.shape[-1]):
        rows, at = rows_of(method, taken(whole, which)), theta[which]
        residual, jacobian = residuals(method, rows, at)
        finite = np.isfinite(jacobian).all(axis=(1, 2))
        free = np.where(rows.free, 1.0, 0.0)
        unit, norms = _unit_columns(np.where(finite[:, None, None], jacobian, 0.0))
        # What is held is no direction: it stands for a column of its own, orthogonal to all others.
        gram = np.matmul(unit, unit.transpose(0, 2, 1)) * free[:, :, None] * free[:, None]
        gram = gram + (1.0 - free)[:, :, None] * np.eye(free.shape[1])
        margin = 1e-9 * np.maximum(1.0, np.abs(at))
        edge = (at <= rows.lower + margin) | (at >= rows.upper - margin)
        at_bound = (rows.free & edge).any(axis=1)
        known = finite & ((norms > 0) | ~rows.free).all(axis=1)
        parts.append((residual, np.linalg.eigvalsh(gram)[:, 0], known, at_bound))
    residual, least, known, at_bound = (np.concatenate(column) for column in zip(*parts, strict=True))
    scale = np.broadcast_to(ready.problem.scale, found.cost.shape)
    crosses = crosses_zero(method.form, method.loss, theta, *ends_of(whole))
    return Laws(theta, found.cost, found.converged, residual, least, known, at_bound, scale, crosses)


def _unit_columns(jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (C, p, N) scaled to length 1, and their lengths relative to their largest entries (C, p)."""
    largest = np.abs(jacobian).max(axis=-1, keepdims=True)
    rows = jacobian / np.where(largest > 0, largest, 1.0)
    norms = np.sqrt(np.sum(rows**2, axis=-1, keepdims=True))
    return rows / np.where(norms > 0, norms, 1.0), norms[..., 0]


def columns_of(form: Form, ready: Setup, found: Laws, points: np.ndarray) -> tuple[Columns, np.ndarray]:
    """Columns of the laws, and where (C,) `fit` knows better: all but noiseless, beyond a double's range."""
    free = np.broadcast_to(ready.problem.free, found.theta.shape)
    params = free[0].sum()
    count = len(points)
    log_s, log_t = np.broadcast_to(ready.log_s, count), np.broadcast_to(ready.log_t, count)
    theta = ready.outward(found.theta)
    back = form.rescaled(form.rescaled(found.theta, log_s, log_t), -log_s, -log_t)
    logs = np.array([q.log for q in form.parameters])
    writable = np.isclose(back, found.theta, rtol=1e-6, atol=1e-6).all(axis=1)
    writable &= np.abs(np.where(logs, theta, 0.0)).max(axis=1) < WRITABLE
    values = np.where(logs, np.exp(theta), theta)
    values = values * np.array([-1.0 if q.log and q.upper <= 0 else 1.0 for q in form.parameters])
    squares = np.sum(found.residual**2, axis=1)
    alone = ~np.isfinite(found.cost) | ~writable
    alone |= (squares / points < FAINT) & (form.n_breaks > 0)
    lost, near_singular = _determinacy(ready, found)
    y = np.where(ready.problem.weight > 0, ready.problem.y, np.nan)
    y = np.broadcast_to(y, found.residual.shape)
    codes = {
        "constant_y": np.nanmax(y, axis=1) == np.nanmin(y, axis=1),
        "more_parameters_than_points": points < params,
        "no_degrees_of_freedom": points == params,
        "few_points": (points > params) & (_distinct(ready, count) < FEW),
        "break_outside_data": np.zeros(count, bool),
        "parameter_at_bound": found.at_bound,
        "nearly_singular": near_singular,
        "not_converged": ~found.converged,
    }
    if form.n_breaks:
        places, log_x = found.theta[:, 4::3], np.broadcast_to(ready.problem.log_x, found.residual.shape)
        last = np.where(ready.problem.weight > 0, log_x, -np.inf).max(axis=1)[:, None]
        codes["break_outside_data"] = ((places < log_x[:, :1]) | (places > last)).any(axis=1)
    status = np.where(found.converged, _name(Status.CONVERGED), _name(Status.NOT_CONVERGED)).astype(object)
    message = np.where(found.converged, "", Status.NOT_CONVERGED.value).astype(object)
    under = (points < params) | lost
    status[under], message[under] = _name(Status.UNDERDETERMINED), Status.UNDERDETERMINED.value
    columns = {
        "status": status,
        "warnings": _joined(codes),
        "message": message,
        "n_points": points.astype(float),
        "n_breaks": np.full(count, float(form.n_breaks)),
        "rmsle": _rmsle(form, ready, found, y, points),
        **dict(zip(form.names, values.T, strict=True)),
    }
    return columns, alone


def _distinct(ready: Setup, count: int) -> np.ndarray:
    """How many different x every curve has (C,)."""
    log_x, seen = np.broadcast_arrays(ready.problem.log_x, ready.problem.weight > 0)
    new = (np.diff(log_x, axis=-1) > 0) & seen[..., 1:]
    return np.broadcast_to(1 + new.sum(axis=-1), count)


def _rmsle(form: Form, ready: Setup, found: Laws, y: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Root mean square of log(predicted / measured) (C,); NaN where one of them is not positive."""
    raised = (np.broadcast_to(ready.shift, points.shape) / ready.problem.unit)[:, None]
    law = runnable(form).y(found.theta, np.broadcast_to(ready.problem.log_x, y.shape)) + raised
    error = np.where(np.isnan(y), 0.0, np.log(law) - np.log(np.where(np.isnan(y), 1.0, y + raised)))
    return np.sqrt(np.sum(error**2, axis=1) / points)


def _name(status: Status) -> str:
    return status.name.lower()


def _joined(codes: dict[str, np.ndarray]) -> np.ndarray:
    """The codes that hold for each curve, joined by ';'."""
    pattern = np.sum([holds.astype(int) << i for i, holds in enumerate(codes.values())], axis=0)
    distinct, inverse = np.unique(pattern, return_inverse=True)
    texts = [
        ";".join(code for i, code in enumerate(codes) if number >> i & 1) for number in distinct.tolist()
    ]
    return np.array(texts, object)[inverse]


def _determinacy(ready: Setup, found: Laws) -> tuple[np.ndarray, np.ndarray]:
    """Whether a parameter of each of C fits is not determined, and whether it nearly is not.

    As `bnsl.fitting.covariance` for one fit, by the singular values of the derivatives scaled to length 1.
    The eigenvalues of their products are the squares, in which half of the digits are lost; most fits need
    none.
    """
    lost, near = ~found.known, ~found.known
    doubtful = np.flatnonzero(found.known & ~(found.least > WELL_CONDITIONED))
    method = ready.method._replace(form=runnable(ready.method.form), robust=None)
    whole: Problem = several(method.form, ready.problem)
    free = np.flatnonzero(np.broadcast_to(ready.problem.free, found.theta.shape)[0])
    for some in blocks(len(doubtful), whole.y.shape[-1]):
        which = doubtful[some]
        jacobian = residuals(method, rows_of(method, taken(whole, which)), found.theta[which])[1]
        s = np.linalg.svd(_unit_columns(jacobian[:, free])[0], compute_uv=False)
        few = s.shape[1] < len(free)
        lost[which] = (s[:, -1] <= SINGULAR * s[:, 0]) | few
        near[which] = lost[which] | (s[:, -1] < 1e2 * SINGULAR * s[:, 0])
    return lost, near


def predictions(form: Form, ready: Setup, theta: np.ndarray, at: dict[str, float]) -> Columns:
    """Columns of predictions, in the user's units."""
    if not at:
        return {}
    count = len(theta)
    log_s, log_t = np.broadcast_to(ready.log_s, count), np.broadcast_to(ready.log_t, count)
    log_x = np.log(np.array(list(at.values()))) - log_s[:, None]
    values = runnable(form).y(theta, log_x) * np.exp(log_t)[:, None]
    values = values + np.broadcast_to(ready.shift, count)[:, None]
    return {name: values[:, i] for i, name in enumerate(at)}
