"""Runs of a Chinchilla law with noise, a fit of them, and the closed form of its optimum."""

import numpy as np
import pandas as pd

import bnsl


def runs(law: dict[str, float], noise: float = 0.004, seed: int = 0) -> pd.DataFrame:
    """Eight sizes on seven amounts of data, of a Chinchilla law with noise."""
    rng = np.random.default_rng(seed)
    n, d = (m.ravel() for m in np.meshgrid(np.geomspace(3e7, 3e9, 8), np.geomspace(5e8, 2e11, 7)))
    loss = law["E"] + law["A"] / n ** law["alpha"] + law["B"] / d ** law["beta"]
    return pd.DataFrame(
        {"params": n, "tokens": d, "loss": loss * np.exp(noise * rng.standard_normal(n.size))}
    )


def fitted(frame: pd.DataFrame, form: str = "chinchilla", **options: object) -> bnsl.FitResult:
    """A fit by params and tokens."""
    return bnsl.fit(frame, inputs=["params", "tokens"], y="loss", form=form, **options)


LAW = {"E": 1.62, "A": 320.0, "B": 610.0, "alpha": 0.331, "beta": 0.302}
CHINCHILLA = fitted(runs(LAW))


def best_params(theta: np.ndarray, compute: float, factor: float = 6.0) -> np.ndarray:
    """N* = G (C/6)^(beta / (alpha + beta)), Hoffmann et al. (2022), equation 4; of coordinates (..., 5)."""
    _, log_a, log_b, alpha, beta = np.moveaxis(theta, -1, 0)
    log_g = (np.log(alpha / beta) + log_a - log_b) / (alpha + beta)
    return np.exp(log_g + beta / (alpha + beta) * np.log(compute / factor))
