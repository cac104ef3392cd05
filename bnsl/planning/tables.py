"""What the tables of budgets share: numbers that were asked for, columns with intervals, warnings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_array, check_positive, suggest
from bnsl._base.display import ExtrapolationWarning, FitWarning
from bnsl._base.lazy import pd

UNSURE = {"optimum_outside_data", "budget_outside_data", "no_optimum"}  # issued as warnings of Python, too


def check_inputs(given: Iterable[str], names: Sequence[str], where: str = "", what: str = "input") -> None:
    """Raise InputError for a name that is none of the inputs."""
    for name in given:
        if name not in names:
            known = ", ".join(names)
            raise InputError(f"{where}{name!r} is no {what}; they are {known}" + suggest(name, names))


def rows_of(asked: Mapping[str, ArrayLike], why: str = "is not positive") -> dict[str, np.ndarray]:
    """Positive numbers, one or several of each, at one length (B,); `why` says what is wrong with others."""
    listed: dict[str, Any] = {name: [v] if np.ndim(v) == 0 else v for name, v in asked.items()}
    arrays = {name: as_array(v, name) for name, v in listed.items()}
    for name, array in arrays.items():
        check_positive(array, name, why)
    try:
        return dict(zip(arrays, np.broadcast_arrays(*arrays.values()), strict=True))
    except ValueError:
        raise InputError(f"{' and '.join(arrays)} must have one length, or be single numbers") from None


def budgets_of(compute: ArrayLike) -> np.ndarray:
    """Budgets (B,), checked."""
    return rows_of({"compute": compute}, "is not positive; nothing can be bought for it")["compute"]


def with_ends(name: str, values: np.ndarray, tails: Sequence[float]) -> dict[str, np.ndarray]:
    """Columns of a number (B,) and its interval, from values (R, B) of the law and its draws.

    Draws lie to one side of a law at a bound of its parameters; the interval then begins, or ends, there.
    """
    found = {name: values[0]}
    if len(values) > 1:
        # A budget may have no number in any row.
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            low, high = np.nanquantile(values[1:], tails, axis=0)
        found[f"{name}_low"], found[f"{name}_high"] = np.fmin(low, values[0]), np.fmax(high, values[0])
    return found


def tabled(
    known: Mapping[str, np.ndarray], rows: Sequence[Mapping[str, np.ndarray]], tails: Sequence[float]
) -> pd.DataFrame:
    """A table of known columns (B,), and a number with its interval for every entry (R,) of the B rows."""
    columns = dict(known)
    for name in rows[0]:
        columns |= with_ends(name, np.stack([row[name] for row in rows], axis=1), tails)
    return pd.DataFrame(columns)


def with_notes(table: pd.DataFrame, notes: Sequence[FitWarning]) -> pd.DataFrame:
    """The table with its warnings, of which those that say not to rely on it are issued."""
    table.attrs["warnings"] = tuple(notes)
    for note in notes:
        if note.code in UNSURE:
            warnings.warn(f"{note.code}: {note.message}", ExtrapolationWarning, stacklevel=3)
    return table
