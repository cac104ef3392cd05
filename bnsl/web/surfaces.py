"""Everything that a report shows of runs with several inputs, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl.curves.curve import Curve
from bnsl.curves.data import input_rows
from bnsl.curves.metrics import rmsle
from bnsl.forecasting.forecast import forecast
from bnsl.forecasting.surface import SurfaceForecast
from bnsl.planning.costs import flops
from bnsl.web.analysis import AHEAD, LEVEL, Found, parted, quietly

if TYPE_CHECKING:
    import pandas as pd

FACTOR = 6.0  # FLOP a parameter and token
BUDGETS = (1.0, 3.0, 10.0, 30.0, 100.0)  # times the compute of the dearest run
BELOW = 4  # budgets within the data, for the line in the figures
DRAWS = 400


@dataclass(frozen=True, eq=False, kw_only=True)
class SurfaceAnalysis(Found):
    """What was found of runs with several inputs."""

    forecast: SurfaceForecast

    @cached_property
    def residuals(self) -> np.ndarray:
        """log of measured over predicted, of the fitted runs (N,)."""
        return np.log(self.fitted.y / quietly(self.forecast.predict, self.fitted.x))

    @cached_property
    def allocation(self) -> pd.DataFrame | None:
        """The best inputs for budgets within the data and beyond, as `allocate` gives them; of two inputs."""
        if len(self.names) != 2:
            return None
        costs = FACTOR * self.fitted.effort
        within = np.geomspace(costs.min(), costs.max(), BELOW + 1)[:-1]
        budgets = np.concatenate([within, costs.max() * np.array(BUDGETS)])
        options: dict[str, Any] = {"level": LEVEL, "draws": DRAWS}
        return quietly(self.forecast.allocate, budgets, flops(FACTOR), **options)

    @cached_property
    def errors(self) -> dict[str, float]:
        """The error of every averaged law on the held-out runs, by its label; none without such runs."""
        held, members = self.held_out, self.forecast.members
        if held is None:
            return {}
        return {one.label: rmsle(quietly(one.result.predict, held.x), held.y)[0] for one in members}


def analyse_surface(curve: Curve, rule: dict[str, Any], predict: Any = ()) -> SurfaceAnalysis:
    """Forecast runs of several inputs.

    Args:
        curve: the runs.
        rule: the hold-out rule, as arguments of `Curve.split`.
        predict: where the forecast is tabulated: a table, or a list with a mapping or a row of inputs for
            each; by default the run of most compute, grown.

    Raises:
        InputError: bad input, as for `bnsl.forecast`.
    """
    at = input_rows(predict, curve.input_names, curve.axes, "predict")
    fitted, held_out = parted(curve, rule)
    given = [dict(zip(curve.input_names, row, strict=True)) for row in at.tolist()]
    return SurfaceAnalysis(
        fitted=fitted,
        held_out=held_out,
        forecast=forecast(fitted),
        predict=at if len(at) else fitted.beyond(AHEAD),
        options={**rule, **({"predict": given} if given else {})},
    )
