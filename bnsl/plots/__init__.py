"""Results to figures. Nothing is fitted here: the laws, intervals and segments come from the results.

Every function draws into one Axes, makes one if none is given, changes no global setting, and returns the
Axes, so that titles, limits and legends stay in the caller's hands.
"""

from bnsl.plots._drawing import FITTED, HELD_OUT, LAW, SIZE
from bnsl.plots.comparisons import benchmark_size, plot_backtest, plot_benchmark, plot_comparison
from bnsl.plots.forecasts import AHEAD, plot_forecast
from bnsl.plots.laws import plot_decomposition, plot_fit, plot_residuals
from bnsl.plots.uncertainty import plot_horizon, plot_profile, plot_suggestion

__all__ = [
    "AHEAD",
    "FITTED",
    "HELD_OUT",
    "LAW",
    "SIZE",
    "benchmark_size",
    "plot_backtest",
    "plot_benchmark",
    "plot_comparison",
    "plot_decomposition",
    "plot_fit",
    "plot_forecast",
    "plot_horizon",
    "plot_profile",
    "plot_residuals",
    "plot_suggestion",
]
