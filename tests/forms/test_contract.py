"""The contract that every registered form passes: in NumPy and in JAX, for one law and for batches."""

import itertools
from functools import cache, partial

import jax
import numpy as np
import pytest
from laws import CASES

import bnsl
from bnsl.forms.registry import FORMS

X = np.geomspace(1e-3, 1e4, 16)
BATCH = (2, 3)
PADDING = 3  # points of weight 0 at the end of every curve
FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


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


def asked(form, theta, log_x, y, weight):
    """All that the solver asks of a form, of one law (p,) and curve (N,) or of several; log x ends at 0."""
    working = form.to_working(theta)
    log_y, by_theta = form.log_y_and_jacobian(theta, log_x)
    box, start = form.domain(log_x, y, weight), form.separable(log_x, y, weight)
    # Any linear solutions at the first and the last outer node.
    wide = start.outer.ndim > log_x.ndim
    nodes = start.outer[..., [0, -1], :] if wide else start.outer[..., [0, -1]]
    two = weight[..., :2, None] * np.ones(1)
    places = two * start.positions[..., None, : form.picks]
    beta = two * 0.1 * np.arange(1.0, start.always.shape[-2] + form.picks + 1)
    return {
        "log_y": form.log_y(theta, log_x),
        "y": form.y(theta, log_x),
        "log_y and jacobian": (log_y, by_theta),
        "y and jacobian": form.y_and_jacobian(theta, log_x),
        "rescaled": form.rescale(theta, 2.0, -1.0),
        "undone": form.rescale(form.rescale(theta, log_x[..., 0], y[..., 0]), -log_x[..., 0], -y[..., 0]),
        "working": working,
        "back": form.from_working(working),
        "by working": form.working_jacobian(working, by_theta),
        "working box": form.working_box(working, *box),
        "domain": box,
        "start": start[:-1],
        "assembled": form.assemble(nodes, places, 1.0 + abs(places), beta),
    }


def normalised(form, params):
    """Coordinates of a law where log x ends at 0."""
    return form.rescale(form.from_params(params), -np.log(X[-1]), 0.0)


LOG_X = np.log(X / X[-1])
MOVES = 1.0 + 0.01 * np.arange(6.0).reshape(
    *BATCH, 1
)  # every curve of a batch has a law and points of its own


def curves(form, params, moves=1.0):
    """Laws, and padded curves of theirs; the first of a batch is that of a single law."""
    theta, log_x = normalised(form, params) * moves, LOG_X * moves
    ends = [(0, 0)] * (log_x.ndim - 1) + [(0, PADDING)]
    with np.errstate(all="ignore"):
        y = np.pad(form.y(theta, log_x), ends, constant_values=1.0)
    return theta, np.pad(log_x, ends), y, np.pad(np.ones(log_x.shape), ends)


@cache
def found(name, backend):
    """What a form gives on a backend, of a batch of curves."""
    form, params = CASES[name]
    given = curves(form, params, MOVES)
    if backend == "numpy":
        with np.errstate(all="ignore"):
            return asked(form, *given)
    with jax.enable_x64(True):
        compiled = jax.jit(partial(asked, form), compiler_options=FAST)
        return jax.tree.map(np.asarray, compiled(*map(jax.numpy.asarray, given)))


@pytest.fixture(params=itertools.product(CASES, ("numpy", "jax")), ids="-".join, name="given")
def _given(request):
    """A form, its parameters, and what a backend gives of the first curve."""
    name, backend = request.param
    return *CASES[name], jax.tree.map(lambda array: array[0, 0], found(name, backend))


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
    for name, expected in (("log_y", np.log(y)), ("y", y)):
        value, _ = arrays[f"{name} and jacobian"]
        np.testing.assert_allclose(arrays[name][: len(X)], expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(value, arrays[name], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("space", ["log_y", "y"])
def test_jacobians_agree_with_finite_differences(given, space):
    form, params, arrays = given
    jacobian = arrays[f"{space} and jacobian"][1]
    assert jacobian.shape == (len(params), len(X) + PADDING)
    expected = differences(lambda theta: getattr(form, space)(theta, LOG_X), normalised(form, params))
    assert_rows_close(jacobian[:, : len(X)], expected, rtol=1e-7, atol=1e-8)


def test_rescaled_coordinates_come_back(given):
    form, params, arrays = given
    theta = normalised(form, params)
    np.testing.assert_allclose(arrays["rescaled"], form.rescale(theta, 2.0, -1.0), rtol=1e-13)
    np.testing.assert_allclose(arrays["undone"], theta, rtol=1e-10, atol=1e-13)


def test_working_coordinates_are_undone_and_derived(given):
    form, params, arrays = given
    np.testing.assert_allclose(arrays["back"], normalised(form, params), rtol=1e-11, atol=1e-12)
    expected = differences(lambda at: form.log_y(form.from_working(at), LOG_X), arrays["working"])
    assert_rows_close(arrays["by working"][:, : len(X)], expected, rtol=1e-7, atol=1e-8)


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
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_a_batch_of_curves_is_each_of_them(name, backend):
    form, params = CASES[name]
    many, together = curves(form, params, MOVES), found(name, backend)
    for place in itertools.product(*map(range, BATCH)):
        with np.errstate(all="ignore"):
            alone = asked(form, *(array[place] for array in many))
        for what, expected in alone.items():
            rows = jax.tree.leaves(together[what])
            for value, own in zip(rows, jax.tree.leaves(expected), strict=True):
                assert value[place].shape == own.shape, what
                size = np.abs(np.where(np.isfinite(own), own, 0.0)).max(initial=1e-300)
                np.testing.assert_allclose(value[place], own, rtol=1e-9, atol=1e-10 * size, err_msg=what)


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
    form, params = case
    theta = normalised(form, params)

    def both(theta):
        return form.log_y(theta, LOG_X), form.y(theta, LOG_X)

    ways = [jax.jit(of(both), compiler_options=FAST) for of in (jax.jacfwd, jax.jacrev)]
    if form.name == "m4":  # Newton's iteration in reverse takes long to compile
        ways[1] = jax.jacrev(both)
    with jax.enable_x64(True):
        forward, reverse = (jax.tree.map(lambda rows: np.asarray(rows).T, way(theta)) for way in ways)
    for i, space in enumerate(("log_y", "y")):
        with np.errstate(all="ignore"):
            jacobian = getattr(form, f"{space}_and_jacobian")(theta, LOG_X)[1]
        assert_rows_close(jacobian, forward[i], rtol=1e-10, atol=1e-12)
        assert_rows_close(reverse[i], forward[i], rtol=1e-10, atol=1e-12)


def test_a_form_is_clean_without_jit(case):
    form, params = case
    theta = form.from_params(params)
    with jax.enable_x64(True), jax.disable_jit():
        plain = np.exp(form.log_y(jax.numpy.asarray(theta), jax.numpy.log(jax.numpy.asarray(X[:2]))))
    np.testing.assert_allclose(plain, form.evaluate(params, X)[:2], rtol=1e-13)


@pytest.mark.parametrize(("s", "t"), [(1e9, 1e-6), (1e-24, 1e6)])
def test_rescaled_law_is_the_same_law_in_other_units(case, s, t):
    form, params = case
    theta = form.from_params(params)
    moved = form.rescale(theta, np.log(s), np.log(t))
    np.testing.assert_allclose(form.evaluate(moved, s * X), t * form.evaluate(theta, X), rtol=1e-12)
    np.testing.assert_allclose(form.rescale(moved, -np.log(s), -np.log(t)), theta, rtol=1e-10, atol=1e-13)
