"""What to say of a fit: the warnings that the search, the points and the derivatives call for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bnsl._base.display import FitWarning
from bnsl.curves.curve import Curve
from bnsl.fitting.adequacy import LEAST_TESTED, MISSING, PLACED, VISIBLE, durbin_watson, missing_break
from bnsl.fitting.covariance import SINGULAR
from bnsl.fitting.result import FitResult, Status
from bnsl.forms.form import Form
from bnsl.solver.pool import Pool

FEW = 8  # distinct x below which intervals rest on the form, which so few points cannot show
# Two costs differ if more than this share lies between them, and more than rounding explains.
SAME_COST = 1e-3
CORRELATED = 3.0  # standard deviations from which on neighbouring residuals count as alike
CONSTANT = FitWarning("constant_y", "all y are equal; only the level of the curve is determined")
COLLINEAR = 0.98  # From this correlation of their logarithms on, two inputs go together.
AT_ZERO = 1e-6  # A limit below this share of the smallest y is 0.
LOOSE = float(np.log(2.0))  # A logarithm of this standard error is known to a factor of 2.
# Rows are not independent from the correlation ALIKE on of residuals that share an input. It is looked at
# where so many rows share one, on average.
ALIKE, SHARED = 0.3, 3
COUNTED = 1e5  # Fewer tokens than these are hardly a count of single ones.


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
    """What is to be said of a law theta (p,), in the user's units, with its breaks in order.

    `lost` (p,) says which parameters are not determined, `at_bound` (p,) which ended at a bound, and
    `condition` is the number of the scaled derivatives.
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
    """Breaks that the data do not determine, by `adequacy.signals` (n,) and the errors (p,) of theta (p,)."""
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
    """What weighted residuals (N,), law minus data, say that the law misses.

    `log_x` (N,) is in the units of the fit; of the derivatives (N, p) those by `free` (p,) parameters count.
    """
    columns = jacobian[:, free]
    few = len(residual) - columns.shape[1] <= LEAST_TESTED
    if log_x.ndim > 1 or few or not np.isfinite(columns).all():
        return
    if durbin_watson(residual, columns) < -CORRELATED:
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


def data_notes(result: FitResult) -> Iterator[FitWarning]:
    """Inputs that go together, a limit at 0, parameters not determined, and rows that are alike."""
    curve, form = result.curve, result.form
    yield from _input_notes(result)
    limit = result.params.get("E", result.params.get("E0"))
    if limit is not None and "E" not in result.fixed and limit < AT_ZERO * curve.y.min():
        yield FitWarning("limit_at_zero", "E is 0: these runs show no limit of the loss")
    errors = np.linalg.norm(result.covariance_root, axis=1)
    known = [not q.log or q.name in result.fixed for q in form.parameters]
    if loose := np.array(form.names)[(errors > LOOSE) & ~np.array(known)].tolist():
        text = f"{', '.join(loose)}: not known to a factor of 2, or only in combination; rely on predictions"
        yield FitWarning("poorly_determined", text)
    if curve.groups is None and (share := _alike(result)) > ALIKE:
        text = (
            f"rows with the same {curve.input_names[0]} have similar residuals (correlation {share:.2f}); if "
            "they are of one run, standard errors are too small; pass the column of the run as groups="
        )
        yield FitWarning("rows_alike", text)


def _input_notes(result: FitResult) -> Iterator[FitWarning]:
    """Inputs that vary together or not at all, and counts of tokens that are small or not whole numbers."""
    form, names, inputs = result.form, result.curve.input_names, result.curve.x.T
    with np.errstate(all="ignore"):
        together = np.corrcoef(form.seen(result.curve.x).T)
    for i, j in zip(*np.tril_indices(len(names), -1), strict=True):
        if abs(together[i, j]) > COLLINEAR:
            text = (
                f"{names[j]} and {names[i]} vary together (correlation {together[i, j]:.3f}), so their "
                "effects cannot be separated; add runs with other ratios"
            )
            yield FitWarning("inputs_collinear", text)
    for name, values in zip(names, inputs, strict=True):
        if values.min() == values.max():
            text = (
                f"{name} is {values[0]:g} in every row, so its effect is unknown: leave it out, "
                "or add runs with other values"
            )
            yield FitWarning("input_constant", text)
    for entry, name, values in zip(form.inputs, names, inputs, strict=True):
        if not entry.any_unit and values.max() < COUNTED and (values != np.rint(values)).any():
            text = f"{form.name} depends on the unit of {name}: give counts (single tokens), not billions"
            yield FitWarning("unit_matters", text)


def _alike(result: FitResult) -> float:
    """The correlation of residuals within rows that share the first input (intraclass, one-way)."""
    kinds, member = np.unique(result.curve.x[:, 0], return_inverse=True)
    count, residual = len(member), result.residuals
    if len(kinds) < 3 or count < SHARED * len(kinds):
        return 0.0
    sizes = np.bincount(member)
    means = np.bincount(member, residual) / sizes
    within = np.sum((residual - means[member]) ** 2) / max(count - len(kinds), 1)
    between = np.sum(sizes * (means - residual.mean()) ** 2) / (len(kinds) - 1)
    typical = count / len(kinds)
    whole = between + (typical - 1.0) * within
    return float((between - within) / whole) if whole > 0 else 0.0
