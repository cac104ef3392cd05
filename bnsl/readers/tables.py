"""Tables in CSV, TSV, JSON, JSON Lines and Parquet. Rows count from 1, the first below the header."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from typing import TYPE_CHECKING, Any

from bnsl._base.checks import InputError
from bnsl.readers.files import text
from bnsl.readers.source import check_distinct, is_number, records, show, with_numbers

if TYPE_CHECKING:
    import pandas as pd

# Numbers with a decimal comma or without any mark; and those whose commas may be marks of thousands.
DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?(e[+-]?\d+)?|[+-]?,\d+(e[+-]?\d+)?", re.I)
_NAMED_DELIMITER = re.compile(r"sep=(?P<mark>[,;\t])[ \t]*(\r?\n|$)")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def read_delimited(data: bytes, where: str, delimiter: str | None = None) -> pd.DataFrame:
    """A table with a header; the delimiter is found in it: comma, tab or semicolon."""
    import pandas as pd

    content = text(data, where).lstrip("\r\n")
    named = _NAMED_DELIMITER.match(content)
    if named:  # a line for spreadsheets that says what is between the cells
        content = content[named.end() :].lstrip("\r\n")
        delimiter = delimiter or named["mark"]
    if not content.strip():
        return pd.DataFrame()
    first_line = content.splitlines()[0]
    if delimiter is None:
        delimiter = next((mark for mark in ",\t;" if mark in first_line), ",")
    names = _header(first_line, delimiter, where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(content), sep=delimiter, dtype=str, index_col=False, skipinitialspace=True
            )
    except pd.errors.ParserWarning:
        raise InputError(
            f"{where} is ragged: rows have more cells than the header has names{_comma_hint(delimiter)}"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        hint = _comma_hint(delimiter) if "Expected" in reason else ""
        raise InputError(f"{where} is ragged or damaged: {reason}{hint}") from None
    table.columns = pd.Index(names)
    return with_numbers(_with_points(table, where) if delimiter != "," else table)


def looks_delimited(data: bytes) -> bool:
    """Whether a file of no known ending is a table: a line of names, and below it as many numbers."""
    try:
        lines = text(data, "").lstrip("\r\n").splitlines()[:2]
    except InputError:
        return False
    for mark in "\t;,":
        rows = [[cell.strip() for cell in line.split(mark)] for line in lines]
        if len(rows) == 2 and len(rows[0]) == len(rows[1]) > 1:
            return not any(map(is_number, rows[0])) and sum(map(is_number, rows[1])) > 1
    return False


def _comma_hint(delimiter: str) -> str:
    return "; if these are decimal commas, put semicolons between the cells" if delimiter == "," else ""


def _with_points(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """The table with 1.5 for 1,5 wherever a whole column is such numbers.

    Raises InputError where 1,500 may be thousands as well.
    """
    found, certain, first = [], False, ""
    for name in table.columns:
        cells = table[name].dropna().str.strip()
        commas = cells[cells.str.contains(",", regex=False)]
        if len(commas) and all(map(DECIMAL_COMMA.fullmatch, cells)):
            found.append(name)
            certain = certain or not all(map(_THOUSANDS.fullmatch, commas))
            first = first or f"column {name!r}, row {int(commas.index[0]) + 1} is {show(commas.iloc[0])}"
    if found and not certain:
        raise InputError(
            f"{where}: {first}; if the comma is a decimal one, write it as a point; if it marks thousands, "
            "leave it out"
        )
    for name in found:
        table[name] = table[name].str.replace(",", ".")
    return table


def _header(line: str, delimiter: str, where: str) -> list[str]:
    """The column names; a file without any would lose its first point to them."""
    names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]
    if all(is_number(name) for name in names):
        raise InputError(f"{where} has no header: its first line is {show(line)}; add a line such as x,y")
    check_distinct(names, where)
    return names


def read_json(data: bytes, where: str) -> pd.DataFrame:
    """A JSON text: a list of objects, or what pandas writes (by columns, "split" or "table").

    Raises InputError for anything else.
    """
    import pandas as pd

    found = parse_json(data, where)
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        names = found.get("columns")
        found = [dict(zip(names, row, strict=False)) for row in found["data"]] if names else found["data"]
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        return records(found)
    if isinstance(found, dict) and all(isinstance(column, dict | list) for column in found.values()):
        try:
            return with_numbers(pd.DataFrame(found).reset_index(drop=True))
        except ValueError as error:
            raise InputError(f"{where}: the columns do not make a table: {error}") from None
    raise InputError(f"{where} is no table: give a list of objects, or an object of columns")


def parse_json(data: bytes, where: str) -> Any:
    """What a JSON text holds; raises InputError where it is damaged."""
    try:
        return json.loads(text(data, where))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not valid JSON: {error}") from None


def read_json_lines(data: bytes, where: str) -> pd.DataFrame:
    """A table of one JSON object a line."""
    import pandas as pd

    rows = []
    for number, line in enumerate(text(data, where).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{where}, line {number} is not valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{where}, line {number} is {show(line)}; every line must be one JSON object")
        rows.append(row)
    return with_numbers(pd.DataFrame(rows))


def read_parquet(data: bytes, where: str) -> pd.DataFrame:
    """A table from Parquet, which needs pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise InputError(
            f"{where}: reading Parquet needs pyarrow; pip install 'broken-neural-scaling-laws[parquet]'"
        ) from None
    try:
        table = pq.read_table(pa.BufferReader(data)).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{where} is damaged or no Parquet file: {str(error).splitlines()[0]}") from None
    table.columns = table.columns.map(str)
    check_distinct(list(table.columns), where)
    return with_numbers(table.reset_index(drop=True))
