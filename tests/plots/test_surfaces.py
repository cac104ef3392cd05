import matplotlib.pyplot as plt
import numpy as np
import pytest
from chinchilla import CHINCHILLA, LAW, runs
from surfaces import EVEN, RUNS, allocation, drawn

import bnsl


def law(values):
    return EVEN.loss(values["params"], values["tokens"])


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_contours_show_the_runs_in_the_colours_of_the_surface():
    ax = bnsl.plot_contours(law, RUNS, frontier=allocation())
    (line, _) = drawn(ax)
    np.testing.assert_array_equal(line.get_xdata(), allocation()["params"])
    dots = ax.collections[-1]
    assert len(dots.get_offsets()) == len(RUNS)
    filled = ax.collections[0]
    assert dots.get_cmap().name == filled.get_cmap().name
    assert dots.get_clim() == filled.get_clim()
    assert filled.get_clim()[0] <= RUNS["loss"].min() < RUNS["loss"].max() <= filled.get_clim()[1]
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_contours_reach_the_end_of_the_line():
    line = allocation()
    far = line.assign(params=30.0 * line["params"], tokens=30.0 * line["tokens"])
    ax = bnsl.plot_contours(law, RUNS, frontier=far)
    assert ax.get_xlim()[1] > far["params"].max()
    assert ax.get_ylim()[1] > far["tokens"].max()


@pytest.mark.parametrize("ends", [True, False])
def test_the_best_inputs_are_marked(ends):
    table = allocation() if ends else allocation()[["compute", "params", "tokens"]]
    ax = bnsl.plot_contours(law, RUNS, best=table)
    (marks,) = (line for line in drawn(ax) if line.get_marker() == "D")
    np.testing.assert_array_equal(marks.get_xdata(), table["params"])
    np.testing.assert_array_equal(marks.get_ydata(), table["tokens"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["best for a budget"]


def test_contours_of_other_columns_without_a_line():
    runs = RUNS.rename(columns={"params": "N", "tokens": "D"})
    ax = bnsl.plot_contours(lambda v: EVEN.loss(v["N"], v["D"]) - 10, runs.assign(loss=-1.0), ["N", "D"])
    assert drawn(ax) == []
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("N", "D")


def test_residuals_have_a_panel_an_input():
    residuals = np.log(RUNS["loss"] / law(RUNS))
    axes = bnsl.plot_input_residuals(residuals, RUNS)
    for ax, name in zip(axes, ["params", "tokens"], strict=True):
        points = drawn(ax)[-1]
        np.testing.assert_array_equal(points.get_xdata(), RUNS[name])
        np.testing.assert_allclose(points.get_ydata(), 100 * residuals)
    assert axes[0].get_ylim() == axes[1].get_ylim()
    _, own = plt.subplots()
    assert bnsl.plot_input_residuals(residuals, RUNS, "flops", axes=[own]) == [own]


def test_held_out_runs_are_told_apart_by_their_intervals():
    predicted = np.array([2.0, 2.2, 2.4])
    ax = bnsl.plot_held_out(predicted, predicted - 0.05, predicted + 0.05, [2.01, 2.1, 2.44])
    ax.figure.canvas.draw()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["inside the interval (2)", "outside the interval (1)"]
    assert ax.get_xlim() == ax.get_ylim()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bnsl.plot_contours(law, RUNS, ["params"]), "must name two columns"),
        (lambda: bnsl.plot_contours(law, RUNS, "params"), "must name two columns"),
        (lambda: bnsl.plot_contours(law, RUNS, ["params", "token"]), "no column 'token'.*Did you mean"),
        (lambda: bnsl.plot_input_residuals([0.1], RUNS), "residuals has 1 rows and frame has 45"),
        (lambda: bnsl.plot_held_out([1], [1], [1, 2], [1]), "predicted has 1 rows and high has 2"),
        (lambda: bnsl.plot_held_out([1], [np.nan], [1], [1]), r"low\[0\] = nan is not a finite number"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(bnsl.InputError, match=message):
        call()


def test_fits_of_two_inputs_draw_themselves():
    ax = CHINCHILLA.plot()
    assert len(ax.collections[-1].get_offsets()) == len(CHINCHILLA.curve)
    tested = bnsl.extrapolate(CHINCHILLA.curve, form="kaplan", train_fraction=0.75)
    ax = tested.plot()
    panels = [panel for panel in ax.figure.axes if panel.get_label() != "<colorbar>"]
    assert [panel.get_xlabel() for panel in panels] == ["parameters", "predicted"]
    points = np.concatenate([line.get_ydata() for line in drawn(panels[1]) if line.get_marker() in "DX"])
    assert sorted(points) == sorted(tested.held_out.y)
    _, given = plt.subplots()
    assert tested.plot(ax=given) is given
    assert len([panel for panel in given.figure.axes if panel.get_label() != "<colorbar>"]) == 1


def test_forecasts_and_comparisons_of_two_inputs_draw_themselves():
    inputs = {"inputs": ["params", "tokens"], "y": "loss"}
    frame = runs(LAW)[::2]
    found = bnsl.forecast(frame, **inputs), bnsl.compare(frame, forms=["kaplan"], **inputs)
    for places in (part.plot().collections[-1].get_offsets() for part in found):
        assert sorted(places[:, 0]) == sorted(frame["params"])


def test_fits_of_three_inputs_draw_their_residuals():
    rng = np.random.default_rng(1)
    x = np.exp(rng.uniform(1.0, 6.0, (30, 3)))
    y = np.prod(x**-0.2, axis=1) * np.exp(0.01 * rng.standard_normal(30))
    fit = bnsl.fit(x, y, inputs=list("abc"), n_breaks=0)
    panels = fit.plot().figure.axes
    assert [panel.get_xlabel() for panel in panels] == ["a", "b", "c"]
    np.testing.assert_allclose(drawn(panels[1])[-1].get_xdata(), fit.curve.x[:, 1])
    with pytest.raises(bnsl.InputError, match="this law has 3 inputs, and the figure is for one"):
        bnsl.plot_residuals(fit)
