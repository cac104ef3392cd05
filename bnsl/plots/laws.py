"""Figures of one law: the fit with its extrapolation, its power laws, its errors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bnsl._base.checks import InputError, as_number, check_flag, check_share
from bnsl._base.display import ExtrapolationWarning
from bnsl.curves.curve import Curve
from bnsl.evaluation.extrapolation import Extrapolation
from bnsl.fitting.result import FitResult
from bnsl.forms.broken import BNSL, Segment, breaks_in
from bnsl.plots._drawing import (
    COLOURS,
    DASHES,
    LAW,
    MINUS,
    WIDE,
    Frame,
    add_legend,
    axes_or_new,
    break_positions,
    display_name,
    draw_points,
    fit_and_held_out,
    label_axes,
    law_colour,
    line_x,
    mark_breaks,
    shade_held_out,
    title_of,
    within_reach,
    x_range,
)
from bnsl.plots.surfaces import draw_law

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_fit(
    fit: FitResult | Extrapolation,
    *,
    ax: Axes | None = None,
    log: bool = True,
    interval: float | None = 0.9,
    x_max: float | None = None,
    show_breaks: bool = True,
) -> Axes:
    """Draw a fit: the points, the law and, for an extrapolation, the held-out points.

    Fitted points are black circles, held-out points green diamonds on a grey area; a dashed line marks every
    break d_i in view. The law has the colour of its form in every figure: a BNSL is red. Points with a sigma
    have bars of one standard deviation. Of more than 600 points up to 400 are drawn, in grey.

    A fit of two inputs is drawn as contours with the runs, and held-out runs against predictions beside them;
    one of more inputs as its residuals against each.

    Args:
        fit: what `bnsl.fit` or `bnsl.extrapolate` returned.
        ax: the Axes to draw into (of several inputs for the first panel alone); a new figure if not given.
        log: log axes. The y axis is linear all the same where a measured value is not positive.
        interval: level of the band in which a new measurement would fall, between 0 and 1, or None for no
            band. It is also left out where the data are too few to know it.
        x_max: where the law ends, in the units of x; the last point if not given.
        show_breaks: mark the breaks.

    Returns:
        The Axes.

    Raises:
        InputError: (a ValueError) something else than such a result, a level outside (0, 1), or an x_max that
            is not a number beyond the first point.
    """
    result, held_out = fit_and_held_out(fit, several=True)
    level = None if interval is None else check_share(interval, "interval")
    log, show_breaks = check_flag(log, "log"), check_flag(show_breaks, "show_breaks")
    if result.curve.inputs > 1:
        return draw_law(result, held_out, axes=None if ax is None else [ax], level=level or 0.9)
    parts = [result.curve] if held_out is None else [result.curve, held_out]
    first, last = x_range(parts)
    end = last if x_max is None else as_number(x_max, "x_max")
    if not end > first:
        raise InputError(f"x_max = {end:g} must lie beyond the first point, at {first:g}")
    log_y = log and all(np.all(part.y > 0) for part in parts)

    ax = axes_or_new(ax)
    frame = Frame(ax, log, log_y)
    x = line_x(result.params, first, end, log)
    with warnings.catch_warnings():
        if x_max is None:  # nobody asked for more than the points reach
            warnings.simplefilter("ignore", ExtrapolationWarning)
        law = result.predict(x)
    band: tuple[np.ndarray, np.ndarray] | None = None
    if level is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)
            band = result.interval(x, level)
        if not (np.isfinite(band[0]).any() and np.isfinite(band[1]).any()):
            band = None
    if band is not None and level is not None:
        ax.fill_between(
            x,
            *within_reach(band, law),
            color=law_colour(result.form),
            alpha=0.15,
            linewidth=0,
            zorder=1,
            label=f"{100 * level:g}% interval",
        )
    draw_points(ax, result.curve, held_out)
    ax.plot(x, law, color=law_colour(result.form), linewidth=1.6, zorder=4, label=display_name(result.form))

    frame.show_x(first, max(last, end))
    frame.show_y(*(part.y for part in parts))
    frame.reach_y(3.0, law)
    if band is not None:
        frame.reach_y(0.3, *band)
    frame.close()
    if held_out is not None:
        shade_held_out(ax, result.curve, held_out, log)
    if show_breaks and result.n_breaks:
        mark_breaks(ax, break_positions(result.params))
    label_axes(ax, result.curve, title_of(result.curve, display_name(result.form)))
    add_legend(ax, ("fitted points", "held-out points"))
    return ax


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

    Returns:
        The Axes.

    Raises:
        InputError: (a ValueError) a form that is no BNSL, parameters that make none, or a missing or empty
            range.
    """
    held_out = None
    if isinstance(law, Mapping):
        if x_min is None or x_max is None:
            raise InputError("x_min and x_max are needed for a law without data")
        curve, params = None, law
        form = BNSL(breaks_in(law), rising=as_number(law.get("b", 1.0), "params['b']") < 0)
        with np.errstate(over="ignore"):  # of a steep power law at x = 1, far outside the view
            segments = form.segments(params)
        log_b = float(np.log(abs(params["b"])))
    else:
        result, held_out = fit_and_held_out(law, "law", " or a mapping of parameters")
        segments = result.segments
        curve, params = result.curve, result.params
        form = result.form  # type: ignore[assignment]
        log_b = float(result.theta[form.names.index("b")])
    parts = [part for part in (curve, held_out) if part is not None]
    first, last = x_range(parts) if parts else (np.nan, np.nan)
    first = first if x_min is None else as_number(x_min, "x_min")
    last = last if x_max is None else as_number(x_max, "x_max")
    if not 0 < first < last:
        raise InputError(f"x_min = {first:g} and x_max = {last:g}: they must satisfy 0 < x_min < x_max")

    ax = axes_or_new(ax, WIDE)
    frame = Frame(ax, True, True)
    x = line_x(params, first, last, True)
    limit = params["a"]
    whole = form.evaluate(params, x)
    distance = np.abs(whole - limit)
    if curve is not None:
        draw_points(ax, curve, held_out, zorder=6.0)
    if limit > 0:
        ax.axhline(
            limit, color="0.35", linestyle=":", linewidth=1.2, zorder=2, label=f"limit a = {limit:.3g}"
        )
        name = "limit minus law" if form.rising else "law minus limit"
        ax.plot(x, distance, color="0.6", linewidth=2.2, zorder=3, label=name)
    ax.plot(x, whole, color=LAW, linewidth=2.2, zorder=4, label=display_name(form))

    frame.show_x(first, last)
    shown = [whole, distance] if limit > 0 else [whole]
    shown += [part.y[(part.x >= first) & (part.x <= last)] for part in parts]
    if limit > 0 and limit >= 0.1 * np.min(distance):
        shown.append(np.array([limit]))
    frame.show_y(*shown)
    frame.close()
    _draw_segments(ax, segments, log_b, first, last)
    mark_breaks(ax, break_positions(params))
    label_axes(ax, curve, title_of(curve, f"{display_name(form)}, decomposed"))
    add_legend(ax, ("fitted points", "held-out points", display_name(form)), outside=True)
    return ax


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
    parts = [result.curve] if held_out is None else [result.curve, held_out]
    laws = [result.curve.held(result.form.evaluate(result.theta, part.x)) for part in parts]
    in_logs = all(np.all(part.y > 0) and np.all(law > 0) for part, law in zip(parts, laws, strict=True))
    errors = [
        np.log(law / part.y) if in_logs else law - part.y for part, law in zip(parts, laws, strict=True)
    ]
    dof = len(result.curve) - result.n_params

    ax = axes_or_new(ax)
    frame = Frame(ax, True, False)
    colour = law_colour(result.form)
    ax.axhline(0.0, color=colour, linewidth=1.4, zorder=2)
    if dof > 0:
        scale = float(np.sqrt(np.sum(errors[0] ** 2) / dof))
        text = f"± 1 sd ({scale:.2g})"
        ax.axhspan(-scale, scale, color=colour, alpha=0.12, linewidth=0, zorder=1, label=text)
        frame.show_y(np.array([-scale, scale]))
    shifted = []
    for part, error in zip(parts, errors, strict=True):
        sigma = None if part.sigma is None else part.sigma / part.y if in_logs else part.sigma
        shifted.append(
            Curve(part.x, error, sigma, part.name, part.x_label, "log(law / measured)" if in_logs else "")
        )
    draw_points(ax, shifted[0], shifted[1] if held_out is not None else None)
    frame.show_x(*x_range(parts))
    frame.show_y(np.array([0.0]), *errors)
    for part in shifted:
        if part.sigma is not None:
            frame.show_y(part.y - part.sigma, part.y + part.sigma)
    frame.close()
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.12 * (high - low))  # for the legend, in one row
    if held_out is not None:
        shade_held_out(ax, result.curve, held_out, True)
    label_axes(ax, result.curve, title_of(result.curve, f"{display_name(result.form)}, errors"))
    ax.set_ylabel("log(law / measured)" if in_logs else f"law {MINUS} measured ({result.curve.y_label})")
    add_legend(ax, ("fitted points", "held-out points"), loc="upper left", ncols=3, columnspacing=1.2)
    return ax


def _draw_segments(ax: Axes, segments: Sequence[Segment], log_b: float, first: float, last: float) -> None:
    """Every power law in view, dashed, from a tenth of the view before its start to a tenth beyond its end.

    `log_b` is the logarithm of the first one at x = 1; that of a steep one there may be no double.
    """
    beyond = (last / first) ** 0.1
    low, high = np.log(ax.get_ylim())
    log_scale, before = log_b, segments[0].slope
    for i, segment in enumerate(segments):
        if segment.start > 0:  # where it meets the one before
            log_scale += (before - segment.slope) * np.log(segment.start)
        before = segment.slope
        start, stop = max(segment.start / beyond, first), min(segment.stop * beyond, last)
        log_x = np.log([start, stop])
        if segment.slope != 0:  # cut at the upper and the lower edge, before it overflows
            crossings = np.sort((np.array([low, high]) - log_scale) / segment.slope)
            log_x = np.clip(log_x, *crossings)
        log_y = log_scale + segment.slope * log_x
        if start >= stop or log_x[0] >= log_x[1] or not low <= log_y.mean() <= high:
            continue
        ax.plot(
            np.exp(log_x),
            np.exp(log_y),
            color=COLOURS[i % len(COLOURS)],
            linestyle=DASHES[i % len(DASHES)],
            linewidth=1.6,
            zorder=5,
            label=f"segment {i + 1}: slope {segment.slope:.2f}".replace("-", MINUS),
        )
