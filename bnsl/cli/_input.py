"""From arguments to curves and options: FILE, hold-out rules, what is to be fitted."""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, as_number, check_choice, suggest
from bnsl.cli._arguments import Place
from bnsl.cli._terminal import note
from bnsl.curves.cells import number_of
from bnsl.curves.curve import Curve
from bnsl.curves.datasets import COLLECTIONS, DESCRIPTIONS, TABLES, load_curve
from bnsl.evaluation.extrapolation import Extrapolation, extrapolate
from bnsl.fitting.fit import check_robust, fit
from bnsl.fitting.result import FitResult
from bnsl.fitting.setup import BACKENDS
from bnsl.forms.form import Form
from bnsl.forms.registry import get_form
from bnsl.readers.columns import Columns
from bnsl.readers.curation import Curation
from bnsl.readers.files import STDIN
from bnsl.readers.formats import read_source
from bnsl.readers.reading import Reading, curve_from_source, curves_from_source, without_end
from bnsl.readers.source import Source
from bnsl.solver.losses import LOSSES

SEVERAL, SIGNED = (
    2,
    0.1,
)  # number and share of values below 0, from which on y is a signed quantity such as a reward
CURATIONS = tuple(field.name for field in fields(Curation))  # the options of which points to take


def read_curve(args: argparse.Namespace, form: Form | None = None) -> Curve:
    """The curve in FILE, or the bundled data set of that name; guesses are reported on the standard error.

    Of several inputs `form` says what each can be.
    """
    return next(iter(_read(args, curve_from_source, form).values()))


def read_curves(args: argparse.Namespace, form: Form | None = None) -> dict[str, Curve]:
    """The same, or where FILE has several runs that nothing makes one curve of, the curve of each."""
    return _read(args, curves_from_source, form)


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


def form_of(args: argparse.Namespace) -> Form:
    """The form that was asked for; InputError for one of another number of inputs than --x names."""
    form = get_form(args.form, args.n_breaks, inputs=input_names(args) or None)
    _check_inputs(args, form)
    return form


def _check_inputs(args: argparse.Namespace, form: Form) -> None:
    count = max(len(input_names(args)), 1)
    if len(form.inputs) != count:
        takes = ", ".join(entry.name for entry in form.inputs)
        columns = f"{count} column{'' if count == 1 else 's'}"
        raise InputError(f"--x names {columns}, and form {form.label!r} takes {takes}")


def _read(
    args: argparse.Namespace, read: Callable[..., Reading | dict[str, Reading]], form: Form | None
) -> dict[str, Curve]:
    if input_names(args):
        from bnsl.cli._surfaces import read_runs  # which needs this module

        return {"": read_runs(args, form)}
    if args.groups is not None:
        raise InputError("--groups is for several inputs; name them, such as --x params,tokens")
    curation = curation_of(args)
    if args.file != STDIN and not Path(args.file).exists():
        if args.file in DESCRIPTIONS:
            return {"": _bundled(args)}
        if args.file in COLLECTIONS:
            raise InputError(
                f"FILE {args.file!r} is many curves; 'bnsl benchmark --curves {args.file}' fits them all"
            )
        if args.file in TABLES:
            raise InputError(
                f"FILE {args.file!r} is a table of several inputs; 'bnsl datasets {args.file} > runs.csv' "
                "writes it, and --x chooses one of its columns"
            )
        if not Path(args.file).suffix:
            raise InputError(
                f"FILE {args.file!r} is neither a file nor a data set of 'bnsl datasets'"
                + suggest(args.file, DESCRIPTIONS)
            )
    source = source_of(args)
    if curation is not None:
        curation = replace(curation, by=split_names(args.by, source.table.columns))
    asked = (source, name_of_x(args), args.y, args.sigma)
    until = getattr(args, "train_until", None)
    if until is not None:
        asked = (without_end(*asked, until, args.offset or 0.0), *asked[1:])
    try:
        found = read(*asked, loss=args.loss or "log", curation=curation)
    except InputError:
        if args.loss is not None:
            raise
        found = read(*asked, loss="linear", curation=curation)
        each = found.values() if isinstance(found, dict) else [found]
        negative = np.concatenate([reading.curve.y for reading in each]) < 0
        below = float(np.mean(negative))
        if below < SIGNED or negative.sum() < SEVERAL:  # a few values of the wrong sign are mistakes
            raise
        args.loss = "linear"
        note(
            f"y is below 0 in {below:.0%} of the rows, so the law is fitted on a linear scale, as with "
            "--loss linear"
        )
    readings = found if isinstance(found, dict) else {"": found}
    tell_columns(next(iter(readings.values())).columns)
    told = Counter(text for reading in readings.values() for text in reading.notes)
    for text, count in told.items():
        named = [name for name, reading in readings.items() if text in reading.notes]
        note(f"{', '.join(named)}: {text}" if count < len(readings) else text)
    return {name: reading.curve for name, reading in readings.items()}


def tell_columns(columns: Columns) -> None:
    """Which columns were found, and which may be meant for sigma."""
    if columns.guessed:
        note(f"took x = {columns.x!r} and y = {columns.y!r}; --x and --y choose other columns")
    for name in columns.unused:
        note(f"column {name!r} is not used; --sigma {name} would weight the points by it")


def source_of(args: argparse.Namespace) -> Source:
    """What is in FILE, as its options say."""
    return read_source(args.file, format=args.format, pattern=args.pattern, decimal=args.decimal)


def split_names(entries: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Names of columns, each an entry of its own or several with commas between."""
    columns = set(map(str, known))
    return tuple(
        name.strip() for entry in entries for name in ([entry] if entry in columns else entry.split(","))
    )


def curation_of(args: argparse.Namespace, names: Sequence[str] = CURATIONS) -> Curation | None:
    """Which points to take, by the options of these names; None where nothing was asked for."""
    options = {name: getattr(args, name) for name in names}
    if not any(map(_is_given, options.values())):
        return None
    return Curation(where=where_of(options.pop("where")), **options)


def where_of(entries: Sequence[str]) -> dict[str, str | float]:
    """The values that columns must have, from what --where was given."""
    where: dict[str, str | float] = {}
    for entry in entries:
        name, equals, value = entry.rpartition("=")
        if not equals or not name:
            raise InputError(f"--where {entry!r} must be COLUMN=VALUE, such as --where size=70M")
        if name in where:
            raise InputError(f"--where gives {name!r} twice")
        where[name] = value
    return where


def _is_given(value: Any) -> bool:
    """Whether an option has another value than that of its absence; 0 is one."""
    return value is not None and value is not False and value != []


def _bundled(args: argparse.Namespace) -> Curve:
    for name in ("x", "y", "sigma", "format", "pattern", "decimal", *CURATIONS):
        if _is_given(getattr(args, name)):
            option = name.replace("_", "-")
            raise InputError(
                f"--{option}: the bundled data set {args.file!r} has its columns; leave it out, or write the "
                f"data to a file first: bnsl datasets {args.file} > curve.csv"
            )
    curve = load_curve(args.file)
    weighted = "" if curve.sigma is None else ", weighted by its standard errors"
    note(f"there is no file {args.file!r}; took the bundled data set of that name{weighted}")
    return curve


def points_asked_for(args: argparse.Namespace, option: str = "--predict") -> list[Any]:
    """Where to predict: numbers, or of several inputs a tuple of these in their order.

    Raises InputError for what no law can be asked for.
    """
    names = input_names(args)
    values: Sequence[Place] = getattr(args, option.removeprefix("--")) or ()
    if not names:
        for value in values:
            if isinstance(value, dict):
                raise InputError(
                    f"{option} names {', '.join(value)}; name these columns, --x {','.join(value)}, or of "
                    "one input give the number alone"
                )
        check_points(values, option)  # type: ignore[arg-type]
        return [*values]
    example = ",".join(f"{name}={1 if name.startswith('epoch') else '1e9'}" for name in names)
    for value in values:
        if not isinstance(value, dict):
            if len(values) == len(names):  # 7e9,1.4e12 is meant as one place
                each = zip(names, values, strict=True)
                example = ",".join(f"{name}={_short(number)}" for name, number in each)
            raise InputError(f"{option} {value:g}: --x names several inputs; write {option} {example}")
        for name in value:
            if name not in names:
                known = ", ".join(names)
                raise InputError(f"{option}: {name!r} is no input; they are {known}" + suggest(name, names))
        for name in names:
            if name not in value:
                raise InputError(f"{option}: the input {name!r} is missing; give each, {option} {example}")
            as_number(value[name], f"{option} {name}", lambda number: 0 <= number < np.inf)
    return [tuple(value[name] for name in names) for value in values if isinstance(value, dict)]


def _short(value: Any) -> str:
    """A number as people write it, 7e9."""
    return re.sub(r"e\+0?", "e", f"{value:g}")


def check_points(values: Sequence[float], option: str) -> None:
    """Raise InputError for an x that no law can be asked for."""
    for value in values:
        as_number(value, option, np.isfinite)
        if value <= 0:
            raise InputError(f"{option} {value:g} is not positive; scaling laws are defined for x > 0")


def law_options(args: argparse.Namespace) -> dict[str, Any]:
    """What is to be fitted, checked as far as can be without the data."""
    form_of(args)
    check_loss(args)
    check_robust(args.robust, args.robust_scale)
    check_choice(args.backend, "backend", BACKENDS)
    return {
        "form": args.form,
        "n_breaks": args.n_breaks,
        "loss": args.loss or "log",
        "robust": args.robust,
        "robust_scale": args.robust_scale,
        "backend": args.backend,
        **constraints_of(args),
    }


def check_loss(args: argparse.Namespace) -> None:
    """Raise InputError for an unknown loss."""
    if args.loss is not None:
        check_choice(args.loss, "loss", LOSSES)


def loss_of(args: argparse.Namespace) -> dict[str, Any]:
    """The loss, once the curve is read, of which it depends where none was asked for."""
    return {"loss": args.loss or "log"}


def constraints_of(args: argparse.Namespace) -> dict[str, Any]:
    """Parameters that are held or bounded."""
    return {"fixed": _fixed_parameters(args.fix) or None, "bounds": _bounds(args.bound) or None}


def forms_asked_for(args: argparse.Namespace) -> Sequence[str]:
    """The forms to compare, checked before the first of them is fitted; ALL_FORMS if none were asked for."""
    # Imported by the two commands that compare anyhow.
    from bnsl.evaluation.comparison import ALL_FORMS, forms_by_label

    given = args.forms
    forms = ALL_FORMS if given is None else [name.strip().lower() for name in given.split(",")]
    for form in forms_by_label(forms, args.n_breaks, input_names(args) or None).values():
        if input_names(args):
            _check_inputs(args, form)
    return forms


def fit_law(args: argparse.Namespace, curve: Curve, options: dict[str, Any]) -> FitResult | Extrapolation:
    """The fit, with a hold-out if one was asked for."""
    rule = split_rule(args)
    return extrapolate(curve, **rule, **options) if rule else fit(curve, **options)


def split_rule(args: argparse.Namespace) -> dict[str, Any]:
    """The hold-out rule that was given, as arguments of `extrapolate`; empty for none."""
    names = ("train_until", "train_count", "train_fraction")
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _fixed_parameters(entries: Sequence[str]) -> dict[str, float]:
    """Parameters to hold, from NAME=VALUE entries."""
    fixed: dict[str, float] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals or not name:
            raise InputError(f"--fix {entry!r} must be NAME=VALUE, such as --fix a=0")
        if name in fixed:
            raise InputError(f"--fix gives {name!r} twice")
        fixed[name] = _number(value, f"--fix {name}")
    return fixed


def _bounds(entries: Sequence[str]) -> dict[str, tuple[float | None, float | None]]:
    """Bounds of parameters, from NAME=LOW,HIGH entries."""
    bounds: dict[str, tuple[float | None, float | None]] = {}
    for entry in entries:
        name, _, ends = entry.partition("=")
        low, comma, high = ends.partition(",")
        if not (name and comma and (low.strip() or high.strip())):
            raise InputError(
                f"--bound {entry!r} must be NAME=LOW,HIGH, such as --bound a=0,2 or --bound b=,0"
            )
        if name in bounds:
            raise InputError(f"--bound gives {name!r} twice")
        bounds[name] = _end(low, name), _end(high, name)
    return bounds


def _end(text: str, name: str) -> float | None:
    return _number(text, f"--bound {name}") if text.strip() else None


def _number(text: str, option: str) -> float:
    known = number_of(text)
    return as_number(text if known is None else known, option)
