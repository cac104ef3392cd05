"""Which rows of a table are taken: those with values asked for, and those that can be points of a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bnsl._base.cells import number_of
from bnsl._base.checks import InputError, as_number, no_column, some, suggest
from bnsl._base.lazy import pd
from bnsl.readers.columns import Columns, check_numbers
from bnsl.readers.runs import shown, tell
from bnsl.readers.source import read_cells

if TYPE_CHECKING:
    from bnsl.readers.curation import Curation


def chosen_rows(table: pd.DataFrame, todo: Curation) -> pd.DataFrame:
    """The rows with the values asked for; InputError for a column that there is not."""
    for name in (*todo.where, *todo.by):
        if name not in table.columns:
            raise InputError(f"{'where' if name in todo.where else 'by'}: {no_column(name, table.columns)}")
    for name, value in todo.where.items():
        table = table[_equal(table[name], name, value)]
    # A column may be numbers now that rows with text are gone.
    return read_cells(table).table if todo.where else table


def _equal(column: pd.Series, name: str, value: str | float) -> pd.Series:
    """Where a column has a value; InputError where it never does."""
    if str(value).strip() == "":
        found = column.isna()
    elif column.dtype.kind == "f":
        wanted = number_of(value)
        found = column == (as_number(value, f"where {name}") if wanted is None else wanted)
    else:
        found = column.astype(str) == str(value)
    if not found.any():
        there = [shown(cell) for cell in column.dropna().unique()]
        raise InputError(f"column {name!r} never is {value!r}; it has {some(there)}{suggest(value, there)}")
    return found


def usable(
    table: pd.DataFrame, columns: Columns, todo: Curation, sparse: bool, notes: list[str]
) -> pd.DataFrame:
    """The rows with x and y, shifted if that is asked for, without those of x = 0."""
    x, y = columns.x, columns.y
    if sparse or todo.drop_missing:
        # A y that is missing at the end of a table's run may be NaN: `diverged` judges that, and drops it.
        judged = todo.diverged is not None and not sparse
        full = table[table[x].notna() & (table[y].notna() | judged)]
        if not len(full):
            raise InputError(f"no row has both {x!r} and {y!r}; take columns that were logged together")
        if todo.drop_missing:
            tell(notes, "without x or y", len(table) - len(full))
        table = full
    else:
        table = without_blank_end(table, columns, notes)
    for name in (x, y):
        check_numbers(table, name)
    if todo.offset is not None:
        table = table.assign(**{x: table[x] + todo.offset})
        notes.append(f"x is {x} + {todo.offset:g}")
    return without_zero(table, x, notes)


def without_zero(table: pd.DataFrame, x: str, notes: list[str]) -> pd.DataFrame:
    """The rows in which x is not 0, unless it always is."""
    zero = table[x] == 0
    if not zero.any() or zero.all():  # it is better to tell of the first of them then
        return table
    tell(notes, f"with {x} = 0, which has no logarithm" + _counts_from_zero(table, x), int(zero.sum()))
    return table[~zero]


def without_blank_end(table: pd.DataFrame, columns: Columns, notes: list[str]) -> pd.DataFrame:
    """The table without the rows at its end that have neither x nor y, as below the shorter of two pairs."""
    x, y = columns.x, columns.y
    full = np.flatnonzero(table[x].notna() | table[y].notna())
    end = int(full[-1]) + 1 if len(full) else len(table)
    tell(notes, f"at the end, where {x} and {y} are blank", len(table) - end)
    return table.iloc[:end]


def _counts_from_zero(table: pd.DataFrame, x: str) -> str:
    """What to say if x is an epoch, or counts 0, 1, 2, ...: the row of 0 may be that after the first."""
    values = np.unique(table[x].to_numpy())
    if "epoch" not in x.lower() and not (len(values) > 2 and np.array_equal(values, np.arange(len(values)))):
        return ""
    return f"; if {x} 0 is the first one done, offset=1 keeps it and counts from 1"
