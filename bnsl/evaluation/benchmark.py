"""Methods on the 92-curve benchmark: what each predicts for the held-out points, and the tables of errors."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from bnsl._base.checks import InputError, check_choice, check_count, shown, told
from bnsl._base.display import counted, html_frame, quietly, table_text
from bnsl._base.lazy import pd
from bnsl._base.shown import Part, Shown
from bnsl.curves.benchmark import KEY, Benchmark, BenchmarkCurve, load_benchmark
from bnsl.curves.metrics import log_errors, rmsle
from bnsl.evaluation.backtest import Method, predictions, status_of
from bnsl.evaluation.tables import EXPLANATION, MEASURES, bold, markdown_table
from bnsl.fitting.fit import fit
from bnsl.forecasting.forecast import forecast

# What `run_benchmark` runs by default: name -> function of a Curve that returns an object with predict(x).
METHODS: dict[str, Method] = {
    **{form: partial(fit, form=form) for form in ("m1", "m2", "m3", "m4", "bnsl")},
    "forecast": forecast,
}
DOMAINS = ("IC", "BB", "LM", "NMT")  # in the order of the published tables
LANGUAGE = ("BB", "LM", "NMT")
TIE = 1e-6  # errors that differ by less than this share are equal: the solver's last digits
OK = "ok"
FILES = ("results.md", "curves.csv", "domains.csv")

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One method on one curve.

    Attributes:
        curve, method: which.
        predicted: predictions (M,) at the held-out points, or None if it failed.
        status: "ok", the status of a fit that did not converge, or what went wrong.
        seconds: time of fit and prediction.
    """

    curve: BenchmarkCurve
    method: str
    predicted: np.ndarray | None
    status: str
    seconds: float

    @property
    def rmsle(self) -> tuple[float, float]:
        """Root mean squared log error on the held-out points, and its standard error; NaN if unknown."""
        if self.predicted is None:
            return float("nan"), float("nan")
        return rmsle(self.predicted, self.curve.held_out.y)

    @property
    def mean_log_error(self) -> float:
        """Above 0 where the method says too much; NaN if `rmsle` is not known."""
        if self.predicted is None or not np.isfinite(self.rmsle[0]):
            return float("nan")
        return float(np.mean(log_errors(self.predicted, self.curve.held_out.y)))


@dataclass(frozen=True, eq=False, repr=False)
class BenchmarkRun(Shown):
    """Predictions of several methods for the held-out points of the benchmark.

    Attributes:
        benchmark: the curves.
        methods: names, in the order asked for.
        outcomes: one per curve and method, curve by curve.
    """

    benchmark: Benchmark
    methods: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per curve and method.

        Columns: domain, task, model, method; fitted, held_out (numbers of points); rmsle, rmsle_stderr;
        mean_log_error, above 0 where the method says too much; best, whether no method has a smaller rmsle;
        status; seconds.
        """
        rows = []
        for outcome in self.outcomes:
            curve, (error, stderr) = outcome.curve, outcome.rmsle
            rows.append(
                {
                    **dict(zip(KEY, curve.key, strict=True)),
                    "method": outcome.method,
                    "fitted": len(curve.fitted),
                    "held_out": len(curve.held_out),
                    "rmsle": error,
                    "rmsle_stderr": stderr,
                    "mean_log_error": outcome.mean_log_error,
                    "status": outcome.status,
                    "seconds": outcome.seconds,
                }
            )
        table = pd.DataFrame(rows)
        least = table.groupby(list(KEY))["rmsle"].transform("min")
        table.insert(9, "best", table["rmsle"] <= least * (1 + TIE))
        return table

    @cached_property
    def errors(self) -> pd.DataFrame:
        """RMSLE with one row per curve (index domain, task, model) and one column per method."""
        table = self.table.pivot(index=list(KEY), columns="method", values="rmsle")
        return table.reindex(index=[curve.key for curve in self.benchmark], columns=list(self.methods))

    @cached_property
    def by_domain(self) -> pd.DataFrame:
        """One row per domain and method; "language" is BB, LM and NMT together.

        Columns: domain, method; curves; failed, of which no error is known; rmsle_mean and rmsle_geomean over
        the others; wins, the share of all curves on which no method has a smaller error (equal errors count
        for each); beats_published, the share on which it is smaller than those of M1, M2, M3 and
        M4 in `Benchmark.published`, NaN where these are not at hand; seconds, the mean of a curve.
        """
        table, published = self.table.assign(beats=np.nan), self.benchmark.published
        if published is not None:
            bar = published.min(axis=1).loc[list(table[list(KEY)].itertuples(index=False, name=None))]
            table["beats"] = (table["rmsle"] < bar.to_numpy()).astype(float)
        parts = {}
        for domain, members in self._domains().items():
            grouped = table[table["domain"].isin(members)].groupby("method", sort=False)
            parts[domain] = grouped.agg(
                curves=("rmsle", "size"),
                failed=("rmsle", lambda errors: errors.isna().sum()),
                rmsle_mean=("rmsle", "mean"),
                rmsle_geomean=("rmsle", _geometric_mean),
                wins=("best", "mean"),
                beats_published=("beats", "mean"),
                seconds=("seconds", "mean"),
            )
        return pd.concat(parts, names=["domain"]).reset_index()

    @property
    def points(self) -> pd.DataFrame:
        """One row per held-out point and method: domain, task, model, method, x, y, predicted."""
        parts = []
        for outcome in self.outcomes:
            held = outcome.curve.held_out
            values = np.full(len(held), np.nan) if outcome.predicted is None else outcome.predicted
            names = {**dict(zip(KEY, outcome.curve.key, strict=True)), "method": outcome.method}
            parts.append(pd.DataFrame({**names, "x": held.x, "y": held.y, "predicted": values}))
        return pd.concat(parts, ignore_index=True)

    def write(self, folder: str | Path) -> tuple[Path, ...]:
        """Write results.md (`markdown`), curves.csv (`table`) and domains.csv (`by_domain`) into a folder.

        The folder is made if there is none; files of these names are overwritten. Returns their paths.
        """
        paths = tuple(Path(folder) / name for name in FILES)
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        paths[0].write_text(self.markdown(), encoding="utf-8")
        self.table.to_csv(paths[1], index=False)
        self.by_domain.to_csv(paths[2], index=False)
        return paths

    def markdown(self) -> str:
        """The tables by domain, then RMSLE and standard error on every curve, as Markdown; best in bold."""
        lines = [f"# {self._title()}", "", EXPLANATION, ""]
        for title, column, text, least in MEASURES:
            rows = []
            for domain, group in self.by_domain.groupby("domain", sort=False):
                cells = bold(group[column].to_numpy(float), text, least)
                rows.append([str(domain), str(group["curves"].iloc[0]), *cells])
            if any(any(row[2:]) for row in rows):
                lines += [f"## {title}", "", *markdown_table(["domain", "curves", *self.methods], rows)]
        groups = dict(iter(self.table.groupby(list(KEY))))
        head = ["task", "model", "fitted / held out", *self.methods]
        for domain in self._plain_domains():
            rows = []
            for curve in self.benchmark.select(domain=domain):
                cells = []
                columns = groups[curve.key][["rmsle", "rmsle_stderr", "best"]]
                for error, stderr, best in columns.itertuples(index=False):
                    cell = "failed" if np.isnan(error) else f"{error:.4g} ± {stderr:.2g}"
                    cells.append(f"**{cell}**" if best else cell)
                rows.append([curve.task, curve.model, f"{len(curve.fitted)} / {len(curve.held_out)}", *cells])
            lines += [f"## {domain}, curve by curve", "", *markdown_table(head, rows)]
        failed = [outcome for outcome in self.outcomes if np.isnan(outcome.rmsle[0])]
        if failed:
            lines += ["## Failures, which no mean counts", ""]
            lines += [f"- {outcome.curve.name}, {outcome.method}: {outcome.status}" for outcome in failed]
        return "\n".join(lines).rstrip() + "\n"

    def __repr__(self) -> str:
        return f"<BenchmarkRun of {', '.join(self.methods)} on {len(self.benchmark)} curves>"

    def _parts(self) -> list[Part]:
        text = table_text(self.by_domain.dropna(axis="columns", how="all"), index=False)
        return [Part(text, html_frame(self.by_domain, index=False))]

    def _title(self) -> str:
        return f"Errors beyond the fitted points, {counted(len(self.benchmark), 'benchmark curve')}"

    def _plain_domains(self) -> list[str]:
        found = dict.fromkeys(curve.domain for curve in self.benchmark)
        return [*(d for d in DOMAINS if d in found), *(d for d in found if d not in DOMAINS)]

    def _domains(self) -> dict[str, tuple[str, ...]]:
        """The domains at hand, and those of language together, with their members."""
        plain = self._plain_domains()
        language = tuple(domain for domain in plain if domain in LANGUAGE)
        groups: dict[str, tuple[str, ...]] = {domain: (domain,) for domain in plain}
        return groups if len(language) < 2 else {**groups, "language": language}


def run_benchmark(
    benchmark: Benchmark | None = None,
    methods: Mapping[str, Method] | Sequence[str] | None = None,
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> BenchmarkRun:
    """Fit every method to the fitted part of every curve, and predict the held-out part.

    A method is given only a Curve of the fitted points. If it fails, the outcome says so and the others
    continue.

    Args:
        benchmark: the curves; `bnsl.load_dataset("benchmark")` if not given, or a part of it (`select`).
        methods: names among "m1", "m2", "m3", "m4", "bnsl" and "forecast" (all of them if not given); or a
            mapping from names to functions of a Curve that return an object with `predict(x)`.
        threads: methods that run at a time, each in a thread; several help methods that wait, or that compute
            outside of Python.
        progress: called with the number of fits done, of all fits, and the name of the last.

    Returns:
        A BenchmarkRun, with the tables of errors.

    Raises:
        InputError: an unknown method, or a benchmark that cannot be loaded.
    """
    chosen = _chosen(methods)
    count = check_count(threads, "threads", 1)
    if benchmark is not None and not isinstance(benchmark, Benchmark):
        what = "what bnsl.load_dataset('benchmark') returns, or a part of it"
        raise InputError(f"{told('benchmark', benchmark)} must be {what}")
    curves = load_benchmark() if benchmark is None else benchmark
    columns = _columns(chosen, curves, count, progress)
    return BenchmarkRun(curves, tuple(chosen), tuple(o for row in zip(*columns, strict=True) for o in row))


def _columns(
    methods: Mapping[str, Method], curves: Benchmark, threads: int, progress: Progress | None
) -> list[list[Outcome]]:
    """The outcomes of every method, curve by curve."""
    lock, stop, done = threading.Lock(), threading.Event(), itertools.count(1)

    def run(name: str) -> list[Outcome]:
        outcomes = []
        for curve in itertools.takewhile(lambda _: not stop.is_set(), curves):
            outcomes.append(_outcome(curve, name, methods[name]))
            if progress is not None:
                with lock:
                    progress(next(done), len(methods) * len(curves), f"{name} on {curve.name}")
        return outcomes

    # Filters belong to the process, not to a thread: they are set once, around all threads.
    with quietly():
        if threads == 1:
            return [run(name) for name in methods]
        with ThreadPoolExecutor(threads) as pool:
            try:
                return list(pool.map(run, methods))
            except BaseException:  # An interrupt should not wait for what is left.
                stop.set()
                raise


def method_names(methods: Sequence[str]) -> dict[str, Method]:
    """The default methods of these names; raises InputError for one unknown, or named twice."""
    if not isinstance(methods, list | tuple | Mapping) or len(methods) == 0:
        raise InputError(
            f"{told('methods', methods)} must be a list of names, or a mapping of names to functions"
        )
    for i, name in enumerate(methods):
        check_choice(name, f"methods[{i}]", METHODS)
        if name in methods[:i]:
            raise InputError(f"methods names {name!r} twice")
    return {name: METHODS[name] for name in methods}


def _chosen(methods: Mapping[str, Method] | Sequence[str] | None) -> dict[str, Method]:
    if methods is None:
        return dict(METHODS)
    if not isinstance(methods, Mapping):
        return method_names(methods)
    for name, method in methods.items():
        if not isinstance(name, str) or not callable(method):
            raise InputError(f"methods[{name!r}] = {shown(method)} must be a function of a Curve")
    if not methods:
        raise InputError("methods is empty; name at least one")
    return dict(methods)


def _outcome(curve: BenchmarkCurve, name: str, method: Method) -> Outcome:
    start = time.perf_counter()
    predicted = None
    try:
        law = method(curve.fitted)
        predicted = predictions(law, curve.held_out.x)
        status = (status_of(law) or OK).replace("converged", OK)
    except Exception as error:  # whatever it is, the other curves go on
        status = f"failed: {type(error).__name__}: {' '.join(str(error).split())}"
    if predicted is not None:
        good = np.isfinite(predicted) & (predicted > 0)
        if not good.all():
            status = f"no positive finite prediction at {int((~good).sum())} of {len(good)} points"
            predicted = np.where(good, predicted, np.nan)
    return Outcome(curve, name, predicted, status, time.perf_counter() - start)


def _geometric_mean(values: pd.Series) -> float:
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(values).mean()))
