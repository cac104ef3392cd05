"""How a fit is printed, as plain text, as HTML, in a line; statements about the number of breaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnsl._base.display import PARAMETER_HEAD, FitWarning
from bnsl._base.lazy import pd
from bnsl._base.shown import Part, Shown, cells_part, frame_part
from bnsl.evidence.breaks import MOST, Candidate, points_needed

GRADUAL = 20.0  # From this width f on, 90 % of a turn take more than 50 decades.
BOUNDLESS = 1e3  # A standard error says nothing once it is so many times a parameter of one sign.
FAR_OFF = 1e6  # A break so many times before or beyond the data has no place that they could tell.


def verdict(candidates: Sequence[Candidate], by: str = "evidence") -> str:
    """Which numbers of breaks were weighed, by what, and how likely each is among them."""
    if len(candidates) == 1:
        return f"{candidates[0].n_breaks} used; {_not_weighed(candidates)}"
    shares = ", ".join(f"{c.n_breaks} ({c.probability:.0%})" for c in candidates)
    return f"chosen by {by}; probability among these: {shares}"


def with_verdict(
    notes: Sequence[FitWarning], candidates: Sequence[Candidate], n_breaks: int
) -> tuple[FitWarning, ...]:
    """The warnings of a fit whose number of breaks was chosen.

    Where one break more was weighed, and found less likely, what the residuals show is no such break: the
    warning says so instead of contradicting the evidence.
    """
    weighed = {candidate.n_breaks: candidate.probability for candidate in candidates}
    likelier = max(weighed, key=lambda n: (weighed[n], -n))
    missing = any(note.code == "break_missing" for note in notes)
    out = []
    for note in notes:
        if note.code == "correlated_residuals" and missing and n_breaks + 1 in weighed:
            continue  # the same is said below
        if note.code != "break_missing":
            out.append(note)
        elif likelier > n_breaks:
            text = (
                f"the residuals show structure that {likelier} breaks might explain, but not clearly better "
                f"({weighed[likelier]:.0%} likely): the number of breaks is uncertain"
            )
            out.append(FitWarning("breaks_unsettled", text))
        elif n_breaks + 1 in weighed:
            text = (
                "the residuals show structure that more breaks do not explain: the law misses a feature of "
                "another kind, or the noise is correlated; standard errors and intervals are too small, and "
                "the probabilities only compare these laws"
            )
            out.append(FitWarning("structure_left", text))
        else:
            out.append(FitWarning(note.code, f"{note.message}; {_not_weighed(candidates)}"))
    return tuple(out)


def _not_weighed(candidates: Sequence[Candidate]) -> str:
    most = max(candidate.n_breaks for candidate in candidates)
    if most >= MOST:
        return f"more than {MOST} breaks were not considered"
    return f"{most + 1} or more were not considered: {points_needed(most + 1)} points are needed"


class Printed(Shown):
    """What `FitResult` shows of itself."""

    def __repr__(self: Any) -> str:
        inner = ", ".join(f"{name}={value:.5g}" for name, value in self.params.items())
        error = f"rmse={self.rmse:.4g}" if np.isnan(self.rmsle) else f"rmsle={self.rmsle:.4g}"
        ends = [error, self.status.name.lower(), *dict.fromkeys(note.code for note in self.warnings)]
        return f"<FitResult {self.form.label}: {inner}; {', '.join(ends)}>"

    def _title(self: Any) -> str:
        points = "a curve" if self.curve.inputs == 1 else f"{len(self.curve)} runs"
        return f"{self.form.label} fitted to {self.curve.name or points}"

    def _facts(self: Any) -> list[tuple[str, str]]:
        robust = f", robust {self.robust} at scale {self.robust_scale:.3g}" if self.robust else ""
        # Where y has no logarithm, the error is in the units of y.
        error = ("rmsle", f"{self.rmsle:.6g} on the fitted points")
        if np.isnan(self.rmsle):
            error = ("rmse", f"{self.rmse:.6g} (in the units of {self.curve.y_label}) on the fitted points")
        return [
            ("status", self.status.value),
            ("points", f"{len(self.curve)}{self.curve.grouped}, {self.curve.span}"),
            ("loss", f"{self.loss}{robust}"),
            *([("breaks", verdict(self.candidates, self.criterion))] if self.candidates else []),
            error,
        ]

    def _parts(self: Any) -> list[Part]:
        rows = []
        for name, value in self.params.items():
            shown = self.shown_value(name)
            rows.append((name, shown, self.shown_error(name) if shown == f"{value:.7g}" else ""))
        parts = [cells_part(PARAMETER_HEAD, rows)]
        return [*parts, frame_part(self.shown_breaks, index=True)] if self.form.n_breaks else parts

    @property
    def criterion(self: Any) -> str:
        """What chose the number of breaks: evidence, or BIC if y has no logarithm."""
        by_bic = any(note.code == "breaks_not_weighed" for note in self.warnings)
        return "BIC" if by_bic else "evidence"

    def shown_error(self: Any, name: str) -> str:
        """The standard error of a parameter for people."""
        error = self.stderr[name]
        if name in self.fixed or np.isnan(error):
            return "fixed" if name in self.fixed else "unknown"
        sized = self.form.parameters[self.form.names.index(name)].log
        return "unbounded" if sized and error > BOUNDLESS * abs(self.params[name]) else f"{error:.3g}"

    def shown_value(self: Any, name: str) -> str:
        """A parameter for people: of a width or a place far beyond what data can tell, what it means."""
        value, x = self.params[name], self.curve.x
        kind = name[0] if name[1:].isdigit() else ""
        if kind == "f" and value > GRADUAL:
            return "very gradual"
        if kind == "d" and not x.min() / FAR_OFF < value < x.max() * FAR_OFF:
            return "far before" if value < x.min() else "far beyond"
        return f"{value:.7g}"

    @property
    def shown_breaks(self: Any) -> pd.DataFrame:
        """`breaks` for people, without widths and places that mean nothing as numbers."""
        table = self.breaks.astype(object)
        for i in table.index:
            for letter, column in (("f", "width_decades"), ("d", "position")):
                shown = self.shown_value(f"{letter}{i}")
                if not shown[0].isdigit():
                    table.loc[i, column] = shown
        return table
