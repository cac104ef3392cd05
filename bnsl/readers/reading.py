"""From a file to a curve: the readers, the choice of columns and the curation in one call."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, check_choice, check_name, suggest, told
from bnsl.curves.curve import Curve, check_curve
from bnsl.curves.pooling import SEVERAL
from bnsl.readers.columns import Columns, choose_columns, curve_from_table
from bnsl.readers.curation import Curation, curate
from bnsl.readers.doubts import of_accuracy, of_pooling, of_rates, of_sizes
from bnsl.readers.formats import read_source
from bnsl.readers.rows import chosen_rows
from bnsl.readers.runs import shown, tell
from bnsl.readers.source import Source
from bnsl.solver.losses import LOSSES


@dataclass(frozen=True)
class Reading:
    """A curve from a file, and what there is to tell of how it came about.

    Attributes:
        curve: the points.
        columns: where they stood.
        notes: what was left out or changed, a sentence each.
        doubts: those of the notes that may be news to whoever made file and call: cells that were read
            in another way than they stand there, several curves as one, a learning rate that falls.
    """

    curve: Curve
    columns: Columns
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def read_curve(
    path: str | Path,
    x: str | None = None,
    y: str | None = None,
    sigma: str | None = None,
    *,
    loss: str | None = None,
    format: str | None = None,
    pattern: str | None = None,
    decimal: str | None = None,
    curation: Curation | None = None,
    **options: Any,
) -> Curve:
    """The curve in two columns of a file, named after them.

    CSV, TSV, JSON, JSON Lines and Parquet; logs of TensorBoard, Weights & Biases, MLflow and Hugging Face's
    Trainer, as files or folders; and plain logs by a pattern. See `bnsl.readers.FORMATS`.

    Args:
        path: a file or folder, or "-" for the standard input.
        x: column of the inputs; in logs the step by default.
        y: column of the measured values. If x or y is not given, there must be exactly two numeric columns,
            of which the first is x. Columns named like an uncertainty (y_err, loss_std, sigma, stderr, ...)
            do not count if there are others.
        sigma: column of the standard deviation of y. It is never guessed, because weights change the fit.
        loss: also check that y can be fitted under this loss, so that the message has the row in the file.
        format: a key of `bnsl.readers.FORMATS`, if neither name nor content tells.
        pattern: for a plain log, a regular expression with groups (?P<x>...) and (?P<y>...).
        decimal: the decimal mark of a table, "." or ",", if its cells do not show it.
        curation: which points to take: smoothing, one point per run, the lower envelope, ...
        **options: instead of a Curation, its attributes by name: `where={"run": "a"}`, `accuracy="percent"`.

    A UserWarning tells of cells such as "70M" that were read as numbers, of several curves taken as one, and
    of a learning rate that falls along the curve.

    Raises:
        InputError: a file that cannot be read, a column that is missing or in doubt, or a cell that is not
            a number that can be fitted.
    """
    for argument, name in (("x", x), ("y", y), ("sigma", sigma)):
        if name is not None:
            check_name(name, argument)
    if loss is not None:
        check_choice(loss, "loss", LOSSES)
    if curation is not None and not isinstance(curation, Curation):
        raise InputError(f"{told('curation', curation)} must be a bnsl.Curation")
    if curation is not None and options:
        raise InputError(f"{', '.join(options)} and curation are alternatives; put it into the Curation")
    curation = curation_of(options) if curation is None else curation
    source = read_source(path, format=format, pattern=pattern, decimal=decimal)
    reading = curve_from_source(source, x, y, sigma, loss=loss, curation=curation)
    for doubt in reading.doubts:
        warnings.warn(doubt, UserWarning, stacklevel=2)
    return reading.curve


def curation_of(options: Mapping[str, Any]) -> Curation:
    """A curation of these options; InputError for one that there is not."""
    known = [field.name for field in fields(Curation)]
    for name in options:
        if name not in known:
            raise InputError(
                f"read_curve takes no {name!r}; which points to take is said by {', '.join(known)}"
                + suggest(name, known)
            )
    return Curation(**options)


def curve_from_source(
    source: Source,
    x: str | None = None,
    y: str | None = None,
    sigma: str | None = None,
    *,
    loss: str | None = None,
    curation: Curation | None = None,
) -> Reading:
    """The curve in two columns of what was read, with notes; arguments and errors as of `read_curve`.

    `y` may also be the name that an export of Weights & Biases has for a metric of one run.
    """
    todo = Curation() if curation is None else curation
    if y is not None and y in source.aliases and y not in source.table.columns:
        run, y = source.aliases[y]
        if source.run is not None:
            todo = _of_run(todo, source.run, run)
    columns = choose_columns(source, x, y, sigma)
    names = [name for name in (*todo.where, *todo.by, source.run) if name is not None]
    table = source.named([name for name in names if name not in columns.names])
    points = curate(table, columns, todo, run=source.run, steps=source.x, sparse=source.sparse)
    where = [f"{name} {value}" for name, value in todo.where.items()]
    labels = {"x_label": points.x_label, "y_label": points.y_label}
    name = ", ".join(filter(None, [source.name, *where]))
    curve = curve_from_table(points.table, columns, name=name, loss=loss, **labels)
    if todo.accuracy is not None:
        curve = replace(curve, within=(0.0, 1.0))
    told = tuple(source.told[name] for name in columns.names if name in source.told)
    doubts: list[str] = []
    if points.runs == 1 and todo.keep is None and not todo.envelope and not todo.by:
        left = table.loc[points.table.index]
        pooled = [*of_pooling(left, source, columns)] or [*of_sizes(left, columns, source)]
        doubts = [*pooled, *of_rates(table, left, columns, source)]
    notes = (*source.notes, *told, *points.notes, *doubts, *of_accuracy(curve))
    return Reading(curve, columns, notes, (*told, *doubts))


def curves_from_source(
    source: Source, *asked: str | None, loss: str | None = None, curation: Curation | None = None
) -> dict[str, Reading]:
    """The curve of every run by its name, or one alone where there are no runs or they are made one.

    Runs whose points cannot be taken are left out, and the notes of the others say so. Arguments are those of
    `curve_from_source` (`asked` are x, y and sigma), and so is what is raised where no run can be taken.
    """
    todo = Curation() if curation is None else curation
    runs = _runs_apart(source, asked, todo)
    found: dict[str, Reading] = {}
    lost = []
    for name, where in runs.items() if len(runs) >= SEVERAL else ():
        one = replace(todo, by=(), where={**todo.where, **where})
        try:
            reading = curve_from_source(source, *asked, loss=loss, curation=one)
            check_curve(reading.curve, "linear")
            found[name] = reading
        except InputError as error:
            lost.append(f"left out run {name!r}: {error}")
    if not found:  # or this says how runs are made one
        found[""] = curve_from_source(source, *asked, loss=loss, curation=todo)
        if lost:
            raise InputError(lost[0])
    return {name: replace(one, notes=(*one.notes, *lost)) for name, one in found.items()}


def _runs_apart(source: Source, asked: Sequence[str | None], todo: Curation) -> dict[str, dict[str, Any]]:
    """The runs that nothing makes one curve of, by name, and what columns tell of each."""
    by = list(todo.by) or ([] if source.run is None else [source.run])
    together = todo.keep is not None or todo.envelope or not source.aliases.keys().isdisjoint(asked)
    if together or not by or not set(by) <= set(map(str, source.table.columns)):
        return {}
    columns = choose_columns(source, *asked)
    table = source.named([name for name in (*todo.where, *by) if name not in columns.names])
    there = chosen_rows(table, todo)
    rows = there.loc[there[columns.y].notna(), by].drop_duplicates().dropna().itertuples(index=False)
    return {", ".join(map(shown, row)): dict(zip(by, row, strict=True)) for row in rows}


def without_end(source: Source, *asked: str | None, until: float, offset: float = 0.0) -> Source:
    """What was read, without the rows of x + offset > until in which y is no finite number.

    What lies behind `until` is not fitted, so a run may end there as it likes. `asked` are x, y and sigma.
    """
    if asked[1] in source.aliases:
        return source
    columns, table = choose_columns(source, *asked), source.table
    if any(table[name].dtype.kind != "f" for name in (columns.x, columns.y)):
        return source
    end = table[columns.y].abs() == np.inf if source.sparse else ~np.isfinite(table[columns.y])
    lost = end & (table[columns.x] + offset > until)
    notes: list[str] = []
    what = f"beyond {columns.x} = {until:.6g} in which {columns.y!r} is no finite number"
    tell(notes, what, int(lost.sum()))
    return replace(source, table=table[~lost], notes=(*source.notes, *notes))


def _of_run(todo: Curation, column: str, run: str) -> Curation:
    """What to do, with this run chosen; InputError where another one is asked for."""
    asked = todo.where.get(column, run)
    if asked != run:
        raise InputError(f"y names the run {run!r}, and where {column} is {asked!r}; leave one of them out")
    return replace(todo, where={**todo.where, column: run})
