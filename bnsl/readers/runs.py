"""Runs during curation: their points in order, what is left out, and the notes on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnsl._base.cells import written_number
from bnsl._base.checks import InputError, some
from bnsl._base.display import counted
from bnsl._base.lazy import pd
from bnsl.curves.accuracy import ACCURACIES, clipped, error_label
from bnsl.curves.divergence import diverged_after, written
from bnsl.readers.columns import Columns, numbers, refuse
from bnsl.readers.smoothing import evenly, local_lines, lower_envelope

FEWEST = 3  # points of a fit
_END = 0.05  # share of a run whose median says where it ends


@dataclass
class Runs:
    """The points of runs while they are being curated.

    Attributes:
        frame: one row per point, with x, y and perhaps sigma.
        columns: the names of these.
        along: what each run is ordered by, (N,).
        by: the columns that tell runs apart.
        rows: of each run the places in the frame, in order.
        names: of the runs.
        label: what y is.
        notes: what was done.
    """

    frame: pd.DataFrame
    columns: Columns
    along: np.ndarray
    by: list[str]
    rows: list[np.ndarray]
    names: list[str]
    label: str
    notes: list[str]

    def places(self) -> np.ndarray:
        """Where in the frame the points are that are left."""
        return np.sort(np.concatenate(self.rows))

    def values(self, name: str) -> np.ndarray:
        """A column of the frame; InputError for a cell that is no finite number among the points left."""
        numbers(self.frame.iloc[self.places()], name)
        return self.frame[name].to_numpy()

    def take(self, kept: Sequence[np.ndarray], why: str) -> None:
        """Go on with some points of each run; a run of none is gone."""
        count = sum(map(len, self.rows)) - sum(map(len, kept))
        left = [(rows, name) for rows, name in zip(kept, self.names, strict=True) if len(rows)]
        if not left:
            raise InputError(f"nothing is left of {count} points: all are {why}")
        tell(self.notes, why, count)
        self.rows, self.names = [rows for rows, _ in left], [name for _, name in left]

    def take_errors(self, accuracy: str, resolution: float | None) -> None:
        """Go on with errors in the place of accuracies; `resolution` is in the units of y."""
        top, name = ACCURACIES[accuracy], self.columns.y
        y = self.frame[name].to_numpy()
        finite = np.isfinite(y)
        most = y[finite].max(initial=0.0)
        why = f"an accuracy is at most {top:g}"
        if accuracy == "share" and most <= 100:
            why += "; if these are percentages, say so (accuracy='percent')"
        refuse(self.frame, name, y, finite & (y > top), why)
        refuse(self.frame, name, y, finite & (y < 0), "an accuracy is at least 0")
        if accuracy == "percent" and most <= 1:
            self.notes.append("no accuracy is above 1 %; if these are shares, say so (accuracy='share')")
        inside = clipped(y, accuracy, resolution)
        count = int((inside[finite] != y[finite]).sum())
        if resolution is not None and count:
            self.notes.append(
                f"took {count} accurac{'y' if count == 1 else 'ies'} of 0 or {top:g} to be "
                f"{resolution / 2:g} or {top - resolution / 2:g}, by half of the resolution"
            )
        self.frame[name] = (top - inside) / top
        if self.columns.sigma is not None:
            self.frame[self.columns.sigma] /= top
        self.label = error_label(name, accuracy)

    def drop_warmup(self, warmup: float | str) -> None:
        """Leave out what lies before the warm-up's end."""
        ends = [warmup_end(warmup, float(self.along[rows].max())) for rows in self.rows]
        kept = [rows[self.along[rows] >= end] for rows, end in zip(self.rows, ends, strict=True)]
        self.take(kept, "below the warm-up")

    def drop_diverged(self, factor: float) -> None:
        """Leave out runs that end badly, and of the others what is not finite."""
        y = self.frame[self.columns.y].to_numpy()
        bad = [_has_diverged(y[rows], factor) for rows in self.rows]
        lost = [name for name, gone in zip(self.names, bad, strict=True) if gone]
        if len(lost) == len(self.rows):
            rising = all(y[rows[-1]] > y[rows[0]] for rows in self.rows)
            raise InputError(
                f"{'the run' if len(lost) == 1 else f'all {len(lost)} runs'} diverged: the end is no finite "
                f"number, or above {factor:g} times the lowest y"
                + ("; if y is an accuracy, say so (accuracy='share')" if rising else "")
            )
        if lost:
            self.notes.append(f"left out {len(lost)} of {len(bad)} runs, which diverged: {some(lost)}")
        well = [i for i, gone in enumerate(bad) if not gone]
        self.rows, self.names = [self.rows[i] for i in well], [self.names[i] for i in well]
        self.take([rows[np.isfinite(y[rows])] for rows in self.rows], "without a finite y")

    def check_end(self) -> None:
        """Raise InputError for a run alone that ends in what is no finite number."""
        x, y = (self.frame[name].to_numpy()[self.rows[0]] for name in (self.columns.x, self.columns.y))
        end = len(y) - int(np.argmax(np.isfinite(y)[::-1])) if np.isfinite(y).any() else 0
        if not FEWEST <= end < len(y) or not np.isfinite(x).all() or not np.isfinite(y[:end]).all():
            return
        well = diverged_after(x[:end], y[:end])
        last = written(x[end - 1] if well is None else well)
        row = int(self.frame.index[self.rows[0][end]]) + 1
        how = "ends" if well is None and np.isnan(y[end:]).all() else "diverged"
        raise InputError(
            f"the run {how} after {self.columns.x} = {last}: column {self.columns.y!r} from row {row} on is "
            f"missing or not finite; train_until={last} leaves its end out of what is fitted "
            "(drop_missing=True leaves out only the rows without a number)"
        )

    def check_few(self, merged: bool) -> None:
        """Raise InputError where several runs would make one curve without having been asked to."""
        if self.by and len(self.rows) > 1 and not merged:
            example = {self.by[0]: self.names[0] if len(self.by) == 1 else "..."}
            raise InputError(
                f"there are {len(self.rows)} runs by {', '.join(map(repr, self.by))}: {some(self.names, 6)}; "
                f"take one of them (where={example}), the last or the best point of each (keep='last'), "
                "their lower envelope (envelope=True), or all points as one curve (keep='all')"
            )

    def smooth(self, factor: float) -> None:
        """Replace y by local lines."""
        self.values(self.columns.x)
        y = self.values(self.columns.y).copy()
        for rows in self.rows:
            y[rows] = local_lines(self.along[rows], y[rows], factor)
        self.frame[self.columns.y] = y
        self.notes.append(
            f"smoothed y over a factor of {factor:g} to either side; intervals are for smoothed points, and "
            "single ones scatter more"
        )

    def keep(self, which: str) -> None:
        """Go on with the last or the best point of each run, or with all of them as one curve."""
        if which == "all":
            if len(self.rows) > 1:
                self.notes.append(f"took the points of {len(self.rows)} runs as one curve")
            return
        y = self.values(self.columns.y)
        self.rows = [rows[-1:] if which == "last" else rows[[np.argmin(y[rows])]] for rows in self.rows]
        each = f"each of {len(self.rows)} runs" if len(self.rows) > 1 else "the run"
        self.notes.append(f"kept the {which} point of {each}")

    def keep_envelope(self) -> None:
        """Go on with the lower envelope, as one run."""
        x, y, count = self.values(self.columns.x), self.values(self.columns.y), len(self.rows)
        chosen = lower_envelope(x, y, self.rows)
        self.rows, self.names = [chosen], ["envelope"]
        self.notes.append(
            f"kept the {len(chosen)} points on the lower envelope{f' of {count} runs' if count > 1 else ''}"
        )

    def thin(self, count: int, apart: bool = False) -> None:
        """Go on with at most this many points, of each run if they stay apart."""
        x, places = self.values(self.columns.x), self.places()
        parts = self.rows if apart else [places]
        few = [rows[evenly(x[rows], count)] for rows in parts]
        left = sum(map(len, few))
        if left < len(places):
            self.rows, self.names = few, self.names if apart else [""]
            each = " of each curve" if apart else ""
            self.notes.append(f"kept {left} of {len(places)} points, evenly spaced in log x{each}")

    def tell_overlap(self, factor: float) -> None:
        """Tell where points are closer than what they were smoothed over reaches."""
        x = self.values(self.columns.x)[self.places()]
        apart = 1 + int(np.log(x.max() / x.min()) / (2.0 * np.log(factor)))
        if x.min() > 0 and len(x) > apart >= FEWEST:
            self.notes.append(
                "neighbouring points share what they were smoothed over, which makes standard errors too "
                f"small; {apart} points would not (points={apart})"
            )


def warmup_end(warmup: float | str, largest: float) -> float:
    """The x from which on a run counts whose largest x is this; "5%" is a share of it.

    Raises InputError for what is neither a number >= 0 nor a share below 100%.
    """
    text = str(warmup).strip()
    share = text.endswith("%")
    number = written_number(text.removesuffix("%"), "warmup")
    if number < 0 or (share and number >= 100):
        raise InputError(f"warmup = {warmup!r} must be an x >= 0, or a share below 100%")
    return number / 100.0 * largest if share else number


def runs_of(
    table: pd.DataFrame, columns: Columns, by: list[str], steps: str | None, notes: list[str]
) -> Runs:
    """The points by runs, each in order."""
    frame = table[[*columns.names]].copy()
    along = frame[columns.x].to_numpy()
    rows, labels = [np.arange(len(frame))], [""]
    if by:
        groups = table.groupby(by, sort=False, dropna=False)
        along = _along(table, columns.x, groups.ngroup().to_numpy(), steps)
        rows = [np.asarray(places) for places in groups.indices.values()]
        labels = [", ".join(shown(cell) for cell in table[by].iloc[places[0]]) for places in rows]
    rows = [places[np.argsort(along[places], kind="stable")] for places in rows]
    return Runs(frame, columns, along, by, rows, labels, columns.y, notes)


def _along(table: pd.DataFrame, x: str, group: np.ndarray, steps: str | None) -> np.ndarray:
    """What orders the points of a run: x, or where it has one x only its steps, or its rows."""
    along = table[x].to_numpy()
    groups = table.groupby(group)
    if (groups[x].nunique() > 1).any():
        return along
    if steps is not None and table[steps].dtype.kind == "f" and (table[steps] > 0).all():
        return table[steps].to_numpy()
    return groups.cumcount().to_numpy(dtype=float) + 1.0


def _has_diverged(y: np.ndarray, factor: float) -> bool:
    finite = y[np.isfinite(y)]
    if not np.isfinite(y[-1]) or not len(finite):
        return True
    end = float(np.median(finite[-max(1, round(_END * len(finite))) :]))
    return bool(finite.min() > 0 and end > factor * finite.min())


def shown(cell: object) -> str:
    """A cell for people."""
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def tell(notes: list[str], what: str, count: int) -> None:
    """Note how many rows were left out."""
    if count:
        notes.append(f"left out {counted(count, 'row')} {what}")
