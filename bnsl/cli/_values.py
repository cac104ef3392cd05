"""The words of options as values: numbers as people write them, counts, places of several inputs."""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

from bnsl._base.cells import number_of
from bnsl.forms.registry import AUTO

Place: TypeAlias = float | dict[str, float]


def number(text: str) -> float:
    """A number as people write it: 1e9, 70B."""
    value = number_of(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, such as 1000, 1e9 or 70B")
    return value


def numbers(text: str) -> list[float]:
    """Numbers with commas between."""
    return [number(part) for part in text.split(",")]


def places(text: str) -> list[Place]:
    """Where to predict: numbers with commas between, or of several inputs NAME=NUMBER of each."""
    if "=" not in text:
        return [*numbers(text)]
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.rpartition("="))
        if not equals or not name or name in found:
            raise argparse.ArgumentTypeError(
                f"{text!r} must give each input once, such as params=70e9,tokens=1.4T"
            )
        found[name] = number(value)
    return [found]


def count(text: str) -> int | None:
    """'1' as 1, 'auto' as None."""
    return _whole_numbers(text, [text], f"a whole number or {AUTO}")[0]


def counts(text: str) -> int | list[int] | None:
    """'1' as 1, '0,1,2' as [0, 1, 2], 'auto' as None."""
    counts = _whole_numbers(text, text.split(","), "a whole number, or several as in 0,1,2")
    return counts if len(counts) > 1 else counts[0]


def _whole_numbers(text: str, parts: list[str], what: str) -> list[Any]:
    try:
        return [None] if text.lower() == AUTO else [int(part) for part in parts]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be {what}") from None
