"""What the commands write: text, JSON, figures and pages."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnsl._base.checks import InputError
from bnsl.cli._terminal import note, show
from bnsl.cli._words import dashed
from bnsl.readers.files import STDIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 200


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
    draw: Callable[[Axes], Any] | None,
    wide: bool = False,
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
        save_figure(args, draw, wide)


def save_figure(args: argparse.Namespace, draw: Callable[[Axes], Any], wide: bool = False) -> None:
    """Draw into a figure, label it and save it; `wide` leaves room for a legend beside the axes."""
    from bnsl.plots._drawing import SIZE, WIDE

    figure = new_figure(WIDE if wide else SIZE)
    ax = draw(figure.subplots())
    for text, write in (
        (args.title, ax.set_title),
        (args.x_label, ax.set_xlabel),
        (args.y_label, ax.set_ylabel),
    ):
        if text is not None:
            write(text, fontsize="medium")
    save(figure, args.plot)


def new_figure(size: tuple[float, float]) -> Figure:
    """A figure of its own, without pyplot, so that no display is needed."""
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure, and say so."""
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
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
