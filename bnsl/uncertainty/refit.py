"""The fit behind a FitResult set up again, for many refits near its solution in one call; ends of intervals.

Bootstrap and profile likelihood minimise the same cost as the fit did, with other data, other weights or a
parameter held, from its solution. They are done in the units of the fit, x ending at 1 and y near 1. An end
of an interval is where the refitted cost has risen too much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bnsl._base.checks import InputError, told
from bnsl.fitting.constraints import Constraints, canonical_order
from bnsl.fitting.result import FitResult, Status
from bnsl.fitting.setup import Setup, set_up
from bnsl.solver.crowd import refine_many
from bnsl.solver.problem import Problem, linearised

CLEAN = 1e-9  # residual standard deviation below which refits keep all digits, by QR
ROUNDS = 20  # of widening and narrowing an end
CLOSE = 1e-3  # relative error of the root of an end
STEEP = 3.0  # roots beyond so many times the wanted one count as that, so that steps stay fair
WIDEST = 1e3  # standard errors beyond which an end counts as infinite


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


class Found(NamedTuple):
    """What refits with a quantity held at B values gave."""

    root: np.ndarray  # (B,) root of the rise of the cost over the variance
    theta: np.ndarray  # (B, p) in normalised units


# From values (B,), which row of the quantities each belongs to (B,), and starts (B, p).
Refits = Callable[[np.ndarray, np.ndarray, np.ndarray], Found]


def find_ends(
    ready: Solved,
    refits: Refits,
    center: np.ndarray,
    spread: np.ndarray,
    target: float,
    box: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Ends (K, 2) at which the root is `target`, and which of them (K, 2) nothing rules out.

    By regula falsi on the root, in all quantities and on both sides at once: an end is first widened until it
    is ruled out, at most up to the `box` (K, 2).
    """
    count = len(center)
    rows = np.tile(np.arange(count), 2)
    side = np.repeat([-1.0, 1.0], count)
    unit, middle = np.tile(spread, 2), np.tile(center, 2)
    most = np.full(2 * count, WIDEST) if box is None else side * (box.T.ravel() - middle) / unit
    most = np.maximum(np.minimum(most, WIDEST), 0.0)
    inner, at_inner = np.zeros(2 * count), np.zeros(2 * count)  # in standard errors: not ruled out,
    outer, at_outer = np.full(2 * count, np.inf), np.full(2 * count, np.inf)  # and ruled out
    theta = np.tile(ready.theta, (2 * count, 1))
    trial = np.minimum(target, most)
    done = most == 0.0
    for _ in range(ROUNDS):
        active = np.flatnonzero(~done)
        if len(active) == 0:
            break
        found = refits((middle + side * trial * unit)[active], rows[active], theta[active])
        within = found.root < target
        low, high = active[within], active[~within]
        inner[low], at_inner[low], theta[low] = trial[low], found.root[within], found.theta[within]
        outer[high], at_outer[high] = trial[high], found.root[~within]
        done[active] = np.abs(found.root - target) < CLOSE * target
        done |= np.isinf(outer) & (inner >= most)
        with np.errstate(all="ignore"):
            share = (target - at_inner) / (np.minimum(at_outer, STEEP * target) - at_inner)
            wider = np.clip(target / at_inner, 1.2, 3.0)
        share = np.where(np.isfinite(share), np.clip(share, 0.1, 0.9), 0.5)
        inside = inner + share * (outer - inner)
        wide = np.minimum(np.maximum(inner, 0.1 * target) * np.where(np.isfinite(wider), wider, 3.0), most)
        trial = np.where(done, trial, np.where(np.isfinite(outer), inside, wide))
    open_ = np.isinf(outer) & (np.abs(at_inner - target) >= 0.01 * target)
    # What is impossible rather than improbable is not inside: its end is the last that was possible.
    end = np.where(done, trial, np.where(np.isfinite(at_outer), 0.5 * (inner + outer), inner))
    end = np.where(np.isinf(outer), inner, end)
    ends = middle + np.where(open_, side * np.inf, side * end * unit)
    return ends.reshape(2, count).T, open_.reshape(2, count).T


def box_of(ready: Solved) -> np.ndarray:
    """Lower and upper bound (p, 2) of the coordinates, in the user's units."""
    local = linearised(ready.setup.method, ready.problem, ready.theta)
    form, each = ready.result.form, np.eye(len(ready.theta), dtype=bool)
    ends = []
    for bounds in (local.lower, local.upper):
        known = np.isfinite(bounds)
        at = np.where(each & known, bounds, ready.theta)  # one law for every bound
        ends.append(np.where(known, np.diag(ready.setup.outward(at)), bounds))
    mixes = [parameter.mixes for parameter in form.parameters]
    return np.where(np.array(mixes)[:, None], [-np.inf, np.inf], np.stack(ends, axis=1))


def hard_ends(ready: Solved, box: np.ndarray) -> np.ndarray:
    """Which ends (p, 2) of the box are the user's or the form's own, and not just where a search ends."""
    form = ready.result.form
    possible = np.array([(q.lower, q.upper) if not q.log else (-np.inf, np.inf) for q in form.parameters])
    if form.signed and ready.result.loss != "linear":
        possible[0, 0] = 0.0
    given = np.isfinite(np.stack([ready.problem.lower, ready.problem.upper], axis=1))
    return np.isfinite(box) & (given | (box == possible))
