"""Do 90 % intervals hold on curves from the model itself, and what where the form is not right?

1. Curves of one break that shows (its signal by Fisher information is at least 20 standard deviations),
   fitted with one break: share of 90 % intervals that hold, of every parameter and of new measurements at 2
   and 10 times the last x; to first order, by profile likelihood, and by residual bootstrap.
2. The break lies beyond the data, or there are two where one was fitted: share of intervals at 1.5 to 10
   times the last x that hold, share of fits with a warning that says so, and share of either; and the
   forecast's.

    python benchmarks/coverage.py --curves 2000
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import NamedTuple

import numpy as np

import bnsl

LEVEL = 0.9
SHOWS = 20.0
AHEAD = np.array([2.0, 10.0])
BEYOND = np.array([1.5, 2.0, 4.0, 10.0])
KINDS = ("one break", "break beyond the data", "two breaks")
TELLING = ("break_undetermined", "break_outside_data", "correlated_residuals", "break_missing")


class Drawn(NamedTuple):
    """A law whose data end at x = 1, and a noisy curve of it."""

    law: dict[str, float]
    x: np.ndarray
    y: np.ndarray
    noise: float

    def measured(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """New measurements at x."""
        return truth(self.law, x) * np.exp(self.noise * rng.standard_normal(len(x)))


def truth(law: dict[str, float], x: np.ndarray) -> np.ndarray:
    """The law at x."""
    return bnsl.BNSL((len(law) - 3) // 3).evaluate(law, x)


def draw(kind: str, rng: np.random.Generator) -> Drawn:
    """A curve of 30 to 100 points over 1.3 to 3.5 decades, with a limit, and noise of 0.2 to 2 %."""
    count, span = int(rng.integers(30, 101)), float(rng.uniform(3.0, 8.0))
    noise = float(np.exp(rng.uniform(np.log(0.002), np.log(0.02))))
    c0, limit = rng.uniform(0.1, 0.4), rng.uniform(0.0, 0.6)
    width = np.exp(rng.normal(-1.2, 0.4, 2))
    if kind == "one break":
        breaks = [(rng.uniform(0.2, 0.7), rng.uniform(-0.7, -0.3) * span, width[0])]
    elif kind == "break beyond the data":
        breaks = [(rng.uniform(0.2, 0.8), rng.uniform(0.3, 2.0), width[0])]
    else:
        breaks = [(rng.uniform(0.2, 0.7), rng.uniform(-0.85, -0.5) * span, width[0])]
        change = rng.uniform(0.2, 0.7) * rng.choice([-1.0, 1.0])
        breaks.append((change, rng.uniform(-0.4, -0.05) * span, width[1]))
    law = {"a": 0.0, "b": 1.0, "c0": c0}
    for i, (c, log_d, f) in enumerate(breaks, start=1):
        law |= {f"c{i}": c, f"d{i}": float(np.exp(log_d)), f"f{i}": float(f)}
    x = np.exp(np.linspace(-span, 0.0, count))
    law["a"] = float(limit * truth(law, x).min())
    y = truth(law, x) * np.exp(noise * rng.standard_normal(count))
    return Drawn(law, x, y, noise)


def from_the_model(count: int, exact: int) -> None:
    """Print the coverage on curves of the model; `exact` of them also by profile and bootstrap."""
    inside: dict[str, list[np.ndarray]] = {"first order": [], "profile likelihood": [], "bootstrap": []}
    drawn = kept = number = 0
    start = time.perf_counter()
    while kept < count:
        rng = np.random.default_rng([7, number])
        number += 1
        curve = draw("one break", rng)
        signal = bnsl.predictability(curve.law, curve.x, curve.noise).breaks["signal"].iloc[0]
        drawn += 1
        if signal < SHOWS:
            continue
        kept += 1
        new = curve.measured(AHEAD, rng)
        result = bnsl.fit(curve.x, curve.y, n_breaks=1)
        ways = {"first order": (result.param_interval(LEVEL), result.interval(AHEAD, LEVEL))}
        if kept <= exact:
            drawings = bnsl.bootstrap(result, 1000, seed=number)
            ways["profile likelihood"] = (
                bnsl.profile_intervals(result, LEVEL),
                bnsl.prediction_interval(result, AHEAD, LEVEL),
            )
            ways["bootstrap"] = (drawings.param_interval(LEVEL), drawings.interval(AHEAD, LEVEL))
        for way, (params, (low, high)) in ways.items():
            held = [params[name][0] <= value <= params[name][1] for name, value in curve.law.items()]
            inside[way].append(np.concatenate([held, (low <= new) & (new <= high)]))
    print(f"1. {kept} curves of one break that shows, of {drawn} drawn")
    print(f"{'':<20}{'curves':>7}" + "".join(f"{name:>8}" for name in (*curve.law, "at 2x", "at 10x")))
    for way, rows in inside.items():
        if rows:
            shares = "".join(f"{100 * share:7.1f}%" for share in np.mean(rows, axis=0))
            print(f"{way:<20}{len(rows):>7}{shares}")
    print(f"standard error {100 * np.sqrt(0.09 / kept):.1f} %; {time.perf_counter() - start:.0f} s\n")


def wrong_form(count: int) -> None:
    """Print coverage and warnings where one break is fitted and the law is another."""
    print(
        f"2. One break fitted, {count} curves of each kind; share of new measurements inside 90 % intervals"
    )
    head = "".join(f"{f'at {x:g}x':>9}" for x in BEYOND)
    print(f"{'':<24}{'':<22}{head}{'warned':>9}")
    for code, kind in enumerate(KINDS):
        fits, told, forecasts = [], [], []
        for number in range(count):
            rng = np.random.default_rng([8, code, number])
            curve = draw(kind, rng)
            new = curve.measured(BEYOND, rng)
            result = bnsl.fit(curve.x, curve.y, n_breaks=1)
            low, high = result.interval(BEYOND, LEVEL)
            fits.append((low <= new) & (new <= high))
            told.append(any(warning.code in TELLING for warning in result.warnings))
            low, high = bnsl.forecast(curve.x, curve.y).interval(BEYOND, LEVEL)
            forecasts.append((low <= new) & (new <= high))
        warned = np.array(told)
        rows = {
            "fit": np.mean(fits, axis=0),
            "fit, or a warning": np.mean(np.array(fits) | warned[:, None], axis=0),
            "forecast": np.mean(forecasts, axis=0),
        }
        for name, shares in rows.items():
            cells = "".join(f"{100 * share:8.1f}%" for share in shares)
            last = f"{100 * warned.mean():8.1f}%" if name == "fit" else ""
            print(f"{kind if name == 'fit' else '':<24}{name:<22}{cells}{last}")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=int, default=2000, help="curves from the model")
    parser.add_argument("--exact", type=int, default=400, help="of them, by profile and bootstrap too")
    parser.add_argument("--wrong", type=int, default=200, help="curves of each kind of another law")
    arguments = parser.parse_args()
    from_the_model(arguments.curves, arguments.exact)
    wrong_form(arguments.wrong)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
