"""How long one waits: first calls in fresh processes, and many curves, beside other fitters.

    python benchmarks/instant.py [--only fit shell crowd] [--quick] [--seed 20261127]

Prints Markdown. Everything is measured in processes of its own (`instant_cases.py`) with an empty home folder
and no cache; imports are not counted, but for the row of the shell. Numbers are medians over the processes.
SciPy and lmfit minimise the same residual in the same coordinates (`peers.py`) from as many random starts as
`bnsl.fit` takes; the paper's procedure is that of `paper_procedure.py`. Of many curves the peers fit the
first few, in two processes, and of the replicates of a bootstrap some, from the solution.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from instant_cases import BACKENDS, SEED, STARTS, Found

HERE = Path(__file__).resolve().parent
PACKAGES = ("numpy", "scipy", "pandas", "jax", "lmfit")
CACHES = ("BNSL_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
PEERS = ("scipy", "lmfit")
BARE = [sys.executable, "-c", "import numpy, pandas"]
RUNS, LONG_RUNS = 7, 3  # processes of a row that takes seconds, and of one that takes longer


def fresh(command: list[str], folder: str | Path = HERE) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Seconds and output of a process that finds an empty home folder and no cache."""
    environment = {name: value for name, value in os.environ.items() if name not in CACHES}
    with tempfile.TemporaryDirectory() as home:
        environment["HOME"] = home
        begin = time.perf_counter()
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
        taken = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return taken, done


class Measure(NamedTuple):
    """Runs cases in fresh processes."""

    quick: bool
    seed: int

    def __call__(self, case: str, *words: str, runs: int = RUNS) -> Found:
        """The medians over some processes of what a case finds."""
        command = [sys.executable, "instant_cases.py", case, *words, "--seed", str(self.seed)]
        command += ["--quick"] if self.quick else []
        runs = 1 if self.quick else runs
        found = [json.loads(fresh(command)[1].stdout.splitlines()[-1]) for _ in range(runs)]
        return {
            name: float(np.median([one[name] for one in found])) if isinstance(value, float) else value
            for name, value in found[-1].items()
        }


def row(label: str, goal: str, *cells: str) -> None:
    """Print a row of the table."""
    print("|", " | ".join([label, goal, *cells, *[""] * (4 - len(cells))]), "|", flush=True)


def seconds(value: float) -> str:
    """A time in words."""
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


def a_second(value: float) -> str:
    """A rate in words."""
    return f"{value:,.0f} a second" if value > 10 else f"{value:.2g} a second"


# --- one curve --------------------------------------------------------------------------------------


def one_break(measure: Measure, label: str, goal: str, name: str) -> tuple[Found, str]:
    """The row of a fit with one break beside the peers: what was found, and a line of errors."""
    found = {"bnsl": measure("one_break", name)}
    for who in (*PEERS, "paper"):
        found[who] = measure("peer_one_break", name, who, runs=LONG_RUNS)
    row(label, goal, *(seconds(part["first"]) for part in found.values()))
    cells = [f"{part['fitted']:.4g} / {part['beyond']:.4g}" for part in found.values()]
    return found["bnsl"], f"| {name} | {' | '.join(cells)} |"


def one_curve(measure: Measure, only: set[str]) -> list[str]:
    """The rows of one curve; the lines of errors."""
    found, errors = {}, []
    if "fit" in only:
        label = "first `fit(x, y, n_breaks=1)`, addition curve"
        found["fit"], line = one_break(measure, label, "0.15 s", "four_digit_addition")
        errors.append(line)
    for key, case, label, goal in (
        ("fit", "whole_fit", "first `fit(x, y)`", "0.6 s"),
        ("forecast", "forecast", "first `forecast`, and 100 predictions", "0.3 s"),
        ("compare", "compare", "first `compare` of M1 to M4 and BNSL, errors held out", "1.0 s"),
    ):
        if key in only:
            found[case] = measure(case)
            row(label, goal, seconds(found[case]["first"]))
    with_jax = any(part["jax"] for part in found.values())
    if "shell" in only:
        with_jax |= shell(measure.quick)
    if found:
        again = ", ".join(f"{1e3 * part['again']:.0f}" for part in found.values())
        row("the same calls again in those processes", "12, 82, 54, 103 ms", f"{again} ms")
        row("JAX in `sys.modules` after any of these", "no", "yes" if with_jax else "no")
    if "noiseless" in only:
        label = "first `fit(x, y, n_breaks=1)`, 405 noiseless points"
        errors.append(one_break(measure, label, "0.1 s", "noiseless_simulation")[1])
    if "bootstrap" in only:
        times = [measure("bootstrap")["first"]]
        times += [measure("peer_bootstrap", who, runs=LONG_RUNS)["first"] for who in PEERS]
        row("first bootstrap, 1,000 replicates of 60 points", "0.3 s", *map(seconds, times))
    return errors


def shell(quick: bool) -> bool:
    """The row of `bnsl fit FILE` as a process; whether it imports JAX."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bnsl"]
        curve = fresh([*command, "datasets", "four_digit_addition"])[1].stdout
        (Path(folder) / "curve.csv").write_text(curve)
        command += ["fit", "curve.csv"]
        times = [(fresh(command, folder)[0], fresh(BARE, folder)[0]) for _ in range(1 if quick else 2 * RUNS)]
        traced = fresh([command[0], "-X", "importtime", *command[1:]], folder)[1].stderr
    ours, bare = np.median(times, axis=0)
    goal = '0.5 s above `python -c "import numpy, pandas"`'
    row("`bnsl fit FILE` as a process", goal, f"{seconds(ours - bare)} above {seconds(bare)}")
    return any(line.split("|")[-1].strip() == "jax" for line in traced.splitlines())


# --- many curves ------------------------------------------------------------------------------------


def crowd(measure: Measure, kind: str, label: str, goal: str) -> None:
    """The row of many curves of one break, by either backend, beside the peers."""
    ours = {backend: measure("many", kind, backend, runs=LONG_RUNS) for backend in BACKENDS}
    parts = [
        f"{backend} {found['rate']:,.0f} a second, first call {found['first']:.2g} s{found['faults']}"
        for backend, found in ours.items()
    ]
    theirs = [measure("peer_many", kind, who, runs=1)["rate"] for who in PEERS]
    row(label, goal, "; ".join(parts), *map(a_second, theirs))


def many_curves(measure: Measure, only: set[str]) -> list[str]:
    """The rows of many curves; the lines of curves on which `fit_many` is behind `fit`."""
    behind = []
    if "crowd" in only:
        label = "`fit_many`, 1,000 curves of 64 points, one break, 2 workers, second call"
        crowd(measure, "crowd", label, "1,000 a second")
    if "ragged" in only:
        label = "`fit_many`, 2,000 curves of 12 to 90 points, one break, 2 workers, second call"
        crowd(measure, "ragged", label, "800 a second")
    if "chosen" in only:
        found = measure("chosen", runs=LONG_RUNS)
        label = "120 curves of 12 to 90 points, breaks chosen, `fit` in a loop"
        row(label, "5 a second", a_second(found["rate"]))
        label = "`fit_many` of them, 2 workers"
        cell = f"{found['at first']:.2g} times at first, {found['times']:.2g} later"
        row(label, "5 times `fit` in a loop", cell)
    if "agreement" in only:
        found = measure("agreement", runs=1)
        cells = []
        for backend, ratios in found["ratios"].items():
            ratio = np.array(ratios)
            good, lower = 100 * np.mean(ratio <= 1.001), 100 * np.mean(ratio < 0.999)
            cells.append(f"{backend} {good:.1f} % ({lower:.1f} % lower)")
            high = [f"{found['names'][i]} ({ratio[i]:.4g})" for i in np.flatnonzero(~(ratio <= 1.001))]
            behind.append(f"Behind `fit` by {backend}: {', '.join(high) or 'none'}.")
        label = f"`fit_many` against `fit` on {len(ratio)} fresh curves: cost within 0.1 %, or lower"
        row(label, "99.5 %", "; ".join(cells))
    return behind


ROWS = (
    "fit",
    "forecast",
    "compare",
    "shell",
    "noiseless",
    "bootstrap",
    "crowd",
    "ragged",
    "chosen",
    "agreement",
)


def machine() -> str:
    """The machine and the versions, in one line."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    name = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    versions = [f"{package} {importlib.metadata.version(package)}" for package in PACKAGES]
    busy = f"load {os.getloadavg()[0]:.1f} at the start"
    return (
        f"{name}, {os.cpu_count()} cores, {busy}; Python {platform.python_version()}, {', '.join(versions)}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), help="only these rows")
    parser.add_argument(
        "--quick", action="store_true", help="one run of little work a row, to see that all runs"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="of the random curves")
    arguments = parser.parse_args()
    measure, only = Measure(arguments.quick, arguments.seed), set(arguments.only)
    print(f"{datetime.date.today():%Y-%m-%d}. {machine()}. Seed {arguments.seed}.\n")
    columns = f"SciPy `curve_fit`, {STARTS} starts | lmfit, {STARTS} starts | the paper's procedure"
    print(f"| | to reach | bnsl | {columns} |")
    print("|---|---|---|---|---|---|")
    errors = one_curve(measure, only)
    behind = many_curves(measure, only)
    if errors:
        print("\nRMSLE of the fitted points / of those beyond:\n")
        print("| | bnsl | SciPy | lmfit | the paper's procedure |\n|---|---|---|---|---|")
        print("\n".join(errors))
    if behind:
        print("", *behind, sep="\n")


if __name__ == "__main__":
    main()
