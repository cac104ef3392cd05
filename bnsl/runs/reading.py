"""`read_runs`: runs from a table or a log that has steps, rates and losses."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, check_mapping, is_number, no_column, shown, some, told
from bnsl._base.lazy import pd
from bnsl.curves.pooling import column_of_runs
from bnsl.runs.run import NEW, OLD, Run
from bnsl.schedules.logs import from_log, latest

# Logs call these columns so, the likeliest first. Names are compared in lower case, after the last slash.
KNOWN = {
    "run": ("run", "run_id", "run_name", "name", "schedule"),
    "step": ("step", "_step", "global_step", "iter", "iteration", "steps"),
    "lr": ("lr", "learning_rate", "lr-adamw", "rate", "lr_scheduler"),
    "loss": ("val_loss", "eval_loss", "test_loss", "loss", "train_loss"),
}
GAP = 3.0  # The log of a run begins within so many usual distances of logged steps after its parent ends.
PAIR = {OLD: "loss_old", NEW: "loss_new"}


def read_runs(
    source: str | Path | pd.DataFrame,
    *,
    run: str | None = None,
    step: str | None = None,
    lr: str | None = None,
    loss: str | None = None,
    where: Mapping[str, Any] | None = None,
    warmup: int | None = None,
) -> list[Run]:
    """Runs from a table with steps, learning rates and losses, or from a log of the formats that are known.

    Rows of a resumed run are sorted, and of a step that is there twice the later row counts. Rates and losses
    may stand in different rows. A column `parent` names the run that another began with, whose steps then
    count from 0 or from its parent's end; `replay` and `trained_on` are taken as well. With `loss_old` and
    `loss_new` every run is there twice, measured on either. A UserWarning tells of another column, such as a
    seed, that has several values at the steps of one run.

    Args:
        source: a file that `bnsl.read_table` reads, or a table.
        run: the column that tells runs apart, where it has not a usual name.
        step: the column of steps, likewise.
        lr: the column of rates, likewise.
        loss: the column of losses, likewise.
        where: values of columns; other rows are left out.
        warmup: as in `schedules.from_log`, for logs that begin after it.

    Returns:
        The runs, parents first.

    Raises:
        InputError: (a ValueError) missing columns, runs without a rate, a parent that is not there.
    """
    table = _table(source)
    for name, value in check_mapping(where, "where", "from columns to values", texts=False).items():
        if name not in table:
            raise InputError(f"where: {no_column(name, table.columns)}")
        table = table[_equal(table[name], value)]
        if table.empty:
            raise InputError(f"where: no row has {name} = {value}")
    if table.empty:
        raise InputError("the table has no rows")
    columns: dict[str, Any] = {
        kind: _column(table, kind, given) for kind, given in (("step", step), ("lr", lr))
    }
    runs = _column(table, "run", run, needed=False)
    losses = {side: name for side, name in PAIR.items() if name in table and loss is None}
    if len(losses) < len(PAIR):
        losses = {"": _column(table, "loss", loss)}  # type: ignore[dict-item]
    grouped = [("", table)] if runs is None else list(table.groupby(runs, sort=False))
    found: dict[tuple[str, str], Run] = {}
    waiting = [(str(name), rows) for name, rows in grouped]
    while waiting:
        ready = [(name, rows) for name, rows in waiting if _parent(rows) in ("", *(n for n, _ in found))]
        if not ready:
            name, rows = waiting[0]
            raise InputError(f"run {name!r}: its parent {_parent(rows)!r} is not among the runs")
        for name, rows in ready:
            for side, column in losses.items():
                found[name, side] = _run(name, rows, columns | {"loss": column}, side, found, warmup)
        waiting = [one for one in waiting if one[0] not in {name for name, _ in ready}]
    taken = {runs, *columns.values(), *losses.values()}
    doubts = (_pooled(str(name), rows, columns["step"], taken) for name, rows in grouped)
    if (doubt := next(filter(None, doubts), None)) is not None:
        warnings.warn(doubt, UserWarning, stacklevel=2)
    return list(found.values())


def _table(source: Any) -> pd.DataFrame:
    if isinstance(source, str | Path):
        from bnsl.readers.formats import read_table

        return read_table(source)
    if not hasattr(source, "groupby"):
        raise InputError(f"{told('source', source)} is neither the name of a file nor a table")
    return source


def _equal(column: pd.Series, value: Any) -> pd.Series:
    """Where a column has a value; numbers are equal however they are written."""
    if column.dtype.kind in "fiu" and is_number(value):
        return column == float(value)
    return column.astype(str) == str(value)


def _column(table: pd.DataFrame, kind: str, given: str | None, needed: bool = True) -> str | None:
    """The column of this kind."""
    names = list(map(str, table.columns))
    if given is not None:
        if not isinstance(given, str) or given not in names:
            raise InputError(f"{kind}: {no_column(given, names)}")
        return given
    short = {name.lower().rsplit("/", 1)[-1]: name for name in reversed(names)}
    for known in KNOWN[kind]:
        if known in short:
            return short[known]
    if needed:
        what = "learning rate" if kind == "lr" else kind
        raise InputError(
            f"no column is a {what}, which is needed; name it by {kind}=; the columns are {some(names)}"
        )
    return None


def _pooled(run: str, rows: pd.DataFrame, step: str, taken: set[Any]) -> str | None:
    """What to say of a run whose rows another column tells apart, as those of two seeds."""
    name = column_of_runs(rows, step, taken)
    if name is None:
        return None
    values = rows[name].dropna().unique().tolist()
    first = int(values[0]) if isinstance(values[0], float) and values[0].is_integer() else values[0]
    who = f"the rows of run {run!r}" if run else "all rows"
    return (
        f"{name!r} has {len(values)} values at the same steps, and {who} make one run; "
        f"where={{{name!r}: {shown(first)}}} takes one of them"
    )


def _parent(rows: pd.DataFrame) -> str:
    value = rows["parent"].iloc[0] if "parent" in rows else ""
    return "" if value is None or value != value else str(value)


def _numbers(column: pd.Series, who: str) -> np.ndarray:
    """A column as numbers; empty cells are NaN."""
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        i = int(np.argmax(bad.to_numpy()))
        told = f"row {column.index[i]}: {column.name} = {column.iloc[i]!r:.40}"
        raise InputError(f"{who}{told} is not a number")
    return numbers.to_numpy(float)


def _shift(step: np.ndarray, parent: Run, who: str) -> int:
    """Where the steps of a child count from: 0, or the end of its parent."""
    first, known = step.min(), np.unique(step)
    gap = GAP * float(np.median(np.diff(known))) if len(known) > 1 else np.inf
    for begins in (parent.end, 0):
        if begins <= first <= begins + gap:
            return begins
    raise InputError(
        f"{who}its log begins at step {first:g}, but its parent ends at step {parent.end}; count its steps "
        "from 0 or from the parent's end, and cut a parent that goes on beyond the branch"
    )


def _run(
    name: str,
    rows: pd.DataFrame,
    columns: Mapping[str, Any],
    side: str,
    found: Mapping[tuple[str, str], Run],
    warmup: int | None,
) -> Run:
    """One run, on one loss."""
    who = f"run {name!r}: " if name else ""
    step, lr, loss = (_numbers(rows[columns[kind]], who) for kind in ("step", "lr", "loss"))
    rated, measured = np.isfinite(lr), np.isfinite(loss)
    for known, what in ((rated, "rate"), (measured, "loss")):
        if not known.any():
            raise InputError(f"{who}no row has a {what}")
    parent = _parent(rows)
    before = found.get((parent, OLD), found.get((parent, side))) if parent else None
    step = step if before is None else step - _shift(step, before, who)
    try:
        schedule = from_log(step[rated], lr[rated], warmup=warmup if before is None else None)
    except InputError as error:
        raise InputError(f"{who}{error}") from None
    at, losses = latest(step[measured], loss[measured])
    kept = at <= schedule.steps
    share = float(_numbers(rows["replay"], who)[0]) if "replay" in rows and before is not None else 0.0
    on = str(rows["trained_on"].iloc[0]) if "trained_on" in rows else ""
    return Run(schedule, at[kept], losses[kept], before, share, on, side, name)
