"""Broken neural scaling laws: fit, extrapolate and compare scaling laws (arXiv 2210.14891)."""

from ._arrays import InputError
from .backtesting import Backtest, backtest
from .batch import fit_many, forecast_many
from .benchmark_data import Benchmark, BenchmarkCurve
from .benchmarking import BenchmarkRun, run_benchmark
from .bootstrapping import Bootstrap, bootstrap
from .comparison import Comparison, compare
from .curve import Curve
from .datasets import load_dataset
from .extrapolation import Extrapolation, extrapolate
from .fitting import fit
from .forecasting import Forecast, forecast
from .forms import BNSL, M1, M2, M3, M4, Form, Parameter, Segment, Separable, get_form
from .horizons import Horizon, Predictability, horizon, predictability
from .html_report import write_report
from .joint import joint_draws, probability_before, reach
from .plots import (
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
from .profiling import Profile, prediction_interval, profile, profile_intervals
from .readers import Curation, read_curve, read_table
from .result import ExtrapolationWarning, FitResult, FitWarning, Status
from .simulation import simulated_horizon
from .suggestion import Suggestion, suggest

__version__: str

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
    "fit_many",
    "forecast",
    "forecast_many",
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
