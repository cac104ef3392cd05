"""The shell command `bnsl`: one module per command; the only place that prints.

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
        argv: the arguments; those of the process if None.
    """
    if argv is not None:
        from bnsl.cli._main import run

        return run(argv)
    # Compiled modules may swallow the exception of a Ctrl-C, or answer with a traceback of their own, while
    # they are imported: until the work begins a SIGINT ends the process. One that is ignored stays ignored.
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def begin() -> None:
        if raises:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    if raises:
        signal.signal(signal.SIGINT, _stop)
    from bnsl.cli._main import run

    try:
        return run(sys.argv[1:], begin)
    finally:
        begin()


def _stop(*_: Any) -> NoReturn:
    os.write(2, b"bnsl: interrupted\n")
    os._exit(INTERRUPTED)
