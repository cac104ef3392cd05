"""All commands: arguments in, exit code out."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bnsl._base.checks import InputError
from bnsl._base.programs import written
from bnsl.cli import (
    INTERRUPTED,
    app,
    backtest,
    benchmark,
    columns,
    compare,
    completion,
    datasets,
    doctor,
    fit,
    fit_many,
    forecast,
    plot,
    report,
    suggest,
)
from bnsl.cli._arguments import Parser
from bnsl.cli._terminal import fail, set_quiet, timed, warnings_as_lines
from bnsl.readers.files import STDIN

COMMANDS = (
    fit,
    fit_many,
    forecast,
    suggest,
    compare,
    plot,
    backtest,
    report,
    app,
    benchmark,
    columns,
    datasets,
    doctor,
    completion,
)
EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl fit curve.csv --train-until 736
  bnsl forecast curve.csv

'bnsl COMMAND --help' explains a command. Compiled programs are kept in $BNSL_CACHE_DIR, which defaults to
~/.cache/bnsl/jax; empty means that none are kept.
"""


def run(words: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code."""
    try:
        args = _parsed(words)
        args.argv = list(words)  # as given, for a page that says how it was made
        set_quiet(args.quiet)
        with warnings_as_lines(), timed(written):
            code = args.run(args)
        sys.stdout.flush()
    except InputError as error:
        return fail(error)
    except BrokenPipeError:
        # What is still buffered has nowhere to go; a second failure at exit would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return fail(f"{error.filename or 'output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("bnsl: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code or 0


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        from bnsl import __version__

        print(f"bnsl {__version__}")
        parser.exit()


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments; a FILE right behind a --json without a name is taken for FILE.

    argparse gives it to --json. What --json takes ends in .json, which no FILE does.
    """
    try:
        return parser_of_commands().parse_args(argv)
    except InputError:
        apart = list(argv)
        for i, (option, value) in enumerate(itertools.pairwise(argv)):
            if option == "--json" and not value.startswith("-") and Path(value).suffix.lower() != ".json":
                apart[i] = f"--json={STDIN}"
        with contextlib.suppress(InputError):
            return parser_of_commands().parse_args(apart)
        raise


def parser_of_commands() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    parser = Parser(
        prog="bnsl",
        description="Fit, extrapolate and compare broken neural scaling laws (arXiv 2210.14891).",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser
