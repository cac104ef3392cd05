"""To and from the schedules of optax and PyTorch. Neither is imported before it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bnsl._base.checks import InputError, as_number, check_count, told
from bnsl.schedules.logs import from_function
from bnsl.schedules.schedule import Schedule


def to_optax(schedule: Schedule) -> Callable[[Any], Any]:
    """A schedule as a function of the step that JAX can trace; see `Schedule.to_optax`."""
    import jax.numpy as jnp

    starts = schedule.starts.tolist()

    def rate(count: Any) -> Any:
        step = jnp.minimum(count, schedule.steps)
        found = schedule.phases[0].rate(step, jnp)
        for start, phase in zip(starts[1:], schedule.phases[1:], strict=True):
            found = jnp.where(step >= start, phase.rate(step - start, jnp), found)
        return found

    return rate


def from_optax(schedule: Callable[[Any], Any], steps: int) -> Schedule:
    """A schedule of optax, or any function of the step, as a Schedule.

    Args:
        schedule: a function from the step to the rate.
        steps: the last step.
    """
    if not callable(schedule):
        raise InputError(f"{told('schedule', schedule)} is not a function of the step")
    return from_function(schedule, steps)


def to_lambda(schedule: Schedule, base: float | None = None) -> Callable[[int], float]:
    """A function for PyTorch's `LambdaLR`; see `Schedule.to_lambda`."""
    peak = schedule.peak if base is None else as_number(base, "base")
    if peak <= 0:
        raise InputError(f"base = {peak:g} must be above 0")

    def factor(step: int) -> float:
        return schedule.at(min(int(step), schedule.steps)) / peak

    return factor


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
