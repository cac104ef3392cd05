"""What a reader returns: a table, and what its format knows of the columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bnsl._base.cells import may_mark_thousands, number_columns
from bnsl._base.checks import InputError
from bnsl._base.lazy import pd

RUN, STEP = "run", "step"  # columns of logs of several runs
_NO_NUMBERS: Mapping[Any, float] = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


@dataclass(frozen=True, eq=False)
class Source:
    """A table from a file.

    Attributes:
        table: one row per record; float64 wherever a whole column is numbers.
        kind: the format that was read, a key of `bnsl.readers.formats.FORMATS`.
        name: what to call the curve: the name of the file or folder without its endings.
        x: the column in which the format counts steps, which is x unless another is asked for; or None.
        run: the column that tells runs apart, or None.
        y: the column that is y unless another is asked for, where that is evident; or None.
        aside: columns of bookkeeping (time stamps, rates), which are never guessed.
        sparse: whether a record need not have every column, as in a log of training and evaluation. What
            was logged as NaN is then infinite, lest it be mistaken for what was not logged.
        notes: what was read in another way than it stands there, or left out, a sentence each.
        told: the same of single columns.
        written: columns that were read in another way, as they stand in the file.
        aliases: other names of columns, by which one run is meant: name -> (run, column).
    """

    table: pd.DataFrame
    kind: str = ""
    name: str = ""
    x: str | None = None
    run: str | None = None
    aside: tuple[str, ...] = ()
    sparse: bool = False
    y: str | None = None
    notes: tuple[str, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, pd.Series] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def named(self, names: Sequence[str]) -> pd.DataFrame:
        """The table, with these columns as they stand in the file: "70M" names a run better than 7e7."""
        texts = {name: self.written[name] for name in names if name in self.written}
        return self.table.assign(**texts) if texts else self.table


def log(table: pd.DataFrame, kind: str, name: str, **known: Any) -> Source:
    """A log, whose records need not have every column; a column `run` stays where it tells runs apart."""
    several = RUN in table.columns and table[RUN].nunique() > 1
    table = table if several else table.drop(columns=RUN, errors="ignore")
    return Source(table, kind, name, run=RUN if several else None, sparse=True, **known)


def by_step(rows: Iterable[tuple[str, float, float, str, float]], time: str) -> pd.DataFrame:
    """Values that were logged one by one as a table, one row per run and step, one column per metric.

    Args:
        rows: run, step, time, metric and value; a metric that was logged twice at a step has the later value.
        time: what to call the column of the last time of a row.
    """
    table = pd.DataFrame(rows, columns=[RUN, STEP, time, "metric", "value"]).sort_values(time, kind="stable")
    keys = [RUN, STEP]
    once = table.drop_duplicates([*keys, "metric"], keep="last")
    wide = once.pivot(index=keys, columns="metric", values="value")
    wide.insert(0, time, table.groupby(keys)[time].max())
    return wide.reset_index().rename_axis(columns=None).astype({STEP: float})


def read_cells(
    table: pd.DataFrame,
    where: str = "",
    *,
    decimal: str | None = None,
    usual: str | None = ".",
    notes: tuple[str, ...] = (),
) -> Source:
    """The table with float64 wherever a whole column is numbers, also as people write them.

    Args, and what is raised, are those of `bnsl._base.cells.number_columns`.
    """
    literal = {name: values for name in table.columns if (values := _as_numbers(table[name])) is not None}
    rest = [name for name in table.columns if name not in literal]
    text = [name for name in literal if table[name].dtype.kind not in "fiu"]
    commas = any(table[name].astype(str).str.contains(r"\d,\d").any() for name in rest)
    if commas or decimal == ",":  # then points may mark thousands
        rest += text
    elif usual is None and decimal is None:
        rest += [name for name in text if may_mark_thousands(table[name])]
    found = number_columns(table[rest], where, decimal=decimal, usual=usual)
    told = {name: numbers.note for name, numbers in found.items() if numbers.note}
    written = {name: table[name] for name in told}
    kept = [name for name in literal if name in found or not (decimal == "," and name in text)]
    read = {name: literal[name] for name in kept} | {name: found[name].values for name in found}
    return Source(table.assign(**read), notes=notes, told=told, written=written)


def _as_numbers(column: pd.Series) -> np.ndarray | None:
    """The column in float64, NaN where a cell is missing; None if it holds anything but numbers."""
    if column.dtype.kind in "bMm" or column.isna().all():
        return None
    cells = column.to_numpy(dtype=object, na_value=np.nan)
    if any(isinstance(cell, bool) for cell in cells):
        return None
    try:
        return cells.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def records(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Sparse records as a table, one column per key; a NaN among the values becomes infinite."""
    table = pd.DataFrame([{key: _marked(value) for key, value in row.items()} for row in rows])
    read = {str(name): values for name in table if (values := _as_numbers(table[name])) is not None}
    return table.assign(**read)


def _marked(value: Any) -> Any:
    return np.inf if isinstance(value, float) and value != value else value


def flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The number, word or truth value, or those in nested objects under dotted names; no images or tables."""
    if isinstance(value, Mapping) and "_type" not in value:
        for key, inner in value.items():
            yield from flat(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, str | int | float | bool):
        yield name, _NO_NUMBERS.get(value, value)


def check_distinct(names: Sequence[str], where: str) -> None:
    """Raise InputError for two columns of one name."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"{where} has two columns called {name!r}; rename one")
