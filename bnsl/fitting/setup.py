"""From curves in their users' units to the problem that a solver sees: the one place where units are chosen.

x ends at 1 and y is near 1, whatever they were measured in. Everything is written for one curve or, with one
more axis in front, for C curves side by side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import lengths
from bnsl.fitting.constraints import Constraints, in_units
from bnsl.forms.autodiff import runnable
from bnsl.forms.form import Form
from bnsl.solver import losses
from bnsl.solver.effort import EXACT_STEPS
from bnsl.solver.follow import Drive, follow
from bnsl.solver.pool import Pool, joined
from bnsl.solver.problem import Linearised, Method, Problem, block_means, crosses_zero, linearised
from bnsl.solver.search import polish, search, search_from

BACKENDS = ("auto", "numpy", "jax")
THINNED = 1024  # Of more than THIN_ABOVE points the search sees so many means, or of several inputs points.
THIN_ABOVE = 4096
POLISHED = 3  # All points decide between so many of the best laws of some of the points.
ROBUST_ROUNDS = 3  # The scale of a robust loss is estimated again so many times.
HUBER_TUNING = 1.345  # In standard deviations; 95 % efficient on normal noise (Huber, 1981).
# A law runs away if it exceeds RUNAWAY times the range of the data before SOON times the last x. It gives way
# to a law of at most AS_WELL times its cost.
RUNAWAY, SOON, AS_WELL = 1e3, 2.0, 2.0
# Beside a robust law, starts lie along the FLATTEST directions, at these multiples of the spread that its
# residuals leave, or of WIDEST_STEP where that is less.
FLATTEST, ASIDE, WIDEST_STEP = 2, (0.3, 0.7, 1.5, 3.0, 6.0), 3.0
LEAST_SCALE = 1e-12  # A robust loss has at least this scale.
# A law of several inputs may creep along a valley for ever. It is as good as converged once many more steps
# lower its cost by no more than this share.
SETTLED = 1e-4


class Setup(NamedTuple):
    """A fit, ready to be solved, and its units; arrays have C rows where there are C curves."""

    method: Method
    problem: Problem
    log_s: np.ndarray  # () or (k,), or (C,): log of what x was divided by
    log_t: np.ndarray  # () or (C,): log of what y was divided by
    shift: np.ndarray  # () or (C,): what y was lessened by before, in the user's units; 0 but for some forms
    measure: np.ndarray  # () or (C,): what a unit of the weighted residual is in the user's, y's or one sigma

    def outward(self, theta: np.ndarray) -> np.ndarray:
        """Coordinates (..., p) in the user's units; several setups take (C, p)."""
        return _raised(self.method.form.rescaled(theta, self.log_s, self.log_t), self.shift)

    def inward(self, theta: np.ndarray) -> np.ndarray:
        """The inverse of `outward`."""
        return self.method.form.rescaled(_raised(theta, -self.shift), -self.log_s, -self.log_t)


def _raised(theta: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The laws (..., p) plus a constant, which moves their limit, the first coordinate of a signed form."""
    if not np.any(shift):
        return theta
    out = np.array(theta)
    out[..., 0] += shift
    return out


def set_up(
    form: Form,
    constraints: Constraints,
    loss: str,
    x: np.ndarray,
    y: np.ndarray,
    sigma: np.ndarray | None = None,
    seen: np.ndarray | None = None,
) -> Setup:
    """The problem of fitting a form to one curve, or to C of them.

    Args:
        form: the functional form.
        constraints: what is held or bounded.
        loss: "log", "log1p" or "linear".
        x: (..., N), or (N, k) for k inputs, ascending.
        y: (..., N).
        sigma: (..., N) standard deviations of y, or None.
        seen: (..., N) bool, False for padding at the end of shorter curves; None if there is none.
    """
    log_x = form.seen(x)
    there = np.ones(y.shape, bool) if seen is None else seen
    mixing = {parameter.name for parameter in form.parameters if parameter.mixes}
    # A signed law plus a constant is one again: where residuals are plain differences, so may be the data.
    signed = loss == "linear" and form.signed
    shift = np.sum(y, axis=-1, where=there) / np.sum(there, axis=-1) if signed else np.zeros(y.shape[:-1])
    y = y - shift[..., None]
    log_s, log_t = _units(log_x, y, there, loss)
    log_s = form.free_units(log_s)
    if constraints.names & mixing:  # what is held would not stay so in other units
        log_s, log_t = 0.0 * log_s, 0.0 * log_t
    elif loss == "linear" and not form.signed:
        plain = np.where(there, y, np.inf).min(axis=-1) <= 0
        log_s, log_t = np.where(plain, 0.0, log_s), np.where(plain, 0.0, log_t)
    given = zip((constraints.held, constraints.lower, constraints.upper), (0.0, -np.inf, np.inf), strict=True)
    held, lower, upper = (in_units(form, *values, -log_s, -log_t, shift) for values in given)
    if loss != "linear" and form.signed:
        lower[..., 0] = np.maximum(lower[..., 0], 0.0)  # the limit; residuals are computed from log y
    free = np.array([name not in constraints.held for name in form.names])
    straight = not (constraints.names & (form.chained | mixing))
    unit = np.exp(log_t)
    measure = unit if loss == "linear" else np.ones_like(unit)
    weight = there.astype(float)
    if sigma is not None:
        spread = np.log(losses.sigma_in_residual_space(loss, sigma, y, 1.0))
        typical = np.sum(spread, axis=-1, where=there) / np.sum(there, axis=-1)
        weight = np.where(there, np.exp(typical[..., None] - spread), 0.0)
        measure = measure * np.exp(-typical)
    points = log_x - (log_s if len(form.inputs) > 1 else log_s[..., None])
    values = y / unit[..., None]
    if seen is not None:
        points, values = np.where(there, points, 0.0), np.where(there, values, 1.0)
    problem = Problem(points, values, weight, unit, np.ones_like(unit), free, held, lower, upper)
    return Setup(Method(form, loss, None, straight), problem, log_s, log_t, shift, measure)


def _units(log_x: np.ndarray, y: np.ndarray, there: np.ndarray, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """log of the largest x, and of the geometric mean of y or, under the other losses, of the largest |y|."""
    log_s = log_x.max(axis=0) if log_x.ndim > y.ndim else np.where(there, log_x, -np.inf).max(axis=-1)
    if loss == "log":
        return log_s, np.sum(np.log(y), axis=-1, where=there) / np.sum(there, axis=-1)
    largest = np.where(there, np.abs(y), 0.0).max(axis=-1)  # the smallest may be anything
    return log_s, np.log(np.where(largest > 0, largest, 1.0))


def solve(
    ready: Setup,
    robust: str | None,
    robust_scale: float | None,
    backend: str,
    starts: np.ndarray | None = None,
    steps: int = EXACT_STEPS,
) -> tuple[Setup, Pool, Linearised]:
    """The best laws of one curve: the setup with a robust loss's scale, the pool, and its surroundings.

    With `starts` (K, p), in the units of the setup, the laws next to these, to which so many steps may lead.
    """
    problem, method = ready.problem, ready.method
    with _driver(backend) as drive:
        pool = _searched(method, problem, drive, starts, steps)
        if robust is not None:
            plain, method = method, method._replace(robust=robust)
            for _ in range(ROBUST_ROUNDS if robust_scale is None else 1):
                scale = None if robust_scale is None else robust_scale / ready.measure
                if scale is None:
                    scale = scale_of(linearised(plain, problem, pool.theta[0]).residual)
                problem = problem._replace(scale=scale)
                pool = _searched(method, problem, drive, starts, steps)
            if method.form.has_starts and np.isfinite(pool.cost[0]):
                aside = _along_valleys(method, problem, pool.theta[0])
                pool = joined(pool, search_from(method, problem, aside, drive))
        if len(method.form.inputs) > 1 and np.isfinite(pool.cost[0]) and not pool.converged[0]:
            pool = _settled(method, problem, pool, drive)
    pool = _representable(method.form, pool, ready.log_s, ready.log_t)
    pool = _positive(method, pool, problem.log_x)
    local = linearised(method, problem, pool.theta[0])
    return ready._replace(method=method, problem=problem), pool, local


def _settled(method: Method, problem: Problem, pool: Pool, drive: Drive) -> Pool:
    """The pool with its best law taken further; it has converged if that hardly lowers the cost."""
    further = search_from(method, problem, pool.theta[:1], drive)
    hardly = pool.cost[0] - further.cost[0] <= SETTLED * pool.cost[0]
    return joined(further._replace(converged=further.converged | hardly), pool)


def _along_valleys(method: Method, problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Laws (K, p) on both sides of one (p,), along the directions in which the cost is flattest.

    A robust loss of a small scale is all but the sum of absolute residuals, which has a kink wherever the law
    passes through a point: there are many local minima along a valley.
    """
    local = linearised(method, problem, theta)
    psi, _ = losses.influence(method.robust, local.residual, float(problem.scale))
    weight = psi / np.where(local.residual == 0, 1.0, local.residual)
    columns = local.jacobian[:, problem.free] * np.sqrt(np.where(local.residual == 0, 1.0, weight))[:, None]
    sizes = lengths(columns)
    if not np.isfinite(sizes).all():
        return theta[None]
    scale = np.where(sizes > 0, sizes, 1.0)
    _, s, vt = np.linalg.svd(columns / scale, full_matrices=False)
    spread = np.sqrt(np.sum(weight * local.residual**2) / len(local.residual))
    moves = []
    for direction, size in zip(vt[::-1][:FLATTEST], s[::-1], strict=False):
        step = np.zeros(len(theta))
        step[problem.free] = direction / scale * min(spread / max(size, 1e-300), WIDEST_STEP)
        moves += [sign * share * step for share in ASIDE for sign in (-1.0, 1.0)]
    return theta + np.array([np.zeros(len(theta)), *moves])


@contextlib.contextmanager
def _driver(backend: str) -> Iterator[Drive]:
    """What takes rows to their ends: NumPy, or JAX in double precision."""
    if backend != "jax":
        yield follow
        return
    from bnsl.solver.conveyor import convey
    from bnsl.solver.traced import ANYWHERE, running

    with running("float64", ANYWHERE):
        yield convey


def scale_of(residual: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
    """The scale of a robust loss from the median absolute residual (..., N), in the residual's units."""
    size = np.abs(residual)
    middle = np.median(size, axis=-1) if seen is None else np.nanmedian(np.where(seen, size, np.nan), axis=-1)
    return np.maximum(HUBER_TUNING * middle / 0.6745, LEAST_SCALE)


def _searched(method: Method, problem: Problem, drive: Drive, starts: np.ndarray | None, steps: int) -> Pool:
    """Search on all points; with very many, on fewer, then polish on all.

    Of one input these are weighted means of runs of points, of several some of the points, evenly.
    """

    def found(problem: Problem) -> Pool:
        if starts is None:
            return search(method, problem, drive=drive)
        return search_from(method, problem, starts, drive, steps)

    if problem.log_x.ndim > 1 and len(problem.y) > THINNED:
        some = np.unique(np.linspace(0, len(problem.y) - 1, THINNED).astype(int))
        fewer = {name: getattr(problem, name)[some] for name in ("log_x", "y", "weight")}
        return polish(method, problem, found(problem._replace(**fewer)).theta[:POLISHED])
    if len(problem.y) <= THIN_ABOVE:
        return found(problem)
    pool = found(block_means(problem, THINNED))
    return polish(method, problem, pool.theta[:1])


def _positive(method: Method, pool: Pool, log_x: np.ndarray) -> Pool:
    """The pool without laws of a positive quantity that cross 0, if there are others.

    Under a linear loss, without those that run away right after the last point, if others fit about as well.
    """
    fine = np.isfinite(pool.cost) & ~crosses_zero(method.form, method.loss, pool.theta, log_x[0], log_x[-1])
    if method.loss == "linear" and log_x.ndim == 1:
        ahead = log_x[-1] + np.linspace(0.0, np.log(SOON), 9)
        with np.errstate(all="ignore"):
            there = np.abs(runnable(method.form).y(pool.theta, ahead)).max(axis=-1)
        fine &= (there < RUNAWAY) & (pool.cost <= AS_WELL * pool.cost[0])
    return Pool(*(part[fine] for part in pool)) if fine.any() and not fine.all() else pool


def _representable(form: Form, pool: Pool, log_s: np.ndarray, log_t: np.ndarray) -> Pool:
    """The pool without leading solutions too steep to be written in the user's units."""
    back = form.rescaled(form.rescaled(pool.theta, log_s, log_t), -log_s, -log_t)
    fine = np.isclose(back, pool.theta, rtol=1e-6, atol=1e-6).all(axis=1) & np.isfinite(pool.cost)
    return Pool(*(part[np.argmax(fine) :] for part in pool))
