"""Many curves of one break: `fit_many` against SciPy, lmfit, nlsq and optimistix, side by side in one run.

    python benchmarks/many_curves.py [--curves 1000] [--points 64] [--peer-curves 20] [--workers 2]

Random curves as in `global_search.py`, with noise of 0.1 to 5 %. Every peer minimises the same residual as
`bnsl.fit` (see `peers.py`). SciPy, lmfit and nlsq take random starts, of which each curve's best is kept;
optimistix takes ours. Peers run on the first `--peer-curves` curves, and their time is given per curve. The
last column is the share of curves whose cost is within 0.1 % of that of `bnsl.fit`, or below.

Prints a second table: bootstrap replicates of one curve, from its fit; and what share of the solver's time
bare evaluations of residuals and derivatives would take. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable

import numpy as np
import peers
from random_curves import curves, long_form

import bnsl
from bnsl.solver.crowd import blocks, refine_many
from bnsl.solver.problem import Method, Problem, evaluate, outward, rows_of, several, taken
from bnsl.solver.starts import starts_of

STARTS = (4, 28)  # of the peers; 28 as `fit` takes


def optimistix_fit(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds a curve and costs (C,): Levenberg-Marquardt under vmap, from our starts (a as a square)."""
    import jax
    import jax.numpy as jnp
    import optimistix

    method, problem = Method(bnsl.BNSL(1)), several(bnsl.BNSL(1), problems(x, y))
    with np.errstate(all="ignore"):
        starts = starts_of(method, problem, rows_of(method, problem))
    starts[:, :, 0] = np.sqrt(np.maximum(starts[:, :, 0], 1e-6))
    with jax.enable_x64(True):
        solver = optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-12)

        def one(u: jax.Array, v: jax.Array, start: jax.Array) -> jax.Array:
            def residual(theta: jax.Array, _: None) -> jax.Array:
                return bnsl.BNSL(1).log_y(theta.at[0].set(theta[0] ** 2), u) - jnp.log(v)

            found = optimistix.least_squares(residual, solver, start, max_steps=200, throw=False)
            cost = jnp.sum(residual(found.value, None) ** 2)
            return jnp.where(jnp.isfinite(cost), cost, jnp.inf)

        run = jax.jit(jax.vmap(jax.vmap(one, (None, None, 0))))
        seconds, costs = timed(lambda: np.asarray(run(problem.log_x, problem.y, starts)))
    return seconds / len(x), costs.min(axis=1)


def problems(x: np.ndarray, y: np.ndarray) -> Problem:
    """Curves (C, N) in normalised units."""
    log_x, log_y = peers.normalised(x, y)
    inf = np.full(peers.P, np.inf)
    weight, free = np.ones(x.shape[-1]), np.ones(peers.P, bool)
    return Problem(log_x, np.exp(log_y), weight, 1.0, 1.0, free, np.zeros(peers.P), -inf, inf)


def timed(work: Callable[[], np.ndarray], times: int = 3) -> tuple[float, np.ndarray]:
    """The shortest of some times, after one that compiles, and the answer."""
    answer, best = work(), np.inf
    for _ in range(times):
        begin = time.perf_counter()
        answer = work()
        best = min(best, time.perf_counter() - begin)
    return best, answer


def against_peers(x: np.ndarray, y: np.ndarray, peer_curves: int, workers: int) -> None:
    """The first table."""
    some = list(zip(x[:peer_curves], y[:peer_curves], strict=True))
    begin = time.perf_counter()
    alone = np.array([np.sum(bnsl.fit(*pair, n_breaks=1).residuals ** 2) for pair in zip(x, y, strict=True)])
    each = (time.perf_counter() - begin) / len(x)
    table = long_form(x, y)

    def ours(processes: int, backend: str) -> np.ndarray:
        options = {"n_breaks": 1, "workers": processes, "backend": backend, "progress": False}
        rows = bnsl.fit_many(table, "x", "y", "curve", **options)
        return rows["rmsle"].to_numpy() ** 2 * x.shape[1]

    print("| method | curves | ms a curve | times `fit_many` | cost within 0.1 % of `fit`, or below |")
    print("|---|---|---|---|---|")
    rate: float | None = None

    def line(name: str, each: float, costs: np.ndarray) -> None:
        good = 100 * np.mean(costs <= 1.001 * alone[: len(costs)] + 1e-18)
        times = "1" if rate is None else f"{each / rate:.2g}"
        print(f"| {name} | {len(costs)} | {1e3 * each:.3g} | {times} | {good:.1f} % |", flush=True)

    for processes in sorted({1, workers}):
        for backend in ("numpy", "jax"):
            seconds, costs = timed(lambda n=processes, b=backend: ours(n, b))
            name = f"`fit_many`, {backend}, {processes} process{'es' if processes > 1 else ''}"
            line(name, seconds / len(x), costs)
            rate = rate or seconds / len(x)
    line("`fit`, one by one", each, alone)
    for count in STARTS:
        for name in peers.PEERS:
            if importlib.util.find_spec(name) and (name != "nlsq" or count == STARTS[0]):
                done = peers.in_processes(name, some, count, workers)
                line(f"{name}, {count} random starts, {workers} processes", *done)
    if importlib.util.find_spec("optimistix"):
        line("optimistix, vmapped, our 28 starts", *optimistix_fit(x[:peer_curves], y[:peer_curves]))


def bootstrap(points: int, count: int) -> None:
    """The second table: replicates of one curve, and how near the solver is to bare evaluations."""
    law = {"a": 0.2, "b": 2.0, "c0": 0.15, "c1": 0.4, "d1": 200.0, "f1": 0.4}
    x = np.geomspace(1, 1e4, points)
    rng = np.random.default_rng(0)
    y = bnsl.BNSL(1).evaluate(law, x) * np.exp(0.03 * rng.normal(size=(count, points)))
    problem = problems(np.broadcast_to(x, y.shape), y)._replace(log_x=np.log(x / x[-1]))
    result = bnsl.fit(x, y[0], n_breaks=1)
    start = np.asarray(result.form.rescale(result.theta, -np.log(x[-1]), -np.log(y[0]).mean()))
    method, starts = Method(result.form), np.tile(start, (count, 1))
    seconds, _ = timed(lambda: refine_many(method, problem, starts).cost)
    steps = refine_many(method, problem, starts).steps
    size = len(blocks(count, points)[0])
    rows = rows_of(method, several(method.form, taken(several(method.form, problem), np.arange(size))))
    walker = outward(method, starts[:size])
    bare, _ = timed(lambda: evaluate(method, rows, walker)[2], 20)
    evaluations = steps.sum() * bare / size
    print(f"\n{count} replicates of {points} points: {1e3 * seconds:.0f} ms, {count / seconds:.0f} a second")
    print(f"steps a replicate: mean {steps.mean():.1f}, most {steps.max()}")
    print(f"bare evaluations of residuals and derivatives: {100 * evaluations / seconds:.0f} % of that time")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--peer-curves", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=77)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    x, y = curves(arguments.curves, arguments.points, arguments.seed)
    against_peers(x, y, arguments.peer_curves, arguments.workers)
    bootstrap(60, 1000)


if __name__ == "__main__":
    main()
