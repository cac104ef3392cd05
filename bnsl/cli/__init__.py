"""The shell command `bnsl`: one module a command; the only place that prints.

Exit codes: 0, also for a fit that went badly (its warnings say so); 2 for bad input, with one line on the
standard error; 130 if interrupted; 141 if the reader of the output went away.
"""

from bnsl.cli._main import main

__all__ = ["main"]
