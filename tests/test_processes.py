"""What a process may count on: a day of ordinary calls neither fills it with maps nor starts a compiler."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DAY = """
import json, sys
from pathlib import Path
import numpy as np
import bnsl

def maps():
    return len(Path("/proc/self/maps").read_bytes().splitlines())

options = [{}, {"loss": "linear"}, {"loss": "log1p"}, {"robust": "huber"}, {"robust": "soft_l1"}]
rng = np.random.default_rng(0)
counts = []
for n, limit, scale in ((15, 0.3, 2.0), (22, 0.9, -0.7), (30, 0.3, 2.0), (37, 0.9, -0.7)):
    x = np.geomspace(1, 1e4, n)
    y = (limit + scale * x**-0.4) * np.exp(0.02 * rng.standard_normal(n))
    assert np.isfinite(bnsl.forecast(x, y).predict(2e4))
    for option in options:
        assert bnsl.fit(x, y, n_breaks=1, **option).rmsle < 0.1
    assert bnsl.fit(x, y).rmsle < 0.1
    counts.append(maps())
print(json.dumps([counts, "jax" in sys.modules]))
"""


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="no /proc tells the memory maps of a process"
)
def test_curves_of_many_lengths_in_one_process_keep_memory_maps_few():
    """Compiled programs used to leave some 500 maps each, of the 65,530 that Linux allows."""
    done = subprocess.run([sys.executable, "-c", DAY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts, compiler = json.loads(done.stdout)
    assert max(counts) - counts[0] < 100, counts
    assert not compiler
