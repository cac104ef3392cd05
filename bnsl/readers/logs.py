"""Plain logs: one JSON object per line, as many scripts write them, or lines with a pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bnsl._base.checks import InputError, shown
from bnsl._base.lazy import pd
from bnsl.curves.pooling import RATE
from bnsl.readers.files import text
from bnsl.readers.source import Source, read_cells, records

STEPS = ("step", "global_step", "iteration", "iter", "epoch")
LOSSES = ("total_loss", "loss")
# Rates, times and settings logged beside the metrics.
_ASIDE = re.compile(r"(.*_)?(time|timestamp|eta|eta_seconds|memory|max_mem|grad_norm|mode|rank)", re.I)
PATTERN = r"step (?P<x>\d+).*loss (?P<y>\S+)"
_STEP = re.compile(r"\b(step|iteration|iter|epoch)(\W{1,3})\d+", re.I)
_LOSS = re.compile(r"\b(\w*loss)(\W{1,3})\d", re.I)


def from_lines(rows: Sequence[Mapping[str, Any]], cells: Source) -> Source:
    """The objects of a file, whose cells were read, as a log if they count steps; else as they are."""
    steps = next((column for column in STEPS if _counts(cells.table, column)), None)
    if steps is None:
        return cells
    sparse = any(row.keys() != rows[0].keys() for row in rows)
    if sparse:  # read again, now that NaN has to be told from what was not logged
        again = read_cells(records(rows))
        cells = replace(cells, table=again.table, told=again.told, written=again.written)
    names = [str(column) for column in cells.table.columns]
    aside = [
        name
        for name in names
        if name != steps and (name in STEPS or RATE.fullmatch(name) or _ASIDE.fullmatch(name))
    ]
    y = next((loss for loss in LOSSES if loss in names), None)
    return replace(cells, x=steps, aside=tuple(aside), sparse=sparse, y=y)


def _counts(table: pd.DataFrame, column: str) -> bool:
    """Whether a column counts steps: numbers that rise, or stay where a step is logged twice."""
    if column not in table.columns or table[column].dtype.kind != "f":
        return False
    steps = table[column].dropna()
    return len(steps) > 1 and bool(steps.is_monotonic_increasing) and 2 * steps.nunique() >= len(steps)


def read_log(data: bytes, where: str, name: str, pattern: str | None) -> Source:
    """The lines of a log that a pattern is found in, one row per line.

    The named groups of the pattern, a regular expression of Python's re, become the columns; those called x
    and y are the curve. Raises InputError for no pattern, a faulty one, one without named groups, or one that
    no line has; `where` is how messages name the log.
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
