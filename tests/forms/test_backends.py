"""The mathematics is written once: NumPy and JAX give the same numbers for random curves of every form."""

from functools import partial

import jax
import numpy as np
import pytest

import bnsl
from bnsl.forms.registry import FORMS
from bnsl.solver.losses import LOSSES, ROBUST, model, model_and_jacobian, robust_cost_and_weight
from bnsl.solver.losses import sigma_in_residual_space as in_residual_space

CURVES, POINTS = 200, 24
CLOSE = 1e-8
FAST_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}

CASES = {f"bnsl{n}": bnsl.BNSL(n) for n in range(4)}
CASES |= {f"bnsl{n}-rising": bnsl.BNSL(n, rising=True) for n in range(4)}
CASES |= {"m1": bnsl.M1(), "m2": bnsl.M2(), "m3": bnsl.M3(), "m4": bnsl.M4()}


def random_params(form, rng, x):
    """Parameters of a law whose values at x are positive."""
    limit = rng.uniform(0, 0.5) * (rng.random() < 0.7)
    scale, slope = np.exp(rng.normal()), rng.uniform(0.05, 0.6)
    middle = np.exp(rng.uniform(*np.log(x[[0, -1]])))
    if form.name == "m1":
        return {"b": scale, "c": slope}
    if form.name == "m2":
        return {"b": scale, "c": slope, "e": limit}
    if form.name == "m3":
        return {"b": scale, "c": slope, "g": 1 / middle, "e": limit}
    if form.name == "m4":
        return {"b": scale, "c": slope, "e": limit, "e0": limit + scale, "alpha": rng.uniform(0.1, 3)}
    params = {"a": limit, "b": scale, "c0": slope}
    if form.rising:  # g falls from a share of a
        params |= {"a": limit + scale, "b": -rng.uniform(0.3, 0.9) * scale}
    for i in range(1, form.n_breaks + 1):
        change = rng.normal(0, 0.5)
        params[f"c{i}"] = abs(change) if form.rising else change
        params[f"d{i}"] = np.exp(rng.uniform(*np.log(x[[0, -1]])))
        params[f"f{i}"] = np.exp(rng.uniform(-4, 0.5))
    return params


def random_curves(form, seed):
    """theta (B, p), log x (B, N), log-normal noise (B, N) and weights (B, N), some of them 0."""
    rng = np.random.default_rng(seed)
    x = np.sort(np.exp(rng.uniform(0, rng.uniform(3, 14, (CURVES, 1)), (CURVES, POINTS))))
    theta = np.array([form.from_params(random_params(form, rng, row)) for row in x])
    noise = np.exp(0.02 * rng.standard_normal(x.shape))
    weight = np.where(np.arange(POINTS) < rng.integers(8, POINTS + 1, (CURVES, 1)), 1.0, 0.0)
    return theta, np.log(x), noise, weight


def everything(form, theta, log_x, noise, weight):
    """What the solver and the forecast ask of a form, and the losses, for a batch of curves."""
    found, unit = {}, 3.0
    y = form.y(theta, log_x) * noise
    for loss in LOSSES:  # of the loss "log" this is log y, of "linear" y
        found[loss] = model(form, loss, theta, log_x, unit)
        found[f"{loss}'"] = model_and_jacobian(form, loss, theta, log_x, unit)
        found[f"sigma of {loss}"] = in_residual_space(loss, 0.1 * y, y, unit)
    residual = found["log"] + 0.1 * noise
    for robust in (None, *ROBUST):
        found[str(robust)] = robust_cost_and_weight(robust, (residual / 0.1) ** 2)
    found["rescaled"] = form.rescale(theta, 0.3 * log_x[:, 0], -0.5)
    found["domain"] = form.domain(log_x, y, weight)
    # Walks are in units in which the last point has log x = 0.
    shift = log_x[:, -1]
    at_end = form.rescale(theta, -shift, 0.0)
    working = form.to_working(at_end)
    found["working"] = working
    found["back"] = form.from_working(working)
    found["working'"] = form.working_jacobian(
        working, form.log_y_and_jacobian(at_end, log_x - shift[:, None])[1]
    )
    found["working box"] = form.working_box(working, *form.domain(log_x - shift[:, None], y, weight))
    start = form.separable(log_x, y, weight)
    found["start"] = start[:-1]
    picks = (start.positions[:, : form.picks], 0.3 * (1.0 + weight[:, : form.picks]))
    beta = 0.1 * (1.0 + weight[:, : start.always.shape[-2] + form.picks])
    found["assembled"] = form.assemble(start.outer[:, 0], *picks, beta)
    assert found["assembled"].shape == theta.shape
    return found


def assert_close(found, expected, name):
    """To 1e-8 of the largest value of a row, or to rounding beside the largest value of all."""
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape, name
        seen = np.isfinite(other)
        np.testing.assert_array_equal(one[~seen], other[~seen], err_msg=name)
        size = np.abs(np.where(seen, other, 0.0))
        apart = np.where(seen, np.abs(np.where(seen, one, 0.0) - np.where(seen, other, 0.0)), 0.0)
        rows = size.max(axis=-1, keepdims=True, initial=0.0)
        assert (apart <= CLOSE * rows + 1e-15 * size.max(initial=0.0)).all(), f"{name}: {apart.max()}"


def test_every_registered_form_is_tested():
    assert {form.name for form in CASES.values()} == set(FORMS)


@pytest.mark.parametrize("name", CASES)
def test_laws_derivatives_losses_and_starts_are_alike(name):
    form = CASES[name]
    curves = random_curves(form, seed=1)
    with np.errstate(all="ignore"):
        here = everything(form, *curves)
    with jax.enable_x64(True):
        function = jax.jit(partial(everything, form), compiler_options=FAST_COMPILE)
        there = function(*map(jax.numpy.asarray, curves))
    assert (here["linear"] > 0).all()
    for what in LOSSES:  # of every value of the law itself
        np.testing.assert_allclose(there[what], here[what], rtol=CLOSE, atol=1e-15, err_msg=what)
    for what, expected in here.items():
        assert_close(jax.tree.map(np.asarray, there[what]), expected, what)


@pytest.mark.parametrize("name", CASES)
def test_one_law_broadcasts_against_many_curves_and_many_laws_against_one(name):
    form = CASES[name]
    theta, log_x, _, _ = random_curves(form, seed=2)
    with np.errstate(all="ignore"):  # a limit may be 0
        alone = form.log_y_and_jacobian(theta[0], log_x[0])
        for one, other in ((theta[0], log_x), (theta, log_x[0])):
            value, jacobian = form.log_y_and_jacobian(one, other)
            assert value.shape == (CURVES, POINTS)
            assert jacobian.shape == (CURVES, len(form.parameters), POINTS)
            np.testing.assert_allclose(value[0], alone[0], rtol=1e-13)
            np.testing.assert_allclose(jacobian[0], alone[1], rtol=1e-12, atol=1e-14)
