"""The shell command `bnsl`: files in, exit codes out; the only place that prints.

Exit codes: 0, also for a fit that went badly (its warnings say so); 2 for bad input, with one line on the
standard error; 130 if interrupted; 141 if the reader of the output went away.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bnsl import report
from bnsl._arrays import InputError, as_number, check_choice, check_share, positive_inputs, suggest
from bnsl._cache import keep_compiled_programs
from bnsl.backtesting import backtest
from bnsl.benchmarking import METHODS, method_names, run_benchmark
from bnsl.comparison import ALL_FORMS, compare, forms_by_label
from bnsl.curve import Curve
from bnsl.datasets import BENCHMARK, CATALOGUE, DESCRIPTIONS, load_curve, load_dataset
from bnsl.extrapolation import Extrapolation, extrapolate, nothing_held_out
from bnsl.fitting import fit
from bnsl.forecasting import Forecast, forecast
from bnsl.forms import FORMS, get_form
from bnsl.losses import LOSSES, ROBUST
from bnsl.readers import STDIN, choose_columns, curve_from_table, read_table, stem
from bnsl.result import ExtrapolationWarning, FitResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LEVEL = 0.9  # of the intervals around predictions
AHEAD = (2.0, 10.0)  # predictions at these multiples of the last fitted x, if none are asked for
BACKTESTED = {"forecast": forecast}  # methods of 'bnsl backtest' besides the forms
FORECAST_AHEAD = (1.5, 2.0, 4.0, 10.0)  # likewise of a forecast
DPI = 200

_FIT_EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl fit curve.csv
  bnsl fit curve.csv --x x --y y --train-until 736 --predict 1000 --plot curve.png --json curve.json
"""
_FORECAST_EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl forecast curve.csv
  bnsl forecast curve.csv --train-until 736 --predict 1000 --plot forecast.png --json forecast.json
"""
_COMPARE_EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl compare curve.csv --train-until 736
  bnsl compare curve.csv --forms m2,bnsl --n-breaks 0,1 --plot forms.png --json forms.json
"""
_PLOT_EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl plot curve.csv --train-until 736 -o fit.png
  bnsl plot curve.csv --decompose -o segments.pdf
"""
_BACKTEST_EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl backtest curve.csv --form m2
  bnsl backtest curve.csv --method forecast
  bnsl backtest curve.csv --cut 600 --cut 736 --n-breaks 1 --plot backtest.png --json backtest.json
"""
_BENCHMARK_EXAMPLE = """examples:
  bnsl benchmark --methods m1,m2 --domains LM,NMT
  bnsl benchmark --methods bnsl,forecast --domains NMT --output benchmark-results

The curves are looked for in the folder that $BNSL_DATA_DIR names, then in the cache; they are fetched from
their public origin the first time.
"""
_DATASETS_EXAMPLE = """examples:
  bnsl datasets
  bnsl datasets double_descent > curve.csv
"""
_MAIN_EXAMPLE = """examples:
  bnsl datasets four_digit_addition > curve.csv
  bnsl fit curve.csv --train-until 736
  bnsl forecast curve.csv

'bnsl COMMAND --help' explains a command. Compiled programs are kept in $BNSL_CACHE_DIR, which defaults to
~/.cache/bnsl/jax; empty means that none are kept.
"""
_FILE_HELP = (
    "a table with a header: .csv, .tsv, .jsonl, .ndjson or .parquet, also with .gz; '-' reads CSV from the "
    "standard input; the name of a data set of 'bnsl datasets' will do where no such file exists"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        argv: the arguments; those of the process if None. Only then are compiled programs kept on disk,
            since that changes the configuration of JAX.
    """
    try:
        args = _parsed(sys.argv[1:] if argv is None else argv)
        if argv is None:
            keep_compiled_programs()
        with _warnings_as_lines():
            args.run(args)
        sys.stdout.flush()
    except InputError as error:
        return _fail(error)
    except BrokenPipeError:
        # What is still buffered has nowhere to go; a second failure at exit would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _fail(f"{error.filename or 'output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("bnsl: interrupted", file=sys.stderr)
        return 130
    return 0


# --- commands -------------------------------------------------------------------------------------


def _run_fit(args: argparse.Namespace) -> None:
    _check_outputs(args)
    options = _law(args)
    law = _fitted(args, _read(args), options)
    extrapolation = law if isinstance(law, Extrapolation) else None
    result = law.result if isinstance(law, Extrapolation) else law
    shown = (result, _predictions(result, args.predict), LEVEL, extrapolation)
    if args.json != STDIN:
        print(report.fit_text(*shown))
    _write_json(args.json, lambda: report.fit_json(*shown))
    if args.plot:
        from bnsl.plots import plot_fit

        _draw(args.plot, lambda ax: plot_fit(law, ax=ax))


def _run_forecast(args: argparse.Namespace) -> None:
    _check_outputs(args)
    level = check_share(args.level, "--level")
    if args.predict:
        positive_inputs(args.predict, 1)
    rule = _split_rule(args)
    curve = _read(args)
    fitted, held_out = curve.split(**rule)
    if rule and held_out is None:
        raise nothing_held_out(curve)
    found = forecast(fitted)
    beyond = None if held_out is None else _held_out(found, held_out, level)
    shown = (found, _predictions(found, args.predict, FORECAST_AHEAD, level), level, beyond)
    if args.json != STDIN:
        print(report.forecast_text(*shown))
    _write_json(args.json, lambda: report.forecast_json(*shown))
    if args.plot:
        from bnsl.plots import AHEAD as DRAWN_AHEAD
        from bnsl.plots import plot_forecast

        end = float(curve.x[-1]) * (DRAWN_AHEAD if held_out is None else 1.0)
        farthest = max(args.predict, default=end)
        options: dict[str, Any] = {"levels": sorted({0.5, level})}
        options["x_max"] = farthest if farthest > end else None
        _draw(args.plot, lambda ax: plot_forecast(found, held_out=held_out, ax=ax, **options))


def _run_compare(args: argparse.Namespace) -> None:
    _check_outputs(args)
    forms = [name.strip().lower() for name in args.forms.split(",")]
    forms_by_label(forms, args.n_breaks)  # before the first of them is fitted
    check_choice(args.loss, "loss", LOSSES)
    options = {"forms": forms, "n_breaks": args.n_breaks, "loss": args.loss, "robust": args.robust}
    comparison = compare(_read(args), **options, **_split_rule(args))
    if args.json != STDIN:
        print(report.comparison_text(comparison))
    _write_json(args.json, lambda: report.comparison_json(comparison))
    if args.plot:
        from bnsl.plots import plot_comparison

        _draw(args.plot, lambda ax: plot_comparison(comparison, ax=ax))


def _run_plot(args: argparse.Namespace) -> None:
    _check_outputs(args)
    if args.decompose and args.form.lower() in FORMS and args.form.lower() != "bnsl":
        raise InputError(f"--decompose draws the power laws of a bnsl; form {args.form!r} has none")
    options = _law(args)
    law = _fitted(args, _read(args), options)
    for warning in (law.result if isinstance(law, Extrapolation) else law).warnings:
        _note(f"warning: {warning.code}: {warning.message}")
    from bnsl.plots import plot_decomposition, plot_fit

    draw = plot_decomposition if args.decompose else plot_fit
    _draw(args.plot, lambda ax: draw(law, ax=ax))


def _run_backtest(args: argparse.Namespace) -> None:
    _check_outputs(args)
    law = _backtested(args)
    if args.tolerance is not None:
        as_number(args.tolerance, "--tolerance", lambda value: 0 < value < float("inf"))
    tested = backtest(_read(args), cuts=args.cut or None, **law)
    if args.json != STDIN:
        print(tested.summary())
        if args.tolerance is not None:
            far = tested.trusted(args.tolerance)
            reach = "at no distance" if far != far else f"up to {far:.4g} times the last fitted x"
            print(f"\nrmsle within {args.tolerance:g} {reach}")
    _write_json(args.json, tested.to_json)
    if args.plot:
        from bnsl.plots import plot_backtest

        _draw(args.plot, lambda ax: plot_backtest(tested, ax=ax))


def _run_benchmark(args: argparse.Namespace) -> None:
    methods = method_names([name.strip().lower() for name in args.methods.split(",")])
    folder = Path(args.output)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output {args.output!r} is a file; give a folder")
    benchmark = load_dataset("benchmark")
    if args.domains is not None:
        benchmark = benchmark.select(domain=[name.strip() for name in args.domains.split(",")])
    folder.mkdir(parents=True, exist_ok=True)  # or fail now rather than after the fits
    progress = None if args.quiet else _Progress()
    run = run_benchmark(benchmark, methods, progress=progress)
    paths = run.write(folder)
    print(run.summary())
    from matplotlib.figure import Figure

    from bnsl.plots import benchmark_size, plot_benchmark

    figure = Figure(figsize=benchmark_size(run), layout="constrained")
    plot_benchmark(run, ax=figure.subplots())
    figure.savefig(folder / "benchmark.png", dpi=DPI, bbox_inches="tight")
    for path in () if args.quiet else (*paths, folder / "benchmark.png"):
        _note(f"wrote {path}")


class _Progress:
    """A counter with the time left on the standard error: one line that changes on a terminal, else ten."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.shown = 0.0

    def __call__(self, done: int, total: int, name: str) -> None:
        spent = time.monotonic() - self.start
        left = spent / done * (total - done)
        text = (
            f"{done} of {total} fits, about {left:.0f} s left"
            if done < total
            else f"{total} fits, {spent:.0f} s"
        )
        if sys.stderr.isatty():
            if spent - self.shown > 0.1 or done == total:
                self.shown = spent
                end = "\n" if done == total else ""
                print(f"\r\033[Kbnsl: {text}", end=end, file=sys.stderr, flush=True)
        elif done * 10 // total > (done - 1) * 10 // total:
            _note(text)


def _run_datasets(args: argparse.Namespace) -> None:
    if args.name is not None:
        data = load_dataset(args.name)
        text = report.curve_csv(data) if isinstance(data, Curve) else data.points.to_csv(index=False)
        print(text.removesuffix("\n"))
        return
    curves = [load_curve(name) for name in DESCRIPTIONS]
    if args.json != STDIN:
        print(report.datasets_text(curves, CATALOGUE))
    _write_json(args.json, lambda: report.datasets_json(curves, CATALOGUE))


# --- input ----------------------------------------------------------------------------------------


def _read(args: argparse.Namespace) -> Curve:
    """The curve in FILE, or the bundled data set of that name; guesses are told on the standard error."""
    if args.file != STDIN and not Path(args.file).exists():
        if args.file in DESCRIPTIONS:
            return _bundled(args)
        if args.file == BENCHMARK:
            raise InputError("FILE 'benchmark' is 92 curves, not one; 'bnsl benchmark' fits them all")
        if not Path(args.file).suffix:
            raise InputError(
                f"FILE {args.file!r} is neither a file nor a data set of 'bnsl datasets'"
                + suggest(args.file, DESCRIPTIONS)
            )
    table = read_table(args.file)
    columns = choose_columns(table, args.x, args.y, args.sigma)
    if columns.guessed:
        _note(f"took x = {columns.x!r} and y = {columns.y!r}; --x and --y choose other columns")
    for name in columns.unused:
        _note(f"column {name!r} is not used; --sigma {name} would weight the points by it")
    return curve_from_table(table, columns, name=stem(args.file), loss=args.loss)


def _bundled(args: argparse.Namespace) -> Curve:
    for option in ("x", "y", "sigma"):
        if getattr(args, option) is not None:
            raise InputError(f"--{option}: the bundled data set {args.file!r} has its columns; leave it out")
    curve = load_curve(args.file)
    weighted = "" if curve.sigma is None else ", weighted by its standard errors"
    _note(f"there is no file {args.file!r}; took the bundled data set of that name{weighted}")
    return curve


def _law(args: argparse.Namespace) -> dict[str, Any]:
    """What is to be fitted, checked as far as can be without the data."""
    get_form(args.form, args.n_breaks)
    check_choice(args.loss, "loss", LOSSES)
    if args.predict:
        positive_inputs(args.predict, 1)
    return {
        "form": args.form,
        "n_breaks": args.n_breaks,
        "loss": args.loss,
        "robust": args.robust,
        "fixed": _fixed(args.fix),
    }


def _backtested(args: argparse.Namespace) -> dict[str, Any]:
    """The method or the form to back-test, with its options, checked as far as can be without the data."""
    if args.method is None:
        form = "bnsl" if args.form is None else args.form
        get_form(form, args.n_breaks)
        check_choice(args.loss, "loss", LOSSES)
        options = {"n_breaks": args.n_breaks, "loss": args.loss, "robust": args.robust}
        return {"form": form, **options, "fixed": _fixed(args.fix)}
    check_choice(args.method, "method", BACKTESTED)
    for_forms: dict[str, Any] = {"form": None, "n_breaks": None, "loss": "log", "robust": None, "fix": []}
    for name, default in for_forms.items():
        if getattr(args, name) != default:
            option = name.replace("_", "-")
            raise InputError(f"--{option} goes with a form; --method {args.method} takes none, leave it out")
    return {"method": BACKTESTED[args.method]}


def _fitted(args: argparse.Namespace, curve: Curve, options: dict[str, Any]) -> FitResult | Extrapolation:
    """The fit, with a hold-out if one was asked for."""
    rule = _split_rule(args)
    return extrapolate(curve, **rule, **options) if rule else fit(curve, **options)


def _split_rule(args: argparse.Namespace) -> dict[str, Any]:
    names = ("train_until", "train_count", "train_fraction")
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _fixed(entries: Sequence[str]) -> dict[str, float]:
    fixed: dict[str, float] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals or not name:
            raise InputError(f"--fix {entry!r} must be NAME=VALUE, such as --fix a=0")
        if name in fixed:
            raise InputError(f"--fix gives {name!r} twice")
        fixed[name] = as_number(value, f"--fix {name}")
    return fixed


# --- output ---------------------------------------------------------------------------------------


def _predictions(
    law: FitResult | Forecast, points: Sequence[float], ahead: Sequence[float] = AHEAD, level: float = LEVEL
) -> pd.DataFrame:
    """Predictions at the points asked for, or at these multiples of the last fitted x."""
    import pandas as pd

    x = list(points) or [factor * float(law.curve.x.max()) for factor in ahead]
    lower, upper = law.interval(x, level)
    return pd.DataFrame({"x": x, "predicted": law.predict(x), "lower": lower, "upper": upper})


def _held_out(law: Forecast, held_out: Curve, level: float) -> pd.DataFrame:
    """What a forecast says of points that it has not seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)  # these points are there, however far
        table = _predictions(law, held_out.x.tolist(), level=level)
    table.insert(1, "y", held_out.y)
    return table


def _check_outputs(args: argparse.Namespace) -> None:
    """Raise InputError for a file that could not be written, before any work is done."""
    if args.plot is not None:
        from matplotlib.figure import Figure

        known = Figure().canvas.get_supported_filetypes()
        ending = Path(args.plot).suffix.lower().removeprefix(".")
        if ending not in known:
            raise InputError(f"{args.plot!r}: a figure's name must end in one of .{', .'.join(known)}")
        _check_writable(args.plot)
    if getattr(args, "json", None) not in (None, STDIN):
        if Path(args.json).suffix.lower() != ".json":  # perhaps it is FILE, to be overwritten
            raise InputError(
                f"--json {args.json!r} must end in .json; put FILE before a --json without a name"
            )
        _check_writable(args.json)


def _check_writable(name: str) -> None:
    path = Path(name)
    if path.is_dir():
        raise InputError(f"{name!r} is a folder; give a file")
    if not path.parent.is_dir():
        raise InputError(f"{name!r} cannot be written: there is no folder {str(path.parent)!r}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{name!r} cannot be written: permission denied")


def _write_json(name: str | None, text: Callable[[], str]) -> None:
    if name == STDIN:
        print(text())
    elif name is not None:
        Path(name).write_text(text() + "\n", encoding="utf-8")
        _note(f"wrote {name}")


def _draw(name: str, draw: Callable[[Axes], object]) -> None:
    """Draw into a figure of its own, without pyplot, so that no display is needed, and save it."""
    from matplotlib.figure import Figure

    from bnsl.plots import SIZE

    figure = Figure(figsize=SIZE, layout="constrained")
    draw(figure.subplots())
    figure.savefig(name, dpi=DPI, bbox_inches="tight")
    _note(f"wrote {name}")


def _note(text: str) -> None:
    print(f"bnsl: {text}", file=sys.stderr)


def _fail(error: object) -> int:
    """One line, whatever the message."""
    _note("error: " + " ".join(str(error).split()))
    return 2


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Python's warnings as lines of our own, each of them once."""
    seen: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        if text not in seen:
            seen.add(text)
            _note(f"warning: {text}")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=ExtrapolationWarning)
        warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
        warnings.showwarning = show
        yield


# --- arguments ------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Its errors are InputErrors, so that they come out as one line like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see '{self.prog} --help')")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        from bnsl import __version__

        print(f"bnsl {__version__}")
        parser.exit()


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments; a FILE right behind a --json without a name is taken for FILE.

    argparse gives it to --json. What --json takes ends in .json, which no FILE does.
    """
    try:
        return _parser().parse_args(argv)
    except InputError:
        apart = list(argv)
        for i, (option, value) in enumerate(itertools.pairwise(argv)):
            if option == "--json" and not value.startswith("-") and Path(value).suffix.lower() != ".json":
                apart[i] = f"--json={STDIN}"
        with contextlib.suppress(InputError):
            return _parser().parse_args(apart)
        raise


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bnsl",
        description="Fit, extrapolate and compare broken neural scaling laws (arXiv 2210.14891).",
        epilog=_MAIN_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_fit(commands)
    _add_forecast(commands)
    _add_compare(commands)
    _add_plot(commands)
    _add_backtest(commands)
    _add_benchmark(commands)
    _add_datasets(commands)
    return parser


def _add_fit(commands: Any) -> None:
    command = _command(commands, "fit", "fit a law to a curve and predict with it", _FIT_EXAMPLE, _run_fit)
    _add_input(command)
    _add_law(command)
    command.add_argument(
        "--predict",
        type=float,
        action="append",
        default=[],
        metavar="X",
        help="predict y at X, once or more often (default: 2 and 10 times the last fitted x)",
    )
    _add_plot_option(command)
    _add_json_option(command)


def _add_forecast(commands: Any) -> None:
    text = "tell what will be at larger x: an average over laws, with intervals and nothing to set"
    command = _command(commands, "forecast", text, _FORECAST_EXAMPLE, _run_forecast)
    _add_input(command)
    _add_split(command)
    command.add_argument(
        "--predict",
        type=float,
        action="append",
        default=[],
        metavar="X",
        help="predict y at X, once or more often (default: 1.5, 2, 4 and 10 times the last fitted x)",
    )
    command.add_argument(
        "--level",
        type=float,
        default=LEVEL,
        metavar="P",
        help="probability of a new measurement inside the interval (default: %(default)s)",
    )
    _add_plot_option(command)
    _add_json_option(command)
    command.set_defaults(loss="log")


def _add_compare(commands: Any) -> None:
    text = "fit several forms to one curve and rank them"
    command = _command(commands, "compare", text, _COMPARE_EXAMPLE, _run_compare)
    _add_input(command)
    command.add_argument(
        "--forms",
        default=",".join(ALL_FORMS),
        metavar="A,B,...",
        help="the forms to compare (default: %(default)s)",
    )
    command.add_argument(
        "--n-breaks",
        type=_counts,
        metavar="N,...",
        help="number of breaks of the bnsl; with several (0,1,2) each is compared",
    )
    _add_options(command)
    _add_plot_option(command)
    _add_json_option(command)


def _add_plot(commands: Any) -> None:
    command = _command(commands, "plot", "fit a law to a curve and draw it", _PLOT_EXAMPLE, _run_plot)
    _add_input(command)
    _add_law(command)
    command.add_argument(
        "--decompose", action="store_true", help="draw the power laws that a bnsl is a chain of"
    )
    command.add_argument(
        "-o",
        "--output",
        dest="plot",
        required=True,
        metavar="OUT.png",
        help="the figure: .png, .pdf, .svg, ...",
    )
    command.set_defaults(predict=[])


def _add_backtest(commands: Any) -> None:
    text = "refit at several cut-offs inside the data, and tell how well the points beyond were foretold"
    command = _command(commands, "backtest", text, _BACKTEST_EXAMPLE, _run_backtest)
    _add_input(command)
    _add_law(command, split=False)
    command.set_defaults(form=None)
    command.add_argument(
        "--method",
        metavar="NAME",
        help=f"instead of a form, a method with nothing to set: {', '.join(BACKTESTED)}",
    )
    command.add_argument(
        "--cut",
        type=float,
        action="append",
        default=[],
        metavar="X",
        help="fit the points up to X and predict the others, once or more often (default: six at most)",
    )
    command.add_argument(
        "--tolerance", type=float, metavar="E", help="tell up to which distance the rmsle stayed within E"
    )
    _add_plot_option(command)
    _add_json_option(command)


def _add_benchmark(commands: Any) -> None:
    text = "fit the 92 curves of the benchmark (arXiv 2209.06640) and tabulate the errors beyond"
    command = _command(commands, "benchmark", text, _BENCHMARK_EXAMPLE, _run_benchmark)
    command.add_argument(
        "--methods", default=",".join(METHODS), metavar="A,B,...", help="the methods (default: %(default)s)"
    )
    command.add_argument(
        "--domains", metavar="A,B,...", help="only curves of these: IC, BB, LM, NMT (default: all)"
    )
    command.add_argument(
        "--output",
        default="benchmark-results",
        metavar="FOLDER",
        help="where tables (.csv, .md) and figure go (default: %(default)s)",
    )
    command.add_argument("--quiet", action="store_true", help="no progress, no notes")


def _add_datasets(commands: Any) -> None:
    text = "list the data sets of the package, or write one as CSV"
    command = _command(commands, "datasets", text, _DATASETS_EXAMPLE, _run_datasets)
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("name", nargs="?", metavar="NAME", help="write this one to the standard output")
    choice.add_argument(
        "--json", action="store_const", const=STDIN, help="list them as JSON instead of a table"
    )


def _command(
    commands: Any, name: str, text: str, example: str, run: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(run=run)
    return command


def _add_input(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help=_FILE_HELP)
    command.add_argument(
        "--x", metavar="COLUMN", help="column of the inputs (found if just two columns hold numbers)"
    )
    command.add_argument("--y", metavar="COLUMN", help="column of the measured values (likewise)")
    command.add_argument(
        "--sigma", metavar="COLUMN", help="column of the standard deviation of y (never guessed)"
    )


def _add_law(command: argparse.ArgumentParser, split: bool = True) -> None:
    command.add_argument("--form", default="bnsl", help=f"{', '.join(FORMS)} (default: bnsl)")
    command.add_argument(
        "--n-breaks",
        type=int,
        metavar="N",
        help="number of breaks of a bnsl (default: chosen by the evidence of the curve)",
    )
    _add_options(command, split)
    command.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hold a parameter at a value, once or more often",
    )


def _add_options(command: argparse.ArgumentParser, split: bool = True) -> None:
    """What a single fit and a comparison both take."""
    command.add_argument("--loss", default="log", help=f"{', '.join(LOSSES)} (default: %(default)s)")
    command.add_argument(
        "--robust",
        type=_robust,
        metavar="LOSS",
        help=f"count outliers less: {' or '.join(ROBUST)}",
    )
    if split:
        _add_split(command)


def _add_split(command: argparse.ArgumentParser) -> None:
    rule = command.add_mutually_exclusive_group()
    rule.add_argument("--train-until", type=float, metavar="X", help="hold out the points beyond X")
    rule.add_argument("--train-count", type=int, metavar="N", help="fit the N points with the smallest x")
    rule.add_argument("--train-fraction", type=float, metavar="F", help="fit this share of the points")


def _robust(text: str) -> str:
    """A robust loss; refused while the arguments are read, since it may be a FILE without a LOSS before."""
    try:
        check_choice(text, "LOSS", ROBUST)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _counts(text: str) -> int | list[int]:
    """'1' as 1, '0,1,2' as [0, 1, 2]."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, or several as in 0,1,2") from None
    return counts if len(counts) > 1 else counts[0]


def _add_plot_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--plot", metavar="OUT.png", help="draw a figure: .png, .pdf, .svg, ...")


def _add_json_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--json",
        nargs="?",
        const=STDIN,
        metavar="OUT.json",
        help="write JSON to a file, or without a name to the standard output instead of the table",
    )
