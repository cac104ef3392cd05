"""Figures: what is drawn, where, in which colours, and what is refused."""

import subprocess
import sys
import warnings
from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import bnsl
from bnsl._base import palette
from bnsl.plots._drawing import FITTED, FORECAST, HELD_OUT, LAW
from bnsl.plots.forecasts import within_reach
from bnsl.readers.smoothing import evenly

FIGURE_1 = {
    "a": 0.02,
    "b": 3.0,
    "c0": 0.1,
    "c1": 0.6,
    "d1": 1e3,
    "f1": 0.5,
    "c2": -0.55,
    "d2": 1e5,
    "f2": 0.4,
    "c3": 0.9,
    "d3": 1e7,
    "f3": 0.03,
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def curve():
    return bnsl.load_dataset("four_digit_addition")


@pytest.fixture(scope="module")
def forecast(curve):
    return bnsl.extrapolate(curve, train_count=14, n_breaks=1)


@pytest.fixture(scope="module")
def with_sigma(curve):
    return bnsl.fit(curve.x, curve.y, sigma=0.01 * curve.y, n_breaks=1)


@pytest.fixture(scope="module")
def rising_through_zero():
    x = np.geomspace(1.0, 1e4, 20)
    y = 1.5 - 3.0 * x**-0.3 + 0.02 * np.sin(7.0 * np.arange(20))
    return bnsl.extrapolate(x, y, n_breaks=0, loss="linear", train_count=15)


@pytest.fixture(scope="module")
def comparison(curve):
    return bnsl.compare(curve, forms=["m1", "m2", "bnsl"], train_count=14, n_breaks=1)


def line(ax, label):
    found = [each for each in ax.lines if each.get_label() == label]
    assert len(found) == 1, (label, [each.get_label() for each in ax.lines])
    return found[0]


def colour(artist):
    return to_hex(artist.get_color()).lower()


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def names_above(ax):
    return [tick.get_text() for top in ax.child_axes for tick in top.get_xticklabels()]


# --- plot_fit -------------------------------------------------------------------------------------


def test_fitted_points_are_black_held_out_green_and_the_law_red(forecast, curve):
    ax = bnsl.plot_fit(forecast)
    fitted, held_out = line(ax, "fitted points"), line(ax, "held-out points")
    assert colour(fitted) == to_hex(FITTED) == "#000000"
    assert colour(held_out) == HELD_OUT.lower()
    assert colour(line(ax, "BNSL, 1 break")) == LAW.lower()
    np.testing.assert_array_equal(fitted.get_xdata(), curve.x[:14])
    np.testing.assert_array_equal(held_out.get_ydata(), curve.y[14:])


def test_the_two_kinds_of_points_differ_in_shape_too(forecast):
    ax = bnsl.plot_fit(forecast)
    assert line(ax, "fitted points").get_marker() != line(ax, "held-out points").get_marker()


def test_the_law_is_the_prediction(forecast):
    law = line(bnsl.plot_fit(forecast), "BNSL, 1 break")
    np.testing.assert_allclose(law.get_ydata(), forecast.result.predict(law.get_xdata()), rtol=1e-12)
    assert law.get_linestyle() == "-"


@pytest.mark.parametrize("log", [True, False])
def test_the_law_ends_with_the_points(forecast, curve, log):
    x = line(bnsl.plot_fit(forecast, log=log), "BNSL, 1 break").get_xdata()
    assert x.min() == curve.x[0]
    assert x.max() == curve.x[-1]


@pytest.mark.parametrize("end", [700.0, 3000.0])
def test_the_law_ends_at_x_max_and_the_points_stay_in_view(forecast, curve, end):
    ax = bnsl.plot_fit(forecast, x_max=end)
    assert line(ax, "BNSL, 1 break").get_xdata().max() == end
    assert ax.get_xlim()[1] > max(end, curve.x[-1])


def test_far_x_max_warns_as_predict_does(forecast):
    with pytest.warns(bnsl.ExtrapolationWarning, match="ten|10 times"):
        bnsl.plot_fit(forecast, x_max=1e5)


def test_held_out_points_far_beyond_the_fit_do_not_warn():
    x = np.geomspace(1.0, 1e5, 24)
    far = bnsl.extrapolate(x, 0.1 + x**-0.4, train_until=100.0, n_breaks=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bnsl.plot_fit(far)


def test_an_axes_passed_is_used_and_returned(forecast, with_sigma, comparison):
    figure = Figure()
    axes = figure.subplots(2, 2).ravel()
    before = plt.get_fignums()
    assert bnsl.plot_fit(forecast, ax=axes[0]) is axes[0]
    assert bnsl.plot_decomposition(forecast, ax=axes[1]) is axes[1]
    assert bnsl.plot_comparison(comparison, ax=axes[2]) is axes[2]
    assert bnsl.plot_residuals(with_sigma, ax=axes[3]) is axes[3]
    assert all(ax.has_data() for ax in axes)
    assert plt.get_fignums() == before
    figure.canvas.draw()


def test_labels_come_from_the_curve_and_the_form(forecast, curve):
    ax = bnsl.plot_fit(forecast)
    assert ax.get_xlabel() == curve.x_label == "training set size (examples)"
    assert ax.get_ylabel() == curve.y_label == "test cross-entropy"
    assert ax.get_title() == "four digit addition: BNSL, 1 break"
    wanted = {"fitted points", "held-out points", "90% interval", "BNSL, 1 break"}
    assert set(legend_texts(ax)) == wanted


def test_axes_are_logarithmic_or_linear_as_asked(forecast):
    ax = bnsl.plot_fit(forecast)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    ax = bnsl.plot_fit(forecast, log=False)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")


def test_y_axis_is_linear_where_a_value_is_not_positive(rising_through_zero):
    ax = bnsl.plot_fit(rising_through_zero)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert ax.get_ylim()[0] < -1.5
    assert np.isfinite(line(ax, "BNSL, 0 breaks").get_ydata()).all()


def test_breaks_are_marked_and_named(forecast):
    ax = bnsl.plot_fit(forecast)
    position = forecast.result.params["d1"]
    assert names_above(ax) == ["$d_{1}$"]
    assert any(np.allclose(each.get_xdata(), position) for each in ax.lines)
    ax = bnsl.plot_fit(forecast, show_breaks=False)
    assert names_above(ax) == []
    assert not any(np.allclose(each.get_xdata(), position) for each in ax.lines)


def test_a_title_of_the_users_own_replaces_ours_and_clears_the_names(forecast):
    ax = bnsl.plot_fit(forecast)
    ax.set_title("Addition")
    ax.figure.canvas.draw()
    assert ax.get_title() == "Addition"
    names = [tick.get_window_extent() for tick in ax.child_axes[0].get_xticklabels()]
    assert ax.title.get_window_extent().y0 >= max(box.y1 for box in names) - 1.0


def test_breaks_side_by_side_share_one_name():
    ax = bnsl.plot_decomposition({**FIGURE_1, "d2": 1.1e3}, x_min=10.0, x_max=1e9)
    assert names_above(ax) == ["$d_{1}$, $d_{2}$", "$d_{3}$"]


def test_held_out_region_is_shaded_from_between_the_parts(forecast, curve):
    ax = bnsl.plot_fit(forecast)
    (shade,) = ax.patches
    assert curve.x[13] < shade.get_x() < curve.x[14]
    assert shade.get_x() + shade.get_width() == pytest.approx(ax.get_xlim()[1])
    assert not bnsl.plot_fit(forecast.result).patches


def test_interval_band_is_the_interval(forecast):
    ax = bnsl.plot_fit(forecast, interval=0.5)
    (band,) = ax.collections
    assert band.get_label() == "50% interval"
    lower, upper = forecast.result.interval(np.array([928.0]), 0.5)
    at_end = band.get_paths()[0].vertices
    at_end = at_end[at_end[:, 0] == 928.0, 1]
    assert at_end.min() == pytest.approx(lower[0])
    assert at_end.max() == pytest.approx(upper[0])
    assert not bnsl.plot_fit(forecast, interval=None).collections


def test_no_band_where_the_scatter_is_unknown():
    x = np.array([1.0, 3.0, 10.0])
    exact = bnsl.fit(x, 1.0 + x**-0.5, n_breaks=0)
    assert not bnsl.plot_fit(exact).collections


def test_error_bars_are_one_sigma(with_sigma, curve):
    ax = bnsl.plot_fit(with_sigma, interval=None)
    (bars,) = ax.collections
    ends = np.array(bars.get_segments())
    assert ends.shape == (17, 2, 2)
    np.testing.assert_allclose(ends[:, 1, 1] - ends[:, 0, 1], 0.02 * curve.y)
    assert not bnsl.plot_fit(bnsl.fit(curve, n_breaks=1), interval=None).collections


def test_a_second_fit_on_the_same_axes_keeps_the_first_in_view(forecast):
    ax = bnsl.plot_fit(forecast)
    x = np.geomspace(1.0, 100.0, 10)
    bnsl.plot_fit(bnsl.fit(x, 10.0 * x**-0.2, n_breaks=0), ax=ax)
    assert ax.get_xlim()[0] < 1.0
    assert ax.get_xlim()[1] > 928.0
    assert ax.get_ylim()[0] < 0.557
    assert ax.get_ylim()[1] > 10.0


def test_axes_that_share_y_keep_each_other_in_view(with_sigma, curve):
    _, (left, right) = plt.subplots(1, 2, sharey=True)
    x = np.geomspace(1.0, 100.0, 10)
    bnsl.plot_fit(bnsl.fit(x, 10.0 * x**-0.2, n_breaks=0), ax=left)
    bnsl.plot_fit(with_sigma, ax=right)
    assert left.get_ylim() == right.get_ylim()
    assert left.get_ylim()[0] < curve.y.min()
    assert left.get_ylim()[1] > 10.0


def test_sharp_breaks_are_sampled_however_sharp():
    params = {"a": 0.0, "b": 1.0, "c0": -1.0, "c1": 2.0, "d1": 100.0, "f1": 1e-3}
    ax = bnsl.plot_decomposition(params, x_min=1.0, x_max=1e4)
    assert line(ax, "BNSL, 1 break").get_ydata().max() == pytest.approx(100.0, rel=3e-3)


def test_wild_laws_do_not_squash_the_points(comparison):
    ax = bnsl.plot_comparison(comparison)
    low, high = np.log(ax.get_ylim())
    y = np.log(comparison.fitted.y)
    assert high - low < 4.0 * (y.max() - y.min())


def test_ticks_of_a_narrow_log_axis_are_plain_numbers(forecast):
    ax = bnsl.plot_fit(forecast)
    ax.figure.canvas.draw()
    shown = [tick.get_text() for tick in ax.get_xticklabels() if tick.get_text()]
    assert {"200", "400", "800"} <= set(shown)


@pytest.mark.parametrize("unit", [1e-9, 1e24])
def test_any_unit_can_be_drawn(unit):
    x = unit * np.geomspace(1.0, 1e3, 12)
    result = bnsl.fit(x, 2.0 + (x / unit) ** -0.5, n_breaks=0)
    ax = bnsl.plot_fit(result)
    ax.figure.canvas.draw()
    assert any(tick.get_text() for tick in ax.get_xticklabels())


def test_constant_y_has_an_axis():
    result = bnsl.fit(np.arange(1.0, 9.0), np.full(8, 2.0), n_breaks=0)
    low, high = bnsl.plot_fit(result).get_ylim()
    assert low < 2.0 < high


# --- plot_decomposition ---------------------------------------------------------------------------


def test_decomposition_of_a_law_without_data():
    ax = bnsl.plot_decomposition(FIGURE_1, x_min=10.0, x_max=1e9)
    pieces = [each for each in ax.lines if str(each.get_label()).startswith("segment")]
    assert len(pieces) == 4
    assert len({colour(piece) for piece in pieces}) == 4
    assert len({str(piece._unscaled_dash_pattern) for piece in pieces}) == 4
    slopes = [np.diff(np.log(p.get_ydata()))[0] / np.diff(np.log(p.get_xdata()))[0] for p in pieces]
    np.testing.assert_allclose(slopes, [-0.1, -0.7, -0.15, -1.05], rtol=1e-9)
    assert names_above(ax) == ["$d_{1}$", "$d_{2}$", "$d_{3}$"]
    whole = line(ax, "BNSL, 3 breaks")
    assert colour(whole) == LAW.lower()
    np.testing.assert_allclose(
        whole.get_ydata(), bnsl.BNSL(3).evaluate(FIGURE_1, whole.get_xdata()), rtol=1e-12
    )
    assert (whole.get_xdata().min(), whole.get_xdata().max()) == (10.0, 1e9)
    limit = line(ax, "limit a = 0.02")
    assert set(limit.get_ydata()) == {0.02}
    assert limit.get_linestyle() == ":"


def test_segments_meet_at_the_breaks():
    ax = bnsl.plot_decomposition({**FIGURE_1, "a": 0.0}, x_min=10.0, x_max=1e9)
    pieces = [each for each in ax.lines if str(each.get_label()).startswith("segment")]

    def at(piece, x):
        return np.exp(np.interp(np.log(x), np.log(piece.get_xdata()), np.log(piece.get_ydata())))

    for left, right, d in zip(pieces[:-1], pieces[1:], (1e3, 1e5, 1e7), strict=True):
        assert at(left, d) == pytest.approx(at(right, d))
    assert "limit" not in " ".join(legend_texts(ax))


STEEP = {"a": 0.1, "b": 1.0, "c0": 0.2} | {
    **{"c1": -430.0, "d1": 200.0, "f1": 1e-3, "c2": 430.1, "d2": 201.0, "f2": 1e-3},
}


def segments_in(ax):
    return [each for each in ax.lines if str(each.get_label()).startswith("segment")]


@pytest.mark.filterwarnings("error")
def test_steep_power_laws_are_drawn_where_they_are_in_view():
    ax = bnsl.plot_decomposition(STEEP, x_min=10.0, x_max=1e4)
    pieces = segments_in(ax)
    assert len(pieces) == 3
    low, high = ax.get_ylim()
    for piece in pieces:
        y = piece.get_ydata()
        assert np.ptp(piece.get_xdata()) > 0
        assert (y >= 0.999 * low).all()
        assert (y <= 1.001 * high).all()
    x, y = (np.log(values) for values in (pieces[1].get_xdata(), pieces[1].get_ydata()))
    assert np.diff(y)[0] / np.diff(x)[0] == pytest.approx(429.8, rel=1e-6)
    # The law minus its limit at the middle of the flank.
    assert np.interp(np.log(200.5), x, y) == pytest.approx(
        -0.2 * np.log(200) + 429.8 * np.log(200.5 / 200), abs=0.05
    )


@pytest.mark.filterwarnings("error")
def test_a_power_law_out_of_view_is_not_in_the_legend():
    ax = bnsl.plot_decomposition(STEEP, x_min=400.0, x_max=1e4)
    assert [piece.get_label().split(":")[0] for piece in segments_in(ax)] == ["segment 3"]


@pytest.mark.filterwarnings("error")
def test_decomposition_of_a_fit_that_is_steep():
    x = np.geomspace(10, 1e4, 40)
    fit = bnsl.fit(x, bnsl.BNSL(2).evaluate(STEEP, x), n_breaks=2, fixed=STEEP)
    assert len(fit.segments) == 3
    assert len(segments_in(bnsl.plot_decomposition(fit))) == 3


def test_decomposition_of_a_fit_shows_its_points(forecast, curve):
    ax = bnsl.plot_decomposition(forecast)
    assert len(line(ax, "fitted points").get_xdata()) == 14
    assert len(line(ax, "held-out points").get_xdata()) == 3
    assert line(ax, "BNSL, 1 break").get_xdata().max() == curve.x[-1]
    assert ax.get_xlabel() == curve.x_label


def test_decomposition_of_a_rising_law():
    params = {"a": 0.9, "b": -0.8, "c0": 0.4}
    ax = bnsl.plot_decomposition(params, x_min=1.0, x_max=100.0)
    distance = line(ax, "limit minus law")
    np.testing.assert_allclose(distance.get_ydata(), 0.8 * distance.get_xdata() ** -0.4)


# --- plot_comparison ------------------------------------------------------------------------------


def test_forms_differ_in_colour_and_dashes(comparison):
    ax = bnsl.plot_comparison(comparison)
    laws = [each for each in ax.lines if ":" in str(each.get_label())]
    assert len(laws) == 2
    assert len({colour(law) for law in laws}) == 2
    assert len({str(law._unscaled_dash_pattern) for law in laws}) == 2
    assert colour(laws[0]) == LAW.lower()


def test_forms_whose_lines_coincide_share_one(comparison):
    ax = bnsl.plot_comparison(comparison)
    errors = comparison.table["heldout_rmsle"]
    first, second = (name for name in errors.index if name != "bnsl")
    assert f"{errors[first]:.3g}" == f"{errors[second]:.3g}"
    assert legend_texts(ax)[1] == f"{first.upper()} = {second.upper()}: {errors[first]:.3g}"


def test_forms_that_part_in_view_keep_their_lines():
    x = np.geomspace(3.0, 4e5, 20)
    compared = bnsl.compare(x, 0.2 + 3.0 * x**-0.35, forms=["m1", "m2"])
    assert legend_texts(bnsl.plot_comparison(compared))[0].startswith("M2: ")
    assert legend_texts(bnsl.plot_comparison(compared))[1].startswith("M1: ")


@pytest.mark.parametrize("forms", [["m2", "m4"], ["m4", "m1", "m2"], ["m2"]])
def test_a_form_has_one_colour_in_every_figure(forms):
    x = np.geomspace(2.0, 6e4, 18)
    y = 0.3 + 2.0 * x**-0.5 + 0.05 * np.log(x)
    compared = bnsl.compare(x, y, forms=forms)
    drawn = {each.get_label().split(":")[0]: colour(each) for each in bnsl.plot_comparison(compared).lines}
    blue, orange, _, sky, *_ = (shade["light"].lower() for shade in palette.FORMS)
    wanted = {"M1": blue, "M2": orange, "M4": sky}
    assert {name: drawn[name] for name in wanted if name in drawn} == {
        name: shade for name, shade in wanted.items() if name.lower() in forms
    }
    alone = line(bnsl.plot_fit(compared.results["m2"]), "M2")
    assert colour(alone) == wanted["M2"]


def test_the_title_of_a_comparison_says_which_form_is_best(comparison, curve):
    assert bnsl.plot_comparison(comparison).get_title() == (
        "four digit addition: BNSL, 1 break is closest to the held-out points"
        if "bnsl, 1 break" in comparison.results
        else "four digit addition: BNSL is closest to the held-out points"
    )
    everything = bnsl.compare(curve, forms=["m1", "m4"])
    assert bnsl.plot_comparison(everything).get_title() == "four digit addition: M4 has the lowest AICc"


def test_comparison_legend_gives_the_held_out_error_best_first(comparison):
    ax = bnsl.plot_comparison(comparison)
    errors = comparison.table["heldout_rmsle"]
    best, *others = legend_texts(ax)
    assert best == f"BNSL: {errors['bnsl']:.3g}"
    assert others[1:] == ["fitted points", "held-out points"]
    assert ax.get_legend().get_title().get_text() == "RMSLE on the held-out points"


def test_comparison_without_held_out_points_gives_the_fitted_error(curve):
    everything = bnsl.compare(curve, forms=["m1", "m2"])
    ax = bnsl.plot_comparison(everything)
    assert ax.get_legend().get_title().get_text() == "RMSLE on the fitted points"
    assert not ax.patches
    text = next(text for text in legend_texts(ax) if "M1" in text)
    assert text.endswith(f": {everything.results['m1'].rmsle:.3g}")


def test_comparison_without_logarithms_gives_the_error_in_the_units_of_y():
    x = np.geomspace(1, 1e4, 12)
    compared = bnsl.compare(x, 2.0 * x**-0.4 - 0.5, forms=["m2", "bnsl"], n_breaks=0, loss="linear")
    ax = bnsl.plot_comparison(compared)
    assert ax.get_legend().get_title().get_text() == "RMSE on the fitted points"
    assert f"M2: {compared.results['m2'].rmse:.3g}" in legend_texts(ax)


# --- plot_residuals -------------------------------------------------------------------------------


def test_residuals_are_log_errors_in_the_colours_of_the_points(forecast):
    ax = bnsl.plot_residuals(forecast)
    fitted, held_out = line(ax, "fitted points"), line(ax, "held-out points")
    np.testing.assert_allclose(fitted.get_ydata(), forecast.result.residuals, atol=1e-12)
    np.testing.assert_allclose(held_out.get_ydata(), forecast.errors["log_error"], atol=1e-12)
    assert (colour(fitted), colour(held_out)) == ("#000000", HELD_OUT.lower())
    assert ax.get_ylabel() == "log(law / measured)"
    assert any(set(each.get_ydata()) == {0.0} for each in ax.lines)


def test_residual_band_is_the_residual_scale(forecast):
    ax = bnsl.plot_residuals(forecast)
    band = next(each for each in ax.patches if str(each.get_label()).startswith("±"))
    assert band.get_y() == pytest.approx(-forecast.result.residual_scale)
    assert band.get_height() == pytest.approx(2.0 * forecast.result.residual_scale)


def test_residual_bars_lie_in_view(with_sigma):
    ax = bnsl.plot_residuals(with_sigma)
    (bars,) = ax.collections
    ends = np.array(bars.get_segments())[:, :, 1]
    np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 0.02)
    assert ax.get_ylim()[0] < ends.min() < ends.max() < ax.get_ylim()[1]


def test_residuals_of_values_that_are_not_positive_are_plain(rising_through_zero):
    ax = bnsl.plot_residuals(rising_through_zero)
    result = rising_through_zero.result
    np.testing.assert_allclose(
        line(ax, "fitted points").get_ydata(), result.fitted - result.curve.y, atol=1e-12
    )
    assert ax.get_ylabel() == "law \N{MINUS SIGN} measured (y)"


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [bnsl.plot_fit, bnsl.plot_residuals, bnsl.plot_decomposition])
def test_wrong_types_are_named(draw, curve):
    with pytest.raises(bnsl.InputError, match=r"bnsl\.fit or bnsl\.extrapolate returns.*got a Curve"):
        draw(curve)
    with pytest.raises(bnsl.InputError, match="got a NoneType"):
        draw(None)
    assert not plt.get_fignums()


def test_comparison_refuses_a_fit(forecast):
    with pytest.raises(bnsl.InputError, match=r"bnsl\.compare returns; got an Extrapolation"):
        bnsl.plot_comparison(forecast)


def test_ax_must_be_axes(forecast):
    with pytest.raises(bnsl.InputError, match="ax must be a matplotlib Axes; got a Figure"):
        bnsl.plot_fit(forecast, ax=Figure())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 1.5}, "interval = 1.5 must lie strictly between 0 and 1"),
        ({"x_max": 100.0}, "x_max = 100 must lie beyond the first point, at 160"),
        ({"x_max": "far"}, "x_max = 'far' is not a number"),
    ],
)
def test_impossible_options_are_refused_before_drawing(forecast, options, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.plot_fit(forecast, **options)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("params", "options", "message"),
    [
        (FIGURE_1, {}, "x_min and x_max are needed for a law without data"),
        (FIGURE_1, {"x_min": 10.0, "x_max": 1.0}, "0 < x_min < x_max"),
        ({"a": 0.0, "b": 1.0}, {"x_min": 1.0, "x_max": 10.0}, "also needs c0"),
        ({**FIGURE_1, "g": 1.0}, {"x_min": 1.0, "x_max": 10.0}, "no parameter 'g'"),
        ({"a": 0.0, "b": 1.0, "c0": 0.1, "d1": 3.0}, {"x_min": 1.0, "x_max": 10.0}, "needs c, d and f"),
    ],
)
def test_laws_that_cannot_be_decomposed_are_refused(params, options, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.plot_decomposition(params, **options)
    assert not plt.get_fignums()


def test_only_a_bnsl_has_segments(comparison):
    with pytest.raises(bnsl.InputError, match="'m1' is not a chain of power laws"):
        bnsl.plot_decomposition(comparison.results["m1"])


# --- manners --------------------------------------------------------------------------------------


def test_drawing_changes_no_global_setting(forecast):
    before = dict(matplotlib.rcParams)
    bnsl.plot_fit(forecast).figure.canvas.draw()
    assert dict(matplotlib.rcParams) == before


def test_importing_the_package_does_not_import_pyplot():
    code = "import sys, bnsl, bnsl.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- plot_forecast --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def foretold(curve):
    fitted, held_out = curve.split(train_count=14)
    return bnsl.forecast(fitted), held_out


def bands(ax):
    return [each for each in ax.collections if str(each.get_label()).endswith("interval")]


def test_forecast_points_law_and_bands_have_the_colours_of_the_fit(foretold, curve):
    forecast, held_out = foretold
    ax = bnsl.plot_forecast(forecast, held_out=held_out)
    fitted, seen = line(ax, "fitted points"), line(ax, "held-out points")
    assert (colour(fitted), colour(seen)) == (to_hex(FITTED), HELD_OUT.lower())
    assert fitted.get_marker() != seen.get_marker()
    np.testing.assert_array_equal(fitted.get_xdata(), curve.x[:14])
    np.testing.assert_array_equal(seen.get_ydata(), curve.y[14:])
    law = line(ax, "forecast")
    assert colour(law) == FORECAST.lower()
    np.testing.assert_allclose(law.get_ydata(), forecast.predict(law.get_xdata()), rtol=1e-12)
    assert legend_texts(ax) == [
        "fitted points",
        "held-out points",
        "forecast",
        "90% interval",
        "50% interval",
    ]
    assert ax.get_title() == "four digit addition: forecast"


def test_forecast_bands_are_the_intervals_the_narrow_one_darker(foretold):
    forecast, held_out = foretold
    ax = bnsl.plot_forecast(forecast, held_out=held_out, levels=(0.8, 0.3))
    wide, narrow = bands(ax)
    assert (wide.get_label(), narrow.get_label()) == ("80% interval", "30% interval")
    assert wide.get_zorder() < narrow.get_zorder() < line(ax, "forecast").get_zorder()
    grey = [float(np.mean(band.get_facecolor()[0][:3])) for band in (wide, narrow)]
    assert 0.93 > grey[0] > grey[1]  # against the ground of the held-out points, and each other, in grey
    end = float(held_out.x[-1])
    corners = wide.get_paths()[0].vertices
    ends = np.sort(corners[np.isclose(corners[:, 0], end), 1])
    low, high = forecast.interval(end, 0.8)
    assert ends[0] == pytest.approx(low)
    assert ends[-1] == pytest.approx(high)


def test_forecast_without_bands(foretold):
    ax = bnsl.plot_forecast(foretold[0], levels=())
    assert bands(ax) == []


@pytest.mark.parametrize("log", [True, False])
def test_forecast_ends_where_it_should(foretold, log):
    forecast, held_out = foretold
    last = float(forecast.curve.x[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = [
            line(bnsl.plot_forecast(forecast, log=log, **options), "forecast").get_xdata()[-1]
            for options in ({}, {"held_out": held_out}, {"x_max": 2000.0})
        ]
    assert ends == pytest.approx([4 * last, float(held_out.x[-1]), 2000.0])


def test_forecast_with_a_far_x_max_warns_as_predict_does(foretold):
    with pytest.warns(bnsl.ExtrapolationWarning, match="far_extrapolation"):
        bnsl.plot_forecast(foretold[0], x_max=1e5)


def test_ground_beyond_the_points_of_a_forecast_is_grey(foretold):
    forecast, held_out = foretold
    last, first = float(forecast.curve.x[-1]), float(held_out.x[0])
    for given, start in ((None, last), (held_out, np.sqrt(last * first))):
        ax = bnsl.plot_forecast(forecast, held_out=given)
        (ground,) = ax.patches
        assert ground.get_x() == pytest.approx(start)
        assert ground.get_x() + ground.get_width() == pytest.approx(ax.get_xlim()[1])


def test_forecast_axes_are_linear_if_asked(foretold):
    ax = bnsl.plot_forecast(foretold[0], log=False)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    ax = bnsl.plot_forecast(foretold[0])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_forecast_draws_into_the_axes_given(foretold):
    ax = Figure().subplots()
    assert bnsl.plot_forecast(foretold[0], ax=ax) is ax


def test_forecast_of_points_with_sigma_has_bars(curve):
    points = bnsl.Curve(curve.x[:14], curve.y[:14], 0.02 * curve.y[:14])
    ax = bnsl.plot_forecast(bnsl.forecast(points))
    assert len(ax.containers) == 1


def test_forecast_of_a_wild_end_leaves_the_points_legible():
    curve = bnsl.load_dataset("double_descent")
    fitted, held_out = curve.split(train_until=150)
    ax = bnsl.plot_forecast(bnsl.forecast(fitted), held_out=held_out)
    low, high = np.log(ax.get_ylim())
    assert np.ptp(np.log(curve.y)) > 0.15 * (high - low)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": [1.0, 2.0]}, "held_out must be a Curve, as from Curve.split; got a list"),
        ({"levels": 0.9}, "levels = 0.9 must be a list of probabilities"),
        ({"levels": (0.5, 1.0)}, r"levels\[1\] = 1 must lie strictly between 0 and 1"),
        ({"x_max": 1.0}, "x_max = 1 must lie beyond the first point, at 160"),
        ({"x_max": np.nan}, "x_max = nan"),
        ({"ax": 3}, "ax must be a matplotlib Axes; got an int"),
    ],
)
def test_impossible_options_of_a_forecast_are_refused(foretold, options, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.plot_forecast(foretold[0], **options)


def test_only_a_forecast_is_drawn_as_one(forecast):
    with pytest.raises(bnsl.InputError, match=r"must be what bnsl\.forecast returns; got an E"):
        bnsl.plot_forecast(forecast)


@pytest.mark.parametrize("decades", [0.4, 0.65, 0.9, 1.2, 1.6, 2.2, 2.8, 5.0])
@pytest.mark.parametrize("width", [3.7, 6.0])
@pytest.mark.parametrize("first", [4e6, 210.0])
def test_long_labels_of_x_do_not_overlap(first, decades, width):
    figure = Figure(figsize=(width, 3.0), layout="constrained")
    ax = figure.subplots()
    x = np.geomspace(first, first * 10**decades, 12)
    bnsl.plot_fit(bnsl.fit(x, 1e3 * x**-0.4, form="m1"), ax=ax)
    figure.draw_without_rendering()
    low, high = ax.get_xlim()
    ticks = ax.xaxis.get_major_ticks()
    places = [tick.label1.get_window_extent() for tick in ticks if low <= tick.get_loc() <= high]
    assert places
    assert all(left.x1 < right.x0 for left, right in pairwise(places))


def test_an_interval_from_zero_to_infinity_is_filled_to_the_frame():
    x = np.geomspace(1, 1e3, 12)
    result = bnsl.fit(x, 0.3 + x**-0.5, form="m2")
    law = result.predict(np.geomspace(1, 1e4, 5))
    band = (np.array([0.0, 0.1, -np.inf, np.nan, 0.2]), np.array([np.inf, 0.5, 1.0, np.nan, np.inf]))
    low, high = within_reach(band, law)
    assert 0 < low[0] < 1e-6
    assert low[2] < -1e6
    assert high[0] == high[4] > 1e6
    np.testing.assert_array_equal((low[[1, 3, 4]], high[[1, 2, 3]]), ([0.1, np.nan, 0.2], [0.5, 1.0, np.nan]))


@pytest.fixture(scope="module")
def crowded():
    random = np.random.default_rng(11)
    step = np.arange(5, 3005.0)
    return bnsl.Curve(step, (1.5 + 9.0 * step**-0.45) * np.exp(0.04 * random.standard_normal(3000)))


def drawn_points(ax):
    return next(each for each in ax.lines if str(each.get_label()).startswith("fitted points"))


def test_of_thousands_of_points_some_are_drawn_below_band_and_line(crowded):
    for ax in (bnsl.plot_forecast(bnsl.forecast(crowded)), bnsl.plot_fit(bnsl.fit(crowded, n_breaks=0))):
        points, band = drawn_points(ax), bands(ax)[0]
        count = len(points.get_xdata())
        assert 200 < count <= 400
        assert points.get_label() == f"fitted points ({count} of 3,000 drawn)"
        assert set(points.get_xdata()) <= set(crowded.x)
        assert points.get_xdata()[0] == crowded.x[0]
        assert points.get_xdata()[-1] == crowded.x[-1]
        assert points.get_zorder() < band.get_zorder()
    few = bnsl.plot_fit(bnsl.fit(crowded.take(np.arange(0, 3000, 6)), n_breaks=0))
    assert drawn_points(few).get_label() == "fitted points"


@pytest.mark.parametrize("count", [3, 50, 400])
def test_points_are_taken_evenly_in_log_x(count):
    x = np.arange(1.0, 20001.0)
    rows = evenly(x, count)
    assert len(rows) <= count
    assert (rows[0], rows[-1]) == (0, 19999)
    far = np.diff(np.log(x[rows]))[x[rows][1:] > 2000]
    assert np.ptp(far) < 0.2 * far.mean()


def test_the_legend_of_a_decomposition_covers_nothing():
    ax = bnsl.plot_decomposition(
        {"a": 0.4, "b": 3.0, "c0": 0.3, "c1": 0.4, "d1": 80.0, "f1": 0.2}, x_min=1.0, x_max=1e4
    )
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1


def test_axes_of_a_backtest_are_in_words_and_its_band_is_whole():
    x = np.geomspace(10.0, 8e4, 22)
    curve = bnsl.Curve(x, 0.5 + 2.0 / (1.0 + x / 3e3), x_label="tokens (B)")
    tested = bnsl.backtest(curve, form="m2")
    ax = bnsl.plot_backtest(tested)
    assert ax.get_xlabel() == "tokens (B), relative to the last fitted point"
    widest = tested.by_distance["rmsle"].max()
    assert ax.get_ylim()[0] < -widest
    assert ax.get_ylim()[1] > widest
