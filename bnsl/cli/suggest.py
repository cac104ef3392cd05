"""`bnsl suggest`: which run to do next."""

from __future__ import annotations

import argparse
from typing import cast

import numpy as np

import bnsl
from bnsl._base.checks import InputError, as_number
from bnsl._base.display import records
from bnsl.cli._arguments import (
    add_constraints,
    add_input,
    add_json_option,
    add_plot_option,
    add_split,
    number,
    numbers,
)
from bnsl.cli._input import check_points, constraints_of, read_curve, split_rule
from bnsl.cli._output import check_outputs, put_out
from bnsl.cli._text import json_text
from bnsl.fitting.fit import fit
from bnsl.forecasting.forecast import forecast
from bnsl.planning.suggestion import Suggestion, suggest

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl suggest curve.csv --train-until 736 --target 4000
  bnsl suggest curve.csv --train-until 736 --target 4000 --budget 3000 --plot runs.png
  bnsl suggest curve.csv --train-until 736 --target 4000 --candidates 800,1000,1500 --n-breaks 1
"""
CANDIDATES = 12  # if none are named: even in log x from the middle of the data to the target


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_input(command)
    add_split(command)
    command.add_argument(
        "--target",
        type=number,
        action="append",
        default=[],
        metavar="X",
        help="x of the prediction; repeatable",
    )
    command.add_argument(
        "--candidates",
        type=numbers,
        metavar="X,X,...",
        help=f"x that could be run (default: {CANDIDATES} from the middle of the data to half of the target)",
    )
    command.add_argument(
        "--budget",
        type=number,
        metavar="B",
        help="what a set may cost; the cost of a run is its x (default: one run)",
    )
    command.add_argument("--count", type=int, metavar="N", help="how many runs at most")
    command.add_argument(
        "--n-breaks",
        type=int,
        metavar="N",
        help="trust one bnsl with N breaks (default: a forecast, which averages over laws)",
    )
    add_constraints(command)
    add_plot_option(command)
    add_json_option(command)
    command.set_defaults(loss="log")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    if not args.target:
        raise InputError("--target X is missing: the x of the prediction that matters")
    check_points(args.target, "--target")
    if args.budget is not None:
        as_number(args.budget, "--budget", lambda value: 0 < value < np.inf)
    held = constraints_of(args)
    if args.n_breaks is None and any(held.values()):
        raise InputError("--fix and --bound are for one law; add --n-breaks N")
    if args.n_breaks is None:
        args.loss = "linear"  # y of any sign can be forecast
    curve = read_curve(args).split(**split_rule(args))[0]
    candidates = args.candidates
    if candidates is None:
        first = float(np.exp(np.mean(np.log([curve.x[0], curve.x[-1]]))))
        end = 0.5 * max(args.target)
        if end <= first:
            raise InputError(
                f"--target {max(args.target):g} lies within the data; name the --candidates for it"
            )
        candidates = np.geomspace(first, end, CANDIDATES).tolist()
    law = forecast(curve) if args.n_breaks is None else fit(curve, n_breaks=args.n_breaks, **held)
    advice = suggest(law, candidates, args.target, budget=args.budget, count=args.count)
    found = cast("Suggestion", advice)  # the curve has one input
    put_out(
        args,
        found.summary,
        lambda: _json(found),
        lambda ax: bnsl.plot_suggestion(found, ax=ax),
    )


def _json(found: Suggestion) -> str:
    record = {
        "bnsl": "suggestion",
        "version": 1,
        "target": found.target.tolist(),
        "chosen": found.chosen.tolist(),
        "cost": found.total_cost,
        "sd_before": found.sd_before,
        "sd_after": found.sd_after,
        "candidates": records(found.table),
    }
    return json_text(record)
