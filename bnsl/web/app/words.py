"""The words of the app, and messages of the package in these words, since the app has no arguments.

Readers and fits say what to do in the words of Python. What a sentence says of the data
stays; the advice in it goes, and what the app has for it comes instead.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

TEXTS: dict[str, dict[str, Any]] = tomllib.loads(
    files("bnsl.web.app").joinpath("words.toml").read_text(encoding="utf-8")
)
_CODE = re.compile(
    r"\bbnsl[ .]|\bpass \.|\b(log1p|linear) loss\b|\bpandas\b|\bimport\b|(?<!['\"])\b[a-z_]+=|\bCuration\b"
)
_REASONS = (
    (re.compile(r"the log loss needs y > 0|loss='log' compares logarithms"), "a logarithm needs y above 0"),
    (re.compile(r"^(x and y|x|y): say which columns? to take.*$"), "choose the columns of x and y"),
    (re.compile(r"^(there are \d+ runs by [^:]+):.*$"), r"\1; choose one of them, or what to make of all"),
    (re.compile(r"; the columns are .*$"), ""),
    (re.compile(r"[;,] fit an error such as .*$"), ""),
)


def in_words_of_app(text: str) -> str:
    """A message without code: clauses with arguments give way to what the app has for them."""
    for pattern, plain in _REASONS:
        text = pattern.sub(plain, text)
    found = [advice for given, advice in TEXTS["advice"].items() if re.search(rf"(?<!\w){given}", text)]
    text = re.sub(r"\s*\(([^()]*)\)", lambda part: "" if _CODE.search(part.group()) else part.group(), text)
    clauses = [_without_code(clause) for clause in text.split("; ")]
    advice = ", or ".join(dict.fromkeys(filter(None, found)))
    return "; ".join([*filter(None, clauses), *([advice] if advice else [])])


def plain_notes(texts: Iterable[str]) -> list[str]:
    """Notes as sentences, each once."""
    said = (in_words_of_app(text) for text in texts)
    return list(dict.fromkeys(f"{text[0].upper()}{text[1:]}." for text in said if text))


def _without_code(clause: str) -> str:
    """A clause without its parts, between commas, that hold code; nothing where such a part comes first."""
    parts = re.split(r"(?:, or |, (?=and |which |or )|\. )", clause)
    if _CODE.search(parts[0]):
        return ""
    return ", ".join(part for part in parts if not _CODE.search(part)).rstrip(",. ")
