"""Tables and numbers to six digits, and JSON. Nothing is computed and nothing is printed here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.display import aligned
from bnsl.forms.registry import FORMS, SURFACES

if TYPE_CHECKING:
    import pandas as pd

    from bnsl.curves.curve import Curve
    from bnsl.forms.form import Form

NO_VALUE = "unknown"  # what a table shows for NaN


def rows_text(table: pd.DataFrame, left: Sequence[str] = ()) -> str:
    """A table with its head; the columns named in `left` begin on the left."""
    rows = [tuple(map(str, table.columns))]
    rows += [tuple(number(cell) for cell in row) for row in table.itertuples(index=False)]
    return aligned(rows, [i for i, name in enumerate(table.columns) if name in left])


def span_text(values: np.ndarray) -> str:
    """The smallest and the largest value."""
    return f"{number(float(values.min()))} to {number(float(values.max()))}"


def number(cell: Any) -> str:
    """A cell, numbers to six digits."""
    if isinstance(cell, float | np.floating):
        return NO_VALUE if np.isnan(cell) else f"{cell:.6g}"
    return str(cell)


def counted(count: int, noun: str) -> str:
    """'1 point', '2 points'."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def predictions_text(what: str, table: pd.DataFrame, curve: Curve, level: float, more: str = "") -> list[str]:
    """A head and predictions below it; for the error of an accuracy with that, too, in per cent."""
    of_error, last = "", [name for name in ("warnings",) if name in table]
    if curve.y_label.startswith("1 - "):  # which a table headed "predicted" would hide
        of_error = f" of {curve.y_label}"
        ends = {"accuracy": "predicted", "from": "upper", "to": "lower"}
        said = {name: [f"{100 * (1 - y):.4g} %" for y in table[column]] for name, column in ends.items()}
        table = table.drop(columns=last).assign(**said, **{name: table[name] for name in last})
    head = f"{what}{of_error}, with {100 * level:g} % intervals for a new measurement{more}"
    return [head, rows_text(table.rename(columns={"x": curve.x_label}), left=("run", "warnings"))]


def record_text(kind: str, **entries: Any) -> str:
    """The JSON of a command: what it is, and its entries."""
    return json_text({"bnsl": kind, "version": 1, **entries})


def json_text(record: Any) -> str:
    """Strict JSON: unknown numbers have to be None."""
    return json.dumps(record, indent=2, allow_nan=False)


def forms_text(several: bool = False) -> str:
    """What forms there are, for the help of a command; with `several`, only those of several inputs."""
    text = "" if several else f"forms, their other names and formulas:\n{_rows_of(FORMS)}\n"
    return f"{text}forms of several inputs, such as --x params,tokens:\n{_rows_of(SURFACES)}"


def _rows_of(forms: Mapping[str, type[Form]]) -> str:
    rows = [(name, ", ".join(form.known_as), form.formula) for name, form in forms.items()]
    return f"{indent(aligned(rows, (0, 1, 2)), '  ')}\n"
