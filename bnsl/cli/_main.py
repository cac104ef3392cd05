"""Arguments in, exit code out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from bnsl._base.checks import InputError
from bnsl.cli import INTERRUPTED
from bnsl.cli._commands import parsed
from bnsl.cli._output import check_outputs
from bnsl.cli._terminal import fail, set_quiet, timed, warnings_as_lines


def run(words: Sequence[str], begin: Callable[[], object] = lambda: None) -> int:
    """Run the command with these arguments and return its exit code.

    Args:
        words: the command and its arguments.
        begin: called once the command's module is imported, before the work.
    """
    options: dict[str, str] = {}
    try:
        args = parsed(words)
        options = args.options
        args.argv = list(words)  # as given, for a page that says how it was made
        begin()
        set_quiet(args.quiet)
        check_outputs(args)
        with warnings_as_lines(), timed():
            code = args.run(args)
        sys.stdout.flush()
    except InputError as error:
        return fail(error, options)
    except BrokenPipeError:
        # What is still buffered has nowhere to go; a second failure at exit would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return fail(f"{error.filename or 'output'}: {error.strerror or error}", options)
    except KeyboardInterrupt:
        print("bnsl: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code or 0
