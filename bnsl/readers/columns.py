"""Which columns of a table make a curve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnsl._base.cells import number_of
from bnsl._base.checks import InputError, is_number, shown, some, suggest
from bnsl._base.display import counted
from bnsl._base.lazy import pd
from bnsl.curves.curve import Curve
from bnsl.readers.source import Source

# Names that say "I am the uncertainty of another column", whole or as the last word: y_err, loss-std, sigma.
_UNCERTAINTY = re.compile(
    r"(^|[\W_])(sigma|err|error_?bar|std|std_?dev|stdev|sd|sem|se|std_?err|std_?error|uncertainty)$", re.I
)
_TEXT = " (not all numbers)"
_NUMBER_LIKE = re.compile(r"\s*[+-]?[.,]?\d")  # how a number starts, well written or not


@dataclass(frozen=True)
class Columns:
    """Which columns of a table make a curve.

    Attributes:
        x, y: column names.
        sigma: the column with the standard deviation of y, or None.
        guessed: whether x or y was not asked for but found.
        unused: numeric columns that are named like an uncertainty and were not asked for.
    """

    x: str
    y: str
    sigma: str | None = None
    guessed: bool = False
    unused: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of x, y and, where there is one, sigma."""
        return (self.x, self.y) if self.sigma is None else (self.x, self.y, self.sigma)


def choose_columns(
    source: Source, x: str | None = None, y: str | None = None, sigma: str | None = None
) -> Columns:
    """The columns asked for, and x and y guessed where the table leaves no doubt (see `read_curve`).

    Raises:
        InputError: an unknown column, one column in two roles, or a choice that must be made; the message
            lists the columns there are.
    """
    steps = source.x if x is None and source.x not in (y, sigma) else None
    x = steps if x is None else x
    measured = source.y if y is None and source.y not in (x, sigma) else None
    y = measured if y is None else y
    asked = {"x": x, "y": y, "sigma": sigma}
    taken = _checked(source, {role: name for role, name in asked.items() if name is not None})
    wanted = [role for role in ("x", "y") if asked[role] is None]
    spare = [name for name in map(str, source.table) if name not in taken and name not in source.aside]
    candidates, uncertain = _candidates(source.table, spare, len(wanted))
    if wanted and len(candidates) != len(wanted):
        raise InputError(_undecided(source, wanted, len(candidates), steps))
    found = {**asked, **dict(zip(wanted, candidates, strict=False))}
    return Columns(
        x=str(found["x"]),
        y=str(found["y"]),
        sigma=sigma,
        guessed=bool(wanted) or steps is not None or measured is not None,
        unused=tuple(uncertain) if sigma is None else (),
    )


def _checked(source: Source, asked: dict[str, str]) -> set[str]:
    """The columns asked for; InputError for one that there is not, and for one in two roles."""
    names, taken = list(map(str, source.table)), dict[str, str]()
    for role, name in asked.items():
        if name not in names:
            raise InputError(f"{role}: there is no column {name!r}; {_listed(source)}{suggest(name, names)}")
        if name in taken:
            raise InputError(f"{role}: column {name!r} is {taken[name]} already; {_listed(source)}")
        taken[name] = role
    return set(taken)


def _candidates(table: pd.DataFrame, spare: list[str], count: int) -> tuple[list[str], list[str]]:
    """What x and y may be, of which `count` are to be found, and columns left that look like a sigma."""
    uncertain = [name for name in spare if _UNCERTAINTY.search(name)]
    others = [name for name in spare if name not in uncertain]
    numeric = [name for name in spare if table[name].dtype.kind == "f"]
    if len(numeric) == count and sum(_holds_numbers(table[name]) for name in others) < count:
        return numeric, []  # p and err: nothing else can be meant
    if len(others) == count:
        return others, uncertain  # no choice; if one has a bad cell, that is what the message should be about
    if len(spare) == count:
        return spare, []  # likewise
    return [name for name in others if name in numeric], uncertain


def _undecided(source: Source, wanted: Sequence[str], found: int, steps: str | None) -> str:
    roles = " and ".join(wanted)
    if found < len(wanted):
        return f"{roles}: the table has too few columns of numbers to choose from; {_listed(source)}"
    options = " and ".join(f"{role}=" for role in wanted)
    which = "columns" if len(wanted) > 1 else "column"
    known = "" if steps is None else f"; x is {steps!r} unless x= takes another"
    return f"{roles}: say which {which} to take ({options}){known}; {_listed(source)}"


def _holds_numbers(column: pd.Series) -> bool:
    """Whether any cell is a number, or begins like one."""
    return column.dtype.kind == "f" or any(_NUMBER_LIKE.match(str(cell)) for cell in column.dropna())


def _listed(source: Source) -> str:
    """The columns for a message, numbers first, with how many values those have that are not in every row."""
    shown: list[str] = []
    table = source.table
    for name in map(str, table):
        count, kind = int(table[name].count()), table[name].dtype.kind
        values = f" ({counted(count, 'value')})" if 0 < count < len(table) else ""
        if name not in source.aside:
            shown.append(f"{name!r}{_TEXT if kind != 'f' else values}")
    shown.sort(key=lambda text: text.endswith(_TEXT))
    text = f"the columns are {some(shown, show=str)}"
    if source.aside:
        text += f"; and {some(source.aside, 2)}, taken only if named"
    return text


def curve_from_table(
    table: pd.DataFrame, columns: Columns, *, name: str, loss: str | None, x_label: str, y_label: str
) -> Curve:
    """The curve in the given columns; every cell is checked, and complaints name its row in the file.

    The index of the table counts the rows of the file from 0. Raises InputError for a cell that is missing,
    no number, not finite, or of a sign that cannot be fitted under `loss`, if one is given.
    """
    x, y = numbers(table, columns.x), numbers(table, columns.y)
    refuse(table, columns.x, x, x <= 0, "a scaling law needs x > 0; drop the row, or shift x (offset=1)")
    if loss == "log":
        why = (
            f"{_way_out(y, y_label != columns.y)}, or fit it on a linear scale: bnsl.fit(..., loss='linear')"
        )
        refuse(table, y_label, y, y <= 0, f"the log loss needs y > 0; {why}")
    if loss == "log1p":
        refuse(table, y_label, y, y < 0, "the log1p loss needs y >= 0; drop the row, or use loss='linear'")
    sigma = None
    if columns.sigma is not None:
        sigma = numbers(table, columns.sigma)
        refuse(table, columns.sigma, sigma, sigma <= 0, "sigma must be a positive standard deviation")
    return Curve(x, y, sigma, name, x_label, y_label)


def _way_out(y: np.ndarray, errors: bool) -> str:
    """What to do about a y that is not positive; `errors` are those of accuracies."""
    if errors:
        return (
            "say how finely the accuracy was measured (resolution=), to take half of that off a perfect "
            "one, drop the row"
        )
    if y.max() <= 0:
        return "no y is positive; if the sign is a convention, turn it round"
    scale = "percent" if y.max() > 1 else "share"
    return f"fit an error such as 1 - accuracy (accuracy={scale!r}), drop the row"


def check_numbers(table: pd.DataFrame, name: str) -> None:
    """Raise InputError for a column that is not numbers, with the first cell that is none."""
    if table[name].dtype.kind != "f":
        raise InputError(f"column {name!r}, {_first_no_number(table[name])}")


def numbers(table: pd.DataFrame, name: str) -> np.ndarray:
    """A column (N,) as finite floats.

    Raises:
        InputError: a cell that is missing, no number or not finite.
    """
    check_numbers(table, name)
    found = table[name].to_numpy(dtype=np.float64)
    missing = np.isnan(found)
    if missing.any():
        row = int(table.index[int(np.argmax(missing))]) + 1
        raise InputError(
            f"column {name!r}, row {row} is missing (empty or NaN); drop or repair the row "
            "(drop_missing=True leaves such rows out)"
        )
    why = "it must be finite; drop or repair the row"
    if not np.isfinite(found[-1]):
        why += " (diverged=2 leaves out runs that end so)"
    refuse(table, name, found, ~np.isfinite(found), why)
    return found


def _first_no_number(column: pd.Series) -> str:
    for row, cell, missing in zip(column.index, column, column.isna(), strict=True):
        if missing:
            return f"row {row + 1} is missing (empty or NaN); drop or repair the row"
        if number_of(cell) is None:
            return f"row {row + 1} is {shown(cell)}, which is not a number"
    for row, cell in column.items():
        if not is_number(cell):
            return f"row {int(str(row)) + 1} is {shown(cell)}, and other cells are written in another way"
    return f"type {column.dtype} is not numbers"


def refuse(table: pd.DataFrame, name: str, found: np.ndarray, bad: np.ndarray, why: str) -> None:
    """Raise InputError for the first number that is bad, with its row and how many there are."""
    if bad.any():
        first = int(np.argmax(bad))
        more = int(bad.sum()) - 1
        also = f" ({more} more row{'s' if more > 1 else ''} likewise)" if more else ""
        row = int(table.index[first]) + 1
        raise InputError(f"column {name!r}, row {row} is {found[first]:g}; {why}{also}")
