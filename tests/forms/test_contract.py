"""The contract that every registered form passes: in NumPy and in JAX, for one law and for batches."""

import itertools
from functools import cache, partial

import jax
import numpy as np
import pytest
from laws import CASES, random_curves

import bnsl
from bnsl.forms.registry import FORMS
from bnsl.solver.losses import (
    LOSSES,
    ROBUST,
    measured,
    model,
    model_and_jacobian,
    robust_cost_and_weight,
    sigma_in_residual_space,
)

X = np.geomspace(1e-3, 1e4, 16)
BATCH = (2, 3)
PADDING = 8  # points of weight 0 at the end of every curve
CLOSE = 1e-8


@pytest.fixture(params=CASES, name="case")
def _case(request):
    return CASES[request.param]


def test_every_registered_form_is_tested():
    assert {form.name for form, _ in CASES.values()} == set(FORMS)


# --- named values -----------------------------------------------------------------------------------


def test_named_parameters_round_trip(case):
    form, params = case
    back = form.to_params(form.from_params(params))
    assert list(back) == list(form.names) == list(params)
    assert back == pytest.approx(params, rel=1e-14)


def test_get_form_remakes_a_form_from_its_spec(case):
    form, _ = case
    spec = form.spec()
    assert bnsl.get_form(spec.pop("form"), **spec) == form


def test_forms_are_hashable_values(case):
    form, _ = case
    assert len({form, bnsl.get_form(form)}) == 1


def test_a_batch_is_its_rows(case):
    form, params = case
    theta = form.from_params(params)
    thetas = theta + 0.01 * np.arange(6).reshape(2, 3, 1)
    together = form.evaluate(thetas, X)
    assert together.shape == (2, 3, len(X))
    for place in itertools.product(range(2), range(3)):
        np.testing.assert_allclose(together[place], form.evaluate(thetas[place], X), rtol=1e-14)


def test_evaluate_keeps_the_shape_of_x(case):
    form, params = case
    flat = form.evaluate(params, X)
    np.testing.assert_array_equal(form.evaluate(params, X.reshape(2, 8)), flat.reshape(2, 8))
    assert form.evaluate(params, 2.0).shape == ()


def test_slope_agrees_with_finite_differences(case):
    form, params = case
    h = 1e-3

    def log_y(step):
        return np.log(form.evaluate(params, X * np.exp(step)))

    differences = (8 * (log_y(h) - log_y(-h)) - (log_y(2 * h) - log_y(-2 * h))) / (12 * h)
    slope = form.slope(params, X)
    assert slope.shape == X.shape
    np.testing.assert_allclose(slope, differences, rtol=1e-7, atol=1e-9)


def test_impossible_parameters_are_refused(case):
    form, params = case
    first = form.names[0]
    with pytest.raises(bnsl.InputError, match=rf"params\['{first}'\] = nan is impossible"):
        form.evaluate(params | {first: np.nan}, X)
    with pytest.raises(bnsl.InputError, match="has no parameter 'zz'"):
        form.evaluate(params | {"zz": 1.0}, X)
    with pytest.raises(bnsl.InputError, match=f"also needs {first}"):
        form.evaluate({name: value for name, value in params.items() if name != first}, X)
    with pytest.raises(bnsl.InputError, match=r"x\[1\] = -3 is not positive"):
        form.evaluate(params, [1.0, -3.0])


# --- arrays -----------------------------------------------------------------------------------------

LOG_X = np.log(X / X[-1])
# Curves of a batch, each with a law and points of its own; the first is that of the case.
MOVES = 1.0 + 0.01 * np.arange(6.0).reshape(*BATCH, 1)


WALKED = tuple(f"walked {loss}" for loss in LOSSES)


def asked(form, theta, log_x, y, weight):
    """All that the solver asks of a form and of losses, of one law (p,) and curve (N,) or of several.

    log x ends at 0.
    """
    given, unit = {}, 3.0
    for loss in LOSSES:  # of the loss "log" this is log y, of "linear" y
        given[loss] = model(form, loss, theta, log_x, unit)
        given[f"{loss} and jacobian"] = model_and_jacobian(form, loss, theta, log_x, unit)
        given[f"sigma of {loss}"] = sigma_in_residual_space(loss, 0.1 * y, y, unit)
    for robust in (None, *ROBUST):
        given[str(robust)] = robust_cost_and_weight(robust, ((given["linear"] - 0.9 * y) / 0.1) ** 2)
    working = form.to_working(theta)
    box, start = form.domain(log_x, y, weight), form.separable(log_x, y, weight)
    # Any linear solutions at the first and the last outer node.
    wide = start.outer.ndim > log_x.ndim
    nodes = start.outer[..., [0, -1], :] if wide else start.outer[..., [0, -1]]
    two = weight[..., :2, None] * np.ones(1)
    places = two * start.positions[..., None, : form.picks]
    beta = two * 0.1 * np.arange(1.0, start.always.shape[-2] + form.picks + 1)
    return given | {
        "rescaled": form.rescale(theta, 2.0, -1.0),
        "undone": form.rescale(form.rescale(theta, log_x[..., 0], 0.5), -log_x[..., 0], -0.5),
        "working": working,
        "back": form.from_working(working),
        **{loss: walked(form, working, log_x, loss, unit) for loss in WALKED},
        "working box": form.working_box(working, *box),
        "domain": box,
        "start": start[:-1],
        "assembled": form.assemble(nodes, places, 1.0 + abs(places), beta),
    }


def walked(form, working, log_x, loss, unit):
    """The law in residual space and its derivatives by the solver's coordinates."""
    loss = loss.removeprefix("walked ")
    found = form.walked(working, log_x, lambda y: measured(loss, y, unit))
    return model_and_jacobian(form, loss, working, log_x, unit) if found is None else found


def normalised(form, params):
    """Coordinates of a law where log x ends at 0."""
    return form.rescale(form.from_params(params), -np.log(X[-1]), 0.0)


def curves(form, params, moves=1.0):
    """Laws, and padded curves of theirs."""
    theta, log_x = normalised(form, params) * moves, LOG_X * moves
    ends = [(0, 0)] * (log_x.ndim - 1) + [(0, PADDING)]
    with np.errstate(all="ignore"):
        y = np.pad(form.y(theta, log_x), ends, constant_values=1.0)
    return theta, np.pad(log_x, ends), y, np.pad(np.ones(log_x.shape), ends)


@cache
def found(name, backend):
    """What a form gives on a backend: of a batch of curves, then of random ones with noise, as one axis."""
    form, params = CASES[name]
    theta, log_x, noise, weight = random_curves(form, seed=1, points=len(X) + PADDING)
    with np.errstate(all="ignore"):
        random = theta, log_x, form.y(theta, log_x) * noise, weight
        flat = [part.reshape(-1, part.shape[-1]) for part in curves(form, params, MOVES)]
        given = [np.concatenate(pair) for pair in zip(flat, random, strict=True)]
        if backend == "numpy":
            return asked(form, *given)
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(partial(asked, form))(*given))


@pytest.fixture(params=itertools.product(CASES, ("numpy", "jax")), ids="-".join, name="given")
def _given(request):
    """A form, its parameters, and what a backend gives of the first curve."""
    name, backend = request.param
    return *CASES[name], jax.tree.map(lambda array: array[0], found(name, backend))


def differences(function, at):
    """Derivatives (p, N) of a function of (..., p) by a five-point stencil, whose error is of order h^4."""
    size = 1e-3 * np.abs(at)
    steps = np.diag(size)
    with np.errstate(all="ignore"):
        along = 8 * (function(at + steps) - function(at - steps))
        along = along - (function(at + 2 * steps) - function(at - 2 * steps))
    return along / (12 * size[:, None])


def assert_rows_close(value, expected, rtol, atol):
    """Rows (..., N) alike, relative to the largest value of each."""
    scale = np.abs(expected).max(axis=-1, keepdims=True)
    np.testing.assert_allclose(value / scale, expected / scale, rtol=rtol, atol=atol)


def test_values_are_those_of_evaluate(given):
    form, params, arrays = given
    y = form.evaluate(params, X)
    for name, expected in (("log", np.log(y)), ("linear", y)):
        value, _ = arrays[f"{name} and jacobian"]
        np.testing.assert_allclose(arrays[name][: len(X)], expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(value, arrays[name], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_jacobians_agree_with_finite_differences(given, loss):
    form, params, arrays = given
    jacobian = arrays[f"{loss} and jacobian"][1]
    assert jacobian.shape == (len(params), len(X) + PADDING)
    expected = differences(lambda theta: model(form, loss, theta, LOG_X, 3.0), normalised(form, params))
    assert_rows_close(jacobian[:, : len(X)], expected, rtol=1e-7, atol=1e-8)


def test_rescaled_coordinates_come_back(given):
    form, params, arrays = given
    theta = normalised(form, params)
    np.testing.assert_allclose(arrays["rescaled"], form.rescale(theta, 2.0, -1.0), rtol=1e-13)
    np.testing.assert_allclose(arrays["undone"], theta, rtol=1e-10, atol=1e-13)


def test_working_coordinates_are_undone_and_derived(given):
    form, params, arrays = given
    np.testing.assert_allclose(arrays["back"], normalised(form, params), rtol=1e-11, atol=1e-12)
    for loss in LOSSES:
        value, jacobian = arrays[f"walked {loss}"]

        def law(at, loss=loss):
            return model(form, loss, form.from_working(at), LOG_X, 3.0)

        np.testing.assert_allclose(value[: len(X)], law(arrays["working"]), rtol=1e-11, atol=1e-13)
        expected = differences(law, arrays["working"])
        assert_rows_close(jacobian[:, : len(X)], expected, rtol=1e-7, atol=1e-8)


def test_the_domain_holds_the_law_and_nothing_of_the_padding(given):
    form, params, arrays = given
    theta = normalised(form, params)
    for box, at in (("domain", theta), ("working box", arrays["working"])):
        lower, upper = arrays[box]
        assert lower.shape == upper.shape == theta.shape
        assert (lower <= at).all()
        assert (at <= upper).all()
    bare = form.domain(LOG_X, form.evaluate(params, X), np.ones(len(X)))
    np.testing.assert_allclose(arrays["domain"], bare, rtol=1e-12)


def test_padding_has_no_part_in_the_start(given):
    form, params, arrays = given
    with np.errstate(all="ignore"):  # a limit of 0
        bare = form.separable(LOG_X, form.evaluate(params, X), np.ones(len(X)))
    for name, value, expected in zip(bare._fields, arrays["start"], bare, strict=False):
        value = value[..., : len(X)] if name in ("target", "weight", "always", "dictionary") else value
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12, err_msg=name)


def test_laws_are_linear_in_the_target_at_every_outer_node(case):
    """A law made of a linear solution has it as its target, and the weight says how log y moves with that."""
    form, params = case
    y = form.evaluate(params, X)
    ends = [0.5 * y.min(), 2.0 * y.max()]  # two more points, on which alone the outer nodes depend
    log_x, count = np.append(LOG_X, [0.0, 0.0]), len(X)

    def start_of(values):
        with np.errstate(all="ignore"):
            return form.separable(log_x, np.append(values, ends), np.ones(count + 2))

    start = start_of(y)
    widths = max(start.dictionary.shape[1], 1)
    columns = start.dictionary.reshape(-1, count + 2)
    picked = np.linspace(0, len(columns), form.picks + 2).astype(int)[1:-1]
    breaks = start.positions[picked // widths], start.shapes[picked % widths] if form.picks else picked
    basis = np.concatenate([start.always, columns[picked]])[:, :count]
    tried = 0
    for node in range(len(start.outer)):
        weight, target = start.weight[node, :count], start.target[node, :count]
        if not weight.all():  # M4 cut off at e0 leaves points out: the linear problem has no corner
            continue
        beta = np.linalg.lstsq((weight * basis).T, weight * target, rcond=None)[0]
        with np.errstate(all="ignore"):
            laws = [form.assemble(start.outer[node], *breaks, beta * move) for move in (1.0, 1.0 + 1e-6)]
            values = [form.y(law, LOG_X) for law in laws]
        if not ((ends[0] < values[0]) & (values[0] < ends[1])).all():
            continue
        again = start_of(values[0])
        np.testing.assert_array_equal(again.outer[node], start.outer[node])
        np.testing.assert_allclose(again.target[node, :count], beta @ basis, rtol=1e-8, atol=1e-8)
        moved = np.log(values[1] / values[0])
        np.testing.assert_allclose(
            np.abs(moved), np.abs(again.weight[node, :count] * (beta @ basis)) * 1e-6, rtol=1e-4, atol=1e-12
        )
        tried += 1
    assert tried


@pytest.mark.parametrize("name", CASES)
def test_batches_of_any_axes_are_each_of_their_curves(name):
    form, params = CASES[name]
    many, flat = curves(form, params, MOVES), found(name, "numpy")
    with np.errstate(all="ignore"):
        together = asked(form, *many)
        for i, place in enumerate(itertools.product(*map(range, BATCH))):
            alone = asked(form, *(array[place] for array in many))
            for what, expected in alone.items():
                wide, rows = jax.tree.leaves(together[what]), jax.tree.leaves(flat[what])
                for value, row, own in zip(wide, rows, jax.tree.leaves(expected), strict=True):
                    assert value[place].shape == own.shape == row[i].shape, what
                    np.testing.assert_array_equal(value[place], row[i], err_msg=what)
                    size = np.abs(np.where(np.isfinite(own), own, 0.0)).max(initial=1e-300)
                    np.testing.assert_allclose(row[i], own, rtol=1e-9, atol=1e-10 * size, err_msg=what)


def assert_close(value, expected, name):
    """To 1e-8 of the largest value of a row, or to rounding beside the largest value of all."""
    for one, other in zip(jax.tree.leaves(value), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape, name
        seen = np.isfinite(other)
        np.testing.assert_array_equal(one[~seen], other[~seen], err_msg=name)
        size = np.abs(np.where(seen, other, 0.0))
        apart = np.where(seen, np.abs(np.where(seen, one, 0.0) - np.where(seen, other, 0.0)), 0.0)
        rows = size.max(axis=-1, keepdims=True, initial=0.0)
        assert (apart <= CLOSE * rows + 1e-15 * size.max(initial=0.0)).all(), f"{name}: {apart.max()}"


@pytest.mark.parametrize("name", CASES)
def test_both_libraries_give_the_same_of_random_curves(name):
    here, there = found(name, "numpy"), found(name, "jax")
    assert (here["linear"] > 0).all()
    for loss in LOSSES:  # of every value of the law itself
        np.testing.assert_allclose(there[loss], here[loss], rtol=CLOSE, atol=1e-15, err_msg=loss)
    for what, expected in here.items():
        assert_close(there[what], expected, what)


@pytest.mark.parametrize("name", CASES)
def test_one_law_broadcasts_against_many_curves_and_many_laws_against_one(name):
    form, _ = CASES[name]
    theta, log_x, _, _ = random_curves(form, seed=2)
    with np.errstate(all="ignore"):  # a limit may be 0
        alone = form.log_y_and_jacobian(theta[0], log_x[0])
        for one, other in ((theta[0], log_x), (theta, log_x[0])):
            value, jacobian = form.log_y_and_jacobian(one, other)
            assert value.shape == (len(theta), log_x.shape[1])
            assert jacobian.shape == (len(theta), len(form.parameters), log_x.shape[1])
            np.testing.assert_allclose(value[0], alone[0], rtol=1e-13)
            np.testing.assert_allclose(jacobian[0], alone[1], rtol=1e-12, atol=1e-14)


def test_jax_traces_one_law_without_a_batch(case):
    form, params = case
    given = curves(form, params)
    with np.errstate(all="ignore"):
        here = asked(form, *given)
    with jax.enable_x64(True):
        there = jax.eval_shape(partial(asked, form), *given)
    assert jax.tree.map(np.shape, there) == jax.tree.map(np.shape, here)
    assert {leaf.dtype for leaf in jax.tree.leaves(there)} == {np.dtype(float)}


def test_jacobians_agree_with_autodiff(case):
    """Forwards and backwards, of log y and of y."""
    form, params = case
    theta = normalised(form, params)

    def both(theta):
        return form.log_y(theta, LOG_X), form.y(theta, LOG_X)

    def derived(at):
        forward, plain = jax.jacfwd(lambda at: (both(at),) * 2, has_aux=True)(at)
        return plain, forward, jax.jacrev(both)(at)

    # The steps of M4, there and back, would take long to compile.
    run = derived if form.name == "m4" else jax.jit(derived)
    with jax.enable_x64(True):
        plain, forward, reverse = run(jax.numpy.asarray(theta))
    forward, reverse = jax.tree.map(lambda rows: np.asarray(rows).T, (forward, reverse))
    for i, space in enumerate(("log_y", "y")):
        with np.errstate(all="ignore"):
            value, jacobian = getattr(form, f"{space}_and_jacobian")(theta, LOG_X)
        np.testing.assert_allclose(plain[i], value, rtol=1e-12, atol=1e-13)
        assert_rows_close(jacobian, forward[i], rtol=1e-10, atol=1e-12)
        assert_rows_close(reverse[i], forward[i], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("s", "t"), [(1e9, 1e-6), (1e-24, 1e6)])
def test_rescaled_law_is_the_same_law_in_other_units(case, s, t):
    form, params = case
    theta = form.from_params(params)
    moved = form.rescale(theta, np.log(s), np.log(t))
    np.testing.assert_allclose(form.evaluate(moved, s * X), t * form.evaluate(theta, X), rtol=1e-12)
    np.testing.assert_allclose(form.rescale(moved, -np.log(s), -np.log(t)), theta, rtol=1e-10, atol=1e-13)
