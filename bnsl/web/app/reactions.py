"""What happens on the app's page: a file to columns, columns to a curve, a range to a forecast."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import dash
from dash import Dash, Input, Output, State, ctx, dcc, no_update

from bnsl._base.checks import InputError
from bnsl.readers.columns import choose_columns
from bnsl.web.analysis import Analysis, analyse
from bnsl.web.app.page import numbers
from bnsl.web.app.session import WORKING, Choice, Sessions, distinct, end_rule
from bnsl.web.figures import curve_figure, for_theme
from bnsl.web.page import render
from bnsl.web.words import number, points

LEAST = 3  # distinct x of a forecast
# The browser's theme, now and whenever it changes.
THEME = """
function() {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const name = () => dark.matches ? "dark" : "light";
    dark.addEventListener("change", () => dash_clientside.set_props("theme", {data: name()}));
    return name();
}
"""
# All that decides on the figure, numbered, since requests can overtake one another.
WISH = """
function(end, last, forms, x_type, y_type, theme, x, y, sigma, token) {
    window.bnslWishes = (window.bnslWishes || 0) + 1;
    const columns = {x: x ?? null, y: y ?? null, sigma: sigma ?? null, token: token ?? null};
    return {number: window.bnslWishes, end, last, forms, x_type, y_type, theme, ...columns};
}
"""


def react(app: Dash, sessions: Sessions) -> None:
    """Tell the app what to do."""
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
        Output("x", "value"),
        Output("y", "value"),
        Output("sigma", "value"),
        Input("upload", "contents"),
        Input("example", "value"),
        State("upload", "filename"),
        prevent_initial_call=True,
    )
    def take(contents: str | None, example: str | None, filename: str | None) -> Any:
        """A file or an example was chosen."""
        try:
            if ctx.triggered_id == "example":
                if example is None:
                    raise dash.exceptions.PreventUpdate
                token = sessions.add_dataset(example)
            else:
                token = sessions.add_file(filename or "table.csv", _bytes(contents))
            source = sessions.table(token)
        except InputError as error:
            return None, str(error), False, True, *[no_update] * 7
        table = source.table
        names = [str(column) for column in table.columns if table[column].dtype.kind == "f"]
        message = ""
        x = y = sigma = None
        try:
            found = choose_columns(table, steps=source.x, aside=source.aside)
            x, y = found.x, found.y
            if ctx.triggered_id == "example" and "sigma" in names:
                sigma = "sigma"
        except InputError:
            message = (
                "Choose the columns of x and y."
                if len(names) > 1
                else ("This table has too few columns of numbers: x and y are needed.")
            )
        return token, message, not message, False, source.name, names, names, names, x, y, sigma

    @app.callback(
        Output("end", "max"),
        Output("end", "value"),
        Output("end", "min"),
        Output("message", "children"),
        Output("message", "hidden"),
        Output("found", "hidden"),
        Input("x", "value"),
        Input("y", "value"),
        Input("sigma", "value"),
        State("token", "data"),
        prevent_initial_call=True,
    )
    def choose(x: str | None, y: str | None, sigma: str | None, token: str | None) -> Any:
        """Columns were chosen."""
        kept = (no_update, no_update, no_update)
        if token is None or x is None or y is None:
            return *kept, no_update, no_update, True
        try:
            if x == y:
                raise InputError("x and y are the same column; choose two")
            curve = sessions.curve(token, x, y, sigma)
            count = len(distinct(curve))
            if count < LEAST:
                raise InputError(f"{x!r} has {count} distinct values; a forecast needs at least {LEAST}")
        except InputError as error:
            return *kept, str(error), False, True
        return count - 1, count - 1, LEAST - 1, "", True, False

    app.clientside_callback(
        WISH,
        Output("wish", "data"),
        Input("end", "value"),
        Input("end", "max"),
        Input("forms", "value"),
        Input("x-type", "value"),
        Input("y-type", "value"),
        Input("theme", "data"),
        Input("x", "value"),
        Input("y", "value"),
        Input("sigma", "value"),
        State("token", "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("figure", "figure"),
        Output("numbers", "children"),
        Output("range", "children"),
        Output("message", "children", allow_duplicate=True),
        Output("message", "hidden", allow_duplicate=True),
        Input("wish", "data"),
        prevent_initial_call=True,
        running=[(Output("busy", "hidden"), False, True)],
    )
    def look(wish: dict[str, Any]) -> Any:
        """The fitted range, or how to draw it, was changed."""
        token, x, y, sigma, last = (wish[name] for name in ("token", "x", "y", "sigma", "last"))
        if token is None or x is None or y is None or x == y:
            raise dash.exceptions.PreventUpdate
        sessions.announce(token, wish["number"])
        try:
            curve = sessions.curve(token, x, y, sigma)
            count = len(distinct(curve))
            if count < LEAST or last != count - 1:  # the slider is still that of other columns
                raise dash.exceptions.PreventUpdate
            choice = Choice(token, x, y, sigma, min(wish["end"], last), tuple(sorted(wish["forms"])))
            with WORKING:
                if sessions.overtaken(token, wish["number"]):
                    raise dash.exceptions.PreventUpdate
                found = sessions.analysis(choice)
                drawn = for_theme(_figure(found, wish), wish["theme"])
                shown = numbers(found)
        except InputError as error:
            return no_update, no_update, no_update, str(error), False
        count_text = f"{len(found.fitted)} of {points(len(curve))}"
        text = f"fitted up to {x} = {number(float(found.fitted.x[-1]))}: {count_text}"
        return drawn, shown, text, "", True

    @app.callback(
        Output("download", "data"),
        Output("message", "children", allow_duplicate=True),
        Output("message", "hidden", allow_duplicate=True),
        Input("save", "n_clicks"),
        State("end", "value"),
        State("forms", "value"),
        State("x", "value"),
        State("y", "value"),
        State("sigma", "value"),
        State("token", "data"),
        prevent_initial_call=True,
        running=[(Output("save", "disabled"), True, False)],
    )
    def save(_: int, end: int, forms: list[str], x: str, y: str, sigma: str | None, token: str) -> Any:
        """The report of what is on the page, with a back-test."""
        try:
            curve = sessions.curve(token, x, y, sigma)
            with WORKING:
                found = analyse(curve, forms=("bnsl", *sorted(forms)), **end_rule(curve, end))
                text = render(found)
        except InputError as error:
            return no_update, str(error), False
        return dcc.send_string(text, "report.html", type="text/html"), no_update, no_update


def _figure(found: Analysis, wish: dict[str, Any]) -> dict[str, Any]:
    """The figure as Plotly wants it, but for the theme."""
    fits = found.comparison.results
    axes = {"x_type": wish["x_type"], "y_type": wish["y_type"]}
    options: dict[str, Any] = {"law": found.law, "steady": True, "shown": tuple(fits), **axes}
    figure = curve_figure(found.forecast, found.held_out, fits, **options)
    same = str((wish["token"], wish["x"], wish["y"], axes))  # as long as it is, what was zoomed to stays
    return {"data": figure.data, "layout": figure.layout | {"uirevision": same}}


def _bytes(contents: str | None) -> bytes:
    """What was dropped, from the data URL that the browser makes of it."""
    try:
        return base64.b64decode((contents or "").partition(",")[2], validate=True)
    except binascii.Error:
        raise InputError("the browser sent no file; drop it once more") from None
