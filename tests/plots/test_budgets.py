import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from chinchilla import CHINCHILLA
from surfaces import BUDGETS, EVEN, RUNS, allocation, drawn

import bnsl


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_isoflop_curves_show_every_run_and_minimum():
    result = bnsl.isoflop_fit(RUNS)
    ax = result.plot()
    lines = drawn(ax)
    points = [line for line in lines if line.get_marker() == "o" and line.get_linestyle() == "None"]
    assert sum(len(line.get_xdata()) for line in points) == len(RUNS)
    minima = next(line for line in lines if line.get_marker() == "D")
    np.testing.assert_allclose(minima.get_xdata(), result.table["params"])
    assert ax.get_xscale() == ax.get_yscale() == "log"
    low, high = ax.get_xlim()
    assert low < RUNS["params"].min() < RUNS["params"].max() < high
    assert len(ax.get_legend().get_texts()) == len(BUDGETS) + 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("parameters", "loss")


def test_minima_outside_the_data_are_not_drawn():
    result = bnsl.isoflop_fit(pd.concat([RUNS, EVEN.runs([1e22], shift=1e3)]))
    minima = next(line for line in drawn(bnsl.plot_isoflop(result)) if line.get_marker() == "D")
    assert len(minima.get_xdata()) == len(BUDGETS) == len(result.curves) - 1


def test_losses_that_are_negative_get_a_linear_axis():
    ax = bnsl.plot_isoflop(bnsl.isoflop_fit(RUNS.assign(loss=RUNS["loss"] - 5)))
    assert ax.get_yscale() == "linear"
    assert drawn(ax)


def test_the_title_names_no_exponent_that_is_not_known():
    one = bnsl.isoflop_fit(RUNS[RUNS["flops"] == BUDGETS[0]])
    assert bnsl.plot_isoflop(one).get_title() == "best parameters for each budget"
    assert "propto" in bnsl.plot_isoflop(bnsl.isoflop_fit(RUNS)).get_title()


def test_allocation_has_a_line_and_a_band_an_input():
    ax = bnsl.plot_allocation(allocation()[::-1])
    lines = drawn(ax)
    np.testing.assert_array_equal(lines[0].get_xdata(), BUDGETS)
    np.testing.assert_array_equal(lines[1].get_ydata(), allocation()["tokens"])
    assert len(ax.collections) == 2
    low, high = ax.get_ylim()
    assert low < allocation()["params_low"].min() < allocation()["tokens_high"].max() < high


def test_allocation_without_ends_has_no_band():
    ax = bnsl.plot_allocation(allocation()[["compute", "params"]], "params")
    assert len(drawn(ax)) == 1
    assert len(ax.collections) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bnsl.plot_isoflop(RUNS), "result must be what bnsl.isoflop_fit returns; got a DataFrame"),
        (lambda: bnsl.plot_allocation(RUNS), "no column 'compute'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(bnsl.InputError, match=message):
        call()


def test_further_runs_stand_where_they_are_and_the_chosen_are_numbered():
    candidates = pd.DataFrame({"params": [1e8, 1e9, 6e9], "tokens": [4e11, 2e11, 2e10]})
    found = bnsl.suggest(CHINCHILLA, candidates, {"params": 2e10, "tokens": 1e12}, count=2)
    ax = found.plot()
    np.testing.assert_allclose(ax.collections[0].get_offsets(), found.table[["params", "tokens"]])
    np.testing.assert_allclose(ax.collections[0].get_array(), found.table["sd_with"])
    rings = next(line for line in drawn(ax) if line.get_label() == "chosen, in this order")
    assert set(rings.get_xdata()) == set(found.chosen["params"])
    assert sorted(text.get_text() for text in ax.texts) == ["1", "2"]
    star = next(line for line in drawn(ax) if line.get_marker() == "*")
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (2e10, 1e12)


def test_further_runs_of_three_inputs_stand_at_their_cost():
    rng = np.random.default_rng(3)
    x = np.exp(rng.uniform(1.0, 6.0, (40, 3)))
    frame = pd.DataFrame(x, columns=list("abc")).assign(loss=np.prod(x ** [-0.1, -0.2, -0.3], axis=1))
    frame["loss"] *= np.exp(0.01 * rng.standard_normal(40))
    law = bnsl.fit(frame, inputs=list("abc"), y="loss", n_breaks=0)
    found = bnsl.suggest(law, x[:4] * 2, x[:1] * 9, cost=[4.0, 3.0, 2.0, 1.0])
    ax = bnsl.plot_suggestion(found)
    line = next(line for line in drawn(ax) if line.get_label() == "after this run alone")
    np.testing.assert_array_equal(line.get_xdata(), [1.0, 2.0, 3.0, 4.0])
    assert ax.get_xlabel() == "cost of the further run"
