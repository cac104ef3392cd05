"""The package's own least-squares solver against `optimistix.LevenbergMarquardt`, same starts, one process.

Both refine the same batch of starts of a one-break BNSL in float64; printed are the median time of a call
once compiled, the compilation, and the cost reached (the best of the batch, and the median).

    pip install "broken-neural-scaling-laws[benchmarks]"
    python benchmarks/solver.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optimistix

import bnsl
from bnsl._arrays import double_precision
from bnsl.search import Method, Problem, _refine, _starts, effort_for

STEPS = 400


def timed(function: Callable[[], object], repeats: int = 20) -> tuple[float, float, object]:
    """Seconds of the first call, median of later ones, and what they return."""
    start = time.perf_counter()
    value = jax.block_until_ready(function())
    first = time.perf_counter() - start
    later = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        later.append(time.perf_counter() - start)
    return first, float(np.median(later)), value


def main() -> None:
    """Print a row a curve and a solver."""
    form = bnsl.BNSL(1)
    print(f"{'curve':22}{'solver':12}{'first s':>9}{'later ms':>10}{'best cost':>14}{'median cost':>14}")
    for name, count in (
        ("four_digit_addition", 14),
        ("digits_learning_curve", 28),
        ("noiseless_simulation", 405),
    ):
        curve = bnsl.load_dataset(name)
        log_x, y = np.log(curve.x[:count]), curve.y[:count]
        unit = float(np.exp(np.log(y).mean()))
        p = len(form.parameters)
        problem = Problem(
            log_x - log_x[-1], y / unit, np.ones(count), unit, 1.0,
            np.ones(p, bool), np.zeros(p), np.full(p, -np.inf), np.full(p, np.inf),
        )  # fmt: skip
        with double_precision():
            starts = np.asarray(_starts(form, effort_for(form).starts, problem))
            solver = optimistix.LevenbergMarquardt(rtol=1e-10, atol=1e-12)

            @jax.jit
            def theirs(starts: jax.Array, problem: Problem = problem, solver: object = solver) -> jax.Array:
                def residual(theta: jax.Array, _: None) -> jax.Array:
                    # optimistix has no bounds for least squares: a >= 0 by its square root
                    theta = theta.at[0].set(theta[0] ** 2)
                    return form.log_y(theta, problem.log_x) - jnp.log(problem.y)

                def one(start: jax.Array) -> jax.Array:
                    start = start.at[0].set(jnp.sqrt(start[0]))
                    solution = optimistix.least_squares(residual, solver, start, max_steps=STEPS, throw=False)
                    return jnp.sum(residual(solution.value, None) ** 2)

                return jax.vmap(one)(starts)

            method = Method(form)
            rows = {
                "bnsl": lambda m=method, s=starts, q=problem: _refine(m, len(s), q, s).cost,
                "optimistix": lambda s=starts, f=theirs: f(s),
            }
            later = {}
            for solver_name, function in rows.items():
                first, later[solver_name], cost = timed(function)
                cost = np.asarray(cost)
                print(f"{name:22}{solver_name:12}{first:9.2f}{1e3 * later[solver_name]:10.2f}"
                      f"{np.nanmin(cost):14.6g}{np.nanmedian(cost):14.6g}")  # fmt: skip
        print(f"{'':22}optimistix / bnsl, later calls: {later['optimistix'] / later['bnsl']:.2f}")


if __name__ == "__main__":
    main()
