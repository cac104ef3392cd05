"""Figures of several laws or methods: forms over one curve, back-tests, the benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, check_made_by
from bnsl._base.display import counted
from bnsl._base.lazy import Axes
from bnsl._base.palette import ramp, styles
from bnsl.evaluation.backtest import Backtest
from bnsl.evaluation.benchmark import BenchmarkRun
from bnsl.evaluation.comparison import Comparison
from bnsl.forms.registry import capitals
from bnsl.plots._drawing import MARKERS, SIZE, WIDE, Panel, look_of
from bnsl.plots._ticks import number_text
from bnsl.plots.laws import SAMPLES
from bnsl.plots.places import line_x, turns
from bnsl.plots.surfaces import draw_law
from bnsl.readers.smoothing import evenly

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
    ends = np.concatenate([part.x[[0, -1]] for part in parts])
    panel = Panel(ax, True, all(np.all(part.y > 0) for part in parts))
    panel.view(ends, *(part.y for part in parts))
    panel.points(fitted, held_out)
    column = comparison.error_column
    errors = {str(label): float(error) for label, error in comparison.table[column].items()}
    laws = {}
    for label in errors:
        result = comparison.results[label]
        x = line_x(ends.min(), ends.max(), SAMPLES, 0, turns(result.params, 6.0, 61))
        laws[label] = x, result.curve.held(result.form.evaluate(result.theta, x))
        panel.show("y", laws[label][1], times=0.3)
    panel.close()
    looks = styles(errors)
    groups = {_errors_text(group, errors): group[0] for group in _coinciding(laws, panel)}
    for text, first in groups.items():
        panel.ax.plot(*laws[first], linewidth=1.6, zorder=4, label=text, **look_of(looks[first]))
    if held_out is not None:
        panel.beyond(fitted, held_out)
    points = "fitted" if held_out is None else "held-out"
    head = f"{column.partition('_')[2].upper()} on the {points} points"
    texts = fitted.x_label, fitted.y_label, _verdict(comparison), fitted
    return panel.finish(*texts, first=list(groups), title=head)


def plot_backtest(backtest: Backtest, *, ax: Axes | None = None) -> Axes:
    """Log errors log(law / measured) against the distance of the extrapolation, one line per cut.

    Distance is x (of several inputs their product) over the last fitted x, on a log axis. Early cuts are
    dark, late ones light, each with a marker of its own; the grey steps are plus and minus the RMSLE of every
    bin of `by_distance`. If some y is not positive, errors are law - measured, and their RMSE.

    Args:
        backtest: what `bnsl.backtest` returned.
        ax: the Axes to draw into; a new figure if not given.

    Returns:
        The Axes; the errors are linear. Points without a log error are left out.

    Raises:
        InputError: (a ValueError) something else than a Backtest.
    """
    check_made_by(backtest, Backtest, "backtest", "bnsl.backtest")
    curve, bins, measure = backtest.curve, backtest.by_distance, backtest.measure
    error, said = "log_error", "log(law / measured)"
    if measure == "rmse":
        error, said = "error", f"law - measured {curve.y_label}"
    one_input = curve.inputs == 1
    panel = Panel(ax, True, False, WIDE)
    panel.ax.axhline(0.0, color="0.35", linewidth=1.2, zorder=2)
    grey: dict[str, Any] = {
        "color": "0.92",
        "linewidth": 0,
        "zorder": 1,
        "label": f"± {measure.upper()} at a distance",
    }
    for *ends, spread in bins[["distance_from", "distance_to", measure]].itertuples(index=False):
        panel.ax.fill_between(ends, -spread, spread, **grey)
        grey["label"] = None
    panel.view([1.0, backtest.table["distance"].max()], 0.0, backtest.table[error])
    look: dict[str, Any] = {"markersize": 4.6, "markeredgecolor": "white", "markeredgewidth": 0.4}
    look["linewidth"] = 1.2 if one_input else 0.0  # runs of several inputs follow no line
    for i, (cut, group) in enumerate(backtest.table.groupby("cut", sort=True)):
        distance = group["distance"].to_numpy()
        look |= {"color": ramp(i, len(backtest.cuts))["light"], "marker": MARKERS[i % len(MARKERS)]}
        look |= {"zorder": 4 + 0.01 * i, "markevery": evenly(distance, 16).tolist() if one_input else None}
        text = f"{group['fitted'].iloc[0]} points, up to {number_text(float(f'{cut:.4g}'))}"
        panel.ax.plot(distance, group[error].to_numpy(), label=text, **look)
    panel.show("y", bins[measure], -bins[measure], times=1.0)
    panel.close()
    what = curve.x_label if one_input else curve.effort_label
    title = f"back-test of {capitals(backtest.label)}"
    what += ", relative to the last fitted point"
    return panel.finish(what, said, title, curve, outside=True, title="fitted")


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
    size = (max(SIZE[0], 2.6 + 0.32 * len(domains) * (len(run.methods) + 1)), 4.2)
    panel = Panel(ax, False, True, size)
    panel.view([-0.5, len(domains) - 0.5], table["rmsle"])
    share = 1.0 / (len(run.methods) + 1)
    places = {method: np.arange(len(domains)) + (i + 1) * share - 0.5 for i, method in enumerate(run.methods)}
    for method, style in styles(run.methods).items():
        mine = table[table["method"] == method]
        errors = [np.sort(mine.loc[mine["domain"] == domain, "rmsle"].to_numpy()) for domain in domains]
        # Places off the middle that repeat late, so that equal errors are seen side by side.
        aside = [0.63 * share * (np.arange(len(part)) * 0.618 % 1.0 - 0.5) for part in errors]
        x = np.concatenate([place + part for place, part in zip(places[method], aside, strict=True)])
        look: dict[str, Any] = {"color": style.colour["light"], "markersize": 4.0, "markeredgewidth": 0.0}
        marker = style.marker.matplotlib
        panel.ax.plot(x, np.concatenate(errors), marker, alpha=0.7, label=capitals(method), **look)
    ends = np.concatenate(list(places.values())) + 0.42 * share * np.array([[-1.0], [1.0]])
    for column, dash, name in (("rmsle_mean", "-", "mean"), ("rmsle_geomean", (0, (1, 1)), "geometric mean")):
        values = [float(summary.loc[(domain, method), column]) for method in places for domain in domains]
        look = {"color": "black", "linestyle": dash, "linewidth": 1.8, "zorder": 4}
        panel.ax.plot(ends, [values, values], **look)[0].set_label(name)
    panel.close()
    ax = panel.ax
    ax.set_xlim(-0.5, len(domains) - 0.5)
    for j in range(1, len(domains)):
        ax.axvline(j - 0.5, color="0.85", linewidth=0.8, zorder=1)
    curves = [int(summary.loc[(domain, run.methods[0]), "curves"]) for domain in domains]
    names = [f"{d}, {counted(n, 'curve')}" for d, n in zip(domains, curves, strict=True)]
    ax.set_xticks(range(len(domains)), names)
    ax.tick_params(axis="x", which="both", length=0.0)
    texts = "", "RMSLE on the held-out points", "errors of extrapolation, one marker per curve"
    return panel.finish(*texts, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _coinciding(laws: Mapping[str, tuple[np.ndarray, np.ndarray]], panel: Panel) -> list[list[str]]:
    """Labels in groups, best first: in view, the laws of a group lie within a line's width of its first."""
    scale = np.log if panel.log["y"] else np.asarray
    low, high = scale(np.array(panel.ax.get_ylim()))
    x = np.unique(np.concatenate([points for points, _ in laws.values()]))
    groups: dict[str, list[str]] = {}
    seen: dict[str, np.ndarray] = {}
    for label, (points, y) in laws.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (scale(np.interp(x, points, y)) - low) / (high - low)
        seen[label] = np.nan_to_num(np.clip(share, 0.0, 1.0))
        near = (first for first in groups if np.max(np.abs(seen[label] - seen[first])) < WIDTH)
        groups.setdefault(next(near, label), []).append(label)
    return list(groups.values())


def _errors_text(group: Sequence[str], errors: Mapping[str, float]) -> str:
    """'M4: 0.36'; 'M1 = M2: 0.805' for forms with one line and one error; a line for each error."""
    shown: dict[str, list[str]] = {}
    for label in group:
        shown.setdefault(f"{errors[label]:.3g}", []).append(capitals(label))
    return "\n".join(f"{' = '.join(labels)}: {error}" for error, labels in shown.items())


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
