"""`bnsl backtest`: how well the points beyond several cut-offs were predicted."""

from __future__ import annotations

import argparse
from typing import Any

import bnsl
from bnsl._base.checks import InputError, as_number, check_choice
from bnsl.cli._arguments import add_input, add_json_option, add_law, add_plot_option, add_values, numbers
from bnsl.cli._input import form_of, law_options, loss_of, read_curve
from bnsl.cli._output import check_outputs, put_out
from bnsl.evaluation.backtest import Backtest, backtest
from bnsl.forecasting.forecast import forecast

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl backtest curve.csv --form m2
  bnsl backtest curve.csv --method forecast
  bnsl backtest curve.csv --cut 600 --cut 736 --n-breaks 1 --plot backtest.png --json backtest.json
  bnsl datasets loss_surface > runs.csv
  bnsl backtest runs.csv --x params,tokens --where epochs=1 --form chinchilla --plot beyond.png
"""
BACKTESTED = {"forecast": forecast}  # methods of 'bnsl backtest' besides the forms
FOR_FORMS: dict[str, Any] = {  # options that a method does not take, and what they are if nobody gives them
    "form": None,
    "n_breaks": None,
    "loss": None,
    "robust": None,
    "robust_scale": None,
    "fix": [],
    "bound": [],
    "backend": "auto",
}


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_input(command)
    add_law(command, split=False)
    command.set_defaults(form=None)
    command.add_argument(
        "--method",
        metavar="NAME",
        help=f"instead of a form: {', '.join(BACKTESTED)}",
    )
    text = "fit the points up to X (with several inputs their product) and predict the others"
    add_values(command, "--cut", type=numbers, help=f"{text}; repeatable (default: six at most)")
    command.add_argument(
        "--tolerance", type=float, metavar="E", help="report up to which distance the rmsle stayed within E"
    )
    add_plot_option(command)
    add_json_option(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    law = _backtested(args)
    if args.method is not None:
        args.loss = "linear"  # y of any sign can be forecast
    if args.tolerance is not None:
        as_number(args.tolerance, "--tolerance", lambda value: 0 < value < float("inf"))
    curve = read_curve(args, form_of(args) if args.method is None else None)
    law |= loss_of(args) if args.method is None else {}
    tested = backtest(curve, cuts=args.cut or None, **law)
    put_out(
        args,
        lambda: _text(tested, args.tolerance),
        tested.to_json,
        lambda ax: bnsl.plot_backtest(tested, ax=ax),
        wide=True,
    )


def _text(tested: Backtest, tolerance: float | None) -> str:
    """The summary, and how far the law could be trusted."""
    if tolerance is None:
        return tested.summary()
    far = tested.trusted(tolerance)
    reach = "at no distance" if far != far else f"up to {far:.4g} times the last fitted x"
    return f"{tested.summary()}\n\nrmsle within {tolerance:g} {reach}"


def _backtested(args: argparse.Namespace) -> dict[str, Any]:
    """The method or the form to back-test, with its options, checked as far as can be without the data."""
    if args.method is None:
        args.form = "bnsl" if args.form is None else args.form
        return law_options(args)
    check_choice(args.method, "method", BACKTESTED)
    for name, default in FOR_FORMS.items():
        if getattr(args, name) != default:
            option = name.replace("_", "-")
            raise InputError(f"--{option} has no effect on --method {args.method}; leave one of them out")
    return {"method": BACKTESTED[args.method]}
