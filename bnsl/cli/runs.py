"""`bnsl runs`: losses under a learning-rate schedule, fitted and predicted under another.

Examples:
  bnsl datasets continual_pretraining > runs.csv
  bnsl runs runs.csv --where shift=weak --where run=pretraining --loss loss_old \
--predict wsd:peak=3e-3,steps=6000
"""

from __future__ import annotations

import argparse
from typing import Any

import bnsl
from bnsl._base.checks import check_share
from bnsl._base.display import aligned, paragraphs, plain
from bnsl.cli import _arguments as arguments
from bnsl.cli._given import dataset_of, where_of
from bnsl.cli._output import put_out, record_text, write_report
from bnsl.curves.datasets import load_table
from bnsl.runs.laws import LAWS
from bnsl.runs.reading import read_runs
from bnsl.runs.run import Run
from bnsl.schedules.text import from_text


def add_file(command: argparse.ArgumentParser) -> None:
    """FILE, its columns and which rows are taken."""
    command.add_argument(
        "file",
        metavar="FILE",
        help="a table or log with step, rate and loss; or the data set continual_pretraining",
    )
    for name in ("run", "step", "lr", "loss"):
        dest = "run_column" if name == "run" else name  # `run` is what the shell calls
        arguments.option(
            command, f"--{name}", "COLUMN", f"column of the {name} (default: found by its name)", dest=dest
        )
    arguments.add_where(command)
    arguments.option(command, "--warmup", "N", "steps of the warm-up before the log begins", int)


def runs_of(args: argparse.Namespace) -> list[Run]:
    """The runs in FILE."""
    columns = {name: getattr(args, name) for name in ("step", "lr", "loss", "warmup")}
    name = dataset_of(args)
    source = args.file if name is None else load_table(name)
    return read_runs(source, run=args.run_column, where=where_of(args.where), **columns)


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_file(command)
    arguments.option(command, "--law", "LAW", f"average, {', '.join(LAWS)} (default: average)")
    text = "the final loss under this schedule, as in cosine:peak=3e-4,steps=50000; repeatable"
    arguments.repeated(command, "--predict", "SCHEDULE", text)
    arguments.add_level(command)
    arguments.add_outputs(command, report=True)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
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
        lambda: record_text(
            "runs",
            law=result.law,
            rms=plain(result.rms),
            level=level,
            parameters={fit.law.name: fit.law.parameters(fit) for fit in result.fits},
            undetermined=list(result.undetermined),
            warnings=[list(one) for one in result.warnings],
            predictions=rows,
        ),
        lambda: bnsl.plot_runs(result, wanted, level=level),
    )
    write_report(args, result, schedules=wanted, level=level)


def _table(rows: list[dict[str, Any]], level: float) -> str:
    if not rows:
        return ""
    cells = [[row["schedule"], *(f"{row[key]:.5g}" for key in ("loss", "lower", "upper"))] for row in rows]
    return f"final losses, with {100 * level:g} % intervals\n{aligned([[*rows[0]], *cells], left=(0,))}"
