"""The calls that reproduce a report, in the shell and in Python."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bnsl.curves.curve import Curve


@dataclass(frozen=True)
class Source:
    """Where the points came from.

    Attributes:
        file: a file that `bnsl.read_curve` reads with these columns and nothing else, or the name of a data
            set of the package; None if there is none, and a copy of the points must do.
        x, y, sigma, groups: its columns, of several inputs in a CSV file a tuple for x; not needed for a data
            set.
        bundled: whether it is a data set of the package.
        command: the shell command that was given; if it was none, one is made up from the rest.
    """

    file: str | None = None
    x: str | tuple[str, ...] | None = None
    y: str | None = None
    sigma: str | None = None
    bundled: bool = False
    command: str | None = None
    groups: str | None = None


def copied(file: str, columns: Sequence[str], curve: Curve, groups: str) -> Source:
    """A copy of a curve in a file with these columns: inputs, y, perhaps sigma; and with one of groups."""
    inputs, (y, *sigma) = columns[: curve.inputs], columns[curve.inputs :]
    x = tuple(inputs) if curve.inputs > 1 else inputs[0]
    together = None if curve.groups is None else groups
    return Source(file, x, y, sigma[0] if sigma else None, groups=together)


def shell_call(source: Source, options: dict[str, Any], output: str) -> str:
    """The command for a POSIX shell."""
    if source.command is not None:
        return source.command
    words = ["bnsl", "report", str(source.file)]
    for name in ("x", "y", "sigma", "groups"):
        column = getattr(source, name)
        given = ",".join(column) if isinstance(column, tuple) else column
        words += [] if column is None else [f"--{name}={given}"]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name == "predict":
            words += [word for x in value for word in (option, _place(x))]
        elif isinstance(value, list | tuple):
            words += [option, ",".join(_text(getattr(part, "label", part)) for part in value)]
        else:
            words += [option, _text(getattr(value, "label", value))]
    return shlex.join([*words, "-o", output])


def python_call(source: Source, options: dict[str, Any], output: str) -> str:
    """The same in Python."""
    several = isinstance(source.x, tuple)
    data, read = ("runs", "pd.read_csv") if several else ("curve", "bnsl.read_curve")
    columns: dict[str, Any] = {"inputs": list(source.x or ())} if several else {"x": source.x}
    columns |= {"y": source.y, "sigma": source.sigma, "groups": source.groups}
    columns = {name: column for name, column in columns.items() if column is not None}
    if source.bundled:
        read, columns = "bnsl.load_dataset", {}
    given, asked = ("".join(f", {k}={v!r}" for k, v in part.items()) for part in (columns, options))
    lines = [*(["import pandas as pd", ""] if several else []), "import bnsl", ""]
    lines.append(f"{data} = {read}({source.file!r}{'' if several else given})")
    lines.append(f"bnsl.write_report({data}{given if several else ''}, path={output!r}{asked})")
    return "\n".join(lines)


def _place(x: Any) -> str:
    """A number, or each input by its name."""
    return ",".join(f"{name}={_text(v)}" for name, v in x.items()) if isinstance(x, dict) else _text(x)


def _text(value: Any) -> str:
    """A number as short as it can be read back, anything else as it is."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
