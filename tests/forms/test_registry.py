"""Forms by name, by the names that people know, and in a table."""

import numpy as np
import pytest

import bnsl
from bnsl._base.palette import styles
from bnsl.forms.registry import FORMS, NAMES, SURFACES, capitals, get_form

ALL = FORMS | SURFACES

X = np.geomspace(2.0, 900.0, 14)
Y = 3.1 * X**-0.4 + 0.2


@pytest.mark.parametrize(("name", "short"), NAMES.items())
def test_every_name_leads_to_its_form(name, short):
    assert isinstance(get_form(name), ALL[short])
    assert get_form(name.upper().replace("_", " ")) == get_form(name.replace("_", "-")) == get_form(short)


@pytest.mark.parametrize(("name", "short"), NAMES.items())
def test_a_form_looks_the_same_under_every_name(name, short):
    assert styles([name])[name] == styles([short])[short]


def test_no_two_forms_have_a_name_in_common():
    assert len(NAMES) == sum(1 + len(form.known_as) for form in ALL.values())


def test_the_table_says_what_each_form_is():
    table = bnsl.list_forms()
    assert list(table.index) == list(ALL)
    assert (table[["formula", "inputs", "parameters", "meaning"]] != "").all(axis=None)
    assert table.loc["m2", "parameters"] == "b, c, e"


@pytest.mark.parametrize("short", ALL)
def test_formulas_are_those_of_the_docstrings(short):
    assert ALL[short].formula in ALL[short].__doc__


def test_what_the_table_says_of_m3():
    """A power law where 1/x is far above g, and level beyond."""
    form, x = bnsl.M3(), np.geomspace(1e-6, 1e6, 7)
    theta = form.from_params({"b": 2.0, "c": 0.5, "g": 1.0, "e": 0.0})
    slope = form.slope(theta, x)
    assert slope[0] == pytest.approx(-0.5, rel=1e-4)
    assert form.evaluate(theta, x)[-1] == pytest.approx(2.0, rel=1e-5)


def test_fits_under_a_known_name():
    assert bnsl.fit(X, Y, form="power-law offset").params == bnsl.fit(X, Y, form="m2").params


def test_rows_of_a_comparison_have_the_names_asked_for():
    table = bnsl.compare(X, Y, forms=["Power law", "power_law_offset"]).table
    assert sorted(table.index) == ["power_law", "power_law_offset"]
    with pytest.raises(ValueError, match="forms names 'm1' twice"):
        bnsl.compare(X, Y, forms=["power_law", "m1"])


def test_breaks_may_be_left_to_be_chosen():
    by_name = bnsl.fit(X, Y, n_breaks="auto")
    assert by_name.params == bnsl.fit(X, Y).params
    assert len(by_name.candidates)
    compared = bnsl.compare(X, Y, forms=["broken_power_law"], n_breaks="auto").results["broken_power_law"]
    assert compared.params == by_name.params
    with pytest.raises(ValueError, match="n_breaks = 'several' must be a whole number >= 0, or 'auto'"):
        bnsl.fit(X, Y, n_breaks="several")


def test_breaks_of_many_curves_may_be_left_to_be_chosen():
    frame = {"run": ["a"] * 14, "x": X, "y": Y}
    rows = [bnsl.fit_many(frame, "x", "y", "run", n_breaks=n) for n in ("auto", None)]
    assert rows[0].equals(rows[1])


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(ValueError, match=r"form = 'power_lax' is unknown.*Did you mean 'power_law'"):
        bnsl.fit(X, Y, form="power_lax")


def test_labels_in_capitals():
    assert [capitals(label) for label in ("bnsl, 2 breaks", "own")] == ["BNSL, 2 breaks", "own"]
