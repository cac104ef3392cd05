"""The arguments that several commands share."""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

from bnsl._base.checks import InputError, check_choice
from bnsl.cli._text import forms_text
from bnsl.curves.cells import DECIMALS, number_of
from bnsl.forms.registry import AUTO, FORMS
from bnsl.readers.curation import DIVERGED, KEPT
from bnsl.readers.files import STDIN
from bnsl.readers.formats import FORMATS
from bnsl.solver.losses import LOSSES, ROBUST

Place: TypeAlias = float | dict[str, float]
_FILE_HELP = (
    "a table (.csv, .tsv, .txt, .json, .jsonl, .ndjson, .parquet, also with .gz); event files of "
    "TensorBoard, an export or offline run of Weights & Biases, metrics of MLflow, a trainer_state.json of "
    "Hugging Face, or a folder of these; '-' for the standard input; or the name of a data set (see "
    "'bnsl datasets')"
)


def add_input(command: argparse.ArgumentParser) -> None:
    """FILE, its columns, how it is read, and which of its points are taken."""
    add_file(command)
    add_columns(command)
    add_curation(command)


def add_columns(command: argparse.ArgumentParser) -> None:
    """The columns of FILE that make a curve."""
    command.add_argument(
        "--x",
        metavar="COLUMN",
        help="column of x (default: found if only two columns hold numbers; in a log, the step); for "
        "several inputs their columns with commas, such as params,tokens",
    )
    command.add_argument(
        "--y", metavar="COLUMN", help="column of y, the measured values (default: found in the same way)"
    )
    command.add_argument(
        "--sigma", metavar="COLUMN", help="column of the standard deviation of y (default: none)"
    )
    command.add_argument(
        "--groups", metavar="COLUMN", help="with several inputs: column that names the run of each row"
    )


def add_where(command: Any) -> None:
    """--where, of a command or a group of arguments."""
    command.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only rows with this value; repeatable",
    )


def add_curation(command: argparse.ArgumentParser, *, one_curve: bool = True) -> None:
    """Which points are taken; with `one_curve` also how several runs become one."""
    group = command.add_argument_group("which points of FILE to use (applied in this order)")
    add_where(group)
    if one_curve:
        group.add_argument(
            "--by",
            action="append",
            default=[],
            metavar="COLUMN",
            help="column that tells runs apart (a model size, a seed); repeatable, or several with commas",
        )
    run = "run" if one_curve else "curve"
    group.add_argument("--drop-missing", action="store_true", help="leave out rows without x or y")
    group.add_argument(
        "--offset", type=number, metavar="N", help="add N to x; 1 for epochs that count from 0"
    )
    accuracy = group.add_mutually_exclusive_group()
    accuracy.add_argument(
        "--accuracy",
        action="store_const",
        const="share",
        help="y is an accuracy between 0 and 1; the curve is the error 1 - y",
    )
    accuracy.add_argument(
        "--accuracy-percent",
        dest="accuracy",
        action="store_const",
        const="percent",
        help="y is an accuracy in per cent; the curve is the error 1 - y / 100",
    )
    group.add_argument(
        "--resolution",
        type=float,
        metavar="R",
        help="step in which accuracies were measured, such as 1 / (number of test examples); 0 and perfect "
        "accuracies are moved by half of it",
    )
    group.add_argument(
        "--warmup", metavar="X", help=f"leave out points below X, or the first share of each {run}, as in 5%%"
    )
    group.add_argument(
        "--diverged",
        type=float,
        metavar="FACTOR",
        help=f"leave out {run}s that end above FACTOR (such as {DIVERGED:g}) times their lowest y, or in NaN",
    )
    group.add_argument(
        "--smooth",
        type=float,
        metavar="FACTOR",
        help=f"smooth y along each {run}, over windows of a FACTOR in x (such as 1.2)",
    )
    if one_curve:
        _add_merging(group)
    each = "" if one_curve else " of each curve"
    group.add_argument(
        "--points", type=int, metavar="N", help=f"thin to at most N points{each}, evenly spaced in log x"
    )


def _add_merging(group: Any) -> None:
    group.add_argument(
        "--keep",
        choices=KEPT,
        help="one point per run: the last, or the one with the lowest y; or all points, as one curve",
    )
    group.add_argument(
        "--envelope",
        action="store_true",
        help="take the lower envelope of all runs, as for loss against compute",
    )


def add_file(command: argparse.ArgumentParser) -> None:
    """FILE and how it is read."""
    file = command.add_argument("file", metavar="FILE", help=_FILE_HELP)
    file.complete = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}  # type: ignore[attr-defined]
    known = ", ".join(FORMATS)
    command.add_argument(
        "--format",
        choices=FORMATS,
        metavar="FORMAT",
        help=f"format of FILE, if neither its name nor its content tells: {known}",
    )
    command.add_argument(
        "--pattern",
        metavar="REGEX",
        help="read a plain log: the named groups are its columns, as in 'step (?P<x>\\d+).*loss (?P<y>\\S+)'",
    )
    command.add_argument(
        "--decimal",
        choices=DECIMALS,
        metavar="MARK",
        help="decimal mark of a table, . or , (default: found from its cells, unless all look like 1,500)",
    )


def add_law(command: argparse.ArgumentParser, split: bool = True) -> None:
    """What is to be fitted."""
    command.epilog = f"{command.epilog}\n{forms_text()}"
    command.add_argument("--form", default="bnsl", help=f"{', '.join(FORMS)}, ...; see below (default: bnsl)")
    command.add_argument(
        "--n-breaks",
        type=_count,
        metavar="N",
        help="number of breaks of form bnsl (default: auto, chosen by evidence)",
    )
    add_options(command, split)
    add_constraints(command)
    command.add_argument(
        "--robust-scale",
        type=float,
        metavar="S",
        help="residual beyond which --robust gives a point less weight (default: estimated)",
    )
    command.add_argument(
        "--backend",
        default="auto",
        metavar="NAME",
        help="numpy, jax (compiles first), or auto: jax from 20,000 curves on (default: %(default)s)",
    )


def add_constraints(command: argparse.ArgumentParser) -> None:
    """Parameters that are held or bounded."""
    command.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="fix a parameter, as in a=0; repeatable",
    )
    command.add_argument(
        "--bound",
        action="append",
        default=[],
        metavar="NAME=LOW,HIGH",
        help="keep a parameter between two values, as in a=0,2, or on one side, as in b=,0; repeatable",
    )


def add_options(command: argparse.ArgumentParser, split: bool = True) -> None:
    """What a single fit and a comparison both take."""
    text = "(default: log, or linear if many y are negative)"
    command.add_argument("--loss", help=f"{', '.join(LOSSES)} {text}")
    add_robust(command, "give outliers less weight")
    if split:
        add_split(command)


def add_robust(command: argparse.ArgumentParser, text: str) -> None:
    """--robust, and what it does."""
    command.add_argument("--robust", type=_robust, metavar="LOSS", help=f"{text}: {' or '.join(ROBUST)}")


def add_split(command: argparse.ArgumentParser) -> None:
    """Rules that hold points out."""
    rule = command.add_mutually_exclusive_group()
    rule.add_argument(
        "--train-until",
        type=number,
        metavar="X",
        help="hold out the points beyond X (with several inputs: of their product)",
    )
    rule.add_argument("--train-count", type=int, metavar="N", help="fit the N points with the smallest x")
    rule.add_argument("--train-fraction", type=float, metavar="F", help="fit this share of the points")


def add_forms(command: argparse.ArgumentParser) -> None:
    """The forms to compare."""
    command.epilog = f"{command.epilog}\n{forms_text()}"
    command.add_argument(
        "--forms",
        action=Joined,
        metavar="A,B,...",
        help="the forms to compare; see below (default: all; for negative y those that allow it)",
    )
    command.add_argument(
        "--n-breaks",
        type=_counts,
        action=Joined,
        metavar="N,...",
        help="number of breaks of the bnsl (default: auto); with several (0,1,2) each is compared",
    )


def number(text: str) -> float:
    """A number as people write it: 1e9, 70B."""
    value = number_of(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, such as 1000, 1e9 or 70B")
    return value


def place(text: str) -> Place:
    """Where to predict: a number, or of several inputs NAME=NUMBER of each, with commas between."""
    if "=" not in text:
        return number(text)
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.rpartition("="))
        if not equals or not name or name in found:
            raise argparse.ArgumentTypeError(
                f"{text!r} must give each input once, such as params=70e9,tokens=1.4T"
            )
        found[name] = number(value)
    return found


def places(text: str) -> list[Place]:
    """Numbers with commas between, or one place of several inputs."""
    return [place(text)] if "=" in text else [number(part) for part in text.split(",")]


def add_values(command: argparse.ArgumentParser, option: str, **said: Any) -> None:
    """An option that takes several values, with commas between or repeated: numbers, or else places."""
    given: dict[str, Any] = {"type": places, "default": [], "metavar": "X,..."} | said
    command.add_argument(option, action="extend", **given)


class Joined(argparse.Action):
    """Names or counts with commas between, to which those of an option that is repeated are added."""

    def __call__(self, _: Any, namespace: argparse.Namespace, values: Any, __: Any = None) -> None:
        """Keep the values, behind those that were given before."""
        before = getattr(namespace, self.dest)
        if before is not self.default and isinstance(values, str):
            values = f"{before},{values}"
        elif before is not self.default:
            values = [n for part in (before, values) for n in (part if isinstance(part, list) else [part])]
        setattr(namespace, self.dest, values)


def numbers(text: str) -> list[float]:
    """Numbers with commas between."""
    return [number(part) for part in text.split(",")]


def _count(text: str) -> int | None:
    """'1' as 1, 'auto' as None."""
    try:
        return None if text.lower() == AUTO else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number or {AUTO}") from None


def _counts(text: str) -> int | list[int] | None:
    """'1' as 1, '0,1,2' as [0, 1, 2], 'auto' as None."""
    if text.lower() == AUTO:
        return None
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


def add_prediction(command: argparse.ArgumentParser, text: str) -> None:
    """--predict, and what it says of itself."""
    add_values(command, "--predict", help=f"{text}; with several inputs X is params=70e9,tokens=1.4T")


def add_plot_option(command: argparse.ArgumentParser) -> None:
    """--plot."""
    command.add_argument("--plot", metavar="OUT.png", help="draw a figure: .png, .pdf, .svg, ...")
    add_labels(command)


def add_labels(command: argparse.ArgumentParser) -> None:
    """What is written on a figure."""
    group = command.add_argument_group("text on the figure")
    group.add_argument("--title", metavar="TEXT", help="the title ('' for none)")
    group.add_argument("--x-label", metavar="TEXT", help="the label of the x axis (default: its column)")
    group.add_argument("--y-label", metavar="TEXT", help="the label of the y axis (default: its column)")


def add_json_option(command: argparse.ArgumentParser) -> None:
    """--json."""
    command.add_argument(
        "--json",
        nargs="?",
        const=STDIN,
        metavar="OUT.json",
        help="write JSON to a file, or without a name to the standard output instead of the table",
    )
