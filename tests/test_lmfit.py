"""BNSL as a model of lmfit."""

import numpy as np
import pytest
from lmfit.model import load_model, save_model
from lmfit.models import ConstantModel
from samples import LAW, noisy

import bnsl
from bnsl import InputError
from bnsl.lmfit import BNSLModel


def test_the_law_is_that_of_the_form():
    x = np.geomspace(1e-3, 1e12, 50)
    for rising in (False, True):
        law = {**LAW, "b": -LAW["b"]} if rising else LAW
        np.testing.assert_allclose(
            BNSLModel(1).eval(x=x, **law), bnsl.BNSL(1, rising=rising).evaluate(law, x), rtol=1e-12
        )
    assert (BNSLModel(0).eval(x=x, a=0.5, b=0.0, c0=0.1) == 0.5).all()
    # No power overflows, and a minimiser may try 0 for a place or a width.
    steep = BNSLModel(1).eval(x=x, a=0.0, b=1.0, c0=0.0, c1=300.0, d1=1e3, f1=1e-9)
    assert np.isfinite(BNSLModel(1).eval(x=x, **{**LAW, "d1": 0.0, "f1": 0.0})).all()
    assert steep[0] == 1.0
    assert steep[-1] == 0.0


def test_a_fit_from_the_guess_is_that_of_bnsl():
    x, y = noisy()
    model = BNSLModel()
    assert model.param_names == ["a", "b", "c0", "c1", "d1", "f1"]
    guess = model.guess(y, x=x)
    direct = bnsl.fit(x, y, n_breaks=1)
    assert {name: guess[name].value for name in guess} == pytest.approx(dict(direct.params))
    assert guess["d1"].min == 0
    result = model.fit(y, guess, x=x, weights=1 / y)
    assert result.success
    for name, value in result.best_values.items():  # relative errors and those of logarithms differ a little
        assert value == pytest.approx(direct.params[name], rel=5e-3)
        assert result.params[name].stderr == pytest.approx(direct.stderr[name], rel=0.1)
        assert abs(value - LAW[name]) < 4 * result.params[name].stderr


def test_guesses_may_be_overruled_and_parameters_tied():
    x, y = noisy()
    model = BNSLModel(1, prefix="law_")
    guess = model.guess(y, x=x, a=0.3)
    assert guess["law_a"].value == 0.3
    guess["law_a"].vary = False
    guess["law_c1"].expr = "6 * law_c0"
    result = model.fit(y, guess, x=x, weights=1 / y)
    assert result.nvarys == 4
    assert result.best_values["law_c1"] == pytest.approx(6 * result.best_values["law_c0"])


def test_values_that_are_not_positive_and_laws_that_rise():
    x = np.geomspace(1, 1e4, 25)
    for law in ({"a": -0.5, "b": 2.0, "c0": 0.4}, {"a": 0.9, "b": -0.8, "c0": 0.3}):
        model = BNSLModel(0)
        y = model.eval(x=x, **law)
        result = model.fit(y, model.guess(y, x=x), x=x)
        assert result.best_values == pytest.approx(law, rel=1e-4)


# lmfit looks through the modules that are loaded, deprecated ones of mpmath among them.
@pytest.mark.filterwarnings(r"ignore:the [\w ]+ module is deprecated:DeprecationWarning")
def test_models_can_be_added_and_saved(tmp_path):
    both = BNSLModel(0, prefix="law_") + ConstantModel(prefix="floor_")
    assert both.param_names == ["law_a", "law_b", "law_c0", "floor_c"]
    x = np.geomspace(1, 1e6, 20)
    save_model(BNSLModel(1), tmp_path / "model.json")
    np.testing.assert_allclose(
        load_model(tmp_path / "model.json").eval(x=x, **LAW), bnsl.BNSL(1).evaluate(LAW, x)
    )


def test_what_cannot_be_guessed():
    with pytest.raises(InputError, match="n_breaks = -1 must be a whole number"):
        BNSLModel(-1)
    with pytest.raises(InputError, match="data is empty"):
        BNSLModel(1).guess([], x=[])
    with pytest.raises(InputError, match="x has 2 distinct values"):
        BNSLModel(1).guess([1.0, 2.0], x=[1.0, 2.0])
