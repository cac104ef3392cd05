"""The folder in which the shell command keeps compiled programs between its runs.

Programs are loaded and run without further questions, so only a process of our own may call this.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import jax

from bnsl._base.programs import keep_in, kept_in, loaded_ahead, used

LIMIT = 200_000_000  # bytes that the folder may hold


@contextlib.contextmanager
def programs_at_hand(command: str) -> Iterator[None]:
    """Keep compiled programs, and load those that the command used the last time while it imports others."""
    keep_compiled_programs()
    folder = kept_in()
    if folder is None:
        yield
        return
    path = folder / f"{command}-order"
    last: list[str] = []
    with contextlib.suppress(OSError, UnicodeDecodeError):
        last = [key for key in path.read_text().split() if re.fullmatch("[0-9a-f]{64}", key)]
    with loaded_ahead(last):
        try:
            yield
        finally:
            if used and used != last:
                with contextlib.suppress(OSError):
                    path.write_text("\n".join(used))


def keep_compiled_programs() -> None:
    """Keep the compiled programs of this process on disk, and use those that are there.

    The folder is $BNSL_CACHE_DIR, else $XDG_CACHE_HOME/bnsl/jax, else ~/.cache/bnsl/jax; an empty
    $BNSL_CACHE_DIR means no cache. A cache that JAX was told to use goes first, and a folder that cannot
    be written is passed over in silence: everything works without it, only slower.
    """
    if _told():
        return
    try:
        root = cache_root()
        if root is None:
            return
        folder = root / _processor()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _prune(root)
    except (OSError, RuntimeError):  # RuntimeError: the user has no home folder
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        return
    keep_in(folder)


def _told() -> bool:
    """Whether JAX has a cache already."""
    return bool(getattr(jax.config, "jax_compilation_cache_dir", None))


def cached_programs() -> tuple[Path | None, int, int]:
    """The folder of the compiled programs, or None if none are kept; how many there are, and their bytes."""
    try:
        root = cache_root()
    except RuntimeError:  # the user has no home folder
        root = None
    if root is None:
        return None, 0, 0
    sizes = [path.stat().st_size for path in root.glob("*/*-program")]
    return root, len(sizes), sum(sizes)


def cache_root() -> Path | None:
    """The folder that holds compiled programs, one folder in it a kind of processor; None if not wanted."""
    own = os.environ.get("BNSL_CACHE_DIR")
    if own is not None:
        return Path(own).expanduser() if own else None
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "bnsl" / "jax"


def _processor() -> str:
    """A name for this kind of processor; machines that share a home folder may not run the same code."""
    features = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        pass
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:12]}"


def _prune(root: Path) -> None:
    """Delete the oldest programs down to half of the limit, once they are above it.

    JAX's own limit needs one more package (filelock) and a lock on every access.
    """
    stats = [(path, path.stat()) for path in root.glob("*/*-program")]
    total = sum(stat.st_size for _, stat in stats)
    if total <= LIMIT:
        return
    for path, stat in sorted(stats, key=lambda entry: entry[1].st_mtime):
        path.unlink(missing_ok=True)
        total -= stat.st_size
        if total <= LIMIT // 2:
            return
