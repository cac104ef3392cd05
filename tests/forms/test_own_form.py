"""A form is one class in one place: two forms of a user's own go through everything that the package does."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

import bnsl

# --- one input: a dip in log x --------------------------------------------------------------------


@dataclass(frozen=True)
class Dip(bnsl.Form):
    """y = e + b exp(-k (log x - m)^2)."""

    name: ClassVar[str] = "dip"

    @property
    def parameters(self):
        return (
            bnsl.Parameter("e", lower=0.0),
            bnsl.Parameter("b", log=True, lower=0.0),
            bnsl.Parameter("k", log=True, lower=0.0),
            bnsl.Parameter("m"),
        )

    def log_y(self, theta, log_x):
        e, log_b, log_k, m = theta
        return jnp.logaddexp(jnp.log(e), log_b - jnp.exp(log_k) * (log_x - m) ** 2)

    def rescale(self, theta, log_s, log_t):
        e, log_b, log_k, m = (theta[..., i] for i in range(4))
        exp = np.exp(log_t)
        return np.stack([e * exp, log_b + log_t, log_k, m + log_s], axis=-1)

    def domain(self, log_x, y, weight):
        low, high = jnp.min(log_x), jnp.max(log_x)
        top = jnp.max(jnp.where(weight > 0, y, -jnp.inf))
        lower = jnp.stack([0.01 * top, jnp.log(1e-6 * top), jnp.asarray(-8.0), low])
        return lower, jnp.stack([top, jnp.log(1e3 * top), jnp.asarray(3.0), high])


DIP = {"e": 0.3, "b": 2.0, "k": 0.2, "m": 3.0}
DIP_X = np.geomspace(1, 2e3, 20)
DIP_Y = Dip().evaluate(DIP, DIP_X)

# --- two inputs: parameters N and tokens D --------------------------------------------------------


@dataclass(frozen=True)
class Chinchilla(bnsl.Form):
    """y = e + A / N^alpha + B / D^beta (Hoffmann et al., 2022, arXiv 2203.15556)."""

    name: ClassVar[str] = "chinchilla"
    inputs: ClassVar[tuple[str, ...]] = ("N", "D")

    @property
    def parameters(self):
        return (
            bnsl.Parameter("e", lower=0.0),
            bnsl.Parameter("A", log=True, lower=0.0, mixes=True),
            bnsl.Parameter("alpha"),
            bnsl.Parameter("B", log=True, lower=0.0, mixes=True),
            bnsl.Parameter("beta"),
        )

    def log_y(self, theta, log_x):
        e, log_a, alpha, log_b, beta = theta
        capacity = jnp.exp(log_a - alpha * log_x[:, 0])
        return jnp.log(e + capacity + jnp.exp(log_b - beta * log_x[:, 1]))

    def rescale(self, theta, log_s, log_t):
        e, log_a, alpha, log_b, beta = (theta[..., i] for i in range(5))
        log_a = log_a + log_t + alpha * log_s[0]
        log_b = log_b + log_t + beta * log_s[1]
        return np.stack([e * np.exp(log_t), log_a, alpha, log_b, beta], axis=-1)

    def domain(self, log_x, y, weight):
        top = jnp.max(jnp.where(weight > 0, y, -jnp.inf))
        log_top = jnp.log(top)
        lower = jnp.stack([0.0 * top, log_top - 10, 0.0 * top, log_top - 10, 0.0 * top])
        return lower, jnp.stack([top, log_top, 2.0 + 0.0 * top, log_top, 2.0 + 0.0 * top])


# The values of the paper's equation 10.
LOSS = {"e": 1.69, "A": 406.4, "alpha": 0.34, "B": 410.7, "beta": 0.28}
RUNS = np.array([(n, r * n) for n in np.geomspace(5e7, 1e10, 6) for r in (5.0, 20.0, 80.0, 320.0)])
RUNS_Y = Chinchilla().evaluate(LOSS, RUNS)


def test_fit_finds_the_law_of_a_form_of_ones_own():
    result = bnsl.fit(DIP_X, DIP_Y, form=Dip())
    assert dict(result.params) == pytest.approx(DIP, rel=1e-7)
    assert result.status is bnsl.Status.CONVERGED
    np.testing.assert_allclose(result.predict(DIP_X), DIP_Y, rtol=1e-9)


def test_fit_of_two_inputs():
    result = bnsl.fit(RUNS, RUNS_Y, form=Chinchilla())
    assert dict(result.params) == pytest.approx(LOSS, rel=1e-6)
    assert result.rmsle < 1e-9
    np.testing.assert_allclose(result.fitted, result.curve.y, rtol=1e-9)
    assert result.predict(RUNS.reshape(6, 4, 2)).shape == (6, 4)
    assert result.slope(RUNS).shape == RUNS.shape
    assert (result.slope(RUNS) < 0).all()
    lower, upper = result.interval(RUNS.reshape(6, 4, 2))
    assert lower.shape == upper.shape == (6, 4)
    assert "points   24" in result.summary()


def test_units_of_both_inputs_do_not_matter():
    moved = bnsl.fit(RUNS * [1e-9, 6.0], 100 * RUNS_Y, form=Chinchilla())
    np.testing.assert_allclose(
        moved.predict([5e-1, 6e9]), 100 * Chinchilla().evaluate(LOSS, [5e8, 1e9]), rtol=1e-8
    )


@pytest.mark.parametrize(
    ("form", "x", "y"), [(Dip(), DIP_X, DIP_Y), (Chinchilla(), RUNS, RUNS_Y)], ids=["dip", "chinchilla"]
)
def test_json_extrapolate_and_compare_work_for_it(form, x, y):
    held = bnsl.extrapolate(x, y, form=form, train_fraction=0.75)
    assert held.rmsle < 1e-8
    inputs = ["x"] if x.ndim == 1 else ["N", "D"]
    assert list(held.errors) == [*inputs, "y", "predicted", "log_error", "beyond"]
    assert len(held.errors) == len(held.held_out)
    compared = bnsl.compare(x, y, forms=[form], train_fraction=0.75)
    assert list(compared.table.index) == [form.name]
    assert compared.table["heldout_rmsle"].iloc[0] == held.rmsle
    text = held.result.to_json()
    back = bnsl.FitResult.from_json(text, form=form)
    np.testing.assert_array_equal(back.predict(x), held.result.predict(x))
    assert back.to_json() == text
    with pytest.raises(bnsl.InputError, match=f"{form.name}"):
        bnsl.FitResult.from_json(text)


def test_a_form_of_ones_own_stands_beside_the_registered_ones():
    table = bnsl.compare(DIP_X, DIP_Y, forms=[Dip(), "m1"], train_fraction=0.8).table
    assert list(table.index) == ["dip", "m1"]


def test_forms_of_different_inputs_cannot_share_one_comparison():
    with pytest.raises(bnsl.InputError, match="m1"):
        bnsl.compare(RUNS, RUNS_Y, forms=[Chinchilla(), "m1"])


def test_bad_input_of_two_columns_is_named_by_row_and_column():
    bad = RUNS.copy()
    bad[7, 1] = -4.0
    with pytest.raises(bnsl.InputError, match=r"x\[7, 1\] = -4 is not positive"):
        bnsl.fit(bad, RUNS_Y, form=Chinchilla())
    with pytest.raises(bnsl.InputError, match=r"x must have shape \(N, 2\); its shape is \(24,\)"):
        bnsl.fit(RUNS[:, 0], RUNS_Y, form=Chinchilla())
    with pytest.raises(bnsl.InputError, match="x must have 2 columns"):
        bnsl.fit(RUNS, RUNS_Y, form=Chinchilla()).predict(RUNS[:, 0])


def test_far_extrapolation_is_judged_by_each_input():
    result = bnsl.fit(RUNS, RUNS_Y, form=Chinchilla())
    name, last = result.curve.input_names[1], result.curve.x[:, 1].max()
    with pytest.warns(
        bnsl.ExtrapolationWarning, match=rf"{name} reaches beyond .* to {last:.4g}\)".replace("+", r"\+")
    ):
        result.predict([1e9, 1e15])
    result.predict([1e9, 1e11])


# --- a form all of whose methods give JAX arrays ----------------------------------------------------


@dataclass(frozen=True)
class Exponential(bnsl.Form):
    """y = b exp(-k x)."""

    name: ClassVar[str] = "exponential"

    @property
    def parameters(self):
        return (bnsl.Parameter("b", log=True, lower=0.0), bnsl.Parameter("k", log=True, lower=0.0))

    def log_y(self, theta, log_x):
        return theta[0] - jnp.exp(theta[1] + log_x)

    def rescale(self, theta, log_s, log_t):
        return theta + jnp.array([log_t, -log_s])

    def domain(self, log_x, y, weight):
        return jnp.array([-5.0, -10.0]), jnp.array([5.0, 5.0])


def test_units_of_a_form_in_jax_are_changed_in_double_precision():
    x = np.linspace(0.5, 10.0, 30)
    result = bnsl.fit(x, 2e-8 * np.exp(-0.3 * x), form=Exponential())
    assert dict(result.params) == pytest.approx({"b": 2e-8, "k": 0.3}, rel=1e-12)


def test_refits_of_a_form_in_jax():
    x = np.linspace(0.5, 10.0, 30)
    noise = np.random.default_rng(0).standard_normal(30)
    result = bnsl.fit(x, 2.0 * np.exp(-0.3 * x + 0.01 * noise), form=Exponential())
    # log y is linear in log b and k, so that intervals of first order are all but exact.
    for name, interval in bnsl.profile_intervals(result).items():
        assert interval == pytest.approx(result.param_interval(0.9)[name], rel=1e-4)
    draws = bnsl.bootstrap(result, 500).params["k"]
    assert draws.std() == pytest.approx(result.stderr["k"], rel=0.2)
    assert bnsl.prediction_interval(result, [20.0])[0] == pytest.approx(result.interval([20.0])[0], rel=1e-4)


def test_a_form_in_jax_on_either_backend():
    numpy, jax = (bnsl.fit(DIP_X, DIP_Y, form=Dip(), backend=backend) for backend in ("numpy", "jax"))
    np.testing.assert_allclose(jax.theta, numpy.theta, rtol=1e-8)


# --- a form that knows where to begin -----------------------------------------------------------------


@dataclass(frozen=True)
class Guided(Dip):
    """The dip, begun at the largest y; it notes how many points it was asked about."""

    name: ClassVar[str] = "guided"
    asked: ClassVar[list[int]] = []

    def starts(self, log_x, y, weight, count):
        self.asked.append(len(y))
        return jnp.stack([jnp.min(y) / 2, jnp.log(jnp.max(y)), -1.0, log_x[jnp.argmax(y)]])[None]


@dataclass(frozen=True)
class Unguided(Guided):
    """One that finds no start, so that its box is looked through."""

    name: ClassVar[str] = "unguided"

    def starts(self, log_x, y, weight, count):
        return None


def test_starts_of_a_form_of_ones_own_are_used():
    for form in (Guided(), Unguided()):
        result = bnsl.fit(DIP_X, DIP_Y, form=form)
        assert dict(result.params) == pytest.approx(DIP, rel=1e-7)
    assert set(Guided.asked) == {len(DIP_X)}
