"""What may be news to whoever made a file: several curves as one, a learning rate that falls, an accuracy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bnsl._base.checks import some
from bnsl._base.lazy import pd
from bnsl.curves.accuracy import ACCURACIES
from bnsl.curves.curve import Curve
from bnsl.curves.pooling import RATE, SEVERAL, STEP, fallen_rate, tells_apart
from bnsl.readers.columns import Columns
from bnsl.readers.runs import shown
from bnsl.readers.source import Source

_ACCURACY = re.compile(
    r"(^|[^a-z])(acc(uracy)?|top[-_ @]?[15]|f1|au(ro)?c|m?ap|precision|recall|(success|win|pass)[-_ ]?rate"
    r"|exact[-_ ]?match|pass@\d+|%)([^a-z]|$)",
    re.I,
)


def of_pooling(left: pd.DataFrame, source: Source, columns: Columns) -> Iterator[str]:
    """A note on columns that tell apart several curves, whose points were taken as one."""
    taken = (*columns.names, source.x, source.y, source.run, *source.aside)
    first, *more = [
        str(name) for name in left.columns if name not in taken and tells_apart(left, name, columns.x)
    ] or [""]
    if first:
        values = [shown(value) for value in source.named([first]).loc[left.index, first].dropna().unique()]
        also = f" (so does {some(more, 3)})" if more else ""
        yield (
            f"{first!r} has {len(values)} values{also}, and their points make one curve here: "
            f"{some(values, 5)}; where={ {first: values[0]} } takes one of them"
        )


def of_sizes(left: pd.DataFrame, columns: Columns, source: Source) -> Iterator[str]:
    """A note on columns of numbers that tell apart the rows of every x, as sizes do for a budget."""
    groups = left.groupby(columns.x)
    rows = len(left) / groups.ngroups
    others = [name for name in map(str, left.columns) if name not in (*columns.names, *source.aside)]
    numeric = [name for name in others if left[name].dtype.kind == "f" and rows >= SEVERAL]
    sizes = [name for name in numeric if (groups[name].nunique() == groups.size()).all()]
    if sizes:
        several = sizes[:2] if len(sizes) > 1 else [columns.x, *sizes]
        yield (
            f"every {columns.x!r} has {rows:.3g} rows that differ in {some(sizes, 3)}, and all make one "
            f"curve here; envelope=True takes the lowest {columns.y!r} of each, inputs={several} fits laws "
            "of these"
        )


def of_rates(table: pd.DataFrame, left: pd.DataFrame, columns: Columns, source: Source) -> Iterator[str]:
    """A note on a learning rate that falls along the points, if x counts steps.

    In a log it may stand in other rows of the run than y does.
    """
    if columns.x != source.x and not STEP.search(columns.x):
        return
    if source.sparse:
        if source.run is not None:
            table = table[table[source.run].isin(left[source.run].unique())]
        left = table[table[columns.x].between(left[columns.x].min(), left[columns.x].max())]
    ordered = left.sort_values(columns.x)
    rates = (name for name in map(str, left.columns) if RATE.fullmatch(name) and name not in columns.names)
    for name, ends in ((name, fallen_rate(ordered[name])) for name in rates):
        if ends is not None:
            yield (
                f"the learning rate {name!r} falls from {ends[0]:.3g} to {ends[1]:.3g}, so the loss "
                "falls faster than by its steps alone, and a forecast beyond these points is unreliable; "
                "bnsl.fit_runs fits losses with their schedule, and predicts them under another"
            )
            return


def of_accuracy(curve: Curve) -> Iterator[str]:
    """A note on a curve that rises and is called an accuracy: its error is easier to forecast."""
    if not (_ACCURACY.search(curve.y_label) and curve.climbs and curve.y.min() >= 0):
        return
    share, most = curve.y.max() <= 1.0, ACCURACIES["percent"]
    if curve.y.max() <= most:
        unit, error = ("", "1 - y") if share else (" in per cent", f"1 - y / {most:g}")
        yield (
            f"{curve.y_label!r} looks like an accuracy{unit}; accuracy={'share' if share else 'percent'!r} "
            f"takes the error {error}, which is forecast more closely and cannot pass the ceiling"
        )
