"""`bnsl plot`: a figure of a law."""

from __future__ import annotations

import argparse

import bnsl
from bnsl._base.checks import InputError
from bnsl.cli._arguments import add_input, add_labels, add_law
from bnsl.cli._input import fit_law, form_of, input_names, law_options, loss_of, read_curve
from bnsl.cli._output import check_outputs, save_figure
from bnsl.cli._surfaces import draw_panels
from bnsl.cli._terminal import warn
from bnsl.evaluation.extrapolation import Extrapolation
from bnsl.forms.registry import FORMS

EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl plot curve.csv --train-until 736 -o fit.png
  bnsl plot curve.csv --decompose -o segments.pdf
  bnsl plot curve.csv --title "Addition" --x-label "examples" -o titled.svg
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_input(command)
    add_law(command)
    command.add_argument(
        "--decompose", action="store_true", help="draw the power laws that a bnsl is a chain of"
    )
    command.add_argument(
        "-o",
        "--output",
        dest="plot",
        required=True,
        metavar="OUT.png",
        help="the figure: .png, .pdf, .svg, ...",
    )
    add_labels(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    if args.decompose and args.form.lower() in FORMS and args.form.lower() != "bnsl":
        raise InputError(f"--decompose draws the power laws of a bnsl; form {args.form!r} has none")
    if args.decompose and input_names(args):
        raise InputError("--decompose is for curves of one input, and --x names several")
    options = law_options(args)
    curve = read_curve(args, form_of(args))
    law = fit_law(args, curve, options | loss_of(args))
    for warning in (law.result if isinstance(law, Extrapolation) else law).warnings:
        warn(f"{warning.code}: {warning.message}")
    if curve.inputs > 1:
        several, held_out = (law.result, law.held_out) if isinstance(law, Extrapolation) else (law, None)
        save_figure(args, lambda ax: draw_panels(several, held_out, ax))
        return
    draw = bnsl.plot_decomposition if args.decompose else bnsl.plot_fit
    save_figure(args, lambda ax: draw(law, ax=ax), wide=args.decompose)
