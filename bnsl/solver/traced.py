"""What the compiled drivers share: where arrays lie, in which precision and shapes, and compiled steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.arrays import Array
from bnsl.solver.effort import SCOUTING, TOLERANCE
from bnsl.solver.problem import Method, Problem, Rows, rows_of
from bnsl.solver.starts import starts_of
from bnsl.solver.walk import Walk, begin, step

# Rows at work at a time, many to few: one step's numbers stay in the processor's cache.
CHUNKS = (256, 64, 16)


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


@partial(jax.jit, static_argnums=0)
def scout(method: Method, problems: Problem) -> Walk:
    """The walk of the starts from the data, (C S) rows, after a few steps."""
    rows = rows_of(method, problems)
    starts = starts_of(method, problems, rows)
    curves, found, p = starts.shape
    rows = repeated(rows, found)
    walk = begin(method, rows, jnp.reshape(starts, (curves * found, p)))
    return stepped(method, rows, walk, SCOUTING)


def stepped(method: Method, rows: Rows, walk: Walk, steps: Array, tolerance: float = TOLERANCE) -> Walk:
    """Take all rows so many steps further, or until all are done."""

    def more(state: tuple[Walk, Array]) -> Array:
        return jnp.any(~state[0].done) & (state[1] < steps)

    def body(state: tuple[Walk, Array]) -> tuple[Walk, Array]:
        return step(method, rows, state[0], tolerance), state[1] + 1

    return jax.lax.while_loop(more, body, (walk, jnp.zeros((), jnp.int32)))[0]


def repeated(rows: Rows, count: int) -> Rows:
    """The rows of C problems with `count` rows each."""
    return Rows(*(v if v.shape[0] == 1 else jnp.repeat(v, count, axis=0) for v in rows))
