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
        x, y, sigma, groups: its columns; not needed for a data set.
        inputs: in the place of x the columns of several inputs in a CSV file.
        bundled: whether it is a data set of the package.
        command: the shell command that was given; if it was none, one is made up from the rest.
    """

    file: str | None = None
    x: str | None = None
    y: str | None = None
    sigma: str | None = None
    bundled: bool = False
    command: str | None = None
    inputs: tuple[str, ...] = ()
    groups: str | None = None


def copied(file: str, columns: Sequence[str], curve: Curve, groups: str) -> Source:
    """A copy of a curve in a file with these columns: inputs, y, perhaps sigma; and with one of groups."""
    inputs, (y, *sigma) = columns[: curve.inputs], columns[curve.inputs :]
    x = {"inputs": tuple(inputs)} if curve.inputs > 1 else {"x": inputs[0]}
    together = None if curve.groups is None else groups
    return Source(file, y=y, sigma=sigma[0] if sigma else None, groups=together, **x)


def shell_call(source: Source, options: dict[str, Any], output: str) -> str:
    """The command for a POSIX shell."""
    if source.command is not None:
        return source.command
    words = ["bnsl", "report", str(source.file)]
    words += [f"--x={','.join(source.inputs)}"] if source.inputs else []
    for name in ("x", "y", "sigma", "groups"):
        column = getattr(source, name)
        words += [] if column is None else [f"--{name}={column}"]
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
    several, data = bool(source.inputs), "runs" if source.inputs else "curve"
    read = "pd.read_csv" if several else "bnsl.load_dataset" if source.bundled else "bnsl.read_curve"
    names = ("y", "sigma", "groups") if several else () if source.bundled else ("x", "y", "sigma")
    columns = {"inputs": list(source.inputs)} if several else {}
    columns |= {name: getattr(source, name) for name in names if getattr(source, name) is not None}
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
