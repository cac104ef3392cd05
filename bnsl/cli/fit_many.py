"""`bnsl fit-many`: a law fitted to every curve of a table, one row per curve.

Examples:
  bnsl fit-many runs.csv --by model --by task --x tokens --y loss --n-breaks 1 -o laws.csv
  bnsl fit-many runs.parquet --by model,task --x tokens --y loss --parts laws/ --workers 2
  bnsl fit-many runs.csv --by model --by task --x tokens --y loss --drop-missing --diverged 2
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnsl._base.checks import InputError
from bnsl._base.lazy import pd
from bnsl.cli import _arguments as arguments
from bnsl.cli import _given as given
from bnsl.cli._input import tell_columns
from bnsl.cli._output import check_writable
from bnsl.cli._surfaces import runs_table
from bnsl.cli._terminal import note
from bnsl.many.batch import fit_many
from bnsl.many.settings import prediction_name
from bnsl.readers.columns import choose_columns
from bnsl.readers.curation import MERGING, Curation, curate_each
from bnsl.readers.files import STDIN
from bnsl.readers.source import Source

EACH = tuple(name for name in given.CURATIONS if name not in MERGING)  # what is done to every curve by itself
ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl")


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    arguments.add_file(command)
    arguments.add_columns(command)
    text = "column whose values tell the curves apart; repeatable, or several with commas"
    arguments.repeated(command, "--by", "COLUMN", text, required=True)
    arguments.add_curation(command, one_curve=False)
    arguments.add_law(command, split=False)
    arguments.add_prediction(command, "add a column with the prediction at X; repeatable")
    text = f"file for the rows: {', '.join(ENDINGS)} (default: CSV to the standard output)"
    command.add_argument("-o", "--output", default=STDIN, metavar="OUT", help=text)
    text = (
        "write rows there as Parquet as they are computed; after an interruption, the same command continues"
    )
    arguments.option(command, "--parts", "FOLDER", text)
    arguments.option(command, "--workers", "N", "processes (default: %(default)s)", int, default=1)
    arguments.option(command, "--device", "NAME", "for jax: cpu or gpu (default: a gpu if there is one)")
    arguments.option(command, "--dtype", "TYPE", "for jax: float64 (default) or float32", default="float64")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.output != STDIN:
        if Path(args.output).suffix.lower() not in ENDINGS:
            raise InputError(f"--output {args.output!r} must end in one of {', '.join(ENDINGS)}")
        check_writable(args.output)
    options, predict = given.law_options(args), given.points_asked_for(args)
    options |= {"out": args.parts, "workers": args.workers, "progress": False if args.quiet else None}
    todo = given.curation_of(args, EACH) or Curation()
    source = given.source_of(args)
    by = list(given.split_names(args.by, source.table.columns))
    inputs = given.input_names(args)
    named = [("--x", name) for name in inputs or [given.name_of_x(args)]]
    for option, name in [*named, ("--y", args.y), ("--sigma", args.sigma)]:
        if name is not None and name in by:
            raise InputError(f"{option} {name}: --by has this column already; it cannot be both")
    if inputs:
        rows = _fit_surfaces(args, source, by, predict, options)
    elif args.groups is not None:
        raise InputError("--groups is for several inputs; name them, such as --x params,tokens")
    else:
        rows = _fit_curves(args, source, replace(todo, by=by), predict, options)
    _write(_as_written(rows, by), args.output)
    counts = rows["status"].value_counts()
    note(f"{len(rows)} curves: " + ", ".join(f"{n} {status}" for status, n in counts.items()))


def _fit_surfaces(
    args: argparse.Namespace, source: Source, by: list[str], predict: list[Any], options: dict[str, Any]
) -> pd.DataFrame:
    """A law of several inputs for every part of FILE."""
    table, y = runs_table(args, source, by)
    if args.backend == "jax" or args.device is not None:
        raise InputError("--backend jax and --device are for one input")
    names = list(given.input_names(args))
    options |= {"inputs": names, "y": y, "groups": args.groups, "sigma": args.sigma}
    at = [dict(zip(names, row, strict=True)) for row in predict]
    return fit_many(table, by=by, predict_at=at or None, **options)


def _fit_curves(
    args: argparse.Namespace, source: Source, todo: Curation, predict: list[Any], options: dict[str, Any]
) -> pd.DataFrame:
    """A law of one input for every curve of FILE; the points are those that are asked for."""
    by, left = list(todo.by), [name for name in todo.by if name in source.table.columns]
    x, y = (None if name in by else name for name in (source.x, source.y))
    apart = replace(source, table=source.table.drop(columns=left), x=x, y=y)
    columns = choose_columns(apart, given.name_of_x(args), args.y, args.sigma)
    tell_columns(columns)
    for text in (*source.notes, *(source.told[name] for name in columns.names if name in source.told)):
        note(text)
    table = source.named([name for name in (*by, *todo.where) if name not in columns.names])
    # In a log x and y were logged together in some rows only.
    points = curate_each(table, columns, replace(todo, drop_missing=todo.drop_missing or source.sparse))
    for text in points.notes:
        note(text)
    if points.y_label != columns.y:
        note(f"the curves are {points.y_label}")
    options |= {"sigma": columns.sigma, "device": args.device, "dtype": args.dtype}
    rows = fit_many(points.table, columns.x, columns.y, by, predict_at=predict or None, **options)
    if args.accuracy is not None:  # an error is between 0 and 1
        predicted = [prediction_name(at) for at in predict]
        rows[predicted] = rows[predicted].clip(0.0, 1.0)
    return rows


def _as_written(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The rows with whole numbers that tell curves apart as such, 3 and not 3.0."""
    numbers = [name for name in by if rows[name].dtype == float]
    whole = [name for name in numbers if (rows[name] % 1 == 0).all() and rows[name].abs().max() < 2.0**53]
    return rows.astype(dict.fromkeys(whole, "int64"))


def _write(rows: pd.DataFrame, name: str) -> None:
    """The rows to the standard output, or to a file that is there only once it is whole."""
    if name == STDIN:
        print(rows.to_csv(index=False), end="")
        return
    partial, ending = Path(f"{name}.{os.getpid()}.partial"), Path(name).suffix.lower()
    if ending == ".parquet":
        rows.to_parquet(partial, index=False)
    elif ending == ".jsonl":
        rows.to_json(partial, orient="records", lines=True, double_precision=15)
    else:
        rows.to_csv(partial, index=False, sep="\t" if ending == ".tsv" else ",")
    partial.replace(name)
    note(f"wrote {name}")
