"""The fit behind a FitResult set up again, for many refits near its solution in one call.

Bootstrap and profile likelihood minimise the same cost as the fit did, with other data, other weights or a
parameter held, from its solution. They are done in the units of the fit, x ending at 1 and y near 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bnsl._base.checks import InputError, told
from bnsl.fitting.constraints import Constraints, canonical_order
from bnsl.fitting.result import FitResult, Status
from bnsl.fitting.setup import Setup, set_up
from bnsl.solver.crowd import refine_many
from bnsl.solver.problem import Problem

CLEAN = 1e-9  # residual standard deviation below which refits keep all digits, by QR


class Solved(NamedTuple):
    """What a fit solved, ready to be solved again."""

    result: FitResult
    setup: Setup  # whose weighted residuals are in units of sigma, or of the space of the loss
    theta: np.ndarray  # (p,) the solution in normalised units
    variance: float  # of a weighted residual, with the degrees of freedom taken off
    dof: int

    @property
    def problem(self) -> Problem:
        """That of the fit."""
        return self.setup.problem

    def outward(self, theta: np.ndarray) -> np.ndarray:
        """Coordinates (..., p) in the user's units, the breaks in order unless some are constrained."""
        out = self.setup.outward(theta)
        out = np.where(self.problem.free, out, self.result.theta)  # not a rounding of what was held
        order = canonical_order(self.result.form, out, constraints_of(self.result))
        return np.take_along_axis(out, order, axis=-1)

    def normalised(self, y: np.ndarray) -> np.ndarray:
        """y in the units of the problem."""
        return (y - self.setup.shift) / self.problem.unit


def solved(result: FitResult) -> Solved:
    """The problem that `result` solved.

    Raises InputError for what is no FitResult, and for a fit that failed.
    """
    if not isinstance(result, FitResult):
        raise InputError(f"{told('result', result)} must be a FitResult, what bnsl.fit returns")
    if result.status is Status.FAILED:
        raise InputError("result: this fit failed, and there is nothing near which to refit")
    form, curve = result.form, result.curve
    ready = set_up(form, constraints_of(result), result.loss, curve.x, curve.y, curve.sigma)
    problem = ready.problem._replace(
        weight=ready.problem.weight * ready.measure, scale=np.asarray(result.robust_scale or 1.0)
    )
    ready = ready._replace(method=ready.method._replace(robust=result.robust), problem=problem)
    dof = len(curve) - int(problem.free.sum())
    return Solved(result, ready, ready.inward(result.theta), result.residual_scale**2, dof)


def constraints_of(result: FitResult) -> Constraints:
    """What was held and bounded in a fit."""
    theta = dict(zip(result.form.names, result.theta.tolist(), strict=True))
    return Constraints(
        {name: theta[name] for name in result.fixed},
        {name: low for name, low, _ in result.bounds if np.isfinite(low)},
        {name: high for name, _, high in result.bounds if np.isfinite(high)},
    )


def refit(
    ready: Solved, starts: np.ndarray, *, straight: bool | None = None, **changes: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve the problem from starts (B, p), with some of its arrays replaced, by B rows where they differ.

    `straight` says whether to walk in the form's working coordinates; as the fit did, if not given. Returns
    coordinates (B, p), in normalised units as the starts are, costs (B,) and whether each converged (B,).
    """
    method = ready.setup.method
    method = method if straight is None else method._replace(straight=straight)
    exact = ready.result.residual_scale < CLEAN
    found = refine_many(method, ready.problem._replace(**changes), starts, exact=exact)
    return found.theta, found.cost, found.converged
