"""What training on with new data does to the loss on old and on new data: what is asked of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bnsl._base.checks import InputError, as_number, check_count, check_share, told
from bnsl._base.display import FitWarning, paragraphs, warning_lines
from bnsl.fitting.covariance import students_t
from bnsl.runs.fitted import LawFit
from bnsl.runs.history import history
from bnsl.runs.replay import check_union
from bnsl.runs.result import FREEDOM, warn_if_other
from bnsl.runs.run import NEW, OLD, Run, own_steps
from bnsl.runs.shift import SIDES, measured_share
from bnsl.schedules.makers import Length, constant, cosine
from bnsl.schedules.schedule import Schedule

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)  # of replay that are looked at
PEAKS = (0.25, 0.5, 1.0, 2.0)  # times the fitted peak
MISFIT = 2.0  # times the errors of the later fitted points: errors of the law itself on another run
ALIKE = 1.02  # rates within such a factor count as one
GRID = 200  # shares among which a critical one is looked for


class Final(NamedTuple):
    """The final losses of a continued run, and where they fall."""

    old: float
    new: float
    old_interval: tuple[float, float]
    new_interval: tuple[float, float]


@dataclass(frozen=True)
class ContinualResult:
    """The law of continual pre-training, fitted. Made by `bnsl.continual`.

    Attributes:
        pretraining: the run that all others began with, measured on old data.
        runs: the continued runs, each measured on old or new data.
        old, new: the fits of both losses.
        warnings: (code, message) pairs.
    """

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
        return self._at(schedule, step, replay, on)[0]

    def _at(self, schedule: Schedule, step: Any, replay: float, on: str) -> tuple[Any, Any]:
        if on not in SIDES:
            raise InputError(f"{told('on', on)} must be 'old' or 'new'")
        share = as_number(replay, "replay")
        if not 0 <= share <= 1:
            raise InputError(f"replay = {share:g} lies outside [0, 1]; it is a share of every batch")
        if not isinstance(schedule, Schedule):
            raise InputError(f"{told('schedule', schedule)} is not a schedule of bnsl.schedules")
        asked, shape = own_steps(schedule, schedule.steps if step is None else step)
        peaks = [run.schedule.peak for run in self.runs]
        warn_if_other(schedule, (min(peaks), max(peaks)), self.steps)
        begins = self.pretraining.end
        order, back = np.unique(asked + begins, return_inverse=True)
        fit = self.old if on == OLD else self.new
        whole = self.pretraining.whole.then(schedule)
        found = history(whole, order, fit.unit, begins=begins, share=measured_share(share, on))
        mean = fit.predict(found)
        deviation = np.hypot(fit.deviation(found), MISFIT * fit.late * mean)
        if shape == ():
            return float(mean[0]), float(deviation[0])
        return mean[back].reshape(shape), deviation[back].reshape(shape)

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
            schedule = cosine(
                self.peak if peak is None else peak, self.steps if steps is None else steps, warmup, floor
            )
        times = students_t(check_share(level, "level"), FREEDOM)
        (old, old_sd), (new, new_sd) = (self._at(schedule, None, replay, side) for side in (OLD, NEW))
        return Final(
            old,
            new,
            (max(old - times * old_sd, 0.0), old + times * old_sd),
            (max(new - times * new_sd, 0.0), new + times * new_sd),
        )

    def forgetting(self, **options: Any) -> float:
        """How much the final loss on old data exceeds that of the pre-training; options as for `final`."""
        return self.final(**options).old - self.pretraining.final

    def front(
        self, replay: Sequence[float] = SHARES, peak: Sequence[float] | None = None, **options: Any
    ) -> pd.DataFrame:
        """Old and new losses over replay share and peak rate, one row per pair, with a column `best`."""
        import pandas as pd

        peaks = self._peaks() if peak is None else list(peak)
        if not len(replay) or not peaks:
            raise InputError("replay and peak must have one entry or more")
        rows = []
        for high in peaks:
            for share in replay:
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
            table = table[
                table["old"] <= self.pretraining.final + as_number(max_forgetting, "max_forgetting")
            ]
            if table.empty:
                raise InputError(
                    f"max_forgetting = {max_forgetting:g}: no replay share and peak rate satisfy it"
                )
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
        room = np.log1p(check_share(tolerance, "tolerance"))
        shares = np.linspace(0.0, 1.0, GRID + 1)[:-1]
        average = np.array([0.5 * sum(self.final(replay=float(r), **options)[:2]) for r in shares])
        aim = 0.5 * sum(check_union(union)) if union is not None else float(average.min())
        enough = average <= aim + room
        return float(shares[np.argmax(enough)]) if enough.any() else None

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

    def summary(self) -> str:
        """The fit in plain text."""
        head = [
            f"continual pre-training from step {self.pretraining.end}, {len(self.runs)} curves",
            f"errors   old {100 * self.old.rms:.2g} %, new {100 * self.new.rms:.2g} % (root mean square)",
            f"old loss {self.pretraining.final:.4g} at the end of pre-training",
        ]
        return paragraphs(head, warning_lines(self.warnings))

    __str__ = summary

    def plot(self, **options: Any) -> Axes:
        """`bnsl.plot_front` of this result."""
        import bnsl

        return bnsl.plot_front(self, **options)

    def to_json(self, indent: int | None = None) -> str:
        """The runs and the parameters as JSON, exact to the last bit."""
        from bnsl.runs.record import written_continual

        return written_continual(self, indent)

    @classmethod
    def from_json(cls, text: str) -> ContinualResult:
        """The result that `to_json` wrote, fitted again to its runs.

        Raises:
            InputError: (a ValueError) text that is not such a record, or a damaged one.
        """
        from bnsl.runs.record import read_continual

        return read_continual(text)


def _weight(value: float) -> float:
    """The weight of the old data's loss."""
    weight = as_number(value, "weight_old")
    if not 0 <= weight <= 1:
        raise InputError(f"weight_old = {weight:g} lies outside [0, 1]")
    return weight
