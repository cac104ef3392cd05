"""Forms by name, and the table that describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bnsl._base.checks import InputError, check_count, check_names, suggest, told
from bnsl._base.lazy import pd
from bnsl.forms.baselines import M1, M2, M3
from bnsl.forms.broken import BNSL
from bnsl.forms.experts import MixtureOfExperts, Routing, RoutingOffset
from bnsl.forms.form import Form
from bnsl.forms.hyperbreaks import HyperBNSL
from bnsl.forms.repeated import DataConstrained
from bnsl.forms.sigmoid import M4
from bnsl.forms.surfaces import Bilinear, Chinchilla, ChinchillaTied, Interaction, Kaplan, Skaling

_OF_PARAMETERS_AND_TOKENS = (Chinchilla, ChinchillaTied, Kaplan, Skaling, Bilinear, Interaction)
_OF_MORE = (DataConstrained, Routing, RoutingOffset, MixtureOfExperts)
FORMS: dict[str, type[Form]] = {form.name: form for form in (M1, M2, M3, M4, BNSL)}
# Those of several inputs; "bnsl" is for any number of them.
SURFACES: dict[str, type[Form]] = {form.name: form for form in (*_OF_PARAMETERS_AND_TOKENS, *_OF_MORE)}
EVERY = FORMS | SURFACES
NAMES: dict[str, str] = {name: form.name for form in EVERY.values() for name in (form.name, *form.known_as)}
AUTO = "auto"  # an n_breaks that is to be chosen


def get_form(
    form: str | Form,
    n_breaks: int | str | None = None,
    rising: bool = False,
    inputs: Sequence[str] | None = None,
) -> Form:
    """The form of that name, or `form` itself if it is one already.

    Args:
        form: "bnsl", "m1", "m2", "m3", "m4", another name of one of these (`bnsl.list_forms` has all), or an
            instance of Form.
        n_breaks: the number of breaks of a BNSL; 1 if None or "auto".
        rising: a BNSL with b < 0, which rises to its limit.
        inputs: names of the inputs; of two or more, "bnsl" is the law with breaks along hyperplanes.

    Raises:
        InputError: an unknown name, or a number of breaks for a form that has none.
    """
    count = given_breaks(n_breaks)
    names = () if inputs is None else _names(inputs)
    if isinstance(form, Form):
        if count is not None and getattr(form, "n_breaks", None) != count:
            raise InputError(f"{told('n_breaks', n_breaks)} disagrees with form {form.label!r}; leave it out")
        return form
    name = NAMES[form_name(form, several=inputs is not None and len(inputs) > 1)]
    if name == BNSL.name:
        breaks = 1 if count is None else check_count(count, "n_breaks")
        return HyperBNSL(names, breaks) if len(names) > 1 else BNSL(breaks, rising)
    if count is not None:
        raise InputError(f"{told('n_breaks', n_breaks)} is only for form='bnsl'; form {form!r} has no breaks")
    return EVERY[name]()


def _names(inputs: Sequence[str]) -> tuple[str, ...]:
    """Names of inputs; raises InputError for one that is no text, or twice there."""
    names = tuple(check_names(inputs, "inputs", "the names of inputs"))
    if not all(names) or len(set(names)) < len(names):
        raise InputError(f"inputs = {list(names)!r}: give the name of every input once")
    return names


def form_name(form: object, several: bool = False) -> str:
    """A name of a form as `NAMES` has it, from one in any case, with spaces, hyphens or underscores.

    With `several` inputs a message names the forms of these.

    Raises InputError for what is no name of a form.
    """
    if not isinstance(form, str):
        raise InputError(f"{told('form', form)} must be a name ({', '.join(EVERY)}) or a bnsl.Form instance")
    name = "_".join(form.lower().replace("-", " ").replace("_", " ").split())
    if name not in NAMES:
        known = ", ".join(map(repr, [BNSL.name, *SURFACES] if several else EVERY))
        raise InputError(
            f"{told('form', form)} is unknown; choose one of {known}, or another name in bnsl.list_forms()"
            + suggest(form, NAMES)
        )
    return name


def given_breaks(n_breaks: Any) -> Any:
    """`n_breaks`, with None for "auto", which both ask for the number to be chosen.

    Raises InputError for any other text.
    """
    if not isinstance(n_breaks, str):
        return n_breaks
    if n_breaks.lower() != AUTO:
        raise InputError(f"{told('n_breaks', n_breaks)} must be a whole number >= 0, or 'auto'")
    return None


def list_forms() -> pd.DataFrame:
    """The forms, one row per form, by its short name.

    Columns: known_as (other names that every `form=` takes), formula, inputs, parameters, meaning.
    "bnsl" takes any number of inputs; with several its breaks lie along hyperplanes.
    """
    rows = [
        {
            "form": form.name,
            "known_as": ", ".join(form.known_as),
            "formula": form.formula,
            "inputs": ", ".join(map(str, form().inputs)),
            "parameters": ", ".join(form().names),
            "meaning": form.meaning,
        }
        for form in EVERY.values()
    ]
    return pd.DataFrame(rows).set_index("form")


def capitals(label: str) -> str:
    """'BNSL, 2 breaks' for 'bnsl, 2 breaks', and the label of a form of the user's own as it is."""
    word = label.split(",")[0]
    return label.replace(word, word.upper(), 1) if word in FORMS else label
