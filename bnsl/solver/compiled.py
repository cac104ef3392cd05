"""The engine compiled by JAX, for very many curves and for GPUs: the pieces of `bnsl.solver` in fixed shapes.

On a CPU the starts that are worth following ride a conveyor: after every round of steps the rows that are
done, or no longer worth it, leave, and the next take their places, so that no fit waits for a slower one,
memory is bounded, and there are few compiled programs however many curves there are. On a GPU, where rows
cost little and moving them a lot, all of them take their steps where they are, in a few passes over fewer and
fewer rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.arrays import Array
from bnsl.forms.autodiff import runnable
from bnsl.forms.form import Form
from bnsl.solver.effort import (
    DISTINCT,
    LEAST,
    MAX_STEPS,
    NEAR,
    PLATEAU_STARTS,
    ROUND,
    ROUNDING,
    SCOUT_DTYPE,
    SCOUTING,
    SHARP_STARTS,
    STARTS,
    TOLERANCE,
)
from bnsl.solver.problem import (
    Method,
    Problem,
    Rows,
    in_precision,
    inward,
    rows_of,
    several,
    taken,
)
from bnsl.solver.search import Refined, best_of, settled
from bnsl.solver.starts import starts_of
from bnsl.solver.valleys import BREAK, PLACED, at_points, leave_valleys
from bnsl.solver.walk import Best, Walk, begin, continued, step, worth_going_on

# Rows at work at a time, many to few: one step's numbers stay in the processor's cache.
CHUNKS = (256, 64, 16)
SCOUTED = 512  # starts of several curves that are scouted at a time
# On a GPU: curves at a time, and how many rows of each go on for how many steps.
TOGETHER = 16_384
PASSES = ((6, 18), (3, 36), (1, 186))
UNRIVALLED = 4 * ROUND  # steps between two looks at rows without rivals: a look takes longer than a few steps


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


@contextlib.contextmanager
def running(dtype: str, placement: Placement) -> Iterator[None]:
    """Local precision and device; the caller's own JAX configuration stays as it is."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.enable_x64(dtype != "float32"))
        if placement.devices:
            stack.enter_context(jax.default_device(placement.devices[0]))
        yield


Search = Callable[[np.ndarray | None], Refined]


def begin_search(
    method: Method,
    problems: Problem,
    *,
    dtype: str = "float64",
    report: Callable[[int], object] = lambda count: None,
    placement: Placement = ANYWHERE,
) -> Search:
    """Begin to search the best fit of each of C problems, from starts of its own; of one break at most.

    Args:
        method: form and loss.
        problems: arrays with C rows in front, or shared; `y` has C rows.
        dtype: "float64", or "float32" for the search.
        report: told how many more curves were scouted, which is about half of the work.
        placement: the devices to use.

    Returns:
        A function that gives what was found, of the costs (C,) of other laws, by far above which a fit need
        not be followed to its end, or None. A GPU is at work already; a CPU begins when it is called.
    """
    method = method._replace(form=runnable(method.form))
    whole = several(method.form, problems)
    total, p = len(whole.y), whole.free.shape[-1]
    # One shape for all calls: what is shared gets one row per curve, but for numbers.
    points = np.broadcast_to(whole.log_x, whole.y.shape), np.broadcast_to(whole.weight, whole.y.shape)
    wide = {
        name: np.broadcast_to(getattr(whole, name), (total, p)) for name in ("free", "held", "lower", "upper")
    }
    whole = whole._replace(log_x=points[0], weight=points[1], **wide)
    whole = in_precision(whole, dtype)
    if placement.wide:
        with running(dtype, placement):
            launched = _march(method, whole, placement)
        return lambda known: _fetched(launched, report)

    def search(known: np.ndarray | None) -> Refined:
        limit = np.full(total, np.inf) if known is None else known
        with running(dtype, placement), np.errstate(all="ignore"):
            theta, walk = _ride(method, whole, limit, dtype, report, placement)
            if method.form.n_breaks == 1:
                leave_valleys(method, whole, theta, walk, walk.cost < NEAR * limit)
        if dtype == "float32":  # its user has no need of the last digits
            return Refined(
                theta, np.where(np.isfinite(walk.cost), walk.cost, np.inf), walk.converged, walk.steps
            )
        with np.errstate(all="ignore"):
            return settled(method, whole, theta, walk, limit)

    return search


def pieces_of(problems: Problem, size: int) -> Iterator[tuple[Problem, np.ndarray, int]]:
    """Problems in pieces of one size, the last filled up with repeats.

    Yields the problems of a piece, their indices, and how many of them are no repeats. A lone problem is
    repeated, too: `taken` would leave it shared.
    """
    total = len(problems.y)
    for first in range(0, total, size):
        count = min(size, total - first)
        rows = np.minimum(np.arange(first, first + size), total - 1)
        yield Problem(*(v[rows] if len(v) == total else v for v in problems)), rows, count


# --- on a CPU ---------------------------------------------------------------------------------------


def _ride(
    method: Method,
    problems: Problem,
    known: np.ndarray,
    dtype: str,
    report: Callable[[int], object],
    placement: Placement,
) -> tuple[np.ndarray, Walk]:
    """The best row of every problem by the conveyor: coordinates (C, p) and the walk."""
    size = max(SCOUTED // start_count(method.form), 1) * placement.factor
    owner, walks = [], []
    scouts = in_precision(problems, SCOUT_DTYPE)
    for part, rows, count in pieces_of(scouts, size):
        with jax.enable_x64(SCOUT_DTYPE != "float32"):
            walk = _scout(method, placement.put(part, size))
        each = len(walk.cost) // size
        walk = on_host(walk)
        chosen = np.flatnonzero(worth_going_on(walk, size)[:count])
        owner.append(rows[chosen // each])
        walks.append(on_host(walk, chosen))
        report(count)
    group = np.concatenate(owner)
    scouted = Walk(*map(np.concatenate, zip(*walks, strict=True)))
    walk = continued(scouted, dtype)
    all_rows = rows_of(method, problems)
    options: dict[str, Any] = {"steps": MAX_STEPS, "tolerance": TOLERANCE, "placement": placement}
    walk = convey(method, all_rows, group, walk, rivals=known, **options)
    _, walk = best_of(method, problems, group, walk)
    crawling = np.flatnonzero(~walk.done & (walk.cost < known))
    if len(crawling):  # the best of their curves after all: they are given the steps that they need
        longer = convey(method, all_rows, crawling, on_host(walk, crawling), **options)
        for whole, part in zip(walk, longer, strict=True):
            whole[crawling] = part
    return inward(method, walk.theta), walk


def convey(
    method: Method,
    rows: Rows,
    group: np.ndarray,
    walk: Walk,
    *,
    steps: int,
    tolerance: float,
    rivals: np.ndarray | None = None,
    within: float = 0.0,
    placement: Placement = ANYWHERE,
) -> Walk:
    """`bnsl.solver.walk.follow` compiled, in chunks of one shape; inside `running`."""
    whole, exact = Walk(*map(np.array, walk)), walk.residual.shape[-1] > 0
    total, p = whole.theta.shape
    best = None if rivals is None else Best(rivals, p, within)
    begun = whole.steps.copy()
    floor = ROUNDING * np.broadcast_to(rows.points if len(rows.points) == 1 else rows.points[group], total)
    sizes = [size for size in placement.chunks if size // 2 < total] or [placement.chunks[-1]]
    size = sizes.pop(0)
    at = np.arange(size) % total
    owned = np.arange(size) < total  # the others repeat a row, and nobody looks at them
    waiting = min(size, total)  # the next row to come
    now, part = on_host(whole, at), placement.put(taken(rows, group[at]), size)
    while owned.any():
        before = now.cost
        round_ = min(ROUND if best is not None else UNRIVALLED, steps)
        now = on_host(_advance(method, part, placement.put(now, len(at)), round_, tolerance))
        leaving = now.done | (now.steps - begun[at] >= steps)
        if best is not None:
            best.see(group[at], now, owned)
            leaving |= best.hopeless(group[at], now, before, exact=exact, floor=floor[at])
        leaving = np.flatnonzero(leaving & owned)
        finished = at[leaving]
        for all_, some in zip(whole, now, strict=True):
            all_[finished] = some[leaving]
        coming = leaving[: max(total - waiting, 0)]
        owned[leaving] = False
        owned[coming] = True
        at[coming] = np.arange(waiting, waiting + len(coming))
        waiting += len(coming)
        for all_, some in zip(whole, now, strict=True):
            some[coming] = all_[at[coming]]
        shrinks = bool(sizes) and np.count_nonzero(owned) <= sizes[0]
        if shrinks:
            chosen = np.argsort(~owned, kind="stable")[: sizes.pop(0)]
            at, owned, now = at[chosen], owned[chosen], on_host(now, chosen)
        if shrinks or len(coming):
            part = placement.put(taken(rows, group[at]), len(at))
    return whole


def on_host(walk: Walk, rows: np.ndarray | slice = slice(None)) -> Walk:
    """Some rows of a walk, as arrays that can be written to."""
    return Walk(*(np.array(np.asarray(part)[rows]) for part in walk))


def start_count(form: Form) -> int:
    """How many starts a curve has at most."""
    return STARTS + SHARP_STARTS + PLATEAU_STARTS if form.n_breaks == 1 else 2 * STARTS


@partial(jax.jit, static_argnums=0)
def _scout(method: Method, problems: Problem) -> Walk:
    """The walk of the starts from the data, (C S) rows, after a few steps."""
    rows = rows_of(method, problems)
    starts = starts_of(method, problems, rows)
    curves, found, p = starts.shape
    rows = _repeated(rows, found)
    walk = begin(method, rows, jnp.reshape(starts, (curves * found, p)))
    return _stepped(method, rows, walk, SCOUTING)


@partial(jax.jit, static_argnums=(0, 4))
def _advance(method: Method, rows: Rows, walk: Walk, steps: Array, tolerance: float) -> Walk:
    """Take all rows a round of steps further."""
    return _stepped(method, rows, walk, steps, tolerance)


def _stepped(method: Method, rows: Rows, walk: Walk, steps: Array, tolerance: float = TOLERANCE) -> Walk:
    def more(state: tuple[Walk, Array]) -> Array:
        return jnp.any(~state[0].done) & (state[1] < steps)

    def body(state: tuple[Walk, Array]) -> tuple[Walk, Array]:
        return step(method, rows, state[0], tolerance), state[1] + 1

    return jax.lax.while_loop(more, body, (walk, jnp.zeros((), jnp.int32)))[0]


def _repeated(rows: Rows, count: int) -> Rows:
    """The rows of C problems with `count` rows each."""
    return Rows(*(v if v.shape[0] == 1 else jnp.repeat(v, count, axis=0) for v in rows))


# --- on a GPU ---------------------------------------------------------------------------------------

Launched = list[tuple[int, tuple[Array, ...]]]


def _march(method: Method, problems: Problem, placement: Placement) -> Launched:
    """Send all problems on their way, all rows in step: how many there are in a chunk, and its results."""
    size = TOGETHER * len(placement.devices)
    launched = []
    for piece, _, count in pieces_of(problems, size):
        part = placement.put(piece, size)
        walk = _scout(method, part)
        for keep, steps in PASSES:
            walk = _pass(method, keep, steps, part, walk)
        launched.append((count, _ended(method, part, walk)))
    return launched


def _fetched(launched: Launched, report: Callable[[int], object]) -> Refined:
    """Wait for the results."""
    ended = []
    for count, results in launched:
        ended.append([np.asarray(part)[:count] for part in results])
        report(count)
    theta, cost, converged, steps = (np.concatenate(column) for column in zip(*ended, strict=True))
    cost = np.where(np.isfinite(cost), cost, np.inf)
    return Refined(theta, cost, converged & np.isfinite(cost), steps)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _pass(method: Method, keep: int, steps: int, problems: Problem, walk: Walk) -> Walk:
    """Take the best rows (C keep) of every problem some steps further, those that lead to different laws."""
    curves = problems.y.shape[0]
    each = walk.cost.shape[0] // curves
    walk = Walk(*(jnp.reshape(part, (curves, each, *part.shape[1:])) for part in walk))
    cost = jnp.where(jnp.isfinite(walk.cost), walk.cost, jnp.inf)
    order = jnp.argsort(cost, axis=1)
    walk = jax.vmap(lambda one, index: jax.tree.map(lambda v: v[index], one))(walk, order)
    cost = jnp.take_along_axis(cost, order, axis=1)
    apart = walk.theta[:, :, None] - walk.theta[:, None]  # (C, S, S, p)
    square = jnp.einsum("crsp,crpq,crsq->crs", apart, walk.gram, apart)
    alike = square <= DISTINCT * cost[:, :, None]
    near = cost <= NEAR * cost[:, :1]
    chosen = jnp.zeros(cost.shape, bool).at[:, 0].set(True)
    for rank in range(1, cost.shape[1]):
        other = ~jnp.any(chosen & alike[:, rank], axis=1)
        good = other & (near[:, rank] | (rank < LEAST)) & jnp.isfinite(cost[:, rank])
        chosen = chosen.at[:, rank].set(good)
    first = jnp.argsort(~chosen, axis=1)[:, :keep]
    walk = jax.vmap(lambda one, index: jax.tree.map(lambda v: v[index], one))(walk, first)
    left_out = ~jnp.take_along_axis(chosen, first, axis=1)
    walk = walk._replace(failed=walk.failed | left_out)
    walk = Walk(*(jnp.reshape(part, (curves * keep, *part.shape[2:])) for part in walk))
    return _stepped(method, _repeated(rows_of(method, problems), keep), walk, steps)


@partial(jax.jit, static_argnums=0)
def _ended(method: Method, problems: Problem, walk: Walk) -> tuple[Array, ...]:
    """Coordinates (C, p), costs, convergence and steps; sharp breaks are at points where that is better."""
    theta = inward(method, walk.theta)
    if method.form.n_breaks != 1:
        return theta, walk.cost, walk.converged, walk.steps
    starts, sharp = at_points(problems.log_x, problems.weight, theta)
    free = problems.free & ~np.isin(np.arange(theta.shape[1]), BREAK)
    rows = rows_of(method, problems._replace(free=free))
    other = begin(method, rows, starts)
    other = _stepped(method, rows, other._replace(failed=~sharp), PLACED)
    better = other.cost < walk.cost
    theta = jnp.where(better[:, None], inward(method, other.theta), theta)
    pairs = ((other.cost, walk.cost), (other.converged, walk.converged), (other.steps, walk.steps))
    return theta, *(jnp.where(better, new, old) for new, old in pairs)
