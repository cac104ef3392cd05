"""The package's own least-squares solver against `optimistix.LevenbergMarquardt`: time to an equal cost.

Both refine the same starts of a BNSL in float64, all to the end: no start retires early. Ours runs in NumPy
and takes cheap steps (normal equations) or exact ones (QR, second-order correction), as the search does;
optimistix runs under `vmap`, compiled for each curve. Each is timed at growing numbers of steps; what counts
is the shortest time after which the best cost is within 0.1 % of the lowest that either reaches. Curves
without noise count as reached at errors of 1e-9 a point.

    pip install "broken-neural-scaling-laws[benchmarks]"
    python benchmarks/solver.py [--curves 4]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optimistix

import bnsl
from bnsl.fitting.constraints import check_constraints
from bnsl.fitting.setup import set_up
from bnsl.solver import search
from bnsl.solver.effort import EXACT_TOLERANCE
from bnsl.solver.follow import refined
from bnsl.solver.problem import Method, Problem, Rows, rows_of, several

REACHED = 1e-3  # relative to the lowest cost
NOISELESS = 1e-18  # squared error a point that counts as reached anyway
STEPS = (12, 25, 100, 400)
STARTS = 16  # with two breaks; with one there are as many as `bnsl.fit` takes


def curves() -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """(name, breaks, x, y) of ten curves of 14 to 250 points."""
    for name, count, n in (
        ("four_digit_addition", 14, 1),
        ("digits_learning_curve", 28, 1),
        ("double_descent", 250, 2),
        ("noiseless_simulation", 250, 1),
    ):
        curve = bnsl.load_dataset(name)
        yield name, n, curve.x[:count], curve.y[:count]
    for seed, (n, count, noise) in enumerate(
        ((1, 15, 0.01), (1, 40, 0.02), (1, 200, 0.005), (2, 30, 0.01), (2, 80, 0.02), (2, 200, 0.003))
    ):
        rng = np.random.default_rng(seed)
        log_x = np.linspace(0, 12, count)
        theta = [0.2, 0.0, 0.1]
        for position in np.linspace(0, 12, n + 2)[1:-1]:
            theta += [rng.uniform(0.2, 0.8), position, np.log(rng.uniform(0.1, 1.0))]
        y = bnsl.BNSL(n).evaluate(np.array(theta), np.exp(log_x)) * np.exp(noise * rng.normal(size=count))
        yield f"simulated {seed}", n, np.exp(log_x), y


def shortest(function: Callable[[], object], repeats: int = 7) -> float:
    """Seconds of the quickest of some calls, once compiled."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(method: Method, steps: int, exact: bool, rows: Rows, starts: np.ndarray) -> np.ndarray:
    """Costs by our solver."""
    group = np.zeros(len(starts), int)
    with np.errstate(all="ignore"):
        _, walk = refined(method, rows, group, starts, steps=steps, tolerance=EXACT_TOLERANCE, exact=exact)
    return walk.cost


@partial(jax.jit, static_argnums=(0, 1))
def theirs(form: bnsl.BNSL, steps: int, log_x: jax.Array, y: jax.Array, starts: jax.Array) -> jax.Array:
    """Costs by optimistix; it has no bounds for least squares, so a >= 0 by its square root."""
    solver = optimistix.LevenbergMarquardt(rtol=1e-10, atol=1e-12)

    def residual(theta: jax.Array, _: None) -> jax.Array:
        theta = theta.at[0].set(theta[0] ** 2)
        return form.log_y(theta, log_x) - jnp.log(y)

    def one(start: jax.Array) -> jax.Array:
        start = start.at[0].set(jnp.sqrt(start[0]))
        solution = optimistix.least_squares(residual, solver, start, max_steps=steps, throw=False)
        return jnp.sum(residual(solution.value, None) ** 2)

    return jax.vmap(one)(starts)


def compared(n: int, x: np.ndarray, y: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
    """Of either solver: seconds to the lowest cost, and its own lowest cost."""
    form = bnsl.BNSL(n)
    method, problem, *_ = set_up(form, check_constraints(form, "log", None, None), "log", x, y)
    one: Problem = several(form, problem)
    rows = rows_of(method, one)
    with np.errstate(all="ignore"):
        starts = search._starts(method, one, rows, STARTS)[0]

    def optimistix_costs(steps: int) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(theirs(form, steps, problem.log_x, problem.y, starts))

    runs = {
        "bnsl": [
            partial(ours, method, steps, exact, rows, starts) for exact in (False, True) for steps in STEPS
        ],
        "optimistix": [partial(optimistix_costs, steps) for steps in STEPS],
    }
    costs = {name: [float(np.nanmin(run())) for run in own] for name, own in runs.items()}
    lowest = {name: min(own) for name, own in costs.items()}
    enough = max(min(lowest.values()) * (1 + REACHED), NOISELESS * len(x))
    times = {
        name: min(
            (shortest(run) for run, cost in zip(own, costs[name], strict=True) if cost <= enough),
            default=np.inf,
        )
        for name, own in runs.items()
    }
    return times, lowest


def main() -> None:
    """Print one row per curve; a dash where the lowest cost was not reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=int, default=10, help="only the first so many")
    arguments = parser.parse_args()
    print("| curve | breaks | points | bnsl, ms | optimistix, ms | lowest cost, bnsl | optimistix |")
    print("|---|---|---|---|---|---|---|")
    for _, (name, n, x, y) in zip(range(arguments.curves), curves(), strict=False):
        times, lowest = compared(n, x, y)
        cells = [f"{1e3 * seconds:.3g}" if np.isfinite(seconds) else "-" for seconds in times.values()]
        cells += [f"{cost:.6g}" for cost in lowest.values()]
        print(f"| {name} | {n} | {len(x)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
