"""Compiled programs that a process of our own may keep on disk whole.

JAX's compilation cache saves the work of XLA; tracing and lowering, which take longer once the cache is
warm, are repeated in every process. What is kept here is the executable itself, so that a second run of the
shell command loads it and does neither. Nothing is kept unless `keep_in` was called.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import serialize_executable

_SUFFIX = "-program"
_folder: Path | None = None


def keep_in(folder: Path | None) -> None:
    """Keep programs in a folder that only this user can write to; None keeps none."""
    global _folder
    _folder = folder


def program(
    function: Callable[..., Any], *, static_argnums: int | tuple[int, ...] = (), **options: Any
) -> Callable[..., Any]:
    """`jax.jit`, whose compiled programs are kept on disk if the process asked for that.

    The arguments of `static_argnums` must come first, and their `repr` must say all about them: they are
    tuples of numbers, texts and the package's own forms.
    """
    jitted = jax.jit(function, static_argnums=static_argnums, **options)
    first = static_argnums + 1 if isinstance(static_argnums, int) else len(static_argnums)
    loaded: dict[str, Any] = {}

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if _folder is None:
            return jitted(*args)
        static, dynamic = args[:first], args[first:]
        leaves, tree = jax.tree.flatten(dynamic)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves) or not _ours(static):
            return jitted(*args)
        kinds = [(np.shape(leaf), str(getattr(leaf, "dtype", type(leaf)))) for leaf in leaves]
        said = (
            f"{function.__module__}.{function.__name__} {static} {kinds} {tree} {options} {_surroundings()}"
        )
        key = hashlib.sha256(said.encode()).hexdigest()
        if key not in loaded:
            path = _folder / f"{key}{_SUFFIX}"
            loaded[key] = _load(path)
            if loaded[key] is None:
                loaded[key] = jitted.lower(*args).compile()
                _store(path, loaded[key])
        return loaded[key](*dynamic)

    return call


def _ours(static: Any) -> bool:
    """Whether static arguments are made of plain values and of classes of this package."""
    if isinstance(static, tuple | list):
        return (type(static) in (tuple, list) or type(static).__module__.startswith("bnsl.")) and all(
            map(_ours, static)
        )
    return (
        static is None or isinstance(static, str | int | float) or type(static).__module__.startswith("bnsl.")
    )


@functools.cache
def _sources() -> str:
    """A hash of the package's source, so that a program never outlives the code that it was made from."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _surroundings() -> str:
    """What a program depends on besides its arguments."""
    flags = os.environ.get("XLA_FLAGS", "")
    doubles = jax.dtypes.canonicalize_dtype(np.float64)
    return f"{jax.__version__} {jax.default_backend()} {jax.device_count()} {flags} {doubles} {_sources()}"


def _load(path: Path) -> Any:
    """The program in a file, or None; whatever is wrong with the file, it is made again."""
    with contextlib.suppress(Exception):
        data = path.read_bytes()
        _find_lapack()
        return serialize_executable.deserialize_and_load(*pickle.loads(data))
    return None


@functools.cache
def _find_lapack() -> None:
    """Have JAX look up LAPACK, as it does when it lowers a call to it, which a loaded program was spared."""
    jax.jit(jnp.linalg.cholesky).lower(np.eye(1))


def _store(path: Path, compiled: Any) -> None:
    with contextlib.suppress(Exception):  # a full disk, or a program that cannot be written down
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_bytes(pickle.dumps(serialize_executable.serialize(compiled)))
        partial.replace(path)
