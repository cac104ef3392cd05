"""`bnsl suggest`: which run to do next.

Examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl suggest curve.csv --train-until 736 --target 4000
  bnsl suggest curve.csv --train-until 736 --target 4000 --budget 3000 --plot runs.png
  bnsl suggest curve.csv --train-until 736 --target 4000 --candidates 800,1000,1500 --n-breaks 1
  bnsl datasets loss_surface > runs.csv
  bnsl suggest runs.csv --x params,tokens --where epochs=1 --target params=2M,tokens=40M --plot next.png
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import bnsl
from bnsl._base.checks import InputError, as_number
from bnsl._base.display import quietly, records
from bnsl.cli import _arguments as arguments
from bnsl.cli._given import constraints_of, form_of, points_asked_for, split_rule
from bnsl.cli._input import read_curve
from bnsl.cli._output import put_out, record_text
from bnsl.cli._values import number
from bnsl.fitting.fit import fit
from bnsl.forecasting.forecast import forecast
from bnsl.planning.allocation import frontier
from bnsl.planning.costs import flops
from bnsl.planning.suggested import RunSuggestion, Suggestion
from bnsl.planning.suggestion import suggest

CANDIDATES = 12  # if none are named: even in log x from the middle of the data to the target


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    arguments.add_input(command)
    arguments.add_split(command)
    text = "x of the prediction, with several inputs such as params=70e9,tokens=1.4T; repeatable"
    arguments.values(command, "--target", text)
    text = (
        "x of possible runs; with several inputs a run as in --target, repeatable (default: "
        f"{CANDIDATES} from the middle of the data to half of the target, with two inputs compute-optimal)"
    )
    arguments.values(command, "--candidates", text)
    text = "total cost of the runs; a run costs its x, or 6 times two inputs (default: choose one run)"
    arguments.option(command, "--budget", "B", text, number)
    arguments.option(command, "--count", "N", "largest number of runs", int)
    text = "use one bnsl law with N breaks (default: a forecast, which averages over laws)"
    arguments.option(command, "--n-breaks", "N", text, int)
    text = "use one law of this form, such as chinchilla (default: a forecast)"
    arguments.option(command, "--form", None, text)
    arguments.add_constraints(command)
    arguments.add_outputs(command)
    command.set_defaults(loss="log")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if not args.target:
        raise InputError("--target X is missing: the x at which to predict")
    target, candidates = points_asked_for(args, "--target"), points_asked_for(args, "--candidates")
    if args.budget is not None:
        as_number(args.budget, "--budget", lambda value: 0 < value < np.inf)
    held, form = constraints_of(args), None
    if args.n_breaks is not None or args.form is not None:
        args.form = args.form or "bnsl"
        form = form_of(args)
    elif any(held.values()):
        raise InputError("--fix and --bound are for one law; add --n-breaks N or --form NAME")
    else:
        args.loss = "linear"  # y of any sign can be forecast
    curve = read_curve(args, form).split(**split_rule(args))[0]
    law = forecast(curve) if form is None else fit(curve, form=form, **held)
    candidates = candidates or _candidates(law, target)
    found = suggest(law, candidates, target, budget=args.budget, count=args.count)
    put_out(args, found.summary, lambda: _json(found), lambda: bnsl.plot_suggestion(found))


def _candidates(law: Any, target: list[Any]) -> Any:
    """Runs from the middle of the data, in log x or compute, to half of the target; of two the best."""
    curve = law.curve
    ends = curve.effort_at(np.array(target, float))
    first, end = float(np.sqrt(curve.effort.min() * curve.effort.max())), 0.5 * float(max(ends))
    if end <= first or curve.inputs > 2:
        why = "lies within the data" if end <= first else "is of more than two inputs"
        raise InputError(f"--target {why}; name the --candidates for it")
    along = np.geomspace(first, end, CANDIDATES)
    if curve.inputs == 1:
        return along.tolist()
    with quietly():
        return frontier(law, along, flops(1.0))[list(curve.input_names)]


def _json(found: Suggestion | RunSuggestion) -> str:
    runs: Any = records if isinstance(found, RunSuggestion) else np.ndarray.tolist
    return record_text(
        "suggestion",
        target=runs(found.target),
        chosen=runs(found.chosen),
        cost=found.total_cost,
        sd_before=found.sd_before,
        sd_after=found.sd_after,
        candidates=records(found.table),
    )
