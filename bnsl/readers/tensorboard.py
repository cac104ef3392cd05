"""The scalars of TensorBoard event files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bnsl._arrays import InputError
from bnsl.readers.files import called
from bnsl.readers.source import Source

FILES = "*tfevents*"
MARK = b"brain.Event:"  # in the first record of every event file
STEP, RUN, TIME = "step", "run", "wall_time"


def read_tensorboard(path: Path) -> Source:
    """The scalars of an event file, or of all below a folder: one row a step and run, one column a tag.

    A tag that was written twice at a step, as after a restart, has the later value. A file that is still
    being written, or whose end is lost, is read as far as it goes.

    Args:
        path: an event file, or a folder; several runs are told apart by their folders.

    Raises:
        InputError: no scalars, or the package tensorboard is missing.
    """
    import pandas as pd

    where = called(path)
    files = sorted(path.rglob(FILES)) if path.is_dir() else [path]
    rows = [
        (str(file.parent.relative_to(path)) if path.is_dir() else "", *scalar)
        for file in files
        for scalar in _scalars(file, where)
    ]
    if not rows:
        raise InputError(f"{where} holds no scalars; is it damaged, or were only images or text written?")
    table = pd.DataFrame(rows, columns=[RUN, STEP, TIME, "tag", "value"])
    table = table.sort_values(TIME, kind="stable")
    keys = [RUN, STEP]
    wide = table.drop_duplicates([*keys, "tag"], keep="last").pivot(index=keys, columns="tag", values="value")
    wide.insert(0, TIME, table.groupby(keys)[TIME].max())
    wide = wide.reset_index().rename_axis(columns=None)
    wide[STEP] = wide[STEP].astype(float)
    several = wide[RUN].nunique() > 1
    return Source(
        wide if several else wide.drop(columns=RUN),
        "tensorboard",
        path.resolve().name if path.is_dir() else path.resolve().parent.name,
        STEP,
        RUN if several else None,
        (TIME,),
        sparse=True,
    )


def _scalars(file: Path, where: str) -> Iterator[tuple[int, float, str, float]]:
    """Step, time, tag and value of every scalar in one file."""
    try:
        from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError:
        raise InputError(
            f"{where}: reading event files needs tensorboard; "
            "pip install 'broken-neural-scaling-laws[tensorboard]'"
        ) from None
    known: set[str] = set()  # tags of scalars: only the first summary of a tag says what it is
    try:
        for event in LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                kind = value.WhichOneof("value")
                if kind == "tensor" and value.metadata.plugin_data.plugin_name == "scalars":
                    known.add(value.tag)
                if kind == "simple_value":
                    number = float(value.simple_value)
                elif kind == "tensor" and value.tag in known:
                    number = float(make_ndarray(value.tensor))
                else:
                    continue
                yield event.step, event.wall_time, value.tag, np.inf if np.isnan(number) else number
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{where} is damaged: {file.name}: {error}") from None
