"""The commands by name, and their parsers. A command's module is imported when that command is asked for.

Such a module has `add(parser)`, which adds its arguments, and `run(args)`. What its docstring says below the
first line is shown by the help.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bnsl import __version__
from bnsl._base.checks import InputError, check_choice
from bnsl.readers.files import STDIN

COMMANDS = {
    "fit": "fit a law to a curve and predict with it",
    "fit-many": "fit a law to every curve of a table, and write one row per curve",
    "forecast": "predict y at larger x, with intervals, by averaging over laws",
    "suggest": "find the run, or the runs within a budget, that would make a prediction most certain",
    "allocate": "find the parameters and tokens of lowest loss for a compute budget",
    "compare": "fit several forms to one curve and rank them",
    "plot": "fit a law to a curve and draw it",
    "backtest": "refit at several cut-offs inside the data, and show how well later points were predicted",
    "report": "write one web page that needs no network: forecast, forms, breaks, back-test, numbers to copy",
    "app": "explore forecasts in the browser: drop a file, choose columns, drag the end of the fitted range",
    "benchmark": "fit the 92 curves of the benchmark (arXiv 2209.06640) and tabulate the errors beyond",
    "schedule": "draw a learning-rate schedule, or print its rates",
    "runs": "fit losses under a learning-rate schedule, and predict them under another",
    "continual": "predict the loss on old and new data when training goes on with new data",
    "columns": "list the columns, tags or metrics of a file, and the runs in it",
    "datasets": "list the data sets of the package, or write one as CSV",
    "doctor": "show versions and processors, and check the precision",
    "completion": "write a script that completes commands",
}
GUESSED = {  # what options are called elsewhere -> the option here
    ("--at", "--points", "--extrapolate"): "--predict",
    ("-o", "--output", "--out", "--figure", "--save"): "--plot",
    ("--run", "--filter", "--select"): "--where run=...",
    ("--columns", "--inputs"): "--x",
}
ALIKE = 0.75  # of the letters of an option, from which on it may be meant
EXAMPLE = """Examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl fit curve.csv --train-until 736
  bnsl forecast curve.csv

'bnsl COMMAND --help' explains a command.
"""


class Once(argparse.Action):
    """An argument with one value; an option of this kind that is repeated is refused."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        """Keep the value, if it is the first."""
        given = vars(namespace).setdefault("given", set())
        if option is not None and self.dest in given:
            both = [getattr(namespace, self.dest), values]
            way = (
                f"; several inputs are --x {','.join(both)}" if option == "--x" else "; leave one of them out"
            )
            parser.error(f"{option} is given twice, {' and '.join(map(str, both))}{way}")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """Its errors are InputErrors, so that they come out as one line like all others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        self.register("action", None, Once)  # of what is added without naming an action

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The arguments; an unknown option is reported with the one that may be meant."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(
                f"unknown option or argument: {' '.join(unknown)}{self._meant(unknown[0], args or ())}"
            )
        return found

    def _meant(self, word: str, words: Sequence[str]) -> str:
        """What may be meant by an unknown word: a value more, another option, or one of close spelling."""
        option, known = word.partition("=")[0], self._option_string_actions
        if not word.startswith("-") and word in words:
            return self._several(words, words.index(word))
        if option == "--form" and "--forms" not in known:
            return ". A forecast averages over all laws; 'bnsl fit' takes --form"
        for guesses, meant in GUESSED.items():
            if option in guesses and meant.split()[0] in known:
                return f". Did you mean '{meant}'?"
        close = difflib.get_close_matches(option, known, n=1, cutoff=ALIKE) if len(option) > 2 else []
        return f". Did you mean {close[0]!r}?" if close else ""

    def _several(self, words: Sequence[str], place: int) -> str:
        """How to write several values of an option, if the word at this place is a further one."""
        from bnsl._base.cells import number_of

        options = [i for i, word in enumerate(words[:place]) if word.startswith("-")]
        if not options:
            return ""
        option, rest = words[options[-1]], words[options[-1] + 1 :]
        following = itertools.takewhile(lambda word: not word.startswith("-"), rest)
        values = [value for value in following if number_of(value) is not None]
        if len(values) < 2 or not isinstance(self._option_string_actions.get(option), argparse._ExtendAction):
            return ""
        return f". Write several values with commas: {option} {','.join(values)}"

    def error(self, message: str) -> NoReturn:
        """Raise InputError."""
        raise InputError(f"{message} (see '{self.prog} --help')")


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command, which these words begin with.

    A FILE right behind a --json without a name, to which argparse gives it, is taken for FILE: what --json
    takes ends in .json, which no FILE does.
    """
    if not words or words[0].startswith("-"):
        return whole_parser(required=not words).parse_args(words[:1])
    check_choice(words[0], "COMMAND", COMMANDS)
    parser = _filled(Parser(prog=f"bnsl {words[0]}"), words[0])
    try:
        return parser.parse_args(words[1:])
    except InputError as error:
        apart = list(words[1:])
        for i, (option, value) in enumerate(itertools.pairwise(apart)):
            if option == "--json" and not value.startswith("-") and Path(value).suffix.lower() != ".json":
                apart[i] = f"--json={STDIN}"
        try:
            return parser.parse_args(apart)
        except InputError:
            raise error from None


def whole_parser(*, required: bool = True, filled: bool = False) -> Parser:
    """The parser of all commands; with their arguments if they should be `filled` in."""
    parser = Parser(
        prog="bnsl",
        description="Fit, extrapolate and compare broken neural scaling laws (arXiv 2210.14891).",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "--version", action="version", version=f"bnsl {__version__}", help="print the version and exit"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=required)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if filled:
            _filled(command, name)
    return parser


def _filled(parser: Parser, name: str) -> Parser:
    """A parser with the arguments of a command."""
    command = importlib.import_module(f"bnsl.cli.{name.replace('-', '_')}")
    text, (_, _, examples) = COMMANDS[name], (command.__doc__ or "").partition("\n\n")
    parser.description, parser.epilog = f"{text[0].upper()}{text[1:]}.", examples
    text = "no notes, times or progress; warnings and errors remain"
    parser.add_argument("--quiet", action="store_true", help=text)
    command.add(parser)
    written = {a.dest: (str(a.metavar), *a.option_strings)[-1] for a in reversed(parser._actions)}
    parser.set_defaults(run=command.run, options=written)
    return parser
