"""Broken neural scaling laws: fit, extrapolate and compare scaling laws (arXiv 2210.14891)."""

from bnsl._arrays import InputError
from bnsl.backtesting import Backtest, backtest
from bnsl.benchmark_data import Benchmark, BenchmarkCurve
from bnsl.benchmarking import BenchmarkRun, run_benchmark
from bnsl.bootstrapping import Bootstrap, bootstrap
from bnsl.comparison import Comparison, compare
from bnsl.curve import Curve
from bnsl.datasets import load_dataset
from bnsl.extrapolation import Extrapolation, extrapolate
from bnsl.fitting import fit
from bnsl.forecasting import Forecast, forecast
from bnsl.forms import BNSL, M1, M2, M3, M4, Form, Parameter, Segment, Separable, get_form
from bnsl.html_report import write_report
from bnsl.joint import joint_draws, probability_before, reach
from bnsl.plots import (
    plot_backtest,
    plot_benchmark,
    plot_comparison,
    plot_decomposition,
    plot_fit,
    plot_forecast,
    plot_horizon,
    plot_profile,
    plot_residuals,
    plot_suggestion,
)
from bnsl.predictability import Horizon, Predictability, horizon, predictability
from bnsl.profiling import Profile, prediction_interval, profile, profile_intervals
from bnsl.readers import Curation, read_curve, read_table
from bnsl.result import ExtrapolationWarning, FitResult, FitWarning, Status
from bnsl.simulation import simulated_horizon
from bnsl.suggestion import Suggestion, suggest

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
    "Bootstrap",
    "Comparison",
    "Curation",
    "Curve",
    "Extrapolation",
    "ExtrapolationWarning",
    "FitResult",
    "FitWarning",
    "Forecast",
    "Form",
    "Horizon",
    "InputError",
    "Parameter",
    "Predictability",
    "Profile",
    "Segment",
    "Separable",
    "Status",
    "Suggestion",
    "__version__",
    "backtest",
    "bootstrap",
    "compare",
    "extrapolate",
    "fit",
    "forecast",
    "get_form",
    "horizon",
    "joint_draws",
    "load_dataset",
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
    "predictability",
    "prediction_interval",
    "probability_before",
    "profile",
    "profile_intervals",
    "reach",
    "read_curve",
    "read_table",
    "run_benchmark",
    "simulated_horizon",
    "suggest",
    "write_report",
]
