"""The fit behind a FitResult set up again, for many refits near its solution in one call.

Bootstrap and profile likelihood minimise the same cost as the fit did, with other data, other weights or a
parameter held, from its solution. They are done in the units of the fit, x ending at 1 and y near 1, by
`bnsl.many`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bnsl._base.checks import InputError
from bnsl.fitting.result import FitResult, Status
from bnsl.forms.broken import BNSL
from bnsl.solver.problem import Method, Problem
from bnsl.solver.search import refine_many


class Setup(NamedTuple):
    """A fit, ready to be repeated."""

    result: FitResult
    method: Method
    problem: Problem  # its weighted residuals are in units of sigma, or of the space of the loss
    theta: np.ndarray  # (p,) the solution in normalised units
    log_s: np.ndarray
    log_t: float
    variance: float  # of a weighted residual, with the degrees of freedom taken off
    dof: int

    def outward(self, theta: np.ndarray) -> np.ndarray:
        """Coordinates (..., p) in the user's units, the breaks in order unless some are constrained."""
        form = self.result.form
        out = np.asarray(form.rescale(theta, self.log_s, self.log_t))
        out = np.where(self.problem.free, out, self.result.theta)  # not a rounding of what was held
        if isinstance(form, BNSL) and form.n_breaks > 1 and self.method.straight:
            order = np.argsort(out[..., 4::3], axis=-1, kind="stable")
            index = (3 + 3 * order[..., None] + np.arange(3)).reshape(*out.shape[:-1], -1)
            out[..., 3:] = np.take_along_axis(out, index, axis=-1)
        return out

    def inward(self, theta: np.ndarray) -> np.ndarray:
        """Coordinates (..., p) in normalised units."""
        return np.asarray(self.result.form.rescale(theta, -self.log_s, -self.log_t))


def setup(result: FitResult) -> Setup:
    """The problem that `result` solved.

    Raises InputError for what is no FitResult, and for a fit that failed.
    """
    if not isinstance(result, FitResult):
        raise InputError(f"result = {result!r:.60} must be a FitResult, what bnsl.fit returns")
    if result.status is Status.FAILED:
        raise InputError("result: this fit failed, and there is nothing near which to refit")
    form, curve = result.form, result.curve
    free = np.array([name not in result.fixed for name in form.names])
    constrained = {*result.fixed, *(name for name, _, _ in result.bounds)}
    mixing = {parameter.name for parameter in form.parameters if parameter.mixes}
    log_x = np.log(curve.x)
    log_s, log_t = log_x.max(axis=0), float(np.log(np.abs(curve.y).max() or 1.0))
    if constrained & mixing:
        log_s, log_t = np.zeros_like(log_s), 0.0
    unit = float(np.exp(log_t))
    lower, upper = np.full(len(free), -np.inf), np.full(len(free), np.inf)
    for name, low, high in result.bounds:
        lower[form.names.index(name)], upper[form.names.index(name)] = low, high
    if result.loss == "log1p" and isinstance(form, BNSL):
        lower[0] = max(lower[0], 0.0)
    inside = [
        np.asarray(form.rescale(np.where(np.isfinite(v), v, 0.0), -log_s, -log_t)) for v in (lower, upper)
    ]
    lower, upper = (np.where(np.isfinite(v), w, v) for v, w in zip((lower, upper), inside, strict=True))
    theta = np.asarray(form.rescale(result.theta, -log_s, -log_t))
    chained = {name for name in form.names if name[0] in "cdf" and name != "c0"}
    method = Method(form, result.loss, result.robust, straight=not (constrained & (chained | mixing)))
    weight = (unit if result.loss == "linear" else 1.0) / result.sigma_of_residuals
    problem = Problem(
        log_x=log_x - log_s,
        y=curve.y / unit,
        weight=weight,
        unit=unit,
        scale=result.robust_scale or 1.0,
        free=free,
        held=np.where(free, 0.0, theta),
        lower=lower,
        upper=upper,
    )
    dof = len(curve) - int(free.sum())
    return Setup(result, method, problem, theta, log_s, log_t, result.residual_scale**2, dof)


def refit(
    ready: Setup,
    starts: np.ndarray,
    *,
    straight: bool | None = None,
    exact: bool = False,
    **changes: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve the problem B times, each from its own start, with some of its arrays replaced.

    Args:
        ready: what `setup` returned.
        starts: (B, p) in normalised units.
        straight: whether to walk in the form's working coordinates; as the fit did, if not given.
        exact: by QR, for data that are all but noiseless.
        **changes: arrays of the problem, with B rows in front where they differ.

    Returns:
        Coordinates (B, p) in normalised units, costs (B,) and whether each converged (B,).
    """
    method = ready.method if straight is None else ready.method._replace(straight=straight)
    found = refine_many(method, ready.problem._replace(**changes), starts, exact=exact)
    return found.theta, found.cost, found.converged
