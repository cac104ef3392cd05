"""Figures of several laws or methods: forms over one curve, back-tests, the benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bnsl._base.checks import InputError, check_made_by
from bnsl._base.palette import ramp, styles
from bnsl.evaluation.backtest import Backtest
from bnsl.evaluation.benchmark import BenchmarkRun
from bnsl.evaluation.comparison import Comparison
from bnsl.forms.registry import capitals
from bnsl.plots._drawing import (
    MARKERS,
    SIZE,
    WIDE,
    Frame,
    add_legend,
    axes_or_new,
    draw_points,
    evenly,
    label_axes,
    line_x,
    number_text,
    shade_held_out,
    title_of,
    x_range,
)
from bnsl.plots.surfaces import draw_law

if TYPE_CHECKING:
    from matplotlib.axes import Axes


WIDTH = 0.01  # share of the axis by which two lines have to part to be seen as two


def plot_comparison(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Several forms over one curve, best first in the legend, on log axes.

    Every form has a colour and a dash pattern of its own, the same in every figure; the best BNSL is the red
    solid line. Forms whose lines coincide share a line and an entry of the legend. The legend gives the RMSLE
    on the held-out points, or on the fitted ones if none were held out; the RMSE, in the units of y, where
    there are no logarithms. Of several inputs the best form is drawn, as `plot_fit` draws it.

    Args:
        comparison: what `bnsl.compare` returned.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes. Its y axis is linear where a measured value is not positive.

    Raises:
        InputError: (a ValueError) something else than a Comparison.
    """
    check_made_by(comparison, Comparison, "comparison", "bnsl.compare")
    fitted, held_out = comparison.fitted, comparison.held_out
    if fitted.inputs > 1:
        return draw_law(comparison.best, held_out, axes=None if ax is None else [ax])
    parts = [fitted] if held_out is None else [fitted, held_out]
    first, last = x_range(parts)
    log_y = all(np.all(part.y > 0) for part in parts)

    ax = axes_or_new(ax)
    frame = Frame(ax, True, log_y)
    frame.show_x(first, last)
    frame.show_y(*(part.y for part in parts))
    draw_points(ax, fitted, held_out)
    column = comparison.error_column
    errors = {str(label): float(error) for label, error in comparison.table[column].items()}
    laws = {}
    for label in errors:
        result = comparison.results[label]
        x = line_x(result.params, first, last, True)
        laws[label] = x, result.curve.held(result.form.evaluate(result.theta, x))
        frame.reach_y(0.3, laws[label][1])
    frame.close()
    style = styles(errors)
    texts: list[str] = []
    for group in _coinciding(laws, ax.get_ylim(), log_y):
        drawn = style[group[0]]
        texts.append(_errors_text(group, errors))
        ax.plot(
            *laws[group[0]],
            color=drawn.colour["light"],
            linestyle=(0, drawn.dash.pattern) if drawn.dash.pattern else "-",
            linewidth=1.6,
            zorder=4,
            label=texts[-1],
        )
    if held_out is not None:
        shade_held_out(ax, fitted, held_out, True)
    label_axes(ax, fitted, title_of(fitted, _verdict(comparison)))
    points = "fitted" if held_out is None else "held-out"
    add_legend(ax, texts, title=f"{column.partition('_')[2].upper()} on the {points} points")
    return ax


def plot_backtest(backtest: Backtest, *, ax: Axes | None = None) -> Axes:
    """Log errors log(law / measured) against the distance of the extrapolation, one line per cut.

    Distance is x (of several inputs their product) over the last fitted x, on a log axis. Early cuts are
    dark, late ones light, each with a marker of its own; the grey steps are plus and minus the RMSLE of every
    bin of `by_distance`.

    Args:
        backtest: what `bnsl.backtest` returned.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes; the errors are linear. Points without a log error are left out.

    Raises:
        InputError: (a ValueError) something else than a Backtest.
    """
    check_made_by(backtest, Backtest, "backtest", "bnsl.backtest")
    bins = backtest.by_distance
    one_input = backtest.curve.inputs == 1
    ax = axes_or_new(ax, WIDE)
    frame = Frame(ax, True, False)
    ax.axhline(0.0, color="0.35", linewidth=1.2, zorder=2)
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
            color=ramp(i, count)["light"],
            marker=MARKERS[i % len(MARKERS)],
            markersize=4.6,
            markevery=evenly(distance, 16).tolist() if one_input else None,
            markeredgecolor="white",
            markeredgewidth=0.4,
            linewidth=1.2 if one_input else 0.0,  # runs of several inputs follow no line
            zorder=4 + 0.01 * i,
            label=f"{group['fitted'].iloc[0]} points, up to {number_text(float(f'{cut:.4g}'))}",
        )
    frame.show_x(1.0, float(backtest.table["distance"].max()))
    frame.show_y(np.array([0.0]), *errors)
    spread = bins["rmsle"].to_numpy()
    frame.reach_y(1.0, spread[np.isfinite(spread)], -spread[np.isfinite(spread)])
    frame.close()
    label_axes(ax, backtest.curve, title_of(backtest.curve, f"back-test of {capitals(backtest.label)}"))
    what = backtest.curve.x_label if one_input else backtest.curve.effort_label
    ax.set_xlabel(f"{what}, relative to the last fitted point")
    ax.set_ylabel("log(law / measured)")
    add_legend(ax, outside=True, title="fitted")
    return ax


def plot_benchmark(run: BenchmarkRun, *, ax: Axes | None = None) -> Axes:
    """The error of every method on every curve, by domain, on a log axis.

    A marker is a curve; a bar is the mean, a dotted one the geometric mean. Each method has a colour and a
    marker of its own, the same in every figure.

    Args:
        run: what `bnsl.run_benchmark` returned.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes. Errors of 0 and unknown ones are left out.

    Raises:
        InputError: (a ValueError) something else than a BenchmarkRun, or one without any error to draw.
    """
    check_made_by(run, BenchmarkRun, "run", "bnsl.run_benchmark")
    table = run.table[np.isfinite(run.table["rmsle"]) & (run.table["rmsle"] > 0)]
    if table.empty:
        raise InputError("run has no error above 0; there is nothing to draw")
    summary = run.by_domain.set_index(["domain", "method"])
    domains = [domain for domain in dict.fromkeys(run.by_domain["domain"]) if domain != "language"]
    count = len(run.methods)
    ax = axes_or_new(ax, benchmark_size(run))
    frame = Frame(ax, False, True)
    looks = styles(run.methods)
    for i, method in enumerate(run.methods):
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
                looks[method].marker.matplotlib,
                color=looks[method].colour["light"],
                markersize=4.0,
                alpha=0.7,
                markeredgewidth=0.0,
                zorder=3,
                label=capitals(method) if j == 0 else None,
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
    ax.set_title("errors of extrapolation, one marker per curve", fontsize="medium")
    add_legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def benchmark_size(run: BenchmarkRun) -> tuple[float, float]:
    """Width and height in inches that `plot_benchmark` wants."""
    domains = {curve.domain for curve in run.benchmark}
    return max(SIZE[0], 2.6 + 0.32 * len(domains) * (len(run.methods) + 1)), 4.2


def _coinciding(
    laws: Mapping[str, tuple[np.ndarray, np.ndarray]], limits: tuple[float, float], log: bool
) -> list[list[str]]:
    """Labels in groups, best first: in view, the laws of a group lie within a line's width of its first."""
    scale = np.log if log else np.asarray
    low, high = scale(np.array(limits))
    x = np.unique(np.concatenate([points for points, _ in laws.values()]))
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = {
            label: np.nan_to_num(np.clip((scale(np.interp(x, points, y)) - low) / (high - low), 0.0, 1.0))
            for label, (points, y) in laws.items()
        }
    groups: list[list[str]] = []
    for label, places in seen.items():
        for group in groups:
            if np.max(np.abs(places - seen[group[0]])) < WIDTH:
                group.append(label)
                break
        else:
            groups.append([label])
    return groups


def _errors_text(group: Sequence[str], errors: Mapping[str, float]) -> str:
    """'M4: 0.36'; 'M1 = M2: 0.805' for forms with one line and one error."""
    shown: dict[str, list[str]] = {}
    for label in group:
        shown.setdefault(f"{errors[label]:.3g}", []).append(capitals(label))
    return " / ".join(f"{' = '.join(labels)}: {error}" for error, labels in shown.items())


def _verdict(comparison: Comparison) -> str:
    """What a comparison found, in a few words."""
    best = capitals(str(comparison.table.index[0]))
    if len(comparison.results) == 1:
        return best
    if comparison.held_out is not None:
        return f"{best} is closest to the held-out points"
    if comparison.ranked_by == "aicc":
        return f"{best} has the lowest AICc"
    return f"{best} is closest to the fitted points"
