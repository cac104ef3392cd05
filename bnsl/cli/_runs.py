"""Several runs in one file: the answer for each, one row per run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bnsl._base.checks import InputError
from bnsl._base.display import paragraphs, records
from bnsl.cli._output import write_json
from bnsl.cli._terminal import show
from bnsl.cli._text import json_text, of_error, rows_text, with_accuracies
from bnsl.curves.curve import Curve
from bnsl.readers.files import STDIN

if TYPE_CHECKING:
    import pandas as pd

    from bnsl._base.display import FitWarning

AHEAD = (2.0,)  # predictions at these multiples of a run's last x, if none are asked for


def check_one_figure(args: argparse.Namespace, curves: Mapping[str, Curve]) -> None:
    """Raise InputError for a figure of several runs."""
    if len(curves) > 1 and args.plot is not None:
        raise InputError(f"--plot draws one run, and there are {', '.join(curves)}; choose one with --where")


def row(
    name: str,
    curve: Curve,
    facts: Mapping[str, Any],
    ahead: pd.DataFrame,
    warnings: Sequence[FitWarning],
) -> list[dict[str, Any]]:
    """What there is to say of a run, one row per prediction."""
    codes = ", ".join(dict.fromkeys(warning.code for warning in warnings))
    said = {"run": name, "points": len(curve), **facts}
    return [said | point | {"warnings": codes} for point in records(ahead)]


def put_out_runs(
    args: argparse.Namespace,
    what: str,
    curves: Mapping[str, Curve],
    rows: Sequence[dict[str, Any]],
    json_of: Any,
) -> None:
    """The rows as a table, and the record of every run where JSON is asked for.

    Args:
        args: of the command.
        what: what was made of every run, "forecast" or "fit".
        curves: of the runs.
        rows: as `row` gives them.
        json_of: the JSON of a run by its name.
    """
    import pandas as pd

    curve = next(iter(curves.values()))
    if args.json != STDIN:
        head = (
            f"{what}s of {len(curves)} runs{of_error(curve.y_label)}, with {100 * args.level:g} % intervals "
            "for a new measurement; --where takes one run and says more of it"
        )
        table = with_accuracies(pd.DataFrame(rows), curve.y_label).rename(columns={"x": curve.x_label})
        show(paragraphs([head, rows_text(table, left=("run", "warnings"))]))
    write_json(
        args.json,
        lambda: json_text(
            {"bnsl": f"{what}s", "version": 1, "runs": {name: json.loads(json_of(name)) for name in curves}}
        ),
    )
