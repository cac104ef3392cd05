"""`bnsl schedule`: a learning-rate schedule, drawn or as numbers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import bnsl
from bnsl._base.checks import InputError
from bnsl._base.display import aligned
from bnsl.cli._arguments import add_json_option, add_plot_option, add_values, numbers
from bnsl.cli._output import check_outputs, put_out
from bnsl.cli._text import json_text
from bnsl.runs.record import phase_record
from bnsl.schedules.schedule import Schedule
from bnsl.schedules.text import MAKERS, from_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXAMPLE = """examples:
  bnsl schedule cosine --peak 3e-4 --steps 100000 --warmup 1% --plot s.png
  bnsl schedule wsd:peak=1e-3,steps=20000,decay=sqrt --at 0 --at 18000
"""
OPTIONS = ("peak", "steps", "warmup", "floor", "cooldown", "decay", "constant", "anneal", "kind", "rate")


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.add_argument(
        "schedule",
        metavar="SCHEDULE",
        help=f"{', '.join(MAKERS)}; or with its arguments, name:peak=...,steps=...",
    )
    for name in OPTIONS:
        command.add_argument(f"--{name}", metavar="VALUE", help=f"{name} of the schedule, if it has one")
    text = "print the rate at STEP; repeatable, or several with commas"
    add_values(command, "--at", type=_steps, metavar="STEP", help=text)
    add_plot_option(command)
    add_json_option(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    given = [f"{name}={getattr(args, name)}" for name in OPTIONS if getattr(args, name) is not None]
    if given and "+" in args.schedule:
        raise InputError("options cannot be given for several schedules joined by +; write them into each")
    text = (
        args.schedule + ("," if ":" in args.schedule else ":") + ",".join(given) if given else args.schedule
    )
    found = from_text(text)
    steps = args.at or sorted({0, *found.starts.tolist(), found.steps})
    rates = [found.at(step) for step in steps]
    put_out(
        args,
        lambda: _text(found, steps, rates),
        lambda: json_text(
            {
                "bnsl": "schedule",
                "version": 1,
                "phases": [phase_record(phase) for phase in found.phases],
                "rates": [{"step": step, "rate": rate} for step, rate in zip(steps, rates, strict=True)],
            }
        ),
        lambda ax: _draw(found, ax),
        wide=True,
    )


def _steps(text: str) -> list[int]:
    """Steps with commas between."""
    steps = numbers(text)
    if not all(step.is_integer() for step in steps):
        raise argparse.ArgumentTypeError(f"{text!r} must be whole numbers, such as 100,200")
    return [int(step) for step in steps]


def _draw(schedule: Schedule, ax: Axes) -> Axes:
    return bnsl.plot_schedule(schedule, ax=ax)


def _text(schedule: Schedule, steps: list[int], rates: list[float]) -> str:
    rows = [("step", "rate"), *((str(s), f"{r:.6g}") for s, r in zip(steps, rates, strict=True))]
    return f"{schedule!r}\n\n{aligned(rows)}"
