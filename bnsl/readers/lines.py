"""Logs of one JSON object per line, as detectron2, MMDetection and many scripts write them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bnsl.curves.pooling import RATE
from bnsl.readers.source import Source, read_cells, records

if TYPE_CHECKING:
    import pandas as pd

STEPS = ("step", "global_step", "iteration", "iter", "epoch")
LOSSES = ("total_loss", "loss")
# Rates, times and settings logged beside the metrics.
_ASIDE = re.compile(r"(.*_)?(time|timestamp|eta|eta_seconds|memory|max_mem|grad_norm|mode|rank)", re.I)


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
