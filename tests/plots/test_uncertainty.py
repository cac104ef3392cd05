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
    assert {text.get_text() for text in ax.texts} == {"50 %", "90 %"}
    assert shape.threshold(0.9) == pytest.approx(bars[1].vertices[0, 1])
    # The parabola of the covariance touches the profile at the estimate.
    assert np.min(line(ax, "Gauss-Newton").get_ydata()) == pytest.approx(0.0, abs=1e-9)


def test_profile_of_what_the_data_do_not_bound():
    hard = bnsl.fit(ADDITION.x[:12], ADDITION.y[:12], n_breaks=1)
    ax = bnsl.plot_profile(bnsl.profile(hard, "d1", points=15))
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()


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
    with pytest.raises(bnsl.InputError, match="simulated has 1"):
        bnsl.plot_horizon(lines, simulated=points[:1])


def test_suggestion(result):
    found = bnsl.suggest(result, np.geomspace(2e6, 2e7, 5), 1e8, budget=3e7)
    ax = bnsl.plot_suggestion(found)
    assert line(ax, "with this run alone").get_ydata() == pytest.approx(found.sd_with)
    assert sorted(line(ax, "chosen, in this order").get_xdata()) == pytest.approx(sorted(found.chosen))
    assert line(ax, "with all chosen").get_ydata()[0] == pytest.approx(found.sd_after)
    nothing = bnsl.plot_suggestion(bnsl.suggest(result, [2e6, 3e6], 1e8, budget=1.0))
    assert "with all chosen" not in [entry.get_label() for entry in nothing.get_lines()]


@pytest.mark.parametrize("plot", [bnsl.plot_profile, bnsl.plot_horizon, bnsl.plot_suggestion])
def test_only_what_they_draw(plot, result):
    with pytest.raises(bnsl.InputError, match="must be what bnsl"):
        plot(result)
