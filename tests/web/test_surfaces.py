"""The report on runs with several inputs: what is on the page, and that it is what the forecast says."""

import io
import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest
from chinchilla import LAW, runs

import bnsl
from bnsl import cli
from bnsl.curves.data import as_curve
from bnsl.forms.inputs import Input
from bnsl.web import surface_figures, surfaces
from bnsl.web.page import render
from bnsl.web.surfaces import BUDGETS, FACTOR, analyse_surface

INPUTS = ["params", "tokens"]
RUNS = runs(LAW)


def curve(frame, names, groups=None):
    axes = tuple(map(Input, names))
    return as_curve([frame], list(names), "loss", axes=axes, labels=names, groups=groups)


@pytest.fixture(scope="module")
def analysis():
    return analyse_surface(curve(RUNS, INPUTS), {"train_fraction": 0.75})


@pytest.fixture(scope="module")
def text(analysis):
    return render(analysis)


def data_of(text, name):
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', text, re.DOTALL)[1])


# --- what is computed -----------------------------------------------------------------------------


def test_held_out_runs_are_those_of_most_compute(analysis):
    assert (len(analysis.fitted), len(analysis.held_out)) == (42, 14)
    assert analysis.fitted.effort.max() <= analysis.held_out.effort.min()
    checked = analysis.checked
    np.testing.assert_array_equal(checked.x, analysis.held_out.x)
    np.testing.assert_array_equal(checked.measured, analysis.held_out.y)
    np.testing.assert_array_equal(checked.predicted, analysis.forecast.predict(analysis.held_out.x))


def test_budgets_reach_beyond_the_dearest_run(analysis):
    table = analysis.allocation
    dearest = FACTOR * analysis.fitted.effort.max()
    np.testing.assert_allclose(table["compute"].iloc[-len(BUDGETS) :], dearest * np.array(BUDGETS))
    np.testing.assert_allclose(FACTOR * table["params"] * table["tokens"], table["compute"], rtol=1e-9)
    assert (table["params_low"] <= table["params"] * 1.2).all()


def test_curves_and_groups_of_both_parts_come_together():
    whole = curve(RUNS.assign(run=[f"r{i // 7}" for i in RUNS.index]), INPUTS, "run")
    first, last = whole.split(train_fraction=0.5)
    again = first.joined(last)
    np.testing.assert_array_equal(again.x, whole.x)
    np.testing.assert_array_equal(again.groups, whole.groups)


# --- what is shown --------------------------------------------------------------------------------


def test_contours_are_where_the_forecast_has_their_value(analysis):
    figure = surface_figures.contour_figure(analysis)
    contours = [trace for trace in figure.data if trace["name"].startswith("loss ")]
    assert len(contours) == surface_figures.LEVELS
    for trace in contours:
        x, y = (np.array([np.nan if v is None else v for v in trace[axis]]) for axis in "xy")
        place = np.column_stack([x, y])[np.isfinite(x)]
        level = float(trace["name"].removeprefix("loss "))
        np.testing.assert_allclose(analysis.forecast.predict(place), level, rtol=2e-3)
    drawn = {trace["name"]: trace for trace in figure.data}
    assert len(drawn["Fitted runs"]["x"]) == 42
    assert len(drawn["Held-out runs"]["x"]) == 14
    np.testing.assert_allclose(drawn["Compute-optimal"]["x"], analysis.allocation["params"], rtol=1e-5)


def test_every_figure_and_table_is_on_the_page(analysis, text):
    figures = data_of(text, "figures")
    assert list(figures) == ["contours", "allocation", "held", "residuals0", "residuals1"]
    for name in figures:
        assert f'id="figure-{name}"' in text
    for law in surfaces.laws(analysis).rows:
        assert law[0] in text
    assert len(surfaces.allocation(analysis).rows) == len(BUDGETS)
    texts = data_of(text, "texts")
    table = pd.read_csv(io.StringIO(texts["allocation"]))
    np.testing.assert_array_equal(table["loss_high"], analysis.allocation["loss_high"])
    predicted = pd.read_csv(io.StringIO(texts["predictions"]))
    np.testing.assert_array_equal(predicted["forecast"], analysis.predictions.predicted)


def test_residuals_are_measured_over_predicted(analysis):
    figure = surface_figures.residual_figure(analysis, 1, "tokens")
    off = 100 * (analysis.fitted.y / analysis.forecast.predict(analysis.fitted.x) - 1)
    np.testing.assert_allclose(figure.data[1]["y"], off, rtol=1e-5)
    np.testing.assert_allclose(figure.data[1]["x"], analysis.fitted.x[:, 1], rtol=1e-5)


def test_facts_are_of_ten_times_the_compute(analysis):
    facts = surfaces.facts(analysis)
    dearest = FACTOR * analysis.fitted.effort.max()
    row = analysis.allocation.set_index("compute").loc[10 * dearest]
    assert facts[0].value == surfaces.number(row["loss"])
    assert facts[1].value == surfaces.number(float(f"{row['params']:.3g}"))
    assert facts[-1].head == "Error on the held-out runs"
    assert all(fact.head[0].isupper() for fact in facts)


def test_a_run_may_cost_another_multiple_of_its_inputs(analysis):
    other = surfaces.analyse_surface(analysis.curve, {}, factor=8)
    assert other.options["factor"] == 8.0
    largest = other.allocation["compute"].iloc[surfaces.BELOW]
    assert largest == pytest.approx(8 * analysis.curve.effort.max())
    assert "a run costs 8 \N{MULTIPLICATION SIGN} params" in render(other)
    with pytest.raises(bnsl.InputError, match="factor = 0 is not a usable number"):
        surfaces.analyse_surface(analysis.curve, {}, factor=0)


def test_other_numbers_of_inputs_have_no_contours():
    frame = RUNS.assign(epochs=[1 + i % 4 for i in RUNS.index]).iloc[::2]
    text = render(analyse_surface(curve(frame, [*INPUTS, "epochs"]), {}))
    assert list(data_of(text, "figures")) == ["residuals0", "residuals1", "residuals2"]
    assert "Where to put the compute" not in text


# --- the calls ------------------------------------------------------------------------------------


def test_the_calls_on_the_page_make_it_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frame = RUNS.assign(seed=[f"s{i % 3}" for i in RUNS.index])
    predict = [{"params": 7e9, "tokens": 1.4e12}]
    options = {"train_fraction": 0.75, "predict": predict, "title": "T"}
    bnsl.write_report(frame, inputs=INPUTS, y="loss", groups="seed", path="report.html", **options)
    first = data_of((tmp_path / "report.html").read_text(), "texts")
    (tmp_path / "points.csv").write_text(first["points"])
    for call in ("python", "shell"):
        (tmp_path / "report.html").unlink()
        if call == "python":
            exec(first["python"], {})
        else:
            assert cli.main(shlex.split(first["shell"])[1:]) == 0
        again = data_of((tmp_path / "report.html").read_text(), "texts")
        assert again["predictions"] == first["predictions"]
    assert "--x=params,tokens --y=loss --groups=run" in first["shell"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forms": ["chinchilla"]}, "forms, n_breaks and cuts are for one input"),
        ({"train_until": 1e30}, "nothing is held out of 56 points with params x tokens from"),
        ({"predict": [{"params": 1e9}]}, "the input 'tokens' is missing"),
        ({"predict": "params"}, "must be a table or a list of inputs"),
    ],
)
def test_bad_input_is_refused(options, message, tmp_path):
    with pytest.raises(bnsl.InputError, match=re.escape(message)):
        bnsl.write_report(RUNS, inputs=INPUTS, y="loss", path=tmp_path / "report.html", **options)


def test_groups_are_of_several_inputs(tmp_path):
    with pytest.raises(bnsl.InputError, match="groups is for several inputs"):
        bnsl.write_report(RUNS, x="params", y="loss", groups="tokens", path=tmp_path / "report.html")
