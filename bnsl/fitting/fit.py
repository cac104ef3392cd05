"""`fit`: from a curve to a FitResult, with no argument needed for a good fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.arrays import lengths
from bnsl._base.checks import InputError, as_number, check_choice
from bnsl._base.precision import double_precision
from bnsl.curves.curve import WIDEST, Curve, as_curve, check_curve
from bnsl.evidence.breaks import MOST, Candidate, weigh_breaks
from bnsl.fitting import adequacy
from bnsl.fitting.constraints import (
    Constraints,
    canonical_order,
    check_constraints,
    fewest_breaks,
    in_units,
    orientations,
)
from bnsl.fitting.covariance import covariance_root, undetermined
from bnsl.fitting.result import FitResult, Status
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.forms.registry import get_form
from bnsl.solver import losses
from bnsl.solver.pool import Pool
from bnsl.solver.problem import Linearised, Method, Problem, block_means, linearised
from bnsl.solver.search import polish, search

THINNED = 1024  # means on which the search runs when there are many more points
THIN_ABOVE = 4096
ROBUST_ROUNDS = 3  # re-estimates of a robust loss's scale
HUBER_TUNING = 1.345  # scale in standard deviations: 95 % efficiency on normal noise (Huber, 1981)
OUTLYING = 6.0  # standard deviations, by the median, from which on a point is an outlier to a robust loss


def fit(
    x: Curve | ArrayLike,
    y: ArrayLike | None = None,
    *,
    form: str | Form = "bnsl",
    n_breaks: int | None = None,
    loss: str = "log",
    robust: str | None = None,
    robust_scale: float | None = None,
    sigma: ArrayLike | None = None,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
) -> FitResult:
    """Fit one law to one curve. Two arguments suffice; the others say what is known or wanted.

    Args:
        x: positive inputs (N,), in any unit and order; or a Curve.
        y: measured values (N,), positive under the default loss.
        form: "bnsl" (arXiv 2210.14891, equation 1), "m1" to "m4" (arXiv 2209.06640), or a Form.
        n_breaks: exact number of breaks of a BNSL; if not given, it is chosen by the evidence of the curve,
            and `FitResult.selection` says why (1 where y is not positive throughout).
        loss: "log" (relative errors count alike), "log1p" (the paper's released code) or "linear".
        robust: None (least squares), "huber" or "soft_l1", against outliers.
        robust_scale: residual, in the space of the loss (in units of sigma, if given), from which on a
            point counts less; estimated from the residuals if not given.
        sigma: standard deviation of every y (N,), or one number for all, in the units of y; only ratios
            matter to the fit.
        fixed: parameters held at a value, {"a": 0.0}.
        bounds: (lower, upper) of parameters, None for no bound; {"b": (None, 0)} asks for a law that rises
            to its limit.

    Returns:
        A FitResult. A fit that went badly has a status and warnings that say so.

    Raises:
        InputError: (a ValueError) input that cannot be fitted, before any work.
    """
    wanted = get_form(form, n_breaks)
    check_choice(loss, "loss", losses.LOSSES)
    if robust is not None:
        check_choice(robust, "robust", losses.ROBUST)
    if robust_scale is not None:
        as_number(robust_scale, "robust_scale", lambda value: value > 0 and np.isfinite(value))
        if robust is None:
            raise InputError("robust_scale was given without robust; add robust='huber' or 'soft_l1'")
    curve = as_curve(x, y, sigma, inputs=len(wanted.inputs))
    check_curve(curve, loss)
    weighed: tuple[Candidate, ...] = ()
    if n_breaks is None and isinstance(form, str) and isinstance(wanted, BNSL):
        fewest = min(fewest_breaks(fixed, bounds), MOST)
        wanted = BNSL(max(fewest, 1))
        for oriented in orientations(wanted, curve, fixed, bounds):
            check_constraints(oriented, loss, fixed, bounds)
        if curve.y.min() > 0 and np.log10(curve.y.max()) - np.log10(curve.y.min()) <= WIDEST:
            clean = curve if robust is None else _without_outliers(curve, loss, robust)
            weighed = weigh_breaks(clean, fewest)
            wanted = BNSL(max(weighed, key=lambda candidate: candidate.probability).n_breaks)
    if wanted.picks > len(curve):
        raise InputError(
            f"n_breaks = {wanted.picks} is more than there are points ({len(curve)}); even one break takes "
            "three parameters"
        )
    if not isinstance(wanted, BNSL) and curve.y.max() <= 0:
        raise InputError(f"y has no positive value, and form {wanted.label!r} is positive; use form='bnsl'")
    candidates = orientations(wanted, curve, fixed, bounds)
    checked = [(f, check_constraints(f, loss, fixed, bounds)) for f in candidates]
    # Values of 1e300 beside 1e-300 overflow on the way to a covariance, which then is not known.
    with np.errstate(all="ignore"):
        results = [_fit_form(f, c, curve, loss, robust, robust_scale) for f, c in checked]
        return replace(min(results, key=_misfit), candidates=weighed)


def _without_outliers(curve: Curve, loss: str, robust: str) -> Curve:
    """The points that a robust fit with one break leaves near the law; evidence knows of no outliers."""
    residuals = np.abs(fit(curve, n_breaks=1, loss=loss, robust=robust).residuals)
    near = residuals <= OUTLYING * np.median(residuals) / 0.6745
    enough = len(np.unique(curve.x[near])) >= 3
    return curve.take(near) if enough else curve


def _fit_form(
    form: Form,
    constraints: Constraints,
    curve: Curve,
    loss: str,
    robust: str | None,
    robust_scale: float | None,
) -> FitResult:
    log_x = np.log(curve.x)
    mixing = {parameter.name for parameter in form.parameters if parameter.mixes}
    if constraints.names & mixing or (loss == "linear" and not isinstance(form, BNSL) and curve.y.min() <= 0):
        log_s, log_t = np.zeros_like(log_x[0]), 0.0
    else:
        log_s = log_x.max(axis=0)
        # The other losses look at the largest y; the smallest may be anything.
        log_t = float(np.log(curve.y).mean() if loss == "log" else np.log(np.abs(curve.y).max() or 1.0))
    held, lower, upper = (
        in_units(form, values, default, -log_s, -log_t)
        for values, default in (
            (constraints.held, 0.0),
            (constraints.lower, -np.inf),
            (constraints.upper, np.inf),
        )
    )
    free = np.array([name not in constraints.held for name in form.names])
    chained = {name for name in form.names if name[0] in "cdf" and name != "c0"}
    straight = not (constraints.names & (chained | mixing))
    method = Method(form, loss, None, straight)
    if loss == "log1p" and isinstance(form, BNSL):
        lower[0] = max(lower[0], 0.0)  # a; log(1 + y) is computed from log y
    unit = float(np.exp(log_t))
    # What one unit of a weighted residual of the search is in the user's: that of y, or one sigma.
    measure = unit if loss == "linear" else 1.0
    weight = np.ones(len(curve))
    if curve.sigma is not None:
        sigma = np.asarray(losses.sigma_in_residual_space(loss, curve.sigma, curve.y, 1.0))
        typical = float(np.exp(np.mean(np.log(sigma))))
        weight, measure = typical / sigma, measure / typical
    y = curve.y / unit
    with double_precision():
        problem = Problem(log_x - log_s, y, weight, unit, 1.0, free, held, lower, upper)
        pool = _search_thinned(method, problem)
        if robust is not None:
            method = method._replace(robust=robust)
            scale = None if robust_scale is None else robust_scale / measure
            problem, pool = _robust_rounds(method, problem, pool, scale)
        pool = _representable(form, pool, log_s, log_t)
        local = linearised(method, problem, pool.theta[0])
    return _result(form, constraints, curve, method, problem, pool, local, (log_s, log_t), measure)


def _representable(form: Form, pool: Pool, log_s: np.ndarray, log_t: float) -> Pool:
    """The pool without leading solutions too steep to be written in the user's units."""
    for first, theta in enumerate(pool.theta):
        there = np.asarray(form.rescale(theta, log_s, log_t))
        back = np.asarray(form.rescale(there, -log_s, -log_t))
        if np.allclose(back, theta, rtol=1e-6, atol=1e-6):
            return Pool(*(part[first:] for part in pool)) if np.isfinite(pool.cost[first]) else pool
    return pool


def _search_thinned(method: Method, problem: Problem) -> Pool:
    """Search on all points; with very many, on weighted means of runs of them, then polish on all."""
    if len(problem.y) <= THIN_ABOVE:
        return search(method, problem)
    pool = search(method, block_means(problem, THINNED))
    return polish(method, problem, pool.theta[:1])


def _robust_rounds(method: Method, problem: Problem, pool: Pool, scale: float | None) -> tuple[Problem, Pool]:
    """Search again under the robust loss, its scale from the median absolute residual each time."""
    plain = method._replace(robust=None)
    for _ in range(1 if scale is not None else ROBUST_ROUNDS):
        if scale is None:
            residual = linearised(plain, problem, pool.theta[0]).residual
            spread = float(np.median(np.abs(residual))) / 0.6745
            new = max(HUBER_TUNING * spread, 1e-12)
        else:
            new = scale
        problem = problem._replace(scale=new)
        pool = _search_thinned(method, problem)
    return problem, pool


def _misfit(result: FitResult) -> float:
    """Root mean square residual; laws of either orientation have as many parameters."""
    if result.status is Status.FAILED:
        return np.inf
    return float(np.sqrt(np.mean(result.residuals**2)))


def _result(
    form: Form,
    constraints: Constraints,
    curve: Curve,
    method: Method,
    problem: Problem,
    pool: Pool,
    local: Linearised,
    units: tuple[np.ndarray, float],
    measure: float,
) -> FitResult:
    best = pool.theta[0]
    free = problem.free
    dof = len(curve) - int(free.sum())
    failed = not np.isfinite(pool.cost[0])
    sum_of_squares = float(np.sum(local.residual**2))
    variance = sum_of_squares / dof if dof > 0 else np.nan
    if failed:
        root, condition, lost = np.full((len(best), len(best)), np.nan), np.inf, free
    else:
        root, condition = covariance_root(local.jacobian, variance, free)
        lost = undetermined(local.jacobian, free)
    names = np.array(form.names)
    margin = 1e-9 * np.maximum(1.0, np.abs(best))
    at_bound = free & ((best <= local.lower + margin) | (best >= local.upper - margin))
    # Back to the user's units: theta transforms smoothly, its errors with the derivative of that.
    log_s, log_t = units
    theta = np.asarray(form.rescale(best, log_s, log_t))
    steps = np.eye(len(best))
    change = np.stack([np.asarray(form.rescale(best + e, log_s, log_t)) - theta for e in steps], axis=1)
    known = np.isfinite(root).all(axis=1) & root.any(axis=1)
    root = change @ root
    largest = np.abs(root).max(axis=1)
    blurred = free & known & ~((largest >= np.finfo(float).tiny) & np.isfinite(largest))
    root[blurred] = np.nan
    for i, name in enumerate(form.names):
        theta[i] = constraints.held.get(name, theta[i])  # not a rounding of it
    order = canonical_order(form, theta, constraints)
    theta, root, lost, at_bound, blurred = (v[order] for v in (theta, root, lost, at_bound, blurred))
    notes = adequacy.fit_notes(form, constraints, curve, pool, theta, lost, at_bound, condition, dof)
    notes += adequacy.range_notes(form, curve, theta, blurred)
    if not failed and dof > 0 and sum_of_squares > 0:
        white = local.jacobian / np.sqrt(variance)
        if isinstance(form, BNSL):
            signal = adequacy.signals(form, best, white, free)[(order[3::3] - 3) // 3]
            notes += adequacy.break_notes(curve, theta, signal, lengths(root.T))
        notes += adequacy.misfit_notes(form, problem.log_x, local.residual, local.jacobian, free)
    if failed:
        status = Status.FAILED
    elif dof < 0 or lost.any():
        status = Status.UNDERDETERMINED
    else:
        status = Status.CONVERGED if pool.converged[0] else Status.NOT_CONVERGED
    return FitResult(
        form=form,
        theta=theta,
        covariance_root=root,
        curve=curve,
        loss=method.loss,
        robust=method.robust,
        robust_scale=problem.scale * measure if method.robust else None,
        fixed=tuple(constraints.held),
        bounds=constraints.pairs,
        status=status,
        warnings=tuple(notes),
        residual_scale=measure * float(np.sqrt(variance)),
        undetermined=tuple(names[lost]),
    )
