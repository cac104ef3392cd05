"""Everything that a report shows of runs with several inputs, computed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl.curves.curve import Curve
from bnsl.curves.data import input_rows
from bnsl.curves.metrics import rmsle
from bnsl.evaluation.extrapolation import nothing_held_out
from bnsl.forecasting.forecast import forecast
from bnsl.forecasting.surface import SurfaceForecast
from bnsl.planning.costs import flops
from bnsl.web.analysis import AHEAD, LEVEL, Predictions, quietly

if TYPE_CHECKING:
    import pandas as pd

FACTOR = 6.0  # FLOP a parameter and token
BUDGETS = (1.0, 3.0, 10.0, 30.0, 100.0)  # times the compute of the dearest run
BELOW = 4  # budgets within the data, for the line in the figures
DRAWS = 400


@dataclass(frozen=True, eq=False)
class SurfaceAnalysis(Predictions):
    """What was found of runs with several inputs.

    Attributes:
        fitted: the runs that everything rests on.
        held_out: the runs that nothing has seen, or None.
        forecast: the average over laws.
        predict: inputs (M, k) at which the forecast is tabulated.
        options: what was asked for besides the data, for the call that made it.
    """

    fitted: Curve
    held_out: Curve | None
    forecast: SurfaceForecast
    predict: np.ndarray
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What the inputs are called."""
        return self.fitted.input_names

    @property
    def predictor(self) -> SurfaceForecast:
        """The forecast."""
        return self.forecast

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
        if self.held_out is None:
            return {}
        held = self.held_out
        return {
            member.label: rmsle(quietly(member.result.predict, held.x), held.y)[0]
            for member in self.forecast.members
        }


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
    fitted, held_out = curve.split(**rule)
    if rule and held_out is None:
        raise nothing_held_out(curve)
    given = [dict(zip(curve.input_names, row, strict=True)) for row in at.tolist()]
    return SurfaceAnalysis(
        fitted=fitted,
        held_out=held_out,
        forecast=forecast(fitted),
        predict=at if len(at) else fitted.beyond(AHEAD),
        options={**rule, **({"predict": given} if given else {})},
    )
