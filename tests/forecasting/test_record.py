"""A forecast as JSON, there and back."""

import json

import numpy as np
import pytest

import bnsl

X = np.geomspace(4.0, 700.0, 12)
Y = 2.4 * X**-0.33 + 0.3


@pytest.fixture(scope="module")
def made():
    noise = 0.01 * np.random.default_rng(8).standard_normal(len(X))
    return bnsl.forecast(bnsl.Curve(X, Y * np.exp(noise), 0.01, "run", "tokens", "loss"))


def test_there_and_back(made):
    again = bnsl.Forecast.from_json(made.to_json())
    at = np.array([900.0, 5000.0])
    np.testing.assert_array_equal(again.predict(at), made.predict(at))
    np.testing.assert_array_equal(again.interval(at), made.interval(at))
    assert again.warnings == made.warnings
    assert (again.curve.name, again.curve.x_label, again.curve.y_label) == ("run", "tokens", "loss")
    np.testing.assert_array_equal(again.curve.sigma, made.curve.sigma)


def test_other_programs_find_predictions_and_laws(made):
    record = json.loads(made.to_json(indent=None))
    kept = record["predictions"]
    assert kept["x"][-1] == pytest.approx(7000.0)
    assert kept["lower"][-1] < kept["predicted"][-1] < kept["upper"][-1]
    assert sum(law["weight"] for law in record["laws"]) == pytest.approx(1.0)


def test_a_forecast_that_came_out_otherwise_says_so(made):
    record = json.loads(made.to_json())
    record["predictions"]["predicted"][-1] *= 1.1
    record["package"] = "0.0.7"
    (note,) = bnsl.Forecast.from_json(json.dumps(record)).warnings
    assert note.code == "remade"
    assert "bnsl 0.0.7 made this forecast" in note.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(bnsl="fit"), 'not a saved bnsl forecast: it lacks the entry "bnsl": "forecast"'),
        (lambda r: r.update(version=9), "version 9"),
        (lambda r: r.pop("curve"), "damaged bnsl forecast: the entry 'curve' is missing"),
        (lambda r: r["curve"]["x"].pop(), "damaged bnsl forecast: x has 11 rows"),
        (lambda r: r["predictions"]["lower"].pop(), "damaged bnsl forecast"),
        (lambda r: r["settings"].update(nonsense=1), "damaged bnsl forecast"),
    ],
)
def test_damage_is_told(made, change, message):
    record = json.loads(made.to_json())
    change(record)
    with pytest.raises(ValueError, match=message):
        bnsl.Forecast.from_json(json.dumps(record))


def test_a_file_name_is_no_text():
    with pytest.raises(ValueError, match=r"Forecast.from_json\(pathlib.Path\('kept.json'\).read_text\(\)\)"):
        bnsl.Forecast.from_json("kept.json")


def test_repr_shows_the_answer(made):
    low, high = made.interval(1400.0)
    assert repr(made).startswith(
        f"<Forecast of run, 12 points: loss at tokens=1400 (2x) is {made.predict(1400.0):.4g}"
    )
    assert f"90 % {low:.4g} to {high:.4g}" in repr(made)
    assert "\n" not in repr(made)
