"""`bnsl backtest`: how well the points beyond several cut-offs were predicted.

Examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl backtest curve.csv --form m2
  bnsl backtest curve.csv --method forecast
  bnsl backtest curve.csv --cut 600 --cut 736 --n-breaks 1 --plot backtest.png --json backtest.json
  bnsl datasets loss_surface > runs.csv
  bnsl backtest runs.csv --x params,tokens --where epochs=1 --form chinchilla --plot beyond.png
"""

from __future__ import annotations

import argparse
from typing import Any

import bnsl
from bnsl._base.checks import InputError, as_number, check_choice
from bnsl.cli import _arguments as arguments
from bnsl.cli._given import form_of, is_given, law_options
from bnsl.cli._input import read_curve
from bnsl.cli._output import put_out
from bnsl.cli._values import numbers
from bnsl.cli._words import dashed
from bnsl.evaluation.backtest import Backtest, backtest
from bnsl.forecasting.forecast import forecast

BACKTESTED = {"forecast": forecast}  # methods of 'bnsl backtest' besides the forms
FOR_FORMS = ("form", "n_breaks", "loss", "robust", "robust_scale", "fix", "bound", "backend")


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    arguments.add_input(command)
    arguments.add_law(command, split=False)
    command.set_defaults(form=None)
    arguments.option(command, "--method", "NAME", f"instead of a form: {', '.join(BACKTESTED)}")
    text = (
        "fit the points up to X (with several inputs their product) and predict the others; repeatable "
        "(default: six at most)"
    )
    arguments.values(command, "--cut", text, type=numbers)
    text = "report up to which distance the error stayed within E"
    arguments.option(command, "--tolerance", "E", text, float)
    arguments.add_outputs(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    law: dict[str, Any]
    form = None
    if args.method is not None:
        _check_method(args)
        law, args.loss = {"method": BACKTESTED[args.method]}, "linear"  # y of any sign can be forecast
    else:
        args.form = args.form or "bnsl"
        law, form = law_options(args), form_of(args)
    if args.tolerance is not None:
        as_number(args.tolerance, "--tolerance", lambda value: 0 < value < float("inf"))
    curve = read_curve(args, form)
    law |= {} if form is None else {"loss": args.loss}
    tested = backtest(curve, cuts=args.cut or None, **law)
    put_out(args, lambda: _text(tested, args.tolerance), tested.to_json, lambda: bnsl.plot_backtest(tested))


def _text(tested: Backtest, tolerance: float | None) -> str:
    """The summary, and how far the law could be trusted."""
    if tolerance is None:
        return tested.summary()
    far = tested.trusted(tolerance)
    reach = "at no distance" if far != far else f"up to {far:.4g} times the last fitted x"
    return f"{tested.summary()}\n\n{tested.measure} within {tolerance:g} {reach}"


def _check_method(args: argparse.Namespace) -> None:
    """Raise InputError for an unknown method, and for what it does not take."""
    check_choice(args.method, "method", BACKTESTED)
    for name in FOR_FORMS:
        if is_given(getattr(args, name)) and (name, args.backend) != ("backend", "auto"):
            raise InputError(f"{dashed(name)} has no effect on --method {args.method}; leave one of them out")
