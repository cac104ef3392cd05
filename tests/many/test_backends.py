"""Many curves by NumPy and by JAX, against each other and against `fit`."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

import bnsl

CALL = {"x": "x", "y": "y", "by": "curve"}


@pytest.fixture(scope="module")
def random_curves():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "random_curves.py"
    spec = importlib.util.spec_from_file_location("random_curves", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def both(frame, **options):
    """The rows of both backends."""
    return (bnsl.fit_many(frame, **CALL, backend=backend, **options) for backend in ("numpy", "jax"))


def cost(rows):
    """Sums of squares, relative to rounding: all that is left of curves without noise."""
    return rows["n_points"].astype(float) * rows["rmsle"] ** 2


def test_two_hundred_curves_of_one_break_have_the_same_laws(random_curves, one_chunk):
    frame = random_curves.long_form(*random_curves.curves(200, 64, seed=12))
    ends = frame.groupby("curve")["x"].max()
    here, there = both(frame, n_breaks=1, predict_at=[2.0, 10.0 * float(ends.min())])
    alike = np.abs(cost(there) / cost(here) - 1.0) < 1e-3
    assert alike.mean() >= 0.99
    # Where both end at the same minimum they predict the same.
    same = (here["status"] == "converged") & (there["status"] == "converged")
    same &= np.abs(cost(there) / cost(here) - 1.0) < 1e-9
    assert same.mean() > 0.8
    for name in [name for name in here if name.startswith("y_at_")]:
        apart = np.abs(there[name] / here[name] - 1.0)[same]
        assert (apart < 1e-6).mean() >= 0.99
        assert apart.median() < 1e-9
    assert (here["status"] == there["status"]).mean() >= 0.95


def test_one_climbing_curve_among_others_is_fitted_by_jax(random_curves, one_chunk):
    x, y = random_curves.curves(5, 64, seed=12)
    climbing = np.exp(0.1 * np.log(x[0])) * (1.0 + 0.01 * np.sin(np.arange(64.0)))
    falling = [1.0 + row / row.max() / x[0] ** 0.3 for row in y]
    frame = random_curves.long_form(np.repeat(x[:1], 6, axis=0), np.array([*falling, climbing]))
    here, there = both(frame, n_breaks=1)
    assert not there["status"].isin(["error", "failed"]).any()
    np.testing.assert_allclose(cost(there), cost(here), rtol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"form": "m2", "robust": "soft_l1"},
        {"form": "m4", "loss": "log1p"},
        {"n_breaks": 0, "robust": "huber"},
        {"n_breaks": 0, "loss": "log1p", "fixed": {"a": 0.0}},
        {"n_breaks": 0, "loss": "linear", "bounds": {"c0": (0.1, 0.4)}},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_forms_and_options_have_the_same_laws(options, one_chunk):
    rng = np.random.default_rng(6)
    x = np.tile(np.geomspace(1.0, 1e4, 64), 12)
    y = bnsl.M4().evaluate({"b": 2.0, "c": 0.4, "e": 0.1, "e0": 3.0, "alpha": 0.5}, x)
    y = y * np.exp(0.01 * rng.normal(size=len(x)))
    frame = pd.DataFrame({"curve": np.repeat(np.arange(12), 64), "x": x, "y": y})
    here, there = both(frame, predict_at=[2.0, 1e5], **options)
    assert (here["status"] == "converged").all()
    assert here["status"].tolist() == there["status"].tolist()
    assert here["warnings"].tolist() == there["warnings"].tolist()
    for name in ("rmsle", "y_at_2", "y_at_100000"):
        np.testing.assert_allclose(there[name], here[name], rtol=1e-6)


def test_jax_is_taken_for_crowds_on_a_gpu_or_where_a_device_is_asked_for(
    random_curves, monkeypatch, one_chunk
):
    from bnsl.many import columns, devices, work

    frame = random_curves.long_form(*random_curves.curves(4, 16, seed=7))
    asked = []
    begin = columns._begin
    monkeypatch.setattr(columns, "_begin", lambda r, s, t: asked.append(s.backend) or begin(r, s, t))
    bnsl.fit_many(frame, **CALL, form="m1")
    bnsl.fit_many(frame, **CALL, form="m1", device="cpu")
    monkeypatch.setattr(work, "CROWD", 4)
    bnsl.fit_many(frame, **CALL, form="m1")  # on a CPU compiling does not pay
    monkeypatch.setattr(devices, "with_devices", lambda settings, _: settings._replace(platform="gpu"))
    bnsl.fit_many(frame, **CALL, form="m1")
    bnsl.fit_many(frame, **CALL, form="m1", backend="numpy")
    assert asked == ["numpy", "jax", "numpy", "jax", "numpy"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "cuda"}, "backend = 'cuda' is unknown; choose one of 'auto', 'numpy', 'jax'"),
        ({"backend": "numpy", "device": "cpu"}, "device is for backend='jax'; NumPy runs on the CPU"),
        ({"device": "abacus"}, "device = 'abacus': JAX sees no such device here; use 'cpu'"),
        ({"device": ["cpu"]}, r"device = \['cpu'\] must be 'cpu', 'gpu' or a sequence of JAX devices"),
    ],
)
@pytest.mark.parametrize("breaks", [{"n_breaks": 1}, {"n_breaks": 2}, {}], ids=["one", "two", "chosen"])
def test_what_is_no_backend_or_device_is_one_sentence(options, message, breaks):
    frame = pd.DataFrame({"curve": 0, "x": [1.0, 2.0, 4.0], "y": [3.0, 2.0, 1.5]})
    with pytest.raises(bnsl.InputError, match=message) as raised:
        bnsl.fit_many(frame, **CALL, **options, **breaks)
    assert "\n" not in str(raised.value)


def test_tables_of_jax_arrays_are_tables(random_curves):
    x, y = random_curves.curves(2, 16, seed=8)
    with jax.enable_x64(True):
        arrays = {name: jax.numpy.asarray(v.ravel()) for name, v in (("x", x), ("y", y))}
    arrays["curve"] = np.repeat([0, 1], 16)
    here = bnsl.fit_many(random_curves.long_form(x, y), **CALL, form="m1")
    pd.testing.assert_frame_equal(bnsl.fit_many(arrays, **CALL, form="m1"), here, check_dtype=False)
