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
from bnsl.web.analysis import LEVEL, Analysis
from bnsl.web.words import number, percent
from bnsl.web.words import rows as rows_of

GROUPS = "run"  # the column of what belongs together in a copy of the points
LEAST_WEIGHT = 0.0005  # of a law that the table of averaged laws shows


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
    rows: list[tuple[str, ...]]
    left: tuple[int, ...] = ()
    strong: int | None = None


def predictions(analysis: Analysis) -> Table:
    """Forecasts beyond the data with their intervals."""
    last = float(analysis.fitted.x[-1])
    rows = [
        (number(x), f"{number(x / last)} \N{MULTIPLICATION SIGN}", *map(number, rest))
        for x, *rest in rows_of(analysis.predictions)
    ]
    x_label, y_label = analysis.fitted.x_label, analysis.fitted.y_label
    return Table(
        (
            x_label,
            "of the last x",
            f"{'forecast' if analysis.forecast else 'law'} of {y_label}",
            f"low {LEVEL:.0%}",
            f"high {LEVEL:.0%}",
        ),
        rows,
    )


def checked(analysis: Analysis) -> Table | None:
    """Forecasts of the held-out points beside what was measured."""
    table = analysis.checked
    if table is None:
        return None
    rows: list[tuple[str, ...]] = []
    for x, y, predicted, low, high in rows_of(table):
        inside = "yes" if low <= y <= high else "no"
        error = number(predicted - y) if analysis.forecast is None else signed(predicted / y - 1.0)
        rows.append((*map(number, (x, y, predicted)), error, inside))
    head = (analysis.fitted.x_label, "measured", "predicted", "error", f"in the {LEVEL:.0%} interval")
    return Table(head, rows)


def breaks(fit: FitResult) -> Table:
    """One row per break of the fitted law."""
    rows: list[tuple[str, ...]] = []
    for name, row in zip(fit.breaks.index, rows_of(fit.breaks), strict=True):
        error = fit.stderr[f"d{name}"]
        spread = (
            "unknown"
            if np.isnan(error)
            else "fixed"
            if error == 0
            else f"\N{PLUS-MINUS SIGN} {number(error)}"
        )
        gradual = not fit.shown_value(f"f{name}")[0].isdigit()
        turn = "very gradual" if gradual else f"{number(10.0**row.width_decades)} \N{MULTIPLICATION SIGN}"
        place = fit.shown_value(f"d{name}")
        place = number(row.position) if place[0].isdigit() else place
        seen = "yes" if row.inside_data else "no, outside the points"
        slopes = number(row.slope_before), number(row.slope_after)
        rows.append((str(name), place, spread, *slopes, turn, seen))
    head = (
        "break",
        fit.curve.x_label,
        "std error",
        "slope before",
        "slope after",
        "turns over",
        "in the data",
    )
    return Table(head, rows, left=(6,))


def parameters(fit: FitResult) -> Table:
    """Parameters of the fitted law with their standard errors."""
    rows: list[tuple[str, ...]] = []
    for name, value in fit.params.items():
        error = fit.shown_error(name)
        text = error if error[0].isalpha() else number(fit.stderr[name])
        shown = fit.shown_value(name)
        numeric = shown == f"{value:.7g}"
        rows.append(
            (name, shown.replace("-", "\N{MINUS SIGN}") if numeric else shown, text if numeric else "")
        )
    return Table(("parameter", "value", "std error"), rows, left=(0,))


def laws(analysis: Analysis) -> Table:
    """What the forecast averages, heaviest first."""
    rows: list[tuple[str, ...]] = []
    if analysis.forecast is None:
        return Table(("law",), rows)
    for law, weight, limit, slope, places in rows_of(analysis.forecast.laws.reset_index()):
        if weight >= LEAST_WEIGHT:
            texts = number(limit), number(slope), ", ".join(map(number, places))
            rows.append((law, f"{100 * weight:.1f} %", *texts))
    return Table(("law", "weight", "limit", "slope at the end", "breaks at"), rows, left=(0, 4))


def forms(analysis: Analysis) -> Table:
    """The forms, best first."""
    comparison = analysis.comparison
    held = comparison.held_out is not None
    rows: list[tuple[str, ...]] = []
    for row in rows_of(comparison.table.reset_index()):
        if analysis.forecast is None:
            errors = [number(row.train_rmse), *([number(row.heldout_rmse)] if held else [])]
        else:
            errors = [percent(row.train_rmsle), *([percent(row.heldout_rmsle)] if held else [])]
        status = row.status.replace("_", " ")
        rows.append((capitals(row.form), str(row.n_params), *errors, number(row.delta_aicc), status))
    head = ["form", "parameters", "error on fitted points"]
    head += ["on held-out points"] if held else []
    return Table((*head, "\N{GREEK CAPITAL LETTER DELTA}AICc", "status"), rows, (0, len(head) + 1), strong=0)


def distances(analysis: Analysis) -> Table | None:
    """Errors of the back-test by distance."""
    if analysis.backtest is None:
        return None
    rows: list[tuple[str, ...]] = []
    for row in rows_of(analysis.backtest.by_distance):
        ends = f"{number(row.distance_from)} to {number(row.distance_to)} \N{MULTIPLICATION SIGN}"
        bias = signed(float(np.expm1(row.mean_log_error)))
        rows.append((ends, str(row.points), str(row.cuts), percent(float(row.rmsle)), bias))
    return Table(("beyond the fitted points", "points", "cuts", "typical error", "mean error"), rows)


# --- to copy --------------------------------------------------------------------------------------


def predictions_csv(analysis: Analysis) -> str:
    """The forecasts as CSV, exact."""
    head = (analysis.fitted.x_label, "forecast", f"low_{100 * LEVEL:g}", f"high_{100 * LEVEL:g}")
    return csv_text(head, rows_of(analysis.predictions))


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
        writer.writerow(
            [value if isinstance(value, str) else repr(float(value)).removesuffix(".0") for value in row]
        )
    return text.getvalue()


def signed(share: float) -> str:
    """A share in per cent, with its sign."""
    digits = "+.2g" if abs(share) < 0.995 else "+.0f"
    return f"{100 * share:{digits}} %".replace("-", "\N{MINUS SIGN}") if np.isfinite(share) else "unknown"
