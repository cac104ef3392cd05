"""Profile likelihood: intervals of parameters and of new measurements that follow the shape of the cost.

A quantity is moved away from its estimate, everything else is refitted, and the rise of the cost over the
residual variance, under a root with the sign of the move, is compared with Student's t (Bates and Watts,
1988, section 6.1). Where the law is linear in its parameters that is the Gauss-Newton interval exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.arrays import lengths
from bnsl._base.checks import InputError, check_count, check_names, check_share, suggest, told
from bnsl._base.display import FitWarning
from bnsl._base.normal import students_t
from bnsl._base.shown import Plotted
from bnsl.curves.data import points_of
from bnsl.fitting.result import FitResult
from bnsl.solver import losses
from bnsl.uncertainty.ends import WIDEST, Found, Refits, box_of, find_ends, hard_ends
from bnsl.uncertainty.refit import Solved, refit, solved

DRAWN = 0.99  # level that the curve of a profile reaches, at least


@dataclass(frozen=True, eq=False)
class Profile(Plotted, figure="plot_profile"):
    """The profile of one parameter. Made by `bnsl.profile`.

    Attributes:
        result: the fit.
        name: of the parameter.
        values: of the parameter, ascending (G,).
        root: at each, the root of the rise of the cost over the residual variance, negative below the
            estimate (G,); straight where the cost is quadratic.
        theta: coordinates of the laws refitted with the parameter at each value (G, p).
        warnings: what to know before relying on it, as (code, message).
    """

    result: FitResult
    name: str
    values: np.ndarray
    root: np.ndarray
    theta: np.ndarray
    warnings: tuple[FitWarning, ...]
    _ready: Solved = field(repr=False)

    @property
    def estimate(self) -> float:
        """The fitted value."""
        return self.result.params[self.name]

    @property
    def deviance(self) -> np.ndarray:
        """Rise of the cost over the residual variance (G,): about chi-squared of one degree of freedom."""
        return self.root**2

    def threshold(self, level: float = 0.9) -> float:
        """Deviance above which a value is ruled out at this level: the square of Student's t."""
        return students_t(check_share(level, "level"), self._ready.dof) ** 2

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """The values (low, high) that data at this level do not rule out.

        An end is infinite (or 0, for a parameter of one sign) where no value is ruled out.
        """
        return _intervals(self._ready, [self.name], check_share(level, "level"))[self.name]

    def __repr__(self) -> str:
        low, high = self.interval(0.9)
        return f"<Profile of {self.name}: {self.estimate:.5g}, 90 % from {low:.5g} to {high:.5g}>"


def profile(result: FitResult, name: str, *, points: int = 41) -> Profile:
    """Profile likelihood of one parameter: all others are refitted at each of its values.

    Args:
        result: what `bnsl.fit` returned.
        name: of the parameter, such as "d1".
        points: how many values, half of them on either side of the estimate, up to the ends of the 99 %
        interval.

    Returns:
        A Profile, with `interval(level)`; `bnsl.plot_profile` draws it.

    Raises:
        InputError: (a ValueError) an unknown or fixed parameter, a fit that failed, or one without a degree
            of freedom left.
    """
    ready = _checked(result)
    index = _index(result, name)
    count = check_count(points, "points", 5)
    coordinates, edges = _coordinate_ends(ready, [index], DRAWN)
    near = result.theta[index]
    error = lengths(result.covariance_root.T)[index]
    low, high = coordinates[0]
    step = min(error if np.isfinite(error) and error > 0 else 1.0, 3.0)
    box = box_of(ready)[index]
    low = low if np.isfinite(low) else max(near - 4.0 * step, box[0])
    high = high if np.isfinite(high) else min(near + 4.0 * step, box[1])
    half = count // 2 + 1  # on either side, as one may be much steeper
    sides = [np.linspace(low, near, half), np.linspace(near, high, count - half + 1)]
    grid = np.unique(np.concatenate(sides))
    root, theta = _swept(ready, index, grid)
    root = np.where(grid < near, -root, root)
    parameter = result.form.parameters[index]
    order = slice(None, None, int(parameter.sign))  # values ascend
    values, root, theta = parameter.values(grid)[order], parameter.sign * root[order], theta[order]
    notes = _notes(result, name, edges[0])
    return Profile(result, name, values, root, ready.outward(theta), notes, ready)


def profile_intervals(
    result: FitResult, level: float = 0.9, *, names: list[str] | None = None
) -> dict[str, tuple[float, float]]:
    """Profile-likelihood intervals (low, high) of several parameters.

    Args:
        result: what `bnsl.fit` returned.
        level: probability that an interval contains the true value, between 0 and 1.
        names: of the parameters; all that were fitted, if not given.

    Raises:
        InputError: as `profile`.
    """
    share = check_share(level, "level")
    ready = _checked(result)
    fitted = [name for name in result.form.names if name not in result.fixed]
    wanted = fitted if names is None else check_names(names, "names", "parameter names")
    return _intervals(ready, wanted, share)


def prediction_interval(result: FitResult, x: ArrayLike, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Interval (lower, upper) for a new measurement at x, by profile likelihood.

    It assumes that the form is right. A value y at x is inside if the best law through the data and (x, y)
    fits not much worse than the best law through the data alone: the cost rises by less than t^2 residual
    variances. `FitResult.interval` is its first-order approximation.

    Args:
        result: what `bnsl.fit` returned.
        x: positive inputs of any shape.
        level: probability inside, between 0 and 1.

    Returns:
        Two arrays of the shape of x; an end is infinite (or 0) where no value is ruled out.

    Raises:
        InputError: bad x or level, a fit that failed, or one without a degree of freedom left.
    """
    share = check_share(level, "level")
    ready = _checked(result)
    points, shape = points_of(x, result.curve, result.form.inputs)
    center, jacobian = losses.law_and_jacobian(
        result.form, result.loss, result.theta, result.form.seen(points)
    )
    noise = result.residual_scale * result.typical_sigma
    spread = np.hypot(lengths(result.covariance_root.T @ jacobian), noise)
    spread = np.where(np.isfinite(spread), np.minimum(spread, WIDEST * noise), WIDEST * noise)
    weight = (ready.problem.unit if result.loss == "linear" else 1.0) / result.typical_sigma

    def refits(values: np.ndarray, rows: np.ndarray, starts: np.ndarray) -> Found:
        with np.errstate(all="ignore"):
            y = ready.normalised(losses.back(result.loss, values))
        problem, count = ready.problem, len(values)
        there = result.form.seen(points[rows]) - ready.setup.log_s
        theta, cost, _ = refit(
            ready,
            starts,
            log_x=np.concatenate([np.repeat(problem.log_x[None], count, axis=0), there[:, None]], axis=1),
            y=np.concatenate([np.repeat(problem.y[None], count, axis=0), y[:, None]], axis=1),
            weight=np.append(problem.weight, weight),
        )
        return Found(_root_of(ready, cost), theta)

    ends, _ = find_ends(ready, refits, center, spread, students_t(share, ready.dof))
    with np.errstate(over="ignore"):
        low, high = (losses.back(result.loss, v).reshape(shape) for v in ends.T)
    return low, high


# --- the pieces -----------------------------------------------------------------------------------


def _checked(result: FitResult) -> Solved:
    ready = solved(result)
    if ready.dof <= 0 or not np.isfinite(ready.variance):
        raise InputError(
            f"result: {result.n_params} parameters for {len(result.curve)} points leave no residual variance "
            "to compare with; fit fewer breaks or more points"
        )
    if result.robust is not None:
        raise InputError("result: a profile is of least squares; this fit is robust. Use bnsl.bootstrap")
    return ready


def _index(result: FitResult, name: str) -> int:
    names = result.form.names
    if not isinstance(name, str) or name not in names:
        raise InputError(
            f"{told('name', name)} is no parameter of form {result.form.label!r}; it has {', '.join(names)}"
            + suggest(name, names)
        )
    if name in result.fixed:
        raise InputError(f"{told('name', name)} was fixed in the fit; there is nothing to profile")
    return names.index(name)


def _root_of(ready: Solved, cost: np.ndarray) -> np.ndarray:
    """Roots (B,) of the rise of the cost over that of the fit; refits that failed are as bad as can be."""
    least = ready.variance * ready.dof
    with np.errstate(all="ignore"):
        root = np.sqrt(np.maximum(cost - least, 0.0) / ready.variance)
    return np.where(np.isfinite(cost), root, np.inf)


def _at_values(ready: Solved, indices: list[int]) -> Refits:
    """Refits with one of the parameters held at a value of its coordinate, in the user's units."""

    def refits(values: np.ndarray, rows: np.ndarray, starts: np.ndarray) -> Found:
        count, at = len(values), np.array(indices)[rows]
        # From two starts: with the others as they were, and with every break as deep as it was.
        outside = ready.setup.outward(starts)
        outside[np.arange(count), at] = values
        moved = ready.setup.inward(outside)
        bent = ready.result.form.bent_alike(starts, moved, at, ready.problem.free)
        begun = np.concatenate([moved, bent])
        free = np.tile(ready.problem.free, (2 * count, 1))
        free[np.arange(2 * count), np.tile(at, 2)] = False
        # A parameter that mixes with others can only be held with x in the user's units.
        mixes = np.tile([ready.result.form.parameters[i].mixes for i in at], 2)
        theta, cost = begun.copy(), np.full(2 * count, np.inf)
        for some, shift in ((mixes, ready.setup.log_s), (~mixes, 0.0 * ready.setup.log_s)):
            if some.any():
                theta[some], cost[some] = _held(ready, begun[some], free[some], shift)
        better = np.argmin(cost.reshape(2, count), axis=0) * count + np.arange(count)
        return Found(_root_of(ready, cost[better]), theta[better])

    return refits


def _held(
    ready: Solved, begun: np.ndarray, free: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Refits (B, p) and their costs (B,), each with its own parameters free, with log x moved by `shift`."""
    form, problem = ready.result.form, ready.problem

    def moved(bounds: np.ndarray) -> np.ndarray:
        known = np.isfinite(bounds)
        return np.where(known, form.rescaled(np.where(known, bounds, 0.0), shift, 0.0), bounds)

    lower, upper = moved(np.asarray(problem.lower)), moved(np.asarray(problem.upper))
    problem = problem._replace(log_x=problem.log_x + shift, lower=lower, upper=upper)
    there = ready._replace(setup=ready.setup._replace(problem=problem))
    theta, cost, _ = refit(there, form.rescaled(begun, shift, 0.0), straight=False, free=free)
    return form.rescaled(theta, -shift, 0.0), cost


def _swept(ready: Solved, index: int, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root (G,) and coordinates (G, p) at the values of `grid`, one of which is the estimate.

    Both sides at once, outwards from the estimate, each refit from where the last one ended; then all again
    from their better neighbours.
    """
    refits = _at_values(ready, [index])
    middle, count = int(np.argmin(np.abs(grid - ready.result.theta[index]))), len(grid)
    root, theta = np.zeros(count), np.tile(ready.theta, (count, 1))
    for step in range(1, max(middle, count - 1 - middle) + 1):
        rows = np.array([row for row in (middle - step, middle + step) if 0 <= row < count])
        before = rows + np.where(rows < middle, 1, -1)
        found = refits(grid[rows], np.zeros(len(rows), int), theta[before])
        root[rows], theta[rows] = found.root, found.theta
    left, right = np.append(np.inf, root[:-1]), np.append(root[1:], np.inf)
    rows = np.arange(count)
    near = np.where(left < right, np.maximum(rows - 1, 0), np.minimum(rows + 1, count - 1))
    again = refits(grid, np.zeros(count, int), theta[near])
    better = (again.root < root) & (rows != middle)
    root[better], theta[better] = again.root[better], again.theta[better]
    return root, theta


def _intervals(ready: Solved, names: Sequence[str], level: float) -> dict[str, tuple[float, float]]:
    """The ends of each parameter that no data rule out."""
    indices = [_index(ready.result, name) for name in names]
    ends, _ = _coordinate_ends(ready, indices, level)
    parameters = ready.result.form.parameters
    return {name: parameters[i].ends(pair) for name, i, pair in zip(names, indices, ends, strict=True)}


def _coordinate_ends(ready: Solved, indices: list[int], level: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends (K, 2) in the user's coordinates, and which of them (K, 2) nothing rules out."""
    result = ready.result
    center = result.theta[indices]
    error = lengths(result.covariance_root.T)[indices]
    # Where standard errors say little: a factor of e, or a tenth of what is usual in normalised units.
    log = np.array([parameter.log for parameter in result.form.parameters])
    usual = np.where(log, 1.0, np.maximum(np.abs(ready.theta), 0.1))
    moved = ready.setup.outward(ready.theta + np.diag(usual))
    rough = np.diag(moved - ready.setup.outward(ready.theta))[indices]
    spread = np.where(np.isfinite(error) & (error > 0), np.minimum(error, rough), rough)
    box = box_of(ready)
    ends, open_ = find_ends(
        ready, _at_values(ready, indices), center, spread, students_t(level, ready.dof), box[indices]
    )
    # An end at a bound that is known to hold, or beyond which no law is possible, is an end all the same.
    hard = hard_ends(ready, box)[indices]
    return np.where(open_ & hard, box[indices], ends), open_ & ~hard


def _notes(result: FitResult, name: str, open_: np.ndarray) -> tuple[FitWarning, ...]:
    sides = [side for side, lost in zip(("below", "above"), open_, strict=True) if lost]
    if not sides:
        return ()
    text = f"{name}: the data do not bound it from {' or from '.join(sides)}"
    return (FitWarning("undetermined", text),)
