"""The scalars of TensorBoard event files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.lazy import pd
from bnsl.readers.files import called, lacking, message_of
from bnsl.readers.source import STEP, Source, by_step, log

FILES = "*tfevents*"
MARK = b"brain.Event:"  # in the first record of every event file
TIME = "wall_time"
EXPORT = ("Wall time", "Step", "Value")  # the columns of what TensorBoard lets people download
CHECKED = 4096  # bytes of a record up to which its checksum is compared
_HEADER, _FOOTER = struct.Struct("<QI"), struct.Struct("<I")


def read_tensorboard(path: Path) -> Source:
    """The scalars of an event file, or of all below a folder: one row per step and run, one column per tag.

    A tag that was written twice at a step, as after a restart, has the later value. A file that is still
    being written, or whose end is lost, is read as far as it goes.

    Args:
        path: an event file, or a folder; several runs are told apart by their folders.

    Raises:
        InputError: no scalars, or the package tensorboard is missing.
    """
    where = called(path)
    rows: list[tuple[str, float, float, str, float]] = []
    for file in sorted(path.rglob(FILES)) if path.is_dir() else [path]:
        run = str(file.parent.relative_to(path)) if path.is_dir() else ""
        rows += [(run, *scalar) for scalar in _scalars(file)]
    if not rows:
        raise InputError(f"{where} holds no scalars; is it damaged, or were only images or text written?")
    name = path.resolve().name if path.is_dir() else path.resolve().parent.name
    return log(by_step(rows, TIME), "tensorboard", name, x=STEP, aside=(TIME,))


def is_export(table: pd.DataFrame) -> bool:
    """Whether a table is what TensorBoard lets people download: one tag of one run."""
    return tuple(map(str, table.columns)) == EXPORT


def from_export(cells: Source) -> Source:
    """Such a table, whose cells were read; the name of its file is that of the run and the tag."""
    time, step, value = EXPORT
    return replace(cells, kind="tensorboard", x=step, aside=(time,), y=value)


def _scalars(file: Path) -> Iterator[tuple[int, float, str, float]]:
    """Step, time, tag and value of every scalar in one file."""
    where = called(file)
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError:
        raise lacking(where, "event files", "tensorboard", "tensorboard") from None
    known: set[str] = set()  # tags of scalars: only the first summary of a tag says what it is
    for payload in _payloads(file, where):
        event = message_of(Event, payload, where)
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            if kind == "tensor" and value.metadata.plugin_data.plugin_name == "scalars":
                known.add(value.tag)
            if kind == "simple_value":
                number = float(value.simple_value)
            elif kind == "tensor" and value.tag in known:
                number = float(make_ndarray(value.tensor))
            else:
                continue
            yield event.step, event.wall_time, value.tag, np.inf if np.isnan(number) else number


def _payloads(file: Path, where: str) -> Iterator[bytes]:
    """The records of a file: length, its checksum, data, its checksum (the framing of TFRecord).

    TensorBoard's own loader sums all bytes in Python, which takes a minute for 500 MB of images; here the
    sums are those of the lengths and of records as small as scalars are.
    """
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    try:
        with file.open("rb") as stream:
            while len(header := stream.read(_HEADER.size)) == _HEADER.size:
                length, checksum = _HEADER.unpack(header)
                at = stream.tell()
                if masked_crc32c(header[:8]) != checksum:
                    raise InputError(f"{where} is damaged at byte {at - _HEADER.size}, or holds no events")
                payload, footer = stream.read(length), stream.read(_FOOTER.size)
                if len(footer) < _FOOTER.size:
                    return  # it was cut off here, or is still being written
                if length <= CHECKED and masked_crc32c(payload) != _FOOTER.unpack(footer)[0]:
                    raise InputError(f"{where} is damaged at byte {at}: a checksum is wrong")
                yield payload
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror or error}") from None
