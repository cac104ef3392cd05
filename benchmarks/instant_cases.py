"""What `instant.py` measures, each in a process of its own: prints what it finds as JSON.

    python benchmarks/instant_cases.py CASE [WORD ...] [--quick] [--seed 20261127]

Modules are imported before a clock starts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import bnsl

BACKENDS = ("numpy", "jax")
STARTS = 28  # of a fit with one break (`bnsl.solver.effort`), and so of the peers
WORKERS = 2
SEED = 20_261_127
LAW = {"a": 0.2, "b": 2.0, "c0": 0.15, "c1": 0.4, "d1": 200.0, "f1": 0.4}  # whose bootstrap is timed

Found = dict[str, Any]


class Sizes(NamedTuple):
    """How much is done."""

    again: int = 20  # later calls
    crowd: int = 1000  # curves of one length
    ragged: int = 2000  # curves of many lengths
    chosen: int = 120  # curves whose number of breaks is chosen
    checked: int = 1000  # curves on which `fit_many` is held against `fit`
    peers: int = 20  # curves that the peers fit
    refits: int = 200  # replicates that they fit
    replicates: int = 1000


QUICK = Sizes(2, 60, 60, 6, 20, 2, 10, 100)  # to see that all runs


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one call, and its answer."""
    begin = time.perf_counter()
    answer = work()
    return time.perf_counter() - begin, answer


def calls(work: Callable[[], Any], again: int) -> Found:
    """Seconds of the first call and the median of later ones; whether JAX was imported."""
    first, _ = clock(work)
    later = float(np.median([clock(work)[0] for _ in range(again)]))
    return {"first": first, "again": later, "jax": "jax" in sys.modules}


def known(name: str) -> tuple[Any, int]:
    """A curve that comes with the package, and how many of its points are fitted."""
    return bnsl.load_dataset(name), {"four_digit_addition": 14, "noiseless_simulation": 405}[name]


def one_break(sizes: Sizes, seed: int, name: str) -> Found:
    """`fit` with one break, and its errors."""
    from bnsl.curves.metrics import rmsle

    curve, n = known(name)
    x, y, fit = curve.x[:n], curve.y[:n], bnsl.fit
    found = calls(lambda: fit(x, y, n_breaks=1), sizes.again)
    result = fit(x, y, n_breaks=1)
    beyond = rmsle(result.form.evaluate(result.theta, curve.x[n:]), curve.y[n:])[0]
    return found | {"fitted": result.rmsle, "beyond": beyond}


def peer_one_break(sizes: Sizes, seed: int, name: str, who: str) -> Found:
    """The same by a peer."""
    import paper_procedure
    import peers
    import scipy.optimize  # noqa: F401

    from bnsl.curves.metrics import rmsle

    curve, n = known(name)
    x, y = curve.x[:n], curve.y[:n]
    if who == "paper":
        with np.errstate(all="ignore"):
            seconds, theta = clock(lambda: paper_procedure.paper_fit(name, x, y, WORKERS))
        fitted, there = (paper_procedure.one_break(at, *theta) for at in (x, curve.x[n:]))
    else:
        log_x, log_y = peers.normalised(x, y)
        starts = peers.random_starts(log_x, log_y, STARTS, seed)
        if who == "lmfit":
            import lmfit  # noqa: F401
        seconds, (theta, _) = clock(lambda: peers.PEERS[who](log_x, log_y, starts))
        at = np.log(curve.x) - np.log(x[-1])
        whole = np.exp(peers.law(at, *theta) + np.log(y).mean())
        fitted, there = whole[:n], whole[n:]
    return {"first": seconds, "fitted": rmsle(fitted, y)[0], "beyond": rmsle(there, curve.y[n:])[0]}


def whole_fit(sizes: Sizes, seed: int) -> Found:
    """`fit`, the number of breaks chosen."""
    curve, n = known("four_digit_addition")
    fit = bnsl.fit
    return calls(lambda: fit(curve.x[:n], curve.y[:n]), sizes.again)


def forecast(sizes: Sizes, seed: int) -> Found:
    """`forecast`, and 100 predictions."""
    curve, n = known("four_digit_addition")
    make, x = bnsl.forecast, np.geomspace(1.0, 10.0, 100) * curve.x[n - 1]
    return calls(lambda: make(curve.x[:n], curve.y[:n]).predict(x), sizes.again)


def compare(sizes: Sizes, seed: int) -> Found:
    """`compare` of five forms, with errors on the points held out."""
    curve, n = known("four_digit_addition")
    make, last = bnsl.compare, float(curve.x[n - 1])
    forms = ["m1", "m2", "m3", "m4", "bnsl"]
    return calls(lambda: make(curve.x, curve.y, forms=forms, train_until=last).table, sizes.again)


def bootstrap_curve() -> tuple[np.ndarray, np.ndarray]:
    """60 points with 3 % of noise."""
    x = np.geomspace(1.0, 1e4, 60)
    noise = 0.03 * np.random.default_rng(0).standard_normal(60)
    return x, bnsl.BNSL(1).evaluate(LAW, x) * np.exp(noise)


def bootstrap(sizes: Sizes, seed: int) -> Found:
    """Refits to replicates, the fit itself not counted."""
    result, draw = bnsl.fit(*bootstrap_curve(), n_breaks=1), bnsl.bootstrap
    return calls(lambda: draw(result, sizes.replicates), max(sizes.again // 4, 1))


def peer_bootstrap(sizes: Sizes, seed: int, who: str) -> Found:
    """Some refits of a peer from its solution, as seconds of all."""
    import peers

    rng = np.random.default_rng(seed)
    log_x, log_y = peers.normalised(*bootstrap_curve())
    fit = peers.PEERS[who]
    theta, _ = fit(log_x, log_y, peers.random_starts(log_x, log_y, STARTS, seed))
    law = peers.law(log_x, *theta)
    drawn = [law + rng.choice(log_y - law, len(law)) for _ in range(sizes.refits)]
    seconds, _ = clock(lambda: [fit(log_x, row, theta[None]) for row in drawn])
    return {"first": seconds * sizes.replicates / sizes.refits}


def random_pairs(kind: str, count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random curves of one break: of 64 points ("crowd") or of 12 to 90 ("ragged")."""
    import random_curves

    if kind == "ragged":
        return random_curves.of_many_lengths(count, seed)
    return list(zip(*random_curves.curves(count, 64, seed), strict=True))


def many(sizes: Sizes, seed: int, kind: str, backend: str) -> Found:
    """Curves a second of `fit_many` with two workers, after a first call."""
    import random_curves

    count = getattr(sizes, kind)
    options = {"n_breaks": 1, "workers": WORKERS, "backend": backend, "progress": False}
    table = random_curves.table_of(random_pairs(kind, count, seed))
    found = calls(lambda: bnsl.fit_many(table, "x", "y", "curve", **options), 3)
    bad = bnsl.fit_many(table, "x", "y", "curve", **options)["status"].isin(["error", "failed"]).sum()
    return found | {"rate": count / found["again"], "faults": f", {bad} FAILED" if bad else ""}


def peer_many(sizes: Sizes, seed: int, kind: str, who: str) -> Found:
    """Curves a second of a peer, of the first few of the same curves."""
    import peers

    pairs = random_pairs(kind, sizes.peers, seed)
    return {"rate": 1.0 / peers.in_processes(who, pairs, STARTS, WORKERS)[0]}


def chosen(sizes: Sizes, seed: int) -> Found:
    """Curves of 12 to 90 points, the number of breaks chosen: `fit` in a loop, and `fit_many`."""
    import random_curves

    fit, pairs = bnsl.fit, random_pairs("ragged", sizes.chosen, seed)
    loop, _ = clock(lambda: [fit(x, y) for x, y in pairs])
    table, jax = random_curves.table_of(pairs), "jax" in sys.modules
    options = {"workers": WORKERS, "progress": False}
    found = calls(lambda: bnsl.fit_many(table, "x", "y", "curve", **options), 1)
    times = {"at first": loop / found["first"], "times": loop / found["again"]}
    return {"rate": len(pairs) / loop, "jax": jax, **times}


def agreement(sizes: Sizes, seed: int) -> Found:
    """Costs of `fit_many` over those of `fit`, of curves of 64 points and of many lengths."""
    import random_curves

    ratios: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
    names = []
    for kind in ("crowd", "ragged"):
        pairs = random_pairs(kind, sizes.checked // 2, seed + 1)
        names += [f"{kind} {index}" for index in range(len(pairs))]
        alone = np.array([bnsl.fit(x, y, n_breaks=1).rmsle for x, y in pairs])
        table = random_curves.table_of(pairs)
        for backend in BACKENDS:
            rows = bnsl.fit_many(table, "x", "y", "curve", n_breaks=1, backend=backend, progress=False)
            ratios[backend] += ((rows["rmsle"].to_numpy() / alone) ** 2).tolist()
    return {"ratios": ratios, "names": names}


CASES: dict[str, Callable[..., Found]] = {
    case.__name__: case
    for case in (
        one_break, peer_one_break, whole_fit, forecast, compare, bootstrap, peer_bootstrap,
        many, peer_many, chosen, agreement,
    )
}  # fmt: skip


def main() -> None:
    """Print what a case finds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=CASES)
    parser.add_argument("words", nargs="*", metavar="WORD", help="which curve, kind, backend or peer")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else Sizes()
    print(json.dumps(CASES[arguments.case](sizes, arguments.seed, *arguments.words)))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
