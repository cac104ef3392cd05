"""Many fits at once, each from a start of its own, in chunks of one shape.

A chunk is a conveyor: after every round of steps the rows that are done, or no longer worth it, leave, and
the next take their places. So no fit waits for a slower one, memory is bounded, and there are few compiled
programs however many curves there are. Call everything here inside `bnsl._arrays.double_precision()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.checks import Array
from bnsl._base.programs import program
from bnsl.forms.form import Form
from bnsl.solver import losses
from bnsl.solver.search import FAST_COMPILE, Method, Problem
from bnsl.solver.search import _box as box_of
from bnsl.solver.search import _residuals as residuals_of
from bnsl.solver.walk import Walk, advance, begin

# Here run time counts for more than in a single fit, and LLVM's full effort takes 40 % off it.
COMPILE = {k: v for k, v in FAST_COMPILE.items() if k != "xla_backend_optimization_level"}

# Rows at work at a time, many to few: one step's numbers stay in the processor's cache.
CHUNKS = (256, 64, 16)
ROUND = 6  # steps between two looks at which rows are done
MAX_STEPS = 200
TOLERANCE = 1e-6  # square root of the share of the cost that a last step may still have promised

# Where several rows are rivals for one problem, those leave that are not worth going on with:
# from so many steps on, whose cost is above the problem's best by more than this share;
BEHIND = ((6, 0.1), (12, 0.05), (30, 0.02), (60, 0.005))
ALIKE = 1e-3  # whose squared distance from the best law, as a share of the cost, is no more than this;
STALLED = 1e-5  # whose cost falls by less than this share in a round, after PATIENCE steps.
SETTLING = 6  # steps before which rows alike may part yet
PATIENCE = 36


class Placement(NamedTuple):
    """Where a batch runs: rows are dealt out to the devices."""

    devices: tuple[jax.Device, ...] = ()  # none: where JAX puts things by default
    wide: bool = False  # devices that take tens of thousands of rows at a time, as a GPU does

    @property
    def factor(self) -> int:
        """What the number of rows in a chunk is multiplied with."""
        return max(len(self.devices), 1)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Rows at work at a time on all devices, many to few."""
        return tuple(chunk * self.factor for chunk in CHUNKS)

    def put(self, tree: Any, rows: int) -> Any:
        """A tree of arrays on the devices: those with `rows` rows shared out, the others on all."""
        if not self.devices:
            return tree
        mesh = jax.sharding.Mesh(np.array(self.devices), ("rows",))
        split, copied = (
            jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axis)) for axis in (("rows",), ())
        )
        where = jax.tree.map(lambda v: split if np.ndim(v) and np.shape(v)[0] == rows else copied, tree)
        return jax.device_put(tree, where)


ANYWHERE = Placement()


class Refined(NamedTuple):
    """Where each of B fits ended."""

    theta: np.ndarray  # (B, p) coordinates
    cost: np.ndarray  # (B,) infinite where the start has no finite cost
    converged: np.ndarray  # (B,) bool
    steps: np.ndarray  # (B,) steps taken


def refine_many(
    method: Method,
    problems: Problem,
    starts: np.ndarray,
    *,
    max_steps: int = MAX_STEPS,
    exact: bool = False,
    tolerance: float = TOLERANCE,
    chunks: tuple[int, ...] = CHUNKS,
) -> Refined:
    """Minimise every one of B problems from a start of its own.

    Args:
        method: form and loss, the same for all.
        problems: a `Problem` in normalised units (the last log x is 0), padded; an array has B rows in front,
            or none where all problems share it: `log_x` (B, N) or (N,), `free` (B, p) or (p,), and so on.
        starts: (B, p) coordinates.
        max_steps: most steps a row is given, rounded up to whole rounds.
        exact: steps by QR, which cost some ten times as much and keep all digits: for curves that are all
            but noiseless.
        tolerance: a row has converged once a step promises less than its square times the cost.
        chunks: rows at work at a time, descending; the last ones of a batch move to a smaller chunk.

    Returns:
        What came of each row, in the order of `starts`.
    """
    starts = np.asarray(starts)
    each = np.arange(len(starts))
    walk = begun(method, problems, starts, chunks[0])
    options = (max_steps, exact, tolerance, chunks)
    theta, walk = convey(method, problems, each, walk, None, *options)
    failed = ~np.isfinite(walk.cost)
    return Refined(np.where(failed[:, None], starts, theta), walk.cost, walk.converged & ~failed, walk.steps)


def begun(method: Method, problems: Problem, starts: np.ndarray, size: int) -> Walk:
    """The walk of B rows at their starts (B, p), made `size` rows at a time."""
    walks = []
    for rows, count in pieces_of(len(starts), size):
        walk = _begin(method, taken(method, problems, rows), starts[rows])
        walks.append(on_host(walk, slice(count)))
    return Walk(*map(np.concatenate, zip(*walks, strict=True)))


def pieces_of(total: int, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Indices of `total` rows, always `size` at a time, and how many are new: the last ones are repeated."""
    for first in range(0, total, size):
        count = min(size, total - first)
        yield np.resize(np.arange(first, first + count), size), count


def convey(
    method: Method,
    problems: Problem,
    group: np.ndarray,
    walk: Walk,
    rivals: np.ndarray | None,
    max_steps: int,
    exact: bool,
    tolerance: float,
    chunks: tuple[int, ...],
    placement: Placement = ANYWHERE,
) -> tuple[np.ndarray, Walk]:
    """Take all rows to their ends: coordinates (B, p) and the walk.

    Args:
        method: form and loss.
        problems: the problems.
        group: (B,) the problem of each row, ascending.
        walk: where the rows stand.
        rivals: (curves,) the lowest cost known of each problem, if its rows are rivals; None if every row is
            to be finished.
        max_steps: most steps a row is given.
        exact: steps by QR.
        tolerance: see `advance`.
        chunks: rows at work at a time.
        placement: the devices to use.
    """
    total, p = walk.theta.shape
    theta = np.zeros((total, p), walk.theta.dtype)
    best = None if rivals is None else _Best(rivals, p)
    sizes = [size for size in chunks if size // 2 < total] or [chunks[-1]]
    size = sizes.pop(0)
    rows = np.arange(size) % total
    owned = np.arange(size) < total  # the others repeat a row, and nobody looks at them
    waiting = min(size, total)  # the next row to come
    now, part = on_host(walk, rows), placement.put(taken(method, problems, group[rows]), size)
    while owned.any():
        before = now.cost
        after, inward = _advance(method, ROUND, exact, part, placement.put(now, len(rows)), tolerance)
        now = on_host(after)
        leaving = now.done | (now.steps >= max_steps)
        if best is not None:
            best.see(group[rows], now, owned)
            leaving |= _hopeless(now, before, best, group[rows])
        leaving = np.flatnonzero(leaving & owned)
        finished = rows[leaving]
        theta[finished] = np.asarray(inward)[leaving]
        for whole, chunk in zip(walk, now, strict=True):
            whole[finished] = chunk[leaving]
        coming = leaving[: max(total - waiting, 0)]
        owned[leaving] = False
        owned[coming] = True
        rows[coming] = np.arange(waiting, waiting + len(coming))
        waiting += len(coming)
        for whole, chunk in zip(walk, now, strict=True):
            chunk[coming] = whole[rows[coming]]
        shrinks = bool(sizes) and np.count_nonzero(owned) <= sizes[0]
        if shrinks:
            chosen = np.argsort(~owned, kind="stable")[: sizes.pop(0)]
            rows, owned, now = rows[chosen], owned[chosen], on_host(now, chosen)
        if shrinks or len(coming):
            part = placement.put(taken(method, problems, group[rows]), len(rows))
    return theta, walk


class _Best:
    """The best row seen of each of C problems."""

    def __init__(self, cost: np.ndarray, p: int) -> None:
        self.cost = cost.copy()
        self.theta = np.full((len(cost), p), np.nan)  # unknown: nothing is close to it
        self.gram = np.zeros((len(cost), p, p))

    def see(self, group: np.ndarray, walk: Walk, owned: np.ndarray) -> None:
        """Take notice of rows that some problems (B,) own."""
        cost = np.where(owned & np.isfinite(walk.cost), walk.cost, np.inf)
        order = np.lexsort([cost, group])
        first = order[np.unique(group[order], return_index=True)[1]]
        first = first[cost[first] < self.cost[group[first]]]
        which = group[first]
        self.cost[which], self.theta[which], self.gram[which] = (
            cost[first],
            walk.theta[first],
            walk.gram[first],
        )

    def close(self, group: np.ndarray, walk: Walk) -> np.ndarray:
        """Rows (B,) whose law is all but that of the best of their problem."""
        apart = walk.theta - self.theta[group]
        square = np.einsum("bp,bpq,bq->b", apart, self.gram[group], apart, optimize=True)
        return square <= ALIKE * self.cost[group]


def _hopeless(now: Walk, before: np.ndarray, best: _Best, group: np.ndarray) -> np.ndarray:
    """Rows (B,) that the best of their problem makes not worth going on with."""
    with np.errstate(invalid="ignore"):  # costs are infinite before the first step, and where none is finite
        lowest = best.cost[group]
        excess = now.cost - lowest
        out = (excess > 0) & best.close(group, now) & (now.steps >= SETTLING)
        for steps, share in BEHIND:
            out |= (now.steps >= steps) & (excess > share * lowest)
        return out | ((before - now.cost < STALLED * now.cost) & (now.steps >= PATIENCE))


def on_host(walk: Walk, rows: np.ndarray | slice = slice(None)) -> Walk:
    """Some rows of a walk, as arrays that can be written to."""
    return Walk(*(np.array(np.asarray(part)[rows]) for part in walk))


def batched(form: Form, problems: Problem) -> Any:
    """For every array of a batch of problems, 0 if it has a row a problem and None if they share it."""
    points = 1 if len(form.inputs) == 1 else 2
    ranks = (points, 1, 1, 0, 0, 1, 1, 1, 1)
    values: tuple[Any, ...] = problems
    axes: list[Any] = [
        0 if np.ndim(value) > rank else None for value, rank in zip(values, ranks, strict=True)
    ]
    return Problem(*axes)


def taken(method: Method, problems: Problem, rows: np.ndarray) -> Problem:
    """The problems of some rows."""
    axes = batched(method.form, problems)
    values: list[Any] = [
        value if axis is None else np.asarray(value)[rows] for value, axis in zip(problems, axes, strict=True)
    ]
    return Problem(*values)


class Pieces:
    """What `advance` needs of C problems with S rows each."""

    def __init__(self, method: Method, problems: Problem, curves: int, rows: int) -> None:
        self.method, self.problems, self.shape = method, problems, (curves, rows)
        self.axes = batched(method.form, problems)
        index = jnp.zeros(curves)  # where all arrays are shared, there is still a row a problem
        limits = jax.vmap(lambda problem, _: box_of(method.form, problem), (self.axes, 0))(problems, index)
        self.lower, self.upper = (jnp.repeat(limit, rows, axis=0) for limit in limits)
        free = jnp.broadcast_to(problems.free, (curves, self.lower.shape[1]))
        self.free = jnp.repeat(free, rows, axis=0)

    def inward(self, walker: Array) -> Array:
        """Coordinates of the form (p,) from those of the walk."""
        return self.method.form.from_working(walker) if self.method.straight else walker

    def box(self, walkers: Array) -> tuple[Array, Array]:
        """Bounds of the walk."""
        if not self.method.straight:
            return self.lower, self.upper
        return jax.vmap(self.method.form.working_box)(walkers, self.lower, self.upper)

    def begin(self, starts: Array) -> Walk:
        """The walk from coordinates (C S, p)."""
        begun: Array = jnp.where(self.free, jnp.clip(starts, self.lower, self.upper), starts)
        begun = jax.vmap(self.method.form.to_working)(begun) if self.method.straight else begun
        return begin(jnp.where(self.free, jnp.clip(begun, *self.box(begun)), begun))

    def evaluate(self, walkers: Array) -> tuple[Array, Array, Array]:
        """Residuals, derivatives and costs of all rows."""
        curves, rows = self.shape

        def one(problem: Problem, walker: Array) -> tuple[Array, Array, Array]:
            residual, jacobian = residuals_of(self.method, problem, self.inward(walker))
            if self.method.straight:
                jacobian = self.method.form.working_jacobian(walker, jacobian)
            rho, slope = losses.robust_cost_and_weight(self.method.robust, (residual / problem.scale) ** 2)
            root = jnp.sqrt(slope)
            return root * residual, root * jacobian, problem.scale**2 * jnp.sum(rho)

        each = jax.vmap(jax.vmap(one, (None, 0)), (self.axes, 0))
        out = each(self.problems, walkers.reshape(curves, rows, -1))
        return jax.tree.map(lambda v: v.reshape(curves * rows, *v.shape[2:]), out)


@partial(program, static_argnums=0, compiler_options=COMPILE)
def _begin(method: Method, problems: Problem, starts: Array) -> Walk:
    return Pieces(method, problems, starts.shape[0], 1).begin(starts)


@partial(program, static_argnums=(0, 1, 2), compiler_options=COMPILE)
def _advance(
    method: Method, rounds: int, exact: bool, problems: Problem, walk: Walk, tolerance: Array
) -> tuple[Walk, Array]:
    """Take all rows some steps further: the walk, and where it stands in the form's coordinates (B, p)."""
    pieces = Pieces(method, problems, walk.theta.shape[0], 1)
    walk = advance(
        walk,
        pieces.evaluate,
        pieces.box,
        pieces.free,
        rounds=rounds,
        tolerance=tolerance,
        exact=exact,
    )
    return walk, jax.vmap(pieces.inward)(walk.theta)
