"""Every figure can be read with any colour vision and in grey."""

import itertools
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from chinchilla import CHINCHILLA
from matplotlib.colors import to_rgba
from matplotlib.markers import MarkerStyle
from small_benchmark import Constant, small
from surfaces import RUNS, allocation

import bnsl
from bnsl._base import palette as _palette
from bnsl.curves.datasets import NOISELESS_LAW
from bnsl.web import figures
from bnsl.web.drawing import for_theme

MEASURED = Path(__file__).resolve().parents[2] / "data" / "continual_pretraining.csv"
# What is seen without one kind of cone, on linear RGB: Machado, Oliveira and Fernandes (2009), "A
# Physiologically-based Model for Simulation of Color Vision Deficiency", table 1, severity 1.0.
VISIONS = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# sRGB primaries to CIE XYZ, and the white point D65 (IEC 61966-2-1).
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])
APART = 15.0  # in CIELAB, about six times what can just be seen side by side
APART_IN_GREY = 15.0  # of 100 from black to white


def linear(colour):
    """Linear RGB of a colour, on white if it is not opaque."""
    red, green, blue, alpha = to_rgba(colour)
    rgb = alpha * np.array([red, green, blue]) + 1.0 - alpha
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear RGB."""
    t = np.clip(TO_XYZ @ rgb, 0.0, None) / WHITE
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(first, second, vision):
    seen = [lab(np.clip(vision @ linear(colour), 0.0, 1.0)) for colour in (first, second)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def in_grey(first, second):
    return abs(lab(linear(first))[0] - lab(linear(second))[0])


def dashes_differ(first, second):
    """Whether two patterns have another number of strokes, or strokes of clearly another length."""
    if len(first) != len(second):
        return True
    if not first:
        return False
    longest = [max(pattern[::2]) for pattern in (first, second)]
    return max(longest) / min(longest) > 1.7


def told_apart(first, second):
    """Whether the style alone tells two series: kind, dashes, marker."""
    kinds = first["kind"] != second["kind"] or first["marker"] != second["marker"]
    return kinds or dashes_differ(first["dashes"], second["dashes"])


def assert_readable(series):
    assert len(series) > 1
    for (name, one), (other_name, other) in itertools.combinations(series.items(), 2):
        if told_apart(one, other):
            continue
        for vision, matrix in VISIONS.items():
            apart = difference(one["colour"], other["colour"], matrix)
            assert apart > APART, f"{name!r} and {other_name!r} look alike with {vision}: {apart:.1f}"
        apart = in_grey(one["colour"], other["colour"])
        assert apart > APART_IN_GREY, f"{name!r} and {other_name!r} look alike in grey: {apart:.1f}"


# --- the palette ----------------------------------------------------------------------------------


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_any_two_colours_differ(theme, vision):
    shades = (_palette.FITTED, _palette.HELD_OUT, _palette.LAW, *_palette.FORMS)
    for first, second in itertools.combinations(shades, 2):
        assert difference(first[theme], second[theme], VISIONS[vision]) > APART, (first, second)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_the_ground(theme):
    shades = (_palette.FITTED, _palette.HELD_OUT, _palette.LAW, *_palette.FORMS)
    assert all(in_grey(shade[theme], _palette.GROUND[theme]) > 25 for shade in shades)


def test_any_two_dashes_differ():
    patterns = [(), *(dash.pattern for dash in _palette.DASHES)]
    assert all(dashes_differ(*pair) for pair in itertools.combinations(patterns, 2))


def test_markers_are_drawn_alike_by_both_libraries():
    assert len({marker.matplotlib for marker in _palette.MARKERS}) == len(_palette.MARKERS) == 8
    assert len({marker.plotly for marker in _palette.MARKERS}) == 8
    assert all(MarkerStyle(marker.matplotlib).is_filled() for marker in _palette.MARKERS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_in_order_keep_it_in_grey(theme):
    lightness = [lab(linear(_palette.ramp(i, 6)[theme]))[0] for i in range(6)]
    assert np.all(np.abs(np.diff(lightness)) > 5)
    assert len(set(np.sign(np.diff(lightness)))) == 1


# --- the figures ----------------------------------------------------------------------------------


def series_of(ax):
    """What the legend of Matplotlib axes names: kind, colour, dashes, marker."""
    found = {}
    for artist, name in zip(*ax.get_legend_handles_labels(), strict=True):
        if hasattr(artist, "get_linestyle") and hasattr(artist, "get_marker"):
            line = artist.get_linestyle() not in ("None", "")
            dashes = tuple(artist._unscaled_dash_pattern[1] or ()) if line else ()
            colour = to_rgba(artist.get_color(), artist.get_alpha())
            marker = str(artist.get_marker())
            found[name] = {"kind": "line" if line else "points", "colour": colour, "dashes": dashes}
            found[name]["marker"] = marker if marker != "None" else ""
        else:
            colour = np.atleast_2d(artist.get_facecolor())[0]  # of a band, or of a rectangle
            found[name] = {"kind": "band", "colour": colour, "dashes": (), "marker": ""}
    return found


def forecast(fitted, held_out):
    return bnsl.plot_forecast(bnsl.forecast(fitted), held_out=held_out)


def two_breaks():
    law = {"a": 0.02, "b": 3.0, "c0": 0.1, "c1": 0.6, "d1": 1e3, "f1": 0.5, "c2": -0.55, "d2": 1e5, "f2": 0.4}
    return bnsl.plot_decomposition(law, x_min=1.0, x_max=1e7)


def benchmark():
    methods = {f"own {i}": lambda curve, i=i: Constant(curve, 1.0 - 0.05 * i) for i in range(7)}
    return bnsl.plot_benchmark(bnsl.run_benchmark(small(with_published=False), {"bnsl": Constant, **methods}))


def measured():
    return bnsl.read_runs(MEASURED, where={"shift": "strong", "seed": 0})


def some_runs():
    schedules = {f"{steps} steps": bnsl.schedules.cosine(3e-3, steps, "1%") for steps in (4000, 5000, 6000)}
    return bnsl.plot_runs(bnsl.fit_runs(measured()[0], "annealing"), schedules)


def front():
    runs = measured()
    some = [run for run in runs if run.name in ("rewarm", "rewarm_replay_5", "rewarm_replay_50")]
    return bnsl.plot_front(bnsl.continual(runs[0], some), replay=[0.0, 0.1, 0.5], peak=[2.5e-3, 2.7e-3, 3e-3])


DRAWN = {
    "fit": lambda curve: bnsl.plot_fit(bnsl.extrapolate(curve, train_count=14, n_breaks=1)),
    "forecast": lambda curve: forecast(*curve.split(train_count=14)),
    "decomposition": lambda curve: two_breaks(),
    "comparison": lambda curve: bnsl.plot_comparison(bnsl.compare(curve, n_breaks=(0, 1, 2), train_count=14)),
    "residuals": lambda curve: bnsl.plot_residuals(bnsl.extrapolate(curve, train_count=14, n_breaks=1)),
    "backtest": lambda curve: bnsl.plot_backtest(bnsl.backtest(curve, form="m2", cuts=8)),
    "benchmark": lambda curve: benchmark(),
    "profile": lambda curve: bnsl.plot_profile(bnsl.profile(bnsl.fit(curve, n_breaks=1), "d1")),
    "calibration": lambda curve: bnsl.plot_calibration(
        {name: bnsl.extrapolate(curve, form=name, train_count=14) for name in ("m1", "m2", "m3")}
    ),
    "horizon": lambda curve: bnsl.plot_horizon(
        [bnsl.horizon(NOISELESS_LAW, np.geomspace(100, 4000, 60), noise) for noise in (1e-9, 1e-6, 1e-3)]
    ),
    "suggestion": lambda curve: bnsl.plot_suggestion(
        bnsl.suggest(bnsl.fit(curve, n_breaks=1), [1000, 1500, 2000], target=4000)
    ),
    "run_suggestion": lambda curve: bnsl.suggest(
        CHINCHILLA, {"params": [1e9, 6e9], "tokens": [2e11, 2e10]}, {"params": 2e10, "tokens": 1e12}
    ).plot(),
    "isoflop": lambda curve: bnsl.plot_isoflop(bnsl.isoflop_fit(RUNS)),
    "allocation": lambda curve: bnsl.plot_allocation(allocation()),
    "held_out": lambda curve: bnsl.plot_held_out([2.0, 2.2], [1.9, 2.1], [2.1, 2.3], [2.05, 2.4]),
    "schedule": lambda curve: bnsl.plot_schedule(
        {
            "cosine": bnsl.schedules.cosine(3e-4, 1000, warmup="1%"),
            "wsd": bnsl.schedules.wsd(3e-4, 1000, warmup=10),
            "constant": bnsl.schedules.constant(3e-4, 1000),
        }
    ),
    "runs": lambda curve: some_runs(),
    "front": lambda curve: front(),
}
UNNAMED = {"plot_contours", "plot_input_residuals"}  # all that they draw is of one kind


@pytest.mark.parametrize("name", DRAWN)
def test_any_two_series_of_a_figure_can_be_told_apart(name, addition):
    ax = DRAWN[name](addition)
    try:
        assert_readable(series_of(ax))
    finally:
        plt.close("all")


def test_every_function_that_draws_was_looked_at():
    by_plot_suggestion = {"run_suggestion"}
    looked_at = {f"plot_{name}" for name in DRAWN.keys() - by_plot_suggestion} | UNNAMED
    assert looked_at == {name for name in bnsl.__all__ if name.startswith("plot_")}


def plotly_series(figure, theme):
    """The same of a figure for Plotly."""
    found = {}
    for trace in for_theme(figure.data, theme):
        lines, points = "lines" in trace["mode"], "markers" in trace["mode"]
        if trace.get("fill") == "toself":
            found[trace["name"]] = {"kind": "band", "colour": trace["fillcolor"], "dashes": (), "marker": ""}
            continue
        dash = trace.get("line", {}).get("dash", "solid")
        pattern = () if dash == "solid" else tuple(float(part.removesuffix("px")) for part in dash.split(","))
        colour = trace["line"]["color"] if lines else trace["marker"]["color"]
        marker = trace["marker"]["symbol"] if points else ""
        found[trace["name"]] = {"kind": "line" if lines else "points", "colour": colour, "dashes": pattern}
        found[trace["name"]]["marker"] = marker
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_any_two_series_of_the_report_can_be_told_apart(theme, addition):
    compared = bnsl.compare(addition, n_breaks=(0, 1, 2), train_count=14)
    forecast = bnsl.forecast(compared.fitted)
    curve = figures.curve_figure(
        forecast, compared.held_out, compared.results, law=compared.results["bnsl, 1 break"]
    )
    assert len(curve.data) == 7 + 6
    assert_readable(plotly_series(curve, theme))
    tested = bnsl.backtest(addition, form="m2", cuts=8)
    assert_readable(plotly_series(figures.backtest_figure(tested), theme))


def test_two_series_alike_would_be_found():
    """The check itself: red and green that only hue tells apart do not pass it."""
    pair = {
        name: {"kind": "line", "colour": colour, "dashes": (), "marker": ""}
        for name, colour in (("red", "#B05050"), ("green", "#6F7A3B"))
    }
    with pytest.raises(AssertionError, match="look alike with deuteranopia"):
        assert_readable(pair)
    assert difference("#B05050", "#6F7A3B", VISIONS["all cones"]) > APART


@pytest.mark.parametrize("extra", [0, 4])
def test_a_form_keeps_its_style_whatever_stands_beside_it(extra):
    own = [f"own {i}" for i in range(extra)]
    alone = {name: _palette.styles([name])[name] for name in ("m1", "m3", "bnsl, 2 breaks", "forecast")}
    beside = _palette.styles(["forecast", *own, "m3", "bnsl, 2 breaks", "bnsl, 1 break", "m1"])
    assert {name: beside[name] for name in alone} == alone
    assert len({(str(look.colour), look.dash, look.marker) for look in beside.values()}) == 5 + extra
