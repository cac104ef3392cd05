"""The report without a browser: what is on the page, and that a user's text can do no harm."""

import io
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import markupsafe
import numpy as np
import pandas as pd
import pytest
from samples import noisy

import bnsl
from bnsl import cli
from bnsl._base import palette as _palette
from bnsl.web import figures, page, tables, words
from bnsl.web.analysis import analyse
from bnsl.web.calls import Source, python_call, shell_call
from bnsl.web.drawing import Drawing, label
from bnsl.web.page import render

ROOT = Path(__file__).resolve().parents[2]
NASTY = "</script><img src=x onerror=alert(1)>&amp;\"'%{x}"


@pytest.fixture(scope="module")
def analysis(addition):
    return analyse(addition, {"train_until": 736}, n_breaks=(0, 1))


@pytest.fixture(scope="module")
def text(analysis):
    return render(analysis)


class Reader(HTMLParser):
    """Tables by caption, elements by name, and the text of scripts of data."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.names, self.data, self.attributes = {}, [], {}, []
        self._caption, self._rows, self._into, self._script = "", [], None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
            self._into = "cell"
        elif tag == "caption":
            self._into = "caption"
        elif tag == "script":
            self._script = dict(attrs).get("id")

    def handle_endtag(self, tag):
        if tag == "table":
            self.tables[self._caption] = self._rows
        if tag in ("td", "th", "caption"):
            self._into = None

    def handle_data(self, data):
        if self._into == "cell":
            self._rows[-1][-1] += data
        elif self._into == "caption":
            self._caption += data
        if self._script is not None:
            self.data[self._script] = data
            self._script = None


@pytest.fixture(scope="module")
def read(text):
    return Reader(text)


def exactly(text):
    table = pd.read_csv(io.StringIO(text), dtype=str)
    return table.apply(lambda column: column.map(float))


# --- what is on the page --------------------------------------------------------------------------


def test_predictions_are_those_of_the_forecast(analysis, read):
    found = bnsl.forecast(analysis.fitted)
    x = 736.0 * np.array([1.5, 2.0, 4.0, 10.0])
    low, high = found.interval(x, 0.9)
    rows = read.tables["Where a new measurement will fall"][1:]
    np.testing.assert_allclose([float(row[0]) for row in rows], x, rtol=1e-4)
    for column, values in ((2, found.predict(x)), (3, low), (4, high)):
        np.testing.assert_allclose([float(row[column]) for row in rows], values, rtol=1e-3)
    exact = exactly(json.loads(read.data["texts"])["predictions"])
    np.testing.assert_array_equal(exact["forecast"], found.predict(x))
    np.testing.assert_array_equal(exact["low_90"], low)


def test_held_out_points_are_there_with_their_errors(analysis, read):
    rows = read.tables["Held-out points, which were not used"][1:]
    assert [float(row[0]) for row in rows] == [800, 864, 928]
    np.testing.assert_allclose([float(row[1]) for row in rows], analysis.held_out.y, rtol=1e-3)


def test_breaks_are_those_of_the_best_law(analysis, read):
    fit = bnsl.fit(analysis.fitted, n_breaks=1)
    (row,) = read.tables["Slopes of y minus the limit a, on log axes"][1:]
    assert float(row[1]) == pytest.approx(fit.params["d1"], rel=1e-3)
    assert json.loads(json.loads(read.data["texts"])["parameters"]) == pytest.approx(
        dict(fit.params), rel=1e-6
    )


def test_forms_are_ranked_as_in_a_comparison(analysis, read):
    ranked = bnsl.compare(analysis.curve, train_until=736, n_breaks=(0, 1)).table
    rows = read.tables["Ranked by held-out error, best first"][1:]
    assert [row[0].lower() for row in rows] == list(ranked.index)
    assert len(rows) == 6


def test_backtest_rests_on_the_fitted_points_alone(analysis, read):
    tested = bnsl.backtest(analysis.fitted, method=bnsl.forecast, cuts=4)
    rows = read.tables["Errors by distance: x as a multiple of the last fitted x"][1:]
    assert [int(row[1]) for row in rows] == tested.by_distance["points"].tolist()
    assert analysis.backtest.curve.x.max() <= 736


def test_figure_shows_points_forecast_bands_and_breaks(analysis, read):
    figure = json.loads(read.data["figures"])["curve"]
    traces = {trace["name"]: trace for trace in figure["data"]}
    assert traces["Fitted points"]["x"] == analysis.fitted.x.tolist()
    assert traces["Held-out points"]["y"] == analysis.held_out.y.tolist()
    line = traces["Forecast"]
    np.testing.assert_allclose(line["y"], analysis.forecast.predict(line["x"]), rtol=1e-5)
    at = np.array(line["x"])
    low, high = analysis.forecast.interval(at, 0.9)
    ends = np.array(line["customdata"])
    # Ends between two of the points where they were worked out lie on the line through these.
    np.testing.assert_allclose(ends[:, 0], low, rtol=4e-3)
    np.testing.assert_allclose(ends[:, 1], high, rtol=4e-3)
    np.testing.assert_allclose(ends[-1], [low[-1], high[-1], *ends[-1, 2:]], rtol=1e-5)
    names = {"M1", "M2", "M3", "M4", "BNSL, 0 breaks", "BNSL, 1 break"}
    assert names <= traces.keys()
    assert not any(traces[name]["visible"] for name in names)
    marked = [shape["x0"] for shape in figure["layout"]["shapes"] if shape["type"] == "line"]
    assert marked == pytest.approx([analysis.law.params["d1"]])
    assert traces["M2"]["line"]["dash"] != traces["M3"]["line"]["dash"]


@pytest.mark.parametrize("steady", [False, True])
def test_bands_are_not_cut_off(steady):
    x = np.geomspace(1.0, 20.0, 6)
    foretold = bnsl.forecast(x, 2.0 * x**-0.3 * np.exp(0.02 * np.cos(3 * x)))
    figure = figures.curve_figure(foretold, steady=steady)
    low, high = figure.layout["yaxis"]["range"]
    bands = np.log10(np.array(figure.data[0]["y"], float))
    assert low < bands.min()
    assert bands.max() < high


def test_page_carries_its_points_exactly(analysis, read):
    points = exactly(json.loads(read.data["texts"])["points"])
    assert list(points.columns) == [analysis.fitted.x_label, analysis.fitted.y_label]
    np.testing.assert_array_equal(points.iloc[:, 1], bnsl.load_dataset("four_digit_addition").y)


def test_page_asks_for_nothing(text, read):
    assert not {"iframe", "object", "embed", "audio", "video"} & set(read.names)
    assert "src" not in read.attributes
    assert re.findall(r'<link[^>]*href="([^"]*)"', text) == ["data:,"]
    assert "default-src 'none'" in text
    assert len(text.encode()) < 2_000_000


def test_500_points_and_six_forms_stay_below_two_megabytes():
    x, y = noisy(count=500, noise=0.02)
    found = analyse(bnsl.Curve(x, y), {}, n_breaks=(0, 1), cuts=2)
    assert len(found.comparison.results) == 6
    assert len(render(found).encode()) < 2_000_000


def test_many_points_are_thinned_for_the_figure():
    x = np.geomspace(1.0, 1e6, 5000)
    drawing = Drawing()
    drawing.points("Fitted points", bnsl.Curve(x, 1.0 / x), _palette.FITTED, "circle")
    (trace,) = drawing.data
    assert 1000 < len(trace["x"]) <= 2001
    assert (trace["x"][0], trace["x"][-1]) == (x[0], x[-1])
    assert f"{len(trace['x'])} of 5000 drawn" in trace["name"]


# --- a user's text --------------------------------------------------------------------------------


def test_names_are_text_wherever_they_stand():
    x, y = noisy(count=12)
    curve = bnsl.Curve(x, y, name=f"n{NASTY}", x_label=f"x{NASTY}", y_label=f"y{NASTY}")
    text = render(
        analyse(curve, {}, forms="m1"), title=f"t{NASTY}", source=Source(f"f{NASTY}", NASTY, f"y{NASTY}")
    )
    read = Reader(text)
    assert "img" not in read.names
    assert "onerror" not in read.attributes
    assert read.names.count("script") == 4
    assert "<img" not in text
    assert str(markupsafe.escape(f"t{NASTY}")) in text
    layout = json.loads(read.data["figures"])["curve"]["layout"]
    assert layout["xaxis"]["title"]["text"].startswith("x&lt;/script&gt;&lt;img")
    assert "%{x}" not in layout["yaxis"]["title"]["text"]


def test_labels_are_one_line_and_not_too_long():
    assert label("a\n b") == "a b"
    assert len(label("x" * 500)) == 60


@pytest.mark.parametrize("labels", [("1", "loss"), ("same", "same"), ("", "loss"), ("a  b", "loss")])
def test_points_of_awkward_labels_come_back(labels, tmp_path):
    curve = bnsl.Curve([1.0, 2.0, 4.0], [3.0, 2.0, 0.1 + 0.2], 0.5, "", *labels)
    text, names = tables.points_csv(curve)
    assert names == ("x", "y", "sigma")
    (tmp_path / "points.csv").write_text(text)
    again = bnsl.read_curve(tmp_path / "points.csv", *names)
    np.testing.assert_array_equal(again.y, curve.y)
    np.testing.assert_array_equal(again.sigma, curve.sigma)


# --- words ----------------------------------------------------------------------------------------


def test_every_warning_of_a_curve_has_plain_words():
    shown = ("fitting", "forecasting", "uncertainty", "evaluation")
    sources = "".join(path.read_text() for name in shown for path in (ROOT / "bnsl" / name).rglob("*.py"))
    codes = set(re.findall(r'FitWarning\(\s*"(\w+)"', sources))
    assert len(codes) > 8
    assert codes <= words.PLAIN.keys()


def test_warnings_are_grouped_by_what_they_say(analysis):
    found = words.notes(analysis)
    assert found[-1].text == words.UNFORESEEN
    messages = [
        f"{words.capitals(label)}: {w.message}"
        for label, fit in analysis.comparison.results.items()
        for w in fit.warnings
    ]
    assert messages
    assert sorted(detail for note in found for detail in note.details) == sorted(messages)


def test_few_points_have_no_backtest_and_say_so():
    text = render(analyse(bnsl.Curve([1.0, 2.0, 4.0, 8.0], [1.0, 0.8, 0.7, 0.65]), {}, forms="m1"))
    assert "too few points to leave some out" in text
    assert words.PLAIN["few_points"] in text


def test_a_far_forecast_is_told():
    far = analyse(bnsl.Curve(*noisy(count=12)), {}, forms="m1", predict=[1e9])
    assert any("1000 times beyond" in note.text for note in words.notes(far))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (200000.0, "200000"),
        (1234567.0, "1234600"),
        (-0.5, "\N{MINUS SIGN}0.5"),
        (np.nan, "unknown"),
    ],
)
def test_numbers_for_people(value, text):
    assert words.number(value) == text


def test_log_errors_as_shares():
    assert words.percent(np.log(1.05)) == "5 %"
    assert words.percent(np.log(3.5)) == "250 %"
    assert words.percent(np.nan) == "unknown"
    assert tables.signed(4.5) == "+450 %"
    assert tables.signed(-0.0123) == "\N{MINUS SIGN}1.2 %"


# --- how it was made ------------------------------------------------------------------------------


def without_date(text):
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "", text)


def test_python_call_of_the_page_makes_it_again(read, text, tmp_path, monkeypatch):
    texts = json.loads(read.data["texts"])
    monkeypatch.chdir(tmp_path)
    Path("four_digit_addition.csv").write_text(texts["points"])
    exec(texts["python"], {})
    assert without_date(Path("report.html").read_text()) == without_date(text)


def test_shell_call_of_the_page_makes_it_again(read, text, tmp_path, monkeypatch, capsys):
    texts = json.loads(read.data["texts"])
    monkeypatch.chdir(tmp_path)
    Path("four_digit_addition.csv").write_text(texts["points"])
    assert cli.main(shlex.split(texts["shell"])[1:]) == 0
    assert "wrote report.html" in capsys.readouterr().err
    again = json.loads(Reader(Path("report.html").read_text()).data["texts"])
    assert again["predictions"] == texts["predictions"]
    assert again["shell"] == texts["shell"]


def test_shell_command_is_shown_as_it_was_given(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = (
        "report four_digit_addition --train-count 14 --forms m1,m2 --predict 1000 --title 'A & B' -o a.html"
    )
    assert cli.main(shlex.split(line)) == 0
    texts = json.loads(Reader(Path("a.html").read_text()).data["texts"])
    assert texts["shell"] == f"bnsl {line}"
    assert "bnsl.load_dataset('four_digit_addition')" in texts["python"]
    assert "forms=('m1', 'm2')" in texts["python"]
    assert "title='A & B'" in texts["python"]
    assert "A &amp; B" in Path("a.html").read_text()
    capsys.readouterr()


def test_a_file_that_takes_more_than_columns_is_called_by_its_points(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("runs.csv").write_text("x,y,size\n" + "".join(f"{x},{2 / x},{x % 2}\n" for x in range(1, 17)))
    line = "report runs.csv --x x --y y --where size=1 --forms m1"
    assert cli.main(shlex.split(line)) == 0
    text = Path("report.html").read_text()
    texts = json.loads(Reader(text).data["texts"])
    assert texts["shell"] == f"bnsl {line}"
    assert "bnsl.read_curve('runs_size_1.csv', x='x', y='y')" in texts["python"]
    assert len(texts["points"].splitlines()) == 1 + 8
    assert text.count("With <code>runs_size_1.csv</code>") == 1
    capsys.readouterr()


def test_calls_quote_what_a_shell_would_read():
    source = Source("my file.csv", "x", "a'b", "$HOME")
    words_of = shlex.split(shell_call(source, {"predict": [1000.0, 0.1], "n_breaks": (0, 1)}, "out.html"))
    assert words_of[2:6] == ["my file.csv", "--x=x", "--y=a'b", "--sigma=$HOME"]
    assert words_of[6:] == ["--predict", "1000", "--predict", "0.1", "--n-breaks", "0,1", "-o", "out.html"]
    assert "bnsl.read_curve('my file.csv', x='x', y=\"a'b\", sigma='$HOME')" in python_call(
        source, {}, "out.html"
    )


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "report.pdf"}, "must end in .html"),
        ({"path": "missing/report.html"}, "there is no folder"),
        ({"forms": "m9"}, "unknown"),
        ({"predict": [-1.0]}, "not positive"),
        ({"predict": "10"}, "must be a list"),
        ({"cuts": -1}, "cuts"),
        ({"train_until": 1e9}, "nothing is held out"),
    ],
)
def test_bad_input_is_refused_before_any_work(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bnsl.web.analysis.forecast", None)
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.write_report(*noisy(count=12), **{"path": "report.html", **options})
    assert list(tmp_path.iterdir()) == []


def test_a_curve_that_cannot_be_fitted_is_refused_and_signed_values_have_a_linear_scale(tmp_path):
    path = tmp_path / "report.html"
    with pytest.raises(bnsl.InputError, match="2 distinct values"):
        bnsl.write_report([1.0, 2.0, 2.0], [1.0, 0.5, 1.0], path=path)
    x = np.geomspace(1, 100, 9)
    y = 1.0 - 3.0 * x**-0.5
    text = bnsl.write_report(x, y, path=path, train_count=8).read_text(encoding="utf-8")
    assert "Forecast of a curve" in text
    assert words.PLAIN["linear_scale"] in text
    assert "so errors have no per cent" in text
    read = Reader(text)
    (row,) = read.tables["Held-out points, which were not used"][1:]
    found = bnsl.forecast(x[:8], y[:8])
    assert float(row[2]) == pytest.approx(found.predict(100.0), rel=1e-3)
    figure = json.loads(read.data["figures"])["curve"]
    assert figure["layout"]["yaxis"]["type"] == "linear"
    shown = {trace["name"] for trace in figure["data"] if trace["visible"]}
    assert shown >= {"Forecast", "BNSL, 0 breaks", "Fitted points", "Held-out points"}


def test_shell_says_it_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", "four_digit_addition", "-o", "report.pdf"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_jinja2_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    page.environment.cache_clear()
    try:
        with pytest.raises(bnsl.InputError, match=r"jinja2; pip install .*\[report\]"):
            bnsl.write_report(*noisy(count=12), path=tmp_path / "report.html")
    finally:
        page.environment.cache_clear()


def test_the_library_is_the_one_whose_licence_is_beside_it():
    folder = ROOT / "bnsl" / "web" / "assets"
    head = (folder / "plotly-basic.min.js").read_text(encoding="utf-8")[:300]
    assert "plotly.js (basic - minified) v4." in head
    assert "MIT License" in (folder / "plotly-LICENSE.txt").read_text()
