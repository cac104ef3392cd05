"""The shell command, in process for the most part."""

import contextlib
import gzip
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import bnsl
from bnsl import _cache, cli
from bnsl.report import curve_csv

CSV = "x,y\n" + "".join(f"{x},{2.0 * x**-0.3 + 0.5}\n" for x in (1, 2, 4, 8, 16, 32, 64, 128))
FAST = ["--form", "m1"]  # where any law will do, take the one that compiles fastest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("curve.csv").write_text(CSV)
    return tmp_path


@pytest.fixture
def run(capsys):
    def run(*argv):
        code = cli.main(argv)
        return code, *capsys.readouterr()

    return run


def forbid_nan(name):
    raise AssertionError(f"{name} is not strict JSON")


def strict(text):
    return json.loads(text, parse_constant=forbid_nan)


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", "fit", "compare", "plot", "datasets"])
def test_every_example_of_the_help_works(command, capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main([*command.split(), "--help"])
    assert leaving.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    examples = [line.strip() for line in lines if line.startswith("  bnsl ")]
    assert examples
    assert any(command in example for example in examples)
    for example in examples:
        words, _, target = example.partition(" > ")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert cli.main(shlex.split(words)[1:]) == 0
        if target:
            Path(target).write_text(out.getvalue())
        for option, name in zip(shlex.split(words), shlex.split(words)[1:], strict=False):
            if option in ("-o", "--plot", "--json"):
                assert Path(name).stat().st_size > 1000


def test_version(capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out == f"bnsl {bnsl.__version__}\n"


# --- fit ------------------------------------------------------------------------------------------


def test_fit_prints_summary_held_out_error_and_predictions(run):
    code, out, err = run("fit", "four_digit_addition", "--train-count", "14")
    assert code == 0
    assert out.startswith("bnsl, 1 break fitted to four_digit_addition")
    assert "rmsle    0.0111434 +- 0.00203 on the held-out points" in out
    assert "predictions, with 90 % intervals" in out
    outputs = []
    for _ in range(2):
        with command("fit", "curve.csv", *FAST, "--json", BNSL_CACHE_DIR=str(tmp_path / "cache")) as process:
            outputs.append(process.communicate(timeout=300))
            assert process.returncode == 0, outputs
        programs = {path.name for path in (tmp_path / "cache").glob("*/*-cache")}
        assert any("refine" in name for name in programs)
    assert outputs[0] == outputs[1]
    strict(outputs[0][0])


def test_process_survives_a_reader_that_goes_away():
    with command("datasets", "noiseless_simulation", BNSL_CACHE_DIR="") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=300) == 141


# --- the cache ------------------------------------------------------------------------------------


@pytest.fixture
def settings(monkeypatch):
    """What the cache would set, without setting it."""
    made = {}
    monkeypatch.setattr(jax.config, "update", made.__setitem__)
    for name in ("BNSL_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return made


def test_main_called_from_python_leaves_jax_alone(run, settings):
    assert run("datasets", "double_descent")[0] == 0
    assert not settings


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BNSL_CACHE_DIR", "own", "own"),
        ("XDG_CACHE_HOME", "xdg", "xdg/bnsl/jax"),
        ("HOME", ".", ".cache/bnsl/jax"),
    ],
)
def test_the_cache_is_where_the_environment_says(settings, folder, monkeypatch, name, value, expected):
    monkeypatch.setenv(name, str(folder / value))
    _cache.keep_compiled_programs()
    assert Path(settings["jax_compilation_cache_dir"]).parent == folder / expected
    assert settings["jax_persistent_cache_min_entry_size_bytes"] == -1


def test_the_cache_is_passed_over_where_it_cannot_be(settings, folder, monkeypatch):
    for value in ("", str(folder / "curve.csv")):
        monkeypatch.setenv("BNSL_CACHE_DIR", value)
        _cache.keep_compiled_programs()
    assert not settings


def test_the_cache_is_bounded(settings, folder, monkeypatch):
    monkeypatch.setenv("BNSL_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setattr(_cache, "LIMIT", 1000)
    programs = folder / "cache" / "some-processor"
    programs.mkdir(parents=True)
    for i in range(12):
        path = programs / f"{i:02}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (i, i))
    _cache.keep_compiled_programs()
    assert sorted(p.name for p in programs.iterdir()) == [f"{i:02}-cache" for i in range(7, 12)]
