"""`bnsl doctor`: versions, processors and the precision, to check an installation, or for a bug report.

Examples:
  bnsl doctor
  bnsl doctor --jax --json

The exit code is 1 if a check fails.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from bnsl.cli._output import json_text
from bnsl.cli._terminal import show
from bnsl.curves.datasets import NOISELESS_LAW, load_curve
from bnsl.fitting.fit import fit
from bnsl.readers.files import STDIN

PACKAGES = ("numpy", "scipy", "pandas", "matplotlib", "jax", "jaxlib")
EXTRAS = {  # what brings a package that some features need
    "pyarrow": "parquet",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "scikit-learn": "sklearn",
    "lmfit": "lmfit",
    "shtab": "completion",
    "jinja2": "report",
    "dash": "app",
    "dask": "dask",
}
FITTED = 405.0  # where the noiseless curve of the check is cut, as in the scripts of arXiv 2210.14891
EXACT = 1e-6  # relative error of a noiseless curve's extrapolation, beyond which something is wrong


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.add_argument("--jax", action="store_true", help="also check JAX: its devices and precision")
    command.add_argument("--json", action="store_const", const=STDIN, help="as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from bnsl import __version__

    checks = [_noiseless_law(), *([_double_precision()] if args.jax else [])]
    versions = {"bnsl": __version__, "python": platform.python_version()}
    found = {
        "versions": versions | {name: _version(name) for name in PACKAGES},
        "extras": {name: _version(name) for name in EXTRAS},
        "machine": {"system": platform.platform(), "processors": os.cpu_count(), **_devices(args.jax)},
        "checks": checks,
    }
    if args.json == STDIN:
        print(json_text(found))
    else:
        show(_text(found))
    return 0 if all(check["passed"] for check in checks) else 1


def _version(name: str) -> str | None:
    """What is installed of a package, without importing it; None if it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _devices(wanted: bool) -> dict[str, Any]:
    """The devices of JAX, the one it takes first."""
    if not wanted:
        return {}
    import jax

    return {"devices": [f"{device.platform}: {device.device_kind}" for device in jax.devices()]}


def _noiseless_law() -> dict[str, Any]:
    """Whether a curve without noise leads back to its law."""
    start = time.monotonic()
    curve = load_curve("noiseless_simulation")
    law = fit(curve.take(curve.x <= FITTED), n_breaks=1)
    beyond = curve.take((curve.x > FITTED) & (curve.x <= 2 * FITTED))
    error = float(np.abs(law.predict(beyond.x) / beyond.y - 1.0).max())
    spent, place = time.monotonic() - start, law.params["d1"] / NOISELESS_LAW["d1"] - 1.0
    found = f"error {error:.1e} beyond the fitted range, break off by {place:.1e}, in {spent:.2f} s"
    return {"name": "noiseless law", "passed": error < EXACT, "found": found}


def _double_precision() -> dict[str, Any]:
    """Whether JAX computes in double precision when it is asked to."""
    import jax

    with jax.enable_x64(True):
        one = np.asarray(jax.jit(lambda v: (v + 1e-15) - v)(np.float64(1.0)))
    wide = one.dtype == np.float64 and 0.5e-15 < float(one) < 2e-15
    found = f"1 + 1e-15 - 1 = {float(one):.3g}"
    return {"name": "double precision", "passed": bool(wide), "found": found}


def _text(found: dict[str, Any]) -> str:
    missing = "not installed: pip install 'broken-neural-scaling-laws[{}]'"
    sections: dict[str, dict[str, Any]] = {
        "versions": {name: version or "not installed" for name, version in found["versions"].items()},
        "extras": {
            name: version or missing.format(EXTRAS[name]) for name, version in found["extras"].items()
        },
        "machine": {k: ", ".join(v) if k == "devices" else v for k, v in found["machine"].items()},
        "checks": {
            c["name"]: f"{'passed' if c['passed'] else 'FAILED'}: {c['found']}" for c in found["checks"]
        },
    }
    lines = ["bnsl doctor"]
    for title, rows in sections.items():
        lines += ["", title, *(f"  {name:<18}{value}" for name, value in rows.items())]
    return "\n".join(lines)
