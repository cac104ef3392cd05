"""Fitted runs as JSON, there and back. What is written are the runs; the fit follows from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.display import FitWarning
from bnsl.fitting.record import Entries, damaged, encoded, of_type, parsed
from bnsl.runs.run import Run
from bnsl.schedules.phase import Logged, Phase
from bnsl.schedules.schedule import Schedule

if TYPE_CHECKING:
    from bnsl.runs.continual import ContinualResult
    from bnsl.runs.result import RunsResult

RUNS, CONTINUAL = "runs", "continual"  # what kind of record it is


def written(result: RunsResult, indent: int | None) -> str:
    """The runs, the law and its parameters as JSON."""
    more = {
        "law": result.law,
        "parameters": {fit.law.name: fit.law.parameters(fit) for fit in result.fits},
        "weights": list(result.weights),
        "undetermined": list(result.undetermined),
    }
    return _text(RUNS, result.runs, more, result.warnings, indent)


def written_continual(result: ContinualResult, indent: int | None) -> str:
    """The pre-training, the runs that went on from it and the parameters of both losses as JSON."""
    parameters = {fit.law.name: fit.law.parameters(fit) for fit in (result.old, result.new)}
    runs = (result.pretraining, *result.runs)
    return _text(CONTINUAL, runs, {"parameters": parameters}, result.warnings, indent)


def read(text: str) -> RunsResult:
    """The result again, fitted to the same runs."""
    from bnsl.runs.fit import fit_runs

    record = Entries(parsed(text, RUNS, "RunsResult"))
    with damaged(RUNS):
        return fit_runs(_fitted(record), of_type(record["law"], str))


def read_continual(text: str) -> ContinualResult:
    """The result again, fitted to the same runs."""
    from bnsl.runs.continual_fit import continual

    record = Entries(parsed(text, CONTINUAL, "ContinualResult"))
    with damaged(CONTINUAL):
        pretraining, *runs = _fitted(record)
        return continual(pretraining, runs)


def _text(
    kind: str,
    runs: Sequence[Run],
    more: Mapping[str, Any],
    warnings: Sequence[FitWarning],
    indent: int | None,
) -> str:
    known: list[Run] = []
    for run in runs:
        _collect(run, known)
    record = {
        "bnsl": kind,
        "version": 1,
        **more,
        "warnings": [list(one) for one in warnings],
        "runs": [_run_record(run, known) for run in known],
        "fitted": [known.index(run) for run in runs],
    }
    return json.dumps(encoded(record), indent=indent, allow_nan=False)


def _fitted(record: Mapping[str, Any]) -> list[Run]:
    known: list[Run] = []
    for entries in of_type(record["runs"], list):
        known.append(_run_of(Entries(of_type(entries, dict), "runs."), known))
    return [known[int(i)] for i in of_type(record["fitted"], list)]


def _collect(run: Run, known: list[Run]) -> None:
    """A run after its parents, each once."""
    if run.parent is not None:
        _collect(run.parent, known)
    if run not in known:
        known.append(run)


def _run_record(run: Run, known: list[Run]) -> dict[str, Any]:
    return {
        "schedule": [phase_record(phase) for phase in run.schedule.phases],
        "step": run.step.tolist(),
        "loss": run.loss.tolist(),
        "parent": None if run.parent is None else known.index(run.parent),
        "replay": run.replay,
        **{name: getattr(run, name) for name in ("trained_on", "measured_on", "name", "model")},
    }


def _run_of(entries: dict[str, Any], known: list[Run]) -> Run:
    parent = entries["parent"]
    return Run(
        schedule_of(of_type(entries["schedule"], list)),
        np.asarray(entries["step"]),
        np.asarray(entries["loss"]),
        None if parent is None else known[int(parent)],
        entries["replay"],
        *(of_type(entries[name], str) for name in ("trained_on", "measured_on", "name", "model")),
    )


def phase_record(phase: Phase | Logged) -> dict[str, Any]:
    """A phase as plain values."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(phase).items()}


def schedule_of(phases: list[dict[str, Any]]) -> Schedule:
    """The schedule of such phases."""
    found: list[Phase | Logged] = []
    for phase in phases:
        if "knots" in phase:
            knots, values = (tuple(of_type(phase[key], list)) for key in ("knots", "values"))
            found.append(
                Logged(of_type(phase["name"], str), tuple(map(int, knots)), tuple(map(float, values)))
            )
        elif "shape" in phase:
            found.append(Phase(**phase))
        else:
            raise InputError(f"{phase!r:.60} is no phase of a schedule")
    return Schedule(tuple(found))
