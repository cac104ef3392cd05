"""The data sets by name: those that come with the package, and those that are fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, overload

import numpy as np

from bnsl._base.checks import check_choice
from bnsl._base.lazy import pd
from bnsl.curves.benchmark import DESCRIPTION, Benchmark, BenchmarkCurve, load_benchmark
from bnsl.curves.curve import Curve
from bnsl.curves.surfaces import load_chinchilla, read_table
from bnsl.forms.broken import BNSL

# The fit of the 4-digit-addition curve in the released script of arXiv 2210.14891.
NOISELESS_LAW = {
    "a": 0.41388453071629455,
    "b": 2.2772722897737556,
    "c0": 0.055077348404973955,
    "c1": 5.662903816010331,
    "d1": 612.5836172918001,
    "f1": 0.059193036393742314,
}

_LABELS = {
    "four_digit_addition": ("training set size (examples)", "test cross-entropy"),
    "double_descent": ("random features", "test error"),
    "digits_learning_curve": ("training set size (images)", "test error"),
    "noiseless_simulation": ("x", "y"),
}
DESCRIPTIONS = {
    "four_digit_addition": "transformer on 4-digit addition, a sharp break (arXiv 2210.14891)",
    "double_descent": "least squares on random features of digits, through the interpolation peak",
    "digits_learning_curve": "nearest neighbour on digits, error against training-set size",
    "noiseless_simulation": "the law fitted to four_digit_addition at x = 1 ... 4095, without noise",
}


BENCHMARK = "benchmark"
VALIDATION = "validation"
COLLECTIONS = {
    BENCHMARK: DESCRIPTION,
    VALIDATION: "45 curves measured by this project, each split at 1/2 and at 1/4 of its x: 90 tasks",
}
CONTINUAL = "continual_pretraining"
LOSS_SURFACE = "loss_surface"
CHINCHILLA = "chinchilla"
TABLES = {  # which no curve can be read from without more words
    LOSS_SURFACE: "small language models: parameters, tokens, epochs, loss; measured by this project",
    CHINCHILLA: "245 runs behind Chinchilla's law (arXiv 2203.15556); not bundled, fetched on first use",
    CONTINUAL: "60 runs of continual pre-training: step, rate, both losses; measured by this project",
}
CATALOGUE = {**DESCRIPTIONS, **COLLECTIONS, **TABLES}
# Splits of a validation curve: the points up to so large a share of the last x are fitted.
SPLITS = {"half": 1 / 2, "quarter": 1 / 4}
FEWEST_FITTED = 5

_CurveName = Literal["four_digit_addition", "double_descent", "digits_learning_curve", "noiseless_simulation"]


@overload
def load_dataset(name: Literal["benchmark", "validation"]) -> Benchmark: ...


@overload
def load_dataset(name: _CurveName) -> Curve: ...


@overload
def load_dataset(name: Literal["loss_surface", "chinchilla", "continual_pretraining"]) -> pd.DataFrame: ...


@overload
def load_dataset(name: str) -> Curve | Benchmark | pd.DataFrame: ...


def load_dataset(name: str) -> Curve | Benchmark | pd.DataFrame:
    """A data set by name; `bnsl datasets` lists them.

    It is a Curve, a collection of them as a Benchmark, or a DataFrame where runs have several inputs.

    Args:
        name: "four_digit_addition", "double_descent", "digits_learning_curve", "noiseless_simulation"; or
            "benchmark", the 92 curves of arXiv 2209.06640, split into fitted and held-out points. Its files
            are looked for in the folder that $BNSL_DATA_DIR names, then in the cache of the operating
            system, and are fetched from the authors' repository the first time; or "validation", 45
            curves that this project measured, each split at 1/2 and at 1/4 of its last x, where points
            enough are left to fit: 90 tasks (data/validation_curves.md).
            Tables of several inputs are "loss_surface", runs of a small language model that this project
            measured (params, tokens, unique_tokens, epochs, flops, loss; data/loss_surface.md),
            "continual_pretraining", its runs of continual pre-training (data/continual_pretraining.md), and
            "chinchilla", the 245 runs behind Chinchilla's law as Epoch AI read them off its figure (params,
            tokens, flops, loss), found and fetched like the benchmark. Its column `outlier` marks the five
            of largest loss: `runs[~runs["outlier"]]` are the 240 rows of arXiv 2404.10102.

    Raises:
        InputError: an unknown name; for data that are fetched, files that cannot be found, fetched or read.
    """
    check_choice(name, "name", CATALOGUE)
    if name == CHINCHILLA:
        return load_chinchilla()
    if name in TABLES:
        return read_table(_data_file(f"{name}.csv"))
    if name in COLLECTIONS:
        return load_benchmark() if name == BENCHMARK else load_validation()
    return load_curve(name)


def load_curve(name: str) -> Curve:
    """A data set of the package as a Curve; raises InputError for an unknown name."""
    check_choice(name, "name", DESCRIPTIONS)
    x_label, y_label = _LABELS[name]
    if name == "noiseless_simulation":
        x = np.arange(1.0, 4096.0)
        return Curve(x, BNSL(1).evaluate(NOISELESS_LAW, x), None, name, x_label, y_label)
    table = np.loadtxt(_data_file(f"{name}.csv"), delimiter=",", skiprows=1, ndmin=2)
    sigma = table[:, 2] if table.shape[1] > 2 else None
    return Curve(table[:, 0], table[:, 1], sigma, name, x_label, y_label)


def load_table(name: str) -> pd.DataFrame:
    """A data set as a table: the columns of a curve, or the points of every curve of a collection.

    Raises InputError as `load_dataset` does.
    """
    data = load_dataset(name)
    if isinstance(data, Benchmark):
        return data.points
    if not isinstance(data, Curve):
        return data
    columns = {data.x_label: data.x, data.y_label: data.y}
    return pd.DataFrame(columns if data.sigma is None else columns | {"sigma": data.sigma})


def load_validation() -> Benchmark:
    """The measured curves of data/validation_curves.csv, each split at two shares of its last x.

    The domain of a BenchmarkCurve is its family, the task its name, the model "half" or "quarter": the share
    of the range of x whose points are fitted. Splits with fewer than FEWEST_FITTED of them are left out.
    """
    table = pd.read_csv(_data_file("validation_curves.csv"))
    curves = []
    for (family, name), points in table.groupby(["family", "curve"], sort=False):
        whole = Curve(points["x"].to_numpy(float), points["y"].to_numpy(float), None, f"{family}: {name}")
        for split, share in SPLITS.items():
            fitted, held_out = whole.split(train_until=share * float(whole.x[-1]))
            if len(fitted) >= FEWEST_FITTED and held_out is not None:
                curves.append(BenchmarkCurve(str(family), str(name), split, fitted, held_out))
    return Benchmark(tuple(curves))


def _data_file(name: str) -> Path:
    """A file of data/: beside the package in a checkout, inside it when installed from a wheel."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data" / name
    return installed if installed.exists() else package.parent / "data" / name
