"""What others offer for a curve of one break: SciPy, lmfit and nlsq from many random starts.

All minimise the residual that `bnsl.fit` does, log of the law less log y, in the same coordinates
(a, log b, c0, c1, log d, log f), with the last log x and the mean log y at 0. The best of the starts counts.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

P = 6
MOST = 2000  # evaluations from a start
NAMES = ("a", "log_b", "c0", "c1", "log_d", "log_f")

# log x (N,), log y (N,), starts (K, p) -> the best coordinates (p,) and their cost
Peer = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, float]]


def law(
    log_x: np.ndarray, a: float, log_b: float, c0: float, c1: float, log_d: float, log_f: float
) -> np.ndarray:
    """Return log y."""
    f = np.exp(log_f)
    log_g = log_b - c0 * log_x - c1 * f * np.logaddexp(0.0, (log_x - log_d) / f)
    return np.log(np.maximum(a, 0.0) + np.exp(log_g))


def normalised(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log x and log y (..., N), of which the last and the mean are 0."""
    log_x, log_y = np.log(x), np.log(y)
    return log_x - log_x[..., -1:], log_y - log_y.mean(axis=-1, keepdims=True)


def random_starts(log_x: np.ndarray, log_y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Starts (K, p): random limit, slopes and break; the level passes through the middle point."""
    rng = np.random.default_rng(seed)
    span, middle = np.ptp(log_x), len(log_x) // 2
    out = np.empty((count, P))
    for row in out:
        row[:] = (
            np.exp(log_y.min()) * rng.uniform(0, 0.99), 0.0, rng.normal(0.3, 0.5), rng.normal(0, 0.7),
            log_x[0] + span * rng.uniform(0, 1.1), np.log(span) + rng.uniform(np.log(0.01), np.log(0.5)),
        )  # fmt: skip
        level = law(log_x, 0.0, *row[1:])[middle]
        row[1] = np.log(max(np.exp(log_y[middle]) - row[0], 1e-6)) - level
    return out


def box(log_x: np.ndarray, log_y: np.ndarray) -> tuple[list[float], list[float]]:
    """The limits that our own search keeps to."""
    span, inf = np.ptp(log_x), np.inf
    low = [0.0, -inf, -inf, -inf, log_x[0] - span, np.log(1e-4 * span)]
    return low, [np.exp(log_y.max()), inf, inf, inf, log_x[-1] + span, np.log(2 * span)]


def _best(
    solve: Callable[[np.ndarray], np.ndarray], log_x: np.ndarray, log_y: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, float]:
    """The best of what `solve` makes of the starts; one from which it fails is passed over."""
    best, lowest = np.full(P, np.nan), np.inf
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for start in starts:
            try:
                theta = solve(start)
            except (RuntimeError, ValueError):
                continue
            cost = float(np.sum((law(log_x, *theta) - log_y) ** 2))
            if cost < lowest:
                best, lowest = theta, cost
    return best, lowest


def scipy_fit(log_x: np.ndarray, log_y: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, float]:
    """`curve_fit` by its default, MINPACK without bounds, which takes a tenth of the time of bounded fits."""
    from scipy.optimize import curve_fit

    return _best(lambda start: curve_fit(law, log_x, log_y, p0=start, maxfev=MOST)[0], log_x, log_y, starts)


def lmfit_fit(log_x: np.ndarray, log_y: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, float]:
    """lmfit's default method, with bounds."""
    import lmfit

    low, high = box(log_x, log_y)

    def solve(start: np.ndarray) -> np.ndarray:
        parameters = lmfit.Parameters()
        for name, value, least, most in zip(NAMES, start, low, high, strict=True):
            parameters.add(name, value=value, min=least, max=most)
        found = lmfit.minimize(lambda p: law(log_x, **p.valuesdict()) - log_y, parameters, max_nfev=MOST)
        return np.array([found.params[name].value for name in NAMES])

    return _best(solve, log_x, log_y, starts)


def nlsq_fit(log_x: np.ndarray, log_y: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, float]:
    """nlsq's `curve_fit`, with bounds; it compiles anew for every call."""
    import jax
    import jax.numpy as jnp
    import nlsq

    logging.disable(logging.WARNING)  # one line per iteration

    def model(u: jax.Array, a: Any, log_b: Any, c0: Any, c1: Any, log_d: Any, log_f: Any) -> jax.Array:
        f = jnp.exp(log_f)
        return jnp.log(a + jnp.exp(log_b - c0 * u - c1 * f * jax.nn.softplus((u - log_d) / f)))

    limits = box(log_x, log_y)
    return _best(
        lambda start: np.asarray(nlsq.curve_fit(model, log_x, log_y, p0=start, bounds=limits)[0]),
        log_x,
        log_y,
        starts,
    )


PEERS: dict[str, Peer] = {"scipy": scipy_fit, "lmfit": lmfit_fit, "nlsq": nlsq_fit}


def in_processes(
    name: str, pairs: Sequence[tuple[np.ndarray, np.ndarray]], starts: int, workers: int
) -> tuple[float, np.ndarray]:
    """Seconds a curve and costs (C,) of curves (x, y) from random starts, with joblib's processes."""
    from joblib import Parallel, delayed

    fit = PEERS[name]
    jobs = []
    for index, pair in enumerate(pairs):
        log_x, log_y = normalised(*pair)
        jobs.append((log_x, log_y, random_starts(log_x, log_y, starts, index)))
    with Parallel(n_jobs=workers) as parallel:
        parallel(delayed(fit)(*jobs[0][:2], jobs[0][2][:1]) for _ in range(workers))  # start, import
        begin = time.perf_counter()
        found = parallel(delayed(fit)(*job) for job in jobs)
        seconds = time.perf_counter() - begin
    return seconds / len(jobs), np.array([cost for _, cost in found])
