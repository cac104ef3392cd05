"""How well losses under other schedules are predicted: published curves, fitted in part.

    python benchmarks/runs.py [--data FOLDER] [--laws]

FOLDER (default: cpt/ in the folder that BNSL_DATA_DIR names) has the 27 curves of arXiv 2503.12811
(`mpl_27_curves.csv`), the runs of arXiv 2405.18392 (`lr_scheduling_runs.csv`, `lr_scheduling_val.csv`) and
the tables of arXiv 2403.08763 (`ibrahim2024_tables_2_4.csv`). Nothing is set, and the held-out curves choose
nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import bnsl
from bnsl.runs.fitted import LawFit
from bnsl.runs.history import history
from bnsl.runs.laws import MULTI_POWER_FREE, power_sum
from bnsl.schedules import Schedule, constant, cosine, wsd

PEAK, FLOOR = 3e-4, 3e-5
RISE = 2159  # 2,160 steps of warm-up, the first at 0 and the last at the peak
SIZES = ("25M", "100M", "400M")
# L0, A, alpha, B, C, beta, gamma of arXiv 2503.12811, from its repository.
PUBLISHED = {
    "25M": (3.04045406, 0.52468604, 0.50786857, 363.78751622, 2.06560812, 0.58279013, 0.64142257),
    "100M": (2.6514477, 0.60115152, 0.45295811, 437.9464276, 2.13245612, 0.59785199, 0.65523644),
    "400M": (2.37474466, 0.65421216, 0.42878731, 523.42464371, 2.02462735, 0.59350493, 0.63472457),
}
Curves = dict[str, tuple[bnsl.Run, bool]]  # by name: the run, and whether it is fitted


def schedule_27(name: str) -> Schedule:
    """One of the nine schedules of the 27 curves."""
    kind, *rest = name.split("_")
    if kind == "cosine":
        return cosine(PEAK, int(rest[0]), RISE, FLOOR)
    if kind == "constant":
        return constant(PEAK, int(rest[0]), RISE)
    if kind == "wsdcon":
        return constant(PEAK, 8000, RISE).then(constant(1e-5 * int(rest[0]), 8000))
    return wsd(PEAK, 24000, RISE, 4000, FLOOR, decay="exponential" if kind == "wsd" else "linear")


def curves_27(folder: Path, size: str) -> Curves:
    """The nine curves of a model."""
    table = pd.read_csv(folder / "mpl_27_curves.csv")
    found = {}
    for name, rows in table[table["model"] == size].groupby("schedule"):
        run = bnsl.Run(schedule_27(str(name)), rows["step"], rows["loss"], name=str(name))
        found[str(name)] = (run, bool((rows["split_of_the_paper"] == "fit").all()))
    return found


def curves_124(folder: Path) -> Curves:
    """The 33 runs of 124M parameters with peak 1e-3 whose schedules are written down."""
    runs = pd.read_csv(folder / "lr_scheduling_runs.csv")
    points = pd.read_csv(folder / "lr_scheduling_val.csv")
    runs = runs[(runs["params"] == 123587328) & (runs["lr"] == 1e-3) & runs["scheduler"].isin(["wsd", "cos"])]
    runs = runs[~runs["name"].str.contains(r"chunk1|^sl_")]
    found = {}
    for row in runs.itertuples():
        if row.scheduler == "cos":
            floor = 1e-4 if row.cos_final_lr < 0 else row.cos_final_lr
            schedule = cosine(1e-3, row.iterations, row.warmup, floor)
        elif row.fract_decay == 0:
            schedule = constant(1e-3, row.iterations, row.warmup)
        else:
            schedule = wsd(1e-3, row.iterations, row.warmup, float(row.fract_decay), decay=row.decay_type)
        some = points[(points["run"] == row.run) & (points["iter"] >= row.warmup)]
        usual = row.iterations == 25000 and row.decay_type != "sqrt" and row.fract_decay == 0.2
        fitted = row.name.startswith("stable") or usual
        fitted = fitted or (row.name.startswith("cos-10") and row.iterations == 25000)
        found[str(row.name)] = (
            bnsl.Run(schedule, some["iter"], some["val_loss"], name=str(row.name)),
            fitted,
        )
    return found


def judged(curves: Curves, law: str | None = None) -> tuple[bnsl.RunsResult, pd.DataFrame]:
    """The fit, and a row for every held-out curve: errors, and whether the interval holds its final loss."""
    result = bnsl.fit_runs([run for run, fitted in curves.values() if fitted], law)
    rows = []
    for name, (run, fitted) in curves.items():
        if fitted:
            continue
        predicted = result.predict(run, run.step)
        low, high = (end[-5:].mean() for end in result.interval(run, run.step))
        final = predicted[-5:].mean()
        rows.append(
            {
                "curve": name,
                "error": float(np.mean(np.abs(predicted / run.loss - 1))),
                "final": final - run.final,
                "width": 0.5 * (high - low),
                "inside": low <= run.final <= high,
            }
        )
    return result, pd.DataFrame(rows)


def published(folder: Path, size: str) -> np.ndarray:
    """R2, MAE and mean relative error of the published parameters on the held-out curves, step by step."""
    limit, scale, alpha, bend, speed, beta, gamma = PUBLISHED[size]
    rows = []
    for run, fitted in curves_27(folder, size).values():
        if not fitted:
            sums = history(run.schedule, run.step, 1.0, every=True)
            law = limit + scale * sums.total**-alpha - bend * power_sum(sums, speed, beta, gamma)
            off = law - run.loss
            rows.append(
                (
                    1 - off @ off / np.sum((run.loss - run.loss.mean()) ** 2),
                    np.abs(off).mean(),
                    np.abs(off / run.loss).mean(),
                )
            )
    return np.mean(rows, axis=0)


def published_result(folder: Path, size: str) -> bnsl.RunsResult:
    """The published parameters as a result, whose schedule can be optimised."""
    limit, scale, alpha, bend, speed, beta, gamma = PUBLISHED[size]
    runs = tuple(run for run, fitted in curves_27(folder, size).values() if fitted)
    fit = LawFit(
        MULTI_POWER_FREE,
        1.0,
        np.append(np.log([alpha, speed, beta]), gamma),
        np.array([limit, scale, bend]),
        np.zeros((7, 7)),
        1e-3,
        1e-3,
        np.zeros(4),
        np.zeros(4, bool),
    )
    return bnsl.RunsResult(runs, (fit,), (1.0,), bnsl.Status.CONVERGED)


FRESH = """
import sys, time
begin = time.perf_counter(), time.process_time()
sys.path.insert(0, {here!r})
from pathlib import Path
import runs, bnsl
curves = runs.curves_27(Path({folder!r}), {size!r})
loaded = time.perf_counter(), time.process_time()
bnsl.fit_runs([run for run, fitted in curves.values() if fitted])
print(time.perf_counter() - loaded[0], time.process_time() - loaded[1])
"""


def fresh_seconds(folder: Path, size: str) -> str:
    """Wall and processor seconds of a fit in a process of its own, imports of the fit included."""
    code = FRESH.format(here=str(Path(__file__).parent), folder=str(folder), size=size)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wall, processor = map(float, done.stdout.split())
    return f"{wall:.2f} s ({processor:.2f} s of the processor)"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BNSL_DATA_DIR", ".")) / "cpt")
    parser.add_argument("--laws", action="store_true", help="also each law alone")
    folder = (args := parser.parse_args()).data
    warnings.simplefilter("ignore", bnsl.ExtrapolationWarning)
    for size in SIZES:
        determination, off, _ = published(folder, size)
        print(f"published parameters, {size}: R2 {determination:.4f}, MAE {off:.5f}")
    for law in (None, *(("annealing", "multi_power", "functional") if args.laws else ())):
        tables = []
        for size in SIZES:
            table = judged(curves_27(folder, size), law)[1]
            tables.append(table)
            print(
                f"{law or 'average'}, {size}: mean prediction error {table['error'].mean():.5f}", flush=True
            )
        print(f"{law or 'average'}, the three sizes: {np.mean([t['error'].mean() for t in tables]):.5f}")
        table = judged(curves_124(folder), law)[1]
        tables.append(table)
        name, error, off = law or "average", table["error"].mean(), table["final"].abs().mean()
        print(f"{name}, 124M: {len(table)} runs, mean error {error:.5f}, final losses off by {off:.4f}")
        both = pd.concat(tables)
        print(f"90 % intervals hold {both['inside'].sum()} of {len(both)} final losses", flush=True)
    alone = bnsl.fit_runs([curves_27(folder, "25M")["cosine_24000"][0]], "multi_power")
    print(f"cosine alone leaves open: {', '.join(alone.undetermined)}")
    for size in SIZES:
        print(f"fit of {size} in a fresh process: {fresh_seconds(folder, size)}")
    optimised(folder)
    replays(folder)


def optimised(folder: Path) -> None:
    """The best schedule of 24,000 steps for the published parameters of 400M.

    Here the sum begins at the peak. A rise from 0 to it, which all fitted runs have, adds the same to every
    schedule; both numbers are printed.
    """
    result = published_result(folder, "400M")
    begin = time.perf_counter()
    best = bnsl.optimise_schedule(result, 24000, PEAK, 0)
    seconds = time.perf_counter() - begin
    limit, scale, alpha, bend, speed, beta, gamma = PUBLISHED["400M"]
    sums = history(best, np.array([24000]), 1.0)
    sums = replace(sums, fall=np.where(sums.first < 0, 0.0, sums.fall))
    bare = limit + scale * sums.total**-alpha - bend * power_sum(sums, speed, beta, gamma)
    print(f"optimised schedule of 400M, 24,000 steps: {bare[0]:.4f} from the peak on, {seconds:.1f} s")
    print(f"    with a rise from 0 to the peak: {result.predict(best):.4f}")


def replays(folder: Path) -> None:
    """The fits of Table 2 of arXiv 2403.08763, and the smallest share near the union's average."""
    table = pd.read_csv(folder / "ibrahim2024_tables_2_4.csv")
    table = table[table["model"] == "405M"]
    for shift in ("weak", "strong"):
        rows = table[table["setting"].str.startswith(shift)]
        union = rows[rows["replay"].isna()][["loss_upstream_pile", "loss_downstream"]].iloc[0].tolist()
        rows = rows.dropna(subset="replay")
        laws = {}
        for law in ("log", "power", None):
            laws[law] = bnsl.fit_replay(rows["replay"], rows["loss_upstream_pile"], law)
            print(f"Table 2, {shift}, old loss, {law or 'average'}: RMSE {laws[law].rmse:.4f}")
        new = bnsl.fit_replay(rows["replay"], rows["loss_downstream"])
        for tolerance in (0.01, 0.02):
            share = bnsl.critical_replay(laws[None], new, union, tolerance, rows["replay"])
            print(
                f"Table 2, {shift}: within {tolerance:.0%} of the union's average from {share:.1%} replay on"
            )


if __name__ == "__main__":
    main()
