"""Figures of uncertainty: profiles, horizons, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, check_made_by, check_shares, described, told
from bnsl._base.display import counted
from bnsl._base.lazy import Axes
from bnsl._base.palette import styles
from bnsl.evaluation.calibration import coverage
from bnsl.forms.registry import capitals
from bnsl.planning.horizon import Horizon
from bnsl.plots._drawing import COLOURS, DASHES, EDGE, FITTED, GUIDE, LAW, MARKERS, SQUARE, Panel, look_of
from bnsl.plots._ticks import number_text
from bnsl.uncertainty.profile import Profile

WELL_KNOWN = 3.0  # a horizon's theory is drawn up to errors of so many e-folds; beyond, nothing is known
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def plot_profile(profile: Profile, *, ax: Axes | None = None, levels: Sequence[float] = (0.5, 0.9)) -> Axes:
    """Rise of the cost over the residual variance against a parameter, with its intervals.

    The solid line is the profile, the dashed one the parabola of the Gauss-Newton covariance; where they
    part, standard errors mislead. Bars show the intervals at `levels`. An arrow means that the interval goes
    on beyond the drawn values, or has no end.

    Args:
        profile: what `bnsl.profile` returned.
        ax: the Axes to draw into; a new figure if not given.
        levels: of the intervals, between 0 and 1.

    Raises:
        InputError: what is no profile, or a bad level.
    """
    check_made_by(profile, Profile, "profile", "bnsl.profile")
    shares = sorted(check_shares(levels, "levels", least=1))
    parameter = next(q for q in profile.result.form.parameters if q.name == profile.name)
    error, near = profile.result.stderr[profile.name], profile.estimate
    good = np.isfinite(profile.root)
    x, deviance = profile.values[good], profile.deviance[good]
    top = max(float(np.quantile(deviance, 0.9)), profile.threshold(shares[-1]) * 1.6)

    panel = Panel(ax, parameter.log and x.min() > 0 and x.max() / x.min() > 3.0, False)
    panel.ax.plot(x, deviance, color=LAW, linewidth=1.8, zorder=3, label="profile likelihood")
    if np.isfinite(error) and error > 0:
        values = profile.values
        step = np.log(values / near) * abs(near) if parameter.log else values - near
        look: dict[str, Any] = {"color": "0.35", "linestyle": DASHES[0], "linewidth": 1.2, "zorder": 2}
        panel.ax.plot(values, (step / error) ** 2, label="Gauss-Newton", **look)
    for share in shares:
        _draw_interval(panel.ax, profile, share, x)
    panel.ax.plot([near], [0.0], "o", color=FITTED, markersize=5.0, zorder=4, clip_on=False)
    panel.view(x, 0.0, top)
    panel.close()
    panel.ax.set_ylim(0.0, top)
    name = profile.name
    symbol = f"${name[0]}$" if len(name) == 1 else f"${name[0]}_{{{name[1:]}}}$"
    texts = symbol, "rise of the cost / residual variance", f"profile of {symbol}"
    return panel.finish(*texts, profile.result.curve, loc="upper center")


def plot_horizon(
    horizons: Horizon | Sequence[Horizon],
    *,
    simulated: Sequence[tuple[ArrayLike, ArrayLike]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Prediction error against where the data stop, one line per noise level.

    Lines are theory (Fisher information), markers the errors of simulated fits. A dashed line marks every
    break d_i in view. The lines begin where the data start to determine the law.

    Args:
        horizons: what `bnsl.horizon` returned, one or several of the same law.
        simulated: for every horizon stops (S,) and errors (S,), as `bnsl.simulated_horizon` gives them.
        ax: the Axes to draw into; a new figure if not given.

    Raises:
        InputError: what is no horizon, or as many simulations as there are not horizons.
    """
    lines = list(horizons) if isinstance(horizons, Sequence) else [horizons]
    if not lines or not all(isinstance(line, Horizon) for line in lines):
        raise InputError(f"horizons must be what bnsl.horizon returns; got {described(horizons)}")
    pairs = [] if simulated is None else simulated
    if not isinstance(pairs, list | tuple) or not all(np.ndim(one) > 0 and len(one) == 2 for one in pairs):
        raise InputError(f"{told('simulated', simulated)} must be a list of pairs (stops, errors)")
    if simulated is not None and len(simulated) != len(lines):
        raise InputError(f"simulated has {len(simulated)} entries and horizons has {len(lines)}")
    panel = Panel(ax, True, True)
    looks = zip(cycle(COLOURS), cycle(["-", *DASHES]), cycle(MARKERS))
    points, drawn = simulated or [([], [])] * len(lines), 0
    for line, (stops, errors), (colour, dash, marker) in zip(lines, points, looks, strict=False):
        known = line.prediction_sd <= np.exp(WELL_KNOWN)
        theory = line.stops[known], line.prediction_sd[known]
        seen = np.isfinite(errors) & (np.asarray(errors) > 0)
        dots = np.asarray(stops, float)[seen], np.asarray(errors, float)[seen]
        noise = number_text(float(f"{np.median(line.steps[0].noise):.0e}"), plain=False)
        panel.ax.plot(*theory, color=colour, linestyle=dash, linewidth=1.5, label=noise, zorder=2)
        panel.ax.plot(*dots, marker, color=colour, markersize=4.8, zorder=3, **EDGE)
        panel.view(np.concatenate([theory[0], dots[0]]), theory[1], dots[1])
        drawn += len(theory[0]) + len(dots[0])
    if not drawn:
        raise InputError(
            "horizons: these data never determine the law, so there is nothing to draw; give longer or less "
            "noisy data"
        )
    panel.close()
    panel.breaks(lines[0].steps[0].breaks["position"].to_list())
    how = "" if simulated is None else ": theory (lines), simulated fits (markers)"
    what = "root mean square error\nof log y beyond the data"
    texts = "x at which the data stop", what, f"limit of predictability{how}"
    return panel.finish(*texts, title="noise of log y", loc="best")


def _draw_interval(ax: Axes, profile: Profile, share: float, x: np.ndarray) -> None:
    """The bar of an interval at its height, with arrows where it goes on beyond the drawn values x."""
    height, ends = profile.threshold(share), profile.interval(share)
    shown, colour = np.clip(ends, x.min(), x.max()), COLOURS[0]
    ax.hlines(height, *shown, color=colour, linewidth=1.1, zorder=2.5)
    for end, value, arrow in zip(ends, shown, "<>", strict=True):
        marker = "|" if x.min() <= end <= x.max() else arrow
        ax.plot([value], [height], marker, color=colour, markersize=6.0, zorder=2.6, clip_on=False)
    beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    beside |= {"xytext": (3, 0), "va": "center", "fontsize": "small", "color": colour}
    ax.annotate(f"{100 * share:g}%", (1.0, height), **beside)


def plot_calibration(cases: Any, *, levels: Sequence[float] = LEVELS, ax: Axes | None = None) -> Axes:
    """The share of later points inside the intervals, against the level of the intervals.

    Exact intervals lie on the diagonal; below it, intervals are too narrow. Since errors on one curve are
    correlated, every curve or cut counts once; bars are one standard error over them.

    Args:
        cases: what `bnsl.backtest` or `bnsl.extrapolate` returns, a pair of a law and the Curve of later
            points, or a list of these. A mapping from names to such cases draws a line for each.
        levels: of the intervals, between 0 and 1.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes; both axes are linear, from 0 to 100 per cent.

    Raises:
        InputError: (a ValueError) no such cases, laws without intervals, or a bad level.
    """
    named: dict[str, Any] = (
        {str(name): case for name, case in cases.items()} if isinstance(cases, Mapping) else {"": cases}
    )
    asked = sorted(check_shares(levels, "levels", least=1))
    if not named or not asked:
        raise InputError("cases and levels must not be empty")
    shares = {name: coverage(case, asked) for name, case in named.items()}

    panel = Panel(ax, size=SQUARE)
    panel.ax.plot([0, 100], [0, 100], **GUIDE, label="ideal", zorder=1)
    looks = styles(named if "" not in named else ["forecast"])
    count = max(len(rows) for rows in shares.values())
    for name, rows in shares.items():
        style = looks[name or "forecast"]
        at, inside = 100 * np.array(asked), 100 * rows.mean(axis=0)
        if len(rows) > 1:
            error = 100 * rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
            bars: dict[str, Any] = {"fmt": "none", "elinewidth": 0.8, "capsize": 1.8, "zorder": 2}
            panel.ax.errorbar(at, inside, yerr=error, ecolor=style.colour["light"], **bars)
        look = look_of(style) | {"marker": style.marker.matplotlib, "markersize": 4.8, **EDGE}
        text = capitals(name) or "these intervals"
        panel.ax.plot(at, inside, linewidth=1.4, zorder=3, label=text, **look)
    panel.ax.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    texts = (
        "level of the interval (%)",
        "later points inside (%)",
        f"calibration over {counted(count, 'case')}",
    )
    return panel.finish(*texts, loc="upper left")
