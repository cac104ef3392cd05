"""What a reader hands on: a table, and what its format says of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 60  # characters of a cell that an error message repeats


@dataclass(frozen=True, eq=False)
class Source:
    """A table from a file.

    Attributes:
        table: one row a record; float64 wherever a whole column is numbers.
        kind: the format that was read, a key of `bnsl.readers.FORMATS`.
        name: what to call the curve: the name of the file or folder without its endings.
        x: the column in which the format counts steps, which is x unless another is asked for; or None.
        run: the column that tells runs apart, or None.
        aside: columns of bookkeeping (time stamps, rates), which are never guessed.
        sparse: whether a record need not have every column, as in a log of training and evaluation. What
            was logged as NaN is then infinite, lest it be mistaken for what was not logged.
    """

    table: pd.DataFrame
    kind: str
    name: str = ""
    x: str | None = None
    run: str | None = None
    aside: tuple[str, ...] = ()
    sparse: bool = False


def with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with float64 wherever a whole column is numbers."""
    for name in table.columns:
        numbers = _as_numbers(table[name])
        if numbers is not None:
            table[name] = numbers
    return table


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


def records(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Sparse records as a table, one column a key; a NaN among the values becomes infinite."""
    import pandas as pd

    marked = [{key: _marked(value) for key, value in row.items()} for row in rows]
    return with_numbers(pd.DataFrame(marked))


def _marked(value: Any) -> Any:
    return np.inf if isinstance(value, float) and value != value else value


def check_distinct(names: Sequence[str], where: str) -> None:
    """Raise InputError for two columns of one name."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"{where} has two columns called {name!r}; rename one")


def is_number(cell: Any) -> bool:
    """Whether a cell reads as a number."""
    try:
        float(cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def show(cell: Any) -> str:
    """A cell for a message, cut where it is long."""
    text = repr(cell)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def some(names: Sequence[str], most: int = 20) -> str:
    """Names for a message: 'a', 'b', ... and 12 more."""
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
