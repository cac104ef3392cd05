"""`bnsl fit-many`: a law fitted to every curve of a table, one row per curve."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnsl._base.checks import InputError
from bnsl.cli._arguments import add_columns, add_curation, add_file, add_law, add_prediction
from bnsl.cli._input import (
    CURATIONS,
    curation_of,
    input_names,
    law_options,
    name_of_x,
    points_asked_for,
    source_of,
    split_names,
    tell_columns,
)
from bnsl.cli._output import check_writable
from bnsl.cli._surfaces import runs_table
from bnsl.cli._terminal import note
from bnsl.many.batch import fit_many
from bnsl.many.settings import prediction_name
from bnsl.readers.columns import Columns, choose_columns
from bnsl.readers.curation import MERGING, Curation, curate_each
from bnsl.readers.files import STDIN
from bnsl.readers.source import Source

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = """examples:
  bnsl fit-many runs.csv --by model --by task --x tokens --y loss --n-breaks 1 -o laws.csv
  bnsl fit-many runs.parquet --by model,task --x tokens --y loss --parts laws/ --workers 2
  bnsl fit-many runs.csv --by model --by task --x tokens --y loss --drop-missing --diverged 2
"""
EACH = tuple(name for name in CURATIONS if name not in MERGING)  # what is done to every curve by itself
ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl")


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_file(command)
    add_columns(command)
    command.add_argument(
        "--by",
        action="append",
        required=True,
        metavar="COLUMN",
        help="column whose values tell the curves apart; repeatable, or several with commas",
    )
    add_curation(command, one_curve=False)
    add_law(command, split=False)
    add_prediction(command, "add a column with the prediction at X; repeatable")
    command.add_argument(
        "-o",
        "--output",
        default=STDIN,
        metavar="OUT",
        help=f"file for the rows: {', '.join(ENDINGS)} (default: CSV to the standard output)",
    )
    command.add_argument(
        "--parts",
        metavar="FOLDER",
        help="write rows there as Parquet as they are computed; after an interruption, the same command "
        "continues",
    )
    command.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes (default: %(default)s)"
    )
    command.add_argument(
        "--device", metavar="NAME", help="for jax: cpu or gpu (default: a gpu if there is one)"
    )
    command.add_argument(
        "--dtype", default="float64", metavar="TYPE", help="for jax: float64 (default) or float32"
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    _check_output(args.output)
    options, predict = law_options(args), points_asked_for(args)
    todo = curation_of(args, EACH) or Curation()
    source = source_of(args)
    by = list(split_names(args.by, source.table.columns))
    inputs = input_names(args)
    named = [("--x", name) for name in inputs or [name_of_x(args)]]
    for option, name in [*named, ("--y", args.y), ("--sigma", args.sigma)]:
        if name is not None and name in by:
            raise InputError(f"{option} {name}: --by has this column already; it cannot be both")
    if inputs:
        _write_rows(args, _fit_surfaces(args, source, by, options))
        return
    if args.groups is not None:
        raise InputError("--groups is for several inputs; name them, such as --x params,tokens")
    numbers = source.table.drop(columns=[name for name in by if name in source.table.columns])
    steps, measured = (None if name in by else name for name in (source.x, source.y))
    columns = choose_columns(
        numbers, name_of_x(args), args.y, args.sigma, steps=steps, measured=measured, aside=source.aside
    )
    tell_columns(columns)
    for text in (*source.notes, *(source.told[name] for name in columns.names if name in source.told)):
        note(text)
    table = source.named([name for name in (*by, *todo.where) if name not in columns.names])
    table = _curated(table, columns, replace(todo, by=by), source.sparse)
    rows = fit_many(
        table,
        columns.x,
        columns.y,
        by,
        sigma=columns.sigma,
        predict_at=predict or None,
        out=args.parts,
        workers=args.workers,
        device=args.device,
        dtype=args.dtype,
        progress=False if args.quiet else None,
        **options,
    )
    if args.accuracy is not None:  # an error is between 0 and 1
        predicted = [prediction_name(x) for x in args.predict]
        rows[predicted] = rows[predicted].clip(0.0, 1.0)
    _write_rows(args, rows)


def _fit_surfaces(
    args: argparse.Namespace, source: Source, by: list[str], options: dict[str, Any]
) -> pd.DataFrame:
    """A law of several inputs for every part of FILE."""
    table, y = runs_table(args, source, by)
    if args.backend == "jax" or args.device is not None:
        raise InputError("--backend jax and --device are for one input")
    wanted = {"groups": args.groups, "sigma": args.sigma, "out": args.parts, "workers": args.workers}
    names = list(input_names(args))
    at = [dict(zip(names, row, strict=True)) for row in points_asked_for(args)]
    wanted |= {"predict_at": at or None, "progress": False if args.quiet else None}
    return fit_many(table, y=y, by=by, inputs=names, **wanted, **options)


def _write_rows(args: argparse.Namespace, rows: pd.DataFrame) -> None:
    _write(rows, args.output)
    counts = rows["status"].value_counts()
    note(f"{len(rows)} curves: " + ", ".join(f"{n} {status}" for status, n in counts.items()))


def _curated(table: pd.DataFrame, columns: Columns, todo: Curation, sparse: bool) -> pd.DataFrame:
    """The points of the curves that are asked for; of a log, where x and y were logged together."""
    done = curate_each(table, columns, replace(todo, drop_missing=todo.drop_missing or sparse))
    for text in done.notes:
        note(text)
    if done.y_label != columns.y:
        note(f"the curves are {done.y_label}")
    return done.table


def _check_output(name: str) -> None:
    if name == STDIN:
        return
    if Path(name).suffix.lower() not in ENDINGS:
        raise InputError(f"--output {name!r} must end in one of {', '.join(ENDINGS)}")
    check_writable(name)


def _write(rows: pd.DataFrame, name: str) -> None:
    ending = Path(name).suffix.lower()
    if name == STDIN:
        print(rows.to_csv(index=False), end="")
        return
    partial = Path(f"{name}.{os.getpid()}.partial")
    if ending == ".parquet":
        rows.to_parquet(partial, index=False)
    elif ending == ".jsonl":
        rows.to_json(partial, orient="records", lines=True, double_precision=15)
    else:
        rows.to_csv(partial, index=False, sep="\t" if ending == ".tsv" else ",")
    partial.replace(name)
    note(f"wrote {name}")
