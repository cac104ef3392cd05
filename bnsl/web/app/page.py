"""What is on the app's page."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from bnsl._base.palette import FITTED, HELD_OUT
from bnsl.curves.datasets import DESCRIPTIONS, LOSS_SURFACE

FORMS = ("m1", "m2", "m3", "m4")
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
ACCURACY = {
    NONE: "as it is",
    "share": "accuracy, 0 to 1: take 1 \N{MINUS SIGN} y",
    "percent": "accuracy in per cent: take 1 \N{MINUS SIGN} y/100",
}
SMOOTH = {NONE: "none", **{f"{1 + share / 100:g}": f"within {share} % of x" for share in (5, 10, 20, 50)}}
SMOOTH |= {"2": "within a factor of 2"}
THIN = {NONE: "all", **{str(count): f"{count} at most" for count in (100, 50, 30, 20, 15, 10)}}
OFFSET = {NONE: "as they are", "1": "x counts from 0: add 1"}
EVERY_RUN = {
    "*all": "all runs, as one curve",
    "*envelope": "all runs: the lowest y for its x",
    "*last": "the last point of each run",
    "*best": "the lowest point of each run",
}
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
    every = EVERY_RUN if len(runs) > 1 else {}
    return [{"label": text, "value": value} for value, text in (*runs.items(), *every.items())]


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
            _labelled("y is", _choice("accuracy", ACCURACY)),
            _labelled("smoothing", _choice("smooth", SMOOTH)),
            _labelled("points", _choice("thin", THIN)),
            _labelled("values of x", _choice("offset", OFFSET)),
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
    forms = [{"label": form.upper(), "value": form} for form in FORMS]
    ways = [
        _hinted("x axis", dcc.RadioItems(["log", "linear"], "log", id="x-type", inline=True)),
        _hinted("y axis", dcc.RadioItems(["log", "linear"], "log", id="y-type", inline=True)),
        _hinted("also draw", dcc.Checklist(id="forms", options=forms, value=[], inline=True)),
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


def _choice(name: str, options: dict[str, str]) -> dcc.Dropdown:
    listed = [{"label": text, "value": value} for value, text in options.items()]
    return dcc.Dropdown(id=name, options=listed, value=NONE, clearable=False, searchable=False)


def _labelled(text: str, part: Any) -> html.Div:
    return html.Div([html.Label(text, htmlFor=part.id, className="hint"), part], className="labelled")


def _hinted(text: str, part: Any) -> html.Div:
    return html.Div([html.Span(text, className="hint"), part], className="choice")
