"""`bnsl columns`: what is in a file."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.display import aligned
from bnsl.cli._arguments import add_file
from bnsl.cli._input import source_of
from bnsl.cli._terminal import note, show
from bnsl.cli._text import span_text
from bnsl.readers.curation import Curation
from bnsl.readers.reading import curve_from_source, source_columns
from bnsl.readers.runs import FEWEST, shown
from bnsl.readers.source import Source, some

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl columns curve.csv
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_file(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    source = source_of(args)
    roles = dict.fromkeys(source.aside, "set aside")
    for name, role in ((source.x, "x"), (source.y, "y")):
        if name is not None:
            roles[name] = f"{role}, unless another is named"
    runs = [] if source.run is None else source.named([source.run])[source.run].dropna().unique().tolist()
    if source.run is not None:
        roles[source.run] = f"tells runs apart: {some([shown(value) for value in runs], 8)}"
    show(_text(source.table, source.kind, roles))
    for text in (*source.notes, *source.told.values()):
        note(text)
    where = {} if not runs or source.run is None else {source.run: runs[0]}
    note(_next(args, source, where))


def _text(table: pd.DataFrame, kind: str, roles: Mapping[str, str]) -> str:
    """One line per column with how many values, the range and the role, if it has one."""
    rows = [("column", "values", "range", "role")]
    for name in table.columns:
        cells = table[name].dropna()
        if cells.dtype.kind == "f" and len(cells):
            span = span_text(cells.to_numpy())
        else:
            span = f"{cells.astype(str).nunique()} different, no numbers"
        rows.append((str(name), str(len(cells)), span, roles.get(name, "")))
    return f"{len(table)} rows, read as {kind}\n\n" + aligned(rows, left=(0, 2, 3))


def _next(args: argparse.Namespace, source: Source, where: Mapping[str, Any]) -> str:
    """The command that forecasts this file, with COLUMN for what must be chosen; or why there is none."""
    options = [f"--format {args.format}"] if args.format else []
    options += [f"--pattern {shlex.quote(args.pattern)}"] if args.pattern else []
    options += [f"--decimal {args.decimal}"] if args.decimal else []
    options += [f"--where {shlex.quote(f'{name}={shown(value)}')}" for name, value in where.items()]
    curation = Curation(where=where)
    try:
        source_columns(source)
    except InputError:
        pairs = _pairs(source, curation)
        if not pairs:
            return f"there is nothing to forecast: no two columns have {FEWEST} points, positive numbers each"
        chosen = {pair[0] for pair in pairs}
        steps = source.x if source.x in chosen else None
        options += ["--y COLUMN"] if steps is not None else ["--x COLUMN", "--y COLUMN"]
    else:
        try:
            curve = curve_from_source(source, curation=curation).curve
        except InputError as error:
            return f"a forecast would be refused: {error}"
        if len(np.unique(curve.x)) < FEWEST:
            return f"there is nothing to forecast yet: {curve.extent}, and {FEWEST} is the least"
    return "next: " + " ".join(["bnsl forecast", shlex.quote(args.file), *options])


def _pairs(source: Source, curation: Curation) -> list[tuple[str, str]]:
    """A column that can be x with one that can be y for each, or none."""
    numeric = [str(name) for name in source.table.columns if source.table[name].dtype.kind == "f"]
    first = [source.x] if source.x is not None else []
    for x in (*first, *numeric):
        for y in numeric:
            try:
                if x != y:
                    curve = curve_from_source(source, x, y, loss="log", curation=curation).curve
                    if len(np.unique(curve.x)) >= FEWEST:
                        return [(x, y)]
            except InputError:
                continue
    return []
