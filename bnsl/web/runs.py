"""The report of losses under a learning-rate schedule, or of continual pre-training, as one HTML page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnsl._base.checks import InputError, check_share, check_text, told
from bnsl._base.display import counted, quietly
from bnsl.runs.continual import ContinualResult
from bnsl.runs.result import RunsResult
from bnsl.schedules.schedule import Schedule, check_schedules
from bnsl.web.page import check_path, environment, page_of
from bnsl.web.run_figures import continued_figure, front_figure, losses_figure, schedules_figure
from bnsl.web.tables import Table, csv_text
from bnsl.web.words import Fact, Note, number

REPLAYS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5)  # shares of old data that the page shows


def write_runs_report(
    result: RunsResult | ContinualResult,
    path: str | os.PathLike[str],
    *,
    schedules: Mapping[str, Schedule] | None = None,
    replay: Sequence[float] = REPLAYS,
    title: str | None = None,
    level: float = 0.9,
    command: str | None = None,
) -> Path:
    """Write a report on fitted runs: an HTML page that needs no network, to mail to others.

    Args:
        result: what `bnsl.fit_runs` or `bnsl.continual` returned.
        path: where to write it, ending in .html.
        schedules: of `fit_runs`: other schedules by name, whose losses are predicted.
        replay: of `continual`: shares of old data whose final losses are predicted.
        title: what to call it.
        level: of the intervals.
        command: the shell command that made it, shown at the end.

    Raises:
        InputError: (a ValueError) no such result, a path that is no .html, or a missing jinja2.
    """
    target = check_path(path)
    environment()  # before any work, since it may be missing
    share = check_share(level, "level")
    schedules = check_schedules(schedules)
    for argument, text in (("title", title), ("command", command)):
        if text is not None:
            check_text(text, argument)
    # The tables say how far predictions reach.
    with quietly():
        if isinstance(result, RunsResult):
            given = _of_runs(result, schedules, share)
        elif isinstance(result, ContinualResult):
            given = _of_continual(result, replay, share)
        else:
            raise InputError(f"{told('result', result)} is not what bnsl.fit_runs or bnsl.continual returns")
    given["notes"] = [Note("Fit", f"{text[:1].upper()}{text[1:]}.") for _, text in result.warnings]
    if command is not None:
        given["texts"]["shell"] = command
    if title is not None:
        given["title"] = title
    target.write_text(page_of("runs.html.j2", level=share, **given), encoding="utf-8")
    return target


def _of_runs(result: RunsResult, schedules: Mapping[str, Schedule], level: float) -> dict[str, Any]:
    """What the page of `fit_runs` shows."""
    numbers: list[tuple[Any, ...]] = []
    for name, one in schedules.items():
        numbers.append((name, one.steps, one.peak, result.predict(one), *result.interval(one, level=level)))
    rows = [
        (name, f"{steps:,}", number(peak), *(f"{value:.4f}" for value in losses))
        for name, steps, peak, *losses in numbers
    ]
    facts = [
        Fact("predicted final loss", loss, f"{name}; {low} to {high}")
        for name, *_, loss, low, high in rows[:1]
    ]
    runs = {run.name or f"run {i}": run.whole for i, run in enumerate(result.runs)}
    points = sum(len(run.step) for run in result.runs)
    head = ("schedule", "steps", "peak rate", "final loss", f"low {level:.0%}", f"high {level:.0%}")
    names = ("schedule", "steps", "peak", "loss", "lower", "upper")
    return {
        "title": "Loss under a learning-rate schedule",
        "sub": f"{counted(len(result.runs), 'run')} with {points:,} points, to step {result.horizon:,}",
        "facts": [
            *facts,
            Fact("usual error of the fit", f"{100 * result.rms:.2g} %", "of the loss, root mean square"),
            Fact("law", result.law.replace("_", " "), ", ".join(f.law.source for f in result.fits)),
        ],
        "figures": {
            "schedules": schedules_figure(runs, schedules),
            "losses": losses_figure(result, schedules, level),
        },
        "predictions": Table(head, rows, (0,)),
        "caption": f"Final losses under other schedules, with {level:.0%} intervals",
        "parameters": Table(("law", "parameter", "value", "determined"), result.parameter_rows(), (0, 1, 3)),
        "texts": {"numbers": csv_text(names, numbers)},
    }


def _of_continual(result: ContinualResult, replay: Sequence[float], level: float) -> dict[str, Any]:
    """What the page of `continual` shows."""
    before = result.pretraining
    finals = [(share, result.final(replay=share, level=level)) for share in replay]
    numbers = [
        (share, end.old, *end.old_interval, end.new, *end.new_interval, end.old - before.final)
        for share, end in finals
    ]
    rows = [
        (
            f"{share:.3g}",
            *_final(end.old, end.old_interval),
            *_final(end.new, end.new_interval),
            f"{rise:+.4f}",
        )
        for (share, end), (*_, rise) in zip(finals, numbers, strict=True)
    ]
    runs = {"pre-training": before.schedule}
    runs |= {run.name or f"run {i}": run.whole for i, run in enumerate(result.runs)}
    head = ("replay", "old data", f"{level:.0%} interval", "new data", f"{level:.0%} interval", "forgetting")
    names = ("replay", "old", "old_lower", "old_upper", "new", "new_lower", "new_upper", "forgetting")
    cells = [
        (f"{fit.law.name} data", name, f"{value:.5g}")
        for fit in (result.old, result.new)
        for name, value in fit.law.parameters(fit).items()
    ]
    return {
        "title": "Continual pre-training",
        "sub": f"{len(result.runs)} curves that go on from step {before.end:,}; the old loss was "
        f"{before.final:.4g} there",
        "facts": _facts(result),
        "figures": {
            "schedules": schedules_figure(runs, {}),
            "front": front_figure(result, replay),
            "losses": continued_figure(result),
        },
        "predictions": Table(head, rows),
        "caption": f"Final losses after {result.steps:,} steps at peak {result.peak:g}, over the share of "
        "old data",
        "parameters": Table(("data", "parameter", "value"), cells, (0, 1)),
        "texts": {"numbers": csv_text(names, numbers)},
    }


def _facts(result: ContinualResult) -> list[Fact]:
    """The few numbers of continual pre-training that come first."""
    best, rewarmed = result.best(), "lower" if result.worth_rewarming() else "higher"
    lowest = f"{(best['old'] + best['new']) / 2:.4f}"
    place = f"at {best['replay']:.3g} replay and peak {best['peak']:g}, both losses counted alike"
    error = f"{100 * result.old.rms:.2g} %, {100 * result.new.rms:.2g} %"
    return [
        Fact("lowest average", lowest, place),
        Fact("forgetting without replay", f"{result.forgetting():+.3f}", "of the loss on old data"),
        Fact("re-warming ends", rewarmed, "on new data than going on at the last rate"),
        Fact("usual error of the fit", error, "of the losses on old and new data"),
    ]


def _final(loss: float, interval: tuple[float, float]) -> tuple[str, str]:
    """A final loss and its interval."""
    return f"{loss:.4f}", f"{interval[0]:.3f} to {interval[1]:.3f}"
