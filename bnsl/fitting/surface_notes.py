"""Warnings of fits of several inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bnsl._base.display import FitWarning

if TYPE_CHECKING:
    from bnsl.fitting.result import FitResult

COLLINEAR = 0.98  # correlation of the logarithms of two inputs
AT_ZERO = 1e-6  # a limit below this share of the smallest y
LOOSE = float(np.log(2.0))  # standard error of a logarithm: known to a factor of 2
ALIKE = 0.3  # correlation of residuals that share an input from which on rows are not independent
COUNTED = 1e5  # tokens; less is hardly a count of single ones
SHARED = 3  # rows that share an input, on average, from which on this is looked at


def data_notes(result: FitResult) -> list[FitWarning]:
    """Inputs that go together, a limit at 0, parameters not determined, and rows that are alike."""
    curve, notes = result.curve, []
    seen = result.form.seen(curve.x)
    names = curve.input_names
    with np.errstate(all="ignore"):
        together = np.corrcoef(seen.T)
    for i in range(len(names)):
        for j in range(i):
            if abs(together[i, j]) > COLLINEAR:
                text = (
                    f"{names[j]} and {names[i]} vary together (correlation {together[i, j]:.3f}), so their "
                    "effects cannot be separated; add runs with other ratios"
                )
                notes.append(FitWarning("inputs_collinear", text))
    for name, values in zip(names, curve.x.T, strict=True):
        if values.min() == values.max():
            text = (
                f"{name} is {values[0]:g} in every row, so its effect is unknown: leave it out, "
                "or add runs with other values"
            )
            notes.append(FitWarning("input_constant", text))
    notes += _unit_notes(result)
    limit = result.params.get("E", result.params.get("E0"))
    if limit is not None and "E" not in result.fixed and limit < AT_ZERO * curve.y.min():
        notes.append(FitWarning("limit_at_zero", "E is 0: these runs show no limit of the loss"))
    errors = np.linalg.norm(result.covariance_root, axis=1)
    loose = [
        parameter.name
        for parameter, error in zip(result.form.parameters, errors, strict=True)
        if parameter.log and parameter.name not in result.fixed and error > LOOSE
    ]
    if loose:
        text = f"{', '.join(loose)}: not known to a factor of 2, or only in combination; rely on predictions"
        notes.append(FitWarning("poorly_determined", text))
    if curve.groups is None:
        share = _alike(result)
        if share > ALIKE:
            text = (
                f"rows with the same {names[0]} have similar residuals (correlation {share:.2f}); if they "
                "are of one run, standard errors are too small; pass the column of the run as groups="
            )
            notes.append(FitWarning("rows_alike", text))
    return notes


def _unit_notes(result: FitResult) -> list[FitWarning]:
    """That a law of tokens was given another unit: small numbers that are not whole."""
    form, curve = result.form, result.curve
    return [
        FitWarning(
            "unit_matters",
            f"{form.name} depends on the unit of {name}: give counts (single tokens), not billions",
        )
        for entry, name, values in zip(form.inputs, curve.input_names, curve.x.T, strict=True)
        if not entry.any_unit and values.max() < COUNTED and (values != np.rint(values)).any()
    ]


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
