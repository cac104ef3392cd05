"""How long a report of 500 points and six forms takes, and how large it is.

    python benchmarks/html_report.py [--repeats 5]

The first report of the process, which imports what it needs, is told apart from later ones. On a machine that
does other work as well, the time of the processor says more than that of the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import bnsl

LAW = {"a": 0.3, "b": 2.0, "c0": 0.1, "c1": 0.6, "d1": 1e3, "f1": 0.3}


def main() -> None:
    """Print times and sizes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5, help="later reports; the quickest counts")
    repeats = parser.parse_args().repeats
    print("| points | noise | first, s | later, s | processor, s | bytes |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count, noise in ((20, 0.02), (500, 0.02), (500, 0.005)):
            x = np.geomspace(1.0, 1e5, count)
            y = bnsl.BNSL(1).evaluate(LAW, x)
            y = y * np.exp(noise * np.random.default_rng(0).standard_normal(count))
            clock, processor = [], []
            for _ in range(repeats + 1):
                start = time.perf_counter(), time.process_time()
                path = bnsl.write_report(x, y, path=Path(folder) / "report.html", n_breaks=(0, 1))
                clock.append(time.perf_counter() - start[0])
                processor.append(time.process_time() - start[1])
            times = f"{clock[0]:.2f} | {min(clock[1:]):.2f} | {min(processor[1:]):.2f}"
            print(f"| {count} | {noise:.1%} | {times} | {path.stat().st_size:,} |", flush=True)


if __name__ == "__main__":
    main()
