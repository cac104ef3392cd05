"""The shell command `bnsl`: one module a command; the only place that prints.

Exit codes: 0, also for a fit that went badly (its warnings say so); 2 for bad input, with one line on the
standard error; 130 if interrupted; 141 if the reader of the output went away.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        argv: the arguments; those of the process if None. Only then are compiled programs kept on disk, and
            loaded while the commands are imported.
    """
    if argv is not None:
        from bnsl.cli._main import run

        return run(argv)
    # JAX's import swallows the exception of a Ctrl-C now and then. A SIGINT that is ignored stays ignored.
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if raises:
        signal.signal(signal.SIGINT, _stop)
    from bnsl._base.cache import programs_at_hand

    words = sys.argv[1:]
    with programs_at_hand(words[0] if words else ""):
        from bnsl.cli._main import run

        if raises:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return run(words)


def _stop(*_: Any) -> NoReturn:
    os.write(2, b"bnsl: interrupted\n")
    os._exit(INTERRUPTED)
