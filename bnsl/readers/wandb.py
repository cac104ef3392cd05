"""Weights & Biases: tables of a run's history, exports of a panel, and runs recorded offline."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnsl._base.checks import InputError, some
from bnsl._base.lazy import pd
from bnsl.readers.files import called, content, lacking, message_of
from bnsl.readers.source import RUN, Source, flat, records

FILES = "*.wandb"
MAGIC = b":W&B"  # how the record of an offline run begins
COUNT = "_step"  # which counts the records of a run
_HEADER = 7  # bytes: MAGIC, two more of magic, the version
# The records are framed as in the log of LevelDB, in blocks of 32 KiB, with the plain crc32 of type and data.
_BLOCK = 32768
_FRAME = struct.Struct("<IHB")
_FULL, _FIRST, _LAST = 1, 2, 4
_STEPS = re.compile(r"_?step|global_step|epoch|relative time.*|wall time", re.I)
_SPREAD = re.compile(r"(?P<name>.* - .*)__(MIN|MAX)")


def is_history(table: pd.DataFrame) -> bool:
    """Whether a table is what `run.history()` gives: it counts steps and tells the time in W&B's columns."""
    names = set(map(str, table.columns))
    return COUNT in names and bool(names & {"_timestamp", "_runtime"})


def is_panel(table: pd.DataFrame) -> bool:
    """Whether a table is the export of a panel: 'run - metric' beside __MIN and __MAX, or beside steps."""
    first, *others = map(str, table.columns)
    if others and _STEPS.fullmatch(first) and all(" - " in name for name in others):
        return True
    names = {first, *others}
    spread = [found["name"] for found in map(_SPREAD.fullmatch, names) if found]
    return any(name in names and {f"{name}__MIN", f"{name}__MAX"} <= names for name in spread)


def from_history(cells: Source) -> Source:
    """The history of a run, or of several with a column 'run'; columns with a leading _ are bookkeeping."""
    table = cells.table
    aside = tuple(column for column in map(str, table.columns) if column.startswith("_") and column != COUNT)
    several = RUN in table.columns and table[RUN].nunique() > 1
    return replace(cells, kind="wandb", x=COUNT, run=RUN if several else None, aside=aside, sparse=True)


def from_panel(cells: Source) -> Source:
    """The export of a panel with the runs below each other: x, 'run' and one column per metric.

    The __MIN and __MAX of a metric are kept where they differ from it, as they do for a group of runs.
    """
    table = cells.table
    shared = [column for column in table.columns if " - " not in str(column)]
    if not shared:
        raise InputError("the export of a panel lacks its first column, the steps; export it again")
    named = (str(column).rpartition(" - ") for column in table.columns if column not in shared)
    aliases = {"".join(name): (name[0], name[2]) for name in named}
    parts = []
    for run in dict.fromkeys(run for run, _ in aliases.values()):
        metrics = {column: metric for column, (owner, metric) in aliases.items() if owner == run}
        part = table[[*shared, *metrics]].rename(columns=metrics)
        parts.append(part.dropna(how="all", subset=[*metrics.values()]).assign(**{RUN: run}))
    long = pd.concat(parts, ignore_index=True)
    measured = [column for column in long.columns if column not in (*shared, RUN)]
    middle = {end: re.sub("__(MIN|MAX)$", "", end) for end in measured}
    ends = [end for end, name in middle.items() if end != name and name in measured]
    same = [end for end in ends if long[end].equals(long[middle[end]])]
    long = long[[RUN, *shared, *(column for column in measured if column not in same)]]
    return Source(
        long,
        "wandb",
        cells.name,
        str(shared[0]),
        RUN if len(parts) > 1 else None,
        tuple(c for c in long.columns if c in ends or c.startswith("_")),
        sparse=True,
        notes=(*cells.notes, *_spreads(ends, same)),
        aliases={column: alias for column, alias in aliases.items() if alias[1] in long.columns},
    )


def _spreads(ends: list[str], same: list[str]) -> tuple[str, ...]:
    """What became of the __MIN and __MAX of metrics."""
    kept = [end for end in ends if end not in same]
    notes = [f"left out {some(same, 4)}, which repeat their metric"] if same else []
    if kept:
        notes.append(f"{some(kept, 4)} are the spread of grouped runs and not used; the metric is their mean")
    return tuple(notes)


def read_offline(path: Path, data: bytes | None = None) -> Source:
    """The history of a run recorded offline, or of all below a folder, without any network.

    Several runs are told apart by their names; what their configuration holds is in columns 'config.lr'.

    Args:
        path: a file run-ID.wandb, or a folder such as wandb/ or wandb/offline-run-...
        data: the bytes of the file, where they are at hand.

    Raises:
        InputError: a damaged file, one without history, or the package wandb is missing.
    """
    files = dict.fromkeys(sorted(path.rglob(FILES))) if path.is_dir() else {path: data}
    found = [
        _run(content(file, ()) if known is None else known, called(file)) for file, known in files.items()
    ]
    names = [name for name, _, _ in found]
    rows = []
    for i, (name, config, history) in enumerate(found):
        again = names[:i].count(name)
        label = name if not again else f"{name} ({again + 1})"
        rows += [{RUN: label, **row, **config} for row in history]
    if not rows:
        raise InputError(f"{called(path)} holds no history; nothing was logged with run.log")
    table = records(rows)
    source = from_history(Source(table, name=path.resolve().name if len(names) > 1 else names[0]))
    settings = (column for column in table.columns if column.startswith("config."))
    return replace(source, aside=(*source.aside, *settings))


def _run(data: bytes, where: str) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """Name, configuration and history of one run."""
    try:
        from wandb.proto.wandb_internal_pb2 import Record
    except ImportError:
        raise lacking(where, "offline runs", "wandb", "wandb") from None
    name, config, history = "", {}, []
    for payload in _records(data, where):
        record = message_of(Record, payload, where)
        if record.HasField("run"):
            name = record.run.display_name or record.run.run_id
            config.update(_values(record.run.config.update))
        elif record.HasField("config"):
            config.update(_values(record.config.update))
        elif record.HasField("history"):
            history.append({COUNT: record.history.step.num, **_values(record.history.item)})
    settings = {key: value for key, value in config.items() if not key.startswith("_wandb")}
    return name, {f"config.{key}": value for key, value in settings.items()}, history


def _values(items: Any) -> dict[str, Any]:
    """The numbers, words and truth values of key-value items; what is in objects has a dotted name."""
    out: dict[str, Any] = {}
    for item in items:
        key = item.key or ".".join(item.nested_key)
        try:
            out.update(flat(key, json.loads(item.value_json)))
        except ValueError:
            continue  # no JSON, so no number
    return out


def _records(data: bytes, where: str) -> Iterator[bytes]:
    """The payloads of the records, as far as they were written."""
    if not data.startswith(MAGIC):
        raise InputError(f"{where} is damaged, or no run of W&B: it does not begin with {MAGIC.decode()!r}")
    at, parts = _HEADER, b""
    while at + _FRAME.size <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _FRAME.size:
            at += left  # a frame does not cross the end of a block
            continue
        checksum, length, kind = _FRAME.unpack_from(data, at)
        payload = data[at + _FRAME.size : at + _FRAME.size + length]
        if len(payload) < length or kind == 0:
            return  # the run was cut off here, or is still going on
        if zlib.crc32(payload, zlib.crc32(bytes([kind]))) != checksum:
            raise InputError(f"{where} is damaged at byte {at}: a checksum is wrong")
        at += _FRAME.size + length
        parts = payload if kind in (_FULL, _FIRST) else parts + payload
        if kind in (_FULL, _LAST):
            yield parts
