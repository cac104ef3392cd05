"""Accuracies as errors, which fall to a limit as losses do: 1 - y, or 1 - y / 100."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bnsl._base.checks import InputError, as_number, check_choice, reject
from bnsl.curves.curve import Curve

ACCURACIES = {"share": 1.0, "percent": 100.0}  # what a perfect accuracy is


def check_accuracy(accuracy: str | None, resolution: float | None) -> None:
    """Raise InputError for what is no kind of accuracy, and for a resolution without one."""
    if accuracy is not None:
        check_choice(accuracy, "accuracy", ACCURACIES)
    if resolution is None:
        return
    if accuracy is None:
        raise InputError("resolution is that of an accuracy; say that y is one (accuracy='share') as well")
    as_number(resolution, "resolution", lambda value: 0 < value < ACCURACIES[accuracy])


def with_errors(curve: Curve, accuracy: str, resolution: float | None = None) -> Curve:
    """The curve of the errors of accuracies.

    Args:
        curve: of accuracies.
        accuracy: "share", between 0 and 1, or "percent".
        resolution: of the accuracies, in their units, such as one over the number of test examples: 0 and
            perfect are taken to be half of it off.

    Raises:
        InputError: a value that is no accuracy.
    """
    top = ACCURACIES[accuracy]
    hint = "; for percentages use accuracy='percent'" if accuracy == "share" and curve.y.max() <= 100 else ""
    reject(curve.y, curve.y > top, "y", f"is above {top:g}, which an accuracy cannot be{hint}", curve.rows)
    reject(curve.y, curve.y < 0, "y", "is below 0, which an accuracy cannot be", curve.rows)
    sigma = None if curve.sigma is None else curve.sigma / top
    y = (top - clipped(curve.y, accuracy, resolution)) / top
    return replace(curve, y=y, sigma=sigma, y_label=error_label(curve.y_label, accuracy), within=(0.0, 1.0))


def clipped(y: np.ndarray, accuracy: str, resolution: float | None) -> np.ndarray:
    """Accuracies, those of 0 and perfect ones taken to be half of the resolution off."""
    if resolution is None:
        return y
    return np.clip(y, resolution / 2, ACCURACIES[accuracy] - resolution / 2)


def error_label(name: str, accuracy: str) -> str:
    """What to call the error of an accuracy of this name."""
    top = ACCURACIES[accuracy]
    return f"1 - {name}" if top == 1.0 else f"1 - {name} / {top:g}"
