"""Tables of a report as cells of text, and the same numbers to copy, exact to the last bit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnsl._base.checks import is_number
from bnsl.curves.curve import Curve
from bnsl.fitting.result import FitResult
from bnsl.forms.registry import capitals
from bnsl.web.analysis import LEVEL, Analysis, Found
from bnsl.web.words import number, percent
from bnsl.web.words import rows as rows_of

GROUPS = "run"  # the column of what belongs together in a copy of the points
LEAST_WEIGHT = 0.0005  # of a law that the table of averaged laws shows
TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Table:
    """Cells for people.

    Attributes:
        head: names of the columns.
        rows: their cells.
        left: indices of the columns of text; the others are numbers.
        strong: the index of a row to stress, or None.
    """

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    left: tuple[int, ...] = ()
    strong: int | None = None


def predictions(found: Found) -> Table:
    """Forecasts beyond the data with their intervals."""
    one, last = found.fitted.inputs == 1, float(found.fitted.effort.max())
    rows = []
    for *place, predicted, low, high in found.predictions:
        factor = [f"{number(place[0] / last)} {TIMES}"] if one else []
        rows.append((*map(number, place), *factor, *map(number, (predicted, low, high))))
    where = (*found.names, *(["of the last x"] if one else []))
    return Table(
        (*where, f"forecast of {found.fitted.y_label}", f"low {LEVEL:.0%}", f"high {LEVEL:.0%}"), rows
    )


def checked(found: Found) -> Table:
    """Forecasts of the held-out points beside what was measured; without rows if there are none."""
    rows: list[tuple[str, ...]] = []
    for *place, y, predicted, low, high in found.checked or ():
        inside = "yes" if low <= y <= high else "no"
        error = signed(predicted / y - 1.0) if found.positive else number(predicted - y)
        rows.append((*map(number, (*place, y, predicted)), error, inside))
    return Table((*found.names, "measured", "predicted", "error", f"in the {LEVEL:.0%} interval"), rows)


def breaks(fit: FitResult) -> Table:
    """One row per break of the fitted law."""
    rows: list[tuple[str, ...]] = []
    for name, row in zip(fit.breaks.index, rows_of(fit.shown_breaks), strict=True):
        error, place, width = fit.stderr[f"d{name}"], row.position, row.width_decades
        spread = "fixed" if error == 0 else f"\N{PLUS-MINUS SIGN} {number(error)}"
        rows.append(
            (
                str(name),
                place if isinstance(place, str) else number(place),
                "unknown" if np.isnan(error) else spread,
                number(row.slope_before),
                number(row.slope_after),
                width if isinstance(width, str) else f"{number(10.0**width)} {TIMES}",
                "yes" if row.inside_data else "no, outside the points",
            )
        )
    slopes = ("slope before", "slope after")
    return Table(("break", fit.curve.x_label, "std error", *slopes, "turns over", "in the data"), rows, (6,))


def parameters(fit: FitResult) -> Table:
    """Parameters of the fitted law with their standard errors."""
    rows: list[tuple[str, ...]] = []
    for name, value in fit.params.items():
        error, shown = fit.shown_error(name), fit.shown_value(name)
        if shown != f"{value:.7g}":  # words
            rows.append((name, shown, ""))
        else:
            text = error if error[0].isalpha() else number(fit.stderr[name])
            rows.append((name, shown.replace("-", MINUS), text))
    return Table(("parameter", "value", "std error"), rows, left=(0,))


def laws(analysis: Analysis) -> Table:
    """What the forecast averages, heaviest first."""
    rows = [
        (law, f"{100 * weight:.1f} %", number(limit), number(slope), ", ".join(map(number, places)))
        for law, weight, limit, slope, places in rows_of(analysis.forecast.laws.reset_index())
        if weight >= LEAST_WEIGHT
    ]
    return Table(("law", "weight", "limit", "slope at the end", "breaks at"), rows, left=(0, 4))


def forms(analysis: Analysis) -> Table:
    """The forms, best first."""
    comparison = analysis.comparison
    parts = ["train"] if comparison.held_out is None else ["train", "heldout"]
    show, kind = (percent, "rmsle") if analysis.positive else (number, "rmse")
    rows: list[tuple[str, ...]] = []
    for row in rows_of(comparison.table.reset_index()):
        errors = [show(getattr(row, f"{part}_{kind}")) for part in parts]
        status = row.status.replace("_", " ")
        rows.append((capitals(row.form), str(row.n_params), *errors, number(row.delta_aicc), status))
    errors_of = ["error on fitted points", "on held-out points"][: len(parts)]
    head = ("form", "parameters", *errors_of, "\N{GREEK CAPITAL LETTER DELTA}AICc", "status")
    return Table(head, rows, (0, len(head) - 1), strong=0)


def distances(analysis: Analysis) -> Table:
    """Errors of the back-test by distance; without rows if there was none."""
    rows: list[tuple[str, ...]] = []
    for row in rows_of(analysis.backtest.by_distance) if analysis.backtest else ():
        ends = f"{number(row.distance_from)} to {number(row.distance_to)} {TIMES}"
        bias = signed(float(np.expm1(row.mean_log_error)))
        rows.append((ends, str(row.points), str(row.cuts), percent(float(row.rmsle)), bias))
    return Table(("beyond the fitted points", "points", "cuts", "typical error", "mean error"), rows)


# --- to copy --------------------------------------------------------------------------------------


def predictions_csv(found: Found) -> str:
    """The forecasts as CSV, exact."""
    head = (*found.names, "forecast", f"low_{100 * LEVEL:g}", f"high_{100 * LEVEL:g}")
    return csv_text(head, found.predictions)


def points_csv(curve: Curve) -> tuple[str, tuple[str, ...]]:
    """All points as CSV, exact, and the names of its columns: the labels where these can tell them apart.

    Inputs come first, then y, then sigma if there is one; a last column, without a name there, has groups.
    """
    names: tuple[str, ...] = (*curve.input_names, curve.y_label)
    columns = [*curve.x.reshape(len(curve), -1).T, curve.y]
    if curve.sigma is not None:
        names = (*names, "sigma")
        columns.append(curve.sigma)
    # What the reader strips or takes for a number would not come back as it is.
    good = all(
        name and name == " ".join(name.split()) and "," not in name and not is_number(name) for name in names
    )
    if len({*names, GROUPS}) <= len(names) or not good:
        inputs = ("x",) if curve.inputs == 1 else tuple(f"x{i + 1}" for i in range(curve.inputs))
        names = (*inputs, "y", "sigma")[: len(columns)]
    if curve.groups is None:
        return csv_text(names, zip(*columns, strict=True)), names
    return csv_text((*names, GROUPS), zip(*columns, curve.groups, strict=True)), names


def parameters_json(fit: FitResult) -> str:
    """The parameters as a JSON object, which is a Python dictionary as well."""
    return json.dumps({name: float(value) for name, value in fit.params.items()}, indent=2)


def csv_text(head: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV, numbers exact."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow(v if isinstance(v, str) else repr(float(v)).removesuffix(".0") for v in row)
    return text.getvalue()


def signed(share: float) -> str:
    """A share in per cent, with its sign."""
    digits = "+.2g" if abs(share) < 0.995 else "+.0f"
    return f"{100 * share:{digits}} %".replace("-", MINUS) if np.isfinite(share) else "unknown"
