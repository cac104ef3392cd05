"""The schedule whose predicted final loss is lowest."""

from __future__ import annotations

import numpy as np

from bnsl._base.checks import InputError, as_number, check_count, told
from bnsl.runs.history import history
from bnsl.runs.result import RunsResult, warn_if_other
from bnsl.schedules.makers import Length, steps_of, wsd
from bnsl.schedules.phase import Logged, Phase
from bnsl.schedules.schedule import Schedule

# The rate may bend at these shares of the way from the end of the warm-up to the last step.
BENDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.68, 0.75, 0.81, 0.86, 0.9, 0.93, 0.955, 0.975, 0.99, 0.997, 1.0)
STARTS = (0.1, 0.2, 0.35, 0.5, 0.7)  # These shares of a cool-down are tried first.
STEEPEST = 3.0  # The logarithm of the rate falls by at most this much between two bends.


def optimise_schedule(
    result: RunsResult, steps: int, peak: float | None = None, warmup: Length = "2%"
) -> Schedule:
    """The schedule with the lowest predicted final loss, among those that never rise after the warm-up.

    The best warm-up-stable-decay schedule is found first. Then the rates at 18 steps are optimised, with
    straight lines between them, under the condition that they do not rise.

    Args:
        result: what `fit_runs` returned.
        steps: length of the schedule.
        peak: its highest rate; that of the fitted runs if not given.
        warmup: steps of a linear warm-up: a number, or a share such as 0.01 or "1%".

    Raises:
        InputError: (a ValueError) no such result, no steps, or a peak of 0.
    """
    from scipy.optimize import minimize  # Importing it takes longer than most fits.

    if not isinstance(result, RunsResult):
        raise InputError(f"{told('result', result)} is not what bnsl.fit_runs returns")
    whole = check_count(steps, "steps", 10)
    high = result.peaks[1] if peak is None else as_number(peak, "peak")
    if high <= 0:
        raise InputError(f"peak = {high:g} must be above 0")
    rise = steps_of(warmup, "warmup", whole)
    places = np.unique(np.round(rise + np.array(BENDS) * (whole - rise)).astype(int))

    def schedule(falls: np.ndarray) -> Schedule:
        rates = high * np.exp(-np.append(0.0, np.cumsum(falls)))
        logged = Logged("decay", tuple((places - rise).tolist()), tuple(rates.tolist()))
        return Schedule((Phase("warm-up", rise, 0.0, high), logged) if rise else (logged,))

    def loss(falls: np.ndarray) -> float:
        found = history(schedule(falls), np.array([whole]), result.fits[0].unit)
        each = [float(fit.predict(found)[0]) for fit in result.fits]
        return float(np.dot(result.weights, each))

    starts = []
    for share in STARTS:
        rates = wsd(high, whole, rise, share, 0.02 * high).at(places)
        starts.append(np.minimum(-np.diff(np.log(rates)), STEEPEST))
    best = min(starts, key=loss)
    bounds = [(0.0, STEEPEST)] * len(best)
    found = minimize(loss, best, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60, "maxfun": 2500})
    warn_if_other(schedule(found.x), result.peaks, result.horizon)
    return schedule(found.x if found.fun < loss(best) else best)
