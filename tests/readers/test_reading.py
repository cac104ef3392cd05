"""Tables and curves from files, and what a bad file gets."""

import gzip
import io
import re
import sys

import numpy as np
import pandas as pd
import pytest

from bnsl import Curation, Curve, InputError, load_dataset
from bnsl.cli.datasets import curve_csv
from bnsl.readers.columns import choose_columns
from bnsl.readers.formats import read_table
from bnsl.readers.reading import read_curve
from bnsl.readers.source import Source

X = [1.0, 2.5, 1e24, 0.1]
Y = [3.0, 0.1 + 0.2, 1 / 3, 5e-324]
CSV = "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in zip(X, Y, strict=True))
JSON_LINES = "".join(f'{{"x": {x!r}, "y": {y!r}}}\n' for x, y in zip(X, Y, strict=True))


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def parquet(table):
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


# --- what can be read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", CSV),
        ("t.CSV", CSV),
        ("no_ending", CSV),
        ("t.csv", CSV.replace("\n", "\r\n")),
        ("t.csv", "\n\n" + CSV + "\n\n"),
        ("t.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("t.csv", CSV.replace(",", " , ")),
        ("t.csv", CSV.replace(",", ";")),
        ("t.csv", CSV.replace(",", "\t")),
        ("t.tsv", CSV.replace(",", "\t")),
        ("t.jsonl", JSON_LINES),
        ("t.ndjson", "\n" + JSON_LINES),
        ("t.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("t.jsonl.gz", gzip.compress(JSON_LINES.encode(), mtime=0)),
    ],
)
def test_every_format_gives_the_same_numbers_to_the_last_bit(write, name, content):
    table = read_table(write(name, content))
    assert table.columns.tolist() == ["x", "y"]
    assert table["x"].tolist() == X
    assert table["y"].tolist() == Y


def test_parquet(write):
    pytest.importorskip("pyarrow")
    path = write("t.parquet", parquet(pd.DataFrame({"x": X, "y": Y, "run": list("abcd")}).iloc[::-1]))
    assert read_table(path)["y"].tolist() == Y[::-1]
    assert read_curve(path).y.tolist() == [Y[3], Y[0], Y[1], Y[2]]


def test_parquet_without_pyarrow_says_what_to_install(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        InputError, match=r"needs pyarrow; pip install 'broken-neural-scaling-laws\[parquet\]'"
    ):
        read_table(write("t.parquet", b"PAR1"))


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
    curve = read_curve("-")
    assert len(curve) == 4
    assert curve.name == "the standard input"


def test_integers_of_any_size_are_numbers(write):
    path = write("t.jsonl", '{"flops": 1000000000000000000000000, "loss": 2}\n{"flops": 7, "loss": 3}\n')
    assert read_table(path)["flops"].tolist() == [1e24, 7.0]


@pytest.mark.parametrize("name", ["four_digit_addition", "double_descent"])
def test_a_bundled_data_set_survives_its_csv(write, name):
    expected = load_dataset(name)
    path = write(f"{name}.csv", curve_csv(expected))
    curve = read_curve(path, sigma=None if expected.sigma is None else "y_err")
    assert isinstance(curve, Curve)
    assert curve.name == name
    np.testing.assert_array_equal(curve.x, expected.x)
    np.testing.assert_array_equal(curve.y, expected.y)
    if expected.sigma is not None:
        np.testing.assert_array_equal(curve.sigma, expected.sigma)


# --- which columns --------------------------------------------------------------------------------


def frame(*names):
    return pd.DataFrame({name: [1.0, 2.0, 3.0] for name in names})


def chosen_of(table, **asked):
    return choose_columns(Source(table), **asked)


def test_two_numeric_columns_are_x_and_y_in_the_order_of_the_file():
    table = frame("tokens", "loss")
    table.insert(0, "model", ["a", "b", "c"])
    chosen = chosen_of(table)
    assert (chosen.x, chosen.y, chosen.sigma, chosen.guessed) == ("tokens", "loss", None, True)


@pytest.mark.parametrize(
    "name", ["y_err", "sigma", "std", "stderr", "loss_std", "Loss SE", "loss-sem", "error_bar"]
)
def test_an_uncertainty_is_no_candidate_and_never_guessed(name):
    chosen = chosen_of(frame("x", "loss", name))
    assert (chosen.x, chosen.y, chosen.sigma, chosen.unused) == ("x", "loss", None, (name,))
    assert chosen_of(frame("x", "loss", name), sigma=name).unused == ()


@pytest.mark.parametrize("names", [("p", "err"), ("sigma", "err"), ("x", "loss_std")])
def test_two_columns_are_x_and_y_whatever_their_names(names):
    table = frame(*names)
    chosen = chosen_of(table)
    assert (chosen.x, chosen.y, chosen.unused) == (*names, ())
    assert chosen_of(table, x=names[0]).y == names[1]
    table.insert(0, "model", ["a", "b", "c"])
    assert chosen_of(table).y == names[1]


def test_an_uncertainty_does_not_stand_in_for_a_column_with_a_bad_cell(write):
    for cell in ("two", "", "x1"):
        with pytest.raises(InputError, match="column 'y', row 2 is"):
            read_curve(write("t.csv", f"x,y,err\n1,3,1\n2,{cell},1\n3,1,1\n"))
    with pytest.raises(InputError, match="column 'acc', row 1 is '93 of', and other cells are"):
        read_curve(write("t.csv", "x,acc,acc_err\n1,93 of,1\n2,94,1\n3,95%,1\n"))


@pytest.mark.parametrize("name", ["error", "test_error", "stdlib", "closed", "verse"])
def test_other_names_are_candidates(name):
    assert chosen_of(frame("steps", name)).y == name


def test_one_column_given_leaves_one_to_find():
    assert chosen_of(frame("loss", "tokens"), x="tokens").y == "loss"
    assert chosen_of(frame("loss", "tokens"), y="loss").x == "tokens"
    assert not chosen_of(frame("a", "b", "c"), x="c", y="a").guessed


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {},
            "x and y: say which columns to take (x= and y=); the columns are 'steps', 'loss', "
            "'acc', 'run' (not all",
        ),
        ({"x": "steps"}, "y: say which column to take (y=); the columns are"),
        (
            {"x": "step", "y": "loss"},
            "x: there is no column 'step'; the columns are 'steps', 'loss', 'acc', 'run' (not all numbers). "
            "Did you mean 'steps'?",
        ),
        ({"x": "steps", "y": "loss", "sigma": "q"}, "sigma: there is no column 'q'; the columns are"),
        ({"x": "loss", "y": "loss"}, "y: column 'loss' is x already"),
    ],
)
def test_a_doubt_about_columns_lists_what_there_is(asked, message):
    table = frame("steps", "loss", "acc")
    table["run"] = ["a", "b", "c"]
    with pytest.raises(InputError) as caught:
        chosen_of(table, **asked)
    assert message in str(caught.value)


def test_too_few_columns_of_numbers(write):
    with pytest.raises(InputError, match=r"too few columns of numbers.*'y' \(not all numbers\)"):
        read_curve(write("t.csv", "run,x,y\na,1,2\nb,2,oops\nc,3,4\n"))
    with pytest.raises(InputError, match="row 2 is 'oops'"):  # no choice of columns, so no need to ask
        read_curve(write("t.csv", "x,y\n1,2\n2,oops\n3,4\n"))


# --- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("oops", "column 'y', row 2 is 'oops', which is not a number"),
        ("", "column 'y', row 2 is missing"),
        ("nan", "column 'y', row 2 is missing"),
        ("NA", "column 'y', row 2 is missing"),
        ("inf", "column 'y', row 2 is inf; it must be finite"),
        ("-inf", "column 'y', row 2 is -inf; it must be finite"),
        ("1e999", "column 'y', row 2 is inf; it must be finite"),
        ("2.1%", "column 'y', row 2 is '2.1%', and other cells are written in another way"),
        ('"1,50,0"', "column 'y', row 2 is '1,50,0', which is not a number"),
        ("0", "column 'y', row 2 is 0; the log loss needs y > 0"),
        ("-0.5", "column 'y', row 2 is -0.5; the log loss needs y > 0; fit an error such as 1 - accuracy"),
        ("q" * 500, "column 'y', row 2 is '" + "q" * 56 + "..., which"),
    ],
)
def test_a_bad_cell_is_named_with_column_row_and_value(write, cell, message):
    path = write("t.csv", f"x,y\n3,1\n1,{cell}\n2,3\n")
    with pytest.raises(InputError) as caught:
        read_curve(path, "x", "y", loss="log")
    assert message in str(caught.value)


@pytest.mark.parametrize("mark", [";", "\t"])
def test_decimal_commas_are_read_between_semicolons_and_tabs(write, mark):
    lines = [("x", "y", "run"), ("1", "1,5", "a,b"), ("2,500", "-0,25", "c"), ("30", "1,25e-3", "")]
    table = read_table(write("t.csv", "\n".join(map(mark.join, lines))))
    assert table["x"].tolist() == [1.0, 2.5, 30.0]
    assert table["y"].tolist() == [1.5, -0.25, 1.25e-3]
    assert table["run"].tolist()[:2] == ["a,b", "c"]


def test_commas_that_may_be_decimal_ones_get_a_hint(write):
    path = write("t.csv", "x;y\n1;2\n1,500;3\n2,500;4\n")
    with pytest.raises(
        InputError, match=r"'x', row 2 is '1,500', which may be 1500 or 1.500; say which mark"
    ):
        read_table(path)
    assert read_table(path, decimal=".")["x"].tolist() == [1.0, 1500.0, 2500.0]
    assert read_table(path, decimal=",")["x"].tolist() == [1.0, 1.5, 2.5]
    with pytest.raises(InputError, match="row 3 is '2,5', and other cells are written in another way"):
        read_curve(write("t.csv", "x;y\n1;1\n1.5;2\n2,5;3\n"))
    for text in ("x,y\n1,5,2,5\n", "x,y\n1,2\n1,5,2\n"):
        with pytest.raises(
            InputError, match=r"ragged.*; if these are decimal commas, put semicolons between"
        ):
            read_table(write("t.csv", text))


def test_several_bad_cells_are_counted(write):
    with pytest.raises(InputError, match=r"column 'x', row 1 is -3; .* \(1 more row likewise\)"):
        read_curve(write("t.csv", "x,y\n-3,1\n-1,2\n2,3\n"))


def test_sigma_must_be_positive(write):
    with pytest.raises(InputError, match=r"column 's', row 3 is -0.1; sigma must be a positive"):
        read_curve(write("t.csv", "x,y,s\n1,1,0.1\n2,2,0.1\n3,3,-0.1\n"), "x", "y", "s")


def test_other_losses_take_what_they_can(write):
    path = write("t.csv", "x,y\n1,1\n2,0\n3,-1\n")
    assert read_curve(path, loss="linear").y.tolist() == [1.0, 0.0, -1.0]
    with pytest.raises(InputError, match="row 3 is -1; the log1p loss needs y >= 0"):
        read_curve(path, loss="log1p")


def test_truth_values_are_no_numbers(write):
    path = write("t.jsonl", '{"x": 1, "y": true}\n{"x": 2, "y": false}\n')
    with pytest.raises(InputError, match="column 'y', row 1 is True, which is not a number"):
        read_curve(path, "x", "y")


def test_json_lines_may_lack_a_key(write):
    with pytest.raises(InputError, match="column 'y', row 2 is missing"):
        read_curve(write("t.jsonl", '{"x": 1, "y": 2}\n{"x": 2}\n{"x": 3, "y": 2}\n'), "x", "y")


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", " \n\n", "is empty"),
        ("t.csv", "x,y\n", "has no rows"),
        ("t.csv", "x,y,x\n1,2,3\n", "two columns called 'x'"),
        ("t.csv", "x,y\n1,2\n3,4,5\n", "ragged or damaged: Expected 2 fields in line 3, saw 3"),
        ("t.csv", "x,y\n1,2,3\n3,4,5\n", "ragged: rows have more cells than the header"),
        ("t.csv", 'x,y\n1,"2\n3,4\n', "ragged or damaged"),
        ("t.csv", bytes(range(256)) * 20, "not text in UTF-8"),
        ("t.csv", "x,y\n1,2\n\0\0\0,3\n", "binary data"),
        ("t.csv", "sep=;\r\n", "has no rows"),
        ("t.csv.gz", CSV, "is damaged"),
        ("t.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-12], "is damaged"),
        ("t.jsonl", '{"x": 1}\n{"x": 1,\n', "line 2 is not valid JSON"),
        ("t.jsonl", "[1, 2]\n", "line 1 is '[1, 2]'; every line must be one JSON object"),
        ("t.jsonl", "{}\n", "has no rows"),
        ("t.parquet", b"PAR1 and no more", "damaged or no Parquet file"),
        ("t.parquet", CSV, "damaged or no Parquet file"),
        ("t.xlsx", b"PK\x03\x04", "is a workbook; save the sheet with the runs as CSV UTF-8"),
        ("t.xlsx", b"PK", "nor the ending '.xlsx' tells what it is"),
    ],
)
def test_a_bad_file_gets_one_clear_error(write, name, content, message):
    path = write(name, content)
    with pytest.raises(InputError) as caught:
        read_curve(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "x\ty\n1\t2\n2\t1.5\n4\t1.2\n".encode("utf-16")),
        ("t.csv", b"sep=;\r\nx;y\r\n1;2\r\n2;1,5\r\n4;1,2\r\n"),
        ("t.txt", "x\ty\n1\t2\n2\t1.5\n4\t1.2\n"),
        ("t.dat", "x, y\n1, 2\n2, 1.5\n4, 1.2\n"),
    ],
)
@pytest.mark.filterwarnings("ignore:column 'y'. '1,5' is read as 1.5")
def test_tables_of_spreadsheets_and_of_other_endings(write, name, content):
    curve = read_curve(write(name, content))
    np.testing.assert_array_equal([curve.x, curve.y], [[1, 2, 4], [2, 1.5, 1.2]])


def test_lines_of_a_log_are_no_table(write):
    lines = "".join(f"step {s}, loss {2 * s**-0.3:.4f}\n" for s in range(1, 9))
    with pytest.raises(InputError, match="is a plain log"):
        read_curve(write("t.txt", lines))


def test_a_missing_file_and_a_folder(tmp_path, write):
    write("curve.csv", CSV)
    with pytest.raises(InputError, match=r"does not exist. Did you mean 'curve.csv'\?"):
        read_table(tmp_path / "curv.csv")
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "no" / "curve.csv")
    write("notes.md", "")
    write("losses.tsv.gz", "")
    for name, meant in [
        ("Curve.csv", "curve.csv"),
        ("curve.tsv", "curve.csv"),
        ("loses.tsv", "losses.tsv.gz"),
    ]:
        with pytest.raises(InputError, match=rf"does not exist. Did you mean '{meant}'\?"):
            read_table(tmp_path / name)
    for name in ("cure_b.csv", "table.csv", "cube.csv", "note.csv", "c.csv", "reserve.csv"):
        with pytest.raises(InputError, match=r"does not exist$"):
            read_table(tmp_path / name)
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path)


def test_what_to_take_is_said_by_name_or_by_a_curation(write):
    path = write(
        "runs.csv", "size,x,acc\n" + "".join(f"{s},{x},{10 * s + x}\n" for s in (1, 2) for x in (1, 2, 4))
    )
    one = read_curve(path, "x", "acc", where={"size": 2}, accuracy="percent")
    same = read_curve(path, "x", "acc", curation=Curation(where={"size": 2}, accuracy="percent"))
    np.testing.assert_array_equal(one.y, same.y)
    assert one.within == (0.0, 1.0)
    with pytest.raises(InputError, match=r"takes no 'acuracy'.* Did you mean 'accuracy'"):
        read_curve(path, "x", "acc", acuracy="percent")
    with pytest.raises(InputError, match="where and curation are alternatives"):
        read_curve(path, "x", "acc", curation=Curation(), where={"size": 2})


def test_messages_in_python_speak_no_shell(write):
    cells = {
        "gap.csv": "x,y\n1,3\n2,\n4,2\n8,1\n",
        "inf.csv": "x,y\n1,3\n2,inf\n4,2\n8,1\n",
        "zero.csv": "x,y\n-1,3\n2,1\n4,2\n8,1\n",
        "loss.csv": "x,y\n1,3\n2,-1\n4,2\n8,1\n",
        "three.csv": "a,b,c\n1,3,4\n2,-1,3\n4,2,2\n",
        "runs.csv": "run,step,loss\n" + "".join(f"{r},{s},{s}\n" for r in "ab" for s in range(1, 9)),
        "plain.log": "step 1 loss 2\n",
    }
    for name, text in cells.items():
        with pytest.raises(InputError) as caught:
            read_curve(write(name, text), loss="log")
        assert not re.search(r"--[a-z]|in the shell", str(caught.value))
        assert re.search(r"drop|x= and y=|where=|pattern=", str(caught.value))
