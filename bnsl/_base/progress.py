"""The progress bar of long work."""

from __future__ import annotations

from typing import Any

_FORMAT = "{percentage:3.0f}%|{bar:30}| {n:.0f} of {total} {unit}s, {elapsed} gone, {remaining} left"


def progress_bar(total: int, unit: str, done: int = 0) -> Any:
    """A bar of tqdm on the standard error, `done` of `total` units full."""
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit=unit, smoothing=0.1, bar_format=_FORMAT)
