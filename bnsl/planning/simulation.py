"""Prediction errors by simulation: what Fisher information promises, checked by fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_array, check_count, check_positive, positive_inputs, reject
from bnsl._base.precision import double_precision
from bnsl.fitting.result import FitResult
from bnsl.forms.form import Form
from bnsl.planning.predictability import as_law, as_noise
from bnsl.solver.search import refine_many
from bnsl.solver.problem import Method, Problem
from bnsl.uncertainty.refit import padded

CLEAN = 1e-4  # noise below which fits keep all digits


def simulated_horizon(
    law: FitResult | Mapping[str, float],
    x: ArrayLike,
    noise: float,
    stops: ArrayLike,
    target: ArrayLike | None = None,
    *,
    replicates: int = 20,
    form: str | Form | None = None,
    fixed: Sequence[str] = (),
    seed: int = 0,
) -> np.ndarray:
    """Root mean square log error (S,) of least-squares laws fitted up to each stop, by simulation.

    It is to `Horizon.prediction_sd` what an experiment is to theory. All fits, replicates times stops, are
    one batched call; each starts at the truth, so that the limit shown is that of the data and not of a
    search.

    Args:
        law: as for `bnsl.horizon`, with the next two.
        x: all inputs (N,).
        noise: standard deviation of log y.
        stops: last x of the data, (S,).
        target: x of the predictions (T,); at each stop those beyond it, if not given.
        replicates: noisy curves a stop.
        form: as for `bnsl.horizon`.
        fixed: likewise.
        seed: of the random numbers.

    Raises:
        InputError: as `bnsl.horizon` does.
    """
    form, theta = as_law(law, form)
    if len(form.inputs) > 1:
        raise InputError(f"form {form.label!r} has several inputs; a horizon is along one")
    points = np.sort(as_array(x, "x"))
    check_positive(points, "x", "is not positive; scaling laws are defined for x > 0")
    sd = float(as_noise(noise, 1)[0])
    ends = as_array(stops, "stops")
    reject(ends, ends < points[0], "stops", f"leaves no point; x starts at {points[0]:g}")
    goal = None if target is None else positive_inputs(target, 1)[0]
    if goal is None:
        reject(ends, ends >= points[-1], "stops", f"leaves nothing to predict; x ends at {points[-1]:g}")
    count = check_count(replicates, "replicates", 1)
    rng = np.random.default_rng(seed)
    inside = points[points <= ends.max()]
    law_y = form.evaluate(theta, inside)
    log_s, log_t = np.log(ends), float(np.log(np.abs(law_y).max()))
    # Every problem is in units of its own stop, in which the solver's coordinates are straight.
    local = np.stack([np.asarray(form.rescale(theta, -shift, -log_t)) for shift in log_s])
    seen = inside <= ends[:, None]
    log_x = np.where(seen, np.log(inside) - log_s[:, None], 0.0)
    free = np.array([name not in fixed for name in form.names])
    batch = len(ends) * count
    y = np.repeat(law_y[None] / np.exp(log_t), batch, axis=0)
    y *= np.exp(sd * rng.standard_normal(y.shape))
    row = padded(Problem(log_x[0], y[0], np.ones(len(inside)), 1.0, 1.0, free, local[0], *_open(len(free))))
    extra = len(row.y) - len(inside)
    wide = [
        np.pad(np.repeat(part, count, axis=0), ((0, 0), (0, extra))) for part in (log_x, seen.astype(float))
    ]
    problems = row._replace(
        log_x=wide[0], weight=wide[1], y=np.pad(y, ((0, 0), (0, extra)), constant_values=1.0)
    )
    starts = np.repeat(local, count, axis=0)
    method = Method(form, straight=bool(free.all()))
    with double_precision():
        found = refine_many(method, problems._replace(held=starts), starts, exact=sd < CLEAN)
    errors = []
    for k, stop in enumerate(ends):
        ahead = points[points > stop] if goal is None else goal
        truth = np.log(form.evaluate(theta, ahead))
        laws = np.asarray(form.rescale(found.theta[k * count : (k + 1) * count], log_s[k], log_t))
        with np.errstate(all="ignore"):
            errors.append(np.sqrt(np.mean((np.log(form.evaluate(laws, ahead)) - truth) ** 2)))
    return np.array(errors)


def _open(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(count, -np.inf), np.full(count, np.inf)
