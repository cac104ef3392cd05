"""`bnsl benchmark`: methods on the 92 curves.

Examples:
  bnsl benchmark --methods m1,m2 --domains LM,NMT
  bnsl benchmark --methods bnsl,forecast --domains NMT --output benchmark-results
  bnsl benchmark --curves validation --methods m2,forecast --domains ngram

The curves are looked for in the folder that $BNSL_DATA_DIR names, then in the cache; they are fetched from
their public origin the first time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bnsl
from bnsl._base.checks import InputError, check_choice
from bnsl.cli._arguments import Joined, option
from bnsl.cli._output import save_figure
from bnsl.cli._terminal import Progress, note, show
from bnsl.curves.benchmark import load_benchmark
from bnsl.curves.datasets import BENCHMARK, COLLECTIONS, load_validation
from bnsl.evaluation.benchmark import METHODS, method_names, run_benchmark


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    text = "the methods (default: %(default)s)"
    option(command, "--methods", "A,B,...", text, action=Joined, default=",".join(METHODS))
    text = "only curves of these: IC, BB, LM, NMT (default: all)"
    option(command, "--domains", "A,B,...", text, action=Joined)
    text = f"the collection: {' or '.join(COLLECTIONS)} (default: %(default)s)"
    option(command, "--curves", "NAME", text, default=BENCHMARK)
    text = "where tables (.csv, .md) and figure go (default: %(default)s)"
    option(command, "--output", "FOLDER", text, default="benchmark-results")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    methods = method_names([name.strip().lower() for name in args.methods.split(",")])
    folder = Path(args.output)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output {args.output!r} is a file; give a folder")
    check_choice(args.curves, "--curves", COLLECTIONS)
    benchmark = load_benchmark() if args.curves == BENCHMARK else load_validation()
    if args.domains is not None:
        benchmark = benchmark.select(domain=[name.strip() for name in args.domains.split(",")])
    folder.mkdir(parents=True, exist_ok=True)  # or fail now rather than after the fits
    run = run_benchmark(benchmark, methods, progress=None if args.quiet else Progress())
    paths = run.write(folder)
    show(run.summary())
    for path in paths:
        note(f"wrote {path}")
    save_figure(lambda: bnsl.plot_benchmark(run), folder / "benchmark.png")
