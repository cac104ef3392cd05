"""Many curves of one break: `fit_many` against SciPy, lmfit, nlsq and optimistix, side by side in one run.

    python benchmarks/many_curves.py [--curves 1000] [--points 64] [--peer-curves 20] [--workers 2]

Random curves as in `global_search.py`, with noise of 0.1 to 5 %. Every peer minimises the same residual, log
of the law less log y, in the same coordinates (a, log b, c0, c1, log d, log f). SciPy, lmfit and nlsq take
random starts, of which each curve's best is kept; optimistix takes ours. Peers run on the first
`--peer-curves` curves, and their time is given per curve. The last column is the share of curves whose
cost is within 0.1 % of that of `bnsl.fit`, or below.

Prints a second table: bootstrap replicates of one curve, from its fit; and what share of the solver's time
bare evaluations of residuals and derivatives would take. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import time
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.optimize import curve_fit

import bnsl
from bnsl.solver import conveyor as many
from bnsl.solver import search
from bnsl.solver.conveyor import Pieces, refine_many
from bnsl.solver.linear_starts import linear_starts

STARTS = (4, 16)  # of the peers
P = 6
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], float]  # log x, log y, starts (K, p) -> cost


def curves(count: int, points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y (C, N) of random curves of one break."""
    xs, ys = [], []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        span = np.log(10) * rng.uniform(1, 6)
        kind = rng.choice(["random", "log", "linear"], p=[0.3, 0.42, 0.28])
        even = np.linspace(0, span, points)
        log_x = {
            "random": np.sort(rng.uniform(0, span, points)),
            "log": even,
            "linear": np.log(np.linspace(1, np.exp(span), points)),
        }[kind]
        log_x = log_x - log_x[0]
        breaks = [rng.normal(0, 0.7), rng.uniform(0.05, 0.95) * span, rng.uniform(np.log(0.02), 0.0)]
        theta = np.array([0.0, 0.0, rng.uniform(0, 1), *breaks])
        g = bnsl.BNSL(1).evaluate(theta, np.exp(log_x))
        limit = 0.0 if rng.random() < 0.3 else g.min() * np.exp(rng.normal())
        noise = np.exp(rng.uniform(np.log(1e-3), np.log(0.05)))
        xs.append(np.exp(log_x))
        ys.append((limit + g) * np.exp(noise * rng.normal(size=points)))
    return np.array(xs), np.array(ys)


def law(
    log_x: np.ndarray, a: float, log_b: float, c0: float, c1: float, log_d: float, log_f: float
) -> np.ndarray:
    """Return log y."""
    f = np.exp(log_f)
    log_g = log_b - c0 * log_x - c1 * f * np.logaddexp(0.0, (log_x - log_d) / f)
    return np.log(np.maximum(a, 0.0) + np.exp(log_g))


def random_starts(log_x: np.ndarray, log_y: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Starts (K, p): random limit, slopes and break; the level passes through the middle point."""
    span, middle = np.ptp(log_x), len(log_x) // 2
    out = np.empty((count, P))
    for row in out:
        row[:] = (
            np.exp(log_y.min()) * rng.uniform(0, 0.99), 0.0, rng.normal(0.3, 0.5), rng.normal(0, 0.7),
            log_x[0] + span * rng.uniform(0, 1.1), np.log(span) + rng.uniform(np.log(0.01), np.log(0.5)),
        )  # fmt: skip
        level = np.log(np.exp(law(log_x, 0.0, *row[1:])[middle]))
        row[1] = np.log(max(np.exp(log_y[middle]) - row[0], 1e-6)) - level
    return out


def box(log_x: np.ndarray, log_y: np.ndarray) -> tuple[list[float], list[float]]:
    """The limits that our own search keeps to."""
    span, inf = np.ptp(log_x), np.inf
    low = [0.0, -inf, -inf, -inf, log_x[0] - span, np.log(1e-4 * span)]
    return low, [np.exp(log_y.max()), inf, inf, inf, log_x[-1] + span, np.log(2 * span)]


def scipy_fit(log_x: np.ndarray, log_y: np.ndarray, starts: np.ndarray) -> float:
    """The lowest cost that `curve_fit` reaches from the starts."""
    best = np.inf
    for start in starts:
        try:
            theta = curve_fit(law, log_x, log_y, p0=start, bounds=box(log_x, log_y), maxfev=2000)[0]
        except (RuntimeError, ValueError):
            continue
        best = min(best, float(np.sum((law(log_x, *theta) - log_y) ** 2)))
    return best


def lmfit_fit(log_x: np.ndarray, log_y: np.ndarray, starts: np.ndarray) -> float:
    """The lowest cost that lmfit's default method reaches from the starts."""
    import lmfit

    low, high = box(log_x, log_y)
    names = ("a", "log_b", "c0", "c1", "log_d", "log_f")
    best = np.inf
    for start in starts:
        parameters = lmfit.Parameters()
        for entry in zip(names, start, low, high, strict=True):
            parameters.add(entry[0], value=entry[1], min=entry[2], max=entry[3])
        try:
            found = lmfit.minimize(lambda p: law(log_x, **p.valuesdict()) - log_y, parameters, max_nfev=2000)
        except ValueError:
            continue
        best = min(best, float(found.chisqr))
    return best


def nlsq_fit(log_x: np.ndarray, log_y: np.ndarray, starts: np.ndarray) -> float:
    """The lowest cost that nlsq's `curve_fit` reaches from the starts."""
    import nlsq

    logging.disable(logging.WARNING)  # a line an iteration

    def model(
        u: jax.Array, a: float, log_b: float, c0: float, c1: float, log_d: float, log_f: float
    ) -> jax.Array:
        f = jnp.exp(log_f)
        return jnp.log(a + jnp.exp(log_b - c0 * u - c1 * f * jax.nn.softplus((u - log_d) / f)))

    best = np.inf
    for start in starts:
        try:
            theta, _ = nlsq.curve_fit(model, log_x, log_y, p0=start, bounds=box(log_x, log_y))
        except (RuntimeError, ValueError):
            continue
        best = min(best, float(np.sum((law(log_x, *np.asarray(theta)) - log_y) ** 2)))
    return best


def in_processes(
    fit: Fit, x: np.ndarray, y: np.ndarray, count: int, workers: int
) -> tuple[float, np.ndarray]:
    """Seconds a curve and costs (C,), with joblib's processes."""
    from joblib import Parallel, delayed

    log_x, log_y = np.log(x), np.log(y)
    log_x = log_x - log_x[:, -1:]
    log_y = log_y - log_y.mean(axis=1, keepdims=True)
    starts = [
        random_starts(u, v, count, np.random.default_rng(i))
        for i, (u, v) in enumerate(zip(log_x, log_y, strict=True))
    ]
    with Parallel(n_jobs=workers) as parallel:
        parallel(delayed(fit)(log_x[0], log_y[0], starts[0][:1]) for _ in range(workers))  # start, compile
        begin = time.perf_counter()
        costs = parallel(delayed(fit)(*job) for job in zip(log_x, log_y, starts, strict=True))
        seconds = time.perf_counter() - begin
    return seconds / len(x), np.array(costs)


def optimistix_fit(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds a curve and costs (C,): Levenberg-Marquardt under vmap, from our starts (a as a square)."""
    import optimistix

    problem = problems(x, y)
    with jax.enable_x64(True):
        starts = jax.jit(jax.vmap(lambda u, v: linear_starts(bnsl.BNSL(1), u, v, jnp.ones(u.shape), 16)))(
            problem.log_x, problem.y
        )
        starts = starts.at[:, :, 0].set(jnp.sqrt(jnp.maximum(starts[:, :, 0], 1e-6)))
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


def problems(x: np.ndarray, y: np.ndarray) -> search.Problem:
    """Curves (C, N) in normalised units."""
    log_x, log_y, inf = np.log(x), np.log(y), np.full(P, np.inf)
    normal = np.exp(log_y - log_y.mean(axis=-1, keepdims=True))
    log_x = log_x - log_x[..., -1:]
    weight = np.ones(x.shape[-1])
    return search.Problem(log_x, normal, weight, 1.0, 1.0, np.ones(P, bool), np.zeros(P), -inf, inf)


def timed(work: Callable[[], np.ndarray], times: int = 3) -> tuple[float, np.ndarray]:
    """The shortest of some times, after one that compiles, and the answer."""
    answer, best = work(), np.inf
    for _ in range(times):
        begin = time.perf_counter()
        answer = work()
        best = min(best, time.perf_counter() - begin)
    return best, answer


def long_form(x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """The curves as a table."""
    return pd.DataFrame({"curve": np.repeat(np.arange(len(x)), x.shape[1]), "x": x.ravel(), "y": y.ravel()})


def peers(x: np.ndarray, y: np.ndarray, peer_curves: int, workers: int) -> None:
    """The first table."""
    some_x, some_y = x[:peer_curves], y[:peer_curves]
    begin = time.perf_counter()
    alone = np.array([np.sum(bnsl.fit(*pair, n_breaks=1).residuals ** 2) for pair in zip(x, y, strict=True)])
    each = (time.perf_counter() - begin) / len(x)
    table = long_form(x, y)

    def ours(processes: int) -> np.ndarray:
        rows = bnsl.fit_many(table, "x", "y", "curve", n_breaks=1, workers=processes, progress=False)
        return rows["rmsle"].to_numpy() ** 2 * x.shape[1]

    seconds, costs = timed(lambda: ours(1))
    rate = seconds / len(x)
    print(f"{'method':<44}{'curves':>8}{'ms a curve':>12}{'times ours':>12}{'within 0.1 %':>14}")

    def line(name: str, each: float, costs: np.ndarray) -> None:
        good = 100 * np.mean(costs <= 1.001 * alone[: len(costs)] + 1e-18)
        print(f"{name:<44}{len(costs):>8}{1e3 * each:>12.3f}{each / rate:>12.1f}{good:>13.1f}%", flush=True)

    line("bnsl.fit_many, 1 process", rate, costs)
    if workers > 1:
        shared, costs = timed(lambda: ours(workers))
        line(f"bnsl.fit_many, {workers} processes", shared / len(x), costs)
    line("bnsl.fit, one by one", each, alone)
    for count in STARTS:
        line(
            f"SciPy curve_fit, {count} starts, {workers} processes",
            *in_processes(scipy_fit, some_x, some_y, count, workers),
        )
    for name, fit in (("lmfit", lmfit_fit), ("nlsq", nlsq_fit)):
        if importlib.util.find_spec(name):
            done = in_processes(fit, some_x, some_y, STARTS[0], workers)
            line(f"{name}, {STARTS[0]} starts, {workers} processes", *done)
    if importlib.util.find_spec("optimistix"):
        line("optimistix LM, vmapped, our 16 starts", *optimistix_fit(some_x, some_y))


def bootstrap(points: int, count: int) -> None:
    """The second table: replicates of one curve, and how near the solver is to bare evaluations."""
    law_ = {"a": 0.2, "b": 2.0, "c0": 0.15, "c1": 0.4, "d1": 200.0, "f1": 0.4}
    x = np.geomspace(1, 1e4, points)
    rng = np.random.default_rng(0)
    y = bnsl.BNSL(1).evaluate(law_, x) * np.exp(0.03 * rng.normal(size=(count, points)))
    problem = problems(np.broadcast_to(x, y.shape), y)._replace(log_x=np.log(x / x[-1]))
    result = bnsl.fit(x, y[0], n_breaks=1)
    start = np.asarray(result.form.rescale(result.theta, -np.log(x[-1]), -np.log(y[0]).mean()))
    method = search.Method(bnsl.BNSL(1))
    with jax.enable_x64(True):
        starts = np.tile(start, (count, 1))
        seconds, _ = timed(lambda: refine_many(method, problem, starts).cost)
        found = refine_many(method, problem, starts)
        size = many.CHUNKS[0]
        part = many.taken(method, problem, np.arange(size) % count)
        pieces = jax.jit(
            lambda problem, theta: Pieces(method, problem, size, 1).evaluate(theta),
            compiler_options=search.FAST_COMPILE,
        )
        bare, _ = timed(lambda: jax.block_until_ready(pieces(part, starts[np.arange(size) % count])), 20)
    evaluations = found.steps.sum() * bare / size
    print(
        f"\n{'bootstrap from the fit':<44}{count:>8}{1e3 * seconds / count:>12.3f}"
        f"   {count / seconds:.0f} a second"
    )
    print(f"steps a replicate: mean {found.steps.mean():.1f}, most {found.steps.max()}")
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
    peers(x, y, arguments.peer_curves, arguments.workers)
    bootstrap(60, 1000)


if __name__ == "__main__":
    main()
