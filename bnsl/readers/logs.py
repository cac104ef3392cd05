"""Plain logs, by a regular expression with named groups."""

from __future__ import annotations

import re
from dataclasses import replace

from bnsl._base.checks import InputError, shown
from bnsl.readers.files import text
from bnsl.readers.source import Source, read_cells, records

PATTERN = r"step (?P<x>\d+).*loss (?P<y>\S+)"
_STEP = re.compile(r"\b(step|iteration|iter|epoch)(\W{1,3})\d+", re.I)
_LOSS = re.compile(r"\b(\w*loss)(\W{1,3})\d", re.I)


def read_log(data: bytes, where: str, name: str, pattern: str | None) -> Source:
    """The lines of a log that a pattern is found in, one row per line.

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
            f"{where} is a plain log; say what to look for in its lines, such as "
            f"pattern=r'{_pattern_of(lines)}'; the last line is {shown(lines[-1])}"
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
            f"{shown(lines[-1])}"
        )
    x, y = (group if group in wanted.groupindex else None for group in ("x", "y"))
    return replace(read_cells(records(rows), where), kind="log", name=name, x=x, y=y)


def _pattern_of(lines: list[str]) -> str:
    """A pattern that the last line with a step and a loss has; the usual one where no line has these."""
    for line in reversed(lines):
        step = _STEP.search(line)
        loss = None if step is None else _LOSS.search(line, step.end())
        if step is not None and loss is not None and "'" not in step[2] + loss[2]:
            names = [re.escape(match[1] + match[2]).replace("\\ ", " ") for match in (step, loss)]
            return rf"{names[0]}(?P<x>\d+).*?{names[1]}(?P<y>[\d.e+-]+)"
    return PATTERN
