"""Several runs in one file, numbers as people write them, and points that are held out and go elsewhere."""

import json

import numpy as np
import pytest

from bnsl.cli import main

STEPS = np.arange(1, 13) * 100


def panel(path, runs=("base", "wide model")):
    names = [f"{run} - val/loss{end}" for run in runs for end in ("", "__MIN", "__MAX")]
    lines = [",".join(["Step", *names])]
    for s in STEPS:
        cells = [(0.7 + k + 4 * s**-0.35) * f for k in range(len(runs)) for f in (1.0, 0.98, 1.03)]
        lines.append(",".join([str(s), *(f"{cell:.6g}" for cell in cells)]))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_names_of_runs_may_have_an_equals_sign(tmp_path, capsys):
    file = panel(tmp_path / "panel.csv", runs=("base", "wide lr=3e-4"))
    assert main(["fit", file, "--where", "run=wide lr=3e-4"]) == 0
    assert "fitted to panel, run wide lr=3e-4" in capsys.readouterr().out
    assert main(["fit", file, "--plot", str(tmp_path / "a.png")]) == 2
    assert "there are 'base', 'wide lr=3e-4'; choose one" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "forecast"])
def test_an_export_of_several_runs_has_an_answer_for_each(command, tmp_path, capsys):
    file = panel(tmp_path / "panel.csv")
    assert main([command, file]) == 0
    out, err = capsys.readouterr()
    rows = [line for line in out.splitlines() if line.startswith(("base", "wide model"))]
    assert [float(row.split("2400")[1].split()[0]) for row in rows] == pytest.approx(
        [k + 0.7 + 4 * 2400**-0.35 for k in (0, 1)], rel=0.02
    )
    assert "'val/loss__MIN', 'val/loss__MAX' are the spread" in err
    assert main([command, file, "--train-until", "0.9K", "--predict", "5k", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record["runs"]) == ["base", "wide model"]
    for run in record["runs"].values():
        assert run["predictions"][0]["x"] == 5000.0
        assert len(run["held_out"]["points"]) == 3


def test_runs_too_short_are_told_and_one_figure_is_of_one_run(tmp_path, capsys):
    rows = [f"a,{s},{1 + 2 * s**-0.4}\nb,{s},{2 + 2 * s**-0.4}" for s in STEPS.tolist()]
    file = tmp_path / "runs.csv"
    file.write_text("run,step,loss\n" + "\n".join([*rows, "c,100,3", "c,200,2.5"]) + "\n")
    assert main(["forecast", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "forecasts of 2 runs" in out
    assert "bnsl: left out run 'c': x has 2 distinct values" in err.splitlines()[-1]
    assert main(["fit", str(file), "--plot", str(tmp_path / "a.png")]) == 2
    assert "--plot draws one run, and there are 'a', 'b'" in capsys.readouterr().err
    assert main(["compare", str(file)]) == 2
    assert "take one of them (--where run=a)" in capsys.readouterr().err


def test_numbers_are_taken_as_people_write_them(tmp_path, capsys):
    x = np.geomspace(1e7, 1e9, 9)
    file = tmp_path / "sizes.csv"
    file.write_text("params,loss\n" + "".join(f"{a:.6g},{1.2 + 80 * a**-0.3:.8g}\n" for a in x))
    assert main(["forecast", str(file), "--train-until", "500M", "--predict", "70B", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["predictions"][0]["x"] == 7e10
    assert len(record["curve"]["x"]) == 7
    assert main(["forecast", str(file), "--predict", "soon"]) == 2
    assert "argument --predict: 'soon' is not a number" in capsys.readouterr().err
    assert main(["suggest", str(file), "--target", "10B", "--candidates", "1B,2B,4B", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["target"] == [1e10]
    assert sorted(row["x"] for row in found["candidates"]) == [1e9, 2e9, 4e9]


@pytest.mark.parametrize("command", [["fit", "--n-breaks", "0"], ["forecast"]])
def test_held_out_points_outside_their_intervals_are_told(command, tmp_path, capsys):
    x = np.geomspace(1, 1e3, 24)
    y = 0.2 + x**-0.5
    y[16:] *= 3.0  # what nothing before lets expect
    file = tmp_path / "jump.csv"
    file.write_text("x,y\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True)))
    assert main([command[0], str(file), *command[1:], "--train-count", "16"]) == 0
    assert (
        "held_out_outside: none of the 8 held-out points lie inside the 90 % interval"
        in capsys.readouterr().out
    )
    assert main([command[0], str(file), *command[1:], "--train-count", "12"]) == 0
    assert "held_out_outside: only 4 of the 12" in capsys.readouterr().out
    y[16:] /= 3.0
    file.write_text("x,y\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True)))
    assert main([command[0], str(file), *command[1:], "--train-count", "16"]) == 0
    assert "held_out_outside" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["fit", "forecast"])
def test_x_may_end_where_doubles_do(command, tmp_path, capsys):
    x = np.geomspace(1e305, 1e308, 12)
    file = tmp_path / "large.csv"
    file.write_text("x,y\n" + "".join(f"{a!r},{0.4 + (a / 1e305) ** -0.5!r}\n" for a in x.tolist()))
    assert main([command, str(file)]) == 0
    out, err = capsys.readouterr()
    assert "overflow" not in err
    assert "inf" not in out.split("predictions" if command == "fit" else "forecasts")[1]


def test_losses_that_are_all_negative_need_no_row_dropped(tmp_path, capsys):
    file = tmp_path / "negative.csv"
    file.write_text("x,y\n1,-3\n2,-2\n4,-1.5\n8,-1.2\n")
    assert main(["forecast", str(file)]) == 0
    assert "linear_scale: y is not positive throughout" in capsys.readouterr().out
    assert main(["forecast", str(file), "--scale", "log"]) == 2
    err = capsys.readouterr().err
    assert "no y is positive" in err
    assert "drop the row" not in err
    assert "bnsl fit --loss linear" in err


@pytest.fixture
def rewards(tmp_path):
    file = tmp_path / "rewards.csv"
    rows = zip(STEPS.tolist(), (2.0 - 60.0 * STEPS**-0.55).tolist(), strict=True)
    file.write_text("step,reward\n" + "".join(f"{s},{y!r}\n" for s, y in rows))
    return str(file)


def test_rewards_have_a_fit_and_a_report_in_one_command(rewards, tmp_path, capsys):
    assert main(["fit", rewards, "--predict", "5K", "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["loss"] == "linear"
    assert record["predictions"][0]["predicted"] == pytest.approx(2.0 - 60.0 * 5000**-0.55, rel=1e-3)
    assert "y is below 0 in" in err
    assert main(["compare", rewards]) == 0
    assert "bnsl, 2 breaks" in capsys.readouterr().out
    page = tmp_path / "rewards.html"
    assert main(["report", rewards, "-o", str(page), "--train-count", "9"]) == 0
    text = page.read_text()
    assert "Forecast at step" in text
    assert "chosen by BIC" in text
    assert "of 3 points inside the 90%" in text
    assert "Laws that the forecast averages" in text
    assert main(["forecast", rewards]) == 0
    assert "forecast is made on a linear scale" in " ".join(capsys.readouterr().out.split())


def test_one_value_of_the_wrong_sign_is_a_mistake(tmp_path, capsys):
    file = tmp_path / "typo.csv"
    file.write_text("x,y\n" + "".join(f"{x},{-1 if x == 7 else 1 + 3 / x}\n" for x in range(1, 16)))
    for command in (["fit"], ["report", "-o", str(tmp_path / "a.html")]):
        assert main([command[0], str(file), *command[1:]]) == 2
        assert "row 7 is -1" in capsys.readouterr().err
