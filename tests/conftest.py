"""Fixtures that several test files use."""

import os
from importlib.metadata import version
from pathlib import Path

import hypothesis
import pytest
from samples import ADDITION, noisy

import bnsl

# Other work may make an example slow: no deadline. The same examples every time: a failure repeats.
hypothesis.settings.register_profile("bnsl", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("bnsl")

# Programs are compiled for a few calls only: in a third of the time, here and in processes that tests start.
# XLA ends a process over a flag that it does not know, as another release may not know this one.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if version("jaxlib").startswith("0.10."):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
# Each worker has a core: threads of linear algebra would wait for each other, at the cost of a fifth more.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests that take long come first: what is left for the end is dealt out evenly. Each of these goes to any
# worker; of all other files, the tests of one stay together, so that fixtures of a module are made once.
ALONE = ("test_notebooks.py", "test_documentation.py", "test_style.py", "test_processes.py")
# These share compiled programs.
COMPILED = (
    "solver/test_compiled.py",
    "solver/test_valleys.py",
    "many/test_backends.py",
    "fitting/test_backends.py",
)
FIRST = ("compiled", "many/test_dask.py", "web/test_app.py", "web/test_report_browser.py")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items):
    ranks = {}
    for item in items:
        name = item.path.relative_to(Path(__file__).parent).as_posix()
        if name in ALONE:
            ranks[item] = ALONE.index(name)
            continue
        group = "compiled" if name in COMPILED else name
        ranks[item] = len(ALONE) + (FIRST.index(group) if group in FIRST else len(FIRST))
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=ranks.get)


@pytest.fixture(scope="session")
def addition():
    """The paper's 4-digit-addition curve: 17 points, of which the first 14 (x <= 736) are fitted."""
    return ADDITION


@pytest.fixture
def one_chunk(monkeypatch):
    """A conveyor of one width, for which a program is compiled once instead of three times."""
    monkeypatch.setattr("bnsl.solver.traced.CHUNKS", (64,))


@pytest.fixture(scope="session")
def fitted():
    """A good fit of a noisy one-break curve of 30 points."""
    return bnsl.fit(*noisy())


@pytest.fixture(scope="session")
def benchmark_folder():
    """The folder of the 92-curve benchmark; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("BNSL_DATA_DIR", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (folder / "benchmark.vision.csv").exists():
        pytest.skip("the 92-curve benchmark is not at hand; set BNSL_DATA_DIR")
    return folder
