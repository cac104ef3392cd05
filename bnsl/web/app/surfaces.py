"""Runs with several inputs in the app: figures, tables and sentences."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from bnsl.web import surface_tables
from bnsl.web.app.page import fact_cards, note_list, shown_table
from bnsl.web.figures import Figure, for_theme
from bnsl.web.surface_figures import surface_figures
from bnsl.web.surfaces import SurfaceAnalysis

LEGEND = {"orientation": "h", "x": 0.0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}


def surface_numbers(found: SurfaceAnalysis, figures: dict[str, Figure], theme: str) -> list[Any]:
    """What was found, in cards, figures, tables and sentences; the first figure stands above them."""
    graphs = {name: _graph(name, figure, theme) for name, figure in list(figures.items())[1:]}
    parts: list[Any] = [fact_cards(surface_tables.facts(found))]
    if found.allocation is not None:
        parts += [html.H3("Where to put the compute"), graphs["allocation"]]
        parts.append(shown_table(surface_tables.allocation(found), "The best inputs, with 90 % intervals"))
    if found.held_out is not None:
        table = shown_table(surface_tables.checked(found), "Runs that the forecast has not seen")
        parts += [html.H3("Held-out runs against predictions"), *filter(None, [graphs.get("held")])]
        parts.append(html.Details([html.Summary("Held-out runs"), table]))
    parts += [html.H3("Laws and their weights"), shown_table(surface_tables.laws(found), "Laws")]
    parts.append(shown_table(surface_tables.predictions(found), "Where a new measurement will fall"))
    left_over = [graph for name, graph in graphs.items() if name.startswith("residuals")]
    parts.append(html.Details([html.Summary("Residuals of the forecast"), *left_over], open=True))
    return [*parts, html.H3("Before you rely on it"), note_list(surface_tables.notes(found))]


def surface_parts(found: SurfaceAnalysis) -> dict[str, Figure]:
    """Every figure, the one for the top first, with the names of what is drawn in a legend."""
    figures = surface_figures(found)
    for figure in figures.values():
        named = {series.traces[0] for series in figure.series if len(series.traces) == 1}  # no contours
        for i, trace in enumerate(figure.data):
            trace["showlegend"] = i in named
        figure.layout.update({"showlegend": bool(named), "legend": LEGEND})
    return figures


def _graph(name: str, figure: Figure, theme: str) -> html.Div:
    drawn = for_theme({"data": figure.data, "layout": figure.layout}, theme)
    style = {"height": "100%"}
    config: Any = {"displayModeBar": False, "responsive": True}
    graph = dcc.Graph(id=f"figure-{name}", figure=drawn, responsive=True, style=style, config=config)
    return html.Div(graph, className="plot low")
