"""From options to values: FILE, which points of it, where to predict, what is to be fitted."""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from bnsl._base.cells import written_number
from bnsl._base.checks import InputError, as_number, check_choice, suggest
from bnsl._base.display import counted
from bnsl.cli._terminal import note
from bnsl.curves.datasets import CATALOGUE
from bnsl.fitting.fit import check_robust
from bnsl.fitting.setup import BACKENDS
from bnsl.forms.form import Form
from bnsl.forms.registry import get_form
from bnsl.readers.curation import Curation
from bnsl.readers.files import STDIN
from bnsl.readers.formats import read_dataset, read_source
from bnsl.readers.source import Source
from bnsl.solver.losses import LOSSES

CURATIONS = tuple(field.name for field in fields(Curation))  # the options of which points to take
SPLITS = ("train_until", "train_count", "train_fraction")


def is_given(value: Any) -> bool:
    """Whether an option has another value than that of its absence; 0 is one."""
    return value is not None and value is not False and value != []


# --- FILE and its columns -------------------------------------------------------------------------


def dataset_of(args: argparse.Namespace) -> str | None:
    """The data set that FILE names, if there is no file of that name; a note says so.

    Raises InputError for what may be meant for the name of one.
    """
    name: str = args.file
    if name == STDIN or Path(name).exists() or (name not in CATALOGUE and Path(name).suffix):
        return None
    if name not in CATALOGUE:
        raise InputError(
            f"FILE {name!r} is neither a file nor a data set of 'bnsl datasets'" + suggest(name, CATALOGUE)
        )
    note(f"there is no file {name!r}; took the data set of that name: {CATALOGUE[name]}")
    return name


def source_of(args: argparse.Namespace) -> Source:
    """What is in FILE, as its options say, or the data set of that name."""
    name = dataset_of(args)
    if name is not None:
        return read_dataset(name)
    return read_source(args.file, format=args.format, pattern=args.pattern, decimal=args.decimal)


def input_names(args: argparse.Namespace) -> tuple[str, ...]:
    """The columns of several inputs, which --x names with commas between; none of one input."""
    names = _names_of_x(args)
    return names if len(names) > 1 else ()


def name_of_x(args: argparse.Namespace) -> str | None:
    """The column of one input, if --x names it."""
    return args.x if "," not in (args.x or "") else next(iter(_names_of_x(args)), None)


def _names_of_x(args: argparse.Namespace) -> tuple[str, ...]:
    """The names in --x; one with a comma in it stands between double quotes, as in a CSV file."""
    cells = next(csv.reader([args.x or ""], skipinitialspace=True), [])
    return tuple(name.strip() for name in cells if name.strip())


def split_names(entries: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Names of columns, each an entry of its own or several with commas between."""
    columns = set(map(str, known))
    return tuple(
        name.strip() for entry in entries for name in ([entry] if entry in columns else entry.split(","))
    )


def curation_of(args: argparse.Namespace, names: Sequence[str] = CURATIONS) -> Curation | None:
    """Which points to take, by the options of these names; None where nothing was asked for."""
    options = {name: getattr(args, name) for name in names}
    if not any(map(is_given, options.values())):
        return None
    return Curation(where=where_of(options.pop("where")), **options)


def where_of(entries: Sequence[str]) -> dict[str, str | float]:
    """The values that columns must have, from what --where was given."""
    return {**_pairs(entries, "--where", "COLUMN=VALUE, such as --where size=70M")}


def _pairs(entries: Sequence[str], option: str, how: str) -> dict[str, str]:
    """The values by their names; InputError for what is no NAME=VALUE, and for a name given twice."""
    found: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")  # a value may have one, too: run=lr=3e-4
        if not equals or not name:
            raise InputError(f"{option} {entry!r} must be {how}")
        if name in found:
            raise InputError(f"{option} gives {name!r} twice")
        found[name] = value
    return found


def split_rule(args: argparse.Namespace) -> dict[str, Any]:
    """The hold-out rule that was given, as arguments of `extrapolate`; empty for none."""
    return {name: getattr(args, name) for name in SPLITS if getattr(args, name) is not None}


# --- where to predict -----------------------------------------------------------------------------


def points_asked_for(args: argparse.Namespace, option: str = "--predict") -> list[Any]:
    """Where to predict: numbers, or of several inputs a tuple of these in their order.

    Raises InputError for what no law can be asked for.
    """
    names, values = input_names(args), getattr(args, option.removeprefix("--"))
    places = [value for value in values if isinstance(value, dict)]
    if not names and places:
        raise InputError(
            f"{option} names {', '.join(places[0])}; name these columns, --x {','.join(places[0])}, or of "
            "one input give the number alone"
        )
    if not names:
        check_points(values, option)
        return [*values]
    usual = [1.0 if name.startswith("epoch") else 1e9 for name in names]
    meant = values if not places and len(values) == len(names) else usual  # 7e9,1.4e12 is one place
    example = ",".join(f"{name}={_short(value)}" for name, value in zip(names, meant, strict=True))
    return [_inputs_of(value, names, option, example) for value in values]


def _inputs_of(value: Any, names: Sequence[str], option: str, example: str) -> tuple[float, ...]:
    """The inputs in their order, of a place that gives each by its name."""
    if not isinstance(value, dict):
        raise InputError(f"{option} {value:g}: --x names several inputs; write {option} {example}")
    for name in value:
        if name not in names:
            known = ", ".join(names)
            raise InputError(f"{option}: {name!r} is no input; they are {known}" + suggest(name, names))
    for name in names:
        if name not in value:
            raise InputError(f"{option}: the input {name!r} is missing; give each, {option} {example}")
        as_number(value[name], f"{option} {name}", lambda number: 0 <= number < np.inf)
    return tuple(value[name] for name in names)


def _short(value: float) -> str:
    """A number as people write it, 7e9."""
    return re.sub(r"e\+0?", "e", f"{value:g}")


def check_points(values: Sequence[float], option: str) -> None:
    """Raise InputError for an x that no law can be asked for."""
    for value in values:
        as_number(value, option, np.isfinite)
        if value <= 0:
            raise InputError(f"{option} {value:g} is not positive; scaling laws are defined for x > 0")


# --- what is fitted -------------------------------------------------------------------------------


def form_of(args: argparse.Namespace) -> Form:
    """The form that was asked for; InputError for one of another number of inputs than --x names."""
    form = get_form(args.form, args.n_breaks, inputs=input_names(args) or None)
    check_inputs(args, form)
    return form


def check_inputs(args: argparse.Namespace, form: Form) -> None:
    """Raise InputError for a form of another number of inputs than --x names."""
    count = max(len(input_names(args)), 1)
    if len(form.inputs) != count:
        takes = ", ".join(entry.name for entry in form.inputs)
        raise InputError(f"--x names {counted(count, 'column')}, and form {form.label!r} takes {takes}")


def law_options(args: argparse.Namespace) -> dict[str, Any]:
    """What is to be fitted, checked as far as can be without the data."""
    form_of(args)
    check_loss(args)
    check_robust(args.robust, args.robust_scale)
    check_choice(args.backend, "backend", BACKENDS)
    names = ("form", "n_breaks", "robust", "robust_scale", "backend")
    return {name: getattr(args, name) for name in names} | {"loss": args.loss or "log"} | constraints_of(args)


def check_loss(args: argparse.Namespace) -> None:
    """Raise InputError for an unknown loss."""
    if args.loss is not None:
        check_choice(args.loss, "loss", LOSSES)


def constraints_of(args: argparse.Namespace) -> dict[str, Any]:
    """Parameters that are held or bounded."""
    fixed = _pairs(args.fix, "--fix", "NAME=VALUE, such as --fix a=0")
    how = "NAME=LOW,HIGH, such as --bound a=0,2 or --bound b=,0"
    bounds = {name: _ends(name, text, how) for name, text in _pairs(args.bound, "--bound", how).items()}
    return {
        "fixed": {name: written_number(text, f"fixed[{name!r}]") for name, text in fixed.items()} or None,
        "bounds": bounds or None,
    }


def _ends(name: str, text: str, how: str) -> tuple[float | None, float | None]:
    """The two ends of a bound, of which one may be open."""
    low, comma, high = (part.strip() for part in text.partition(","))
    if not comma or not (low or high):
        raise InputError(f"--bound {f'{name}={text}'!r} must be {how}")
    option = f"bounds[{name!r}]"
    return written_number(low, option) if low else None, written_number(high, option) if high else None
