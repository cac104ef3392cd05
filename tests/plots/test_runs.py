"""Figures of runs and of the front between old and new data."""

from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import bnsl

DATA = Path(__file__).resolve().parents[2] / "data" / "continual_pretraining.csv"


@pytest.fixture(scope="module")
def runs():
    return bnsl.read_runs(DATA, where={"shift": "strong", "seed": 0})


def test_runs_and_other_schedules_are_drawn(runs):
    result = bnsl.fit_runs(runs[0], "annealing")
    ax = result.plot(schedules={"longer": bnsl.schedules.cosine(3e-3, 6000, "1%")})
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["fitted runs", "annealing, fitted", "longer"]
    assert ax.get_xlim()[1] > 6000
    with pytest.raises(bnsl.InputError, match="got a list"):
        bnsl.plot_runs(runs)
    plt.close("all")


def test_the_front_has_a_line_a_peak(runs):
    some = [run for run in runs if run.name in ("rewarm", "rewarm_replay_5", "rewarm_replay_50")]
    result = bnsl.continual(runs[0], some)
    ax = result.plot(replay=[0.0, 0.1, 0.5], peak=[2.5e-3, 3e-3])
    assert [line.get_label() for line in ax.lines] == ["peak 0.0025", "peak 0.003", "before"]
    plt.close("all")
