"""Findings in plain words."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from bnsl._base.display import FitWarning, counted
from bnsl._base.lazy import pd
from bnsl.curves.curve import FAR
from bnsl.curves.metrics import rmse, rmsle
from bnsl.evaluation.extrapolation import held_out_notes
from bnsl.fitting.text import verdict as verdict
from bnsl.forms.registry import capitals
from bnsl.web.analysis import LEVEL, Analysis, Found

PLAIN = tomllib.loads(files("bnsl.web").joinpath("assets/warnings.toml").read_text(encoding="utf-8"))
UNFORESEEN = (
    "No method can foresee a break that has left no trace in the points: if something new happens further "
    "out, the forecast will be wrong, and its intervals with it."
)


@dataclass(frozen=True)
class Note:
    """One thing to know: of what, in plain words, and the exact messages behind it."""

    subject: str
    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fact:
    """One number of the summary, with what it is and how sure it is."""

    head: str
    value: str
    text: str


def notes(analysis: Analysis) -> list[Note]:
    """What to know before relying on the page, the forecast's own warnings first."""
    found = grouped(
        [*(("Forecast", note) for note in analysis.forecast.warnings), *held_out_warnings(analysis)]
    )
    farthest, last = float(analysis.predict.max()), float(analysis.fitted.x[-1])
    if farthest > FAR * last * (1 + 1e-9):
        text = (
            f"The prediction at {number(farthest)} lies {number(farthest / last)} times beyond the last "
            "point. That far out, the interval is only a rough guide."
        )
        found.append(Note("Forecast", text))
    found += grouped(
        (capitals(label), FitWarning(code, f"{capitals(label)}: {message}"))
        for label, fit in analysis.comparison.results.items()
        for code, message in fit.warnings
    )
    if analysis.backtest is None and analysis.positive and analysis.options.get("cuts") != 0:
        found.append(Note("Back-test", "There are too few points to leave some out and predict them."))
    return [*found, Note("Always", UNFORESEEN)]


def grouped(said: Iterable[tuple[str, FitWarning]]) -> list[Note]:
    """A note for every kind of warning, of all that have it, with the exact messages."""
    by_code: dict[str, list[tuple[str, str]]] = {}
    for subject, (code, message) in said:
        by_code.setdefault(code, []).append((subject, message))
    return [
        Note(
            ", ".join(dict.fromkeys(subject for subject, _ in cases)),
            PLAIN.get(code, cases[0][1]),
            tuple(message for _, message in cases),
        )
        for code, cases in by_code.items()
    ]


def held_out_warnings(found: Found) -> list[tuple[str, FitWarning]]:
    """What is to be said of the forecast where most held-out points lie outside its intervals."""
    held = found.checked
    if held is None:
        return []
    return [("Forecast", note) for note in held_out_notes(held.inside.sum(), len(held), LEVEL)]


def facts(analysis: Analysis) -> list[Fact]:
    """The few numbers that come first."""
    x, *row = list(analysis.predictions)[min(1, len(analysis.predictions) - 1)]
    x_label, law = analysis.fitted.x_label, analysis.law
    out = [Fact(f"Forecast at {x_label} = {number(x)}", number(row[0]), between(*row[1:]))]
    if law is not None:
        places = [number(d) for d in law.breaks["position"]]
        how = verdict(law.candidates, law.criterion) if law.candidates else ""
        at = f"at {x_label} = {' and '.join(places)}" if places else "one power law"
        out.append(Fact("Breaks of the fitted law", str(law.n_breaks), "; ".join(filter(None, (at, how)))))
    out += held_out_facts(analysis, "point")
    if analysis.backtest is not None:
        table = analysis.backtest.by_distance
        near = table[table["distance_to"] <= 2.0]
        chosen = near if len(near) else table.head(1)
        share = np.sqrt(np.average(chosen["rmsle"] ** 2, weights=chosen["points"]))
        text = f"up to {number(float(chosen['distance_to'].iloc[-1]))} times the last fitted x"
        out.append(Fact("Error in the back-test", percent(share), text))
    return out


def held_out_facts(found: Found, what: str) -> list[Fact]:
    """The error on the held-out points, or runs, if there are any."""
    held = found.checked
    if held is None or held.measured is None:
        return []
    both = held.predicted, held.measured
    error = percent(rmsle(*both)[0]) if found.positive else number(rmse(*both))
    text = f"{held.inside.sum()} of {counted(len(held), what)} inside the {LEVEL:.0%} interval"
    return [Fact(f"Error on the held-out {what}s", error, text)]


def between(low: float, high: float) -> str:
    """An interval in words."""
    known = np.isfinite([low, high]).all()
    return f"{number(low)} to {number(high)} with {LEVEL:.0%} probability" if known else "not known"


def number(value: float) -> str:
    """Four digits, for people; without an exponent where that is short."""
    if not np.isfinite(value):
        return "unknown"
    digits = ".4g" if abs(value) < 1e4 else ".5g"
    rounded = float(f"{value:{digits}}")
    text = f"{rounded:.0f}" if 1e4 <= abs(rounded) < 1e7 else f"{rounded:{digits}}"
    return text.replace("-", "\N{MINUS SIGN}")


def percent(log_error: float) -> str:
    """A log error as a share: 0.05 is '5.1 %'."""
    if not np.isfinite(log_error):
        return "unknown" if np.isnan(log_error) else "beyond all bounds"
    share = 100.0 * float(np.expm1(log_error))
    return f"{share:.2g} %" if share < 99.5 else f"{share:.0f} %"


def rows(table: pd.DataFrame) -> list[Any]:
    """The rows as named tuples, without the index."""
    return list(table.itertuples(index=False))
