"""What a caller passed, as a curve: arrays, Series, a Curve, or a table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_array, no_column, some, told
from bnsl._base.display import counted
from bnsl._base.lazy import pd
from bnsl.curves.accuracy import check_accuracy, with_errors
from bnsl.curves.curve import Curve
from bnsl.forms.inputs import Input, X, usable_inputs


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
    axes: tuple[Input, ...] = (X,),
    groups: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    accuracy: str | None = None,
    resolution: float | None = None,
) -> Curve:
    """The curve that a caller passed.

    Args:
        data: what was given without a name: x and y; or a Curve; or a table, whose columns the others name.
        x: positive inputs (N,) or (N, inputs), or the column (of several inputs the list of columns).
        y: measured values (N,), or their column.
        sigma: standard deviations (N,), one number for all, or their column.
        axes: the inputs of the form, of which x has a column each.
        groups: what belongs together (N,), such as runs, or its column.
        labels: what to call several inputs that come as an array.
        accuracy: y is an accuracy, "share" or "percent", and the curve is its error (see `with_errors`).
        resolution: of an accuracy, in its units.

    Pandas Series are joined by their index. Names come along from Series and columns.

    Raises:
        InputError: something missing or given twice, Series of different indexes, a column that is not
            there, or values that make no Curve.
    """
    check_accuracy(accuracy, resolution)
    table = data[0] if data and is_table(data[0]) and (len(data) == 1 or _is_name(data[1])) else None
    unnamed = data if table is None else data[1:]
    named: dict[str, Any] = {"x": x, "y": y, "sigma": sigma}
    for name, value in zip(("x", "y"), unnamed, strict=False):
        if named[name] is not None:
            raise InputError(f"{name} was given twice, by position and by name; {ONE_OF}")
        named[name] = value
    if len(unnamed) > 2:
        raise InputError(f"{len(data)} arguments without a name are too many; {ONE_OF}")
    missing = " and ".join(name for name in ("x", "y") if named[name] is None)
    if table is not None:
        if missing:
            has = f"the table has {_columns(table)}"
            raise InputError(f"the column of {missing} is missing; {ONE_OF}; {has}")
        curve = _of_columns(table, named, axes, groups)
    elif isinstance(named["x"], Curve):
        curve = _of_curve(named["x"], named["y"], named["sigma"], axes, groups)
    elif missing:
        held = f"; the table has {_columns(named['x'])}" if is_table(named["x"]) else ""
        raise InputError(f"{missing} {'are' if ' ' in missing else 'is'} missing; {ONE_OF}{held}")
    else:
        said = _said(axes, named["x"], labels) | {f"{k}_label": _label(named[k], k) for k in ("x", "y")}
        curve = Curve(**_joined(named if groups is None else named | {"groups": groups}), **said)
    return curve if accuracy is None else with_errors(curve, accuracy, resolution)


def points_of(x: Any, curve: Curve, axes: tuple[Input, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Where to predict: points (N,) or (N, k), and the shape of the answer.

    Args:
        x: positive inputs of any shape S (or S + (k,)); for several inputs also a table, or a mapping of
            numbers or arrays that broadcast, with the names of the inputs.
        curve: that was fitted, which has the names.
        axes: what the inputs can be.
    """
    return _named_points(x, curve.input_names, axes)


def input_rows(given: Any, names: Sequence[str], axes: tuple[Input, ...], argument: str) -> np.ndarray:
    """Several inputs (M, k) from a table, an array (M, k), or a list of mappings, {"params": 7e10, ...} each.

    Raises InputError for a text, an input that is missing, and a value that it cannot have.
    """
    if isinstance(given, str):
        example = ", ".join(f"{name!r}: ..." for name in names)
        raise InputError(
            f"{told(argument, given)} must be a table or a list of inputs, such as [{{{example}}}]"
        )
    listed = isinstance(given, Sequence) and all(map(is_table, given))
    parts = [_named_points(part, names, axes)[0] for part in (given if listed else [given])]
    return np.concatenate([part.reshape(-1, len(axes)) for part in parts] or [np.empty((0, len(axes)))])


def _named_points(x: Any, own: Sequence[str], axes: tuple[Input, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    if len(axes) == 1 or not is_table(x):
        return usable_inputs(x, axes)
    columns = [str(name) for name in (x.columns if hasattr(x, "columns") else x)]
    for names in (own, tuple(entry.name for entry in axes)):
        if set(names) <= set(columns):
            values = [np.asarray(x[name], float) for name in names]
            return usable_inputs(np.stack(np.broadcast_arrays(*values), axis=-1), axes)
    missing = next(name for name in own if name not in columns)
    raise InputError(f"the input {missing!r} is missing: {no_column(missing, columns)}")


def _joined(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Series and frames in the order of the first one's index; whatever has no index as it is.

    Raises InputError where indexes hold different labels, or the same ones in another order and repeatedly.
    """
    series = {name: part for name, part in parts.items() if hasattr(part, "reindex")}
    indexes = {name: part.index for name, part in series.items() if hasattr(part, "index")}  # no pandas.Index
    first = next(iter(indexes), "")
    out = dict(parts)
    for name, index in indexes.items():
        base = indexes[first]
        if index.equals(base):
            continue
        alike = len(index) == len(base) and index.is_unique and base.is_unique
        if not alike or not index.isin(base).all():
            raise InputError(
                f"{first} and {name} are Series with different indexes, so that it is not known which "
                "values belong together: join them first, as in pandas.concat([x, y], axis=1, "
                "join='inner'), or pass .to_numpy() of each to match them by position"
            )
        out[name] = parts[name].reindex(base)
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


def _said(axes: tuple[Input, ...], x: Any, labels: Sequence[str] | None = None) -> dict[str, Any]:
    """What a curve is told of several inputs: what the form takes, and the names of columns.

    Raises InputError for another number of names than of inputs.
    """
    if labels is not None and len(labels) != len(axes):
        wanted = ", ".join(entry.name for entry in axes)
        raise InputError(
            f"inputs = {list(labels)}: this form takes {len(axes)}, {wanted}; name a column for each"
        )
    columns: Any = getattr(x, "columns", ()) if labels is None else labels
    names = tuple(map(str, columns)) if len(columns) == len(axes) else ()
    return {"axes": axes, "input_labels": names} if len(axes) > 1 else {}


def named_inputs(
    data: Sequence[Data], x: Any, inputs: Sequence[str] | None
) -> tuple[Any, tuple[str, ...] | None]:
    """The columns of x, and the names of several inputs, from what a caller gave as x and as `inputs`.

    Raises InputError for columns named twice, and for a single text.
    """
    if inputs is None:
        given = next((part for part in (*data, x) if isinstance(part, Curve)), None)
        if given is not None and given.inputs > 1:
            return x, given.input_names
        if _are_names(x):
            return x, tuple(x)
        return x, None
    if not _are_names(inputs):
        raise InputError(
            f"{told('inputs', inputs)}: give a list of column names, such as ['params', 'tokens']"
        )
    names = tuple(inputs)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"inputs: {twice!r} is named twice; every input needs a column of its own")
    if data and is_table(data[0]):
        if x is not None:
            raise InputError("x and inputs both name columns; give one of them")
        return (names if len(names) > 1 else names[0]), names
    return x, names


def _of_curve(curve: Curve, y: Any, sigma: Any, axes: tuple[Input, ...], groups: Any) -> Curve:
    if y is not None:
        raise InputError("y was given together with a Curve, which has its own y; leave one out")
    if curve.inputs != len(axes):
        raise InputError(f"x has {curve.inputs} columns; this form takes {len(axes)}")
    changes = {"sigma": sigma, "groups": groups, "axes": axes if len(axes) > 1 else None}
    return replace(curve, **{name: value for name, value in changes.items() if value is not None})


def _of_columns(table: Any, named: Mapping[str, Any], axes: tuple[Input, ...], groups: Any) -> Curve:
    """The curve in some columns of a table; what is no name is taken as it is.

    Rows at the end without x and y are left out, as in files.
    """
    from bnsl.curves.frame import as_pandas

    names = {k: v for k, v in named.items() if _is_name(v) or (k == "x" and _are_names(v))}
    if "x" in names and names["x"] == names.get("y"):
        raise InputError(f"x and y are the same column, {names['x']!r}; name two")
    values = {k: column(table, v, k) if k in names else v for k, v in named.items()}
    labels: dict[str, Any] = {f"{k}_label": names[k] if _is_name(names.get(k)) else k for k in ("x", "y")}
    values["groups"] = (
        as_pandas(table, [groups])[groups].astype(str).to_numpy() if _is_name(groups) else groups
    )
    if "x" in names and "y" in names:
        values = _without_blank_end(values)
    several = names["x"] if _are_names(names.get("x")) else []
    cells = {names[k]: v for k, v in values.items() if _is_name(names.get(k))}
    cells |= dict(zip(several, np.transpose(values["x"]), strict=True)) if several else {}
    check_missing(cells)
    if several:
        values["x"] = np.column_stack([as_array(cells[name], name) for name in several])
    more = _said(axes, None, [names["x"]] if _is_name(names.get("x")) else names.get("x"))
    try:
        return Curve(**values, **labels, **more)
    except InputError as error:
        said = ", ".join(f"{k} is the column {v!r}" for k, v in names.items())
        raise InputError(f"{error} ({said})") from None


def _without_blank_end(values: dict[str, Any]) -> dict[str, Any]:
    """Columns without the rows at their end that have neither x nor y; a UserWarning says how many."""
    blank = np.column_stack([_missing(values["y"]), _missing(values["x"])])
    full = np.asarray(~blank.all(axis=1))
    end = int(np.flatnonzero(full)[-1]) + 1 if full.any() else len(full)
    if end == len(full):
        return values
    count = len(full) - end
    text = f"left out {counted(count, 'row')} at the end, where x and y are blank"
    warnings.warn(text, UserWarning, stacklevel=2)
    return {k: v[:end] if np.ndim(v) and len(v) == len(full) else v for k, v in values.items()}


def _missing(cells: Any) -> np.ndarray:
    return np.asarray(pd.isna(np.asarray(cells, dtype=object)))


def check_missing(columns: Mapping[str, Any]) -> None:
    """Raise InputError for a cell of columns (N,) that is missing."""
    for name, values in columns.items():
        missing = np.flatnonzero(_missing(values))
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
    return some(map(str, table.columns if hasattr(table, "columns") else table))


def _label(values: object, otherwise: str) -> str:
    name = getattr(values, "name", None)
    return otherwise if name is None else str(name)
