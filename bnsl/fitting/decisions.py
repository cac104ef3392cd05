"""Where to put the compute: `bnsl.planning` as methods of fits and forecasts of several inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Decisions:
    """The functions of `bnsl.planning` that take a law of several inputs, as methods of such a law."""

    def plot(self: Any, **options: Any) -> Axes:
        """Contours with the runs: `bnsl.plot_forecast`, which has the options."""
        from bnsl import plot_forecast

        return plot_forecast(self, **options)

    def allocate(self: Any, compute: ArrayLike, *args: Any, **options: Any) -> pd.DataFrame:
        """The inputs of lowest loss for every budget, with intervals: `bnsl.allocate`."""
        from bnsl import allocate

        return allocate(self, compute, *args, **options)

    def frontier(self: Any, *args: Any, **options: Any) -> pd.DataFrame:
        """The compute-optimal line: `bnsl.frontier`."""
        from bnsl import frontier

        return frontier(self, *args, **options)

    def isoflop(self: Any, compute: ArrayLike, *args: Any, **options: Any) -> pd.DataFrame:
        """Loss against size at each budget: `bnsl.isoflop`."""
        from bnsl import isoflop

        return isoflop(self, compute, *args, **options)

    def contours(self: Any, **options: Any) -> pd.DataFrame:
        """Predicted y over a grid of two inputs: `bnsl.contours`."""
        from bnsl import contours

        return contours(self, **options)

    def gain(self: Any, factors: Mapping[str, ArrayLike] | None = None, /, **options: Any) -> pd.DataFrame:
        """What more of an input would give, such as `gain(tokens=10)`: `bnsl.gain`."""
        from bnsl import gain

        return gain(self, factors, **options)

    def overtraining(self: Any, *args: Any, **options: Any) -> pd.DataFrame:
        """What departing from the optimum costs, `(params=8e9, compute=1e23)`: `bnsl.overtraining`."""
        from bnsl import overtraining

        return overtraining(self, *args, **options)
