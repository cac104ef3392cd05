"""Tables from files, and curves from the columns of a table.

CSV, TSV, JSON Lines and Parquet are read, the first three also when compressed by gzip. Whatever is wrong
with a file is an InputError that names the file, or the column, the row and the value. Rows are counted
from 1, the first one below the header.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import json
import re
import sys
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._arrays import InputError, suggest
from bnsl.curve import Curve

if TYPE_CHECKING:
    import pandas as pd

STDIN = "-"
# Names that say "I am the uncertainty of another column", whole or as the last word: y_err, loss-std, sigma.
_UNCERTAINTY = re.compile(
    r"(^|[\W_])(sigma|err|error_?bar|std|std_?dev|stdev|sd|sem|se|std_?err|std_?error|uncertainty)$", re.I
)
# Numbers with a decimal comma or without any mark; and those whose commas may be marks of thousands.
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?(e[+-]?\d+)?|[+-]?,\d+(e[+-]?\d+)?", re.I)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_NUMBER_LIKE = re.compile(r"\s*[+-]?[.,]?\d")  # how a number starts, well written or not
ALIKE = 0.75  # of the letters of a file's name, from which on it may be meant
_SHOWN = 60  # characters of a cell that an error message repeats


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


def read_curve(
    path: str | Path,
    x: str | None = None,
    y: str | None = None,
    sigma: str | None = None,
    *,
    loss: str | None = None,
) -> Curve:
    """The curve in two columns of a file, named after them.

    Args:
        path: a file as for `read_table`.
        x: column of the inputs.
        y: column of the measured values. With x or y not given, the numeric columns must leave no doubt:
            there must be just two of them, of which the first is x. Columns named like an uncertainty
            (y_err, loss_std, sigma, stderr, ...) do not count where there are enough others.
        sigma: column of the standard deviation of y. It is never guessed, because weights change the fit.
        loss: also check that y can be fitted under this loss, so that the message has the row in the file.

    Raises:
        InputError: a file that cannot be read, a column that is missing or in doubt, or a cell that is not
            a number that can be fitted.
    """
    table = read_table(path)
    return curve_from_table(table, choose_columns(table, x, y, sigma), name=stem(path), loss=loss)


# --- tables ---------------------------------------------------------------------------------------


def read_table(path: str | Path) -> pd.DataFrame:
    """A table from a file, whose name tells the format.

    Columns that hold nothing but numbers come as float64, exact to the last digit; others as they are in
    the file.

    Args:
        path: .csv (comma, semicolon or tab between the cells), .tsv, .jsonl or .ndjson (an object a line),
            or .parquet; with .gz behind it if compressed. A name without an ending, and "-", the standard
            input, are read as CSV. Decimal commas are read where semicolons or tabs are between the cells.

    Raises:
        InputError: a file that is missing, empty, damaged or of another format.
    """
    where = "the standard input" if str(path) == STDIN else f"file {str(path)!r}"
    reader = _reader(path, where)
    table = reader(_content(path, where), where)
    if table.size == 0:
        raise InputError(f"{where} has no rows; a fit needs at least three distinct points")
    return table


def _reader(path: str | Path, where: str) -> Callable[[bytes, str], pd.DataFrame]:
    name = Path(path).name.lower().removesuffix(".gz")
    ending = "" if str(path) == STDIN else Path(name).suffix
    if ending not in _READERS:
        known = ", ".join(filter(None, _READERS))
        raise InputError(f"{where}: the ending {ending!r} is none of {known}; save the table as one of these")
    return _READERS[ending]


def _content(path: str | Path, where: str) -> bytes:
    """The bytes of the file, decompressed."""
    try:
        data = sys.stdin.buffer.read() if str(path) == STDIN else _bytes_of(Path(path), where)
        if Path(path).name.lower().endswith(".gz"):
            data = gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{where} is damaged: {error}") from None
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror or error}") from None
    if not data.strip():
        raise InputError(f"{where} is empty")
    return data


def _bytes_of(path: Path, where: str) -> bytes:
    if path.is_dir():
        raise InputError(f"{where} is a folder; give a file")
    if not path.exists():
        folder = path.parent
        siblings = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        raise InputError(f"{where} does not exist" + _similar_table(path.name, siblings))
    return path.read_bytes()


def _similar_table(name: str, siblings: Sequence[str]) -> str:
    """' Did you mean ...?' for a table with nearly the same name; endings alone make no likeness."""
    tables: dict[str, str] = {}
    for sibling in siblings:
        if Path(sibling.lower().removesuffix(".gz")).suffix in _READERS:
            tables.setdefault(stem(sibling).lower(), sibling)
    close = difflib.get_close_matches(stem(name).lower(), tables, n=1, cutoff=ALIKE)
    return f". Did you mean {tables[close[0]]!r}?" if close else ""


def _text(data: bytes, where: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{where} is not text in UTF-8; is it damaged, or of another format?") from None
    if "\0" in text:
        raise InputError(f"{where} holds binary data; is it damaged, or of another format?")
    return text


def _read_delimited(data: bytes, where: str, delimiter: str | None = None) -> pd.DataFrame:
    import pandas as pd

    text = _text(data, where).lstrip("\r\n")
    first_line = text.splitlines()[0]
    if delimiter is None:
        delimiter = next((mark for mark in ",\t;" if mark in first_line), ",")
    names = _header(first_line, delimiter, where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text), sep=delimiter, dtype=str, index_col=False, skipinitialspace=True
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
    return _with_numbers(_with_points(table, where) if delimiter != "," else table)


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
        if len(commas) and all(map(_DECIMAL_COMMA.fullmatch, cells)):
            found.append(name)
            certain = certain or not all(map(_THOUSANDS.fullmatch, commas))
            first = first or f"column {name!r}, row {int(commas.index[0]) + 1} is {_show(commas.iloc[0])}"
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
    if all(_is_number(name) for name in names):
        raise InputError(f"{where} has no header: its first line is {_show(line)}; add a line such as x,y")
    _check_distinct(names, where)
    return names


def _read_json_lines(data: bytes, where: str) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for number, line in enumerate(_text(data, where).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{where}, line {number} is not valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{where}, line {number} is {_show(line)}; every line must be one JSON object")
        rows.append(row)
    return _with_numbers(pd.DataFrame(rows))


def _read_parquet(data: bytes, where: str) -> pd.DataFrame:
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
    _check_distinct(list(table.columns), where)
    return _with_numbers(table.reset_index(drop=True))


_READERS: dict[str, Callable[[bytes, str], Any]] = {
    "": _read_delimited,
    ".csv": _read_delimited,
    ".tsv": lambda data, where: _read_delimited(data, where, "\t"),
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}


def _check_distinct(names: Sequence[str], where: str) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"{where} has two columns called {name!r}; rename one")


def _with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with float64 wherever a whole column is numbers."""
    for name in table.columns:
        numbers = _as_numbers(table[name])
        if numbers is not None:
            table[name] = numbers
    return table


def _as_numbers(column: pd.Series) -> np.ndarray | None:
    """The column in float64, NaN where a cell is missing; None if it holds anything but numbers."""
    if column.dtype.kind in "bMm" or column.isna().all():
        return None
    cells = column.to_numpy(dtype=object, na_value=np.nan)
    try:
        return cells.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


# --- columns --------------------------------------------------------------------------------------


def choose_columns(
    table: pd.DataFrame, x: str | None = None, y: str | None = None, sigma: str | None = None
) -> Columns:
    """The columns asked for, and x and y guessed where the table leaves no doubt (see `read_curve`).

    Raises:
        InputError: an unknown column, one column in two roles, or a choice that must be made; the message
            lists the columns there are.
    """
    asked = {"x": x, "y": y, "sigma": sigma}
    names = [str(name) for name in table.columns]
    taken: dict[str, str] = {}
    for role, name in asked.items():
        if name is None:
            continue
        if name not in names:
            raise InputError(f"{role}: there is no column {name!r}{suggest(name, names)}; {_listed(table)}")
        if name in taken:
            raise InputError(f"{role}: column {name!r} is {taken[name]} already; {_listed(table)}")
        taken[name] = role
    wanted = [role for role in ("x", "y") if asked[role] is None]
    spare = [name for name in names if name not in taken]
    uncertain = [name for name in spare if _UNCERTAINTY.search(name)]
    others = [name for name in spare if name not in uncertain]
    candidates = [name for name in others if table[name].dtype.kind == "f"]
    numeric = [name for name in spare if table[name].dtype.kind == "f"]
    if len(numeric) == len(wanted) and sum(_holds_numbers(table[name]) for name in others) < len(wanted):
        candidates, others, uncertain = numeric, [], []  # p and err: nothing else can be meant
    elif len(others) == len(wanted):
        candidates = others  # no choice; if one has a bad cell, that is what the message should be about
    if wanted and len(candidates) != len(wanted):
        raise InputError(_undecided(table, wanted, candidates))
    found = dict(zip(wanted, candidates, strict=False))
    return Columns(
        x=x if x is not None else found["x"],
        y=y if y is not None else found["y"],
        sigma=sigma,
        guessed=bool(wanted),
        unused=tuple(uncertain) if sigma is None else (),
    )


def _undecided(table: pd.DataFrame, wanted: Sequence[str], candidates: Sequence[str]) -> str:
    roles = " and ".join(wanted)
    if len(candidates) < len(wanted):
        return f"{roles}: the table has too few columns of numbers to choose from; {_listed(table)}"
    options = " and ".join(f"--{role}" for role in wanted)
    return (
        f"{roles}: say which {'columns' if len(wanted) > 1 else 'column'} to take ({options} in the shell); "
        f"{_listed(table)}"
    )


def _holds_numbers(column: pd.Series) -> bool:
    """Whether any cell is a number, or begins like one."""
    return column.dtype.kind == "f" or any(_NUMBER_LIKE.match(str(cell)) for cell in column.dropna())


def _listed(table: pd.DataFrame) -> str:
    kinds = [f"{n!r}" if table[n].dtype.kind == "f" else f"{n!r} (not all numbers)" for n in table]
    return f"the columns are {', '.join(kinds)}"


def curve_from_table(
    table: pd.DataFrame, columns: Columns, *, name: str = "", loss: str | None = None
) -> Curve:
    """The curve in the given columns; every cell is checked, and complaints name its row in the file.

    Raises:
        InputError: a cell that is missing, no number, not finite, or of a sign that cannot be fitted.
    """
    x = _numbers(table, columns.x)
    y = _numbers(table, columns.y)
    _refuse(columns.x, x, x <= 0, "a scaling law needs x > 0 (drop step 0, or shift x)")
    if loss == "log":
        _refuse(
            columns.y,
            y,
            y <= 0,
            "the log loss needs y > 0; fit an error such as 1 - accuracy, drop the row, or fit it with the "
            "linear loss (bnsl fit --loss linear)",
        )
    if loss == "log1p":
        _refuse(columns.y, y, y < 0, "the log1p loss needs y >= 0; drop the row, or use --loss linear")
    sigma = None
    if columns.sigma is not None:
        sigma = _numbers(table, columns.sigma)
        _refuse(columns.sigma, sigma, sigma <= 0, "sigma must be a positive standard deviation")
    return Curve(x, y, sigma, name, columns.x, columns.y)


def _numbers(table: pd.DataFrame, name: str) -> np.ndarray:
    """A column as finite floats."""
    column = table[name]
    if column.dtype.kind != "f":
        raise InputError(f"column {name!r}, {_first_no_number(column)}")
    numbers = column.to_numpy(dtype=np.float64)
    missing = np.isnan(numbers)
    if missing.any():
        row = int(np.argmax(missing)) + 1
        raise InputError(f"column {name!r}, row {row} is missing (empty or NaN); drop or repair the row")
    _refuse(name, numbers, ~np.isfinite(numbers), "it must be finite; drop or repair the row")
    return numbers


def _first_no_number(column: pd.Series) -> str:
    for row, (cell, missing) in enumerate(zip(column, column.isna(), strict=True), start=1):
        if missing:
            return f"row {row} is missing (empty or NaN); drop or repair the row"
        if isinstance(cell, bool) or not _is_number(cell):
            comma = isinstance(cell, str) and "," in cell and _DECIMAL_COMMA.fullmatch(cell.strip())
            hint = "; write decimals with a point, 1.5" if comma else ""
            return f"row {row} is {_show(cell)}, which is not a number{hint}"
    return f"type {column.dtype} is not numbers"


def _refuse(name: str, numbers: np.ndarray, bad: np.ndarray, why: str) -> None:
    """Raise InputError for the first number that is bad, with its row and how many there are."""
    if bad.any():
        row = int(np.argmax(bad))
        more = int(bad.sum()) - 1
        also = f" ({more} more row{'s' if more > 1 else ''} likewise)" if more else ""
        raise InputError(f"column {name!r}, row {row + 1} is {numbers[row]:g}; {why}{also}")


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _show(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def stem(path: str | Path) -> str:
    """What to call the curve: the file's name without its endings."""
    return "" if str(path) == STDIN else Path(Path(path).name.removesuffix(".gz")).stem
