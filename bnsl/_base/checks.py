"""Coercion of what users pass into arrays, and the named checks.

Every message gives the argument, the row and the value, and says what to do.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# An array of NumPy or of JAX; `bnsl._base.arrays` has the same name.
Array = Any


LONGEST = 60  # characters of a value in a message
LISTED = 120  # characters of a list of names


class InputError(ValueError):
    """An argument that cannot be used (a ValueError); raised before any work is done."""


def described(value: object) -> str:
    """What a value is: 'a DataFrame', 'an int'."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def shown(value: object) -> str:
    """A value for a message, on a line: what was written, its long texts and lists cut, or what it is."""
    text = repr(value)
    if isinstance(value, str | bytes | int | list | tuple | dict | set) and " at 0x" not in text:
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    if "\n" in text or " at 0x" in text or len(text) > LONGEST:
        return described(value)
    return text


def told(argument: str, value: object) -> str:
    """An argument with its value, to begin a sentence: 'level = 3', or 'level (a DataFrame)'."""
    text = shown(value)
    return f"{argument} ({text})" if text == described(value) else f"{argument} = {text}"


def suggest(name: object, known: Iterable[str]) -> str:
    """' Did you mean ...?' where `name` looks like one of `known`, else ''."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f". Did you mean {close[0]!r}?" if close else ""


def some(names: Iterable[object], most: int = 20, show: Callable[[object], str] = shown) -> str:
    """Names for a message: 'a', 'b', ... and 12 more; as many as there is room for, at least one."""
    texts = [show(name) for name in names]
    fitting = np.cumsum([len(text) + 2 for text in texts]) <= LISTED
    count = max(min(int(fitting.sum()), most), 1)
    more = len(texts) - count
    return ", ".join(texts[:count]) + (f" and {more} more" if more > 0 else "")


def no_column(name: object, known: Iterable[object]) -> str:
    """That there is no column of this name, which there are, and which may be meant."""
    names = [*map(str, known)]
    return f"there is no column {shown(name)}; the columns are {some(names)}{suggest(name, names)}"


def as_array(value: ArrayLike, argument: str, *, columns: int = 1) -> np.ndarray:
    """A float64 copy of shape (N,), or (N, columns) for columns > 1; finite numbers only."""
    array = numbers(value, argument)
    if columns == 1 and array.ndim != 1:
        raise InputError(f"{argument} must be one-dimensional; its shape is {array.shape}")
    if columns > 1 and (array.ndim != 2 or array.shape[1] != columns):
        raise InputError(f"{argument} must have shape (N, {columns}); its shape is {array.shape}")
    if array.shape[0] == 0:
        raise InputError(f"{argument} is empty; give at least one value")
    why = "is not a finite number; drop or repair this row"
    if np.isnan(array).any():
        why += f" (keep = numpy.isfinite({argument}) tells which are left)"
    reject(array, ~np.isfinite(array), argument, why)
    return array


def reject(
    array: np.ndarray, bad: np.ndarray, argument: str, why: str, rows: np.ndarray | None = None
) -> None:
    """Raise InputError for the first true entry of `bad`, naming row, value and how many there are.

    `rows` are the user's row numbers, where the array is in another order.
    """
    if not bad.any():
        return
    places = np.argwhere(bad)
    first = 0 if rows is None else int(np.argmin(rows[places[:, 0]]))
    place = tuple(int(i) for i in places[first])
    more = int(bad.sum()) - 1
    also = f" ({more} more row{'s' if more > 1 else ''} likewise)" if more else ""
    shown = place if rows is None else (int(rows[place[0]]), *place[1:])
    index = ", ".join(map(str, shown))
    raise InputError(f"{argument}[{index}] = {array[place]:g} {why}{also}")


def check_positive(array: np.ndarray, argument: str, why: str, rows: np.ndarray | None = None) -> None:
    """Raise InputError unless every entry is > 0."""
    reject(array, array <= 0, argument, why, rows)


def check_same_length(first: np.ndarray, second: np.ndarray, names: tuple[str, str]) -> None:
    """Raise InputError unless both have as many rows."""
    if first.shape[0] != second.shape[0]:
        raise InputError(
            f"{names[0]} has {first.shape[0]} rows and {names[1]} has {second.shape[0]}; "
            "they must have the same number"
        )


def check_choice(value: object, argument: str, known: Iterable[str]) -> None:
    """Raise InputError unless `value` is one of `known`."""
    options = list(known)
    if not any(type(value) is type(option) and value == option for option in options):
        raise InputError(
            f"{told(argument, value)} is unknown; choose one of {', '.join(map(repr, options))}"
            + suggest(value, options)
        )


def check_count(value: object, argument: str, least: int = 0) -> int:
    """`value` as an int that is at least `least`; 1e5 will do for 100000."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{told(argument, value)} must be a whole number >= {least}")
    return int(value)


def check_flag(value: object, argument: str) -> bool:
    """`value` as a bool; raises InputError for what is neither true nor false."""
    if not isinstance(value, bool | np.bool | int) or value not in (0, 1):
        raise InputError(f"{told(argument, value)} must be True or False")
    return bool(value)


def check_text(value: object, argument: str, what: str = "a text") -> str:
    """`value`, which must be a text."""
    if not isinstance(value, str):
        raise InputError(f"{told(argument, value)} must be {what}")
    return value


def check_name(value: object, argument: str) -> str:
    """`value`, which must be the name of a column."""
    return check_text(value, argument, "the name of a column")


def check_names(value: Any, argument: str, what: str = "column names", least: int = 0) -> list[str]:
    """A list of names, at least so many, of which one alone will do."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{told(argument, value)} must be a list of {what}")
    if len(names) < least:
        raise InputError(f"{told(argument, value)} must be at least {least} of the {what}")
    return list(names)


def check_mapping(
    value: Any, argument: str, what: str = "from names to values", *, texts: bool = True
) -> dict[str, Any]:
    """A mapping as a dict, an empty one for None; its keys must be `texts`, or may be of any type."""
    if value is not None and not isinstance(value, Mapping):
        raise InputError(f"{argument} must be a mapping {what}; got {shown(value)}")
    found = dict(value or {})
    for key in found if texts else ():
        check_text(key, f"a name in {argument}")
    return found


def check_path(value: object, argument: str) -> None:
    """Raise InputError unless `value` names a file or folder."""
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{told(argument, value)} must be the name of a file, as a text or a pathlib.Path")


def check_made_by(value: object, kinds: type | tuple[type, ...], argument: str, maker: str) -> None:
    """Raise InputError unless `value` is of these kinds, which `maker` returns."""
    if not isinstance(value, kinds):
        raise InputError(f"{argument} must be what {maker} returns; got {described(value)}")


def generator(seed: object) -> np.random.Generator:
    """Random numbers from a seed, a whole number."""
    return np.random.default_rng(check_count(seed, "seed"))


def check_share(value: object, argument: str) -> float:
    """`value` as a float strictly between 0 and 1."""
    number = as_number(value, argument)
    if not 0 < number < 1:
        raise InputError(f"{argument} = {number:g} must lie strictly between 0 and 1")
    return number


def check_tails(level: object) -> list[float]:
    """The probabilities below the two ends of a central interval of this level."""
    tail = 0.5 * (1.0 - check_share(level, "level"))
    return [tail, 1.0 - tail]


def check_shares(values: Any, argument: str, least: int = 0) -> list[float]:
    """Probabilities, at least so many, each between 0 and 1."""
    if not isinstance(values, list | tuple | np.ndarray) or len(values) < least:
        raise InputError(f"{told(argument, values)} must be a list of probabilities, such as (0.5, 0.9)")
    return [check_share(value, f"{argument}[{i}]") for i, value in enumerate(values)]


def as_number(value: Any, argument: str, ok: Callable[[float], bool] = np.isfinite) -> float:
    """`value` as a float that passes `ok`; no truth value."""
    try:
        if isinstance(value, bool | np.bool):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(_traced(error, argument) or f"{told(argument, value)} is not a number") from None
    if not ok(number):
        raise InputError(f"{argument} = {number:g} is not a usable number")
    return number


def finite_inputs(x: ArrayLike, columns: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """x of any shape as (N,) or (N, columns) finite floats, and the shape of the answer."""
    array = numbers(x, "x")
    if columns > 1 and (array.ndim == 0 or array.shape[-1] != columns):
        raise InputError(f"x must have {columns} columns; its shape is {array.shape}")
    shape = array.shape if columns == 1 else array.shape[:-1]
    flat = array.reshape(-1) if columns == 1 else array.reshape(-1, columns)
    reject(flat, ~np.isfinite(flat), "x", "is not a finite number")
    return flat, shape


def positive_inputs(x: ArrayLike, columns: int = 1) -> tuple[np.ndarray, tuple[int, ...]]:
    """As `finite_inputs`, of numbers above 0."""
    flat, shape = finite_inputs(x, columns)
    check_positive(flat, "x", "is not positive; scaling laws are defined for x > 0")
    return flat, shape


def numbers(value: ArrayLike, argument: str) -> np.ndarray:
    """A float64 copy of any shape; no text, None, truth values, masked rows, dates or complex numbers."""
    if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
        row = int(np.argwhere(np.ma.getmaskarray(value))[0][0])
        raise InputError(f"{argument}[{row}] is masked; drop masked rows before fitting")
    try:
        raw = np.asarray(value)
        if isinstance(value, list | tuple) and (raw.dtype.kind in "US" or _holds_truth(value)):
            raw = np.asarray(value, dtype=object)  # NumPy makes text of [1.0, "x"], and 1.0 of [2.0, True]
    except (TypeError, ValueError) as error:
        message = _traced(error, argument) or f"{argument} must hold numbers only and be rectangular"
        raise InputError(message) from None
    if raw.dtype.kind == "c":
        raise InputError(f"{argument} holds complex numbers; only real numbers can be fitted")
    if raw.dtype.kind in "Mm":
        raise InputError(f"{argument} holds dates or durations; pass numbers such as steps or seconds")
    if raw.dtype.kind in "USOb" and any(_is_no_number(entry) for entry in raw.ravel().tolist()):
        raise InputError(_not_numbers(raw, argument))
    try:
        return np.array(raw, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise InputError(_not_numbers(raw, argument)) from None


def _traced(error: Exception, argument: str) -> str:
    """What to say of a value that JAX traces, which shows in its error; '' if it is another error."""
    if type(error).__name__ not in ("TracerArrayConversionError", "ConcretizationTypeError"):
        return ""
    return (
        f"{argument} is traced by JAX, as arguments of jax.jit or jax.grad are, and has no numbers yet; "
        "call this outside, or put bnsl.broken_power_law inside"
    )


def _is_no_number(entry: object) -> bool:
    """Whether an entry of an object array is one of those that NumPy would read as a number all the same."""
    return entry is None or isinstance(entry, str | bytes | bool | np.bool)


def _holds_truth(value: object) -> bool:
    """Whether a truth value is among the entries of nested lists."""
    if isinstance(value, list | tuple):
        return any(_holds_truth(entry) for entry in value)
    return isinstance(value, bool | np.bool)


def _not_numbers(raw: np.ndarray, argument: str) -> str:
    if raw.ndim == 0 and (isinstance(raw.item(), str) or not isinstance(raw.item(), Collection)):
        return f"{told(argument, raw.item())} is not a number"
    for row, entry in enumerate(raw.tolist() if raw.ndim == 1 else ()):
        try:
            usable = not _is_no_number(entry) and isinstance(float(entry), float)
        except (TypeError, ValueError, OverflowError):
            usable = False
        if not usable:
            return f"{told(f'{argument}[{row}]', entry)} is not a number; {argument} must hold numbers only"
    return f"{argument} must hold numbers only and be rectangular"


def is_number(cell: object) -> bool:
    """Whether a cell of a table reads as a number."""
    try:
        float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False
    return True
