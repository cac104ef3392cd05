"""How results print: warnings, plain text, HTML tables and rows for JSON."""

from __future__ import annotations

import html
import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class FitWarning(NamedTuple):
    """A warning of a fit or forecast: a stable code and a message."""

    code: str
    message: str


class ExtrapolationWarning(UserWarning):
    """Warning: a prediction far beyond the fitted data."""


def quietly() -> warnings.catch_warnings[None]:
    """No ExtrapolationWarning inside, for who says the same in another way, or goes so far on purpose."""
    return warnings.catch_warnings(action="ignore", category=ExtrapolationWarning)


PARAMETER_HEAD = ("parameter", "value", "std error")

# --- plain text -----------------------------------------------------------------------------------


def short(value: float) -> str:
    """Four digits, for tables."""
    return f"{value:.4g}"


def counted(count: int, noun: str) -> str:
    """'1 point', '2 points'."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def table_text(table: pd.DataFrame, *, index: bool = True) -> str:
    """A table in plain text, numbers to four digits."""
    return table.to_string(index=index, float_format=short)


def fact_lines(facts: Iterable[tuple[str, str]]) -> list[str]:
    """A line for every (key, value)."""
    return [f"{key:<8} {value}" for key, value in facts]


def parameter_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A line for the head and for every row: a name on the left, then cells in columns of 14."""
    lines = [("", *head[1:]), *rows]
    return [f"{name:<10}" + "".join(f"{cell:>14}" for cell in cells) for name, *cells in lines]


def warning_lines(notes: Sequence[FitWarning]) -> list[str]:
    """A head and a line for every warning; nothing where there are none."""
    return ["warnings", *(f"  {w.code}: {w.message}" for w in notes)] if notes else []


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = ()) -> str:
    """Rows of cells as lines, two spaces between the columns; those in `left` begin on the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def paragraphs(*parts: str | Sequence[str]) -> str:
    """Texts, or lists of lines, with an empty line between them; empty ones are left out."""
    texts = [part if isinstance(part, str) else "\n".join(part) for part in parts]
    return "\n\n".join(filter(None, texts))


# --- HTML -----------------------------------------------------------------------------------------


def html_of(title: str, *parts: str) -> str:
    """A title, which is escaped, and what stands below it."""
    return f"<div><b>{html.escape(title)}</b>{''.join(parts)}</div>"


def html_frame(table: pd.DataFrame, *, index: bool = True) -> str:
    """A table as HTML, numbers to four digits."""
    return table.to_html(index=index, float_format=short)


def html_table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows of cells as an HTML table; whatever is in the cells is escaped."""
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{cells}</tr>' if head else ''}{body}</table>"


def html_warnings(notes: Sequence[FitWarning]) -> str:
    """Warnings as an HTML list; '' where there are none."""
    items = [f"<li><code>{html.escape(w.code)}</code>: {html.escape(w.message)}</li>" for w in notes]
    return f"<ul>{''.join(items)}</ul>" if items else ""


# --- JSON -----------------------------------------------------------------------------------------


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A mapping of plain values for every row of a table."""
    names = list(map(str, table.columns))
    rows = table.itertuples(index=False, name=None)
    return [{name: plain(cell) for name, cell in zip(names, row, strict=True)} for row in rows]


def plain(cell: Any) -> Any:
    """A plain Python value; None for NaN and infinity, which JSON has no numbers for."""
    value = cell.item() if isinstance(cell, np.generic) else cell
    return None if isinstance(value, float) and not np.isfinite(value) else value
