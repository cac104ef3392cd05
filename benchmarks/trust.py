"""Is what `fit` says of the number of breaks true?

1. Curves of known breaks that show, 12 to 60 points, 1 % noise: how often the number that is stated with 90 %
   or more is right, and how often a visible peak is called "no break".
2. Real curves (BNSL_DATA_DIR, `curves/curves.csv`), cut at 1/2 and 1/4 of their points: how many fits raise
   or predict a value that is not positive within ten times the data; and, where a number of breaks is stated
   with 95 % or more, how many of them are belied by a law of one break more that halves the residuals.

    python benchmarks/trust.py [--curves 200] [--real 100] [--seed 20261127]
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import bnsl

STATED, SURE = 0.9, 0.95
SHOWS = 8.0  # standard deviations that a break of a made-up curve stands out by
NOISE = 0.01
LEAST = 12  # points of a real curve after the cut


class Made(NamedTuple):
    """A made-up curve."""

    n_breaks: int
    peak: bool
    x: np.ndarray
    y: np.ndarray


def made(rng: np.random.Generator) -> Made:
    """A curve of 0 to 2 breaks that each show, every third of those with breaks with a peak or a valley."""
    while True:
        points, span = int(rng.integers(12, 61)), rng.uniform(2.0, 8.0)
        log_x = (
            np.linspace(0.0, span, points) if rng.random() < 0.7 else np.sort(rng.uniform(0, span, points))
        )
        n = int(rng.integers(0, 3))
        peak = n == 2 and rng.random() < 0.5
        slope = rng.uniform(0.1, 0.6)
        limit = rng.choice([0.0, rng.uniform(0.0, 0.5)])
        places = np.sort(rng.uniform(0.15, 0.85, n)) * span
        if n == 2 and places[1] - places[0] < 0.25 * span:
            continue
        changes = [rng.choice([-1, 1]) * np.exp(rng.uniform(np.log(0.3), np.log(1.5))) for _ in range(n)]
        if peak:
            changes = [-slope - rng.uniform(0.3, 1.5), rng.uniform(1.0, 3.0)]
        if slope + np.sum(changes) < 0.02 or (not peak and n and slope + changes[0] < -0.05):
            continue
        widths = np.exp(rng.uniform(np.log(0.05), np.log(0.3), n))
        theta = np.array(
            [0.0, 0.0, slope, *np.ravel(list(zip(changes, places, np.log(widths), strict=True)))]
        )
        law = bnsl.BNSL(n)
        g = law.evaluate(theta, np.exp(log_x))
        y = limit * g.min() + g
        if n and shown(theta, limit * g.min(), log_x) < SHOWS:
            continue
        x, y = np.exp(log_x), y * np.exp(NOISE * rng.standard_normal(points))
        rises = peak and np.max(np.diff(np.log(g[np.argmin(g[: np.argmax(g) + 1]) :]), prepend=0)) > 0.05
        return Made(n, bool(rises), x, y)


def shown(theta: np.ndarray, limit: float, log_x: np.ndarray) -> float:
    """Root sum of squares, in units of the noise, that the best law of one break less leaves of the law."""
    n = (len(theta) - 3) // 3
    y = limit + bnsl.BNSL(n).evaluate(theta, np.exp(log_x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        less = bnsl.fit(np.exp(log_x), y, n_breaks=n - 1)
    return float(np.sqrt(np.sum(less.residuals**2)) / NOISE)


def on_made(count: int, seed: int) -> None:
    """Part 1."""
    table = np.zeros((3, 5), int)
    stated = right = denied = peaks = any_right = 0
    for index in range(count):
        one = made(np.random.default_rng([seed, index]))
        result = bnsl.fit(one.x, one.y)
        best = max(result.candidates, key=lambda candidate: candidate.probability)
        table[one.n_breaks, min(best.n_breaks, 4)] += 1
        any_right += best.n_breaks == one.n_breaks
        if best.probability >= STATED:
            stated += 1
            right += best.n_breaks == one.n_breaks
            if best.n_breaks != one.n_breaks and VERBOSE:
                print(
                    "wrong",
                    index,
                    one.n_breaks,
                    len(one.x),
                    [(c.n_breaks, round(c.log_evidence, 1)) for c in result.candidates],
                )
        peaks += one.peak
        denied += one.peak and result.n_breaks == 0
    print(f"made-up curves: {count}; the number chosen is right in {any_right / count:.1%}; ")
    print(f"stated with {STATED:.0%} or more: {stated}, right {right / max(stated, 1):.1%}")
    print(f"peaks: {peaks}, called no break: {denied}")
    print("breaks made (rows 0 to 2) and chosen (columns 0 to 4):")
    print(table)


def on_real(most: int, seed: int) -> None:
    """Part 2."""
    frame = pd.read_csv(Path(os.environ["BNSL_DATA_DIR"]) / "curves" / "curves.csv")
    names = frame["curve"].unique()
    if most < len(names):
        names = np.random.default_rng(seed).choice(names, most, replace=False)
    fits = raised = negative = sure = belied = 0
    for name in names:
        whole = frame[frame["curve"] == name]
        for share in (0.5, 0.25):
            part = whole[: round(share * len(whole))]
            if len(part) < 4:
                continue
            x, y = part["x"].to_numpy(float), part["y"].to_numpy(float)
            if x.min() <= 0:
                x, y = x[x > 0], y[x > 0]
            fits += 1
            try:
                result = bnsl.fit(x, y)
            except Exception as error:
                raised += 1
                print("raised", name, share, error)
                continue
            ahead = np.geomspace(x.min(), 10.0 * x.max(), 200)
            if not (result.predict(ahead) > 0).all():
                negative += 1
                print("not positive", name, share, result.n_breaks)
            best = max(result.candidates, key=lambda candidate: candidate.probability)
            if best.probability >= SURE and len(x) >= 3 * best.n_breaks + 7:
                sure += 1
                more = bnsl.fit(x, y, n_breaks=best.n_breaks + 1)
                if more.rmsle < 0.5 * result.rmsle:
                    belied += 1
                    if VERBOSE:
                        print(
                            "belied",
                            name,
                            share,
                            len(x),
                            best.n_breaks,
                            f"{result.rmsle:.3g} {more.rmsle:.3g}",
                            [(c.n_breaks, round(c.log_evidence, 1)) for c in result.candidates],
                        )
    print(f"real curves: {len(names)}, {fits} fits; {raised} raised; {negative} not positive within 10x;")
    print(
        f"stated with {SURE:.0%} or more: {sure}, "
        f"belied by one break more: {belied} ({belied / max(sure, 1):.1%})"
    )


VERBOSE = False

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=int, default=200)
    parser.add_argument("--real", type=int, default=660)
    parser.add_argument("--seed", type=int, default=20261127)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    VERBOSE = options.verbose
    if options.curves:
        on_made(options.curves, options.seed)
    if options.real:
        on_real(options.real, options.seed)
