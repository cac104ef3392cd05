"""How well `bnsl.forecast` predicts, without a look at held-out points: what its prior was chosen by.

Three sets of tasks. Back-tests inside the fitted parts of the 92 benchmark curves: each is cut at its last x
over 1.4, 2.1 and 4, and what follows up to 2.1 times beyond the cut is predicted (of the short NMT curves,
the next point after each of the later ones). And synthetic curves of eleven families with fixed seeds: power
laws with and without limit, one to three breaks, double descent, hard saturation, sigmoids, M4, width
scaling, 5 to 10 points; with white, heavy-tailed, autocorrelated or no noise. And, with --lcdb, learning
curves of the Learning Curve Database (Mohr et al., ECML PKDD 2022; MIT licence), late parts included: test
error and log loss of scikit-learn's classifiers against training examples, means over splits. Its archive is
fetched by `pip download --no-deps lcdb==0.1.0`. Their data sets are split in two halves; the prior was chosen
on one.

Prints the mean RMSLE and log predictive density of each domain and family, and one score, the weighted mean
of log RMSLE (lower is better). The held-out points of the benchmark are never read.

    BNSL_DATA_DIR=... python benchmarks/forecast_prior.py
    BNSL_DATA_DIR=... python benchmarks/forecast_prior.py limit_high=0.8 slope_sd=0.5
    BNSL_DATA_DIR=... python benchmarks/forecast_prior.py --lcdb lcdb-0.1.0.tar.gz --half 1
"""

from __future__ import annotations

import argparse
import tarfile
import time
import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd

import bnsl
from bnsl.evidence.prior import LEARNT
from bnsl.forecasting.average import averages
from bnsl.forecasting.forecast import Forecast

REACH = 2.1  # predictions go up to this multiple of the last fitted x
CUTS = (1.4, 2.1, 4.0)
FAMILIES = ("pl", "pllim", "brk1", "brk2", "brk3", "dd", "sat", "sigm", "m4", "width", "short")
SMALLEST = 5e-4  # mean error below which a smaller one counts no more
MEASURES = {"error": "accuracy", "log loss": "logloss"}  # groups of the database, and its files
WEIGHTS = {"IC": 3.0, "BB": 1.2, "NMT": 1.2, "LM": 0.6, **{f: 2.0 / len(FAMILIES) for f in FAMILIES}}
WEIGHTS |= {"error": 2.0, "log loss": 1.0}
NOISIEST = 0.03  # relative standard error of a mean over splits


class Task(NamedTuple):
    """Points to fit and points to predict."""

    group: str
    fitted: bnsl.Curve
    x: np.ndarray
    y: np.ndarray


def backtests() -> list[Task]:
    """Tasks inside the fitted parts of the benchmark."""
    tasks = []
    for curve in bnsl.load_dataset("benchmark"):
        x, y = curve.fitted.x, curve.fitted.y
        if curve.domain == "NMT":
            ends = [(n, n + 1) for n in range(6, len(x))]
        else:
            ends = []
            for cut in CUTS:
                n = int(np.sum(x <= x[-1] / cut * (1 + 1e-9)))
                reached = int(np.sum(x <= REACH * x[n - 1] * (1 + 1e-9))) if n else 0
                ends += [(n, reached)] if n >= 5 and reached > n else []
        tasks += [Task(curve.domain, bnsl.Curve(x[:n], y[:n]), x[n:m], y[n:m]) for n, m in ends]
    return tasks


def learning_curves(archive: str, half: int, count: int) -> list[Task]:
    """`count` tasks from the Learning Curve Database: the next two points, to twice the last fitted x.

    Each curve gives one at its end and one three points earlier. Curves that fall by less than a sixth in
    their fitted part, and those whose means are noisy, are left out.
    """
    tasks = []
    for group, name in MEASURES.items():
        with tarfile.open(archive) as files:
            member = files.extractfile(f"lcdb-0.1.0/lcdb/database-{name}.csv")
            assert member is not None
            table = pd.read_csv(member)
        table["y"] = 0.5 * (table["score_valid"] + table["score_test"])
        if group == "error":
            table["y"] = 1.0 - table["y"]
        keys = ["openmlid", "learner", "size_train"]
        means = table.groupby(keys)["y"].agg(["mean", "std", "size"]).reset_index()
        means = means[means["size"] >= 5]
        for (dataset, _), curve in means.groupby(keys[:2]):
            x, y = curve["size_train"].to_numpy(float), curve["mean"].to_numpy()
            if int(dataset) * 7919 // 3 % 2 != half or len(x) < 8 or not np.all(y > 1e-4):
                continue
            noise = curve["std"].to_numpy() / np.sqrt(curve["size"].to_numpy()) / y
            for end in (len(x), len(x) - 3):
                n = end - 2
                quiet = np.median(noise[:n]) <= NOISIEST and max(noise[n:end]) <= NOISIEST
                if n >= 6 and y[0] >= 1.2 * y[n - 1] and quiet:
                    tasks.append(Task(group, bnsl.Curve(x[:n], y[:n]), x[n:end], y[n:end]))
    order = np.random.default_rng(5).permutation(len(tasks))
    return [tasks[i] for i in order[:count]]


def synthetic(count: int, seed: int) -> list[Task]:
    """`count` tasks of each family."""
    tasks = []
    for index, family in enumerate(FAMILIES):
        rng = np.random.default_rng([seed, index])
        tasks += [_draw(family, rng) for _ in range(count)]
    return tasks


def _chain(u: np.ndarray, c0: float, breaks: list[tuple[float, float, float]]) -> np.ndarray:
    """log g of a BNSL with breaks (c, log d, f)."""
    return -c0 * u - sum((c * f * np.logaddexp(0, (u - d) / f) for c, d, f in breaks), np.zeros_like(u))


def _draw(family: str, rng: np.random.Generator) -> Task:
    count = int(np.round(np.exp(rng.uniform(np.log(6), np.log(100)))))
    span, reach = float(rng.uniform(np.log(8), np.log(1000))), float(np.log(REACH))
    kind = family
    if family == "short":
        count = int(rng.integers(5, 11))
        kind = str(rng.choice(["pllim", "brk1", "sat", "dd", "m4", "pl"]))
    later = max(1, int(count * 0.4))
    if rng.random() < 0.5:
        u = np.concatenate([np.linspace(-span, 0, count), np.linspace(0, reach, later + 1)[1:]])
    else:
        seen = np.linspace(np.exp(-span), 1, count)
        u = np.log(np.concatenate([seen, np.linspace(1, REACH, later + 1)[1:]]))
    log_y = _law(kind, u, span, reach, count, rng) + _noise(u, rng)
    scale = rng.normal(0, 3)
    x, y = 1e4 * np.exp(u), np.exp(log_y + scale)
    return Task(family, bnsl.Curve(x[:count], y[:count]), x[count:], y[count:])


def _law(
    kind: str, u: np.ndarray, span: float, reach: float, count: int, rng: np.random.Generator
) -> np.ndarray:
    def slope() -> float:
        return float(np.clip(rng.lognormal(np.log(0.3), 0.7), 0.03, 2))

    limit = 0.0  # share of y at the last fitted point
    if kind == "pl":
        eta = -slope() * u
    elif kind == "pllim":
        eta, limit = -slope() * u, 0.95 * rng.beta(1, 1)
    elif kind.startswith("brk"):
        c0, breaks = rng.choice([0.02, 1]) * slope(), []
        for _ in range(int(kind[-1])):
            c, d = rng.normal(0, 0.35), rng.uniform(-span, reach / 2)
            if c0 + c + sum(b[0] for b in breaks) < -0.05:  # keep most slopes downward
                c = abs(c)
            breaks.append((c, d, float(np.exp(rng.normal(np.log(0.5), 0.6)))))
        eta, limit = _chain(u, c0, breaks), rng.choice([0.0, 0.9 * rng.beta(1, 1.5)])
    elif kind == "dd":
        peak, up, c0 = rng.uniform(-0.8 * span, -0.05 * span), rng.uniform(0.1, 1), slope()
        f, down = float(np.exp(rng.normal(np.log(0.3), 0.4))), rng.uniform(0.4, 1.5)
        breaks = [(-c0 - up, peak - rng.uniform(0.3, 2), f), (up + down, peak, f)]
        limit = rng.choice([0.0, 0.8 * rng.beta(1, 1.5)])
        if rng.random() < 0.4:
            breaks.append((-0.6 * down, peak + rng.uniform(0.5, 2), f))
        eta = _chain(u, c0, breaks)
    elif kind == "sat":
        eta, limit = -rng.uniform(0.4, 1.5) * u, rng.uniform(0.6, 0.98)
    elif kind == "sigm":
        middle, width, height = rng.uniform(-span, 0.3), rng.uniform(0.3, 1.5), rng.uniform(0.3, 3)
        eta = np.log(height / (1 + np.exp((u - middle) / width)) + 0.05 * rng.random())
    elif kind == "m4":
        c, alpha, log_b, low = slope(), rng.uniform(0, 2), rng.normal(0, 1.5), rng.uniform(0, 0.5)
        y = low + (1 - low) / (1 + np.exp(-np.linspace(-12, 16, 6001)))
        left = np.log(y - low) - alpha * np.log(np.maximum(1 - y, 1e-300))
        eta = np.log(np.interp(log_b - c * u, left, y))
    else:  # width: a power law with a finite correction, to a limit
        c = slope()
        eta = -c * u - np.log1p(rng.uniform(0, 1.5) * np.exp(0.5 * u))
        limit = 0.9 * rng.beta(1, 1.2)
    if limit > 0:
        eta = np.logaddexp(np.log(limit / (1 - limit)) + eta[count - 1], eta)
    return np.asarray(eta)


def _noise(u: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size, kind = float(np.exp(rng.uniform(np.log(0.0007), np.log(0.03)))), int(rng.integers(4))
    if kind == 0:
        noise = rng.normal(size=len(u))
    elif kind == 1:
        noise = rng.standard_t(3, size=len(u)) / 1.3
    else:
        length = float(np.exp(rng.uniform(np.log(0.05), np.log(0.6))))
        noise = rng.normal(size=len(u))
        for i in range(1, len(u)):
            same = np.exp(-(u[i] - u[i - 1]) / length)
            noise[i] = same * noise[i - 1] + np.sqrt(1 - same**2) * noise[i]
        noise = noise + 0.3 * rng.normal(size=len(u))
    return size * noise * (rng.random() >= 0.1)


def main() -> None:
    """Print the errors by group, and the score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="constants of the prior to change")
    parser.add_argument("--count", type=int, default=10, help="synthetic curves of each family")
    parser.add_argument("--seed", type=int, default=11, help="of the synthetic curves")
    parser.add_argument("--lcdb", metavar="ARCHIVE", help="the database's source archive, lcdb-0.1.0.tar.gz")
    parser.add_argument(
        "--half", type=int, default=0, choices=(0, 1), help="0: the half the prior was chosen on"
    )
    parser.add_argument("--curves", type=int, default=400, help="tasks from the database")
    arguments = parser.parse_args()
    changes = {name: float(value) for name, value in (item.split("=") for item in arguments.settings)}
    prior = LEARNT._replace(**changes)
    tasks = backtests() + synthetic(arguments.count, arguments.seed)
    if arguments.lcdb:
        tasks += learning_curves(arguments.lcdb, arguments.half, arguments.curves)
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    start = time.perf_counter()
    for task in tasks:
        forecast = Forecast(task.fitted, (), averages(task.fitted, prior))
        error = np.log(forecast.predict(task.x) / task.y)
        low, high = forecast.interval(task.x, 0.9)
        inside = np.mean((low < task.y) & (task.y < high))
        density = np.mean(forecast.log_density(task.x, task.y))
        rows.setdefault(task.group, []).append(
            (float(np.sqrt(np.mean(error**2))), float(error.mean()), float(density), float(inside))
        )
    print(f"{'group':<9}{'tasks':>7}{'rmsle':>9}{'bias':>9}{'log density':>13}{'in 90 %':>9}")
    score = 0.0
    for group, values in rows.items():
        rmsle, bias, density, inside = np.mean(values, axis=0)
        score += WEIGHTS[group] * np.log(max(rmsle, SMALLEST)) / sum(WEIGHTS[g] for g in rows)
        print(f"{group:<9}{len(values):7}{rmsle:9.4f}{bias:+9.4f}{density:13.2f}{100 * inside:8.0f}%")
    seconds = (time.perf_counter() - start) / len(tasks)
    print(f"score {score:.4f}; {1e3 * seconds:.0f} ms a curve, intervals included")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
