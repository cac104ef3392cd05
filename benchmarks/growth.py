"""How the time and memory of `fit_many` grow with curves, points and breaks, as a table and a figure.

    python benchmarks/growth.py [--most 100000] [--plot growth.png]

Every row is a process of its own, which measures a second call: its processor time, and the largest memory
that the process has ever held. With two and three breaks every curve is fitted alone, so that few are enough.
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

import bnsl

POINTS = (20, 64, 200, 1000)
CURVES = (100, 1000, 10_000, 100_000)


def measure(curves: int, points: int, breaks: int) -> dict[str, float]:
    """Time and memory of one batch."""
    from random_curves import many_noisy

    frame = many_noisy(curves, points, 5)
    options = {"n_breaks": breaks, "progress": False}
    bnsl.fit_many(frame[frame["curve"] < min(curves, 600)], "x", "y", "curve", **options)
    begin, processor = time.perf_counter(), time.process_time()
    rows = bnsl.fit_many(frame, "x", "y", "curve", **options)
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
    """Draw milliseconds a curve against curves, points and breaks, and the memory against curves."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure = Figure(figsize=(10, 2.9), layout="constrained")
    panels = (
        ("curves", 0, "processor", "curves", "64 points, one break"),
        ("points", 1, "processor", "points a curve", "500 curves, one break"),
        ("breaks", 2, "processor", "breaks", "64 points"),
        ("curves", 0, "memory", "curves", "64 points, one break"),
    )
    axes: Any = figure.subplots(1, len(panels))
    for ax, (kind, place, what, label, title) in zip(axes, panels, strict=True):
        rows = [(case[place], found, case[0]) for which, case, found in table if which == kind]
        x = [row[0] for row in rows]
        y = [row[1][what] if what == "memory" else 1e3 * row[1][what] / row[2] for row in rows]
        ax.plot(x, y, "o-", color="#0072B2", markersize=4)
        ax.set(
            xlabel=label, ylabel="largest memory, GB" if what == "memory" else "processor time a curve, ms"
        )
        ax.set_title(title, fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
        if kind == "breaks":
            ax.set_xticks(x)
        else:
            ax.set_xscale("log")
        if what == "memory":
            ax.set_ylim(0, 1.15 * max(y))
            continue
        ax.set_yscale("log")
        ax.set_ylim(min(y) / 1.6, max(y) * 1.6)
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if max(y) > 100 * min(y) else (1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
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
    print("| curves | points | breaks | ms a curve | processor, ms a curve | memory, GB |")
    print("|---|---|---|---|---|---|")
    table = []
    for kind, case in cases:
        found = in_a_process(*case)
        table.append((kind, case, found))
        each, own = (1e3 * found[name] / case[0] for name in ("seconds", "processor"))
        cells = [f"{each:.3g}", f"{own:.3g}", f"{found['memory']:.2f}"]
        print(
            f"| {case[0]:,} | {case[1]} | {case[2]} | {' | '.join(cells)} |",
            flush=True,
        )
    if arguments.plot:
        draw(arguments.plot, table)


if __name__ == "__main__":
    main()
