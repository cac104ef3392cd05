"""The metric files of MLflow: lines of a time, a value and a step."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.lazy import pd
from bnsl.readers.files import called, content, text
from bnsl.readers.source import RUN, STEP, Source, by_step, log, read_cells

FOLDER = "metrics"  # where the files of a run are
TIME = "timestamp"
_LINE = re.compile(r"(?P<time>\d{10,})\s+(?P<value>[-+.\w]+)(?:\s+(?P<step>-?\d+)(?:\s+\S+)*)?")


def is_metric(data: bytes) -> bool:
    """Whether a file is such a metric, by its first line."""
    start = data.lstrip().split(b"\n", 1)[0].strip()
    match = _LINE.fullmatch(start.decode("utf-8", "replace"))
    return match is not None and match["step"] is not None and len(match["time"]) >= 12


def read_metric(path: Path, data: bytes, where: str) -> Source:
    """One metric, named after its file, and the folders between that and `metrics`."""
    parts = path.parts
    inside = len(parts) - parts[::-1].index(FOLDER) if FOLDER in parts[:-1] else -1
    name = "/".join(parts[inside:])
    table = pd.DataFrame(_lines(data, where), columns=[STEP, TIME, name])
    return Source(table, "mlflow", name, STEP, aside=(TIME,), sparse=True, y=name)


def read_mlflow(path: Path) -> Source:
    """The metrics of all runs below a folder, one row per step and run, one column per metric.

    Runs are told apart by their names; what was logged as a parameter is in columns 'params.lr'. A metric
    that was logged twice at a step has the later value.

    Raises:
        InputError: a damaged file.
    """
    rows: list[tuple[str, float, float, str, float]] = []
    settings: dict[str, dict[str, str]] = {}
    for folder in folders(path):
        run = _run_name(folder.parent)
        run = run if run not in settings else f"{run} ({folder.parent.name[:8]})"
        settings[run] = _settings(folder.parent / "params")
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            metric = file.relative_to(folder).as_posix()
            values = _lines(content(file, ()), called(file))
            rows += [(run, step, time, metric, value) for step, time, value in values]
    wide = by_step(rows, TIME).drop(columns=TIME)
    system = [str(name) for name in wide.columns if str(name).startswith("system/")]
    params = list(dict.fromkeys(name for each in settings.values() for name in each))
    for name in params:
        wide[name] = [settings[run].get(name) for run in wide[RUN]]
    name = path.resolve().name if len(settings) > 1 else next(iter(settings))
    source = log(wide, "mlflow", name, x=STEP, aside=(*system, *params))
    cells = read_cells(source.table)
    return replace(source, table=cells.table, told=cells.told, written=cells.written)


def folders(path: Path) -> list[Path]:
    """The folders of metrics at or below a folder: `metrics` of a run, a run, an experiment or all of them.

    Those of runs that logged none are left out.
    """
    found = [path] if path.name == FOLDER else sorted(each for each in path.rglob(FOLDER) if each.is_dir())
    return [folder for folder in found if _has_metric(folder)]


def _has_metric(folder: Path) -> bool:
    first = next((file for file in sorted(folder.rglob("*")) if file.is_file()), None)
    return first is not None and is_metric(first.read_bytes()[:1000])


def _lines(data: bytes, where: str) -> list[tuple[float, float, float]]:
    """Step, time and value of each line; a value that was logged as NaN is infinite."""
    out = []
    for number, line in enumerate(text(data, where).splitlines(), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        try:
            if match is None:
                raise ValueError
            value = float(match["value"])
        except ValueError:
            raise InputError(
                f"{where}, line {number} is {line!r}; it must be a time, a value and a step"
            ) from None
        out.append((float(match["step"] or 0), float(match["time"]), np.inf if np.isnan(value) else value))
    return out


def _run_name(folder: Path) -> str:
    file = folder / "tags" / "mlflow.runName"
    return file.read_text(encoding="utf-8").strip() if file.is_file() else folder.resolve().name


def _settings(folder: Path) -> dict[str, str]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {f"params.{file.name}": file.read_text(encoding="utf-8").strip() for file in files}
