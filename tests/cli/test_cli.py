"""The shell command, in process for the most part."""

import contextlib
import gzip
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl import cli
from bnsl.cli._commands import COMMANDS, whole_parser
from bnsl.cli.datasets import curve_csv

CSV = "x,y\n" + "".join(f"{x},{2.0 * x**-0.3 + 0.5}\n" for x in (1, 2, 4, 8, 16, 32, 64, 128))
FAST = ["--form", "m1"]  # where any law will do, take the one that compiles fastest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("curve.csv").write_text(CSV)
    return tmp_path


@pytest.fixture
def run(capsys):
    def run(*argv):
        code = cli.main(argv)
        return code, *capsys.readouterr()

    return run


def forbid_nan(name):
    raise AssertionError(f"{name} is not strict JSON")


def strict(text):
    return json.loads(text, parse_constant=forbid_nan)


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_example_of_the_help_works(command, capsys, request, monkeypatch):
    if command == "benchmark":
        monkeypatch.setenv("BNSL_DATA_DIR", str(request.getfixturevalue("benchmark_folder")))
    if command == "app":  # which serves until it is interrupted; test_app.py does that
        monkeypatch.setattr("bnsl.cli.app.serve", lambda *_, **__: None)
    if command == "fit-many":
        curve = pd.read_csv("curve.csv").rename(columns={"x": "tokens", "y": "loss"})
        runs = pd.concat([curve.assign(model=model, task=task) for model in "ab" for task in "cde"])
        runs.to_csv("runs.csv", index=False)
        runs.to_parquet("runs.parquet", index=False)
    with pytest.raises(SystemExit) as leaving:
        cli.main([*command.split(), "--help"])
    assert leaving.value.code == 0
    lines = capsys.readouterr().out.partition("\nforms, their other names")[0].splitlines()
    examples = [line.strip() for line in lines if line.startswith("  bnsl ")]
    assert examples
    assert any(command in example for example in examples)
    for example in examples:
        words, _, target = example.partition(" > ")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert cli.main(shlex.split(words)[1:]) == 0
        if target:
            Path(target).write_text(out.getvalue())
        for option, name in zip(shlex.split(words), shlex.split(words)[1:], strict=False):
            if option in ("-o", "--plot", "--json"):
                assert Path(name).stat().st_size > 1000
            if option == "--output":
                assert (Path(name) / "curves.csv").stat().st_size > 100


def test_every_command_has_its_examples_tested():
    modules = {path.stem.replace("_", "-") for path in Path(cli.__file__).parent.glob("[a-z]*.py")}
    assert modules == set(COMMANDS)
    assert list(whole_parser(filled=True)._subparsers._group_actions[0].choices) == list(COMMANDS)


def test_figures_that_the_readme_makes_are_not_for_git():
    root = Path(__file__).resolve().parents[2]
    made = re.findall(r"(?:--plot|-o) (\S+\.png)", (root / "README.md").read_text(encoding="utf-8"))
    assert made
    assert {f"/{name}" for name in made} <= set((root / ".gitignore").read_text(encoding="utf-8").split())


def test_version(capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out == f"bnsl {bnsl.__version__}\n"


# --- fit ------------------------------------------------------------------------------------------


def test_fit_prints_summary_held_out_error_and_predictions(run):
    code, out, err = run("fit", "four_digit_addition", "--train-count", "14")
    assert code == 0
    assert out.startswith("bnsl, 1 break fitted to four_digit_addition")
    assert "rmsle    0.0111434 +- 0.00203 on the held-out points" in out
    assert "predictions, with 90 % intervals" in out
    header, first, second = (line.split() for line in out.splitlines()[-3:])
    assert header == ["training", "set", "size", "(examples)", "predicted", "lower", "upper"]
    assert (first[0], second[0]) == ("1472", "7360")
    assert float(first[2]) < float(first[1]) < float(first[3])
    assert err == "bnsl: there is no file 'four_digit_addition'; took the bundled data set of that name\n"


def test_fit_tells_which_columns_it_took_and_left(run):
    text = CSV.replace("\n", ",0.1\n").replace("x,y,0.1", "steps,loss,loss_std")
    Path("e.csv").write_text(text)
    code, out, err = run("fit", "e.csv", *FAST)
    assert code == 0
    assert "steps from 1 to 128" in out
    assert err.splitlines() == [
        "bnsl: took x = 'steps' and y = 'loss'; --x and --y choose other columns",
        "bnsl: column 'loss_std' is not used; --sigma loss_std would weight the points by it",
    ]
    assert run("fit", "e.csv", "--x", "steps", "--y", "loss", "--sigma", "loss_std", *FAST)[::2] == (0, "")


def test_fit_from_the_standard_input(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
    code, out, _ = run("fit", "-", *FAST)
    assert code == 0
    assert "m1 fitted to the standard input" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fit curve.csv --x N --x D", "--x is given twice, N and D; several inputs are --x N,D (see"),
        (
            "fit curve.csv --train-until 8 --train-until 1k",
            "--train-until is given twice, 8.0 and 1000.0; leave",
        ),
        (
            "forecast curve.csv --json a.json --json",
            "--json is given twice, a.json and -; leave one of them out",
        ),
        (
            "fit-many curve.csv --by x -o a.csv --output a.csv",
            "--output is given twice, a.csv and a.csv; leave",
        ),
        ("fit-many curve.csv --by x --workers 1 --workers 1", "--workers is given twice, 1 and 1; leave"),
    ],
)
def test_an_option_with_one_value_is_not_given_twice(run, words, message):
    code, out, err = run(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"bnsl: error: {message}")
    assert err.count("\n") == 1


def test_json_to_stdout_is_strict_and_reads_back(run):
    options = ["--x", "x", "--y", "y", "--train-until", "32", "--predict", "100", "--predict", "200"]
    code, out, err = run("fit", "curve.csv", *options, *FAST, "--json")
    assert (code, err) == (0, "")
    record = strict(out)
    again = bnsl.FitResult.from_json(out)
    curve = bnsl.Curve(*np.loadtxt("curve.csv", delimiter=",", skiprows=1).T)
    direct = bnsl.extrapolate(curve, train_until=32, form="m1")
    assert dict(again.params) == dict(direct.result.params)
    assert [row["x"] for row in record["predictions"]] == [100.0, 200.0]
    assert record["predictions"][1]["predicted"] == direct.result.predict(200.0)
    assert record["predictions"][1]["level"] == 0.9
    assert record["held_out"]["rmsle"] == direct.rmsle
    assert len(record["held_out"]["points"]) == 2


def test_either_backend_gives_the_law(run):
    laws = []
    for backend in ("numpy", "jax"):
        code, out, _ = run("fit", "curve.csv", "--n-breaks", "0", "--backend", backend, "--json")
        assert code == 0
        laws.append(strict(out)["params"])
    assert laws[1] == pytest.approx(laws[0], rel=1e-8)


def test_json_has_null_for_what_is_unknown(run):
    Path("c.csv").write_text("x,y\n1,3\n2,2\n3,1\n")
    code, out, _ = run("fit", "c.csv", "--form", "m2", "--json")
    assert code == 0
    record = strict(out)
    assert record["predictions"][0]["lower"] is None
    assert record["held_out"] is None
    code, out, _ = run("fit", "c.csv", "--form", "m2", "--json", "out.json")
    assert code == 0
    assert out.splitlines()[-1].split()[2:] == ["unknown", "unknown"]
    assert strict(Path("out.json").read_text()) == record


def test_options_reach_the_fit(run):
    options = [
        "--n-breaks",
        "0",
        "--loss",
        "log1p",
        "--robust",
        "soft_l1",
        "--robust-scale",
        "0.02",
        "--fix",
        "a=0.25",
        "--fix",
        "c0=0.5",
    ]
    record = strict(run("fit", "curve.csv", *options, "--json")[1])
    assert record["loss"] == "log1p"
    assert record["robust"] == "soft_l1"
    assert record["fixed"] == ["a", "c0"]
    assert (record["params"]["a"], record["params"]["c0"]) == (0.25, 0.5)
    assert record["form"]["n_breaks"] == 0


def test_a_far_prediction_warns_once_in_one_line(run):
    code, out, err = run("fit", "curve.csv", "--x", "x", "--y", "y", *FAST, "--predict", "1e6")
    assert code == 0
    assert "1e+06" in out
    assert err.count("\n") == 1
    assert err.startswith(
        "bnsl: warning: far_extrapolation: x reaches beyond 10 times the fitted range (1 to 128)"
    )


def test_figures_are_written(run):
    for name in ("a.png", "a.pdf", "a.svg"):
        assert run("plot", "curve.csv", *FAST, "-o", name)[0] == 0
        assert Path(name).stat().st_size > 1000
    code, out, err = run(
        "plot", "curve.csv", "--n-breaks", "0", "--decompose", "-o", "b.png", "--train-count", "6"
    )
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == "bnsl: wrote b.png"


def svg_texts(name):
    """The words of a figure: Matplotlib writes each in a comment before its outlines."""
    return re.findall(r"<!-- (.*?) -->", Path(name).read_text(encoding="utf-8"))


def test_figures_are_labelled_by_their_columns(run):
    pd.read_csv("curve.csv").rename(columns={"x": "steps", "y": "val loss"}).to_csv("named.csv", index=False)
    assert run("plot", "named.csv", *FAST, "-o", "named.svg")[0] == 0
    assert {"steps", "val loss"} <= set(svg_texts("named.svg"))


@pytest.mark.parametrize("command", ["plot {} -o", "fit {} --plot", "compare {} --forms m1,m2 --plot"])
def test_title_and_labels_of_a_figure(run, command):
    words = [*command.format("curve.csv").split(), "own.svg", "--title", "Ours", "--x-label", "FLOP"]
    fast = [] if command.startswith("compare") else FAST
    assert run(*words, "--y-label", "nats per token", *fast)[0] == 0
    assert {"Ours", "FLOP", "nats per token"} <= set(svg_texts("own.svg"))


def test_plot_prints_the_warnings_of_the_fit(run):
    Path("c.csv").write_text("x,y\n1,3\n2,2\n3,1\n")
    code, _, err = run("plot", "c.csv", "--form", "m2", "-o", "a.png")
    assert code == 0
    assert "bnsl: warning: no_degrees_of_freedom: as many parameters as points (3)" in err


# --- compare and datasets -------------------------------------------------------------------------


def test_compare(run):
    code, out, _ = run(
        "compare", "curve.csv", "--forms", "m1, m2", "--train-count", "6", "--json", "out.json"
    )
    assert code == 0
    assert "held out 2 points, x from 64 to 128" in out
    assert "ranked   by held-out error" in out
    assert [line.split()[0] for line in out.splitlines()[-2:]] == ["m2", "m1"]
    record = strict(Path("out.json").read_text())
    assert [row["form"] for row in record["table"]] == ["m2", "m1"]
    assert record["held_out_points"] == 2
    assert bnsl.FitResult.from_json(json.dumps(record["fits"]["m2"])).form == bnsl.M2()


@pytest.mark.parametrize(
    "argv",
    [
        "fit --json curve.csv --form m1",
        "fit --form m1 --json curve.csv",
        "compare --forms m1 --json curve.csv",
    ],
)
def test_json_in_front_of_file_prints_json_and_leaves_the_file_alone(run, argv):
    code, out, _ = run(*argv.split())
    assert code == 0
    assert strict(out)["bnsl"] in ("fit", "comparison")
    assert Path("curve.csv").read_text() == CSV
    assert [path.name for path in Path().iterdir()] == ["curve.csv"]


def test_the_table_of_predictions_has_the_name_of_x(run):
    Path("c.csv").write_text(CSV.replace("x,y", "tokens,loss"))
    out = run("fit", "c.csv", *FAST, "--predict", "200")[1]
    assert out.splitlines()[-2].split() == ["tokens", "predicted", "lower", "upper"]
    assert strict(run("fit", "c.csv", *FAST, "--predict", "200", "--json")[1])["predictions"][0]["x"] == 200.0


def test_compare_numbers_of_breaks(run):
    code, out, _ = run(
        "compare", "curve.csv", "--forms", "bnsl,m1", "--n-breaks", "0,1", "--train-count", "6"
    )
    assert code == 0
    for label in ("bnsl, 0 breaks", "bnsl, 1 break ", "m1 "):
        assert sum(line.startswith(label) for line in out.splitlines()) == 1
    out = run("compare", "curve.csv", "--forms", "bnsl", "--n-breaks", "0", "--json")[1]
    assert list(strict(out)["fits"]) == ["bnsl"]
    assert strict(out)["fits"]["bnsl"]["form"]["n_breaks"] == 0


def test_values_that_are_not_positive_have_an_rmse_in_print(run):
    Path("c.csv").write_text("x,y\n" + "".join(f"{2**i},{2.0 * 2 ** (-0.5 * i) - 0.5}\n" for i in range(9)))
    out = run("fit", "c.csv", "--n-breaks", "0", "--loss", "linear", "--train-count", "7")[1]
    assert len([line for line in out.splitlines() if line.startswith("rmse     ")]) == 2
    assert "(in the units of y) on the held-out points" in out
    assert "rmsle" not in out
    options = ["--forms", "m2,bnsl", "--n-breaks", "0", "--loss", "linear"]
    for extra in ([], ["--train-count", "7"]):
        out = run("compare", "c.csv", *options, *extra)[1]
        assert "train_rmse" in out
        assert "rmsle" not in out
        assert ("heldout_rmse" in out) == bool(extra)


def test_compare_says_when_aicc_cannot_rank(run):
    Path("c.csv").write_text("x,y\n1,3\n2,2.5\n4,1.9\n8,1.8\n")
    out = run("compare", "c.csv", "--forms", "m2,m4")[1]
    assert (
        "ranked   by the error on the fitted points, which favours many parameters: there are too few" in out
    )


def test_compare_without_hold_out_ranks_by_aicc(run):
    code, out, _ = run("compare", "curve.csv", "--forms", "m1,m2")
    assert code == 0
    assert "ranked   by AICc" in out
    assert "heldout" not in out
    rows = strict(run("compare", "curve.csv", "--forms", "m1,m2", "--json")[1])["table"]
    assert rows[0]["heldout_rmsle"] is None
    assert rows[0]["delta_aicc"] == 0.0


def test_a_criterion_that_too_few_points_leave_infinite_is_blank(run):
    Path("few.csv").write_text("\n".join(CSV.splitlines()[:6]) + "\n")
    _, out, _ = run("compare", "few.csv", "--forms", "m1,m2")
    assert "aicc     blank where there are too few points" in out
    assert "inf" not in out.split("form ")[1]
    assert "aicc     blank" not in run("compare", "curve.csv", "--forms", "m1,m2")[1]


def test_datasets(run):
    code, out, _ = run("datasets")
    assert code == 0
    curves = bnsl.load_dataset("validation").curves
    assert f"{len({(c.domain, c.task) for c in curves})} curves measured by this project" in out
    assert f"each split at 1/2 and at 1/4 of its x: {len(curves)} tasks" in out
    assert [line.split()[:2] for line in out.splitlines()[1:3]] == [
        ["four_digit_addition", "17"],
        ["double_descent", "59"],
    ]
    assert len(strict(run("datasets", "--json")[1])) == len(out.splitlines()) - 1
    assert run("datasets", "double_descent")[1] == curve_csv(bnsl.load_dataset("double_descent")) + "\n"


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("x,y\n", "has no rows"),
        ("x,y\n1,1\n2,2\n1,3\n", "x has 2 distinct values; a fit needs at least three"),
        ("x,y\n1,1\n2,nan\n3,3\n", "column 'y', row 2 is missing"),
        ("x,y\n1,1\n2,inf\n3,3\n", "column 'y', row 2 is inf"),
        ("x,y\n1,1\n-1,2\n3,3\n", "column 'x', row 2 is -1; a scaling law needs x > 0"),
        ("x,y\n1,1\n2,-2\n3,3\n", "column 'y', row 2 is -2; the log loss needs y > 0; fit an error such as"),
        ("x,y\n1,1\n2,two\n3,3\n", "column 'y', row 2 is 'two', which is not a number"),
        ("x,y\n1,1\n2,2,2\n3,3\n", "ragged or damaged"),
        ("\x89PNG\r\n\x1a\n\0\0\0", "holds binary data"),
        (
            "a,b,c\n1,2,3\n4,5,6\n7,8,9\n",
            "say which columns to take (--x and --y); the columns are 'a'",
        ),
    ],
)
@pytest.mark.parametrize("command", [["fit"], ["compare"], ["plot", "-o", "out.png"]])
def test_a_bad_table_is_one_line_and_exit_code_2(run, command, content, message):
    Path("bad.csv").write_text(content)
    code, out, err = run(*command, "bad.csv")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("bnsl: error: ")
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("", "the following arguments are required: COMMAND (see 'bnsl --help')"),
        ("fti curve.csv", "COMMAND = 'fti' is unknown; choose one of 'fit', "),
        ("fti", "'completion'. Did you mean 'fit'?"),
        ("--quiet fit curve.csv", "unknown option or argument: --quiet (see 'bnsl --help')"),
        ("fit", "the following arguments are required: FILE (see 'bnsl fit --help')"),
        ("fit curve.csv --n-break 1", "--n-break 1. Did you mean '--n-breaks'? (see 'bnsl fit --help')"),
        ("fit curve.csv more", "unknown option or argument: more (see 'bnsl fit --help')"),
        ("fit curv.csv", "file 'curv.csv' does not exist. Did you mean 'curve.csv'?"),
        (
            "fit four_digit",
            "neither a file nor a data set of 'bnsl datasets'. Did you mean 'four_digit_addition'?",
        ),
        ("fit four_digit_addition --x x", "--x: the bundled data set 'four_digit_addition' has its columns"),
        ("fit .", "is a folder"),
        ("fit damaged.csv.gz", "is damaged"),
        ("fit curve.csv --x X", "x: there is no column 'X'"),
        ("fit curve.csv --x x --y q", "y: there is no column 'q'; the columns are 'x', 'y'"),
        ("fit curve.csv --sigma s", "sigma: there is no column 's'"),
        ("fit sigma.csv --x x --y y --sigma s", "column 's', row 2 is -1; sigma must be a positive"),
        ("fit curve.csv --form m5", "--form 'm5' is unknown; choose one of"),
        (
            "fit missing.csv --backend cuda",
            "--backend 'cuda' is unknown; choose one of 'auto', 'numpy'",
        ),
        ("fit missing.csv --robust-scale 0.1", "--robust-scale needs a robust loss; add --robust huber"),
        ("fit missing.csv --robust huber --robust-scale 0", "--robust-scale 0 is not a usable number"),
        ("fit curve.csv --points 0", "--points 0 must be a whole number >= 3"),
        ("fit curve.csv --smooth 0", "--smooth 0 must be a factor above 1"),
        ("fit four_digit_addition --points 0", "--points 0 must be a whole number >= 3"),
        ("--versio", "unknown option or argument: --versio. Did you mean '--version'? (see 'bnsl --help')"),
        ("fit curve.csv --loss lgo", "--loss 'lgo' is unknown; choose one of"),
        ("fit curve.csv --robust l3", "--robust: invalid choice: 'l3' (choose from 'huber', 'soft_l1'"),
        ("fit --robust curve.csv", "argument --robust: invalid choice: 'curve.csv' (choose from 'huber'"),
        ("fit curve.csv --robust", "argument --robust: expected one argument"),
        ("fit --json out.json", "the following arguments are required: FILE"),
        ("fit --json out.json --plot curve.csv", "the following arguments are required: FILE"),
        ("fit --json curve.csv other.csv", "--json 'curve.csv' must end in .json"),
        ("fit curve.csv --json --n-break 1", "unknown option or argument: --n-break 1"),
        ("fit missing.csv --form m5", "--form 'm5' is unknown"),
        ("fit missing.csv --loss lgo", "--loss 'lgo' is unknown"),
        ("fit missing.csv --n-breaks -1", "--n-breaks -1 must be a whole number"),
        ("fit missing.csv --fix a=zero", "--fix a='zero' is not a number"),
        ("fit missing.csv --predict 0", "--predict 0 is not positive"),
        ("plot missing.csv -o a.png --form m5", "--form 'm5' is unknown"),
        ("compare missing.csv --loss lgo", "--loss 'lgo' is unknown"),
        ("compare missing.csv --n-breaks 0,-1", "--n-breaks -1 must be a whole number"),
        ("compare missing.csv --n-breaks 0,one", "--n-breaks: '0,one' must be a whole number, or several"),
        ("compare missing.csv --n-breaks 1,1", "forms names 'bnsl, 1 break' twice"),
        ("compare missing.csv --forms m1,m2 --n-breaks 1", "--n-breaks 1 is only for 'bnsl', which is not"),
        ("fit curve.csv --n-breaks -1", "--n-breaks -1 must be a whole number >= 0"),
        ("fit curve.csv --n-breaks one", "argument --n-breaks: 'one' must be a whole number or auto"),
        ("fit curve.csv --form m2 --n-breaks 1", "--n-breaks 1 is only for --form bnsl"),
        ("fit curve.csv --fix f1=-1", "--fix f1=-1 is impossible"),
        ("fit curve.csv --fix d1=0", "--fix d1=0 is impossible"),
        ("fit curve.csv --fix q=1", "has no parameter 'q'; it has a, b, c0, c1, d1, f1"),
        ("fit curve.csv --fix a=zero", "--fix a='zero' is not a number"),
        ("fit curve.csv --fix a", "--fix 'a' must be NAME=VALUE"),
        ("fit curve.csv --fix a=0 --fix a=1", "--fix gives 'a' twice"),
        ("fit curve.csv --predict 0", "--predict 0 is not positive"),
        ("fit curve.csv --predict nan", "--predict nan is not a usable number"),
        ("fit curve.csv --train-until 0.5", "leaves nothing to fit; x runs from 1 to 128"),
        ("fit curve.csv --train-until 3", "x has 2 distinct values"),
        ("fit curve.csv --train-until 1e9", "nothing is held out of 8 points with x from 1 to 128"),
        ("compare curve.csv --train-until 1e9", "nothing is held out of 8 points with x from 1 to 128"),
        ("fit curve.csv --train-fraction 2", "--train-fraction 2 must lie strictly between 0 and 1"),
        ("fit curve.csv --train-count 5 --train-until 8", "not allowed with argument --train-count"),
        ("fit curve.csv --plot out.xyz", "a figure's name must end in one of"),
        ("fit curve.csv --y-label loss", "--y-label is written on a figure; add --plot OUT.png"),
        ("fit curve.csv --plot out", "a figure's name must end in one of"),
        ("fit curve.csv --plot no/out.png", "'no/out.png' cannot be written: there is no folder 'no'"),
        ("fit curve.csv --json no/out.json", "'no/out.json' cannot be written"),
        ("fit curve.csv --json folder.json", "'folder.json' is a folder"),
        ("fit other.csv --json curve.csv", "--json 'curve.csv' must end in .json; put FILE before"),
        ("compare curve.csv --forms m1,m5", "--forms 'm5' is unknown"),
        ("compare curve.csv --forms m1,m1", "forms names 'm1' twice"),
        ("compare curve.csv --forms m1,", "--forms '' is unknown"),
        ("plot curve.csv", "the following arguments are required: -o/--output"),
        ("plot curve.csv --form m2 --decompose -o a.png", "--decompose draws the power laws of a bnsl"),
        ("datasets four_digit", "NAME 'four_digit' is unknown; choose one of"),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(run, argv, message, monkeypatch):
    Path("damaged.csv.gz").write_bytes(gzip.compress(CSV.encode())[:-12])
    Path("sigma.csv").write_text("x,y,s\n1,3,1\n2,2,-1\n3,1,1\n")
    Path("folder.json").mkdir()
    monkeypatch.setattr("bnsl.fitting.setup.search", lambda *_: pytest.fail("work was done before the check"))
    code, out, err = run(*shlex.split(argv))
    assert (code, out) == (2, "")
    *notes, line = err.splitlines()
    assert line.startswith("bnsl: error: ")
    assert message in line
    assert all(note.startswith("bnsl: took x =") for note in notes)


def test_interrupt(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bnsl.cli.fit.fit", interrupt)
    assert run("fit", "curve.csv")[0] == 130


def test_an_output_that_fails_late(run, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "out.json")

    monkeypatch.setattr(Path, "write_text", full)
    code, _, err = run("fit", "curve.csv", *FAST, "--json", "out.json")
    assert code == 2
    assert err.splitlines()[-1] == "bnsl: error: out.json: No space left on device"


# --- as a process ---------------------------------------------------------------------------------


def command(*argv):
    return subprocess.Popen(
        [sys.executable, "-m", "bnsl", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_process_says_the_same_again():
    outputs = []
    for _ in range(2):
        with command("fit", "curve.csv", *FAST, "--json") as process:
            outputs.append(process.communicate(timeout=300))
            assert process.returncode == 0, outputs
    assert outputs[0] == outputs[1]
    strict(outputs[0][0])


def test_process_survives_a_reader_that_goes_away():
    with command("datasets", "noiseless_simulation") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=300) == 141


INTERRUPTED = """
import os, signal, sys
{before}
class Finder:
    def find_spec(self, name, *_):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["bnsl", "datasets"]
from bnsl.cli import main
code = main()
assert signal.getsignal(signal.SIGINT) is {after}
sys.exit(code)
"""


DEFAULT = "signal.default_int_handler"
# It is said, since what a script runs in the background begins with interrupts ignored.
HEARD = (f"signal.signal(signal.SIGINT, {DEFAULT})", DEFAULT, 130, "bnsl: interrupted\n")
IGNORED = ("signal.signal(signal.SIGINT, signal.SIG_IGN)", "signal.SIG_IGN", 0, "")


@pytest.mark.parametrize("module", ["numpy", "bnsl.cli.datasets"])
@pytest.mark.parametrize(("before", "after", "code", "error"), [HEARD, IGNORED], ids=["heard", "ignored"])
def test_an_interrupt_while_modules_are_imported(module, before, after, code, error):
    source = INTERRUPTED.format(module=module, before=before, after=after)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, error)
