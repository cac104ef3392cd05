"""Results to figures. Nothing is fitted here: the laws, intervals and segments come from the results.

Every function draws into one Axes, makes one if none is given, changes no global setting, and returns the
Axes, so that titles, limits and legends stay in the caller's hands.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._arrays import InputError, as_number, check_share
from bnsl.backtesting import Backtest
from bnsl.benchmarking import BenchmarkRun
from bnsl.comparison import Comparison
from bnsl.curve import Curve
from bnsl.extrapolation import Extrapolation
from bnsl.forecasting import Forecast
from bnsl.forms import BNSL, FORMS, Form, Segment
from bnsl.forms.broken import breaks_in
from bnsl.result import ExtrapolationWarning, FitResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Colours of Okabe and Ito (2008), which readers of any colour vision can tell apart. Markers and dashes
# say the same once more, for print in grey.
FITTED = "black"
HELD_OUT = "#009E73"
LAW = "#D2232A"
COLOURS = ("#0072B2", "#E69F00", "#CC79A7", "#56B4E9", "#8C510A", "#000000", "#7F7F7F")
DASHES: tuple[Any, ...] = (
    (0, (6, 2)),
    (0, (6, 2, 1.2, 2)),
    (0, (2.5, 1.5)),
    (0, (9, 2.5)),
    (0, (6, 1.5, 1.2, 1.5, 1.2, 1.5)),
    (0, (1.2, 1.2)),
)

MARKERS = ("o", "s", "^", "D", "v", "P")

SIZE = (6.0, 4.0)  # inches, of a figure made here
SAMPLES = 400  # points of a law's line, besides those around its breaks
AHEAD = 4.0  # a forecast without held-out points is drawn up to this multiple of the last x
DRAWN_WEIGHT = 0.01  # breaks of laws that weigh less in a forecast leave no corner in it
MINUS = "\N{MINUS SIGN}"
MARGIN = 0.06  # free share of an axis beyond what is drawn


def plot_fit(
    fit: FitResult | Extrapolation,
    *,
    ax: Axes | None = None,
    log: bool = True,
    interval: float | None = 0.9,
    x_max: float | None = None,
    show_breaks: bool = True,
) -> Axes:
    """The points, the law through them and, for an extrapolation, the points that it has not seen.

    Fitted points are black circles, held-out points green diamonds on a shaded ground, the law is red; a
    dashed line marks every break d_i in view. Points with a sigma have bars of one standard deviation.

    Args:
        fit: what `bnsl.fit` or `bnsl.extrapolate` returned, for a form of one input.
        ax: the Axes to draw into; a new figure if not given.
        log: log axes. The y axis is linear all the same where a measured value is not positive.
        interval: level of the band in which a new measurement would fall, between 0 and 1, or None for no
            band. It is also left out where the data are too few to know it.
        x_max: where the law ends, in the units of x; the last point if not given.
        show_breaks: mark the breaks.

    Returns:
        The Axes.

    Raises:
        InputError: (a ValueError) something else than such a result, a form of several inputs, a level
            outside (0, 1), or an x_max that is not a number beyond the first point.
    """
    result, held_out = _fit_and_held_out(fit)
    level = None if interval is None else check_share(interval, "interval")
    parts = [result.curve] if held_out is None else [result.curve, held_out]
    first, last = _x_range(parts)
    end = last if x_max is None else as_number(x_max, "x_max")
    if not end > first:
        raise InputError(f"x_max = {end:g} must lie beyond the first point, at {first:g}")
    log_y = log and all(np.all(part.y > 0) for part in parts)

    ax = _axes(ax)
    frame = _Frame(ax, log, log_y)
    x = _line_x(result.params, first, end, log)
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
            x, *band, color=LAW, alpha=0.15, linewidth=0, zorder=1, label=f"{100 * level:g}% interval"
        )
    _draw_points(ax, result.curve, held_out)
    ax.plot(x, law, color=LAW, linewidth=1.6, zorder=4, label=_display(result.form))

    frame.show_x(first, max(last, end))
    frame.show_y(*(part.y for part in parts))
    frame.reach_y(3.0, law)
    if band is not None:
        frame.reach_y(0.3, *band)
    frame.close()
    if held_out is not None:
        _shade(ax, result.curve, held_out, log)
    if show_breaks and isinstance(result.form, BNSL):
        _mark_breaks(ax, _break_positions(result.params))
    _label(ax, result.curve, _title(result.curve, _display(result.form)))
    _legend(ax, ("fitted points", "held-out points"))
    return ax


def plot_forecast(
    forecast: Forecast,
    *,
    held_out: Curve | None = None,
    ax: Axes | None = None,
    log: bool = True,
    levels: Sequence[float] = (0.5, 0.9),
    x_max: float | None = None,
) -> Axes:
    """The points, the forecast beyond them with its intervals and, if given, what became of it.

    Points are black circles, held-out points green diamonds, the forecast is red; its intervals are nested
    bands, the narrower the darker. The ground beyond the points that it rests on is grey. Points with a
    sigma have bars of one standard deviation.

    Args:
        forecast: what `bnsl.forecast` returned.
        held_out: points that it has not seen, as from `Curve.split`.
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
    if not isinstance(forecast, Forecast):
        raise InputError(f"forecast must be what bnsl.forecast returns; got {_described(forecast)}")
    if held_out is not None and not isinstance(held_out, Curve):
        raise InputError(f"held_out must be a Curve, as from Curve.split; got {_described(held_out)}")
    if isinstance(levels, str) or not isinstance(levels, Sequence | np.ndarray):
        raise InputError(f"levels = {levels!r} must be a list of probabilities, such as (0.5, 0.9)")
    shares = [check_share(level, f"levels[{i}]") for i, level in enumerate(levels)]
    curve = forecast.curve
    parts = [curve] if held_out is None else [curve, held_out]
    for part in parts:
        _check_one_input(part)
    first, last = _x_range(parts)
    end = last if held_out is not None else AHEAD * last
    if x_max is not None:
        end = as_number(x_max, "x_max")
    if not end > first:
        raise InputError(f"x_max = {end:g} must lie beyond the first point, at {first:g}")
    log_y = log and all(np.all(part.y > 0) for part in parts)

    ax = _axes(ax)
    frame = _Frame(ax, log, log_y)
    x = _forecast_x(forecast, first, end, log)
    with warnings.catch_warnings():
        if x_max is None:  # nobody asked for more than the points reach
            warnings.simplefilter("ignore", ExtrapolationWarning)
        law = forecast.predict(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        bands = [(share, forecast.interval(x, share)) for share in sorted(set(shares), reverse=True)]
    for i, (share, band) in enumerate(bands):
        shade = 0.22 + 0.22 * i / max(len(bands) - 1, 1)
        ax.fill_between(
            x,
            *band,
            facecolor=_tint(shade),
            edgecolor=_tint(shade + 0.2),  # the end of a pale band on the grey ground
            linewidth=0.5,
            zorder=1 + 0.01 * i,
            label=f"{100 * share:g}% interval",
        )
    _draw_points(ax, curve, held_out)
    ax.plot(x, law, color=LAW, linewidth=1.6, zorder=4, label="forecast")

    frame.show_x(first, max(last, end))
    frame.show_y(*(part.y for part in parts))
    frame.reach_y(1.0, law)
    for _, band in bands:
        frame.reach_y(0.6, *band)
    frame.close()
    _shade(ax, curve, held_out, log)
    _label(ax, curve, _title(curve, "forecast"))
    _legend(ax, ("fitted points", "held-out points", "forecast"))
    return ax


def plot_decomposition(
    law: FitResult | Extrapolation | Mapping[str, float],
    *,
    ax: Axes | None = None,
    x_min: float | None = None,
    x_max: float | None = None,
) -> Axes:
    """A BNSL as the chain of power laws that it is made of (Figure 1 of arXiv 2210.14891), on log axes.

    The law is red, its limit a dotted, the law minus its limit (its distance from the limit, if it rises)
    grey; each of the n + 1 power laws is dashed and reaches somewhat beyond the breaks at its ends.

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
        result, held_out = _fit_and_held_out(law, "law", " or a mapping of parameters")
        segments = result.segments
        curve, params = result.curve, result.params
        form = result.form  # type: ignore[assignment]
        log_b = float(result.theta[form.names.index("b")])
    parts = [part for part in (curve, held_out) if part is not None]
    first, last = _x_range(parts) if parts else (np.nan, np.nan)
    first = first if x_min is None else as_number(x_min, "x_min")
    last = last if x_max is None else as_number(x_max, "x_max")
    if not 0 < first < last:
        raise InputError(f"x_min = {first:g} and x_max = {last:g}: they must satisfy 0 < x_min < x_max")

    ax = _axes(ax)
    frame = _Frame(ax, True, True)
    x = _line_x(params, first, last, True)
    limit = params["a"]
    whole = form.evaluate(params, x)
    distance = np.abs(whole - limit)
    if curve is not None:
        _draw_points(ax, curve, held_out, zorder=6.0)
    if limit > 0:
        ax.axhline(
            limit, color="0.35", linestyle=":", linewidth=1.2, zorder=2, label=f"limit a = {limit:.3g}"
        )
        name = "limit minus law" if form.rising else "law minus limit"
        ax.plot(x, distance, color="0.6", linewidth=2.2, zorder=3, label=name)
    ax.plot(x, whole, color=LAW, linewidth=2.2, zorder=4, label=_display(form))

    frame.show_x(first, last)
    shown = [whole, distance] if limit > 0 else [whole]
    shown += [part.y[(part.x >= first) & (part.x <= last)] for part in parts]
    if limit > 0 and limit >= 0.1 * np.min(distance):
        shown.append(np.array([limit]))
    frame.show_y(*shown)
    frame.close()
    _draw_segments(ax, segments, log_b, first, last)
    _mark_breaks(ax, _break_positions(params))
    _label(ax, curve, _title(curve, f"{_display(form)}, decomposed"))
    _legend(ax, ("fitted points", "held-out points", _display(form)))
    return ax


def plot_comparison(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Several forms over one curve, best first in the legend, on log axes.

    Every form has a colour and a dash pattern of its own; the first BNSL is the red solid line. The legend
    gives the RMSLE on the held-out points, or on the fitted ones if none were held out; the RMSE, in the
    units of y, where there are no logarithms.

    Args:
        comparison: what `bnsl.compare` returned.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes. Its y axis is linear where a measured value is not positive.

    Raises:
        InputError: (a ValueError) something else than a Comparison, or forms of several inputs.
    """
    if not isinstance(comparison, Comparison):
        raise InputError(f"comparison must be what bnsl.compare returns; got {_described(comparison)}")
    fitted, held_out = comparison.fitted, comparison.held_out
    parts = [fitted] if held_out is None else [fitted, held_out]
    _check_one_input(fitted)
    first, last = _x_range(parts)
    log_y = all(np.all(part.y > 0) for part in parts)

    ax = _axes(ax)
    frame = _Frame(ax, True, log_y)
    frame.show_x(first, last)
    frame.show_y(*(part.y for part in parts))
    _draw_points(ax, fitted, held_out)
    column = comparison.error_column
    styles = _styles(comparison.results)
    texts: list[str] = []
    for label, error in comparison.table[column].items():
        result = comparison.results[str(label)]
        x = _line_x(result.params, first, last, True)
        law = result.form.evaluate(result.theta, x)
        colour, dashes = styles[str(label)]
        text = f"{_capitals(str(label))}: {error:.3g}"
        texts.append(text)
        ax.plot(x, law, color=colour, linestyle=dashes, linewidth=1.6, zorder=4, label=text)
        frame.reach_y(0.3, law)
    frame.close()
    if held_out is not None:
        _shade(ax, fitted, held_out, True)
    _label(ax, fitted, _title(fitted, f"{len(comparison.results)} forms"))
    points = "fitted" if held_out is None else "held-out"
    _legend(ax, texts, title=f"{column.partition('_')[2].upper()} on the {points} points")
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
    result, held_out = _fit_and_held_out(fit)
    parts = [result.curve] if held_out is None else [result.curve, held_out]
    laws = [result.form.evaluate(result.theta, part.x) for part in parts]
    in_logs = all(np.all(part.y > 0) and np.all(law > 0) for part, law in zip(parts, laws, strict=True))
    errors = [
        np.log(law / part.y) if in_logs else law - part.y for part, law in zip(parts, laws, strict=True)
    ]
    dof = len(result.curve) - result.n_params

    ax = _axes(ax)
    frame = _Frame(ax, True, False)
    ax.axhline(0.0, color=LAW, linewidth=1.4, zorder=2)
    if dof > 0:
        scale = float(np.sqrt(np.sum(errors[0] ** 2) / dof))
        ax.axhspan(-scale, scale, color=LAW, alpha=0.12, linewidth=0, zorder=1, label=f"± {scale:.2g}")
        frame.show_y(np.array([-scale, scale]))
    shifted = []
    for part, error in zip(parts, errors, strict=True):
        sigma = None if part.sigma is None else part.sigma / part.y if in_logs else part.sigma
        shifted.append(
            Curve(part.x, error, sigma, part.name, part.x_label, "log(law / measured)" if in_logs else "")
        )
    _draw_points(ax, shifted[0], shifted[1] if held_out is not None else None)
    frame.show_x(*_x_range(parts))
    frame.show_y(np.array([0.0]), *errors)
    for part in shifted:
        if part.sigma is not None:
            frame.show_y(part.y - part.sigma, part.y + part.sigma)
    frame.close()
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.12 * (high - low))  # for the legend, in one row
    if held_out is not None:
        _shade(ax, result.curve, held_out, True)
    _label(ax, result.curve, _title(result.curve, f"{_display(result.form)}, errors"))
    ax.set_ylabel("log(law / measured)" if in_logs else f"law {MINUS} measured ({result.curve.y_label})")
    _legend(ax, ("fitted points", "held-out points"), loc="upper left", ncols=3)
    return ax


def plot_backtest(backtest: Backtest, *, ax: Axes | None = None) -> Axes:
    """Log errors log(law / measured) against the distance of the extrapolation, one line a cut.

    Distance is x over the last fitted x, on a log axis. Early cuts are dark, late ones light, each with a
    marker of its own; the grey steps are plus and minus the RMSLE of every bin of `by_distance`.

    Args:
        backtest: what `bnsl.backtest` returned.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes; the errors are linear. Points without a log error are left out.

    Raises:
        InputError: (a ValueError) something else than a Backtest.
    """
    if not isinstance(backtest, Backtest):
        raise InputError(f"backtest must be what bnsl.backtest returns; got {_described(backtest)}")
    bins = backtest.by_distance
    ax = _axes(ax)
    frame = _Frame(ax, True, False)
    ax.axhline(0.0, color=LAW, linewidth=1.4, zorder=2)
    for i, (start, stop, spread) in enumerate(
        bins[["distance_from", "distance_to", "rmsle"]].itertuples(index=False)
    ):
        label = "± RMSLE at a distance" if i == 0 else None
        ax.fill_between([start, stop], -spread, spread, color="0.92", linewidth=0, zorder=1, label=label)
    count = len(backtest.cuts)
    errors = []
    for i, (cut, group) in enumerate(backtest.table.groupby("cut", sort=True)):
        distance, error = group["distance"].to_numpy(), group["log_error"].to_numpy()
        errors.append(error)
        ax.plot(
            distance,
            error,
            color=_shade_of(i, count),
            marker=MARKERS[i % len(MARKERS)],
            markersize=4.6,
            markevery=_even(distance, 16),
            markeredgecolor="white",
            markeredgewidth=0.4,
            linewidth=1.2,
            zorder=4 + 0.01 * i,
            label=f"{group['fitted'].iloc[0]} points, up to {float(str(cut)):.4g}",
        )
    frame.show_x(1.0, float(backtest.table["distance"].max()))
    frame.show_y(np.array([0.0]), *errors)
    frame.close()
    _label(ax, backtest.curve, _title(backtest.curve, f"back-test of {_capitals(backtest.label)}"))
    ax.set_xlabel(f"x over the last fitted x ({backtest.curve.x_label})")
    ax.set_ylabel("log(law / measured)")
    _legend(ax, title="fitted")
    return ax


def plot_benchmark(run: BenchmarkRun, *, ax: Axes | None = None) -> Axes:
    """The error of every method on every curve, by domain, on a log axis.

    A marker is a curve; a bar is the mean, a dotted one the geometric mean. Each method has a colour and a
    marker of its own, in the order of the run.

    Args:
        run: what `bnsl.run_benchmark` returned.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes. Errors of 0 and unknown ones are left out.

    Raises:
        InputError: (a ValueError) something else than a BenchmarkRun, or one without any error to draw.
    """
    if not isinstance(run, BenchmarkRun):
        raise InputError(f"run must be what bnsl.run_benchmark returns; got {_described(run)}")
    table = run.table[np.isfinite(run.table["rmsle"]) & (run.table["rmsle"] > 0)]
    if table.empty:
        raise InputError("run has no error above 0; there is nothing to draw")
    summary = run.by_domain.set_index(["domain", "method"])
    domains = [domain for domain in dict.fromkeys(run.by_domain["domain"]) if domain != "language"]
    count = len(run.methods)
    ax = _axes(ax, benchmark_size(run))
    frame = _Frame(ax, False, True)
    others = 0
    for i, method in enumerate(run.methods):
        if method == "bnsl":
            colour = LAW
        else:
            colour, others = COLOURS[others % len(COLOURS)], others + 1
        mine = table[table["method"] == method]
        for j, domain in enumerate(domains):
            errors = np.sort(mine.loc[mine["domain"] == domain, "rmsle"].to_numpy())
            place = j + (i + 1) / (count + 1) - 0.5
            half = 0.42 / (count + 1)
            # Places off the middle that repeat late, so that equal errors are seen side by side.
            aside = half * 1.5 * (np.arange(len(errors)) * 0.618 % 1.0 - 0.5)
            ax.plot(
                place + aside,
                errors,
                MARKERS[i % len(MARKERS)],
                color=colour,
                markersize=4.0,
                alpha=0.7,
                markeredgewidth=0.0,
                zorder=3,
                label=_capitals(method) if j == 0 else None,
            )
            for column, style in (("rmsle_mean", "-"), ("rmsle_geomean", (0, (1, 1)))):
                value = float(summary.loc[(domain, method), column])
                name = {"rmsle_mean": "mean", "rmsle_geomean": "geometric mean"}[column]
                last = i == count - 1 and j == 0
                ax.plot(
                    [place - half, place + half],
                    [value, value],
                    color="black",
                    linestyle=style,
                    linewidth=1.8,
                    zorder=4,
                    label=name if last else None,
                )
    frame.show_x(-0.5, len(domains) - 0.5)
    frame.show_y(table["rmsle"].to_numpy())
    frame.close()
    ax.set_xlim(-0.5, len(domains) - 0.5)
    for j in range(1, len(domains)):
        ax.axvline(j - 0.5, color="0.85", linewidth=0.8, zorder=1)
    curves = [int(summary.loc[(domain, run.methods[0]), "curves"]) for domain in domains]
    names = [f"{d}, {n} curve{'s' if n > 1 else ''}" for d, n in zip(domains, curves, strict=True)]
    ax.set_xticks(range(len(domains)), names)
    ax.tick_params(axis="x", which="both", length=0.0)
    ax.set_ylabel("RMSLE on the held-out points")
    ax.set_title("Errors of extrapolation, a marker a curve", fontsize="medium")
    _legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def benchmark_size(run: BenchmarkRun) -> tuple[float, float]:
    """Width and height in inches that `plot_benchmark` wants."""
    domains = {curve.domain for curve in run.benchmark}
    return max(SIZE[0], 2.6 + 0.32 * len(domains) * (len(run.methods) + 1)), 4.2


# --- what is drawn --------------------------------------------------------------------------------


def _draw_points(ax: Axes, fitted: Curve, held_out: Curve | None, zorder: float = 3.0) -> None:
    """Black circles and green diamonds, with bars of one sigma; smaller where there are many."""
    for part, colour, marker, size, label in (
        (fitted, FITTED, "o", 4.8, "fitted points"),
        (held_out, HELD_OUT, "D", 5.2, "held-out points"),
    ):
        if part is None:
            continue
        size *= min(1.0, max(0.6, np.sqrt(80 / len(part))))
        if part.sigma is not None:
            bars: dict[str, Any] = {
                "fmt": "none",
                "ecolor": colour,
                "elinewidth": 1.0,
                "capsize": 1.8,
                "zorder": zorder - 0.5,
            }
            ax.errorbar(part.x, part.y, yerr=part.sigma, **bars)
        edge: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.5}
        if len(part) > 200:  # a band of points, on which the law's line lies
            edge = {"markeredgewidth": 0.0}
        ax.plot(part.x, part.y, marker, color=colour, markersize=size, zorder=zorder, label=label, **edge)


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


def _mark_breaks(ax: Axes, positions: Sequence[float]) -> None:
    """A dashed line at every break in view, d_i above it; one name for breaks that lie side by side."""
    low, high = ax.get_xlim()
    log = ax.get_xscale() == "log"
    groups: list[list[tuple[int, float]]] = []  # number of the break, and its share of the axis
    for i, position in enumerate(positions, start=1):
        if not low < position < high:
            continue
        ax.axvline(position, color="0.45", linestyle=(0, (4, 3)), linewidth=0.9, zorder=1.5)
        share = np.log(position / low) / np.log(high / low) if log else (position - low) / (high - low)
        if not groups or share - groups[-1][-1][1] > 0.055:
            groups.append([])
        groups[-1].append((i, float(share)))
    if not groups:
        return
    middles = np.array([0.5 * (group[0][1] + group[-1][1]) for group in groups])
    names = [", ".join(f"$d_{{{i}}}$" for i, _ in group) for group in groups]
    top = ax.secondary_xaxis("top")  # a second axis, so that a title keeps clear of the names
    top.set_xticks(low * (high / low) ** middles if log else low + (high - low) * middles, labels=names)
    top.minorticks_off()
    top.tick_params(length=0.0, pad=1.5, labelcolor="0.25")
    top.spines["top"].set_visible(False)


def _shade(ax: Axes, fitted: Curve, held_out: Curve | None, log: bool) -> None:
    """A grey ground from half-way between the last fitted and the first held-out point, or from the last."""
    inner = float(fitted.x.max())
    outer = inner if held_out is None else max(float(held_out.x.min()), inner)
    start = np.sqrt(inner * outer) if log else 0.5 * (inner + outer)
    limits = ax.get_xlim()
    ax.axvspan(start, limits[1], color="0.93", linewidth=0, zorder=0)
    ax.set_xlim(limits)


def _label(ax: Axes, curve: Curve | None, title: str) -> None:
    ax.set_xlabel("x" if curve is None else curve.x_label)
    ax.set_ylabel("y" if curve is None else curve.y_label)
    ax.set_title(title, fontsize="medium")


def _legend(ax: Axes, first: Sequence[str] = (), **options: Any) -> Any:
    """The legend, without a box, the entries of `first` before the others."""
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(
        range(len(labels)), key=lambda i: first.index(labels[i]) if labels[i] in first else len(first)
    )
    legend = ax.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        frameon=True,
        framealpha=0.85,
        edgecolor="none",
        fontsize="small",
        title_fontsize="small",
        alignment="left",
        handlelength=2.8,
        borderaxespad=0.6,
        **options,
    )
    for handle in legend.legend_handles:
        if handle is not None and hasattr(handle, "set_markersize"):
            handle.set_markersize(5.0)
    return legend


# --- the house style ------------------------------------------------------------------------------


def _axes(ax: Axes | None, size: tuple[float, float] = SIZE) -> Axes:
    """The Axes asked for, or those of a new figure, without the spines and ticks that say nothing."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=size, layout="constrained")
    elif not hasattr(ax, "get_xlim"):
        raise InputError(f"ax must be a matplotlib Axes; got {_described(ax)}")
    _style(ax)
    return ax


def _style(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_linewidth(0.8)
    ax.tick_params(which="major", direction="out", length=4.0, width=0.8)
    ax.tick_params(which="minor", direction="out", length=2.2, width=0.6)


class _Frame:
    """Limits and ticks: room for every point, and within reason for lines that leave the points behind."""

    def __init__(self, ax: Axes, log_x: bool, log_y: bool) -> None:
        self.ax, self.log = ax, {"x": log_x, "y": log_y}
        self.range: dict[str, tuple[float, float]] = {}  # on a log axis, of the logarithms
        sharing = {"x": ax.get_shared_x_axes(), "y": ax.get_shared_y_axes()}
        limits = {"x": ax.get_xlim(), "y": ax.get_ylim()}
        ax.set_xscale("log" if log_x else "linear")
        ax.set_yscale("log" if log_y else "linear")
        for which, group in sharing.items():  # what is there, or on axes that share this one, stays in view
            if any(other.has_data() for other in group.get_siblings(ax)):
                self._widen(which, np.array(limits[which]), np.inf)

    def show_x(self, *values: float) -> None:
        self._widen("x", np.array(values, dtype=float), np.inf)

    def show_y(self, *arrays: np.ndarray) -> None:
        self._widen("y", np.concatenate([np.ravel(array) for array in arrays]), np.inf)

    def reach_y(self, times: float, *arrays: np.ndarray) -> None:
        """Widen y towards these values, on each side by at most so many times the range so far."""
        self._widen("y", np.concatenate([np.ravel(array) for array in arrays]), times)

    def _widen(self, which: str, values: np.ndarray, times: float) -> None:
        values = values[np.isfinite(values) & ((values > 0) | (not self.log[which]))]
        if len(values) == 0:
            return
        low, high = self._to(which, np.array([values.min(), values.max()]))
        if which in self.range:
            old_low, old_high = self.range[which]
            size = max(old_high - old_low, self._least(which, old_high))
            if np.isfinite(times):
                low, high = max(low, old_low - times * size), min(high, old_high + times * size)
            low, high = min(low, old_low), max(high, old_high)
        self.range[which] = (float(low), float(high))

    def close(self) -> None:
        """Set limits and ticks."""
        for which, axis in (("x", self.ax.xaxis), ("y", self.ax.yaxis)):
            low, high = self.range[which]
            lacking = max(self._least(which, high) - (high - low), 0.0)
            margin = 0.5 * lacking + MARGIN * (high - low + lacking)
            limits = self._from(which, np.array([low - margin, high + margin]))
            (self.ax.set_xlim if which == "x" else self.ax.set_ylim)(*limits)
            if self.log[which]:
                _log_ticks(axis, *limits)

    def _least(self, which: str, end: float) -> float:
        """The smallest range worth an axis: a few percent of the value."""
        return 0.05 if self.log[which] else 0.05 * abs(end) or 1e-12

    def _to(self, which: str, values: np.ndarray) -> np.ndarray:
        return np.log(values) if self.log[which] else values

    def _from(self, which: str, values: np.ndarray) -> np.ndarray:
        return np.exp(np.clip(values, -690.0, 700.0)) if self.log[which] else values


def _log_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks that can be read however few decades the axis spans; plain numbers where they are short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    decades = np.log10(high / low)
    plain = low >= 9e-4 and high < 1e5
    narrow = decades < 0.3
    if narrow:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    elif plain and decades < 1.25:
        axis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0), numticks=15))
    elif decades < 0.7:  # labels with powers of ten are long
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0), numticks=15))
    elif decades < (2.6 if plain else 1.7):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=15))
    else:
        axis.set_major_locator(LogLocator(numticks=9))
    subs = tuple(np.arange(1.0, 10.0))
    axis.set_minor_locator(NullLocator() if narrow or decades > 14 else LogLocator(subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _number(value, plain)))
    axis.set_minor_formatter(NullFormatter())


def _number(value: float, plain: bool) -> str:
    if plain or value <= 0:
        return f"{value:.6g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    power = f"10^{{{int(exponent)}}}"
    return f"${power}$" if float(mantissa) == 1 else f"${float(mantissa):g}\\times{power}$"


# --- small helpers --------------------------------------------------------------------------------


def _fit_and_held_out(fit: Any, argument: str = "fit", also: str = "") -> tuple[FitResult, Curve | None]:
    if isinstance(fit, Extrapolation):
        result, held_out = fit.result, fit.held_out
    elif isinstance(fit, FitResult):
        result, held_out = fit, None
    else:
        raise InputError(
            f"{argument} must be what bnsl.fit or bnsl.extrapolate returns{also}; got {_described(fit)}"
        )
    _check_one_input(result.curve)
    return result, held_out


def _check_one_input(curve: Curve) -> None:
    if curve.x.ndim != 1:
        raise InputError(f"x has {curve.x.shape[1]} columns; only a law of one input can be drawn")


def _described(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _x_range(parts: Sequence[Curve]) -> tuple[float, float]:
    return min(float(part.x.min()) for part in parts), max(float(part.x.max()) for part in parts)


def _break_positions(params: Mapping[str, float]) -> list[float]:
    return sorted(float(value) for name, value in params.items() if name[0] == "d" and name[1:].isdigit())


def _line_x(params: Mapping[str, float], first: float, last: float, log: bool) -> np.ndarray:
    """Where a law's line is drawn: evenly on the axis, and densely around every break, however sharp."""
    x: list[Any] = [np.geomspace(first, last, SAMPLES), [] if log else np.linspace(first, last, SAMPLES)]
    turn = np.linspace(-6.0, 6.0, 61)
    for name, position in params.items():
        width = params.get(f"f{name[1:]}")
        if name[0] == "d" and name[1:].isdigit() and width is not None:
            x.append(position * np.exp(np.clip(width * turn, -50.0, 50.0)))
    together = np.unique(np.concatenate([np.asarray(part, dtype=float) for part in x]))
    return together[(together >= first) & (together <= last)]


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


def _tint(share: float) -> Any:
    """The law's red on white paper, opaque, so that a grey ground or a band below does not change it."""
    from matplotlib.colors import to_rgb

    return tuple(1.0 - share * (1.0 - part) for part in to_rgb(LAW))


def _styles(results: Mapping[str, FitResult]) -> dict[str, tuple[str, Any]]:
    """A colour and a dash pattern for every form; solid red for the first BNSL."""
    styles: dict[str, tuple[str, Any]] = {}
    others = 0
    for label, result in results.items():
        if isinstance(result.form, BNSL) and LAW not in (colour for colour, _ in styles.values()):
            styles[label] = (LAW, "-")
        else:
            styles[label] = (COLOURS[others % len(COLOURS)], DASHES[others % len(DASHES)])
            others += 1
    return styles


def _even(x: np.ndarray, count: int) -> list[int]:
    """Indices of at most `count` of the rising values x, about evenly spaced on a log axis."""
    if len(x) <= count:
        return list(range(len(x)))
    wanted = np.geomspace(x[0], x[-1], count)
    return np.unique(np.abs(np.log(x)[:, None] - np.log(wanted)).argmin(axis=0)).tolist()


def _shade_of(number: int, count: int) -> Any:
    """One of `count` colours, dark to light, that keep their order for any colour vision and in grey."""
    from matplotlib import colormaps

    return colormaps["viridis"](0.85 * number / max(count - 1, 1))


def _display(form: Form) -> str:
    return _capitals(form.label)


def _capitals(label: str) -> str:
    """'BNSL, 2 breaks' for 'bnsl, 2 breaks', and the label of a form of the user's own as it is."""
    word = label.split(",")[0]
    return label.replace(word, word.upper(), 1) if word in FORMS else label


def _title(curve: Curve | None, text: str) -> str:
    return f"{curve.name.replace('_', ' ')}: {text}" if curve is not None and curve.name else text
