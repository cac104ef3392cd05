"""A benchmark of four curves, and a method that costs nothing."""

import numpy as np
import pandas as pd

import bnsl
from bnsl.curves.benchmark import COLUMNS, benchmark_from_table


def rows(domain, task, model, law, count=12, fitted=8):
    x = 2.0 ** np.arange(count)
    marks = (np.arange(count) < fitted).astype(int)
    names = [[name] * count for name in (domain, task, model)]
    return pd.DataFrame(dict(zip(COLUMNS, [*names, x, law(x), marks], strict=True)))


def published(benchmark, *errors):
    index = pd.MultiIndex.from_tuples([curve.key for curve in benchmark], names=["domain", "task", "model"])
    return pd.DataFrame({f"m{i + 1}": values for i, values in enumerate(errors)}, index=index)


def small(with_published=True):
    """Four curves that a constant, a power law or a power law with a limit describes."""
    table = pd.concat(
        [
            rows("NMT", "t", "a", lambda x: 0.7 + 0 * x),
            rows("IC", "t", "a", lambda x: 2.0 * x**-0.2),
            rows("IC", "t|u", "b", lambda x: 0.5 + x**-0.5),
            rows("BB", "t", "a", lambda x: 0.9 * x**-0.1, count=10, fitted=9),
        ]
    )
    curves = benchmark_from_table(table)
    if not with_published:
        return curves
    return bnsl.Benchmark(curves.curves, published(curves, [0.1] * 4, [1e-9, 0.2, 0.3, 0.4]))


class Constant:
    """Predicts `factor` times the last value that it was given."""

    def __init__(self, curve, factor=1.0):
        self.curve, self.factor = curve, factor

    def predict(self, x):
        return np.full(len(x), self.factor * self.curve.y[-1])
