"""Files to bytes, with the errors of files that are missing, folders or damaged."""

from __future__ import annotations

import difflib
import gzip
import re
import sys
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bnsl._base.checks import InputError

STDIN = "-"
GZIP = b"\x1f\x8b"  # how a compressed file begins
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # bytes that no text has
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
ALIKE = 0.75  # of the letters of a file's name, from which on it may be meant


def stem(path: str | Path) -> str:
    """What to call the curve: the file's name without its endings."""
    return called(path) if str(path) == STDIN else Path(Path(path).name.removesuffix(".gz")).stem


def ending(path: str | Path) -> str:
    """The ending that tells the format, in lower case and without that of the compression."""
    return "" if str(path) == STDIN else Path(Path(path).name.lower().removesuffix(".gz")).suffix


def called(path: str | Path) -> str:
    """How messages name the file."""
    return "the standard input" if str(path) == STDIN else f"file {str(path)!r}"


def content(path: str | Path, endings: Collection[str]) -> bytes:
    """The bytes of a file or of the standard input, decompressed.

    Args:
        path: the file, or "-".
        endings: those of tables, among which a file is looked for that may be meant where there is none.

    Raises:
        InputError: a file that is missing, empty, or compressed and damaged.
    """
    where = called(path)
    try:
        if str(path) != STDIN and not Path(path).exists():
            raise missing(Path(path), where, endings)
        data = sys.stdin.buffer.read() if str(path) == STDIN else Path(path).read_bytes()
        if Path(path).name.lower().endswith(".gz") or data.startswith(GZIP):
            data = gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{where} is damaged: {error}") from None
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror or error}") from None
    if not data.strip():
        raise InputError(f"{where} is empty")
    return data


def text(data: bytes, where: str) -> str:
    """The bytes as text: UTF-8, UTF-16 with a byte-order mark, which is left out, or what Windows writes."""
    try:
        decoded = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError:
        if not _CONTROL.search(data):  # a table with letters of western Europe, as spreadsheets save it
            return data.decode("cp1252", errors="replace")
        raise InputError(
            f"{where} is not text in UTF-8; save it as UTF-8, if it is not damaged or of another format"
        ) from None
    if "\0" in decoded:
        raise InputError(f"{where} holds binary data; is it damaged, or of another format?")
    return decoded


def missing(path: Path, where: str, endings: Collection[str]) -> InputError:
    """What to raise for a file that does not exist; a table with nearly the same name may be meant."""
    there = path.parent.iterdir() if path.parent.is_dir() else ()
    tables = {stem(file).lower(): file.name for file in there if ending(file) in endings}
    close = difflib.get_close_matches(stem(path).lower(), tables, n=1, cutoff=ALIKE)
    meant = f". Did you mean {tables[close[0]]!r}?" if close else ""
    return InputError(f"{where} does not exist{meant}")


def lacking(where: str, what: str, package: str, extra: str) -> InputError:
    """What to raise where a package is not installed that reads such files."""
    install = f"pip install 'broken-neural-scaling-laws[{extra}]'"
    return InputError(f"{where}: reading {what} needs {package}; {install}")


def message_of(kind: Any, payload: bytes, where: str) -> Any:
    """A message of Protocol Buffers; InputError for one that is damaged."""
    try:
        return kind.FromString(payload)
    except Exception as error:  # DecodeError is google.protobuf's, of which no more is known here
        raise InputError(f"{where} is damaged: {error}") from None
