"""Figures of profiles, horizons and suggestions: what is drawn is what was found."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from samples import ADDITION, LAW, noisy

import bnsl
from bnsl.plots.uncertainty import WELL_KNOWN


@pytest.fixture(scope="module")
def result():
    return bnsl.fit(*noisy(count=40), n_breaks=1)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def line(ax, label):
    return next(entry for entry in ax.get_lines() if entry.get_label() == label)


@pytest.mark.parametrize("name", ["d1", "a"])
def test_profile(result, name):
    shape = bnsl.profile(result, name, points=15)
    ax = bnsl.plot_profile(shape, levels=(0.9, 0.5))
    drawn = line(ax, "profile likelihood")
    assert drawn.get_xdata() == pytest.approx(shape.values)
    assert drawn.get_ydata() == pytest.approx(shape.deviance)
    assert ax.get_xlabel() == ("$d_{1}$" if name == "d1" else "$a$")
    bars = [path for collection in ax.collections for path in collection.get_paths()]
    ends = sorted(tuple(path.vertices[:, 0]) for path in bars)
    assert ends[0] == pytest.approx(shape.interval(0.9), rel=1e-6)
    assert {text.get_text() for text in ax.texts} == {"50%", "90%"}
    assert shape.threshold(0.9) == pytest.approx(bars[1].vertices[0, 1])
    # The parabola of the covariance touches the profile at the estimate.
    assert np.min(line(ax, "Gauss-Newton").get_ydata()) == pytest.approx(0.0, abs=1e-9)


def test_profile_of_what_the_data_do_not_bound():
    hard = bnsl.fit(ADDITION.x[:12], ADDITION.y[:12], n_breaks=1)
    shape = bnsl.profile(hard, "d1", points=15)
    ax = bnsl.plot_profile(shape, levels=(0.9,))
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()
    ends = [
        (entry.get_marker(), *entry.get_xdata()) for entry in ax.get_lines() if len(entry.get_xdata()) == 1
    ]
    assert shape.interval(0.9)[1] > shape.values[-1]  # an open end has an arrow, the other a bar
    assert [marker for marker, _ in ends if marker in "<>|"] == ["|", ">"]
    assert ends[1] == (">", pytest.approx(shape.values[-1]))


def test_horizon():
    x = np.geomspace(1, 1e5, 60)
    stops = x[20:-1]
    lines = [bnsl.horizon(LAW, x, noise, stops=stops) for noise in (1e-2, 1e-6)]
    points = [(stops[::8], bnsl.simulated_horizon(LAW, x, 1e-2, stops[::8], replicates=3))] * 2
    _, ax = plt.subplots()
    assert bnsl.plot_horizon(lines, simulated=points, ax=ax) is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["$10^{-2}$", "$10^{-6}$"]
    known = lines[1].prediction_sd < np.exp(WELL_KNOWN)
    assert known.sum() > 10
    assert line(ax, "$10^{-6}$").get_ydata() == pytest.approx(lines[1].prediction_sd[known])
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert any(np.allclose(entry.get_xdata(), LAW["d1"]) for entry in ax.get_lines())
    names = [tick.get_text() for top in ax.child_axes for tick in top.get_xticklabels()]
    assert names == ["$d_{1}$"]
    with pytest.raises(bnsl.InputError, match="simulated has 1"):
        bnsl.plot_horizon(lines, simulated=points[:1])


def test_a_horizon_begins_where_the_data_begin_to_tell():
    x = np.geomspace(3, 4e5, 50)
    law = bnsl.horizon({**LAW, "d1": 2e4}, x, 3e-3)
    ax = bnsl.plot_horizon(law)
    first = law.stops[law.prediction_sd <= np.exp(WELL_KNOWN)].min()
    low, high = np.log(ax.get_xlim())
    assert (np.log(first) - low) / (high - low) < 0.1
    with pytest.raises(bnsl.InputError, match="never determine the law"):
        bnsl.plot_horizon(bnsl.horizon(LAW, x[:20], 10.0))


def test_axes_of_a_suggestion_are_in_words():
    x = np.geomspace(2e3, 5e6, 16)
    runs = bnsl.Curve(
        x, 0.1 + 5.0 * x**-0.3 * (1 + 0.01 * np.sin(x)), x_label="parameters", y_label="test loss"
    )
    for law in (bnsl.fit(runs, n_breaks=0), bnsl.forecast(runs)):
        ax = bnsl.plot_suggestion(bnsl.suggest(law, [1e7, 2e7], 1e9))
        assert ax.get_xlabel() == "parameters of the further run"
        assert ax.get_ylabel() == "uncertainty of log test loss\nat parameters = $10^{9}$"


def test_suggestion(result):
    found = bnsl.suggest(result, np.geomspace(2e6, 2e7, 5), 1e8, budget=3e7)
    ax = bnsl.plot_suggestion(found)
    assert line(ax, "after this run alone").get_ydata() == pytest.approx(found.sd_with)
    assert sorted(line(ax, "chosen, in this order").get_xdata()) == pytest.approx(sorted(found.chosen))
    assert line(ax, "after all chosen runs").get_ydata()[0] == pytest.approx(found.sd_after)
    nothing = bnsl.plot_suggestion(bnsl.suggest(result, [2e6, 3e6], 1e8, budget=1.0))
    assert "after all chosen runs" not in [entry.get_label() for entry in nothing.get_lines()]


@pytest.mark.parametrize("plot", [bnsl.plot_profile, bnsl.plot_horizon, bnsl.plot_suggestion])
def test_only_what_they_draw(plot, result):
    with pytest.raises(bnsl.InputError, match="must be what bnsl"):
        plot(result)
