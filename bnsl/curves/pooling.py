"""What other columns of a table say of the points of a curve: several runs, a learning rate that falls."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from bnsl._base.checks import shown
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd

RATE = re.compile(r"(.*[/_.])?(lr|learning_?rate)([/_.].*)?", re.I)
STEP = re.compile(r"(^|[^a-z])(step|iter(ation)?|epoch|token|sample|update|batche?)s?([^a-z]|$)", re.I)
FALLS = 0.9  # of its largest value, below which a learning rate has fallen
CODES = ("several_runs", "falling_rate")
SEVERAL = 2  # distinct x of what makes a curve of its own


def table_notes(many: str, data: Sequence[Any], *given: Any) -> tuple[FitWarning, ...]:
    """Warnings of a frame of which two columns are taken as one curve; none of other data.

    `many` takes every run as a curve of its own; a caller gave `data` by place and `given` by name, x first.
    """
    names = [name for name in (*data[1:], *given) if name is not None]
    if not data or not hasattr(data[0], "columns") or not all(isinstance(name, str) for name in names):
        return ()
    from bnsl.curves.frame import as_pandas

    frame = as_pandas(data[0], list(data[0].columns))
    x, notes = names[0], []
    run = column_of_runs(frame, x, names)
    if run is not None:
        values = frame[run].dropna().unique()
        text = (
            f"{run!r} has {len(values)} values, and their points make one curve here: "
            f"frame[frame[{run!r}] == {shown(values.tolist()[0])}] takes one of them, and "
            f"bnsl.{many}(frame, ..., by={run!r}) each"
        )
        notes.append(FitWarning("several_runs", text))
    parts = [frame] if run is None else [part for _, part in frame.groupby(run, observed=True)]
    named = (name for name in frame.columns if isinstance(name, str) and name not in names)
    for name in filter(RATE.fullmatch, named if STEP.search(x) else ()):
        fallen = [ends for part in parts if (ends := fallen_rate(part.sort_values(x)[name])) is not None]
        if fallen:
            text = (
                f"the learning rate {name!r} falls from {fallen[0][0]:.3g} to {fallen[0][1]:.3g}, so y falls "
                "faster than by its steps alone; bnsl.fit_runs(bnsl.read_runs(frame)) takes the schedule "
                "into account"
            )
            notes.append(FitWarning("falling_rate", text))
            break
    return tuple(notes)


def column_of_runs(frame: pd.DataFrame, x: str, taken: Container[Any]) -> Any:
    """The first column, but for those taken, that tells rows of the same x apart; None without any."""
    if not frame[x].duplicated().any():
        return None
    others = (name for name in frame.columns if name not in taken)
    return next((name for name in others if tells_apart(frame, name, x)), None)


def tells_apart(left: pd.DataFrame, name: Any, x: str) -> bool:
    """Whether the rows of every value of a column have several x, and the ranges of these overlap."""
    try:
        count = left[name].nunique()
    except TypeError:  # lists cannot be counted
        return False
    if not 1 < count <= len(left) // 2:
        return False
    groups = left.groupby(name, observed=True)[x]
    if (groups.nunique() < SEVERAL).any():
        return False
    ends = groups.agg(["min", "max"]).sort_values("min")
    return bool((ends["min"].to_numpy()[1:] < ends["max"].cummax().to_numpy()[:-1]).any())


def fallen_rate(rates: pd.Series) -> tuple[float, float] | None:
    """The largest and the last of learning rates in order of steps, if these have fallen."""
    if rates.dtype.kind != "f":
        return None
    rate = rates.to_numpy()
    rate = rate[np.isfinite(rate)]
    if len(rate) < 2 or rate[-1] >= FALLS * rate.max():
        return None
    return float(rate.max()), float(rate[-1])
