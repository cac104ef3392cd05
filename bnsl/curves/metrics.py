"""How far predictions are from what was measured."""

from __future__ import annotations

import numpy as np

from bnsl._base.arrays import lengths


def rmsle(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    """Root mean squared log error and its standard error, as the 92-curve benchmark defines them.

    With m and s the mean and the standard deviation of the n squared log errors:
    RMSLE = sqrt(m), standard error = sqrt(m + s / sqrt(n)) - sqrt(m) (arXiv 2209.06640). NaN where a value
    is not positive.
    """
    predicted, measured = np.asarray(predicted, float), np.asarray(measured, float)
    if len(measured) == 0 or not np.all(predicted > 0) or not np.all(measured > 0):
        return float("nan"), float("nan")
    if np.isinf(predicted).any():
        return float("inf"), float("nan")
    squares = (np.log(predicted) - np.log(measured)) ** 2
    mean, deviation = float(squares.mean()), float(squares.std())
    return float(np.sqrt(mean)), float(np.sqrt(mean + deviation / np.sqrt(len(squares))) - np.sqrt(mean))


def rmse(predicted: np.ndarray, measured: np.ndarray) -> float:
    """Root mean square of predicted - measured, in the units of y; NaN of no points."""
    if len(measured) == 0:
        return float("nan")
    with np.errstate(over="ignore"):
        return float(lengths((predicted - measured)[:, None])[0] / np.sqrt(len(measured)))


def log_errors(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """log(predicted / measured) of each; NaN where one of them is not positive."""
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.log(predicted) - np.log(measured)
    return np.where((predicted > 0) & (measured > 0), errors, np.nan)
