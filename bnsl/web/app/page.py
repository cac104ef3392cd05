"""What is on the app's page."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from bnsl.curves.datasets import DESCRIPTIONS
from bnsl.web.analysis import Analysis
from bnsl.web.tables import Table, foretold, forms, predictions
from bnsl.web.words import facts, notes

FORMS = ("m1", "m2", "m3", "m4")
NOTHING = {
    "data": [],
    "layout": {
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
    },
}
KINDS = "CSV, TSV, JSON, JSON Lines, Parquet, also with .gz; event files, trainer_state.json, W&B exports"


def page() -> html.Main:
    """The whole page, before any table was dropped."""
    return html.Main(
        [
            dcc.Store(id="token"),
            dcc.Store(id="theme", data="light"),
            dcc.Store(id="wish"),
            dcc.Download(id="download"),
            html.H1("bnsl"),
            html.P(
                "Drop a table of training runs, choose its columns, and drag the end of the fitted range."
            ),
            html.Div(
                [
                    dcc.Upload(
                        id="upload",
                        children=html.Div(
                            ["Drop a file here, or ", html.Span("choose one", className="link")]
                        ),
                        className="drop",
                        className_active="drop over",
                    ),
                    _labelled(
                        "or look at an example",
                        dcc.Dropdown(
                            id="example",
                            options=[
                                {"label": name.replace("_", " "), "value": name} for name in DESCRIPTIONS
                            ],
                            placeholder="choose",
                            searchable=False,
                        ),
                    ),
                ],
                className="row",
            ),
            html.P(f"{KINDS}. The file stays on this machine.", className="note"),
            html.Div(id="message", role="alert", className="message", hidden=True),
            html.Section(_workbench(), id="workbench", hidden=True),
        ]
    )


def _workbench() -> list[Any]:
    axis = ["log", "linear"]
    return [
        html.H2(id="name"),
        html.Div(
            [
                _labelled("x", dcc.Dropdown(id="x", clearable=False)),
                _labelled("y", dcc.Dropdown(id="y", clearable=False)),
                _labelled("standard deviation of y", dcc.Dropdown(id="sigma", placeholder="none")),
            ],
            className="row",
        ),
        html.Div(
            id="found",
            hidden=True,
            children=[
                html.Div(
                    [
                        html.Label("fitted range", id="range", htmlFor="end"),
                        html.Span(
                            "working; the first time takes some seconds",
                            id="busy",
                            className="busy",
                            role="status",
                            hidden=True,
                        ),
                        dcc.Slider(
                            id="end",
                            min=2,
                            max=3,
                            step=1,
                            value=3,
                            marks=None,
                            updatemode="drag",
                            allow_direct_input=False,
                            tooltip=None,
                        ),
                    ],
                    className="end",
                ),
                html.Div(
                    dcc.Graph(
                        id="figure",
                        figure=NOTHING,
                        responsive=True,
                        style={"height": "100%"},
                        config={
                            "displaylogo": False,
                            "responsive": True,
                            "modeBarButtons": [
                                ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]
                            ],
                        },
                    ),
                    className="plot",
                ),
                html.Div(
                    [
                        _radio("x axis", "x-type", axis),
                        _radio("y axis", "y-type", axis),
                        html.Div(
                            [
                                html.Span("also draw", className="hint"),
                                dcc.Checklist(
                                    id="forms",
                                    options=[{"label": form.upper(), "value": form} for form in FORMS],
                                    value=[],
                                    inline=True,
                                ),
                            ],
                            className="choice",
                        ),
                        html.Button("Save as report", id="save"),
                    ],
                    className="bar",
                ),
                html.Div(id="numbers"),
            ],
        ),
    ]


def numbers(analysis: Analysis) -> list[Any]:
    """What was found, in cards, tables and sentences."""
    cards = [
        html.Div(
            [
                html.Div(fact.head, className="head"),
                html.Div(fact.value, className="value"),
                html.Div(fact.text, className="text"),
            ],
            className="fact",
        )
        for fact in facts(analysis)
    ]
    parts = [html.Section(cards, className="facts"), _table(predictions(analysis), "Forecast")]
    held = foretold(analysis)
    if held is not None:
        parts.append(
            html.Details(
                [html.Summary("Held-out points"), _table(held, "Points that the forecast has not seen")]
            )
        )
    parts.append(html.Details([html.Summary("Forms"), _table(forms(analysis), "Forms")]))
    parts.append(html.H3("Before you rely on it"))
    parts.append(html.Ul([html.Li([html.B(f"{note.subject}. "), note.text]) for note in notes(analysis)]))
    return parts


def _table(table: Table, caption: str) -> html.Div:
    def cell(kind: Any, text: str, column: int) -> Any:
        return kind(text, className="left") if column in table.left else kind(text)

    head = html.Tr([cell(html.Th, text, i) for i, text in enumerate(table.head)])
    body = [html.Tr([cell(html.Td, text, i) for i, text in enumerate(row)]) for row in table.rows]
    return html.Div(
        html.Table([html.Caption(caption), html.Thead(head), html.Tbody(body)]), className="scroll"
    )


def _labelled(text: str, part: Any) -> html.Div:
    return html.Div([html.Label(text, htmlFor=part.id, className="hint"), part], className="labelled")


def _radio(text: str, name: str, options: list[str]) -> html.Div:
    choice = dcc.RadioItems(id=name, options=options, value=options[0], inline=True)
    return html.Div([html.Span(text, className="hint"), choice], className="choice")
