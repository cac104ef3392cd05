"""How a fit is printed: as plain text, as HTML, and in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.display import PARAMETER_HEAD
from bnsl._base.shown import Part, Shown, cells_part, frame_part
from bnsl.fitting.verdict import verdict

if TYPE_CHECKING:
    import pandas as pd

GRADUAL = 20.0  # From this width f on, 90 % of a turn take more than 50 decades.
BOUNDLESS = 1e3  # A standard error says nothing once it is so many times a parameter of one sign.
FAR_OFF = 1e6  # A break so many times before or beyond the data has no place that they could tell.


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
        parts = [cells_part(PARAMETER_HEAD, self._parameter_rows())]
        return [*parts, frame_part(self.shown_breaks, index=True)] if self.form.n_breaks else parts

    @property
    def criterion(self: Any) -> str:
        """What chose the number of breaks: evidence, or BIC if y has no logarithm."""
        by_bic = any(note.code == "breaks_not_weighed" for note in self.warnings)
        return "BIC" if by_bic else "evidence"

    def _parameter_rows(self: Any) -> list[tuple[str, str, str]]:
        rows = []
        for name, value in self.params.items():
            shown = self.shown_value(name)
            rows.append((name, shown, self.shown_error(name) if shown == f"{value:.7g}" else ""))
        return rows

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
