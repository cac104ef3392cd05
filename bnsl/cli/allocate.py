"""`bnsl allocate`: the best parameters and tokens for a compute budget."""

from __future__ import annotations

import argparse
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError, check_share
from bnsl._base.display import ExtrapolationWarning, paragraphs, records, warning_lines
from bnsl.cli._arguments import (
    add_file,
    add_json_option,
    add_plot_option,
    add_robust,
    add_values,
    add_where,
    number,
    numbers,
)
from bnsl.cli._input import check_points, form_of
from bnsl.cli._output import check_outputs, put_out
from bnsl.cli._surfaces import draw_panels, read_runs
from bnsl.cli._text import forms_text, json_text, rows_text
from bnsl.fitting.fit import check_robust, fit
from bnsl.forecasting.forecast import forecast
from bnsl.planning.allocation import allocate, frontier
from bnsl.planning.costs import flops

if TYPE_CHECKING:
    import pandas as pd

    from bnsl.planning.surface import Law

EXAMPLE = """examples:
  bnsl datasets loss_surface > runs.csv
  bnsl allocate runs.csv --x params,tokens --y loss --compute 1e13
  bnsl allocate runs.csv --x params,tokens --y loss --compute 1e12,1e13 --form chinchilla --plot out.png
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.epilog = f"{command.epilog}\n{forms_text(several=True)}"
    add_file(command)
    command.add_argument("--x", metavar="A,B", help="columns of the inputs, such as params,tokens")
    command.add_argument("--y", metavar="COLUMN", help="column of the measured values (default: loss)")
    command.add_argument("--sigma", metavar="COLUMN", help="column of the standard deviation of y")
    command.add_argument("--groups", metavar="COLUMN", help="column that names the run of each row")
    add_where(command)
    command.add_argument("--drop-missing", action="store_true", help="leave out rows without x or y")
    text = "budgets in FLOP; a run costs --factor times the product of the inputs"
    add_values(command, "--compute", type=numbers, metavar="C,...", required=True, help=text)
    command.add_argument(
        "--factor", type=number, default=6.0, metavar="F", help="FLOP per parameter and token (default: 6)"
    )
    command.add_argument(
        "--form",
        help="use one law, such as chinchilla (default: average, a forecast, which averages over laws)",
    )
    add_robust(command, "with --form, give outliers less weight")
    command.add_argument(
        "--robust-scale", type=float, metavar="S", help="residual beyond which --robust gives less weight"
    )
    command.add_argument(
        "--level",
        type=float,
        default=0.8,
        metavar="P",
        help="probability of the intervals (default: %(default)s)",
    )
    add_plot_option(command)
    add_json_option(command)
    command.set_defaults(n_breaks=None)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    check_points(args.compute, "--compute")
    check_share(args.level, "--level")
    args.form = None if args.form == "average" else args.form
    check_robust(args.robust, args.robust_scale)
    if args.form is None and args.robust is not None:
        raise InputError("--robust is for one law; add --form NAME, such as --form chinchilla")
    cost = flops(args.factor)
    law = _law(args)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)  # they are among those that are printed
        table = allocate(law, args.compute, cost, level=args.level)
    put_out(
        args,
        lambda: _text(table, args.level, law),
        lambda: _json(table, args.level),
        lambda ax: draw_panels(law, None, ax, line=_line(law, args.compute, cost), best=table),
    )


def _law(args: argparse.Namespace) -> Law:
    """The fit of one form, or the forecast."""
    if args.form is None:
        return forecast(read_runs(args))
    form = form_of(args)
    return fit(read_runs(args, form), form=form, robust=args.robust, robust_scale=args.robust_scale)


def _line(law: Law, compute: list[float], cost: Any) -> pd.DataFrame:
    """The compute-optimal line as far as the budgets asked for."""
    costs = cost(*law.curve.x.T)
    ends = (min(costs.min(), *compute), max(costs.max(), *compute))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return frontier(law, np.geomspace(*ends, 40), cost)


def _text(table: pd.DataFrame, level: float, law: Law) -> str:
    """A row a quantity for every budget, with its interval."""
    import pandas as pd

    names = [name for name in map(str, table) if f"{name}_low" in table]
    parts = []
    for _, row in table.iterrows():
        head = f"compute {row['compute']:.6g}, with {100 * level:g} % intervals"
        lines = pd.DataFrame(
            [(name, row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in names],
            columns=["best", "value", "from", "to"],
        )
        parts.append([head, rows_text(lines, ["best"])])
    notes = (*getattr(law, "warnings", ()), *table.attrs["warnings"])
    return paragraphs(*parts, warning_lines(notes))


def _json(table: pd.DataFrame, level: float) -> str:
    notes = [{"code": note.code, "message": note.message} for note in table.attrs["warnings"]]
    record = {"bnsl": "allocation", "version": 1, "level": level, "budgets": records(table)}
    return json_text(record | {"warnings": notes})
