"""Figures of schedules show every rate and name every phase."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import bnsl
from bnsl import schedules


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
