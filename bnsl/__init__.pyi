"""Broken neural scaling laws: fit, extrapolate and compare scaling laws (arXiv 2210.14891)."""

from . import schedules
from ._base.checks import InputError
from ._base.display import ExtrapolationWarning, FitWarning
from .curves.benchmark import Benchmark, BenchmarkCurve
from .curves.curve import Curve
from .curves.datasets import load_dataset
from .evaluation.backtest import Backtest, backtest
from .evaluation.benchmark import BenchmarkRun, run_benchmark
from .evaluation.comparison import Comparison, compare
from .evaluation.extrapolation import Extrapolation, extrapolate
from .fitting.fit import fit
from .fitting.result import FitResult, Status
from .forecasting.forecast import Forecast, forecast
from .forecasting.joint import joint_draws, probability_before, reach
from .forecasting.surface import SurfaceForecast
from .forms.baselines import M1, M2, M3
from .forms.broken import BNSL, Segment
from .forms.form import Form, Parameter, Separable
from .forms.hyperbreaks import HyperBNSL
from .forms.inputs import Input
from .forms.power_law import broken_power_law
from .forms.registry import get_form, list_forms
from .forms.sigmoid import M4
from .many.batch import fit_many, forecast_many
from .planning.allocation import allocate, frontier, isoflop
from .planning.costs import flops, lifetime_flops, transformer_flops
from .planning.decisions import contours, gain, overtraining
from .planning.envelope import LowerEnvelope, lower_envelope
from .planning.horizon import Horizon, horizon, simulated_horizon
from .planning.isoflop import IsoflopFit, isoflop_fit
from .planning.predictability import Predictability, predictability
from .planning.speedup import effective_speedup
from .planning.suggested import RunSuggestion, Suggestion
from .planning.suggestion import suggest
from .plots.budgets import plot_allocation, plot_isoflop, plot_suggestion
from .plots.comparisons import plot_backtest, plot_benchmark, plot_comparison
from .plots.forecasts import plot_fit, plot_forecast
from .plots.laws import plot_decomposition, plot_residuals
from .plots.runs import plot_front, plot_runs, plot_schedule
from .plots.surfaces import plot_contours, plot_held_out, plot_input_residuals
from .plots.uncertainty import plot_calibration, plot_horizon, plot_profile
from .readers.curation import Curation
from .readers.formats import read_table
from .readers.reading import read_curve
from .runs.continual import ContinualResult
from .runs.continual_fit import continual
from .runs.fit import fit_runs
from .runs.optimise import optimise_schedule
from .runs.reading import read_runs
from .runs.replay import ReplayResult, critical_replay, fit_replay
from .runs.result import RunsResult
from .runs.run import Run
from .uncertainty.bootstrap import Bootstrap, bootstrap
from .uncertainty.profile import Profile, prediction_interval, profile, profile_intervals
from .web.page import write_report
from .web.runs import write_runs_report

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
    "ContinualResult",
    "Curation",
    "Curve",
    "Extrapolation",
    "ExtrapolationWarning",
    "FitResult",
    "FitWarning",
    "Forecast",
    "Form",
    "Horizon",
    "HyperBNSL",
    "Input",
    "InputError",
    "IsoflopFit",
    "LowerEnvelope",
    "Parameter",
    "Predictability",
    "Profile",
    "ReplayResult",
    "Run",
    "RunSuggestion",
    "RunsResult",
    "Segment",
    "Separable",
    "Status",
    "Suggestion",
    "SurfaceForecast",
    "__version__",
    "allocate",
    "backtest",
    "bootstrap",
    "broken_power_law",
    "compare",
    "continual",
    "contours",
    "critical_replay",
    "effective_speedup",
    "extrapolate",
    "fit",
    "fit_many",
    "fit_replay",
    "fit_runs",
    "flops",
    "forecast",
    "forecast_many",
    "frontier",
    "gain",
    "get_form",
    "horizon",
    "isoflop",
    "isoflop_fit",
    "joint_draws",
    "lifetime_flops",
    "list_forms",
    "load_dataset",
    "lower_envelope",
    "optimise_schedule",
    "overtraining",
    "plot_allocation",
    "plot_backtest",
    "plot_benchmark",
    "plot_calibration",
    "plot_comparison",
    "plot_contours",
    "plot_decomposition",
    "plot_fit",
    "plot_forecast",
    "plot_front",
    "plot_held_out",
    "plot_horizon",
    "plot_input_residuals",
    "plot_isoflop",
    "plot_profile",
    "plot_residuals",
    "plot_runs",
    "plot_schedule",
    "plot_suggestion",
    "predictability",
    "prediction_interval",
    "probability_before",
    "profile",
    "profile_intervals",
    "reach",
    "read_curve",
    "read_runs",
    "read_table",
    "run_benchmark",
    "schedules",
    "simulated_horizon",
    "suggest",
    "transformer_flops",
    "write_report",
    "write_runs_report",
]
