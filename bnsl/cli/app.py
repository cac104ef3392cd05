"""`bnsl app`: choose a file and its columns, drag the end of the fitted range.

Examples:
  bnsl app
  bnsl app four_digit_addition
  bnsl app --port 0 --no-browser

The app needs dash (pip install 'broken-neural-scaling-laws[app]'). It listens on this machine alone, and
files that are dropped into it stay there. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse

from bnsl.cli._arguments import file_argument, option
from bnsl.cli._terminal import note, warn
from bnsl.web.app.server import LOOPBACK, PORT, serve


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    text = "a file or folder that 'bnsl forecast' reads, or a data set (default: drop one on the page)"
    file_argument(command, text, nargs="?")
    option(command, "--port", "N", "the port; 0 for a free one (default: %(default)s)", int, default=PORT)
    text = "where to listen; everyone who can reach it can use the app (default: %(default)s, this machine)"
    option(command, "--host", "ADDRESS", text, default=LOOPBACK[0])
    command.add_argument("--no-browser", action="store_true", help="do not open the browser")


def run(args: argparse.Namespace) -> None:
    """Run the command."""

    def ready(address: str) -> None:
        note(f"the app is at {address}; Ctrl-C ends it")
        if args.host not in LOOPBACK:
            warn(f"others can reach {args.host} and use the app")

    serve(args.host, args.port, file=args.file, ready=ready, open_browser=not args.no_browser)
