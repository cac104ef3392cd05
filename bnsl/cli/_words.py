"""Messages of the package in the words of the shell: arguments of Python's calls become options."""

from __future__ import annotations

import ast
import re
import shlex

# What is called otherwise, or written otherwise, than its argument with hyphens.
_CALLED = {"fixed": "fix", "inputs": "x", "bounds": "bound", "cuts": "cut", "path": "output"}
_WRITTEN = {
    "accuracy='share'": "--accuracy",
    "accuracy='percent'": "--accuracy-percent",
    "form='bnsl'": "--form bnsl",
}
_NAMES = (
    "x|y|sigma|where|by|keep|envelope|drop_missing|offset|accuracy|resolution|warmup|diverged|smooth|points|"
    "format|pattern|decimal|form|forms|n_breaks|loss|robust|robust_scale|fixed|bounds|backend|train_until|"
    "train_count|train_fraction|predict|level|method|cuts|tolerance|target|candidates|budget|count|port|host|"
    "title|workers|device|dtype|path|lr|step|groups|inputs"
)
_CALL = re.compile(r"\bbnsl\.(fit|forecast|compare|report)(?!\w)(\(\.\.\., ([^()]*)\))?")
_GIVEN = re.compile(  # what stands in quotes is the user's, and stays
    rf"(?<![=\w])(?:'[^']*'|\"[^\"]*\")|(?<![\w'\".-])(?P<name>{_NAMES})=(?P<value>\{{[^{{}}]*\}}|\[[^\[\]]*\]|r?'[^']*'|True|-?[\w.+-]*\w|)(?!=)"
)
_POINT = re.compile(r"^(x|y|sigma)\[(\d+)\](?= = )")
_SUBJECT = re.compile(
    rf"^(?P<name>(?!x\b|y\b){_NAMES})(?P<key>\[[^\]]*\])?(?P<rest> = \S+(?= )|:|(?= names ))"
)
_COLUMN = re.compile(r"^(x|y|sigma): (?=there is no column|column )")
_NAMED = re.compile(
    r"(?<![\w'\"-])(train_(?:until|count|fraction)|n_breaks|robust_scale|drop_missing)\b(?! ?=)"
)


def in_words_of_shell(text: str) -> str:
    """A message with the options of the command in place of arguments, `--keep last` for `keep='last'`."""
    text = _CALL.sub(lambda call: f"bnsl {call[1]}" + (f" {call[3]}" if call[3] else ""), text)
    text = text.replace("bnsl.fit_runs", "'bnsl runs FILE --predict SCHEDULE'")
    text = _GIVEN.sub(_option, text).replace("in bnsl.list_forms()", "in 'bnsl fit --help'")
    return _NAMED.sub(lambda name: dashed(name[1]), text)


def error_in_words_of_shell(text: str) -> str:
    """The same of an error, which may begin with an argument and its value: `n_breaks = 9 is too many`."""
    text = _POINT.sub(lambda point: f"{point[1]} of point {int(point[2]) + 1}", text)
    return in_words_of_shell(_SUBJECT.sub(_of_subject, _COLUMN.sub(r"--\1: ", text)))


def dashed(name: str) -> str:
    """What the shell calls an argument: '--n-breaks'."""
    return "--" + _CALLED.get(name, name).replace("_", "-")


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
        return f"{dashed(name)} {shlex.quote(','.join(ast.literal_eval(value)))}"
    if value.startswith("r'"):
        return f"{dashed(name)} {value[1:]}"
    return f"{dashed(name)} {shlex.quote(value.strip(chr(39)))}"


def _of_subject(found: re.Match[str]) -> str:
    key = (found["key"] or "").strip("[]'")
    key = f" {key}" if key and not key.isdigit() else ""
    value = found["rest"].removeprefix(" = ") if found["rest"].startswith(" = ") else ""
    return dashed(found["name"]) + key + (f" {value}" if value else found["rest"])
