"""`bnsl compare`: several forms over one curve, ranked."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import bnsl
from bnsl._base.display import paragraphs, records
from bnsl.cli._arguments import (
    add_constraints,
    add_forms,
    add_input,
    add_json_option,
    add_options,
    add_plot_option,
)
from bnsl.cli._input import (
    check_loss,
    constraints_of,
    forms_asked_for,
    input_names,
    loss_of,
    read_curve,
    split_rule,
)
from bnsl.cli._output import check_outputs, put_out
from bnsl.cli._surfaces import draw_panels
from bnsl.cli._text import json_text, rows_text
from bnsl.evaluation.comparison import Comparison, compare, forms_by_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl compare curve.csv --train-until 736
  bnsl compare curve.csv --forms m2,bnsl --n-breaks 0,1 --plot forms.png --json forms.json
  bnsl datasets loss_surface > runs.csv
  bnsl compare runs.csv --x params,tokens --forms chinchilla,kaplan --train-fraction 0.8 --plot best.png
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_input(command)
    add_forms(command)
    add_options(command)
    add_constraints(command)
    add_plot_option(command)
    add_json_option(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    options = {"forms": forms_asked_for(args), "n_breaks": args.n_breaks}
    check_loss(args)
    options |= {"robust": args.robust, **constraints_of(args)}
    several = input_names(args) or None
    first = next(iter(forms_by_label(options["forms"], args.n_breaks, several).values()))
    curve = read_curve(args, first)
    compared = compare(curve, **options, **loss_of(args), **split_rule(args))
    put_out(
        args,
        lambda: _text(compared),
        lambda: _json(compared),
        lambda ax: _draw(compared, ax),
    )


def _draw(compared: Comparison, ax: Axes) -> Axes:
    """Every form over the curve; of several inputs the best of them."""
    if compared.fitted.inputs == 1:
        return bnsl.plot_comparison(compared, ax=ax)
    return draw_panels(compared.best, compared.held_out, ax)


def _text(compared: Comparison) -> str:
    """The ranked table, with what was fitted above it."""
    fitted, held_out = compared.fitted, compared.held_out
    count = len(compared.results)
    lines = [f"{count} form{'' if count == 1 else 's'} fitted to {fitted.name or 'a curve'}"]
    lines.append(f"fitted   {fitted.extent}")
    if held_out is not None:
        lines.append(f"held out {held_out.extent}")
    lines.append(f"ranked   {compared.ranking}")
    logs = compared.error_column.endswith("rmsle")
    hidden = ["train_rmse", "heldout_rmse"] if logs else ["train_rmsle", "heldout_rmsle", "heldout_stderr"]
    if held_out is None:
        hidden += ["heldout_rmsle", "heldout_stderr", "heldout_rmse"]
    table = compared.table.reset_index().drop(columns=list(dict.fromkeys(hidden)))
    return paragraphs(lines, rows_text(table, left=("form", "status", "warnings")))


def _json(compared: Comparison) -> str:
    """The rows of the table, best first, and every fit by its label."""
    rows = records(compared.table.reset_index())
    for row in rows:
        row["warnings"] = [code for code in row["warnings"].split(", ") if code]
    record = {
        "bnsl": "comparison",
        "version": 1,
        "fitted_points": len(compared.fitted),
        "ranked_by": compared.ranked_by,
        "held_out_points": 0 if compared.held_out is None else len(compared.held_out),
        "table": rows,
        "fits": {label: json.loads(result.to_json()) for label, result in compared.results.items()},
    }
    return json_text(record)
