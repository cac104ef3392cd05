"""From logged runs to the points of one curve: smoothing, last or best values, the lower envelope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bnsl._base.checks import InputError, as_number, check_choice, check_count, suggest
from bnsl.readers.columns import Columns, check_numbers, numbers, refuse
from bnsl.readers.source import show, some, with_numbers

if TYPE_CHECKING:
    import pandas as pd

ACCURACIES = {"share": 1.0, "percent": 100.0}  # what a perfect accuracy is
KEPT = ("last", "best")
MERGING = ("by", "keep", "envelope", "points")  # how several runs become one curve; the rest is for each
FEWEST = 3  # points of a fit
DIVERGED = 2.0  # times its lowest y, above which a run ends that went wrong
_TOLD = 5  # curves that are left out by name
_END = 0.05  # share of a run whose median says where it ends


@dataclass(frozen=True)
class Curation:
    """Which points of logged runs make the curve; nothing is done that is not asked for.

    The steps are taken in the order of the attributes. A run proceeds along x or, where every run has one
    x (its size, say), along the steps that its format counts, else along its rows.

    Attributes:
        where: only rows with these values, {"optimizer": "adam", "layers": 12}.
        by: columns of which each combination of values is a run (a model size, a seed); the reader's own
            where its format knows runs.
        drop_missing: leave out rows without x or y; a run that ends without y has diverged all the same, if
            that is asked for. Logs, which have records without either, need it not.
        accuracy: y is an accuracy, and the curve is the error: 1 - y ("share"), or 1 - y / 100 ("percent").
        warmup: leave out the points of each run below this x; or below a share of its largest x, "5%".
        diverged: leave out runs that end in what is no finite number, or above this many times their lowest
            y, by the median of the last twentieth.
        smooth: replace y by a straight line through the points of its run within this factor of x, which on
            logarithmic axes leaves power laws as they are and has no lag; 1.2 reaches 20 % to either side.
            Points closer than that have errors in common.
        keep: one point a run, the "last" or the "best" (lowest y).
        envelope: the lower envelope over the runs, as of loss against compute: points that no run reaches
            for less, and below what the other runs have at the same x, between their points.
        points: at most this many points, evenly spaced in log x.

    Raises:
        InputError: a value that makes no sense.
    """

    where: Mapping[str, str | float] = field(default_factory=dict)
    by: Sequence[str] = ()
    drop_missing: bool = False
    accuracy: str | None = None
    warmup: float | str | None = None
    diverged: float | None = None
    smooth: float | None = None
    keep: str | None = None
    envelope: bool = False
    points: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", (self.by,) if isinstance(self.by, str) else tuple(self.by))
        if self.accuracy is not None:
            check_choice(self.accuracy, "accuracy", ACCURACIES)
        if self.warmup is not None:
            warmup_end(self.warmup, 1.0)
        for name in ("diverged", "smooth"):
            if getattr(self, name) is not None:
                factor = as_number(getattr(self, name), name)
                if factor <= 1:
                    raise InputError(f"{name} = {factor:g} must be a factor above 1, such as 1.2")
        if self.keep is not None:
            check_choice(self.keep, "keep", KEPT)
        if self.points is not None:
            check_count(self.points, "points", FEWEST)


@dataclass(frozen=True, eq=False)
class Curated:
    """The points that a curation left.

    Attributes:
        table: x, y and perhaps sigma, under their names; the index counts the rows of the file from 0.
        y_label: what y is now.
        notes: what was done, a sentence a step.
    """

    table: pd.DataFrame
    y_label: str
    notes: tuple[str, ...]


def curate(
    table: pd.DataFrame,
    columns: Columns,
    curation: Curation | None = None,
    *,
    run: str | None = None,
    steps: str | None = None,
    sparse: bool = False,
    apart: bool = False,
) -> Curated:
    """The points of a curve out of a table of runs, or of a curve a run.

    Args:
        table: one row a record; the index counts rows from 0.
        columns: the columns of x, y and perhaps sigma.
        curation: what to do; by default no more than to leave out what a sparse table has to lack.
        run: the column that tells runs apart, where the format has one.
        steps: the column along which runs proceed, where the format has one.
        sparse: whether rows without x or y, and with x <= 0, are as it should be.
        apart: whether the runs stay apart; then there is nothing to keep of each, no envelope, no thinning.

    Raises:
        InputError: an unknown column or value, cells that are no numbers, several runs that nothing was
            asked to bring together, or no points left.
    """
    todo = Curation() if curation is None else curation
    if columns.sigma is not None and todo.smooth is not None:
        raise InputError("smooth changes the errors that sigma gives; leave one of them out")
    notes: list[str] = []
    chosen = _where(table, todo)
    table = _usable(chosen, columns, todo, sparse, notes)
    if apart:
        _tell_of_lost(chosen, table, list(todo.by), notes)
    runs = _runs(table, columns, list(todo.by) or ([run] if run is not None else []), steps, notes)
    if todo.accuracy is not None:
        runs.frame, runs.label = _errors(runs.frame, columns, todo.accuracy, notes)
    if todo.warmup is not None:
        runs.drop_warmup(todo.warmup)
    if todo.diverged is not None:
        runs.drop_diverged(todo.diverged)
    runs.check_few(merged=apart or todo.keep is not None or todo.envelope)
    if todo.smooth is not None:
        runs.smooth(todo.smooth)
    if todo.keep is not None:
        runs.keep(todo.keep)
    if todo.envelope:
        runs.keep_envelope()
    if todo.points is not None:
        runs.thin(todo.points)
    if todo.smooth is not None and todo.keep is None and not apart:
        runs.tell_overlap(todo.smooth)
    names = [name for name in (columns.x, columns.y, columns.sigma) if name is not None]
    return Curated(runs.frame.iloc[runs.places()][names], runs.label, tuple(notes))


def curate_each(table: pd.DataFrame, columns: Columns, curation: Curation) -> Curated:
    """The points of every curve of a table by itself; `curation.by` tells the curves apart.

    A curve whose points cannot be taken is left out, and the notes say why. The table of what is returned has
    the columns of `by` too.

    Raises:
        InputError: as `curate`, where that is so of every curve.
    """
    by, each = list(curation.by), replace(curation, where={})
    table = _where(table, curation)
    if each == Curation(by=by):  # nothing is done to the points, whatever they are
        return Curated(table, columns.y, ())
    notes: list[str] = []
    try:
        done = curate(table, columns, each, apart=True)
    except InputError as error:
        table = _sound_curves(table, columns, each, error, notes)
        done = curate(table, columns, each, apart=True)
    kept = table.loc[done.table.index, by].copy()
    kept[list(done.table.columns)] = done.table
    return Curated(kept, done.y_label, (*notes, *done.notes))


@dataclass
class _Runs:
    """The points of runs while they are being curated.

    Attributes:
        frame: a row a point, with x, y and perhaps sigma.
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
        _tell(self.notes, why, count)
        self.rows, self.names = [rows for rows, _ in left], [name for _, name in left]

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
            raise InputError(
                f"{'the run' if len(lost) == 1 else f'all {len(lost)} runs'} diverged: the end is no finite "
                f"number, or above {factor:g} times the lowest y"
                + ("; if y is an accuracy, say so (--accuracy)" if self.rises(y) else "")
            )
        if lost:
            self.notes.append(f"left out {len(lost)} of {len(bad)} runs, which diverged: {some(lost)}")
        well = [i for i, gone in enumerate(bad) if not gone]
        self.rows, self.names = [self.rows[i] for i in well], [self.names[i] for i in well]
        self.take([rows[np.isfinite(y[rows])] for rows in self.rows], "without a finite y")

    def rises(self, y: np.ndarray) -> bool:
        """Whether all runs end above where they began."""
        return all(y[rows[-1]] > y[rows[0]] for rows in self.rows)

    def check_few(self, merged: bool) -> None:
        """Raise InputError where several runs would make one curve without having been asked to."""
        if self.by and len(self.rows) > 1 and not merged:
            raise InputError(
                f"there are {len(self.rows)} runs by {', '.join(map(repr, self.by))}: {some(self.names)}; "
                f"take one of them (--where {self.by[0]}=...), the last or the best point of each (--keep "
                "last), or their lower envelope (--envelope)"
            )

    def smooth(self, factor: float) -> None:
        """Replace y by local lines."""
        self.values(self.columns.x)
        y = self.values(self.columns.y).copy()
        for rows in self.rows:
            y[rows] = local_lines(self.along[rows], y[rows], factor)
        self.frame[self.columns.y] = y
        self.notes.append(f"smoothed y over a factor of {factor:g} to either side")

    def keep(self, which: str) -> None:
        """Go on with the last or the best point of each run."""
        y = self.values(self.columns.y)
        self.rows = [rows[-1:] if which == "last" else rows[[np.argmin(y[rows])]] for rows in self.rows]
        self.notes.append(f"kept the {which} point of each of {len(self.rows)} runs")

    def keep_envelope(self) -> None:
        """Go on with the lower envelope, as one run."""
        x, y, count = self.values(self.columns.x), self.values(self.columns.y), len(self.rows)
        chosen = lower_envelope(x, y, self.rows)
        self.rows, self.names = [chosen], ["envelope"]
        self.notes.append(f"kept the {len(chosen)} points on the lower envelope of {count} runs")

    def thin(self, count: int) -> None:
        """Go on with at most this many points."""
        x, places = self.values(self.columns.x), self.places()
        if len(places) > count:
            few = places[evenly(x[places], count)]
            self.rows, self.names = [few], [""]
            self.notes.append(f"kept {len(few)} of {len(places)} points, evenly spaced in log x")

    def tell_overlap(self, factor: float) -> None:
        """Tell where points are closer than what they were smoothed over reaches."""
        x = self.values(self.columns.x)[self.places()]
        apart = 1 + int(np.log(x.max() / x.min()) / (2.0 * np.log(factor)))
        if x.min() > 0 and len(x) > apart >= FEWEST:
            self.notes.append(
                "neighbouring points share what they were smoothed over, which makes standard errors too "
                f"small; {apart} points would not (--points {apart})"
            )


def warmup_end(warmup: float | str, largest: float) -> float:
    """The x from which on a run counts whose largest x is this; "5%" is a share of it.

    Raises InputError for what is neither a number >= 0 nor a share below 100%.
    """
    text = str(warmup).strip()
    number = as_number(text.removesuffix("%"), "warmup")
    share = text.endswith("%")
    if number < 0 or (share and number >= 100):
        raise InputError(f"warmup = {warmup!r} must be an x >= 0, or a share below 100%")
    return number / 100.0 * largest if share else number


def _where(table: pd.DataFrame, todo: Curation) -> pd.DataFrame:
    """The rows with the values asked for; InputError for a column that there is not."""
    for name in (*todo.where, *todo.by):
        if name not in table.columns:
            known = [str(column) for column in table.columns]
            raise InputError(
                f"there is no column {name!r}; the columns are {some(known)}{suggest(name, known)}"
            )
    for name, value in todo.where.items():
        table = table[_equal(table[name], name, value)]
    # A column may be numbers now that rows with text are gone.
    return with_numbers(table.copy()) if todo.where else table


def _equal(column: pd.Series, name: str, value: str | float) -> pd.Series:
    """Where a column has a value; InputError where it never does."""
    if str(value).strip() == "":
        found = column.isna()
    elif column.dtype.kind == "f":
        found = column == as_number(value, f"where {name}")
    else:
        found = column.astype(str) == str(value)
    if not found.any():
        there = [_shown(cell) for cell in column.dropna().unique()]
        raise InputError(
            f"column {name!r} never is {show(value)}; it has {some(there)}{suggest(value, there)}"
        )
    return found


def _usable(
    table: pd.DataFrame, columns: Columns, todo: Curation, sparse: bool, notes: list[str]
) -> pd.DataFrame:
    """The rows with x and y, and of a log those with x > 0."""
    x, y = columns.x, columns.y
    if sparse or todo.drop_missing:
        # A y that is missing at the end of a table's run may be NaN: `diverged` judges that, and drops it.
        judged = todo.diverged is not None and not sparse
        full = table[table[x].notna() & (table[y].notna() | judged)]
        if not len(full):
            raise InputError(f"no row has both {x!r} and {y!r}; take columns that were logged together")
        if todo.drop_missing:
            _tell(notes, "without x or y", len(table) - len(full))
        table = full
    for name in (x, y):
        check_numbers(table, name)
    if sparse:
        positive = table[table[x] > 0]
        if len(positive):  # or it is better to tell of the first of them
            _tell(notes, f"with {x} <= 0", len(table) - len(positive))
            table = positive
    return table


def _sound_curves(
    table: pd.DataFrame, columns: Columns, each: Curation, error: InputError, notes: list[str]
) -> pd.DataFrame:
    """The rows of curves whose points can be taken, the others told; raises `error` where there are none."""
    groups = table.groupby(list(each.by), sort=False, dropna=False)
    bad = []
    for place, (_, rows) in enumerate(groups):  # the order of ngroup
        try:
            curate(with_numbers(rows.copy()), columns, each, apart=True)
        except InputError as why:
            name = ", ".join(map(str, rows[list(each.by)].iloc[0]))
            bad.append((place, f"{name!r}: {why}"))
    if len(bad) == groups.ngroups:
        raise error
    notes += [f"left out curve {text}" for _, text in bad[:_TOLD]]
    if len(bad) > _TOLD:
        notes.append(f"left out {len(bad) - _TOLD} more such curves")
    return with_numbers(table[~groups.ngroup().isin([place for place, _ in bad])].copy())


def _tell_of_lost(before: pd.DataFrame, after: pd.DataFrame, by: list[str], notes: list[str]) -> None:
    """Name the curves of which no row is left."""
    curve = before.groupby(by, sort=False, dropna=False).ngroup()
    lost = before[~curve.isin(curve.loc[after.index].unique())].drop_duplicates(by)
    if len(lost):
        names = [", ".join(map(_shown, row)) for row in lost[by].itertuples(index=False)]
        notes.append(
            f"left out {len(lost)} of {curve.nunique()} curves, of which no row has x and y: {some(names)}"
        )


def _runs(table: pd.DataFrame, columns: Columns, by: list[str], steps: str | None, notes: list[str]) -> _Runs:
    """The points by runs, each in order."""
    names = [name for name in (columns.x, columns.y, columns.sigma) if name is not None]
    frame = table[names].copy()
    if not by:
        along = frame[columns.x].to_numpy()
        rows, labels = [np.arange(len(frame))], [""]
    else:
        groups = table.groupby(by, sort=False, dropna=False)
        along = _along(table, columns.x, groups.ngroup().to_numpy(), steps)
        rows = [np.asarray(places) for places in groups.indices.values()]
        labels = [", ".join(_shown(cell) for cell in table[by].iloc[places[0]]) for places in rows]
    rows = [places[np.argsort(along[places], kind="stable")] for places in rows]
    return _Runs(frame, columns, along, by, rows, labels, columns.y, notes)


def _along(table: pd.DataFrame, x: str, group: np.ndarray, steps: str | None) -> np.ndarray:
    """What orders the points of a run: x, or where it has one x only its steps, or its rows."""
    along = table[x].to_numpy()
    groups = table.groupby(group)
    if (groups[x].nunique() > 1).any():
        return along
    if steps is not None and table[steps].dtype.kind == "f" and (table[steps] > 0).all():
        return table[steps].to_numpy()
    return groups.cumcount().to_numpy(dtype=float) + 1.0


def _errors(
    frame: pd.DataFrame, columns: Columns, accuracy: str, notes: list[str]
) -> tuple[pd.DataFrame, str]:
    """The points with errors for accuracies, and what to call them."""
    top = ACCURACIES[accuracy]
    y = frame[columns.y].to_numpy()
    finite = np.isfinite(y)
    why = f"an accuracy is at most {top:g}"
    if accuracy == "share" and y[finite].max(initial=0.0) <= 100:
        why += "; if these are percentages, say so (--accuracy-percent, or accuracy='percent')"
    refuse(frame, columns.y, y, finite & (y > top), why)
    refuse(frame, columns.y, y, finite & (y < 0), "an accuracy is at least 0")
    if accuracy == "percent" and y[finite].max(initial=0.0) <= 1:
        notes.append(
            "no accuracy is above 1 %; if these are shares, say so (--accuracy, or accuracy='share')"
        )
    frame = frame.assign(**{columns.y: 1.0 - y / top})
    if columns.sigma is not None:
        frame[columns.sigma] = frame[columns.sigma] / top
    return frame, f"1 - {columns.y}" if top == 1.0 else f"1 - {columns.y} / {top:g}"


def _shown(cell: object) -> str:
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def _has_diverged(y: np.ndarray, factor: float) -> bool:
    finite = y[np.isfinite(y)]
    if not np.isfinite(y[-1]) or not len(finite):
        return True
    end = float(np.median(finite[-max(1, round(_END * len(finite))) :]))
    return bool(finite.min() > 0 and end > factor * finite.min())


def local_lines(x: np.ndarray, y: np.ndarray, factor: float) -> np.ndarray:
    """At each x the least-squares line through the points within a factor, in log x and log y.

    x is sorted and positive. Where some y is not positive, y itself is used. A line, unlike a mean, is not
    drawn aside by a slope where the points end or thin out.
    """
    u = np.log(x) - np.log(x).mean()
    positive = bool((y > 0).all())
    v = np.log(y) if positive else y
    origin = v.mean()
    reach = np.log(factor) * (1.0 + 1e-12)
    low, high = np.searchsorted(u, u - reach, "left"), np.searchsorted(u, u + reach, "right")

    def total(values: np.ndarray) -> np.ndarray:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        return np.asarray(sums[high] - sums[low])

    count = (high - low).astype(float)
    mean_u, mean_v = total(u) / count, total(v - origin) / count
    spread = total(u * u) / count - mean_u**2
    slope = np.zeros(len(u))
    apart = spread > 1e-12 * max(float(np.ptp(u)) ** 2, 1e-300)
    slope[apart] = ((total(u * (v - origin)) / count - mean_u * mean_v) / np.where(apart, spread, 1.0))[apart]
    smooth = origin + mean_v + slope * (u - mean_u)
    return np.exp(smooth) if positive else smooth


def lower_envelope(x: np.ndarray, y: np.ndarray, runs: Sequence[np.ndarray]) -> np.ndarray:
    """The rows of points that no run reaches for less, nor passes below between its points."""
    rows = np.concatenate(runs)
    owner = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    log_x = np.log(x[rows]) if (x[rows] > 0).all() else x[rows]
    value = np.log(y[rows]) if (y[rows] > 0).all() else y[rows]
    lowest = np.full(len(rows), np.inf)
    for i in range(len(runs)):
        mine = owner == i
        if mine.sum() > 1:
            order = np.argsort(log_x[mine], kind="stable")
            there = np.interp(log_x, log_x[mine][order], value[mine][order], left=np.inf, right=np.inf)
            lowest = np.where(mine, lowest, np.minimum(lowest, there))
    order = np.lexsort([value, log_x])
    before = np.concatenate([[np.inf], np.minimum.accumulate(value[order])[:-1]])
    on = np.zeros(len(rows), bool)
    on[order] = value[order] < before
    return rows[on & (value <= lowest)]


def evenly(x: np.ndarray, count: int) -> np.ndarray:
    """Places of at most `count` of the points, next to even steps in log x and with both ends."""
    order = np.argsort(x, kind="stable")
    log_x = np.log(x[order])
    wanted = np.linspace(log_x[0], log_x[-1], count)
    after = np.clip(np.searchsorted(log_x, wanted), 1, len(log_x) - 1)
    nearer = np.where(wanted - log_x[after - 1] < log_x[after] - wanted, after - 1, after)
    return np.sort(order[np.unique(nearer)])


def _tell(notes: list[str], what: str, count: int) -> None:
    if count:
        notes.append(f"left out {count} {'row' if count == 1 else 'rows'} {what}")
