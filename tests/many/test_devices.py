import os
import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest

import bnsl

SHARED = """
import sys
import jax
import pandas as pd
import bnsl

frame = pd.read_parquet(sys.argv[1])
devices = jax.devices("cpu")
assert len(devices) == 2
bnsl.fit_many(frame, x="x", y="y", by="curve", form="m1", device=devices).to_parquet(sys.argv[2])
"""


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    x = np.tile(np.geomspace(1, 1e4, 16), 40)
    y = (0.1 + 2 * x**-0.4) * np.exp(0.01 * rng.normal(size=len(x)))
    return pd.DataFrame({"curve": np.repeat(np.arange(40), 16), "x": x, "y": y})


def test_curves_are_dealt_out_to_several_devices(frame, tmp_path):
    frame.to_parquet(tmp_path / "frame.parquet")
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    process = subprocess.run(
        [sys.executable, "-c", SHARED, tmp_path / "frame.parquet", tmp_path / "rows.parquet"],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    here = bnsl.fit_many(frame, x="x", y="y", by="curve", form="m1", device="cpu")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), here, rtol=1e-7)


def test_a_gpu_agrees_with_the_cpu(frame):
    try:
        jax.devices("gpu")
    except RuntimeError:
        pytest.skip("JAX sees no GPU: its agreement with the CPU was not tested")
    there, here = (
        bnsl.fit_many(frame, x="x", y="y", by="curve", form="m2", predict_at=[1e5], device=device)
        for device in ("gpu", "cpu")
    )
    np.testing.assert_allclose(there["y_at_100000"], here["y_at_100000"], rtol=1e-6)
