"""`bnsl benchmark`: methods on the 92 curves."""

from __future__ import annotations

import argparse
from pathlib import Path

from bnsl._base.checks import InputError, check_choice
from bnsl.cli._arguments import Joined
from bnsl.cli._output import DPI
from bnsl.cli._terminal import Progress, note, show
from bnsl.curves.benchmark import load_benchmark
from bnsl.curves.datasets import BENCHMARK, COLLECTIONS, load_validation
from bnsl.evaluation.benchmark import METHODS, method_names, run_benchmark

EXAMPLE = """examples:
  bnsl benchmark --methods m1,m2 --domains LM,NMT
  bnsl benchmark --methods bnsl,forecast --domains NMT --output benchmark-results
  bnsl benchmark --curves validation --methods m2,forecast --domains ngram

The curves are looked for in the folder that $BNSL_DATA_DIR names, then in the cache; they are fetched from
their public origin the first time.
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.add_argument(
        "--methods",
        action=Joined,
        default=",".join(METHODS),
        metavar="A,B,...",
        help="the methods (default: %(default)s)",
    )
    command.add_argument(
        "--domains",
        action=Joined,
        metavar="A,B,...",
        help="only curves of these: IC, BB, LM, NMT (default: all)",
    )
    command.add_argument(
        "--curves",
        default=BENCHMARK,
        metavar="NAME",
        help=f"the collection: {' or '.join(COLLECTIONS)} (default: %(default)s)",
    )
    command.add_argument(
        "--output",
        default="benchmark-results",
        metavar="FOLDER",
        help="where tables (.csv, .md) and figure go (default: %(default)s)",
    )


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
    progress = None if args.quiet else Progress()
    run = run_benchmark(benchmark, methods, progress=progress)
    paths = run.write(folder)
    show(run.summary())
    from matplotlib.figure import Figure

    from bnsl.plots.comparisons import benchmark_size, plot_benchmark

    figure = Figure(figsize=benchmark_size(run), layout="constrained")
    plot_benchmark(run, ax=figure.subplots())
    figure.savefig(folder / "benchmark.png", dpi=DPI, bbox_inches="tight")
    for path in (*paths, folder / "benchmark.png"):
        note(f"wrote {path}")
