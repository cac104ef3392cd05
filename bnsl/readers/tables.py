"""Tables in CSV, TSV, JSON, JSON Lines and Parquet. Rows count from 1, the first below the header."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections.abc import Sequence
from typing import Any

from bnsl._base.cells import number_of
from bnsl._base.checks import InputError, is_number, shown, some
from bnsl._base.display import counted
from bnsl._base.lazy import pd
from bnsl.readers.files import lacking, text
from bnsl.readers.source import Source, check_distinct, read_cells, records

_NAMED_DELIMITER = re.compile(r"sep=(?P<mark>[,;\t])[ \t]*(\r?\n|$)")
_NUMBER_LIKE = re.compile(r"[+-]?[.,]?\d")  # how a number starts
_COMMENT = "#"
_DASHES = ("-", "--", "\u2013", "\u2014")  # cells that are missing, besides those that pandas knows
WHITE = r"\s+"  # the delimiter of a table with spaces between its cells


def read_delimited(
    data: bytes, where: str, decimal: str | None = None, *, delimiter: str | None = None
) -> Source:
    """A table; the delimiter is found in it: comma, tab, semicolon, or spaces.

    Lines that begin with # are passed over. Where no line of names follows, the last of them may hold the
    names, as in what `numpy.savetxt` writes; without any names the columns are numbered.
    """
    content = text(data, where).lstrip("\r\n")
    named = _NAMED_DELIMITER.match(content)
    if named:  # a line for spreadsheets that says what is between the cells
        content = content[named.end() :].lstrip("\r\n")
        delimiter = delimiter or named["mark"]
    lines = content.splitlines()
    comments = [line for line in lines if line.startswith(_COMMENT)]
    body = [line for line in lines if line.strip() and not line.startswith(_COMMENT)]
    if not body:
        return Source(pd.DataFrame())
    if comments:  # empty lines in their place leave the numbers of lines in messages as they are
        content = "\n".join("" if line.startswith(_COMMENT) else line for line in lines)
    delimiter = delimiter or _delimiter(body)
    names, header, notes = _names(body[0], comments, delimiter)
    check_distinct(names, where)
    table = _parsed(content, where, delimiter, {"header": header, "names": None if header == 0 else names})
    table.columns = pd.Index(names)
    usual = None if delimiter in ";\t" else "."  # where commas are between the cells, decimals have points
    return read_cells(table, where, decimal=decimal, usual=usual, notes=notes)


def _parsed(content: str, where: str, delimiter: str, head: dict[str, Any]) -> pd.DataFrame:
    """The cells as texts; InputError for rows of different lengths."""
    options = {"dtype": str, "index_col": False, "na_values": _DASHES, "skipinitialspace": True, **head}
    hint = "; if these are decimal commas, put semicolons between the cells" if delimiter == "," else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table: pd.DataFrame = pd.read_csv(io.StringIO(content), sep=delimiter, **options)
    except pd.errors.ParserWarning:
        raise InputError(f"{where} is ragged: rows have more cells than the header has names{hint}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        hint = hint if "Expected" in reason else ""
        raise InputError(f"{where} is ragged or damaged: {reason}{hint}") from None
    return table


def looks_delimited(data: bytes) -> bool:
    """Whether a file of no known ending is a table: a line of names, and below it as many numbers."""
    try:
        lines = text(data, "").splitlines()
    except InputError:
        return False
    body = [line for line in lines if line.strip() and not line.startswith(_COMMENT)][:2]
    if len(body) < 2:
        return False
    if _white(body):
        return True
    for mark in "\t;,":
        rows = [[cell.strip() for cell in line.split(mark)] for line in body]
        if len(rows[0]) == len(rows[1]) > 1:
            heads = sum(map(is_number, rows[0]))
            return heads in (0, len(rows[0])) and sum(map(is_number, rows[1])) > 1
    return False


def _delimiter(body: Sequence[str]) -> str:
    """What is between the cells of a table, by its first line, and where that has no mark by the second."""
    marks = ";\t," if _NUMBER_LIKE.match(body[0].strip()) else ",\t;"  # 1,5;2,5 has no names
    found = next((mark for mark in marks if mark in body[0]), None)
    return found or (WHITE if _white(body[:2]) else ",")


def _white(body: Sequence[str]) -> bool:
    """Whether the cells of a table have spaces between them: names or numbers, and below as many numbers."""
    rows = [line.split() for line in body]
    if len(rows) < 2 or not len(rows[0]) == len(rows[1]) > 1:
        return False
    heads = sum(bool(_NUMBER_LIKE.match(cell)) for cell in rows[0])
    numbers = sum(number_of(cell) is not None for cell in rows[1])
    return (heads == 0 and numbers > 1) or (heads == len(rows[0]) == numbers)


def _names(
    first: str, comments: Sequence[str], delimiter: str
) -> tuple[list[str], int | None, tuple[str, ...]]:
    """The names of the columns, the row of them below the comments (None for none), and notes."""
    names, said = _split(first, delimiter), _split("".join(comments[-1:]).lstrip(_COMMENT), delimiter)
    numbers = [bool(name) and number_of(name) is not None for name in names]
    named = any(numbers) and len(said) == len(names) and not any(map(is_number, said))
    others = len(comments) - named
    notes = [f"took the names {some(said)} from the comment above the rows"] if named else []
    if others:
        notes.append(f"left out {counted(others, 'line')} beginning with {_COMMENT}")
    if named:
        return said, None, tuple(notes)
    if not all(numbers) or names == [str(i) for i in range(len(names))]:  # the latter are those of pandas
        return names, 0, tuple(notes)
    numbered = [f"column {i}" for i in range(1, len(names) + 1)]
    return numbered, None, (*notes, f"the first line is numbers, so the columns are called {some(numbered)}")


def _split(line: str, delimiter: str) -> list[str]:
    white = delimiter == WHITE
    cells = next(
        csv.reader([line.strip()], delimiter=" " if white else delimiter, skipinitialspace=white), []
    )
    return [cell.strip() for cell in cells]


def read_json(data: bytes, where: str, decimal: str | None = None) -> Source:
    """A JSON text: a list of objects, or what pandas writes (by columns, "split" or "table").

    Raises InputError for anything else.
    """
    found = parse_json(data, where)
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        names = found.get("columns")
        found = [dict(zip(names, row, strict=False)) for row in found["data"]] if names else found["data"]
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        return read_cells(records(found), where, decimal=decimal)
    if isinstance(found, dict) and all(isinstance(column, dict | list) for column in found.values()):
        try:
            table = pd.DataFrame(found).reset_index(drop=True)
        except ValueError as error:
            raise InputError(f"{where}: the columns do not make a table: {error}") from None
        return read_cells(table, where, decimal=decimal)
    raise InputError(f"{where} is no table: give a list of objects, or an object of columns")


def parse_json(data: bytes, where: str) -> Any:
    """What a JSON text holds; raises InputError where it is damaged."""
    try:
        return json.loads(text(data, where))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not valid JSON: {error}") from None


def parse_lines(data: bytes, where: str) -> list[dict[str, Any]]:
    """The objects of a text with one JSON object a line; raises InputError for other lines."""
    rows = []
    for number, line in enumerate(text(data, where).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{where}, line {number} is not valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{where}, line {number} is {shown(line)}; every line must be one JSON object")
        rows.append(row)
    return rows


def is_object(line: bytes, where: str) -> bool:
    """Whether a line is a JSON object of its own that is no table of columns."""
    try:
        found = parse_json(line, where)
    except InputError:
        return False
    return isinstance(found, dict) and not any(isinstance(value, dict | list) for value in found.values())


def read_parquet(data: bytes, where: str, decimal: str | None = None) -> Source:
    """A table from Parquet, which needs pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise lacking(where, "Parquet", "pyarrow", "parquet") from None
    try:
        table = pq.read_table(pa.BufferReader(data)).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{where} is damaged or no Parquet file: {str(error).splitlines()[0]}") from None
    table.columns = table.columns.map(str)
    check_distinct(list(table.columns), where)
    return read_cells(table.reset_index(drop=True), where, decimal=decimal)
