"""`fit_many` and `forecast_many`: a long-form table in, one row per curve out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import (
    InputError,
    as_array,
    check_choice,
    check_count,
    check_flag,
    check_name,
    check_names,
    check_positive,
    described,
)
from bnsl._base.lazy import pd
from bnsl.curves.data import input_rows
from bnsl.evidence.breaks import MOST
from bnsl.fitting.constraints import fewest_breaks
from bnsl.fitting.fit import check_robust
from bnsl.fitting.setup import BACKENDS
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.forms.registry import get_form, given_breaks
from bnsl.many.settings import Columns, Settings, by_columns
from bnsl.many.surfaces import fit_surfaces
from bnsl.many.work import fit_table
from bnsl.solver import losses

DTYPES = ("float64", "float32")


def fit_many(
    frame: Any,
    x: str | Sequence[str] | None = None,
    y: str | None = None,
    by: str | Sequence[str] = (),
    *,
    inputs: Sequence[str] | None = None,
    groups: str | None = None,
    form: str | Form = "bnsl",
    n_breaks: int | str | None = None,
    loss: str = "log",
    sigma: str | None = None,
    robust: str | None = None,
    robust_scale: float | None = None,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    predict_at: Any = None,
    out: str | os.PathLike[str] | None = None,
    workers: int = 1,
    backend: str = "auto",
    device: str | Sequence[Any] | None = None,
    dtype: str = "float64",
    progress: bool | None = None,
) -> pd.DataFrame:
    """Fit a law to every curve of a long-form table.

    It takes every form and option of `fit`, and gives the same laws. Laws with at most one break are fitted
    many at a time, others mostly one by one; `workers` spreads the work over processes. If a curve cannot be
    fitted, the status and message of its row say why.

    Args:
        frame: one row per point: a pandas or Polars DataFrame, a mapping of arrays, or a Dask DataFrame,
            which gives a Dask DataFrame back (see `bnsl.many.dask`).
        x: the column of inputs.
        y: the column of measured values.
        by: the columns whose values tell the curves apart.
        inputs: instead of x the columns of several inputs, as in `fit`; the options of JAX are then not
            available.
        groups: with several inputs, the column of the group of every row, as in `fit`.
        form: as in `fit`.
        n_breaks: as in `fit`; if "auto" or not given, it is chosen for every curve.
        loss: as in `fit`.
        sigma: the column of standard deviations of y, if there is one.
        robust: as in `fit`.
        robust_scale: as in `fit`.
        fixed: as in `fit`, the same for all curves.
        bounds: as in `fit`, the same for all curves.
        predict_at: values of x; the result has a column `y_at_...` for each. With several inputs, a table, or
            a list of mappings such as {"params": 7e10, "tokens": 1.4e12}.
        out: a folder for the results as Parquet, written as they are computed. If it has results of the same
            call already, only curves with changed points are fitted again.
        workers: number of processes. They are kept for a minute, so that the next call starts at once.
        backend: "numpy"; "jax", which compiles first, for half a minute or more, and is then many times as
            fast on a GPU, and about as fast on a CPU; or "auto", which means JAX for 20,000 curves or more
            where there is a GPU, or if a device is given.
        device: of backend "jax": "cpu", "gpu", or JAX devices, over which curves are spread; by default a
            GPU, if there is one, else the CPU.
        dtype: of backend "jax": "float64", or "float32", which is faster and loses digits ("converged" then
            means to single precision).
        progress: show a bar with the time left; by default if the standard error is a terminal.

    Returns:
        One row per curve, in the order in which they first appear: the columns of `by`, then status
        ("converged", "not_converged", "underdetermined", "failed", "invalid" for a curve that cannot be
        fitted, "error" for a fault of the program), warnings (codes joined by ";"), message, n_points,
        n_breaks, rmsle, the parameters in the paper's names, and predictions.

    Raises:
        InputError: (a ValueError) arguments that no curve can be fitted with.
    """
    if y is None or (x is None) == (inputs is None):
        raise InputError("name the columns: x (or inputs, a list of several), y and by")
    columns = inputs if inputs is not None else x
    argument = "x" if inputs is None else "inputs"
    several = None if isinstance(columns, str) else check_names(columns, argument, least=1)
    y, sigma = check_name(y, "y"), None if sigma is None else check_name(sigma, "sigma")
    names = by_columns(by)
    check_choice(loss, "loss", losses.LOSSES)
    for argument, mapping in (("fixed", fixed), ("bounds", bounds)):
        if mapping is not None and not isinstance(mapping, Mapping):
            raise InputError(f"{argument} must be a mapping of parameter names; got {described(mapping)}")
    check_robust(robust, robust_scale)
    check_choice(backend, "backend", BACKENDS)
    count = given_breaks(n_breaks)
    wanted = get_form(form, count, inputs=several)
    if several is not None and len(several) > 1:
        how: dict[str, Any] = {"loss": loss, "robust": robust, "robust_scale": robust_scale, "fixed": fixed}
        how |= {"bounds": bounds, "n_breaks": count, "groups": groups, "sigma": sigma, "workers": workers}
        at = None if predict_at is None else input_rows(predict_at, several, wanted.inputs, "predict_at")
        return fit_surfaces(
            frame, several, y, names, form, wanted, predict_at=at, out=out, progress=progress, **how
        )
    if len(wanted.inputs) != 1:
        raise InputError(
            f"form {wanted.label!r} takes {len(wanted.inputs)} inputs; name their columns by inputs=[...]"
        )
    x = several[0] if several is not None else str(x)
    chosen = isinstance(form, str) and count is None and isinstance(wanted, BNSL)
    given: str | Form = BNSL.name if chosen else wanted
    names_of = BNSL(max(MOST, fewest_breaks(fixed, bounds))) if isinstance(given, str) else wanted
    for name in {*(fixed or {}), *(bounds or {})} - set(names_of.names):
        where = "fixed" if name in (fixed or {}) else "bounds"
        raise InputError(
            f"{where}: form {wanted.label!r} has no parameter {name!r}; it has {', '.join(names_of.names)}"
        )
    options: dict[str, Any] = {
        "loss": loss,
        "robust": robust,
        "robust_scale": robust_scale,
        "fixed": fixed,
        "bounds": bounds,
    }
    settings = Settings(given, count, options, _inputs(predict_at), dtype=_dtype(dtype))
    return _run(frame, Columns(x, y, sigma, names), settings, out, workers, backend, device, progress)


def forecast_many(
    frame: Any,
    x: str,
    y: str,
    by: str | Sequence[str],
    *,
    predict_at: ArrayLike,
    sigma: str | None = None,
    out: str | os.PathLike[str] | None = None,
    workers: int = 1,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Forecast every curve of a long-form table, one call of `forecast` per curve.

    Args:
        frame: as in `fit_many`.
        x: the column of inputs.
        y: the column of measured values.
        by: the columns whose values tell the curves apart.
        predict_at: values of x to forecast y at.
        sigma: the column of standard deviations of y, if there is one.
        out: as in `fit_many`.
        workers: as in `fit_many`.
        progress: as in `fit_many`.

    Returns:
        One row per curve: the columns of `by`, status, warnings, message and n_points as in `fit_many`, and
        for every x a prediction `y_at_...` with the ends of its 90 % interval, `..._low` and `..._high`.

    Raises:
        InputError: (a ValueError) arguments that no curve can be forecast with.
    """
    for argument, name in (("x", x), ("y", y), *((("sigma", sigma),) if sigma is not None else ())):
        check_name(name, argument)
    names = by_columns(by)
    at = _inputs(predict_at)
    if not at:
        raise InputError("predict_at is empty; name the x to forecast y at")
    settings = Settings("bnsl", None, {}, at, forecast=True)
    return _run(frame, Columns(x, y, sigma, names), settings, out, workers, "numpy", None, progress)


def _inputs(predict_at: ArrayLike | None) -> tuple[float, ...]:
    if predict_at is None:
        return ()
    values = as_array(np.atleast_1d(np.asarray(predict_at)), "predict_at")
    check_positive(values, "predict_at", "is not positive; scaling laws are defined for x > 0")
    return tuple(dict.fromkeys(values.tolist()))


def _dtype(dtype: str) -> str:
    check_choice(dtype, "dtype", DTYPES)
    return dtype


def _run(
    frame: Any,
    columns: Columns,
    settings: Settings,
    out: str | os.PathLike[str] | None,
    workers: int,
    backend: str,
    device: str | Sequence[Any] | None,
    progress: bool | None,
) -> pd.DataFrame:
    check_count(workers, "workers", 1)
    if progress is not None:
        check_flag(progress, "progress")
    if type(frame).__module__.startswith("dask"):
        from bnsl.many.dask import fit_partitions  # Dask is there, then

        return fit_partitions(frame, columns, settings, out, workers, backend, device)
    return fit_table(
        frame, columns, settings, out=out, workers=workers, backend=backend, device=device, progress=progress
    )
