"""One law fitted to the points of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bnsl.runs.history import History, history
from bnsl.runs.laws import Law
from bnsl.runs.projection import NUDGE, Design, Prior, Problem, Projected
from bnsl.runs.run import Run
from bnsl.schedules.schedule import Schedule

# The relative error beyond which a point counts less, as in arXiv 2203.15556, 2408.11029, 2503.12811.
HUBER = 1e-3
ROUNDS = 8  # The weights of the Huber loss are renewed at most this many times.
POINTS = 256  # A run with more points than this is fitted as the means of neighbours.
# The grid is searched on so many points of each run, whose usual error is taken to be ROUGH, since the priors
# have to be weighed against it before it is known.
COARSE, ROUGH = 24, 3e-3
# Before the first fitted point a law may be wrong by what it adds until S1 is this many times smaller.
EARLY = 100.0
# The first points of a run are left out while they are off the law by more than this many usual errors.
LEADING = 8.0
# An exponent without a prior gets one for its standard error: normal, with this share of half its box.
BOX = 0.5


@dataclass(frozen=True)
class Points:
    """What one run gives to a fit: a thinned history with its losses."""

    schedule: Schedule  # the whole
    step: np.ndarray  # (N,) of the whole history
    loss: np.ndarray  # (N,)
    unit: float  # the rate that all rates are divided by
    begins: int  # the step at which the run begins, or the one after it ends if no run was before it
    share: float  # of every batch from there on, that is the data on which the loss is measured

    @cached_property
    def history(self) -> History:
        """The sums up to each step."""
        return history(self.schedule, self.step, self.unit, begins=self.begins, share=self.share)

    def take(self, rows: np.ndarray) -> Points:
        """Some of the points."""
        return replace(self, step=self.step[rows], loss=self.loss[rows])


def risen(schedule: Schedule) -> int:
    """The step at which the very first warm-up ends."""
    return int(np.argmax(np.append(np.diff(schedule.rates()) <= 0, True)))


def points_of(run: Run, unit: float, share: float = 1.0) -> Points:
    """The points of a run after its warm-up; long ones as means of neighbours."""
    whole = run.whole
    step = run.step + run.begins
    kept = step >= max(risen(whole), 1)
    if kept.sum() < 3:
        kept = step >= 1
    step, loss = step[kept], np.asarray(run.loss)[kept]
    if len(step) > POINTS:
        groups = _groups(step, whole.corners)
        step = np.array([round(float(step[rows].mean())) for rows in groups])
        loss = np.array([loss[rows].mean() for rows in groups])
    return Points(whole, step, loss, unit, run.end + 1 if run.parent is None else run.begins, share)


def _groups(step: np.ndarray, corners: np.ndarray) -> list[np.ndarray]:
    """Rows of neighbours, about as many in every octave of steps, none across a corner of the schedule."""
    place = np.log(step.astype(float))
    bins = np.floor((place - place[0]) / max(place[-1] - place[0], 1e-9) * POINTS)
    changes = np.diff(bins) != 0
    changes |= np.diff(np.searchsorted(corners, step, side="right")) != 0
    return np.split(np.arange(len(step)), np.flatnonzero(changes) + 1)


@dataclass(frozen=True)
class LawFit:
    """A law fitted to runs."""

    law: Law
    unit: float  # the rate that all rates are divided by
    coordinates: np.ndarray  # (E,) of the exponents
    amounts: np.ndarray  # (k,) what it is linear in, in the units of the fit
    covariance: np.ndarray  # (k + E, k + E) of amounts and coordinates, priors of exponents included
    scale: float  # the usual relative error of a point
    rms: float  # the root mean square of relative errors
    spread: np.ndarray  # (E,) standard deviations of the coordinates from the data alone; infinite if unknown
    at_bound: np.ndarray  # (E,) whether each coordinate is at an end of its box
    late: float = 0.0  # rms of the later half of each run
    reach: float = 0.0  # S1 at the first point of all runs, before which the law is held

    def predict(self, found: History) -> np.ndarray:
        """The loss at the points of a history (N,)."""
        return self.law.columns(self._held(found), self.law.values(self.coordinates)) @ self.amounts

    def _held(self, found: History) -> History:
        """The history with S1 no smaller than at the first point; the sums over steps are as they are."""
        if not (found.total < self.reach).any():
            return found
        return replace(found, total=np.maximum(found.total, self.reach))

    def deviation(self, found: History) -> np.ndarray:
        """Standard deviation of `predict` from what the data leave open (N,)."""
        held = self._held(found)
        gradient = _gradient(self.law, [held], self.coordinates, self.amounts)
        known = np.einsum("np,pq,nq->n", gradient, self.covariance, gradient)
        if held is not found:
            # The power of S1 may go on rising towards step 0; what it would add is not known.
            alpha = self.law.values(self.coordinates)[0]
            least = np.maximum(found.total, self.reach / EARLY)
            known += (self.amounts[1] * (least**-alpha - held.total**-alpha)) ** 2 * (least < held.total)
        return np.sqrt(np.maximum(known, 0.0))


def fit_law(law: Law, parts: Sequence[Points]) -> LawFit:
    """The best law for the points of several runs, by the Huber loss of relative errors."""
    grid = [one.values() for one in law.exponents]
    low, high = np.array([[values[0], values[-1]] for values in grid]).T
    coarse = [part.take(_evenly(len(part.step), COARSE)) for part in parts]
    count = sum(len(part.step) for part in coarse)
    rough = Problem(_design(law, coarse), np.ones(count), low, high, _prior(law, ROUGH))
    best = rough.best(grid)
    columns = _design(law, parts)
    even = np.concatenate([_spans(part.step) for part in parts])
    weights, prior = even, _prior(law, ROUGH)
    for turn in range(ROUNDS):
        before, now = best, weights
        best = Problem(_weighted(columns, now), now, low, high, prior).refined(best.coordinates)
        if turn and np.allclose(before.coordinates, best.coordinates, atol=1e-3):
            break
        prior = _prior(law, _noise(best.residuals / weights, parts))
        errors = np.abs(best.residuals) / weights
        delta = max(HUBER, 1.5 * float(np.median(errors)))
        weights = even * np.sqrt(np.minimum(1.0, delta / np.maximum(errors, 1e-300)))
    return _with_errors(law, parts, best, weights, low, high)


def _noise(errors: np.ndarray, parts: Sequence[Points]) -> float:
    """The usual error of a point, enlarged as far as neighbours err together."""
    together = _together(_split(errors, parts))
    return float(np.sqrt(together) * min(np.sqrt(np.mean(errors**2)), 3.0 * np.median(np.abs(errors))))


def _prior(law: Law, noise: float) -> Prior:
    """How far exponents are from their priors, in the unit of relative errors whose usual size is `noise`."""
    centre = np.array([one.to_coordinate(one.usual) for one in law.exponents])
    spread = np.array([one.spread for one in law.exponents])
    return lambda coordinates: noise * (coordinates - centre) / spread


def _weighted(columns: Design, weights: np.ndarray) -> Design:
    return lambda coordinates: columns(coordinates) * weights[:, None]


def _spans(step: np.ndarray) -> np.ndarray:
    """Weights that give every step the same say, however densely it was logged."""
    span = np.gradient(step.astype(float)) if len(step) > 1 else np.ones(1)
    return np.sqrt(span / span.mean())


def _design(law: Law, parts: Sequence[Points]) -> Design:
    """The columns of a law over the losses; sums over steps, which alpha has no part in, are kept."""
    weights = 1.0 / np.concatenate([part.loss for part in parts])
    known: dict[tuple[float, ...], np.ndarray] = {}
    total = np.concatenate([part.history.total for part in parts])

    def columns(coordinates: np.ndarray) -> np.ndarray:
        alpha, *others = law.values(coordinates)
        key = tuple(others)
        if key not in known:
            if len(known) > 64:
                known.clear()
            known[key] = np.concatenate([law.sums(part.history, others) for part in parts])
        return np.concatenate([law.base(total, alpha), known[key]], axis=1) * weights[:, None]

    return columns


def _with_errors(
    law: Law, parts: Sequence[Points], best: Projected, weights: np.ndarray, low: np.ndarray, high: np.ndarray
) -> LawFit:
    """A fit with its covariance: errors of neighbours go together, which leaves fewer of them."""
    target = np.concatenate([part.loss for part in parts])
    errors = best.residuals / weights
    rms = float(np.sqrt(np.mean(errors**2)))
    scale = max(1.4826 * float(np.median(np.abs(errors))), 1e-9)
    each = _split(errors, parts)
    together = _together(each)
    gradient = _gradient(law, [part.history for part in parts], best.coordinates, best.amounts)
    weighted = gradient * (weights / target)[:, None]
    free = max(len(target) / together - gradient.shape[1], 1.0)
    variance = together * float(np.sum((weights * errors) ** 2)) / max(len(target) - gradient.shape[1], 1)
    variance *= 1.0 + 2.0 / free
    information = weighted.T @ weighted / max(variance, 1e-24)
    prior = np.zeros(len(information))
    spread = np.array([one.spread for one in law.exponents])
    prior[len(best.amounts) :] = np.where(np.isfinite(spread), spread, BOX * (high - low) / 2.0) ** -2.0
    active = np.append(best.amounts > 0, np.ones(len(low), bool))
    return LawFit(
        law=law,
        unit=parts[0].unit,
        coordinates=best.coordinates,
        amounts=best.amounts,
        covariance=_inverse(information + np.diag(prior), active),
        scale=scale,
        rms=rms,
        spread=np.sqrt(np.diag(_inverse(information, active)))[len(best.amounts) :],
        at_bound=(best.coordinates <= low + 1e-6) | (best.coordinates >= high - 1e-6),
        late=float(np.sqrt(np.mean(np.concatenate([one[len(one) // 2 :] for one in each]) ** 2))),
    )


def _gradient(
    law: Law, histories: Sequence[History], coordinates: np.ndarray, amounts: np.ndarray
) -> np.ndarray:
    """Derivatives of the loss by amounts and coordinates, (N, k + E)."""

    def columns(at: np.ndarray) -> np.ndarray:
        return np.concatenate([law.columns(one, law.values(at)) for one in histories])

    here = columns(coordinates)
    beside = coordinates + NUDGE * np.eye(len(coordinates))
    return np.column_stack([here, *((columns(at) - here) @ amounts / NUDGE for at in beside)])


def _inverse(information: np.ndarray, active: np.ndarray) -> np.ndarray:
    """The inverse on the parameters that are free; large, not infinite, along what is not determined."""
    found = np.zeros_like(information)
    part = information[np.ix_(active, active)]
    scale = np.sqrt(np.maximum(np.diag(part), 1e-60))
    values, vectors = np.linalg.eigh(part / np.outer(scale, scale))
    inverse = (vectors / np.maximum(values, 1e-11)) @ vectors.T / np.outer(scale, scale)
    found[np.ix_(active, active)] = inverse
    return found


def _together(errors: Sequence[np.ndarray]) -> float:
    """How many neighbouring errors count as one, (1 + r) / (1 - r) of their correlation r."""
    pairs = [(one[:-1], one[1:]) for one in errors if len(one) > 3]
    if not pairs:
        return 1.0
    limit = 4.0 * float(np.median(np.abs(np.concatenate(errors)))) + 1e-12
    first, second = (np.clip(np.concatenate([pair[i] for pair in pairs]), -limit, limit) for i in (0, 1))
    power = float(np.mean(first**2) + np.mean(second**2)) / 2.0
    correlation = float(np.clip(np.mean(first * second) / max(power, 1e-30), 0.0, 0.95))
    return (1.0 + correlation) / (1.0 - correlation)


def _split(values: np.ndarray, parts: Sequence[Points]) -> list[np.ndarray]:
    """Values (N,) run by run."""
    return np.split(values, np.cumsum([len(part.step) for part in parts])[:-1])


def _evenly(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def without_leading(parts: Sequence[Points], fit: LawFit) -> tuple[list[Points], int]:
    """The points without the first of each run that the law does not reach yet, and how many those were."""
    kept, dropped = [], 0
    for part in parts:
        errors = np.abs(fit.predict(part.history) / part.loss - 1.0)
        off = errors > LEADING * max(fit.scale, HUBER)
        first = int(np.argmin(np.append(off, False)))
        first = first if len(part.step) - first >= 5 else 0
        dropped += first
        kept.append(part.take(np.arange(first, len(part.step))))
    return kept, dropped
