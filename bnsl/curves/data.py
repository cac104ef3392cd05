"""The one place that decides what data a caller handed over: arrays, Series, a Curve, or a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError
from bnsl.curves.accuracy import check_accuracy, with_errors
from bnsl.curves.curve import Curve


class Table(Protocol):
    """A pandas or Polars DataFrame, or a mapping of arrays: what has columns by name."""

    def __getitem__(self, key: Any, /) -> Any:
        """A column."""


Data: TypeAlias = Curve | ArrayLike | Table
ONE_OF = "give x and y, a Curve, or a table with the names of its columns: (table, x='compute', y='loss')"


def as_curve(
    data: Sequence[Data],
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    *,
    inputs: int = 1,
    accuracy: str | None = None,
    resolution: float | None = None,
) -> Curve:
    """The curve that a caller handed over.

    Args:
        data: what was given without a name: x and y; or a Curve; or a table, whose columns the others name.
        x: positive inputs (N,) or (N, inputs), or the column (of several inputs the list of columns).
        y: measured values (N,), or their column.
        sigma: standard deviations (N,), one number for all, or their column.
        inputs: how many columns x has.
        accuracy: y is an accuracy, "share" or "percent", and the curve is its error (see `with_errors`).
        resolution: of an accuracy, in its units.

    Pandas Series are joined by their index. Names come along from Series and columns.

    Raises:
        InputError: something missing or given twice, Series of different indexes, a column that is not
            there, or values that make no Curve.
    """
    check_accuracy(accuracy, resolution)
    curve = _handed_over(data, x, y, sigma, inputs)
    return curve if accuracy is None else with_errors(curve, accuracy, resolution)


def _handed_over(data: Sequence[Data], x: Any, y: Any, sigma: Any, inputs: int) -> Curve:
    table = bool(data) and is_table(data[0]) and (len(data) == 1 or _is_name(data[1]))
    named: dict[str, Any] = {"x": x, "y": y, "sigma": sigma}
    for name, value in zip(("x", "y"), data[1:] if table else data, strict=False):
        if named[name] is not None:
            raise InputError(f"{name} was given twice, by place and by name; {ONE_OF}")
        named[name] = value
    if len(data) > 2 + table:
        raise InputError(f"too much was given without a name, {len(data)} arguments; {ONE_OF}")
    if table:
        return _of_columns(data[0], named, inputs)
    if isinstance(named["x"], Curve):
        return _of_curve(named["x"], named["y"], named["sigma"], inputs)
    missing = [name for name in ("x", "y") if named[name] is None]
    if missing:
        held = f"; it has {_columns(named['x'])}" if is_table(named["x"]) else ""
        raise InputError(f"{' and '.join(missing)} missing; {ONE_OF}{held}")
    labels: dict[str, Any] = {f"{k}_label": _label(named[k], k) for k in ("x", "y")}
    return Curve(**joined(named), **labels, inputs=inputs)


def joined(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Series and frames in the order of the first one's index; whatever has no index as it is.

    Raises InputError where indexes hold different labels, or the same ones in another order and repeatedly.
    """
    out = dict(parts)
    first, base = "", None
    for name, part in parts.items():
        index = getattr(part, "index", None) if hasattr(part, "reindex") else None
        if index is None:
            continue
        if base is None:
            first, base = name, index
        elif not index.equals(base):
            alike = len(index) == len(base) and index.is_unique and base.is_unique
            if not alike or not index.isin(base).all():
                raise InputError(
                    f"{first} and {name} are Series with different indexes, so that it is not known which "
                    "values belong together: join them first, as in pandas.concat([x, y], axis=1, "
                    "join='inner'), or pass .to_numpy() of each to match them by place"
                )
            out[name] = part.reindex(base)
    return out


def column(table: Any, name: Any, argument: str) -> Any:
    """A column of numbers, (N,), or those of a list of names, (N, k), as an array."""
    from bnsl.curves.frame import as_pandas, with_numbers

    names = [name] if _is_name(name) else list(name)
    frame = as_pandas(table, names)
    if len(frame.columns) > len(set(names)):
        raise InputError(f"{argument}: the frame has several columns {name!r}; rename them")
    frame = with_numbers(frame, names)
    return (frame[name] if _is_name(name) else frame[names]).to_numpy()


def _of_curve(curve: Curve, y: Any, sigma: Any, inputs: int) -> Curve:
    if y is not None:
        raise InputError("y was given together with a Curve, which has its own y; leave one out")
    if curve.inputs != inputs:
        raise InputError(f"x has {curve.inputs} columns; this form takes {inputs}")
    return curve if sigma is None else replace(curve, sigma=sigma)


def _of_columns(table: Any, named: Mapping[str, Any], inputs: int) -> Curve:
    """The curve in some columns of a table; what is no name is taken as it is."""
    missing = [name for name in ("x", "y") if named[name] is None]
    if missing:
        raise InputError(
            f"the column of {' and '.join(missing)} is missing; {ONE_OF}; it has {_columns(table)}"
        )
    names = {k: v for k, v in named.items() if _is_name(v) or (k == "x" and _are_names(v))}
    if "x" in names and names["x"] == names.get("y"):
        raise InputError(f"x and y are the same column, {names['x']!r}; name two")
    values = {k: column(table, v, k) if k in names else v for k, v in named.items()}
    labels: dict[str, Any] = {f"{k}_label": names[k] if _is_name(names.get(k)) else k for k in ("x", "y")}
    check_missing({names[k]: v for k, v in values.items() if _is_name(names.get(k))})
    try:
        return Curve(**values, **labels, inputs=inputs)
    except InputError as error:
        said = ", ".join(f"{k} is the column {v!r}" for k, v in names.items())
        raise InputError(f"{error} ({said})") from None


def check_missing(columns: Mapping[str, Any]) -> None:
    """Raise InputError for a cell of columns (N,) that is missing."""
    for name, values in columns.items():
        missing = np.flatnonzero([cell is None or cell != cell for cell in np.asarray(values, dtype=object)])
        if len(missing):
            more = f" ({len(missing) - 1} more rows likewise)" if len(missing) > 1 else ""
            raise InputError(
                f"column {name!r}, row {missing[0]} is missing (NaN or None){more}; drop or repair the row "
                f"(frame.dropna(subset={list(columns)}) leaves such rows out)"
            )


def is_table(value: object) -> bool:
    """Whether a value has columns by name."""
    return isinstance(value, Mapping) or (hasattr(value, "columns") and hasattr(value, "__getitem__"))


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def _are_names(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_name, value))


def _columns(table: Any) -> str:
    names = [str(name) for name in (table.columns if hasattr(table, "columns") else table)]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def _label(values: object, otherwise: str) -> str:
    name = getattr(values, "name", None)
    return otherwise if name is None else str(name)
