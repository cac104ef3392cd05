"""Figures of what is predicted: by a fit, by a forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from bnsl._base.checks import (
    InputError,
    as_number,
    check_flag,
    check_made_by,
    check_share,
    check_shares,
    described,
)
from bnsl._base.display import quietly
from bnsl._base.lazy import Axes
from bnsl._base.palette import tint
from bnsl.curves.curve import Curve
from bnsl.evaluation.extrapolation import Extrapolation
from bnsl.fitting.result import FitResult
from bnsl.forecasting.forecast import Forecast
from bnsl.forecasting.surface import SurfaceForecast
from bnsl.forms.registry import capitals
from bnsl.plots._drawing import CROWDED, FORECAST, POINTS, Panel
from bnsl.plots.laws import SAMPLES, check_one_input, fit_and_held_out, law_colour
from bnsl.plots.places import break_positions, corners, line_x, turns
from bnsl.plots.surfaces import draw_law

AHEAD = 4.0  # a forecast without held-out points is drawn up to this multiple of the last x


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

    Raises:
        InputError: (a ValueError) something else than such a result, a level outside (0, 1), or an x_max that
            is not a number beyond the first point.
    """
    result, held_out = fit_and_held_out(fit)
    level = None if interval is None else check_share(interval, "interval")
    log, show_breaks = check_flag(log, "log"), check_flag(show_breaks, "show_breaks")
    curve, params = result.curve, result.params
    if curve.inputs > 1:
        return draw_law(result, held_out, axes=None if ax is None else [ax], level=level or 0.9)
    parts = [curve] if held_out is None else [curve, held_out]
    first, end = _ends(parts, x_max, max(float(part.x.max()) for part in parts))
    x = line_x(first, end, SAMPLES, 0 if log else SAMPLES, turns(params, 6.0, 61))
    colour, name = law_colour(result.form), capitals(result.form.label)
    panel = Panel(ax, log, log and all(np.all(part.y > 0) for part in parts))
    band = {"color": colour, "alpha": 0.15, "linewidth": 0, "zorder": 1}
    bands = {} if level is None else {level: band}
    _draw(panel, result, held_out, x, x_max, bands, (3.0, 0.3), color=colour, label=name)
    if held_out is not None:
        panel.beyond(curve, held_out)
    if show_breaks and result.n_breaks:
        panel.breaks(break_positions(params))
    return panel.finish(curve.x_label, curve.y_label, name, curve, first=POINTS)


def plot_forecast(
    forecast: Forecast | SurfaceForecast,
    *,
    held_out: Curve | None = None,
    ax: Axes | None = None,
    log: bool = True,
    levels: Sequence[float] = (0.5, 0.9),
    x_max: float | None = None,
) -> Axes:
    """Draw a forecast: the points, the prediction with its intervals and, if given, held-out points.

    Points are black circles, held-out points green diamonds, the forecast is violet; its intervals are nested
    bands, the narrower the darker. The area beyond the fitted points is grey. Points with a sigma have bars
    of one standard deviation. Of more than 600 points up to 400 are drawn, in grey.

    A forecast of several inputs is drawn as `plot_fit` draws a fit of these.

    Args:
        forecast: what `bnsl.forecast` returned.
        held_out: points that were held out, as from `Curve.split`.
        ax: the Axes to draw into; a new figure if not given.
        log: log axes, or linear ones.
        levels: probabilities of the intervals in which a new measurement would fall; empty for no bands.
        x_max: where the forecast ends, in the units of x; if not given the last held-out point, or 4 times
            the last x where there is none.

    Raises:
        InputError: (a ValueError) something else than a Forecast or a Curve, held-out points of several
            inputs, a level outside (0, 1), or an x_max that is not a number beyond the first point.
    """
    check_made_by(forecast, (Forecast, SurfaceForecast), "forecast", "bnsl.forecast")
    if held_out is not None and not isinstance(held_out, Curve):
        raise InputError(f"held_out must be a Curve, as from Curve.split; got {described(held_out)}")
    shares, log, curve = check_shares(levels, "levels"), check_flag(log, "log"), forecast.curve
    if isinstance(forecast, SurfaceForecast):
        return draw_law(forecast, held_out, axes=None if ax is None else [ax], level=max(shares, default=0.9))
    parts = [curve] if held_out is None else [curve, held_out]
    for part in parts:
        check_one_input(part)
    ahead = float(curve.ahead((AHEAD,))[0] if held_out is None else max(part.x.max() for part in parts))
    x = _forecast_x(forecast, *_ends(parts, x_max, ahead), log)
    panel = Panel(ax, log, log and forecast.scale.logarithmic and all(np.all(part.y > 0) for part in parts))
    bands = {share: _band(i, shares, curve) for i, share in enumerate(sorted(set(shares), reverse=True))}
    _draw(panel, forecast, held_out, x, x_max, bands, (1.0, 0.6), color=FORECAST, label="forecast")
    panel.beyond(curve, held_out)
    return panel.finish(curve.x_label, curve.y_label, "forecast", curve, first=(*POINTS, "forecast"))


def _ends(parts: Sequence[Curve], x_max: float | None, last: float) -> tuple[float, float]:
    """Where a line starts and ends; `last` is the end that nobody has to ask for."""
    first, end = min(float(part.x.min()) for part in parts), last
    if x_max is not None:
        end = as_number(x_max, "x_max")
    if not end > first:
        raise InputError(f"x_max = {end:g} must lie beyond the first point, at {first:g}")
    return first, end


def _forecast_x(forecast: Forecast, first: float, end: float, log: bool) -> np.ndarray:
    """Where a forecast's line is drawn: at its points, too, if they are few."""
    own = [forecast.curve.x] if len(forecast.curve) <= SAMPLES else []
    near = [*own, *corners(forecast.laws, 25)]
    return line_x(first, end, SAMPLES // 4, 0 if log else SAMPLES // 4, near)


def _band(number: int, shares: Sequence[float], curve: Curve) -> dict[str, Any]:
    """The look of an interval of a forecast: the narrower the darker."""
    shade = 0.16 + 0.24 * number / max(len(set(shares)) - 1, 1)
    edge = tint(shade + 0.2)["light"]  # the end of a pale band on the grey area
    look: dict[str, Any] = {"facecolor": tint(shade)["light"], "edgecolor": edge, "linewidth": 0.5}
    alpha = 0.7 if len(curve) > CROWDED else None  # the points lie below
    return look | {"alpha": alpha, "zorder": 1 + 0.01 * number}


def _draw(
    panel: Panel,
    law: FitResult | Forecast,
    held_out: Curve | None,
    x: np.ndarray,
    x_max: float | None,
    bands: Mapping[float, dict[str, Any]],
    reach: tuple[float, float],
    **line: Any,
) -> None:
    """Intervals by their level, the widest first, points, and the line; these may widen y by `reach`."""
    parts = [law.curve] if held_out is None else [law.curve, held_out]
    panel.show("x", x[[0, -1]], *(part.x for part in parts))
    panel.show("y", *(part.y for part in parts))
    with quietly() if x_max is None else nullcontext():  # else more is asked for than the points reach
        middle = law.predict(x)
    panel.show("y", middle, times=reach[0])
    ends: list[np.ndarray] = []
    for level, look in bands.items():
        with quietly():
            band = law.interval(x, level)
        if all(np.isfinite(end).any() for end in band):
            text = f"{100 * level:g}% interval"
            panel.ax.fill_between(x, *within_reach(band, middle), label=text, **look)
            ends.extend(band)
    panel.show("y", *ends, times=reach[1])
    panel.points(law.curve, held_out)
    panel.ax.plot(x, middle, linewidth=1.6, zorder=4, **line)
    panel.close()


def within_reach(band: tuple[np.ndarray, np.ndarray], law: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A band that matplotlib can fill, also where it goes from 0 to infinity: far beyond any frame."""
    seen = law[np.isfinite(law) & (law > 0)]
    if not len(seen):
        return band
    lowest, highest = max(float(seen.min()) * 1e-9, 1e-300), min(float(seen.max()) * 1e9, 1e300)
    lower, upper = band
    return np.where(lower == 0, lowest, np.maximum(lower, -highest)), np.minimum(upper, highest)
