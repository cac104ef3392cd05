"""How often the fit finds the best local minimum: 1,000 random synthetic curves.

Curves have 0 to 3 breaks, 15 to 200 points, noise of 0 to 2 %, x in units from 1e-9 to 1e24 and y from 1e-6
to 1e6, sharp and soft breaks, slopes of either sign. The cost that `bnsl.fit` reaches with the true number of
breaks is compared with the best of: a start at the truth (and 15 near it), and 20 times as many random starts
as the search itself takes. A fit succeeds if its cost is within 1 % of that best; costs that mean errors
below 1e-10 a point count as zero.

About 3 s a curve on one core: an hour for 1,000. It can run in pieces: `--tsv` keeps the outcome of every
curve, and further curves (`--start`) are added to those already there.

    python benchmarks/global_search.py --curves 1000 [--start 0] [--breaks 2 3] [--tsv OUT.tsv]
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

import bnsl
from bnsl.solver.crowd import refine_many
from bnsl.solver.effort import effort_for
from bnsl.solver.problem import Method, Problem

ROUNDING = 1e-20  # squared error a point that counts as zero


class Simulated(NamedTuple):
    """A curve and the law that it was drawn from."""

    x: np.ndarray
    y: np.ndarray
    form: bnsl.BNSL
    theta: np.ndarray
    noise: float


def simulate(rng: np.random.Generator) -> Simulated:
    """One random curve."""
    n = int(rng.integers(0, 4))
    count = int(np.exp(rng.uniform(np.log(15), np.log(200.99))))
    span = np.log(10) * rng.uniform(1, 6)
    spacing = rng.choice(["random", "log", "linear"], p=[0.3, 0.42, 0.28])
    if spacing == "random":
        log_x = np.sort(rng.uniform(0, span, count))
    elif spacing == "log":
        log_x = np.linspace(0, span, count)
    else:
        log_x = np.log(np.linspace(1, np.exp(span), count))
    log_x = log_x - log_x[0]
    log_d = np.sort(rng.uniform(0.05, 0.95, n)) * span
    log_f = rng.uniform(np.log(0.02), 0.0, n)
    slopes = rng.normal(0, 0.7, n)
    theta = [0.0, 0.0, rng.uniform(0, 1), *np.column_stack([slopes, log_d, log_f]).ravel()]
    form = bnsl.BNSL(n)
    g = form.evaluate(np.array(theta), np.exp(log_x))
    theta[0] = 0.0 if rng.random() < 0.3 else g.min() * np.exp(rng.normal())
    noise = 0.0 if rng.random() < 0.15 else rng.uniform(0, 0.02)
    y = (theta[0] + g) * np.exp(noise * rng.normal(size=count))
    log_s, log_t = np.log(10) * rng.uniform(-9, 24), np.log(10) * rng.uniform(-6, 6)
    scaled = np.asarray(form.rescale(np.array(theta), log_s, log_t))
    return Simulated(np.exp(log_x + log_s), np.exp(log_t) * y, form, scaled, noise)


def reference(curve: Simulated, rng: np.random.Generator) -> float:
    """The lowest cost from the truth and from 20 times as many random starts."""
    log_x, log_y = np.log(curve.x), np.log(curve.y)
    log_s, log_t = log_x[-1], log_y.mean()
    p = len(curve.theta)
    y = np.exp(log_y - log_t)
    problem = Problem(
        log_x - log_s, y, np.ones(len(y)), np.exp(log_t), 1.0,
        np.ones(p, bool), np.zeros(p), np.full(p, -np.inf), np.full(p, np.inf),
    )  # fmt: skip
    truth = np.asarray(curve.form.rescale(curve.theta, -log_s, -log_t))
    near = truth + np.concatenate([[np.zeros(p)], 0.02 * rng.normal(size=(15, p))])
    near[:, 0] = np.abs(near[:, 0])
    count = 20 * effort_for(curve.form).starts
    span = log_x[-1] - log_x[0]
    far = np.tile(truth, (count, 1))
    far[:, 0] = y.min() * rng.uniform(0, 1, count)
    far[:, 2] = rng.normal(0.3, 0.5, count)
    for i in range(3, p, 3):
        far[:, i] = rng.normal(0, 0.7, count)
        far[:, i + 1] = -span * rng.uniform(-0.1, 1.0, count)
        far[:, i + 2] = np.log(span) + rng.uniform(np.log(0.003), 0.0, count)
    far[:, 1] = 0.0
    middle = len(y) // 2
    for row in far:  # so that each law passes through the middle of the curve
        level = np.log(curve.form.evaluate(row, np.exp(problem.log_x[middle])) - row[0])
        row[1] = np.log(max(y[middle] - row[0], 1e-3)) - level
    starts = np.concatenate([near, far])
    return float(refine_many(Method(curve.form), problem, starts, exact=curve.noise == 0).cost.min())


COLUMNS = ["seed", "index", "breaks", "points", "noise", "cost", "best", "good", "milliseconds"]


def outcome(seed: int, index: int, breaks: list[int]) -> list[float] | None:
    """One row of COLUMNS; None for a curve of another number of breaks."""
    rng = np.random.default_rng([seed, index])
    curve = simulate(rng)
    n, count = curve.form.n_breaks, len(curve.y)
    if n not in breaks:
        return None
    start = time.perf_counter()
    result = bnsl.fit(curve.x, curve.y, n_breaks=n, bounds={"b": (0, None)})
    seconds = time.perf_counter() - start
    cost = float(np.sum(result.residuals**2))
    best = min(reference(curve, rng), cost)
    good = cost <= 1.01 * best + ROUNDING * count
    return [seed, index, n, count, curve.noise, cost, best, int(good), 1e3 * seconds]


def report(table: pd.DataFrame) -> None:
    """Print the share of curves at the best cost, by breaks and noise, with exact 95 % intervals."""
    groups = {f"{n} breaks": table[table["breaks"] == n] for n in range(4)}
    groups |= {"no noise": table[table["noise"] == 0], "noise": table[table["noise"] > 0], "all": table}
    print(f"{'':10}{'curves':>8}{'best':>8}{'share':>9}{'95 % interval':>18}{'median ms':>11}")
    for name, part in groups.items():
        if len(part):
            good = int(part["good"].sum())
            low, high = binomtest(good, len(part)).proportion_ci(0.95)
            print(
                f"{name:10}{len(part):8}{good:8}{100 * good / len(part):8.1f}%"
                f"{f'{100 * low:.1f} to {100 * high:.1f} %':>18}{part['milliseconds'].median():11.1f}"
            )
    missed = table[table["good"] == 0]
    for row in missed.to_dict("records"):
        print(
            f"missed: seed {row['seed']:.0f} curve {row['index']:.0f}, {row['breaks']:.0f} breaks, "
            f"{row['points']:.0f} points, noise {row['noise']:.3g}: error {rms(row, 'cost'):.3g} a point "
            f"against {rms(row, 'best'):.3g}"
        )


def rms(row: dict[str, float], column: str) -> float:
    """Root mean squared log error of a cost."""
    return float(np.sqrt(row[column] / row["points"]))


def main() -> None:
    """Run the curves that are asked for and print the table of all outcomes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--start", type=int, default=0, help="index of the first curve")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--breaks", type=int, nargs="+", default=[0, 1, 2, 3], help="only curves with so many"
    )
    parser.add_argument("--tsv", type=Path, help="keep outcomes here; rows already there are reported too")
    arguments = parser.parse_args()
    rows = []
    if arguments.tsv and arguments.tsv.exists():
        rows = pd.read_csv(arguments.tsv, sep="\t")[COLUMNS].to_numpy().tolist()
    for index in range(arguments.start, arguments.start + arguments.curves):
        row = outcome(arguments.seed, index, arguments.breaks)
        if row is None:
            continue
        rows.append(row)
        if arguments.tsv:
            pd.DataFrame(rows, columns=COLUMNS).to_csv(arguments.tsv, sep="\t", index=False)
        elif len(rows) % 50 == 0:
            print(f"{len(rows)} curves, missed {sum(1 - row[7] for row in rows):.0f}", file=sys.stderr)
    report(pd.DataFrame(rows, columns=COLUMNS))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
