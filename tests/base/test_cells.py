"""Numbers as people write them, and which mark is the decimal one."""

import numpy as np
import pandas as pd
import pytest

from bnsl import InputError, read_curve
from bnsl._base.cells import number_columns, number_of
from bnsl.readers.formats import read_source
from bnsl.readers.reading import curve_from_source


def read(usual=None, decimal=None, **columns):
    found = number_columns(pd.DataFrame(columns, dtype=object), "file 't'", usual=usual, decimal=decimal)
    return {name: numbers.values.tolist() for name, numbers in found.items()}


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["14M", "2.05B", "310k", "4T"], [14e6, 2.05e9, 310e3, 4e12]),
        (["31m", "1.1b"], [31e6, 1.1e9]),
        (["3e8 params", "2.5B params", "90M param"], [3e8, 2.5e9, 9e7]),
        (["5 million tokens", "1.5 billion tokens"], [5e6, 1.5e9]),
        (["61.5%", "70 %", "100%"], [61.5, 70.0, 100.0]),
        (["2,300", "1,000,000", "17"], [2300.0, 1e6, 17.0]),
        (["2,300.5", "800"], [2300.5, 800.0]),
        (["1.200,5", "2"], [1200.5, 2.0]),
        (["1.200.000", "2.500"], [1.2e6, 2500.0]),
        (["0,125", "2,500", "3"], [0.125, 2.5, 3.0]),
        (["4,25e-3", "-1,5"], [0.00425, -1.5]),
        (["12 500", "1\u202f250\u202f000"], [12500.0, 1.25e6]),
        (["12'500", "900"], [12500.0, 900.0]),
        (["3,400M", "1,200.5M"], [3.4e9, 1.2005e9]),
        (["\u22123.5", "inf"], [-3.5, np.inf]),
    ],
)
def test_ways_of_writing_a_number(cells, numbers):
    assert read(a=cells)["a"] == numbers


@pytest.mark.parametrize(
    "cells",
    [
        ["5 GB", "3 MB"],  # units that differ
        ["12%", "0.3"],  # a share or a percentage
        ["1.5", "2,5"],  # two decimal marks
        ["1,50,0", "2"],
        ["2024.05.01", "2024.06.01"],
        ["12:30", "12:45"],
        ["3e8M", "1e9"],
        ["gpt-2", "7B"],
        ["crashed", "1,000"],
    ],
)
def test_what_is_no_column_of_numbers(cells):
    assert read(usual=".", a=cells) == {}


def test_another_column_tells_the_decimal_mark():
    thousands = ["1,500", "12,000"]
    assert read(a=thousands, b=["2.75", "3"]) == {"a": [1500.0, 12000.0], "b": [2.75, 3.0]}
    assert read(a=thousands, b=["2,75", "3"])["a"] == [1.5, 12.0]
    assert read(a=["1.500", "12.000"], b=["2,75", "3"])["a"] == [1500.0, 12000.0]
    assert read(a=["1.500", "12.000"], b=["2", "3"])["a"] == [1.5, 12.0]
    # What is no number at all has no say.
    assert read(a=["1.500", "12.000"], b=["v1.2", "v3"], c=["2.1.0", "3.0.1"])["a"] == [1.5, 12.0]


@pytest.mark.parametrize(
    "columns",
    [
        {"a": ["1,500", "12,000"]},
        {"a": ["1,500", "12,000"], "b": ["2.750", "3.125"]},
        {"a": ["1,500", "12,000"], "b": ["2.75", "3"], "c": ["2,75", "3"]},
        {"a": ["400", "800", "1.600"]},
    ],
)
def test_a_mark_that_may_be_either_is_asked_about(columns):
    with pytest.raises(
        InputError, match=r"file 't': column 'a', row . is '1.[56]00', which may be 1[56]00 or 1"
    ):
        read(**columns)
    assert read(**columns, usual=".")["a"][-1] in (12000.0, 1.6)
    assert read(**columns, decimal=".")["a"][-1] in (12000.0, 1.6)
    assert read(**columns, decimal=",")["a"][-1] in (12.0, 1600.0)


def test_one_cell():
    cells = ["70M", "2,5", "1.5e3", 4, "x", True]
    assert [number_of(cell) for cell in cells] == [7e7, 2.5, 1500.0, 4.0, None, None]


# --- in files -------------------------------------------------------------------------------------


@pytest.fixture
def notes_of(tmp_path):
    def notes_of(content, name="t.csv", **options):
        path = tmp_path / name
        path.write_text(content)
        reading = curve_from_source(read_source(path), **options)
        return reading.curve, reading.notes

    return notes_of


def test_every_reading_that_is_not_literal_is_told(notes_of):
    curve, notes = notes_of("model,loss,note\n31M,2.9,a\n1.1B,2.2,b\n9B,1.9,c\n")
    assert curve.x.tolist() == [31e6, 1.1e9, 9e9]
    assert notes == ("column 'model': '31M' is read as 31000000",)
    curve, notes = notes_of("Schritte;Verlust\n1.000;3,25\n4.000;2,5\n16.000;2,125\n")
    assert (curve.x.tolist(), curve.y.tolist()) == ([1000, 4000, 16000], [3.25, 2.5, 2.125])
    assert notes == ("column 'Schritte': '1.000' is read as 1000", "column 'Verlust': '3,25' is read as 3.25")
    curve, notes = notes_of('{"n": "2k", "y": 3}\n{"n": "4k", "y": 2}\n{"n": "9k", "y": 1}\n', "t.jsonl")
    assert curve.x.tolist() == [2000.0, 4000.0, 9000.0]
    assert notes == ("column 'n': '2k' is read as 2000",)


def test_thousands_between_quotes_in_a_table_with_commas(notes_of):
    curve, notes = notes_of('# exported\n# twice\nsteps,loss\n"1,000",3.1\n"30,000",2.5\n"2,000,000",2.2\n')
    assert curve.x.tolist() == [1e3, 3e4, 2e6]
    assert notes == ("left out 2 lines beginning with #", "column 'steps': '1,000' is read as 1000")


def test_an_accuracy_in_per_cent_is_offered_as_an_error(notes_of):
    curve, notes = notes_of("images,top5\n10,51.5%\n100,72%\n1000,81.25%\n10000,90%\n")
    assert curve.y.tolist() == [51.5, 72.0, 81.25, 90.0]
    assert notes[0] == "column 'top5': '51.5%' is read as 51.5, in per cent"
    assert notes[1].startswith(
        "'top5' looks like an accuracy in per cent; accuracy='percent' takes the error"
    )


def test_a_run_is_named_as_it_stands_in_the_file(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{size},{step},{2 + step**-0.5}\n" for size in ("31M", "1.1B") for step in (1, 2, 4, 8)]
    path.write_text("size,step,loss\n" + "".join(rows))
    from bnsl import Curation

    curve = read_curve(path, "step", "loss", curation=Curation(where={"size": "1.1B"}))
    assert (len(curve), curve.name) == (4, "t, size 1.1B")
    with pytest.raises(
        InputError, match=r"2 runs by 'size': '31M', '1.1B'; take one of them \(where={'size': '31M'}"
    ):
        read_curve(path, "step", "loss", curation=Curation(by="size"))
    with pytest.warns(UserWarning, match="column 'size': '31M' is read as 31000000"):
        final = read_curve(path, "size", "loss", curation=Curation(by="size", keep="last"))
    assert final.x.tolist() == [31e6, 1.1e9]


# --- spaces between the cells, and files without names --------------------------------------------


@pytest.mark.parametrize("name", ["t.txt", "t.dat", "t.csv", "t"])
@pytest.mark.parametrize("header", ["tokens loss", ""])
@pytest.mark.parametrize("delimiter", [" ", "\t", ","])
def test_what_savetxt_writes(tmp_path, name, header, delimiter):
    x, y = np.geomspace(3, 3e4, 6), 1.7 + np.geomspace(2, 0.2, 6)
    np.savetxt(tmp_path / name, np.c_[x, y], header=header.replace(" ", delimiter), delimiter=delimiter)
    reading = curve_from_source(read_source(tmp_path / name))
    np.testing.assert_array_equal([reading.curve.x, reading.curve.y], [x, y])
    assert reading.columns.names == (("tokens", "loss") if header else ("column 1", "column 2"))
    told = "took the names 'tokens', 'loss' from the comment" if header else "the first line is numbers, so"
    assert reading.notes[0].startswith(told)


def test_columns_in_line_with_spaces(notes_of):
    curve, notes = notes_of("  size   loss\n   7M   2.90\n 1.3B   2.10\n  10B   1.90\n")
    assert (curve.x.tolist(), curve.y.tolist()) == ([7e6, 1.3e9, 1e10], [2.9, 2.1, 1.9])
    assert notes == ("column 'size': '7M' is read as 7000000",)


def test_the_names_that_pandas_gives_are_names(tmp_path):
    path = tmp_path / "t.csv"
    pd.DataFrame([[5.0, 3.0], [9.0, 2.0], [20.0, 1.0]]).to_csv(path, index=False)
    assert read_curve(path).x.tolist() == [5.0, 9.0, 20.0]
