"""Every argument of every public function, replaced by what it cannot be: one short sentence, or it works."""

import functools
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from small_benchmark import small

import bnsl

X = np.geomspace(1e3, 1e6, 7)
Y = 2.0 + 30.0 * X**-0.4 * np.exp(0.002 * np.cos(7.0 * np.arange(7)))
FRAME = pd.DataFrame({"x": X, "y": Y})
LONG = pd.concat([FRAME.assign(run=name) for name in "ab"])
GRID = pd.DataFrame(
    [(n, t, 1.7 + 400.0 * n**-0.34 + 410.0 * t**-0.28) for n in (1e6, 1e7, 1e8) for t in (1e9, 1e10, 1e11)],
    columns=["params", "tokens", "loss"],
)
SIZES = pd.DataFrame(
    [
        (s, c, 2.0 + 0.1 * np.log(s / 30.0 / c**0.5) ** 2 + c**-0.05)
        for c in (1e6, 1e7, 1e8)
        for s in c**0.5 * np.array([3.0, 10.0, 30.0, 100.0, 300.0])
    ],
    columns=["params", "flops", "loss"],
)
STEPS = np.arange(50.0, 400.0, 50.0)
LAW = {"a": 1.0, "b": 5.0, "c0": 0.3}
WRONG = [3, None, "text", object(), pd.DataFrame({"u": [1.0, 2.0], "v": [3.0, 4.0]}), [None], {1: 2}]


@functools.cache
def law():
    return bnsl.fit(X, Y, n_breaks=0)


@functools.cache
def ahead():
    return bnsl.forecast(X, Y)


@functools.cache
def surface():
    return bnsl.fit(GRID, inputs=["params", "tokens"], y="loss", form="chinchilla")


@functools.cache
def runs():
    schedules = bnsl.schedules.cosine(1e-3, 400, 20), bnsl.schedules.wsd(1e-3, 400, 20)
    return [
        bnsl.Run(s, STEPS, 2.0 + 20.0 * np.asarray(STEPS) ** -0.5 + 80.0 * s.at(STEPS)) for s in schedules
    ]


def continued():
    schedule = bnsl.schedules.cosine(1e-3, 400, 20)
    return [
        bnsl.Run(schedule, STEPS, loss + 5.0 / STEPS, parent=runs()[0], replay=0.1, measured_on=side)
        for side, loss in (("old", 3.0), ("new", 2.5))
    ]


@functools.cache
def replay():
    return bnsl.fit_replay([0.0, 0.1, 0.2, 0.5], [3.0, 2.5, 2.3, 2.2])


CASES = {
    "BNSL": lambda: ((), {"n_breaks": 1, "rising": False}),
    "Curation": lambda: (
        (),
        {
            "where": {},
            "by": (),
            "drop_missing": False,
            "offset": None,
            "accuracy": None,
            "resolution": None,
            "warmup": None,
            "diverged": None,
            "smooth": None,
            "keep": None,
            "envelope": False,
            "points": None,
        },
    ),
    "Curve": lambda: (
        (X, Y),
        {
            "sigma": None,
            "name": "",
            "x_label": "x",
            "y_label": "y",
            "inputs": 1,
            "axes": (),
            "input_labels": (),
            "groups": None,
        }
        | {"rows": None, "within": (0.0, 9.0)},
    ),
    "HyperBNSL": lambda: ((), {"input_names": ("N", "D"), "breaks": 1}),
    "Input": lambda: (("N",), {"scale": "log", "lower": 0.0, "any_unit": True, "costs": True}),
    "Parameter": lambda: (("a",), {"log": False, "lower": 0.0, "upper": 1.0, "mixes": False}),
    "Run": lambda: (
        (runs()[0].schedule, STEPS, 3.0 - STEPS / 1e3),
        {"parent": None, "replay": 0.0, "trained_on": "", "measured_on": "", "name": "", "model": ""},
    ),
    "allocate": lambda: (
        (surface(), 1e19),
        {"cost": bnsl.flops(6), "bounds": None, "held": None, "level": 0.8, "draws": 4, "seed": 0},
    ),
    "backtest": lambda: (
        (X, Y),
        {
            "form": "m2",
            "method": None,
            "cuts": 1,
            "sigma": None,
            "accuracy": None,
            "resolution": None,
            "inputs": None,
        }
        | {"groups": None, "x": None, "y": None},
    ),
    "bootstrap": lambda: ((law(),), {"replicates": 3, "kind": "residual", "seed": 0}),
    "broken_power_law": lambda: ((X, 1.0, 5.0, 0.3, [0.2], [1e4], [0.1]), {}),
    "compare": lambda: (
        (X, Y),
        {
            "forms": ["m1"],
            "train_until": None,
            "train_count": None,
            "train_fraction": None,
            "n_breaks": None,
            "loss": "log",
        }
        | {
            "robust": None,
            "sigma": None,
            "fixed": None,
            "bounds": None,
            "accuracy": None,
            "resolution": None,
            "inputs": None,
        }
        | {"groups": None, "held_out": None, "x": None, "y": None},
    ),
    "continual": lambda: ((runs()[0], continued()), {}),
    "contours": lambda: ((surface(),), {"points": 5}),
    "critical_replay": lambda: ((replay(), replay(), (2.4, 2.4)), {"tolerance": 0.02, "among": None}),
    "effective_speedup": lambda: (
        (law(), law()),
        {
            "at": None,
            "cost": bnsl.flops(6),
            "bounds": None,
            "held": None,
            "level": 0.9,
            "draws": 4,
            "seed": 0,
        },
    ),
    "extrapolate": lambda: (
        (X, Y),
        {
            "train_count": 5,
            "train_until": None,
            "train_fraction": None,
            "sigma": None,
            "inputs": None,
            "groups": None,
        }
        | {
            "held_out": None,
            "form": "m1",
            "accuracy": None,
            "resolution": None,
            "x": None,
            "y": None,
            "n_breaks": None,
        },
    ),
    "fit": lambda: (
        (X, Y),
        {
            "inputs": None,
            "groups": None,
            "form": "m1",
            "n_breaks": None,
            "loss": "log",
            "robust": None,
            "robust_scale": None,
        }
        | {
            "sigma": None,
            "fixed": None,
            "bounds": None,
            "backend": "auto",
            "accuracy": None,
            "resolution": None,
        }
        | {"x": None, "y": None},
    ),
    "fit: table": lambda: ((FRAME,), {"x": "x", "y": "y", "form": "m1", "sigma": None, "groups": None}),
    "fit: inputs": lambda: (
        (GRID,),
        {"inputs": ["params", "tokens"], "y": "loss", "form": "chinchilla", "groups": None},
    ),
    "fit_many": lambda: (
        (LONG,),
        {
            "x": "x",
            "y": "y",
            "by": "run",
            "inputs": None,
            "groups": None,
            "form": "m1",
            "n_breaks": None,
            "loss": "log",
        }
        | {
            "sigma": None,
            "robust": None,
            "robust_scale": None,
            "fixed": None,
            "bounds": None,
            "predict_at": None,
        }
        | {"out": None, "workers": 1, "dtype": "float64", "progress": False, "backend": "auto"},
    ),
    "fit_replay": lambda: (([0.0, 0.1, 0.2, 0.5], [3.0, 2.5, 2.3, 2.2]), {"law": None}),
    "fit_runs": lambda: ((runs(),), {"law": "annealing"}),
    "flops": lambda: ((), {"factor": 6.0}),
    "forecast": lambda: (
        (X, Y),
        {
            "sigma": None,
            "robust": None,
            "accuracy": None,
            "resolution": None,
            "inputs": None,
            "groups": None,
            "scale": "log",
        }
        | {"x": None, "y": None},
    ),
    "forecast_many": lambda: (
        (LONG,),
        {
            "x": "x",
            "y": "y",
            "by": "run",
            "predict_at": [1e7],
            "sigma": None,
            "out": None,
            "workers": 1,
            "progress": False,
        },
    ),
    "frontier": lambda: (
        (surface(),),
        {"compute": 1e19, "cost": bnsl.flops(6), "bounds": None, "held": None},
    ),
    "gain": lambda: ((surface(),), {"params": 2.0, "at": None, "level": 0.8, "draws": 4, "seed": 0}),
    "get_form": lambda: (("bnsl",), {"n_breaks": 1, "rising": False, "inputs": None}),
    "horizon": lambda: ((LAW, X, 0.01), {"target": None, "stops": None, "form": None, "fixed": ()}),
    "isoflop": lambda: (
        (surface(), 1e19),
        {
            "cost": bnsl.flops(6),
            "bounds": None,
            "held": None,
            "points": 5,
            "level": 0.8,
            "draws": 4,
            "seed": 0,
        },
    ),
    "isoflop_fit": lambda: (
        (SIZES,),
        {
            "x": "params",
            "y": "loss",
            "budget": "flops",
            "tolerance": 0.05,
            "window": 8.0,
            "level": 0.9,
            "replicates": 3,
            "seed": 0,
        },
    ),
    "joint_draws": lambda: ((ahead(), [1e7]), {"size": 3, "noise": True, "seed": 0}),
    "lifetime_flops": lambda: ((1e9,), {"factor": 6.0, "inference_factor": 2.0}),
    "load_dataset": lambda: (("four_digit_addition",), {}),
    "lower_envelope": lambda: (
        (SIZES,),
        {
            "x": "params",
            "y": "loss",
            "budget": "flops",
            "groups": "params",
            "level": 0.9,
            "replicates": 3,
            "seed": 0,
        },
    ),
    "optimise_schedule": lambda: ((_runs_result(), 400), {"peak": None, "warmup": "2%"}),
    "overtraining": lambda: (
        (surface(),),
        {
            "params": 1e7,
            "compute": 1e18,
            "cost": bnsl.flops(6),
            "bounds": None,
            "held": None,
            "level": 0.8,
            "draws": 4,
            "seed": 0,
        },
    ),
    "plot_allocation": lambda: ((_plan(),), {"inputs": ("params", "tokens"), "x": "compute", "ax": None}),
    "plot_backtest": lambda: ((_backtest(),), {"ax": None}),
    "plot_benchmark": lambda: (("a result",), {}),
    "plot_calibration": lambda: ((_cases(),), {"levels": (0.5, 0.9), "ax": None}),
    "plot_comparison": lambda: ((bnsl.compare(X, Y, forms=["m1"]),), {"ax": None}),
    "plot_contours": lambda: (
        (surface().predict, GRID),
        {"inputs": ("params", "tokens"), "frontier": None, "y": "loss", "ax": None},
    ),
    "plot_decomposition": lambda: ((law(),), {"ax": None, "x_min": None, "x_max": None}),
    "plot_fit": lambda: (
        (law(),),
        {"ax": None, "log": True, "interval": 0.9, "x_max": None, "show_breaks": True},
    ),
    "plot_forecast": lambda: (
        (ahead(),),
        {"held_out": None, "ax": None, "log": True, "levels": (0.5, 0.9), "x_max": None},
    ),
    "plot_front": lambda: (("a result",), {}),
    "plot_held_out": lambda: ((Y, 0.9 * Y, 1.1 * Y, Y), {"ax": None}),
    "plot_horizon": lambda: ((bnsl.horizon(LAW, X, 0.01),), {"simulated": None, "ax": None}),
    "plot_input_residuals": lambda: (
        (np.linspace(-1.0, 1.0, 9), GRID),
        {"inputs": ("params", "tokens"), "axes": None},
    ),
    "plot_isoflop": lambda: ((bnsl.isoflop_fit(SIZES, replicates=3),), {"ax": None}),
    "plot_profile": lambda: ((_profile(),), {"ax": None, "levels": (0.5, 0.9)}),
    "plot_residuals": lambda: ((law(),), {"ax": None}),
    "plot_runs": lambda: ((_runs_result(),), {"schedules": None, "ax": None, "level": 0.9}),
    "plot_schedule": lambda: ((runs()[0].schedule,), {"ax": None, "phases": None}),
    "plot_suggestion": lambda: ((bnsl.suggest(law(), [2e6], 1e7),), {"ax": None}),
    "predictability": lambda: ((LAW,), {"x": X, "noise": 0.01, "form": None, "loss": None, "fixed": None}),
    "prediction_interval": lambda: ((law(), [1e7]), {"level": 0.9}),
    "probability_before": lambda: ((ahead(), ahead(), 2.05, 1e7), {"size": 3, "seed": 0}),
    "profile": lambda: ((law(), "b"), {"points": 5}),
    "profile_intervals": lambda: ((law(),), {"level": 0.9, "names": ["b"]}),
    "reach": lambda: ((ahead(), 2.05, 1e7), {"size": 3, "seed": 0}),
    "read_curve": lambda: (
        ("curve.csv",),
        {
            "x": "x",
            "y": "y",
            "sigma": None,
            "loss": None,
            "format": None,
            "pattern": None,
            "decimal": None,
            "curation": None,
        },
    ),
    "read_runs": lambda: (
        (pd.DataFrame({"step": STEPS, "lr": 1e-3, "loss": 3.0 - STEPS / 1e3}),),
        {"run": None, "step": "step", "lr": "lr", "loss": "loss", "where": None, "warmup": None},
    ),
    "read_table": lambda: (("curve.csv",), {"format": None, "pattern": None, "decimal": None}),
    "run_benchmark": lambda: ((small(),), {"methods": {"m1": lambda curve: law()}, "threads": 1}),
    "simulated_horizon": lambda: (
        (LAW, X, 0.01, [1e5]),
        {"target": None, "replicates": 2, "form": None, "fixed": (), "seed": 0},
    ),
    "suggest": lambda: (
        (law(), [2e6], 1e7),
        {"x": None, "cost": None, "budget": None, "count": None, "noise": None},
    ),
    "suggest: several": lambda: (
        (surface(), GRID[["params", "tokens"]], {"params": 1e9, "tokens": 1e11}),
        {"cost": None, "budget": None, "count": None, "noise": None},
    ),
    "transformer_flops": lambda: (
        (),
        {"context": 2048, "vocabulary": 50257, "aspect": 128.0, "embeddings": 0, "causal": True},
    ),
    "write_report": lambda: (
        (X, Y),
        {
            "path": "report.html",
            "sigma": None,
            "inputs": None,
            "groups": None,
            "accuracy": None,
            "resolution": None,
        }
        | {"x": None, "y": None},
    ),
    "write_runs_report": lambda: (
        (_runs_result(), "report.html"),
        {"schedules": None, "replay": (0.0,), "title": None, "level": 0.9, "command": None},
    ),
}


@functools.cache
def _runs_result():
    return bnsl.fit_runs(runs(), law="annealing")


@functools.cache
def _plan():
    return bnsl.allocate(surface(), [1e19, 1e20], draws=4)


@functools.cache
def _backtest():
    return bnsl.backtest(X, Y, form="m1", cuts=1)


@functools.cache
def _profile():
    return bnsl.profile(law(), "b", points=5)


def _cases():
    return bnsl.extrapolate(X, Y, train_count=5, form="m1")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with a file, and figures, reports and searches that take no time."""
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("curve.csv", index=False)
    monkeypatch.setattr("bnsl.plots.forecasts._forecast_x", lambda *_: np.array([1e4, 2e6]))
    monkeypatch.setattr("bnsl.forecasting.joint.STEPS", 3)
    monkeypatch.setattr("bnsl.web.page.analyse", lambda curve, *_, **__: curve)
    monkeypatch.setattr("bnsl.web.page.render", lambda *_, **__: "")
    yield
    plt.close("all")


@pytest.mark.parametrize("wrong", WRONG[1:5], ids=["None", "text", "object", "table"])
@pytest.mark.parametrize("name", ["probability_below", "log_density"])
def test_y_of_a_forecast_is_named(name, wrong):
    with pytest.raises(bnsl.InputError, match=r"^y "):
        getattr(ahead(), name)([1e7], wrong)


# Numbers and None that are right there, and take long; None as a place: the call as it is.
SLOWLY = {
    ("continual", None),
    ("plot_benchmark", None),
    ("plot_front", None),
    ("optimise_schedule", None),
    ("optimise_schedule", "peak"),
    ("optimise_schedule", "warmup"),
    ("fit_runs", "law"),
    ("frontier", "compute"),
    ("overtraining", "params"),
    ("overtraining", "compute"),
    ("overtraining", "draws"),
    ("overtraining", "seed"),
    ("run_benchmark", 0),
    ("run_benchmark", "methods"),
}


def test_every_public_function_has_a_case():
    functions = {name for name in bnsl.__all__ if inspect.isfunction(getattr(bnsl, name))}
    assert functions - {name.split(":")[0] for name in CASES} == {"list_forms"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_a_wrong_type_is_an_input_error_of_one_line(case):
    call = getattr(bnsl, case.split(":")[0])
    positional, named = CASES[case]()
    if (case, None) not in SLOWLY:
        call(*positional, **named)
    faults = []
    for place in (*range(len(positional)), *named):
        usual = positional[place] if isinstance(place, int) else named[place]
        for wrong in WRONG:
            if wrong is usual or ((case, place) in SLOWLY and isinstance(wrong, int | None)):
                continue
            these, those = list(positional), dict(named)
            (these if isinstance(place, int) else those)[place] = wrong
            try:
                call(*these, **those)
            except bnsl.InputError as error:
                if len(str(error)) >= 300 or "\n" in str(error) or " at 0x" in str(error):
                    faults.append((place, wrong, str(error)))
            except Exception as error:  # what this test is about
                faults.append((place, wrong, repr(error)))
    assert not faults
