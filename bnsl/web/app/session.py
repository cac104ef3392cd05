"""Tables that were dropped, the curves in them, and what was found of these: the newest few."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl.curves.curve import Curve
from bnsl.curves.datasets import DESCRIPTIONS, load_curve
from bnsl.readers.formats import read_source
from bnsl.readers.reading import curve_from_source
from bnsl.readers.source import Source
from bnsl.web.analysis import Analysis, analyse

LARGEST = 100_000_000  # bytes of a file
# One request works at a time: forecasts silence Python's warnings for a while, which all threads share.
WORKING = threading.RLock()
GONE = "this table is no longer here; drop the file again"


@dataclass(frozen=True)
class Choice:
    """What is to be fitted: columns of a table, up to which distinct x, and which forms beside BNSL."""

    token: str
    x: str
    y: str
    sigma: str | None
    end: int
    forms: tuple[str, ...] = ()

    @property
    def curve_key(self) -> tuple[str, str, str, str | None]:
        """What decides on the curve."""
        return self.token, self.x, self.y, self.sigma


class _Kept:
    """The newest few values by key; safe for threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._values[key] = value
            while len(self._values) > self.most:
                self._values.popitem(last=False)


class Sessions:
    """All tables of the running app."""

    def __init__(self) -> None:
        self._tables, self._curves, self._found = _Kept(16), _Kept(16), _Kept(64)
        self._newest = _Kept(64)

    def add_file(self, name: str, content: bytes) -> str:
        """Read a dropped file and return the token of its table.

        Raises:
            InputError: a file that cannot be read; the message names it.
        """
        if len(content) > LARGEST:
            raise InputError(
                f"file {name!r} has {len(content) / 1e6:.0f} MB; {LARGEST / 1e6:.0f} MB is the most"
            )
        plain = Path(name.replace("\\", "/")).name or "table.csv"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / plain
            path.write_bytes(content)
            try:
                source = read_source(path)
            except InputError as error:  # the user knows nothing of the folder
                raise InputError(str(error).replace(str(path), plain)) from None
        return self._add(source)

    def add_dataset(self, name: str) -> str:
        """A data set of the package as a table; returns its token."""
        import pandas as pd

        if name not in DESCRIPTIONS:
            raise InputError(f"there is no data set {name!r}")
        curve = load_curve(name)
        columns = {curve.x_label: curve.x, curve.y_label: curve.y}
        if curve.sigma is not None:
            columns["sigma"] = curve.sigma
        return self._add(Source(pd.DataFrame(columns), "csv", name))

    def _add(self, source: Source) -> str:
        token = secrets.token_urlsafe(12)
        self._tables.put(token, source)
        return token

    def table(self, token: str) -> Source:
        """The table of a token; raises InputError where it was dropped for newer ones."""
        kept: Source | None = self._tables.get(token)
        if kept is None:
            raise InputError(GONE)
        return kept

    def curve(self, token: str, x: str, y: str, sigma: str | None) -> Curve:
        """The curve in these columns; raises InputError for cells that cannot be forecast."""
        key = (token, x, y, sigma)
        curve = self._curves.get(key)
        if curve is None:
            curve = curve_from_source(self.table(token), x, y, sigma, loss="log").curve
            self._curves.put(key, curve)
        return curve

    def announce(self, token: str, number: int) -> None:
        """Note that a page asked for something about its table; requests are numbered, rising."""
        self._newest.put(token, max(number, self._newest.get(token) or 0))

    def overtaken(self, token: str, number: int) -> bool:
        """Whether a later request has come in the meantime, so that nobody waits for this one's answer."""
        return number < (self._newest.get(token) or 0)

    def analysis(self, choice: Choice) -> Analysis:
        """Forecast and fits, without a back-test; to be called under `WORKING`.

        Raises:
            InputError: a curve that cannot be forecast.
        """
        found = self._found.get(choice)
        if found is None:
            curve = self.curve(*choice.curve_key)
            found = analyse(curve, forms=("bnsl", *choice.forms), cuts=0, **end_rule(curve, choice.end))
            self._found.put(choice, found)
        return found


def distinct(curve: Curve) -> np.ndarray:
    """The distinct x, rising: where a fitted range can end."""
    return np.unique(curve.x)


def end_rule(curve: Curve, end: int) -> dict[str, Any]:
    """The hold-out rule that fits up to the distinct x of index `end`; none at the last."""
    x = distinct(curve)
    return {} if end >= len(x) - 1 else {"train_until": float(x[max(end, 0)])}
