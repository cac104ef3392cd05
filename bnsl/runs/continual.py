"""What training on with new data does to the loss on old and on new data: what is asked of a fit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bnsl._base.checks import InputError, as_number, check_count, check_share, told
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd
from bnsl._base.normal import students_t
from bnsl._base.shown import Plotted, Shown
from bnsl.runs.fitted import LawFit
from bnsl.runs.history import history
from bnsl.runs.record import Recorded
from bnsl.runs.replay import check_union, smallest_share
from bnsl.runs.result import FREEDOM, warn_if_other
from bnsl.runs.run import NEW, OLD, Run, check_replay, measured_share, own_steps, shaped
from bnsl.schedules.makers import Length, constant, cosine
from bnsl.schedules.schedule import Schedule

# The shares of replay, and the number of even shares, among which the best and the critical ones are sought.
SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
GRID = 200
MISFIT = 2.0  # On another run the law itself errs by this multiple of its errors on the later fitted points.
ALIKE = 1.02  # Rates within this factor of each other count as one.


class Final(NamedTuple):
    """The final losses of a continued run, and where they fall."""

    old: float
    new: float
    old_interval: tuple[float, float]
    new_interval: tuple[float, float]


@dataclass(frozen=True)
class ContinualResult(Shown, Recorded, Plotted, figure="plot_front"):
    """The law of continual pre-training, fitted. Made by `bnsl.continual`.

    Attributes:
        pretraining: the run that all others began with, measured on old data.
        runs: the continued runs, each measured on old or new data.
        old, new: the fits of both losses.
        warnings: (code, message) pairs.
    """

    kind = "continual"

    pretraining: Run
    runs: tuple[Run, ...] = field(repr=False)
    old: LawFit = field(repr=False)
    new: LawFit = field(repr=False)
    warnings: tuple[FitWarning, ...] = ()

    @property
    def peak(self) -> float:
        """The highest rate of the continued runs."""
        return max(run.schedule.peak for run in self.runs)

    @property
    def steps(self) -> int:
        """How long the longest continued run is."""
        return max(run.schedule.steps for run in self.runs)

    def _peaks(self) -> list[float]:
        """The peak rates of the runs that were warmed up again, those that are alike once."""
        last = self.pretraining.schedule.final
        found: list[float] = []
        for peak in sorted({run.schedule.peak for run in self.runs}, reverse=True):
            if peak > ALIKE * last and all(other > ALIKE * peak for other in found):
                found.append(peak)
        return found[::-1] or [self.peak]

    def predict(self, schedule: Schedule, step: Any = None, *, replay: float = 0.0, on: str = OLD) -> Any:
        """The loss on `on` ("old" or "new") data along a continued run under a schedule.

        Args:
            schedule: of the continued run alone; it begins where pre-training ended.
            step: its steps; the last if not given.
            replay: the share of old data in every batch.
            on: which loss.
        """
        flat, shape = own_steps(schedule, step)
        return shaped(self._at(schedule, flat, replay, on)[0], shape)

    def _at(
        self, schedule: Schedule, step: np.ndarray, replay: float, on: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """The mean and the standard deviation at steps in any order, each (N,)."""
        if on not in (OLD, NEW):
            raise InputError(f"{told('on', on)} must be 'old' or 'new'")
        share = check_replay(replay)
        peaks = [run.schedule.peak for run in self.runs]
        warn_if_other(schedule, (min(peaks), max(peaks)), self.steps)
        begins, fit = self.pretraining.end, self.old if on == OLD else self.new
        order, back = np.unique(step + begins, return_inverse=True)
        whole = self.pretraining.whole.then(schedule)
        found = history(whole, order, fit.unit, begins=begins, share=measured_share(share, on))
        mean = fit.predict(found)
        return mean[back], np.hypot(fit.deviation(found), MISFIT * fit.late * mean)[back]

    def final(
        self,
        *,
        peak: float | None = None,
        warmup: Length = 0.01,
        steps: int | None = None,
        replay: float = 0.0,
        floor: float | None = None,
        schedule: Schedule | None = None,
        level: float = 0.9,
    ) -> Final:
        """The final losses of a run that re-warms, re-decays and replays.

        Args:
            peak: the rate to warm up to; the highest of the fitted runs if not given.
            warmup: steps of the rise from 0: a number, or a share such as 0.01 or "1%".
            steps: length of the run; that of the longest fitted run if not given.
            replay: the share of old data in every batch.
            floor: the last rate; a tenth of the peak if not given.
            schedule: another schedule than this cosine.
            level: probability of the intervals, between 0 and 1.
        """
        if schedule is None:
            length = self.steps if steps is None else steps
            schedule = cosine(self.peak if peak is None else peak, length, warmup, floor)
        times = students_t(check_share(level, "level"), FREEDOM)
        last, _ = own_steps(schedule, None)
        losses, ends = [], []
        for side in (OLD, NEW):
            loss, deviation = (float(values[0]) for values in self._at(schedule, last, replay, side))
            losses.append(loss)
            ends.append((max(loss - times * deviation, 0.0), loss + times * deviation))
        return Final(losses[0], losses[1], ends[0], ends[1])

    def forgetting(self, **options: Any) -> float:
        """How much the final loss on old data exceeds that of the pre-training; options as for `final`."""
        return self.final(**options).old - self.pretraining.final

    def front(
        self, replay: Sequence[float] = SHARES, peak: Sequence[float] | None = None, **options: Any
    ) -> pd.DataFrame:
        """Old and new losses over replay share and peak rate, one row per pair, with a column `best`."""
        peaks = self._peaks() if peak is None else list(peak)
        if not len(replay) or not peaks:
            raise InputError("replay and peak must have one entry or more")
        rows = []
        for high, share in itertools.product(peaks, replay):
            end = self.final(peak=high, replay=share, **options)
            rows.append({"peak": high, "replay": share, "old": end.old, "new": end.new})
        table = pd.DataFrame(rows)
        old, new = (table[name].to_numpy() for name in ("old", "new"))
        beaten = ((old[None] <= old[:, None]) & (new[None] <= new[:, None])).sum(axis=1) > 1
        return table.assign(best=~beaten)

    def best(self, weight_old: float = 0.5, max_forgetting: float | None = None, **options: Any) -> pd.Series:
        """The row of `front` with the lowest weighted loss, and no more forgetting than is allowed.

        Args:
            weight_old: the weight of the old data's loss; the new data's has the rest.
            max_forgetting: by how much the old loss may end above that of the pre-training.
            options: of `front`.
        """
        weight = _weight(weight_old)
        table = self.front(**options)
        if max_forgetting is not None:
            most = as_number(max_forgetting, "max_forgetting")
            table = table[table["old"] <= self.pretraining.final + most]
            if table.empty:
                raise InputError(f"max_forgetting = {most:g}: no replay share and peak rate satisfy it")
        return table.iloc[int(np.argmin(weight * table["old"] + (1 - weight) * table["new"]))]

    def critical_replay(
        self, tolerance: float = 0.02, union: tuple[float, float] | None = None, **options: Any
    ) -> float | None:
        """The smallest replay share whose average loss is within a tolerance of the union's, or of the best.

        Args:
            tolerance: by which share the perplexity, exp of the average loss in nats, may lie above.
            union: losses on old and new data after training on both from scratch; the best average over all
                shares if not given.
            options: of `final`.
        """
        shares = np.linspace(0.0, 1.0, GRID + 1)[:-1]
        average = np.array([0.5 * sum(self.final(replay=float(r), **options)[:2]) for r in shares])
        aim = 0.5 * sum(check_union(union)) if union is not None else float(average.min())
        return smallest_share(shares, average, aim, tolerance)

    def worth_rewarming(self, weight_old: float = 0.0, replay: float = 0.0, **options: Any) -> bool:
        """Whether re-warming ends at a lower loss than going on at the last rate of the pre-training.

        Args:
            weight_old: the weight of the old data's loss; the new data's has the rest.
            replay: the share of old data in every batch.
            options: of `final`.
        """
        rewarmed = self.final(replay=replay, **options)
        steps = check_count(options.get("steps", self.steps), "steps", 1)
        level = self.final(schedule=constant(self.pretraining.schedule.final, steps), replay=replay)
        weights = (_weight(weight_old), 1.0 - weight_old)
        return float(np.dot(weights, rewarmed[:2])) < float(np.dot(weights, level[:2]))

    def against(self, union: tuple[float, float], **options: Any) -> dict[str, float]:
        """How the final losses compare with those of training on all data from scratch.

        Args:
            union: its losses on old and on new data.
            options: of `final`.

        Returns:
            Differences "old", "new" and "average", and "relative", the last as a share of the union's.
        """
        union = check_union(union)
        end = self.final(**options)
        old, new = end.old - union[0], end.new - union[1]
        return {"old": old, "new": new, "average": 0.5 * (old + new), "relative": (old + new) / sum(union)}

    def _title(self) -> str:
        return f"continual pre-training from step {self.pretraining.end}, {len(self.runs)} curves"

    def _facts(self) -> list[tuple[str, str]]:
        errors = f"old {100 * self.old.rms:.2g} %, new {100 * self.new.rms:.2g} % (root mean square)"
        return [("errors", errors), ("old loss", f"{self.pretraining.final:.4g} at the end of pre-training")]

    __str__ = Shown.summary

    def _recorded(self) -> tuple[Sequence[Run], dict[str, Any]]:
        parameters = {fit.law.name: fit.law.parameters(fit) for fit in (self.old, self.new)}
        warnings = [list(note) for note in self.warnings]
        return (self.pretraining, *self.runs), {"parameters": parameters, "warnings": warnings}

    @classmethod
    def _again(cls, runs: list[Run], record: Any) -> ContinualResult:
        from bnsl.runs.continual_fit import continual

        return continual(runs[0], runs[1:])


def _weight(value: float) -> float:
    """The weight of the old data's loss."""
    weight = as_number(value, "weight_old")
    if not 0 <= weight <= 1:
        raise InputError(f"weight_old = {weight:g} lies outside [0, 1]")
    return weight
