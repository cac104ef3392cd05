"""A law of several inputs for every part of a table: what `fit_many` does where `inputs` are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bnsl._base.checks import InputError, check_count
from bnsl.curves.frame import as_pandas
from bnsl.fitting.fit import MOST_HYPERBREAKS, fit
from bnsl.forms.form import Form
from bnsl.forms.hyperbreaks import HyperBNSL
from bnsl.many.settings import ERROR, INVALID, NAMES

if TYPE_CHECKING:
    import pandas as pd


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
    workers: int = 1,
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
        workers: processes.
        **options: further arguments of `fit`.
    """
    import pandas as pd

    check_count(workers, "workers", 1)
    named = [*inputs, y, *by, *(name for name in (groups, sigma) if name is not None)]
    table = as_pandas(frame, list(dict.fromkeys(named)))
    parts = list(table.groupby(list(by), sort=False, dropna=False))
    asked = {"inputs": list(inputs), "y": y, "form": form, "groups": groups, "sigma": sigma, **options}
    task = partial(_row, asked=asked)
    frames = [part for _, part in parts]
    if workers == 1 or len(parts) < 2:
        rows = [task(part) for part in frames]
    else:
        from loky import get_reusable_executor

        rows = list(get_reusable_executor(max_workers=workers).map(task, frames))
    names = wanted.names
    if isinstance(wanted, HyperBNSL) and options.get("n_breaks") is None and isinstance(form, str):
        names = HyperBNSL(wanted.input_names, MOST_HYPERBREAKS).names
    keys = pd.DataFrame([key for key, _ in parts], columns=list(by))
    found = pd.DataFrame(rows, columns=[*NAMES, *names])
    return pd.concat([keys, found.astype({"n_points": "Int64", "n_breaks": "Int64"})], axis=1)


def _row(part: pd.DataFrame, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one part; what cannot be fitted has a status and a message."""
    row: dict[str, Any] = {"warnings": "", "message": "", "n_points": len(part)}
    try:
        result = fit(part.reset_index(drop=True), **asked)
    except InputError as error:
        return {**row, "status": INVALID, "message": str(error)}
    except Exception as error:  # one part must not end the others
        return {**row, "status": ERROR, "message": f"{type(error).__name__}: {error}"}
    codes = ";".join(dict.fromkeys(code for code, _ in result.warnings))
    said = {"status": result.status.name.lower(), "warnings": codes, "n_breaks": result.n_breaks}
    return {**row, **said, "rmsle": result.rmsle, **result.params}
