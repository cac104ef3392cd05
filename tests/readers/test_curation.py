"""Smoothing, last and best values, the lower envelope: from logged runs to the points of a curve."""

import numpy as np
import pandas as pd
import pytest

from bnsl import Curation, InputError
from bnsl.readers.columns import Columns
from bnsl.readers.curation import curate
from bnsl.readers.reading import curve_from_source
from bnsl.readers.smoothing import evenly, local_lines, lower_envelope
from bnsl.readers.source import Source


def law(x, size=1.0):
    return 2.0 * np.asarray(x, float) ** -0.3 + 0.5 / size


def sweep():
    """Two sizes with three learning rates each, of which the largest diverges; 50 steps a run."""
    rows = []
    for size in (1.0, 4.0):
        for rate in (0.1, 0.2, 0.9):
            for step in range(1, 51):
                y = law(step, size) + rate / 10
                if rate == 0.9 and step > 25:
                    y = 30.0 if size == 1.0 else np.inf
                rows.append(
                    {"size": size, "rate": rate, "step": float(step), "flops": size * step, "loss": y}
                )
    return pd.DataFrame(rows)


def curated(table, curation=None, x="x", y="y", sigma=None, **source):
    return curate(table, Columns(x, y, sigma), curation, **source)


def refused(message, *args, **options):
    with pytest.raises(InputError) as caught:
        curated(*args, **options)
    assert message in str(caught.value)


# --- smoothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [-0.3, -3.0, 0.5])
def test_smoothing_leaves_power_laws_as_they_are(slope):
    for x in (np.arange(1.0, 2001.0), np.geomspace(1, 1e24, 300)):
        y = 7.0 * x**slope
        np.testing.assert_allclose(local_lines(x, y, 1.5), y, rtol=1e-9)


def test_smoothing_takes_noise_off_and_adds_no_lag():
    rng = np.random.default_rng(0)
    x = np.arange(1.0, 20001.0)
    clean = law(x)
    y = clean * np.exp(0.05 * rng.standard_normal(len(x)))
    error = np.log(local_lines(x, y, 1.2) / clean)
    late = x > 1000
    # A window of 0.365 x points: 0.05 / sqrt(365) = 0.0026 at x = 1000, twice that for a line's end.
    assert np.sqrt(np.mean(error[late] ** 2)) < 0.0015
    assert abs(error[late].mean()) < 5e-4
    assert np.abs(error[-100:]).max() < 0.006
    means = np.convolve(y, np.ones(2000) / 2000, mode="valid")  # a trailing mean as a dashboard shows
    assert abs(np.log(means[0] / clean[1999])) > 10 * abs(error[1999])


def test_points_that_share_measurements_are_told():
    x = np.arange(10.0, 10001.0)
    table = pd.DataFrame({"x": x, "y": law(x)})
    dense = curated(table, Curation(smooth=1.2, points=50)).notes[-1]
    assert dense.endswith("19 points would not (points=19)")  # 1 + log(1000) / (2 log 1.2)
    found = curated(table, Curation(smooth=1.2, points=19))
    assert len(found.table) == 19
    assert found.notes[-1] == "kept 19 of 9991 points, evenly spaced in log x"
    assert np.diff(np.log(found.table["x"])).min() > 1.8 * np.log(1.2)


def test_smoothing_of_values_that_are_not_positive_is_linear():
    x = np.geomspace(1, 100, 50)
    y = 1.0 - np.log(x)
    np.testing.assert_allclose(local_lines(x, y, 1.5), y, atol=1e-12)


def test_a_lone_point_and_repeated_x_are_smoothed_to_their_mean():
    np.testing.assert_allclose(
        local_lines(np.array([1.0, 10.0, 10.0]), np.array([3.0, 1.0, 4.0]), 1.5), [3, 2, 2]
    )


# --- thinning and the envelope --------------------------------------------------------------------


def test_points_are_even_in_log_x_with_both_ends():
    x = np.random.default_rng(0).permutation(np.arange(1.0, 10001.0))
    few = np.sort(x[evenly(x, 9)])
    np.testing.assert_allclose(few, np.geomspace(1, 1e4, 9), rtol=0.06)
    assert (few[0], few[-1]) == (1.0, 1e4)
    assert sorted(x[evenly(x, 10**6)]) == sorted(x)


def test_the_envelope_is_where_no_run_is_better_between_its_points_either():
    x = np.array([1.0, 10.0, 100.0, 3.0, 30.0, 300.0])
    y = np.array([10.0, 1.0, 0.9, 8.0, 0.5, 0.4])
    # (3, 8) lies above the line of the first run between its points; (30, 0.5) is cheaper than (100, 0.9).
    assert sorted(lower_envelope(x, y, [np.arange(3), np.arange(3, 6)])) == [0, 1, 4, 5]
    assert sorted(lower_envelope(x, y, [np.array([i]) for i in range(6)])) == [0, 1, 3, 4, 5]
    assert lower_envelope(
        np.ones(3), np.array([2.0, 1.0, 1.0]), [np.array([i]) for i in range(3)]
    ).tolist() in (
        [1],
        [2],
    )


def test_the_envelope_of_families_of_curves_is_the_known_frontier():
    """Loss a/N^alpha + b/D^beta at C = 6 N D: the best over N has a closed form (Hoffmann et al., 2022)."""
    alpha, beta = 0.34, 0.28
    flops = np.geomspace(1e18, 1e22, 400)
    rows = []
    for n in np.geomspace(1e7, 1e11, 60):
        y = 406.4 / n**alpha + 410.7 * (6 * n / flops) ** beta
        rows.append(pd.DataFrame({"n": n, "flops": flops, "loss": y}))
    table = pd.concat(rows, ignore_index=True)
    found = curated(table, Curation(by="n", envelope=True, points=30), "flops", "loss").table
    g = (alpha * 406.4 / (beta * 410.7)) ** (1 / (alpha + beta))
    best = g * (found["flops"] / 6) ** (beta / (alpha + beta))
    expected = 406.4 / best**alpha + 410.7 * (6 * best / found["flops"]) ** beta
    assert len(found) == 30
    np.testing.assert_allclose(found["loss"], expected, rtol=2e-3)
    assert (found["loss"] >= expected * (1 - 1e-12)).all()


# --- steps of a curation --------------------------------------------------------------------------


def test_nothing_is_done_that_is_not_asked_for():
    table = pd.DataFrame({"x": [3.0, 1.0, 2.0], "y": [1.0, 3.0, 2.0], "other": [0.0, 0.0, 0.0]})
    found = curated(table)
    pd.testing.assert_frame_equal(found.table, table[["x", "y"]])
    assert (found.y_label, found.notes) == ("y", ())


def test_the_last_and_the_best_point_of_each_run():
    table = sweep()
    last = curated(table, Curation(by=["size", "rate"], diverged=2.0, keep="last"), "flops", "loss")
    assert last.table["flops"].tolist() == [50.0, 50.0, 200.0, 200.0]
    assert last.notes == (
        "left out 2 of 6 runs, which diverged: '1, 0.9', '4, 0.9'",
        "kept the last point of each of 4 runs",
    )
    best = curated(
        table, Curation(by="size", drop_missing=True, keep="best", where={"rate": 0.2}), "size", "loss"
    )
    np.testing.assert_allclose(best.table["loss"], [law(50, 1) + 0.02, law(50, 4) + 0.02])
    # One x a run: the last point is that of the largest step, in whichever order the rows come.
    shuffled = table[table["rate"] == 0.1].sample(frac=1.0, random_state=0)
    by_step = curated(shuffled, Curation(by="size", keep="last"), "size", "loss", steps="step").table
    np.testing.assert_allclose(np.sort(by_step["loss"]), np.sort([law(50, 1) + 0.01, law(50, 4) + 0.01]))


def test_best_over_a_hyper_parameter():
    """Of each size the run with the best learning rate: two reductions, the last value and then the best."""
    final = curated(sweep(), Curation(by=["size", "rate"], diverged=2.0, keep="last"), "size", "loss").table
    best = curated(final, Curation(by="size", keep="best"), "size", "loss").table
    np.testing.assert_allclose(best["loss"], [law(50, 1) + 0.01, law(50, 4) + 0.01])


@pytest.mark.parametrize(
    ("warmup", "first"), [(10, 10.0), (10.5, 11.0), ("20%", 10.0), ("0", 1.0), ("0%", 1.0)]
)
def test_warm_up(warmup, first):
    table = pd.DataFrame({"x": np.arange(1.0, 51.0), "y": np.linspace(5, 1, 50)})
    found = curated(table, Curation(warmup=warmup))
    assert found.table["x"].tolist() == list(np.arange(first, 51.0))
    dropped = int(first) - 1
    assert found.notes == ((f"left out {dropped} rows below the warm-up",) if dropped else ())


def test_a_share_of_warm_up_is_that_of_each_run():
    found = curated(
        sweep(), Curation(by="size", where={"rate": 0.1}, warmup="50%", envelope=True), "flops", "loss"
    )
    assert found.table["flops"].min() == 25.0
    assert found.notes[0] == "left out 48 rows below the warm-up"


def test_runs_that_recover_are_kept_without_what_is_not_finite():
    y = np.linspace(5, 1, 50)
    y[[10, 20]] = np.inf, 400.0
    table = pd.DataFrame({"x": np.arange(1.0, 51.0), "y": y})
    found = curated(table, Curation(diverged=2.0))
    assert len(found.table) == 49
    assert found.notes == ("left out 1 row without a finite y",)
    refused("column 'y', row 11 is inf; it must be finite", table, Curation(smooth=1.2))
    refused(
        "the run diverged: the end is no finite number",
        table.assign(y=y[::-1] * 3 + 0),
        Curation(diverged=2.0),
    )


def test_an_error_from_an_accuracy():
    table = pd.DataFrame({"x": [1.0, 2.0, 4.0], "y": [0.5, 0.75, 0.875], "s": [0.01, 0.02, 0.03]})
    found = curated(table, Curation(accuracy="share"), sigma="s")
    assert found.table["y"].tolist() == [0.5, 0.25, 0.125]
    assert found.table["s"].tolist() == [0.01, 0.02, 0.03]
    assert found.y_label == "1 - y"
    percent = table.assign(y=100 * table["y"], s=100 * table["s"])
    found = curated(percent, Curation(accuracy="percent"), sigma="s")
    np.testing.assert_allclose(found.table["y"], [0.5, 0.25, 0.125])
    np.testing.assert_allclose(found.table["s"], [0.01, 0.02, 0.03])
    assert found.y_label == "1 - y / 100"
    refused(
        "'y', row 1 is 50; an accuracy is at most 1; if these are percentages",
        percent,
        Curation(accuracy="share"),
    )
    refused(
        "row 1 is -0.5; an accuracy is at least 0", table.assign(y=-table["y"]), Curation(accuracy="share")
    )
    assert (
        curated(table, Curation(accuracy="percent"))
        .notes[0]
        .startswith("no accuracy is above 1 %; if these are")
    )
    perfect = Source(table.assign(y=[0.5, 1.0, 0.9]), "csv")
    with pytest.raises(InputError, match="column '1 - y', row 2 is 0; the log loss needs y > 0; say how f"):
        curve_from_source(perfect, "x", "y", loss="log", curation=Curation(accuracy="share"))


def test_the_lowest_error_is_the_best_accuracy():
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "run": list("aab"), "y": [0.5, 0.9, 0.7]})
    found = curated(table, Curation(accuracy="share", keep="best"), run="run")
    np.testing.assert_allclose(found.table["y"], [0.1, 0.3])


def test_rows_without_values():
    table = pd.DataFrame({"x": [0.0, 1.0, np.nan, 3.0], "y": [9.0, np.nan, 3.0, 4.0]})
    assert curated(table, sparse=True).table["x"].tolist() == [3.0]
    found = curated(table, Curation(drop_missing=True))
    assert found.table["x"].tolist() == [3.0]
    assert found.notes == (
        "left out 2 rows without x or y",
        "left out 1 row with x = 0, which has no logarithm",
    )
    refused("no row has both 'x' and 'y'", table.iloc[1:3], sparse=True)


def test_rows_keep_their_numbers():
    table = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [9.0, np.nan, 3.0, -4.0]})
    with pytest.raises(InputError, match="column 'y', row 4 is -4; the log loss"):
        curve_from_source(
            Source(table, "csv"), "x", "y", loss="log", curation=Curation(drop_missing=True, warmup=1)
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accuracy": "parts"}, "accuracy = 'parts' is unknown; choose one of 'share', 'percent'"),
        ({"keep": "first"}, "keep = 'first' is unknown; choose one of 'last', 'best'"),
        ({"warmup": -1}, "warmup = -1 must be an x >= 0, or a share below 100%"),
        ({"warmup": "100%"}, "warmup = '100%' must be an x >= 0"),
        ({"warmup": "soon"}, "warmup = 'soon' is not a number"),
        ({"diverged": 0.5}, "diverged = 0.5 must be a factor above 1"),
        ({"smooth": 1.0}, "smooth = 1 must be a factor above 1"),
        ({"points": 2}, "points = 2 must be a whole number >= 3"),
    ],
)
def test_a_value_that_makes_no_sense(options, message):
    with pytest.raises(InputError) as caught:
        Curation(**options)
    assert message in str(caught.value)


def test_what_cannot_be_done_with_a_table():
    table = sweep()
    pair = {"x": "flops", "y": "loss"}
    known = "'size', 'rate', 'step', 'flops', 'loss'"
    message = f"there is no column 'sice'; the columns are {known}. Did you mean 'size'?"
    refused(message, table, Curation(by="sice"), **pair)
    refused("column 'size' never is 2; it has '1', '4'", table, Curation(where={"size": 2}), **pair)
    refused("where size = 'big' is not a number", table, Curation(where={"size": "big"}), **pair)
    refused(
        "there are 2 runs by 'size': '1', '4'; take one of them (where={'size': '1'})",
        table,
        Curation(by="size"),
        **pair,
    )
    refused("nothing is left of 300 points: all are below the warm-up", table, Curation(warmup=999), **pair)
    bad = table[table["rate"] == 0.9]
    refused("all 2 runs diverged", bad, Curation(by="size", diverged=2.0), **pair)
    refused("smooth changes the errors", table, Curation(smooth=1.1), sigma="rate", **pair)
    words = pd.DataFrame({"x": [1.0, 2.0], "y": ["3", "four"]})
    refused("column 'y', row 2 is 'four', which is not a number", words, Curation(points=5))


def test_rows_without_a_value_can_be_asked_for():
    table = pd.DataFrame(
        {"split": ["a", None, None, None, None], "x": [1.0, 2, 3, 4, 5], "y": [5.0, 4, 3, 2, 1]}
    )
    assert curated(table, Curation(where={"split": ""})).table["x"].tolist() == [2, 3, 4, 5]


def test_rising_runs_that_all_diverged_may_be_accuracies():
    table = pd.DataFrame({"x": np.arange(1.0, 9), "y": np.linspace(0.1, 0.9, 8)})
    refused("if y is an accuracy, say so", table, Curation(diverged=2.0))


def test_curves_without_any_value_are_named():
    x = np.tile([1.0, 2, 3, 4], 3)
    table = pd.DataFrame({"run": np.repeat(["a", "b", "c"], 4), "x": x, "y": 5.0 - x})
    table.loc[table["run"] == "b", "y"] = np.nan
    done = curated(table, Curation(by="run", drop_missing=True), apart=True)
    assert list(done.table.index) == [0, 1, 2, 3, 8, 9, 10, 11]
    assert done.notes[-1] == "left out 1 of 3 curves, of which no row has x and y: 'b'"


# --- zeros, shifts, per cent and blanks -----------------------------------------------------------


def test_the_row_of_step_zero_is_left_out_and_an_epoch_that_counts_from_0_is_offered_an_offset():
    y = 0.7 + 3.0 * np.arange(1.0, 13) ** -0.6
    table = pd.DataFrame({"steps": 250.0 * np.arange(12), "epoch": np.arange(12.0), "y": y})
    found = curated(table, x="steps")
    assert found.table["steps"].tolist() == table["steps"].tolist()[1:]
    assert found.notes == ("left out 1 row with steps = 0, which has no logarithm",)
    (note,) = curated(table, x="epoch").notes
    assert note.endswith("if epoch 0 is the first one done, offset=1 keeps it and counts from 1")
    shifted = curated(table, Curation(offset=1), x="epoch")
    assert shifted.table["epoch"].tolist() == list(range(1, 13))
    assert (shifted.x_label, shifted.notes) == ("epoch + 1", ("x is epoch + 1",))
    curve = curve_from_source(Source(table, "csv"), "epoch", "y", curation=Curation(offset=1)).curve
    np.testing.assert_allclose(curve.y, 0.7 + 3.0 * curve.x**-0.6)
    with pytest.raises(InputError, match="column 'steps', row 1 is 0; a scaling law needs x > 0"):
        curve_from_source(Source(table.assign(steps=0.0), "csv"), "steps", "y")


def test_blanks_at_the_end_of_a_pair_are_left_out_and_others_are_not():
    table = pd.DataFrame({"x": [1.0, 2, 4, np.nan, np.nan], "y": [5.0, 4, 3, np.nan, np.nan]})
    found = curated(table)
    assert found.table["x"].tolist() == [1.0, 2.0, 4.0]
    assert found.notes == ("left out 2 rows at the end, where x and y are blank",)
    measured = table.assign(x=[1.0, 2, 4, 8, np.nan])  # a y that is missing may be one that diverged
    with pytest.raises(InputError, match="ends after x = 4: column 'y' from row 4 on is missing"):
        curve_from_source(Source(measured, "csv"), "x", "y")


def test_perfect_accuracies_are_clipped_at_the_resolution_that_is_stated():
    table = pd.DataFrame({"x": [1.0, 2, 4, 8], "y": [0.0, 60.0, 92.5, 100.0]})
    found = curated(table, Curation(accuracy="percent", resolution=0.5))
    np.testing.assert_allclose(found.table["y"], [0.9975, 0.4, 0.075, 0.0025])
    assert found.notes == ("took 2 accuracies of 0 or 100 to be 0.25 or 99.75, by half of the resolution",)
    with pytest.raises(InputError, match="resolution is that of an accuracy"):
        Curation(resolution=0.5)
    with pytest.raises(InputError, match="resolution = 2 is not a usable number"):
        Curation(accuracy="share", resolution=2)


def test_all_points_of_several_runs_can_be_one_curve():
    table = pd.DataFrame({"run": list("aabb"), "x": [1.0, 2, 1, 2], "y": [3.0, 2, 4, 3]})
    found = curated(table, Curation(keep="all"), run="run")
    assert (len(found.table), found.notes) == (4, ("took the points of 2 runs as one curve",))


def test_points_of_curves_that_stay_apart_are_thinned_each():
    x = np.tile(np.geomspace(1, 1e3, 40), 2)
    table = pd.DataFrame({"run": np.repeat(["a", "b"], 40), "x": x, "y": law(x)})
    done = curated(table, Curation(by="run", points=9), apart=True)
    assert table.loc[done.table.index].groupby("run").size().tolist() == [9, 9]
    assert done.notes == ("kept 18 of 80 points, evenly spaced in log x of each curve",)


def test_a_column_that_tells_curves_apart_is_told_and_one_that_divides_a_curve_is_not():
    steps = np.arange(1.0, 21.0)
    parts = [pd.DataFrame({"depth": d, "step": steps, "y": law(steps, d)}) for d in (2.0, 6.0)]
    table = pd.concat(parts, ignore_index=True).assign(phase=np.tile(np.repeat(["early", "late"], 10), 2))
    (note,) = curve_from_source(Source(table, "csv"), "step", "y").notes
    assert note.startswith(
        "'depth' has 2 values, and their points make one curve here: '2', '6'; where={'dep"
    )
    one = curve_from_source(Source(table, "csv"), "step", "y", curation=Curation(where={"depth": 6}))
    assert one.notes == ()
