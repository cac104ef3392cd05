import io

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl.cli import main


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(0)
    x = np.tile(np.geomspace(1, 1e4, 18), 3)
    y = (0.1 + 2 * x**-0.4) * np.exp(0.01 * rng.normal(size=54))
    y[40] = -1.0
    table = pd.DataFrame({"model": np.repeat(["a", "b", "c"], 18), "run": 1, "x": x, "y": y})
    path = tmp_path_factory.mktemp("many") / "runs.csv"
    table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_rows_go_to_a_file(file, tmp_path, capsys, ending):
    out = tmp_path / f"laws.{ending}"
    arguments = ["--by", "model,run", "--form", "m2", "--predict", "1e5", "-o", str(out)]
    assert main(["fit-many", str(file), *arguments]) == 0
    read = {"csv": pd.read_csv, "tsv": pd.read_table, "parquet": pd.read_parquet}
    rows = pd.read_json(out, lines=True) if ending == "jsonl" else read[ending](out)
    expected = bnsl.fit_many(pd.read_csv(file), "x", "y", ["model", "run"], form="m2", predict_at=[1e5])
    assert rows["status"].tolist() == ["converged", "converged", "invalid"]
    assert rows["run"].dtype == "int64"  # 1 in FILE is not 1.0 in the rows
    np.testing.assert_allclose(rows["y_at_100000"], expected["y_at_100000"].astype(float), rtol=1e-9)
    assert "3 curves: 2 converged, 1 invalid" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.partial"))


def test_the_options_of_a_fit_reach_every_curve(file, capsys):
    options = [
        "--form",
        "m2",
        "--loss",
        "log1p",
        "--robust",
        "huber",
        "--robust-scale",
        "0.02",
        "--fix",
        "e=0.1",
    ]
    assert main(["fit-many", str(file), "--by", "model", "--x", "x", "--y", "y", *options]) == 0
    rows = pd.read_csv(io.StringIO(capsys.readouterr().out))
    curve = pd.read_csv(file).query("model == 'a'")
    alone = bnsl.fit(
        curve["x"], curve["y"], form="m2", loss="log1p", robust="huber", robust_scale=0.02, fixed={"e": 0.1}
    )
    assert rows.loc[0, ["b", "c", "e"]].to_dict() == pytest.approx(dict(alone.params), rel=1e-6)


def test_rows_go_to_the_standard_output_and_to_parts(file, tmp_path, capsys):
    arguments = ["fit-many", str(file), "--by", "model", "--x", "x", "--y", "y", "--form", "m2"]
    assert main([*arguments, "--parts", str(tmp_path / "parts")]) == 0
    first = capsys.readouterr().out
    assert first.splitlines()[0].startswith("model,status,warnings,message,n_points,n_breaks,rmsle,b,c,e")
    assert len(pd.read_parquet(tmp_path / "parts")) == 3
    assert main([*arguments, "--parts", str(tmp_path / "parts")]) == 0
    assert capsys.readouterr().out == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "modle"], "no column 'modle'"),
        (["--by", "model", "-o", "laws.txt"], "must end in"),
        (["--by", "model", "--form", "m2", "--device", "abacus"], "no such device"),
        (
            ["--by", "model", "--backend", "cuda"],
            "--backend 'cuda' is unknown; choose one of 'auto', 'numpy', 'jax'",
        ),
        (["--by", "model", "--form", "m5"], "--form 'm5' is unknown"),
        ([], "required: --by"),
    ],
)
def test_bad_calls_are_one_line(file, capsys, arguments, message):
    assert main(["fit-many", str(file), "--x", "x", "--y", "y", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.fixture(scope="module")
def accuracies(tmp_path_factory):
    """Two models on two splits, and one that breaks off and whose accuracy falls at the end."""
    rng = np.random.default_rng(1)
    x = np.geomspace(1e3, 1e7, 20)
    parts = []
    for model, slope in (("a", 0.2), ("b", 0.3), ("bad", 0.1)):
        for split in ("test", "train"):
            error = (0.05 + 2 * x**-slope) / 2.2 * np.exp(0.01 * rng.normal(size=len(x)))
            if model == "bad":
                error[-3:] = np.nan
            parts.append(pd.DataFrame({"model": model, "split": split, "x": x, "accuracy": 1 - error}))
    path = tmp_path_factory.mktemp("many") / "accuracies.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


def many(file, capsys, *options):
    """The rows that the command prints for one split, and what it tells."""
    arguments = ["--by", "model", "--x", "x", "--y", "accuracy", "--where", "split=test", "--form", "m2"]
    assert main(["fit-many", str(file), *arguments, *options]) == 0
    said = capsys.readouterr()
    return pd.read_csv(io.StringIO(said.out)), said.err


def test_only_the_rows_that_are_asked_for_are_fitted(accuracies, capsys):
    rows, _ = many(accuracies, capsys)
    assert rows["model"].tolist() == ["a", "b", "bad"]
    assert rows["status"].tolist()[2] == "invalid"
    table = pd.read_csv(accuracies).query("split == 'test'")
    expected = bnsl.fit_many(table, "x", "accuracy", "model", form="m2")
    np.testing.assert_allclose(rows["c"], expected["c"].astype(float), rtol=1e-9)


def test_accuracies_become_errors_and_rows_without_values_are_left_out(accuracies, capsys):
    rows, said = many(accuracies, capsys, "--accuracy", "--drop-missing")
    assert rows["n_points"].tolist() == [20, 20, 17]
    np.testing.assert_allclose(rows["c"], [0.2, 0.3, 0.1], atol=0.02)
    assert "bnsl: left out 3 rows without x or y" in said
    assert "bnsl: the curves are 1 - accuracy" in said


def test_every_curve_is_smoothed_by_itself_and_those_that_diverged_are_left_out(accuracies, capsys):
    rough, _ = many(accuracies, capsys, "--accuracy", "--diverged", "2")
    rows, said = many(accuracies, capsys, "--accuracy", "--diverged", "2", "--smooth", "5", "--warmup", "1e4")
    assert rows["model"].tolist() == rough["model"].tolist() == ["a", "b"]
    assert (rows["rmsle"] < 0.7 * rough["rmsle"]).all()
    assert rows["n_points"].tolist() == [15, 15]
    assert "left out 1 of 3 runs, which diverged: 'bad'" in said


def test_a_value_that_no_row_has_is_told(accuracies, capsys):
    arguments = ["--by", "model", "--x", "x", "--y", "accuracy", "--where", "split=val"]
    assert main(["fit-many", str(accuracies), *arguments]) == 2
    assert capsys.readouterr().err == ("bnsl: error: column 'split' never is 'val'; it has 'test', 'train'\n")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """A good curve, one with a word in it, one that ends in NaN, and one without any value."""
    x = np.geomspace(1e3, 1e6, 12)
    y = (1 + 20 * x**-0.4).round(6).astype(str)
    word, nan, none = y.copy().astype(object), y.copy().astype(object), [""] * 12
    word[5], nan[-2:] = "crashed", "nan"
    columns = {"good": y, "word": word, "ends": nan, "empty": none}
    parts = [pd.DataFrame({"run": run, "x": x, "loss": values}) for run, values in columns.items()]
    path = tmp_path_factory.mktemp("many") / "troubled.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


def test_a_curve_that_cannot_be_prepared_stops_no_other(troubled, capsys):
    arguments = ["fit-many", str(troubled), "--by", "run", "--x", "x", "--y", "loss", "--form", "m2"]
    assert main([*arguments, "--drop-missing"]) == 0
    said = capsys.readouterr()
    assert pd.read_csv(io.StringIO(said.out))["run"].tolist() == ["good", "ends"]
    assert "left out curve 'word': column 'loss', row 18 is 'crashed', which is not a number" in said.err
    assert "left out curve 'empty': no row has both 'x' and 'loss'" in said.err
    assert main([*arguments, "--drop-missing", "--diverged", "2"]) == 0
    said = capsys.readouterr()
    assert pd.read_csv(io.StringIO(said.out))["run"].tolist() == ["good"]
    assert "left out curve 'ends': the run diverged" in said.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--where", "run=word", "--drop-missing"], "is 'crashed', which is not a number"),
        (["--sigma", "run"], "--by has this column already"),
    ],
)
def test_calls_that_leave_nothing_are_one_line(troubled, capsys, options, message):
    arguments = ["fit-many", str(troubled), "--by", "run", "--x", "x", "--y", "loss", *options]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_points_steps_and_names_of_each_curve(tmp_path, capsys):
    x = np.tile(np.arange(0.0, 200.0), 2)
    size = np.repeat(["31M", "1.1B"], 200)
    table = pd.DataFrame({"size": size, "step": x, "loss": 1 + (1 + x) ** -0.5})
    table.to_csv(tmp_path / "t.csv", index=False)
    base = ["fit-many", str(tmp_path / "t.csv"), "--by", "size", "--x", "step", "--y", "loss", "--form", "m2"]
    assert main([*base, "--points", "12"]) == 0
    said = capsys.readouterr()
    rows = pd.read_csv(io.StringIO(said.out))
    assert rows["size"].tolist() == ["31M", "1.1B"]  # as in the file
    assert rows["n_points"].tolist() == [12, 12]
    assert "left out 2 rows with step = 0, which has no logarithm" in said.err
    assert "kept 24 of 398 points, evenly spaced in log x of each curve" in said.err
    assert main([*base, "--offset", "1"]) == 0
    said = capsys.readouterr()
    np.testing.assert_allclose(pd.read_csv(io.StringIO(said.out))["e"], 1.0, rtol=1e-6)
    assert main(base) == 0
    assert pd.read_csv(io.StringIO(capsys.readouterr().out))["n_points"].tolist() == [199, 199]


def test_runs_of_a_log_are_fitted_where_y_was_logged(tmp_path, capsys):
    lines = [{"step": s, "lr": 0.1, **({"loss": 1 + s**-0.5} if s % 2 else {})} for s in range(1, 40)]
    path = tmp_path / "t.jsonl"
    pd.DataFrame(lines).assign(run="a").to_json(path, orient="records", lines=True)
    path.write_text(path.read_text().replace(',"loss":null', ""))
    assert main(["fit-many", str(path), "--by", "run", "--form", "m2"]) == 0
    said = capsys.readouterr()
    assert pd.read_csv(io.StringIO(said.out))["n_points"].tolist() == [20]
    assert "took x = 'step' and y = 'loss'" in said.err
    assert "left out 19 rows without x or y" in said.err
