"""Curves that several test files use."""

import numpy as np

import bnsl

ADDITION = bnsl.load_dataset("four_digit_addition")
LAW = {"a": 0.3, "b": 2.0, "c0": 0.1, "c1": 0.6, "d1": 1e3, "f1": 0.3}


def noisy(seed=0, count=30, noise=0.01, law=LAW, low=1.0, high=1e6):
    """x, y of a one-break law with normal noise in log y."""
    x = np.geomspace(low, high, count)
    rng = np.random.default_rng(seed)
    return x, bnsl.BNSL(1).evaluate(law, x) * np.exp(noise * rng.standard_normal(count))
