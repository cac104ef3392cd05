"""Schedules from what a run has logged, and from functions and schedules of other libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_array, check_count, check_same_length, reject, told
from bnsl.schedules.phase import Logged, Phase
from bnsl.schedules.schedule import Schedule

DROP = 0.03  # a fall between two logged steps, as a share of the rate, that may be a jump
STEEPER = 8.0  # so many times steeper than before and after: it is one


def from_log(step: ArrayLike, lr: ArrayLike, *, warmup: int | None = None) -> Schedule:
    """The schedule in the log of a run.

    Rows are sorted by step, so the log of a resumed run works; if a step occurs twice, the later row counts.
    The rate is linear between two logged steps, except that a sudden fall between two level stretches becomes
    a jump half-way between them.

    Args:
        step: the logged steps, whole numbers from 0 on.
        lr: the rate at each of them.
        warmup: steps of a linear warm-up from 0 to the first rate logged after it; rows before its end are
            left out. If not given, the rate before the first logged step is constant or, if the log begins
            while the rate still rises, linear from 0.

    Raises:
        InputError: (a ValueError) rates that are negative or not finite, or all 0; steps that are negative or
            not whole; a warm-up beyond the last step.
    """
    steps, rates = _rows(step, lr)
    first = int(steps[0])
    before: list[Phase] = []
    if warmup is not None:
        rise = check_count(warmup, "warmup")
        later = np.flatnonzero(steps >= rise)
        if not len(later):
            raise InputError(f"warmup = {rise} ends after the last logged step, {steps[-1]}")
        steps, rates = steps[later[0] :], rates[later[0] :]
        first = int(steps[0])
        before = [Phase("warm-up", rise, 0.0, float(rates[0]))]
        before += [Phase("constant", first - rise, float(rates[0]), float(rates[0]), "constant")]
    elif first:
        rising = len(rates) > 1 and rates[1] > rates[0]
        start = 0.0 if rising else float(rates[0])
        shape = "linear" if rising else "constant"
        before = [Phase("before the log", first, start, float(rates[0]), shape)]
    knots, values = _with_jumps(steps - first, rates)
    logged = Logged("logged", tuple(knots.tolist()), tuple(values.tolist()))
    return Schedule((*(phase for phase in before if phase.steps), logged))


def from_function(rate: Callable[[int], float], steps: int) -> Schedule:
    """The schedule of a function of the step, evaluated at 0, 1, ..., `steps`.

    Raises:
        InputError: (a ValueError) rates that are negative or not finite, or all 0.
    """
    count = check_count(steps, "steps", 1)
    at = np.arange(count + 1)
    values = _checked(as_array([rate(int(t)) for t in at], "rate"), "rate")
    return Schedule((_thinned(at, values),))


def _thinned(at: np.ndarray, values: np.ndarray) -> Logged:
    """Logged rates without the steps that lie on the line between their neighbours."""
    bend = np.abs(np.diff(values, 2)) > 1e-14 * values.max()
    kept = np.concatenate([[True], bend, [True]])
    return Logged("sampled", tuple(at[kept].tolist()), tuple(values[kept].tolist()))


def _rows(step: ArrayLike, lr: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Ascending whole steps and their rates; of doubles the later row."""
    steps, rates = as_array(step, "step"), as_array(lr, "lr")
    check_same_length(steps, rates, ("step", "lr"))
    reject(steps, steps < 0, "step", "is negative; steps count from 0")
    reject(steps, steps != np.round(steps), "step", "is not a whole number")
    _checked(rates, "lr")
    return latest(steps.astype(int), rates)


def latest(step: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps in ascending order with their values; of doubles the later row."""
    order = np.argsort(step, kind="stable")
    last = np.append(np.diff(step[order]) > 0, True)
    return step[order][last], values[order][last]


def _checked(rates: np.ndarray, name: str) -> np.ndarray:
    reject(rates, ~np.isfinite(rates), name, "is not a finite number")
    reject(rates, rates < 0, name, "is negative; a learning rate is 0 or more")
    if not rates.any():
        raise InputError(f"{name} is 0 at every step; a run needs a rate above 0")
    return rates


def _with_jumps(steps: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The knots, with two more at each jump: the rates before and after it, one step apart."""
    if len(steps) < 4:
        return steps, rates
    gap = np.diff(steps)
    slope = np.diff(rates) / gap
    around = np.maximum(np.abs(slope[:-2]), np.abs(slope[2:]))
    inner = slope[1:-1]
    jump = (inner < -STEEPER * around) & (-inner * gap[1:-1] > DROP * rates[1:-2]) & (gap[1:-1] > 2)
    left = np.flatnonzero(jump) + 1
    middle = (steps[left] + steps[left + 1]) // 2
    knots = np.concatenate([steps, middle, middle + 1])
    values = np.concatenate([rates, rates[left], rates[left + 1]])
    return latest(knots, values)


def from_optax(schedule: Callable[[Any], Any], steps: int) -> Schedule:
    """A schedule of optax, or any function of the step, as a Schedule.

    Args:
        schedule: a function from the step to the rate.
        steps: the last step.
    """
    if not callable(schedule):
        raise InputError(f"{told('schedule', schedule)} is not a function of the step")
    return from_function(schedule, steps)


def from_lambda_lr(scheduler: Any, steps: int, group: int = 0) -> Schedule:
    """A `LambdaLR` of PyTorch as a Schedule.

    Args:
        scheduler: a `torch.optim.lr_scheduler.LambdaLR`; it is not stepped.
        steps: the last step.
        group: number of the parameter group.
    """
    number, last = check_count(group, "group"), check_count(steps, "steps", 1)
    try:
        factors, bases = scheduler.lr_lambdas, scheduler.base_lrs
    except AttributeError:
        raise InputError(f"{told('scheduler', scheduler)} has no lr_lambdas; it must be a LambdaLR") from None
    if number >= len(factors):
        raise InputError(f"group = {number}: the scheduler has the groups 0 to {len(factors) - 1}")
    return from_function(lambda step: float(bases[number]) * float(factors[number](step)), last)
