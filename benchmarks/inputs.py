"""Laws of several inputs on public tables: published minima, held-out errors, coverage, times.

    BNSL_DATA_DIR=... python benchmarks/inputs.py

The tables are in the folder `inputs` of BNSL_DATA_DIR. A split holds out the runs of most compute (or of
the largest models, where its name says so); errors are root mean square log errors, beside those of
Chinchilla's law by least squares.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bnsl

FOLDER = Path(os.environ.get("BNSL_DATA_DIR", "../shared/data")) / "inputs"
HUBER: dict[str, Any] = {"robust": "huber", "robust_scale": 1e-3}
Split = tuple[str, pd.DataFrame, np.ndarray, list[str], str, str | None]


def table(name: str) -> pd.DataFrame:
    """One of the tables."""
    return pd.read_csv(FOLDER / f"{name}.csv")


def runs_of_chinchilla() -> pd.DataFrame:
    """The 240 runs: all but the five of largest loss."""
    return table("chinchilla_epoch_245").sort_values("loss")[:240]


def minima() -> None:
    """What is minimised, beside the best that is published."""
    print("\n| table | sum | to reach | seconds |\n|---|---|---|---|")
    hot = table("gemstones_hot_770")
    ladder = table("olmo_ladder_18")
    cases: list[tuple[str, pd.DataFrame, str, float]] = [
        ("Epoch, 240 runs", runs_of_chinchilla(), "loss", 0.001018275),
        ("Gemstones hot", hot[hot["D"] <= 100.1e9], "loss", 0.00198161285),
        ("Gemstones hot, 100B+", hot, "loss", 0.0065925343),
        ("Gemstones cool-down", table("gemstones_cooldown_199"), "loss", 0.0019640865),
        ("OLMo ladder", ladder[ladder["mode"] == "train"], "c4_en_loss_last5", 3.29986e-5),
    ]
    for name, frame, y, best in cases:
        begun = time.perf_counter()
        result = bnsl.fit(frame, inputs=["N", "D"], y=y, form="chinchilla", **HUBER)
        print(f"| {name} | {result.cost:.9g} | {best:.9g} | {time.perf_counter() - begun:.2f} |")
    held = {"A": np.exp(6.255414), "B": np.exp(7.3049974), "E": np.exp(0.6254804)}
    held |= {"alpha": 0.3526596, "beta": 0.3526596}
    names, frame = ["params", "tokens", "unique_tokens"], table("data_constrained_182")
    result = bnsl.fit(frame, inputs=names, y="loss", form="data_constrained", fixed=held, **HUBER)
    print(f"| repeated data, R_D and R_N | {result.cost:.9g} | 0.0158047 | |")


def splits() -> Iterator[Split]:
    """Name, runs, which are held out, inputs, y and groups."""
    epoch, two = runs_of_chinchilla(), ["N", "D"]
    yield "Epoch, C > 1e21", epoch, np.asarray(epoch["C"] > 1e21), two, "loss", None
    yield "Epoch, top quarter", epoch, np.asarray(epoch["C"] >= epoch["C"].quantile(0.75)), two, "loss", None
    yield "Epoch, C > 1e20", epoch, np.asarray(epoch["C"] > 1e20), two, "loss", None
    hot, run = table("gemstones_hot_770"), "run_name"
    yield "Gemstones hot, D > 100B", hot, np.asarray(hot["D"] > 100.1e9), two, "loss", run
    yield "Gemstones hot, N > 1e9", hot, np.asarray(hot["N"] > 1e9), two, "loss", run
    cool = table("gemstones_cooldown_199")
    compute = cool["N"] * cool["D"]
    yield (
        "Gemstones cool-down, top fifth",
        cool,
        np.asarray(compute > compute.quantile(0.8)),
        two,
        "loss",
        run,
    )
    for name, part in table("overtraining_gadre_104").dropna(subset="loss_c4_val").groupby("dataset"):
        yield (
            f"over-training {name}, N > 1.2e9",
            part,
            np.asarray(part["N"] > 1.2e9),
            two,
            "loss_c4_val",
            None,
        )
    ladder, y = table("olmo_ladder_18"), "c4_en_loss_last5"
    yield "OLMo, the two targets", ladder, np.asarray(ladder["mode"] != "train"), two, y, None
    small = ladder[ladder["mode"] == "train"]
    yield "OLMo, 1B", small, np.asarray(small["N"] > 9e8), two, y, None
    for name, part in table("routing_final_223").query("router_type != 'Dense'").groupby("router_type"):
        large = np.asarray(part["dense_parameter_count"] > 1e9)
        yield (
            f"routing {name}, 1.3B",
            part,
            large,
            ["dense_parameter_count", "num_experts"],
            "loss_validation",
            None,
        )
    keys = ["dataset", "hparams", "warmup", "decay", "param_count", "val"]
    for i, (_, part) in enumerate(table("porian_isoflop_580").dropna(subset="loss").groupby(keys)):
        if len(part) >= 40:
            dear = np.asarray(part["flops"] >= np.sort(part["flops"].unique())[-3])
            yield f"isoFLOP {i + 1}, three largest budgets", part, dear, two, "loss", None


def held_out() -> None:
    """The forecast against Chinchilla's law by least squares."""
    print(
        "\n| split | fitted + held out | Chinchilla | forecast | ratio | in 90 % | seconds |"
        "\n|---|---|---|---|---|---|---|"
    )
    ratios, covered = [], []
    for name, frame, out, inputs, y, groups in splits():
        seen, ahead = frame[~out], frame[out]
        plain = bnsl.fit(seen, inputs=inputs, y=y, form="chinchilla").predict(ahead)
        begun = time.perf_counter()
        forecast = bnsl.forecast(seen, inputs=inputs, y=y, groups=groups)
        took = time.perf_counter() - begun
        low, high = forecast.interval(ahead)
        errors = [np.sqrt(np.mean(np.log(p / ahead[y]) ** 2)) for p in (plain, forecast.predict(ahead))]
        inside = float(np.mean((low <= ahead[y]) & (ahead[y] <= high)))
        ratios.append(errors[1] / errors[0])
        covered.append(inside)
        row = f"| {name} | {len(seen)} + {len(ahead)} | {errors[0]:.5f} | {errors[1]:.5f} | {ratios[-1]:.2f} "
        print(f"{row}| {inside:.0%} | {took:.1f} |", flush=True)
    wins, mean = int(np.sum(np.array(ratios) < 1)), np.exp(np.mean(np.log(ratios)))
    print(
        f"\ngeometric mean ratio {mean:.3f}, {wins} of {len(ratios)} won, worst {max(ratios):.2f}; ", end=""
    )
    print(f"90 % intervals hold {np.mean(covered):.0%} of held-out runs, splits weighed alike")


def breaks(count: int = 60) -> None:
    """Synthetic laws of one hyperbreak, 60 runs with 1 % noise: the choice against the truth refitted."""
    rng, form = np.random.default_rng(0), bnsl.get_form("bnsl", 1, inputs=("N", "D"))
    within = []
    for _ in range(count):
        x = np.exp(rng.uniform([np.log(1e7), np.log(1e9)], [np.log(1e10), np.log(1e12)], (90, 2)))
        steep, power = rng.uniform(0.25, 0.5, 2), rng.uniform(0.3, 1.0)
        scale = rng.uniform(2.0, 6.0)  # of both terms at the middle of the runs
        middle = np.log(x).mean(axis=0)
        law = {"E": rng.uniform(0.5, 2.0), "b": np.exp(power * (np.log(scale) + steep[0] * middle[0]))}
        law |= {"c0_N": power * steep[0], "c0_D": 0.0, "c1": -power, "d1": steep @ (middle * [1, -1])}
        law |= {"w1_N": steep[0], "w1_D": -steep[1]}
        true = form.evaluate(law, x)
        y = true * np.exp(0.01 * rng.standard_normal(90))
        cheap = np.argsort(np.prod(x, axis=1))
        cheap, dear = cheap[:60], cheap[60:]
        errors = []
        for n_breaks in (None, 1):
            result = bnsl.fit(x[cheap], y[cheap], form="bnsl", n_breaks=n_breaks, inputs=["N", "D"])
            errors.append(np.sqrt(np.mean(np.log(result.predict(x[dear]) / true[dear]) ** 2)))
        within.append(errors[0] <= 1.2 * errors[1])
    print(
        f"\nbreaks chosen: held-out error within 1.2 times that of one break on {np.mean(within):.0%}"
        f" of {count}"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore", bnsl.ExtrapolationWarning)
    minima()
    held_out()
    breaks()
