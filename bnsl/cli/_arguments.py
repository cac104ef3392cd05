"""The arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from bnsl._arrays import InputError, check_choice
from bnsl.comparison import ALL_FORMS
from bnsl.forms import FORMS
from bnsl.losses import LOSSES, ROBUST
from bnsl.readers import STDIN

_FILE_HELP = (
    "a table with a header: .csv, .tsv, .jsonl, .ndjson or .parquet, also with .gz; '-' reads CSV from the "
    "standard input; the name of a data set of 'bnsl datasets' will do where no such file exists"
)


class Parser(argparse.ArgumentParser):
    """Its errors are InputErrors, so that they come out as one line like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see '{self.prog} --help')")


def add_command(
    commands: Any, name: str, text: str, example: str, run: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    """A sub-command that prints examples and calls `run`."""
    command = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(run=run)
    return command


def add_input(command: argparse.ArgumentParser) -> None:
    """FILE and its columns."""
    command.add_argument("file", metavar="FILE", help=_FILE_HELP)
    command.add_argument(
        "--x", metavar="COLUMN", help="column of the inputs (found if just two columns hold numbers)"
    )
    command.add_argument("--y", metavar="COLUMN", help="column of the measured values (likewise)")
    command.add_argument(
        "--sigma", metavar="COLUMN", help="column of the standard deviation of y (never guessed)"
    )


def add_law(command: argparse.ArgumentParser, split: bool = True) -> None:
    """What is to be fitted."""
    command.add_argument("--form", default="bnsl", help=f"{', '.join(FORMS)} (default: bnsl)")
    command.add_argument(
        "--n-breaks",
        type=int,
        metavar="N",
        help="number of breaks of a bnsl (default: chosen by the evidence of the curve)",
    )
    add_options(command, split)
    command.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hold a parameter at a value, once or more often",
    )


def add_options(command: argparse.ArgumentParser, split: bool = True) -> None:
    """What a single fit and a comparison both take."""
    command.add_argument("--loss", default="log", help=f"{', '.join(LOSSES)} (default: %(default)s)")
    command.add_argument(
        "--robust",
        type=_robust,
        metavar="LOSS",
        help=f"count outliers less: {' or '.join(ROBUST)}",
    )
    if split:
        add_split(command)


def add_split(command: argparse.ArgumentParser) -> None:
    """Rules that hold points out."""
    rule = command.add_mutually_exclusive_group()
    rule.add_argument("--train-until", type=float, metavar="X", help="hold out the points beyond X")
    rule.add_argument("--train-count", type=int, metavar="N", help="fit the N points with the smallest x")
    rule.add_argument("--train-fraction", type=float, metavar="F", help="fit this share of the points")


def add_forms(command: argparse.ArgumentParser) -> None:
    """The forms to compare."""
    command.add_argument(
        "--forms",
        default=",".join(ALL_FORMS),
        metavar="A,B,...",
        help="the forms to compare (default: %(default)s)",
    )
    command.add_argument(
        "--n-breaks",
        type=_counts,
        metavar="N,...",
        help="number of breaks of the bnsl; with several (0,1,2) each is compared",
    )


def _counts(text: str) -> int | list[int]:
    """'1' as 1, '0,1,2' as [0, 1, 2]."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, or several as in 0,1,2") from None
    return counts if len(counts) > 1 else counts[0]


def _robust(text: str) -> str:
    """A robust loss; refused while the arguments are read, since it may be a FILE without a LOSS before."""
    try:
        check_choice(text, "LOSS", ROBUST)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_plot_option(command: argparse.ArgumentParser) -> None:
    """--plot."""
    command.add_argument("--plot", metavar="OUT.png", help="draw a figure: .png, .pdf, .svg, ...")


def add_json_option(command: argparse.ArgumentParser) -> None:
    """--json."""
    command.add_argument(
        "--json",
        nargs="?",
        const=STDIN,
        metavar="OUT.json",
        help="write JSON to a file, or without a name to the standard output instead of the table",
    )
