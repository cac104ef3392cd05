"""`bnsl allocate`: the best parameters and tokens for a compute budget.

Examples:
  bnsl datasets loss_surface > runs.csv
  bnsl allocate runs.csv --x params,tokens --y loss --compute 1e13
  bnsl allocate runs.csv --x params,tokens --y loss --compute 1e12,1e13 --form chinchilla --plot out.png
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError, check_share
from bnsl._base.display import paragraphs, quietly, records, warning_lines
from bnsl._base.lazy import pd
from bnsl.cli import _arguments as arguments
from bnsl.cli._given import check_points, form_of
from bnsl.cli._output import put_out, record_text, rows_text
from bnsl.cli._surfaces import read_runs
from bnsl.cli._values import numbers
from bnsl.fitting.fit import check_robust, fit
from bnsl.forecasting.forecast import forecast
from bnsl.planning.allocation import allocate, frontier
from bnsl.planning.costs import flops
from bnsl.plots.surfaces import draw_law

if TYPE_CHECKING:
    from bnsl.planning.surface import Law


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.epilog = f"{command.epilog}\n{arguments.forms_text(several=True)}"
    arguments.add_file(command)
    inputs = "columns of the inputs, such as params,tokens"
    arguments.add_columns(command, x=inputs, y="column of the measured values (default: loss)")
    arguments.add_where(command)
    arguments.add_drop_missing(command)
    text = "budgets in FLOP; a run costs --factor times the product of the inputs"
    arguments.values(command, "--compute", text, type=numbers, metavar="C,...", required=True)
    arguments.add_factor(command, default=6.0)
    text = "use one law, such as chinchilla (default: average, a forecast, which averages over laws)"
    arguments.option(command, "--form", None, text)
    arguments.add_robust(command, "with --form, give outliers less weight")
    arguments.add_robust_scale(command, "less weight")
    arguments.add_level(command, default=0.8)
    arguments.add_outputs(command)
    command.set_defaults(n_breaks=None)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_points(args.compute, "--compute")
    check_share(args.level, "--level")
    args.form = None if args.form == "average" else args.form
    check_robust(args.robust, args.robust_scale)
    if args.form is None and args.robust is not None:
        raise InputError("--robust is for one law; add --form NAME, such as --form chinchilla")
    cost = flops(args.factor)
    law = _law(args)
    with quietly():  # its warnings are among those that are printed
        table = allocate(law, args.compute, cost, level=args.level)
    notes = table.attrs["warnings"]
    put_out(
        args,
        lambda: paragraphs(
            *_budgets(table, args.level), warning_lines((*getattr(law, "warnings", ()), *notes))
        ),
        lambda: record_text(
            "allocation",
            level=args.level,
            budgets=records(table),
            warnings=[note._asdict() for note in notes],
        ),
        lambda: draw_law(law, frontier=_line(law, args.compute, cost), best=table),
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
    with quietly():
        return frontier(law, np.geomspace(*ends, 40), cost)


def _budgets(table: pd.DataFrame, level: float) -> list[list[str]]:
    """For every budget a head, and a row a quantity with its interval."""
    names = [name for name in map(str, table) if f"{name}_low" in table]
    parts = []
    for _, row in table.iterrows():
        head = f"compute {row['compute']:.6g}, with {100 * level:g} % intervals"
        rows = [(name, row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in names]
        parts.append([head, rows_text(pd.DataFrame(rows, columns=["best", "value", "from", "to"]), ["best"])])
    return parts
