"""Runs with several inputs in the app: which rows are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnsl._base.checks import InputError
from bnsl.curves.curve import Curve
from bnsl.curves.data import as_curve
from bnsl.forms.inputs import Input
from bnsl.readers.source import Source

if TYPE_CHECKING:
    from bnsl.web.app.session import Points

ALL = "*all"


def runs_of(source: Source, points: Points) -> Curve:
    """The runs of a table; those with one value of the column that tells runs apart are groups.

    Raises:
        InputError: cells that cannot be fitted, or an option that is for one input.
    """
    inputs = [points.x, *points.more]
    if len(set(inputs)) < len(inputs) or points.y in inputs:
        raise InputError("a column is chosen twice; choose another for each input, and for y")
    for given, what in (
        (points.smooth, "smoothing"),
        (points.thin, "fewer points"),
        (points.offset, "adding to x"),
    ):
        if given is not None:
            raise InputError(f"{what} is for one input; choose none")
    table = source.table if points.by is None else source.named([points.by])
    if points.by is not None and points.run not in (None, ALL):
        if str(points.run).startswith("*"):
            raise InputError("several inputs take either all runs or one of them; choose among the runs")
        table = table[table[points.by].astype(str) == points.run]
    columns = [name for name in (*inputs, points.y, points.sigma) if name is not None]
    frame = table.dropna(subset=columns).reset_index(drop=True)
    together = points.by if points.run in (None, ALL) else None
    axes = tuple(map(Input, inputs))
    given_as: dict[str, Any] = {"axes": axes, "labels": inputs, "accuracy": points.accuracy}
    return as_curve([frame], inputs, points.y, points.sigma, groups=together, **given_as)
