"""The `trainer_state.json` of Hugging Face's Trainer, alone or in the folders of checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnsl._base.checks import InputError
from bnsl.readers.files import called, content, stem
from bnsl.readers.source import RUN, STEP, Source, log, records
from bnsl.readers.tables import parse_json

FILE = "trainer_state.json"
LOSSES = ("eval_loss", "loss")  # of which the first with enough values is y, unless another is asked for
ENOUGH = 5  # values
_CHECKPOINT = re.compile(r"checkpoint-\d+")
# Rates, times and settings logged beside the metrics; train_loss is a single mean over the training.
_ASIDE = re.compile(
    r"epoch|learning_rate|grad_norm|total_flos|num_input_tokens_seen|train_loss"
    r"|(\w*_)?(runtime|(samples|steps|tokens)_per_second|jit_compilation_time|model_preparation_time)"
)


def is_trainer_state(found: Any) -> bool:
    """Whether a JSON value is such a file: an object with a `log_history`."""
    return isinstance(found, Mapping) and isinstance(found.get("log_history"), list)


def read_trainer(path: Path, data: bytes | None = None) -> Source:
    """What a Trainer logged, one row per record, with columns such as step, epoch, loss and eval_loss.

    Args:
        path: the file, or a folder with such files in it or below; of the checkpoints of one run the
            latest is read, and several runs are told apart by their folders.
        data: the bytes of the file, where they are at hand.

    Raises:
        InputError: a file without `log_history`, or with an empty one.
    """
    if not path.is_dir():
        state, rows = _history(content(path, (".json",)) if data is None else data, called(path))
        return _source(rows, _name(path, state))
    latest: dict[Path, tuple[int, list[dict[str, Any]]]] = {}
    for file in sorted(path.rglob(FILE)):
        _, rows = _history(content(file, ()), called(file))
        folder = file.parent
        run = folder.parent if _CHECKPOINT.fullmatch(folder.name) and folder != path else folder
        steps = max((row.get(STEP, 0) for row in rows), default=0)
        if run not in latest or steps >= latest[run][0]:
            latest[run] = (steps, rows)
    rows = [{RUN: str(run.relative_to(path)), **row} for run, (_, logged) in latest.items() for row in logged]
    return _source(rows, path.resolve().name)


def _history(data: bytes, where: str) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    found = parse_json(data, where)
    if not is_trainer_state(found):
        raise InputError(f"{where} has no list 'log_history', so it is no trainer_state.json")
    rows = [row for row in found["log_history"] if isinstance(row, dict)]
    if not rows:
        raise InputError(f"{where}: 'log_history' is empty; nothing was logged yet (see logging_steps)")
    return found, rows


def _source(rows: list[dict[str, Any]], name: str) -> Source:
    table = records(rows)
    aside = tuple(column for column in table.columns if _ASIDE.fullmatch(column))
    logged = [loss for loss in LOSSES if loss in table.columns and table[loss].dtype.kind == "f"]
    y = next((loss for loss in logged if table[loss].nunique() >= ENOUGH), logged[-1] if logged else None)
    x = STEP if STEP in table.columns else None
    return log(table, "trainer", name, x=x, aside=aside, y=y)


def _name(path: Path, state: Mapping[str, Any]) -> str:
    """What the run is called: by the file where that has a name of its own, the state, or its folder.

    The folder 'checkpoint-500' says no more than 'trainer_state' does.
    """
    if path.name != FILE:
        return stem(path)
    best = str(state.get("best_model_checkpoint") or "").replace("\\", "/")
    named = (state.get("trial_name"), Path(best).parent.name, *reversed(path.absolute().parent.parts))
    return next(str(name) for name in (*named, FILE) if name and not _CHECKPOINT.fullmatch(str(name)))
