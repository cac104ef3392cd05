"""Broken neural scaling laws: fit, extrapolate and compare scaling laws (arXiv 2210.14891)."""

import importlib.util
from typing import Any

import lazy_loader

__version__ = "0.1.0"

# What the package offers is listed in __init__.pyi, and imported when it is first asked for: so `import bnsl`
# costs nothing, and the shell command can answer Ctrl-C and load its programs while others are imported.
_offered, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __getattr__(name: str) -> Any:
    if name not in __all__ and not name.startswith("_") and importlib.util.find_spec(f"bnsl.{name}"):
        return importlib.import_module(f"bnsl.{name}")
    return _offered(name)
