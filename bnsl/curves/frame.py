"""Long-form tables, one row per point, taken apart into curves by columns that name them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bnsl._base.cells import number_columns
from bnsl._base.checks import InputError, no_column
from bnsl._base.lazy import pd
from bnsl.curves.ragged import Curves


class LongTable(NamedTuple):
    """The curves of a table with their names."""

    keys: pd.DataFrame  # one row per curve, in the order in which the curves first appear
    curves: Curves
    texts: dict[int, str]  # curve -> what is said of its first cell that is no number

    def __len__(self) -> int:
        return len(self.keys)


def as_pandas(frame: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of a pandas or Polars frame, or of a mapping of arrays, as a pandas frame.

    Raises InputError for another type and for a column that is not there.
    """
    table = isinstance(frame, pd.DataFrame) or hasattr(frame, "get_column")  # the latter is Polars'
    if not table and not hasattr(frame, "keys"):
        raise InputError(
            "frame must be a pandas or Polars DataFrame or a mapping of arrays; it is a "
            f"{type(frame).__name__}"
        )
    known = list(frame.columns if table else frame.keys())
    for name in columns:
        if name not in known:
            raise InputError(f"frame: {no_column(name, known)}")
    once = list(dict.fromkeys(columns))
    if isinstance(frame, pd.DataFrame):
        return frame[once]
    arrays = {name: frame[name] for name in once}
    try:
        return pd.DataFrame({k: v.to_numpy() if hasattr(v, "to_numpy") else v for k, v in arrays.items()})
    except ValueError as error:
        raise InputError(f"frame: {error}") from None


def with_numbers(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The table with numbers in those of these columns that hold numbers as people write them, such as "70M".

    A UserWarning says how each was read, with a decimal point where its cells leave it open.
    """
    texts = [name for name in columns if table[name].dtype.kind not in "biufcmM"]
    found = number_columns(table[texts], "frame") if texts else {}
    read = {name: column for name, column in found.items() if column.note}
    for column in read.values():
        warnings.warn(column.note, UserWarning, stacklevel=2)
    return table.assign(**{name: column.values for name, column in read.items()}) if read else table


def long_table(frame: Any, x: str, y: str, sigma: str | None, by: list[str]) -> LongTable:
    """Take a table apart.

    Points that are not numbers become NaN, so that their curve is refused and no other.
    """
    measured = [x, y, *([sigma] if sigma else [])]
    wanted = [*by, *measured]
    if len(set(wanted)) < len(wanted):
        raise InputError(f"x, y, sigma and by must name different columns; got {', '.join(wanted)}")
    table = as_pandas(frame, wanted)
    if not len(table):
        raise InputError("frame has no rows")
    table = with_numbers(table, measured)
    number = table.groupby(by, sort=False, dropna=False, observed=True).ngroup().to_numpy()
    values = [_numbers(table[name]) for name in measured]
    follows = (np.diff(number) > 0) | ((np.diff(number) == 0) & (np.diff(values[0]) > 0))
    order: Any = slice(None)
    if not follows.all():  # most tables come sorted, and sorting is most of the work here
        order = np.lexsort([*reversed(values), number])
    keys = table[by][~pd.Index(number).duplicated()].reset_index(drop=True)
    starts = np.searchsorted(number[order], np.arange(len(keys) + 1))
    texts: dict[int, str] = {}
    for name, value in zip(measured, values, strict=True):
        for row in np.flatnonzero(np.isnan(value) & table[name].notna().to_numpy()):
            cell = table[name].iloc[row]
            texts.setdefault(int(number[row]), f"column {name!r} holds {cell!r}, which is not a number")
    x_values, y_values, *errors = (value[order] for value in values)
    return LongTable(keys, Curves(x_values, y_values, errors[0] if errors else None, starts), texts)


def _numbers(column: pd.Series) -> np.ndarray:
    """A column as floats; what is no number is NaN, and truth values are no numbers."""
    if column.dtype.kind in "cMm":
        raise InputError(f"column {column.name!r} must hold numbers; its type is {column.dtype}")
    if column.dtype == bool:
        return np.full(len(column), np.nan)
    return np.asarray(pd.to_numeric(column, errors="coerce"), dtype=float)
