"""Figures of one law: its power laws, its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np

from bnsl._base.checks import InputError, as_number, described
from bnsl._base.lazy import Axes
from bnsl._base.palette import styles
from bnsl.curves.curve import Curve
from bnsl.evaluation.extrapolation import Extrapolation
from bnsl.fitting.result import FitResult
from bnsl.forms.broken import BNSL, Segment, breaks_in
from bnsl.forms.form import Form
from bnsl.forms.registry import FORMS, capitals
from bnsl.plots._drawing import COLOURS, DASHES, LAW, POINTS, WIDE, Panel
from bnsl.plots.places import break_positions, line_x, turns

MINUS = "\N{MINUS SIGN}"
SAMPLES = 400  # points of a law's line, besides those around its breaks


class _Chain(NamedTuple):
    """A law as its power laws; `log_b` is the logarithm of the first at x = 1, which may be no double."""

    form: BNSL
    params: Mapping[str, float]
    log_b: float
    segments: tuple[Segment, ...]


def plot_decomposition(
    law: FitResult | Extrapolation | Mapping[str, float],
    *,
    ax: Axes | None = None,
    x_min: float | None = None,
    x_max: float | None = None,
) -> Axes:
    """A BNSL as the chain of power laws that it is made of (Figure 1 of arXiv 2210.14891), on log axes.

    The law is red and its limit dotted. The law minus its limit is grey (the limit minus the law, if it
    rises). Each of the n + 1 power laws is dashed and reaches a little beyond the breaks at its ends.

    Args:
        law: what `bnsl.fit` or `bnsl.extrapolate` returned for a BNSL, whose fitted points are drawn as
            well; or the parameters of a law without data, a mapping of a, b, c0, c1, d1, f1, ...
        ax: the Axes to draw into; a new figure if not given.
        x_min: where x starts, in its units; at the first point if not given. A mapping needs it.
        x_max: where x ends, likewise.

    Raises:
        InputError: (a ValueError) a form that is no BNSL, parameters that make none, or a missing or empty
            range.
    """
    held_out, curve = None, None
    if isinstance(law, Mapping):
        if x_min is None or x_max is None:
            raise InputError("x_min and x_max are needed for a law without data")
        chain = _chain_of(law)
    else:
        result, held_out = fit_and_held_out(law, "law", " or a mapping of parameters")
        check_one_input(result.curve)
        segments, curve = result.segments, result.curve  # refused for a form that has none
        log_b = float(result.theta[result.form.names.index("b")])
        chain = _Chain(result.form, result.params, log_b, segments)  # type: ignore[arg-type]
    parts = [part for part in (curve, held_out) if part is not None]
    x = np.concatenate([part.x for part in parts] or [np.empty(0)])
    first = float(x.min()) if x_min is None else as_number(x_min, "x_min")
    last = float(x.max()) if x_max is None else as_number(x_max, "x_max")
    if not 0 < first < last:
        raise InputError(f"x_min = {first:g} and x_max = {last:g}: they must satisfy 0 < x_min < x_max")
    panel = Panel(ax, True, True, WIDE)
    if curve is not None:
        panel.points(curve, held_out, zorder=6.0)
    _draw_chain(panel, chain, parts, first, last)
    names = ("x", "y") if curve is None else (curve.x_label, curve.y_label)
    name = capitals(chain.form.label)
    return panel.finish(*names, f"{name}, decomposed", curve, first=(*POINTS, name), outside=True)


def plot_residuals(fit: FitResult | Extrapolation, *, ax: Axes | None = None) -> Axes:
    """Log errors log(law / measured) against x: fitted points black, held-out points green.

    The band is one standard deviation of the fitted points' errors, degrees of freedom taken off: under
    the default loss the result's `residual_scale`. It is left out if no degree of freedom is left. Bars
    are the points' own sigma / y. Where a value is not positive, plain errors (law minus measured, in the
    units of y) stand in for log errors.

    Args:
        fit: what `bnsl.fit` or `bnsl.extrapolate` returned, for a form of one input.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes; x is logarithmic, the errors are linear.

    Raises:
        InputError: (a ValueError) something else than such a result, or a form of several inputs.
    """
    result, held_out = fit_and_held_out(fit)
    curve = result.curve
    check_one_input(curve)
    parts = [curve] if held_out is None else [curve, held_out]
    errors, in_logs = _errors(result, parts)
    dof = len(curve) - result.n_params
    colour = law_colour(result.form)

    panel = Panel(ax, True, False)
    panel.ax.axhline(0.0, color=colour, linewidth=1.4, zorder=2)
    panel.show("x", *(part.x for part in parts))
    panel.show("y", 0.0)
    for error in errors:
        sigma = 0.0 if error.sigma is None else error.sigma
        panel.show("y", error.y - sigma, error.y + sigma)
    if dof > 0:
        scale = float(np.sqrt(np.sum(errors[0].y ** 2) / dof))
        text = f"± 1 sd ({scale:.2g})"
        panel.ax.axhspan(-scale, scale, color=colour, alpha=0.12, linewidth=0, zorder=1, label=text)
        panel.show("y", scale, -scale)
    panel.points(errors[0], None if held_out is None else errors[1])
    panel.close()
    low, high = panel.ax.get_ylim()
    panel.ax.set_ylim(low, high + 0.12 * (high - low))  # for the legend, in one row
    if held_out is not None:
        panel.beyond(curve, held_out)
    text = "log(law / measured)" if in_logs else f"law {MINUS} measured ({curve.y_label})"
    texts = curve.x_label, text, f"{capitals(result.form.label)}, errors", curve
    return panel.finish(*texts, first=POINTS, loc="upper left", ncols=3, columnspacing=1.2)


def fit_and_held_out(fit: Any, argument: str = "fit", also: str = "") -> tuple[FitResult, Curve | None]:
    """The fit and what was held out."""
    if not isinstance(fit, Extrapolation | FitResult):
        raise InputError(
            f"{argument} must be what bnsl.fit or bnsl.extrapolate returns{also}; got {described(fit)}"
        )
    return (fit, None) if isinstance(fit, FitResult) else (fit.result, fit.held_out)


def check_one_input(curve: Curve) -> None:
    """Raise InputError for points of several inputs."""
    if curve.inputs > 1:
        raise InputError(
            f"this law has {curve.inputs} inputs, and the figure is for one; use plot_fit or "
            "plot_input_residuals"
        )


def law_colour(form: Form) -> str:
    """The colour of a form's law: its own, or the red of a BNSL."""
    return styles([form.name])[form.name].colour["light"] if form.name in FORMS else LAW


def _chain_of(params: Mapping[str, float]) -> _Chain:
    """A law without data."""
    form = BNSL(breaks_in(params), rising=as_number(params.get("b", 1.0), "params['b']") < 0)
    with np.errstate(over="ignore"):  # of a steep power law at x = 1, far outside the view
        segments = form.segments(params)
    return _Chain(form, params, float(np.log(abs(params["b"]))), segments)


def _draw_chain(panel: Panel, chain: _Chain, parts: list[Curve], first: float, last: float) -> None:
    """The law, its limit, their distance, its power laws and its breaks."""
    form, params, limit = chain.form, chain.params, chain.params["a"]
    x = line_x(first, last, SAMPLES, 0, turns(params, 6.0, 61))
    whole = form.evaluate(params, x)
    distance = np.abs(whole - limit)
    panel.view([first, last], whole, *(part.y[(part.x >= first) & (part.x <= last)] for part in parts))
    if limit > 0:
        dots: dict[str, Any] = {"color": "0.35", "linestyle": ":", "linewidth": 1.2, "zorder": 2}
        panel.ax.axhline(limit, **dots, label=f"limit a = {limit:.3g}")
        name = "limit minus law" if form.rising else "law minus limit"
        panel.ax.plot(x, distance, color="0.6", linewidth=2.2, zorder=3, label=name)
        panel.show("y", distance)
        if limit >= 0.1 * np.min(distance):
            panel.show("y", limit)
    panel.ax.plot(x, whole, color=LAW, linewidth=2.2, zorder=4, label=capitals(form.label))
    panel.close()
    _draw_segments(panel.ax, chain, first, last)
    panel.breaks(break_positions(params))


def _draw_segments(ax: Axes, chain: _Chain, first: float, last: float) -> None:
    """Every power law in view, dashed, from a tenth of the view before it starts to a tenth beyond."""
    beyond = (last / first) ** 0.1
    low, high = np.log(ax.get_ylim())
    log_scale, before = chain.log_b, chain.segments[0].slope
    for i, (segment, colour, dash) in enumerate(zip(chain.segments, cycle(COLOURS), cycle(DASHES))):
        if segment.start > 0:  # where it meets the one before
            log_scale += (before - segment.slope) * np.log(segment.start)
        before = segment.slope
        start, stop = max(segment.start / beyond, first), min(segment.stop * beyond, last)
        log_x = np.log([start, stop])
        if segment.slope != 0:  # cut at the upper and the lower edge, before it overflows
            log_x = np.clip(log_x, *np.sort((np.array([low, high]) - log_scale) / segment.slope))
        log_y = log_scale + segment.slope * log_x
        if start >= stop or log_x[0] >= log_x[1] or not low <= log_y.mean() <= high:
            continue
        look = {"color": colour, "linestyle": dash, "linewidth": 1.6, "zorder": 5}
        text = f"segment {i + 1}: slope {segment.slope:.2f}".replace("-", MINUS)
        ax.plot(np.exp(log_x), np.exp(log_y), **look, label=text)


def _errors(result: FitResult, parts: list[Curve]) -> tuple[list[Curve], bool]:
    """Errors of the law at the points, with their sigma, and whether they are logarithmic."""
    laws = [result.curve.held(result.form.evaluate(result.theta, part.x)) for part in parts]
    both = list(zip(parts, laws, strict=True))
    in_logs = all(np.all(part.y > 0) and np.all(law > 0) for part, law in both)
    errors = []
    for part, law in both:
        sigma = part.sigma / part.y if in_logs and part.sigma is not None else part.sigma
        error = np.log(law / part.y) if in_logs else law - part.y
        errors.append(replace(part, y=error, sigma=sigma, within=(-np.inf, np.inf)))
    return errors, in_logs
