"""What is minimised: curves in normalised units, and the rows (starts of theirs) that a solver moves.

A **row** is one start of one problem. Everything here is written for C problems or B rows, the first axis of
every array; an array of one entry along it serves all.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl._base.checks import InputError
from bnsl.forms.autodiff import runnable
from bnsl.forms.form import Form
from bnsl.solver.losses import measured, model, model_and_jacobian, robust_cost_and_weight, transform


class Problem(NamedTuple):
    """One fit in normalised units, or C of them: then arrays have C rows in front, or are shared.

    Rows of points with weight 0 are padding, which only problems of different lengths side by side have.
    """

    log_x: np.ndarray  # (N,) or (N, k), sorted
    y: np.ndarray  # (N,)
    weight: np.ndarray  # (N,) one over sigma in residual space; 0 for padding
    unit: Any  # what one normalised unit of y is in the user's units
    scale: Any  # residual at which a robust loss bends; 1 without one
    free: np.ndarray  # (p,) bool
    held: np.ndarray  # (p,) values of the parameters that are not free
    lower: np.ndarray  # (p,) further bounds of the user's; -inf and inf without
    upper: np.ndarray


class Method(NamedTuple):
    """What is minimised; a static argument of compiled programs."""

    form: Form
    loss: str = "log"
    robust: str | None = None
    straight: bool = True  # walk in the form's working coordinates; not if breaks are constrained


class Rows(NamedTuple):
    """The problems of B rows, ready for steps; arrays only, each with B rows or one for all."""

    log_x: Array  # (B, N) or (B, N, k)
    data: Array  # (B, N) in residual space
    weight: Array  # (B, N)
    unit: Array  # (B, 1)
    scale: Array  # (B, 1)
    free: Array  # (B, p) bool
    lower: Array  # (B, p) bounds in the form's coordinates
    upper: Array  # (B, p)
    points: Array  # (B,) points that are no padding


# Axes of the arrays of one problem; log_x has one more if the form has several inputs.
RANKS = Problem(1, 1, 1, 0, 0, 1, 1, 1, 1)  # type: ignore[arg-type]


def several(form: Form, problem: Problem) -> Problem:
    """A problem, or several of them, with the axis of problems in front of every array."""
    extra = len(form.inputs) > 1
    arrays = []
    for name, value, rank in zip(Problem._fields, problem, RANKS, strict=True):
        rank = rank + extra if name == "log_x" else rank
        array = value if hasattr(value, "ndim") else np.asarray(value)
        arrays.append(array if array.ndim > rank else array[None])
    return Problem(*arrays)


def beside(form: Form, problems: list[Problem]) -> Problem:
    """Problems of one curve each, of one input, as one of several: the shorter ones padded."""
    if len(problems) == 1:
        return several(form, problems[0])
    longest = max(len(problem.y) for problem in problems)

    def longer(problem: Problem) -> Problem:
        more = (0, longest - len(problem.y))
        weight = np.broadcast_to(problem.weight, problem.y.shape)
        return problem._replace(
            log_x=np.pad(problem.log_x, more),
            y=np.pad(problem.y, more, constant_values=1.0),
            weight=np.pad(weight, more),
        )

    return Problem(*(np.stack(parts) for parts in zip(*map(longer, problems), strict=True)))


Part = TypeVar("Part", Problem, Rows)


def taken(part: Part, which: np.ndarray) -> Part:
    """The problems, or rows, of some indices; what is shared stays shared."""
    return type(part)(*(value if value.shape[0] == 1 else value[which] for value in part))


def in_precision(problem: Problem, dtype: str) -> Problem:
    """The problems with their numbers in another precision."""
    return Problem(*(v.astype(dtype, copy=False) if v.dtype.kind == "f" else v for v in problem))


def trimmed(part: Part) -> Part:
    """Problems, or rows, of one input without the padding at the end that all of them have."""
    seen = part.weight > 0
    if part.log_x.ndim > 2 or not seen.any() or seen[:, -1].any():
        return part
    points = int(np.flatnonzero(seen.any(axis=0))[-1]) + 1
    y = "data" if isinstance(part, Rows) else "y"
    cut = {name: getattr(part, name)[:, :points] for name in ("log_x", "weight", y)}
    return part._replace(**cut)


def rows_of(method: Method, problem: Problem) -> Rows:
    """The rows of C problems (`several`), one each."""
    xp = namespace(problem.log_x, problem.y)
    lower, upper = box_of(method.form, problem)
    unit, scale = problem.unit[..., None], problem.scale[..., None]
    return Rows(
        log_x=problem.log_x,
        data=transform(method.loss, problem.y, unit),
        weight=problem.weight,
        unit=unit,
        scale=scale,
        free=problem.free,
        lower=lower,
        upper=upper,
        points=xp.sum(xp.astype(problem.weight > 0, problem.y.dtype), axis=-1),
    )


def box_of(form: Form, problem: Problem) -> tuple[Array, Array]:
    """Bounds (C, p) of the coordinates: the form's own and the user's.

    Raises InputError for a form that gives derivatives, but is written for another library than NumPy alone.
    """
    xp = namespace(problem.log_x, problem.y)
    log_x, y, weight = problem.log_x, problem.y, problem.weight
    if weight.shape != y.shape:
        weight, y = xp.broadcast_arrays(weight, y)
    lower, upper = runnable(form).domain(log_x, y, weight)
    if xp is np and not isinstance(lower, np.ndarray):
        raise InputError(
            f"form {form.label!r} answers NumPy arrays with those of {type(lower).__module__.split('.')[0]}; "
            "take its functions from the arrays' own library (x.__array_namespace__()), or leave out "
            "log_y_and_jacobian, and JAX derives and runs the form"
        )
    # What a user allows lies within what the form looks at, or its nearest end is all that is looked at.
    return (
        xp.clip(lower, problem.lower, problem.upper),
        xp.clip(upper, problem.lower, problem.upper),
    )


def ends_of(problems: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The first log x and the last of C problems of one input (C,), or of all where they share it (1,)."""
    seen = problems.weight > 0
    return problems.log_x[:, 0], np.where(seen, problems.log_x, -np.inf).max(axis=-1)


def crosses_zero(form: Form, loss: str, theta: np.ndarray, first: Any, last: Any) -> np.ndarray:
    """Whether laws (..., p) of a positive quantity cross 0 (...,) between two log x or soon beyond."""
    if loss == "linear" or not form.signed or len(form.inputs) > 1:
        return np.zeros(theta.shape[:-1], bool)
    return ~form.stays_positive(theta, first, last)


def placed(problem: Problem, rows: Rows, theta: Array) -> Array:
    """Coordinates inside the box, those that are held at their values: theta (C, K, p)."""
    xp = namespace(theta)
    inside = xp.clip(theta, rows.lower[:, None], rows.upper[:, None])
    return xp.where(problem.free[:, None], inside, problem.held[:, None])


def inward(method: Method, walker: Array) -> Array:
    """Coordinates of the form from those of the walk."""
    return method.form.from_working(walker) if method.straight else walker


def outward(method: Method, theta: Array) -> Array:
    """Coordinates of the walk from those of the form."""
    return method.form.to_working(theta) if method.straight else theta


def bounds(method: Method, rows: Rows, walker: Array) -> tuple[Array, Array]:
    """Bounds (B, p) of the walk, at where it stands."""
    if not method.straight:
        return rows.lower, rows.upper
    return method.form.working_box(walker, rows.lower, rows.upper)


def residuals(method: Method, rows: Rows, theta: Array) -> tuple[Array, Array]:
    """Weighted residuals (B, N), law minus data, and their derivatives (B, p, N)."""
    law, jacobian = model_and_jacobian(method.form, method.loss, theta, rows.log_x, rows.unit)
    return rows.weight * (law - rows.data), rows.weight[..., None, :] * jacobian


def misfits(method: Method, rows: Rows, walker: Array) -> Array:
    """Weighted residuals (B, N) alone, of walkers, under a robust loss bent as `evaluate` does."""
    law = model(method.form, method.loss, inward(method, walker), rows.log_x, rows.unit)
    residual = rows.weight * (law - rows.data)
    if method.robust is None:
        return residual
    _, slope = robust_cost_and_weight(method.robust, (residual / rows.scale) ** 2)
    return namespace(slope).sqrt(slope) * residual


def evaluate(method: Method, rows: Rows, walker: Array) -> tuple[Array, Array, Array]:
    """Residuals (B, N) whose squares a step lowers, their derivatives (B, p, N), and costs (B,)."""
    xp = namespace(walker)

    def misfit(y: Array) -> tuple[Array, Array]:
        value, slope = measured(method.loss, y, rows.unit)
        return rows.weight * (value - rows.data), rows.weight * slope

    found = method.form.walked(walker, rows.log_x, misfit) if method.straight else None
    residual, jacobian = residuals(method, rows, walker) if found is None else found
    if method.robust is None:
        return residual, jacobian, xp.sum(residual * residual, axis=-1)
    rho, slope = robust_cost_and_weight(method.robust, (residual / rows.scale) ** 2)
    root = xp.sqrt(slope)
    cost = rows.scale[..., 0] ** 2 * xp.sum(rho, axis=-1)
    return root * residual, root[..., None, :] * jacobian, cost


def block_means(problem: Problem, blocks: int) -> Problem:
    """One problem with at most `blocks` points: weighted means of log x and log y (or y) over neighbours."""
    count = len(problem.y)
    if count <= blocks or problem.log_x.ndim > 1:
        return problem
    index = np.arange(count) * blocks // count
    square = problem.weight**2
    total = np.bincount(index, square)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, square * values) / total

    average = np.exp(mean(np.log(problem.y))) if problem.y.min() > 0 else mean(problem.y)
    return problem._replace(log_x=mean(problem.log_x), y=average, weight=np.sqrt(total))


class Linearised(NamedTuple):
    """The fit near a solution, in the form's own coordinates and normalised units."""

    residual: np.ndarray  # (N,) weighted
    jacobian: np.ndarray  # (N, p) of the weighted residuals
    lower: np.ndarray  # (p,) bounds that held
    upper: np.ndarray


def linearised(method: Method, problem: Problem, theta: np.ndarray) -> Linearised:
    """Weighted residuals with their derivatives at theta (p,), and the box it was sought in."""
    method = method._replace(form=runnable(method.form))
    with np.errstate(all="ignore"):
        rows = rows_of(method, several(method.form, problem))
        residual, jacobian = residuals(method, rows, theta[None])
    return Linearised(residual[0], jacobian[0].T, rows.lower[0], rows.upper[0])
