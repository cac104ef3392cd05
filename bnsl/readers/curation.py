"""From logged runs to the points of one curve: smoothing, last or best values, the lower envelope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bnsl._base import checks
from bnsl._base.checks import InputError, as_number, some
from bnsl._base.lazy import pd
from bnsl.curves.accuracy import check_accuracy
from bnsl.readers.columns import Columns
from bnsl.readers.rows import chosen_rows, usable, without_blank_end, without_zero
from bnsl.readers.runs import FEWEST, runs_of, shown, warmup_end
from bnsl.readers.source import read_cells

KEPT = ("last", "best", "all")
MERGING = ("by", "keep", "envelope")  # how several runs become one curve; the rest is for each
DIVERGED = 2.0  # times its lowest y, above which a run ends that went wrong
_TOLD = 5  # curves that are left out by name


@dataclass(frozen=True)
class Curation:
    """Which points of logged runs make up the curve.

    Options are applied in the order of the attributes; those not given do nothing. The points of a run are
    ordered by x or, if every run has only one x (such as its size), by its steps or rows.

    Attributes:
        where: only rows with these values, {"optimizer": "adam", "layers": 12}.
        by: columns that tell runs apart (a model size, a seed); by default those of the file format.
        drop_missing: leave out rows without x or y. Not needed for logs. With `diverged`, a run that ends
            without y still counts as diverged.
        offset: added to x, such as 1 for epochs that count from 0.
        accuracy: y is an accuracy, and the curve is the error: 1 - y ("share"), or 1 - y / 100 ("percent").
        resolution: step in which accuracies were measured, such as one over the number of test examples; 0
            and perfect accuracies are moved by half of it, so that they have a logarithm.
        warmup: leave out the points of each run below this x; or below a share of its largest x, "5%".
        diverged: leave out runs that end in NaN or infinity, or above this many times their lowest y (by the
            median of the last twentieth).
        smooth: replace y by a straight line through the points of its run within this factor of x, on log
            axes, which leaves power laws unchanged and has no lag; 1.2 reaches 20 % to either side. Points
            closer than that have correlated errors.
        keep: one point per run, the "last" or the "best" (lowest y); or "all" points as one curve.
        envelope: take the lower envelope of all runs, as for loss against compute: points whose y no run
            reaches at smaller x, and that lie below the other runs at the same x.
        points: thin to at most this many points, evenly spaced in log x; if there are several curves, each.

    Raises:
        InputError: a value that makes no sense.
    """

    where: Mapping[str, str | float] = field(default_factory=dict)
    by: Sequence[str] = ()
    drop_missing: bool = False
    offset: float | None = None
    accuracy: str | None = None
    resolution: float | None = None
    warmup: float | str | None = None
    diverged: float | None = None
    smooth: float | None = None
    keep: str | None = None
    envelope: bool = False
    points: int | None = None

    def __post_init__(self) -> None:
        checks.check_mapping(self.where, "where", "from columns to values, such as {'run': 'a'}", texts=False)
        object.__setattr__(self, "by", tuple(checks.check_names(self.by, "by")))
        for name in ("drop_missing", "envelope"):
            checks.check_flag(getattr(self, name), name)
        check_accuracy(self.accuracy, self.resolution)
        if self.offset is not None:
            as_number(self.offset, "offset")
        if self.warmup is not None:
            warmup_end(self.warmup, 1.0)
        for name in ("diverged", "smooth"):
            factor = getattr(self, name)
            if factor is not None and as_number(factor, name) <= 1:
                raise InputError(f"{name} = {float(factor):g} must be a factor above 1, such as 1.2")
        if self.keep is not None:
            checks.check_choice(self.keep, "keep", KEPT)
        if self.points is not None:
            checks.check_count(self.points, "points", FEWEST)


@dataclass(frozen=True, eq=False)
class Curated:
    """The points that a curation left.

    Attributes:
        table: x, y and perhaps sigma, under their names; the index counts the rows of the file from 0.
        y_label: what y is now.
        notes: what was done, one sentence per step.
        x_label: what x is now.
        runs: how many runs are left.
    """

    table: pd.DataFrame
    y_label: str
    notes: tuple[str, ...]
    x_label: str
    runs: int = 1


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
    """The points of a curve out of a table of runs, or of one curve per run.

    Args:
        table: one row per record; the index counts rows from 0.
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
    chosen = chosen_rows(table, todo)
    table = usable(chosen, columns, todo, sparse, notes)
    if apart:
        _tell_of_lost(chosen, table, list(todo.by), notes)
    runs = runs_of(table, columns, list(todo.by) or ([run] if run is not None else []), steps, notes)
    if todo.accuracy is not None:
        runs.take_errors(todo.accuracy, todo.resolution)
    if todo.warmup is not None:
        runs.drop_warmup(todo.warmup)
    if todo.diverged is not None:
        runs.drop_diverged(todo.diverged)
    elif len(runs.rows) == 1:
        runs.check_end()
    runs.check_few(merged=apart or todo.keep is not None or todo.envelope)
    if todo.smooth is not None:
        runs.smooth(todo.smooth)
    if todo.keep is not None:
        runs.keep(todo.keep)
    if todo.envelope:
        runs.keep_envelope()
    if todo.points is not None:
        runs.thin(todo.points, apart)
    if todo.smooth is not None and todo.keep in (None, "all") and not apart:
        runs.tell_overlap(todo.smooth)
    x_label = columns.x if todo.offset is None else f"{columns.x} + {todo.offset:g}"
    return Curated(runs.frame.iloc[runs.places()], runs.label, tuple(notes), x_label, len(runs.rows))


def curate_each(table: pd.DataFrame, columns: Columns, curation: Curation) -> Curated:
    """The points of every curve of a table by itself; `curation.by` tells the curves apart.

    A curve whose points cannot be taken is left out, and the notes say why. The table of what is returned has
    the columns of `by` too.

    Raises:
        InputError: as `curate`, where that is so of every curve.
    """
    by, each = list(curation.by), replace(curation, where={})
    table = chosen_rows(table, curation)
    notes: list[str] = []
    if each == Curation(by=by):  # nothing more is done to the points, whatever they are
        table = without_zero(without_blank_end(table, columns, notes), columns.x, notes)
        return Curated(table, columns.y, tuple(notes), columns.x)
    try:
        done = curate(table, columns, each, apart=True)
    except InputError as error:
        table = _sound_curves(table, columns, each, error, notes)
        done = curate(table, columns, each, apart=True)
    kept = table.loc[done.table.index, by].copy()
    kept[list(done.table.columns)] = done.table
    return replace(done, table=kept, notes=(*notes, *done.notes))


def _sound_curves(
    table: pd.DataFrame, columns: Columns, each: Curation, error: InputError, notes: list[str]
) -> pd.DataFrame:
    """The rows of curves whose points can be taken, the others told; raises `error` where there are none."""
    groups = table.groupby(list(each.by), sort=False, dropna=False)
    bad = []
    for place, (_, rows) in enumerate(groups):  # the order of ngroup
        try:
            curate(read_cells(rows).table, columns, each, apart=True)
        except InputError as why:
            name = ", ".join(map(str, rows[list(each.by)].iloc[0]))
            bad.append((place, f"{name!r}: {why}"))
    if len(bad) == groups.ngroups:
        raise error
    notes += [f"left out curve {text}" for _, text in bad[:_TOLD]]
    if len(bad) > _TOLD:
        notes.append(f"left out {len(bad) - _TOLD} more such curves")
    return read_cells(table[~groups.ngroup().isin([place for place, _ in bad])]).table


def _tell_of_lost(before: pd.DataFrame, after: pd.DataFrame, by: list[str], notes: list[str]) -> None:
    """Name the curves of which no row is left."""
    curve = before.groupby(by, sort=False, dropna=False).ngroup()
    lost = before[~curve.isin(curve.loc[after.index].unique())].drop_duplicates(by)
    if len(lost):
        names = [", ".join(map(shown, row)) for row in lost[by].itertuples(index=False)]
        notes.append(
            f"left out {len(lost)} of {curve.nunique()} curves, of which no row has x and y: {some(names)}"
        )
