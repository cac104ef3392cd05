"""The shell command on logs, and the options that choose points."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

import bnsl
from bnsl import cli

TRAINER = Path(__file__).parents[1] / "files" / "trainer_state.json"
SWEEP = "size,step,acc\n" + "".join(
    f"{size},{step},{0.0 if size == 9 and step > 40 else 0.9 - 0.5 * step**-0.3 - 0.1 * size**-0.5!r}\n"
    for size in (1, 2, 4, 9)
    for step in range(0, 101, 2)
    if step
)
FAST = "--form m1"  # where any law will do, take the one that compiles fastest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sweep.csv").write_text(SWEEP)
    Path("train.log").write_text("".join(f"step {s}: loss {2 * s**-0.3:.6f} ok\n" for s in range(1, 30)))


@pytest.fixture
def run(capsys):
    def run(line):
        code = cli.main(shlex.split(line))
        return code, *capsys.readouterr()

    return run


def curve_of(out):
    return json.loads(out)["curve"]


@pytest.mark.parametrize("command", ["fit", "forecast"])
def test_a_trainer_state(run, command):
    extra = FAST if command == "fit" else ""
    code, out, err = run(f"{command} {TRAINER} {extra} --json")
    assert code == 0
    assert curve_of(out)["x"] == [100.0, 200.0, 300.0, 400.0, 500.0]
    assert curve_of(out)["y_label"] == "eval_loss"
    taken, rate = err.splitlines()
    assert taken == "bnsl: took x = 'step' and y = 'eval_loss'; --x and --y choose other columns"
    assert rate.startswith("bnsl: the learning rate 'learning_rate' falls from 4e-05 to 0")
    assert curve_of(run(f"{command} {TRAINER} --y loss {extra} --json")[1])["y_label"] == "loss"


def test_a_log_by_a_pattern(run):
    code, out, _ = run(rf"fit train.log --pattern 'step (?P<x>\d+): loss (?P<y>\S+)' {FAST} --json")
    assert code == 0
    assert len(curve_of(out)["x"]) == 29
    code, _, err = run("fit train.log")
    assert code == 2
    assert "is a plain log; say what to look for in its lines, such as --pattern 'step (?P<x>" in err


def test_every_option_reaches_the_curve(run):
    line = f"fit sweep.csv --x step --y acc --accuracy {FAST} --json "
    code, out, err = run(line + "--by size --diverged 1.5 --warmup 5 --smooth 1.2 --envelope --points 8")
    assert code == 0
    curve = curve_of(out)
    expected = bnsl.read_curve(
        "sweep.csv",
        "step",
        "acc",
        curation=bnsl.Curation(
            by="size", accuracy="share", diverged=1.5, warmup=5, smooth=1.2, envelope=True, points=8
        ),
    )
    assert (curve["x"], curve["y"]) == (expected.x.tolist(), expected.y.tolist())
    assert curve["y_label"] == "1 - acc"
    assert err.splitlines() == [
        "bnsl: left out 8 rows below the warm-up",
        "bnsl: left out 1 of 4 runs, which diverged: '9'",
        "bnsl: smoothed y over a factor of 1.2 to either side; intervals are for smoothed points, and single "
        "ones scatter more",
        "bnsl: kept the 48 points on the lower envelope of 3 runs",
        "bnsl: kept 8 of 48 points, evenly spaced in log x",
    ]
    np.testing.assert_allclose(expected.y, 0.1 + 0.5 * expected.x**-0.3 + 0.05, rtol=1e-3)
    code, out, _ = run(line + "--where size=4")
    assert curve_of(out)["name"] == "sweep, size 4"
    assert len(curve_of(out)["x"]) == 50
    code, out, _ = run(
        "compare sweep.csv --forms m1 --x size --y acc --accuracy --by size --keep best --json"
    )
    assert code == 0
    assert json.loads(out)["fitted_points"] == 4
    Path("percent.csv").write_text("x,acc\n" + "".join(f"{x},{100 * (1 - x**-0.5)}\n" for x in (2, 4, 8, 16)))
    curve = curve_of(run(f"fit percent.csv --accuracy-percent {FAST} --json")[1])
    np.testing.assert_allclose(curve["y"], np.array([2, 4, 8, 16]) ** -0.5)
    Path("gaps.csv").write_text("x,y\n1,3\n2,\n4,2\n8,1.5\n")
    assert curve_of(run(f"fit gaps.csv --drop-missing {FAST} --json")[1])["x"] == [1.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fit sweep.csv --format excel", "invalid choice: 'excel'"),
        (
            "compare sweep.csv --x step --y acc --by size",
            "there are 4 runs by 'size': '1', '2', '4', '9'; take one",
        ),
        ("fit sweep.csv --x step --y acc --where size", "--where 'size' must be COLUMN=VALUE"),
        ("fit sweep.csv --x step --y acc --where size=1 --where size=2", "--where gives 'size' twice"),
        ("fit sweep.csv --x step --y acc --where size=3", "column 'size' never is '3'; it has '1', '2', '4'"),
        ("fit sweep.csv --x step --y acc --keep first", "invalid choice: 'first'"),
        ("fit sweep.csv --x step --y acc --smooth 0.5", "--smooth 0.5 must be a factor above 1"),
        ("fit sweep.csv --x step --y acc --warmup soon", "--warmup 'soon' is not a number"),
        ("fit sweep.csv --accuracy --accuracy-percent", "not allowed with argument"),
        ("fit sweep.csv --x step --y acc --resolution 0.1", "resolution is that of an accuracy; say that y"),
        ("fit sweep.csv --x step --y acc --offset soon", "argument --offset: 'soon' is not a number"),
        ("fit sweep.csv --decimal ;", "argument --decimal: invalid choice: ';'"),
        (
            "fit sweep.csv --x step --y acc --bound a",
            "--bound 'a' must be NAME=LOW,HIGH, such as --bound a=0",
        ),
        ("fit sweep.csv --x step --y acc --bound a=,", "--bound 'a=,' must be NAME=LOW,HIGH"),
        ("fit sweep.csv --x step --y acc --bound a=0,two", "--bound a='two' is not a number"),
        ("fit sweep.csv --x step --y acc --bound a=0,1 --bound a=0,2", "--bound gives 'a' twice"),
        ("fit sweep.csv --x step --y acc --by size,stp", "there is no column 'stp'"),
        ("fit four_digit_addition --decimal .", "--decimal: the bundled data set 'four_digit_addition' has"),
        (
            "fit four_digit_addition --points 5",
            "--points: the bundled data set 'four_digit_addition' has its",
        ),
        ("forecast four_digit_addition --format csv", "bnsl datasets four_digit_addition > curve.csv"),
        ("fit history.json --json history.json", "--json 'history.json' is FILE itself; give another name"),
        ("columns no.csv", "file 'no.csv' does not exist"),
    ],
)
def test_a_bad_option_is_one_line(run, line, message):
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert err.startswith("bnsl: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_the_columns_of_a_file(run):
    code, out, err = run(f"columns {TRAINER}")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "56 rows, read as trainer"
    assert next(line for line in lines if line.startswith("eval_loss")).split()[:2] == ["eval_loss", "5"]
    assert next(line for line in lines if line.startswith("step")).endswith("x, unless another is named")
    assert next(line for line in lines if line.startswith("eval_loss")).endswith("y, unless another is named")
    assert next(line for line in lines if line.startswith("grad_norm")).endswith("set aside")
    assert err.startswith("bnsl: next: bnsl forecast ")
    assert run(f"columns {TRAINER} --quiet")[2] == ""


@pytest.mark.parametrize(("scale", "option"), [(1, "--accuracy"), (100, "--accuracy-percent")])
def test_an_accuracy_is_told_of_its_error(run, scale, option):
    rows = "".join(f"{n},{scale * (0.9 - 0.5 * n**-0.3)!r}\n" for n in range(1, 12))
    Path("acc.csv").write_text("n,val_acc\n" + rows)
    code, _, err = run(f"fit acc.csv {FAST}")
    assert code == 0
    assert f"'val_acc' looks like an accuracy{' in per cent' if scale == 100 else ''}; {option} takes" in err
    code, _, err = run(f"fit acc.csv {FAST} {option}")
    assert code == 0
    assert "looks like" not in err


def test_the_next_step_after_the_columns_works(run):
    names = [f"{size} - loss{end}" for size in ("small", "la rge") for end in ("", "__MIN", "__MAX")]
    wide = ",".join(["step", *names]) + "\n"
    wide += "".join(f"{s},{3 * s**-0.2},1,9,{2 * s**-0.2},1,9\n" for s in range(1, 12))
    Path("my panel.csv").write_text(wide)
    code, out, err = run("columns 'my panel.csv'")
    assert code == 0
    assert "tells runs apart: 'small', 'la rge'" in out
    line = err.strip().split("\n")[-1].removeprefix("bnsl: next: bnsl ")
    assert line.startswith("forecast 'my panel.csv' --where run=small")
    assert run(line)[0] == 0
    Path("many.csv").write_text("a,b,c\n1,2,3\n2,3,4\n3,4,5\n")
    assert run("columns many.csv")[2] == "bnsl: next: bnsl forecast many.csv --x COLUMN --y COLUMN\n"


def test_columns_suggests_nothing_that_must_fail(run):
    Path("words.csv").write_text("name,kind\na,b\nc,d\ne,f\n")
    Path("one.csv").write_text("name,loss\na,3\nb,2\nc,1\n")
    Path("down.csv").write_text("a,b,c\n-1,-2,-3\n-2,-3,-4\n-3,-4,-5\n")
    for name in ("words", "one", "down"):
        code, _, err = run(f"columns {name}.csv")
        assert code == 0
        assert "next:" not in err
    assert err == "bnsl: there is nothing to forecast: no two columns have 3 points, positive numbers each\n"
    Path("two.csv").write_text("x,y\n1,3\n2,2\n")
    assert run("columns two.csv")[2].startswith(
        "bnsl: there is nothing to forecast yet: 2 points, x from 1 to"
    )
    Path("negative.csv").write_text("x,reward\n1,-3\n2,2\n3,4\n")
    assert "next: bnsl forecast negative.csv" in run("columns negative.csv")[2]
    Path("zero.csv").write_text("x,loss\n-1,3\n2,2\n3,4\n")
    assert "a forecast would be refused: column 'x', row 1 is -1" in run("columns zero.csv")[2]


def test_runs_of_a_table_have_a_role_and_are_not_pooled(run):
    rows = [f"{name},{s},{k + 2 * s**-0.3!r}\n" for k, name in enumerate(("a", "b c")) for s in range(1, 12)]
    Path("runs.csv").write_text("run,step,loss\n" + "".join(rows))
    code, out, err = run("columns runs.csv")
    assert "tells runs apart: 'a', 'b c'" in out
    line = err.strip().removeprefix("bnsl: next: bnsl ")
    assert line == "forecast runs.csv --where run=a"
    assert run(line)[0] == 0
    code, _, err = run("compare runs.csv")
    assert code == 2
    assert "there are 2 runs by 'run': 'a', 'b c'; take one of them (--where run=a)" in err
    assert "took the points of 2 runs as one curve" in run("forecast runs.csv --keep all")[2]


def test_by_takes_commas_and_names_with_commas(run):
    rows = [f"{n},{d},{s},{n**-0.2 + d**-0.2 + 1 / s!r}\n" for n in (1, 2, 4) for d in (1, 3) for s in (1, 2)]
    Path("grid.csv").write_text("N,D,step,loss\n" + "".join(rows))
    line = "fit grid.csv --x N --y loss --keep last --json --form m1 "
    assert (
        len(curve_of(run(line + "--by N,D")[1])["x"])
        == len(curve_of(run(line + "--by N --by D")[1])["x"])
        == 6
    )
    Path("odd.csv").write_text(
        '"N, in M",loss\n' + "".join(f"{n},{n**-0.2 + k}\n" for n in (1, 2, 4) for k in (0, 1))
    )
    assert len(curve_of(run("fit odd.csv --by 'N, in M' --keep best --json --form m1")[1])["x"]) == 3


def test_shifts_resolution_and_decimal_marks_reach_the_curve(run):
    Path("epoch.csv").write_text(
        "epoch,acc\n" + "".join(f"{n},{a}\n" for n, a in enumerate((20, 60, 90, 100)))
    )
    line = "fit epoch.csv --accuracy-percent --json --form m1"
    assert run(line)[0] == 2
    curve = curve_of(run(f"{line} --offset 1 --resolution 1")[1])
    assert (curve["x"], curve["x_label"]) == ([1.0, 2.0, 3.0, 4.0], "epoch + 1")
    np.testing.assert_allclose(curve["y"], [0.8, 0.4, 0.1, 0.005])
    Path("marks.csv").write_text("x;y\n1,500;3\n3,000;2\n6,000;1.5\n".replace("1.5", "1"))
    assert "say which mark is the decimal one (--decimal ." in run("fit marks.csv --form m1")[2]
    assert curve_of(run("fit marks.csv --decimal . --json --form m1")[1])["x"] == [1500.0, 3000.0, 6000.0]


def test_bounds_reach_the_fit(run):
    x = np.geomspace(1, 1e3, 15)
    Path("c.csv").write_text("x,y\n" + "".join(f"{a!r},{0.5 + 2 * a**-0.5!r}\n" for a in x.tolist()))
    alone = bnsl.fit(bnsl.read_curve("c.csv"), form="m2", bounds={"e": (None, 0.4), "b": (0, 9)})
    found = bnsl.FitResult.from_json(run("fit c.csv --form m2 --bound e=,0.4 --bound b=0,9 --json")[1])
    assert dict(found.params) == pytest.approx(dict(alone.params))
    assert found.params["e"] == pytest.approx(0.4)


def test_the_error_of_an_accuracy_is_called_so(run):
    rows = "".join(f"{n},{100 * (0.9 - 0.5 * n**-0.3):.2f}%\n" for n in range(1, 12))
    Path("acc.csv").write_text("n,top1\n" + rows)
    for command in ("fit", "forecast"):
        code, out, err = run(
            f"{command} acc.csv --accuracy-percent" + (f" {FAST}" if command == "fit" else "")
        )
        assert code == 0
        assert (
            f"{command if command == 'forecast' else 'prediction'}s of 1 - top1 / 100, with 90 % int" in out
        )
        assert "bnsl: column 'top1': '40.00%' is read as 40, in per cent" in err.splitlines()
