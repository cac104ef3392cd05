"""The shell on tables of several inputs: `bnsl allocate`, and the other commands with `--x params,tokens`."""

import json
import shlex
from pathlib import Path

import pandas as pd
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


def test_budgets_may_be_repeated_and_forms_are_those_of_several_inputs(run):
    line = "allocate runs.csv --x params,tokens --form chinchilla --compute 1e21 --compute 2e21,3e21 --json"
    budgets = json.loads(run(line)[1])["budgets"]
    assert [row["compute"] for row in budgets] == [1e21, 2e21, 3e21]
    err = run("allocate runs.csv --x params,tokens --form foo --compute 1e21")[2]
    assert "'kaplan'" in err
    assert "'m1'" not in err


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


def test_fit_predicts_at_inputs_by_name(run):
    line = "fit runs.csv --x params,tokens --y loss --form chinchilla --json"
    _, out, _ = run(f"{line} --predict params=2B,tokens=40B --predict tokens=1T,params=1.5e9")
    rows = json.loads(out)["predictions"]
    assert [(row["params"], row["tokens"]) for row in rows] == [(2e9, 4e10), (1.5e9, 1e12)]
    expected = CHINCHILLA.predict([[2e9, 4e10], [1.5e9, 1e12]])
    assert [row["predicted"] for row in rows] == pytest.approx(expected.tolist(), rel=1e-9)
    _, out, _ = run(line)
    ahead = json.loads(out)["predictions"]  # where there is none, the run of most compute, grown
    assert [row["params"] * row["tokens"] for row in ahead] == pytest.approx([2 * 6e20, 10 * 6e20])
    assert [row["tokens"] / row["params"] for row in ahead] == pytest.approx([200 / 3] * 2)


def test_forecast_says_what_python_says_and_is_checked_on_the_dearest_runs(run):
    line = "forecast runs.csv --x params,tokens --y loss --groups kind --predict params=2B,tokens=40B"
    code, out, _ = run(f"{line} --train-fraction 0.75 --json out.json --plot out.png")
    assert code == 0
    assert "held out 14 points, params from" in out
    record = json.loads(Path("out.json").read_text())
    frame = pd.read_csv("runs.csv")
    cheap = frame[(frame["params"] * frame["tokens"]).rank() <= 42]
    found = bnsl.forecast(cheap, inputs=["params", "tokens"], y="loss", groups="kind")
    assert record["predictions"][0]["predicted"] == found.predict({"params": 2e9, "tokens": 4e10})
    assert [law["law"] for law in record["laws"]] == list(found.laws.index)
    assert len(record["held_out"]["points"]) == 14
    assert Path("out.png").stat().st_size > 20_000


def test_compare_ranks_laws_of_several_inputs(run):
    line = (
        "compare runs.csv --x params,tokens --y loss --forms kaplan,chinchilla --train-fraction 0.75 --json"
    )
    _, out, _ = run(line)
    assert [row["form"] for row in json.loads(out)["table"]] == ["chinchilla", "kaplan"]


def test_backtest_cuts_the_product(run):
    _, out, _ = run("backtest runs.csv --x params,tokens --y loss --form chinchilla --cut 1e19 --json")
    points = json.loads(out)["points"]
    assert {"params", "tokens"} < set(points[0])
    assert min(row["params"] * row["tokens"] for row in points) > 1e19
    assert max(abs(row["log_error"]) for row in points) < 0.03  # the noise is 0.004


def test_suggest_takes_runs_by_name_or_finds_them(run):
    line = "suggest runs.csv --x params,tokens --y loss --form chinchilla --target params=7B,tokens=1.4T"
    _, out, _ = run(f"{line} --candidates params=3B,tokens=60B --candidates params=1B,tokens=20B --json")
    record = json.loads(out)
    assert sorted(row["params"] for row in record["candidates"]) == [1e9, 3e9]
    assert record["target"] == [{"params": 7e9, "tokens": 1.4e12}]
    code, out, _ = run(f"{line} --plot out.png")
    assert code == 0
    assert len(out.splitlines()) == 15
    assert Path("out.png").stat().st_size > 10_000


def test_fit_many_fits_every_part(run):
    frame = pd.read_csv("runs.csv")
    both = pd.concat([frame.assign(size="70M"), frame.assign(size="1.4B", loss=2 * frame["loss"])])
    both.to_csv("both.csv", index=False)
    line = "fit-many both.csv --by size --x params,tokens --y loss --form chinchilla --quiet -o laws.csv"
    code, _, err = run(f"{line} --predict params=2B,tokens=40B")
    assert (code, err) == (0, "")
    rows = pd.read_csv("laws.csv")
    assert rows["size"].tolist() == ["70M", "1.4B"]
    expected = CHINCHILLA.predict([2e9, 4e10])
    assert rows.iloc[0, -1] == pytest.approx(float(expected), rel=1e-9)
    assert rows.loc[1, "E"] == pytest.approx(2 * CHINCHILLA.params["E"], rel=1e-6)


def test_a_column_with_a_comma_in_its_name_is_quoted(run):
    frame = pd.read_csv("runs.csv").rename(columns={"params": "params, all"})
    frame.to_csv("comma.csv", index=False)
    _, _, err = run("forecast comma.csv --y loss --x 'params, all'")
    assert err.strip().endswith("""of that one column write --x '"params, all"'""")
    line = "comma.csv --y loss --form m1 --x"
    code, out, _ = run(f"""fit {line} '"params, all"'""")
    assert code == 0
    assert "params, all from 3e+07 to 3e+09" in out
    code, out, _ = run("""fit comma.csv --x '"params, all",tokens' --y loss --form chinchilla""")
    assert code == 0
    assert "params, all from 3e+07 to 3e+09, tokens from" in out


@pytest.mark.parametrize("columns", ["params,tokens", "params,tokens,epochs"])
def test_plot_draws_any_number_of_inputs(run, columns):
    frame = pd.read_csv("runs.csv")
    frame.assign(epochs=[1 + i % 4 for i in frame.index]).to_csv("runs.csv", index=False)
    code, _, _ = run(f"plot runs.csv --x {columns} --y loss --n-breaks 0 -o out.png")
    assert code == 0
    assert Path("out.png").stat().st_size > 10_000


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
        (
            "fit runs.csv --x params,tokens --predict 1e9",
            "write --predict params=1e9,tokens=1e9",
        ),
        ("fit runs.csv --x params,tokens --predict params=1e9", "the input 'tokens' is missing"),
        (
            "fit runs.csv --x params,tokens --predict params=1e9,token=1",
            "--predict: 'token' is no input; they are params, tokens. Did you mean 'tokens'?",
        ),
        ("fit runs.csv --x params,tokens --predict params=1e9,tokens=many", "'many' is not a number"),
        ("fit runs.csv --x params,tokens --predict params=1,params=2", "must give each input once"),
        ("fit runs.csv --x params,tokens --predict params=1e9,tokens=-1", "--predict tokens = -1"),
        (
            "fit runs.csv --x params --y loss --predict params=1e9,tokens=2",
            "--predict names params, tokens; name these columns, --x params,tokens",
        ),
        ("fit runs.csv --x params --y loss --form chinchilla", "--x names 1 column, and form 'chinchilla'"),
        ("compare runs.csv --x params,tokens --forms m2", "--x names 2 columns, and form 'm2' takes x"),
        ("forecast runs.csv --x params,tokens --scale linear", "is for curves of one input"),
        ("forecast runs.csv --x params,tokens --robust huber", "is for curves of one input"),
        ("backtest runs.csv --x params,tokens --cut 1e30", "params x tokens ends at 6e+20"),
        ("suggest runs.csv --x params,tokens --target 3e9", "write --target params=1e9,tokens=1e9"),
        ("suggest runs.csv --x params,tokens --form kaplan --target params=1e8,tokens=1e9", "--candidates"),
        ("fit-many runs.csv --by kind --x params,tokens --smooth 1.1", "--smooth is for curves of one input"),
        ("fit-many runs.csv --by kind --x params,kind", "--x kind: --by has this column already"),
        ("plot runs.csv --x params,tokens --decompose -o out.png", "--decompose is for curves of one input"),
        (
            "allocate runs.csv --x params,tokens --compute 1e21 --robust huber",
            "--robust is for one law; add --form NAME",
        ),
        ("fit runs.csv --x params --y loss --groups kind", "--groups is for several inputs"),
    ],
)
def test_bad_input_is_one_line_and_code_2(run, line, message):
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
