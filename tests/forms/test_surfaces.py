"""Laws of several inputs: the contract that every form passes, limiting cases, and published numbers."""

import jax
import numpy as np
import pytest

import bnsl
from bnsl.forms.experts import effective_experts
from bnsl.forms.hyperbreaks import HyperBNSL
from bnsl.forms.inputs import Input
from bnsl.forms.registry import SURFACES

CHINCHILLA = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
N_D = {"E": 1.5, "b": 50.0, "c0_N": 0.2, "c0_D": 0.1, "c1": -0.6, "d1": 1.2, "w1_N": 0.4, "w1_D": -0.35}
CASES = {
    "chinchilla": CHINCHILLA,
    "chinchilla_tied": {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.35},
    "kaplan": {"Nc": 8e13, "Dc": 5e13, "alpha_N": 0.076, "alpha_D": 0.103},
    "skaling": {**CHINCHILLA, "k": 0.6},
    "bilinear": {**CHINCHILLA, "gamma": -0.004},
    "interaction": {
        **{"E": 1.7, "A": 400.0, "B": 2000.0, "C": 5e4, "alpha": 0.34, "beta": 0.37},
        **{"gamma": 0.2, "delta": 0.35},
    },
    "data_constrained": {**CHINCHILLA, "R_D": 15.0, "R_N": 5.0},
    "routing": {"a": -0.082, "b": -0.108, "c": 0.009, "d": 1.104, "E_start": 1.85, "E_max": 314.0},
    "routing_offset": {"E0": 1.7, "a": 4.1, "alpha": 0.22, "g": 0.02, "c": -0.004},
    "moe": {
        **{"c": 1.2, "a": 35.0, "b": 300.0, "alpha": -0.19, "beta": -0.27, "delta": 0.3},
        **{"omega": -0.2, "gamma": -0.02, "zeta": 0.01, "E_start": 2.0, "E_max": 300.0},
    },
    "bnsl": N_D,
    "bnsl of three": {
        **{"E": 1.5, "b": 50.0, "c0_N": 0.2, "c0_D": 0.1, "c0_B": -0.02, "c1": -0.6, "d1": 1.2},
        **{"w1_N": 0.4, "w1_D": -0.35, "w1_B": 0.1},
    },
}


def form_of(case):
    if case == "bnsl of three":
        return bnsl.get_form("bnsl", 1, inputs=("N", "D", "B"))
    return bnsl.get_form(case, inputs=("N", "D"))


def runs(form, count=40, seed=0):
    """Random runs: parameters, tokens, and whatever else the form takes."""
    rng = np.random.default_rng(seed)
    columns = []
    for entry in form.inputs:
        low, high = {"N": (5e7, 1e10), "E": (1, 300), "U": (1e9, 2e11), "B": (1e4, 1e6)}.get(
            entry.name, (1e9, 2e11)
        )
        columns.append(np.exp(rng.uniform(np.log(low), np.log(high), count)))
    return np.column_stack(columns)


@pytest.fixture(params=CASES, name="case")
def _case(request):
    form = form_of(request.param)
    return form, CASES[request.param], runs(form)


def test_every_form_of_several_inputs_is_tested():
    assert set(SURFACES) <= set(CASES)


def test_derivatives_agree_with_differences(case):
    form, params, x = case
    theta, log_x = form.from_params(params), form.seen(x)
    value, jacobian = form.log_y_and_jacobian(theta, log_x)
    np.testing.assert_allclose(value, np.log(form.evaluate(params, x)), rtol=1e-13)
    for i, name in enumerate(form.names):
        h = 1e-5 * max(1.0, abs(theta[i])) * np.eye(len(theta))[i]
        slope = (form.log_y(theta + h, log_x) - form.log_y(theta - h, log_x)) / (2 * h[i])
        np.testing.assert_allclose(jacobian[i], slope, rtol=2e-5, atol=1e-8, err_msg=name)


def test_both_backends_agree_on_batches(case):
    form, params, x = case
    theta = form.from_params(params) * (1.0 + 0.01 * np.arange(3.0)[:, None])
    plain = form.log_y_and_jacobian(theta, form.seen(x))
    with jax.enable_x64(True):
        compiled = jax.jit(form.log_y_and_jacobian)(jax.numpy.asarray(theta), jax.numpy.asarray(form.seen(x)))
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(plain[0][1], form.log_y(theta[1], form.seen(x)), rtol=1e-13)


def test_the_law_is_the_same_in_other_units(case):
    form, params, x = case
    unit = np.array([1e-6 if entry.any_unit else 1.0 for entry in form.inputs])
    theta = form.rescaled(form.from_params(params), np.log(unit), np.log(7.0))
    np.testing.assert_allclose(form.evaluate(theta, x * unit), 7.0 * form.evaluate(params, x), rtol=1e-10)


def test_slopes_agree_with_differences(case):
    form, params, x = case
    slopes = form.slope(params, x)
    assert slopes.shape == x.shape
    for k in range(x.shape[1]):
        h = 1e-4 * np.eye(x.shape[1])[k]
        up, down = (np.log(form.evaluate(params, x * np.exp(s * h))) for s in (1, -1))
        if form.inputs[k].name != "U":  # which makes kinks where data begin to be repeated
            np.testing.assert_allclose(slopes[:, k], (up - down) / 2e-4, rtol=1e-4, atol=1e-7)


def test_fits_find_the_law_without_noise(case):
    form, params, _ = case
    x = runs(form, 90, seed=1)
    names = [entry.name for entry in form.inputs]
    result = bnsl.fit(x, form.evaluate(params, x), form=form, inputs=names)
    assert result.rmsle < 1e-5
    back = bnsl.FitResult.from_json(result.to_json())
    np.testing.assert_array_equal(back.predict(x), result.predict(x))
    assert back.curve.input_names == result.curve.input_names == tuple(names)


# --- limiting cases -----------------------------------------------------------------------------------


def test_one_hyperbreak_holds_skaling_chinchilla_and_kaplan():
    x = runs(bnsl.get_form("skaling"))
    for k in (0.4, 1.0):
        law = {**CHINCHILLA, "k": k}
        same = {"E": law["E"], "b": law["A"] ** k, "c0_N": 0.34 * k, "c0_D": 0.0}
        same |= {"c1": -k, "d1": np.log(law["A"] / law["B"]), "w1_N": 0.34, "w1_D": -0.37}
        expected = bnsl.get_form("skaling").evaluate(law, x)
        np.testing.assert_allclose(HyperBNSL(("N", "D"), 1).evaluate(same, x), expected, rtol=1e-12)
    np.testing.assert_allclose(expected, bnsl.get_form("chinchilla").evaluate(CHINCHILLA, x), rtol=1e-13)
    law = CASES["kaplan"]
    ratio, of_d = law["alpha_N"] / law["alpha_D"], law["alpha_D"]
    same = {"E": 0.0, "b": law["Nc"] ** law["alpha_N"], "c0_N": law["alpha_N"], "c0_D": 0.0, "c1": -of_d}
    same |= {"d1": ratio * np.log(law["Nc"]) - np.log(law["Dc"]), "w1_N": ratio, "w1_D": -1.0}
    expected = bnsl.get_form("kaplan").evaluate(law, x)
    np.testing.assert_allclose(HyperBNSL(("N", "D"), 1).evaluate(same, x), expected, rtol=1e-11)


def test_with_one_input_it_is_bnsl():
    law = {"a": 0.2, "b": 3.0, "c0": 0.1, "c1": 0.8, "d1": 5.0, "f1": 0.3, "c2": -0.5, "d2": 300.0, "f2": 0.1}
    same = {"E": 0.2, "b": 3.0, "c0_x": 0.1}
    for i in (1, 2):
        f = law[f"f{i}"]
        same |= {f"c{i}": law[f"c{i}"] * f, f"d{i}": np.log(law[f"d{i}"]) / f, f"w{i}_x": 1.0 / f}
    x = np.geomspace(0.1, 1e4, 30)
    np.testing.assert_allclose(
        HyperBNSL(("x",), 2).evaluate(same, x), bnsl.BNSL(2).evaluate(law, x), rtol=1e-12
    )


def test_repeated_data_without_repetition_is_chinchilla():
    x = runs(bnsl.get_form("chinchilla"), 30)
    small = x[:, 0] < 1e8  # so few that the unique tokens call for more
    x = np.column_stack([x, x[:, 1]])[small]
    law = bnsl.get_form("data_constrained").evaluate(CASES["data_constrained"], x)
    np.testing.assert_allclose(law, bnsl.get_form("chinchilla").evaluate(CHINCHILLA, x[:, :2]), rtol=1e-12)


def test_a_repeated_token_is_worth_less_and_less():
    form = bnsl.get_form("data_constrained")
    epochs = np.array([1.0, 2.0, 4.0, 16.0, 64.0, 1e4, 1e6])
    loss = form.evaluate(
        CASES["data_constrained"], np.column_stack([0 * epochs + 1e7, 1e9 * epochs, 0 * epochs + 1e9])
    )
    assert (np.diff(loss[:-1]) < 0).all()
    assert loss[-1] == pytest.approx(loss[-2], rel=1e-9)
    unlimited = bnsl.get_form("chinchilla").evaluate(CHINCHILLA, [1e7, 16e9])
    assert loss[-1] == pytest.approx(unlimited, rel=1e-9)  # R_D = 15: at most 16 times the unique tokens


def test_experts_saturate():
    log_e, _, _ = effective_experts(np.log([1.0, 1e12]), np.log(1.85), np.log(314.0))
    np.testing.assert_allclose(np.exp(log_e), [1.85, 314.0], rtol=1e-6)


# --- inputs -------------------------------------------------------------------------------------------


class Mixture(bnsl.Form):
    """y = c + k exp(-t r) of a share r, which may be 0."""

    name = "mixture"
    inputs = (Input("N"), Input("r", scale="linear", lower=0.0))

    @property
    def parameters(self):
        return (bnsl.Parameter("k", log=True, lower=0.0), bnsl.Parameter("c"), bnsl.Parameter("t"))

    def log_y(self, theta, log_x):
        k, c, t = theta
        return k - c * log_x[:, 0] - t * log_x[:, 1]

    def rescale(self, theta, log_s, log_t):
        k, c, t = (theta[..., i] for i in range(3))
        return np.stack(np.broadcast_arrays(k + log_t + c * log_s[..., 0], c, t), axis=-1)

    def domain(self, log_x, y, weight):
        from jax import numpy as jnp

        return jnp.full(3, -10.0) + 0 * y[..., :1], jnp.full(3, 10.0) + 0 * y[..., :1]


def test_an_input_on_a_linear_scale_may_be_0():
    rng = np.random.default_rng(3)
    x = np.column_stack([np.exp(rng.uniform(0, 5, 20)), np.repeat([0.0, 0.2, 0.5, 1.0], 5)])
    y = 3.0 * x[:, 0] ** -0.3 * np.exp(-0.7 * x[:, 1])
    result = bnsl.fit(x, y, form=Mixture())
    assert dict(result.params) == pytest.approx({"k": 3.0, "c": 0.3, "t": 0.7}, rel=1e-6)
    np.testing.assert_allclose(result.slope(x)[:, 1], -0.7, rtol=1e-6)
    x[3, 1] = -0.1
    with pytest.raises(bnsl.InputError, match=r"x\[3, 1\] = -0.1 is below 0, the least that the input 'r'"):
        bnsl.fit(x, y, form=Mixture())


def test_two_inputs_of_one_name_are_refused():
    with pytest.raises(bnsl.InputError, match="every input needs a name of its own"):

        class Twice(bnsl.Form):
            inputs = ("N", "N")

    with pytest.raises(bnsl.InputError, match="give the name of every input once"):
        bnsl.get_form("bnsl", 1, inputs=["N", "N"])
