"""The compiled driver of a CPU: a conveyor.

After every round of steps the rows that are done, or no longer worth it, leave, and the next take their
places, so that no fit waits for a slower one, memory is bounded, and there are few compiled programs however
many curves there are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from bnsl._base.arrays import Array
from bnsl.forms.form import Form
from bnsl.solver.crowd import best_of
from bnsl.solver.effort import (
    MAX_STEPS,
    PLATEAU_STARTS,
    ROUND,
    ROUNDING,
    SCOUT_DTYPE,
    SHARP_STARTS,
    STARTS,
    TOLERANCE,
)
from bnsl.solver.follow import Best
from bnsl.solver.problem import Method, Problem, Rows, in_precision, inward, rows_of, taken
from bnsl.solver.scouting import worth_going_on
from bnsl.solver.traced import ANYWHERE, Placement, pieces_of, scout, stepped
from bnsl.solver.walk import Walk, continued

SCOUTED = 512  # starts of several curves that are scouted at a time
UNRIVALLED = 4 * ROUND  # steps between two looks at rows without rivals: a look takes longer than a few steps


def ride(
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
            walk = scout(method, placement.put(part, size))
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
    """`bnsl.solver.follow.follow` compiled, in chunks of one shape; inside `running`."""
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


@partial(jax.jit, static_argnums=(0, 4))
def _advance(method: Method, rows: Rows, walk: Walk, steps: Array, tolerance: float) -> Walk:
    """Take all rows a round of steps further."""
    return stepped(method, rows, walk, steps, tolerance)
