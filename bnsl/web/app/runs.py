"""Runs in a table of the app: which column tells them apart, and which rows of several inputs are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnsl._base.checks import InputError
from bnsl.curves.curve import Curve
from bnsl.curves.data import as_curve
from bnsl.forms.inputs import Input
from bnsl.readers.runs import shown
from bnsl.readers.source import Source

if TYPE_CHECKING:
    from bnsl.web.app.session import Points

ALL = "*all"
MOST_RUNS = 500  # values of a column that can tell runs apart


def runs_of(source: Source, points: Points) -> Curve:
    """The runs of a table; those with one value of the column that tells runs apart are groups.

    Raises:
        InputError: cells that cannot be fitted, or an option that is for one input.
    """
    inputs = [points.x, *points.more]
    if len(set(inputs)) < len(inputs) or points.y in inputs:
        raise InputError("a column is chosen twice; choose another for each input, and for y")
    options = {"smoothing": points.smooth, "fewer points": points.thin, "adding to x": points.offset}
    for what, given in options.items():
        if given is not None:
            raise InputError(f"{what} is for one input; choose none")
    table = source.table if points.by is None else source.named([points.by])
    if points.by is not None and points.run not in (None, ALL):
        if str(points.run).startswith("*"):
            raise InputError("several inputs take either all runs or one of them; choose among the runs")
        table = table[table[points.by].astype(str) == points.run]
    columns = [name for name in (*inputs, points.y, points.sigma) if name is not None]
    frame = table.dropna(subset=columns).reset_index(drop=True)
    how: dict[str, Any] = {"axes": tuple(map(Input, inputs)), "labels": inputs, "accuracy": points.accuracy}
    how["groups"] = points.by if points.run in (None, ALL) else None
    return as_curve([frame], inputs, points.y, points.sigma, **how)


def run_columns(source: Source, x: str | None = None, y: str | None = None) -> list[str]:
    """The columns that can tell runs apart: of two values or more, each in several rows on average."""
    names = []
    for name in map(str, source.table.columns):
        if name in (x, y) or (name in source.aside and name != source.run):
            continue
        try:
            count = source.table[name].nunique()
        except TypeError:  # lists cannot be counted
            continue
        if 1 < count <= min(MOST_RUNS, len(source.table) // 2):
            names.append(name)
    return sorted(names, key=lambda name: name != source.run)


def run_column(source: Source, x: str | None = None) -> str | None:
    """The column that tells runs apart at first: the format's own, or one of text with several x a run."""
    known = run_columns(source, x)
    if source.run in known:
        return source.run
    for name in known:
        text = source.table[name].dtype.kind not in "fiub" or name in source.written
        if text and x is not None and source.table.groupby(name, observed=True)[x].nunique().median() > 1:
            return name
    return None


def runs_in(source: Source, by: str, y: str | None = None) -> dict[str, str]:
    """The runs of a column that have values of y, in the order of the file: what to take -> what to show."""
    table = source.named([by])
    if y is not None:
        table = table[source.table[y].notna()]
    return {str(value): shown(value) for value in table[by].dropna().unique()}
