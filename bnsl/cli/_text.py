"""Results to text: tables for people, JSON for machines. Nothing is computed and nothing is printed here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl.curves.curve import Curve
from bnsl.curves.metrics import rmse, rmsle
from bnsl.evaluation.comparison import Comparison
from bnsl.evaluation.extrapolation import Extrapolation
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast, shown_breaks

if TYPE_CHECKING:
    import pandas as pd

NO_VALUE = "unknown"  # what a table shows for NaN
LEAST_WEIGHT = 0.0005  # of a law that a forecast's table shows: what does not round to 0.0 %


def fit_text(
    result: FitResult,
    predictions: pd.DataFrame | None = None,
    level: float = 0.9,
    extrapolation: Extrapolation | None = None,
) -> str:
    """A fit for people: its summary, the held-out error and predictions.

    Args:
        result: the fit.
        predictions: one row a point: x, predicted, lower, upper.
        level: probability inside (lower, upper).
        extrapolation: the same fit with the points that it has not seen.
    """
    parts = [result.summary() if extrapolation is None else extrapolation.summary()]
    if predictions is not None and len(predictions):
        head = f"predictions, with {100 * level:g} % intervals for a new measurement if this form is right"
        named = predictions.rename(columns={"x": result.curve.x_label})
        parts.append(f"{head}\n{_table_text(named)}")
    return "\n\n".join(parts)


def fit_json(
    result: FitResult,
    predictions: pd.DataFrame | None = None,
    level: float = 0.9,
    extrapolation: Extrapolation | None = None,
) -> str:
    """A fit for machines: the record that `FitResult.from_json` reads, with two entries more.

    `predictions` is a list of {x, predicted, lower, upper, level}, `held_out` an object with rmsle,
    rmsle_stderr, rmse and the points, or null. An unknown number is null in both.
    """
    record = json.loads(result.to_json())
    rows = [] if predictions is None else _records(predictions)
    record["predictions"] = [{**row, "level": level} for row in rows]
    record["held_out"] = None
    if extrapolation is not None:
        record["held_out"] = {
            "rmsle": _json_value(extrapolation.rmsle),
            "rmsle_stderr": _json_value(extrapolation.rmsle_stderr),
            "rmse": _json_value(extrapolation.rmse),
            "points": _records(extrapolation.errors),
        }
    return _dumps(record)


def forecast_text(
    forecast: Forecast,
    predictions: pd.DataFrame,
    level: float = 0.9,
    held_out: pd.DataFrame | None = None,
) -> str:
    """A forecast for people: what it rests on, the held-out error, the laws averaged, predictions, warnings.

    Args:
        forecast: the forecast.
        predictions: one row a point: x, predicted, lower, upper.
        level: probability inside (lower, upper).
        held_out: one row a point that it has not seen: x, y, predicted, lower, upper.
    """
    curve = forecast.curve
    lines = [f"forecast of {curve.name or 'a curve'}", f"fitted   {curve.extent}"]
    if held_out is not None:
        error, stderr = rmsle(held_out["predicted"].to_numpy(), held_out["y"].to_numpy())
        ends = held_out["x"].iloc[0], held_out["x"].iloc[-1]
        points = "1 point" if len(held_out) == 1 else f"{len(held_out)} points"
        lines += [
            f"held out {points}, {curve.x_label} from {ends[0]:.6g} to {ends[1]:.6g}",
            f"rmsle    {error:.6g} +- {stderr:.3g} on the held-out points",
            f"inside   {_inside(held_out)} of {points} in the {100 * level:g} % interval",
        ]
    laws = forecast.laws.reset_index()
    shown = laws[laws["weight"] >= LEAST_WEIGHT]
    rows = [("law", "weight", "limit", "end slope", "breaks")]
    for law, weight, limit, slope, breaks in shown.itertuples(index=False):
        places = shown_breaks(breaks, curve)
        rows.append((law, f"{100 * weight:.1f} %", f"{limit:.4g}", f"{slope:.3f}", places))
    head = "averaged laws, by posterior weight"
    if any("(" in row[4] for row in rows):
        head += "; breaks in brackets lie beyond the data, where they are assumed, not seen"
    parts = ["\n".join(lines), f"{head}\n{_align(rows, left=(0, 4))}"]
    head = f"forecasts, with {100 * level:g} % intervals for a new measurement"
    parts.append(f"{head}\n{_table_text(predictions.rename(columns={'x': curve.x_label}))}")
    if forecast.warnings:
        parts.append("\n".join(["warnings", *(f"  {w.code}: {w.message}" for w in forecast.warnings)]))
    return "\n\n".join(parts)


def forecast_json(
    forecast: Forecast,
    predictions: pd.DataFrame,
    level: float = 0.9,
    held_out: pd.DataFrame | None = None,
) -> str:
    """A forecast for machines.

    `predictions` is a list of {x, predicted, lower, upper, level}, `laws` one of {law, weight, limit,
    end_slope, breaks}, `warnings` one of [code, message], `held_out` an object with rmsle, rmsle_stderr,
    rmse, inside (how many points the interval holds), level and the points, or null. An unknown number is
    null.
    """
    curve = forecast.curve
    laws = forecast.laws.reset_index()
    record: dict[str, Any] = {
        "bnsl": "forecast",
        "version": 1,
        "curve": {
            "x": curve.x.tolist(),
            "y": curve.y.tolist(),
            "sigma": None if curve.sigma is None else curve.sigma.tolist(),
            "name": curve.name,
            "x_label": curve.x_label,
            "y_label": curve.y_label,
        },
        "predictions": [{**row, "level": level} for row in _records(predictions)],
        "laws": [{**row, "breaks": list(row["breaks"])} for row in _records(laws)],
        "warnings": [list(warning) for warning in forecast.warnings],
        "held_out": None,
    }
    if held_out is not None:
        predicted, measured = held_out["predicted"].to_numpy(), held_out["y"].to_numpy()
        error, stderr = rmsle(predicted, measured)
        record["held_out"] = {
            "rmsle": _json_value(error),
            "rmsle_stderr": _json_value(stderr),
            "rmse": _json_value(rmse(predicted, measured)),
            "inside": _inside(held_out),
            "level": level,
            "points": _records(held_out),
        }
    return _dumps(record)


def _inside(held_out: pd.DataFrame) -> int:
    """How many measured values lie in their interval."""
    return int(held_out["y"].between(held_out["lower"], held_out["upper"]).sum())


def comparison_text(comparison: Comparison) -> str:
    """The ranked table of a comparison, with what was fitted above it."""
    fitted, held_out = comparison.fitted, comparison.held_out
    count = len(comparison.results)
    lines = [f"{count} form{'' if count == 1 else 's'} fitted to {fitted.name or 'a curve'}"]
    lines.append(f"fitted   {fitted.extent}")
    if held_out is not None:
        lines.append(f"held out {held_out.extent}")
    lines.append(f"ranked   {comparison.ranking}")
    table = comparison.table.reset_index()
    logs = comparison.error_column.endswith("rmsle")
    hidden = ["train_rmse", "heldout_rmse"] if logs else ["train_rmsle", "heldout_rmsle", "heldout_stderr"]
    if held_out is None:
        hidden += ["heldout_rmsle", "heldout_stderr", "heldout_rmse"]
    table = table.drop(columns=list(dict.fromkeys(hidden)))
    return "\n".join(lines) + "\n\n" + _table_text(table, left=("form", "status", "warnings"))


def comparison_json(comparison: Comparison) -> str:
    """A comparison for machines: the rows of its table, best first, and every fit by its label."""
    rows = _records(comparison.table.reset_index())
    for row in rows:
        row["warnings"] = [code for code in row["warnings"].split(", ") if code]
    record = {
        "bnsl": "comparison",
        "version": 1,
        "fitted_points": len(comparison.fitted),
        "ranked_by": comparison.ranked_by,
        "held_out_points": 0 if comparison.held_out is None else len(comparison.held_out),
        "table": rows,
        "fits": {label: json.loads(result.to_json()) for label, result in comparison.results.items()},
    }
    return _dumps(record)


def datasets_text(curves: Sequence[Curve], descriptions: Mapping[str, str]) -> str:
    """One line a data set: name, number of points, ranges and what it is; less of those not at hand."""
    rows = [("name", "points", "x", "y", "what it is")]
    for curve in curves:
        x, y = _range(curve.x), _range(curve.y)
        rows.append((curve.name, str(len(curve)), x, y, descriptions[curve.name]))
    rows += [(name, "", "", "", descriptions[name]) for name in _others(curves, descriptions)]
    return _align(rows, left=(0, 2, 3, 4))


def columns_text(table: pd.DataFrame, kind: str, roles: Mapping[str, str]) -> str:
    """What there is in a file: one line a column with how many values, the range and the role, if it has one.

    Args:
        table: what was read.
        kind: its format.
        roles: of the columns that have one.
    """
    rows = [("column", "values", "range", "role")]
    for name in table.columns:
        cells = table[name].dropna()
        if cells.dtype.kind == "f" and len(cells):
            span = _range(cells.to_numpy())
        else:
            span = f"{cells.astype(str).nunique()} different, no numbers"
        rows.append((str(name), str(len(cells)), span, roles.get(name, "")))
    return f"{len(table)} rows, read as {kind}\n\n" + _align(rows, left=(0, 2, 3))


def datasets_json(curves: Sequence[Curve], descriptions: Mapping[str, str]) -> str:
    """The table of the data sets for machines."""
    rows = [
        {
            "name": curve.name,
            "points": len(curve),
            "x": [float(curve.x.min()), float(curve.x.max())],
            "y": [float(curve.y.min()), float(curve.y.max())],
            "x_label": curve.x_label,
            "y_label": curve.y_label,
            "sigma": curve.sigma is not None,
            "description": descriptions[curve.name],
        }
        for curve in curves
    ]
    rows += [{"name": name, "description": descriptions[name]} for name in _others(curves, descriptions)]
    return _dumps(rows)


def _others(curves: Sequence[Curve], descriptions: Mapping[str, str]) -> list[str]:
    """The names that are described, but not among the curves."""
    return [name for name in descriptions if name not in {curve.name for curve in curves}]


def curve_csv(curve: Curve) -> str:
    """A curve as CSV with the columns x, y and, if it has sigma, y_err; exact to the last bit."""
    names = ["x", "y"] + (["y_err"] if curve.sigma is not None else [])
    columns = [curve.x, curve.y] + ([curve.sigma] if curve.sigma is not None else [])
    lines = [",".join(names)]
    lines += [",".join(map(_exact, row)) for row in zip(*columns, strict=True)]
    return "\n".join(lines)


def _range(values: np.ndarray) -> str:
    return f"{_number(float(values.min()))} to {_number(float(values.max()))}"


def _table_text(table: pd.DataFrame, left: Sequence[str] = ()) -> str:
    rows = [tuple(map(str, table.columns))]
    rows += [tuple(_number(cell) for cell in row) for row in table.itertuples(index=False)]
    return _align(rows, [i for i, name in enumerate(table.columns) if name in left])


def _align(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Rows of cells as lines, two spaces between the columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _number(cell: Any, digits: int = 6) -> str:
    if isinstance(cell, float | np.floating):
        return NO_VALUE if np.isnan(cell) else f"{cell:.{digits}g}"
    return str(cell)


def _exact(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    names = list(table.columns)
    rows = table.itertuples(index=False)
    return [{name: _json_value(cell) for name, cell in zip(names, row, strict=True)} for row in rows]


def _json_value(cell: Any) -> Any:
    """A plain Python value; null for NaN and infinity, which JSON has no numbers for."""
    value = cell.item() if isinstance(cell, np.generic) else cell
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _dumps(record: Any) -> str:
    return json.dumps(record, indent=2, allow_nan=False)
