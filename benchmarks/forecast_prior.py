"""How well `bnsl.forecast` predicts whole curves of many sources, and what its prior was chosen by.

Reports by source and by kind of curve: geometric mean RMSLE beside the baselines and the best of these chosen
with hindsight, bias (above 0 where forecasts are too high), the share of points inside the 90 % interval, and
its interval score in log y (Gneiting and Raftery, 2007, J. Am. Stat. Assoc. 102, 359; lower is better).
Sources count alike; see `learning_set.py`. The held-out points of the 92-curve benchmark are never read.

With --search, constants of the prior are moved one at a time and kept where the score of the sources outside
a fold falls by more than its scatter over sources; then the sources of that fold, which took no part, are
scored.

    BNSL_DATA_DIR=... python benchmarks/forecast_prior.py --most 20
    BNSL_DATA_DIR=... python benchmarks/forecast_prior.py --most 20 length=0.3 noise_sd=2
    BNSL_DATA_DIR=... python benchmarks/forecast_prior.py --most 12 --search 0
    BNSL_DATA_DIR=... python benchmarks/forecast_prior.py --rewards
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from learning_set import (
    BASELINES,
    Task,
    baselines,
    fold_of,
    folder,
    learning_tasks,
    over_sources,
    rmsle,
    sample,
    tasks_of,
)

import bnsl
from bnsl.curves.scale import LOG
from bnsl.evidence.prior import LEARNT, Prior
from bnsl.forecasting.average import averages
from bnsl.forecasting.forecast import Forecast

LEVEL = 0.9
FEW = 10  # tasks below which a source has less weight in the search
DENSITY = 0.25  # weight of the log predictive density beside the log RMSLE
WORST = -8.0  # log density below which a point is as bad as can be
KEEP = 0.7  # standard errors over sources by which a step of the search must gain
LEAST_GAIN = 0.0015
STEPS = {  # of the constants that are searched, added or multiplied
    "limit_low": 0.4,
    "limit_high": 0.4,
    "limit_none": 1.0,
    "slope": 0.15,
    "slope_sd": 0.12,
    "slope_rise": 0.25,
    "slope_step": 0.15,
    "roughness": 0.4,
    "roughness_step": 0.3,
    "roughness_tilt": 0.3,
    "plain": 1.0,
    "growth": 0.35,
    "diffusion": 0.5,
    "correlated_tilt": 0.8,
    "noise": 0.5,
    "sharp": 1.0,
    "breaks_tilt": 0.5,
}
FACTORS = {
    "slope_spread": 1.35,
    "slope_plain": 1.4,
    "climbing": 3.0,
    "length": 1.6,
    "correlated": 1.4,
    "noise_sd": 1.5,
    "change_small": 1.4,
    "change_large": 1.4,
    "drift": 2.0,
}


def scores(tasks: Sequence[Task], prior: Prior) -> pd.DataFrame:
    """A row per task: error of the forecast, bias, coverage, interval score, log density."""
    rows = []
    for task in tasks:
        forecast = Forecast(task.fitted, (), averages(task.fitted, LOG, prior))
        predicted, (low, high) = forecast.predict(task.x), forecast.interval(task.x, LEVEL)
        log_y, ends = np.log(task.y), (np.log(low), np.log(high))
        outside = np.maximum(ends[0] - log_y, 0.0) + np.maximum(log_y - ends[1], 0.0)
        density = np.maximum(forecast.log_density(task.x, task.y), WORST)
        rows.append(
            {
                "source": task.source,
                "kind": task.kind,
                "forecast": rmsle(predicted, task.y),
                "bias": np.mean(np.log(predicted / task.y)),
                "inside": np.mean((low < task.y) & (task.y < high)),
                "interval": np.mean(ends[1] - ends[0] + 2.0 / (1.0 - LEVEL) * outside),
                "density": density.mean(),
            }
        )
    return pd.DataFrame(rows)


def report(tasks: Sequence[Task], prior: Prior, cache: Path) -> None:
    """Print the tables."""
    found = scores(tasks, prior)
    table = pd.concat([found, baselines(tasks, cache)], axis=1)
    names = [*BASELINES, "forecast"]
    for by in ("source", "kind"):
        grouped = table.groupby(by)
        shown = np.exp(np.log(table[names]).groupby(table[by]).mean())
        shown.insert(0, "tasks", grouped.size())
        shown["over best"] = shown["forecast"] / shown[list(BASELINES)].min(axis=1)
        for name in ("bias", "inside", "interval"):
            shown[name] = grouped[name].mean()
        print(shown.round(4).to_string(), end="\n\n")
        if by == "source":
            sources = shown
    total = {name: over_sources(table[name], table["source"]) for name in names}
    best = min(BASELINES, key=lambda name: total[name])
    hindsight = np.exp(np.log(sources["over best"]).mean())
    each = over_sources(table[list(BASELINES)].min(axis=1), table["source"])
    large = sources[sources["tasks"] >= FEW]["over best"]
    print(f"{len(table)} tasks, sources alike: " + ", ".join(f"{k} {v:.4f}" for k, v in total.items()))
    print(f"best baseline of every task with hindsight: {each:.4f}")
    print(f"forecast over the best single baseline, {best}: {total['forecast'] / total[best]:.3f}")
    print(f"forecast over the best baseline of every source with hindsight: {hindsight:.3f}")
    print(f"worst source of {FEW} tasks or more: {large.max():.3f} ({large.idxmax()})")
    inside = sources["inside"]
    print(f"inside the 90 % interval: {inside.mean():.3f}; {int((inside < 0.8).sum())} sources below 0.8")


def search(tasks: Sequence[Task], fold: int, prior: Prior) -> None:
    """Move constants for the score of all folds but one; print every step, and the score of the one."""
    known = [task for task in tasks if fold_of(task.source) != fold]
    unseen = [task for task in tasks if fold_of(task.source) == fold]
    best = scores(known, prior)
    for name in map(str, np.random.default_rng(fold).permutation([*STEPS, *FACTORS])):
        for sign in (1.0, -1.0):
            value = getattr(prior, name)
            moved = value + sign * STEPS[name] if name in STEPS else value * FACTORS[name] ** sign
            trial = _moved(prior, {name: float(moved)})
            found = scores(known, trial)
            gain, scatter = compared(found, best)
            if gain > max(LEAST_GAIN, KEEP * scatter):
                print(f"{name} {value:.3g} -> {moved:.3g}: gain {gain:.4f} +- {scatter:.4f}", flush=True)
                prior, best = trial, found
                break
    print(prior)
    gain, scatter = compared(scores(unseen, prior), scores(unseen, LEARNT))
    print(f"gain on the sources of fold {fold}: {gain:.4f} +- {scatter:.4f}")


def _moved(prior: Prior, changes: dict[str, float]) -> Prior:
    """The prior with other constants."""
    return Prior(**{**prior._asdict(), **changes})


def compared(found: pd.DataFrame, before: pd.DataFrame) -> tuple[float, float]:
    """Mean gain over sources in log RMSLE and log density, and its standard error."""
    gain = np.log(before["forecast"] / found["forecast"]) + DENSITY * (found["density"] - before["density"])
    grouped = pd.Series(np.asarray(gain), found.index).groupby(found["source"])
    mean, weight = grouped.mean(), np.minimum(grouped.size() / FEW, 1.0)
    total = float((weight * mean).sum() / weight.sum())
    return total, float(np.sqrt((weight**2 * (mean - total) ** 2).sum()) / weight.sum())


def rewards(most: int | None) -> None:
    """Print mean absolute errors of reward curves, over the range of the fitted part, by source."""
    rows = []
    for task in sample(tasks_of(folder() / "curves" / "rewards.csv"), most):
        span = float(np.ptp(task.fitted.y)) or 1.0
        forecast = bnsl.forecast(task.fitted)
        low, high = forecast.interval(task.x, LEVEL)
        power = bnsl.fit(task.fitted, n_breaks=0, loss="linear").predict(task.x)
        row = {"last value": task.fitted.y[-1], "power law": power, "forecast": forecast.predict(task.x)}
        errors = {name: float(np.mean(np.abs(value - task.y))) / span for name, value in row.items()}
        inside = float(np.mean((low < task.y) & (task.y < high)))
        rows.append(
            {"source": task.source, **errors, "inside": inside, "linear": forecast.scale.name == "linear"}
        )
    table = pd.DataFrame(rows).groupby("source").mean()
    table.insert(0, "tasks", pd.DataFrame(rows).groupby("source").size())
    print(table.round(3).to_string())
    mean, ratio = table.mean(), table["forecast"] / table[["last value", "power law"]].min(axis=1)
    best = min(mean["last value"], mean["power law"])
    print(f"mean over sources {mean['forecast']:.3f}, of the better of the others {best:.3f}")
    print(f"ratio by source: median {ratio.median():.3f}, mean {ratio.mean():.3f}")


def main() -> None:
    """Report, or search."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="constants of the prior to change")
    parser.add_argument("--most", type=int, help="tasks of each source at most")
    parser.add_argument("--search", type=int, metavar="FOLD", help="move constants for the other folds")
    parser.add_argument("--rewards", action="store_true", help="the reward curves, of any sign")
    parser.add_argument("--cache", type=Path, default=Path("learning_set_baselines.pickle"))
    arguments = parser.parse_args()
    changes = {name: float(value) for name, value in (item.split("=") for item in arguments.settings)}
    prior = _moved(LEARNT, changes)
    if arguments.rewards:
        rewards(arguments.most)
    elif arguments.search is not None:
        search(learning_tasks(arguments.most), arguments.search, prior)
    else:
        report(learning_tasks(arguments.most), prior, arguments.cache)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
