"""`bnsl continual`: the loss on old and on new data when training goes on with new data.

Examples:
  bnsl datasets continual_pretraining > runs.csv
  bnsl continual runs.csv --where shift=strong --where seed=0 --replay 0,0.05,0.25 --plot front.png
"""

from __future__ import annotations

import argparse

import bnsl
from bnsl._base.checks import InputError
from bnsl._base.display import aligned, paragraphs
from bnsl.cli import _arguments as arguments
from bnsl.cli._output import put_out, record_text, write_report
from bnsl.cli._values import numbers
from bnsl.cli.runs import add_file, runs_of
from bnsl.runs.run import Run

SHARES = (0.0, 0.01, 0.05, 0.25, 0.5)  # of old data, if none are asked for
FORMS = {"peak": "g", "replay": "g", "old": ".4f", "new": ".4f", "forgetting": "+.4f"}  # columns


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_file(command)
    text = f"shares of old data (default: {', '.join(f'{share:g}' for share in SHARES)})"
    arguments.values(command, "--replay", text, type=numbers, metavar="A,B,...")
    text = "peak rates (default: that of the runs)"
    arguments.values(command, "--peak", text, type=numbers, metavar="A,B,...")
    arguments.option(command, "--steps", "N", "steps (default: as many as the longest run)", int)
    arguments.add_outputs(command, report=True)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    runs = _runs_of(args)
    before = [one for one in runs if any(other.parent is one for other in runs)]
    if not before:
        raise InputError("no run has a parent; a column 'parent' names the run that another began with")
    result = bnsl.continual(before, [one for one in runs if one.parent is not None])
    shares, peaks, steps = args.replay or [*SHARES], args.peak or [result.peak], args.steps
    rows = []
    for peak in peaks:
        for share in shares:
            end = result.final(peak=peak, replay=share, steps=steps)
            row = {"peak": peak, "replay": share, "old": end.old, "old_interval": list(end.old_interval)}
            row |= {"new": end.new, "new_interval": list(end.new_interval)}
            rows.append(row | {"forgetting": end.old - result.pretraining.final})
    drawn = sorted({*SHARES, *shares})  # a front takes several
    cells = [[f"{row[name]:{form}}" for name, form in FORMS.items()] for row in rows]
    put_out(
        args,
        lambda: paragraphs(result.summary(), f"final losses\n{aligned([[*FORMS], *cells])}"),
        lambda: record_text("continual", finals=rows, warnings=[list(one) for one in result.warnings]),
        lambda: bnsl.plot_front(result, replay=drawn, peak=peaks, steps=steps),
    )
    write_report(args, result, replay=drawn)


def _runs_of(args: argparse.Namespace) -> list[Run]:
    """The runs in FILE; InputError, which says what fits them, for a table of final losses by replay."""
    try:
        return runs_of(args)
    except InputError as error:
        if "no column is a " in str(error) and "replay" in str(error):  # that column is there
            raise InputError(
                "it needs runs with steps (--step) and learning rates (--lr); final losses against "
                "the share of old data are fitted in Python: bnsl.fit_replay(table['replay'], table['loss'])"
            ) from None
        raise
