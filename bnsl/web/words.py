"""Findings in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl.curves.curve import FAR
from bnsl.curves.metrics import rmse, rmsle
from bnsl.evaluation.extrapolation import held_out_notes
from bnsl.fitting.verdict import verdict as verdict
from bnsl.forms.registry import capitals
from bnsl.web.analysis import LEVEL, Analysis

if TYPE_CHECKING:
    import pandas as pd

# What every warning of a fit or a forecast means to someone who does not know the terms.
PLAIN = {
    "linear_scale": "Some values are not positive, or they grow as scores do: the forecast uses a linear "
    "scale.",
    "several_runs": "Points of several runs make one curve here: choose one of them.",
    "falling_rate": "The learning rate falls along these points: the values fall faster than by steps alone.",
    "diverged": "The end of the run looks diverged: drag the end of the fitted range before it.",
    "unusual": "The curve is unlike those that forecasts were tested on: the interval may be wrong.",
    "inputs_collinear": "Two inputs vary together in these runs: their effects cannot be separated.",
    "input_constant": "An input has the same value in all runs, so its effect is unknown.",
    "unit_matters": "This law depends on the unit of an input: give counts, not millions.",
    "rises": "The values rise with compute, but the averaged laws fall: fit the error instead.",
    "limit_at_zero": "These runs show no limit of the values.",
    "poorly_determined": "Some parameters are not known to a factor of 2: rely on predictions instead.",
    "rows_alike": "Rows of one run seem to be counted as independent: the standard errors are too small.",
    "constant_y": "All measured values are equal. Their level is known, but not how the curve continues.",
    "more_parameters_than_points": "This form has more parameters than there are points, so that many "
    "different curves pass through all of them. Allow fewer breaks or measure more points.",
    "no_degrees_of_freedom": "This form has as many parameters as there are points. It can pass through all "
    "of them, so the noise is unknown.",
    "break_outside_data": "A break lies outside the measured range. The points show only one side of it, so "
    "its position and what comes after it are uncertain.",
    "parameter_at_bound": "A parameter ended at the edge of what is allowed. Its true value may be the edge "
    "itself, such as a limit of exactly 0.",
    "nearly_singular": "The points do not determine every parameter. Predictions can still be good; do "
    "not interpret single parameters.",
    "not_converged": "The fit stopped before it had converged. Its numbers may still change.",
    "failed": "No fit of this form was found. Do not use it.",
    "starts_disagree": "Other curves of this form, with other parameters, fit almost as well. Beyond the "
    "data they may differ.",
    "out_of_range": "Some numbers are too large or too small for the computer in these units. Multiply x "
    "or y by a constant.",
    "break_undetermined": "A break is barely visible in the points: a law without it describes them about as "
    "well. Do not interpret its position.",
    "break_missing": "The points bend in a way that this form does not follow; with another break it would. "
    "The intervals are too narrow beyond the data.",
    "breaks_unsettled": "The number of breaks is uncertain. More breaks would fit the points better, but not "
    "clearly so.",
    "structure_left": "The points bend in a way that more breaks do not explain. Something else is at work, "
    "and the intervals are too narrow.",
    "correlated_residuals": "Neighbouring points lie on the same side of the curve more often than by "
    "chance. The intervals are too narrow.",
    "undetermined": "A parameter is not determined by the points. Its interval is infinite.",
    "replicates_failed": "Some of the repeated fits failed, and are not counted.",
    "replicates_not_converged": "Some of the repeated fits had not converged. Their intervals are rough.",
    "crosses_zero": "This form falls below 0 beyond the points, but the measured quantity cannot. Do not "
    "use it for predictions.",
    "outliers": "One or more points lie far from their neighbours. Check them.",
    "misfit": "The averaged curves do not follow everything that the points do. Look at the figure before "
    "you rely on the forecast.",
    "breaks_not_weighed": "Some values are not positive, so the number of breaks was chosen by a simpler "
    "criterion (BIC). Its probabilities are rough.",
    "break_kept_inside": "The closest fit has a break outside the points, but one inside is more likely, "
    "and is shown.",
    "held_out_outside": "Most held-out points lie outside the predicted interval. The curve did something "
    "new, and may do so again.",
    "remade": "This forecast was saved by another version of the program, which predicted something else.",
    "optimum_outside_data": "The best inputs for some budgets lie over 10 times beyond these runs: there "
    "they depend on the form of the law.",
    "budget_outside_data": "Some budgets are over 100 times beyond these runs.",
    "no_optimum": "For some budgets there is no best size: one input does nothing in this law.",
    "optimum_at_bounds": "For some budgets the best lies at a bound.",
    "flat_optimum": "Sizes that differ by a factor of 10 and more are within 1 % of the best: other reasons "
    "may choose among them.",
    "not_determined": "Some parameters are not determined, and the intervals know nothing of that.",
    "few_points": "There are few points. The forecast relies mostly on how scaling curves usually behave, "
    "and a single law relies on its form.",
}
NO_FORECAST = (
    "Some values are not positive, so the page shows one law, fitted on a linear scale. Its interval assumes "
    "that this law is right."
)
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
    what = "Forecast" if analysis.forecast is not None else "Law"
    said = analysis.forecast.warnings if analysis.forecast is not None else ()
    found = [Note(what, PLAIN.get(code, message), (message,)) for code, message in said]
    if analysis.forecast is None:
        found.append(Note(what, NO_FORECAST))
    checked = analysis.checked
    if checked is not None:
        held = held_out_notes(inside(checked), len(checked), LEVEL)
        found += [Note(what, PLAIN[code], (message,)) for code, message in held]
    farthest = float(analysis.predict.max())
    last = float(analysis.fitted.x[-1])
    if farthest > FAR * last * (1 + 1e-9):
        text = (
            f"The prediction at {number(farthest)} lies {number(farthest / last)} times beyond the last "
            "point. That far out, the interval is only a rough guide."
        )
        found.append(Note(what, text))
    by_code: dict[str, list[tuple[str, str]]] = {}
    for label, fit in analysis.comparison.results.items():
        for code, message in fit.warnings:
            by_code.setdefault(code, []).append((capitals(label), message))
    for code, cases in by_code.items():
        labels = list(dict.fromkeys(label for label, _ in cases))
        details = tuple(f"{label}: {message}" for label, message in cases)
        found.append(Note(", ".join(labels), PLAIN.get(code, cases[0][1]), details))
    if analysis.backtest is None and analysis.forecast is not None and analysis.options.get("cuts") != 0:
        found.append(Note("Back-test", "There are too few points to leave some out and predict them."))
    found.append(Note("Always", UNFORESEEN))
    return found


def facts(analysis: Analysis) -> list[Fact]:
    """The few numbers that come first."""
    row = analysis.predictions.iloc[min(1, len(analysis.predictions) - 1)]
    out = [
        Fact(
            f"{'Forecast' if analysis.forecast else 'Law'} at {analysis.fitted.x_label} = {number(row['x'])}",
            number(row["predicted"]),
            f"{number(row['lower'])} to {number(row['upper'])} with {LEVEL:.0%} probability",
        )
    ]
    law = analysis.law
    if law is not None:
        places = [number(d) for d in law.breaks["position"]]
        how = verdict(law.candidates, law.criterion) if law.candidates else ""
        at = f"at {analysis.fitted.x_label} = {' and '.join(places)}" if places else "one power law"
        out.append(Fact("Breaks of the fitted law", str(law.n_breaks), "; ".join(filter(None, (at, how)))))
    checked = analysis.checked
    if checked is not None:
        both = checked["predicted"].to_numpy(), checked["y"].to_numpy()
        error = number(rmse(*both)) if analysis.forecast is None else percent(rmsle(*both)[0])
        text = f"{inside(checked)} of {points(len(checked))} inside the {LEVEL:.0%} interval"
        out.append(Fact("Error on the held-out points", error, text))
    if analysis.backtest is not None:
        table = analysis.backtest.by_distance
        near = table[table["distance_to"] <= 2.0]
        chosen = near if len(near) else table.head(1)
        share = np.sqrt(np.average(chosen["rmsle"] ** 2, weights=chosen["points"]))
        far = float(chosen["distance_to"].iloc[-1])
        out.append(
            Fact("Error in the back-test", percent(share), f"up to {number(far)} times the last fitted x")
        )
    return out


def inside(checked: pd.DataFrame) -> int:
    """How many measured values lie in their intervals."""
    return int(checked["y"].between(checked["lower"], checked["upper"]).sum())


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


def points(count: int) -> str:
    """'1 point', '5 points'."""
    return f"{count} point{'' if count == 1 else 's'}"


def rows(table: pd.DataFrame) -> list[Any]:
    """The rows as named tuples, without the index."""
    return list(table.itertuples(index=False))
