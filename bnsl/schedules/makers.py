"""Common schedules, each from its equation."""

from __future__ import annotations

from typing import Any

from bnsl._base.checks import InputError, as_number, check_choice, check_count
from bnsl.schedules.phase import EXPONENTIAL, Phase, check_rate
from bnsl.schedules.schedule import Schedule

Length = int | float | str  # steps, a share of them, or per cent as text
DECAYS = ("linear", "sqrt", EXPONENTIAL, "cosine")
COOLDOWNS = ("cosine", "inv_sqrt")


def constant(rate: float, steps: int, warmup: Length = 0, *, start: float = 0.0, first: int = 0) -> Schedule:
    """A constant rate, after an optional linear warm-up.

    Args:
        rate: the rate.
        steps: length, including the warm-up.
        warmup: steps of the rise to `rate`: a number, or a share such as 0.01 or "1%".
        start: the rate at the first step of the warm-up.
        first: t of the first step in the equations: 0, or 1 for libraries that count t + 1.
    """
    high = _positive(rate, "rate")
    whole, rise = _lengths(steps, warmup=warmup)
    level = Phase("constant", whole - rise, high, high, "constant")
    return _joined(_rise(rise, high, start), level, first=first)


def linear(start: float, end: float, steps: int, *, first: int = 0) -> Schedule:
    """A straight line from one rate to another: start + (end - start) t / steps.

    Args:
        start: the rate at step 0.
        end: the rate at the last step; `start` and `end` must not both be 0.
        steps: how many steps.
        first: t of the first step in the equation: 0, or 1 for libraries that count t + 1.
    """
    ends = check_rate(start, "start"), check_rate(end, "end")
    if max(ends) == 0:
        raise InputError("start and end are both 0; a run needs a rate above 0")
    return _joined(Phase("linear", check_count(steps, "steps", 1), *ends), first=first)


def cosine(
    peak: float,
    steps: int,
    warmup: Length = 0,
    floor: float | None = None,
    *,
    start: float = 0.0,
    first: int = 0,
) -> Schedule:
    """Linear warm-up, then half a cosine down to the floor.

    floor + (peak - floor) / 2 (1 + cos(pi (t - warmup) / (steps - warmup))), as in arXiv 2403.08763.

    Args:
        peak: the highest rate.
        steps: length, including the warm-up; the floor is reached at step `steps`.
        warmup: steps of the rise to the peak: a number, or a share such as 0.01 or "1%".
        floor: the last rate; a tenth of the peak if not given, as in both papers on continual pre-training.
        start: the rate at the first step of the warm-up.
        first: t of the first step in the equations. With 0, the rate at step 0 is `start`. With 1, for
            libraries that count t + 1, step 0 has the rate of t = 1, and the schedule is one step
            shorter.
    """
    high = _positive(peak, "peak")
    low = _below(0.1 * high if floor is None else floor, "floor", high, "peak")
    whole, rise = _lengths(steps, warmup=warmup)
    return _joined(_rise(rise, high, start), Phase("decay", whole - rise, high, low, "cosine"), first=first)


def wsd(
    peak: float,
    steps: int,
    warmup: Length = 0,
    cooldown: Length = 0.2,
    floor: float = 0.0,
    *,
    decay: str = "linear",
    start: float = 0.0,
    first: int = 0,
) -> Schedule:
    """Warm-up, stable, decay (arXiv 2404.06395): the rate falls only in the last steps.

    Args:
        peak: the highest rate.
        steps: total length.
        warmup: steps of the rise: a number, or a share such as 0.01 or "1%".
        cooldown: steps of the decay, likewise.
        floor: the last rate; above 0 for an exponential decay.
        decay: with u from 0 to 1, "linear" (1 - u), "sqrt" (1 - sqrt(u)), "cosine", each between peak and
            floor; or "exponential", peak (floor / peak)^u.
        start: the rate at the first step of the warm-up.
        first: t of the first step in the equations, as in `cosine`.
    """
    high = _positive(peak, "peak")
    check_choice(decay, "decay", DECAYS)
    low = _below(floor, "floor", high, "peak")
    _check_exponential(decay, low)
    whole, rise, fall = _lengths(steps, warmup=warmup, cooldown=cooldown)
    stable = Phase("stable", whole - rise - fall, high, high, "constant")
    return _joined(_rise(rise, high, start), stable, Phase("decay", fall, high, low, decay), first=first)


def infinite(
    peak: float,
    constant: float | None = None,
    floor: float | None = None,
    warmup: Length = 0.01,
    cooldown: Length = 0.6,
    *,
    steps: int,
    kind: str = "cosine",
    timescale: float = 10.0,
    anneal: Length = 0.1,
    start: float = 0.0,
    first: int = 0,
) -> Schedule:
    """An infinite schedule (arXiv 2403.08763, section 4): warm-up, cool-down, constant, annealing.

    Training can go on from the constant phase at any time. With u and v from 0 to 1 along their phases, the
    cool-down is constant + (peak - constant) / 2 (1 + cos(pi u)), or peak + (constant - peak) h(u) / h(1)
    with h(u) = (1 + timescale u)^(-1/2) - 1; the annealing is constant (floor / constant)^v.

    Args:
        peak: the highest rate.
        constant: the rate of the constant phase; 0.55 of the peak if not given, as in the paper.
        floor: the last rate, above 0; a tenth of the peak if not given.
        warmup: steps of the rise: a number, or a share such as 0.01 or "1%".
        cooldown: steps of the cool-down, likewise.
        steps: total length; the constant phase takes what the others leave.
        kind: of the cool-down, "cosine" or "inv_sqrt".
        timescale: of "inv_sqrt"; the paper uses 1 and 10.
        anneal: steps of the annealing at the end: a number, or their share.
        start: the rate at the first step of the warm-up.
        first: t of the first step in the equations, as in `cosine`.
    """
    high = _positive(peak, "peak")
    check_choice(kind, "kind", COOLDOWNS)
    scale = _positive(timescale, "timescale")
    middle = _below(0.55 * high if constant is None else constant, "constant", high, "peak")
    low = _below(0.1 * high if floor is None else floor, "floor", middle, "constant")
    whole, rise, cool, fall = _lengths(steps, warmup=warmup, cooldown=cooldown, anneal=anneal)
    if fall:
        _check_exponential(EXPONENTIAL, low)
    return _joined(
        _rise(rise, high, start),
        Phase("cool-down", cool, high, middle, kind, scale if kind == "inv_sqrt" else 1.0),
        Phase("constant", whole - rise - cool - fall, middle, middle, "constant"),
        Phase("annealing", fall, middle, low, EXPONENTIAL),
        first=first,
    )


def _rise(steps: int, peak: float, start: Any) -> Phase:
    return Phase("warm-up", steps, check_rate(start, "start"), peak)


def _joined(*phases: Phase, first: int) -> Schedule:
    """The phases that last, without the first `first` steps."""
    if check_count(first, "first") > 1:
        raise InputError(f"first = {first} must be 0 or 1")
    return Schedule(tuple(phase for phase in phases if phase.steps)).after(first)


def _lengths(steps: int, **parts: Length) -> tuple[int, ...]:
    """The steps in all and of each part, whole numbers; the parts fit into the whole."""
    whole = check_count(steps, "steps", 1)
    found = [steps_of(part, name, whole) for name, part in parts.items()]
    if sum(found) > whole:
        listed = " and ".join(f"{name} ({n})" for name, n in zip(parts, found, strict=True))
        raise InputError(f"{listed} take more than the {whole} steps in all")
    return (whole, *found)


def steps_of(part: Length, name: str, whole: int) -> int:
    """Steps from a number of steps, a share, or per cent as text; rounded."""
    if isinstance(part, str) and part.strip().endswith("%"):
        part = as_number(part.strip()[:-1], name) / 100.0
        if not 0 <= part <= 1:
            raise InputError(f"{name} = {100 * part:g}% must lie between 0% and 100%")
        return round(part * whole)
    number = as_number(part, name)
    if isinstance(part, float) and 0 < number < 1:
        return round(number * whole)
    if number < 0 or number != round(number):
        raise InputError(
            f"{name} = {number:g} must be a whole number of steps, or a share such as 0.01 or '1%'"
        )
    return round(number)


def _positive(value: Any, name: str) -> float:
    number = as_number(value, name)
    if number <= 0:
        raise InputError(f"{name} = {number:g} must be above 0")
    return number


def _below(value: Any, name: str, limit: float, limit_name: str) -> float:
    number = check_rate(value, name)
    if number > limit:
        raise InputError(f"{name} = {number:g} lies above {limit_name} = {limit:g}")
    return number


def _check_exponential(decay: str, floor: float) -> None:
    if decay == EXPONENTIAL and floor == 0:
        raise InputError("floor = 0 cannot be reached by an exponential decay; give a floor above 0")
