"""The benchmark of 92 learning curves of Alabdulmohsin et al. (2022, arXiv 2209.06640).

Its files are not part of the package. They are looked for in the folder that $BNSL_DATA_DIR names, then in
the cache of the operating system; what is missing is fetched from the authors' repository and kept there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bnsl._base.checks import InputError, check_choice, suggest
from bnsl._base.display import short
from bnsl._base.lazy import pd
from bnsl.curves.curve import Curve
from bnsl.curves.fetching import fetched_table, in_folder, read_checked

ORIGIN = (
    "https://raw.githubusercontent.com/google-research/google-research/"
    "9853680c781781bd8d3de20aa61c7373ce059913/revisiting_neural_scaling_laws/data/"
)
FILES = {  # and their sha256
    "benchmark.vision.csv": "23b00692d71e58aa5a2a941e831d57688e0977fdcf5f5125ff7b64283b5d9e83",
    "benchmark.lang.csv": "63c346db00a66b692e1ea9a0f71a2f2b267e55f74be5b863a92e199dffbf0983",
}
BASELINES = ("baseline_rmsle.csv", "9d4bce2b771610255c77410b2cdb770eb3e1c113f6aff30647baf5b8484c4ee9")
KEY = ("domain", "task", "model")
COLUMNS = ("Domain", "Task", "Model", "Seen Examples", "Loss", "Training")
DESCRIPTION = (
    "92 curves of vision, translation, language models and BIG-Bench (arXiv 2209.06640); not bundled, "
    "fetched on first use"
)


@dataclass(frozen=True, eq=False)
class BenchmarkCurve:
    """One curve of the benchmark, split as its authors split it.

    Attributes:
        domain: "IC" (few-shot image classification), "NMT" (translation), "LM" (language models) or "BB"
            (BIG-Bench).
        task, model: their names in the files.
        fitted: the points to fit; x in seen examples, y an error rate or a loss.
        held_out: the points beyond, to predict.
    """

    domain: str
    task: str
    model: str
    fitted: Curve
    held_out: Curve

    @property
    def key(self) -> tuple[str, str, str]:
        """(domain, task, model), which no other curve has."""
        return self.domain, self.task, self.model

    @property
    def name(self) -> str:
        """Domain, task and model in one text."""
        return " ".join(self.key)

    def __repr__(self) -> str:
        return f"<BenchmarkCurve {self.name}: {len(self.fitted)} fitted, {len(self.held_out)} held out>"


@dataclass(frozen=True, eq=False)
class Benchmark:
    """The curves of the benchmark; made by `bnsl.load_dataset("benchmark")`.

    It has a length, can be iterated over, and finds a curve by number, by (domain, task, model) or by name:
    `benchmark["IC", "inet_10", "BiT/50/1"]`.

    Attributes:
        curves: in the order of the files, images first.
        published: errors that the benchmark's own estimators reach on the held-out points, one row per curve
            (index domain, task, model; columns m1, m2, m3, m4: RMSLE), in the order of `curves`. None without
            baseline_rmsle.csv, which is looked for in $BNSL_DATA_DIR only.
    """

    curves: tuple[BenchmarkCurve, ...]
    published: pd.DataFrame | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.curves)

    def __iter__(self) -> Iterator[BenchmarkCurve]:
        return iter(self.curves)

    def __getitem__(self, key: int | str | tuple[str, str, str]) -> BenchmarkCurve:
        if isinstance(key, int):
            if not -len(self) <= key < len(self):
                raise IndexError(f"curve {key} of a benchmark of {len(self)} curves")
            return self.curves[key]
        for curve in self.curves:
            if key in (curve.key, curve.name):
                return curve
        name = " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
        raise InputError(
            f"the benchmark has no curve {name!r}; look it up by (domain, task, model), see the column "
            "names of .table" + suggest(name, [curve.name for curve in self.curves])
        )

    def select(
        self,
        domain: str | Sequence[str] | None = None,
        task: str | Sequence[str] | None = None,
        model: str | Sequence[str] | None = None,
    ) -> Benchmark:
        """The part with this domain, task and model, or one of these, whichever are given.

        Raises:
            InputError: a name that no curve has, or a combination of them.
        """
        chosen = self.curves
        for place, (argument, given) in enumerate(zip(KEY, (domain, task, model), strict=True)):
            if given is not None:
                wanted = [given] if isinstance(given, str) else list(given)
                for name in wanted:
                    check_choice(name, argument, dict.fromkeys(curve.key[place] for curve in self.curves))
                chosen = tuple(curve for curve in chosen if curve.key[place] in wanted)
        if not chosen:
            raise InputError(f"no curve has domain {domain!r}, task {task!r} and model {model!r} together")
        published = self.published
        if published is not None:
            published = published.loc[[curve.key for curve in chosen]]
        return Benchmark(chosen, published)

    @property
    def table(self) -> pd.DataFrame:
        """One row per curve: domain, task, model, numbers of points, ranges of x and y."""
        rows = []
        for curve in self.curves:
            fitted, held_out = curve.fitted, curve.held_out
            row = {"fitted": len(fitted), "held_out": len(held_out)}
            for axis in ("x", "y"):
                near, far = getattr(fitted, axis), getattr(held_out, axis)
                row |= {f"{axis}_first": near[0], f"{axis}_fitted": near[-1], f"{axis}_last": far[-1]}
            rows.append({**dict(zip(KEY, curve.key, strict=True)), **row})
        return pd.DataFrame(rows)

    @property
    def points(self) -> pd.DataFrame:
        """One row per point: domain, task, model, x (seen examples), y (loss) and whether it is held out."""
        parts = [
            pd.DataFrame(
                {**dict(zip(KEY, curve.key, strict=True)), "x": part.x, "y": part.y, "held_out": held_out}
            )
            for curve in self.curves
            for part, held_out in ((curve.fitted, False), (curve.held_out, True))
        ]
        return pd.concat(parts, ignore_index=True)

    def __repr__(self) -> str:
        domains = Counter(curve.domain for curve in self.curves)
        inner = ", ".join(f"{count} {domain}" for domain, count in domains.items())
        return f"<Benchmark of {len(self)} curves: {inner}>"

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format=short, max_rows=20)


def load_benchmark() -> Benchmark:
    """The 92 curves, from $BNSL_DATA_DIR, the cache or the network.

    Raises:
        InputError: no file at hand and none to be had, or a damaged one; the message says what to do.
    """
    tables = [fetched_table(name, sha256, ORIGIN)[1] for name, sha256 in FILES.items()]
    published, path = None, in_folder(BASELINES[0])
    if path is not None:
        remedy = "put the right file there, or delete it and do without"
        published = read_checked(path, BASELINES[1], remedy).rename(columns=str.lower).set_index(list(KEY))
    return benchmark_from_table(pd.concat(tables, ignore_index=True), published)


def benchmark_from_table(table: pd.DataFrame, published: pd.DataFrame | None = None) -> Benchmark:
    """The curves in a table of the benchmark's columns; rows that repeat another exactly are dropped.

    Args:
        table: one row per point, with the columns of COLUMNS. `Training` = 1 marks the points to fit.
        published: see Benchmark.

    Raises:
        InputError: a curve without points to fit or to hold out, or points that make no Curve.
    """
    curves = []
    for key, group in table.drop_duplicates().groupby(list(COLUMNS[:3]), sort=False):
        domain, task, model = map(str, key)
        name = f"{domain} {task} {model}"
        parts = []
        for mark, part in ((1, "fit"), (0, "hold out")):
            rows = group[group["Training"] == mark]
            if rows.empty:
                raise InputError(f"curve {name!r} has no points to {part} (Training = {mark})")
            x, y = (rows[column].to_numpy(float) for column in ("Seen Examples", "Loss"))
            parts.append(Curve(x, y, None, name, "Seen Examples", "Loss"))
        curves.append(BenchmarkCurve(domain, task, model, *parts))
    if published is not None:
        published = published.loc[[curve.key for curve in curves]]
    return Benchmark(tuple(curves), published)
