"""`bnsl plot`: a figure of a law.

Examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl plot curve.csv --train-until 736 -o fit.png
  bnsl plot curve.csv --decompose -o segments.pdf
  bnsl plot curve.csv --title "Addition" --x-label "examples" -o titled.svg
"""

from __future__ import annotations

import argparse

import bnsl
from bnsl._base.checks import InputError
from bnsl.cli import _arguments as arguments
from bnsl.cli._given import form_of, input_names, law_options
from bnsl.cli._input import read_curve
from bnsl.cli._output import save_figure
from bnsl.cli._terminal import warn
from bnsl.cli.fit import fit_law
from bnsl.forms.registry import FORMS


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    arguments.add_input(command)
    arguments.add_law(command)
    text = "draw the power laws that a bnsl is a chain of"
    command.add_argument("--decompose", action="store_true", help=text)
    text = "the figure: .png, .pdf, .svg, ..."
    command.add_argument("-o", "--output", dest="plot", required=True, metavar="OUT.png", help=text)
    arguments.add_labels(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.decompose and args.form.lower() in FORMS and args.form.lower() != "bnsl":
        raise InputError(f"--decompose draws the power laws of a bnsl; form {args.form!r} has none")
    if args.decompose and input_names(args):
        raise InputError("--decompose is for curves of one input, and --x names several")
    options = law_options(args)
    law, tested = fit_law(args, read_curve(args, form_of(args)), options)
    for warning in law.warnings:
        warn(f"{warning.code}: {warning.message}")
    draw = bnsl.plot_decomposition if args.decompose else bnsl.plot_fit
    texts = {"title": args.title, "xlabel": args.x_label, "ylabel": args.y_label}
    save_figure(lambda: draw(tested or law), args.plot, **texts)
