"""`fit_many` and `forecast_many` on a Dask DataFrame: partition by partition, on the cluster at hand.

Needs the extra `dask`. The points of a curve are brought together into one partition first; then each
partition is fitted as a table of its own. Dask runs a partition again whose worker died, and its result
is the rows of that partition, so that every curve is there once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from bnsl._base.checks import InputError, no_column
from bnsl.many.settings import Columns, Settings
from bnsl.many.work import fit_table


def fit_partitions(
    frame: Any,
    columns: Columns,
    settings: Settings,
    out: str | os.PathLike[str] | None,
    workers: int,
    backend: str,
    device: str | Sequence[Any] | None,
) -> Any:
    """The lazy result of `fit_many` on a Dask DataFrame, itself a Dask DataFrame.

    Args:
        frame: a Dask DataFrame, one row per point.
        columns: the columns of x, y and sigma, if any, and of the keys.
        settings: what is to be fitted.
        out: must be None: the result's own `to_parquet` writes it, partition by partition.
        workers: must be 1: the cluster has the workers.
        backend: as in `fit_many`.
        device: None, "cpu" or "gpu", looked for on every worker.

    Raises:
        InputError: for `out`, `workers` or `device` that the cluster decides on, and a missing column.
    """
    if out is not None:
        raise InputError("out is for tables in memory; write a Dask result with its to_parquet(...)")
    if workers != 1:
        raise InputError("workers is for tables in memory; a Dask cluster has its own")
    if device is not None and not isinstance(device, str):
        raise InputError("device must be 'cpu' or 'gpu' on a cluster; devices differ from worker to worker")
    x, y, sigma, by = columns
    wanted = [*by, x, y, *([sigma] if sigma else [])]
    for name in wanted:
        if name not in frame.columns:
            raise InputError(f"frame: {no_column(name, frame.columns)}")
    together = frame[wanted].shuffle(on=by)
    empty = frame._meta[by].reset_index(drop=True)
    meta = settings.as_frame(empty, None)
    return together.map_partitions(_fit_partition, columns, settings, backend, device, meta=meta)


def _fit_partition(
    part: Any,
    columns: Columns,
    settings: Settings,
    backend: str,
    device: str | None,
) -> Any:
    """One partition as a table of its own."""
    by = columns.by
    if not len(part):
        return settings.as_frame(part[by].reset_index(drop=True), None)
    return fit_table(part, columns, settings, backend=backend, device=device)
