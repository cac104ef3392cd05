"""The curve, or the curves, in FILE."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from bnsl._base.checks import InputError, some
from bnsl.cli._given import CURATIONS, curation_of, input_names, is_given, name_of_x, source_of, split_names
from bnsl.cli._surfaces import read_runs
from bnsl.cli._terminal import note
from bnsl.cli._words import dashed
from bnsl.curves.curve import Curve
from bnsl.curves.datasets import COLLECTIONS, DESCRIPTIONS, load_curve
from bnsl.curves.scale import loss_of
from bnsl.forms.form import Form
from bnsl.readers.columns import Columns
from bnsl.readers.files import STDIN
from bnsl.readers.reading import Reading, curve_from_source, curves_from_source, without_end


def read_curve(args: argparse.Namespace, form: Form | None = None) -> Curve:
    """The curve in FILE, or the bundled data set of that name; guesses are reported on the standard error.

    Of several inputs `form` says what each can be. Where no loss was asked for, `args.loss` becomes the one
    that the values allow.
    """
    return _read(args, lambda *asked, **how: {"": curve_from_source(*asked, **how)}, form)[""]


def read_curves(args: argparse.Namespace, form: Form | None = None) -> dict[str, Curve]:
    """The same, or where FILE has several runs that nothing makes one curve of, the curve of each.

    Raises InputError for a figure of several runs, too.
    """
    curves = _read(args, curves_from_source, form)
    if len(curves) > 1 and args.plot is not None:
        raise InputError(f"--plot draws one run, and there are {some(curves)}; choose one with --where")
    return curves


def _read(
    args: argparse.Namespace, read: Callable[..., dict[str, Reading]], form: Form | None
) -> dict[str, Curve]:
    if input_names(args):
        runs = read_runs(args, form)
        args.loss = _loss(args, runs.y)
        return {"": runs}
    if args.groups is not None:
        raise InputError("--groups is for several inputs; name them, such as --x params,tokens")
    curation = curation_of(args)
    if args.file != STDIN and not Path(args.file).exists():
        if args.file in DESCRIPTIONS:
            bundled = _bundled(args)
            args.loss = _loss(args, bundled.y)
            return {"": bundled}
        if args.file in COLLECTIONS:
            raise InputError(
                f"FILE {args.file!r} is many curves; 'bnsl benchmark --curves {args.file}' fits them all"
            )
    source = source_of(args)
    if curation is not None:
        curation = replace(curation, by=split_names(args.by, source.table.columns))
    asked = (source, name_of_x(args), args.y, args.sigma)
    until = getattr(args, "train_until", None)
    if until is not None:
        asked = (without_end(*asked, until=until, offset=args.offset or 0.0), *asked[1:])
    try:
        found = read(*asked, loss=args.loss or "log", curation=curation)
    except InputError:
        if args.loss is not None:
            raise
        found = read(*asked, loss="linear", curation=curation)
        if _loss(args, np.concatenate([reading.curve.y for reading in found.values()])) == "log":
            raise
        args.loss = "linear"
    args.loss = args.loss or "log"
    _tell(found)
    return {name: reading.curve for name, reading in found.items()}


def _loss(args: argparse.Namespace, y: np.ndarray) -> str:
    """The loss that was asked for, or the one that the values allow, with a note."""
    loss, told = loss_of(y, args.loss)
    for warning in told:
        note(warning.message)
    return loss


def _tell(found: Mapping[str, Reading]) -> None:
    """The columns that were taken, and the notes of every reading, those of all runs once."""
    tell_columns(next(iter(found.values())).columns)
    told = Counter(text for reading in found.values() for text in reading.notes)
    for text, count in told.items():
        named = [name for name, reading in found.items() if text in reading.notes]
        note(f"{', '.join(named)}: {text}" if count < len(found) else text)


def tell_columns(columns: Columns) -> None:
    """Which columns were found, and which may be meant for sigma."""
    if columns.guessed:
        note(f"took x = {columns.x!r} and y = {columns.y!r}; --x and --y choose other columns")
    for name in columns.unused:
        note(f"column {name!r} is not used; --sigma {name} would weight the points by it")


def _bundled(args: argparse.Namespace) -> Curve:
    for name in ("x", "y", "sigma", "format", "pattern", "decimal", *CURATIONS):
        if is_given(getattr(args, name)):
            raise InputError(
                f"{dashed(name)}: the bundled data set {args.file!r} has its columns; leave it out, or write "
                f"the data to a file first: bnsl datasets {args.file} > curve.csv"
            )
    curve = load_curve(args.file)
    weighted = "" if curve.sigma is None else ", weighted by its standard errors"
    note(f"there is no file {args.file!r}; took the bundled data set of that name{weighted}")
    return curve
