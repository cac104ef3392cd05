"""What the app shows of what was found: figures, cards, tables and sentences."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from bnsl.web import surfaces, words
from bnsl.web.analysis import Analysis
from bnsl.web.drawing import Figure, for_theme
from bnsl.web.figures import curve_figure
from bnsl.web.surface_figures import surface_figures
from bnsl.web.surfaces import SurfaceAnalysis
from bnsl.web.tables import Table, checked, forms, predictions

LEGEND = {"orientation": "h", "x": 0.0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}


def figures_of(found: Analysis | SurfaceAnalysis, **axes: str) -> dict[str, Figure]:
    """Every figure, the one for the top first, with the names of what is drawn in a legend."""
    if isinstance(found, SurfaceAnalysis):
        figures = surface_figures(found)
    else:
        fits = found.comparison.results
        shown = tuple(fits) if found.positive else found.as_law
        options: dict[str, Any] = {"law": found.law, "steady": True, "shown": shown, **axes}
        figures = {"curve": curve_figure(found.forecast, found.held_out, fits, **options)}
    for figure in figures.values():
        named = {series.traces[0] for series in figure.series if len(series.traces) == 1}  # no contours
        for i, trace in enumerate(figure.data):
            trace["showlegend"] = i in named
        figure.layout.update({"showlegend": bool(named), "legend": LEGEND})
    return figures


def drawn(figure: Figure, theme: str) -> Any:
    """A figure as Plotly wants it."""
    return for_theme({"data": figure.data, "layout": figure.layout}, theme)


def numbers(found: Analysis | SurfaceAnalysis, figures: dict[str, Figure], theme: str) -> list[Any]:
    """What was found, in cards, figures, tables and sentences; the first figure stands above them."""
    if isinstance(found, SurfaceAnalysis):
        graphs = {name: _graph(name, figure, theme) for name, figure in list(figures.items())[1:]}
        facts, notes = surfaces.facts(found), surfaces.notes(found)
        parts = _of_runs(found, graphs)
    else:
        facts, notes = words.facts(found), words.notes(found)
        parts = [_shown(predictions(found), "Forecast")]
        if found.held_out is not None:
            table = _shown(checked(found), "Points that the forecast has not seen")
            parts.append(html.Details([html.Summary("Held-out points"), table]))
        parts.append(html.Details([html.Summary("Forms"), _shown(forms(found), "Forms")]))
    cards = html.Section([_card(fact) for fact in facts], className="facts")
    said = html.Ul([html.Li([html.B(f"{note.subject}. "), note.text]) for note in notes])
    return [cards, *parts, html.H3("Before you rely on it"), said]


def _of_runs(found: SurfaceAnalysis, graphs: dict[str, Any]) -> list[Any]:
    """Figures and tables of runs with several inputs."""
    parts: list[Any] = []
    if found.allocation is not None:
        table = _shown(surfaces.allocation(found), f"The best inputs, with 90 % intervals; {found.cost}")
        parts += [html.H3("Where to put the compute"), graphs["allocation"], table]
    if found.held_out is not None:
        table = _shown(checked(found), "Runs that the forecast has not seen")
        parts += [html.H3("Held-out runs against predictions"), *filter(None, [graphs.get("held")])]
        parts.append(html.Details([html.Summary("Held-out runs"), table]))
    parts += [html.H3("Laws and their weights"), _shown(surfaces.laws(found), "Laws")]
    parts.append(_shown(predictions(found), "Where a new measurement will fall"))
    left_over = [graph for name, graph in graphs.items() if name.startswith("residuals")]
    summary = html.Summary("Residuals of the forecast")
    return [*parts, html.Details([summary, *left_over], open=True)]


def _card(fact: words.Fact) -> html.Div:
    lines = (("head", fact.head), ("value", fact.value), ("text", fact.text))
    return html.Div([html.Div(text, className=name) for name, text in lines], className="fact")


def _shown(table: Table, caption: str) -> html.Div:
    """A table with its caption."""

    def row(kind: Any, cells: tuple[str, ...]) -> html.Tr:
        looks = ({"className": "left"} if i in table.left else {} for i in range(len(cells)))
        return html.Tr([kind(cell, **look) for cell, look in zip(cells, looks, strict=True)])

    head, body = html.Thead(row(html.Th, table.head)), [row(html.Td, cells) for cells in table.rows]
    return html.Div(html.Table([html.Caption(caption), head, html.Tbody(body)]), className="scroll")


def _graph(name: str, figure: Figure, theme: str) -> html.Div:
    config: Any = {"displayModeBar": False, "responsive": True}
    style, shown = {"height": "100%"}, drawn(figure, theme)
    graph = dcc.Graph(id=f"figure-{name}", figure=shown, responsive=True, style=style, config=config)
    return html.Div(graph, className="plot low")
