"""The calls that make a report once more, in the shell and in Python."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where the points came from.

    Attributes:
        file: a file that `bnsl.read_curve` reads with these columns and nothing else, or the name of a data
            set of the package; None if there is none, and a copy of the points must do.
        x, y, sigma: its columns; not needed for a data set.
        bundled: whether it is a data set of the package.
        command: the shell command that was given; if it was none, one is made up from the rest.
    """

    file: str | None = None
    x: str | None = None
    y: str | None = None
    sigma: str | None = None
    bundled: bool = False
    command: str | None = None


def shell_call(source: Source, options: dict[str, Any], output: str) -> str:
    """The command for a POSIX shell."""
    if source.command is not None:
        return source.command
    words = ["bnsl", "report", str(source.file)]
    for name in ("x", "y", "sigma"):
        column = getattr(source, name)
        words += [] if column is None else [f"--{name}={column}"]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name == "predict":
            words += [word for x in value for word in (option, _text(x))]
        elif isinstance(value, list | tuple):
            words += [option, ",".join(_text(getattr(part, "label", part)) for part in value)]
        else:
            words += [option, _text(getattr(value, "label", value))]
    return shlex.join([*words, "-o", output])


def python_call(source: Source, options: dict[str, Any], output: str) -> str:
    """The same in Python."""
    if source.bundled:
        lines = ["import bnsl", "", f"curve = bnsl.load_dataset({source.file!r})"]
    else:
        columns = {name: getattr(source, name) for name in ("x", "y", "sigma")}
        given = "".join(f", {name}={value!r}" for name, value in columns.items() if value is not None)
        lines = ["import bnsl", "", f"curve = bnsl.read_curve({source.file!r}{given})"]
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    return "\n".join([*lines, f"bnsl.write_report(curve, path={output!r}{given})"])


def _text(value: Any) -> str:
    """A number as short as it can be read back, anything else as it is."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
