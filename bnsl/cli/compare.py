"""`bnsl compare`: several forms over one curve, ranked.

Examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl compare curve.csv --train-until 736
  bnsl compare curve.csv --forms m2,bnsl --n-breaks 0,1 --plot forms.png --json forms.json
  bnsl datasets loss_surface > runs.csv
  bnsl compare runs.csv --x params,tokens --forms chinchilla,kaplan --train-fraction 0.8 --plot best.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np

import bnsl
from bnsl._base.display import counted, paragraphs, records
from bnsl.cli import _arguments as arguments
from bnsl.cli._given import check_inputs, check_loss, constraints_of, input_names, split_rule
from bnsl.cli._input import read_curve
from bnsl.cli._output import put_out, record_text, rows_text
from bnsl.evaluation.comparison import ALL_FORMS, Comparison, compare, forms_by_label
from bnsl.forms.form import Form


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    arguments.add_input(command)
    arguments.add_forms(command)
    arguments.add_loss(command)
    arguments.add_split(command)
    arguments.add_constraints(command)
    arguments.add_outputs(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    names, forms = forms_asked_for(args)
    check_loss(args)
    options = {"forms": names, "n_breaks": args.n_breaks, "robust": args.robust, **constraints_of(args)}
    curve = read_curve(args, forms[0])
    compared = compare(curve, **options, loss=args.loss, **split_rule(args))
    put_out(args, lambda: _text(compared), lambda: _json(compared), lambda: bnsl.plot_comparison(compared))


def forms_asked_for(args: argparse.Namespace) -> tuple[Sequence[str], list[Form]]:
    """The forms to compare by name, all if none were asked for, and checked before one of them is fitted."""
    names = ALL_FORMS if args.forms is None else [name.strip().lower() for name in args.forms.split(",")]
    several = input_names(args) or None
    forms = [*forms_by_label(names, args.n_breaks, several).values()]
    for form in forms if several else ():
        check_inputs(args, form)
    return names, forms


def _text(compared: Comparison) -> str:
    """The ranked table, with what was fitted above it."""
    fitted, held_out = compared.fitted, compared.held_out
    lines = [
        f"{counted(len(compared.results), 'form')} fitted to {fitted.name}",
        f"fitted   {fitted.extent}",
        *([] if held_out is None else [f"held out {held_out.extent}"]),
        f"ranked   {compared.ranking}",
    ]
    logs = compared.error_column.endswith("rmsle")
    hidden = {"train_rmse", "heldout_rmse"} if logs else {"train_rmsle", "heldout_rmsle", "heldout_stderr"}
    if held_out is None:
        hidden |= {"heldout_rmsle", "heldout_stderr", "heldout_rmse"}
    table = compared.table.reset_index().drop(columns=[*hidden])
    scores = table[["aicc", "delta_aicc"]]
    known = np.isfinite(scores.to_numpy(float))
    if not known.all():
        table[scores.columns] = scores.astype(object).where(known, "")
        lines.append("aicc     blank where there are too few points for so many parameters")
    return paragraphs(lines, rows_text(table, left=("form", "status", "warnings")))


def _json(compared: Comparison) -> str:
    """The rows of the table, best first, and every fit by its label."""
    rows = records(compared.table.reset_index())
    for row in rows:
        row["warnings"] = [code for code in row["warnings"].split(", ") if code]
    return record_text(
        "comparison",
        fitted_points=len(compared.fitted),
        ranked_by=compared.ranked_by,
        held_out_points=0 if compared.held_out is None else len(compared.held_out),
        table=rows,
        fits={label: json.loads(result.to_json()) for label, result in compared.results.items()},
    )
