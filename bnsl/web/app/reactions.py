"""What happens on the app's page: a file to columns, columns to a curve, a range to a forecast.

Places of the page are written as Dash writes them, "x.options" for the options of the element x. What happens
without the server is in `assets/reactions.js`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from bnsl._base.checks import InputError
from bnsl._base.display import counted
from bnsl.curves.datasets import LOSS_SURFACE
from bnsl.readers.columns import check_numbers, choose_columns
from bnsl.readers.source import Source
from bnsl.web.app.numbers import drawn, figures_of, numbers
from bnsl.web.app.page import CONTROLS, NONE, choices_of, run_options
from bnsl.web.app.runs import ALL, run_column, run_columns, runs_in
from bnsl.web.app.session import WORKING, Choice, Points, Sessions, analysis_of, distinct
from bnsl.web.app.words import in_words_of_app, plain_notes
from bnsl.web.page import render
from bnsl.web.words import number

LEAST = 3  # distinct x of a forecast
VALUES = " ".join(f"{name}.value" for name in CONTROLS)
Changes = dict[str, Any]  # what is new, by its place
Name = str | None
SHARED = ("message.children", "message.hidden", "by.options")  # of several callbacks
UNSETTLED: Changes = {"told.children": [], "told.hidden": True, "found.hidden": True}


def react(app: Dash, sessions: Sessions, start: str | None = None) -> None:
    """Tell the app what to do; `start` is the token of a table that is there from the beginning."""

    def on(
        inputs: str, outputs: str, states: str = "", failed: Mapping[str, Any] | None = None, **options: Any
    ) -> Callable[[Callable[..., Changes]], None]:
        """A callback of a function that returns changes.

        If it cannot, a message tells why, beside the changes of `failed`.
        """
        places = [*outputs.split(), "message.children", "message.hidden"]

        def register(function: Callable[..., Changes]) -> None:
            def answer(*values: Any) -> list[Any]:
                try:
                    changes = function(*values)
                except InputError as error:
                    changes = {**(failed or {}), **_message(in_words_of_app(str(error)))}
                return [changes.get(place, no_update) for place in places]

            found = _each(Output, " ".join(places))
            for place in found:
                place.allow_duplicate = str(place) in SHARED
            options.setdefault("prevent_initial_call", True)
            app.callback(found, _each(Input, inputs), _each(State, states), **options)(answer)

        return register

    _react_at_once(app)

    @on(
        "upload.contents example.value start.data",
        "token.data workbench.hidden name.children x.options y.options sigma.options more.options by.options "
        + VALUES.replace("run.value ", ""),
        "upload.filename",
        failed={"token.data": None, "workbench.hidden": True},
        prevent_initial_call=True if start is None else "initial_duplicate",
    )
    def take(contents: Name, example: Name, first: Name, filename: Name) -> Changes:
        """A file or an example was chosen, or one was there from the start."""
        if ctx.triggered_id == "upload":
            token = sessions.add_file(filename or "table.csv", _bytes(contents))
        elif ctx.triggered_id == "example" and example is not None:
            token = sessions.add_dataset(example)
        elif ctx.triggered_id != "example" and first is not None:
            token = first
        else:
            raise PreventUpdate
        source = sessions.table(token)
        names = [str(name) for name in source.table if source.table[name].dtype.kind == "f"]
        changes: Changes = {f"{name}.options": names for name in ("x", "y", "sigma", "more")}
        changes |= {f"{name}.value": NONE for name in ("accuracy", "smooth", "thin", "offset")}
        changes |= {"token.data": token, "workbench.hidden": False, "name.children": sessions.title(token)}
        return changes | _columns(source, names, example if ctx.triggered_id == "example" else None)

    @on(
        "by.value x.value y.value token.data more.value",
        "by.options run.options run.value runs.hidden",
        "run.value",
    )
    def list_runs(by: Name, x: Name, y: Name, token: Name, more: list[str] | None, run: Name) -> Changes:
        """The columns that tell runs apart, and the runs in the one that was chosen."""
        source = sessions.find(token)
        if source is None:  # `choose` says so
            raise PreventUpdate
        columns, options = run_columns(source, x, y), []
        if by is not None and by in source.table.columns:
            options = run_options(runs_in(source, by, y))
            if more:  # all runs together, with those of one value as a group
                options = [option for option in options if not option["value"].startswith("*")]
                options.insert(0, {"label": "all runs, each as a group", "value": ALL})
                run = ALL if ctx.triggered_id == "more" else run
        values = [option["value"] for option in options]
        chosen = run if run in values else next(iter(values), None)
        changes: Changes = {"by.options": columns, "run.options": options, "run.value": chosen}
        return changes | {"runs.hidden": not columns and not options}

    @on(
        f"{VALUES} token.data",
        "end.max end.value end.min places.data told.children told.hidden found.hidden ways.hidden "
        "y-type.options y-type.value forms.options forms.value",
        "y-type.value forms.value",
        failed=UNSETTLED,
    )
    def choose(*values: Any) -> Changes:
        """Columns, runs or what is done to the points were chosen."""
        *points, scale, forms = values
        chosen = _points(dict(zip((*CONTROLS, "token"), points, strict=True)))
        if chosen is None:
            return UNSETTLED
        reading = sessions.reading(chosen)
        places = distinct(reading.curve)
        if len(places) < LEAST:
            count = counted(len(places), "distinct value")
            raise InputError(f"{chosen.x!r} has {count}; a forecast needs at least {LEAST}")
        last, told = len(places) - 1, [html.Li(text) for text in plain_notes(reading.notes)]
        changes: Changes = {"end.max": last, "end.value": last, "end.min": LEAST - 1}
        changes |= {"places.data": places.tolist(), "told.children": told, "told.hidden": not told}
        changes |= _possible(scale, forms, positive=bool(reading.curve.y.min() > 0))
        return changes | {"found.hidden": False, "ways.hidden": bool(chosen.more), **_message("")}

    @on(
        "wish.data",
        "answered.data figure.figure numbers.children range.children",
        running=[(Output("busy", "hidden"), False, True)],
    )
    def look(wish: dict[str, Any] | None) -> Changes:
        """The fitted range, or how to draw it, was changed."""
        if not wish:
            return {}
        answered = {"answered.data": wish["number"]}
        try:
            return answered | _found(sessions, wish)
        except InputError as error:
            return answered | _message(in_words_of_app(str(error)))

    @on(
        "save.n_clicks",
        "download.data",
        f"end.value forms.value {VALUES} token.data",
        running=[(Output("save", "disabled"), True, False)],
    )
    def save(_: int, end: int, forms: list[str], *values: Any) -> Changes:
        """The report of what is on the page, with a back-test."""
        chosen = _points(dict(zip((*CONTROLS, "token"), values, strict=True)))
        if chosen is None:
            raise PreventUpdate
        curve = sessions.curve(chosen)
        with WORKING:
            text = render(analysis_of(curve, end, sorted(forms)))
        return {"download.data": dcc.send_string(text, "report.html", type="text/html")}


def _react_at_once(app: Dash) -> None:
    """What the page's own script does: theme, ticks, the next request, colours while the range is dragged."""
    shown = "end.value end.max forms.value x-type.value y-type.value theme.data"
    for name, output, inputs, states in (
        ("theme", "theme.data", "theme.id", ""),
        ("ticks", "ticked.data", "figure.figure", ""),
        ("wish", "wish.data", f"answered.data {shown} {VALUES}", "token.data"),
        ("mark", "marked.data", "end.value", "places.data theme.data colours.data"),
    ):
        places = *_each(Output, output), _each(Input, inputs), _each(State, states)
        later = name in ("wish", "mark")
        app.clientside_callback(ClientsideFunction("bnsl", name), *places, prevent_initial_call=later)


def _each(kind: Any, places: str) -> list[Any]:
    """Inputs, states or outputs of a callback."""
    return [kind(*place.split(".")) for place in places.split()]


def _message(text: str) -> Changes:
    """A message, or none for an empty text."""
    return {"message.children": text, "message.hidden": not text}


def _columns(source: Source, names: list[str], example: str | None) -> Changes:
    """The columns that are chosen at first, and a message where that is in doubt."""
    more: list[str] = []
    by = sigma = None
    if example == LOSS_SURFACE:
        x, y, more, told = "params", "loss", ["tokens"], ""
    else:
        x, y, told = _x_and_y(source, names)  # type: ignore[assignment]
        by = run_column(source, x)
        if example is not None and "sigma" in names:
            sigma = "sigma"
    changes: Changes = {"x.value": x, "y.value": y, "sigma.value": sigma, "more.value": more, "by.value": by}
    return changes | {"by.options": run_columns(source, x, y), **_message(told)}


def _x_and_y(source: Source, names: list[str]) -> tuple[str | None, str | None, str]:
    """x and y, where the names of the columns tell, and else what to say."""
    try:
        found = choose_columns(source)
    except InputError:
        x = source.x if source.x in names else None
        if len(names) < 2:
            return x, None, "This table has too few columns of numbers: x and y are needed."
        which = "columns of x and y" if x is None else f"column of y; x is \u201c{x}\u201d"
        return x, None, f"Choose the {which}."
    x, y = (name if name in names else None for name in (found.x, found.y))
    try:
        for name in (found.x, found.y):
            check_numbers(source.table, name)
    except InputError as error:  # such a column is not among those to choose from
        return x, y, in_words_of_app(str(error))
    return x, y, ""


def _points(wish: Mapping[str, Any]) -> Points | None:
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


def _possible(scale: str, forms: list[str], *, positive: bool) -> Changes:
    """What can be chosen for a y that is positive or not, and what of it stays chosen."""
    choices = choices_of(positive=positive)
    given = {
        name: [one["value"] for one in listed if not one["disabled"]] for name, listed in choices.items()
    }
    changes: Changes = {f"{name}.options": listed for name, listed in choices.items()}
    changes["y-type.value"] = scale if scale in given["y-type"] else given["y-type"][0]
    return changes | {"forms.value": [name for name in forms if name in given["forms"]]}


def _found(sessions: Sessions, wish: Mapping[str, Any]) -> Changes:
    """The figure and the numbers of a wish; nothing if it is not settled, or no longer the newest."""
    chosen, last, theme = _points(wish), wish["last"], wish["theme"]
    if chosen is None:
        return {}
    sessions.announce(chosen.token, wish["number"])
    curve = sessions.curve(chosen)
    count = len(distinct(curve))
    if count < LEAST or last != count - 1:  # the slider is still that of other columns
        return {}
    with WORKING:
        if sessions.overtaken(chosen.token, wish["number"]):
            return {}
        found = sessions.analysis(Choice(chosen, min(wish["end"], last), tuple(sorted(wish["forms"]))))
        figures = figures_of(found, x_type=wish["x-type"], y_type=wish["y-type"])
        top = next(iter(figures.values()))
        # As long as this is the same, what was zoomed to stays.
        top.layout["uirevision"] = str([wish[name] for name in (*CONTROLS, "token", "x-type", "y-type")])
        changes: Changes = {"figure.figure": drawn(top, theme)}
        changes["numbers.children"] = numbers(found, figures, theme)
    end = curve.x_label if curve.inputs == 1 else curve.effort_label
    share = f"{len(found.fitted)} of {counted(len(curve), 'point')}"
    changes["range.children"] = f"fitted up to {end} = {number(float(found.fitted.effort.max()))}: {share}"
    return changes | _message("")


def _bytes(contents: str | None) -> bytes:
    """What was dropped, from the data URL that the browser makes of it."""
    try:
        return base64.b64decode((contents or "").partition(",")[2], validate=True)
    except binascii.Error:
        raise InputError("the browser sent no file; drop it once more") from None
