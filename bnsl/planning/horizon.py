"""How predictions and breaks become known as the data reach further: Fisher information, and simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.arrays import lengths
from bnsl._base.checks import (
    InputError,
    as_array,
    check_count,
    check_positive,
    generator,
    positive_inputs,
    reject,
    told,
)
from bnsl._base.display import counted
from bnsl._base.lazy import pd
from bnsl._base.shown import Plotted
from bnsl.fitting.result import FitResult
from bnsl.forms.form import Form
from bnsl.planning.predictability import Predictability, as_law, as_noise, free_of, information
from bnsl.solver.crowd import refine_many
from bnsl.solver.problem import Method, Problem

CLEAN = 1e-4  # noise below which fits keep all digits


@dataclass(frozen=True, eq=False)
class Horizon(Plotted, figure="plot_horizon"):
    """How prediction and breaks become known as the data reach further. Made by `bnsl.horizon`.

    Attributes:
        steps: what is known at each stop.
        stops: the last x of each.
        prediction_sd: root mean square over the targets of the standard deviation of log y, (S,).
    """

    steps: tuple[Predictability, ...]
    stops: np.ndarray
    prediction_sd: np.ndarray

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per stop.

        Columns: points, prediction_sd, and for every break i signal_i and position_factor_i, as in
        `Predictability.breaks`.
        """
        columns = {"points": [len(step.x) for step in self.steps], "prediction_sd": self.prediction_sd}
        for number in self.steps[0].breaks.index:
            for name in ("signal", "position_factor"):
                columns[f"{name}_{number}"] = [step.breaks.loc[number, name] for step in self.steps]
        return pd.DataFrame(columns, index=pd.Index(self.stops, name="stop"))

    def visible_from(self, number: int = 1) -> float:
        """The first stop from which on break `number` is visible; NaN if there is none.

        Raises InputError for a break that the law does not have.
        """
        count = len(self.steps[0].breaks)
        if not 1 <= number <= count:
            raise InputError(f"{told('number', number)}: the law has {counted(count, 'break')}")
        return self._first(np.array([step.breaks["visible"][number] for step in self.steps]))

    def known_from(self, tolerance: float) -> float:
        """The first stop from which on `prediction_sd` is at most `tolerance`; NaN if at none."""
        return self._first(self.prediction_sd <= tolerance)

    def __repr__(self) -> str:
        ends = f"x from {self.stops[0]:.4g} to {self.stops[-1]:.4g}"
        known = f"{self.prediction_sd[0]:.4g} to {self.prediction_sd[-1]:.4g}"
        return f"<Horizon of {len(self.stops)} stops, {ends}: standard deviation of log y from {known}>"

    def _first(self, good: np.ndarray) -> float:
        lasting = np.logical_and.accumulate(good[::-1])[::-1]
        return float(self.stops[np.argmax(lasting)]) if lasting.any() else float("nan")


def horizon(
    law: FitResult | Mapping[str, float],
    x: ArrayLike,
    noise: float,
    target: ArrayLike | None = None,
    *,
    stops: ArrayLike | None = None,
    form: str | Form | None = None,
    fixed: Sequence[str] = (),
) -> Horizon:
    """The prediction error against where the data stop, and from which x on a coming break is visible.

    Args:
        law: as for `predictability`, of one input.
        x: all inputs (N,) of actual or planned measurements, in any order.
        noise: standard deviation of log y.
        target: x of the predictions (T,); at each stop those x that lie beyond it, if not given.
        stops: last x of the data, (S,); if not given, every x with at least as many points up to it as the
            law has free parameters, and with some points beyond it if no target is given.
        form: as for `predictability`.
        fixed: likewise.

    Raises:
        InputError: an impossible law, x, noise or stop, or a stop with nothing to predict.
    """
    form, theta = as_law(law, form)
    free = free_of(form, fixed)
    points, goal = _inputs(form, x, target)
    sd = as_noise(noise, 1)
    if stops is None:
        least = int(free.sum())
        chosen = np.unique(points)
        chosen = chosen[np.searchsorted(points, chosen, side="right") >= least]
        chosen = chosen[:-1] if goal is None else chosen
        if len(chosen) == 0:
            needed = f"a horizon of {form.label!r} needs more than {least}"
            raise InputError(f"x has {len(points)} points; {needed}")
    else:
        chosen = np.sort(_stops(stops, points, goal))
    steps, errors = [], []
    for stop in chosen:
        until = points[points <= stop]
        step = information(form, theta, until, np.repeat(sd, len(until)), "log", free)
        spread = step.prediction_sd(points[points > stop] if goal is None else goal)
        steps.append(step)
        errors.append(lengths(spread[:, None])[0] / np.sqrt(len(spread)))
    return Horizon(tuple(steps), chosen, np.array(errors))


def simulated_horizon(
    law: FitResult | Mapping[str, float],
    x: ArrayLike,
    noise: float,
    stops: ArrayLike,
    target: ArrayLike | None = None,
    *,
    replicates: int = 20,
    form: str | Form | None = None,
    fixed: Sequence[str] = (),
    seed: int = 0,
) -> np.ndarray:
    """Root mean square log error (S,) of least-squares laws fitted up to each stop, by simulation.

    It checks `Horizon.prediction_sd` by simulation. Each fit starts at the truth, so that the error is that
    of the data and not of the search.

    Args:
        law: as for `bnsl.horizon`, with the next two.
        x: all inputs (N,).
        noise: standard deviation of log y.
        stops: last x of the data, (S,).
        target: x of the predictions (T,); at each stop those beyond it, if not given.
        replicates: noisy curves per stop.
        form: as for `bnsl.horizon`.
        fixed: likewise.
        seed: of the random numbers.

    Raises:
        InputError: as `bnsl.horizon` does.
    """
    form, theta = as_law(law, form)
    free = free_of(form, fixed)
    points, goal = _inputs(form, x, target)
    sd = float(as_noise(noise, 1)[0])
    ends = _stops(stops, points, goal)
    count, rng = check_count(replicates, "replicates", 1), generator(seed)
    inside = points[points <= ends.max()]
    law_y = form.evaluate(theta, inside)
    log_s, log_t = np.log(ends), float(np.log(np.abs(law_y).max()))
    # Every problem is in units of its own stop, in which the solver's coordinates are straight.
    local = np.stack([form.rescaled(theta, -shift, -log_t) for shift in log_s])
    seen = inside <= ends[:, None]
    log_x = np.where(seen, np.log(inside) - log_s[:, None], 0.0)
    noises = sd * rng.standard_normal((len(ends) * count, len(inside)))
    starts = np.repeat(local, count, axis=0)
    problems = Problem(
        log_x=np.repeat(log_x, count, axis=0),
        y=law_y / np.exp(log_t) * np.exp(noises),
        weight=np.repeat(seen.astype(float), count, axis=0),
        unit=1.0,
        scale=1.0,
        free=free,
        held=starts,
        lower=np.full(len(free), -np.inf),
        upper=np.full(len(free), np.inf),
    )
    found = refine_many(Method(form, straight=bool(free.all())), problems, starts, exact=sd < CLEAN)
    errors = []
    for stop, shift, near in zip(ends, log_s, np.split(found.theta, len(ends)), strict=True):
        ahead = points[points > stop] if goal is None else goal
        laws = form.rescaled(near, shift, log_t)
        with np.errstate(all="ignore"):
            off = np.log(form.evaluate(laws, ahead)) - np.log(form.evaluate(theta, ahead))
            errors.append(np.sqrt(np.mean(off**2)))
    return np.array(errors)


def _inputs(form: Form, x: ArrayLike, target: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None]:
    """All inputs (N,) in order, and the x of the predictions, if given."""
    if len(form.inputs) > 1:
        raise InputError(f"form {form.label!r} has several inputs; a horizon is along one")
    points = np.sort(as_array(x, "x"))
    check_positive(points, "x", "is not positive; scaling laws are defined for x > 0")
    goal = None if target is None else as_array(np.atleast_1d(positive_inputs(target, 1)[0]), "target")
    return points, goal


def _stops(stops: ArrayLike, points: np.ndarray, goal: np.ndarray | None) -> np.ndarray:
    """The last x of the data, which leave points before them, and something to predict."""
    ends = as_array(stops, "stops")
    reject(ends, ends < points[0], "stops", f"leaves no point; x starts at {points[0]:g}")
    if goal is None:
        reject(ends, ends >= points[-1], "stops", f"leaves nothing to predict; x ends at {points[-1]:g}")
    return ends
