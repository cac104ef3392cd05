"""Plain logs, by a regular expression with named groups."""

from __future__ import annotations

import re

from bnsl._base.checks import InputError
from bnsl.readers.files import text
from bnsl.readers.source import Source, records, show

HINT = r"--pattern 'step (?P<x>\d+).*loss (?P<y>\S+)'"


def read_log(data: bytes, where: str, name: str, pattern: str | None) -> Source:
    """The lines of a log that a pattern is found in, one row a line.

    Args:
        data: the bytes of the log.
        where: how messages name it.
        name: what to call the curve.
        pattern: a regular expression (of Python's re), searched for in each line; its named groups become
            the columns. Groups called x and y are the curve.

    Raises:
        InputError: no pattern, a faulty one, one without named groups, or one that no line has.
    """
    lines = [line for line in text(data, where).splitlines() if line.strip()]
    if pattern is None:
        raise InputError(
            f"{where} is a plain log; say what to look for in its lines, such as {HINT}; the last line is "
            f"{show(lines[-1])}"
        )
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise InputError(f"pattern = {pattern!r} is no regular expression: {error}") from None
    if not wanted.groupindex:
        raise InputError(f"pattern = {pattern!r} has no named groups; write (?P<x>...) and (?P<y>...)")
    rows = [found.groupdict() for found in map(wanted.search, lines) if found]
    if not rows:
        raise InputError(
            f"{where}: none of the {len(lines)} lines has the pattern {pattern!r}; the last line is "
            f"{show(lines[-1])}"
        )
    return Source(records(rows), "log", name, "x" if "x" in wanted.groupindex else None)
