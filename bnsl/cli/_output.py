"""What the commands write: tables, JSON, figures and pages; numbers have six digits."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.display import aligned
from bnsl._base.lazy import Axes, pd
from bnsl.cli._terminal import note, show
from bnsl.cli._words import dashed
from bnsl.readers.files import STDIN

if TYPE_CHECKING:
    from bnsl.curves.curve import Curve

DPI = 200
NO_VALUE = "unknown"  # what a table shows for NaN


def check_outputs(args: argparse.Namespace) -> None:
    """Raise InputError for a file that could not be written, before any work is done."""
    given = vars(args)
    plot, json, page = (given.get(name) for name in ("plot", "json", "report"))
    for name in ("title", "x_label", "y_label") if "plot" in given and plot is None else ():
        if given[name] is not None:
            raise InputError(f"{dashed(name)} is written on a figure; add --plot OUT.png")
    if plot is not None:
        from matplotlib.figure import Figure

        known = Figure().canvas.get_supported_filetypes()
        if Path(plot).suffix.lower().removeprefix(".") not in known:
            raise InputError(f"plot = {plot!r}: a figure's name must end in one of .{', .'.join(known)}")
        check_writable(plot)
    if json not in (None, STDIN):
        if Path(json).suffix.lower() != ".json":  # perhaps it is FILE, to be overwritten
            raise InputError(f"--json {json!r} must end in .json; put FILE before a --json without a name")
        if Path(json).resolve() == Path(given.get("file", STDIN)).resolve():
            raise InputError(f"--json {json!r} is FILE itself; give another name")
        check_writable(json)
    if page is not None:
        from bnsl.web.page import check_path

        check_path(page)


def check_writable(name: str) -> None:
    """Raise InputError for a file that could not be written."""
    path = Path(name)
    if path.is_dir():
        raise InputError(f"{name!r} is a folder; give a file")
    if not path.parent.is_dir():
        raise InputError(f"{name!r} cannot be written: there is no folder {str(path.parent)!r}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{name!r} cannot be written: permission denied")


def put_out(
    args: argparse.Namespace,
    text: Callable[[], str],
    json: Callable[[], str],
    draw: Callable[[], Axes] | None,
) -> None:
    """What was found: text, unless JSON takes its place; JSON and a figure where they are asked for."""
    if args.json != STDIN:
        show(text())
        if args.json is not None:
            Path(args.json).write_text(json() + "\n", encoding="utf-8")
            note(f"wrote {args.json}")
    else:
        print(json())
    if args.plot and draw is not None:
        save_figure(draw, args.plot, title=args.title, xlabel=args.x_label, ylabel=args.y_label)


def save_figure(draw: Callable[[], Axes], path: str | Path, **texts: str | None) -> None:
    """Draw a figure, with these texts in place of its own, and save it."""
    import matplotlib

    if "matplotlib.pyplot" not in sys.modules:  # else whoever calls from Python has chosen
        matplotlib.use("agg")  # no window, so no display is needed
    from matplotlib import pyplot

    ax = draw()
    for name, text in texts.items():
        if text is not None:
            getattr(ax, f"set_{name}")(text, fontsize="medium")
    pyplot.savefig(path, dpi=DPI, bbox_inches="tight")
    pyplot.close()
    note(f"wrote {path}")


def command_line(args: argparse.Namespace) -> str:
    """The command as it was given, for a page that says how it was made."""
    return shlex.join(["bnsl", *args.argv])


def write_report(args: argparse.Namespace, result: Any, **options: Any) -> None:
    """The page of runs, where one is asked for."""
    if args.report is not None:
        from bnsl.web.runs import write_runs_report

        write_runs_report(result, args.report, command=command_line(args), **options)
        note(f"wrote {args.report}")


def rows_text(table: pd.DataFrame, left: Sequence[str] = ()) -> str:
    """A table with its head; the columns named in `left` begin on the left."""
    rows = [tuple(map(str, table.columns))]
    rows += [tuple(number(cell) for cell in row) for row in table.itertuples(index=False)]
    return aligned(rows, [i for i, name in enumerate(table.columns) if name in left])


def span_text(values: np.ndarray) -> str:
    """The smallest and the largest value."""
    return f"{number(float(values.min()))} to {number(float(values.max()))}"


def number(cell: Any) -> str:
    """A cell, numbers to six digits."""
    if isinstance(cell, float | np.floating):
        return NO_VALUE if np.isnan(cell) else f"{cell:.6g}"
    return str(cell)


def predictions_text(what: str, table: pd.DataFrame, curve: Curve, level: float, more: str = "") -> list[str]:
    """A head and predictions below it; for the error of an accuracy with that, too, in per cent."""
    of_error, last = "", [name for name in ("warnings",) if name in table]
    if curve.y_label.startswith("1 - "):  # which a table headed "predicted" would hide
        of_error = f" of {curve.y_label}"
        ends = {"accuracy": "predicted", "from": "upper", "to": "lower"}
        said = {name: [f"{100 * (1 - y):.4g} %" for y in table[column]] for name, column in ends.items()}
        table = table.drop(columns=last).assign(**said, **{name: table[name] for name in last})
    head = f"{what}{of_error}, with {100 * level:g} % intervals for a new measurement{more}"
    return [head, rows_text(table.rename(columns={"x": curve.x_label}), left=("run", "warnings"))]


def record_text(kind: str, **entries: Any) -> str:
    """The JSON of a command: what it is, and its entries."""
    return json_text({"bnsl": kind, "version": 1, **entries})


def json_text(record: Any) -> str:
    """Strict JSON: unknown numbers have to be None."""
    return json.dumps(record, indent=2, allow_nan=False)
