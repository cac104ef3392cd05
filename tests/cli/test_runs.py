"""`bnsl schedule`, `bnsl runs` and `bnsl continual`."""

import json
from pathlib import Path

import pytest

from bnsl.cli import main

DATA = str(Path(__file__).resolve().parents[2] / "data" / "continual_pretraining.csv")
WHERE = ["--where", "shift=strong", "--where", "seed=0"]


def test_schedule(capsys, tmp_path):
    line = "schedule cosine --peak 3e-4 --steps 1000 --warmup 1% --plot"
    assert main([*line.split(), str(tmp_path / "s.png")]) == 0
    assert "warm-up 10 (linear, 0 to 0.0003)" in capsys.readouterr().out
    assert (tmp_path / "s.png").stat().st_size > 5000
    assert main(["schedule", "wsd:peak=1e-3,steps=100", "--at", "90", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rates"] == [{"step": 90, "rate": pytest.approx(5e-4)}]
    assert main(["schedule", "wsd:peak=1e-3,steps=100", "--at", "50,90", "--at", "100", "--json"]) == 0
    assert [row["step"] for row in json.loads(capsys.readouterr().out)["rates"]] == [50, 90, 100]


def test_runs(capsys):
    only = ["--where", "run=pretraining", "--loss", "loss_old", "--law", "annealing"]
    wanted = ["--predict", "cosine:peak=3e-3,steps=5000,warmup=1%", "--json"]
    assert main(["runs", "continual_pretraining", *WHERE, *only, *wanted]) == 0  # by its name
    found = json.loads(capsys.readouterr().out)
    (end,) = found["predictions"]
    assert end["lower"] < end["loss"] < end["upper"]
    assert "one_schedule" in [code for code, _ in found["warnings"]]


def test_continual(capsys):
    assert main(["continual", DATA, *WHERE, "--replay", "0,0.25"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("0.0")]
    assert [row[1] for row in rows] == ["0", "0.25"]
    assert float(rows[0][2]) > float(rows[1][2])


@pytest.mark.filterwarnings("default::UserWarning")  # as outside of tests, where it is a line
def test_pooled_seeds_are_told(capsys):
    only = ["--where", "run=pretraining", "--where", "shift=strong", "--loss", "loss_old"]
    assert main(["runs", DATA, *only, "--law", "annealing"]) == 0
    assert "--where seed=0 takes one of them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("schedule cosin --peak 1", "Did you mean 'cosine'"),
        ("schedule cosine --peak 0 --steps 10", "--peak 0 must be above 0"),
        (f"runs {DATA} --predict wsd:peak=1", "lacks steps"),
        ("schedule cosine --peak nan --steps 10", "--peak nan is not a usable number"),
        ("runs loss_surface", "no column is a step, which is needed; name it by --step"),
        ("runs continual_pretrainin", "Did you mean 'continual_pretraining'"),
        (f"continual {DATA} --replay a,b", "--replay: 'a' is not a number"),
        (
            f"continual {DATA} --where run=pretraining --where seed=0 --where shift=weak",
            "no run has a parent",
        ),
    ],
)
def test_errors_are_one_line(line, message, capsys):
    assert main(line.split()) == 2
    notes = "bnsl: there is no file"
    told = [row for row in capsys.readouterr().err.splitlines() if not row.startswith(notes)]
    assert len(told) == 1
    assert message in told[0]


def test_a_table_of_final_losses_by_replay_is_sent_to_its_own_fit(tmp_path, capsys):
    table = tmp_path / "mix.csv"
    table.write_text("replay,old_loss\n0,3\n0.1,2.5\n0.5,2.2\n")
    assert main(["continual", str(table)]) == 2
    assert "bnsl.fit_replay(" in capsys.readouterr().err


def test_a_note_on_a_falling_rate_names_every_run_and_the_command(tmp_path, capsys):
    rows = [
        (run, n, lr if n < 8 or run == "flat" else lr / n, 2 + 3 / n)
        for run, lr in (("cos", 0.1), ("flat", 0.1), ("wsd", 0.1))
        for n in range(1, 13)
    ]
    table = tmp_path / "rates.csv"
    table.write_text("run,step,lr,loss\n" + "".join(f"{r},{n},{lr},{y}\n" for r, n, lr, y in rows))
    assert main(["fit", str(table), "--x", "step", "--y", "loss", "--form", "m2"]) == 0
    told = capsys.readouterr().err
    assert "cos, wsd: the learning rate 'lr' falls" in told
    assert "'bnsl runs FILE --predict SCHEDULE'" in told
