"""Where lines and points are drawn, whatever draws them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from bnsl._base.lazy import pd
from bnsl.curves.curve import Curve
from bnsl.schedules.schedule import Schedule

DRAWN_WEIGHT = 0.01  # breaks of laws that weigh less in a forecast leave no corner in it


def line_x(first: float, last: float, logs: int, units: int, near: Iterable[np.ndarray] = ()) -> np.ndarray:
    """x of a line: so many evenly in log x, so many evenly in x, and those of `near` that lie between."""
    even = np.geomspace(first, last, logs), np.linspace(first, last, units)
    x = np.unique(np.concatenate([*even, *near]))
    return x[(x >= first) & (x <= last)]


def turns(params: Mapping[str, float], reach: float, count: int) -> list[np.ndarray]:
    """So many x around every break of a law, however sharp, to `reach` times its width on either side."""
    turn = np.linspace(-reach, reach, count)
    return [
        position * np.exp(np.clip(params[f"f{name[1:]}"] * turn, -50.0, 50.0))
        for name, position in params.items()
        if name[0] == "d" and f"f{name[1:]}" in params
    ]


def break_positions(params: Mapping[str, float]) -> list[float]:
    """The breaks of a law, from the first to the last."""
    return sorted(float(value) for name, value in params.items() if name[0] == "d" and name[1:].isdigit())


def corners(laws: pd.DataFrame, count: int) -> list[np.ndarray]:
    """So many x around every break of the laws that weigh in a forecast."""
    near = np.exp(np.linspace(-0.3, 0.3, count))
    return [np.outer(d, near).ravel() for d in laws.loc[laws["weight"] > DRAWN_WEIGHT, "breaks"]]


def boundary(fitted: Curve, held_out: Curve | None, log: bool = True) -> float:
    """Half-way on the axis between the last fitted and the first held-out point, or the last fitted."""
    inner = float(fitted.x.max())
    outer = inner if held_out is None else max(float(held_out.x.min()), inner)
    return float(np.sqrt(inner * outer)) if log else 0.5 * (inner + outer)


def steps(schedule: Schedule, last: int, count: int, first: int = 0) -> np.ndarray:
    """So many even steps, and those where a schedule turns."""
    even = np.linspace(first, last, count)
    places = np.concatenate([even, schedule.corners, schedule.corners - 1]).round().astype(int)
    return np.unique(places[(places >= first) & (places <= last)])


def risen(schedule: Schedule, last: int, count: int) -> np.ndarray:
    """The same from the end of the first rise on, before which a law does not hold."""
    first = max(int(np.argmax(schedule.rates())), last // 100, 1)
    return steps(schedule, last, count, min(first, last))
