"""What is on the app's page."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from bnsl._base.palette import FITTED, HELD_OUT
from bnsl.curves.datasets import DESCRIPTIONS, LOSS_SURFACE
from bnsl.forms.registry import FORMS
from bnsl.web.app.words import TEXTS

DRAWN = ("m1", "m2", "m3", "m4")  # beside the BNSL
EXAMPLES = (*DESCRIPTIONS, LOSS_SURFACE)
UNSEEN = {"visible": False}
CLEAR = "rgba(0, 0, 0, 0)"
NOTHING = {
    "data": [],
    "layout": {"xaxis": UNSEEN, "yaxis": UNSEEN, "paper_bgcolor": CLEAR, "plot_bgcolor": CLEAR},
}
KINDS = "CSV, TSV, JSON, JSON Lines, Parquet, also with .gz; event files, trainer_state.json, W&B exports"

# What decides on the points, in the order of the callbacks that they go to.
CONTROLS = ("x", "y", "sigma", "by", "run", "accuracy", "smooth", "thin", "offset", "more")
NONE = "none"
# What the page remembers, and with what it begins.
EMPTY = ("token", "marked", "ticked", "wish")
STORES: dict[str, Any] = {
    "places": [],
    "answered": 0,
    "theme": "light",
    "colours": {"light": [FITTED["light"], HELD_OUT["light"]], "dark": [FITTED["dark"], HELD_OUT["dark"]]},
}
TOOLS = ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]


def page(start: str | None = None) -> html.Main:
    """The whole page, before any table was dropped; or with the table of this token."""
    drop = html.Div(["Drop a file here, or ", html.Span("choose one", className="link")])
    listed = [{"label": name.replace("_", " "), "value": name} for name in EXAMPLES]
    example = dcc.Dropdown(id="example", options=listed, placeholder="choose", searchable=False)
    return html.Main(
        [
            *(dcc.Store(id=name) for name in EMPTY),
            *(dcc.Store(id=name, data=data) for name, data in {"start": start, **STORES}.items()),
            dcc.Download(id="download"),
            html.H1("bnsl"),
            html.P(
                "Drop a table of training runs, choose its columns, and drag the end of the fitted range."
            ),
            _row(
                dcc.Upload(id="upload", children=drop, className="drop", className_active="drop over"),
                _labelled("or look at an example", example),
            ),
            html.P(f"{KINDS}. The file stays on this machine.", className="note"),
            html.Div(id="message", role="alert", className="message", hidden=True),
            html.Section(_workbench(), id="workbench", hidden=True),
        ]
    )


def run_options(runs: dict[str, str]) -> list[dict[str, str]]:
    """The runs to choose from, and what can be made of all of them."""
    every = {value: made["text"] for value, made in TEXTS["every_run"].items() if len(runs) > 1}
    return [{"label": text, "value": value} for value, text in (*runs.items(), *every.items())]


def choices_of(*, positive: bool) -> dict[str, list[dict[str, Any]]]:
    """Scales of the y axis and forms to draw; those that need a positive y can be chosen only for one."""
    return {
        "y-type": [
            {"label": scale, "value": scale, "disabled": scale == "log" and not positive}
            for scale in ("log", "linear")
        ],
        "forms": [
            {"label": name.upper(), "value": name, "disabled": not (positive or FORMS[name].signed)}
            for name in DRAWN
        ],
    }


def _workbench() -> list[Any]:
    """Which points are taken, and what was found of them."""
    column = "column that tells runs apart"
    return [
        html.H2(id="name"),
        _row(
            _labelled("x", dcc.Dropdown(id="x", clearable=False)),
            _labelled("further inputs", dcc.Dropdown(id="more", multi=True, placeholder="none: one curve")),
            _labelled("y", dcc.Dropdown(id="y", clearable=False)),
            _labelled("standard deviation of y", dcc.Dropdown(id="sigma", placeholder="none")),
        ),
        _row(
            _labelled(column, dcc.Dropdown(id="by", placeholder="nothing: one curve")),
            _labelled("run", dcc.Dropdown(id="run", clearable=False)),
            id="runs",
            hidden=True,
        ),
        _row(
            _labelled("y is", _choice("accuracy")),
            _labelled("smoothing", _choice("smooth")),
            _labelled("points", _choice("thin")),
            _labelled("values of x", _choice("offset")),
        ),
        html.Ul(id="told", className="note", hidden=True),
        html.Div(_findings(), id="found", hidden=True),
    ]


def _findings() -> list[Any]:
    """The fitted range, the figure, how it is drawn, and the numbers."""
    slider: dict[str, Any] = {"min": 2, "max": 3, "step": 1, "value": 3, "marks": None, "tooltip": None}
    slider |= {"updatemode": "drag", "allow_direct_input": False}
    fitted = [
        html.Label("fitted range", id="range", htmlFor="end"),
        html.Span("working", id="busy", className="busy", role="status", hidden=True),
        dcc.Slider(id="end", **slider),
    ]
    config: Any = {"displaylogo": False, "responsive": True, "modeBarButtons": [TOOLS]}
    style = {"height": "100%"}
    graph = dcc.Graph(id="figure", figure=NOTHING, responsive=True, style=style, config=config)
    choices = choices_of(positive=True)
    ways = [
        _hinted("x axis", dcc.RadioItems(["log", "linear"], "log", id="x-type", inline=True)),
        _hinted("y axis", dcc.RadioItems(choices["y-type"], "log", id="y-type", inline=True)),
        _hinted("also draw", dcc.Checklist(id="forms", options=choices["forms"], value=[], inline=True)),
    ]
    bar = [html.Div(ways, id="ways", className="bar ways"), html.Button("Save as report", id="save")]
    return [
        html.Div(fitted, className="end"),
        html.Div(graph, className="plot"),
        html.Div(bar, className="bar"),
        html.Div(id="numbers"),
    ]


def _row(*parts: Any, **options: Any) -> html.Div:
    return html.Div(list(parts), className="row", **options)


def _choice(name: str) -> dcc.Dropdown:
    listed = [{"label": text, "value": value} for value, text in TEXTS[name].items()]
    return dcc.Dropdown(id=name, options=listed, value=NONE, clearable=False, searchable=False)


def _labelled(text: str, part: Any) -> html.Div:
    return html.Div([html.Label(text, htmlFor=part.id, className="hint"), part], className="labelled")


def _hinted(text: str, part: Any) -> html.Div:
    return html.Div([html.Span(text, className="hint"), part], className="choice")
