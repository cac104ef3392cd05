"""Are intervals honest on real curves? Coverage and proper scores by domain and by extrapolation distance.

Every method sees the fitted points of the 92 benchmark curves, and its predictive distribution of log y is
held against the held-out points: share of points inside 50, 80, 90 and 95 % intervals, mean interval score of
the 90 % interval, CRPS, and log density, each the mean over curves of the mean over points. Methods:

- forecast: `bnsl.forecast`;
- fit: `bnsl.fit(x, y).interval`, Student's t about the law;
- profile: `bnsl.prediction_interval` of the same fit (an interval, no density);
- covariance: what `curve_fit` users do, a normal of the Gauss-Newton covariance plus residual variance;
- pairs: a pairs bootstrap of the same fit, plus normal residuals.

    BNSL_DATA_DIR=... python benchmarks/calibration.py
    BNSL_DATA_DIR=... python benchmarks/calibration.py --inside  # back-tests inside the fitted parts
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from learning_set import cut
from scipy.stats import chi2, norm
from scoringrules import crps_mixnorm, interval_score

import bnsl
from bnsl.forecasting.mixture import Mixture, log_density_of_mixture, quantile
from bnsl.solver.losses import law_and_jacobian

LEVELS = (0.5, 0.8, 0.9, 0.95)
EDGES = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0, np.inf)  # of x over the last fitted x
WIDEST = 10.0  # standard deviation of log y that stands for "not known"
NODES = 25  # normal components that stand for a Student's t
LANGUAGE = ("BB", "LM", "NMT")


class Task(NamedTuple):
    """Points to see, and points to be held against."""

    domain: str
    fitted: bnsl.Curve
    x: np.ndarray
    y: np.ndarray


class Said(NamedTuple):
    """What a method said of log y at M points."""

    low: np.ndarray  # (L, M) by level
    high: np.ndarray
    mixture: Mixture | None


def held_out() -> list[Task]:
    """The benchmark as its authors split it."""
    return [Task(c.domain, c.fitted, c.held_out.x, c.held_out.y) for c in bnsl.load_dataset("benchmark")]


def inside() -> list[Task]:
    """Back-tests inside the fitted parts, the held-out points never read."""
    parts = [(curve.domain, curve.fitted) for curve in bnsl.load_dataset("benchmark")]
    tasks = [task for domain, part in parts for task in cut("benchmark", domain, part.name, part.x, part.y)]
    return [Task(task.kind, task.fitted, task.x, task.y) for task in tasks]


def of_mixture(mixture: Mixture) -> Said:
    """Central intervals of a mixture."""
    tails = [0.5 * (1.0 - level) for level in LEVELS]
    low = np.stack([quantile(mixture, tail) for tail in tails])
    return Said(low, np.stack([quantile(mixture, 1.0 - tail) for tail in tails]), mixture)


def _law(result: bnsl.FitResult, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log of the law, and standard deviation of a new measurement to first order."""
    center, jacobian = law_and_jacobian(result.form, "log", result.theta, np.log(x))
    with np.errstate(all="ignore"):
        sd = np.sqrt(np.sum((result.covariance_root.T @ jacobian) ** 2, axis=0) + result.residual_scale**2)
    return center, np.where(np.isfinite(sd), np.minimum(sd, WIDEST), WIDEST)


def forecast(task: Task, result: bnsl.FitResult) -> Said:
    """The forecast's own mixture."""
    parts = bnsl.forecast(task.fitted)._mixtures(task.x)
    said = [of_mixture(part) for part in parts]
    if len(parts) > 1:  # more points than one call predicts
        low, high = (np.concatenate([getattr(s, end) for s in said], axis=1) for end in ("low", "high"))
        return Said(low, high, _joined(parts))
    return said[0]


def _joined(parts: list[Mixture]) -> Mixture:
    assert all(len(part.weight) == len(parts[0].weight) for part in parts)
    return Mixture(
        parts[0].weight, *(np.concatenate([getattr(p, n) for p in parts], axis=1) for n in ("mean", "sd"))
    )


def fit(task: Task, result: bnsl.FitResult) -> Said:
    """Student's t, as a scale mixture of normals."""
    center, sd = _law(result, task.x)
    dof = max(len(task.fitted) - result.n_params, 1)
    scale = np.sqrt(dof / chi2(dof).ppf((np.arange(NODES) + 0.5) / NODES))
    mixture = Mixture(np.full(NODES, 1.0 / NODES), np.tile(center, (NODES, 1)), scale[:, None] * sd)
    low, high = (
        np.log(np.stack(ends)) for ends in zip(*(result.interval(task.x, v) for v in LEVELS), strict=True)
    )
    return Said(_known(low, center), _known(high, center), mixture)


def profile(task: Task, result: bnsl.FitResult) -> Said:
    """Intervals by profile likelihood; those to first order where there is no profile."""
    center, _ = _law(result, task.x)
    try:
        ends = [bnsl.prediction_interval(result, task.x, level) for level in LEVELS]
    except bnsl.InputError:
        ends = [result.interval(task.x, level) for level in LEVELS]
    low, high = (np.log(np.stack(part)) for part in zip(*ends, strict=True))
    return Said(_known(low, center), _known(high, center), None)


def covariance(task: Task, result: bnsl.FitResult) -> Said:
    """A normal."""
    center, sd = _law(result, task.x)
    half = np.stack([norm.ppf(0.5 + 0.5 * level) * sd for level in LEVELS])
    return Said(center - half, center + half, Mixture(np.ones(1), center[None], sd[None]))


def pairs(task: Task, result: bnsl.FitResult) -> Said:
    """Laws refitted to points drawn with replacement, with normal residuals."""
    center, _sd = _law(result, task.x)
    noise = result.residual_scale
    if not np.isfinite(noise):
        return covariance(task, result)
    laws = bnsl.bootstrap(result, 300, kind="pairs").sample(task.x, noise=False)
    with np.errstate(all="ignore"):
        mean = np.clip(np.nan_to_num(np.log(laws), nan=-np.inf), center - WIDEST, center + WIDEST)
    weight = np.full(len(mean), 1.0 / len(mean))
    return of_mixture(Mixture(weight, mean, np.full(mean.shape, max(noise, 1e-12))))


def _known(ends: np.ndarray, center: np.ndarray) -> np.ndarray:
    return np.clip(np.where(np.isnan(ends), np.inf, ends), center - 2 * WIDEST, center + 2 * WIDEST)


METHODS: dict[str, Callable[[Task, bnsl.FitResult], Said]] = {
    "forecast": forecast,
    "fit": fit,
    "profile": profile,
    "covariance": covariance,
    "pairs": pairs,
}


def crps(mixture: Mixture, log_y: np.ndarray) -> np.ndarray:
    """CRPS (M,), point by point: its time and memory go with the square of the number of components.

    The lightest of them, of 1e-6 of the weight together, are left out.
    """
    order = np.argsort(mixture.weight)[::-1]
    heavy = order[: int(np.searchsorted(np.cumsum(mixture.weight[order]), 1.0 - 1e-6)) + 1]
    weight = mixture.weight[heavy] / mixture.weight[heavy].sum()
    columns = zip(log_y, mixture.mean[heavy].T, mixture.sd[heavy].T, strict=True)
    return np.array([crps_mixnorm(value, mean, sd, weight) for value, mean, sd in columns])


def score(tasks: list[Task], methods: dict[str, Callable[[Task, bnsl.FitResult], Said]]) -> pd.DataFrame:
    """One row per method, a task and a point."""
    frames = []
    for number, task in enumerate(tasks):
        result = bnsl.fit(task.fitted)
        log_y = np.log(task.y)
        for name, method in methods.items():
            said = method(task, result)
            columns = {"method": name, "task": number, "domain": task.domain}
            columns["distance"] = task.x / task.fitted.x[-1]
            for k, level in enumerate(LEVELS):
                columns[f"in {100 * level:g} %"] = (said.low[k] <= log_y) & (log_y <= said.high[k])
            at = LEVELS.index(0.9)
            columns["score 90"] = interval_score(log_y, said.low[at], said.high[at], 0.1)
            columns["crps"] = columns["density"] = np.nan
            if said.mixture is not None:
                columns["crps"] = crps(said.mixture, log_y)
                columns["density"] = log_density_of_mixture(*said.mixture, log_y)
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def tables(points: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means over curves by domain (language together) and by distance."""
    measures = [name for name in points if name not in ("method", "task", "domain", "distance", "bin")]
    points = points.assign(domain=points["domain"].replace(dict.fromkeys(LANGUAGE, "language")))
    points["bin"] = pd.cut(points["distance"], EDGES)
    numbers = points.assign(**{m: points[m].astype(float) for m in measures})
    curves = numbers.groupby(["method", "domain", "task"], sort=False)[measures].mean()
    domains = curves.groupby(["domain", "method"], sort=False).mean()
    near = numbers.groupby(["method", "domain", "bin", "task"], sort=False, observed=True)[measures].mean()
    distances = near.groupby(["domain", "bin", "method"], sort=False, observed=True).mean()
    return domains, distances.sort_index(level=[0, 1], sort_remaining=False)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inside", action="store_true", help="back-tests inside the fitted parts")
    parser.add_argument("--tasks", type=int, help="only so many, spread over all")
    parser.add_argument("--write", metavar="FILE.csv", help="write the row of every point")
    arguments = parser.parse_args()
    start = time.perf_counter()
    tasks = inside() if arguments.inside else held_out()
    points = score(tasks[:: max(len(tasks) // (arguments.tasks or len(tasks)), 1)], METHODS)
    if arguments.write:
        points.to_csv(arguments.write, index=False)
    with pd.option_context("display.float_format", "{:.4g}".format, "display.width", 150):
        for table in tables(points):
            print(table.to_string(), end="\n\n")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
