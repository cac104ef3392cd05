"""Dropped tables, the curves in them, and their analyses; only the newest are kept."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bnsl._base.checks import InputError
from bnsl.curves.curve import Curve
from bnsl.curves.datasets import CATALOGUE, LOSS_SURFACE, load_dataset
from bnsl.readers.columns import Columns
from bnsl.readers.curation import Curation
from bnsl.readers.formats import read_dataset, read_source
from bnsl.readers.reading import Reading, curve_from_source
from bnsl.readers.source import Source
from bnsl.web.analysis import CUTS, Analysis, analyse
from bnsl.web.app.runs import runs_of
from bnsl.web.app.words import TEXTS
from bnsl.web.surfaces import SurfaceAnalysis, analyse_surface

LARGEST = 100_000_000  # bytes of a file
MOST_TABLES = 16
# One request works at a time: forecasts silence Python's warnings for a while, which all threads share.
WORKING = threading.RLock()
LINEAR = "Shown are a forecast and one law, both on a linear scale"


@dataclass(frozen=True)
class Points:
    """Which points of a table are the curve.

    Attributes:
        token: of the table.
        x, y, sigma: its columns.
        by: the column that tells runs apart, or None.
        run: the value of `by` that is taken; or what is made of all runs, such as "*all".
        accuracy: what y is: None, or an accuracy as "share" or "percent", of which the error is taken.
        smooth: the factor of x to smooth over, or None.
        thin: the most points, or None.
        offset: what is added to x.
        more: further inputs; then `by` tells what belongs together, and all of it is taken for "*all".
    """

    token: str
    x: str
    y: str
    sigma: str | None = None
    by: str | None = None
    run: str | None = None
    accuracy: str | None = None
    smooth: float | None = None
    thin: int | None = None
    offset: float | None = None
    more: tuple[str, ...] = ()

    @property
    def curation(self) -> Curation:
        """The same for a reader."""
        every: dict[str, Any] = {} if self.by is None else TEXTS["every_run"].get(str(self.run), {})
        one = {} if self.by is None or self.run is None or every else {self.by: self.run}
        return Curation(
            where=one,
            by=() if self.by is None or one else (self.by,),
            drop_missing=True,
            offset=self.offset,
            accuracy=self.accuracy,
            smooth=self.smooth,
            points=self.thin,
            **every.get("how", {}),
        )


@dataclass(frozen=True)
class Choice:
    """What is to be fitted: which points, up to which distinct x, and which forms beside BNSL."""

    points: Points
    end: int
    forms: tuple[str, ...] = ()


class Sessions:
    """All tables of the running app; safe for threads."""

    def __init__(self) -> None:
        self._tables: OrderedDict[str, tuple[Source, str]] = OrderedDict()  # with the name of the file
        self._lock = threading.Lock()
        self._newest: dict[str, int] = {}
        self.reading = lru_cache(16)(self._reading)
        self.analysis = lru_cache(64)(self._analysis)

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
        return self._add(source, plain)

    def add_path(self, path: str) -> str:
        """Read a file or a folder of this machine, or a data set of that name where there is none.

        Raises:
            InputError: what cannot be read; the message names it.
        """
        if not Path(path).exists() and path in CATALOGUE:
            return self.add_dataset(path)
        return self._add(read_source(path), Path(path).resolve().name)

    def add_dataset(self, name: str) -> str:
        """A data set of the package as a table; returns its token."""
        if name == LOSS_SURFACE:
            runs: Any = load_dataset(LOSS_SURFACE)
            once = runs[runs["epochs"] == 1].drop(columns="epochs").reset_index(drop=True)
            numbers = once.astype({column: float for column in once if once[column].dtype.kind in "iu"})
            return self._add(Source(numbers, "csv", name), "loss surface, tokens seen once")
        return self._add(read_dataset(name), name.replace("_", " "))

    def _add(self, source: Source, title: str) -> str:
        token = secrets.token_urlsafe(12)
        with self._lock:
            self._tables[token] = source, title
            if len(self._tables) > MOST_TABLES:
                self._tables.popitem(last=False)
        return token

    def find(self, token: str | None) -> Source | None:
        """The table of a token, if it is still there."""
        with self._lock:
            if token is None or token not in self._tables:
                return None
            self._tables.move_to_end(token)
            return self._tables[token][0]

    def table(self, token: str) -> Source:
        """The table of a token; raises InputError where it was dropped for newer ones."""
        found = self.find(token)
        if found is None:
            raise InputError("this table is no longer here; drop the file again")
        return found

    def title(self, token: str) -> str:
        """The name of its file."""
        return self._tables[token][1]

    def _reading(self, points: Points) -> Reading:
        """The curve of these points with notes; raises InputError for cells that cannot be fitted."""
        source, columns = self.table(points.token), (points.x, points.y, points.sigma)
        if points.more:
            return Reading(runs_of(source, points), Columns(*columns))
        try:
            return curve_from_source(source, *columns, loss="log", curation=points.curation)
        except InputError as error:  # values that are not positive can be fitted on a linear scale
            found = curve_from_source(source, *columns, loss="linear", curation=points.curation)
            return replace(found, notes=(*found.notes, str(error), LINEAR))

    def curve(self, points: Points) -> Curve:
        """The curve of these points; raises InputError for cells that cannot be forecast."""
        return self.reading(points).curve

    def announce(self, token: str, number: int) -> None:
        """Note that a page asked for something about its table; requests are numbered, rising."""
        self._newest[token] = max(number, self._newest.get(token, 0))

    def overtaken(self, token: str, number: int) -> bool:
        """Whether a later request has come in the meantime, so that nobody waits for this one's answer."""
        return number < self._newest.get(token, 0)

    def _analysis(self, choice: Choice) -> Analysis | SurfaceAnalysis:
        """Forecast and fits, without a back-test; to be called under `WORKING`.

        Raises:
            InputError: a curve that cannot be fitted.
        """
        return analysis_of(self.curve(choice.points), choice.end, choice.forms, cuts=0)


def analysis_of(curve: Curve, end: int, forms: Sequence[str], cuts: int = CUTS) -> Analysis | SurfaceAnalysis:
    """What is found of the points up to the distinct x of index `end`."""
    rule = end_rule(curve, end)
    if curve.inputs > 1:
        return analyse_surface(curve, rule)
    return analyse(curve, rule, forms=("bnsl", *forms), cuts=cuts)


def distinct(curve: Curve) -> np.ndarray:
    """The distinct x, of several inputs products, rising: where a fitted range can end."""
    return np.unique(curve.effort)


def end_rule(curve: Curve, end: int) -> dict[str, Any]:
    """The hold-out rule that fits up to the distinct x of index `end`; none at the last."""
    x = distinct(curve)
    return {} if end >= len(x) - 1 else {"train_until": float(x[max(end, 0)])}
