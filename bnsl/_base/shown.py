"""Results that print themselves: the same parts as plain text and as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import bnsl
from bnsl._base.display import (
    FitWarning,
    fact_lines,
    html_frame,
    html_of,
    html_table,
    html_warnings,
    paragraphs,
    parameter_lines,
    table_text,
    warning_lines,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Part(NamedTuple):
    """A part of what a result shows."""

    text: str | Sequence[str]
    html: str


def frame_part(table: pd.DataFrame, *, index: bool = False) -> Part:
    """A table, numbers to four digits; nothing if it is empty."""
    if table.empty:
        return Part("", "")
    return Part(table_text(table, index=index), html_frame(table, index=index))


def cells_part(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Part:
    """Rows of cells, the first of which is a name, below a head."""
    return Part(parameter_lines(head, rows), html_table(rows, head))


class Shown:
    """A result that prints itself: a title, facts, other parts, and its `warnings` if it has any."""

    def summary(self) -> str:
        """The result in plain text."""
        head = [*filter(None, [self._title()]), *fact_lines(self._facts())]
        return paragraphs(head, *(part.text for part in self._parts()), warning_lines(self._notes()))

    def _repr_html_(self) -> str:
        facts = self._facts()
        parts = [html_table(facts) if facts else "", *(part.html for part in self._parts())]
        return html_of(self._title(), *parts, html_warnings(self._notes()))

    def _title(self) -> str:
        raise NotImplementedError

    def _facts(self) -> list[tuple[str, str]]:
        return []

    def _parts(self) -> Iterable[Part]:
        return ()

    def _notes(self) -> Sequence[FitWarning]:
        return getattr(self, "warnings", ())


class Plotted:
    """A result that a function of `bnsl` draws, which a subclass names: `Plotted, figure="plot_fit"`."""

    _figure: ClassVar[str]

    def __init_subclass__(cls, figure: str | None = None, **options: Any) -> None:
        """`figure` is inherited where it is not given."""
        super().__init_subclass__(**options)
        if figure is not None:
            cls._figure = figure

    def plot(self, **options: Any) -> Axes:
        """A figure: `bnsl.plot_fit` of a fit, `bnsl.plot_runs` of runs, and so on; they have the options."""
        return getattr(bnsl, self._figure)(self, **options)
