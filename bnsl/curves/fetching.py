"""Data that are not part of the package: looked for on this machine, fetched from their origin, checked."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

from bnsl._base.checks import InputError
from bnsl._base.lazy import pd

FOLDER_VARIABLE = "BNSL_DATA_DIR"
TIMEOUT = 30.0  # seconds without an answer from the origin


def in_folder(name: str) -> Path | None:
    """The file in the user's folder, if there is one."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    path = Path(folder).expanduser() / name
    return path if path.is_file() else None


def fetch(name: str, sha256: str, base_url: str, cache: Path | None = None, timeout: float = TIMEOUT) -> Path:
    """The file in the cache, fetched first where it is missing there or damaged.

    Args:
        name: the file's name, at the end of `base_url`.
        sha256: what its bytes must hash to.
        base_url: where it is fetched from, with a slash at its end.
        cache: the folder that keeps it; `bnsl` in the operating system's cache folder if not given.
        timeout: seconds to wait for an answer.

    Raises:
        InputError: it is not in the cache and cannot be fetched, or it arrived damaged.
    """
    import pooch
    import requests

    folder = Path(cache if cache is not None else pooch.os_cache("bnsl"))
    store = pooch.create(path=folder, base_url=base_url, registry={name: f"sha256:{sha256}"})
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")  # a library does not talk
    try:
        return Path(store.fetch(name, downloader=pooch.HTTPDownloader(timeout=timeout)))
    except requests.RequestException as error:
        why = f"was not found and could not be fetched from {base_url} ({_reason(error)})"
    except ValueError:  # what pooch raises for a hash that differs
        why = f"arrived damaged from {base_url} (its sha256 is not {sha256[:12]}...)"
    except OSError as error:
        why = f"cannot be kept in {str(folder)!r} ({error.strerror or error})"
    finally:
        logger.setLevel(level)
    raise InputError(
        f"{name} {why}; try again, or get the file by other means and set {FOLDER_VARIABLE} to the folder "
        f"that holds {name}"
    )


def _reason(error: Exception) -> str:
    """The gist of an error of requests, whose texts run over several lines of addresses."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    words = {"ConnectionError": "no connection", "Timeout": "no answer"}
    return next((text for name, text in words.items() if name in type(error).__name__), type(error).__name__)


def fetched_table(name: str, sha256: str, base_url: str) -> tuple[Path, pd.DataFrame]:
    """The table in a file of the user's folder, or else of the cache, fetched if need be; and that file."""
    path = in_folder(name) or fetch(name, sha256, base_url)
    return path, read_checked(path, sha256, "delete the file, and it is fetched anew")


def read_checked(path: Path, sha256: str, remedy: str) -> pd.DataFrame:
    """The table in a file, once its hash is found right.

    Raises:
        InputError: a file that cannot be read or is not the one expected; it ends with `remedy`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}; {remedy}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(
            f"{str(path)!r} is damaged or another version: its sha256 is {found[:12]}..., expected "
            f"{sha256[:12]}...; {remedy}"
        )
    return pd.read_csv(io.BytesIO(content))
