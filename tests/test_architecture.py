"""The layers, what importing costs, and what every public name must have."""

import inspect
import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import bnsl

ROOT = Path(__file__).resolve().parents[1]


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_imports_go_to_lower_layers_only(capsys):
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out
    assert "1 kept, 0 broken" in capsys.readouterr().out


def test_every_module_has_its_layer():
    """A module that the contract does not list is checked by nothing."""
    text = (ROOT / "pyproject.toml").read_text()
    for path in (ROOT / "bnsl").iterdir():
        name = path.stem
        if path.suffix == ".py" and not name.startswith("__"):
            assert f"bnsl.{name} " in text.replace('"', " "), name


def test_importing_is_light():
    """No pyplot, no pandas, and JAX has neither compiled anything nor changed its settings."""
    loaded, compiled, wide = run(
        "import sys, json, jax\n"
        "from jax._src import monitoring\n"
        "events = []\n"
        "monitoring.register_event_duration_secs_listener(lambda name, *a, **k: events.append(name))\n"
        "import bnsl, bnsl.cli._main\n"
        "from bnsl import *\n"
        "compiled = [name for name in events if 'compil' in name or 'trace' in name]\n"
        "print(json.dumps([sorted(sys.modules), compiled, jax.config.jax_enable_x64]))"
    )
    heavy = {"matplotlib.pyplot", "pandas", "sklearn", "pyarrow", "hypothesis"}
    heavy |= {"lmfit", "shtab", "tensorboard", "wandb"}
    assert not heavy & set(loaded)
    assert compiled == []
    assert not wide


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
