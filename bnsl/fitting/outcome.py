"""From a solved problem to a FitResult: units, covariance, order of the breaks, status and warnings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bnsl._base.arrays import lengths
from bnsl._base.display import FitWarning
from bnsl.curves.curve import Curve
from bnsl.fitting import notes
from bnsl.fitting.adequacy import signals
from bnsl.fitting.constraints import Constraints, canonical_order
from bnsl.fitting.covariance import covariance_root, in_other_units, sandwich_root, undetermined
from bnsl.fitting.result import FitResult, Status
from bnsl.fitting.setup import Setup
from bnsl.forms.form import AHEAD, Form
from bnsl.solver import losses
from bnsl.solver.pool import Pool
from bnsl.solver.problem import Linearised, crosses_zero

TINY = 1e-3  # of the mean steepness of a robust loss


def result_of(
    form: Form, constraints: Constraints, curve: Curve, ready: Setup, pool: Pool, local: Linearised
) -> FitResult:
    """The result of a fit, from what `setup.solve` gives."""
    method, problem, log_s, log_t, shift, measure = ready
    best, free, failed = pool.theta[0], problem.free, not np.isfinite(pool.cost[0])
    dof = len(curve) - int(free.sum())
    psi, steepness = losses.influence(method.robust, local.residual, float(problem.scale))
    # Of an M-estimator as of least squares, but for how steep psi is on average (Huber, 1981, section 7.6).
    steep = max(float(np.mean(steepness)), TINY)
    variance = float(np.sum(psi**2)) / dof / steep**2 if dof > 0 else np.nan
    root, condition, lost = np.full((len(best), len(best)), np.nan), np.inf, free
    if not failed:
        root, condition = covariance_root(local.jacobian, variance, free)
        lost = undetermined(local.jacobian, free)
        if curve.groups is not None or (method.robust and len(form.inputs) > 1):
            sandwich = sandwich_root(local.jacobian, psi, steepness, free, curve.groups)
            root = sandwich if np.isfinite(sandwich).all() else root
    margin = 1e-9 * np.maximum(1.0, np.abs(best))
    at_bound = free & ((best <= local.lower + margin) | (best >= local.upper - margin))
    known = np.isfinite(root).all(axis=1) & root.any(axis=1)
    theta, root = in_other_units(form, best, root, log_s, log_t)  # the user's
    if shift:
        theta[0] += shift
    largest = np.abs(root).max(axis=1)
    blurred = free & known & ~((largest >= np.finfo(float).tiny) & np.isfinite(largest))
    root[blurred] = np.nan
    for name, value in constraints.held.items():
        theta[form.names.index(name)] = value  # not a rounding of it
    order = canonical_order(form, theta, constraints)
    theta, root, lost, at_bound, blurred = (v[order] for v in (theta, root, lost, at_bound, blurred))

    def warned() -> Iterator[FitWarning]:
        yield from notes.point_notes(curve, int(free.sum()))
        yield from notes.parameter_notes(form, curve, theta, lost, at_bound, condition)
        yield from notes.search_notes(pool, len(curve))
        yield from notes.range_notes(form, curve, theta, blurred)
        if crosses_zero(form, method.loss, best, problem.log_x[0], problem.log_x[-1]):
            text = f"the law falls below 0 before {AHEAD:g} times the largest x"
            yield FitWarning("crosses_zero", text)
        if not failed and variance > 0:
            white = local.jacobian[:, order] / np.sqrt(variance)
            signal = signals(form, best[order], white, free[order])
            yield from notes.break_notes(form, curve, theta, signal, lengths(root.T))
            yield from notes.misfit_notes(form, problem.log_x, psi, local.jacobian, free)

    return FitResult(
        form=form,
        theta=theta,
        covariance_root=root,
        curve=curve,
        loss=method.loss,
        robust=method.robust,
        robust_scale=float(problem.scale * measure) if method.robust else None,
        fixed=tuple(constraints.held),
        bounds=constraints.pairs,
        status=_status(pool, underdetermined=dof < 0 or bool(lost.any())),
        warnings=tuple(warned()),
        residual_scale=float(measure * np.sqrt(variance)),
        undetermined=tuple(np.array(form.names)[lost]),
    )


def _status(pool: Pool, *, underdetermined: bool) -> Status:
    if not np.isfinite(pool.cost[0]):
        return Status.FAILED
    if underdetermined:
        return Status.UNDERDETERMINED
    return Status.CONVERGED if pool.converged[0] else Status.NOT_CONVERGED
