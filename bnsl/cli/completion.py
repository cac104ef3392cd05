"""`bnsl completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import argparse
from typing import Any

from bnsl._base.checks import InputError
from bnsl.cli._arguments import add_command

SHELLS = ("bash", "zsh", "tcsh")
EXAMPLE = """examples:
  bnsl completion bash > bnsl-completion.bash

The script is made once and then needs no Python, so that the tabulator key answers at once:
  bash   bnsl completion bash > ~/.local/share/bash-completion/completions/bnsl
  zsh    bnsl completion zsh > ~/.zfunc/_bnsl      (with fpath+=~/.zfunc before compinit in ~/.zshrc)
  tcsh   bnsl completion tcsh > ~/.bnsl-completion.csh      (and source it in ~/.tcshrc)
"""


def add(commands: Any) -> None:
    """Add the command."""
    command = add_command(commands, "completion", "write a script that completes commands", EXAMPLE, _run)
    command.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def _run(args: argparse.Namespace) -> None:
    try:
        import shtab
    except ImportError:
        raise InputError(
            "completion needs shtab; pip install 'broken-neural-scaling-laws[completion]'"
        ) from None
    from bnsl.cli._main import parser_of_commands

    print(shtab.complete(parser_of_commands(), args.shell))
