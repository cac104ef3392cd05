"""Tables of runs with several inputs, from the arguments of a command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from bnsl._base.checks import InputError, no_column, some
from bnsl._base.lazy import pd
from bnsl.cli._given import CURATIONS, curation_of, input_names, is_given, source_of, where_of
from bnsl.cli._terminal import note
from bnsl.cli._words import dashed
from bnsl.curves.curve import Curve
from bnsl.curves.data import as_curve
from bnsl.forms.form import Form
from bnsl.forms.inputs import Input
from bnsl.readers.files import stem
from bnsl.readers.rows import chosen_rows
from bnsl.readers.source import Source

USED = ("where", "drop_missing")  # of the options of which points to take; the others are for one curve
MEASURED = "loss"  # the column of y, unless another is asked for


def read_runs(args: argparse.Namespace, form: Form | None = None) -> Curve:
    """The runs in FILE, or in the data set of that name, as a fit of the form takes them.

    Raises InputError as `runs_table` does.
    """
    frame, y = runs_table(args)
    inputs = input_names(args)
    axes = tuple(map(Input, inputs)) if form is None else form.inputs
    columns = (list(inputs), y, args.sigma)
    curve = as_curve([frame], *columns, axes=axes, groups=args.groups, labels=inputs)
    return replace(curve, name=stem(args.file))


def runs_table(
    args: argparse.Namespace, source: Source | None = None, by: Sequence[str] = ()
) -> tuple[pd.DataFrame, str]:
    """The table of runs that is asked for, and the column of what was measured.

    `source` is what is in FILE, if it is read already; the columns `by`, which tell parts apart, are taken as
    they stand in the file. Raises InputError for a column that is not there, and for an option that is of
    curves with one input.
    """
    used = (*USED, "by") if by else USED
    for name in CURATIONS:
        if name not in used and is_given(getattr(args, name, None)):
            raise InputError(f"{dashed(name)} is for curves of one input, and --x names several")
    inputs, y = input_names(args), args.y
    if not inputs:
        raise InputError("--x must name the columns of the inputs, such as --x params,tokens")
    frame = _table(args, source, by)
    known = list(map(str, frame.columns))
    if y is None:
        if MEASURED not in known:
            raise InputError(f"--y COLUMN is missing; the columns are {some(known)}")
        y = MEASURED
        note(f"took y = {y!r}; --y chooses another column")
    if args.x in known:
        raise InputError(f"--x {args.x!r} names several inputs; of that one column write --x '\"{args.x}\"'")
    named = [("--x", name) for name in inputs]
    for option, name in [*named, ("--y", y), ("--sigma", args.sigma), ("--groups", args.groups)]:
        if name is not None and name not in known:
            raise InputError(f"{option}: {no_column(name, known)}")
    if args.drop_missing:
        frame = frame.dropna(subset=[*inputs, y]).reset_index(drop=True)
    return frame, y


def _table(args: argparse.Namespace, source: Source | None, by: Sequence[str]) -> pd.DataFrame:
    """The rows that --where leaves."""
    source = source_of(args) if source is None else source
    table = source.named(by)
    taken = where_of(args.where)
    named = source.named([name for name in taken if name in source.table.columns])
    curation = curation_of(args, USED)
    rows = named if curation is None else chosen_rows(named, curation)
    return table.loc[rows.index].reset_index(drop=True)
