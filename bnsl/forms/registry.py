"""The forms that can be asked for by name."""

from __future__ import annotations

from bnsl._base.checks import InputError, check_choice, check_count
from bnsl.forms.baselines import M1, M2, M3, M4
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form

FORMS: dict[str, type[Form]] = {form.name: form for form in (M1, M2, M3, M4, BNSL)}


def get_form(form: str | Form, n_breaks: int | None = None, rising: bool = False) -> Form:
    """The form of that name, or `form` itself if it is one already.

    Args:
        form: "bnsl", "m1", "m2", "m3", "m4", or an instance of Form.
        n_breaks: the number of breaks of a BNSL; 1 if None.
        rising: a BNSL with b < 0, which rises to its limit.

    Raises:
        InputError: an unknown name, or a number of breaks for a form that has none.
    """
    if isinstance(form, Form):
        chosen = form
        if n_breaks is not None and getattr(form, "n_breaks", None) != n_breaks:
            raise InputError(f"n_breaks = {n_breaks!r} disagrees with form {form.label!r}; leave it out")
        return chosen
    if not isinstance(form, str):
        raise InputError(f"form = {form!r} must be a name ({', '.join(FORMS)}) or a bnsl.Form instance")
    check_choice(form.lower(), "form", FORMS)
    if form.lower() == BNSL.name:
        return BNSL(1 if n_breaks is None else check_count(n_breaks, "n_breaks"), rising)
    if n_breaks is not None:
        raise InputError(f"n_breaks = {n_breaks!r} is only for form='bnsl'; form {form!r} has no breaks")
    return FORMS[form.lower()]()


def capitals(label: str) -> str:
    """'BNSL, 2 breaks' for 'bnsl, 2 breaks', and the label of a form of the user's own as it is."""
    word = label.split(",")[0]
    return label.replace(word, word.upper(), 1) if word in FORMS else label
