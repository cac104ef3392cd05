"""The work of `fit_many` and `forecast_many`: tasks, processes, progress, and results on disk."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.lazy import pd
from bnsl._base.progress import progress_bar
from bnsl.curves.frame import LongTable, long_table
from bnsl.curves.ragged import Curves
from bnsl.many.parts import POINTS, Parts
from bnsl.many.rows import begin_rows, note, rows_of, silent
from bnsl.many.settings import ERROR, Columns, Settings

TOGETHER = 4096  # curves of one task where they are fitted together
TOGETHER_ON_GPU = 32_768
SHARES = 2  # pieces a worker, at least, into which such work is cut for several,
LEAST, LEAST_CHOSEN = 500, 24  # of so many curves or more; where breaks are chosen each takes long
ALONE = 16  # curves of one task where each is fitted alone
IDLE = 60.0  # seconds for which workers wait for another call
CROWD = 20_000  # curves from which on compiling pays on a GPU; on a CPU NumPy is as fast
# A worker that compiles grows by hundreds of megabytes once; loky takes that for a leak and ends it, and its
# successor would compile everything anew.
KEPT = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e12"}


def fit_table(
    frame: Any,
    columns: Columns,
    settings: Settings,
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int = 1,
    backend: str = "auto",
    device: str | Sequence[Any] | None = None,
    progress: bool | None = False,
) -> pd.DataFrame:
    """The work of `fit_many` and `forecast_many` once the arguments are checked."""
    x, y, sigma, by = columns
    for name in by:
        if name in settings.column_names() or name == POINTS:
            raise InputError(f"by: a column {name!r} would be one of the result's; rename it")
    table = long_table(frame, x, y, sigma, by)
    parts, done, left = None, None, np.arange(len(table))
    if out is not None:
        parts, digests = Parts(out, by, settings.description(columns)), table.curves.digests()
        done = parts.read(table.keys.assign(**{POINTS: digests}))
        if done is not None:
            keyed = table.keys.merge(done[by].assign(done=True), on=by, how="left")
            left = np.flatnonzero(keyed["done"].isna())
    settings = _with_backend(settings, backend, device, len(left))
    rows: list[pd.DataFrame] = []
    bar = bar_of(len(table), len(table) - len(left), progress)
    try:
        for curves, found in _work(table, _tasks(table, left, settings, workers), settings, workers, bar):
            piece = settings.as_frame(table.keys.iloc[curves], found)
            for place in np.flatnonzero(np.isin(curves, list(table.texts))).tolist():
                piece.loc[piece.index[place], "message"] = table.texts[int(curves[place])]
            if parts is not None:
                parts.write(piece.assign(**{POINTS: digests[curves]}))
            rows.append(piece.assign(**{"": curves}))
    finally:
        if bar is not None:
            bar.close()
    fresh = pd.concat(rows).sort_values("", kind="stable").drop(columns="") if rows else None
    return _joined(table, by, done, fresh)


def _joined(
    table: LongTable, by: list[str], done: pd.DataFrame | None, fresh: pd.DataFrame | None
) -> pd.DataFrame:
    """Rows read and rows made, in the order of the table's curves; others that were on disk are left out."""
    if done is None and fresh is not None:
        return fresh.reset_index(drop=True)
    whole = pd.concat([part for part in (done, fresh) if part is not None], ignore_index=True)
    return table.keys.merge(whole, on=by, how="left")


def _tasks(table: LongTable, left: np.ndarray, settings: Settings, workers: int) -> list[np.ndarray]:
    """Curves in pieces of bounded size, those of like lengths together, the longest first."""
    size = ALONE
    if settings.together or settings.chosen:
        size = TOGETHER if settings.platform == "cpu" else TOGETHER_ON_GPU
        if workers > 1:
            least = LEAST if settings.together else LEAST_CHOSEN
            size = min(size, max(-(-len(left) // (SHARES * workers)), least))
    pieces = []
    for _, alike in table.curves.alike(left, compiled=settings.backend == "jax"):
        pieces += [alike[i : i + size] for i in range(0, len(alike), size)]
    return pieces


def _work(
    table: LongTable, tasks: list[np.ndarray], settings: Settings, workers: int, bar: Any
) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
    """Pairs of curves and their rows, as they get ready."""

    def report(count: float) -> None:
        if bar is not None:
            bar.update(count)

    left = dict(enumerate(tasks))
    if workers > 1 and len(tasks) > 1:
        with contextlib.suppress(BrokenProcessPool):  # if one was killed, this process does what is left
            for number, found in _shared(table, left, settings, workers):
                task = left.pop(number)
                report(len(task))
                yield task, found
    if settings.platform == "cpu":
        for task in left.values():
            yield task, safe_rows(table.curves.take(task), settings, report)
        return
    ahead: list[tuple[np.ndarray, Callable[[], pd.DataFrame]]] = []
    for task in left.values():  # the device is at work on one task while the host ends another
        ahead.append((task, _begun(table.curves.take(task), settings, report)))
        if len(ahead) > 1:
            done, finish = ahead.pop(0)
            yield done, finish()
    for task, finish in ahead:
        yield task, finish()


def _shared(
    table: LongTable, tasks: Mapping[int, np.ndarray], settings: Settings, workers: int
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Tasks' numbers and rows, as processes of our own get them ready; they are kept for the next call."""
    from loky import get_reusable_executor

    pool = get_reusable_executor(workers, timeout=IDLE, initializer=_prepare, env=KEPT)
    queue = iter(list(tasks.items()))
    waiting: dict[Any, int] = {}
    try:
        while True:
            for number, task in itertools.islice(queue, 2 * workers - len(waiting)):
                waiting[pool.submit(safe_rows, table.curves.take(task), settings)] = number
            if not waiting:
                return
            future = next(as_completed(waiting))
            yield waiting.pop(future), future.result()
    finally:
        if waiting:  # this process was interrupted, or one of the others killed
            pool.shutdown(kill_workers=True)


def _begun(
    curves: Curves, settings: Settings, report: Callable[[float], object]
) -> Callable[[], pd.DataFrame]:
    """`safe_rows` begun."""
    with contextlib.suppress(Exception):
        finish = begin_rows(curves, settings, report)

        def rows() -> pd.DataFrame:
            with contextlib.suppress(Exception):
                return finish()
            return safe_rows(curves, settings)

        return rows
    return lambda: safe_rows(curves, settings)


def safe_rows(curves: Curves, settings: Settings, report: Callable[[float], object] = silent) -> pd.DataFrame:
    """`rows_of`; where the program fails on curves together, one by one, so that one curve is to blame."""
    try:
        return rows_of(curves, settings, report)
    except Exception as error:
        if len(curves) == 1:
            return pd.DataFrame([note(curves[0], ERROR, f"{type(error).__name__}: {error}")])
        return pd.concat([safe_rows(curves.take(np.array([i])), settings) for i in range(len(curves))])


def _prepare() -> None:
    """Make a process of our own ready: one thread, since others work beside it."""
    os.environ.setdefault("NPROC", "1")  # XLA's threads would be in the way of the other processes


def bar_of(total: int, done: int, progress: bool | None) -> Any:
    """A progress bar with the time left, or None."""
    if progress is None:
        progress = sys.stderr.isatty()
    if not progress:
        return None
    return progress_bar(total, "curve", done)


def _with_backend(
    settings: Settings, backend: str, device: str | Sequence[Any] | None, curves: int
) -> Settings:
    """The settings with what runs them: JAX for crowds on a GPU, or where a device was asked for."""
    if backend == "numpy":
        if device is not None:
            raise InputError("device is for backend='jax'; NumPy runs on the CPU")
        return settings
    if backend == "auto" and device is None and (curves < CROWD or not settings.together):
        return settings
    from bnsl.many.devices import with_devices

    compiled = with_devices(settings._replace(backend="jax"), device)
    return settings if backend == "auto" and device is None and compiled.platform == "cpu" else compiled
