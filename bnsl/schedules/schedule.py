"""A learning-rate schedule as a value: phases one after another, callable at any step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import (
    InputError,
    as_number,
    check_count,
    check_mapping,
    described,
    numbers,
    reject,
    shown,
    told,
)
from bnsl._base.shown import Plotted
from bnsl.schedules.phase import Logged, Phase


@dataclass(frozen=True)
class Schedule(Plotted, figure="plot_schedule"):
    """A learning-rate schedule: the rate at every step, immutable, made of phases, joinable.

    Steps count from 0; `at(0)` is the equation at t = 0, which is a rate of 0 under a warm-up. A schedule of
    N steps has a rate at 0, 1, ..., N. Where two phases meet, the step belongs to the later one.

    Two schedules of the same phases are equal. Made by `bnsl.schedules.cosine`, `wsd`, `infinite`,
    `from_log` and the others.

    Attributes:
        phases: the phases, in order; each has a name, a number of steps, a first and a last rate.
    """

    phases: tuple[Phase | Logged, ...]

    def __post_init__(self) -> None:
        if not self.phases:
            raise InputError("phases is empty; a schedule needs at least one phase")
        for i, phase in enumerate(self.phases):
            if not isinstance(phase, Phase | Logged):
                raise InputError(
                    f"phases[{i}] = {shown(phase)} is no Phase; bnsl.schedules.cosine makes some"
                )

    @property
    def steps(self) -> int:
        """The last step."""
        return sum(phase.steps for phase in self.phases)

    @property
    def starts(self) -> np.ndarray:
        """The step at which each phase begins, shape (phases,)."""
        return np.cumsum([0, *(phase.steps for phase in self.phases[:-1])])

    @property
    def peak(self) -> float:
        """The highest rate of any step."""
        return float(self._rates.max())

    @property
    def final(self) -> float:
        """The rate at the last step."""
        return float(self.at(self.steps))

    def at(self, step: ArrayLike) -> Any:
        """The rate at a step, a float, or at an array of steps, an array of its shape.

        Steps may lie between whole ones.

        Raises:
            InputError: (a ValueError) steps below 0 or beyond the last.
        """
        flat, shape = self.checked(step)
        found = self._at(flat)
        return float(found[0]) if shape == () else found.reshape(shape)

    __call__ = at

    def checked(self, step: ArrayLike) -> tuple[np.ndarray, tuple[int, ...]]:
        """Steps inside the schedule, flat, and the shape of the answer; InputError for others."""
        array = numbers(step, "step")
        flat = array.reshape(-1)
        bad = ~((flat >= 0) & (flat <= self.steps))
        which = f"lies outside the schedule, which has the steps 0 to {self.steps}"
        reject(flat, bad, "step", f"{which}; make it longer, or join another with .then(...)")
        return flat, array.shape

    def rates(self) -> np.ndarray:
        """The rate at every step 0, 1, ..., `steps`: an array of steps + 1 entries."""
        return self._rates.copy()

    @cached_property
    def _rates(self) -> np.ndarray:
        return self._at(np.arange(self.steps + 1.0))

    def _at(self, step: np.ndarray) -> np.ndarray:
        starts = self.starts
        number = np.searchsorted(starts, step, side="right") - 1
        found = np.empty(len(step))
        for k in np.unique(number):
            inside = number == k
            found[inside] = self.phases[k].rate(step[inside] - starts[k])
        return found

    @property
    def corners(self) -> np.ndarray:
        """The steps at which a phase begins, or a logged rate turns or jumps; ascending."""
        places = [start + phase.corners for start, phase in zip(self.starts, self.phases, strict=True)]
        return np.unique(np.concatenate([self.starts, *places])).astype(int)

    # --- other schedules from this one --------------------------------------------------------------

    def then(self, other: Schedule) -> Schedule:
        """This schedule followed by another, whose step 0 is the last step of this one.

        The other keeps its rates: if it begins with a warm-up from 0, the rate falls to 0 first. Use `rewarm`
            to go on from the last rate instead.
        """
        if not isinstance(other, Schedule):
            raise InputError(f"{told('other', other)} is not a schedule of bnsl.schedules")
        return Schedule(self.phases + other.phases)

    def rewarm(
        self, peak: float, warmup: int | float | str, steps: int, floor: float | None = None
    ) -> Schedule:
        """This schedule, then a warm-up from its last rate to `peak` and a cosine decay (arXiv 2403.08763).

        Args:
            peak: the rate to warm up to.
            warmup: steps of the rise: a number, or a share such as 0.01 or "1%".
            steps: of rise and decay together.
            floor: the last rate; a tenth of `peak` if not given.
        """
        from bnsl.schedules.makers import cosine

        return self.then(cosine(peak, steps, warmup, floor, start=self.final))

    def until(self, step: int) -> Schedule:
        """The schedule from step 0 to `step`."""
        return self._part(0, step)

    def after(self, step: int) -> Schedule:
        """The schedule from `step` on, which becomes step 0."""
        return self._part(step, self.steps)

    def scaled(self, factor: float) -> Schedule:
        """Every rate times a positive factor."""
        number = as_number(factor, "factor", lambda value: bool(np.isfinite(value)) and value > 0)
        return Schedule(tuple(phase.scaled(number) for phase in self.phases))

    def _part(self, first: int, last: int) -> Schedule:
        first, last = check_count(first, "step"), check_count(last, "step")
        if not first <= last <= self.steps:
            raise InputError(f"step = {max(first, last)} lies beyond the last step, {self.steps}")
        parts: list[Phase | Logged] = []
        for start, phase in zip(self.starts.tolist(), self.phases, strict=True):
            low, high = max(first - start, 0), min(last - start, phase.steps)
            if low < high or (low == high and first == last and not parts):
                parts.append(phase.part(low, high))
        return Schedule(tuple(parts))

    # --- other libraries and figures ------------------------------------------------------------------

    def to_optax(self) -> Any:
        """The schedule as a function of the step that optax and JAX can trace.

        Beyond the last step the rate stays constant.
        """
        import jax.numpy as jnp

        starts = self.starts.tolist()

        def rate(count: Any) -> Any:
            step = jnp.minimum(count, self.steps)
            found = self.phases[0].rate(step, jnp)
            for start, phase in zip(starts[1:], self.phases[1:], strict=True):
                found = jnp.where(step >= start, phase.rate(step - start, jnp), found)
            return found

        return rate

    def to_lambda(self, base: float | None = None) -> Any:
        """The schedule as a function for PyTorch's `LambdaLR`: the factor of the rate `base` at a step.

        Args:
            base: the learning rate of the optimizer; the schedule's peak if not given.
        """
        peak = self.peak if base is None else as_number(base, "base")
        if peak <= 0:
            raise InputError(f"base = {peak:g} must be above 0")
        return lambda step: self.at(min(int(step), self.steps)) / peak

    def __repr__(self) -> str:
        return f"Schedule({self.steps} steps: {' -> '.join(map(_told, self.phases))})"


def _told(phase: Phase | Logged) -> str:
    """A phase in a few words."""
    kind = phase.shape if isinstance(phase, Phase) else "logged"
    ends = f"{phase.start:g}" if kind == "constant" else f"{phase.start:g} to {phase.end:g}"
    return f"{phase.name} {phase.steps} ({kind}, {ends})"


def check_schedules(value: Any, least: int = 0) -> dict[str, Schedule]:
    """Schedules by name, of which one alone will do; none for None.

    Raises InputError for what is no schedule, and for fewer than `least`.
    """
    single = {"schedule": value} if isinstance(value, Schedule) else value
    named = check_mapping(single, "schedules", "from names to schedules, or one of bnsl.schedules")
    for name, one in named.items():
        if not isinstance(one, Schedule):
            raise InputError(f"schedules[{name!r}] must be one of bnsl.schedules; got {described(one)}")
    if len(named) < least:
        raise InputError("schedules is empty; give a schedule of bnsl.schedules")
    return named
