"""Several forms, one split of one curve, one ranked table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, check_mapping, suggest, told
from bnsl._base.display import counted, html_frame, html_table
from bnsl._base.lazy import pd
from bnsl._base.shown import Plotted
from bnsl.curves.curve import Curve
from bnsl.curves.data import Data, as_curve, named_inputs
from bnsl.curves.scale import loss_of
from bnsl.evaluation.extrapolation import Extrapolation, parted
from bnsl.evidence.breaks import points_needed
from bnsl.fitting.fit import fit
from bnsl.fitting.linear_breaks import MOST as MOST_ON_Y
from bnsl.fitting.result import FitResult
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.forms.registry import NAMES, form_name, get_form, given_breaks

ALL_FORMS = ("m1", "m2", "m3", "m4", "bnsl")
FORMS_OF_TWO = ("chinchilla_tied", "chinchilla", "skaling", "bilinear", "interaction", "bnsl")  # inputs


@dataclass(frozen=True)
class Comparison(Plotted, figure="plot_comparison"):
    """Fits of several forms to the same points.

    Attributes:
        fitted: the points that all forms were fitted to.
        held_out: the points that were held out, or None.
        results: the fits by label, in the order asked for.
    """

    fitted: Curve
    held_out: Curve | None
    results: dict[str, FitResult]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per form, best first by `ranked_by`.

        Columns: n_breaks, n_params, train_rmsle, heldout_rmsle and its standard error (NaN if nothing was
        held out), train_rmse and heldout_rmse in the units of y, aicc, delta_aicc (against the lowest),
        status, warnings (codes).
        """
        return self._unsorted.sort_values(self.ranked_by, kind="stable", na_position="last")

    @property
    def error_column(self) -> str:
        """The column of the errors worth showing: on the held-out points if there are any.

        That of the RMSLE, or of the RMSE where no form has logarithms to compare on all points.
        """
        parts = ["train"] if self.held_out is None else ["train", "heldout"]
        known = all(self._unsorted[f"{part}_rmsle"].notna().any() for part in parts)
        return f"{parts[-1]}_rmsle" if known else f"{parts[-1]}_rmse"

    @property
    def ranked_by(self) -> str:
        """The column that ranks: the held-out error, or AICc if nothing was held out.

        The error on the fitted points where AICc is infinite for every form.
        """
        by_aicc = self.held_out is None and np.isfinite(self._unsorted["aicc"]).any()
        return "aicc" if by_aicc else self.error_column

    @property
    def ranking(self) -> str:
        """What `ranked_by` means, for people."""
        if self.held_out is not None:
            return "by held-out error, best first"
        if self.ranked_by == "aicc":
            return "by AICc of the fit, best first"
        return (
            "by the error on the fitted points, which favours many parameters: there are too few points for "
            "AICc, infinite for every form, to rank them"
        )

    @cached_property
    def _unsorted(self) -> pd.DataFrame:
        rows = []
        for label, result in self.results.items():
            held = None if self.held_out is None else Extrapolation(result, self.held_out)
            rows.append(
                {
                    "form": label,
                    "n_breaks": result.n_breaks,
                    "n_params": result.n_params,
                    "train_rmsle": result.rmsle,
                    "heldout_rmsle": np.nan if held is None else held.rmsle,
                    "heldout_stderr": np.nan if held is None else held.rmsle_stderr,
                    "train_rmse": result.rmse,
                    "heldout_rmse": np.nan if held is None else held.rmse,
                    "aicc": result.aicc,
                    "status": result.status.name.lower(),
                    "warnings": ", ".join(dict.fromkeys(w.code for w in result.warnings)),
                }
            )
        frame = pd.DataFrame(rows).set_index("form")
        finite = frame["aicc"].replace(np.inf, np.nan)
        frame.insert(list(frame.columns).index("aicc") + 1, "delta_aicc", frame["aicc"] - finite.min())
        return frame

    @property
    def best(self) -> FitResult:
        """The fit in the first row of the table."""
        return self.results[str(self.table.index[0])]

    def __repr__(self) -> str:
        best, value = str(self.table.index[0]), self.table[self.ranked_by].iloc[0]
        forms = counted(len(self.results), "form")
        return f"<Comparison of {forms}: best {best!r}, {self.ranked_by}={value:.4g}>"

    def _repr_html_(self) -> str:
        facts = [("fitted", self.fitted.extent)]
        if self.held_out is not None:
            facts.append(("held out", self.held_out.extent))
        facts.append(("ranked", self.ranking))
        return html_table(facts) + html_frame(self.table)


def compare(
    *data: Data,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    forms: str | Form | Sequence[str | Form] = ALL_FORMS,
    train_until: float | None = None,
    train_count: int | None = None,
    train_fraction: float | None = None,
    n_breaks: int | str | Sequence[int] | None = None,
    loss: str | None = None,
    robust: str | None = None,
    sigma: ArrayLike | None = None,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    accuracy: str | None = None,
    resolution: float | None = None,
    inputs: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    held_out: ArrayLike | None = None,
) -> Comparison:
    """Fit several forms to one split of one curve and rank them.

    Args:
        *data: x and y; or a Curve; or a table whose columns `x`, `y` and `sigma` name.
        x: positive inputs (N,), or their column.
        y: measured values (N,), or their column.
        forms: names or Form instances, one or several; if not given, all named forms (if some y is not
            positive, those that can be negative).
        train_until: fit the points with x <= this; or
        train_count: fit this many points with the smallest x; or
        train_fraction: fit this share of them. Without one of these all points are fitted, and the ranking
            goes by AICc.
        n_breaks: number of breaks of "bnsl"; if "auto" or not given, it is chosen by evidence (if some y is
            not positive, 0 to 2 are compared). Several, as in (0, 1, 2), are compared in separate rows.
        loss: the same loss for all, as for `bnsl.fit`; if not given, "log", or "linear" with a warning if a
            tenth of y is negative, as rewards are.
        robust: the same robust loss for all, as for `bnsl.fit`.
        sigma: standard deviation of every y (N,), or one number for all.
        fixed: parameters fixed at a value, in the forms that have them.
        bounds: (lower, upper) of parameters, likewise.
        accuracy: "share" or "percent" for a y that is an accuracy, as for `bnsl.fit`.
        resolution: of an accuracy, as for `bnsl.fit`.
        inputs: names of several inputs, as for `bnsl.fit`; points are then split by their product, of those
            that cost compute.
        groups: the group of every row, as for `bnsl.fit`.
        held_out: instead of a rule, one True or False per row (N,).

    Raises:
        InputError: bad input, the same form twice, or a rule that leaves nothing to hold out.
    """
    x, names = named_inputs(data, x, inputs)
    wanted = forms_by_label(forms, n_breaks, names)
    axes = next(iter(wanted.values())).inputs
    asked: dict[str, Any] = {"labels": names, "accuracy": accuracy, "resolution": resolution}
    curve = as_curve(data, x, y, sigma, axes=axes, groups=groups, **asked)
    rules: dict[str, Any] = {"train_until": train_until, "train_count": train_count}
    rules |= {"train_fraction": train_fraction, "held_out": held_out}
    fitted, beyond = parted(curve, {name: rule for name, rule in rules.items() if rule is not None})
    loss, signed = loss_of(fitted.y, loss)
    if forms is ALL_FORMS and loss == "linear" and curve.y.min() <= 0:
        possible = [n for n in range(MOST_ON_Y + 1) if n == 0 or len(fitted) >= points_needed(n)]
        counts = possible if given_breaks(n_breaks) is None else n_breaks
        wanted = forms_by_label([label for label, form in wanted.items() if form.signed], counts)
    known = {name for form in wanted.values() for name in form.names}
    fixed, bounds = check_mapping(fixed, "fixed"), check_mapping(bounds, "bounds")
    for argument, given in (("fixed", fixed), ("bounds", bounds)):
        for name in given:
            if name not in known and not _of_break(name):
                raise InputError(f"{argument}: no form has a parameter {name!r}" + suggest(name, known))
    results = {}
    for label, form in wanted.items():
        # A BNSL by name alone: `fit` chooses the number of breaks.
        chosen = given_breaks(n_breaks) is None and NAMES.get(label) == BNSL.name
        options: dict[str, Any] = {"form": BNSL.name if chosen else form, "loss": loss, "robust": robust}
        for argument, given in (("fixed", fixed), ("bounds", bounds)):
            own = {k: v for k, v in given.items() if k in form.names or (chosen and _of_break(k))}
            options[argument] = own
        result = fit(fitted, inputs=names, **options)
        results[label] = replace(result, warnings=(*signed, *result.warnings))
    return Comparison(fitted, beyond, results)


def _of_break(name: str) -> bool:
    """Whether a parameter is that of some break, c2 or d1, of which a chosen number has enough."""
    return bool(re.fullmatch(r"[cdf][1-9]\d*", name))


def forms_by_label(
    forms: str | Form | Sequence[str | Form],
    n_breaks: int | str | Sequence[int] | None = None,
    inputs: Sequence[str] | None = None,
) -> dict[str, Form]:
    """The forms to compare (see `compare`) by the labels of their rows; `inputs` are names of several inputs.

    Raises:
        InputError: an unknown form, the same one twice, forms of different inputs, or an n_breaks without
            the "bnsl" that it is for.
    """
    asked = given_breaks(n_breaks)
    if forms is ALL_FORMS and inputs is not None and len(inputs) > 1:
        forms = FORMS_OF_TWO if len(inputs) == 2 else (BNSL.name,)
    listed = [forms] if isinstance(forms, str | Form) else forms
    if not isinstance(listed, Sequence) or len(listed) == 0:
        raise InputError(f"{told('forms', forms)} must be a form or a list of at least one")
    counts = list(asked) if isinstance(asked, Iterable) else None
    if counts == []:
        raise InputError(f"{told('n_breaks', n_breaks)} must be a whole number or a list of at least one")
    wanted: list[tuple[str, Form]] = []
    for form in listed:
        if not _is_bnsl(form):
            made = get_form(form)
            wanted.append((form_name(form) if isinstance(form, str) else made.label, made))
        elif counts is None:
            wanted.append((form_name(str(form)), get_form(form, asked, inputs=inputs)))
        else:
            several = [get_form(form, count, inputs=inputs) for count in counts]
            wanted += [(made.label, made) for made in several]
    if asked is not None and not any(map(_is_bnsl, listed)):
        raise InputError(f"{told('n_breaks', n_breaks)} is only for 'bnsl', which is not among the forms")
    return _checked(wanted)


def _is_bnsl(form: str | Form) -> bool:
    """Whether a form is the BNSL by name, whose number of breaks is asked for apart."""
    return isinstance(form, str) and NAMES.get(form_name(form)) == BNSL.name


def _checked(wanted: Sequence[tuple[str, Form]]) -> dict[str, Form]:
    """Forms by label, each once, and all of the same inputs."""
    found: dict[str, Form] = {}
    first = wanted[0][1]
    for label, form in wanted:
        if label in found or (NAMES.get(label) and form in found.values()):
            raise InputError(f"forms names {label!r} twice")
        if len(form.inputs) != len(first.inputs):
            raise InputError(
                f"forms: {first.label!r} takes {', '.join(map(str, first.inputs))} and {form.label!r} takes "
                f"{', '.join(map(str, form.inputs))}; only forms of the same inputs can be compared"
            )
        found[label] = form
    return found
