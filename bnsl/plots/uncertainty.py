"""Figures of uncertainty: profiles, horizons, further runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, check_made_by, described, told
from bnsl.planning.horizon import Horizon
from bnsl.planning.run_suggestion import RunSuggestion
from bnsl.planning.suggestion import Suggestion
from bnsl.plots._drawing import (
    COLOURS,
    DASHES,
    FITTED,
    HELD_OUT,
    LAW,
    MARKERS,
    Frame,
    add_legend,
    axes_or_new,
    levels_of,
    mark_breaks,
    number_text,
    title_of,
)
from bnsl.plots.budgets import draw_run_map
from bnsl.uncertainty.profile import Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WELL_KNOWN = 3.0  # a horizon's theory is drawn up to errors of so many e-folds; beyond, nothing is known


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
    shares = sorted(levels_of(levels))
    ax = axes_or_new(ax)
    parameter = next(q for q in profile.result.form.parameters if q.name == profile.name)
    x, error = profile.values, profile.result.stderr[profile.name]
    good = np.isfinite(profile.root)
    log = parameter.log and x[good].min() > 0 and x[good].max() / x[good].min() > 3.0
    frame = Frame(ax, log, False)
    top = max(float(np.quantile(profile.deviance[good], 0.9)), profile.threshold(shares[-1]) * 1.6)
    ax.plot(x[good], profile.deviance[good], color=LAW, linewidth=1.8, zorder=3, label="profile likelihood")
    if np.isfinite(error) and error > 0:
        near = profile.estimate
        step = np.log(x / near) * abs(near) if parameter.log else x - near
        ax.plot(
            x,
            (step / error) ** 2,
            color="0.35",
            linestyle=DASHES[0],
            linewidth=1.2,
            label="Gauss-Newton",
            zorder=2,
        )
    for share in shares:
        height, ends = profile.threshold(share), profile.interval(share)
        drawn = float(x[good].min()), float(x[good].max())
        shown = np.clip(ends, *drawn)
        ax.hlines(height, *shown, color=COLOURS[0], linewidth=1.1, zorder=2.5)
        for end, value, arrow in zip(ends, shown, ("<", ">"), strict=True):
            inside = drawn[0] <= end <= drawn[1]
            ax.plot(
                [value], [height], "|" if inside else arrow, color=COLOURS[0], markersize=6.0, zorder=2.6,
                clip_on=False,
            )  # fmt: skip
        ax.annotate(
            f"{100 * share:g}%", (1.0, height), xycoords=("axes fraction", "data"), xytext=(3, 0),
            textcoords="offset points", va="center", fontsize="small", color=COLOURS[0],
        )  # fmt: skip
    ax.plot([profile.estimate], [0.0], "o", color=FITTED, markersize=5.0, zorder=4, clip_on=False)
    frame.show_x(*x[good])
    frame.show_y(np.array([0.0, top]))
    frame.close()
    ax.set_ylim(0.0, top)
    ax.set_xlabel(_symbol(profile.name))
    ax.set_ylabel("rise of the cost / residual variance")
    ax.set_title(title_of(profile.result.curve, f"profile of {_symbol(profile.name)}"), fontsize="medium")
    add_legend(ax, loc="upper center")
    return ax


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
    if simulated is not None and not isinstance(simulated, list | tuple):
        raise InputError(f"{told('simulated', simulated)} must be a list of pairs (stops, errors)")
    if simulated is not None and len(simulated) != len(lines):
        raise InputError(f"simulated has {len(simulated)} entries and horizons has {len(lines)}")
    ax = axes_or_new(ax)
    frame = Frame(ax, True, True)
    drawn: list[np.ndarray] = []
    seen_x: list[np.ndarray] = []
    for i, line in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        noise = float(np.median(line.steps[0].noise))
        known = line.prediction_sd <= np.exp(WELL_KNOWN)
        seen_x.append(line.stops[known])
        ax.plot(
            line.stops[known],
            line.prediction_sd[known],
            color=colour,
            linestyle="-" if i == 0 else DASHES[(i - 1) % len(DASHES)],
            linewidth=1.5,
            label=_level(noise),
            zorder=2,
        )
        drawn.append(line.prediction_sd[known])
        if simulated is not None:
            stops, errors = (np.asarray(part, float) for part in simulated[i])
            seen = np.isfinite(errors) & (errors > 0)
            marker = MARKERS[i % len(MARKERS)]
            ax.plot(
                stops[seen], errors[seen], marker, color=colour, markersize=4.8, markeredgecolor="white",
                markeredgewidth=0.5, zorder=3,
            )  # fmt: skip
            drawn.append(errors[seen])
            seen_x.append(stops[seen])
    if not any(len(part) for part in drawn):
        raise InputError(
            "horizons: these data never determine the law, so there is nothing to draw; give longer or less "
            "noisy data"
        )
    frame.show_x(*np.concatenate(seen_x))
    frame.show_y(*drawn)
    frame.close()
    mark_breaks(ax, [float(position) for position in lines[0].steps[0].breaks["position"]])
    ax.set_xlabel("x at which the data stop")
    ax.set_ylabel("root mean square error\nof log y beyond the data")
    how = "" if simulated is None else ": theory (lines), simulated fits (markers)"
    ax.set_title(f"limit of predictability{how}", fontsize="medium")
    add_legend(ax, title="noise of log y", loc="best")
    return ax


def plot_suggestion(suggestion: Suggestion | RunSuggestion, *, ax: Axes | None = None) -> Axes:
    """Uncertainty of the prediction after each candidate run; the chosen runs are numbered.

    With two inputs, these span the axes and the colours show the uncertainty; with more, x is the cost.

    Raises InputError for what is no suggestion.
    """
    check_made_by(suggestion, (Suggestion, RunSuggestion), "suggestion", "bnsl.suggest")
    column = "cost" if isinstance(suggestion, RunSuggestion) else "x"
    if isinstance(suggestion, RunSuggestion) and len(suggestion.inputs) == 2:
        return draw_run_map(suggestion, ax)
    ax = axes_or_new(ax)
    table = suggestion.table.sort_values(column)
    x, after = table[column].to_numpy(), table["sd_with"].to_numpy()
    frame = Frame(ax, True, True)
    ax.axhline(suggestion.sd_before, color="0.45", linestyle=(0, (4, 3)), linewidth=1.0, label="now")
    ax.plot(x, after, "o-", color=COLOURS[0], linewidth=1.2, markersize=4.8, label="after this run alone")
    picked = table[table["chosen"] > 0]
    if len(picked):
        ax.plot(
            picked[column],
            picked["sd_with"],
            "o",
            color=LAW,
            markersize=8.0,
            zorder=3,
            label="chosen, in this order",
        )
        for place, height, number in picked[[column, "sd_with", "chosen"]].itertuples(index=False):
            ax.annotate(
                f"{number:.0f}", (place, height), xytext=(0, 9), textcoords="offset points",
                ha="center", fontsize="small",
            )  # fmt: skip
        ax.axhline(suggestion.sd_after, color=HELD_OUT, linewidth=1.4, label="after all chosen runs")
    frame.show_x(*x)
    frame.show_y(after, np.array([suggestion.sd_before, suggestion.sd_after]))
    frame.close()
    if isinstance(suggestion, RunSuggestion):
        ax.set_xlabel("cost of the further run")
        ax.set_ylabel(f"uncertainty of log {suggestion.y_label}\nat the target")
    else:
        ax.set_xlabel(f"{suggestion.x_label} of the further run")
        goal = ", ".join(number_text(float(t)) for t in suggestion.target)
        ax.set_ylabel(f"uncertainty of log {suggestion.y_label}\nat {suggestion.x_label} = {goal}")
    ax.set_title("uncertainty after one further run (one standard deviation)", fontsize="medium")
    add_legend(ax, loc="best")
    return ax


def _symbol(name: str) -> str:
    return f"${name[0]}$" if len(name) == 1 else f"${name[0]}_{{{name[1:]}}}$"


def _level(noise: float) -> str:
    mantissa, exponent = f"{noise:.0e}".split("e")
    power = f"10^{{{int(exponent)}}}"
    return f"${power}$" if mantissa == "1" else f"${mantissa}\\times{power}$"
