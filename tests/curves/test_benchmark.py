"""The 92-curve benchmark: what is made of its files, where they are looked for, and how that fails.

The network is never used.
"""

import json
import subprocess
import sys
import typing

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl import cli
from bnsl.curves import benchmark as benchmark_data
from bnsl.curves import datasets
from bnsl.curves.benchmark import COLUMNS, FILES, benchmark_from_table
from bnsl.curves.datasets import DESCRIPTIONS, TABLES
from bnsl.curves.fetching import fetch


@pytest.fixture
def benchmark(benchmark_folder, monkeypatch):
    monkeypatch.setenv("BNSL_DATA_DIR", str(benchmark_folder))
    return bnsl.load_dataset("benchmark")


# --- the curves -----------------------------------------------------------------------------------


def test_the_benchmark_has_its_92_curves(benchmark):
    assert len(benchmark) == len(benchmark.curves) == len(list(benchmark)) == 92
    counts = benchmark.table["domain"].value_counts()
    assert dict(counts) == {"IC": 72, "BB": 10, "LM": 5, "NMT": 5}
    assert repr(benchmark) == "<Benchmark of 92 curves: 72 IC, 5 NMT, 5 LM, 10 BB>"


def test_every_curve_is_split_as_published(benchmark, benchmark_folder):
    files = pd.concat([pd.read_csv(benchmark_folder / name) for name in FILES])
    distinct = files.drop_duplicates()
    assert len(files) - len(distinct) == 687  # the language file repeats rows
    by_key = dict(iter(distinct.groupby(list(COLUMNS[:3]))))
    assert len(by_key) == 92
    for curve in benchmark:
        rows = by_key[curve.key]
        for part, mark in ((curve.fitted, 1), (curve.held_out, 0)):
            wanted = rows[rows["Training"] == mark].sort_values("Seen Examples")
            np.testing.assert_array_equal(part.x, wanted["Seen Examples"])
            np.testing.assert_array_equal(part.y, wanted["Loss"])
            assert (part.x_label, part.y_label, part.name) == ("Seen Examples", "Loss", curve.name)
        assert curve.fitted.x.max() < curve.held_out.x.min()


def test_tables_agree_with_the_curves(benchmark):
    table, points = benchmark.table, benchmark.points
    assert table["fitted"].sum() + table["held_out"].sum() == len(points) == 19595
    assert points["held_out"].sum() == table["held_out"].sum()
    assert not points.duplicated().any()
    assert points.groupby(["domain", "task", "model"]).ngroups == 92


def test_published_errors_are_in_the_order_of_the_curves(benchmark):
    published = benchmark.published
    assert list(published.columns) == ["m1", "m2", "m3", "m4"]
    assert list(published.index) == [curve.key for curve in benchmark]
    means = published.groupby("domain").mean()
    assert means.loc["IC", "m4"] == pytest.approx(0.04095, abs=1e-5)
    assert means.loc["BB", "m3"] == pytest.approx(0.0087, abs=5e-5)
    assert means.loc["NMT", "m1"] == pytest.approx(0.2217, abs=5e-5)
    assert means.loc["LM", "m4"] == pytest.approx(0.00084, abs=5e-6)


# --- a small benchmark ----------------------------------------------------------------------------


def rows(domain="IC", task="t", model="m", count=6, fitted=4):
    x = 2.0 ** np.arange(count)
    marks = (np.arange(count) < fitted).astype(int)
    names = [[name] * count for name in (domain, task, model)]
    return pd.DataFrame(dict(zip(COLUMNS, [*names, x, 1 / x, marks], strict=True)))


SMALL = pd.concat([rows(), rows(model="n"), rows("LM", "val_loss", "1e7")], ignore_index=True)


def test_exact_duplicates_are_dropped_and_others_kept():
    changed = SMALL.iloc[[1]].assign(Loss=9.0)
    curves = benchmark_from_table(pd.concat([SMALL, SMALL, changed])).curves
    assert [len(curve.fitted) for curve in curves] == [5, 4, 4]


def test_curves_are_found_by_number_key_and_name():
    benchmark = benchmark_from_table(SMALL)
    curve = benchmark["IC", "t", "n"]
    assert curve is benchmark[1] is benchmark[-2] is benchmark["IC t n"]
    assert curve.key == ("IC", "t", "n")
    assert repr(curve) == "<BenchmarkCurve IC t n: 4 fitted, 2 held out>"
    with pytest.raises(
        bnsl.InputError, match=r"has no curve 'LM val_los 1e7'.*Did you mean 'LM val_loss 1e7'"
    ):
        benchmark["LM", "val_los", "1e7"]
    with pytest.raises(IndexError, match="curve 3 of a benchmark of 3"):
        benchmark[3]


def test_select():
    published = pd.DataFrame({"m1": [3.0, 1.0, 2.0]}, index=pd.MultiIndex.from_tuples(
        [("LM", "val_loss", "1e7"), ("IC", "t", "m"), ("IC", "t", "n")]
    ))  # fmt: skip
    benchmark = benchmark_from_table(SMALL, published)
    assert benchmark.published["m1"].tolist() == [1.0, 2.0, 3.0]
    part = benchmark.select(domain="IC")
    assert [curve.model for curve in part] == ["m", "n"]
    assert part.published["m1"].tolist() == [1.0, 2.0]
    assert len(benchmark.select(task="t", model="n")) == 1
    with pytest.raises(bnsl.InputError, match="domain = 'ic' is unknown; choose one of 'IC', 'LM'"):
        benchmark.select(domain="ic")
    with pytest.raises(bnsl.InputError, match="no curve has domain 'LM', task None and model 'm' together"):
        benchmark.select(domain="LM", model="m")


@pytest.mark.parametrize(("mark", "part"), [(1, "hold out"), (0, "fit")])
def test_a_curve_without_a_part_is_refused(mark, part):
    with pytest.raises(bnsl.InputError, match=f"'IC t m' has no points to {part}"):
        benchmark_from_table(rows().assign(Training=mark))


def test_the_container_is_frozen_and_shown_as_a_table():
    benchmark = benchmark_from_table(SMALL)
    with pytest.raises(AttributeError):
        benchmark.curves = ()
    with pytest.raises(AttributeError):
        benchmark[0].fitted = None
    assert "val_loss" in benchmark._repr_html_()


# --- files in a folder ----------------------------------------------------------------------------


def damaged_folder(folder, source, name, content):
    for path in source.iterdir():
        if path.is_file():  # the folder may hold others with data of other kinds
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / name).write_bytes(content)


def test_a_damaged_file_says_what_to_do(tmp_path, benchmark_folder, monkeypatch):
    damaged_folder(tmp_path, benchmark_folder, "benchmark.lang.csv", b"Domain,Task\n")
    monkeypatch.setenv("BNSL_DATA_DIR", str(tmp_path))
    with pytest.raises(
        bnsl.InputError, match=r"benchmark\.lang\.csv' is damaged or another.*delete the file"
    ):
        bnsl.load_dataset("benchmark")


def test_damaged_baselines_are_not_to_be_fetched_anew(tmp_path, benchmark_folder, monkeypatch):
    damaged_folder(tmp_path, benchmark_folder, "baseline_rmsle.csv", b"Domain,Task\n")
    monkeypatch.setenv("BNSL_DATA_DIR", str(tmp_path))
    with pytest.raises(bnsl.InputError, match=r"baseline_rmsle\.csv' is damaged.*delete it and do without"):
        bnsl.load_dataset("benchmark")


def test_without_the_baselines_there_are_no_published_errors(tmp_path, benchmark_folder, monkeypatch):
    for name in FILES:
        (tmp_path / name).write_bytes((benchmark_folder / name).read_bytes())
    monkeypatch.setenv("BNSL_DATA_DIR", str(tmp_path))
    benchmark = bnsl.load_dataset("benchmark")
    assert benchmark.published is None
    assert benchmark.select(domain="LM").published is None


def test_the_folder_goes_first_and_the_rest_is_fetched(tmp_path, benchmark_folder, monkeypatch):
    (tmp_path / "benchmark.lang.csv").write_bytes((benchmark_folder / "benchmark.lang.csv").read_bytes())
    monkeypatch.setenv("BNSL_DATA_DIR", str(tmp_path))
    asked = []

    def fetched(name, sha256, origin):
        asked.append((name, sha256))
        return benchmark_folder / name

    monkeypatch.setattr("bnsl.curves.fetching.fetch", fetched)
    assert len(bnsl.load_dataset("benchmark")) == 92
    assert asked == [("benchmark.vision.csv", FILES["benchmark.vision.csv"])]


@pytest.mark.parametrize("folder", ["", "/nowhere"])
def test_neither_folder_nor_network(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BNSL_DATA_DIR", folder)
    refused = {"base_url": "http://127.0.0.1:9/", "cache": tmp_path}
    monkeypatch.setattr("bnsl.curves.fetching.fetch", lambda name, sha256, _: fetch(name, sha256, **refused))
    with pytest.raises(bnsl.InputError, match=r"benchmark\.vision\.csv was not found"):
        bnsl.load_dataset("benchmark")
    assert cli.main(["datasets", "benchmark"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "set BNSL_DATA_DIR to the folder that holds benchmark.vision.csv" in err


def test_the_origin_is_pinned_to_a_commit():
    assert (
        "/9853680c781781bd8d3de20aa61c7373ce059913/revisiting_neural_scaling_laws/data/"
        in benchmark_data.ORIGIN
    )


# --- by name --------------------------------------------------------------------------------------


def test_an_unknown_name_is_corrected():
    with pytest.raises(bnsl.InputError, match=r"'benchmrk' is unknown.*Did you mean 'benchmark'"):
        bnsl.load_dataset("benchmrk")


def test_the_list_names_it_and_fetches_nothing(monkeypatch, capsys):
    def refuse(*_):
        raise AssertionError("fetched")

    monkeypatch.setattr("bnsl.curves.fetching.fetch", refuse)
    monkeypatch.setenv("BNSL_DATA_DIR", "")
    assert cli.main(["datasets"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("benchmark ")]
    assert len(lines) == 1
    assert "92 curves" in lines[0]
    assert cli.main(["datasets", "--json"]) == 0
    assert "benchmark" in [entry["name"] for entry in json.loads(capsys.readouterr().out)]


def test_the_shell_writes_it_as_csv(benchmark, capsys):
    assert cli.main(["datasets", "benchmark"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "domain,task,model,x,y,held_out"
    assert len(lines) == 1 + 19595


def test_it_is_no_file_to_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fit", "benchmark"]) == 2
    assert "'bnsl benchmark --curves benchmark' fits them all" in capsys.readouterr().err


def test_importing_the_package_imports_no_downloader():
    code = (
        "import sys, bnsl.cli._main\nfrom bnsl import *\n"
        "print(sorted({'pooch', 'requests', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_types_tell_curve_and_benchmark_apart():
    names = {"pd": pd, **vars(datasets)}
    hints = [typing.get_type_hints(each, names) for each in typing.get_overloads(bnsl.load_dataset)]
    benchmark, curve, table, either = hints
    assert benchmark == {
        "name": typing.Literal["benchmark", "validation"],
        "return": benchmark_data.Benchmark,
    }
    assert curve["return"] is bnsl.Curve
    assert set(typing.get_args(curve["name"])) == set(DESCRIPTIONS)
    assert table["return"] is pd.DataFrame
    assert set(typing.get_args(table["name"])) == set(TABLES)
    assert either == {"name": str, "return": bnsl.Curve | benchmark_data.Benchmark | pd.DataFrame}
