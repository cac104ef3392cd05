"""How the time and memory of `fit_many` grow with curves, points and breaks, as a table and a figure.

    python benchmarks/growth.py [--most 100000] [--plot growth.png]

Every row is a process of its own, which compiles on a first call and then measures: the processor time of the
call that is timed, and the largest memory that the process has ever held. With two and three breaks every
curve goes through `fit`, so that few are enough.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import bnsl

POINTS = (20, 64, 200, 1000)
CURVES = (100, 1000, 10_000, 100_000)


def measure(curves: int, points: int, breaks: int) -> dict[str, float]:
    """Time and memory of one batch."""
    from many_curves import curves as random_curves
    from many_curves import long_form

    few = min(curves, 1000)
    x, y = random_curves(few, points, 5)
    rng = np.random.default_rng(0)
    copies = np.resize(np.arange(few), curves)
    noisy = y[copies] * np.exp(0.01 * rng.normal(size=(curves, points)))  # no two curves are the same
    frame = long_form(x[copies], noisy)
    warm = frame[frame["curve"] < min(curves, 600)]
    bnsl.fit_many(warm, "x", "y", "curve", n_breaks=breaks, progress=False)
    begin, processor = time.perf_counter(), time.process_time()
    rows = bnsl.fit_many(frame, "x", "y", "curve", n_breaks=breaks, progress=False)
    return {
        "seconds": time.perf_counter() - begin,
        "processor": time.process_time() - processor,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "rows": len(rows),
    }


def in_a_process(curves: int, points: int, breaks: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--one", f"{curves},{points},{breaks}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def draw(name: str, table: list[tuple[str, tuple[int, int, int], dict[str, float]]]) -> None:
    """Draw three panels, milliseconds a curve."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    axes: Any = figure.subplots(1, 3, sharey=False)
    for ax, (kind, place, label) in zip(
        axes, (("curves", 0, "curves"), ("points", 1, "points a curve"), ("breaks", 2, "breaks")), strict=True
    ):
        rows = [(case[place], found, case[0]) for which, case, found in table if which == kind]
        ax.plot([r[0] for r in rows], [1e3 * r[1]["processor"] / r[2] for r in rows], "o-", color="C0")
        ax.set_xlabel(label)
        ax.set_yscale("log")
        ax.grid(alpha=0.3)
        if kind == "breaks":
            ax.set_xticks([r[0] for r in rows])
        else:
            ax.set_xscale("log")
    axes[0].set_ylabel("processor time a curve, ms")
    figure.savefig(name, dpi=200)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=100_000)
    parser.add_argument("--plot")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        sys.path.insert(0, str(Path(__file__).parent))
        print(json.dumps(measure(*map(int, arguments.one.split(",")))))
        return
    cases = [("curves", (n, 64, 1)) for n in CURVES if n <= arguments.most]
    cases += [("points", (500, n, 1)) for n in POINTS]
    cases += [("breaks", (500 if n < 2 else 10, 64, n)) for n in range(4)]
    print(f"{'curves':>8}{'points':>8}{'breaks':>8}{'ms a curve':>12}{'processor':>11}{'memory, GB':>12}")
    table = []
    for kind, case in cases:
        found = in_a_process(*case)
        table.append((kind, case, found))
        each, own = (1e3 * found[name] / case[0] for name in ("seconds", "processor"))
        print(
            f"{case[0]:>8}{case[1]:>8}{case[2]:>8}{each:>12.3f}{own:>11.3f}{found['memory']:>12.2f}",
            flush=True,
        )
    if arguments.plot:
        draw(arguments.plot, table)


if __name__ == "__main__":
    main()
