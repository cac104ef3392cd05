"""JSON by steps: one object {"step_00002385": 3.26}, or a folder with one file per step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnsl._base.checks import InputError, some
from bnsl.readers.files import called, content
from bnsl.readers.source import RUN, STEP, Source, flat, log, records
from bnsl.readers.tables import parse_json

FILES = "*.json"
VALUE = "value"
_KEY = re.compile(r"(?P<name>[A-Za-z][A-Za-z_]*?)?[-_ =]?(?P<number>\d+)")
_PLACE = re.compile(
    r"(?P<name>global_step|step|iteration|iter|checkpoint|ckpt|epoch|tokens|samples)[-_=]?(?P<number>\d+)",
    re.I,
)
_LAST_NUMBER = re.compile(r"(?P<number>\d+)\D*$")


def rows_of_steps(found: Any) -> tuple[str, list[dict[str, Any]]] | None:
    """What the keys of an object count, and its rows: {"step_100": 3.2} or {"step_100": {"loss": 3.2}}.

    Also of an object of such objects, one a run. None for anything else.
    """
    if not isinstance(found, Mapping) or not found:
        return None
    own = _rows(found)
    if own is not None:
        return own
    inner = {run: _rows(value) for run, value in found.items() if isinstance(value, Mapping)}
    counted = {each[0] for each in inner.values() if each is not None}
    if len(inner) < len(found) or None in inner.values() or len(counted) != 1 or counted == {"x"}:
        return None
    rows = [{RUN: run, **row} for run, each in inner.items() if each is not None for row in each[1]]
    return counted.pop(), rows


def _rows(found: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]] | None:
    keys = [_KEY.fullmatch(str(key)) for key in found]
    if not keys or any(key is None for key in keys):
        return None
    names = {key["name"] or "" for key in keys if key is not None}
    if len(names) > 1:
        return None
    name = names.pop() or "x"
    rows = []
    for key, value in zip(keys, found.values(), strict=True):
        assert key is not None
        if isinstance(value, Mapping) and name != "x":  # pandas writes {"0": {...}}, which counts nothing
            metrics = dict(flat("", value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            metrics = {VALUE: value}
        else:
            return None
        rows.append({name: int(key["number"]), **metrics})
    return name, rows


def from_rows(steps: str, rows: list[dict[str, Any]], name: str, notes: tuple[str, ...] = ()) -> Source:
    """A log of these rows, in which the column `steps` counts."""
    table = records(rows).sort_values(steps, kind="stable", ignore_index=True)
    numeric = [str(name) for name in table.columns if name != steps and table[name].dtype.kind == "f"]
    measured = [name for name in numeric if table[name].nunique() > 1]  # not settings, which stay
    return log(table, "json", name, x=steps, y=measured[0] if len(measured) == 1 else None, notes=notes)


def read_folder(path: Path) -> Source | None:
    """The files of a folder, one a step, with what they hold in columns such as results.acc.

    The names of the files, or of the folders that they are in, tell the step; other folders tell runs apart.
    None if fewer than two files have a step.
    """
    places = {file: _place(file.relative_to(path)) for file in sorted(path.rglob(FILES))}
    others = [file.name for file, place in places.items() if place is None]
    if len(places) - len(others) < 2:
        return None
    rows, counted = [], set()
    for file, place in places.items():
        if place is not None:
            run, name, step = place
            value = parse_json(content(file, ()), called(file))
            if not isinstance(value, Mapping):
                raise InputError(f"{called(file)} must hold an object of numbers, as all files of one a step")
            counted.add(name)
            rows.append({RUN: run, STEP: step, **dict(flat("", value)), **_own_step(value, step)})
    notes = [f"took the {next(iter(counted)) if len(counted) == 1 else STEP} of each file from its name"]
    if others:
        notes.append(f"left out {len(others)} files without a step in their names: {some(others, 3)}")
    return from_rows(STEP, rows, path.resolve().name, tuple(notes))


def _place(file: Path) -> tuple[str, str, int] | None:
    """The run, what is counted and the step, by the path of a file below the folder."""
    parts = [*file.parent.parts, file.stem]
    for i in reversed(range(len(parts))):
        found = list(_PLACE.finditer(parts[i]))
        if found:  # what stands before the step tells the run, and so do the other folders
            left = parts[i][: found[-1].start()].strip("-_. ")
            rest = [*parts[:i], *parts[i + 1 : -1], left]
            return "/".join(filter(None, rest)), found[-1]["name"].lower(), int(found[-1]["number"])
    last = _LAST_NUMBER.search(file.stem)
    if last is None:
        return None
    left = file.stem[: last.start()].strip("-_. ")
    return "/".join(filter(None, [*parts[:-1], left])), STEP, int(last["number"])


def _own_step(value: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The step that the file itself holds, which counts more than its name."""
    own = next((value[name] for name in ("step", "global_step", "iteration") if name in value), step)
    return {"step": own if isinstance(own, int | float) and not isinstance(own, bool) else step}
