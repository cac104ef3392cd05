"""Figures of schedules, of runs and of the front between old and new data."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import bnsl
from bnsl import schedules

DATA = Path(__file__).resolve().parents[2] / "data" / "continual_pretraining.csv"


def test_one_schedule_is_drawn_with_its_phases():
    s = schedules.constant(1e-3, 900, 20).then(schedules.constant(2e-4, 600))
    ax = bnsl.plot_schedule(s)
    x, y = ax.lines[0].get_data()
    np.testing.assert_array_equal(y, s.at(x))
    assert {899, 900} <= set(np.asarray(x, int).tolist())  # the jump is upright
    names = [text.get_text() for text in ax.child_axes[0].get_xticklabels()]
    assert names == ["constant", "constant"]
    plt.close("all")


def test_several_schedules_have_a_legend():
    ax = bnsl.plot_schedule({"cosine": schedules.cosine(1e-3, 5000), "wsd": schedules.wsd(1e-3, 4000)})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cosine", "wsd"]
    assert ax.get_xlim()[1] > 5000
    with pytest.raises(bnsl.InputError, match=r"or one of bnsl\.schedules; got 1\.0"):
        bnsl.plot_schedule(1.0)
    plt.close("all")


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
