"""Figures of a forecast."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError, as_number, check_flag, check_made_by, described
from bnsl._base.display import ExtrapolationWarning
from bnsl._base.palette import tint
from bnsl.curves.curve import Curve
from bnsl.forecasting.forecast import Forecast
from bnsl.forecasting.surface import SurfaceForecast
from bnsl.plots._drawing import (
    CROWDED,
    FORECAST,
    SAMPLES,
    Frame,
    add_legend,
    axes_or_new,
    check_one_input,
    draw_points,
    label_axes,
    levels_of,
    shade_held_out,
    title_of,
    x_range,
)
from bnsl.plots.surfaces import draw_law

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AHEAD = 4.0  # a forecast without held-out points is drawn up to this multiple of the last x
DRAWN_WEIGHT = 0.01  # breaks of laws that weigh less in a forecast leave no corner in it


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

    Returns:
        The Axes.

    Raises:
        InputError: (a ValueError) something else than a Forecast or a Curve, held-out points of several
            inputs, a level outside (0, 1), or an x_max that is not a number beyond the first point.
    """
    check_made_by(forecast, (Forecast, SurfaceForecast), "forecast", "bnsl.forecast")
    if held_out is not None and not isinstance(held_out, Curve):
        raise InputError(f"held_out must be a Curve, as from Curve.split; got {described(held_out)}")
    shares, log = levels_of(levels), check_flag(log, "log")
    if isinstance(forecast, SurfaceForecast):
        return draw_law(forecast, held_out, axes=None if ax is None else [ax], level=max(shares, default=0.9))
    curve = forecast.curve
    parts = [curve] if held_out is None else [curve, held_out]
    for part in parts:
        check_one_input(part)
    first, last = x_range(parts)
    end = last if held_out is not None else float(curve.ahead((AHEAD,))[0])
    if x_max is not None:
        end = as_number(x_max, "x_max")
    if not end > first:
        raise InputError(f"x_max = {end:g} must lie beyond the first point, at {first:g}")
    log_y = log and forecast.scale.logarithmic and all(np.all(part.y > 0) for part in parts)

    ax = axes_or_new(ax)
    frame = Frame(ax, log, log_y)
    x = _forecast_x(forecast, first, end, log)
    with warnings.catch_warnings():
        if x_max is None:  # nobody asked for more than the points reach
            warnings.simplefilter("ignore", ExtrapolationWarning)
        law = forecast.predict(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        bands = [(share, forecast.interval(x, share)) for share in sorted(set(shares), reverse=True)]
    for i, (share, band) in enumerate(bands):
        shade = 0.16 + 0.24 * i / max(len(bands) - 1, 1)
        ax.fill_between(
            x,
            *band,
            facecolor=tint(shade)["light"],
            edgecolor=tint(shade + 0.2)["light"],  # the end of a pale band on the grey area
            linewidth=0.5,
            alpha=0.7 if len(curve) > CROWDED else None,  # the points lie below
            zorder=1 + 0.01 * i,
            label=f"{100 * share:g}% interval",
        )
    draw_points(ax, curve, held_out)
    ax.plot(x, law, color=FORECAST, linewidth=1.6, zorder=4, label="forecast")

    frame.show_x(first, max(last, end))
    frame.show_y(*(part.y for part in parts))
    frame.reach_y(1.0, law)
    for _, band in bands:
        frame.reach_y(0.6, *band)
    frame.close()
    shade_held_out(ax, curve, held_out, log)
    label_axes(ax, curve, title_of(curve, "forecast"))
    add_legend(ax, ("fitted points", "held-out points", "forecast"))
    return ax


def _forecast_x(forecast: Forecast, first: float, last: float, log: bool) -> np.ndarray:
    """Where a forecast's line is drawn: evenly, at its points if they are few, and densely around breaks."""
    count = SAMPLES // 2
    x: list[Any] = [np.geomspace(first, last, count), [] if log else np.linspace(first, last, count)]
    if len(forecast.curve) <= SAMPLES:
        x.append(forecast.curve.x)
    laws = forecast.laws
    near = np.exp(np.linspace(-0.3, 0.3, 41))
    x += [np.outer(d, near).ravel() for d in laws.loc[laws["weight"] > DRAWN_WEIGHT, "breaks"]]
    together = np.unique(np.concatenate([np.asarray(part, dtype=float) for part in x]))
    return together[(together >= first) & (together <= last)]
