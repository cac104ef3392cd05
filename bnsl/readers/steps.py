"""JSON by steps: one object {"step_00002385": 3.26}, or a folder with one file per step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bnsl._base.checks import InputError
from bnsl.readers.files import called, content
from bnsl.readers.source import Source, records, some
from bnsl.readers.tables import parse_json

FILES = "*.json"
RUN, VALUE = "run", "value"
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
    several = RUN in table.columns and table[RUN].nunique() > 1
    numeric = [str(name) for name in table.columns if name != steps and table[name].dtype.kind == "f"]
    measured = [name for name in numeric if table[name].nunique() > 1]  # not settings, which stay
    return Source(
        table,
        "json",
        name,
        steps,
        RUN if several else None,
        sparse=True,
        y=measured[0] if len(measured) == 1 else None,
        notes=notes,
    )


def read_folder(path: Path) -> Source | None:
    """The files of a folder, one a step, with what they hold in columns such as results.acc.

    The names of the files, or of the folders that they are in, tell the step; other folders tell runs apart.
    None if fewer than two files have a step.
    """
    found: list[tuple[str, str, int, Path]] = []
    others = []
    for file in sorted(path.rglob(FILES)):
        place = _place(file.relative_to(path))
        if place is None:
            others.append(file.name)
        else:
            found.append((*place, file))
    if len(found) < 2:
        return None
    rows = []
    for run, _, step, file in found:
        value = parse_json(content(file, ()), called(file))
        if not isinstance(value, Mapping):
            raise InputError(f"{called(file)} must hold an object of numbers, as all files of one a step")
        rows.append({RUN: run, "step": step, **dict(flat("", value)), **_own_step(value, step)})
    counted = {name for _, name, _, _ in found}
    notes = [f"took the {next(iter(counted)) if len(counted) == 1 else 'step'} of each file from its name"]
    if others:
        notes.append(f"left out {len(others)} files without a step in their names: {some(others, 3)}")
    if len({run for run, *_ in found}) == 1:
        rows = [{key: value for key, value in row.items() if key != RUN} for row in rows]
    return from_rows("step", rows, path.resolve().name, tuple(notes))


def _place(file: Path) -> tuple[str, str, int] | None:
    """The run, what is counted and the step, by the path of a file below the folder."""
    parts = [*file.parent.parts, file.stem]
    for i in reversed(range(len(parts))):
        match = list(_PLACE.finditer(parts[i]))
        if match:
            rest = [*parts[:i], *(parts[i + 1 : -1] if i < len(parts) - 1 else [])]
            left = parts[i][: match[-1].start()].strip("-_. ")
            return (
                "/".join([*rest, *([left] if left else [])]),
                match[-1]["name"].lower(),
                int(match[-1]["number"]),
            )
    last = _LAST_NUMBER.search(file.stem)
    if last is None:
        return None
    left = file.stem[: last.start()].strip("-_. ")
    return "/".join([*file.parent.parts, *([left] if left else [])]), "step", int(last["number"])


def _own_step(value: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The step that the file itself holds, which counts more than its name."""
    own = next((value[name] for name in ("step", "global_step", "iteration") if name in value), step)
    return {"step": own if isinstance(own, int | float) and not isinstance(own, bool) else step}


def flat(prefix: str, found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The numbers and words of nested objects under dotted names."""
    for key, value in found.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flat(f"{name}.", value)
        elif isinstance(value, str | int | float | bool):
            yield name, value
