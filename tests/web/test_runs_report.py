"""The report of runs without a browser: what is on the page, and that a run's name can do no harm."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl import InputError, cli, schedules

NASTY = "</script><img src=x onerror=alert(1)>"
TABLE = Path(__file__).resolve().parents[2] / "data" / "continual_pretraining.csv"


@pytest.fixture(scope="module")
def result():
    schedule = schedules.cosine(1e-3, 1000, 10)
    level = schedules.constant(1e-3, 1000, 10)
    step = np.arange(40, 1001, 40)
    return bnsl.fit_runs(
        [bnsl.Run(schedule, step, 2 + 5 / step**0.5, name=NASTY), bnsl.Run(level, step, 2.1 + 5 / step**0.5)],
        "annealing",
    )


def figures_of(text):
    return json.loads(re.search(r'id="figures">(.*?)</script>', text, re.S).group(1))


def test_a_page_shows_schedules_losses_and_predictions(result, tmp_path):
    other = schedules.wsd(1e-3, 1200, 10)
    path = bnsl.write_runs_report(result, tmp_path / "runs.html", schedules={"decay": other}, level=0.8)
    text = path.read_text()
    assert NASTY not in text
    assert "<img" not in text
    assert f"{result.predict(other):.4f}" in text
    assert f"{result.interval(other, level=0.8)[0]:.4f}" in text
    for warning in result.warnings:
        assert warning.message[1:] in text
    figures = figures_of(text)
    assert set(figures) == {"schedules", "losses"}
    rates = figures["schedules"]["data"][-1]
    np.testing.assert_allclose(rates["y"], other.at(np.array(rates["x"], int)), rtol=1e-5)
    line = next(trace for trace in figures["losses"]["data"] if trace["name"] == "decay")
    last = [result.predict(other, step) for step in np.array(line["x"][-20:], int)]
    np.testing.assert_allclose(line["y"][-20:], last, rtol=1e-5)


def test_the_shell_writes_pages(tmp_path, capsys):
    page, front = tmp_path / "runs.html", tmp_path / "front.html"
    table = pd.read_csv(TABLE)
    table = table[(table["shift"] == "strong") & (table["seed"] == 0)]
    some = table["run"].isin(["pretraining", "rewarm", "rewarm_replay_5", "rewarm_replay_50"])
    table[some].to_csv(tmp_path / "runs.csv", index=False)
    command = ["runs", str(tmp_path / "runs.csv"), "--where", "run=pretraining", "--loss", "loss_old"]
    assert cli.main([*command, "--predict", "wsd:peak=3e-3,steps=5000", "--report", str(page)]) == 0
    assert "wsd:peak=3e-3,steps=5000" in page.read_text()
    command = ["continual", str(tmp_path / "runs.csv"), "--replay", "0,0.25", "--report", str(front)]
    assert cli.main(command) == 0
    text, said = front.read_text(), capsys.readouterr()
    assert set(figures_of(text)) == {"schedules", "front", "losses"}
    assert "wrote" in said.err
    old = re.search(r"^\s*0\.003\s+0\.25\s+(\S+)", said.out, re.M).group(1)
    assert f"<td>{old}</td>" in text
    assert cli.main([*command[:-1], str(tmp_path / "front.png")]) == 2
    assert "must end in .html" in capsys.readouterr().err


def test_bad_input_is_told(result, tmp_path):
    with pytest.raises(InputError, match="is not what bnsl"):
        bnsl.write_runs_report(3, tmp_path / "a.html")
    with pytest.raises(InputError, match="must lie strictly between 0 and 1"):
        bnsl.write_runs_report(result, tmp_path / "a.html", level=2)
