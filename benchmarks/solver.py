"""The package's own least-squares solver against `optimistix.LevenbergMarquardt`: time to an equal cost.

Both refine the same 16 starts of a BNSL in float64 in one call, all to the end: no start retires early. Ours
takes cheap steps (normal equations) or exact ones (QR, second-order correction), as the search does. Each is
timed at growing numbers of steps; what counts is the shortest time after which the best cost is within
0.1 % of the lowest that either reaches. Curves without noise count as reached at errors of 1e-9 a point. All
are padded to 64 or 256 points.

    pip install "broken-neural-scaling-laws[benchmarks]"
    python benchmarks/solver.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optimistix

import bnsl
from bnsl.solver import search
from bnsl.solver.search import Method, Problem

REACHED = 1e-3  # relative to the lowest cost
NOISELESS = 1e-18  # squared error a point that counts as reached anyway
STEPS = (25, 100, 400)
LENGTHS = (64, 256)


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
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return min(times)


@partial(jax.jit, static_argnums=(0, 1, 2), compiler_options=search.FAST_COMPILE)
def ours(method: Method, steps: int, exact: bool, problem: Problem, starts: jax.Array) -> jax.Array:
    """Costs by our solver."""
    keep = starts.shape[0]
    return search._solve(method, problem, starts, None, steps=steps, keep=keep, exact=exact).cost


@partial(jax.jit, static_argnums=(0, 1))
def theirs(form: bnsl.BNSL, steps: int, problem: Problem, starts: jax.Array) -> jax.Array:
    """Costs by optimistix; it has no bounds for least squares, so a >= 0 by its square root."""
    solver = optimistix.LevenbergMarquardt(rtol=1e-10, atol=1e-12)

    def residual(theta: jax.Array, _: None) -> jax.Array:
        theta = theta.at[0].set(theta[0] ** 2)
        return problem.weight * (form.log_y(theta, problem.log_x) - jnp.log(problem.y))

    def one(start: jax.Array) -> jax.Array:
        start = start.at[0].set(jnp.sqrt(start[0]))
        solution = optimistix.least_squares(residual, solver, start, max_steps=steps, throw=False)
        return jnp.sum(residual(solution.value, None) ** 2)

    return jax.vmap(one)(starts)


def main() -> None:
    """Print a row a curve."""
    header = f"{'curve':24}{'breaks':>7}{'points':>7}{'bnsl, ms':>10}{'optimistix, ms':>16}{'ratio':>8}"
    print(f"{header}{'cost, bnsl':>14}{'cost, optimistix':>18}")
    ratios = []
    for name, n, x, y in curves():
        form, count = bnsl.BNSL(n), len(x)
        log_x, p = np.log(x), len(form.parameters)
        unit = float(np.exp(np.log(y).mean()))
        extra = min(length for length in LENGTHS if length >= count) - count
        problem = Problem(
            np.pad(log_x - log_x[-1], (0, extra)), np.pad(y / unit, (0, extra), constant_values=1.0),
            np.pad(np.ones(count), (0, extra)), unit, 1.0,
            np.ones(p, bool), np.zeros(p), np.full(p, -np.inf), np.full(p, np.inf),
        )  # fmt: skip
        with jax.enable_x64(True):
            starts = np.asarray(search._starts(form, 16, problem))
            method = Method(form)
            runs = {
                "bnsl": [
                    partial(ours, method, steps, exact, problem, starts)
                    for exact in (False, True)
                    for steps in STEPS
                ],
                "optimistix": [partial(theirs, form, steps, problem, starts) for steps in STEPS],
            }
            costs = {k: [float(np.nanmin(np.asarray(run()))) for run in v] for k, v in runs.items()}
            lowest = min(min(v) for v in costs.values())
            enough = max(lowest * (1 + REACHED), NOISELESS * count)
            times = {}
            for k, v in runs.items():
                reached = [shortest(run) for run, cost in zip(v, costs[k], strict=True) if cost <= enough]
                times[k] = min(reached, default=np.inf)
        ratios.append(times["optimistix"] / times["bnsl"])
        mine, other = 1e3 * times["bnsl"], 1e3 * times["optimistix"]
        row = f"{name:24}{n:7}{count:7}{mine:10.2f}{other:16.2f}{ratios[-1]:8.2f}"
        print(f"{row}{min(costs['bnsl']):14.6g}{min(costs['optimistix']):18.6g}", flush=True)
    print(f"median ratio {np.median(ratios):.2f}, lowest {min(ratios):.2f}, highest {max(ratios):.2f}")


if __name__ == "__main__":
    main()
