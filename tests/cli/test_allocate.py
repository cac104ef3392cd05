"""The shell on tables of several inputs: `bnsl allocate`, and `bnsl fit --x params,tokens`."""

import json
import shlex
from pathlib import Path

import pytest
from chinchilla import CHINCHILLA, LAW, best_params, runs

import bnsl
from bnsl import cli


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = runs(LAW).assign(kind=lambda t: [f"k{i // 8}" for i in t.index])
    frame.to_csv("runs.csv", index=False)


@pytest.fixture
def run(capsys):
    def run(line):
        code = cli.main(shlex.split(line))
        return code, *capsys.readouterr()

    return run


def test_allocate_gives_what_python_gives(run):
    code, out, err = run(
        "allocate runs.csv --x params,tokens --y loss --compute 2e21 --form chinchilla --json"
    )
    assert (code, err) == (0, "")
    record = json.loads(out)
    (row,) = record["budgets"]
    expected = CHINCHILLA.allocate(2e21).iloc[0]
    assert row == pytest.approx(expected.to_dict(), rel=1e-9)
    assert record["level"] == 0.8
    assert row["params"] == pytest.approx(best_params(CHINCHILLA.theta, 2e21), rel=1e-6)


def test_allocate_draws_and_prints_budgets_and_warnings(run):
    line = (
        "allocate runs.csv --x params,tokens --compute 1e21,1e25 --form chinchilla --plot out.png --factor 8"
    )
    code, out, err = run(line)
    assert code == 0
    assert "took y = 'loss'" in err
    assert out.count("with 80 % intervals") == 2
    assert "budget_outside_data: compute = 1e+25" in out
    assert Path("out.png").stat().st_size > 10_000


def test_fit_takes_several_inputs_and_groups(run):
    line = "fit runs.csv --x params,tokens --y loss --form chinchilla --groups kind"
    code, out, _ = run(f"{line} --json fit.json --plot fit.png")
    assert code == 0
    assert "56 in 7 groups, params from 3e+07 to 3e+09, tokens from 5e+08 to 2e+11" in out
    found = bnsl.FitResult.from_json(Path("fit.json").read_text())
    assert dict(found.params) == pytest.approx(dict(CHINCHILLA.params), rel=1e-6)


def test_fit_holds_out_the_runs_of_most_compute(run):
    code, out, _ = run("fit runs.csv --x params,tokens --y loss --form chinchilla --train-fraction 0.75")
    assert code == 0
    assert "14" in out
    assert "held" in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("allocate runs.csv --x params --compute 1e21", "--x must name the columns of the inputs"),
        ("allocate runs.csv --x params,token --compute 1e21", "--x: there is no column 'token'"),
        ("allocate runs.csv --x params,tokens --y lose --compute 1e21", "--y: there is no column 'lose'"),
        ("allocate runs.csv --x params,tokens --compute=-1e21", "--compute -1e+21 is not positive"),
        (
            "allocate runs.csv --x params,tokens --compute 1e21 --form m2",
            "--x names 2 columns, and form 'm2' takes x",
        ),
        ("allocate runs.csv --x params,tokens --compute 1e21 --factor 0", "factor"),
        ("allocate runs.csv --x params,tokens", "--compute"),
        ("fit runs.csv --x params,tokens --envelope", "--envelope is for curves of one input"),
        ("fit runs.csv --x params,tokens --predict 1e9", "--predict is for laws of one input"),
        ("fit runs.csv --x params --y loss --groups kind", "--groups is for several inputs"),
    ],
)
def test_bad_input_is_one_line_and_code_2(run, line, message):
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
