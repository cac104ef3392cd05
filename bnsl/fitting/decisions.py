"""Where to put the compute: `bnsl.planning` as methods of fits and forecasts of several inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

import bnsl
from bnsl._base.lazy import pd
from bnsl._base.shown import Plotted


class Decisions(Plotted, figure="plot_forecast"):
    """The functions of `bnsl.planning` that take a law of several inputs, as methods of such a law."""

    def allocate(self: Any, compute: ArrayLike, *args: Any, **options: Any) -> pd.DataFrame:
        """The inputs of lowest loss for every budget, with intervals: `bnsl.allocate`."""
        return bnsl.allocate(self, compute, *args, **options)

    def frontier(self: Any, *args: Any, **options: Any) -> pd.DataFrame:
        """The compute-optimal line: `bnsl.frontier`."""
        return bnsl.frontier(self, *args, **options)

    def isoflop(self: Any, compute: ArrayLike, *args: Any, **options: Any) -> pd.DataFrame:
        """Loss against size at each budget: `bnsl.isoflop`."""
        return bnsl.isoflop(self, compute, *args, **options)

    def contours(self: Any, **options: Any) -> pd.DataFrame:
        """Predicted y over a grid of two inputs: `bnsl.contours`."""
        return bnsl.contours(self, **options)

    def gain(self: Any, factors: Mapping[str, ArrayLike] | None = None, /, **options: Any) -> pd.DataFrame:
        """What more of an input would give, such as `gain(tokens=10)`: `bnsl.gain`."""
        return bnsl.gain(self, factors, **options)

    def overtraining(self: Any, *args: Any, **options: Any) -> pd.DataFrame:
        """What departing from the optimum costs, `(params=8e9, compute=1e23)`: `bnsl.overtraining`."""
        return bnsl.overtraining(self, *args, **options)
