"""`bnsl runs`: losses under a learning-rate schedule, fitted and predicted under another."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

import bnsl
from bnsl._base.checks import check_share
from bnsl._base.display import aligned, paragraphs, plain
from bnsl.cli._arguments import add_json_option, add_plot_option, add_where
from bnsl.cli._input import where_of
from bnsl.cli._output import LEVEL, check_outputs, put_out
from bnsl.cli._terminal import note
from bnsl.cli._text import json_text
from bnsl.runs.laws import LAWS
from bnsl.runs.reading import read_runs
from bnsl.runs.run import Run
from bnsl.schedules.text import from_text
from bnsl.web.page import check_path
from bnsl.web.runs import write_runs_report

EXAMPLE = """examples:
  bnsl datasets continual_pretraining > runs.csv
  bnsl runs runs.csv --where shift=weak --where run=pretraining --loss loss_old \
--predict wsd:peak=3e-3,steps=6000
"""


def add_file(command: argparse.ArgumentParser) -> None:
    """FILE, its columns and which rows are taken."""
    command.add_argument("file", metavar="FILE", help="a table or log with step, learning rate and loss")
    for name in ("run", "step", "lr", "loss"):
        dest = "run_column" if name == "run" else name  # `run` is what the shell calls
        text = f"column of the {name} (default: found by its name)"
        command.add_argument(f"--{name}", dest=dest, metavar="COLUMN", help=text)
    add_where(command)
    command.add_argument("--warmup", type=int, metavar="N", help="steps of the warm-up before the log begins")


def runs_of(args: argparse.Namespace) -> list[Run]:
    """The runs in FILE."""
    return read_runs(
        args.file,
        run=args.run_column,
        step=args.step,
        lr=args.lr,
        loss=args.loss,
        where=where_of(args.where),
        warmup=args.warmup,
    )


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_file(command)
    command.add_argument("--law", metavar="LAW", help=f"average, {', '.join(LAWS)} (default: average)")
    command.add_argument(
        "--predict",
        action="append",
        default=[],
        metavar="SCHEDULE",
        help="the final loss under this schedule, as in cosine:peak=3e-4,steps=50000; repeatable",
    )
    command.add_argument(
        "--level",
        type=float,
        default=LEVEL,
        metavar="P",
        help="probability of the intervals (default: %(default)s)",
    )
    add_plot_option(command)
    add_json_option(command)
    add_report(command)


def add_report(command: argparse.ArgumentParser) -> None:
    """Where to write the page."""
    command.add_argument("--report", metavar="OUT.html", help="also write a web page that needs no network")


def write_report(args: argparse.Namespace, result: Any, **options: Any) -> None:
    """Write the page, where one is asked for."""
    if args.report is not None:
        write_runs_report(result, args.report, command=shlex.join(["bnsl", *args.argv]), **options)
        note(f"wrote {args.report}")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    if args.report is not None:
        check_path(args.report)
    level = check_share(args.level, "--level")
    wanted = {text: from_text(text) for text in args.predict}
    result = bnsl.fit_runs(runs_of(args), args.law)
    rows: list[dict[str, Any]] = []
    for text, schedule in wanted.items():
        low, high = result.interval(schedule, level=level)
        rows.append({"schedule": text, "loss": result.predict(schedule), "lower": low, "upper": high})
    put_out(
        args,
        lambda: paragraphs(result.summary(), _table(rows, level)),
        lambda: json_text(
            {
                "bnsl": "runs",
                "version": 1,
                "law": result.law,
                "rms": plain(result.rms),
                "level": level,
                "parameters": {fit.law.name: fit.law.parameters(fit) for fit in result.fits},
                "undetermined": list(result.undetermined),
                "warnings": [list(one) for one in result.warnings],
                "predictions": rows,
            }
        ),
        lambda ax: bnsl.plot_runs(result, wanted, ax=ax, level=level),
        wide=True,
    )
    write_report(args, result, schedules=wanted, level=level)


def _table(rows: list[dict[str, Any]], level: float) -> str:
    if not rows:
        return ""
    cells = [(r["schedule"], *(f"{r[key]:.5g}" for key in ("loss", "lower", "upper"))) for r in rows]
    head = f"final losses, with {100 * level:g} % intervals"
    return f"{head}\n{aligned([('schedule', 'loss', 'lower', 'upper'), *cells], left=(0,))}"
