"""M1 to M4 on the 92-curve benchmark: our training error against SciPy's from 100 random starts.

    python benchmarks/baselines_vs_scipy.py [--starts 100] [--curves 92] [--form m4] [--tsv OUT.tsv]

The forms are written again here, in NumPy and with their own derivatives, so that neither side borrows
from the other. SciPy's `least_squares` (trf) is given the same residual log(prediction) - log(y), the same
box as our search, and random starts; the better of the two is whoever has the lower root mean squared log
error on the training rows. Prints the share of curves on which ours is no worse (to 1e-6 relative) and the
worst ratio.

The curves are not part of the repository; BNSL_DATA_DIR names the folder that holds them (default
../shared/data).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

import bnsl

NO_WORSE = 1e-6  # relative
EXACT = 1e-12  # training errors below this are rounding
FILES = ("benchmark.vision.csv", "benchmark.lang.csv")

# Coordinates and log x in, (log y, its derivatives (N, p)) out.
Law = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Rival(NamedTuple):
    """One form as SciPy sees it: x in units of its largest value, y in units of its geometric mean."""

    law: Law
    box: Callable[[np.ndarray, np.ndarray], tuple[list[float], list[float]]]
    draw: Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]


def training_curves(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(name, x, y) of the training rows of every curve, exact duplicates dropped."""
    for name in FILES:
        table = pd.read_csv(folder / name).drop_duplicates()
        for key, group in table[table["Training"] == 1].groupby(["Domain", "Task", "Model"], sort=False):
            x, y = group["Seen Examples"].to_numpy(float), group["Loss"].to_numpy(float)
            yield " / ".join(key), x, y


# --- the forms, in NumPy --------------------------------------------------------------------------


def m1_law(theta: np.ndarray, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log y of y = b x^-c."""
    log_b, c = theta
    return log_b - c * log_x, np.stack([np.ones_like(log_x), -log_x], axis=1)


def m2_law(theta: np.ndarray, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log y of y = e + b x^-c."""
    log_b, c, e = theta
    power = np.exp(log_b - c * log_x)
    y = e + power
    return np.log(y), np.stack([power, -power * log_x, np.ones_like(y)], axis=1) / y[:, None]


def m3_law(theta: np.ndarray, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log y of y = e + b (1/x + g)^c."""
    log_b, c, g, e = theta
    base = np.exp(-log_x) + g
    power = np.exp(log_b + c * np.log(base))
    y = e + power
    rows = [power, power * np.log(base), power * c / base, np.ones_like(y)]
    return np.log(y), np.stack(rows, axis=1) / y[:, None]


def m4_law(theta: np.ndarray, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log y of y = e + h s, s / (1 - s)^alpha = b x^-c h^(alpha - 1), h = e0 - e, by Newton."""
    log_b, c, e, log_h, alpha = theta
    target = log_b - c * log_x + (alpha - 1.0) * log_h
    u = np.where(target < 0, target, target / max(alpha, 1e-3))
    for _ in range(100):
        log_s, log_rest = -np.logaddexp(0.0, -u), -np.logaddexp(0.0, u)
        slope = np.exp(log_rest) + alpha * np.exp(log_s)
        step = (log_s - alpha * log_rest - target) / slope
        u = u - step
        if np.all(np.abs(step) <= 1e-15 * np.maximum(1.0, np.abs(u))):
            break
    log_s, log_rest = -np.logaddexp(0.0, -u), -np.logaddexp(0.0, u)
    slope = np.exp(log_rest) + alpha * np.exp(log_s)
    share = np.exp(log_h + log_s)
    y = e + share
    turn = share * np.exp(log_rest) / slope  # dy / d target
    one = np.ones_like(y)
    rows = [turn, -turn * log_x, one, share + (alpha - 1.0) * turn, turn * (log_h + log_rest)]
    return np.log(y), np.stack(rows, axis=1) / y[:, None]


def _line(rng: np.random.Generator, log_x: np.ndarray, y: np.ndarray, e: float) -> tuple[float, float]:
    """A power law near the points above e: random slope, matching their middle."""
    c = rng.uniform(0.02, 2.0)
    return float(np.log(y - e).mean() + c * log_x.mean() + rng.normal(0, 0.5)), c


def draw_m1(rng: np.random.Generator, log_x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Random (log b, c)."""
    return np.array(_line(rng, log_x, y, 0.0))


def draw_m2(rng: np.random.Generator, log_x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Random (log b, c, e)."""
    e = rng.uniform(0, 0.999) * y.min()
    return np.array([*_line(rng, log_x, y, e), e])


def draw_m3(rng: np.random.Generator, log_x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Random (log b, c, g, e): 1/g anywhere from a range of log x before the end to one beyond."""
    log_b, c, e = draw_m2(rng, log_x, y)
    return np.array([log_b, c, np.exp(rng.uniform(log_x.min(), -log_x.min())), e])


def draw_m4(rng: np.random.Generator, log_x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Random (log b, c, e, log(e0 - e), alpha)."""
    e = rng.uniform(0, 0.999) * y.min()
    c = rng.uniform(0.02, 2.0)
    height = (y.max() - e) * (1.0 + np.exp(rng.uniform(-6, 3)))
    alpha = np.exp(rng.uniform(-3, 2.3))
    odds = np.log(y - e) - alpha * np.log(height + e - y) + c * log_x
    return np.array([odds.mean() + rng.normal(0, 0.5), c, e, np.log(height), alpha])


INF = np.inf
RIVALS = {
    "m1": Rival(m1_law, lambda log_x, y: ([-INF, -INF], [INF, INF]), draw_m1),
    "m2": Rival(m2_law, lambda log_x, y: ([-INF, -INF, 0.0], [INF, INF, y.max()]), draw_m2),
    "m3": Rival(
        m3_law,
        lambda log_x, y: ([-INF, -INF, 0.0, 0.0], [INF, INF, np.exp(-2 * log_x.min()), y.max()]),
        draw_m3,
    ),
    "m4": Rival(
        m4_law,
        lambda log_x, y: (
            [-INF, -INF, 0.0, -INF, 0.0],
            [INF, INF, y.max(), np.log(1e6 * y.max()), 100.0],
        ),
        draw_m4,
    ),
}


def scipy_rmsle(form: str, x: np.ndarray, y: np.ndarray, starts: int, seed: int = 0) -> float:
    """The lowest root mean squared log error that `least_squares` reaches from `starts` random starts."""
    rival = RIVALS[form]
    log_x = np.log(x / x.max())
    log_y = np.log(y) - np.log(y).mean()
    y = np.exp(log_y)
    rng = np.random.default_rng(seed)
    box = rival.box(log_x, y)
    best = np.inf
    with np.errstate(all="ignore"):
        for _ in range(starts):
            start = np.clip(rival.draw(rng, log_x, y), *box)
            try:
                solution = least_squares(
                    lambda theta: rival.law(theta, log_x)[0] - log_y,
                    start,
                    lambda theta: rival.law(theta, log_x)[1],
                    bounds=box,
                    x_scale="jac",
                    xtol=1e-12,
                    ftol=1e-12,
                    gtol=1e-14,
                    max_nfev=300,
                )
            except (ValueError, np.linalg.LinAlgError):  # this start led out of floating-point range
                continue
            best = min(best, float(np.sqrt(np.mean(solution.fun**2))))
    return best


def no_worse(ours: float, theirs: float) -> bool:
    """Whether our training error is at most SciPy's, to NO_WORSE relative."""
    return ours <= theirs * (1.0 + NO_WORSE) + EXACT


def main(argv: list[str] | None = None) -> int:
    """Run the comparison and print it; exit code 1 if SciPy is ahead anywhere."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=100, help="random starts a curve and form")
    parser.add_argument("--curves", type=int, default=None, help="only the first so many curves")
    parser.add_argument("--form", choices=RIVALS, action="append", help="only this form (repeatable)")
    parser.add_argument("--tsv", type=Path, help="write every number here")
    options = parser.parse_args(argv)
    folder = Path(os.environ.get("BNSL_DATA_DIR", Path(__file__).resolve().parents[2] / "shared" / "data"))
    rows = []
    for number, (name, x, y) in enumerate(training_curves(folder)):
        if options.curves is not None and number >= options.curves:
            break
        for form in options.form or RIVALS:
            begin = time.perf_counter()
            ours = bnsl.fit(x, y, form=form).rmsle
            middle = time.perf_counter()
            theirs = scipy_rmsle(form, x, y, options.starts)
            end = time.perf_counter()
            rows.append((form, name, len(x), ours, theirs, middle - begin, end - middle))
            if not no_worse(ours, theirs):
                print(f"behind: {form} on {name}: {ours:.9g} against {theirs:.9g}", flush=True)
    columns = ["form", "curve", "points", "ours", "scipy", "seconds", "scipy_seconds"]
    table = pd.DataFrame(rows, columns=columns)
    table["ratio"] = table["ours"] / table["scipy"]
    table["no_worse"] = [no_worse(a, b) for a, b in zip(table["ours"], table["scipy"], strict=True)]
    if options.tsv:
        table.to_csv(options.tsv, sep="\t", index=False)
    summary = table.groupby("form").agg(
        curves=("curve", "size"),
        no_worse=("no_worse", "mean"),
        worst_ratio=("ratio", "max"),
        best_ratio=("ratio", "min"),
        seconds=("seconds", "median"),
        scipy_seconds=("scipy_seconds", "median"),
    )
    print(summary.to_string(float_format=lambda v: f"{v:.9g}"))
    return int(not table["no_worse"].all())


if __name__ == "__main__":
    sys.exit(main())
