"""`bnsl compare`: several forms over one curve, ranked."""

from __future__ import annotations

import argparse
from typing import Any

from bnsl._base.checks import check_choice
from bnsl.cli import _text as report
from bnsl.cli._arguments import (
    add_command,
    add_forms,
    add_input,
    add_json_option,
    add_options,
    add_plot_option,
)
from bnsl.cli._input import read_curve, split_rule
from bnsl.cli._output import check_outputs, save_figure, write_json
from bnsl.cli._terminal import show
from bnsl.evaluation.comparison import compare, forms_by_label
from bnsl.readers.files import STDIN
from bnsl.solver.losses import LOSSES

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl compare curve.csv --train-until 736
  bnsl compare curve.csv --forms m2,bnsl --n-breaks 0,1 --plot forms.png --json forms.json
"""


def add(commands: Any) -> None:
    """Add the command."""
    text = "fit several forms to one curve and rank them"
    command = add_command(commands, "compare", text, EXAMPLE, _run)
    add_input(command)
    add_forms(command)
    add_options(command)
    add_plot_option(command)
    add_json_option(command)


def _run(args: argparse.Namespace) -> None:
    check_outputs(args)
    forms = [name.strip().lower() for name in args.forms.split(",")]
    forms_by_label(forms, args.n_breaks)  # before the first of them is fitted
    check_choice(args.loss, "loss", LOSSES)
    options = {"forms": forms, "n_breaks": args.n_breaks, "loss": args.loss, "robust": args.robust}
    comparison = compare(read_curve(args), **options, **split_rule(args))
    if args.json != STDIN:
        show(report.comparison_text(comparison))
    write_json(args.json, lambda: report.comparison_json(comparison))
    if args.plot:
        from bnsl.plots.comparisons import plot_comparison

        save_figure(args.plot, lambda ax: plot_comparison(comparison, ax=ax))
