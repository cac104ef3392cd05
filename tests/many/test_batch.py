import numpy as np
import pandas as pd
import pytest
from loky import get_reusable_executor

import bnsl
from bnsl.curves.frame import long_table
from bnsl.curves.ragged import padded_length
from bnsl.forms.broken import BNSL
from bnsl.many import work as batch
from bnsl.many.rows import rows_of
from bnsl.many.settings import Settings

LAW = {"a": 0.2, "b": 2.0, "c0": 0.15, "c1": 0.4, "d1": 200.0, "f1": 0.4}


def curve(seed, points, rising=False):
    rng = np.random.default_rng(seed)
    x = np.sort(10 ** rng.uniform(0, 4, points))
    y = BNSL(1).evaluate(LAW, x)
    y = 3.0 - y if rising else y
    return x, y * np.exp(0.01 * rng.normal(size=points))


@pytest.fixture(scope="module")
def frame():
    """Six good curves of different length, one of which climbs, and four bad ones, their rows shuffled."""
    parts = []
    for i, points in enumerate((20, 24, 19, 23, 17, 22)):
        x, y = curve(i, points, rising=i == 2)
        parts.append(pd.DataFrame({"model": "AB"[i % 2], "task": i // 2, "tokens": x, "loss": y}))
    x, y = curve(9, 18)
    bad = {"zero": y - y[3], "gap": np.where(x == x[4], np.nan, y), "same": np.full(18, 1.0)}
    for name, values in bad.items():
        tokens = np.full(18, 7.0) if name == "same" else x
        parts.append(pd.DataFrame({"model": name, "task": 0, "tokens": tokens, "loss": values}))
    parts.append(pd.DataFrame({"model": "short", "task": 0, "tokens": [1.0, 2.0], "loss": [3.0, 2.0]}))
    return pd.concat(parts).sample(frac=1.0, random_state=0)


@pytest.fixture(scope="module")
def fitted(frame):
    return bnsl.fit_many(frame, x="tokens", y="loss", by=["model", "task"], n_breaks=1, predict_at=[2e4])


def of(frame, model, task):
    return frame[(frame["model"] == model) & (frame["task"] == task)]


def test_a_row_a_curve_in_the_order_of_the_table(frame, fitted):
    keys = frame[["model", "task"]].drop_duplicates().reset_index(drop=True)
    pd.testing.assert_frame_equal(fitted[["model", "task"]], keys)
    names = ["status", "warnings", "message", "n_points", "n_breaks", "rmsle"]
    assert list(fitted) == ["model", "task", *names, "a", "b", "c0", "c1", "d1", "f1", "y_at_20000"]


def test_each_law_is_that_of_fit(frame, fitted):
    for row in fitted[fitted["model"].isin(["A", "B"])].itertuples():
        points = of(frame, row.model, row.task)
        alone = bnsl.fit(points["tokens"], points["loss"], n_breaks=1)
        assert row.rmsle == pytest.approx(alone.rmsle, rel=5e-4)
        assert row.status.upper() == alone.status.name
        assert row.n_points == len(points)
        assert row.y_at_20000 == pytest.approx(float(alone.predict(2e4)), rel=1e-3)
        law = alone.form.evaluate({name: getattr(row, name) for name in alone.params}, 30.0)
        assert law == pytest.approx(float(alone.predict(30.0)), rel=1e-3)
    assert of(fitted, "A", 1)["b"].item() < 0  # it climbs


def test_a_bad_curve_is_a_row_that_says_why(fitted):
    by_name = fitted.set_index("model")
    assert (by_name.loc[["zero", "gap", "same", "short"], "status"] == "invalid").all()
    assert "is not positive" in by_name.loc["zero", "message"]
    assert "not a finite number" in by_name.loc["gap", "message"]
    assert "distinct" in by_name.loc["same", "message"]
    assert "distinct" in by_name.loc["short", "message"]
    assert by_name.loc[["zero", "short"], ["rmsle", "a", "y_at_20000"]].isna().all(axis=None)


def test_noiseless_curves_are_fitted_to_rounding():
    x = np.geomspace(1, 1e4, 24)
    frame = pd.DataFrame({"k": 0, "x": x, "y": BNSL(1).evaluate(LAW, x)})
    row = bnsl.fit_many(frame, x="x", y="y", by="k", n_breaks=1).iloc[0]
    assert row["rmsle"] < 1e-12
    assert row["d1"] == pytest.approx(LAW["d1"], rel=1e-6)


def test_sigma_weighs_points(frame):
    table = of(frame, "A", 0).assign(s=lambda t: np.where(t["tokens"] > 100, 1e-3, 1.0) * t["loss"])
    row = bnsl.fit_many(table, x="tokens", y="loss", by="model", n_breaks=1, sigma="s").iloc[0]
    alone = bnsl.fit(table["tokens"], table["loss"], n_breaks=1, sigma=table["s"])
    assert row["rmsle"] == pytest.approx(alone.rmsle, rel=1e-3)


def test_other_forms_and_wishes_go_the_way_of_fit(frame):
    good = frame[frame["model"] == "B"]
    for options in ({"form": "m2"}, {"n_breaks": 0, "fixed": {"a": 0.1}}):
        table = bnsl.fit_many(good, x="tokens", y="loss", by="task", **options)
        for row in table.to_dict("records"):
            points = good[good["task"] == row["task"]]
            alone = bnsl.fit(points["tokens"], points["loss"], **options)
            assert row["rmsle"] == pytest.approx(alone.rmsle, rel=1e-3), options
            assert set(alone.params) <= set(table), options


def test_the_number_of_breaks_is_chosen_for_each_curve():
    none, two = {"a": 0.2, "b": 2.0, "c0": 0.3}, {"c1": -1.0, "d1": 30.0, "c2": 1.1, "d2": 600.0}
    laws = (LAW, none, LAW | two | {"c0": 0.3, "f1": 0.2, "f2": 0.2}, LAW | {"d1": 1.5})
    parts = []
    for i, (law, points) in enumerate(zip(laws, (26, 15, 34, 30), strict=True)):
        x = np.geomspace(1, 1e4, points)
        y = BNSL(sum(name[0] == "d" for name in law)).evaluate(law, x)
        y = y * np.exp(0.01 * np.random.default_rng(i).normal(size=points))
        parts.append(pd.DataFrame({"curve": i, "x": x, "y": y}))
    table = bnsl.fit_many(pd.concat(parts), x="x", y="y", by="curve")
    assert table["n_breaks"].tolist()[:3] == [1, 0, 2]
    for row, points in zip(table.to_dict("records"), parts, strict=True):
        alone = bnsl.fit(points["x"], points["y"])
        assert row["n_breaks"] == alone.n_breaks
        assert row["status"] == alone.status.name.lower()
        assert row["rmsle"] == pytest.approx(alone.rmsle, rel=1e-4)
    assert {"c3", "d3", "f3"} <= set(table)


def test_an_interrupted_run_goes_on(frame, tmp_path, monkeypatch, fitted):
    calls = []

    def failing(curves, settings, report):
        calls.append(len(curves))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rows_of(curves, settings, report)

    call = {"x": "tokens", "y": "loss", "by": ["model", "task"], "n_breaks": 1, "predict_at": [2e4]}
    with monkeypatch.context() as patch:
        patch.setattr(batch, "TOGETHER", 3)
        patch.setattr(batch, "rows_of", failing)
        with pytest.raises(KeyboardInterrupt):
            bnsl.fit_many(frame, **call, out=tmp_path / "run")
    written = pd.read_parquet(tmp_path / "run")
    assert 0 < len(written) < len(fitted)
    seen = []
    monkeypatch.setattr(batch, "rows_of", lambda curves, *a: seen.append(len(curves)) or rows_of(curves, *a))
    whole = bnsl.fit_many(frame, **call, out=tmp_path / "run")
    assert sum(seen) == len(fitted) - len(written)
    assert not pd.read_parquet(tmp_path / "run").duplicated(["model", "task"]).any()
    pd.testing.assert_frame_equal(whole, fitted, rtol=1e-6)
    seen.clear()
    again = bnsl.fit_many(frame, **call, out=tmp_path / "run")
    assert not seen
    pd.testing.assert_frame_equal(again, whole)
    with pytest.raises(bnsl.InputError, match="other settings"):
        bnsl.fit_many(frame, **{**call, "n_breaks": 0}, out=tmp_path / "run")


def test_curves_whose_points_have_changed_are_fitted_again(frame, tmp_path, monkeypatch):
    good = frame[frame["model"] == "A"]
    call = {"x": "tokens", "y": "loss", "by": "task", "n_breaks": 0, "out": tmp_path / "run"}
    first = bnsl.fit_many(good, **call)
    changed = good.assign(loss=np.where(good["task"] == 1, 2.0 * good["loss"], good["loss"]))
    seen = []
    monkeypatch.setattr(batch, "rows_of", lambda curves, *a: seen.append(len(curves)) or rows_of(curves, *a))
    second = bnsl.fit_many(changed, **call)
    assert seen == [1]
    ratio = (second["b"] / first["b"]).to_numpy()
    np.testing.assert_allclose(ratio, np.where(first["task"] == 1, 2.0, 1.0), rtol=1e-6)
    whole = pd.read_parquet(tmp_path / "run")
    assert sorted(whole["task"]) == sorted(first["task"])
    again = bnsl.fit_many(changed.sample(frac=1.0, random_state=0), **call).set_index("task")
    assert seen == [1]
    pd.testing.assert_frame_equal(again.loc[second["task"]].reset_index(), second)
    fewer = bnsl.fit_many(changed[changed["task"] == 2], **call)
    assert len(fewer) == 1
    assert sorted(pd.read_parquet(tmp_path / "run")["task"]) == sorted(first["task"])


def test_text_in_a_cell_is_named(frame):
    good = frame[frame["model"] == "A"].reset_index(drop=True).astype({"loss": object})
    good.loc[3, "loss"] = "diverged"
    table = bnsl.fit_many(good, x="tokens", y="loss", by="task", n_breaks=0).set_index("task")
    spoilt = table.index == good.loc[3, "task"]
    assert (table["status"] == "invalid").tolist() == spoilt.tolist()
    assert table["message"][spoilt].item() == "column 'loss' holds 'diverged', which is not a number"


def test_a_fault_of_the_program_is_the_row_of_one_curve(frame, monkeypatch):
    good = frame[frame["model"].isin(["A", "B"])]

    def faulty(curves, settings, report):
        if any(len(curve.x) == 23 for curve in curves):
            raise RuntimeError("no luck")
        return rows_of(curves, settings, report)

    monkeypatch.setattr(batch, "rows_of", faulty)
    table = bnsl.fit_many(good, x="tokens", y="loss", by=["model", "task"], n_breaks=1)
    assert (table["status"] == "error").tolist() == (table["n_points"] == 23).tolist()
    assert table.loc[table["status"] == "error", "message"].item() == "RuntimeError: no luck"


def test_workers_give_the_same_rows(frame, fitted):
    call = {"x": "tokens", "y": "loss", "by": ["model", "task"], "n_breaks": 1, "predict_at": [2e4]}
    pd.testing.assert_frame_equal(bnsl.fit_many(frame, **call, workers=2), fitted, rtol=1e-6)
    kept = sorted(get_reusable_executor(reuse=True)._processes)
    assert len(kept) == 2
    bnsl.fit_many(frame, **call, workers=2)
    assert sorted(get_reusable_executor(reuse=True)._processes) == kept


def test_float32_is_near(frame, fitted):
    single = bnsl.fit_many(
        frame, x="tokens", y="loss", by=["model", "task"], n_breaks=1, predict_at=[2e4], dtype="float32"
    )
    np.testing.assert_allclose(single["rmsle"], fitted["rmsle"], rtol=1e-3)


def test_forecasts(frame):
    good = frame[(frame["model"] == "A") & (frame["task"] == 0) | (frame["model"] == "zero")]
    table = bnsl.forecast_many(good, x="tokens", y="loss", by="model", predict_at=[2e4, 5e4])
    points = of(frame, "A", 0)
    alone = bnsl.forecast(points["tokens"], points["loss"])
    row = table.set_index("model").loc["A"]
    assert row["y_at_20000"] == pytest.approx(float(alone.predict(2e4)))
    low, high = alone.interval(5e4)
    assert row[["y_at_50000_low", "y_at_50000_high"]].to_list() == pytest.approx([float(low), float(high)])
    # A y of 0 has no logarithm, and is forecast on a linear scale.
    zero = table.set_index("model").loc["zero"]
    assert "linear_scale" in zero["warnings"]
    assert np.isfinite(zero["y_at_20000"])


def test_polars_and_mappings(frame, fitted):
    polars = pytest.importorskip("polars")
    call = {"x": "tokens", "y": "loss", "by": ["model", "task"], "n_breaks": 1, "predict_at": [2e4]}
    arrays = {name: frame[name].to_numpy() for name in frame}
    for table in (polars.DataFrame(arrays), arrays):
        pd.testing.assert_frame_equal(bnsl.fit_many(table, **call), fitted, rtol=1e-6, check_dtype=False)


def test_missing_keys_are_keys(frame):
    keyed = frame[frame["model"] == "A"].assign(model=[None] * int((frame["model"] == "A").sum()))
    table = long_table(keyed, "tokens", "loss", None, ["model", "task"])
    assert len(table) == 3
    assert table.curves.lengths.sum() == len(keyed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": "token"}, "no column 'token'.*Did you mean 'tokens'"),
        ({"by": []}, "by is empty"),
        ({"by": None}, "by = None must be"),
        (
            {"frame": pd.DataFrame({"tokens": [1.0], "loss": [1.0], "c1": [0]}), "by": "c1"},
            "'c1' would be one",
        ),
        ({"frame": pd.DataFrame({"tokens": [1.0], "loss": [1j], "task": [0]})}, "'loss' must hold numbers"),
        ({"out": 3}, "out = 3 must be the path"),
        ({"by": ["task", "task"]}, "twice"),
        ({"by": "loss"}, "different columns"),
        ({"frame": 3}, "frame must be"),
        ({"frame": pd.DataFrame({"tokens": [], "loss": [], "task": []})}, "no rows"),
        ({"predict_at": [0.0]}, "not positive"),
        ({"workers": 0}, "workers"),
        ({"dtype": "float16"}, "dtype"),
        ({"device": "abacus"}, "no such device"),
        ({"device": []}, "sequence of JAX devices"),
        ({"fixed": {"z": 1.0}}, "no parameter 'z'"),
        ({"fixed": 3}, "fixed must be a mapping"),
    ],
)
def test_bad_calls_are_refused(frame, changes, message):
    call = {"frame": frame, "x": "tokens", "y": "loss", "by": "task", "n_breaks": 1, **changes}
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.fit_many(**call)


def test_a_folder_of_something_else_is_left_alone(frame, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(bnsl.InputError, match="not empty"):
        bnsl.fit_many(frame, x="tokens", y="loss", by="task", out=tmp_path)
    with pytest.raises(bnsl.InputError, match="is a file"):
        bnsl.fit_many(frame, x="tokens", y="loss", by="task", out=tmp_path / "mine.txt")


def test_settings_travel_and_tasks_are_of_one_length(frame):
    table = long_table(frame, "tokens", "loss", None, ["model", "task"])
    settings = Settings(BNSL(1), 1, {"loss": "log"}, (), backend="jax")
    tasks = batch._tasks(table, np.arange(len(table)), settings, 1)
    assert sorted(np.concatenate(tasks).tolist()) == list(range(len(table)))
    for task in tasks:
        assert len({padded_length(int(n)) for n in table.curves.lengths[task]}) == 1


def test_breaks_of_a_curve_are_weighed_once(monkeypatch):
    x = np.geomspace(1.0, 1e6, 40)
    law = {"a": 0.0, "b": 2.0, "c0": 0.05, "c1": 0.6, "d1": 1e2, "f1": 0.1, "c2": -0.6, "d2": 1e4, "f2": 0.1}
    y = bnsl.BNSL(2).evaluate(law, x) * np.exp(0.002 * np.random.default_rng(3).normal(size=40))
    alone = bnsl.fit(x, y)
    assert alone.n_breaks == 2

    def again(*args):
        raise AssertionError("weighed again")

    monkeypatch.setattr("bnsl.fitting.fit.weigh_breaks", again)
    row = bnsl.fit_many({"x": x, "y": y, "curve": np.zeros(40)}, x="x", y="y", by="curve").iloc[0]
    assert row["n_breaks"] == 2
    np.testing.assert_allclose(row["rmsle"], alone.rmsle, rtol=1e-6)
