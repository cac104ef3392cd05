"""Whether a fitted law is adequate: every warning of a fit, and the tests behind them."""

from __future__ import annotations

import numpy as np

from bnsl._base.arrays import lengths, softplus
from bnsl._base.display import FitWarning
from bnsl.curves.curve import Curve
from bnsl.fitting.constraints import Constraints
from bnsl.fitting.covariance import SINGULAR
from bnsl.fitting.result import Status
from bnsl.forms.form import Form
from bnsl.solver.pool import Pool

# A break shows if it stands out by so many standard deviations once its place and width are given. Where
# they are sought as well, straight laws show one of 3 in 4 % of 5,000 simulations and one of 4 in 0.1 %.
VISIBLE = 4.0
PLACED = float(np.log(2.0))  # standard deviation of log d from which on a break's place is not known
ARITHMETIC = 1e-14  # singular values below this share of the largest are rounding
FEW = 8  # distinct x below which intervals rest on the form, which so few points cannot show
# Two costs differ if more than this share lies between them, and more than rounding explains.
SAME_COST = 1e-3
LEAST_TESTED = 6  # degrees of freedom from which on residuals are looked at
ALIKE = 3.0  # standard deviations from which on neighbouring residuals count as alike
# Standard deviations from which on one break more shows; the largest over all trial breaks exceeds them in
# 1 % of curves that have none (300 simulated, benchmarks/coverage.py draws such).
MISSING = 3.5
PLACES = 24  # trial breaks, even in log x,
WIDTHS = (0.02, 0.06, 0.15, 0.4)  # and their widths as shares of its range
CONSTANT = FitWarning("constant_y", "all y are equal; only the level of the curve is determined")
AT_ONCE = 4096  # points at a time: a million would need gigabytes


def fit_notes(
    form: Form,
    constraints: Constraints,
    curve: Curve,
    pool: Pool,
    theta: np.ndarray,
    lost: np.ndarray,
    at_bound: np.ndarray,
    condition: float,
    dof: int,
) -> list[FitWarning]:
    """What the search, the number of points and the derivatives say of a fit.

    Args:
        form: that was fitted.
        constraints: under which.
        curve: the fitted points.
        pool: what the search found, best first.
        theta: coordinates (p,) in the user's units, breaks in order.
        lost: (p,) bool, which are not determined.
        at_bound: (p,) bool, which ended at a bound.
        condition: number of the scaled derivatives.
        dof: points less fitted parameters.
    """
    notes = []
    names = np.array(form.names)
    if np.ptp(curve.y) == 0:
        notes.append(CONSTANT)
    if dof < 0:
        notes.append(
            FitWarning(
                "more_parameters_than_points",
                f"{len(names) - len(constraints.held)} parameters for {len(curve)} points: many laws pass "
                "through all of them; use fewer breaks or more points",
            )
        )
    elif dof == 0:
        notes.append(
            FitWarning(
                "no_degrees_of_freedom",
                f"as many parameters as points ({len(curve)}): the noise, and with it every standard error, "
                "is unknown; use fewer breaks or more points",
            )
        )
    distinct = len(np.unique(curve.x, axis=0))
    if dof > 0 and distinct < FEW:
        text = (
            f"only {distinct} distinct x: intervals assume that the form is right, which so few points "
            "cannot show"
        )
        notes.append(FitWarning("few_points", text))
    first, last = float(curve.x.min()), float(curve.x.max())
    for i in range(1, form.n_breaks + 1):
        position = float(np.exp(theta[form.names.index(f"d{i}")]))
        if not first <= position <= last:
            side = "before the first" if position < first else "beyond the last"
            notes.append(
                FitWarning(
                    "break_outside_data",
                    f"break {i} at {position:.4g} lies {side} point; the data show only one side of it",
                )
            )
    if at_bound.any():
        which = ", ".join(names[at_bound])
        notes.append(
            FitWarning(
                "parameter_at_bound",
                f"{which}: at the end of the allowed range, so standard errors are one-sided",
            )
        )
    if lost.any():
        notes.append(
            FitWarning(
                "nearly_singular",
                f"{', '.join(names[lost])}: not determined by the data; the standard errors are unknown",
            )
        )
    elif condition > 1.0 / (1e2 * SINGULAR):
        notes.append(
            FitWarning(
                "nearly_singular",
                f"parameters trade off against each other (condition number {condition:.1e}); rely on "
                "predictions rather than parameters",
            )
        )
    if not pool.converged[0] and np.isfinite(pool.cost[0]):
        notes.append(FitWarning("not_converged", Status.NOT_CONVERGED.value))
    if not np.isfinite(pool.cost[0]):
        notes.append(FitWarning("failed", Status.FAILED.value))
    elif _rivals(pool, len(curve)):
        notes.append(
            FitWarning(
                "starts_disagree",
                "other laws of this form fit almost as well (cost within 5 %) with other parameters",
            )
        )
    return notes


def range_notes(form: Form, curve: Curve, theta: np.ndarray, blurred: np.ndarray) -> list[FitWarning]:
    """What is known of the law and cannot be written as a double in the user's units."""
    params = form.to_params(theta)
    what = [q.name for q in form.parameters if q.log and not 0 < abs(params[q.name]) < np.inf]
    what += [f"the standard error of {name}" for name in np.array(form.names)[blurred]]
    if np.isinf(form.evaluate(theta, curve.x)).any():
        what.append("predictions")
    if not what:
        return []
    text = "beyond the range of a double in these units (1e-308 to 1e308); multiply x or y by a constant"
    return [FitWarning("out_of_range", f"{', '.join(what)}: {text}")]


def _rivals(pool: Pool, count: int) -> bool:
    """Whether a converged start ended elsewhere, at a cost between 0.1 % and 5 % above the best."""
    floor = 1e-20 * count
    excess = (pool.cost - pool.cost[0]) / (pool.cost[0] + floor)
    return bool(np.any(pool.converged & (excess > SAME_COST) & (excess < 0.05)))


def signals(form: Form, theta: np.ndarray, white: np.ndarray, free: np.ndarray) -> np.ndarray:
    """|c_i| over its standard error, the place and width of break i being given: (n_breaks,).

    It is, to first order, how far the law is from the nearest without break i, in standard deviations of
    the noise; its square is the noncentrality of the likelihood ratio.

    Args:
        form: of the law.
        theta: coordinates (p,).
        white: (N, p) derivatives by the coordinates over the noise.
        free: (p,) bool, which are fitted.
    """
    out = np.zeros(form.n_breaks)
    for i in range(form.n_breaks):
        at = form.names.index(f"c{i + 1}")
        others = free.copy()
        others[[form.names.index(f"{letter}{i + 1}") for letter in "cdf"]] = False
        column, rest = white[:, at], white[:, others]
        if not np.isfinite(white).all() or not column.any():
            continue
        norms = lengths(rest)
        rest = rest / np.where(norms > 0, norms, 1.0)
        size = float(np.linalg.norm(column))
        basis, r = np.linalg.qr(rest)
        basis = basis[:, np.abs(np.diag(r)) > ARITHMETIC]
        left = column / size - basis @ (basis.T @ (column / size))
        left -= basis @ (basis.T @ left)  # the second time for what rounding left
        share = float(np.linalg.norm(left))
        out[i] = abs(theta[at]) * size * share if share > ARITHMETIC else 0.0
    return out


def break_notes(
    form: Form, curve: Curve, theta: np.ndarray, signal: np.ndarray, errors: np.ndarray
) -> list[FitWarning]:
    """Breaks that the data do not determine, by Fisher information.

    Args:
        form: that was fitted.
        curve: the fitted points.
        theta: coordinates (p,) in the user's units, breaks in order.
        signal: of every break (n,), as `signals` gives it.
        errors: standard errors (p,) of the coordinates.
    """
    first, last = float(curve.x.min()), float(curve.x.max())
    notes = []
    for i, size in enumerate(signal, start=1):
        at = form.names.index(f"d{i}")
        with np.errstate(over="ignore"):
            position = float(np.exp(theta[at]))
        if size >= VISIBLE and errors[at] <= PLACED:
            continue
        if not first <= position <= last:
            side = "beyond" if position > last else "before"
            text = f"break {i} lies {side} your data, which do not determine it"
        elif size < VISIBLE:
            text = (
                f"break {i} is barely visible in your data ({size:.2g} standard deviations), "
                "which do not determine it; a law without it fits about as well"
            )
        else:
            text = f"your data do not determine the position of break {i} to within a factor of 2"
        notes.append(FitWarning("break_undetermined", text))
    return notes


def misfit_notes(
    form: Form,
    log_x: np.ndarray,
    residual: np.ndarray,
    jacobian: np.ndarray,
    free: np.ndarray,
) -> list[FitWarning]:
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
        return []
    notes = []
    if durbin_watson(residual, columns) < -ALIKE:
        text = (
            "neighbouring residuals are similar: the law misses a feature of the data, perhaps a break, or "
            "the noise is correlated; standard errors and intervals are too small"
        )
        notes.append(FitWarning("correlated_residuals", text))
    if form.level is not None:
        size = missing_break(log_x, residual, jacobian, form.level, free)
        if size > MISSING:
            text = (
                f"another break would be visible, at {size:.2g} standard deviations: the law misses a "
                "feature of the data, and standard errors and intervals are too small"
            )
            notes.append(FitWarning("break_missing", text))
    return notes


def missing_break(
    log_x: np.ndarray, residual: np.ndarray, jacobian: np.ndarray, level: int, free: np.ndarray
) -> float:
    """How much one break more would show, in standard deviations.

    The score test of every trial break, beside all fitted parameters; the largest is returned (Davies, 1987,
    Biometrika 74, 33, on what that means for its distribution). Arguments as of `misfit_notes`, and the
    form's `level`.
    """
    span = float(log_x[-1] - log_x[0])
    places = np.linspace(log_x[0], log_x[-1], PLACES + 2)[1:-1]
    widths = span * np.array(WIDTHS)
    basis = _basis(jacobian[:, free], 1e-10)
    square, along = np.zeros(PLACES * len(WIDTHS)), np.zeros(PLACES * len(WIDTHS))
    inside = np.zeros((basis.shape[1], len(square)))  # the part of each trial that the parameters make up for
    for first in range(0, len(log_x), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        trial = widths * softplus((log_x[part, None, None] - places[:, None]) / widths)
        # A slope moves log g, as its level does.
        trial = jacobian[part, level, None] * trial.reshape(-1, len(square))
        square += np.sum(trial**2, axis=0)
        along += residual[part] @ trial
        inside += basis[part].T @ trial
    norms = np.sqrt(np.where(square > 0, square, 1.0))
    left = np.sqrt(np.maximum(square / norms**2 - np.sum((inside / norms) ** 2, axis=0), 0.0))
    apart = left > 1e-3
    if not apart.any():
        return 0.0
    rest_of_score = (along - (residual @ basis) @ inside) / norms
    score = np.where(apart, rest_of_score / np.where(apart, left, 1.0), 0.0)
    rest = np.maximum(residual @ residual - score**2, 1e-300) / (len(residual) - basis.shape[1] - 1)
    best = int(np.argmax(np.abs(score)))
    return float(np.abs(score[best]) / np.sqrt(rest[best]))


def durbin_watson(residual: np.ndarray, columns: np.ndarray) -> float:
    """The Durbin-Watson statistic, sum (e_i - e_(i-1))^2 / sum e_i^2, in standard deviations from its mean.

    Mean and standard deviation are the exact ones under independent noise, with p parameters fitted, of which
    columns (N, p) are the derivatives (Durbin and Watson, 1950, Biometrika 37, 409). Far below 0:
    neighbouring residuals (N,) are alike.
    """
    count, dof = len(residual), len(residual) - columns.shape[1]
    basis = _basis(columns, 0.0)
    # Traces of M A and (M A)^2, with A = D^T D, D the differences, and M = 1 - Q Q^T.
    step = np.diff(basis, axis=0)
    square = step.T @ step
    second = np.zeros_like(basis)
    second[:-1] -= step
    second[1:] += step
    mean = (2.0 * (count - 1) - np.trace(square)) / dof
    trace = 6.0 * count - 8.0 - 2.0 * np.sum(second**2) + np.sum(square**2)
    variance = 2.0 * (trace - dof * mean**2) / (dof * (dof + 2))
    statistic = np.sum(np.diff(residual) ** 2) / np.sum(residual**2)
    return float((statistic - mean) / np.sqrt(max(variance, 1e-300)))


def _basis(columns: np.ndarray, least: float) -> np.ndarray:
    """Orthonormal columns that span those given, less directions below the share `least` of the largest."""
    if columns.shape[1] == 0:  # everything was fixed
        return columns
    size = lengths(columns)
    u, s, _ = np.linalg.svd(columns / np.where(size > 0, size, 1.0), full_matrices=False)
    return u[:, s >= least * s[0]]
