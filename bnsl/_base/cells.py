"""Cells that hold a number as people write it: 125M, 1.3B, 7e9 params, 64.7%, 1,000 and 3,50."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bnsl._base.checks import InputError, as_number, check_choice, is_number
from bnsl._base.lazy import pd

DECIMALS = (".", ",")
_POWERS = {"k": 3, "thousand": 3, "m": 6, "million": 6, "g": 9, "b": 9, "bn": 9, "billion": 9, "t": 12}
_POWERS["trillion"] = 12
_GAPS = "'\u2019 \u00a0\u2009\u202f"  # apostrophes and spaces, which mark nothing but thousands
_CELL = re.compile(
    rf"(?P<sign>[+-]?)(?P<digits>\d[\d.,{_GAPS}]*|[.,]\d+)(?P<power>[eE][+-]?\d+)?"
    r"(?P<multiple> ?(?:[kKMGBbTt]|[bB]n)|m|\s*(?i:thousand|million|billion|trillion))?"
    r"(?P<unit> ?%|\s+[A-Za-z][\w/-]*(?: [A-Za-z][\w/-]*)?)?"
)
_GROUPED = re.compile(rf"[1-9]\d{{0,2}}(?:([{_GAPS}])\d{{3}})(?:\1\d{{3}})*(?=[.,]|$)")
_THOUSANDS = {mark: re.compile(rf"[1-9]\d{{0,2}}(?:\{mark}\d{{2,3}})*\{mark}\d{{3}}") for mark in DECIMALS}
_PERCENT = "%"


class Numbers(NamedTuple):
    """A column of text as numbers."""

    values: np.ndarray  # (N,), NaN where a cell is missing
    note: str  # how its cells were read


@dataclass
class _Column:
    """A column whose cells are all numbers in some way of writing, and what their marks say."""

    name: str
    texts: list[str | None]  # of its cells, None where one is missing
    found: dict[str, re.Match[str] | None]  # of each text; None for what Python reads and people do not write
    decimals: set[str] = field(default_factory=set)  # the marks that can only be decimal ones
    unsure: dict[str, str] = field(default_factory=dict)  # a mark that is decimal or of thousands -> a cell

    def __post_init__(self) -> None:
        for text, match in self.found.items():
            readings = {} if match is None else _readings(match)
            if len(readings) == 1:
                self.decimals |= set(readings)
            elif len(set(readings.values())) == 2:
                self.unsure.setdefault(next(mark for mark in text if mark in DECIMALS), text)

    @property
    def plain_are_small(self) -> bool:
        """Whether some cells have no mark, and all of these are whole numbers below 1000."""
        digits = [match["digits"] for match in self.found.values() if match is not None]
        plain = [part for part in digits if not set(part) & set(DECIMALS)]
        return bool(plain) and all(len(part) <= 3 for part in plain)

    def read(self, decimal: str) -> Numbers | None:
        """The numbers by this decimal mark; None where a cell does not go with it."""
        values: dict[str | None, float] = {None: np.nan}
        example = ""
        for text, match in self.found.items():
            bare = text if match is None else _literal(match, decimal)
            if bare is None:
                return None
            values[text] = float(bare)
            if not example and bare != text:
                example = f"{text!r} is read as {values[text]:.10g}"
        if _unit_of(self.found.values()) == _PERCENT:
            example += ", in per cent"
        note = f"column {self.name!r}: {example}" if example else ""
        return Numbers(np.array([values[text] for text in self.texts]), note)


def number_columns(
    table: pd.DataFrame, where: str, *, decimal: str | None = None, usual: str | None = "."
) -> Mapping[str, Numbers]:
    """The columns of text that hold nothing but numbers, in whatever way people write these.

    Multiples (K, M, B or G, T), one unit a column, per cent, marks of thousands and decimal commas are read.
    Which mark is the decimal one is seen from the cells: 3,50 and 1.000,0 have a decimal comma, 1,000,000
    and 1,000.0 have not; a column that leaves it open follows the others.

    Args:
        table: columns of text, and of other things, which are passed over.
        where: how messages name the file.
        decimal: "." or ",", where it is known.
        usual: the decimal mark where no cell tells; None to ask.

    Raises:
        InputError: 1,500 may be 1500 or 1.5, and nothing tells which.
    """
    if decimal is not None:
        check_choice(decimal, "decimal", DECIMALS)
    found = [column for name in table.columns if (column := _column(table[name])) is not None]
    sound = [column for column in found if len(column.decimals) < 2]
    telling = [column.decimals for column in sound if all(map(column.read, column.decimals))]
    marks: set[str] = set().union(*telling)
    out: dict[str, Numbers] = {}
    for column in sound:
        chosen = decimal or _chosen(column, marks, usual, where)
        numbers = column.read(chosen)
        if numbers is not None:
            out[column.name] = numbers
    return out


def number_of(cell: Any) -> float | None:
    """One cell as a number, 7e7 for "70M"; None for what is none."""
    if isinstance(cell, bool):
        return None
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        match = _CELL.fullmatch(str(cell).strip())
    if match is None:
        return None
    return next(map(float, _readings(match).values()), None)


def written_number(cell: Any, argument: str) -> float:
    """The same; InputError for what is no finite number."""
    known = number_of(cell)
    return as_number(cell if known is None else known, argument)


def may_mark_thousands(column: pd.Series) -> bool:
    """Whether all cells of a column of text are whole numbers, some with points that may mark thousands."""
    cells = column.dropna().str.strip()
    pointed = cells.str.fullmatch(_THOUSANDS["."].pattern)
    return bool(pointed.any() and (pointed | cells.str.isdigit()).all())


def _column(column: pd.Series) -> _Column | None:
    """The column, if all of its cells are numbers that people write; None for others."""
    if column.dtype.kind != "O" and str(column.dtype) not in ("str", "string"):
        return None
    texts: list[str | None] = []
    found: dict[str, re.Match[str] | None] = {}
    for cell, missing in zip(column.to_numpy(dtype=object), column.isna(), strict=True):
        if not missing and (isinstance(cell, bool) or not isinstance(cell, str | int | float)):
            return None
        text = None if missing else str(cell).strip().replace("\u2212", "-")
        texts.append(text)
        if text is not None and text not in found:
            found[text] = _CELL.fullmatch(text)
            if found[text] is None and not is_number(text):
                return None
    return None if not found or _unit_of(found.values()) is None else _Column(str(column.name), texts, found)


def _unit_of(found: Iterable[re.Match[str] | None]) -> str | None:
    """The unit of all cells, "" for none; None where they differ, or where only some are in per cent."""
    units = {(match["unit"] or "").strip().lower() for match in found if match is not None}
    if _PERCENT in units:
        return _PERCENT if len(units) == 1 else None
    named = {unit.removesuffix("s") for unit in units if unit}
    return None if len(named) > 1 else next(iter(named), "")


def _ungrouped(digits: str) -> tuple[str, bool]:
    """The digits without spaces and apostrophes among them, and whether these marked thousands."""
    group = _GROUPED.match(digits)
    if group is None:
        return digits, False
    whole = group[0]
    return re.sub(f"[{_GAPS}]", "", whole) + digits[len(whole) :], True


def _other(mark: str) -> str:
    return "," if mark == "." else "."


def _chosen(column: _Column, marks: set[str], usual: str | None, where: str) -> str:
    """The decimal mark of a column, by its cells, those of other columns, or what is usual."""
    if column.decimals:
        return next(iter(column.decimals))
    if not column.unsure:
        return "."
    if len(marks) == 1:
        return next(iter(marks))
    if usual is not None:
        return usual
    mark, cell = next(iter(column.unsure.items()))
    # A point is a decimal one in nearly all files, unless 800 is followed by 1.600.
    if set(column.unsure) == {"."} and not column.plain_are_small:
        return "."
    row = column.texts.index(cell) + 1
    whole, part = cell.replace(mark, ""), cell.replace(mark, ".")
    raise InputError(
        f"{where}: column {column.name!r}, row {row} is {cell!r}, which may be {whole} or {part}; say which "
        "mark is the decimal one (decimal='.' or decimal=',')"
    )


def _readings(match: re.Match[str]) -> dict[str, str]:
    """The ways to read a cell, by the decimal mark."""
    both = {mark: _literal(match, mark) for mark in DECIMALS}
    return {mark: bare for mark, bare in both.items() if bare is not None}


def _literal(match: re.Match[str], decimal: str) -> str | None:
    """A cell as Python writes the number; None where its marks do not go with the decimal one."""
    digits, grouped = _ungrouped(match["digits"].rstrip(_GAPS))
    whole, mark, part = digits.partition(decimal)
    thousands = _other(decimal)
    certain = grouped or match["power"]  # then a mark can be none of thousands
    if thousands in whole and (certain or not _THOUSANDS[thousands].fullmatch(whole)):
        return None
    whole = whole.replace(thousands, "")
    if not (whole + part).isdigit():
        return None
    number = whole + ("." + part if mark else "")
    multiple = (match["multiple"] or "").strip().lower()
    if multiple and match["power"]:
        return None
    power = f"e{_POWERS[multiple]}" if multiple else match["power"] or ""
    return match["sign"] + number + power
