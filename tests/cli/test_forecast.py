"""The shell command `bnsl forecast`, and the back-test of the forecast."""

import io
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

import bnsl
from bnsl import cli
from bnsl.cli.forecast import LEAST_WEIGHT
from bnsl.curves.metrics import rmse, rmsle

CSV = "x,y\n" + "".join(f"{x},{2.0 * x**-0.3 + 0.5}\n" for x in (1, 2, 4, 8, 16, 32, 64, 128))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("curve.csv").write_text(CSV)


@pytest.fixture
def run(capsys):
    def run(line):
        code = cli.main(shlex.split(line))
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def direct(addition):
    fitted, held_out = addition.split(train_until=736)
    return bnsl.forecast(fitted), held_out


def forbid(name):
    raise AssertionError(f"{name} is not strict JSON")


def strict(text):
    return json.loads(text, parse_constant=forbid)


# --- what is printed ------------------------------------------------------------------------------


def test_the_report_has_points_errors_laws_and_forecasts(run, direct):
    code, out, err = run("forecast four_digit_addition --train-until 736")
    assert code == 0
    assert err == "bnsl: there is no file 'four_digit_addition'; took the bundled data set of that name\n"
    forecast, held_out = direct
    error, stderr = rmsle(forecast.predict(held_out.x), held_out.y)
    low, high = forecast.interval(held_out.x)
    inside = int(np.sum((low <= held_out.y) & (held_out.y <= high)))
    lines = out.splitlines()
    assert lines[:5] == [
        "forecast of four_digit_addition",
        "fitted   14 points, training set size (examples) from 160 to 736",
        "held out 3 points, training set size (examples) from 800 to 928",
        f"rmsle    {error:.6g} +- {stderr:.3g} on the held-out points",
        f"inside   {inside} of 3 points in the 90 % interval",
    ]
    laws = forecast.laws
    assert f"{laws.index[0]}  {100 * laws['weight'].iloc[0]:.1f} %" in out
    assert "forecasts, with 90 % intervals for a new measurement" in out
    table = [line.split() for line in lines[-4:]]
    assert [row[0] for row in table] == ["1104", "1472", "2944", "7360"]
    assert float(table[1][1]) == pytest.approx(forecast.predict(1472.0), rel=1e-5)
    assert float(table[0][2]) < float(table[0][1]) < float(table[0][3])


def test_the_level_is_that_of_the_intervals(run, direct):
    narrow = run("forecast four_digit_addition --train-until 736 --level 0.5 --predict 1000")[1]
    assert "50 % intervals" in narrow
    assert "in the 50 % interval" in narrow
    low, high = map(float, direct[0].interval(1000.0, 0.5))
    assert [float(cell) for cell in narrow.splitlines()[-1].split()[2:]] == pytest.approx(
        [low, high], rel=1e-5
    )


def test_laws_that_weigh_nothing_are_not_shown(run, direct):
    out = run("forecast four_digit_addition --train-until 736")[1]
    weights = direct[0].laws["weight"]
    shown = out[out.index("averaged laws") : out.index("forecasts, with")].strip().splitlines()[2:]
    assert len(shown) == int((weights >= LEAST_WEIGHT).sum())


def test_few_points_are_warned_of(run):
    out = run("forecast curve.csv --x x --y y --train-count 5 --predict 200")[1]
    assert out.splitlines()[-2] == "warnings"
    assert out.splitlines()[-1].startswith("  few_points: only 5 distinct x:")
    assert "held out 3 points, x from 32 to 128" in out


def test_nothing_is_said_of_held_out_points_where_there_are_none(run):
    out = run("forecast curve.csv --x x --y y")[1]
    assert "fitted   8 points, x from 1 to 128" in out
    assert "held" not in out
    assert "rmsle" not in out


def test_one_held_out_point(run):
    out = run("forecast curve.csv --train-count 7")[1]
    assert "held out 1 point, x from 128 to 128" in out
    assert "of 1 point in the 90 % interval" in out


def test_a_far_forecast_warns_once_in_one_line(run):
    code, _, err = run("forecast curve.csv --x x --y y --predict 1e6")
    assert code == 0
    assert err.count("\n") == 1
    assert err.startswith("bnsl: warning: far_extrapolation: x reaches beyond 10 times the fitted range")


def test_held_out_points_far_beyond_the_fit_do_not_warn(run):
    code, _, err = run("forecast curve.csv --x x --y y --train-count 4 --predict 16")
    assert (code, err) == (0, "")


def test_from_the_standard_input(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
    code, out, _ = run("forecast - --x x --y y")
    assert code == 0
    assert out.startswith("forecast of the standard input\n")


# --- JSON and figures -----------------------------------------------------------------------------


def test_json_is_strict_and_has_everything(run, direct):
    code, out, _ = run("forecast four_digit_addition --train-until 736 --predict 1000 --level 0.8 --json")
    assert code == 0
    record = strict(out)
    forecast, held_out = direct
    assert (record["bnsl"], record["version"]) == ("forecast", 1)
    assert record["curve"]["x"] == forecast.curve.x.tolist()
    low, high = map(float, forecast.interval(1000.0, 0.8))
    expected = {"x": 1000.0, "predicted": float(forecast.predict(1000.0)), "lower": low, "upper": high}
    assert record["predictions"][0] == pytest.approx({**expected, "level": 0.8}, rel=1e-12)
    assert sum(law["weight"] for law in record["laws"]) == pytest.approx(1.0)
    assert [law["law"] for law in record["laws"]] == list(forecast.laws.index)
    assert record["laws"][0]["breaks"] == list(forecast.laws["breaks"].iloc[0])
    predicted = forecast.predict(held_out.x)
    seen = record["held_out"]
    assert (seen["rmsle"], seen["rmsle_stderr"]) == pytest.approx(rmsle(predicted, held_out.y), rel=1e-12)
    assert seen["rmse"] == pytest.approx(rmse(predicted, held_out.y), rel=1e-12)
    assert [row["x"] for row in seen["points"]] == held_out.x.tolist()
    assert seen["inside"] == sum(row["lower"] <= row["y"] <= row["upper"] for row in seen["points"])
    assert record["warnings"] == []


def test_json_to_a_file_beside_the_report(run):
    code, out, err = run("forecast curve.csv --x x --y y --train-count 6 --json out.json")
    assert code == 0
    assert out.startswith("forecast of curve")
    assert err == "bnsl: wrote out.json\n"
    record = strict(Path("out.json").read_text())
    assert record["warnings"][0][0] == "few_points"
    assert strict(run("forecast --json curve.csv --train-count 6")[1]) == record


def test_figures_are_written(run):
    for options in ("--train-count 6 --level 0.5", "--predict 1000"):
        code, _, err = run(f"forecast curve.csv --x x --y y {options} --plot a.png")
        assert (code, err) == (0, "bnsl: wrote a.png\n")
        assert Path("a.png").stat().st_size > 1000
        Path("a.png").unlink()


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("forecast", "the following arguments are required: FILE (see 'bnsl forecast --help')"),
        ("forecast curv.csv", "file 'curv.csv' does not exist. Did you mean 'curve.csv'?"),
        ("forecast missing.csv --level 1", "--level 1 must lie strictly between 0 and 1"),
        ("forecast missing.csv --predict 0", "--predict 0 is not positive"),
        ("forecast missing.csv --plot out.xyz", "a figure's name must end in one of"),
        ("forecast curve.csv --json no/out.json", "'no/out.json' cannot be written"),
        ("forecast curve.csv --n-breaks 1", "unknown option or argument: --n-breaks 1"),
        ("forecast curve.csv --train-until 1e9", "nothing is held out of 8 points with x from 1 to 128"),
        ("forecast curve.csv --train-count 2", "x has 2 distinct values"),
        ("forecast curve.csv --train-count 5 --train-until 8", "not allowed with argument --train-count"),
        ("forecast negative.csv --scale log", "the log loss needs y > 0"),
        ("forecast negative.csv --scale cubic", "--scale"),
        ("backtest missing.csv --method fc", "--method 'fc' is unknown; choose one of 'forecast'"),
        ("backtest missing.csv --method forecast --form m2", "--form has no effect on --method forecast"),
        ("backtest missing.csv --method forecast --n-breaks 1", "--n-breaks has no effect on"),
        ("backtest missing.csv --method forecast --loss log1p", "--loss has no effect on"),
        ("backtest missing.csv --method forecast --fix a=0", "--fix has no effect on"),
        ("backtest missing.csv --method forecast --backend jax", "--backend has no effect on"),
        ("backtest missing.csv --method forecast --robust huber", "--robust has no effect on"),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(run, line, message, monkeypatch):
    Path("negative.csv").write_text("x,y\n1,1\n2,-2\n3,3\n")
    monkeypatch.setattr(
        "bnsl.forecasting.forecast.on_its_scale", lambda *_: pytest.fail("work before the check")
    )
    code, out, err = run(line)
    assert (code, out) == (2, "")
    *notes, last = err.splitlines()
    assert last.startswith("bnsl: error: ")
    assert message in last
    assert all(note.startswith("bnsl: took x =") for note in notes)


# --- back-test ------------------------------------------------------------------------------------


def test_backtest_of_the_forecast(run, addition):
    code, out, _ = run(
        "backtest four_digit_addition --method forecast --cut 640 --cut 736 --plot b.png --json b.json"
    )
    assert code == 0
    assert out.startswith("back-test of forecast on four_digit_addition, 17 points")
    assert "status" not in out  # a forecast has none
    record = strict(Path("b.json").read_text())
    direct = bnsl.backtest(addition, method=bnsl.forecast, cuts=[640.0, 736.0])
    assert record["label"] == "forecast"
    assert record["rmsle"] == pytest.approx(direct.rmsle, rel=1e-12)
    assert Path("b.png").stat().st_size > 1000


def test_an_outlier_is_named_and_left_out_where_asked(run, tmp_path):
    x = np.geomspace(1, 1e3, 30)
    y = (0.3 + x**-0.4) * np.exp(0.01 * np.random.default_rng(0).standard_normal(30))
    y[12] *= 2.0
    path = tmp_path / "curve.csv"
    path.write_text("x,y\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True)))
    for more, said in (("", "--robust huber"), ("--robust huber", "left out as outliers")):
        code, out, _ = run(f"forecast {path} {more}")
        assert code == 0
        assert said in out
    code, _, err = run(f"forecast {path} --robust tukey")
    assert code == 2
    assert "huber" in err


# --- runs that went wrong, several values, accuracies ---------------------------------------------


def test_a_run_that_diverged_is_told_where_to_end(run):
    x = [10 * n for n in range(1, 21)]
    y = [f"{3 + 20 / n:.4f}" for n in range(1, 16)] + ["9", "80", "", "nan", "inf"]
    Path("gone.csv").write_text("step,loss\n" + "".join(f"{a},{b}\n" for a, b in zip(x, y, strict=True)))
    code, _, err = run("forecast gone.csv")
    assert code == 2
    assert "diverged after step = 150: column 'loss' from row 18 on" in err
    assert "--train-until 150 leaves its end out" in err
    code, out, err = run("forecast gone.csv --train-until 150 --predict 1000")
    assert code == 0
    assert "left out 3 rows beyond step = 150" in err
    assert "fitted   15 points" in out
    assert float(out.split("for a new measurement\n")[1].split("\n")[1].split()[1]) > 2.5


def test_values_come_with_commas_and_repeated(run):
    code, out, _ = run("forecast curve.csv --predict 200,300 --predict 400")
    assert code == 0
    rows = out.split("for a new measurement\n")[1].split("\n")[1:4]
    assert [row.split()[0] for row in rows] == ["200", "300", "400"]
    both = "compare curve.csv --forms m1 --forms m2,bnsl --n-breaks 0 --n-breaks 1"
    out = run(both)[1]
    assert all(name in out for name in ("m1", "m2", "0 breaks", "1 break"))
    for line in ("curve.csv --predict 13B 70B", "--predict 13B 70B curve.csv"):
        code, _, err = run(f"forecast {line}")
        assert (code, "commas: --predict 13B,70B" in err) == (2, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--at 5", "'--predict'"),
        ("--output a.png", "'--plot'"),
        ("-o a.png", "'--plot'"),
        ("--run=a", "'--where run=...'"),
        ("--form m2", "'bnsl fit' takes --form"),
        ("--foramt csv", "'--format'"),
    ],
)
def test_options_of_other_names_are_understood(run, given, said):
    code, _, err = run(f"forecast curve.csv {given}")
    assert code == 2
    assert said in err
    assert "Did you mean" not in run("forecast curve.csv --wrong 3")[2]


def test_a_place_without_names_is_written_out(run):
    Path("two.csv").write_text("N,D,loss\n" + "".join(f"{n},{9 * n},{n}\n" for n in (1, 2, 3)))
    err = run("forecast two.csv --x N,D --predict 7e9,1.4e12")[2]
    assert "write --predict N=7e9,D=1.4e12" in err


def test_errors_of_accuracies_come_with_the_accuracies(run):
    rows = "".join(f"{x},{100 - 60 * x**-0.4}\n" for x in (1, 2, 4, 8, 16, 32, 64, 128))
    Path("acc.csv").write_text(f"n,accuracy\n{rows}")
    for command in ("forecast", "fit --form m2"):
        out = run(f"{command} acc.csv --accuracy-percent --predict 256")[1]
        row = out.split("for a new measurement")[1].split("\n")[2].split()
        assert float(row[4]) == pytest.approx(100 - 100 * float(row[1]), abs=0.01)
        assert float(row[6]) <= float(row[4]) <= float(row[8])
