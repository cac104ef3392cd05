"""`bnsl continual`: the loss on old and on new data when training goes on with new data."""

from __future__ import annotations

import argparse

import bnsl
from bnsl._base.checks import InputError
from bnsl._base.display import aligned, paragraphs
from bnsl.cli._arguments import add_json_option, add_plot_option, add_values, numbers
from bnsl.cli._output import check_outputs, put_out
from bnsl.cli._text import json_text
from bnsl.cli.runs import add_file, add_report, runs_of, write_report
from bnsl.runs.run import Run
from bnsl.web.page import check_path

EXAMPLE = """examples:
  bnsl datasets continual_pretraining > runs.csv
  bnsl continual runs.csv --where shift=strong --where seed=0 --replay 0,0.05,0.25 --plot front.png
"""


SHARES = (0.0, 0.01, 0.05, 0.25, 0.5)  # of old data, if none are asked for
FORMS = {"peak": "g", "replay": "g", "old": ".4f", "new": ".4f", "forgetting": "+.4f"}  # columns


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_file(command)
    text = f"shares of old data (default: {', '.join(f'{share:g}' for share in SHARES)})"
    add_values(command, "--replay", type=numbers, metavar="A,B,...", help=text)
    text = "peak rates (default: that of the runs)"
    add_values(command, "--peak", type=numbers, metavar="A,B,...", help=text)
    command.add_argument("--steps", type=int, metavar="N", help="steps (default: as many as the longest run)")
    add_plot_option(command)
    add_json_option(command)
    add_report(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    if args.report is not None:
        check_path(args.report)
    shares, steps = args.replay or [*SHARES], args.steps
    runs = _runs_of(args)
    before = [one for one in runs if any(other.parent is one for other in runs)]
    if not before:
        raise InputError("no run has a parent; a column 'parent' names the run that another began with")
    children = [one for one in runs if one.parent is not None]
    result = bnsl.continual(before, children)
    rows = []
    for peak in args.peak or [result.peak]:
        for share in shares:
            end = result.final(peak=peak, replay=share, steps=steps)
            rows.append(
                {
                    "peak": peak,
                    "replay": share,
                    "old": end.old,
                    "old_interval": list(end.old_interval),
                    "new": end.new,
                    "new_interval": list(end.new_interval),
                    "forgetting": end.old - result.pretraining.final,
                }
            )
    cells = [
        (
            f"{r['peak']:g}",
            f"{r['replay']:g}",
            f"{r['old']:.4f}",
            f"{r['new']:.4f}",
            f"{r['forgetting']:+.4f}",
        )
        for r in rows
    ]
    table = aligned([tuple(FORMS), *cells])
    put_out(
        args,
        lambda: paragraphs(result.summary(), f"final losses\n{table}"),
        lambda: json_text(
            {
                "bnsl": "continual",
                "version": 1,
                "finals": rows,
                "warnings": [list(one) for one in result.warnings],
            }
        ),
        lambda ax: bnsl.plot_front(
            result, ax=ax, replay=shares, peak=args.peak or [result.peak], steps=steps
        ),
        wide=True,
    )
    write_report(args, result, replay=shares)


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
