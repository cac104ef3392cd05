"""A law of several inputs for every part of a table: what `fit_many` does with `inputs`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, check_count
from bnsl._base.display import ExtrapolationWarning
from bnsl._base.lazy import pd
from bnsl.curves.frame import as_pandas
from bnsl.fitting.fit import MOST_HYPERBREAKS, fit
from bnsl.forms.form import Form
from bnsl.forms.hyperbreaks import HyperBNSL
from bnsl.many.parts import POINTS, Parts
from bnsl.many.settings import ERROR, INVALID, NAMES
from bnsl.many.work import bar_of


def fit_surfaces(
    frame: Any,
    inputs: Sequence[str],
    y: str,
    by: Sequence[str],
    form: str | Form,
    wanted: Form,
    *,
    groups: str | None = None,
    sigma: str | None = None,
    predict_at: np.ndarray | None = None,
    out: str | os.PathLike[str] | None = None,
    workers: int = 1,
    progress: bool | None = False,
    **options: Any,
) -> pd.DataFrame:
    """One row a part: the columns of `by`, status, warnings, message, n_points, n_breaks, rmsle, parameters.

    Args:
        frame: one row per run.
        inputs: the columns of inputs.
        y: the column of measured values.
        by: the columns whose values tell the parts apart.
        form: as in `fit`.
        wanted: the form that `form` stands for.
        groups: the column of what belongs together.
        sigma: the column of standard deviations.
        predict_at: inputs (M, k) of predictions, which have a column each.
        out: a folder for the rows, as they come.
        workers: processes.
        progress: whether to show a bar.
        **options: further arguments of `fit`.
    """
    check_count(workers, "workers", 1)
    by = list(by)
    named = [*inputs, y, *by, *(name for name in (groups, sigma) if name is not None)]
    table = as_pandas(frame, list(dict.fromkeys(named)))
    parts = [(key, part.reset_index(drop=True)) for key, part in table.groupby(by, sort=False, dropna=False)]
    keys = pd.DataFrame([key for key, _ in parts], columns=by)
    asked = {"inputs": list(inputs), "y": y, "form": form, "groups": groups, "sigma": sigma, **options}
    at = {} if predict_at is None else {_column(inputs, row): row for row in predict_at}
    names = wanted.names
    if isinstance(wanted, HyperBNSL) and options.get("n_breaks") is None and isinstance(form, str):
        names = HyperBNSL(wanted.input_names, MOST_HYPERBREAKS).names
    columns, rows, folder, left = [*NAMES, *names, *at], [], None, np.arange(len(parts))
    if out is not None:
        said = {"form": wanted.label if isinstance(form, Form) else form, "predictions": list(at), "by": by}
        folder = Parts(out, by, asked | said)
        keys[POINTS] = [_digest(part) for _, part in parts]
        done = folder.read(keys)
        if done is not None:
            rows = [done]
            left = np.flatnonzero(keys.merge(done[by].assign(done=True), on=by, how="left")["done"].isna())
    found = _found((parts[i][1] for i in left), partial(_row, asked=asked, at=at), workers)
    with _told(len(parts), len(parts) - len(left), progress) as tell:
        for i, row in zip(left.tolist(), found, strict=True):
            rows.append(_framed(keys.iloc[i : i + 1], [row], columns))
            if folder is not None:
                folder.write(rows[-1])
            tell()
    whole = pd.concat(rows, ignore_index=True) if rows else _framed(keys, [], columns)
    return keys[by].merge(whole.drop(columns=POINTS, errors="ignore"), on=by, how="left")


@contextlib.contextmanager
def _told(total: int, done: int, progress: bool | None) -> Iterator[Callable[[], None]]:
    """What to call when a row is ready, for the bar."""
    bar = bar_of(total, done, progress)
    try:
        yield lambda: None if bar is None else bar.update(1)
    finally:
        if bar is not None:
            bar.close()


def _found(parts: Iterable[pd.DataFrame], task: Any, workers: int) -> Iterator[dict[str, Any]]:
    """The rows of the parts, in order, as they get ready."""
    if workers == 1:
        yield from map(task, parts)
        return
    from loky import get_reusable_executor

    yield from get_reusable_executor(max_workers=workers).map(task, parts)


def _framed(keys: pd.DataFrame, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=list(columns), index=keys.index[: len(rows)])
    texts = ("status", "warnings", "message")
    kinds: dict[str, Any] = {name: float for name in columns if name not in texts}
    return pd.concat([keys, found.astype(kinds | {"n_points": "Int64", "n_breaks": "Int64"})], axis=1)


def _column(names: Sequence[str], row: np.ndarray) -> str:
    """The column of a prediction: 'y_at_params=7e+10,tokens=1.4e+12'."""
    return "y_at_" + ",".join(f"{name}={value:.12g}" for name, value in zip(names, row, strict=True))


def _digest(part: pd.DataFrame) -> str:
    """What tells whether the rows of a part are those that were fitted."""
    return hashlib.sha256(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes()).hexdigest()[:32]


def _row(part: pd.DataFrame, asked: Mapping[str, Any], at: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The row of one part; what cannot be fitted has a status and a message."""
    row: dict[str, Any] = {"warnings": "", "message": "", "n_points": len(part)}
    try:
        result = fit(part, **asked)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)
            predicted = {name: float(result.predict(place)) for name, place in at.items()}
    except InputError as error:
        return {**row, "status": INVALID, "message": str(error)}
    except Exception as error:  # one part must not end the others
        return {**row, "status": ERROR, "message": f"{type(error).__name__}: {error}"}
    codes = ";".join(dict.fromkeys(code for code, _ in result.warnings))
    said = {"status": result.status.name.lower(), "warnings": codes, "n_breaks": result.n_breaks}
    return {**row, **said, "rmsle": result.rmsle, **result.params, **predicted}
