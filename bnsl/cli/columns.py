"""`bnsl columns`: what is in a file.

Examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl columns curve.csv
"""

from __future__ import annotations

import argparse
import itertools
import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, some
from bnsl._base.display import aligned
from bnsl.cli._arguments import add_file
from bnsl.cli._given import source_of
from bnsl.cli._output import span_text
from bnsl.cli._terminal import note, show
from bnsl.readers.columns import choose_columns
from bnsl.readers.curation import Curation
from bnsl.readers.reading import curve_from_source
from bnsl.readers.runs import FEWEST, shown
from bnsl.readers.source import Source


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_file(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    source = source_of(args)
    roles = dict.fromkeys(source.aside, "set aside")
    roles |= {
        name: f"{role}, unless another is named" for name, role in ((source.x, "x"), (source.y, "y")) if name
    }
    where = {}
    if source.run is not None:
        runs = source.named([source.run])[source.run].dropna().unique().tolist()
        roles[source.run] = f"tells runs apart: {some([shown(value) for value in runs], 8)}"
        where = {source.run: runs[0]} if runs else {}
    show(_text(source, roles))
    for text in (*source.notes, *source.told.values()):
        note(text)
    note(_next(args, source, where))


def _text(source: Source, roles: Mapping[str, str]) -> str:
    """One line per column with how many values, the range and the role, if it has one."""
    table = source.table
    rows = [("column", "values", "range", "role")]
    for name in table.columns:
        cells = table[name].dropna()
        if cells.dtype.kind == "f" and len(cells):
            span = span_text(cells.to_numpy())
        else:
            span = f"{cells.astype(str).nunique()} different, no numbers"
        rows.append((str(name), str(len(cells)), span, roles.get(name, "")))
    return f"{len(table)} rows, read as {source.kind}\n\n" + aligned(rows, left=(0, 2, 3))


def _next(args: argparse.Namespace, source: Source, where: Mapping[str, Any]) -> str:
    """The command that forecasts this file, with COLUMN for what must be chosen; or why there is none."""
    given = {name: getattr(args, name) for name in ("format", "pattern", "decimal")}
    options = [f"--{name} {shlex.quote(text)}" for name, text in given.items() if text]
    options += [f"--where {shlex.quote(f'{name}={shown(value)}')}" for name, value in where.items()]
    curation = Curation(where=where)
    try:
        choose_columns(source)
    except InputError:
        pair = _pair(source, curation)
        if pair is None:
            return f"there is nothing to forecast: no two columns have {FEWEST} points, positive numbers each"
        options += ["--y COLUMN"] if pair[0] == source.x else ["--x COLUMN", "--y COLUMN"]
    else:
        try:
            curve = curve_from_source(source, curation=curation).curve
        except InputError as error:
            return f"a forecast would be refused: {error}"
        if len(np.unique(curve.x)) < FEWEST:
            return f"there is nothing to forecast yet: {curve.extent}, and {FEWEST} is the least"
    return "next: " + " ".join(["bnsl forecast", shlex.quote(args.file), *options])


def _pair(source: Source, curation: Curation) -> tuple[str, str] | None:
    """A column that can be x, and one that can be y for it; None if there are none."""
    numeric = [str(name) for name in source.table.columns if source.table[name].dtype.kind == "f"]
    first = [] if source.x is None else [source.x]
    for x, y in itertools.product((*first, *numeric), numeric):
        try:
            curve = None if x == y else curve_from_source(source, x, y, loss="log", curation=curation).curve
        except InputError:
            continue
        if curve is not None and len(np.unique(curve.x)) >= FEWEST:
            return x, y
    return None
