"""The learning set of `bnsl.forecast`: whole curves of many sources, cut, with forecasters that it must beat.

`BNSL_DATA_DIR/curves/curves.csv` holds curves with the columns source, kind, curve, y_name, x, y. Each is cut
at a half and at a quarter of its last x, where at least 5 distinct x are left to fit. The fitted parts of the
92-curve benchmark are one more source. Curves of one source are alike, so sources count alike, however many
tasks they have, and what is learnt is tested on other sources, never on other curves of the same.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import bnsl

CUTS = (2.0, 4.0)  # the last x over the last that is fitted
LEAST = 5  # distinct x that are fitted
SMALLEST, LARGEST = 1e-4, 3.0  # between which an RMSLE counts as it is
BASELINES = ("last value", "m1", "m2", "m3", "m4", "one break")
FOLDS = 5


class Task(NamedTuple):
    """Points to fit and points to predict."""

    source: str
    kind: str
    name: str
    fitted: bnsl.Curve
    x: np.ndarray
    y: np.ndarray


def folder() -> Path:
    """Where the data are."""
    return Path(os.environ["BNSL_DATA_DIR"])


def learning_tasks(most: int | None = None) -> list[Task]:
    """The tasks, of every source at most so many, drawn at random with a fixed seed."""
    tasks = tasks_of(folder() / "curves" / "curves.csv")
    for curve in bnsl.load_dataset("benchmark"):
        fitted = curve.fitted
        tasks += list(cut("benchmark", curve.domain, curve.name, fitted.x, fitted.y))
    return sample(tasks, most)


def tasks_of(path: Path) -> list[Task]:
    """The tasks of a file of curves."""
    table = pd.read_csv(path)
    tasks: list[Task] = []
    for key, group in table.groupby(["source", "kind", "curve", "y_name"], sort=True):
        source, kind, name, _ = map(str, key)  # type: ignore[arg-type]
        tasks += cut(source, kind, name, group["x"].to_numpy(float), group["y"].to_numpy(float))
    return tasks


def cut(source: str, kind: str, name: str, x: np.ndarray, y: np.ndarray) -> Iterable[Task]:
    """The tasks of one curve."""
    for factor in CUTS:
        seen = x <= x.max() / factor * (1 + 1e-9)
        if len(np.unique(x[seen])) >= LEAST and not seen.all():
            yield Task(source, kind, name, bnsl.Curve(x[seen], y[seen]), x[~seen], y[~seen])


def sample(tasks: Sequence[Task], most: int | None) -> list[Task]:
    """Of every source at most so many."""
    if most is None:
        return list(tasks)
    kept: list[int] = []
    count: dict[str, int] = {}
    for i in np.random.default_rng(0).permutation(len(tasks)):
        source = tasks[i].source
        count[source] = count.get(source, 0) + 1
        if count[source] <= most:
            kept.append(int(i))
    return [tasks[i] for i in sorted(kept)]


def fold_of(source: str) -> int:
    """The fold that a source is in."""
    return int(hashlib.sha256(source.encode()).hexdigest(), 16) % FOLDS


def rmsle(predicted: np.ndarray, y: np.ndarray) -> float:
    """Root mean square of log(predicted / y), from SMALLEST to LARGEST; LARGEST for no prediction."""
    with np.errstate(all="ignore"):
        error = float(np.sqrt(np.mean(np.log(predicted / y) ** 2)))
    return float(np.clip(error, SMALLEST, LARGEST)) if np.isfinite(error) else LARGEST


def baselines(tasks: Sequence[Task], cache: Path) -> pd.DataFrame:
    """RMSLE of every baseline on every task (a row each); fits are kept in a file, since they cost most."""
    kept: dict[str, list[float]] = pickle.loads(cache.read_bytes()) if cache.exists() else {}
    for i, task in enumerate(tasks):
        key = _key(task)
        if key not in kept:
            kept[key] = [_error(name, task) for name in BASELINES]
            if i % 50 == 0:
                cache.write_bytes(pickle.dumps(kept))
    cache.write_bytes(pickle.dumps(kept))
    return pd.DataFrame([kept[_key(task)] for task in tasks], columns=list(BASELINES))


def _key(task: Task) -> str:
    parts = [task.fitted.x, task.fitted.y, task.x, task.y]
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def _error(name: str, task: Task) -> float:
    if name == "last value":
        return rmsle(task.fitted.y[-1], task.y)
    options: dict[str, object] = {"n_breaks": 1} if name == "one break" else {"form": name}
    try:
        return rmsle(bnsl.fit(task.fitted, **options).predict(task.x), task.y)  # type: ignore[arg-type]
    except bnsl.InputError:  # too few points for its parameters
        return LARGEST


def over_sources(values: pd.Series, source: pd.Series) -> float:
    """Geometric mean within every source, then over sources."""
    return float(np.exp(np.log(values).groupby(source).mean().mean()))
