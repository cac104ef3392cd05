"""A fit as JSON, there and back."""

from __future__ import annotations

import contextlib
import enum
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl._base.display import FitWarning
from bnsl.curves.curve import Curve
from bnsl.evidence.breaks import Candidate
from bnsl.forms.form import Form
from bnsl.forms.inputs import Input
from bnsl.forms.registry import EVERY, get_form
from bnsl.solver import losses


def written(values: Mapping[str, Any], more: Mapping[str, Any], indent: int | None) -> str:
    """The fields of a FitResult and more numbers as JSON, exact to the last bit."""
    status = values["status"]
    record = {
        "bnsl": "fit",
        "version": 1,
        **more,
        **values,
        "form": values["form"].spec(),
        "status": status.name,
        "status_text": status.value,
        "curve": curve_record(values["curve"]),
    }
    return json.dumps(encoded(record), indent=indent, allow_nan=False)


def curve_record(curve: Curve) -> dict[str, Any]:
    """A curve as plain values."""
    return {
        "x": curve.x.tolist(),
        "y": curve.y.tolist(),
        "sigma": None if curve.sigma is None else curve.sigma.tolist(),
        "name": curve.name,
        "x_label": curve.x_label,
        "y_label": curve.y_label,
        **({"inputs": list(curve.input_labels)} if curve.input_labels else {}),
        **({} if curve.groups is None else {"groups": curve.groups.tolist()}),
        **({} if np.isinf(curve.within).all() else {"within": list(curve.within)}),
    }


def read(text: str, form: Form | None, statuses: type[enum.Enum]) -> dict[str, Any]:
    """The fields of a FitResult from the text that `written` made.

    Args:
        text: the JSON itself.
        form: an instance of a form of the user's own.
        statuses: what a status can be.

    Raises:
        InputError: text that is not such a record, one that is damaged, or one of another form.
    """
    record = Entries(parsed(text, "fit", "FitResult"))
    with damaged("fit"):
        return _fields(record, form, statuses)


@contextlib.contextmanager
def damaged(kind: str) -> Iterator[None]:
    """Whatever goes wrong while a record is read is told as a fault of the record."""
    try:
        yield
    except _OtherFormError as error:
        raise InputError(str(error)) from None
    except InputError as error:
        raise InputError(f"text is a damaged bnsl {kind}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"text is a damaged bnsl {kind}: an entry does not hold what it should ({error})"
        ) from None


def parsed(text: str, kind: str, owner: str) -> dict[str, Any]:
    """The entries of a record of this kind, of which `owner` has the `from_json`."""
    try:
        record = _decode(json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        if _looks_like_a_path(text):
            raise InputError(
                f"text = {str(text)!r} is the name of a file; pass what is in it: "
                f"{owner}.from_json(pathlib.Path({str(text)!r}).read_text())"
            ) from None
        raise InputError(f"text is not valid JSON: {error}") from None
    if not isinstance(record, dict) or record.get("bnsl") != kind:
        raise InputError(f'text is not a saved bnsl {kind}: it lacks the entry "bnsl": "{kind}"')
    if record.get("version") != 1:
        raise InputError(f"text has version {record.get('version')!r}; this bnsl reads version 1")
    return record


def _fields(record: Mapping[str, Any], given: Form | None, statuses: type[enum.Enum]) -> dict[str, Any]:
    form = _form_of(Entries(of_type(record["form"], dict)), given)
    if set(of_type(record["params"], dict)) != set(form.names):
        raise _OtherFormError(
            f"text is a fit of a form {form.name!r} with the parameters {', '.join(record['params'])}: not "
            "the registered one of that name; if it is one of your own, pass an instance of it as well: "
            "from_json(text, form=...)"
        )
    p = len(form.parameters)
    theta = np.asarray(record["theta"], float)
    root = np.asarray(record["covariance_root"], float)
    if theta.shape != (p,) or root.shape != (p, p) or not np.isfinite(theta).all():
        raise InputError(f"theta and covariance_root must have {p} finite entries per side")
    bounded = [name for name, _, _ in of_type(record["bounds"], list)]
    for name in (*of_type(record["fixed"], list), *of_type(record["undetermined"], list), *bounded):
        if name not in form.names:
            raise InputError(f"{name!r} is no parameter of form {form.label!r}")
    robust = _one_of(record["robust"], (None, *losses.ROBUST))
    scales = [record["residual_scale"], *([] if robust is None else [record["robust_scale"]])]
    if any(of_type(scale, float) < 0 for scale in scales):
        raise InputError("residual_scale and robust_scale must not be negative")
    return {
        "form": form,
        "theta": theta,
        "covariance_root": root,
        "curve": curve_of(Entries(of_type(record["curve"], dict), "curve."), form.inputs),
        "loss": _one_of(record["loss"], losses.LOSSES),
        "robust": robust,
        "robust_scale": None if robust is None else record["robust_scale"],
        "fixed": tuple(record["fixed"]),
        "bounds": tuple((str(n), float(low), float(high)) for n, low, high in record["bounds"]),
        "status": statuses[_one_of(record["status"], tuple(statuses.__members__))],
        "warnings": tuple(FitWarning(str(code), str(message)) for code, message in record["warnings"]),
        "residual_scale": record["residual_scale"],
        "undetermined": tuple(record["undetermined"]),
        "candidates": tuple(Candidate(int(n), float(e), float(p)) for n, e, p in record["candidates"]),
    }


def curve_of(points: Mapping[str, Any], axes: tuple[Input, ...] = ()) -> Curve:
    """The curve that `curve_record` wrote."""
    low, high = of_type(points.get("within", [-np.inf, np.inf]), list)
    return Curve(
        np.asarray(points["x"]),
        np.asarray(points["y"]),
        None if points["sigma"] is None else np.asarray(points["sigma"]),
        *(of_type(points[key], str) for key in ("name", "x_label", "y_label")),
        axes=axes if len(axes) > 1 else (),
        input_labels=tuple(of_type(points.get("inputs", []), list)),
        groups=None if points.get("groups") is None else np.asarray(points["groups"]),
        within=(float(low), float(high)),
    )


class _OtherFormError(InputError):
    """A good record of a form that was not given, or of another than was given."""


class Entries(dict[str, Any]):
    """A part of a saved record, whose missing entries are named."""

    def __init__(self, entries: dict[str, Any], path: str = "") -> None:
        super().__init__(entries)
        self.path = path

    def __missing__(self, key: str) -> Any:
        raise InputError(f"the entry {self.path + key!r} is missing")


def _looks_like_a_path(text: object) -> bool:
    if isinstance(text, os.PathLike):
        return True
    return isinstance(text, str) and text.lower().endswith(".json") and not {"\n", "{", "["} & set(text)


def _form_of(spec: dict[str, Any], given: Form | None) -> Form:
    """The form of a record; `given` if it is one of the user's own."""
    name = spec["form"]
    if given is not None:
        if given.spec() != dict(spec):
            raise _OtherFormError(
                f"form = {given.label!r} is not the form {name!r:.60} that was fitted in text"
            )
        return given
    if isinstance(name, str) and name.lower() not in EVERY:
        raise _OtherFormError(
            f"text is a fit of the form {name!r:.60}, which is none of {', '.join(EVERY)}; "
            "if it is one of your own, pass an instance of it as well: from_json(text, form=...)"
        )
    return get_form(name, **{key: value for key, value in spec.items() if key != "form"})


def _one_of(value: Any, known: tuple[Any, ...]) -> Any:
    if value not in known:
        raise InputError(f"{value!r} is none of {known}")
    return value


def of_type(value: Any, kind: type) -> Any:
    """A value, refused where it is not of this type."""
    if not isinstance(value, kind):
        raise InputError(f"{value!r:.60} is not of type {kind.__name__}")
    return value


def encoded(value: Any) -> Any:
    """NaN and infinities as strings, which JSON has no numbers for."""
    if isinstance(value, dict):
        return {key: encoded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return encoded(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return f"float:{value}"
    if isinstance(value, str) and value.startswith(("float:", "text:")):
        return f"text:{value}"
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _decode(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_decode(entry) for entry in value]
    if isinstance(value, str) and value in ("float:nan", "float:inf", "float:-inf"):
        return float(value.removeprefix("float:"))
    return value.removeprefix("text:") if isinstance(value, str) else value
