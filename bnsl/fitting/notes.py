"""What to say of a fit: the warnings that the search, the points and the derivatives call for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bnsl._base.display import FitWarning
from bnsl.curves.curve import Curve
from bnsl.fitting.adequacy import LEAST_TESTED, MISSING, PLACED, VISIBLE, durbin_watson, missing_break
from bnsl.fitting.covariance import SINGULAR
from bnsl.fitting.result import Status
from bnsl.forms.form import Form
from bnsl.solver.pool import Pool

FEW = 8  # distinct x below which intervals rest on the form, which so few points cannot show
# Two costs differ if more than this share lies between them, and more than rounding explains.
SAME_COST = 1e-3
ALIKE = 3.0  # standard deviations from which on neighbouring residuals count as alike
CONSTANT = FitWarning("constant_y", "all y are equal; only the level of the curve is determined")


def point_notes(curve: Curve, fitted: int) -> Iterator[FitWarning]:
    """What the points alone say, of a law with so many fitted parameters."""
    dof = len(curve) - fitted
    if np.ptp(curve.y) == 0:
        yield CONSTANT
    if dof < 0:
        text = (
            f"{fitted} parameters for {len(curve)} points: many laws pass through all of them; use fewer "
            "breaks or more points"
        )
        yield FitWarning("more_parameters_than_points", text)
    elif dof == 0:
        text = (
            f"as many parameters as points ({len(curve)}): the noise, and with it every standard error, is "
            "unknown; use fewer breaks or more points"
        )
        yield FitWarning("no_degrees_of_freedom", text)
    distinct = len(np.unique(curve.x, axis=0))
    if dof > 0 and distinct < FEW:
        text = (
            f"only {distinct} distinct x: intervals assume that the form is right, which so few points "
            "cannot show"
        )
        yield FitWarning("few_points", text)


def parameter_notes(
    form: Form, curve: Curve, theta: np.ndarray, lost: np.ndarray, at_bound: np.ndarray, condition: float
) -> Iterator[FitWarning]:
    """What is to be said of the parameters.

    Args:
        form: that was fitted.
        curve: the fitted points.
        theta: coordinates (p,) in the user's units, breaks in order.
        lost: (p,) bool, which are not determined.
        at_bound: (p,) bool, which ended at a bound.
        condition: number of the scaled derivatives.
    """
    names = np.array(form.names)
    for i, (position, side) in enumerate(break_places(form, curve, theta), start=1):
        if side:
            where = "before the first" if side == "before" else "beyond the last"
            text = f"break {i} at {position:.4g} lies {where} point; the data show only one side of it"
            yield FitWarning("break_outside_data", text)
    if at_bound.any():
        which = ", ".join(names[at_bound])
        text = f"{which}: at the end of the allowed range, so standard errors are one-sided"
        yield FitWarning("parameter_at_bound", text)
    if lost.any():
        text = f"{', '.join(names[lost])}: not determined by the data; the standard errors are unknown"
        yield FitWarning("nearly_singular", text)
    elif condition > 1.0 / (1e2 * SINGULAR):
        text = (
            f"parameters trade off against each other (condition number {condition:.1e}); rely on "
            "predictions rather than parameters"
        )
        yield FitWarning("nearly_singular", text)


def break_places(form: Form, curve: Curve, theta: np.ndarray) -> Iterator[tuple[float, str]]:
    """The position of every break, and on which side of the data it lies: "before", "beyond", or ""."""
    first, last = float(curve.x.min()), float(curve.x.max())
    for i in range(1, form.n_breaks + 1):
        with np.errstate(over="ignore"):
            position = float(np.exp(theta[form.names.index(f"d{i}")]))
        yield position, "" if first <= position <= last else "before" if position < first else "beyond"


def search_notes(pool: Pool, count: int) -> Iterator[FitWarning]:
    """What the search says, which found the pool on so many points."""
    if not np.isfinite(pool.cost[0]):
        yield FitWarning("failed", Status.FAILED.value)
        return
    if not pool.converged[0]:
        yield FitWarning("not_converged", Status.NOT_CONVERGED.value)
    excess = (pool.cost - pool.cost[0]) / (pool.cost[0] + 1e-20 * count)
    if np.any(pool.converged & (excess > SAME_COST) & (excess < 0.05)):
        text = "other laws of this form fit almost as well (cost within 5 %) with other parameters"
        yield FitWarning("starts_disagree", text)


def range_notes(form: Form, curve: Curve, theta: np.ndarray, blurred: np.ndarray) -> Iterator[FitWarning]:
    """What is known of the law and cannot be written as a double in the user's units."""
    params = form.to_params(theta)
    what = [q.name for q in form.parameters if q.log and not 0 < abs(params[q.name]) < np.inf]
    what += [f"the standard error of {name}" for name in np.array(form.names)[blurred]]
    if np.isinf(form.evaluate(theta, curve.x)).any():
        what.append("predictions")
    if what:
        text = "beyond the range of a double in these units (1e-308 to 1e308); multiply x or y by a constant"
        yield FitWarning("out_of_range", f"{', '.join(what)}: {text}")


def break_notes(
    form: Form, curve: Curve, theta: np.ndarray, signal: np.ndarray, errors: np.ndarray
) -> Iterator[FitWarning]:
    """Breaks that the data do not determine, by Fisher information.

    Args:
        form: that was fitted.
        curve: the fitted points.
        theta: coordinates (p,) in the user's units, breaks in order.
        signal: of every break (n,), as `adequacy.signals` gives it.
        errors: standard errors (p,) of the coordinates.
    """
    sides = [side for _, side in break_places(form, curve, theta)]
    for i, (size, side) in enumerate(zip(signal, sides, strict=True), start=1):
        if size >= VISIBLE and errors[form.names.index(f"d{i}")] <= PLACED:
            continue
        if side:
            text = f"break {i} lies {side} your data, which do not determine it"
        elif size < VISIBLE:
            text = (
                f"break {i} is barely visible in your data ({size:.2g} standard deviations), "
                "which do not determine it; a law without it fits about as well"
            )
        else:
            text = f"your data do not determine the position of break {i} to within a factor of 2"
        yield FitWarning("break_undetermined", text)


def misfit_notes(
    form: Form, log_x: np.ndarray, residual: np.ndarray, jacobian: np.ndarray, free: np.ndarray
) -> Iterator[FitWarning]:
    """What the residuals say that the law misses.

    Args:
        form: that was fitted.
        log_x: (N,) in the units of the fit.
        residual: (N,) weighted residuals, law minus data.
        jacobian: (N, p) their derivatives.
        free: (p,) bool, which were fitted.
    """
    columns = jacobian[:, free]
    few = len(residual) - columns.shape[1] <= LEAST_TESTED
    if log_x.ndim > 1 or few or not np.isfinite(columns).all():
        return
    if durbin_watson(residual, columns) < -ALIKE:
        text = (
            "neighbouring residuals are similar: the law misses a feature of the data, perhaps a break, or "
            "the noise is correlated; standard errors and intervals are too small"
        )
        yield FitWarning("correlated_residuals", text)
    if form.level is None:
        return
    size = missing_break(log_x, residual, jacobian, form.level, free)
    if size > MISSING:
        text = (
            f"another break would be visible, at {size:.2g} standard deviations: the law misses a "
            "feature of the data, and standard errors and intervals are too small"
        )
        yield FitWarning("break_missing", text)
