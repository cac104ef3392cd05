"""Compiled programs that a process of our own may keep on disk whole.

JAX's persistent compilation cache saves the work of XLA; tracing and lowering, which take longer, are
repeated in every process. What is kept here is the executable itself, so that a second run of the shell
command loads it and does neither. The two do not go together: XLA writes programs that were loaded from
JAX's cache without some of their parts. Nothing is kept unless `keep_in` was called.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import serialize_executable

_SUFFIX = "-program"
_folder: Path | None = None
written: list[str] = []  # the keys of the programs that this process has made and kept
used: list[str] = []  # of all that it has called, in the order of their first calls
_ahead: dict[str, Future[Any]] = {}


def keep_in(folder: Path | None) -> None:
    """Keep programs in a folder that only this user can write to; None keeps none."""
    global _folder
    _folder = folder
    used.clear()
    _ahead.clear()


def kept_in() -> Path | None:
    """The folder in which this process keeps programs, if it does."""
    return _folder


@contextlib.contextmanager
def loaded_ahead(keys: Sequence[str]) -> Iterator[None]:
    """Load kept programs in a thread, in this order, while the process goes on with something else.

    What is not loaded when the block ends is left.
    """
    thread = ThreadPoolExecutor(1)
    if _folder is not None:
        _ahead.update({key: thread.submit(_load, _path(_folder, key)) for key in keys})
    try:
        yield
    finally:
        thread.shutdown(cancel_futures=True)
        _ahead.clear()


def program(
    function: Callable[..., Any], *, static_argnums: int | tuple[int, ...] = (), **options: Any
) -> Callable[..., Any]:
    """`jax.jit`, whose compiled programs are kept on disk if the process asked for that.

    The arguments of `static_argnums` must come first, and their `repr` must say all about them: they are
    tuples of numbers, texts and the package's own forms.
    """
    jitted = jax.jit(function, static_argnums=static_argnums, **options)
    first = static_argnums + 1 if isinstance(static_argnums, int) else len(static_argnums)
    ready: dict[str, Any] = {}

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if _folder is None:
            return jitted(*args)
        static, dynamic = args[:first], args[first:]
        leaves, tree = jax.tree.flatten(dynamic)
        # JAX's own arrays may be traced, or lie on several devices.
        if any(isinstance(leaf, jax.Array) for leaf in leaves) or not _ours(static):
            return jitted(*args)
        kinds = [(np.shape(leaf), str(getattr(leaf, "dtype", type(leaf)))) for leaf in leaves]
        said = (
            f"{function.__module__}.{function.__name__} {static} {kinds} {tree} {options} {_surroundings()}"
        )
        key = hashlib.sha256(said.encode()).hexdigest()
        if key not in ready:
            used.append(key)
            path = _path(_folder, key)
            early = _ahead.pop(key, None)
            kept = _load(path) if early is None or early.cancel() else early.result()
            if kept is not None:
                with contextlib.suppress(jax.errors.JaxRuntimeError):  # written by a JAX that fell short
                    answer = jax.block_until_ready(kept(*dynamic))
                    ready[key] = kept
                    return answer
            ready[key] = jitted.lower(*args).compile()
            _store(path, ready[key])
            written.append(key)
        return ready[key](*dynamic)

    return call


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}{_SUFFIX}"


def _ours(static: Any) -> bool:
    """Whether static arguments are made of plain values and of classes of this package."""
    module = type(static).__module__
    if module != "builtins" and not module.startswith("bnsl."):
        return False
    return not isinstance(static, tuple | list) or all(map(_ours, static))


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
    jax.jit(jax.lax.linalg.cholesky).lower(np.eye(1))


def _store(path: Path, compiled: Any) -> None:
    with contextlib.suppress(Exception):  # a full disk, or a program that cannot be written down
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_bytes(pickle.dumps(serialize_executable.serialize(compiled)))
        partial.replace(path)
