"""Figures of profiles, horizons, suggestions and calibration: what is drawn is what was found."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from samples import ADDITION, LAW, noisy
from scipy.stats import norm

import bnsl
from bnsl._base import palette
from bnsl.evaluation.calibration import coverage
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
    rewards = bnsl.forecast(bnsl.Curve(x, 1.0 - 50.0 * x**-0.3, x_label="parameters", y_label="reward"))
    ax = bnsl.plot_suggestion(bnsl.suggest(rewards, [1e7, 2e7], 1e9))
    assert ax.get_ylabel() == "uncertainty of reward\nat parameters = $10^{9}$"  # on its own scale


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


class Honest:
    """Predicts 1 with a scatter of `sd` in y."""

    def __init__(self, sd):
        self.sd = sd

    def predict(self, x):
        return np.ones(len(x))

    def interval(self, x, level):
        half = norm.ppf(0.5 + level / 2) * self.sd
        return np.full(len(x), 1 - half), np.full(len(x), 1 + half)


@pytest.fixture(scope="module")
def later():
    random = np.random.default_rng(3)
    return [bnsl.Curve(np.arange(1.0, 401.0), 1 + 0.1 * random.standard_normal(400)) for _ in range(30)]


def test_honest_intervals_lie_on_the_diagonal_and_narrow_ones_below(later):
    levels = (0.2, 0.5, 0.9)
    ax = bnsl.plot_calibration(
        {name: [(Honest(sd), curve) for curve in later] for name, sd in {"honest": 0.1, "m2": 0.05}.items()},
        levels=levels,
    )
    lines = {each.get_label(): each for each in ax.lines}
    honest, narrow = (np.asarray(lines[name].get_ydata()) for name in ("honest", "M2"))
    assert honest == pytest.approx([20, 50, 90], abs=1.5)
    half = norm.ppf(0.5 + np.array(levels) / 2) * 0.5
    assert narrow == pytest.approx(100 * (2 * norm.cdf(half) - 1), abs=1.5)
    assert lines["M2"].get_color() == palette.FORMS[1]["light"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ideal", "honest", "M2"]
    assert ax.get_title() == "calibration over 30 cases"


@pytest.mark.filterwarnings("ignore::bnsl.ExtrapolationWarning")
def test_a_backtest_counts_every_cut_once():
    x = np.geomspace(4.0, 3e4, 24)
    y = (0.2 + 4.0 * x**-0.4) * np.exp(0.01 * np.random.default_rng(8).standard_normal(24))
    tested = bnsl.backtest(x, y, method=bnsl.forecast, cuts=3)
    shares = coverage(tested, (0.5, 0.99))
    assert shares.shape == (3, 2)
    law, cut = tested.laws[1], tested.cuts[1]
    low, high = law.interval(x[x > cut], 0.99)
    assert shares[1, 1] == np.mean((low <= y[x > cut]) & (y[x > cut] <= high))
    assert bnsl.plot_calibration(tested).get_title() == "calibration over 3 cases"


def test_an_extrapolation_and_a_list_of_them():
    x = np.geomspace(1.0, 1e3, 14)
    held = bnsl.extrapolate(x, 0.5 + x**-0.6 + 0.01 * np.cos(x), form="m2", train_count=9)
    assert coverage(held, (0.9,)).shape == (1, 1)
    assert coverage([held, held], (0.9,)).shape == (2, 1)


@pytest.mark.parametrize(
    ("cases", "levels", "message"),
    [
        ("forecast", (0.5,), "must be what bnsl.backtest or bnsl.extrapolate returns"),
        ([], (0.5,), "must be what bnsl.backtest"),
        ({}, (0.5,), "must not be empty"),
        ((Honest(1.0), bnsl.Curve([1.0, 2.0], [1.0, 1.0])), (1.5,), r"levels\[0\] = 1.5 must lie"),
        ((object(), bnsl.Curve([1.0, 2.0], [1.0, 1.0])), (0.5,), "has no interval"),
    ],
)
def test_what_cannot_be_counted_is_refused(cases, levels, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.plot_calibration(cases, levels=levels)
    assert not plt.get_fignums()
