"""A forecast as JSON, there and back.

The averaged laws are megabytes of numbers that follow from the points in a tenth of a second. So the record
holds the points, and the forecast is made again from them; a few predictions beside them tell whether that
came out the same, as it does with the same version of the package.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.display import ExtrapolationWarning, FitWarning, records
from bnsl.curves.curve import Curve
from bnsl.curves.pooling import CODES
from bnsl.fitting.record import Entries, curve_of, curve_record, damaged, encoded, of_type, parsed

if TYPE_CHECKING:
    from bnsl.forecasting.forecast import Forecast

AT = (0.5, 1.0, 2.0, 10.0)  # multiples of the last x whose predictions are kept
SAME = 1e-6  # relative difference of predictions, from which on a forecast has changed
KIND = "forecast"


def written(forecast: Forecast, settings: Mapping[str, Any], indent: int | None) -> str:
    """A forecast as strict JSON; NaN and infinity as strings."""
    from bnsl import __version__

    x = np.unique(np.clip(forecast.curve.x[-1] * np.array(AT), forecast.curve.x[0], None))
    record = {
        "bnsl": KIND,
        "version": 1,
        "package": __version__,
        "curve": curve_record(forecast.curve),
        "settings": dict(settings),
        "warnings": [list(note) for note in forecast.warnings],
        "laws": records(forecast.laws.reset_index()),
        "predictions": {"x": x, **_at(forecast, x)},
    }
    return json.dumps(encoded(record), indent=indent, allow_nan=False)


def read(text: str, make: Callable[..., Forecast]) -> tuple[Forecast, tuple[FitWarning, ...]]:
    """The forecast of the points in a record, and what to know of it.

    Args:
        text: the JSON that `written` made.
        make: makes a forecast of a curve with the settings.

    Raises:
        InputError: text that is not such a record, or one that is damaged.
    """
    record = Entries(parsed(text, KIND, "Forecast"))
    with damaged(KIND):
        curve: Curve = curve_of(Entries(of_type(record["curve"], dict), "curve."))
        settings = of_type(record["settings"], dict)
        kept = Entries(of_type(record["predictions"], dict), "predictions.")
        x = np.asarray(kept["x"], float)
        before = np.asarray([kept["predicted"], kept["lower"], kept["upper"]], float)
        if before.shape != (3, len(x)):
            raise InputError("the entry 'predictions' must hold as many numbers as x")
        made = make(curve, **settings)
        of_table = [FitWarning(*note) for note in of_type(record["warnings"], list) if note[0] in CODES]
        made = replace(made, warnings=(*made.warnings, *of_table))
    now = np.asarray(list(_at(made, x).values()))
    if np.allclose(now, before, rtol=SAME, atol=0.0, equal_nan=True):
        return made, ()
    worst = int(np.nanargmax(np.abs(np.log(now[0] / before[0]))))
    said = (
        f"bnsl {record['package']} made this forecast, and this version predicts something else: at "
        f"x = {x[worst]:.4g} it was {before[0, worst]:.4g} and is {now[0, worst]:.4g}"
    )
    return made, (FitWarning("remade", said),)


def _at(forecast: Forecast, x: np.ndarray) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        lower, upper = forecast.interval(x)
        return {"predicted": forecast.predict(x), "lower": lower, "upper": upper}
