"""The rolling back-test: cuts, what the fits may see, errors by cut and by distance, figure and shell."""

import json
import shlex
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from samples import noisy

import bnsl
from bnsl import cli
from bnsl.evaluation import backtest as backtesting

X = np.geomspace(1, 1e4, 17)
Y = bnsl.M2().evaluate({"b": 2.0, "c": 0.4, "e": 0.3}, X)


class Last:
    """Predicts the last value that it was given, and remembers what that was."""

    def __init__(self, curve):
        self.curve = curve

    def predict(self, x):
        return np.full(len(x), self.curve.y[-1])


@pytest.fixture(scope="module")
def tested():
    """M1 fitted to a curve with a limit: too low, and more so the farther."""
    return bnsl.backtest(bnsl.Curve(X, Y, name="curve", x_label="steps", y_label="loss"), form="m1")


# --- cuts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "least"), [("m1", 4), ("m2", 4), ("m4", 6), ("bnsl", 7), (bnsl.BNSL(2), 10)]
)
def test_default_cuts_leave_enough_to_fit_and_one_to_predict(form, least, monkeypatch):
    monkeypatch.setattr(backtesting, "fit", lambda curve, **_: Last(curve))
    tested = bnsl.backtest(X, Y, form=form)
    counts = [len(law.curve) for law in tested.laws]
    assert counts[0] == least
    assert counts[-1] == len(X) - 1
    assert len(counts) == 6
    assert np.ptp(np.diff(np.log(tested.cuts))) <= np.log(X[1] / X[0]) * 1.001
    assert tested.cuts == tuple(X[np.array(counts) - 1])


def test_fixed_parameters_need_no_points(monkeypatch):
    monkeypatch.setattr(backtesting, "fit", lambda curve, **_: Last(curve))
    assert len(bnsl.backtest(X, Y, fixed={"a": 0.0, "c0": 0.1}).laws[0].curve) == 5


def test_number_of_cuts():
    assert bnsl.backtest(X, Y, method=Last, cuts=1).cuts == (X[-2],)
    assert len(bnsl.backtest(X, Y, method=Last, cuts=3).cuts) == 3
    assert bnsl.backtest(X, Y, method=Last, cuts=100).cuts == tuple(X[3:-1])


def test_cuts_of_ones_own_are_sorted_and_may_lie_between_points():
    tested = bnsl.backtest(X, Y, method=Last, cuts=[5000, 100, 100.0])
    assert tested.cuts == (100.0, 5000.0)
    assert [len(law.curve) for law in tested.laws] == [9, 15]
    assert tested.table["distance"].iloc[0] == pytest.approx(X[9] / X[8])


def test_points_at_one_x_are_never_parted():
    x = np.repeat([1.0, 2, 4, 8, 16, 32, 64], 3)
    tested = bnsl.backtest(x, np.linspace(2, 1, 21), method=Last)
    assert [len(law.curve) for law in tested.laws] == [12, 15, 18]
    assert [len(p) for p in tested.predicted] == [9, 6, 3]


# --- nothing beyond the cut is seen ---------------------------------------------------------------


def test_later_points_do_not_change_predictions():
    x, y = noisy(count=14)
    cuts = [x[7], x[10]]
    first = bnsl.backtest(x, y, cuts=cuts)
    for i, count in enumerate((8, 11)):
        changed = y.copy()
        changed[count:] *= np.linspace(3, 0.1, len(y) - count)
        again = bnsl.backtest(x, changed, cuts=cuts)
        np.testing.assert_array_equal(again.predicted[i], first.predicted[i])
        assert again.by_cut["rmsle"][i] > first.by_cut["rmsle"][i]
    np.testing.assert_array_equal(first.predicted[0][:2], bnsl.fit(x[:8], y[:8]).predict(x[8:10]))


def test_a_method_is_given_a_curve_without_the_later_points():
    seen = []

    def method(curve):
        seen.append(curve)
        base = curve.y if curve.y.base is None else curve.y.base
        assert base.size == len(curve)  # no view of more
        return Last(curve)

    bnsl.backtest(bnsl.Curve(X, Y, sigma=0.1 * Y, name="curve"), method=method)
    for curve in seen:
        np.testing.assert_array_equal(curve.x, X[: len(curve)])
        np.testing.assert_array_equal(curve.sigma, 0.1 * Y[: len(curve)])
        assert curve.name == "curve"


def test_every_cut_is_predicted_before_the_next_is_fitted():
    order = []

    class Law(Last):
        def __init__(self, curve):
            super().__init__(curve)
            order.append("fit")

        def predict(self, x):
            order.append("predict")
            return super().predict(x)

    bnsl.backtest(X, Y, method=Law, cuts=2)
    assert order == ["fit", "predict"] * 2


# --- tables ---------------------------------------------------------------------------------------


def test_table_by_its_definition():
    tested = bnsl.backtest(X, Y, method=Last, cuts=[100.0, 1000.0])
    table = tested.table
    assert list(table) == ["cut", "fitted", "x", "distance", "y", "predicted", "log_error", "error"]
    assert table["cut"].tolist() == [100.0] * 8 + [1000.0] * 4
    assert table["fitted"].tolist() == [9] * 8 + [13] * 4
    np.testing.assert_array_equal(table["x"], np.r_[X[9:], X[13:]])
    np.testing.assert_array_equal(table["y"], np.r_[Y[9:], Y[13:]])
    np.testing.assert_array_equal(table["predicted"], np.r_[np.full(8, Y[8]), np.full(4, Y[12])])
    np.testing.assert_allclose(table["distance"], np.r_[X[9:] / X[8], X[13:] / X[12]])
    np.testing.assert_allclose(table["log_error"], np.log(table["predicted"] / table["y"]), rtol=1e-9)


def test_errors_by_cut_and_by_distance():
    tested = bnsl.backtest(X, Y, method=Last, cuts=[100.0, 1000.0])
    errors = [np.log(Y[8] / Y[9:]), np.log(Y[12] / Y[13:])]
    by_cut = tested.by_cut
    assert by_cut[["fitted", "beyond"]].to_numpy().tolist() == [[9, 8], [13, 4]]
    np.testing.assert_allclose(by_cut["rmsle"], [np.sqrt(np.mean(e**2)) for e in errors])
    np.testing.assert_allclose(by_cut["mean_log_error"], [e.mean() for e in errors])
    np.testing.assert_allclose(by_cut["distance"], [100, 10])
    by_distance = tested.by_distance
    # factors of 10^(1/4): 1.78, 3.16, 5.62, 10 from both cuts, then 17.8, 31.6, 56.2 and 100 from the first
    assert by_distance["points"].tolist() == [2, 2, 4, 1, 1, 2]
    assert by_distance["cuts"].tolist() == [2, 2, 2, 1, 1, 1]
    assert by_distance["distance_to"].tolist() == [2, 5, 10, 20, 50, 100]
    np.testing.assert_allclose(
        by_distance["rmsle"].iloc[0], np.sqrt(np.mean([errors[0][0] ** 2, errors[1][0] ** 2]))
    )
    assert tested.rmsle == pytest.approx(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def test_a_true_law_has_no_error_and_a_wrong_one_a_sign(tested):
    right = bnsl.backtest(X, Y, form="m2")
    assert right.rmsle < 1e-6
    assert set(right.by_cut["status"]) == {"converged"}
    assert (tested.by_cut["mean_log_error"] < 0).all()  # without a limit, too low


def test_values_without_a_logarithm_have_no_error():
    class Negative(Last):
        def predict(self, x):
            return np.where(x > 2000, -1.0, 1.0)

    tested = bnsl.backtest(X, Y, method=Negative, cuts=[100.0, 8000.0])
    assert np.isnan(tested.rmsle)
    assert tested.by_cut["rmsle"].isna().all()
    assert tested.table["log_error"].isna().sum() == 2 + 1 + 1
    assert np.isnan(tested.by_distance["rmsle"].iloc[-1])
    assert json.loads(tested.to_json())["rmsle"] is None
    axes = bnsl.plot_backtest(tested)
    assert np.isfinite(axes.get_ylim()).all()
    plt.close(axes.figure)


def test_errors_of_rewards_are_in_their_units():
    rewards = bnsl.Curve(X, -1.0 - 300.0 * X**-0.5, x_label="step", y_label="reward")
    for way in ({"form": "bnsl", "n_breaks": 0}, {"method": "forecast"}, {"method": Last}):
        tested = bnsl.backtest(rewards, **way)
        assert tested.measure == "rmse"
        assert np.isnan(tested.rmsle)
        assert tested.rmse == pytest.approx(np.sqrt(np.mean(tested.table["error"] ** 2)))
        assert np.isfinite(tested.by_distance[["rmse", "mean_error"]].to_numpy()).all()
        assert "rmse" in tested.summary()
        assert "rmsle" not in tested.summary()
        assert tested.trusted(1e3) == tested.table["distance"].max()
        ax = bnsl.plot_backtest(tested)
        assert ax.get_ylabel() == "law - measured reward"
        assert ax.get_legend().get_texts()[0].get_text() == "± RMSE at a distance"
        assert ax.get_ylim()[1] >= tested.by_distance["rmse"].max()
        plt.close(ax.figure)


# --- how far it can be trusted --------------------------------------------------------------------


def made(errors_by_distance):
    """A back-test with these log errors at these distances beyond one cut."""
    distance = np.array(list(errors_by_distance))
    x = np.r_[0.25, 0.5, 1.0, distance]
    y = np.r_[1.0, 1.0, 1.0, np.exp(-np.array(list(errors_by_distance.values())))]
    return bnsl.backtest(x, y, method=Last, cuts=[1.0])


def test_trusted_is_the_last_distance_before_errors_grow():
    tested = made({1.05: 0.01, 1.2: -0.02, 1.9: 0.03, 4.0: 0.2, 9.0: 0.01})
    assert tested.trusted(0.05) == pytest.approx(1.9)
    assert tested.trusted(0.015) == pytest.approx(1.05)
    assert np.isnan(tested.trusted(0.001))
    assert tested.trusted(1.0) == pytest.approx(9.0)


@pytest.mark.parametrize("tolerance", [0, -1, np.nan, np.inf, "x", None])
def test_impossible_tolerances(tolerance, tested):
    with pytest.raises(bnsl.InputError, match="tolerance"):
        tested.trusted(tolerance)


# --- methods and forms ----------------------------------------------------------------------------


def test_form_and_options_reach_the_fit():
    x, y = noisy(count=10)
    tested = bnsl.backtest(x, y, form="m2", loss="linear", fixed={"e": 0.1}, sigma=0.1 * y, cuts=[x[7]])
    assert (tested.laws[0].loss, tested.laws[0].params["e"]) == ("linear", 0.1)
    assert len(tested.laws[0].curve.sigma) == 8
    assert tested.label == "m2"


def test_a_function_with_bound_options_is_a_method():
    x, y = noisy(count=10)
    bound = bnsl.backtest(x, y, method=partial(bnsl.fit, form="m2"), cuts=2)
    plain = bnsl.backtest(x, y, form="m2", cuts=bound.cuts)
    assert bound.label == "fit"
    for one, other in zip(bound.predicted, plain.predicted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_far_predictions_bring_no_warnings():
    bnsl.backtest(X, Y, form="m1", cuts=[X[4]])  # warnings are errors here


def test_several_inputs_are_cut_by_their_product():
    x = np.column_stack([X, np.full(len(X), 3.0)])
    tested = bnsl.backtest(bnsl.Curve(x, Y, inputs=2), method=Last, cuts=[300.0])
    assert list(tested.table)[2:5] == ["x1", "x2", "distance"]
    np.testing.assert_allclose(tested.table["distance"], X[9:] / X[8])
    named = bnsl.Curve(x, Y, inputs=2, input_labels=("params", "tokens"))
    assert list(bnsl.backtest(named, method=Last, cuts=[300.0]).table)[2:4] == ["params", "tokens"]


def test_the_first_cut_of_several_inputs_leaves_enough_for_the_simplest_law():
    """As many as `bnsl.forecast` asks for; with 4 it had refused every table."""
    x = np.column_stack([X, X[::-1] ** 0.5])
    first = bnsl.backtest(bnsl.Curve(x, Y, inputs=2), method=Last).laws[0].curve
    assert len(first) == 6
    bnsl.forecast(first)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "m2", "method": Last}, "form and method are alternatives"),
        (
            {"method": "m2"},
            "method = 'm2' must be 'forecast' or a function of a Curve; a form is given as form='m2'",
        ),
        ({"method": Last, "n_breaks": 2}, "n_breaks: options of bnsl.fit go with a form"),
        ({"method": lambda _: 3.0}, "method returned 3.0; it must return an object with predict"),
        ({"cuts": []}, "must be a list of values of x, or how many"),
        ({"cuts": "all"}, "cuts = 'all' must be a list of values of x, or how many"),
        ({"cuts": 5.5}, "cuts = 5.5 must be a list of values of x, or how many"),
        ({"cuts": 0}, "cuts = 0 must be a whole number >= 1"),
        ({"cuts": True}, "cuts = True must be a whole number >= 1"),
        ({"cuts": [100, None]}, r"cuts\[1\] = None is not a number"),
        ({"cuts": [100, 1e4]}, r"cuts\[1\] = 10000 leaves nothing to predict; x ends at 10000"),
        ({"cuts": [2.0]}, r"cuts\[0\] = 2 leaves fewer than three distinct x to fit; x starts at 1"),
        ({"form": "m5"}, "form = 'm5' is unknown"),
        ({"loss": "logg"}, "loss = 'logg' is unknown"),
        ({"n_breaks": 6}, "bnsl, 6 breaks needs at least 23, 22 to fit and one to predict"),
        ({"fixed": {"q": 1}}, "has no parameter 'q'"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.backtest(X, Y, **options)


def test_a_bad_row_is_found_before_the_first_fit(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("fitted")

    monkeypatch.setattr(backtesting, "fit", refuse)
    y = Y.copy()
    y[10] = -1.0
    with pytest.raises(bnsl.InputError, match=r"y\[10\] = -1 is not positive"):
        bnsl.backtest(X, y)


def test_a_prediction_of_another_shape_is_refused():
    class Wrong(Last):
        def predict(self, x):
            return np.ones(2)

    with pytest.raises(bnsl.InputError, match=r"returned the shape \(2,\); for 8 points it must be \(8,\)"):
        bnsl.backtest(X, Y, method=Wrong, cuts=[100.0])


# --- for people -----------------------------------------------------------------------------------


def test_summary_repr_and_html(tested):
    assert repr(tested) == f"<Backtest of m1: 6 cuts, rmsle={tested.rmsle:.4g}>"
    text = tested.summary()
    assert text.startswith("back-test of m1 on curve, 17 points\n\nerrors by cut\n")
    assert "errors by distance" in text
    assert "<b>back-test of m1 on curve, 17 points</b>" in tested._repr_html_()


def test_it_is_frozen(tested):
    with pytest.raises(AttributeError):
        tested.cuts = ()
    with pytest.raises(ValueError, match="read-only"):
        tested.predicted[0][0] = 1.0


def test_json_has_the_three_tables(tested):
    def refuse(name):
        raise AssertionError(name)

    record = json.loads(tested.to_json(), parse_constant=refuse)
    assert (record["bnsl"], record["version"], record["label"]) == ("backtest", 1, "m1")
    assert [len(record[k]) for k in ("cuts", "points")] == [6, len(tested.table)]
    assert record["points"][0]["predicted"] == float(tested.predicted[0][0])
    assert record["distances"][0]["rmsle"] == tested.by_distance["rmsle"][0]


# --- figure ---------------------------------------------------------------------------------------


def test_figure_has_a_line_a_cut(tested):
    _, ax = plt.subplots()
    assert bnsl.plot_backtest(tested, ax=ax) is ax
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) and "points" in str(line.get_label())]
    assert [line.get_label() for line in lines] == [
        f"{n} points, up to {cut:.4g}" for n, cut in zip(tested.by_cut["fitted"], tested.cuts, strict=True)
    ]
    for line, (_, group) in zip(lines, tested.table.groupby("cut"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), group["distance"])
        np.testing.assert_array_equal(line.get_ydata(), group["log_error"])
    assert len({line.get_marker() for line in lines}) == len({line.get_color() for line in lines}) == 6
    grey = [np.dot(to_rgb(line.get_color()), [0.299, 0.587, 0.114]) for line in lines]
    assert (np.diff(grey) > 0.04).all()  # told apart in grey, too
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "steps, relative to the last fitted point"
    plt.close(ax.figure)


def test_figure_of_many_points_has_few_markers():
    x = np.geomspace(1, 1e4, 300)
    ax = bnsl.plot_backtest(bnsl.backtest(x, x**-0.3, method=Last, cuts=[10.0]))
    line = next(line for line in ax.get_lines() if "points" in str(line.get_label()))
    assert len(line.get_markevery()) <= 16
    plt.close(ax.figure)


def test_figure_of_something_else():
    with pytest.raises(bnsl.InputError, match=r"must be what bnsl.backtest returns; got a list"):
        bnsl.plot_backtest([])


# --- shell ----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{x!r},{y!r}\n" for x, y in zip(X.tolist(), Y.tolist(), strict=True))
    Path("curve.csv").write_text("x,y\n" + rows)

    def run(*argv):
        code = cli.main(["backtest", "--x", "x", "--y", "y", *argv])
        return code, *capsys.readouterr()

    return run


def test_shell_prints_the_tables(run):
    code, out, err = run("curve.csv", "--form", "m1", "--cut", "100", "--cut", "1000", "--tolerance", "0.01")
    assert (code, err) == (0, "")
    assert out.startswith("back-test of m1 on curve, 17 points")
    assert [line.split()[0] for line in out.splitlines()[4:6]] == ["100", "1000"]
    assert out.splitlines()[-1] == "rmsle within 0.01 at no distance"
    assert run("curve.csv", "--form", "m2", "--cut", "100", "--tolerance", "0.01")[1].splitlines()[-1] == (
        "rmsle within 0.01 up to 100 times the last fitted x"
    )


def test_shell_writes_json_and_figure(run):
    options = ["--form", "m1", "--cut", "100"]
    code, out, err = run("curve.csv", *options, "--json", "b.json", "--plot", "b.png")
    assert code == 0
    assert "errors by cut" in out
    assert err == "bnsl: wrote b.json\nbnsl: wrote b.png\n"
    assert json.loads(Path("b.json").read_text())["cuts"][0]["cut"] == 100.0
    assert Path("b.png").stat().st_size > 1000
    code, out, _ = run("curve.csv", *options, "--json")
    assert json.loads(out)["label"] == "m1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--cut 1e9", "--cut 1e+09 leaves nothing to predict"),
        ("--cut x", "argument --cut: 'x' is not a number"),
        ("--tolerance 0", "--tolerance 0 is not a usable number"),
        ("--form m7", "--form 'm7' is unknown"),
        ("--form m1 --n-breaks 2", "--n-breaks 2 is only for --form bnsl"),
        ("--train-until 5", "unknown option or argument: --train-until 5"),
    ],
)
def test_shell_errors_are_one_line(options, message, run):
    code, out, err = run("curve.csv", *shlex.split(options))
    assert (code, out) == (2, "")
    assert err.startswith("bnsl: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_a_label_says_where_breaks_are_chosen():
    x, y = noisy()
    assert bnsl.backtest(x, y, cuts=1).label == "bnsl, breaks chosen at each cut"
    assert bnsl.backtest(x, y, cuts=1, form="bnsl", n_breaks=0).label == "bnsl, 0 breaks"
    assert bnsl.backtest(x, y, cuts=1, form=bnsl.BNSL(0)).label == "bnsl, 0 breaks"
    assert bnsl.backtest(x, y, cuts=1, form="power_law").label == "m1"
