"""Broken neural scaling laws: fit, extrapolate and compare scaling laws (arXiv 2210.14891)."""

from bnsl._arrays import InputError
from bnsl.backtesting import Backtest, backtest
from bnsl.batch import fit_many, forecast_many
from bnsl.benchmark_data import Benchmark, BenchmarkCurve
from bnsl.benchmarking import BenchmarkRun, run_benchmark
from bnsl.comparison import Comparison, compare
from bnsl.curve import Curve
from bnsl.datasets import load_dataset
from bnsl.extrapolation import Extrapolation, extrapolate
from bnsl.fitting import fit
from bnsl.forecasting import Forecast, forecast
from bnsl.forms import BNSL, M1, M2, M3, M4, Form, Parameter, Segment, Separable, get_form
from bnsl.plots import (
    plot_backtest,
    plot_benchmark,
    plot_comparison,
    plot_decomposition,
    plot_fit,
    plot_forecast,
    plot_residuals,
)
from bnsl.result import ExtrapolationWarning, FitResult, FitWarning, Status

__version__ = "0.1.0"

__all__ = [
    "BNSL",
    "M1",
    "M2",
    "M3",
    "M4",
    "Backtest",
    "Benchmark",
    "BenchmarkCurve",
    "BenchmarkRun",
    "Comparison",
    "Curve",
    "Extrapolation",
    "ExtrapolationWarning",
    "FitResult",
    "FitWarning",
    "Forecast",
    "Form",
    "InputError",
    "Parameter",
    "Segment",
    "Separable",
    "Status",
    "__version__",
    "backtest",
    "compare",
    "extrapolate",
    "fit",
    "fit_many",
    "forecast",
    "forecast_many",
    "get_form",
    "load_dataset",
    "plot_backtest",
    "plot_benchmark",
    "plot_comparison",
    "plot_decomposition",
    "plot_fit",
    "plot_forecast",
    "plot_residuals",
    "run_benchmark",
]
