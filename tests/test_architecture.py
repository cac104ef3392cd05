"""The map of the layers, what importing costs, and what every public name must have."""

import inspect
import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import bnsl

ROOT = Path(__file__).resolve().parents[1]


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_every_module_has_its_layer():
    """A module that the contract does not list is checked by nothing."""
    text = (ROOT / "pyproject.toml").read_text()
    for path in (ROOT / "bnsl").iterdir():
        name = path.stem
        if path.suffix == ".py" and not name.startswith("__"):
            assert f"bnsl.{name} " in text.replace('"', " "), name


def test_importing_is_light():
    """No JAX, no pyplot, no pandas."""
    loaded = run(
        "import sys, json, bnsl, bnsl.cli._main\nfrom bnsl import *\nprint(json.dumps(sorted(sys.modules)))"
    )
    heavy = {"jax", "matplotlib.pyplot", "pandas", "sklearn", "pyarrow", "hypothesis"}
    heavy |= {"lmfit", "shtab", "tensorboard", "wandb", "dash", "dask", "loky", "tqdm"}
    assert not heavy & set(loaded)


WITHOUT_JAX = """
import contextlib, io, json, sys, warnings
import bnsl
from bnsl.cli import main

warnings.simplefilter("ignore")  # few replicates, far predictions
curve = bnsl.load_dataset("four_digit_addition")
x = 2.0 * curve.x[-1]
with open("curve.csv", "w") as file:
    file.writelines(["x,y\\n", *(f"{a},{b}\\n" for a, b in zip(curve.x, curve.y))])
law = bnsl.fit(curve, n_breaks=1)
foretold = bnsl.forecast(curve)


def shell(line):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(line.split()) == 0, line


calls = {
    "names": lambda: [getattr(bnsl, name) for name in bnsl.__all__],
    "fit": lambda: (law.predict(x), law.interval(x), law.summary(), bnsl.FitResult.from_json(law.to_json())),
    "breaks": lambda: bnsl.fit(curve),
    "losses": lambda: [bnsl.fit(curve, form="m2", loss=loss, robust="huber") for loss in ("log1p", "linear")],
    "forecast": lambda: (foretold.predict(x), foretold.interval(x), foretold.laws),
    "reach": lambda: (bnsl.reach(foretold, 0.5, x), bnsl.joint_draws(foretold, [x], 10)),
    "compare": lambda: bnsl.compare(curve, train_until=736).table,
    "extrapolate": lambda: bnsl.extrapolate(curve, train_until=736, form="m3"),
    "backtest": lambda: bnsl.backtest(curve, form="m2", cuts=[640.0]).table,
    "bootstrap": lambda: bnsl.bootstrap(law, 20, seed=0),
    "profile": lambda: (bnsl.profile(law, "d1"), bnsl.prediction_interval(law, [x])),
    "predictability": lambda: bnsl.predictability(law).summary(),
    "suggest": lambda: bnsl.suggest(law, [1000.0, 2000.0], 4000.0),
    "report": lambda: bnsl.write_report(curve, path="page.html", forms=["m2", "bnsl"], cuts=1),
    "plot": lambda: bnsl.plot_fit(law),
    **{
        f"bnsl {line}": lambda line=line: shell(line)
        for line in (
            "datasets",
            "fit four_digit_addition",
            "forecast four_digit_addition",
            "compare four_digit_addition --forms m1,m2 --train-until 736",
            "suggest four_digit_addition --target 4000",
            "backtest four_digit_addition --form m1 --cut 640",
            "plot four_digit_addition --form m2 -o law.svg",
            "report four_digit_addition --forms m1 --cuts 1",
            "columns curve.csv",
            "doctor",
        )
    },
}
guilty = [] if "jax" not in sys.modules else ["fit or forecast"]
for name, call in calls.items():
    if not guilty:
        call()
        guilty = [name] if "jax" in sys.modules else []
print(json.dumps(guilty))
"""


def test_one_curve_needs_no_jax(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert run(WITHOUT_JAX) == []


def test_the_shell_imports_what_a_command_needs():
    """Nothing that is heavy but NumPy and pandas is imported for one curve."""
    code = (
        "import contextlib, io, json, sys\n"
        "from bnsl.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    {call}\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    fit = set(run(code.format(call="main(['fit', 'four_digit_addition'])")))
    heavy = {
        "jax",
        "scipy",
        "matplotlib",
        "tqdm",
        "bnsl.many",
        "bnsl.web",
        "bnsl.plots",
    }
    assert not fit & heavy
    usage = set(run(code.format(call="with contextlib.suppress(SystemExit): main(['--help'])")))
    assert not usage & {"jax", "scipy", "pandas", "bnsl.forms", "bnsl.fitting", "bnsl.curves"}


def test_the_package_imports_what_is_asked_for():
    before, after, module = run(
        "import sys, json, bnsl\n"
        "before = [name for name in sys.modules if name in ('jax', 'numpy', 'scipy', 'bnsl.fitting')]\n"
        "from bnsl import predictability\n"
        "print(json.dumps([before, callable(bnsl.fit) and callable(predictability), bnsl.forms.__name__]))"
    )
    assert (before, after, module) == ([], True, "bnsl.forms")
    with pytest.raises(AttributeError, match="no_such_thing"):
        bnsl.no_such_thing  # noqa: B018
    with pytest.raises(ImportError, match="no_such_thing"):
        from bnsl import no_such_thing  # noqa: F401


def public():
    for name in bnsl.__all__:
        yield name, getattr(bnsl, name)


def test_all_is_sorted_and_true():
    assert sorted(bnsl.__all__) == sorted(set(bnsl.__all__))
    assert all(hasattr(bnsl, name) for name in bnsl.__all__)


FUNCTIONS = {name: value for name, value in public() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in public() if inspect.isclass(value)}


def methods(kind):
    for name, value in vars(kind).items():
        value = value.fget if isinstance(value, property) else getattr(value, "func", value)
        value = getattr(value, "__func__", value)
        if inspect.isfunction(value) and not name.startswith("_") and value.__module__.startswith("bnsl"):
            yield name, value


def assert_documented(function):
    assert inspect.getdoc(function), function.__qualname__
    hints = function.__annotations__
    assert "return" in hints, function.__qualname__
    for name in inspect.signature(function).parameters:
        assert name in hints or name in ("self", "cls"), f"{function.__qualname__}({name})"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_is_documented_and_typed(name):
    assert_documented(FUNCTIONS[name])


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_class_and_method_is_documented_and_typed(name):
    assert CLASSES[name].__doc__
    assert not CLASSES[name].__doc__.startswith(f"{name}(")  # what dataclass writes where there is none
    for _, function in methods(CLASSES[name]):
        assert_documented(function)


def test_type_hints_of_functions_name_things_that_exist():
    import pandas as pd
    from matplotlib.axes import Axes

    for function in FUNCTIONS.values():
        module = sys.modules[function.__module__]
        typing.get_type_hints(function, {**vars(module), "pd": pd, "Axes": Axes})


def test_the_benchmark_curves_are_not_in_the_repository():
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()
    assert "pyproject.toml" in names
    assert not [name for name in names if "benchmark." in name and name.endswith(".csv")]
    marks = ("MiX/B/16", "6 Enc, 6 Dec")
    for name in names:
        path = ROOT / name
        if path.suffix in {".csv", ".tsv", ".json", ".jsonl"} and path.exists():
            assert not any(mark in path.read_text(errors="ignore") for mark in marks), name
