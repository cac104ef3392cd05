"""Runs of a known loss surface L = E + A/N^alpha + B/D^beta."""

from typing import NamedTuple

import numpy as np
import pandas as pd


class Surface(NamedTuple):
    limit: float
    a: float
    b: float
    alpha: float
    beta: float

    def loss(self, params, tokens):
        return self.limit + self.a / params**self.alpha + self.b / tokens**self.beta

    @property
    def exponent(self):
        """Of the best N against C."""
        return self.beta / (self.alpha + self.beta)

    def best_params(self, flops):
        """The minimum of the loss where 6 params tokens = flops."""
        scale = (self.alpha * self.a / (self.beta * self.b)) ** (1 / (self.alpha + self.beta))
        return scale * (np.asarray(flops) / 6) ** self.exponent

    def runs(self, budgets, spread=10.0, count=9, shift=1.0, noise=0.0, seed=0):
        """Runs at each budget, their sizes even in logs from the best over `spread` to the best times it."""
        factors = shift * np.geomspace(1 / spread, spread, count)
        flops, factor = np.meshgrid(budgets, factors, indexing="ij")
        params = self.best_params(flops) * factor
        tokens = flops / (6 * params)
        error = noise * np.random.default_rng(seed).standard_normal(params.shape)
        values = self.loss(params, tokens) * np.exp(error)
        columns = {"params": params, "tokens": tokens, "flops": flops, "loss": values}
        return pd.DataFrame({name: column.ravel() for name, column in columns.items()})


EVEN = Surface(1.8, 480.0, 2100.0, 0.35, 0.37)  # about as on real tables
LOPSIDED = Surface(1.7, 400.0, 1e4, 0.45, 0.3)  # where isoFLOP curves lean


BUDGETS = np.geomspace(1e18, 1e21, 5)
RUNS = EVEN.runs(BUDGETS, noise=0.002)


def allocation():
    """The best inputs of the surface at each budget, with made-up ends."""
    best = EVEN.best_params(BUDGETS)
    tokens = BUDGETS / 6 / best
    ends = {"params_low": best / 2, "params_high": best * 2, "tokens_low": tokens / 2, "tokens_high": tokens}
    return pd.DataFrame({"compute": BUDGETS, "params": best, "tokens": tokens, **ends})


def drawn(ax):
    """Lines with data, and that the figure can be drawn."""
    ax.figure.canvas.draw()
    return [line for line in ax.get_lines() if len(line.get_xdata())]
