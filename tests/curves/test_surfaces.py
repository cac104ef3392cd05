"""Tables of runs with several inputs."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl import cli
from bnsl.curves import surfaces
from bnsl.curves.surfaces import chinchilla_from_table

ROOT = Path(__file__).parents[2]
COLUMNS = ["params", "tokens", "flops", "loss", "outlier"]


def original(rows=245, **changes):
    """A table like the one that is fetched; its losses fall, so the outliers are the first five."""
    params, flops = np.geomspace(5e7, 1.6e10, rows), np.geomspace(1e18, 1e22, rows)
    table = {"Model Size": params, "Training FLOP": flops, "loss": np.linspace(5.0, 2.0, rows)}
    return pd.DataFrame(table | changes)


@pytest.fixture
def chinchilla(benchmark_folder, monkeypatch):
    monkeypatch.setenv("BNSL_DATA_DIR", str(benchmark_folder))
    if not (benchmark_folder / surfaces.TABLE).is_file():
        pytest.skip(f"{surfaces.TABLE} is not at hand")
    return bnsl.load_dataset("chinchilla")


def test_chinchilla_has_245_runs(chinchilla):
    assert list(chinchilla.columns) == COLUMNS
    assert len(chinchilla) == 245
    np.testing.assert_allclose(6 * chinchilla["params"] * chinchilla["tokens"], chinchilla["flops"])


def test_the_240_rows_leave_out_the_five_of_largest_loss(chinchilla):
    kept, out = chinchilla[~chinchilla["outlier"]], chinchilla[chinchilla["outlier"]]
    assert (len(kept), len(out)) == (240, 5)
    assert kept["loss"].max() < out["loss"].min()


def test_the_minimum_of_the_published_objective_is_that_of_these_rows(chinchilla):
    """Huber sum of log residuals, delta 1e-3, at the best parameters known: .0010182740."""
    runs = chinchilla[~chinchilla["outlier"]]
    law = 1.81722 + 477.826 / runs["params"] ** 0.347310 + 2143.42 / runs["tokens"] ** 0.367172
    size = np.abs(np.log(law / runs["loss"]))
    huber = np.where(size < 1e-3, size**2 / 2, 1e-3 * (size - 5e-4))
    assert huber.sum() == pytest.approx(0.0010182740, rel=1e-6)


def test_both_files_give_the_same():
    first = original()
    second = first.rename(columns={"Model Size": "N", "Training FLOP": "C"})
    second.insert(1, "D", second["C"] / 6 / second["N"])
    one, two = chinchilla_from_table(first, "a"), chinchilla_from_table(second, "b")
    pd.testing.assert_frame_equal(one, two)
    assert one["outlier"].tolist() == [True] * 5 + [False] * 240


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (original(100), "'x.csv' has 100 rows; expected 245"),
        (original().drop(columns="loss"), "'x.csv' has no column loss of positive numbers; its columns are"),
        (original(**{"Model Size": 0.0}), "has no column params of positive numbers"),
        (original(loss="low"), "has no column loss of positive numbers"),
        (original(loss=np.nan), "has no column loss of positive numbers"),
    ],
)
def test_another_table_is_refused(table, message):
    with pytest.raises(bnsl.InputError, match=message):
        chinchilla_from_table(table, "x.csv")


def test_what_is_not_at_hand_is_fetched(tmp_path, monkeypatch):
    path = tmp_path / "cached.csv"
    original().to_csv(path, index=False)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    asked = []

    def fetched(*arguments):
        asked.append(arguments)
        return path

    monkeypatch.setenv("BNSL_DATA_DIR", "")
    monkeypatch.setattr("bnsl.curves.fetching.fetch", fetched)
    with pytest.raises(bnsl.InputError, match=r"cached.csv' is damaged or another version"):
        bnsl.load_dataset("chinchilla")
    monkeypatch.setattr(surfaces, "EXTRACTED", ("svg_extracted_data.csv", sha256))
    assert len(bnsl.load_dataset("chinchilla")) == 245
    assert asked[0] == (
        "svg_extracted_data.csv",
        "193478df4e90f040016431996c45682659306840ecdadf83cfb9cd5ca0aa1b30",
        surfaces.ORIGIN,
    )
    assert "/92258837425e1b5f2851d624287f0120583a3d0e/data/" in surfaces.ORIGIN


def test_the_original_file_may_be_in_the_folder(tmp_path, monkeypatch):
    path = tmp_path / "svg_extracted_data.csv"
    original().to_csv(path, index=False)
    monkeypatch.setattr(surfaces, "EXTRACTED", (path.name, hashlib.sha256(path.read_bytes()).hexdigest()))
    monkeypatch.setenv("BNSL_DATA_DIR", str(tmp_path))
    assert len(bnsl.load_dataset("chinchilla")) == 245


def test_a_file_that_is_no_table_is_told(tmp_path, monkeypatch):
    (tmp_path / "inputs").mkdir()
    (tmp_path / surfaces.TABLE).write_bytes(b"")
    monkeypatch.setenv("BNSL_DATA_DIR", str(tmp_path))
    with pytest.raises(bnsl.InputError, match=r"chinchilla_epoch_245.csv' cannot be read"):
        bnsl.load_dataset("chinchilla")


def test_the_shell_lists_tables_and_fetches_nothing(monkeypatch, capsys):
    def refuse(*_):
        raise AssertionError("fetched")

    monkeypatch.setattr("bnsl.curves.fetching.fetch", refuse)
    monkeypatch.setenv("BNSL_DATA_DIR", "")
    assert cli.main(["datasets", "--json"]) == 0
    names = [entry["name"] for entry in json.loads(capsys.readouterr().out)]
    assert {"chinchilla", "loss_surface"} <= set(names)
    assert cli.main(["datasets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == names


def test_a_table_is_no_curve_to_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fit", "loss_surface"]) == 2
    err = capsys.readouterr().err
    assert "took the data set of that name" in err
    assert "say which columns to take (--x and --y); the columns are 'params'" in err


def test_the_shell_writes_a_table(capsys):
    assert cli.main(["datasets", "loss_surface"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == ",".join(bnsl.load_dataset("loss_surface").columns)
    assert len(lines) == 1 + len(bnsl.load_dataset("loss_surface"))


# --- the surface that this project measured -------------------------------------------------------


@pytest.fixture(scope="module")
def surface():
    return bnsl.load_dataset("loss_surface")


def test_the_surface_is_a_grid_and_runs_of_several_epochs(surface):
    once = surface[surface["epochs"] == 1]
    assert once.groupby("params").size().tolist() == [6] * 6
    assert len(surface) - len(once) == 12
    assert surface["run"].is_unique
    np.testing.assert_array_equal(surface["flops"], 6 * surface["params"] * surface["tokens"])
    np.testing.assert_array_equal(surface["tokens"], surface["unique_tokens"] * surface["epochs"])
    assert (surface["params_no_embed"] < surface["params"]).all()


def test_the_surface_falls_with_data_and_has_little_noise(surface):
    once = surface[surface["epochs"] == 1].sort_values("tokens")
    for _, size in once.groupby("params"):
        assert (np.diff(size["loss"]) < 0).all()
    assert (surface["loss_err"] < 0.005 * surface["loss"]).all()


def test_repeated_data_are_worth_less_than_fresh_ones(surface):
    for _, size in surface.groupby("params"):
        once = size[size["epochs"] == 1].sort_values("tokens")
        again = size[size["epochs"] > 1]
        fresh = np.interp(np.log(again["tokens"]), np.log(once["tokens"]), once["loss"])
        assert (again["loss"] > 0.99 * fresh).all()
        assert (again["loss"] > fresh + 0.05)[again["epochs"] == 30].all()


def test_its_diagonals_have_one_compute_and_minima_inside(surface):
    once = surface[surface["epochs"] == 1]
    result = bnsl.isoflop_fit(once)
    assert result.table["runs"].tolist() == [3, 4, 5, 6, 5, 4, 3]
    assert (result.table["status"] == "inside").sum() >= 4
    assert 0.3 < result.exponent < 0.9


def test_the_program_measures_a_row_again(surface, tmp_path):
    if importlib.util.find_spec("optax") is None:  # not imported here: JAX does not go with a later fork
        pytest.skip("optax is not installed: no row is measured again")
    program, again = ROOT / "data/make_loss_surface.py", tmp_path / "again.csv"
    arguments = [sys.executable, str(program), "--only", "w10-a0", "--output", str(again)]
    subprocess.run(arguments, check=True, capture_output=True, timeout=300)
    made = pd.read_csv(again)
    assert list(made.columns) == list(surface.columns)
    stored = surface.set_index("run").loc["w10-a0"]
    # Another Python has another library, and so another text.
    assert made["loss"][0] == pytest.approx(stored["loss"], rel=0.03)
    assert made["tokens"][0] == stored["tokens"]
