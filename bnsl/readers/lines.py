"""Logs of one JSON object per line, as detectron2, MMDetection and many scripts write them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bnsl.curves.pooling import RATE
from bnsl.readers.source import Cells, Source, read_cells, records

if TYPE_CHECKING:
    import pandas as pd

STEPS = ("step", "global_step", "iteration", "iter", "epoch")
LOSSES = ("total_loss", "loss")
# Rates, times and settings logged beside the metrics.
_ASIDE = re.compile(r"(.*_)?(time|timestamp|eta|eta_seconds|memory|max_mem|grad_norm|mode|rank)", re.I)


def from_lines(rows: Sequence[Mapping[str, Any]], cells: Cells, name: str) -> Source:
    """The objects of a file as a log if they count steps, else as the table that they make.

    Args:
        rows: the objects.
        cells: their table.
        name: what to call the curve.
    """
    steps = next((column for column in STEPS if _counts(cells.table, column)), None)
    if steps is None:
        return Source(cells.table, "jsonl", name, notes=cells.notes, told=cells.told, written=cells.written)
    sparse = any(row.keys() != rows[0].keys() for row in rows)
    if sparse:  # read again, now that NaN has to be told from what was not logged
        cells = read_cells(records([dict(row) for row in rows]))
    names = [str(column) for column in cells.table.columns]
    aside = [column for column in names if column != steps and _is_aside(column)]
    return Source(
        cells.table,
        "jsonl",
        name,
        steps,
        None,
        tuple(aside),
        sparse,
        y=next((loss for loss in LOSSES if loss in names), None),
        notes=cells.notes,
        told=cells.told,
        written=cells.written,
    )


def _counts(table: pd.DataFrame, column: str) -> bool:
    """Whether a column counts steps: numbers that rise, or stay where a step is logged twice."""
    if column not in table.columns or table[column].dtype.kind != "f":
        return False
    steps = table[column].dropna()
    return len(steps) > 1 and bool(steps.is_monotonic_increasing) and 2 * steps.nunique() >= len(steps)


def _is_aside(column: str) -> bool:
    return column in STEPS or bool(RATE.fullmatch(column) or _ASIDE.fullmatch(column))
