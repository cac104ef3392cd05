"""The app: what its server keeps and refuses, and the whole of it in a real browser."""

import base64
import re
import socket
import threading
from dataclasses import replace

import numpy as np
import pytest
from browser import DARK, DESKTOP, PHONE, chromium, tab
from chinchilla import LAW
from chinchilla import runs as chinchilla_runs

import bnsl
from bnsl import cli
from bnsl._base.palette import FITTED, FORECAST, HELD_OUT
from bnsl.web.app import server as _server
from bnsl.web.app.numbers import figures_of, numbers
from bnsl.web.app.runs import run_column, run_columns, runs_in
from bnsl.web.app.server import make_app, serve
from bnsl.web.app.session import WORKING, Choice, Points, Sessions, distinct, end_rule
from bnsl.web.app.words import in_words_of_app, plain_notes

STEPS = 2.0 ** np.arange(9)
TABLE = "steps,loss\n" + "".join(f"{x:g},{2.0 * x**-0.3 + 0.5:.6f}\n" for x in STEPS)
PLOT = "document.querySelector('#figure .js-plotly-plot')"
EXPORT = "Step,small - loss,large - loss\n" + "".join(
    f"{x:g},{2.5 * x**-0.3 + 0.5:.6f},{2.5 * x**-0.4:.6f}\n" for x in STEPS
)
THREE = "steps,loss,accuracy\n1,3,0.1\n2,2,0.2\n4,1.5,0.3\n8,1.2,0.35\n"


# --- what is kept ---------------------------------------------------------------------------------


@pytest.fixture
def sessions():
    return Sessions()


def test_a_dropped_file_becomes_a_curve(sessions):
    token = sessions.add_file("runs.csv", TABLE.encode())
    curve = sessions.curve(Points(token, "steps", "loss"))
    assert sessions.title(token) == "runs.csv"
    assert (curve.name, curve.x_label, len(curve)) == ("runs", "steps", 9)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("runs.csv", b"", "file 'runs.csv' is empty"),
        ("runs.xlsx", b"PK", r"file 'runs.xlsx': neither its content nor the ending '\.xlsx'"),
        ("runs.parquet", b"PAR1 no", "file 'runs.parquet' is damaged"),
        ("../../etc/runs.csv", b"steps,steps\n3,4\n", "file 'runs.csv' has two columns called 'steps'"),
        ("..\\runs.csv", b"\xff\xfe\x00", "file 'runs.csv' is not text"),
    ],
)
def test_a_bad_file_gets_a_message_without_the_server_s_folders(sessions, name, content, message):
    with pytest.raises(bnsl.InputError, match=f"^{message}") as error:
        sessions.add_file(name, content)
    assert "/tmp" not in str(error.value)


def test_a_large_file_is_refused(sessions, monkeypatch):
    monkeypatch.setattr("bnsl.web.app.session.LARGEST", 10)
    with pytest.raises(bnsl.InputError, match="is the most"):
        sessions.add_file("runs.csv", TABLE.encode())


def test_only_the_newest_tables_are_kept(sessions):
    first = sessions.add_file("runs.csv", TABLE.encode())
    for _ in range(16):
        last = sessions.add_file("runs.csv", TABLE.encode())
    with pytest.raises(bnsl.InputError, match="drop the file again"):
        sessions.table(first)
    assert sessions.table(last).name == "runs"


def test_analysis_is_that_of_the_fitted_range(sessions):
    token = sessions.add_dataset("four_digit_addition")
    x, y = sessions.table(token).table.columns
    found = sessions.analysis(Choice(Points(token, x, y), 13))
    curve = bnsl.load_dataset("four_digit_addition")
    assert found.fitted.x.tolist() == curve.x[:14].tolist()
    expected = bnsl.forecast(curve.x[:14], curve.y[:14]).predict([1000.0])
    assert found.forecast.predict([1000.0]) == pytest.approx(expected)
    assert sessions.analysis(Choice(Points(token, x, y), 13)) is found


def test_a_file_of_this_machine_keeps_its_name(sessions, tmp_path):
    (tmp_path / "losses of today.csv").write_text(TABLE)
    token = sessions.add_path(str(tmp_path / "losses of today.csv"))
    assert sessions.title(token) == "losses of today.csv"
    assert sessions.title(sessions.add_path("four_digit_addition")) == "four digit addition"
    with pytest.raises(bnsl.InputError, match=r"nothing\.csv"):
        sessions.add_path(str(tmp_path / "nothing.csv"))


def test_runs_can_be_chosen_one_by_one_or_all_together(sessions):
    token = sessions.add_file("export.csv", EXPORT.encode())
    source = sessions.table(token)
    assert run_column(source, "Step") == source.run
    assert list(runs_in(source, source.run)) == ["small", "large"]
    points = Points(token, "Step", "loss", by=source.run, run="large")
    assert sessions.curve(points).y[0] == pytest.approx(2.5)
    both = sessions.curve(replace(points, run="*all"))
    assert len(both) == 2 * len(sessions.curve(points))
    lowest = sessions.curve(replace(points, run="*envelope"))
    assert lowest.y.tolist() == sessions.curve(points).y.tolist()


def test_runs_of_a_plain_table_are_told_apart_by_text(sessions):
    rows = [f"{size},{x:g},{k + x**-0.4:.5f}" for k, size in enumerate(("70M", "1.4B")) for x in STEPS]
    token = sessions.add_file("sizes.csv", "\n".join(["params,step,loss", *rows]).encode())
    source = sessions.table(token)
    assert run_columns(source, "step", "loss") == ["params"]
    assert run_column(source, "step") == "params"
    assert list(runs_in(source, "params")) == ["70M", "1.4B"]
    assert sessions.curve(Points(token, "step", "loss", by="params", run="1.4B")).y[0] == pytest.approx(2.0)


def test_points_can_be_errors_smoothed_thinned_and_shifted(sessions):
    table = "epoch,accuracy\n" + "".join(f"{i},{90 - 60 * (i + 1) ** -0.5:.4f}\n" for i in range(40))
    token = sessions.add_file("accuracies.csv", table.encode())
    found = sessions.curve(Points(token, "epoch", "accuracy", accuracy="percent", offset=1.0, thin=12))
    assert len(found) <= 12
    assert found.x[0] == 1.0
    assert found.y == pytest.approx(0.1 + 0.6 * found.x**-0.5, rel=1e-3)
    smooth = sessions.curve(Points(token, "epoch", "accuracy", accuracy="percent", offset=1.0, smooth=1.5))
    assert len(smooth) == 40


MESSAGES = [
    (
        "column 'reward', row 3 is -1; the log loss needs y > 0; fit an error such as 1 - accuracy "
        "(accuracy='share'), drop the row, or fit it on a linear scale: bnsl.fit(..., loss='linear')",
        "column 'reward', row 3 is -1; a logarithm needs y above 0",
    ),
    (
        "'top-1' looks like an accuracy in per cent; accuracy='percent' takes the error 1 - y / 100, which "
        "is forecast more closely",
        "'top-1' looks like an accuracy in per cent; choose \u201caccuracy in per cent\u201d for y",
    ),
    (
        "'size' has 3 values, and their points make one curve here: 'a', 'b', 'c'; where={'size': "
        "'a'} takes one",
        "'size' has 3 values, and their points make one curve here: 'a', 'b', 'c'; choose one of the runs",
    ),
    (
        "column 'loss', row 9 is missing (empty or NaN); drop or repair the row "
        "(drop_missing=True leaves such rows out)",
        "column 'loss', row 9 is missing (empty or NaN); drop or repair the row",
    ),
    ("left out 1 row with step = 0, which has no logarithm",) * 2,
]


@pytest.mark.parametrize(("text", "said"), MESSAGES)
def test_messages_are_in_the_words_of_the_app(text, said):
    assert in_words_of_app(text).startswith(said)


@pytest.mark.parametrize("table", ["1,1\n2,-1\n3,0.5\n4,0.4\n", "1,0\n2,0\n3,0.5\n4,0.4\n"])
def test_values_that_are_not_positive_are_told_in_plain_words(table, sessions):
    token = sessions.add_file("runs.csv", f"steps,loss\n{table}".encode())
    told = plain_notes(sessions.reading(Points(token, "steps", "loss")).notes)
    assert "a logarithm needs y above 0" in told[0]
    assert not CODE.search(" ".join(told))
    with WORKING:
        found = sessions.analysis(Choice(Points(token, "steps", "loss"), 3))
    assert found.law.loss == found.forecast.scale.name == "linear"


CODE = re.compile(r"--\w|\bbnsl\b|\w=|\bin the shell\b|\bpandas\b|\blog1p\b")


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("steps,loss\n1,1\n2,nan\n3,inf\n", {}),
        ("steps,loss\n-1,1\n2,2\n3,1\n", {}),
        ("steps,loss\n1,0.5\n2,70\n3,90\n4,95\n", {"accuracy": "share"}),
        ("steps,loss\n1,one\n2,2\n3,1\n", {}),
        (TABLE, {"y": "los"}),
        (TABLE, {"smooth": 0.5}),
        (TABLE, {"by": "run", "run": "a"}),
    ],
)
def test_no_complaint_speaks_of_options_or_arguments(content, options, sessions):
    token = sessions.add_file("runs.csv", content.encode())
    with pytest.raises(bnsl.InputError) as error:
        sessions.curve(Points(**{"token": token, "x": "steps", "y": "loss"} | options))
    said = in_words_of_app(str(error.value))
    assert said
    assert not CODE.search(said.replace("= ", "=")), said


def surface_table(count=3):
    frame = chinchilla_runs(LAW)
    return frame.assign(run=[f"r{i % count}" for i in frame.index])


def test_further_inputs_make_runs_of_several_inputs(sessions):
    table = surface_table()
    token = sessions.add_file("runs.csv", table.to_csv(index=False).encode())
    points = Points(token, "params", "loss", more=("tokens",), by="run", run="*all")
    curve = sessions.curve(points)
    assert curve.input_names == ("params", "tokens")
    assert curve.grouped == " in 3 groups"
    assert len(sessions.curve(replace(points, run="r1"))) == (table["run"] == "r1").sum()
    end = len(distinct(curve)) - 8
    found = sessions.analysis(Choice(points, end))
    assert found.held_out.effort.min() > distinct(curve)[end] * (1 - 1e-12)
    figures = figures_of(found)
    assert list(figures) == ["contours", "allocation", "held", "residuals0", "residuals1"]
    legend = [trace["name"] for trace in figures["contours"].data if trace["showlegend"]]
    assert legend == ["Fitted runs", "Held-out runs", "Compute-optimal"]
    shown = str(numbers(found, figures, "dark"))
    assert all(f"figure-{name}" in shown for name in list(figures)[1:])


def test_three_inputs_have_held_out_runs_on_top(sessions):
    table = surface_table().assign(epochs=[1 + i % 4 for i in range(56)])
    token = sessions.add_file("runs.csv", table.to_csv(index=False).encode())
    found = sessions.analysis(Choice(Points(token, "params", "loss", more=("tokens", "epochs")), 40))
    figures = figures_of(found)
    assert list(figures) == ["held", "residuals0", "residuals1", "residuals2"]
    shown = str(numbers(found, figures, "light"))
    assert "figure-held" not in shown
    assert "figure-residuals2" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"more": ("params",)}, "a column is chosen twice"),
        ({"more": ("loss",)}, "a column is chosen twice"),
        ({"smooth": 1.1}, "smoothing is for one input"),
        ({"run": "*envelope", "by": "run"}, "take either all runs or one"),
    ],
)
def test_what_further_inputs_do_not_go_with_is_told(options, message, sessions):
    token = sessions.add_file("runs.csv", surface_table().to_csv(index=False).encode())
    with pytest.raises(bnsl.InputError, match=message) as error:
        sessions.curve(Points(**{"token": token, "x": "params", "y": "loss", "more": ("tokens",)} | options))
    assert in_words_of_app(str(error.value)) == str(error.value)


def test_a_request_can_be_overtaken(sessions):
    sessions.announce("a", 5)
    sessions.announce("a", 4)  # came later, but was sent before
    sessions.announce("b", 1)
    assert sessions.overtaken("a", 4)
    assert not sessions.overtaken("a", 5)
    assert not sessions.overtaken("b", 1)


def test_the_last_place_of_the_slider_holds_nothing_out():
    curve = bnsl.Curve([1.0, 1.0, 2.0, 4.0, 8.0], [3.0, 3.1, 2.0, 1.5, 1.2])
    assert end_rule(curve, 3) == {}
    assert end_rule(curve, 2) == {"train_until": 4.0}


# --- the server -----------------------------------------------------------------------------------


def test_a_name_that_only_points_here_is_refused():
    server = _server.make_server("127.0.0.1", 0)
    client = server.app.test_client()
    assert client.get("/", headers={"Host": f"127.0.0.1:{server.port}"}).status_code == 200
    assert client.get("/", headers={"Host": "localhost"}).status_code == 200
    assert client.get("/", headers={"Host": "rebound.example:8050"}).status_code == 403
    server.server_close()


def test_it_listens_on_the_loopback_by_default(monkeypatch, capsys):
    asked = {}
    monkeypatch.setattr("bnsl.cli.app.serve", lambda *args, **options: asked.update(options, args=args))
    assert cli.main(["app"]) == 0
    assert asked["args"] == ("127.0.0.1", 8050)
    assert asked["open_browser"] is True
    asked["ready"]("http://127.0.0.1:8050/")
    assert "the app is at http://127.0.0.1:8050/" in capsys.readouterr().err
    assert cli.main(["app", "--host", "0.0.0.0", "--no-browser"]) == 0
    asked["ready"]("http://0.0.0.0:8050/")
    assert "others can reach 0.0.0.0" in capsys.readouterr().err


def test_serving_tells_its_address_and_ends(monkeypatch):
    opened = []
    monkeypatch.setattr(_server.webbrowser, "open", opened.append)

    def interrupt(address):
        with socket.create_connection(("127.0.0.1", int(address.rstrip("/").rpartition(":")[2]))):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(port=0, ready=interrupt, open_browser=True)
    assert opened == []


def test_a_taken_port_is_told_in_one_line(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert cli.main(["app", "--no-browser", "--port", str(taken.getsockname()[1])]) == 2
    error = capsys.readouterr().err
    assert "--port 0 finds a free one" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("app --port 65536", "--port 65536 must be a whole number from 0 to 65535"),
        ("app --port -1", "--port -1 must be a whole number >= 0"),
        ("app --host nowhere.invalid", "--host 'nowhere.invalid' is not known"),
    ],
)
def test_an_address_that_cannot_be_is_told_in_one_line(line, message, capsys):
    assert cli.main([*line.split(), "--no-browser"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_dash_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dash", None)
    with pytest.raises(bnsl.InputError, match=r"\[app\]"):
        make_app()


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address():
    """The app on a free port of the loopback, which may connect to nothing else."""
    strangers = []
    connect = socket.socket.connect

    def guarded(self, place, *rest):
        if self.family in (socket.AF_INET, socket.AF_INET6) and place[0] not in _server.LOOPBACK:
            strangers.append(place)
            raise OSError("the app looked for someone else")
        return connect(self, place, *rest)

    socket.socket.connect = guarded
    server = _server.make_server("127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/"
    server.shutdown()
    thread.join()
    server.server_close()
    socket.socket.connect = connect
    assert strangers == []


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser, address):
    """Opens the app; whatever it complains about, and every request elsewhere, fails the test."""
    tabs = []

    def open_with(options):
        context = tab(browser, options, allowed=(address, "data:", "blob:"))
        found = context.__enter__()
        tabs.append((context, found))
        found.page.goto(address)
        found.page.wait_for_selector("#upload")
        return found.page

    yield open_with
    for context, found in tabs:
        context.__exit__(None, None, None)
        assert found.complaints == []
        assert found.refused == []


def drop(page, name, content):
    """Drop a file onto the page, as a hand would."""
    page.locator("#upload > div").evaluate(
        """(zone, [name, content]) => {
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], name));
          for (const kind of ["dragenter", "dragover", "drop"])
            zone.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [name, base64.b64encode(content).decode()],
    )


def settled(page, text):
    """Wait until the fitted range is said with this text and the figure has followed."""
    page.wait_for_function(
        "(text) => document.getElementById('range')?.textContent.includes(text)", arg=text, timeout=90000
    )
    page.wait_for_selector("#figure .scatterlayer .trace", timeout=10000)


def drawn(page, name):
    """x and y of a trace of the figure."""
    return page.evaluate(
        f"""(name) => {{
          const trace = {PLOT}._fullData.find((one) => one.name === name);
          return {{ x: Array.from(trace.x), y: Array.from(trace.y), color: trace.line && trace.line.color }};
        }}""",
        name,
    )


def test_a_dropped_table_is_forecast_and_the_range_can_be_dragged(opened):
    page = opened(DESKTOP)
    drop(page, "runs.csv", TABLE.encode())
    settled(page, "fitted up to steps = 256: 9 of 9 points")
    x, y = np.array([line.split(",") for line in TABLE.split()[1:]], dtype=float).T
    line = drawn(page, "Forecast")
    np.testing.assert_allclose(line["y"], bnsl.forecast(x, y).predict(line["x"]), rtol=1e-5)

    thumb = page.locator("#end [role=slider]")
    box, track = thumb.bounding_box(), page.locator("#end").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(track["x"] + 0.5 * track["width"], box["y"] + box["height"] / 2, steps=10)
    settled(page, "6 of 9 points")  # before the mouse is let go
    page.mouse.up()
    line = drawn(page, "Forecast")
    with pytest.warns(bnsl.ExtrapolationWarning):  # the figure goes on to four times the last point of all
        expected = bnsl.forecast(x[:6], y[:6]).predict(line["x"])
    np.testing.assert_allclose(line["y"], expected, rtol=1e-5)
    assert len(drawn(page, "Held-out points")["x"]) == 3
    assert "Error on the held-out points" in page.locator("#numbers").inner_text()


def test_forms_and_axes_can_be_chosen(opened):
    page = opened(DESKTOP)
    drop(page, "runs.csv", TABLE.encode())
    settled(page, "9 of 9")
    page.get_by_label("M2").check()
    page.wait_for_function(f"() => {PLOT}._fullData.some((trace) => trace.name === 'M2')")
    page.locator("#y-type").get_by_text("linear").click()
    page.wait_for_function(f"() => {PLOT}._fullLayout.yaxis.type === 'linear'")


def test_columns_that_are_in_doubt_are_asked_for(opened):
    page = opened(DESKTOP)
    drop(page, "runs.csv", THREE.encode())
    page.get_by_text("Choose the columns of x and y").wait_for()
    for role, column in (("x", "steps"), ("y", "loss")):
        page.locator(f"#{role}").click()
        page.get_by_role("option", name=column).click()
    settled(page, "fitted up to steps = 8: 4 of 4 points")
    assert not page.locator("#message").is_visible()


def test_bad_files_get_a_message_and_the_next_one_works(opened):
    page = opened(DESKTOP)
    for name, content, message in (
        ("runs.csv", b"", "file 'runs.csv' is empty"),
        ("picture.png", b"\x89PNG", "nor the ending '.png' tells what it is"),
        ("runs.csv", b"steps,loss\n1,1\n2,inf\n3,0.5\n", "row 2"),
        ("runs.csv", b"steps,loss\n1,1\n1,2\n", "has 1 distinct value; a forecast needs at least 3"),
        ("runs.csv", b"steps,loss\n1,1\n2,OOM\n3,0.5\n", "row 2 is 'OOM', which is not a number"),
    ):
        drop(page, name, content)
        page.locator("#message").get_by_text(message).wait_for(timeout=30000)
    drop(page, "runs.csv", TABLE.encode())
    settled(page, "9 of 9")
    assert not page.locator("#message").is_visible()


def test_an_example_and_its_report(opened):
    page = opened(DARK)
    page.locator("#example").click()
    page.get_by_role("option", name="four digit addition").click()
    settled(page, "17 of 17")
    assert drawn(page, "Forecast")["color"] == FORECAST["dark"]
    with page.expect_download(timeout=120000) as waiting:
        page.get_by_role("button", name="Save as report").click()
    assert waiting.value.suggested_filename == "report.html"
    assert "Forecast of four digit addition" in waiting.value.path().read_text()


def pick(page, control, name):
    page.locator(f"#{control}").click()
    page.get_by_role("option", name=name, exact=True).click()


def test_runs_of_an_export_are_chosen(opened):
    page = opened(DESKTOP)
    drop(page, "export.csv", EXPORT.encode())
    settled(page, "9 of 9")
    assert page.locator("#name").inner_text() == "export.csv"
    assert drawn(page, "Fitted points")["y"][0] == pytest.approx(3.0)
    pick(page, "run", "large")
    page.wait_for_function(f"() => {PLOT}._fullData.at(-1).y[0] < 2.6")
    pick(page, "run", "all runs, as one curve")
    settled(page, "18 of 18")


def test_an_accuracy_in_per_cent_is_forecast_as_an_error(opened):
    page = opened(DESKTOP)
    table = "epoch,accuracy\n" + "".join(f"{i},{90 - 60 * i**-0.5:.4f}\n" for i in range(1, 21))
    drop(page, "accuracies.csv", table.encode())
    page.locator("#told").get_by_text("choose \u201caccuracy in per cent\u201d for y").wait_for(timeout=30000)
    pick(page, "accuracy", "accuracy in per cent: take 1 \N{MINUS SIGN} y/100")
    page.wait_for_function(f"() => {PLOT}._fullLayout.yaxis.title?.text?.startsWith('1 - ')")
    assert drawn(page, "Fitted points")["y"][0] == pytest.approx(0.7)
    pick(page, "thin", "10 at most")
    page.wait_for_function(f"() => {PLOT}.data.find((one) => one.name === 'Fitted points').x.length <= 10")


def test_rewards_have_a_fit_on_a_linear_scale(opened):
    page = opened(DESKTOP)
    x = np.geomspace(10.0, 4000.0, 14)
    y = 140 - 900 * x**-0.4 + 0.3 * np.random.default_rng(0).normal(size=len(x))
    table = "episodes,reward\n" + "".join(f"{a:.2f},{b:.3f}\n" for a, b in zip(x, y, strict=True))
    drop(page, "rewards.csv", table.encode())
    settled(page, "14 of 14")
    assert "a forecast and one law, both on a linear scale" in page.locator("#told").inner_text()
    assert page.get_by_label("M2").is_disabled()
    assert page.locator("#y-type input:checked").get_attribute("value") == "linear"
    assert page.locator("#y-type input").first.is_disabled()
    names = page.evaluate(f"() => {PLOT}.data.map((trace) => trace.name)")
    law = drawn(page, next(name for name in names if name.startswith("BNSL")))
    at = np.array(law["x"])
    inside = at <= x[-1]
    assert np.array(law["y"])[inside] == pytest.approx(140 - 900 * at[inside] ** -0.4, abs=2.0)
    with page.expect_download(timeout=60000) as saved:
        page.get_by_role("button", name="Save as report").click()
    assert "Forecast of rewards" in saved.value.path().read_text(encoding="utf-8")


def test_the_figure_marks_the_range_while_it_is_dragged(opened):
    page = opened(DESKTOP)
    drop(page, "runs.csv", TABLE.encode())
    settled(page, "9 of 9")
    colours = page.evaluate(
        f"""() => {{
          dash_clientside.set_props("end", {{ value: 5 }});
          return new Promise((done) => {PLOT}.once("plotly_restyle", () => {{
            const trace = {PLOT}.data.find((one) => one.name === "Fitted points");
            done(Array.from(trace.marker.color));
          }}));
        }}"""
    )
    assert colours == [FITTED["light"]] * 6 + [HELD_OUT["light"]] * 3
    settled(page, "6 of 9 points")


def test_the_figure_has_a_legend(opened):
    page = opened(DESKTOP)
    drop(page, "runs.csv", TABLE.encode())
    settled(page, "9 of 9")
    names = page.locator("#figure .legendtext").all_text_contents()
    assert {"Forecast", "90% interval", "Fitted points"} <= set(names)


def test_a_file_named_at_the_start_is_there(browser, tmp_path):
    (tmp_path / "first.csv").write_text(EXPORT)
    server = _server.make_server("127.0.0.1", 0, str(tmp_path / "first.csv"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with tab(browser, DESKTOP, allowed=f"http://127.0.0.1:{server.port}/") as found:
            found.page.goto(f"http://127.0.0.1:{server.port}/")
            settled(found.page, "9 of 9")
            assert found.page.locator("#name").inner_text() == "first.csv"
        assert found.complaints == []
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_file_that_cannot_be_read_is_told_before_the_app_begins(capsys):
    assert cli.main(["app", "nothing.csv", "--port", "0", "--no-browser"]) == 2
    assert "nothing.csv" in capsys.readouterr().err


def test_runs_of_two_inputs_have_contours_and_allocations(opened):
    page = opened(DESKTOP)
    page.locator("#example").click()
    page.get_by_text("loss surface").first.click()
    settled(page, "fitted up to params x tokens")
    page.wait_for_selector("#figure-allocation .scatterlayer .trace", timeout=20000)
    found = bnsl.load_dataset("loss_surface")
    once = found[found["epochs"] == 1]
    line = drawn(page, "Fitted runs")
    assert sorted(line["x"]) == sorted(once["params"])
    assert not page.locator("#x-type").is_visible()
    assert "Best params" in page.locator("#numbers").inner_text()


def test_it_fits_a_phone(opened):
    page = opened(PHONE)
    drop(page, "runs.csv", TABLE.encode())
    settled(page, "9 of 9")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    plot, after = (
        page.locator("#figure .main-svg").first.bounding_box(),
        page.locator("#x-type").bounding_box(),
    )
    assert plot["width"] <= 390
    assert plot["y"] + plot["height"] <= after["y"] + 1
