"""Ends of intervals: how far a quantity can move before the refitted cost rises too much."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bnsl.solver.problem import linearised
from bnsl.uncertainty.refit import Solved

ROUNDS = 20  # of widening and narrowing an end
CLOSE = 1e-3  # relative error of the root of an end
STEEP = 3.0  # roots beyond so many times the wanted one count as that, so that steps stay fair
WIDEST = 1e3  # standard errors beyond which an end counts as infinite


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
