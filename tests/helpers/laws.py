"""One law of every kind of registered form, in the paper's parameters."""

import numpy as np

import bnsl

_ONE = {"a": 0.2, "b": 3.0, "c0": 0.1, "c1": 0.8, "d1": 5.0, "f1": 0.3}
_RISING = {"a": 0.95, "b": -0.2, "c0": 0.1, "c1": 0.3, "d1": 5.0, "f1": 0.3}

CASES = {
    "bnsl0": (bnsl.BNSL(0), {"a": 0.2, "b": 3.0, "c0": 0.4}),
    "bnsl1": (bnsl.BNSL(1), _ONE),
    "bnsl2": (bnsl.BNSL(2), {**_ONE, "c2": -0.5, "d2": 300.0, "f2": 0.1}),
    "bnsl3": (
        bnsl.BNSL(3),
        {"a": 0.2, "b": 3.0, "c0": -0.1, "c1": 0.8, "d1": 0.5, "f1": 0.3}
        | {"c2": -0.5, "d2": 30.0, "f2": 1.5, "c3": 1.2, "d3": 900.0, "f3": 0.05},
    ),
    "bnsl0-rising": (bnsl.BNSL(0, rising=True), {"a": 0.95, "b": -0.2, "c0": 0.1}),
    "bnsl1-rising": (bnsl.BNSL(1, rising=True), _RISING),
    "bnsl2-rising": (bnsl.BNSL(2, rising=True), {**_RISING, "c2": 0.2, "d2": 300.0, "f2": 0.1}),
    "bnsl3-rising": (
        bnsl.BNSL(3, rising=True),
        {"a": 0.95, "b": -0.2, "c0": 0.1, "c1": 0.3, "d1": 0.5, "f1": 0.3}
        | {"c2": -0.2, "d2": 30.0, "f2": 1.5, "c3": 0.4, "d3": 900.0, "f3": 0.05},
    ),
    "m1": (bnsl.M1(), {"b": 3.0, "c": 0.3}),
    "m2": (bnsl.M2(), {"b": 3.0, "c": 0.3, "e": 0.1}),
    "m3": (bnsl.M3(), {"b": 3.0, "c": 0.3, "g": 2e-3, "e": 0.1}),
    "m4": (bnsl.M4(), {"b": 3.0, "c": 0.5, "e": 0.1, "e0": 2.0, "alpha": 0.6}),
}


def random_params(form, rng, x):
    """Parameters of a law whose values at x are positive."""
    limit = rng.uniform(0, 0.5) * (rng.random() < 0.7)
    scale, slope = np.exp(rng.normal()), rng.uniform(0.05, 0.6)
    middle = np.exp(rng.uniform(*np.log(x[[0, -1]])))
    if form.name == "m1":
        return {"b": scale, "c": slope}
    if form.name == "m2":
        return {"b": scale, "c": slope, "e": limit}
    if form.name == "m3":
        return {"b": scale, "c": slope, "g": 1 / middle, "e": limit}
    if form.name == "m4":
        return {"b": scale, "c": slope, "e": limit, "e0": limit + scale, "alpha": rng.uniform(0.1, 3)}
    params = {"a": limit, "b": scale, "c0": slope}
    if form.rising:  # g falls from a share of a
        params |= {"a": limit + scale, "b": -rng.uniform(0.3, 0.9) * scale}
    for i in range(1, form.n_breaks + 1):
        change = rng.normal(0, 0.5)
        params[f"c{i}"] = abs(change) if form.rising else change
        params[f"d{i}"] = np.exp(rng.uniform(*np.log(x[[0, -1]])))
        params[f"f{i}"] = np.exp(rng.uniform(-4, 0.5))
    return params


def random_curves(form, seed, count=200, points=24):
    """theta (B, p), log x (B, N) that ends at 0, log-normal noise (B, N), weights (B, N), some of them 0."""
    rng = np.random.default_rng(seed)
    x = np.sort(np.exp(rng.uniform(0, rng.uniform(3, 14, (count, 1)), (count, points))))
    theta = np.array([form.from_params(random_params(form, rng, row)) for row in x])
    noise = np.exp(0.02 * rng.standard_normal(x.shape))
    weight = np.where(np.arange(points) < rng.integers(8, points + 1, (count, 1)), 1.0, 0.0)
    end = np.log(x[:, -1])
    return form.rescale(theta, -end, 0.0), np.log(x) - end[:, None], noise, weight
