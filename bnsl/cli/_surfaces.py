"""Tables of runs with several inputs, from the arguments of a command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bnsl._base.checks import InputError, suggest
from bnsl.cli._input import CURATIONS, curation_of, source_of
from bnsl.cli._terminal import note
from bnsl.curves.curve import Curve
from bnsl.curves.data import as_curve
from bnsl.curves.datasets import TABLES, load_dataset
from bnsl.forms.form import Form
from bnsl.forms.registry import get_form
from bnsl.readers.curation import chosen_rows
from bnsl.readers.files import STDIN

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bnsl.planning.surface import Law

USED = ("where", "drop_missing")  # of the options of which points to take; the others are for one curve
MEASURED = "loss"  # the column of y, unless another is asked for


class Runs(NamedTuple):
    """A table, and which of its columns are what.

    Attributes:
        frame: a row a run.
        inputs: columns of the inputs, in the order in which the form takes them.
        y: the column of what was measured.
        sigma, groups: further columns, or None.
    """

    frame: pd.DataFrame
    inputs: list[str]
    y: str
    sigma: str | None
    groups: str | None

    def form(self, name: str, n_breaks: int | None = None) -> Form:
        """The form of that name; InputError for one of another number of inputs."""
        form = get_form(name, n_breaks, inputs=tuple(self.inputs))
        if len(form.inputs) != len(self.inputs):
            takes = ", ".join(entry.name for entry in form.inputs)
            raise InputError(f"--x names {len(self.inputs)} columns, and form {form.label!r} takes {takes}")
        return form

    def curve(self, form: Form) -> Curve:
        """The points as a fit of the form takes them."""
        columns = (self.inputs, self.y, self.sigma)
        return as_curve([self.frame], *columns, axes=form.inputs, groups=self.groups, labels=self.inputs)


def several_inputs(args: argparse.Namespace) -> bool:
    """Whether --x names several columns, with commas between."""
    return args.x is not None and "," in args.x


def read_runs(args: argparse.Namespace) -> Runs:
    """The table in FILE, or the data set of that name.

    Raises InputError for a column that is not there, and for an option that is of curves with one input.
    """
    for name in CURATIONS:
        if name not in USED and getattr(args, name, None) not in (None, False, []):
            raise InputError(f"--{name.replace('_', '-')} is for curves of one input, and --x names several")
    inputs, y, frame = *_columns(args), _table(args)
    known = list(map(str, frame.columns))
    if y is None:
        if MEASURED not in known:
            raise InputError(f"--y COLUMN is missing: what was measured; there is {', '.join(known)}")
        y = MEASURED
        note(f"took y = {y!r}; --y chooses another column")
    for option, name in [("--x", name) for name in inputs] + [
        ("--y", y),
        ("--sigma", args.sigma),
        ("--groups", args.groups),
    ]:
        if name is not None and name not in known:
            raise InputError(
                f"{option}: there is no column {name!r}; there is {', '.join(known)}{suggest(name, known)}"
            )
    if args.drop_missing:
        frame = frame.dropna(subset=[*inputs, y]).reset_index(drop=True)
    return Runs(frame, inputs, y, args.sigma, args.groups)


def draw_contours(law: Law, ax: Axes, frontier: pd.DataFrame | None = None) -> Axes:
    """Contours of a law over its first two inputs, with the runs.

    Raises InputError for a law of more inputs, of which a figure would have to hold some.
    """
    from bnsl import plot_contours
    from bnsl.planning.decisions import runs_frame

    names = law.curve.input_names
    if len(names) != 2:
        raise InputError(f"--plot draws laws of two inputs; this one has {', '.join(names)}")
    return plot_contours(law.predict, runs_frame(law), names, frontier, y=law.curve.y_label, ax=ax)


def _columns(args: argparse.Namespace) -> tuple[list[str], str | None]:
    inputs = [name.strip() for name in (args.x or "").split(",") if name.strip()]
    if len(inputs) < 2:
        raise InputError("--x must name the columns of the inputs, such as --x params,tokens")
    return inputs, args.y


def _table(args: argparse.Namespace) -> pd.DataFrame:
    """The rows that --where leaves."""
    if args.file != STDIN and not Path(args.file).exists() and args.file in TABLES:
        note(f"there is no file {args.file!r}; took the data set of that name")
        table = load_dataset(args.file)
        named = table
    else:
        source = source_of(args)
        table = source.table
        taken = {entry.rpartition("=")[0] for entry in args.where}
        named = source.named([name for name in taken if name in source.table.columns])
    curation = curation_of(args, USED)
    rows = named if curation is None else chosen_rows(named, curation)
    return table.loc[rows.index].reset_index(drop=True)
