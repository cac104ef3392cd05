"""The options of a fit of many curves, and the columns of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bnsl._base.checks import InputError, told
from bnsl._base.lazy import pd
from bnsl.evidence.breaks import MOST
from bnsl.fitting.constraints import fewest_breaks
from bnsl.forms.autodiff import runnable
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form

NAMES = ("status", "warnings", "message", "n_points", "n_breaks", "rmsle")  # columns of the result
INVALID = "invalid"  # status of a curve that cannot be fitted at all
ERROR = "error"  # and of one on which the program failed
LEVEL = 0.9


class Columns(NamedTuple):
    """Which columns of a table hold what."""

    x: str
    y: str
    sigma: str | None
    by: list[str]


def by_columns(by: str | Sequence[str]) -> list[str]:
    """`by` as a list of distinct names, none of them a column of the result."""
    if not isinstance(by, str | Sequence):
        raise InputError(f"{told('by', by)} must be a column name or a list of column names")
    names = [by] if isinstance(by, str) else list(by)
    if not names:
        raise InputError("by is empty; name the columns whose values tell the curves apart")
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"by must hold column names; {name!r} is not one")
        if names.count(name) > 1:
            raise InputError(f"by names the column {name!r} twice")
        if name in NAMES:
            raise InputError(f"by: a column {name!r} would be one of the result's; rename it")
    return names


class Settings(NamedTuple):
    """What is fitted to every curve; it travels to other processes."""

    form: Form | str
    n_breaks: int | None
    options: dict[str, Any]  # further arguments of `fit`
    predict_at: tuple[float, ...]
    forecast: bool = False
    dtype: str = "float64"
    backend: str = "numpy"
    devices: tuple[int, ...] | None = None  # ids; None for JAX's default
    platform: str = "cpu"

    @property
    def together(self) -> bool:
        """Whether curves are fitted side by side: laws of one break at most, that need no compiler alone."""
        if self.forecast or isinstance(self.form, str):
            return False
        return self.form.n_breaks <= 1 and runnable(self.form) is self.form

    @property
    def chosen(self) -> bool:
        """Whether the number of breaks is chosen for every curve."""
        return not self.forecast and isinstance(self.form, str)

    def description(self, columns: Columns) -> dict[str, object]:
        """What results on disk depend on."""
        form = self.form if isinstance(self.form, str) else self.form.spec()
        said = {k: v for k, v in self.options.items() if v is not None}
        return {
            "columns": list(columns),
            "form": form,
            "n_breaks": self.n_breaks,
            "options": {k: dict(v) if isinstance(v, Mapping) else v for k, v in said.items()},
            "predict_at": list(self.predict_at),
            "forecast": self.forecast,
            "dtype": self.dtype,
        }

    def column_names(self) -> list[str]:
        """The result's columns after those of `by`."""
        at = [prediction_name(x) for x in self.predict_at]
        if self.forecast:
            return [*NAMES[:4], *(f"{name}{end}" for name in at for end in ("", "_low", "_high"))]
        form = self.form
        if isinstance(form, str):  # the number of breaks is chosen for each curve
            form = BNSL(max(MOST, fewest_breaks(self.options.get("fixed"), self.options.get("bounds"))))
        return [*NAMES, *form.names, *at]

    def as_frame(self, keys: pd.DataFrame, rows: pd.DataFrame | None) -> pd.DataFrame:
        """Rows as a table, whose columns and types do not depend on what became of the curves."""
        import numpy as np

        found = (pd.DataFrame(columns=NAMES) if rows is None else rows).set_axis(keys.index)
        columns: dict[str, Any] = {}
        for name in self.column_names():
            if name in ("status", "warnings", "message"):
                columns[name] = found[name].fillna("").astype(str)
            elif name in ("n_points", "n_breaks"):
                values = found[name] if name in found else pd.Series(np.nan, keys.index)
                columns[name] = values.astype("Int64")
            else:
                columns[name] = found[name].astype(float) if name in found else pd.Series(np.nan, keys.index)
        return pd.concat([keys, pd.DataFrame(columns, index=keys.index)], axis=1)


def prediction_name(x: float) -> str:
    """The column of a prediction: 'y_at_1000'."""
    return f"y_at_{x:.12g}"
