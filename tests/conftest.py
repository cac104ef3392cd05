"""Fixtures that several test files use."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest
from samples import ADDITION, noisy

import bnsl

# Other work may make an example slow: no deadline. The same examples every time: a failure repeats.
hypothesis.settings.register_profile("bnsl", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("bnsl")

# Tests that take long come first: what is left for the end is dealt out evenly.
LONG = ("test_notebooks.py", "test_documentation.py", "test_style.py", "test_processes.py", "test_dask.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


MOST_MAPS = 30_000  # memory maps of a process, of the 65,530 that Linux allows by default


@pytest.fixture(scope="module", autouse=True)
def few_maps():
    """Let go of compiled programs between files: each has some hundred maps, and JAX crashes without any."""
    yield
    maps = Path("/proc/self/maps")
    if "jax" in sys.modules and maps.exists() and len(maps.read_bytes().splitlines()) > MOST_MAPS:
        sys.modules["jax"].clear_caches()


@pytest.fixture(scope="session")
def addition():
    """The paper's 4-digit-addition curve: 17 points, of which the first 14 (x <= 736) are fitted."""
    return ADDITION


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
