"""The procedure of the BNSL paper against `bnsl.fit`, side by side in one process.

The paper's procedure (appendix A.6 and the released scripts of arXiv 2210.14891), written anew: SciPy's
`brute` over a fixed grid of (a, b, c0, c1, d1, f1), then `curve_fit` from the best node, both on
log(y + 1). The grids are those of the two released scripts.

    python benchmarks/paper_procedure.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import brute, curve_fit

import bnsl
from bnsl import fit  # here, so that imports are counted on neither side
from bnsl.curves.metrics import rmsle

# Of each curve: the grid of (a, b*, c0, c1, d*, f1) with b and d1 = 1.25^node - offset, and that offset.
ADDITION_GRID = ((0, 1, 0.1), (0, 40, 2.5), (0, 1, 0.25), (0, 1, 0.25), (0, 40, 2.5), (0, 1, 0.25))
NOISELESS_GRID = ((0, 2.5, 0.1), (0, 5, 0.25), (0, 0.2, 0.05), (0, 8, 0.5), (0, 35, 2.5), (0, 0.2, 0.05))
GRIDS = {
    "four_digit_addition": (tuple(slice(*ends) for ends in ADDITION_GRID), 0.9),
    "noiseless_simulation": (tuple(slice(*ends) for ends in NOISELESS_GRID), 1 - 1e-8),
}


def one_break(x: np.ndarray, a: float, b: float, c0: float, c1: float, d1: float, f1: float) -> np.ndarray:
    """Equation 1 with one break, literally."""
    return a + b * x**-c0 * (1 + (x / d1) ** (1 / f1)) ** (-c1 * f1)


def grid_cost(node: np.ndarray, x: np.ndarray, log1p_y: np.ndarray, offset: float) -> float:
    """Mean squared error of log(y + 1) at one grid node."""
    a, b, c0, c1, d1, f1 = node
    return float(
        np.mean((np.log1p(one_break(x, a, 1.25**b - offset, c0, c1, 1.25**d1 - offset, f1)) - log1p_y) ** 2)
    )


def paper_fit(name: str, x: np.ndarray, y: np.ndarray, workers: int) -> np.ndarray:
    """Grid search, then Levenberg-Marquardt, as the paper does it."""
    grid, offset = GRIDS[name]
    node = brute(grid_cost, grid, args=(x, np.log1p(y), offset), finish=None, workers=workers)
    a, b, c0, c1, d1, f1 = node
    start = [a, 1.25**b - offset, c0, c1, 1.25**d1 - offset, f1]
    return curve_fit(lambda x, *p: np.log1p(one_break(x, *p)), x, np.log1p(y), p0=start, maxfev=100_000_000)[
        0
    ]


def timed(function: Callable[[], object]) -> tuple[float, object]:
    """Wall seconds of one call, and what it returned."""
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, value


def main() -> None:
    """Print one row per curve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=-1, help="processes for the grid search (-1: all)")
    parser.add_argument("--repeats", type=int, default=20, help="later calls of ours; the median counts")
    arguments = parser.parse_args()
    print(f"{'curve':22}{'paper s':>9}{'first s':>9}{'later ms':>10}{'ratio':>8}{'ratio 1st':>10}"
          f"{'paper extrap.':>15}{'ours extrap.':>14}")  # fmt: skip
    for name, count in (("four_digit_addition", 14), ("noiseless_simulation", 405)):
        curve = bnsl.load_dataset(name)
        x, y = curve.x[:count], curve.y[:count]

        def ours(x: np.ndarray = x, y: np.ndarray = y) -> bnsl.FitResult:
            return fit(x, y, n_breaks=1)

        first, result = timed(ours)
        later = float(np.median([timed(ours)[0] for _ in range(arguments.repeats)]))
        with np.errstate(all="ignore"):
            paper, popt = timed(lambda name=name, x=x, y=y: paper_fit(name, x, y, arguments.workers))
        beyond, truth = curve.x[count:], curve.y[count:]
        paper_error, _ = rmsle(one_break(beyond, *popt), truth)
        our_error, _ = rmsle(result.form.evaluate(result.theta, beyond), truth)
        print(f"{name:22}{paper:9.2f}{first:9.2f}{1e3 * later:10.2f}{paper / later:8.0f}{paper / first:10.2f}"
              f"{paper_error:15.3g}{our_error:14.3g}")  # fmt: skip


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    main()
