import os
import signal
import time

import numpy as np
import pandas as pd
import pytest

import bnsl

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
dd = pytest.importorskip("dask.dataframe")

CALL = {"x": "x", "y": "y", "by": ["family", "seed"], "form": "m2"}


def table(curves):
    rng = np.random.default_rng(0)
    x = np.tile(np.geomspace(1, 1e4, 20), curves)
    y = (0.1 + 2 * x**-0.4) * np.exp(0.01 * rng.normal(size=len(x)))
    seed = np.repeat(np.arange(curves), 20)
    return pd.DataFrame({"family": np.where(seed % 3, "odd", "even"), "seed": seed, "x": x, "y": y})


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_every_curve_is_there_once_though_a_worker_dies(monkeypatch):
    frame = table(60).sample(frac=1.0, random_state=1)  # the points of a curve lie in several partitions
    here = bnsl.fit_many(frame, **CALL)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 10, "logging.distributed": "critical"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        lazy = bnsl.fit_many(dd.from_pandas(frame, npartitions=8), **CALL)
        assert list(lazy.columns) == list(here)
        future = client.compute(lazy)
        victim = None
        limit = time.monotonic() + 120
        while victim is None and time.monotonic() < limit:
            for address, keys in client.has_what().items():
                if any(
                    "fit_partition" in str(key) for key in keys
                ):  # it holds results that must be made again
                    victim = client.run(os.getpid, workers=[address])[address]
                    break
            time.sleep(0.01)
        assert victim is not None
        assert not future.done()
        os.kill(victim, signal.SIGKILL)
        there = future.result(timeout=240)
    order = ["family", "seed"]
    assert not there.duplicated(order).any()
    there, here = (rows.sort_values(order, ignore_index=True) for rows in (there, here))
    pd.testing.assert_frame_equal(there, here, rtol=1e-9, check_dtype=False)


def test_what_the_cluster_decides_is_refused():
    lazy = dd.from_pandas(table(3), npartitions=2)
    for changes, message in (
        ({"out": "somewhere"}, "to_parquet"),
        ({"workers": 2}, "has its own"),
        ({"device": [1]}, "on a cluster"),
        ({"x": "z"}, "no column 'z'"),
    ):
        with pytest.raises(bnsl.InputError, match=message):
            bnsl.fit_many(lazy, **{**CALL, **changes})


def test_without_a_cluster_it_runs_here():
    frame = table(4)
    there = bnsl.fit_many(dd.from_pandas(frame, npartitions=2), **CALL).compute(scheduler="synchronous")
    here = bnsl.fit_many(frame, **CALL)
    assert sorted(there["seed"]) == [0, 1, 2, 3]
    np.testing.assert_allclose(there.sort_values("seed")["rmsle"], here["rmsle"])
