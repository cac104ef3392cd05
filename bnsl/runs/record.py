"""Fitted runs as JSON, there and back. What is written are the runs; the fit follows from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from bnsl._base.checks import InputError
from bnsl.fitting.record import Entries, damaged, encoded, of_type, parsed
from bnsl.runs.run import TEXTS, Run
from bnsl.schedules.phase import Logged, Phase
from bnsl.schedules.schedule import Schedule


class Recorded:
    """A result that is saved as its runs, and fitted to them again when it is read."""

    kind: ClassVar[str]  # The record begins with it.

    def to_json(self, indent: int | None = None) -> str:
        """The runs and the parameters as JSON, exact to the last bit."""
        runs, entries = self._recorded()
        known: list[Run] = []
        for run in runs:
            _collect(run, known)
        record = {
            "bnsl": self.kind,
            "version": 1,
            **entries,
            "runs": [_run_record(run, known) for run in known],
            "fitted": [known.index(run) for run in runs],
        }
        return json.dumps(encoded(record), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The result that `to_json` wrote, fitted again to its runs.

        Raises:
            InputError: (a ValueError) text that is not such a record, or a damaged one.
        """
        record = Entries(parsed(text, cls.kind, cls.__name__))
        with damaged(cls.kind):
            known: list[Run] = []
            for entries in of_type(record["runs"], list):
                known.append(_run_of(Entries(of_type(entries, dict), "runs."), known))
            return cls._again([known[int(i)] for i in of_type(record["fitted"], list)], record)

    def _recorded(self) -> tuple[Sequence[Run], dict[str, Any]]:
        """The runs that were fitted, and other entries of the record."""
        raise NotImplementedError

    @classmethod
    def _again(cls, runs: list[Run], record: Mapping[str, Any]) -> Self:
        """The fit of these runs."""
        raise NotImplementedError


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
        **{name: getattr(run, name) for name in TEXTS},
    }


def _run_of(entries: dict[str, Any], known: list[Run]) -> Run:
    parent = entries["parent"]
    return Run(
        schedule_of(of_type(entries["schedule"], list)),
        np.asarray(entries["step"]),
        np.asarray(entries["loss"]),
        None if parent is None else known[int(parent)],
        entries["replay"],
        *(of_type(entries[name], str) for name in TEXTS),
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
