"""Format, lint, types and layers, so that the one test command checks them too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# To write a cache takes mypy two thirds more time, which is lost where there was none and nobody comes back.
CACHE = [] if (ROOT / ".mypy_cache").exists() else ["--cache-dir", os.devnull]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "format", "--check", "."],
        ["ruff", "check", "."],
        ["mypy", *CACHE],
        # Not by import: import-linter sets logging up anew, upon which handlers of other packages close the
        # file into which pytest captures what is printed.
        ["lint-imports", "--no-cache"],
    ],
    ids=["ruff format", "ruff check", "mypy", "lint-imports"],
)
def test_tool_is_content(command: list[str]) -> None:
    tool = Path(sys.executable).with_name(command[0])
    done = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
