"""`bnsl doctor`: versions, devices, the cache and the precision, for oneself and for a report of a fault."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import time
from typing import Any

import jax
import numpy as np

from bnsl._base.cache import cached_programs
from bnsl._base.precision import double_precision
from bnsl._base.programs import kept_in
from bnsl.cli._arguments import add_command
from bnsl.cli._terminal import show
from bnsl.curves.datasets import NOISELESS_LAW, load_curve
from bnsl.fitting.fit import fit
from bnsl.readers.files import STDIN

EXAMPLE = """examples:
  bnsl doctor
  bnsl doctor --json

The exit code is 1 if a check fails.
"""
NEEDED = ("jax", "jaxlib", "numpy", "scipy", "pandas", "matplotlib")
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


def add(commands: Any) -> None:
    """Add the command."""
    text = "show versions, devices and the cache, and check the precision"
    command = add_command(commands, "doctor", text, EXAMPLE, _run)
    command.add_argument("--json", action="store_const", const=STDIN, help="as JSON")


def _run(args: argparse.Namespace) -> int:
    checks = _checks()
    found = {
        "versions": _versions(),
        "extras": _extras(),
        "devices": _devices(),
        "cache": _cache(),
        "checks": checks,
    }
    if args.json == STDIN:
        print(json.dumps(found, indent=2))
    else:
        show(_text(found))
    return 0 if all(check["passed"] for check in checks) else 1


def _versions() -> dict[str, str]:
    from bnsl import __version__

    versions = {"bnsl": __version__, "python": platform.python_version(), "system": platform.platform()}
    return {**versions, **{name: importlib.metadata.version(name) for name in NEEDED}}


def _extras() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in EXTRAS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def _devices() -> dict[str, Any]:
    devices = [f"{device.platform}: {device.device_kind}" for device in jax.devices()]
    return {"default": jax.default_backend(), "devices": devices, "processors": os.cpu_count()}


def _cache() -> dict[str, Any]:
    folder, count, size = cached_programs()
    in_use = getattr(jax.config, "jax_compilation_cache_dir", None) or kept_in()
    return {
        "folder": None if folder is None else str(folder),
        "programs": count,
        "bytes": size,
        "in_use": None if in_use is None else str(in_use),
    }


def _checks() -> list[dict[str, Any]]:
    with double_precision():
        one = np.asarray(jax.jit(lambda v: (v + 1e-15) - v)(np.float64(1.0)))
    wide = one.dtype == np.float64 and 0.5e-15 < float(one) < 2e-15
    start = time.monotonic()
    curve = load_curve("noiseless_simulation")
    fitted, beyond = curve.x <= FITTED, (curve.x > FITTED) & (curve.x <= 2 * FITTED)
    law = fit(curve.take(fitted), n_breaks=1)
    error = float(np.abs(law.predict(curve.x[beyond]) / curve.y[beyond] - 1.0).max())
    spent = time.monotonic() - start
    place = law.params["d1"] / NOISELESS_LAW["d1"] - 1.0
    exact = error < EXACT
    return [
        {"name": "double precision", "passed": bool(wide), "found": f"1 + 1e-15 - 1 = {float(one):.3g}"},
        {
            "name": "noiseless law",
            "passed": exact,
            "found": f"error {error:.1e} beyond the fitted range, break off by {place:.1e}, in {spent:.1f} s",
        },
    ]


def _text(found: dict[str, Any]) -> str:
    extras = {
        name: version or f"not installed: pip install 'broken-neural-scaling-laws[{EXTRAS[name]}]'"
        for name, version in found["extras"].items()
    }
    devices, cache = found["devices"], found["cache"]
    kept = "none are kept" if cache["folder"] is None else cache["folder"]
    size = f"{cache['programs']} programs, {cache['bytes'] / 1e6:.1f} MB"
    checks = {c["name"]: f"{'passed' if c['passed'] else 'FAILED'}: {c['found']}" for c in found["checks"]}
    sections = {
        "versions": found["versions"],
        "extras": extras,
        "devices": {
            "default": devices["default"],
            "there are": ", ".join(devices["devices"]),
            "processors": devices["processors"],
        },
        "compiled programs": {"folder": kept, "size": size, "in use": cache["in_use"] or "no"},
        "checks": checks,
    }
    lines = ["bnsl doctor"]
    for title, rows in sections.items():
        lines += ["", title, *(f"  {name:<18}{value}" for name, value in rows.items())]
    return "\n".join(lines)
