"""The numbers of a forecast and a law on a linear scale, as the app shows them."""

from __future__ import annotations

from typing import Any

from dash import html

from bnsl.web.analysis import AHEAD, LEVEL
from bnsl.web.app.page import shown_table
from bnsl.web.linear import Linear
from bnsl.web.tables import Table
from bnsl.web.words import PLAIN, number


def linear_numbers(found: Linear) -> list[Any]:
    """Predictions with their intervals, parameters, and what to know of them."""
    law = found.law
    x = law.curve.ahead(AHEAD)
    rows: list[tuple[str, ...]] = [tuple(map(number, row)) for row in zip(x, *found.at(x), strict=True)]
    head = (law.curve.x_label, f"forecast of {law.curve.y_label}", f"low {LEVEL:.0%}", f"high {LEVEL:.0%}")
    values: list[tuple[str, ...]] = [
        (name, number(value), number(law.stderr[name])) for name, value in law.params.items()
    ]
    notes = (*found.forecast.warnings, *law.warnings)
    said = [PLAIN.get(note.code, note.message) for note in notes]
    return [
        shown_table(Table(head, rows), "Forecast beyond the points"),
        html.Details(
            [
                html.Summary("Parameters"),
                shown_table(Table(("parameter", "value", "std error"), values, left=(0,)), law.form.label),
            ]
        ),
        html.H3("Before you rely on it"),
        html.Ul([html.Li(text) for text in dict.fromkeys(said)]),
    ]
