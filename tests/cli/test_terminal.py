"""Colours, times, quietness, completion and the doctor."""

import io
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from bnsl import cli
from bnsl.cli import _terminal, doctor

CSV = "x,y\n" + "".join(f"{x},{2.0 * x**-0.3}\n" for x in (1, 2, 4, 8, 16, 32))
LINE = ["fit", "curve.csv", "--form", "m1"]


class Screen(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("curve.csv").write_text(CSV)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def screens(monkeypatch):
    """Call it in the test to make its standard output and error terminals; pytest replaces them before."""

    def open_screens():
        out, err = Screen(), Screen()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        return out, err

    return open_screens


# --- colours --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_where_colours_are(monkeypatch, environment, terminal, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _terminal.coloured(Screen() if terminal else io.StringIO()) == expected


def test_a_terminal_sees_colours_and_a_pipe_the_same_words(screens, monkeypatch):
    out, err = screens()
    assert cli.main([*LINE, "--predict", "1e6"]) == 0
    coloured = out.getvalue()
    assert coloured.startswith("\033[1mm1 fitted to curve\033[0m\n")
    assert "\033[32mstatus   converged" in coloured
    assert "bnsl: \033[33mwarning:\033[0m far_extrapolation" in err.getvalue()
    assert "\033[2mbnsl: took x = 'x' and y = 'y'" in err.getvalue()
    pipe, errors = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", pipe)
    monkeypatch.setattr(sys, "stderr", errors)
    assert cli.main([*LINE, "--predict", "1e6"]) == 0
    assert "\033" not in pipe.getvalue() + errors.getvalue()
    assert re.sub("\033\\[[0-9]+m", "", coloured) == pipe.getvalue()


def test_what_went_badly_stands_out(screens):
    out, err = screens()
    _terminal.show("title\nstatus   underdetermined: x\n\nwarnings\n  one\n  two\n\nother")
    assert out.getvalue().split("\n") == [
        "\033[1mtitle\033[0m",
        "\033[33mstatus   underdetermined: x\033[0m",
        "",
        "\033[33mwarnings\033[0m",
        "\033[33m  one\033[0m",
        "\033[33m  two\033[0m",
        "",
        "other",
        "",
    ]
    assert cli.main(["fit", "none.csv"]) == 2
    assert err.getvalue().startswith("bnsl: \033[31merror:\033[0m file 'none.csv' does not exist")


# --- quiet, and times -----------------------------------------------------------------------------


def test_quiet_leaves_warnings_and_errors(capsys):
    assert cli.main([*LINE, "--json", "out.json", "--quiet", "--predict", "1e6"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bnsl: warning: far_extrapolation")
    assert cli.main([*LINE, "--json", "out.json"]) == 0
    assert "bnsl: wrote out.json" in capsys.readouterr().err
    assert cli.main(["fit", "none.csv", "--quiet"]) == 2
    assert "bnsl: error: file 'none.csv'" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
def test_letters_that_a_font_lacks_are_told_once(capsys):
    Path("names.csv").write_text(
        CSV.replace("x,y", "\u8bad\u7ec3\u6b65\u6570,\u635f\u5931"), encoding="utf-8"
    )
    assert cli.main(["fit", "names.csv", "--form", "m1", "--plot", "names.png"]) == 0
    assert capsys.readouterr().err.count("font") == 2  # one line, which says which setting to change


def test_the_time_is_told_to_who_waits(screens, monkeypatch):
    clock = iter([0.0, 1.9, 0.0, 12.34, 0.0, 12.34])
    monkeypatch.setattr(_terminal.time, "monotonic", lambda: next(clock))
    monkeypatch.setenv("NO_COLOR", "1")
    _terminal.set_quiet(False)
    _, err = screens()
    for _ in range(2):
        with _terminal.timed():
            pass
    assert err.getvalue() == "bnsl: took 12.3 s\n"
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with _terminal.timed():
        pass
    assert pipe.getvalue() == ""


# --- completion -----------------------------------------------------------------------------------


def test_bash_completes_commands_options_and_values(capsys):
    assert cli.main(["completion", "bash"]) == 0
    Path("completion.bash").write_text(capsys.readouterr().out)
    for words, expected in [
        (["bnsl", "fo"], ["forecast"]),
        (["bnsl", "fit", "--n"], ["--n-breaks"]),
        (["bnsl", "fit", "--format", "tens"], ["tensorboard"]),
        (["bnsl", "forecast", "--keep", ""], ["last", "best", "all"]),
        (["bnsl", "fit", "cur"], ["curve.csv"]),
    ]:
        quoted = " ".join(f"'{word}'" for word in words)
        script = (
            f"source ./completion.bash; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
            '$(complete -p bnsl | sed "s/.*-F \\([^ ]*\\).*/\\1/"); printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.split() == expected, (words, done)


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_completion_of_other_shells(capsys, shell):
    assert cli.main(["completion", shell]) == 0
    assert "forecast" in capsys.readouterr().out


def test_completion_without_shtab(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["completion", "bash"]) == 2
    assert "pip install 'broken-neural-scaling-laws[completion]'" in capsys.readouterr().err
    assert cli.main(["completion", "fish"]) == 2


# --- doctor ---------------------------------------------------------------------------------------


def test_the_doctor_finds_everything_well(capsys):
    assert cli.main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["jax"] == version("jax")
    assert "devices" not in found["machine"]
    assert [check["passed"] for check in found["checks"]] == [True]
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "\n  noiseless law     passed: error " in out
    assert f"\n  numpy             {version('numpy')}\n" in out


def test_the_doctor_tries_jax_where_it_is_told_to(capsys):
    import jax

    assert cli.main(["doctor", "--jax", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["machine"]["devices"]) == len(jax.devices())
    assert [check["passed"] for check in found["checks"]] == [True, True]
    assert cli.main(["doctor", "--jax"]) == 0
    out = capsys.readouterr().out
    assert f"\n  devices           {jax.devices()[0].platform}: " in out
    assert "\n  double precision  passed: 1 + 1e-15" in out


def test_the_doctor_finds_what_is_wrong(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "EXACT", 0.0)
    monkeypatch.setattr(doctor, "EXTRAS", {"no-such-package": "parquet"})
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "noiseless law     FAILED: error" in out
    assert "not installed: pip install 'broken-neural-scaling-laws[parquet]'" in out
    assert "\n  no-such-package   not installed\n" in out
