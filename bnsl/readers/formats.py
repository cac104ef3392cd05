"""Which format a file is of, and who reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from bnsl._base.cells import DECIMALS
from bnsl._base.checks import InputError, check_choice, check_path, check_text, some
from bnsl._base.lazy import pd
from bnsl.curves.datasets import load_table
from bnsl.curves.pooling import RATE
from bnsl.readers import mlflow, steps, tables, tensorboard, trainer, wandb
from bnsl.readers.files import STDIN, called, content, ending, missing, stem
from bnsl.readers.logs import from_lines, read_log
from bnsl.readers.source import Source, read_cells

FORMATS: Mapping[str, str] = {
    "csv": "a table with a header; comma, semicolon, tab or spaces between the cells",
    "tsv": "a table with a header and tabs",
    "json": "a list of objects, an object of columns or of steps, or a folder of one file per step",
    "jsonl": "an object a line",
    "parquet": "a table in Parquet",
    "tensorboard": "event files, or a folder of them",
    "wandb": "Weights & Biases: a history table, the export of a panel, or runs recorded offline",
    "mlflow": "metric files of MLflow, or a folder of runs",
    "trainer": "trainer_state.json of Hugging Face, or a folder of checkpoints",
    "log": "a plain log, by a regular expression",
}
_TABLES: dict[str, Callable[[bytes, str, str | None], Source]] = {
    "csv": tables.read_delimited,
    "tsv": partial(tables.read_delimited, delimiter="\t"),
    "json": tables.read_json,
    "parquet": tables.read_parquet,
}
_FOLDERS: tuple[tuple[str, str, Callable[[Path], Source]], ...] = (
    ("trainer", trainer.FILE, trainer.read_trainer),
    ("wandb", wandb.FILES, wandb.read_offline),
    ("tensorboard", tensorboard.FILES, tensorboard.read_tensorboard),
)
ENDINGS: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "",  # its content tells
    ".wandb": "wandb",
    ".log": "log",
}
_SPREADSHEET = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .xls
_EVENTS = re.compile(r"tfevents")
_RUN = re.compile(r"run|run[ _-]?(id|name)|experiment|trial", re.I)  # a column that tells runs apart
_SEED = re.compile(r"(random[ _-]?)?seed", re.I)  # one that does where no other does


def read_source(
    path: str | Path, *, format: str | None = None, pattern: str | None = None, decimal: str | None = None
) -> Source:
    """A table from a file or folder, with what its format says of the columns.

    Args:
        path: a file, a folder of logs, or "-" for the standard input. The name tells the format, and where
            it does not, the content.
        format: a key of FORMATS, where neither name nor content tells.
        pattern: for a plain log, a regular expression with named groups, which become the columns.
        decimal: the decimal mark of a table, "." or ","; it is seen from the cells unless all are like 1,500.

    Raises:
        InputError: a file that is missing, empty, damaged or of an unknown format.
    """
    check_path(path, "path")
    if pattern is not None:
        check_text(pattern, "pattern")
    if decimal is not None:
        check_choice(decimal, "decimal", DECIMALS)
    if format is not None:
        check_choice(format, "format", FORMATS)
    if pattern is not None and format not in (None, "log"):
        raise InputError(f"pattern is for a plain log, and format is {format!r}; leave one of them out")
    if pattern is not None:
        format = "log"
    where = called(path)
    if str(path) != STDIN and Path(path).is_dir():
        source = _read_folder(Path(path), format, where)
    elif format == "tensorboard" or (format is None and _EVENTS.search(Path(path).name)):
        if not Path(path).exists():
            raise missing(Path(path), where, ENDINGS)
        source = tensorboard.read_tensorboard(Path(path))
    else:
        data = content(path, ENDINGS)
        kind = format or _detected(path, data, where)
        if kind == "log":
            source = read_log(data, where, stem(path), pattern)
        else:
            source = _logged(Path(path), data, kind, where) or _tabled(path, data, kind, format, decimal)
    if source.table.size == 0:
        raise InputError(f"{where} has no rows; a fit needs at least three distinct points")
    return source


def read_dataset(name: str) -> Source:
    """A data set of the package by its name; raises InputError as `load_dataset` does."""
    return _with_roles(replace(read_cells(load_table(name)), kind="a data set", name=name))


def read_table(
    path: str | Path, *, format: str | None = None, pattern: str | None = None, decimal: str | None = None
) -> pd.DataFrame:
    """A table from a file; see `read_source` for the arguments.

    Columns of numbers become float64, exact to the last digit; others stay as they are in the file. Numbers
    are also read in these forms: 125M, 7e9 params, 64.7%, 1,000 and 3,50. Logs come with one row per step and
    run, one column per metric, NaN where a metric was not logged, and infinity where it was logged as NaN.

    Raises:
        InputError: a file that is missing, empty, damaged or of an unknown format.
    """
    return read_source(path, format=format, pattern=pattern, decimal=decimal).table


def _logged(path: Path, data: bytes, kind: str, where: str) -> Source | None:
    """The file of a training tool; None for a table, which some of these write, too."""
    if kind == "tensorboard":
        return tensorboard.read_tensorboard(path)
    if kind == "trainer":
        return trainer.read_trainer(path, data)
    if kind == "mlflow":
        return mlflow.read_metric(path, data, where)
    return wandb.read_offline(path, data) if kind == "wandb" and data.startswith(wandb.MAGIC) else None


def _tabled(path: str | Path, data: bytes, kind: str, asked: str | None, decimal: str | None) -> Source:
    """A table, or the log that its content shows it to be; `asked` is the format that was asked for."""
    where, name = called(path), stem(path)
    layout = (ENDINGS.get(ending(path)) or "csv") if kind == "wandb" else kind
    if kind == "wandb" and layout not in (*_TABLES, "jsonl"):
        raise InputError(f"{where} is damaged, or no run or table of Weights & Biases")
    if layout == "json" and _is_lines(data, where):
        layout = "jsonl"
    if layout == "json" and asked in (None, "json"):
        found = tables.parse_json(data, where)
        if asked is None and trainer.is_trainer_state(found):
            return trainer.read_trainer(Path(path), data)
        counted = steps.rows_of_steps(found)
        if counted is not None:
            return steps.from_rows(*counted, name)
    rows = tables.parse_lines(data, where) if layout == "jsonl" else []
    if layout == "jsonl":
        cells = read_cells(pd.DataFrame(rows), where, decimal=decimal)
    else:
        cells = _TABLES[layout](data, where, decimal)
    cells = replace(cells, kind=layout, name=name)
    if asked in (None, "wandb"):
        if len(cells.table.columns) and wandb.is_panel(cells.table):
            return wandb.from_panel(cells)
        if wandb.is_history(cells.table):
            return wandb.from_history(cells)
        if asked == "wandb":
            raise InputError(
                f"{where} is no table of Weights & Biases: it has neither the columns _step and _timestamp "
                "of a history nor 'run - metric' with __MIN and __MAX of a panel; leave the format out"
            )
    if asked is None and tensorboard.is_export(cells.table):
        return tensorboard.from_export(cells)
    return _with_roles(from_lines(rows, cells) if rows else cells)


def _with_roles(source: Source) -> Source:
    """The source with what the names of its columns say: which tells runs of several points apart, if any.

    Learning rates are set aside where there are two other columns of numbers.
    """
    table, names = source.table, list(map(str, source.table))
    kinds = ((kind, name) for kind in (_RUN, _SEED) for name in names)
    run = next((name for kind, name in kinds if kind.fullmatch(name) and _repeats(table[name])), None)
    numeric = [name for name in names if table[name].dtype.kind == "f" and name != run]
    rates = [name for name in numeric if RATE.fullmatch(name) and name not in source.aside]
    if len(numeric) - len(rates) < 2:
        rates = []
    return replace(source, run=run, aside=(*source.aside, *([] if run is None else [run]), *rates))


def _repeats(column: pd.Series) -> bool:
    """Whether a column has several values, each in two rows on average, or more."""
    try:
        return 1 < column.nunique() <= len(column) // 2
    except TypeError:  # lists cannot be counted
        return False


def _detected(path: str | Path, data: bytes, where: str) -> str:
    """The format by the ending, or where that says nothing by the first bytes."""
    known = ending(path)
    if ENDINGS.get(known):
        return ENDINGS[known]
    if data.startswith(b"PAR1"):
        return "parquet"
    if data.startswith(wandb.MAGIC):
        return "wandb"
    if tensorboard.MARK in data[:64]:
        return "tensorboard"
    start = data.lstrip()[:1]
    if start == b"[":
        return "json"
    if start == b"{":
        return "jsonl" if tables.is_object(data.lstrip().splitlines()[0], where) else "json"
    if mlflow.is_metric(data):
        return "mlflow"
    if known == "" or tables.looks_delimited(data):
        return "csv"
    if known == ".txt":
        return "log"
    if data.startswith(_SPREADSHEET) and known.startswith(".xls"):
        raise InputError(
            f"{where} is a workbook; save the sheet with the runs as CSV UTF-8, and give that file"
        )
    raise InputError(
        f"{where}: neither its content nor the ending {known!r} tells what it is; save it as "
        f"{', '.join(ENDINGS)}, each also with .gz, or name it by format='csv' ({some(list(FORMATS)[1:])})"
    )


def _is_lines(data: bytes, where: str) -> bool:
    """Whether a text that is called JSON is an object a line."""
    lines = [line for line in data.splitlines() if line.strip()]
    if len(lines) < 2 or not all(line.lstrip().startswith(b"{") for line in lines):
        return False
    try:
        tables.parse_json(lines[0], where)
    except InputError:
        return False
    return True


def _read_folder(path: Path, format: str | None, where: str) -> Source:
    for kind, files, read in _FOLDERS:
        if format in (None, kind) and any(path.rglob(files)):
            return read(path)
    if format in (None, "mlflow") and mlflow.folders(path):
        return mlflow.read_mlflow(path)
    source = steps.read_folder(path) if format in (None, "json") else None
    if source is not None:
        return source
    raise InputError(
        f"{where} is a folder without {trainer.FILE}, event files of TensorBoard, runs of Weights & Biases "
        "(*.wandb), metrics of MLflow or JSON files with steps in their names; give a file"
    )
