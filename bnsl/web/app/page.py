"""What is on the app's page."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from bnsl.curves.datasets import DESCRIPTIONS, LOSS_SURFACE
from bnsl.web.analysis import Analysis
from bnsl.web.tables import Table, checked, forms, predictions
from bnsl.web.words import Fact, Note, facts, notes

FORMS = ("m1", "m2", "m3", "m4")
EXAMPLES = (*DESCRIPTIONS, LOSS_SURFACE)
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


# What decides on the points, in the order of the callbacks that they go to.
CONTROLS = ("x", "y", "sigma", "by", "run", "accuracy", "smooth", "thin", "offset", "more")
NONE = "none"
ACCURACY = {
    NONE: "as it is",
    "share": "accuracy, 0 to 1: take 1 \N{MINUS SIGN} y",
    "percent": "accuracy in per cent: take 1 \N{MINUS SIGN} y/100",
}
SMOOTH = {NONE: "none", "1.05": "within 5 % of x", "1.1": "within 10 % of x", "1.2": "within 20 % of x"}
SMOOTH |= {"1.5": "within 50 % of x", "2": "within a factor of 2"}
THIN = {NONE: "all", "100": "100 at most", "50": "50 at most", "30": "30 at most", "20": "20 at most"}
THIN |= {"15": "15 at most", "10": "10 at most"}
OFFSET = {NONE: "as they are", "1": "x counts from 0: add 1"}
EVERY_RUN = {
    "*all": "all runs, as one curve",
    "*envelope": "all runs: the lowest y for its x",
    "*last": "the last point of each run",
    "*best": "the lowest point of each run",
}


def page(start: str | None = None) -> html.Main:
    """The whole page, before any table was dropped; or with the table of this token."""
    return html.Main(
        [
            dcc.Store(id="start", data=start),
            dcc.Store(id="token"),
            dcc.Store(id="places", data=[]),
            dcc.Store(id="answered", data=0),
            dcc.Store(id="marked"),
            dcc.Store(id="ticked"),
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
                            options=[{"label": name.replace("_", " "), "value": name} for name in EXAMPLES],
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
                _labelled(
                    "further inputs", dcc.Dropdown(id="more", multi=True, placeholder="none: one curve")
                ),
                _labelled("y", dcc.Dropdown(id="y", clearable=False)),
                _labelled("standard deviation of y", dcc.Dropdown(id="sigma", placeholder="none")),
            ],
            className="row",
        ),
        html.Div(
            [
                _labelled(
                    "column that tells runs apart", dcc.Dropdown(id="by", placeholder="nothing: one curve")
                ),
                _labelled("run", dcc.Dropdown(id="run", clearable=False)),
            ],
            id="runs",
            className="row",
            hidden=True,
        ),
        html.Div(
            [
                _labelled("y is", _choice("accuracy", ACCURACY)),
                _labelled("smoothing", _choice("smooth", SMOOTH)),
                _labelled("points", _choice("thin", THIN)),
                _labelled("values of x", _choice("offset", OFFSET)),
            ],
            className="row",
        ),
        html.Ul(id="told", className="note", hidden=True),
        html.Div(
            id="found",
            hidden=True,
            children=[
                html.Div(
                    [
                        html.Label("fitted range", id="range", htmlFor="end"),
                        html.Span(
                            "working",
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
                        html.Div(
                            [
                                _radio("x axis", "x-type", axis),
                                _radio("y axis", "y-type", axis),
                                html.Div(
                                    [
                                        html.Span("also draw", className="hint"),
                                        dcc.Checklist(
                                            id="forms",
                                            options=[
                                                {"label": form.upper(), "value": form} for form in FORMS
                                            ],
                                            value=[],
                                            inline=True,
                                        ),
                                    ],
                                    className="choice",
                                ),
                            ],
                            id="ways",
                            className="bar ways",
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
    parts: list[Any] = [fact_cards(facts(analysis)), shown_table(predictions(analysis), "Forecast")]
    held = checked(analysis)
    if held is not None:
        parts.append(
            html.Details(
                [html.Summary("Held-out points"), shown_table(held, "Points that the forecast has not seen")]
            )
        )
    parts.append(html.Details([html.Summary("Forms"), shown_table(forms(analysis), "Forms")]))
    parts.append(html.H3("Before you rely on it"))
    parts.append(note_list(notes(analysis)))
    return parts


def fact_cards(found: list[Fact]) -> html.Section:
    """The few numbers that come first."""
    cards = [
        html.Div(
            [
                html.Div(fact.head, className="head"),
                html.Div(fact.value, className="value"),
                html.Div(fact.text, className="text"),
            ],
            className="fact",
        )
        for fact in found
    ]
    return html.Section(cards, className="facts")


def note_list(found: list[Note]) -> html.Ul:
    """What to know, a sentence each."""
    return html.Ul([html.Li([html.B(f"{note.subject}. "), note.text]) for note in found])


def shown_table(table: Table, caption: str) -> html.Div:
    """A table with its caption."""

    def cell(kind: Any, text: str, column: int) -> Any:
        return kind(text, className="left") if column in table.left else kind(text)

    head = html.Tr([cell(html.Th, text, i) for i, text in enumerate(table.head)])
    body = [html.Tr([cell(html.Td, text, i) for i, text in enumerate(row)]) for row in table.rows]
    return html.Div(
        html.Table([html.Caption(caption), html.Thead(head), html.Tbody(body)]), className="scroll"
    )


def _choice(name: str, options: dict[str, str]) -> dcc.Dropdown:
    listed = [{"label": text, "value": value} for value, text in options.items()]
    return dcc.Dropdown(id=name, options=listed, value=NONE, clearable=False, searchable=False)


def run_options(runs: dict[str, str]) -> list[dict[str, str]]:
    """The runs to choose from, and what can be made of all of them."""
    every = EVERY_RUN if len(runs) > 1 else {}
    return [{"label": text, "value": value} for value, text in (*runs.items(), *every.items())]


def _labelled(text: str, part: Any) -> html.Div:
    return html.Div([html.Label(text, htmlFor=part.id, className="hint"), part], className="labelled")


def _radio(text: str, name: str, options: list[str]) -> html.Div:
    choice = dcc.RadioItems(id=name, options=options, value=options[0], inline=True)
    return html.Div([html.Span(text, className="hint"), choice], className="choice")
