"""Which format a file is of, and who reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bnsl._base.checks import InputError, check_choice
from bnsl.readers import tensorboard, trainer, wandb
from bnsl.readers.files import STDIN, called, content, ending, missing, stem
from bnsl.readers.logs import read_log
from bnsl.readers.source import Source
from bnsl.readers.tables import (
    looks_delimited,
    parse_json,
    read_delimited,
    read_json,
    read_json_lines,
    read_parquet,
)

if TYPE_CHECKING:
    import pandas as pd

FORMATS: Mapping[str, str] = {
    "csv": "a table with a header; comma, semicolon or tab between the cells",
    "tsv": "a table with a header and tabs",
    "json": "a list of objects, or an object of columns",
    "jsonl": "an object a line",
    "parquet": "a table in Parquet",
    "tensorboard": "event files, or a folder of them",
    "wandb": "Weights & Biases: a history table, the export of a panel, or runs recorded offline",
    "trainer": "trainer_state.json of Hugging Face, or a folder of checkpoints",
    "log": "a plain log, by a regular expression",
}
_TABLES: dict[str, Callable[[bytes, str], pd.DataFrame]] = {
    "csv": read_delimited,
    "tsv": lambda data, where: read_delimited(data, where, "\t"),
    "json": read_json,
    "jsonl": read_json_lines,
    "parquet": read_parquet,
}
ENDINGS: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".wandb": "wandb",
    ".log": "log",
}
_SPREADSHEET = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .xls
_EVENTS = re.compile(r"tfevents")


def read_source(path: str | Path, *, format: str | None = None, pattern: str | None = None) -> Source:
    """A table from a file or folder, with what its format says of the columns.

    Args:
        path: a file, a folder of logs, or "-" for the standard input. The name tells the format, and where
            it does not, the content.
        format: a key of FORMATS, where neither name nor content tells.
        pattern: for a plain log, a regular expression with named groups, which become the columns.

    Raises:
        InputError: a file that is missing, empty, damaged or of an unknown format.
    """
    where = called(path)
    if format is not None:
        check_choice(format, "format", FORMATS)
    if pattern is not None and format not in (None, "log"):
        raise InputError(f"pattern is for a plain log, and format is {format!r}; leave one of them out")
    if pattern is not None:
        format = "log"
    folder = str(path) != STDIN and Path(path).is_dir()
    if folder:
        source = _read_folder(Path(path), format, where)
    elif format == "tensorboard" or (format is None and _EVENTS.search(Path(path).name)):
        if not Path(path).exists():
            raise missing(Path(path), where, ENDINGS)
        source = tensorboard.read_tensorboard(Path(path))
    else:
        data = content(path, ENDINGS)
        source = _read_file(path, data, format or _detected(path, data, where), format, pattern)
    if source.table.size == 0:
        raise InputError(f"{where} has no rows; a fit needs at least three distinct points")
    return source


def read_table(path: str | Path, *, format: str | None = None, pattern: str | None = None) -> pd.DataFrame:
    """A table from a file; see `read_source` for the arguments.

    Columns that hold nothing but numbers come as float64, exact to the last digit; others as they are in
    the file. Decimal commas are read where semicolons or tabs are between the cells. Logs come with one row
    a step and run, one column a metric, NaN where a metric was not logged, and infinity where it was logged
    as NaN.

    Raises:
        InputError: a file that is missing, empty, damaged or of an unknown format.
    """
    return read_source(path, format=format, pattern=pattern).table


def _read_file(path: str | Path, data: bytes, kind: str, asked: str | None, pattern: str | None) -> Source:
    where, name = called(path), stem(path)
    if kind == "log":
        return read_log(data, where, name, pattern)
    if kind == "tensorboard":
        return tensorboard.read_tensorboard(Path(path))
    if kind == "trainer":
        return trainer.read_trainer(Path(path), data)
    if kind == "wandb" and data.startswith(wandb.MAGIC):
        return wandb.read_offline(Path(path), data)
    layout = kind
    if kind == "wandb":
        layout = ENDINGS.get(ending(path)) or "csv"
        if layout not in _TABLES:
            raise InputError(f"{where} is damaged, or no run or table of Weights & Biases")
    if layout == "json" and asked is None and trainer.is_trainer_state(parse_json(data, where)):
        return trainer.read_trainer(Path(path), data)
    table = _TABLES[layout](data, where)
    if asked in (None, "wandb"):
        if wandb.is_panel(table):
            return wandb.from_panel(table, name)
        if wandb.is_history(table):
            return wandb.from_history(table, name)
        if asked == "wandb":
            raise InputError(
                f"{where} is no table of Weights & Biases: it has neither the columns _step and _timestamp "
                "of a history nor 'run - metric' with __MIN and __MAX of a panel; leave the format out"
            )
    return Source(table, layout, name)


def _detected(path: str | Path, data: bytes, where: str) -> str:
    """The format by the ending, or where that says nothing by the first bytes."""
    known = ending(path)
    if known in ENDINGS:
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
        return "jsonl" if _is_object(data.lstrip().splitlines()[0], where) else "json"
    if known == "" or looks_delimited(data):
        return "csv"
    if known == ".txt":
        return "log"
    if data.startswith(_SPREADSHEET) and known.startswith(".xls"):
        raise InputError(
            f"{where} is a workbook; save the sheet with the runs as CSV UTF-8, and give that file"
        )
    raise InputError(
        f"{where}: the ending {known!r} is none of {', '.join(ENDINGS)}; say what it is with --format ("
        f"{', '.join(FORMATS)}), or save the table as one of these"
    )


def _is_object(line: bytes, where: str) -> bool:
    """Whether a line is a JSON object of its own that is no table of columns."""
    try:
        found = parse_json(line, where)
    except InputError:
        return False
    return isinstance(found, dict) and not any(isinstance(value, dict | list) for value in found.values())


def _read_folder(path: Path, format: str | None, where: str) -> Source:
    if format in (None, "trainer") and any(path.rglob(trainer.FILE)):
        return trainer.read_trainer(path)
    if format in (None, "wandb") and any(path.rglob(wandb.FILES)):
        return wandb.read_offline(path)
    if format in (None, "tensorboard") and any(path.rglob(tensorboard.FILES)):
        return tensorboard.read_tensorboard(path)
    raise InputError(
        f"{where} is a folder without {trainer.FILE}, event files of TensorBoard or runs of Weights & Biases "
        "(*.wandb); give a file"
    )
