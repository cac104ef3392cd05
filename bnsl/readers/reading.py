"""From a file to a curve: the readers, the choice of columns and the curation in one call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bnsl.curves.curve import Curve
from bnsl.readers.columns import Columns, choose_columns, curve_from_table
from bnsl.readers.curation import Curation, curate
from bnsl.readers.formats import read_source
from bnsl.readers.source import Source

_ACCURACY = re.compile(r"(^|[^a-z])acc(uracy)?([^a-z]|$)", re.I)
_SCALES = (  # the option, the unit, the error, a perfect accuracy
    ("--accuracy", "", "1 - y", 1.0),
    ("--accuracy-percent", " in per cent", "1 - y / 100", 100.0),
)


@dataclass(frozen=True)
class Reading:
    """A curve from a file, and what there is to tell of how it came about.

    Attributes:
        curve: the points.
        columns: where they stood.
        notes: what was left out or changed, a sentence each.
    """

    curve: Curve
    columns: Columns
    notes: tuple[str, ...] = ()


def read_curve(
    path: str | Path,
    x: str | None = None,
    y: str | None = None,
    sigma: str | None = None,
    *,
    loss: str | None = None,
    format: str | None = None,
    pattern: str | None = None,
    curation: Curation | None = None,
) -> Curve:
    """The curve in two columns of a file, named after them.

    CSV, TSV, JSON, JSON Lines and Parquet; logs of TensorBoard, Weights & Biases and Hugging Face's Trainer,
    as files or folders; and plain logs by a pattern. See `bnsl.readers.FORMATS`.

    Args:
        path: a file or folder, or "-" for the standard input.
        x: column of the inputs. In logs it is the step unless another is asked for.
        y: column of the measured values. With x or y not given, the numeric columns must leave no doubt:
            there must be just two of them, of which the first is x. Columns named like an uncertainty
            (y_err, loss_std, sigma, stderr, ...) do not count where there are enough others.
        sigma: column of the standard deviation of y. It is never guessed, because weights change the fit.
        loss: also check that y can be fitted under this loss, so that the message has the row in the file.
        format: a key of `bnsl.readers.FORMATS`, where neither name nor content tells.
        pattern: for a plain log, a regular expression with groups (?P<x>...) and (?P<y>...).
        curation: which points to take: smoothing, one point a run, the lower envelope, ...

    Raises:
        InputError: a file that cannot be read, a column that is missing or in doubt, or a cell that is not
            a number that can be fitted.
    """
    source = read_source(path, format=format, pattern=pattern)
    return curve_from_source(source, x, y, sigma, loss=loss, curation=curation).curve


def curve_from_source(
    source: Source,
    x: str | None = None,
    y: str | None = None,
    sigma: str | None = None,
    *,
    loss: str | None = None,
    curation: Curation | None = None,
) -> Reading:
    """The curve in two columns of what was read, with notes; arguments and errors as of `read_curve`."""
    columns = source_columns(source, x, y, sigma)
    if curation is None and not source.sparse and source.run is None:
        curve = curve_from_table(source.table, columns, name=source.name, loss=loss)
        return Reading(curve, columns, _of_accuracy(curve))
    chosen = [] if curation is None else [f"{name} {value}" for name, value in curation.where.items()]
    name = ", ".join(filter(None, [source.name, *chosen]))
    points = curate(source.table, columns, curation, run=source.run, steps=source.x, sparse=source.sparse)
    curve = curve_from_table(points.table, columns, name=name, loss=loss, y_label=points.y_label)
    return Reading(curve, columns, points.notes + _of_accuracy(curve))


def source_columns(
    source: Source, x: str | None = None, y: str | None = None, sigma: str | None = None
) -> Columns:
    """The columns of a curve in what was read, by the names asked for and what its format says."""
    if source.kind == "log" and y is None and "y" in source.table.columns:
        y = "y"
    return choose_columns(source.table, x, y, sigma, steps=source.x, aside=source.aside)


def _of_accuracy(curve: Curve) -> tuple[str, ...]:
    """A note on a curve that rises and is called an accuracy: its error is easier to forecast."""
    if not (_ACCURACY.search(curve.y_label) and curve.climbs and curve.y.min() >= 0):
        return ()
    for option, unit, error, perfect in _SCALES:
        if curve.y.max() <= perfect:
            return (
                f"{curve.y_label!r} looks like an accuracy{unit}; {option} takes the error {error}, which is "
                "forecast more closely and cannot pass the ceiling",
            )
    return ()
