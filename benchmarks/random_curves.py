"""Random curves of one break, for the programs that measure speed and agreement."""

from __future__ import annotations

import numpy as np
import pandas as pd

import bnsl


def curve(rng: np.random.Generator, points: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y (N,): one break within 1 to 6 decades, often a limit, noise of 0.1 to 5 %."""
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
    return np.exp(log_x), (limit + g) * np.exp(noise * rng.normal(size=points))


def curves(count: int, points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y (C, N) of curves of one length."""
    made = [curve(np.random.default_rng([seed, index]), points) for index in range(count)]
    return np.array([x for x, _ in made]), np.array([y for _, y in made])


def of_many_lengths(
    count: int, seed: int, least: int = 12, most: int = 90
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of x and y, of `least` to `most` points each."""
    lengths = np.random.default_rng(seed).integers(least, most + 1, count)
    return [curve(np.random.default_rng([seed, index]), int(n)) for index, n in enumerate(lengths)]


def long_form(x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Curves (C, N) as a table, one row per point."""
    return pd.DataFrame({"curve": np.repeat(np.arange(len(x)), x.shape[1]), "x": x.ravel(), "y": y.ravel()})


def table_of(pairs: list[tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """Curves of any lengths as a table, one row per point."""
    number = np.repeat(np.arange(len(pairs)), [len(x) for x, _ in pairs])
    x, y = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return pd.DataFrame({"curve": number, "x": x, "y": y})


def many_noisy(count: int, points: int, seed: int) -> pd.DataFrame:
    """A table of very many curves: of a thousand laws, with new noise of 1 % so that no two are the same."""
    few = min(count, 1000)
    x, y = curves(few, points, seed)
    copies = np.resize(np.arange(few), count)
    noise = np.exp(0.01 * np.random.default_rng(seed).normal(size=(count, points)))
    return long_form(x[copies], y[copies] * noise)
