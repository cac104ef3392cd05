"""Every notebook runs from a fresh kernel without an error, and is stored executed, with its figures."""

import hashlib
import shutil
from functools import cache
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from bnsl.curves.benchmark import FILES
from bnsl.curves.datasets import NOISELESS_LAW
from bnsl.curves.surfaces import TABLE

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# These take a part of the benchmark: every 24th or 12th curve of image classification (the grid has rows of
# six), and of the others one of translation, one language model and two of BIG-Bench.
FEWER = {"06_benchmark": 24, "09_the_next_run": 12, "10_calibration": 24, "11_the_papers_grids": 12}
LANGUAGE = (4, 7, 14, 17)


@pytest.fixture(scope="session")
def fewer_curves(benchmark_folder, tmp_path_factory):
    """Folders with a part of the benchmark: what is stored is of all its curves."""

    @cache
    def folder_of(cycle):
        folder = tmp_path_factory.mktemp("benchmark")
        for name in FILES:
            points = pd.read_csv(benchmark_folder / name)
            curve = points.groupby(["Task", "Model"], sort=False).ngroup()
            taken = curve.isin(LANGUAGE) if "lang" in name else curve % cycle == 0
            points[taken].to_csv(folder / name, index=False)
        if (benchmark_folder / "baseline_rmsle.csv").exists():
            shutil.copy(benchmark_folder / "baseline_rmsle.csv", folder)
        return folder

    return folder_of


def told_of(folder):
    """A cell by which a kernel takes the files of a folder for the benchmark's own."""
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    return nbformat.v4.new_code_cell(f"from bnsl.curves import benchmark as b\nb.FILES.update({files})")


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_they_are_numbered():
    numbers = [path.stem.partition("_")[0] for path in NOTEBOOKS]
    assert numbers == [f"{number:02}" for number in range(1, 17)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# The kernel's own channels: no matter of the notebooks.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_notebook_runs(path, monkeypatch, request):
    notebook = nbformat.read(path, as_version=4)
    if path.stem in FEWER:
        folder = request.getfixturevalue("fewer_curves")(FEWER[path.stem])
        monkeypatch.setenv("BNSL_DATA_DIR", str(folder))
        notebook.cells.insert(0, told_of(folder))
    if path.stem == "16_chinchilla_replicated":
        folder = request.getfixturevalue("benchmark_folder")
        if not (folder / TABLE).exists():
            pytest.skip(f"{TABLE} is not at hand; set BNSL_DATA_DIR")
        monkeypatch.setenv("BNSL_DATA_DIR", str(folder))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    assert [output.text for output in outputs(notebook) if output.get("name") == "stderr"] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_executed(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any("image/png" in output.get("data", {}) for output in outputs(notebook))
    assert not any(output.output_type == "error" for output in outputs(notebook))
    assert path.stat().st_size < 600_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_imports_the_constants_of_the_package(path):
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert not any(str(value)[:6] in source for value in NOISELESS_LAW.values() for source in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_shows_no_path_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    for place in ("/tmp/", "/home/", "/root/", "/work/", "ipykernel_", "/Users/", "site-packages"):
        assert place not in text
