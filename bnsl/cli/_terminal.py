"""Messages at the terminal: notes, warnings, errors and times, with their colours.

Results go to the standard output, everything else to the standard error. Colours are for terminals alone, and
for none where $NO_COLOR is set; $FORCE_COLOR asks for them in pipes too.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from bnsl._base.display import ExtrapolationWarning
from bnsl._base.progress import progress_bar
from bnsl.cli._words import error_in_words_of_shell, in_words_of_shell

SLOW = 2.0  # seconds from which on the time is told
STYLES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}
NO_GLYPH = (
    "the font of figures lacks letters of these names; 'font.family' in a matplotlibrc file sets another"
)
_SETTINGS = {"quiet": False}


def set_quiet(quiet: bool) -> None:
    """Whether notes, times and progress are left out; warnings and errors never are."""
    _SETTINGS["quiet"] = quiet


def coloured(stream: TextIO) -> bool:
    """Whether what goes to a stream may have colours."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def styled(text: str, style: str, stream: TextIO) -> str:
    """The text in a style, if there is one, where the stream may have colours."""
    return f"\033[{STYLES[style]}m{text}\033[0m" if style and coloured(stream) else text


def show(text: str) -> None:
    """A result on the standard output: its title, its status and its warnings stand out on a terminal."""
    warning = False
    for i, line in enumerate(text.split("\n")):
        warning = line == "warnings" or (warning and line.startswith("  "))
        style = "yellow" if warning else "" if i else "bold"
        if i and line.startswith("status "):
            from bnsl.fitting.result import Status  # imported already where there is a status

            style = "green" if line.endswith(Status.CONVERGED.value) else "yellow"
        print(styled(in_words_of_shell(line) if warning else line, style, sys.stdout))


def note(text: str) -> None:
    """One line on the standard error, unless it should be quiet."""
    if not _SETTINGS["quiet"]:
        print(styled(f"bnsl: {in_words_of_shell(text)}", "dim", sys.stderr), file=sys.stderr)


def warn(text: str) -> None:
    """A warning as one line."""
    print(f"bnsl: {styled('warning:', 'yellow', sys.stderr)} {in_words_of_shell(text)}", file=sys.stderr)


def fail(error: object, options: Mapping[str, str]) -> int:
    """An error as one line, with the options of the command; returns the exit code of bad input."""
    text = " ".join(error_in_words_of_shell(str(error), options).split())
    print(f"bnsl: {styled('error:', 'red', sys.stderr)} {text}", file=sys.stderr)
    return 2


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Python's warnings as lines of our own, each of them once."""
    seen: set[str] = set()

    def tell(message: Warning | str, *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        text = NO_GLYPH if text.startswith("Glyph ") else text  # Matplotlib has a warning for each letter
        if text not in seen:
            seen.add(text)
            warn(text)

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=ExtrapolationWarning)
        warnings.showwarning = tell
        yield


@contextlib.contextmanager
def timed() -> Iterator[None]:
    """Tell how long it took, where someone sat waiting: on a terminal, and beyond two seconds."""
    start = time.monotonic()
    yield
    spent = time.monotonic() - start
    if spent > SLOW and sys.stderr.isatty():
        note(f"took {spent:.1f} s")


class Progress:
    """How far a long command has come: a bar with the time left on a terminal, else a line every tenth."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, done: int, total: int, name: str) -> None:
        if not sys.stderr.isatty():
            if done * 10 // total > (done - 1) * 10 // total:
                note(f"{done} of {total} fits")
            return
        if self._bar is None:
            self._bar = progress_bar(total, "fit")
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()
