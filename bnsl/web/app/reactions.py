"""What happens on the app's page: a file to columns, columns to a curve, a range to a forecast."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import dash
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from bnsl._base.checks import InputError
from bnsl._base.palette import FITTED, HELD_OUT
from bnsl.curves.datasets import LOSS_SURFACE
from bnsl.readers.columns import choose_columns
from bnsl.web.analysis import Analysis, analyse
from bnsl.web.app.linear import linear_numbers
from bnsl.web.app.page import CONTROLS, NONE, numbers, run_options
from bnsl.web.app.runs import ALL
from bnsl.web.app.session import (
    WORKING,
    Choice,
    Points,
    Sessions,
    distinct,
    end_rule,
    run_column,
    run_columns,
    runs_in,
)
from bnsl.web.app.surfaces import surface_numbers, surface_parts
from bnsl.web.app.words import in_words_of_app, plain_notes
from bnsl.web.figures import curve_figure, for_theme
from bnsl.web.linear import Linear, linear_figure
from bnsl.web.page import render
from bnsl.web.surfaces import SurfaceAnalysis, analyse_surface
from bnsl.web.words import number, points

LEAST = 3  # distinct x of a forecast
PATIENCE = 20000  # milliseconds after which a request that was not answered is given up
# The browser's theme, now and whenever it changes.
THEME = """
function() {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const name = () => dark.matches ? "dark" : "light";
    dark.addEventListener("change", () => dash_clientside.set_props("theme", {data: name()}));
    return name();
}
"""
# All that decides on the figure, numbered. One request is made at a time, lest a new one at every move of the
# mouse has the figure of the one before thrown away; when it is answered, the newest wish is next.
WISH = f"""
function(answered, end, last, forms, x_type, y_type, theme, {", ".join(CONTROLS)}, token) {{
    const columns = {{{", ".join(f"{name}: {name} ?? null" for name in CONTROLS)}, token: token ?? null}};
    const wish = {{end, last, forms, x_type, y_type, theme, ...columns}};
    const text = JSON.stringify(wish), now = Date.now();
    const state = window.bnslState = window.bnslState || {{number: 0, since: 0, sent: null}};
    if (state.number > answered && now - state.since < {PATIENCE}) return dash_clientside.no_update;
    if (state.sent === text || wish.token === null) return dash_clientside.no_update;
    Object.assign(state, {{sent: text, since: now, number: state.number + 1}});
    return {{number: state.number, ...wish}};
}}
"""
# While the range is dragged, points change their colour and the grey area moves at once.
MARK = """
function(end, places, theme) {
    const plot = document.querySelector("#figure .js-plotly-plot");
    if (!plot || !window.Plotly || !places.length || !plot.layout || !(end in places)) return null;
    const colours = COLOURS[theme], limit = places[end];
    plot.data.forEach((trace, i) => {
        if (!/^(Fitted|Held-out) points/.test(trace.name ?? "")) return;
        const x = plot._fullData[i].x;
        const marks = Array.from(x, (value) => colours[value <= limit * (1 + 1e-12) ? 0 : 1]);
        window.Plotly.restyle(plot, {"marker.color": [marks]}, [i]);
    });
    const ground = (plot.layout.shapes ?? []).findIndex((shape) => shape.type === "rect");
    if (ground >= 0) window.Plotly.relayout(plot, {[`shapes[${ground}].x0`]: limit});
    return end;
}
""".replace(
    "COLOURS",
    str({theme: [FITTED[theme], HELD_OUT[theme]] for theme in ("light", "dark")}),
)

# Ticks that fit; the figure is there some time after its description.
TICKS = """
function(_) {
    const begin = (tries) => {
        const plot = document.querySelector("#figure .js-plotly-plot");
        if (plot && plot.on && window.Plotly)
            document.querySelectorAll(".js-plotly-plot").forEach((o) => o.on && window.bnslTicks.follow(o));
        else if (tries > 0) setTimeout(() => begin(tries - 1), 100);
    };
    begin(50);
    return true;
}
"""


def react(app: Dash, sessions: Sessions, start: str | None = None) -> None:
    """Tell the app what to do; `start` is the token of a table that is there from the beginning."""
    app.clientside_callback(THEME, Output("theme", "data"), Input("theme", "id"))

    @app.callback(
        Output("token", "data"),
        Output("message", "children", allow_duplicate=True),
        Output("message", "hidden", allow_duplicate=True),
        Output("workbench", "hidden"),
        Output("name", "children"),
        Output("x", "options"),
        Output("y", "options"),
        Output("sigma", "options"),
        Output("more", "options"),
        Output("x", "value"),
        Output("y", "value"),
        Output("sigma", "value"),
        Output("by", "options", allow_duplicate=True),
        Output("by", "value"),
        *(Output(name, "value") for name in CONTROLS[5:]),
        Input("upload", "contents"),
        Input("example", "value"),
        Input("start", "data"),
        State("upload", "filename"),
        prevent_initial_call=True if start is None else "initial_duplicate",
    )
    def take(contents: str | None, example: str | None, first: str | None, filename: str | None) -> Any:
        """A file or an example was chosen, or one was there from the start."""
        try:
            if ctx.triggered_id == "upload":
                token = sessions.add_file(filename or "table.csv", _bytes(contents))
            elif ctx.triggered_id == "example" and example is not None:
                token = sessions.add_dataset(example)
            elif ctx.triggered_id != "example" and first is not None:
                token = first
            else:
                raise dash.exceptions.PreventUpdate
            source = sessions.table(token)
        except InputError as error:
            return None, in_words_of_app(str(error)), False, True, *[no_update] * (9 + len(CONTROLS[4:]))
        table = source.table
        names = [str(column) for column in table.columns if table[column].dtype.kind == "f"]
        message = ""
        x = y = sigma = None
        try:
            found = choose_columns(source)
            x, y = found.x, found.y
            if ctx.triggered_id == "example" and "sigma" in names:
                sigma = "sigma"
        except InputError:
            x = source.x if source.x in names else None
            few = "This table has too few columns of numbers: x and y are needed."
            which = "columns of x and y" if x is None else f"column of y; x is \u201c{x}\u201d"
            message = f"Choose the {which}." if len(names) > 1 else few
        by = run_column(source, x)
        more: list[str] = []
        if example == LOSS_SURFACE and ctx.triggered_id == "example":
            x, y, more, by, message = "params", "loss", ["tokens"], None, ""
        rest = [*[NONE] * len(CONTROLS[5:-1]), more]
        title = sessions.title(token)
        chosen = (names, names, names, names, x, y, sigma, run_columns(source, x, y), by, *rest)
        return token, message, not message, False, title, *chosen

    @app.callback(
        Output("by", "options"),
        Output("run", "options"),
        Output("run", "value"),
        Output("runs", "hidden"),
        Input("by", "value"),
        Input("x", "value"),
        Input("y", "value"),
        Input("token", "data"),
        Input("more", "value"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def list_runs(
        by: str | None,
        x: str | None,
        y: str | None,
        token: str | None,
        more: list[str] | None,
        run: str | None,
    ) -> Any:
        """The columns that tell runs apart, and the runs in the one that was chosen."""
        if token is None:
            raise dash.exceptions.PreventUpdate
        try:
            source = sessions.table(token)
        except InputError:  # `choose` says so
            raise dash.exceptions.PreventUpdate from None
        columns = run_columns(source, x, y)
        if by is None or by not in source.table.columns:
            return columns, [], None, not columns
        options = run_options(runs_in(source, by, y))
        if more:  # all runs together, with those of one value as a group
            options = [option for option in options if not option["value"].startswith("*")]
            options.insert(0, {"label": "all runs, each as a group", "value": ALL})
            run = ALL if ctx.triggered_id == "more" else run
        values = [option["value"] for option in options]
        return columns, options, run if run in values else next(iter(values), None), False

    @app.callback(
        Output("end", "max"),
        Output("end", "value"),
        Output("end", "min"),
        Output("places", "data"),
        Output("told", "children"),
        Output("told", "hidden"),
        Output("message", "children"),
        Output("message", "hidden"),
        Output("found", "hidden"),
        Output("ways", "hidden"),
        *(Input(name, "value") for name in CONTROLS),
        Input("token", "data"),
        prevent_initial_call=True,
    )
    def choose(*values: Any) -> Any:
        """Columns, runs or what is done to the points were chosen."""
        kept = (no_update, no_update, no_update, no_update)
        try:
            chosen = _points(dict(zip((*CONTROLS, "token"), values, strict=True)))
            if chosen is None:
                return *kept, [], True, no_update, no_update, True, no_update
            reading = sessions.reading(chosen)
            places = distinct(reading.curve)
            if len(places) < LEAST:
                raise InputError(
                    f"{chosen.x!r} has {len(places)} distinct values; a forecast needs at least {LEAST}"
                )
        except InputError as error:
            return *kept, [], True, in_words_of_app(str(error)), False, True, no_update
        last = len(places) - 1
        told = [html.Li(text) for text in plain_notes(reading.notes)]
        return last, last, LEAST - 1, places.tolist(), told, not told, "", True, False, bool(chosen.more)

    app.clientside_callback(
        WISH,
        Output("wish", "data"),
        Input("answered", "data"),
        Input("end", "value"),
        Input("end", "max"),
        Input("forms", "value"),
        Input("x-type", "value"),
        Input("y-type", "value"),
        Input("theme", "data"),
        *(Input(name, "value") for name in CONTROLS),
        State("token", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(TICKS, Output("ticked", "data"), Input("figure", "figure"))
    app.clientside_callback(
        MARK,
        Output("marked", "data"),
        Input("end", "value"),
        State("places", "data"),
        State("theme", "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("answered", "data"),
        Output("figure", "figure"),
        Output("numbers", "children"),
        Output("range", "children"),
        Output("message", "children", allow_duplicate=True),
        Output("message", "hidden", allow_duplicate=True),
        Input("wish", "data"),
        prevent_initial_call=True,
        running=[(Output("busy", "hidden"), False, True)],
    )
    def look(wish: dict[str, Any] | None) -> Any:
        """The fitted range, or how to draw it, was changed."""
        if not wish:
            return [no_update] * 6
        nothing = (wish["number"], *[no_update] * 5)
        try:
            chosen, last = _points(wish), wish["last"]
            if chosen is None:
                return nothing
            sessions.announce(chosen.token, wish["number"])
            curve = sessions.curve(chosen)
            count = len(distinct(curve))
            if count < LEAST or last != count - 1:  # the slider is still that of other columns
                return nothing
            choice = Choice(chosen, min(wish["end"], last), tuple(sorted(wish["forms"])))
            with WORKING:
                if sessions.overtaken(chosen.token, wish["number"]):
                    return nothing
                found = sessions.analysis(choice)
                if isinstance(found, SurfaceAnalysis):
                    figures = surface_parts(found)
                    top = next(iter(figures.values()))
                    whole = {"data": top.data, "layout": top.layout}
                    shown = surface_numbers(found, figures, wish["theme"])
                else:
                    whole = _figure(found, wish)
                    shown = linear_numbers(found) if isinstance(found, Linear) else numbers(found)
                drawn = for_theme(whole, wish["theme"])
        except InputError as error:
            return wish["number"], *[no_update] * 3, in_words_of_app(str(error)), False
        fitted = found.law.curve if isinstance(found, Linear) else found.fitted
        count_text = f"{len(fitted)} of {points(len(curve))}"
        end = curve.x_label if curve.inputs == 1 else curve.effort_label
        text = f"fitted up to {end} = {number(float(fitted.effort.max()))}: {count_text}"
        return wish["number"], drawn, shown, text, "", True

    @app.callback(
        Output("download", "data"),
        Output("message", "children", allow_duplicate=True),
        Output("message", "hidden", allow_duplicate=True),
        Input("save", "n_clicks"),
        State("end", "value"),
        State("forms", "value"),
        *(State(name, "value") for name in CONTROLS),
        State("token", "data"),
        prevent_initial_call=True,
        running=[(Output("save", "disabled"), True, False)],
    )
    def save(_: int, end: int, forms: list[str], *values: Any) -> Any:
        """The report of what is on the page, with a back-test."""
        try:
            chosen = _points(dict(zip((*CONTROLS, "token"), values, strict=True)))
            if chosen is None:
                raise dash.exceptions.PreventUpdate
            curve = sessions.curve(chosen)
            with WORKING:
                rule = end_rule(curve, end)
                several = curve.inputs > 1
                found = (
                    analyse_surface(curve, rule)
                    if several
                    else analyse(curve, forms=("bnsl", *sorted(forms)), **rule)
                )
                text = render(found)
        except InputError as error:
            return no_update, in_words_of_app(str(error)), False
        return dcc.send_string(text, "report.html", type="text/html"), no_update, no_update


def _points(wish: dict[str, Any]) -> Points | None:
    """Which points are wanted; None where that is not settled. InputError for x and y in one column."""
    found: dict[str, Any] = {
        name: None if wish[name] == NONE else wish[name] for name in (*CONTROLS, "token")
    }
    if found["token"] is None or found["x"] is None or found["y"] is None:
        return None
    if found["by"] is not None and found["run"] is None:
        return None
    found["more"] = tuple(found["more"] or ())
    if found["x"] == found["y"]:
        raise InputError("x and y are the same column; choose two")
    sorts = {"smooth": float, "thin": int, "offset": float}
    return Points(**{k: sorts[k](v) if k in sorts and v is not None else v for k, v in found.items()})


def _figure(found: Analysis | Linear, wish: dict[str, Any]) -> dict[str, Any]:
    """The figure as Plotly wants it, but for the theme."""
    axes = {"x_type": wish["x_type"], "y_type": wish["y_type"]}
    if isinstance(found, Linear):
        figure = linear_figure(found, wish["x_type"])
    elif found.forecast is None:
        raise TypeError("a curve of positive values has a forecast")
    else:
        fits = found.comparison.results
        options: dict[str, Any] = {"law": found.law, "steady": True, "shown": tuple(fits), **axes}
        figure = curve_figure(found.forecast, found.held_out, fits, **options)
    # As long as this is the same, what was zoomed to stays.
    same = str((*(wish[name] for name in (*CONTROLS, "token")), axes))
    legend = {"orientation": "h", "x": 0.0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    layout = figure.layout | {"uirevision": same, "showlegend": True, "legend": legend}
    return {"data": figure.data, "layout": layout}


def _bytes(contents: str | None) -> bytes:
    """What was dropped, from the data URL that the browser makes of it."""
    try:
        return base64.b64decode((contents or "").partition(",")[2], validate=True)
    except binascii.Error:
        raise InputError("the browser sent no file; drop it once more") from None
