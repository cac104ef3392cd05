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
    np.testing.assert_allclose(rows["y_at_100000"], expected["y_at_100000"].astype(float), rtol=1e-9)
    assert "3 curves: 2 converged, 1 invalid" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.partial"))


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
        (["--by", "model", "--device", "abacus"], "no such device"),
        ([], "required: --by"),
    ],
)
def test_bad_calls_are_one_line(file, capsys, arguments, message):
    assert main(["fit-many", str(file), "--x", "x", "--y", "y", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
