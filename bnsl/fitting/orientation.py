"""The orientation of a law: falling to its limit (b > 0) or rising to it, and when to try both."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnsl.evidence.points import noise_of
from bnsl.fitting.setup import Setup
from bnsl.forms.autodiff import runnable
from bnsl.solver.follow import follow
from bnsl.solver.picks import picked_starts
from bnsl.solver.problem import Method, Problem, Rows, placed, rows_of, several, taken
from bnsl.solver.starts import cheapest, starts_of
from bnsl.solver.walk import begin

# A law is good enough where its residuals are at most so many times the scatter of neighbouring points.
ROUGH = 2.0
# The points may bend down as a law of the other orientation does: a parabola explains the share BENT of what
# a line leaves. Then sparse points are no measure of the scatter, and only the share FINE of it is enough.
BENT, FINE = 0.3, 0.3
# Where a law is not good enough, so many starts of the other orientation take a few steps. A search follows
# where the best of them costs at most PROMISING times as much.
TRIED, STEPS, PROMISING, TOLERANCE = 4, 5, 1.2, 1e-3
# The law of the other orientation is taken if twice its log likelihood is larger by so much. Smaller gains
# are those of one more choice among noise.
CLEARLY = 4.0


def other_wanted(log_x: np.ndarray, data: np.ndarray, residual: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Whether a law of the other orientation is worth a search, for C curves (C,).

    Curves that fall ever faster from a plateau are such. Of others, a second search would find no better law,
    and take as long as the first. Data and residuals of the best law of the first orientation are (C, N), in
    the space of the loss; `seen` is False for padding at the end of curves.
    """
    with np.errstate(all="ignore"):
        scatter = noise_of(log_x, data, seen)
        left = np.sqrt(np.mean(residual**2, axis=-1, where=seen))
        return (left > ROUGH * scatter) | (_bends_down(log_x, data, seen) & (left > FINE * scatter))


def promising(ready: Setup, cost: np.ndarray | float) -> np.ndarray:
    """Whether some starts of each of C problems (C,) come near a cost (C,) soon."""
    method = ready.method._replace(form=runnable(ready.method.form))
    with np.errstate(all="ignore"):
        problem = several(method.form, ready.problem)
        rows = rows_of(method, problem)
        best = cheapest(method, rows, _starts(method, problem, rows), TRIED)
        group = np.repeat(np.arange(len(best)), best.shape[1])
        walk = begin(method, taken(rows, group), best.reshape(len(group), -1))
        walk = follow(method, rows, group, walk, steps=STEPS, tolerance=TOLERANCE)
        reached = np.where(np.isfinite(walk.cost), walk.cost, np.inf).reshape(len(best), -1).min(axis=1)
    return np.asarray(reached <= PROMISING * np.asarray(cost))


def _starts(method: Method, problem: Problem, rows: Rows) -> np.ndarray:
    """Starting coordinates (C, K, p), with breaks of every width."""
    form: Any = method.form
    if form.n_breaks <= 1:
        return starts_of(method, problem, rows, smooth=True)
    log_x, y, weight = problem.log_x[0], problem.y[0], np.broadcast_to(problem.weight[0], problem.y[0].shape)
    picked = picked_starts(form, form.separable(log_x, y, weight), weight, 4 * TRIED)
    return placed(problem, rows, picked[None])


def clearly_better(
    cost: np.ndarray | float, than: np.ndarray | float, points: np.ndarray | int
) -> np.ndarray:
    """Whether a law of the other orientation, of a sum of squares (C,), is to be taken for so many points."""
    return np.asarray(cost < than * np.exp(-CLEARLY / points))


def _bends_down(log_x: np.ndarray, data: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Whether a parabola that opens downwards explains BENT of what a line leaves (C,)."""

    def less_mean(values: np.ndarray) -> np.ndarray:
        return np.where(seen, values - np.mean(values, axis=-1, where=seen, keepdims=True), 0.0)

    def less_line(values: np.ndarray) -> np.ndarray:
        values = less_mean(values)
        return values - u * np.sum(values * u, axis=-1, keepdims=True) / np.sum(u * u, axis=-1, keepdims=True)

    u = less_mean(log_x)
    square, left = less_line(u * u), less_line(data)
    along = np.sum(square * left, axis=-1)
    whole = np.sum(square * square, axis=-1) * np.sum(left * left, axis=-1)
    return (along < 0) & (along**2 > BENT * whole)
