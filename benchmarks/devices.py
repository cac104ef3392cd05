"""`fit_many` on a GPU against the CPU: curves a second, and whether they agree.

    python benchmarks/devices.py [--curves 1000 10000 100000] [--cpu-curves 2000] [--points 64]

Random curves of one break (`random_curves.py`), each with noise of its own. The GPU fits all of them, once
to compile and once to be timed, from the table to the table; the CPU the first `--cpu-curves`, compiled by
JAX as well. Agreement is in predictions at ten times the last x and in the cost. Without a GPU only the CPU
is timed.
"""

from __future__ import annotations

import argparse
import time
import warnings

import jax
import numpy as np
import pandas as pd
from random_curves import many_noisy

import bnsl


def fitted(frame: pd.DataFrame, at: float, device: str) -> tuple[pd.DataFrame, float, float]:
    """The rows, and the seconds that a first and a second call took."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        rows = bnsl.fit_many(
            frame, "x", "y", "curve", n_breaks=1, predict_at=[at], device=device, progress=False
        )
        seconds.append(time.perf_counter() - start)
    return rows, seconds[0], seconds[1]


def shares(error: np.ndarray, limits: tuple[float, ...]) -> str:
    """Per cent of errors within each limit."""
    return ", ".join(f"{100 * np.mean(error <= limit):.1f} % within {limit:g}" for limit in limits)


def main() -> None:
    """Print one line per device and size, and the agreement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--cpu-curves", type=int, default=2000)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--seed", type=int, default=9)
    arguments = parser.parse_args()
    try:
        gpu = jax.devices("gpu")[0]
        print(f"JAX {jax.__version__}, {gpu.device_kind}")
    except RuntimeError:
        gpu = None
        print(f"JAX {jax.__version__} sees no GPU: its rows and the agreement are skipped")
    count = max(arguments.curves) if gpu else arguments.cpu_curves
    frame = many_noisy(count, arguments.points, arguments.seed)
    at = 10.0 * float(frame["x"].max())
    print(f"{'device':8}{'curves':>9}{'first call, s':>15}{'second, s':>11}{'curves a second':>17}")

    def line(device: str, count: int) -> pd.DataFrame:
        rows, first, second = fitted(frame[frame["curve"] < count], at, device)
        print(f"{device:8}{count:>9}{first:>15.2f}{second:>11.3f}{count / second:>17.0f}", flush=True)
        return rows

    here = line("cpu", arguments.cpu_curves)
    for count in arguments.curves if gpu else []:
        there = line("gpu", count)
        both = min(count, len(here))
        name = here.columns[-1]
        old, new = (rows.iloc[:both][["rmsle", name]].to_numpy(float) for rows in (here, there))
        cost, predicted = np.abs((new / old) ** [2, 1] - 1.0).T
        print(f"  of {both}: cost {shares(cost, (1e-6, 1e-3))}; GPU's lower by 0.1 % on "
              f"{100 * np.mean((new / old)[:, 0] ** 2 < 0.999):.1f} %, higher on "
              f"{100 * np.mean((new / old)[:, 0] ** 2 > 1.001):.1f} %")  # fmt: skip
        print(f"  predictions {shares(predicted, (1e-6, 1e-4, 1e-2))}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
