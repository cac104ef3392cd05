"""Warnings of fits of several inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bnsl._base.display import FitWarning

if TYPE_CHECKING:
    from bnsl.fitting.result import FitResult

COLLINEAR = 0.98  # From this correlation of their logarithms on, two inputs go together.
AT_ZERO = 1e-6  # A limit below this share of the smallest y is 0.
LOOSE = float(np.log(2.0))  # A logarithm of this standard error is known to a factor of 2.
# Rows are not independent from the correlation ALIKE on of residuals that share an input. It is looked at
# where so many rows share one, on average.
ALIKE, SHARED = 0.3, 3
COUNTED = 1e5  # Fewer tokens than these are hardly a count of single ones.


def data_notes(result: FitResult) -> Iterator[FitWarning]:
    """Inputs that go together, a limit at 0, parameters not determined, and rows that are alike."""
    curve, form = result.curve, result.form
    yield from _input_notes(result)
    limit = result.params.get("E", result.params.get("E0"))
    if limit is not None and "E" not in result.fixed and limit < AT_ZERO * curve.y.min():
        yield FitWarning("limit_at_zero", "E is 0: these runs show no limit of the loss")
    errors = np.linalg.norm(result.covariance_root, axis=1)
    known = [not q.log or q.name in result.fixed for q in form.parameters]
    if loose := np.array(form.names)[(errors > LOOSE) & ~np.array(known)].tolist():
        text = f"{', '.join(loose)}: not known to a factor of 2, or only in combination; rely on predictions"
        yield FitWarning("poorly_determined", text)
    if curve.groups is None and (share := _alike(result)) > ALIKE:
        text = (
            f"rows with the same {curve.input_names[0]} have similar residuals (correlation {share:.2f}); if "
            "they are of one run, standard errors are too small; pass the column of the run as groups="
        )
        yield FitWarning("rows_alike", text)


def _input_notes(result: FitResult) -> Iterator[FitWarning]:
    """Inputs that vary together or not at all, and counts of tokens that are small or not whole numbers."""
    form, names, inputs = result.form, result.curve.input_names, result.curve.x.T
    with np.errstate(all="ignore"):
        together = np.corrcoef(form.seen(result.curve.x).T)
    for i, j in zip(*np.tril_indices(len(names), -1), strict=True):
        if abs(together[i, j]) > COLLINEAR:
            text = (
                f"{names[j]} and {names[i]} vary together (correlation {together[i, j]:.3f}), so their "
                "effects cannot be separated; add runs with other ratios"
            )
            yield FitWarning("inputs_collinear", text)
    for name, values in zip(names, inputs, strict=True):
        if values.min() == values.max():
            text = (
                f"{name} is {values[0]:g} in every row, so its effect is unknown: leave it out, "
                "or add runs with other values"
            )
            yield FitWarning("input_constant", text)
    for entry, name, values in zip(form.inputs, names, inputs, strict=True):
        if not entry.any_unit and values.max() < COUNTED and (values != np.rint(values)).any():
            text = f"{form.name} depends on the unit of {name}: give counts (single tokens), not billions"
            yield FitWarning("unit_matters", text)


def _alike(result: FitResult) -> float:
    """The correlation of residuals within rows that share the first input (intraclass, one-way)."""
    kinds, member = np.unique(result.curve.x[:, 0], return_inverse=True)
    count, residual = len(member), result.residuals
    if len(kinds) < 3 or count < SHARED * len(kinds):
        return 0.0
    sizes = np.bincount(member)
    means = np.bincount(member, residual) / sizes
    within = np.sum((residual - means[member]) ** 2) / max(count - len(kinds), 1)
    between = np.sum(sizes * (means - residual.mean()) ** 2) / (len(kinds) - 1)
    typical = count / len(kinds)
    whole = between + (typical - 1.0) * within
    return float((between - within) / whole) if whole > 0 else 0.0
