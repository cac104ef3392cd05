"""Long-form tables, one row per point, taken apart into curves by columns that name them."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bnsl._base.checks import InputError, suggest
from bnsl.curves.cells import number_columns
from bnsl.curves.ragged import Curves

if TYPE_CHECKING:
    import pandas as pd


class LongTable(NamedTuple):
    """The curves of a table with their names."""

    keys: pd.DataFrame  # one row per curve, in the order in which the curves first appear
    curves: Curves
    texts: dict[int, str]  # curve -> what is said of its first cell that is no number

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def lengths(self) -> np.ndarray:
        """Number of points of every curve."""
        return self.curves.lengths


def as_pandas(frame: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of a pandas or Polars frame, or of a mapping of arrays, as a pandas frame.

    Raises InputError for another type and for a column that is not there.
    """
    import pandas as pd

    if isinstance(frame, pd.DataFrame) or hasattr(frame, "get_column"):  # the latter is Polars'
        known = list(frame.columns)
    elif hasattr(frame, "keys"):
        known = list(frame.keys())
    else:
        raise InputError(
            "frame must be a pandas or Polars DataFrame or a mapping of arrays; it is a "
            f"{type(frame).__name__}"
        )
    for name in columns:
        if name not in known:
            shown = ", ".join(map(str, known[:12]))
            raise InputError(f"frame has no column {name!r}; it has {shown}" + suggest(name, map(str, known)))
    if isinstance(frame, pd.DataFrame):
        return frame[list(dict.fromkeys(columns))]
    data: dict[Hashable, Any] = {}
    for name in dict.fromkeys(columns):
        column = frame[name]
        data[name] = column.to_numpy() if hasattr(column, "to_numpy") else column
    try:
        return pd.DataFrame(data)
    except ValueError as error:
        raise InputError(f"frame: {error}") from None


def with_numbers(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The table with numbers in those of these columns that hold numbers as people write them, such as "70M".

    A UserWarning says how each was read, with a decimal point where its cells leave it open.
    """
    texts = [name for name in columns if table[name].dtype.kind not in "biufcmM"]
    read = (
        {k: found for k, found in number_columns(table[texts], "frame").items() if found.note}
        if texts
        else {}
    )
    for found in read.values():
        warnings.warn(found.note, UserWarning, stacklevel=2)
    return table.assign(**{name: found.values for name, found in read.items()}) if read else table


def long_table(frame: Any, x: str, y: str, sigma: str | None, by: list[str]) -> LongTable:
    """Take a table apart.

    Points that are not numbers become NaN, so that their curve is refused and no other.
    """
    wanted = [*by, x, y, *([sigma] if sigma else [])]
    if len(set(wanted)) < len(wanted):
        raise InputError(f"x, y, sigma and by must name different columns; got {', '.join(wanted)}")
    table = as_pandas(frame, wanted)
    if not len(table):
        raise InputError("frame has no rows")
    table = with_numbers(table, [name for name in wanted if name not in by])
    number = table.groupby(by, sort=False, dropna=False, observed=True).ngroup().to_numpy()
    values = [_numbers(table[name]) for name in (x, y, *([sigma] if sigma else []))]
    follows = (np.diff(number) > 0) | ((np.diff(number) == 0) & (np.diff(values[0]) > 0))
    order: Any = slice(None)
    if not follows.all():  # most tables come sorted, and sorting is most of the work here
        order = np.lexsort([*reversed(values), number])
    first = np.empty(int(number.max()) + 1, int)
    first[number[::-1]] = np.arange(len(number))[::-1]
    keys = table[by].iloc[first].reset_index(drop=True)
    ordered = [value[order] for value in values]
    starts = np.searchsorted(number[order], np.arange(len(keys) + 1))
    texts: dict[int, str] = {}
    for name, value in zip((x, y, *([sigma] if sigma else [])), values, strict=True):
        for row in np.flatnonzero(np.isnan(value) & table[name].notna().to_numpy()):
            cell = table[name].iloc[row]
            texts.setdefault(int(number[row]), f"column {name!r} holds {cell!r}, which is not a number")
    return LongTable(keys, Curves(ordered[0], ordered[1], ordered[2] if sigma else None, starts), texts)


def _numbers(column: pd.Series) -> np.ndarray:
    """A column as floats; what is no number is NaN, and truth values are no numbers."""
    import pandas as pd

    if column.dtype.kind in "cMm":
        raise InputError(f"column {column.name!r} must hold numbers; its type is {column.dtype}")
    if column.dtype == bool:
        return np.full(len(column), np.nan)
    return np.asarray(pd.to_numeric(column, errors="coerce"), dtype=float)
