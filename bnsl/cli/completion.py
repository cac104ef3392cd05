"""`bnsl completion`: what a shell needs to complete commands and options.

Examples:
  bnsl completion bash > bnsl-completion.bash

The script needs no Python once it is made, so completion is instant:
  bash   bnsl completion bash > ~/.local/share/bash-completion/completions/bnsl
  zsh    bnsl completion zsh > ~/.zfunc/_bnsl      (with fpath+=~/.zfunc before compinit in ~/.zshrc)
  tcsh   bnsl completion tcsh > ~/.bnsl-completion.csh      (and source it in ~/.tcshrc)
"""

from __future__ import annotations

import argparse

from bnsl._base.checks import InputError

SHELLS = ("bash", "zsh", "tcsh")


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    try:
        import shtab
    except ImportError:
        raise InputError(
            "completion needs shtab; pip install 'broken-neural-scaling-laws[completion]'"
        ) from None
    from bnsl.cli._commands import whole_parser

    print(shtab.complete(whole_parser(filled=True), args.shell))
