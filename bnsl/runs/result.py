"""Predictions for other schedules from fitted runs: intervals, what is not determined."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, check_count, check_share, told
from bnsl._base.display import ExtrapolationWarning, FitWarning, counted
from bnsl._base.normal import students_t
from bnsl._base.shown import Part, Plotted, Shown, cells_part
from bnsl.fitting.record import of_type
from bnsl.fitting.result import Status
from bnsl.runs.fitted import LawFit, risen
from bnsl.runs.history import BATCH, History, history
from bnsl.runs.notes import undetermined
from bnsl.runs.record import Recorded
from bnsl.runs.run import Run, own_steps, shaped
from bnsl.schedules.schedule import Schedule

# A peak so many times the fitted ones, or a step so many times the last fitted one, is warned of.
OTHER_PEAK, FAR = 1.5, 3.0
# On another schedule a law itself errs by this multiple of its errors on the fitted points, and by at least
# this share of the loss, however well it fits. Student's t has these degrees of freedom for it.
MISFIT, LEAST, FREEDOM = 2.0, 1e-3, 6


@dataclass(frozen=True)
class RunsResult(Shown, Recorded, Plotted, figure="plot_runs"):
    """Laws fitted to runs under known schedules. Made by `bnsl.fit_runs`; all fields are read-only.

    Attributes:
        runs: the fitted runs.
        fits: a fit for every law.
        weights: of each law in predictions; their sum is 1.
        status: how the fit ended.
        warnings: (code, message) pairs.
        undetermined: names of the parameters that these runs do not determine.
    """

    kind = "runs"

    runs: tuple[Run, ...]
    fits: tuple[LawFit, ...] = field(repr=False)
    weights: tuple[float, ...]
    status: Status
    warnings: tuple[FitWarning, ...] = ()
    undetermined: tuple[str, ...] = ()

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """The parameters by name, in the units of the runs; of an average a mapping for every law."""
        found = {fit.law.name: MappingProxyType(fit.law.parameters(fit)) for fit in self.fits}
        return next(iter(found.values())) if len(found) == 1 else MappingProxyType(found)

    @property
    def rms(self) -> float:
        """The root mean square of the relative errors of the fitted points."""
        return float(np.average([fit.rms for fit in self.fits], weights=self.weights))

    @property
    def law(self) -> str:
        """The law, or 'average'."""
        return self.fits[0].law.name if len(self.fits) == 1 else "average"

    @property
    def peaks(self) -> tuple[float, float]:
        """The smallest and the largest peak rate among the fitted runs."""
        found = [run.whole.peak for run in self.runs]
        return min(found), max(found)

    @property
    def horizon(self) -> int:
        """The last step that was fitted."""
        return max(int(run.step[-1]) + run.begins for run in self.runs)

    def predict(self, schedule: Schedule | Run, step: ArrayLike | None = None) -> Any:
        """The loss at steps of a schedule.

        Issues an ExtrapolationWarning for a peak rate 1.5 times or more away from the fitted ones, and for
        steps beyond three times the fitted ones.

        Args:
            schedule: the schedule of the whole history; or a Run, whose own steps count.
            step: steps, a number or an array of any shape; the last step if not given.

        Raises:
            InputError: (a ValueError) no schedule, or steps outside it.
        """
        whole, flat, shape = self._asked(schedule, step)
        return shaped(self._laws(whole, flat)[0], shape)

    def interval(
        self, schedule: Schedule | Run, step: ArrayLike | None = None, level: float = 0.9
    ) -> tuple[Any, Any]:
        """Where the loss of a run under this schedule falls, smoothed over neighbouring points.

        The width includes the uncertainty of each law, the differences between laws, and the errors of the
        laws themselves, estimated from the fitted points and growing beyond the fitted steps.

        Args:
            schedule: the schedule of the whole history; or a Run, whose own steps count.
            step: steps, a number or an array of any shape; the last step if not given.
            level: probability inside, between 0 and 1.

        Returns:
            Lower and upper ends, of the shape of `step`.
        """
        share = check_share(level, "level")
        whole, flat, shape = self._asked(schedule, step)
        mean, deviation = self._laws(whole, flat)
        width = students_t(share, FREEDOM) * deviation
        return shaped(np.maximum(mean - width, 0.0), shape), shaped(mean + width, shape)

    def _asked(
        self, schedule: Schedule | Run, step: ArrayLike | None
    ) -> tuple[Schedule, np.ndarray, tuple[int, ...]]:
        """The whole schedule, its steps, and the shape of the answer; what is far is warned of."""
        begins, own, whole = 0, schedule, schedule
        if isinstance(schedule, Run):
            begins, own, whole = schedule.begins, schedule.schedule, schedule.whole
        if not isinstance(own, Schedule) or not isinstance(whole, Schedule):
            given = told("schedule", schedule)
            raise InputError(f"{given} is neither a schedule of bnsl.schedules nor a Run")
        flat, shape = own_steps(own, step)
        flat = flat + begins
        # Within its warm-up, a schedule has not another peak yet.
        seen = whole.until(max(int(flat.max()), risen(whole)))
        warn_if_other(seen, self.peaks, self.horizon)
        self._warn_if_early(whole, int(flat.min()))
        return whole, flat, shape

    def _warn_if_early(self, schedule: Schedule, step: int) -> None:
        """Issue an ExtrapolationWarning for steps before the first fitted point."""
        fit = self.fits[0]
        if schedule.until(step).rates().sum() < fit.reach * fit.unit * (1.0 - 1e-9):
            warnings.warn(
                f"step {step} lies before the first fitted point: these laws do not hold there, and are held",
                ExtrapolationWarning,
                stacklevel=4,
            )

    def _laws(self, schedule: Schedule, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the predictions of all laws at steps in any order."""
        order, back = np.unique(step, return_inverse=True)
        batches = np.array_split(order, max(-(-len(order) // BATCH), 1))
        parts = [self._at(history(schedule, some, self.fits[0].unit)) for some in batches]
        mean, deviation = np.concatenate(parts, axis=1)[:, back]
        return mean, deviation

    def _at(self, found: History) -> tuple[np.ndarray, np.ndarray]:
        weights = np.array(self.weights)[:, None]
        each = np.array([fit.predict(found) for fit in self.fits])
        mean = np.sum(weights * each, axis=0)
        open_ = np.sum(weights * np.array([fit.deviation(found) for fit in self.fits]) ** 2, axis=0)
        apart = np.sum(weights * (each - mean) ** 2, axis=0)
        beyond = np.maximum(found.step / max(self.horizon, 1), 1.0)
        own = MISFIT * max(self.rms, LEAST) * mean * np.sqrt(beyond)
        return mean, np.sqrt(open_ + apart + own**2)

    def _title(self) -> str:
        return "Loss under a schedule"

    def _facts(self) -> list[tuple[str, str]]:
        lowest, highest = self.peaks
        peak = f"{lowest:g}" if lowest == highest else f"{lowest:g} to {highest:g}"
        runs, points = counted(len(self.runs), "run"), sum(len(run.step) for run in self.runs)
        law = self.fits[0].law.formula if len(self.fits) == 1 else ", ".join(f.law.name for f in self.fits)
        return [
            ("law", f"{self.law} ({law})"),
            ("fitted", f"{runs}, {points} points, to step {self.horizon}, peak rate {peak}"),
            ("error", f"{100 * self.rms:.3g} % of the loss (root mean square)"),
            ("status", self.status.value),
        ]

    def _parts(self) -> list[Part]:
        return [cells_part(("law", "parameter", "value", "determined"), self.parameter_rows())]

    __str__ = Shown.summary

    def parameter_rows(self) -> list[tuple[str, ...]]:
        """Law, parameter, value and whether the runs determine it, as text."""
        return [
            (fit.law.name, name, f"{value:.5g}", "no" if name in undetermined(fit, self.runs) else "yes")
            for fit in self.fits
            for name, value in fit.law.parameters(fit).items()
        ]

    def _recorded(self) -> tuple[Sequence[Run], dict[str, Any]]:
        return self.runs, {
            "law": self.law,
            "parameters": {fit.law.name: fit.law.parameters(fit) for fit in self.fits},
            "weights": list(self.weights),
            "undetermined": list(self.undetermined),
            "warnings": [list(note) for note in self.warnings],
        }

    @classmethod
    def _again(cls, runs: list[Run], record: Mapping[str, Any]) -> RunsResult:
        from bnsl.runs.fit import fit_runs

        return fit_runs(runs, of_type(record["law"], str))


def warn_if_other(schedule: Schedule, peaks: tuple[float, float], horizon: int) -> None:
    """Issue an ExtrapolationWarning for another peak rate or a far horizon."""
    peak, last = schedule.peak, schedule.steps
    if peak >= OTHER_PEAK * peaks[1] * (1 - 1e-9) or peak <= peaks[0] / OTHER_PEAK * (1 + 1e-9):
        fitted = f"{peaks[0]:g}" if peaks[0] == peaks[1] else f"{peaks[0]:g} to {peaks[1]:g}"
        warnings.warn(
            f"the peak rate {peak:g} is another than the fitted {fitted}; these laws do not hold from one "
            "peak to another (errors of 1 to 7 % of the loss have been measured)",
            ExtrapolationWarning,
            stacklevel=4,
        )
    if last > FAR * 1.01 * check_count(horizon, "horizon"):
        warnings.warn(
            f"step {last} lies beyond {FAR:g} times the last fitted step, {horizon}",
            ExtrapolationWarning,
            stacklevel=4,
        )
