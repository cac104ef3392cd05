"""Schedules as people write them in a shell: cosine:peak=3e-4,steps=100000,warmup=1%."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import reduce
from typing import Any

from bnsl._base.cells import written_number
from bnsl._base.checks import InputError, check_choice, shown, suggest
from bnsl.schedules.makers import constant, cosine, infinite, linear, wsd
from bnsl.schedules.schedule import Schedule

MAKERS: dict[str, Callable[..., Schedule]] = {
    make.__name__: make for make in (constant, linear, cosine, wsd, infinite)
}
_WORDS = ("kind", "decay")


def from_text(text: str, **usual: Any) -> Schedule:
    """The schedule that a text describes: name:argument=value,...; several are joined by '+'.

    Args:
        text: such as "cosine:peak=3e-4,steps=100000,warmup=1%" or "constant:rate=1e-3,steps=900+linear:...".
        usual: defaults of arguments, such as the steps.

    Raises:
        InputError: (a ValueError) an unknown name or argument, or a value that does not do.
    """
    parts = [_one(part.strip(), usual) for part in text.replace("e+", "e").split("+")]
    return reduce(Schedule.then, parts)


def _one(text: str, usual: dict[str, Any]) -> Schedule:
    name, _, rest = text.partition(":")
    check_choice(name, "schedule", MAKERS)
    make = MAKERS[name]
    known = inspect.signature(make).parameters
    given: dict[str, Any] = {key: value for key, value in usual.items() if key in known}
    for entry in filter(None, rest.split(",")):
        key, equals, value = (part.strip() for part in entry.partition("="))
        if not equals:
            raise InputError(f"schedule {text!r}: {entry!r} must be ARGUMENT=VALUE, such as peak=3e-4")
        if key not in known:
            raise InputError(f"schedule {text!r}: {name} has no {key!r}" + suggest(key, known))
        given[key] = value if key in _WORDS else _value(value, key, text)
    missing = [key for key, one in known.items() if one.default is one.empty and key not in given]
    if missing:
        raise InputError(f"schedule {text!r} lacks {missing[0]}; add it, as in {name}:{missing[0]}=...")
    return make(**given)


def _value(text: str, key: str, whole: str) -> Any:
    if text.endswith("%"):
        return text
    number = written_number(text, f"schedule {shown(whole)}: {key}")
    return int(number) if number == int(number) and abs(number) >= 1 and key != "rate" else number
