"""The arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from textwrap import indent
from typing import Any

from bnsl._base.cells import DECIMALS
from bnsl._base.display import aligned
from bnsl.cli._values import count, counts, number, places
from bnsl.forms.form import Form
from bnsl.forms.registry import FORMS, SURFACES
from bnsl.readers.curation import DIVERGED, KEPT
from bnsl.readers.files import STDIN
from bnsl.readers.formats import FORMATS
from bnsl.solver.losses import LOSSES, ROBUST

LEVEL = 0.9  # of the intervals around predictions
_FILE = (
    "a table (.csv, .tsv, .txt, .json, .jsonl, .ndjson, .parquet, also with .gz); event files of "
    "TensorBoard, an export or offline run of Weights & Biases, metrics of MLflow, a trainer_state.json of "
    "Hugging Face, or a folder of these; '-' for the standard input; or the name of a data set (see "
    "'bnsl datasets')"
)
_COLUMNS = {
    "x": "column of x (default: found if only two columns hold numbers; in a log, the step); for "
    "several inputs their columns with commas, such as params,tokens",
    "y": "column of y, the measured values (default: found in the same way)",
    "sigma": "column of the standard deviation of y (default: none)",
    "groups": "with several inputs: column that names the run of each row",
}

# --- how an argument is added; `command` is a parser or a group of it ------------------------------


def option(command: Any, name: str, metavar: str | None, text: str, type: Any = None, **more: Any) -> None:
    """An option with one value."""
    command.add_argument(name, metavar=metavar, help=text, type=type, **more)


def repeated(command: Any, name: str, metavar: str, text: str, **more: Any) -> None:
    """An option that may be repeated, with one text each time."""
    command.add_argument(name, action="append", default=[], metavar=metavar, help=text, **more)


def values(
    command: Any, name: str, text: str, *, type: Any = None, metavar: str = "X,...", **more: Any
) -> None:
    """An option that takes several values, with commas between or repeated: numbers, or else places."""
    command.add_argument(
        name, action="extend", default=[], type=type or places, metavar=metavar, help=text, **more
    )


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


# --- FILE, and which of its points are taken ------------------------------------------------------


def add_input(command: argparse.ArgumentParser) -> None:
    """FILE, its columns, how it is read, and which of its points are taken."""
    add_file(command)
    add_columns(command)
    add_curation(command)


def add_file(command: argparse.ArgumentParser) -> None:
    """FILE and how it is read."""
    file_argument(command, _FILE)
    text = f"format of FILE, if neither its name nor its content tells: {', '.join(FORMATS)}"
    option(command, "--format", "FORMAT", text, choices=FORMATS)
    text = "read a plain log: the named groups are its columns, as in 'step (?P<x>\\d+).*loss (?P<y>\\S+)'"
    option(command, "--pattern", "REGEX", text)
    text = "decimal mark of a table, . or , (default: found from its cells, unless all look like 1,500)"
    option(command, "--decimal", "MARK", text, choices=DECIMALS)


def file_argument(command: argparse.ArgumentParser, text: str, **more: Any) -> None:
    """FILE, whose name shells complete."""
    file = command.add_argument("file", metavar="FILE", help=text, **more)
    file.complete = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}  # type: ignore[attr-defined]


def add_columns(command: argparse.ArgumentParser, **said: str) -> None:
    """The columns of FILE that make a curve; `said` is what the help says of some in another way."""
    for name, text in (_COLUMNS | said).items():
        option(command, f"--{name}", "COLUMN", text)


def add_where(command: Any) -> None:
    """--where."""
    repeated(command, "--where", "COLUMN=VALUE", "only rows with this value; repeatable")


def add_drop_missing(command: Any) -> None:
    """--drop-missing."""
    command.add_argument("--drop-missing", action="store_true", help="leave out rows without x or y")


def add_curation(command: argparse.ArgumentParser, *, one_curve: bool = True) -> None:
    """Which points are taken; with `one_curve` also how several runs become one."""
    group = command.add_argument_group("which points of FILE to use (applied in this order)")
    run, of_each = ("run", "") if one_curve else ("curve", " of each curve")
    add_where(group)
    if one_curve:
        text = "column that tells runs apart (a model size, a seed); repeatable, or several with commas"
        repeated(group, "--by", "COLUMN", text)
    add_drop_missing(group)
    option(group, "--offset", "N", "add N to x; 1 for epochs that count from 0", number)
    _add_accuracy(group)
    text = f"leave out points below X, or the first share of each {run}, as in 5%%"
    option(group, "--warmup", "X", text)
    text = f"leave out {run}s that end above FACTOR (such as {DIVERGED:g}) times their lowest y, or in NaN"
    option(group, "--diverged", "FACTOR", text, float)
    text = f"smooth y along each {run}, over windows of a FACTOR in x (such as 1.2)"
    option(group, "--smooth", "FACTOR", text, float)
    if one_curve:
        text = "one point per run: the last, or the one with the lowest y; or all points, as one curve"
        option(group, "--keep", None, text, choices=KEPT)
        text = "take the lower envelope of all runs, as for loss against compute"
        group.add_argument("--envelope", action="store_true", help=text)
    option(group, "--points", "N", f"thin to at most N points{of_each}, evenly spaced in log x", int)


def _add_accuracy(group: Any) -> None:
    """Whether y is an accuracy."""
    either = group.add_mutually_exclusive_group()
    for name, kind, text in (
        ("--accuracy", "share", "an accuracy between 0 and 1; the curve is the error 1 - y"),
        ("--accuracy-percent", "percent", "an accuracy in per cent; the curve is the error 1 - y / 100"),
    ):
        either.add_argument(name, dest="accuracy", action="store_const", const=kind, help=f"y is {text}")
    text = (
        "step in which accuracies were measured, such as 1 / (number of test examples); 0 and perfect "
        "accuracies are moved by half of it"
    )
    option(group, "--resolution", "R", text, float)


def add_split(command: argparse.ArgumentParser) -> None:
    """Rules that hold points out."""
    rule = command.add_mutually_exclusive_group()
    text = "hold out the points beyond X (with several inputs: of their product)"
    option(rule, "--train-until", "X", text, number)
    option(rule, "--train-count", "N", "fit the N points with the smallest x", int)
    option(rule, "--train-fraction", "F", "fit this share of the points", float)


# --- what is fitted -------------------------------------------------------------------------------


def add_law(command: argparse.ArgumentParser, split: bool = True) -> None:
    """What is to be fitted."""
    command.epilog = f"{command.epilog}\n{forms_text()}"
    option(command, "--form", None, f"{', '.join(FORMS)}, ...; see below (default: bnsl)", default="bnsl")
    text = "number of breaks of form bnsl (default: auto, chosen by evidence)"
    option(command, "--n-breaks", "N", text, count)
    add_loss(command)
    if split:
        add_split(command)
    add_constraints(command)
    add_robust_scale(command, "a point less weight (default: estimated)")
    text = "numpy, jax (compiles first), or auto: jax for 20,000 curves on a GPU (default: %(default)s)"
    option(command, "--backend", "NAME", text, default="auto")


def add_constraints(command: argparse.ArgumentParser) -> None:
    """Parameters that are held or bounded."""
    repeated(command, "--fix", "NAME=VALUE", "fix a parameter, as in a=0; repeatable")
    text = "keep a parameter between two values, as in a=0,2, or on one side, as in b=,0; repeatable"
    repeated(command, "--bound", "NAME=LOW,HIGH", text)


def add_loss(command: argparse.ArgumentParser) -> None:
    """--loss and --robust."""
    text = f"{', '.join(LOSSES)} (default: log, or linear if many y are negative)"
    option(command, "--loss", None, text)
    add_robust(command, "give outliers less weight")


def add_robust(command: argparse.ArgumentParser, text: str) -> None:
    """--robust, and what it does."""
    option(command, "--robust", "LOSS", f"{text}: {' or '.join(ROBUST)}", choices=ROBUST)


def add_factor(command: argparse.ArgumentParser, **more: Any) -> None:
    """--factor."""
    option(command, "--factor", "F", "FLOP per parameter and token (default: 6)", number, **more)


def add_robust_scale(command: argparse.ArgumentParser, text: str) -> None:
    """--robust-scale, and to what it gives less weight."""
    option(command, "--robust-scale", "S", f"residual beyond which --robust gives {text}", float)


def add_forms(command: argparse.ArgumentParser) -> None:
    """The forms to compare."""
    command.epilog = f"{command.epilog}\n{forms_text()}"
    text = "the forms to compare; see below (default: all; for negative y those that allow it)"
    option(command, "--forms", "A,B,...", text, action=Joined)
    text = "number of breaks of the bnsl (default: auto); with several (0,1,2) each is compared"
    option(command, "--n-breaks", "N,...", text, counts, action=Joined)


def forms_text(several: bool = False) -> str:
    """What forms there are, for the help of a command; with `several`, only those of several inputs."""
    text = "" if several else f"forms, their other names and formulas:\n{_rows_of(FORMS)}\n"
    return f"{text}forms of several inputs, such as --x params,tokens:\n{_rows_of(SURFACES)}"


def _rows_of(forms: Mapping[str, type[Form]]) -> str:
    rows = [(name, ", ".join(form.known_as), form.formula) for name, form in forms.items()]
    return f"{indent(aligned(rows, (0, 1, 2)), '  ')}\n"


# --- what is asked and where it goes --------------------------------------------------------------


def add_prediction(command: argparse.ArgumentParser, text: str) -> None:
    """--predict, and what it says of itself."""
    values(command, "--predict", f"{text}; with several inputs X is params=70e9,tokens=1.4T")


def add_level(command: argparse.ArgumentParser, of: str = "the intervals", default: float = LEVEL) -> None:
    """--level, and of what it is the probability."""
    option(command, "--level", "P", f"probability of {of} (default: %(default)s)", float, default=default)


def add_outputs(command: argparse.ArgumentParser, report: bool = False) -> None:
    """--plot and --json, and with `report` a page."""
    option(command, "--plot", "OUT.png", "draw a figure: .png, .pdf, .svg, ...")
    add_labels(command)
    text = "write JSON to a file, or without a name to the standard output instead of the table"
    option(command, "--json", "OUT.json", text, nargs="?", const=STDIN)
    if report:
        option(command, "--report", "OUT.html", "also write a web page that needs no network")


def add_labels(command: argparse.ArgumentParser) -> None:
    """What is written on a figure."""
    group = command.add_argument_group("text on the figure")
    option(group, "--title", "TEXT", "the title ('' for none)")
    option(group, "--x-label", "TEXT", "the label of the x axis (default: its column)")
    option(group, "--y-label", "TEXT", "the label of the y axis (default: its column)")
