"""Runs of methods on the benchmark: what they may see, the tables, what fails, the files and the figure."""

import shlex
import sys
import threading
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from small_benchmark import Constant, small

import bnsl
from bnsl import cli
from bnsl.curves.metrics import rmsle
from bnsl.evaluation import benchmark as benchmarking

CHEAP = {"same": Constant, "less": partial(Constant, factor=0.4)}


@pytest.fixture(scope="module")
def run():
    return bnsl.run_benchmark(small(), CHEAP)


@pytest.fixture(scope="module")
def real(benchmark_folder):
    """One curve of every domain, by the fast methods."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BNSL_DATA_DIR", str(benchmark_folder))
        benchmark = bnsl.load_dataset("benchmark")
    chosen = {}
    for curve in sorted(benchmark, key=lambda curve: len(curve.fitted)):  # the shortest: they compile fast
        chosen.setdefault(curve.domain, curve)
    keys = [curve.key for curve in chosen.values()]
    return bnsl.Benchmark(tuple(chosen.values()), benchmark.published.loc[keys])


# --- the held-out part is not seen ----------------------------------------------------------------


def poisoned(benchmark):
    """The same curves with other, absurd, held-out values."""
    curves = tuple(
        bnsl.BenchmarkCurve(
            curve.domain,
            curve.task,
            curve.model,
            curve.fitted,
            bnsl.Curve(curve.held_out.x, 1e3 + 7.0 * curve.held_out.y[::-1]),
        )
        for curve in benchmark
    )
    return bnsl.Benchmark(curves)


def test_predictions_are_the_same_bit_for_bit_whatever_is_held_out(real):
    methods = ["m1", "m2", "bnsl"]
    once, again = (bnsl.run_benchmark(b, methods) for b in (real, poisoned(real)))
    assert len(once.outcomes) == 12
    for one, other in zip(once.outcomes, again.outcomes, strict=True):
        assert (one.curve.key, one.method) == (other.curve.key, other.method)
        np.testing.assert_array_equal(one.predicted, other.predicted)
        assert one.rmsle != other.rmsle


def test_the_default_methods_too_on_a_small_curve():
    benchmark = small().select(domain="BB")
    once, again = (bnsl.run_benchmark(b) for b in (benchmark, poisoned(benchmark)))
    assert once.methods == tuple(benchmarking.METHODS)
    for one, other in zip(once.outcomes, again.outcomes, strict=True):
        np.testing.assert_array_equal(one.predicted, other.predicted)


def test_a_method_is_given_the_fitted_points_and_nothing_else():
    seen = []

    def method(curve):
        seen.append(curve)
        return Constant(curve)

    benchmark = small()
    bnsl.run_benchmark(benchmark, {"spy": method})
    assert [curve.name for curve in seen] == [curve.name for curve in benchmark]
    for curve, whole in zip(seen, benchmark, strict=True):
        assert type(curve) is bnsl.Curve
        assert curve.x.max() < whole.held_out.x.min()
        for array in (curve.x, curve.y):
            assert (array if array.base is None else array.base).size == len(whole.fitted)  # no view of more
            assert not array.flags.writeable


# --- tables ---------------------------------------------------------------------------------------


def test_table_by_its_definition(run):
    table = run.table
    assert list(table) == [
        "domain", "task", "model", "method", "fitted", "held_out", "rmsle", "rmsle_stderr",
        "mean_log_error", "best", "status", "seconds",
    ]  # fmt: skip
    assert table["method"].tolist() == ["same", "less"] * 4
    assert table["domain"].tolist() == ["NMT"] * 2 + ["IC"] * 4 + ["BB"] * 2
    for (_, row), outcome in zip(table.iterrows(), run.outcomes, strict=True):
        held = outcome.curve.held_out
        wanted = outcome.curve.fitted.y[-1] * (1.0 if row["method"] == "same" else 0.4)
        np.testing.assert_array_equal(outcome.predicted, wanted)
        assert (row["rmsle"], row["rmsle_stderr"]) == rmsle(outcome.predicted, held.y)
        assert row["mean_log_error"] == pytest.approx(np.mean(np.log(wanted / held.y)))
        assert (row["fitted"], row["held_out"]) == (len(outcome.curve.fitted), len(held))
        assert row["status"] == "ok"
    assert table["best"].tolist() == [
        error <= min(pair)
        for pair in table["rmsle"].to_numpy().reshape(-1, 2)
        for error in pair
    ]  # fmt: skip


def test_by_domain_by_its_definition(run):
    summary = run.by_domain.set_index(["domain", "method"])
    assert list(dict.fromkeys(run.by_domain["domain"])) == ["IC", "BB", "NMT", "language"]
    errors = run.errors.sort_index()
    ic = errors.loc["IC", "same"].to_numpy()
    assert summary.loc[("IC", "same"), "curves"] == 2
    assert summary.loc[("IC", "same"), "rmsle_mean"] == pytest.approx(ic.mean())
    assert summary.loc[("IC", "same"), "rmsle_geomean"] == pytest.approx(np.sqrt(ic[0] * ic[1]))
    language = errors.loc[["BB", "NMT"], "less"].to_numpy()
    assert summary.loc[("language", "less"), "curves"] == 2
    assert summary.loc[("language", "less"), "rmsle_mean"] == pytest.approx(language.mean())
    assert summary.loc[("IC", "same"), "wins"] == (errors.loc["IC", "same"] < errors.loc["IC", "less"]).mean()
    assert errors.loc["NMT", "same"].iloc[0] == pytest.approx(0.0, abs=1e-15)


def test_share_better_than_all_of_the_published():
    benchmark = small()
    run = bnsl.run_benchmark(benchmark, CHEAP)
    bar = benchmark.published.min(axis=1)
    beats = run.errors["same"] < bar
    summary = run.by_domain.set_index(["domain", "method"])["beats_published"]
    assert summary["NMT", "same"] == float(beats.loc["NMT"].iloc[0]) == 1.0
    assert summary["IC", "same"] == beats.loc["IC"].mean()
    assert summary["language", "same"] == beats.loc[["NMT", "BB"]].mean()
    without = bnsl.run_benchmark(small(with_published=False), CHEAP)
    assert without.by_domain["beats_published"].isna().all()
    assert "benchmark's own" not in without.markdown()
    assert "beats_published" not in without.summary()


def test_equal_errors_count_for_both():
    run = bnsl.run_benchmark(small(), {"one": Constant, "other": Constant, "bad": CHEAP["less"]})
    summary = run.by_domain.set_index(["domain", "method"])["wins"]
    assert summary["NMT", "one"] == summary["NMT", "other"] == 1.0
    assert summary["NMT", "bad"] == 0.0


def test_true_laws_have_no_error_and_fits_are_those_of_fit():
    benchmark = small().select(domain="IC")
    run = bnsl.run_benchmark(benchmark, ["m1", "m2"])
    assert run.errors.loc[("IC", "t", "a")].max() < 1e-6
    assert run.errors.loc[("IC", "t|u", "b"), "m2"] < 1e-6 < run.errors.loc[("IC", "t|u", "b"), "m1"]
    curve = benchmark[1]
    alone = bnsl.fit(curve.fitted, form="m1").form.evaluate(
        bnsl.fit(curve.fitted, form="m1").theta, curve.held_out.x
    )
    np.testing.assert_array_equal(run.outcomes[2].predicted, alone)


def test_points_have_every_prediction(run):
    points = run.points
    assert len(points) == 2 * sum(len(curve.held_out) for curve in run.benchmark)
    part = points[(points["domain"] == "BB") & (points["method"] == "less")]
    np.testing.assert_array_equal(part["y"], run.benchmark["BB t a"].held_out.y)
    np.testing.assert_array_equal(part["predicted"], run.outcomes[-1].predicted)


# --- what fails -----------------------------------------------------------------------------------


def moody(curve):
    if curve.name == "IC t a":
        raise RuntimeError("no\nmore")
    return Constant(curve)


class Negative(Constant):
    def predict(self, x):
        return np.where(x > x[0], 1.0, -1.0)


class Short(Constant):
    def predict(self, x):
        return np.ones(1)


def test_a_failure_is_a_row_and_stops_nothing():
    methods = {"moody": moody, "negative": Negative, "short": Short, "none": lambda _: None, "same": Constant}
    run = bnsl.run_benchmark(small(), methods)
    table = run.table.set_index(["domain", "model", "method"])
    assert table.loc[("IC", "a", "moody"), "status"] == "failed: RuntimeError: no more"
    assert table.loc[("IC", "b", "moody"), "status"] == "ok"
    assert table.loc[("IC", "a", "negative"), "status"] == "no positive finite prediction at 1 of 4 points"
    assert (
        "InputError: method's predict(x) returned the shape (1,)" in table.loc[("IC", "a", "short"), "status"]
    )
    assert "method returned None" in table.loc[("IC", "a", "none"), "status"]
    assert table.loc[("IC", "a", "same"), "best"]
    assert not table.loc[("IC", "a", "moody"), "best"]
    summary = run.by_domain.set_index(["domain", "method"])
    assert summary.loc[("IC", "moody"), ["curves", "failed"]].tolist() == [2, 1]
    assert summary.loc[("IC", "negative"), "failed"] == 2
    assert np.isnan(summary.loc[("IC", "negative"), "rmsle_mean"])
    assert summary.loc[("IC", "moody"), "rmsle_mean"] == run.errors.loc[("IC", "t|u", "b"), "moody"]
    text = run.markdown()
    assert "- IC t a, moody: failed: RuntimeError: no more" in text
    assert "| failed |" in text
    axes = bnsl.plot_benchmark(run)
    plt.close(axes.figure)
    assert np.isnan(
        run.points.query("method == 'moody' and domain == 'IC' and model == 'a'")["predicted"]
    ).all()


def test_a_status_other_than_converged_is_kept():
    class Law(Constant):
        status = bnsl.Status.UNDERDETERMINED

    class Good(Constant):
        status = bnsl.Status.CONVERGED

    table = bnsl.run_benchmark(small(), {"law": Law, "good": Good}).table
    assert set(table["status"][::2]) == {"underdetermined"}
    assert set(table["status"][1::2]) == {"ok"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": ["m1", "m9"]}, r"methods\[1\] = 'm9' is unknown; choose one of 'm1'"),
        ({"methods": ["m1", "m1"]}, "methods names 'm1' twice"),
        ({"methods": []}, "must be a list of names, or a mapping"),
        ({"methods": "m1"}, "methods = 'm1' must be a list of names, or a mapping"),
        ({"methods": {}}, "methods is empty"),
        ({"methods": {"m1": "m1"}}, r"methods\['m1'\] = 'm1' must be a function of a Curve"),
        ({"threads": 0}, "threads = 0 must be a whole number >= 1"),
        ({"benchmark": [1]}, r"benchmark = \[1\] must be what bnsl.load_dataset"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(bnsl.InputError, match=message):
        bnsl.run_benchmark(**{"benchmark": small(), **arguments})


# --- running --------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads, run):
    again = bnsl.run_benchmark(small(), CHEAP, threads=threads)
    for one, other in zip(run.outcomes, again.outcomes, strict=True):
        assert (one.curve.key, one.method) == (other.curve.key, other.method)
        np.testing.assert_array_equal(one.predicted, other.predicted)


def test_one_thread_is_the_caller_s():
    seen = set()

    def method(curve):
        seen.add(threading.get_ident())
        return Constant(curve)

    bnsl.run_benchmark(small(), {"a": method, "b": method}, threads=1)
    assert seen == {threading.get_ident()}


def test_progress_counts_every_fit():
    calls = []
    bnsl.run_benchmark(small(), CHEAP, progress=lambda *call: calls.append(call))
    assert [done for done, _, _ in calls] == list(range(1, 9))
    assert {total for _, total, _ in calls} == {8}
    assert sorted(name for _, _, name in calls)[0] == "less on BB t a"


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_the_run(threads):
    count = 0

    def interrupt(done, total, name):
        nonlocal count
        count = done
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bnsl.run_benchmark(small(), CHEAP, threads=threads, progress=interrupt)
    assert count < 4


# --- text, files, figure --------------------------------------------------------------------------


def test_markdown_has_the_best_in_bold():
    run = bnsl.run_benchmark(small(), CHEAP)
    lines = run.markdown().splitlines()
    assert lines[0] == "# Errors beyond the fitted points, 4 benchmark curves"
    assert [line for line in lines if line.startswith("## ")] == [
        "## Mean RMSLE",
        "## Geometric mean RMSLE",
        "## Share of curves won",
        "## Share of curves better than all of the benchmark's own M1 to M4",
        "## IC, curve by curve",
        "## BB, curve by curve",
        "## NMT, curve by curve",
    ]
    errors, stderr = run.errors, run.table.set_index(["domain", "task", "model", "method"])["rmsle_stderr"]
    key = ("IC", "t|u", "b")
    cells = [f"{errors.loc[key, m]:.4g} ± {stderr.loc[(*key, m)]:.2g}" for m in ("same", "less")]
    assert errors.loc[key, "same"] < errors.loc[key, "less"]
    assert f"| t\\|u | b | 8 / 4 | **{cells[0]}** | {cells[1]} |" in lines
    assert "| NMT | 1 | **100.0%** | 0.0% |" in lines
    widths = {line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}
    assert widths <= {5, 6}


def test_nothing_is_bold_where_all_are_equal():
    run = bnsl.run_benchmark(small().select(domain="NMT"), {"a": Constant, "b": Constant})
    assert "| NMT | 1 | 0.0000 | 0.0000 |" in run.markdown()


def test_files_read_back(run, tmp_path):
    paths = run.write(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["results.md", "curves.csv", "domains.csv"]
    assert paths[0].read_text(encoding="utf-8") == run.markdown()
    pd.testing.assert_frame_equal(pd.read_csv(paths[1]), run.table, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(paths[2]), run.by_domain, check_dtype=False)


def test_summary_and_repr(run):
    assert repr(run) == "<BenchmarkRun of same, less on 4 curves>"
    assert run.summary().startswith("Errors beyond the fitted points, 4 benchmark curves\n\n")
    assert "rmsle_geomean" in run._repr_html_()


def test_figure_has_a_marker_a_curve(run):
    _, ax = plt.subplots()
    assert bnsl.plot_benchmark(run, ax=ax) is ax
    markers = [line for line in ax.get_lines() if line.get_marker() not in ("None", "")]
    drawn = np.sort(np.concatenate([line.get_ydata() for line in markers]))
    errors = np.sort(run.errors.to_numpy().ravel())
    np.testing.assert_array_equal(drawn, errors[errors > 0])
    assert ax.get_yscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        "IC, 2 curves",
        "BB, 1 curve",
        "NMT, 1 curve",
    ]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["same", "less", "mean", "geometric mean"]
    plt.close(ax.figure)


def test_figure_of_something_else():
    with pytest.raises(bnsl.InputError, match=r"must be what bnsl\.run_benchmark returns; got a str"):
        bnsl.plot_benchmark("run")
    perfect = bnsl.run_benchmark(small().select(domain="NMT"), {"same": Constant})
    with pytest.raises(bnsl.InputError, match="no error above 0"):
        bnsl.plot_benchmark(perfect)


# --- shell ----------------------------------------------------------------------------------------


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys, benchmark_folder):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BNSL_DATA_DIR", str(benchmark_folder))

    def shell(line):
        code = cli.main(["benchmark", *shlex.split(line)])
        return code, *capsys.readouterr()

    return shell


def test_shell_writes_tables_and_figure(shell):
    code, out, err = shell("--methods m1 --domains NMT,LM")
    assert code == 0
    assert out.startswith("Errors beyond the fitted points, 10 benchmark curves")
    folder = Path("benchmark-results")
    names = ["results.md", "curves.csv", "domains.csv", "benchmark.png"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert (folder / "benchmark.png").stat().st_size > 10_000
    lines = err.splitlines()
    assert lines[:10] == [f"bnsl: {done} of 10 fits" for done in range(1, 11)]
    assert lines[10:] == [f"bnsl: wrote {folder / name}" for name in names]
    summary = pd.read_csv(folder / "domains.csv").set_index("domain")
    assert summary.loc["NMT", "rmsle_mean"] == pytest.approx(0.2217, abs=5e-5)  # as published
    assert summary.loc["LM", "rmsle_mean"] == pytest.approx(0.0140, abs=5e-5)


def test_shell_can_be_quiet(shell):
    code, _, err = shell("--methods m1 --domains NMT --output there --quiet")
    assert (code, err) == (0, "")
    assert Path("there/benchmark.png").exists()


def test_shell_draws_a_bar_on_a_terminal(shell, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    _, _, err = shell("--methods m1 --domains NMT --output there")
    counter = err.split("bnsl: wrote")[0]
    assert counter.startswith("\r")
    assert counter.count("\n") == 1
    assert "100%|" in counter
    assert "| 5 of 5 fits, " in counter


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--methods m1,m8", "--methods 'm8' is unknown; choose one of 'm1'"),
        ("--methods m1,m1", "methods names 'm1' twice"),
        ("--domains IC,XX --methods m1", "domain = 'XX' is unknown; choose one of 'IC'"),
        ("--output file --methods m1", "--output 'file' is a file; give a folder"),
        ("--output file/sub --methods m1 --domains NMT", "file/sub: Not a directory"),
    ],
)
def test_shell_errors_are_one_line(line, message, shell):
    Path("file").touch()
    code, out, err = shell(line)
    assert (code, out) == (2, "")
    assert err.startswith("bnsl: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["benchmark", "--help"])
    assert leaving.value.code == 0
    out = capsys.readouterr().out
    assert "  bnsl benchmark --methods m1,m2 --domains LM,NMT\n" in out
    assert "BNSL_DATA_DIR" in out


def test_the_example_of_the_help_works(shell):
    assert shell("--methods m1,m2 --domains LM,NMT")[0] == 0
