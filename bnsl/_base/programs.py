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
COMPILERS = 4  # threads that compile, at most
_asked: set[Any] = set()  # what sort of calls were prepared for,
_coming: dict[Any, Future[None]] = {}  # and which of them are not made yet


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
        _ahead.update({key: thread.submit(_load, _path(key)) for key in keys})
    try:
        yield
    finally:
        thread.shutdown(cancel_futures=True)
        _ahead.clear()


class Program:
    """What `program` returns."""

    def __init__(self, function: Callable[..., Any], static: int, options: dict[str, Any]) -> None:
        """A function whose first `static` arguments are static."""
        functools.update_wrapper(self, function)
        self._name = f"{function.__module__}.{function.__name__}"
        self._static, self._options = static, options
        self._jitted = jax.jit(function, static_argnums=tuple(range(static)), **options)
        self._ready: dict[str, Any] = {}
        self._keys: dict[Any, str] = {}

    def __call__(self, *args: Any) -> Any:
        """The function's value."""
        if not _coming and _folder is None:
            return self._jitted(*args)
        request = self._request(args)
        if begun := _coming.pop(request, None):
            begun.exception()  # wait for it; what went wrong there goes wrong again here
        key = self._key(request, args)
        if key is None:
            return self._jitted(*args)
        dynamic = args[self._static :]
        if key not in used:
            used.append(key)
        if key not in self._ready:
            early = _ahead.pop(key, None)
            kept = _load(_path(key)) if early is None or early.cancel() else early.result()
            if kept is not None:
                with contextlib.suppress(jax.errors.JaxRuntimeError):  # written by a JAX that fell short
                    answer = jax.block_until_ready(kept(*dynamic))
                    self._ready[key] = kept
                    return answer
            self._make(key, args)
        return self._ready[key](*dynamic)

    def compile(self, *args: Any) -> None:
        """Compile the function for arguments of these shapes and types, if no such program is kept."""
        key = self._key(self._request(args), args)
        if key is None:
            self._jitted.lower(*args).compile()  # it stays in JAX's memory
        elif key not in self._ready and not _path(key).exists():
            self._make(key, args)

    def _make(self, key: str, args: tuple[Any, ...]) -> None:
        self._ready[key] = self._jitted.lower(*args).compile()
        _store(_path(key), self._ready[key])
        written.append(key)

    def _request(self, args: tuple[Any, ...]) -> Any:
        """What sort of arguments these are, as short as can be: it is asked for at every call."""
        leaves, tree = jax.tree.flatten(args[self._static :])
        return self, args[: self._static], tree, tuple(map(_kind, leaves)), _doubles()

    def _key(self, request: Any, args: tuple[Any, ...]) -> str | None:
        """The name of the program that is kept for such arguments, or None if none is."""
        if _folder is None:
            return None
        # JAX's own arrays may be traced, or lie on several devices.
        own = any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(args[self._static :]))
        if own or not _ours(args[: self._static]):
            return None
        if request not in self._keys:
            _, static, tree, kinds, _ = request
            written_out = [(shape, str(dtype)) for shape, dtype in kinds]
            said = f"{self._name} {static} {written_out} {tree} {self._options} {_surroundings()}"
            self._keys[request] = hashlib.sha256(said.encode()).hexdigest()
        return self._keys[request]


def program(
    function: Callable[..., Any], *, static_argnums: int | tuple[int, ...] = (), **options: Any
) -> Program:
    """`jax.jit`, whose compiled programs are kept on disk if the process asked for that.

    The arguments of `static_argnums` must come first, and their `repr` must say all about them: they are
    tuples of numbers, texts and the package's own forms.
    """
    static = static_argnums + 1 if isinstance(static_argnums, int) else len(static_argnums)
    return Program(function, static, options)


def compile_ahead(*calls: tuple[Program, tuple[Any, ...]]) -> None:
    """Begin to compile what will be called soon, in threads; XLA leaves Python's lock to others meanwhile.

    A program that is called while it is being compiled is waited for. Of the arguments only shapes and types
    matter.
    """
    for called, args in calls:
        request = called._request(args)
        if request not in _asked:
            _asked.add(request)
            device = getattr(jax.config, "jax_default_device", None)
            _coming[request] = _compilers().submit(_compile, _doubles(), device, called, args)


@functools.cache
def _compilers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(COMPILERS, thread_name_prefix="bnsl-compile")


def _compile(doubles: bool, device: Any, called: Program, args: tuple[Any, ...]) -> None:
    with jax.enable_x64(doubles), jax.default_device(device):
        called.compile(*args)


def _kind(leaf: Any) -> tuple[tuple[int, ...], Any]:
    return getattr(leaf, "shape", ()), getattr(leaf, "dtype", type(leaf))


def _doubles() -> bool:
    """Whether JAX computes in double precision, where it stands."""
    return jax.dtypes.canonicalize_dtype(np.float64) == np.float64


def _path(key: str) -> Path:
    return (_folder or Path()) / f"{key}{_SUFFIX}"


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
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _surroundings() -> str:
    """What a program depends on besides its arguments."""
    flags = os.environ.get("XLA_FLAGS", "")
    return f"{jax.__version__} {jax.default_backend()} {jax.device_count()} {flags} {_doubles()} {_sources()}"


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
