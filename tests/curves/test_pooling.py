"""What other columns of a frame say of a curve."""

import numpy as np
import pandas as pd
import pytest

import bnsl

STEPS = np.arange(100.0, 1100.0, 100.0)


def loss(level):
    return level + 9.0 * STEPS**-0.5 * np.exp(0.004 * np.sin(STEPS))


RUNS = pd.concat([pd.DataFrame({"step": STEPS, "loss": loss(v), "seed": s}) for s, v in ((3, 2.0), (8, 2.3))])


def codes(result):
    return [note.code for note in result.warnings if note.code in ("several_runs", "falling_rate")]


@pytest.mark.parametrize("call", [lambda *a, **k: bnsl.fit(*a, form="m2", **k), bnsl.forecast])
def test_points_of_several_runs_are_said_to_be_with_the_way_out(call):
    found = call(RUNS, x="step", y="loss")
    (note,) = [note for note in found.warnings if note.code == "several_runs"]
    assert "frame[frame['seed'] == 3]" in note.message
    assert "by='seed'" in note.message
    assert codes(call(RUNS[RUNS.seed == 3], "step", "loss")) == []
    assert codes(call(RUNS["step"], RUNS["loss"])) == []  # arrays have no other columns


def test_what_the_caller_named_is_known_to_tell_rows_apart():
    assert codes(bnsl.fit(RUNS, x="step", y="loss", sigma="seed", form="m2")) == []


def test_columns_beside_a_single_run_are_no_runs():
    one = pd.DataFrame({"step": STEPS, "loss": loss(2.0), "phase": np.arange(10) % 2, "lr": 1e-3})
    assert codes(bnsl.fit(one, x="step", y="loss", form="m2")) == []


@pytest.mark.parametrize("name", ["lr", "train/learning_rate"])
def test_a_learning_rate_that_falls_is_said(name):
    frame = RUNS.assign(**{name: np.where(RUNS.seed == 3, 1e-3, 1e-3 * (1.0 - 0.0009 * RUNS.step))})
    assert codes(bnsl.fit(frame, x="step", y="loss", form="m2")) == ["several_runs", "falling_rate"]
    sizes = frame.rename(columns={"step": "params"})
    assert codes(bnsl.fit(sizes, x="params", y="loss", form="m2")) == ["several_runs"]


def test_json_of_a_forecast_keeps_what_the_table_said():
    made = bnsl.forecast(RUNS, x="step", y="loss")
    assert bnsl.Forecast.from_json(made.to_json()).warnings == made.warnings
