"""Several forms, one split of one curve, one ranked table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from bnsl._arrays import InputError
from bnsl.curve import Curve, as_curve
from bnsl.extrapolation import Extrapolation
from bnsl.fitting import fit
from bnsl.forms import Form, get_form
from bnsl.result import FitResult

if TYPE_CHECKING:
    import pandas as pd

ALL_FORMS = ("m1", "m2", "m3", "m4", "bnsl")


@dataclass(frozen=True)
class Comparison:
    """Fits of several forms to the same points.

    Attributes:
        fitted: the points that all forms were fitted to.
        held_out: the points that none has seen, or None.
        results: the fits by label, in the order asked for.
    """

    fitted: Curve
    held_out: Curve | None
    results: dict[str, FitResult]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a form, best first: by held-out error if points were held out, else by AICc.

        Columns: n_params, train_rmsle, heldout_rmsle and its standard error (NaN if nothing was held out),
        aicc, delta_aicc (against the lowest), status, warnings (codes).
        """
        import pandas as pd

        rows = []
        for label, result in self.results.items():
            error = stderr = float("nan")
            if self.held_out is not None:
                extrapolation = Extrapolation(result, self.held_out)
                error, stderr = extrapolation.rmsle, extrapolation.rmsle_stderr
            rows.append(
                {
                    "form": label,
                    "n_params": result.n_params,
                    "train_rmsle": result.rmsle,
                    "heldout_rmsle": error,
                    "heldout_stderr": stderr,
                    "aicc": result.aicc,
                    "status": result.status.name.lower(),
                    "warnings": ", ".join(dict.fromkeys(w.code for w in result.warnings)),
                }
            )
        frame = pd.DataFrame(rows).set_index("form")
        finite = frame["aicc"].replace(np.inf, np.nan)
        frame.insert(5, "delta_aicc", frame["aicc"] - finite.min())
        order = "aicc" if self.held_out is None else "heldout_rmsle"
        return frame.sort_values(order, kind="stable", na_position="last")

    @property
    def best(self) -> FitResult:
        """The fit in the first row of the table."""
        return self.results[str(self.table.index[0])]


def compare(
    x: Curve | ArrayLike,
    y: ArrayLike | None = None,
    *,
    forms: Sequence[str | Form] = ALL_FORMS,
    train_until: float | None = None,
    train_count: int | None = None,
    train_fraction: float | None = None,
    n_breaks: int | None = None,
    loss: str = "log",
    robust: str | None = None,
    sigma: ArrayLike | None = None,
) -> Comparison:
    """Fit several forms to one split of one curve and rank them.

    Args:
        x: positive inputs (N,), or a Curve.
        y: measured values (N,).
        forms: names or Form instances; `bnsl.BNSL(2)` beside "bnsl" compares numbers of breaks.
        train_until: fit the points with x <= this; or
        train_count: fit this many points with the smallest x; or
        train_fraction: fit this share of them. Without one of these all points are fitted, and the ranking
            goes by AICc.
        n_breaks: number of breaks for "bnsl".
        loss: the same loss for all, as for `bnsl.fit`.
        robust: the same robust loss for all, as for `bnsl.fit`.
        sigma: standard deviation of every y (N,).

    Raises:
        InputError: bad input, or the same form twice.
    """
    if not isinstance(forms, Sequence) or isinstance(forms, str) or len(forms) == 0:
        raise InputError(f"forms = {forms!r} must be a list of at least one form")
    wanted = [get_form(f, n_breaks if isinstance(f, str) and f.lower() == "bnsl" else None) for f in forms]
    for form in wanted:
        if form.inputs != wanted[0].inputs:
            raise InputError(
                f"forms: {wanted[0].label!r} takes {', '.join(wanted[0].inputs)} and {form.label!r} takes "
                f"{', '.join(form.inputs)}; only forms of the same inputs can be compared"
            )
    curve = as_curve(x, y, sigma, inputs=len(wanted[0].inputs))
    fitted, held_out = curve.split(
        train_until=train_until, train_count=train_count, train_fraction=train_fraction
    )
    results: dict[str, FitResult] = {}
    labels = [form.lower() if isinstance(form, str) else form.label for form in forms]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"forms names {label!r} twice")
    for label, form in zip(labels, wanted, strict=True):
        results[label] = fit(fitted, form=form, loss=loss, robust=robust)
    return Comparison(fitted, held_out, results)
