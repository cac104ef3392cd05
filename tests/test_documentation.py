"""Every code block of the documentation and the README runs, and names that pages promise exist."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

import bnsl
from bnsl import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs/how-to").glob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
    ]
)
WITH_CODE = [page for page in PAGES if re.search(r"^```(python|sh)$", page.read_text(), re.MULTILINE)]


def run_shell(example):
    """A block of shell commands in the folder of the moment; those that install the package are not run.

    A shell runs those of the README. Commands of the other pages are run here, without a process for each.
    """
    if "pip install" in example.parsed:
        return None
    lines = example.parsed.strip().splitlines()
    if Path(example.path) != ROOT / "README.md" and all(line.startswith("bnsl ") for line in lines):
        for line in lines:
            run_here(line)
        return None
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": scripts + os.pathsep + os.environ["PATH"]}
    command = ["bash", "-euo", "pipefail", "-c", example.parsed]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, f"{example.parsed}\n{done.stderr}"
    return None


def run_here(line):
    """A command of the package, with the file into which its output goes."""
    command, _, target = line.partition(" > ")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert cli.main(shlex.split(command)[1:]) == 0, f"{line}\n{err.getvalue()}"
    if target:
        Path(target).write_text(out.getvalue())


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_run(page, tmp_path, monkeypatch, one_chunk):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")  # the README speaks of files of a checkout
    parsers = [PythonCodeBlockParser(), CodeBlockParser("sh", run_shell), SkipParser()]
    document = Document.parse(str(page), *parsers)
    examples = list(document.examples())
    assert examples
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bnsl.ExtrapolationWarning)
        for example in examples:
            example.evaluate()
    plt.close("all")


def test_the_reference_names_everything_public():
    named = set(re.findall(r"^::: bnsl\.(\w+)$", (ROOT / "docs/api.md").read_text(), re.MULTILINE))
    assert named == set(bnsl.__all__) - {"__version__"}


def test_the_map_names_every_module_and_no_other():
    package = ROOT / "bnsl"
    paths = [path.relative_to(package).with_suffix("") for path in package.rglob("*.py")]
    modules = {".".join(path.parts) for path in paths if not path.name.startswith("__")}
    packages = "|".join({module.split(".")[0] for module in modules if "." in module})
    named = set(re.findall(rf"`((?:{packages})\.[\w.]+)`", (ROOT / "docs/architecture.md").read_text()))
    assert {module for module in modules if "." in module and not module.startswith("cli.")} <= named
    assert {name for name in named if name not in modules} == set()


def test_the_site_builds(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "how-to/how-far/index.html").stat().st_size > 10_000
