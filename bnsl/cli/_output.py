"""What the commands write: JSON, figures, tables of predictions."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl.cli._terminal import note, show
from bnsl.readers.files import STDIN

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bnsl.fitting.result import FitResult
    from bnsl.forecasting.forecast import Forecast

LEVEL = 0.9  # of the intervals around predictions
AHEAD = (2.0, 10.0)  # predictions at these multiples of the last fitted x, if none are asked for
DPI = 200


def predictions(
    law: FitResult | Forecast,
    points: Sequence[Any] | np.ndarray,
    ahead: Sequence[float] = AHEAD,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Predictions at the points asked for, or at these multiples of the last fitted x.

    Of several inputs points are rows, and the multiples are of the compute of the run that has most.
    """
    import pandas as pd

    x = np.asarray(points, float) if len(points) else law.curve.beyond(ahead)
    lower, upper = law.interval(x, level)
    columns = {"x": x} if x.ndim == 1 else dict(zip(law.curve.input_names, x.T, strict=True))
    return pd.DataFrame({**columns, "predicted": law.predict(x), "lower": lower, "upper": upper})


def check_outputs(args: argparse.Namespace) -> None:
    """Raise InputError for a file that could not be written, before any work is done."""
    given = [name for name in ("title", "x_label", "y_label") if getattr(args, name) is not None]
    if given and args.plot is None:
        raise InputError(f"--{given[0].replace('_', '-')} is written on a figure; add --plot OUT.png")
    if args.plot is not None:
        from matplotlib.figure import Figure

        known = Figure().canvas.get_supported_filetypes()
        ending = Path(args.plot).suffix.lower().removeprefix(".")
        if ending not in known:
            raise InputError(f"{args.plot!r}: a figure's name must end in one of .{', .'.join(known)}")
        check_writable(args.plot)
    if getattr(args, "json", None) not in (None, STDIN):
        if Path(args.json).suffix.lower() != ".json":  # perhaps it is FILE, to be overwritten
            raise InputError(
                f"--json {args.json!r} must end in .json; put FILE before a --json without a name"
            )
        if Path(args.json).resolve() == Path(getattr(args, "file", STDIN)).resolve():
            raise InputError(f"--json {args.json!r} is FILE itself; give another name")
        check_writable(args.json)


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
    draw: Callable[[Axes], Axes],
    wide: bool = False,
) -> None:
    """What was found: text, unless JSON takes its place; JSON and a figure where they are asked for."""
    if args.json != STDIN:
        show(text())
    write_json(args.json, json)
    if args.plot:
        save_figure(args, draw, wide)


def write_json(name: str | None, text: Callable[[], str]) -> None:
    """JSON to the standard output for `-`, else to a file of that name, if any."""
    if name == STDIN:
        print(text())
    elif name is not None:
        Path(name).write_text(text() + "\n", encoding="utf-8")
        note(f"wrote {name}")


def save_figure(args: argparse.Namespace, draw: Callable[[Axes], Axes], wide: bool = False) -> None:
    """Draw into a figure of its own, without pyplot, so that no display is needed, label it and save it.

    `wide` leaves room for a legend beside the axes.
    """
    from matplotlib.figure import Figure

    from bnsl.plots._drawing import SIZE, WIDE

    figure = Figure(figsize=WIDE if wide else SIZE, layout="constrained")
    ax = draw(figure.subplots())
    for text, write in (
        (args.title, ax.set_title),
        (args.x_label, ax.set_xlabel),
        (args.y_label, ax.set_ylabel),
    ):
        if text is not None:
            write(text, fontsize="medium")
    figure.savefig(args.plot, dpi=DPI, bbox_inches="tight")
    note(f"wrote {args.plot}")
