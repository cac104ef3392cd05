"""Double precision for JAX, one thread at a time, whatever the caller's own JAX configuration."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator

import jax

# Compiled programs that several threads start at once can wait for each other for ever: they share XLA's
# threads on the CPU.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Local float64 for JAX, one thread at a time; the caller's own JAX configuration stays as it is.

    Results become NumPy arrays inside, so that nothing is still running when the next thread begins.
    """
    with precision("float64"):
        yield


@contextlib.contextmanager
def precision(dtype: str) -> Iterator[None]:
    """`double_precision`, or single for dtype "float32"."""
    with _ONE_AT_A_TIME, jax.enable_x64(dtype != "float32"), jax.default_device(_home()):
        yield


@functools.cache
def _home() -> jax.Device | None:
    """The CPU, also where JAX would choose a GPU: one curve takes a GPU longer. None for JAX's own choice."""
    with contextlib.suppress(RuntimeError):  # JAX was told to use nothing but a GPU
        if jax.default_backend() != "cpu":
            return jax.local_devices(backend="cpu")[0]
    return None
