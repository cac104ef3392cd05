"""Messages of the package in the words of the shell: arguments of Python's calls become options."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping
from typing import Any

# What is called otherwise, or written otherwise, than its argument with hyphens.
_CALLED = {
    "fixed": ("fix",),
    "inputs": ("x",),
    "bounds": ("bound",),
    "cuts": ("cut",),
    "path": ("output", "report"),
    "form": ("form", "forms"),
    "out": ("parts",),
    "run": ("run_column",),
    "schedule": ("schedule", "predict"),
    "step": ("step", "at"),
}
_WRITTEN = {
    "accuracy='share'": "--accuracy",
    "accuracy='percent'": "--accuracy-percent",
    "form='bnsl'": "--form bnsl",
}
_SAID = {
    "bnsl.fit_runs": "'bnsl runs FILE --predict SCHEDULE'",
    "in bnsl.list_forms()": "in 'bnsl fit --help'",
    "with .then(...)": "with +",
    "\\\\": "\\",  # as in the repr of a text
}
_NAMES = (
    "x|y|sigma|where|by|keep|envelope|drop_missing|offset|accuracy|resolution|warmup|diverged|smooth|points|"
    "format|pattern|decimal|form|forms|n_breaks|loss|robust|robust_scale|fixed|bounds|backend|train_until|"
    "train_count|train_fraction|predict|level|method|cuts|tolerance|target|candidates|budget|count|port|host|"
    "title|workers|device|dtype|path|lr|step|groups|inputs"
)
_CALL = re.compile(r"\bbnsl\.(fit|forecast|compare|report)(?!\w)(\(\.\.\., ([^()]*)\))?")
_GIVEN = re.compile(  # what stands in quotes or behind an option is the user's, and stays
    rf"(?<![=\w])(?:'[^']*'|\"[^\"]*\")|--[a-z][\w-]* \S+"
    rf"|(?<![\w'\".-])(?P<name>{_NAMES})=(?P<value>\{{[^{{}}]*\}}|\[[^\[\]]*\]|r?'[^']*'|True|-?[\w.+-]*\w|)(?!=)"
)
_POINT = re.compile(r"^(x|y|sigma)\[(\d+)\](?= = )")
# An argument at the beginning: `fixed['a'] = 3`, `run 'a': lr = 0`, `where: ...`; of x and y, a column.
_SUBJECT = re.compile(
    r"^(?P<who>\w+ (?:'[^']*'|\"[^\"]*\"): )?(?P<name>(?!(x|y)\b(?!: (there is no )?column ))[a-z_]+)"
    r"(?P<key>\[[^\]]*\])?"
    r"(?: = (?P<value>'(?:[^'\\]|\\.)*'|\"[^\"]*\"|\[[^\]]*\]|\([^)]*\)|[^\s:;]+)(?=[ :;])"
    r"|(?=:)|(?= (?:names|is|was|must|needs) ))"
)
_OPTION = re.compile(r"^(--[\w-]+) = ")
_NAMED = re.compile(
    r"(?<![\w'\"-])(train_(?:until|count|fraction)|n_breaks|robust_scale|drop_missing)\b(?! ?=)"
)


def in_words_of_shell(text: str) -> str:
    """A message with the options of the command in place of arguments, `--keep last` for `keep='last'`."""
    text = _CALL.sub(lambda call: f"bnsl {call[1]}" + (f" {call[3]}" if call[3] else ""), text)
    text = _GIVEN.sub(_option, text)
    for said, told in _SAID.items():
        text = text.replace(said, told)
    return _NAMED.sub(lambda name: dashed(name[1]), text)


def error_in_words_of_shell(text: str, options: Mapping[str, str]) -> str:
    """The same of an error, which may begin with an argument and its value: `n_breaks = 9 is too many`.

    Args:
        text: the message.
        options: how each argument of the command is written: {"n_breaks": "--n-breaks", "file": "FILE"}.
    """

    def subject(found: re.Match[str]) -> str:
        names = _CALLED.get(found["name"], (found["name"],))
        option = next((options[name] for name in names if name in options), None)
        return found[0] if option is None else f"{found['who'] or ''}{option}{_given(found)}"

    text = _POINT.sub(lambda point: f"{point[1]} of point {int(point[2]) + 1}", text)
    return in_words_of_shell(_OPTION.sub(r"\1 ", _SUBJECT.sub(subject, text)))


def dashed(name: str) -> str:
    """What the shell calls an argument: '--n-breaks'."""
    return "--" + _CALLED.get(name, (name,))[0].replace("_", "-")


def _option(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if name is None:
        return found[0]
    if found[0] in _WRITTEN:
        return _WRITTEN[found[0]]
    if value in ("", "True"):
        return dashed(name)
    if value.startswith("{"):
        pairs = ast.literal_eval(value).items()
        return " ".join(f"{dashed(name)} {shlex.quote(f'{key}={cell}')}" for key, cell in pairs)
    if value.startswith("["):
        parts = ("..." if part is ... else str(part) for part in ast.literal_eval(value))
        return f"{dashed(name)} {shlex.quote(','.join(parts))}"
    if value.startswith("r'"):
        return f"{dashed(name)} {value[1:]}"
    return f"{dashed(name)} {shlex.quote(value.strip(chr(39)))}"


def _given(found: re.Match[str]) -> str:
    """What was given for an argument, as the shell writes it: ' a=0,2' for ['a'] = (0.0, 2.0)."""
    key = (found["key"] or "").strip("[]'")
    key = "" if key.isdigit() else key
    value = found["value"] or ""
    if value[:1] in ("(", "["):
        value = ",".join(_written(end) for end in ast.literal_eval(value))
    return " " * bool(key or value) + key + "=" * bool(key and value) + value


def _written(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
