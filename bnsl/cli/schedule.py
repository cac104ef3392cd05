"""`bnsl schedule`: a learning-rate schedule, drawn or as numbers.

Examples:
  bnsl schedule cosine --peak 3e-4 --steps 100000 --warmup 1% --plot s.png
  bnsl schedule wsd:peak=1e-3,steps=20000,decay=sqrt --at 0 --at 18000
"""

from __future__ import annotations

import argparse

import bnsl
from bnsl._base.checks import InputError
from bnsl._base.display import aligned
from bnsl.cli import _arguments as arguments
from bnsl.cli._output import put_out, record_text
from bnsl.cli._values import numbers
from bnsl.runs.record import phase_record
from bnsl.schedules.text import MAKERS, from_text

OPTIONS = ("peak", "steps", "warmup", "floor", "cooldown", "decay", "constant", "anneal", "kind", "rate")


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    text = f"{', '.join(MAKERS)}; or with its arguments, name:peak=...,steps=..."
    command.add_argument("schedule", metavar="SCHEDULE", help=text)
    for name in OPTIONS:
        arguments.option(command, f"--{name}", "VALUE", f"{name} of the schedule, if it has one")
    text = "print the rate at STEP; repeatable, or several with commas"
    arguments.values(command, "--at", text, type=_steps, metavar="STEP")
    arguments.add_outputs(command)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    text = args.schedule
    given = [f"{name}={getattr(args, name)}" for name in OPTIONS if getattr(args, name) is not None]
    if given and "+" in text:
        raise InputError("options cannot be given for several schedules joined by +; write them into each")
    if given:
        text += ("," if ":" in text else ":") + ",".join(given)
    found = from_text(text)
    steps = args.at or sorted({0, *found.starts.tolist(), found.steps})
    rates = [found.at(step) for step in steps]
    rows = [("step", "rate"), *((str(s), f"{r:.6g}") for s, r in zip(steps, rates, strict=True))]
    put_out(
        args,
        lambda: f"{found!r}\n\n{aligned(rows)}",
        lambda: record_text(
            "schedule",
            phases=[phase_record(phase) for phase in found.phases],
            rates=[{"step": step, "rate": rate} for step, rate in zip(steps, rates, strict=True)],
        ),
        lambda: bnsl.plot_schedule(found),
    )


def _steps(text: str) -> list[int]:
    """Steps with commas between."""
    steps = numbers(text)
    if not all(step.is_integer() for step in steps):
        raise argparse.ArgumentTypeError(f"{text!r} must be whole numbers, such as 100,200")
    return [int(step) for step in steps]
